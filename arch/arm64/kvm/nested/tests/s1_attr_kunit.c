// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization, tests: attributes of stage 1 that are not in its leaf.
 *
 * Indirect permissions (FEAT_S1PIE), overlays (FEAT_S1POE), and what stage 2
 * makes of a memory type. All encodings of a field are gone through, reserved
 * ones included.
 */
#include <kunit/test.h>

#include <asm/sysreg.h>

#include "fake_mem.h"
#include "nested/s1walk.h"

#define TTBR0		0x50000000ULL
#define LEAF_AT		0x50000010ULL
/* A 1 GB block with AF, for VA 2 GB. */
#define LEAF		0xc0000401ULL
#define LEAF_VA		0x80000abcULL
#define LEAF_NDIRTY	BIT_ULL(7)
#define LEAF_PO(n)	((u64)(n) << 60)

/* 39 bits, 4K, 48-bit output */
#define TCR_EL10	(5ULL << 32 | 25)
#define TCR2_PIE	BIT_ULL(1)
#define TCR2_E0POE	BIT_ULL(2)
#define TCR2_POE	BIT_ULL(3)
#define TCR2_ALL	(TCR2_PIE | TCR2_E0POE | TCR2_POE)
#define SCTLR		(BIT_ULL(0) | BIT_ULL(2) | BIT_ULL(12))

/* A permission of index n in PIR_ELx, PIRE0_ELx or POR_ELx. */
#define PERM(n, perm)	((u64)(perm) << (4 * (n)))

/**
 * struct pie_row - permissions by indirection
 * @desc: says what the row is about
 * @tcr2: TCR2_EL1
 * @no_pie: the VM has neither FEAT_S1PIE nor FEAT_S1POE
 * @no_tcr2en: HCRX_EL2.TCR2En is clear
 * @wxn: SCTLR_EL1.WXN is set
 * @leaf: bits set in the descriptor
 * @pir: PIR_EL1
 * @pire0: PIRE0_EL1
 * @por: POR_EL1
 * @por_el0: POR_EL0
 * @priv: what EL1 may do
 * @unpriv: what EL0 may do
 */
struct pie_row {
	const char *desc;
	u64 tcr2;
	bool no_pie;
	bool no_tcr2en;
	bool wxn;
	u64 leaf;
	u64 pir;
	u64 pire0;
	u64 por;
	u64 por_el0;
	const char *priv;
	const char *unpriv;
};

static const struct pie_row pie_rows[] = {
	/* Each encoding, for either privilege level. */
	{ "0000", TCR2_PIE, .pir = 0x0, .pire0 = 0x0,
	  .priv = "---", .unpriv = "---" },
	{ "0001", TCR2_PIE, .pir = 0x1, .pire0 = 0x1,
	  .priv = "r--", .unpriv = "r--" },
	{ "0010", TCR2_PIE, .pir = 0x2, .pire0 = 0x2,
	  .priv = "--x", .unpriv = "--x" },
	{ "0011", TCR2_PIE, .pir = 0x3, .pire0 = 0x3,
	  .priv = "r-x", .unpriv = "r-x" },
	{ "0100", TCR2_PIE, .pir = 0x4, .pire0 = 0x4,
	  .priv = "---", .unpriv = "---" },
	{ "0101", TCR2_PIE, .pir = 0x5, .pire0 = 0x5,
	  .priv = "rw-", .unpriv = "rw-" },
	{ "0110, WXN", TCR2_PIE, .pir = 0x6, .pire0 = 0x1,
	  .priv = "rw-", .unpriv = "r--" },
	{ "0111", TCR2_PIE, .pir = 0x7, .pire0 = 0x1,
	  .priv = "rwx", .unpriv = "r--" },
	{ "0111, EL0", TCR2_PIE, .pir = 0x1, .pire0 = 0x7,
	  .priv = "r--", .unpriv = "rwx" },
	{ "1000", TCR2_PIE, .pir = 0x8, .pire0 = 0x8,
	  .priv = "r--", .unpriv = "r--" },
	{ "1010", TCR2_PIE, .pir = 0xa, .pire0 = 0xa,
	  .priv = "r-x", .unpriv = "r-x" },
	{ "1011", TCR2_PIE, .pir = 0xb, .pire0 = 0xb,
	  .priv = "---", .unpriv = "---" },
	{ "1100", TCR2_PIE, .pir = 0xc, .pire0 = 0xc,
	  .priv = "rw-", .unpriv = "rw-" },
	{ "1101", TCR2_PIE, .pir = 0xd, .pire0 = 0xd,
	  .priv = "---", .unpriv = "---" },
	{ "1110", TCR2_PIE, .pir = 0xe, .pire0 = 0x8,
	  .priv = "rwx", .unpriv = "r--" },
	{ "1110, EL0", TCR2_PIE, .pir = 0x8, .pire0 = 0xe,
	  .priv = "r--", .unpriv = "rwx" },
	{ "1111", TCR2_PIE, .pir = 0xf, .pire0 = 0xf,
	  .priv = "---", .unpriv = "---" },
	{ "EL0 writes what EL1 executes: nobody gets anything", TCR2_PIE,
	  .pir = 0xa, .pire0 = 0xc, .priv = "---", .unpriv = "---" },

	/* Where the index is, and what direct permissions say there. */
	{ "index bit 0", TCR2_PIE, .leaf = BIT_ULL(6),
	  .pir = PERM(1, 0xc), .pire0 = PERM(1, 0x8),
	  .priv = "rw-", .unpriv = "r--" },
	{ "index bit 1", TCR2_PIE, .leaf = BIT_ULL(51),
	  .pir = PERM(2, 0xc), .pire0 = PERM(2, 0x8),
	  .priv = "rw-", .unpriv = "r--" },
	{ "index bit 2", TCR2_PIE, .leaf = BIT_ULL(53),
	  .pir = PERM(4, 0xc), .pire0 = PERM(4, 0x8),
	  .priv = "rw-", .unpriv = "r--" },
	{ "index bit 3", TCR2_PIE, .leaf = BIT_ULL(54),
	  .pir = PERM(8, 0xc), .pire0 = PERM(8, 0x8),
	  .priv = "rw-", .unpriv = "r--" },
	{ "index 15", TCR2_PIE,
	  .leaf = BIT_ULL(6) | BIT_ULL(51) | BIT_ULL(53) | BIT_ULL(54),
	  .pir = PERM(15, 0xc), .pire0 = PERM(15, 0x8),
	  .priv = "rw-", .unpriv = "r--" },
	{ "nDirty without hardware management", TCR2_PIE, .leaf = LEAF_NDIRTY,
	  .pir = 0xc, .pire0 = 0xc, .priv = "r--", .unpriv = "r--" },

	/* Overlays take away, from encodings below 1000 alone. */
	{ "overlay 000", TCR2_ALL, .leaf = LEAF_PO(1),
	  .pir = 0x7, .pire0 = 0x3, .por = PERM(1, 0), .por_el0 = PERM(1, 0),
	  .priv = "---", .unpriv = "---" },
	{ "overlay 001", TCR2_ALL, .leaf = LEAF_PO(1),
	  .pir = 0x7, .pire0 = 0x3, .por = PERM(1, 1), .por_el0 = PERM(1, 1),
	  .priv = "r--", .unpriv = "r--" },
	{ "overlay 010", TCR2_ALL, .leaf = LEAF_PO(1),
	  .pir = 0x7, .pire0 = 0x3, .por = PERM(1, 2), .por_el0 = PERM(1, 2),
	  .priv = "--x", .unpriv = "--x" },
	{ "overlay 101", TCR2_ALL, .leaf = LEAF_PO(7),
	  .pir = 0x7, .pire0 = 0x3, .por = PERM(7, 5), .por_el0 = PERM(7, 5),
	  .priv = "rw-", .unpriv = "r--" },
	{ "overlay 111", TCR2_ALL, .leaf = LEAF_PO(7),
	  .pir = 0x7, .pire0 = 0x3, .por = PERM(7, 7), .por_el0 = PERM(7, 7),
	  .priv = "rwx", .unpriv = "r-x" },
	{ "overlay 1111 is reserved", TCR2_ALL, .leaf = LEAF_PO(1),
	  .pir = 0x7, .pire0 = 0x3, .por = PERM(1, 15), .por_el0 = PERM(1, 15),
	  .priv = "---", .unpriv = "---" },
	{ "overlay of 1xxx: none", TCR2_ALL, .leaf = LEAF_PO(1),
	  .pir = 0xe, .pire0 = 0xa, .priv = "rwx", .unpriv = "r-x" },
	{ "overlay of EL1 alone", TCR2_PIE | TCR2_POE, .leaf = LEAF_PO(1),
	  .pir = 0x7, .pire0 = 0x3, .priv = "---", .unpriv = "r-x" },
	{ "overlay of EL0 alone", TCR2_PIE | TCR2_E0POE, .leaf = LEAF_PO(1),
	  .pir = 0x7, .pire0 = 0x3, .priv = "rwx", .unpriv = "---" },
	{ "RWnX by an overlay without W executes", TCR2_ALL,
	  .pir = 0x6, .pire0 = 0x1, .por = 3, .por_el0 = 7,
	  .priv = "r-x", .unpriv = "r--" },
	{ "RWnX by an overlay with X does not write", TCR2_ALL,
	  .pir = 0x6, .pire0 = 0x1, .por = 7, .por_el0 = 7,
	  .priv = "r-x", .unpriv = "r--" },
	{ "RWnX by an overlay without X writes", TCR2_ALL,
	  .pir = 0x6, .pire0 = 0x1, .por = 5, .por_el0 = 7,
	  .priv = "rw-", .unpriv = "r--" },
	{ "overlay of direct permissions", TCR2_POE,
	  .por = 5, .priv = "rw-", .unpriv = "--x" },
	{ "WXN by an overlay with X does not write", TCR2_POE, .wxn = true,
	  .por = 7, .priv = "r-x", .unpriv = "--x" },
	{ "WXN by an overlay without X writes", TCR2_POE, .wxn = true,
	  .por = 5, .priv = "rw-", .unpriv = "--x" },
	{ "WXN without an overlay does not execute", TCR2_E0POE, .wxn = true,
	  .por_el0 = 7, .priv = "rw-", .unpriv = "--x" },

	/* TCR2_EL1 is not in effect: direct permissions. */
	{ "VM without either", TCR2_ALL, .no_pie = true,
	  .pir = 0x8, .pire0 = 0x8, .priv = "rwx", .unpriv = "--x" },
	{ "HCRX_EL2.TCR2En=0", TCR2_ALL, .no_tcr2en = true,
	  .pir = 0x8, .pire0 = 0x8, .priv = "rwx", .unpriv = "--x" },
};

KUNIT_ARRAY_PARAM_DESC(pie, pie_rows, desc);

static void s1_perms_string(const struct kvm_s1_perms *perms, char *string)
{
	string[0] = perms->r ? 'r' : '-';
	string[1] = perms->w ? 'w' : '-';
	string[2] = perms->x ? 'x' : '-';
	string[3] = 0;
}

static int s1_attr_walk(const struct pie_row *row, enum kvm_access_type type,
			struct kvm_s1_result *res, struct kvm_walk_fault *fault)
{
	const struct kvm_s1_features feat = {
		.pa_bits = 48,
		.gran	 = BIT(12),
		.tcrx	 = true,
		.s1pie	 = !row->no_pie,
		.s1poe	 = !row->no_pie,
	};
	const struct kvm_s1_regs regs = {
		.regime	 = KVM_REGIME_EL10,
		.tcr	 = TCR_EL10,
		.tcr2	 = row->tcr2,
		.sctlr	 = SCTLR | (row->wxn ? SCTLR_ELx_WXN : 0),
		.ttbr	 = { TTBR0 },
		.mair	 = 0xff,
		.pir	 = row->pir,
		.pire0	 = row->pire0,
		.por	 = row->por,
		.por_el0 = row->por_el0,
		.hcrx	 = row->no_tcr2en ? ~BIT_ULL(14) : ~0ULL,
	};
	struct fake_mem mem = { .desc = { { LEAF_AT, LEAF | row->leaf } } };
	struct kvm_walk_mem wmem = { &fake_mem_ops, &mem };
	const struct kvm_access acc = { .type = type };
	struct kvm_s1_config cfg;

	kvm_s1_configure(&regs, &feat, &cfg);
	return kvm_s1_walk(&cfg, &wmem, LEAF_VA, &acc, res, fault);
}

static void s1_attr_indirect(struct kunit *test)
{
	const struct pie_row *row = test->param_value;
	struct kvm_walk_fault fault;
	struct kvm_s1_result res;
	char string[4];
	int ret;

	/* AT S1E*A asks for nothing, so that all of them can be seen. */
	ret = s1_attr_walk(row, KVM_ACC_AT_ANY, &res, &fault);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, res.pa, 0xc0000abc);
	s1_perms_string(&res.priv, string);
	KUNIT_EXPECT_STREQ(test, string, row->priv);
	s1_perms_string(&res.unpriv, string);
	KUNIT_EXPECT_STREQ(test, string, row->unpriv);
}

/**
 * struct why_row - what PAR_EL1 says about a Permission fault
 * @desc: says what the row is about
 * @pie: registers and descriptor
 * @type: the access, which is refused
 * @stage: the stage that did it
 * @par: the bits
 */
struct why_row {
	const char *desc;
	struct pie_row pie;
	enum kvm_access_type type;
	u8 stage;
	u64 par;
};

/* DirtyBit 0x8000, Overlay 0x4000 */
static const struct why_row why_rows[] = {
	{ "base permission", { .tcr2 = TCR2_ALL, .pir = 0x8 },
	  KVM_ACC_AT_WRITE, 1, 0 },
	{ "overlay, read", { .tcr2 = TCR2_ALL, .pir = 0x7 },
	  KVM_ACC_AT_READ, 1, 0x4000 },
	{ "overlay, write", { .tcr2 = TCR2_ALL, .pir = 0x7, .por = 1 },
	  KVM_ACC_AT_WRITE, 1, 0x4000 },
	{ "overlay, write to what it makes executable",
	  { .tcr2 = TCR2_ALL, .pir = 0x6, .por = 7 },
	  KVM_ACC_AT_WRITE, 1, 0x4000 },
	{ "overlay, fetch", { .tcr2 = TCR2_ALL, .pir = 0x7, .por = 5 },
	  KVM_ACC_EXEC, 1, 0x4000 },
	{ "dirty state",
	  { .tcr2 = TCR2_ALL, .pir = 0xc, .leaf = LEAF_NDIRTY },
	  KVM_ACC_AT_WRITE, 1, 0x8000 },
	{ "overlay and dirty state: the overlay",
	  { .tcr2 = TCR2_ALL, .pir = 0x5, .por = 1, .leaf = LEAF_NDIRTY },
	  KVM_ACC_AT_WRITE, 1, 0x4000 },
	{ "overlay, but stage 2 refused", { .tcr2 = TCR2_ALL, .pir = 0x7 },
	  KVM_ACC_AT_READ, 2, 0 },
};

KUNIT_ARRAY_PARAM_DESC(why, why_rows, desc);

static void s1_attr_why(struct kunit *test)
{
	const struct why_row *row = test->param_value;
	struct kvm_walk_fault fault;
	struct kvm_s1_result res;
	int ret;

	ret = s1_attr_walk(&row->pie, row->type, &res, &fault);
	KUNIT_EXPECT_EQ(test, ret, KVM_WALK_FAULT);
	KUNIT_EXPECT_EQ(test, fault.kind, KVM_FAULT_PERMISSION);
	fault.stage = row->stage;
	KUNIT_EXPECT_EQ(test, kvm_par_s1_fault_bits(&res, &fault), row->par);

	/* Other faults have no reason of this kind. */
	fault.stage = 1;
	fault.kind = KVM_FAULT_ACCESS_FLAG;
	KUNIT_EXPECT_EQ(test, kvm_par_s1_fault_bits(&res, &fault), 0);
}

/**
 * struct combine_row - what stage 2 makes of a memory type
 * @desc: says what the row is about
 * @s1: the type of stage 1
 * @memattr: MemAttr of stage 2
 * @sh: shareability of stage 2
 * @fwb: HCR_EL2.FWB
 * @cd: HCR_EL2.CD
 * @want: the type of both
 */
struct combine_row {
	const char *desc;
	struct kvm_mem_attr s1;
	u8 memattr;
	u8 sh;
	bool fwb;
	bool cd;
	struct kvm_mem_attr want;
};

static const struct combine_row combine_rows[] = {
	/* The weaker of the two types, the stronger of the shareabilities. */
	{ "WB, WB", { 0xff, 3 }, 0xf, 3, .want = { 0xff, 3 } },
	{ "WB, WT", { 0xff, 3 }, 0xa, 3, .want = { 0xbb, 3 } },
	{ "WB, NC", { 0xff, 3 }, 0x5, 3, .want = { 0x44, 2 } },
	{ "WB, outer NC inner WB", { 0xff, 3 }, 0x7, 3, .want = { 0x4f, 3 } },
	{ "NC, WT", { 0x44, 2 }, 0xa, 3, .want = { 0x44, 2 } },
	{ "NC, WB", { 0x44, 2 }, 0xf, 3, .want = { 0x44, 2 } },
	{ "WT, WB", { 0xbb, 3 }, 0xf, 3, .want = { 0xbb, 3 } },
	/* Allocation hints are those of stage 1. */
	{ "WB without hints, WB", { 0xcc, 3 }, 0xf, 3, .want = { 0xcc, 3 } },
	{ "WB without hints, WT", { 0xcc, 3 }, 0xa, 3, .want = { 0x88, 3 } },
	{ "WB, CD", { 0xff, 3 }, 0xf, 3, .cd = true, .want = { 0x44, 2 } },
	{ "WB, nGnRE", { 0xff, 3 }, 0x1, 0, .want = { 0x04, 2 } },
	{ "nGnRE, NC", { 0x04, 2 }, 0x5, 3, .want = { 0x04, 2 } },
	{ "GRE, WT", { 0x0c, 2 }, 0xa, 3, .want = { 0x0c, 2 } },
	{ "GRE, nGnRnE", { 0x0c, 2 }, 0x0, 0, .want = { 0x00, 2 } },
	{ "nGnRnE, GRE", { 0x00, 2 }, 0x3, 0, .want = { 0x00, 2 } },
	{ "nGRE, GRE", { 0x08, 2 }, 0x3, 0, .want = { 0x08, 2 } },
	{ "not shareable, inner", { 0xff, 0 }, 0xf, 3, .want = { 0xff, 3 } },
	{ "inner, outer shareable", { 0xff, 3 }, 0xf, 2, .want = { 0xff, 2 } },
	{ "outer, not shareable", { 0xff, 2 }, 0xf, 0, .want = { 0xff, 2 } },
	{ "not shareable", { 0xff, 0 }, 0xf, 0, .want = { 0xff, 0 } },
	/* The reserved value, see nested.rst */
	{ "not shareable, 0b01", { 0xff, 0 }, 0xf, 1, .want = { 0xff, 2 } },
	{ "inner, 0b01", { 0xff, 3 }, 0xf, 1, .want = { 0xff, 2 } },

	/* FEAT_S2FWB */
	{ "FWB, WB as stage 1", { 0xff, 3 }, 0x7, 3, true, .want = { 0xff, 3 } },
	{ "FWB, NC as stage 1", { 0x44, 2 }, 0x7, 3, true, .want = { 0x44, 2 } },
	{ "FWB, Device as stage 1", { 0x04, 2 }, 0x7, 3, true,
	  .want = { 0x04, 2 } },
	{ "FWB, WB forced on NC", { 0x44, 3 }, 0x6, 3, true,
	  .want = { 0xff, 3 } },
	{ "FWB, WB forced on WT", { 0xbb, 3 }, 0x6, 3, true,
	  .want = { 0xff, 3 } },
	{ "FWB, WB forced on Device", { 0x04, 2 }, 0x6, 3, true,
	  .want = { 0xff, 2 } },
	{ "FWB, NC forced on WB", { 0xff, 3 }, 0x5, 3, true,
	  .want = { 0x44, 2 } },
	{ "FWB, NC forced, Device", { 0x04, 2 }, 0x5, 3, true,
	  .want = { 0x04, 2 } },
	{ "FWB, nGnRE", { 0xff, 3 }, 0x1, 3, true, .want = { 0x04, 2 } },
	{ "FWB, nGnRnE and nGRE", { 0x00, 2 }, 0x2, 3, true,
	  .want = { 0x00, 2 } },
};

KUNIT_ARRAY_PARAM_DESC(combine, combine_rows, desc);

static void s1_attr_combine(struct kunit *test)
{
	const struct combine_row *row = test->param_value;
	struct kvm_s2_config cfg = {
		.fwb	= row->fwb,
		.cd	= row->cd,
		.sh	= 1,
	};
	struct kvm_mem_attr attr = row->s1;
	u64 desc = (u64)row->memattr << 2;

	kvm_s2_combine_attr(&cfg, desc | (u64)row->sh << 8, &attr);
	KUNIT_EXPECT_EQ(test, attr.mair, row->want.mair);
	KUNIT_EXPECT_EQ(test, attr.sh, row->want.sh);

	/* With DS, VTCR_EL2.SH0 counts, and the same bits are an address. */
	cfg.geom.ds = true;
	cfg.sh = row->sh;
	attr = row->s1;
	kvm_s2_combine_attr(&cfg, desc | (u64)(row->sh ^ 3) << 8, &attr);
	KUNIT_EXPECT_EQ(test, attr.mair, row->want.mair);
	KUNIT_EXPECT_EQ(test, attr.sh, row->want.sh);
}

static struct kunit_case s1_attr_cases[] = {
	KUNIT_CASE_PARAM(s1_attr_indirect, pie_gen_params),
	KUNIT_CASE_PARAM(s1_attr_why, why_gen_params),
	KUNIT_CASE_PARAM(s1_attr_combine, combine_gen_params),
	{}
};

static struct kunit_suite s1_attr_suite = {
	.name		= "kvm_nested_s1_attr",
	.test_cases	= s1_attr_cases,
};

kunit_test_suite(s1_attr_suite);
