// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization, tests: stage 1, walked in software.
 *
 * The parts that are stage 1's own: the two VA ranges and what faults before
 * anything is read, the MMU when it is off, permissions of each privilege
 * level, memory types, and a stage 2 that refuses a descriptor. Descent and
 * output size are common with stage 2 and tested in s2_walk_kunit.c.
 */
#include <kunit/test.h>
#include <linux/swab.h>

#include "fake_mem.h"
#include "nested/s1walk.h"

#define TTBR0		0x50000000ULL
#define TTBR1		0x60000000ULL

/* TCR_ELx with two ranges of 39 bits, 4K, 48-bit output, ASIDs from TTBR0. */
#define S1_TSZ(t0, t1)	((u64)(t1) << 16 | (t0))
#define S1_TCR_TG0_64K	BIT_ULL(14)
#define S1_TCR_TG0_16K	(2ULL << 14)
#define S1_TCR_TG1_4K	(2ULL << 30)
#define S1_TCR_48	(5ULL << 32 | S1_TCR_TG1_4K)
#define S1_TCR_52	(6ULL << 32 | S1_TCR_TG1_4K)
#define S1_TCR		(S1_TCR_48 | S1_TSZ(25, 25))
#define S1_TCR_EPD_0	BIT_ULL(7)
#define S1_TCR_EPD_1	BIT_ULL(23)
#define S1_TCR_TBI_0	BIT_ULL(37)
#define S1_TCR_TBI_1	BIT_ULL(38)
#define S1_TCR_HAF	BIT_ULL(39)
#define S1_TCR_HDS	BIT_ULL(40)
#define S1_TCR_HPD_0	BIT_ULL(41)
#define S1_TCR_TBID_0	BIT_ULL(51)
#define S1_TCR_E0PD_0	BIT_ULL(55)
#define S1_TCR_E0PD_1	BIT_ULL(56)
#define S1_TCR_A_1	BIT_ULL(22)
#define S1_TCR_ASID_16	BIT_ULL(36)
#define S1_TCR_LPA2	BIT_ULL(59)
/* TCR_EL2 with one range */
#define S1_TCR_ONE	(5ULL << 16 | S1_TSZ(25, 0))

#define SCTLR_M		BIT_ULL(0)
#define SCTLR_C		BIT_ULL(2)
#define SCTLR_I		BIT_ULL(12)
#define SCTLR_WXN	BIT_ULL(19)
#define SCTLR_EE	BIT_ULL(25)
#define SCTLR_EPAN	BIT_ULL(57)
#define SCTLR		(SCTLR_M | SCTLR_C | SCTLR_I)

#define HCR_DC		BIT_ULL(12)
#define HCR_TGE		BIT_ULL(27)

/* AttrIndx 0: Normal WB; 1: Device nGnRE; 2: Normal NC */
#define MAIR		0x4404ffULL

#define TABLE(pa)	((pa) | 3ULL)
#define S1_DEVICE	BIT_ULL(2)
#define S1_NC		(2ULL << 2)
#define S1_EL0		BIT_ULL(6)
#define S1_RO		BIT_ULL(7)
#define S1_ISH		(3ULL << 8)
#define S1_AF		BIT_ULL(10)
#define S1_NG		BIT_ULL(11)
#define S1_DBM		BIT_ULL(51)
#define S1_PXN		BIT_ULL(53)
#define S1_UXN		BIT_ULL(54)
#define PAGE(pa)	((pa) | S1_AF | S1_ISH | 3ULL)
#define BLOCK(pa)	((pa) | S1_AF | S1_ISH | 1ULL)
#define T_PXN		BIT_ULL(59)
#define T_UXN		BIT_ULL(60)
#define T_NO_EL0	BIT_ULL(61)
#define T_RO		BIT_ULL(62)

#define UPPER		(~0ULL << 39)
#define VA(l1, l2, l3)							\
	((u64)(l1) << 30 | (u64)(l2) << 21 | (u64)(l3) << 12 | 0xabc)

/* A 1 GB block: one descriptor is read, VA(2, 3, 4) gives LEAF_OUT. */
#define LEAF_AT		0x50000010
#define LEAF		BLOCK(0xc0000000)
#define LEAF_VA		VA(2, 3, 4)
#define LEAF_OUT	0xc0604abc

enum s1_vm {
	S1_EL20		= BIT(0),	/* EL2&0 instead of EL1&0 */
	S1_EL2		= BIT(1),	/* EL2 */
	S1_NO_TTST	= BIT(2),
	S1_NO_LVA	= BIT(3),
	S1_PA40		= BIT(4),
	S1_PA52		= BIT(5),
	S1_NO_HAF	= BIT(6),
	S1_NO_E0PD	= BIT(7),
	S1_NO_HPDS	= BIT(8),
};

/**
 * struct s1_row - a stage-1 walk and what has to come of it
 * @desc: says what the row is about
 * @vm: enum s1_vm
 * @tcr: TCR_ELx; 0 stands for S1_TCR or S1_TCR_ONE
 * @tcr_set: bits set in it, in addition
 * @sctlr: SCTLR_ELx; 0 stands for SCTLR
 * @hcr: HCR_EL2
 * @mem: descriptors, in the order in which they are fetched
 * @unread: so many of them, from the end, are not
 * @va: the address
 * @acc: the access; a read if it is not set
 * @races: how many updates lose a race
 * @walks: how often the tables are walked; 0 stands for once
 * @ret: result of the walk
 * @fault: the fault; its stage is 1 if it says nothing
 * @pa: output address
 * @mair: memory type
 * @sh: shareability
 * @updates: number of compare-and-swaps
 * @after: what the last descriptor in @mem is afterwards; 0 for no change
 */
struct s1_row {
	const char *desc;
	enum s1_vm vm;
	u64 tcr;
	u64 tcr_set;
	u64 sctlr;
	u64 hcr;
	struct fake_desc mem[FAKE_DESCS];
	u8 unread;
	u64 va;
	struct kvm_access acc;
	u8 races;
	u8 walks;

	int ret;
	struct kvm_walk_fault fault;
	u64 pa;
	u8 mair;
	u8 sh;
	u8 updates;
	u64 after;
};

#define FAULTS(k, l)							\
	.ret = KVM_WALK_FAULT,						\
	.fault = { .kind = KVM_FAULT_##k, .stage = 1, .level = l }
#define FAULTS_WRITE(k, l)						\
	.ret = KVM_WALK_FAULT,						\
	.fault = { .kind = KVM_FAULT_##k, .stage = 1, .level = l, .write = true }

/* Memory types, as PAR_EL1 has them. */
#define IS_WB		.mair = 0xff, .sh = 3
#define IS_NC		.mair = 0x44, .sh = 2
#define IS_DEVICE	.mair = 0x04, .sh = 2

static void s1_row_configure(const struct s1_row *row, struct kvm_s1_config *cfg)
{
	bool pa52 = row->vm & S1_PA52;
	const struct kvm_s1_features feat = {
		.pa_bits = pa52 ? 52 : (row->vm & S1_PA40) ? 40 : 48,
		.gran	 = BIT(12) | BIT(14) | BIT(16),
		.lpa2	 = pa52 ? BIT(12) | BIT(14) : 0,
		.lva	 = !(row->vm & S1_NO_LVA),
		.ttst	 = !(row->vm & S1_NO_TTST),
		.haf	 = !(row->vm & S1_NO_HAF),
		.hdbs	 = !(row->vm & S1_NO_HAF),
		.hpds	 = !(row->vm & S1_NO_HPDS),
		.pan	 = true,
		.epan	 = true,
		.e0pd	 = !(row->vm & S1_NO_E0PD),
		.tbid	 = true,
		.asid16	 = true,
	};
	struct kvm_s1_regs regs = {
		.regime	= KVM_REGIME_EL10,
		.tcr	= row->tcr ?: ((row->vm & S1_EL2) ? S1_TCR_ONE : S1_TCR),
		.sctlr	= row->sctlr ?: SCTLR,
		.ttbr	= { 0x00aa000000000000 | TTBR0, 0x00bb000000000000 | TTBR1 },
		.mair	= MAIR,
		.hcr	= row->hcr,
		.hcrx	= ~0ULL,
	};

	if (row->vm & S1_EL20)
		regs.regime = KVM_REGIME_EL20;
	if (row->vm & S1_EL2)
		regs.regime = KVM_REGIME_EL2;
	regs.tcr |= row->tcr_set;
	kvm_s1_configure(&regs, &feat, cfg);
}

static void s1_row_run(struct kunit *test, const struct s1_row *row,
		       struct kvm_s1_result *res)
{
	struct kvm_walk_fault fault = { .kind = KVM_FAULT_ALIGNMENT };
	struct fake_mem *mem = fake_mem_new(test, row->mem);
	const struct kvm_walk_mem wmem = { &fake_mem_ops, mem };
	struct kvm_s1_config cfg;
	int ret;

	mem->races = row->races;
	s1_row_configure(row, &cfg);
	ret = kvm_s1_walk(&cfg, &wmem, row->va, &row->acc, res, &fault);

	KUNIT_EXPECT_EQ(test, ret, row->ret);
	if (ret == KVM_WALK_FAULT)
		fake_fault_check(test, &fault, &row->fault);
	else
		KUNIT_EXPECT_EQ(test, fault.kind, KVM_FAULT_NONE);
	if (!ret) {
		KUNIT_EXPECT_EQ(test, res->pa, row->pa);
		KUNIT_EXPECT_EQ(test, res->attr.mair, row->mair);
		KUNIT_EXPECT_EQ(test, res->attr.sh, row->sh);
	}
	fake_mem_check(test, mem, &(struct fake_check) {
		.desc	 = row->mem,
		.unread	 = row->unread,
		.walks	 = row->walks,
		.updates = row->updates,
		.after	 = row->after,
	});
}

static const struct s1_row start_rows[] = {
	/* Which range, and its tables. */
	{
		.desc = "lower range, three levels",
		.mem = { { 0x50000010, TABLE(0x50001000) },
			 { 0x50001018, TABLE(0x50002000) },
			 { 0x50002020, PAGE(0xc0005000) } },
		.va = VA(2, 3, 4), .pa = 0xc0005abc, IS_WB,
	}, {
		.desc = "upper range, three levels",
		.mem = { { 0x60000010, TABLE(0x60001000) },
			 { 0x60001018, TABLE(0x60002000) },
			 { 0x60002020, PAGE(0xc0005000) } },
		.va = UPPER | VA(2, 3, 4), .pa = 0xc0005abc, IS_WB,
	}, {
		.desc = "upper range, its last address",
		.mem = { { 0x60000ff8, LEAF } },
		.va = ~0ULL, .pa = 0xffffffff, IS_WB,
	}, {
		.desc = "16K, 36 bits",
		.tcr = S1_TCR_48 | S1_TCR_TG0_16K | S1_TSZ(28, 25),
		.mem = { { 0x50000018, BLOCK(0xc2000000) } },
		.va = 3ULL << 25 | 0x2abc, .pa = 0xc2002abc, IS_WB,
	}, {
		.desc = "64K, 39 bits", .tcr = S1_TCR | S1_TCR_TG0_64K,
		.mem = { { 0x50000018, BLOCK(0xe0000000) } },
		.va = 3ULL << 29 | 0xdabc, .pa = 0xe000dabc, IS_WB,
	}, {
		.desc = "big-endian", .sctlr = SCTLR | SCTLR_EE,
		.mem = { { LEAF_AT, swab64(LEAF) } },
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
	}, {
		.desc = "big-endian, written little-endian",
		.sctlr = SCTLR | SCTLR_EE,
		.mem = { { LEAF_AT, LEAF } },
		.va = LEAF_VA, FAULTS(TRANSLATION, 1),
	},

	/* Not canonical: nothing is read. */
	{
		.desc = "first address after the lower range",
		.mem = { { 0x50000000, LEAF } }, .unread = 1,
		.va = 1ULL << 39, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "last address before the upper range",
		.mem = { { 0x60000ff8, LEAF } }, .unread = 1,
		.va = UPPER - 1, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "a tag in the lower range, no TBI",
		.mem = { { LEAF_AT, LEAF } }, .unread = 1,
		.va = 0x5aULL << 56 | LEAF_VA, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "a tag in the lower range, TBI of the other",
		.tcr_set = S1_TCR_TBI_1,
		.mem = { { LEAF_AT, LEAF } }, .unread = 1,
		.va = 0x5aULL << 56 | LEAF_VA, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "a tag in the lower range, TBI", .tcr_set = S1_TCR_TBI_0,
		.mem = { { LEAF_AT, LEAF } },
		.va = 0x5aULL << 56 | LEAF_VA, .pa = LEAF_OUT, IS_WB,
	}, {
		.desc = "a tag in the upper range, TBI", .tcr_set = S1_TCR_TBI_1,
		.mem = { { 0x60000010, LEAF } },
		.va = (UPPER & ~(0xffULL << 56)) | LEAF_VA, .pa = LEAF_OUT, IS_WB,
	}, {
		.desc = "a tag of an instruction, TBI and TBID",
		.tcr_set = S1_TCR_TBI_0 | S1_TCR_TBID_0, .acc.type = KVM_ACC_EXEC,
		.mem = { { LEAF_AT, LEAF } }, .unread = 1,
		.va = 0x5aULL << 56 | LEAF_VA, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "a tag of data, TBI and TBID",
		.tcr_set = S1_TCR_TBI_0 | S1_TCR_TBID_0,
		.mem = { { LEAF_AT, LEAF } },
		.va = 0x5aULL << 56 | LEAF_VA, .pa = LEAF_OUT, IS_WB,
	}, {
		.desc = "EL2 has no upper range", .vm = S1_EL2,
		.mem = { { 0x60000010, LEAF } }, .unread = 1,
		.va = UPPER | LEAF_VA, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "EL2 has no upper range, last address", .vm = S1_EL2,
		.mem = { { 0x60000ff8, LEAF } }, .unread = 1,
		.va = ~0ULL, FAULTS(TRANSLATION, 0),
	},

	/* Walks that are disabled. */
	{
		.desc = "EPD0", .tcr_set = S1_TCR_EPD_0,
		.mem = { { LEAF_AT, LEAF } }, .unread = 1,
		.va = LEAF_VA, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "EPD1, lower range", .tcr_set = S1_TCR_EPD_1,
		.mem = { { LEAF_AT, LEAF } },
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
	}, {
		.desc = "EPD1", .tcr_set = S1_TCR_EPD_1,
		.mem = { { 0x60000010, LEAF } }, .unread = 1,
		.va = UPPER | LEAF_VA, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "E0PD0, unprivileged", .tcr_set = S1_TCR_E0PD_0,
		.mem = { { LEAF_AT, LEAF | S1_EL0 } }, .unread = 1,
		.acc.el0 = true,
		.va = LEAF_VA, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "E0PD0, privileged", .tcr_set = S1_TCR_E0PD_0,
		.mem = { { LEAF_AT, LEAF } },
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
	}, {
		.desc = "E0PD0 in a VM without it",
		.tcr_set = S1_TCR_E0PD_0, .vm = S1_NO_E0PD,
		.mem = { { LEAF_AT, LEAF | S1_EL0 } }, .acc.el0 = true,
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
	}, {
		.desc = "E0PD1, unprivileged, EL2&0",
		.tcr_set = S1_TCR_E0PD_1, .vm = S1_EL20,
		.mem = { { 0x60000010, LEAF | S1_EL0 } }, .unread = 1,
		.acc.el0 = true,
		.va = UPPER | LEAF_VA, FAULTS(TRANSLATION, 0),
	},

	/* TxSZ at its limits and beyond. */
	{
		.desc = "T0SZ=16, level 0",
		.tcr = S1_TCR_48 | S1_TSZ(16, 25),
		.mem = { { 0x50000008, 0 } },
		.va = 1ULL << 39, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "T0SZ=15",
		.tcr = S1_TCR_48 | S1_TSZ(15, 25),
		.mem = { { 0x50000008, LEAF } }, .unread = 1,
		.va = 1ULL << 39, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "T0SZ=48, level 3",
		.tcr = S1_TCR_48 | S1_TSZ(48, 25),
		.mem = { { 0x50000020, PAGE(0xc0005000) } },
		.va = 0x4abc, .pa = 0xc0005abc, IS_WB,
	}, {
		.desc = "T0SZ=49",
		.tcr = S1_TCR_48 | S1_TSZ(49, 25),
		.mem = { { 0x50000020, PAGE(0xc0005000) } }, .unread = 1,
		.va = 0x4abc, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "T0SZ=40 without TTST", .vm = S1_NO_TTST,
		.tcr = S1_TCR_48 | S1_TSZ(40, 25),
		.mem = { { 0x50000010, BLOCK(0xc0000000) } }, .unread = 1,
		.va = 2 << 21, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "T0SZ=39 without TTST", .vm = S1_NO_TTST,
		.tcr = S1_TCR_48 | S1_TSZ(39, 25),
		.mem = { { 0x50000010, BLOCK(0xc0000000) } },
		.va = 2 << 21, .pa = 0xc0000000, IS_WB,
	}, {
		.desc = "T1SZ is out, T0SZ is not",
		.tcr = S1_TCR_48 | S1_TSZ(25, 0),
		.mem = { { LEAF_AT, LEAF } },
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
	}, {
		.desc = "T1SZ=0",
		.tcr = S1_TCR_48 | S1_TSZ(25, 0),
		.mem = { { 0x60000010, LEAF } }, .unread = 1,
		.va = UPPER | LEAF_VA, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "64K, T0SZ=12, 52-bit address", .vm = S1_PA52,
		.tcr = S1_TCR_52 | S1_TCR_TG0_64K | S1_TSZ(12, 25),
		.mem = { { 0x50001ff8, BLOCK(0xc000000b000) } },
		.va = 0x3ffULL << 42 | 0xdabc, .pa = 0xb0c000000dabc, IS_WB,
	}, {
		.desc = "64K, T0SZ=12 without LVA", .vm = S1_PA52 | S1_NO_LVA,
		.tcr = S1_TCR_52 | S1_TCR_TG0_64K | S1_TSZ(12, 25),
		.mem = { { 0x50001ff8, BLOCK(0xc000000b000) } }, .unread = 1,
		.va = 0x3ffULL << 42 | 0xdabc, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "4K, DS, T0SZ=12, level -1", .vm = S1_PA52,
		.tcr = S1_TCR_52 | S1_TCR_LPA2 | S1_TSZ(12, 25),
		.mem = { { 0x50000078, 0, FAKE_ABORTS } },
		.va = 0xfULL << 48, FAULTS(SEA_TTW, -1),
	},
};

KUNIT_ARRAY_PARAM_DESC(start, start_rows, desc);

static const struct s1_row off_rows[] = {
	/* The MMU is off: flat, and limited by the physical address size. */
	{
		.desc = "data", .sctlr = SCTLR_C | SCTLR_I,
		.va = 0x123456789abc, .pa = 0x123456789abc,
		.mair = 0x00, .sh = 2,
	}, {
		.desc = "instruction, cached", .sctlr = SCTLR_C | SCTLR_I,
		.va = 0x123456789abc, .pa = 0x123456789abc,
		.acc.type = KVM_ACC_EXEC, .mair = 0xaa, .sh = 2,
	}, {
		.desc = "instruction, not cached", .sctlr = SCTLR_C,
		.va = 0x123456789abc, .pa = 0x123456789abc,
		.acc.type = KVM_ACC_EXEC, IS_NC,
	}, {
		.desc = "first address after 48 bits", .sctlr = SCTLR_C,
		.va = 1ULL << 48, FAULTS(ADDRESS_SIZE, 0),
	}, {
		.desc = "first address after 40 bits", .sctlr = SCTLR_C,
		.vm = S1_PA40, .va = 1ULL << 40, FAULTS_WRITE(ADDRESS_SIZE, 0),
		.acc.type = KVM_ACC_WRITE,
	}, {
		.desc = "the upper range", .sctlr = SCTLR_C,
		.va = UPPER, FAULTS(ADDRESS_SIZE, 0),
	}, {
		.desc = "a tag, TBI", .sctlr = SCTLR_C, .tcr_set = S1_TCR_TBI_0,
		.va = 0x5aULL << 56 | 0x1234, .pa = 0x1234, .sh = 2,
	}, {
		.desc = "a tag, no TBI", .sctlr = SCTLR_C,
		.va = 0x5aULL << 56 | 0x1234, FAULTS(ADDRESS_SIZE, 0),
	}, {
		.desc = "unaligned data", .sctlr = SCTLR_C,
		.va = 0x1234, .acc.unaligned = true, FAULTS(ALIGNMENT, 0),
	}, {
		.desc = "EPD0 doesn't matter", .sctlr = SCTLR_C,
		.tcr_set = S1_TCR_EPD_0,
		.va = 0x1234, .pa = 0x1234, .sh = 2,
	}, {
		.desc = "HCR_EL2.DC: off, and Normal", .hcr = HCR_DC,
		.mem = { { LEAF_AT, LEAF } }, .unread = 1,
		.va = LEAF_VA, .pa = LEAF_VA, .mair = 0xff, .sh = 0,
	}, {
		.desc = "HCR_EL2.DC, unaligned", .hcr = HCR_DC,
		.va = 0x1234, .acc.unaligned = true,
		.pa = 0x1234, .mair = 0xff, .sh = 0,
	}, {
		.desc = "HCR_EL2.DC and EL2&0 with the MMU off", .hcr = HCR_DC,
		.sctlr = SCTLR_C, .vm = S1_EL20,
		.va = 0x1234, .pa = 0x1234, .mair = 0x00, .sh = 2,
	}, {
		.desc = "HCR_EL2.TGE: EL1&0 is off", .hcr = HCR_TGE,
		.mem = { { LEAF_AT, LEAF } }, .unread = 1,
		.va = LEAF_VA, .pa = LEAF_VA, .mair = 0x00, .sh = 2,
	}, {
		.desc = "HCR_EL2.{DC,TGE} and EL2&0",
		.hcr = HCR_DC | HCR_TGE, .vm = S1_EL20,
		.mem = { { LEAF_AT, LEAF } },
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
	},
};

KUNIT_ARRAY_PARAM_DESC(off, off_rows, desc);

static const struct s1_row leaf_rows[] = {
	/* Memory types. */
	{
		.desc = "Normal WB",
		.mem = { { LEAF_AT, LEAF } },
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
	}, {
		.desc = "Normal NC is Outer Shareable",
		.mem = { { LEAF_AT, LEAF | S1_NC } },
		.va = LEAF_VA, .pa = LEAF_OUT, IS_NC,
	}, {
		.desc = "Device is Outer Shareable",
		.mem = { { LEAF_AT, LEAF | S1_DEVICE } },
		.va = LEAF_VA, .pa = LEAF_OUT, IS_DEVICE,
	}, {
		.desc = "SCTLR_ELx.C=0, data", .sctlr = SCTLR_M | SCTLR_I,
		.mem = { { LEAF_AT, LEAF } },
		.va = LEAF_VA, .pa = LEAF_OUT, IS_NC,
	}, {
		.desc = "SCTLR_ELx.C=0, Device", .sctlr = SCTLR_M | SCTLR_I,
		.mem = { { LEAF_AT, LEAF | S1_DEVICE } },
		.va = LEAF_VA, .pa = LEAF_OUT, IS_DEVICE,
	}, {
		.desc = "SCTLR_ELx.I=0, instruction", .sctlr = SCTLR_M | SCTLR_C,
		.mem = { { LEAF_AT, LEAF } }, .acc.type = KVM_ACC_EXEC,
		.va = LEAF_VA, .pa = LEAF_OUT, IS_NC,
	},

	/* Access flag, dirty state and their updates. */
	{
		.desc = "AF=0, HA=0",
		.mem = { { LEAF_AT, LEAF & ~S1_AF } },
		.va = LEAF_VA, FAULTS(ACCESS_FLAG, 1),
	}, {
		.desc = "AF=0, HA=1", .tcr_set = S1_TCR_HAF,
		.mem = { { LEAF_AT, LEAF & ~S1_AF } },
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
		.updates = 1, .after = LEAF,
	}, {
		.desc = "AF=0, HA=1 in a VM without it",
		.tcr_set = S1_TCR_HAF, .vm = S1_NO_HAF,
		.mem = { { LEAF_AT, LEAF & ~S1_AF } },
		.va = LEAF_VA, FAULTS(ACCESS_FLAG, 1),
	}, {
		.desc = "HA, read-only memory", .tcr_set = S1_TCR_HAF,
		.mem = { { LEAF_AT, LEAF & ~S1_AF, FAKE_RO } },
		.va = LEAF_VA, FAULTS(SEA_TTW, 1), .updates = 1,
	}, {
		.desc = "HA, lost once", .tcr_set = S1_TCR_HAF,
		.mem = { { LEAF_AT, LEAF & ~S1_AF } }, .races = 1, .walks = 2,
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
		.updates = 2, .after = LEAF | FAKE_SW_BIT,
	}, {
		.desc = "HA, lost always: bounded, no fault", .tcr_set = S1_TCR_HAF,
		.mem = { { LEAF_AT, LEAF & ~S1_AF } }, .races = 255, .walks = 8,
		.va = LEAF_VA, .ret = -EAGAIN, .updates = 8,
	}, {
		.desc = "HD, DBM, write", .tcr_set = S1_TCR_HAF | S1_TCR_HDS,
		.mem = { { LEAF_AT, LEAF | S1_RO | S1_DBM } },
		.acc.type = KVM_ACC_WRITE,
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
		.updates = 1, .after = LEAF | S1_DBM,
	}, {
		.desc = "HD, DBM, AT for a write: stays clean",
		.tcr_set = S1_TCR_HAF | S1_TCR_HDS,
		.mem = { { LEAF_AT, LEAF | S1_RO | S1_DBM } },
		.acc.type = KVM_ACC_AT_WRITE,
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
	}, {
		.desc = "HD without HA, DBM, write", .tcr_set = S1_TCR_HDS,
		.mem = { { LEAF_AT, LEAF | S1_RO | S1_DBM } },
		.acc.type = KVM_ACC_WRITE,
		.va = LEAF_VA, FAULTS_WRITE(PERMISSION, 1),
	},

	/* The order of checks at the leaf. */
	{
		.desc = "address size before Access flag", .vm = S1_PA40,
		.mem = { { LEAF_AT, BLOCK(0x10000000000) & ~S1_AF } },
		.va = LEAF_VA, FAULTS(ADDRESS_SIZE, 1),
	}, {
		.desc = "Access flag before alignment",
		.mem = { { LEAF_AT, (LEAF | S1_DEVICE) & ~S1_AF } },
		.acc.unaligned = true,
		.va = LEAF_VA, FAULTS(ACCESS_FLAG, 1),
	}, {
		.desc = "alignment before permission",
		.mem = { { LEAF_AT, LEAF | S1_DEVICE | S1_RO } },
		.acc = { .type = KVM_ACC_WRITE, .unaligned = true },
		.va = LEAF_VA, FAULTS_WRITE(ALIGNMENT, 1),
	}, {
		.desc = "permission before the update",
		.tcr_set = S1_TCR_HAF,
		.mem = { { LEAF_AT, (LEAF | S1_RO) & ~S1_AF, FAKE_RO } },
		.acc.type = KVM_ACC_WRITE,
		.va = LEAF_VA, FAULTS_WRITE(PERMISSION, 1),
	},

	/* The memory of the tables. */
	{
		.desc = "External abort, level 1",
		.mem = { { LEAF_AT, 0, FAKE_ABORTS } },
		.va = LEAF_VA, FAULTS(SEA_TTW, 1),
	}, {
		.desc = "stage 2 refuses the level 2 table",
		.mem = { { 0x50000010, TABLE(0x50001000) },
			 { 0x50001018, 0, FAKE_S2 } },
		.va = VA(2, 3, 4), .ret = KVM_WALK_FAULT,
		.fault = { KVM_FAULT_TRANSLATION, .stage = 2, .level = 2,
			   .s1ptw = true, .ipa = 0x50001018 },
	}, {
		.desc = "host error",
		.mem = { { LEAF_AT, 0, FAKE_ERRNO } },
		.va = LEAF_VA, .ret = -EIO,
	},
};

KUNIT_ARRAY_PARAM_DESC(leaf, leaf_rows, desc);

static void s1_walk_row(struct kunit *test)
{
	struct kvm_s1_result res;

	s1_row_run(test, test->param_value, &res);
}

/**
 * struct s1_perm_row - what each privilege level may do
 * @desc: says what the row is about
 * @vm: enum s1_vm
 * @tcr_set: bits set in TCR_ELx
 * @sctlr_set: bits set in SCTLR_ELx
 * @table: attributes of the table descriptor
 * @page: attributes of the page descriptor
 * @priv: what EL1 or EL2 may do
 * @unpriv: what EL0 may do
 */
struct s1_perm_row {
	const char *desc;
	enum s1_vm vm;
	u64 tcr_set;
	u64 sctlr_set;
	u64 table;
	u64 page;
	const char *priv;
	const char *unpriv;
};

static const struct s1_perm_row perm_rows[] = {
	/* AP[2:1]; what EL0 can write has no privileged execution. */
	{ "AP=00", .page = 0, .priv = "rwx", .unpriv = "--x" },
	{ "AP=01", .page = S1_EL0, .priv = "rw-", .unpriv = "rwx" },
	{ "AP=10", .page = S1_RO, .priv = "r-x", .unpriv = "--x" },
	{ "AP=11", .page = S1_RO | S1_EL0, .priv = "r-x", .unpriv = "r-x" },
	{ "PXN", .page = S1_PXN, .priv = "rw-", .unpriv = "--x" },
	{ "UXN", .page = S1_UXN, .priv = "rwx", .unpriv = "---" },
	{ "AP=11, PXN, UXN", .page = S1_RO | S1_EL0 | S1_PXN | S1_UXN,
	  .priv = "r--", .unpriv = "r--" },

	/* WXN */
	{ "WXN, AP=00", .sctlr_set = SCTLR_WXN, .priv = "rw-", .unpriv = "--x" },
	{ "WXN, AP=01", .sctlr_set = SCTLR_WXN, .page = S1_EL0,
	  .priv = "rw-", .unpriv = "rw-" },
	{ "WXN, AP=11", .sctlr_set = SCTLR_WXN, .page = S1_RO | S1_EL0,
	  .priv = "r-x", .unpriv = "r-x" },

	/* Table descriptors take away, unless HPD says no. */
	{ "APTable: no EL0", .table = T_NO_EL0, .page = S1_EL0,
	  .priv = "rwx", .unpriv = "--x" },
	{ "APTable: read-only", .table = T_RO, .page = S1_EL0,
	  .priv = "r-x", .unpriv = "r-x" },
	{ "PXNTable", .table = T_PXN, .priv = "rw-", .unpriv = "--x" },
	{ "UXNTable", .table = T_UXN, .priv = "rwx", .unpriv = "---" },
	{ "HPD", .tcr_set = S1_TCR_HPD_0, .page = S1_EL0,
	  .table = T_NO_EL0 | T_RO | T_PXN | T_UXN,
	  .priv = "rw-", .unpriv = "rwx" },
	{ "HPD in a VM without it", .tcr_set = S1_TCR_HPD_0, .vm = S1_NO_HPDS,
	  .table = T_NO_EL0 | T_RO | T_PXN | T_UXN, .page = S1_EL0,
	  .priv = "r--", .unpriv = "---" },

	/* EL2 has one XN and no EL0. */
	{ "EL2", .vm = S1_EL2, .page = S1_EL0, .priv = "rwx", .unpriv = "---" },
	{ "EL2, read-only", .vm = S1_EL2, .page = S1_EL0 | S1_RO,
	  .priv = "r-x", .unpriv = "---" },
	{ "EL2, XN", .vm = S1_EL2, .page = S1_EL0 | S1_UXN,
	  .priv = "rw-", .unpriv = "---" },
	{ "EL2, bit 53 is nothing", .vm = S1_EL2, .page = S1_EL0 | S1_PXN,
	  .priv = "rwx", .unpriv = "---" },
	{ "EL2&0, AP=01", .vm = S1_EL20, .page = S1_EL0,
	  .priv = "rw-", .unpriv = "rwx" },

	/* DBM makes it writable, T_RO still does not. */
	{ "HD, DBM", .tcr_set = S1_TCR_HAF | S1_TCR_HDS, .page = S1_RO | S1_DBM,
	  .priv = "rwx", .unpriv = "--x" },
	{ "HD, DBM, APTable: read-only", .tcr_set = S1_TCR_HAF | S1_TCR_HDS,
	  .table = T_RO, .page = S1_RO | S1_DBM,
	  .priv = "r-x", .unpriv = "--x" },
};

KUNIT_ARRAY_PARAM_DESC(perm, perm_rows, desc);

static void s1_perms_string(const struct kvm_s1_perms *perms, char *string)
{
	string[0] = perms->r ? 'r' : '-';
	string[1] = perms->w ? 'w' : '-';
	string[2] = perms->x ? 'x' : '-';
	string[3] = 0;
}

static void s1_walk_permission(struct kunit *test)
{
	const struct s1_perm_row *row = test->param_value;
	/* AT S1E*A asks for nothing, so that all of them can be seen. */
	const struct s1_row walk = {
		.vm	 = row->vm,
		.tcr_set = row->tcr_set,
		.sctlr	 = SCTLR | row->sctlr_set,
		.acc	 = { .type = KVM_ACC_AT_ANY },
		.mem	 = { { 0x50000010, TABLE(0x50001000) | row->table },
			     { 0x50001018, BLOCK(0xc0200000) | row->page } },
		.va	 = VA(2, 3, 4),
		.pa	 = 0xc0204abc,
		IS_WB,
	};
	struct kvm_s1_result res;
	char string[4];

	s1_row_run(test, &walk, &res);
	s1_perms_string(&res.priv, string);
	KUNIT_EXPECT_STREQ(test, string, row->priv);
	s1_perms_string(&res.unpriv, string);
	KUNIT_EXPECT_STREQ(test, string, row->unpriv);
}

static const struct s1_row access_rows[] = {
	/* Permissions of the access's own privilege level, and PAN. */
	{
		.desc = "EL0 read of AP=00",
		.mem = { { LEAF_AT, LEAF } }, .acc.el0 = true,
		.va = LEAF_VA, FAULTS(PERMISSION, 1),
	}, {
		.desc = "EL0 write of AP=11",
		.mem = { { LEAF_AT, LEAF | S1_EL0 | S1_RO } },
		.acc = { .type = KVM_ACC_WRITE, .el0 = true },
		.va = LEAF_VA, FAULTS_WRITE(PERMISSION, 1),
	}, {
		.desc = "EL0 RMW of AP=00: as a read",
		.mem = { { LEAF_AT, LEAF } },
		.acc = { .type = KVM_ACC_RMW, .el0 = true },
		.va = LEAF_VA, FAULTS(PERMISSION, 1),
	}, {
		.desc = "RMW of AP=10: as a write",
		.mem = { { LEAF_AT, LEAF | S1_RO } },
		.acc.type = KVM_ACC_RMW,
		.va = LEAF_VA, FAULTS_WRITE(PERMISSION, 1),
	}, {
		.desc = "EL0 fetch, UXN",
		.mem = { { LEAF_AT, LEAF | S1_EL0 | S1_UXN } },
		.acc = { .type = KVM_ACC_EXEC, .el0 = true },
		.va = LEAF_VA, FAULTS(PERMISSION, 1),
	}, {
		.desc = "fetch, PXN",
		.mem = { { LEAF_AT, LEAF | S1_PXN } },
		.acc.type = KVM_ACC_EXEC,
		.va = LEAF_VA, FAULTS(PERMISSION, 1),
	}, {
		.desc = "PAN, AP=01",
		.mem = { { LEAF_AT, LEAF | S1_EL0 } }, .acc.pan = true,
		.va = LEAF_VA, FAULTS(PERMISSION, 1),
	}, {
		.desc = "PAN, AP=11, AT for a write",
		.mem = { { LEAF_AT, LEAF | S1_EL0 | S1_RO } },
		.acc = { .type = KVM_ACC_AT_WRITE, .pan = true },
		.va = LEAF_VA, FAULTS_WRITE(PERMISSION, 1),
	}, {
		.desc = "PAN, AP=01, unprivileged",
		.mem = { { LEAF_AT, LEAF | S1_EL0 } },
		.acc = { .pan = true, .el0 = true },
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
	}, {
		.desc = "PAN, AP=00, EL0 may execute",
		.mem = { { LEAF_AT, LEAF } }, .acc.pan = true,
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
	}, {
		.desc = "EPAN, AP=00, EL0 may execute",
		.sctlr = SCTLR | SCTLR_EPAN,
		.mem = { { LEAF_AT, LEAF } }, .acc.pan = true,
		.va = LEAF_VA, FAULTS(PERMISSION, 1),
	}, {
		.desc = "EPAN, AP=00, UXN", .sctlr = SCTLR | SCTLR_EPAN,
		.mem = { { LEAF_AT, LEAF | S1_UXN } }, .acc.pan = true,
		.va = LEAF_VA, .pa = LEAF_OUT, IS_WB,
	},
};

KUNIT_ARRAY_PARAM_DESC(access, access_rows, desc);

/**
 * struct state_row - what a walk says about the translation's later life
 * @desc: says what the row is about
 * @vm: enum s1_vm
 * @tcr_set: bits set in TCR_ELx
 * @type: the access
 * @attrs: attributes of the descriptor
 * @ng: not global
 * @clean: the next write has to set the dirty state
 */
struct state_row {
	const char *desc;
	enum s1_vm vm;
	u64 tcr_set;
	enum kvm_access_type type;
	u64 attrs;
	bool ng;
	bool clean;
};

static const struct state_row state_rows[] = {
	{ "global", 0, 0, KVM_ACC_READ, 0 },
	{ "not global", 0, 0, KVM_ACC_READ, S1_NG, true },
	{ "not global, EL2&0", S1_EL20, 0, KVM_ACC_READ, S1_NG, true },
	{ "nG is nothing in EL2", S1_EL2, 0, KVM_ACC_READ, S1_NG },
	{ "clean, read", 0, S1_TCR_HAF | S1_TCR_HDS, KVM_ACC_READ,
	  S1_RO | S1_DBM, false, true },
	{ "clean, AT for a write", 0, S1_TCR_HAF | S1_TCR_HDS, KVM_ACC_AT_WRITE,
	  S1_RO | S1_DBM, false, true },
	{ "clean, write", 0, S1_TCR_HAF | S1_TCR_HDS, KVM_ACC_WRITE,
	  S1_RO | S1_DBM },
	{ "dirty", 0, S1_TCR_HAF | S1_TCR_HDS, KVM_ACC_READ, S1_DBM },
	{ "no hardware management", 0, 0, KVM_ACC_READ, S1_RO | S1_DBM },
};

KUNIT_ARRAY_PARAM_DESC(state, state_rows, desc);

static void s1_walk_state(struct kunit *test)
{
	const struct state_row *row = test->param_value;
	const struct s1_row regs = { .vm = row->vm, .tcr_set = row->tcr_set };
	struct fake_mem mem = { .desc = { { LEAF_AT, LEAF | row->attrs } } };
	struct kvm_walk_mem wmem = { &fake_mem_ops, &mem };
	const struct kvm_access acc = { .type = row->type };
	struct kvm_walk_fault fault;
	struct kvm_s1_result res;
	struct kvm_s1_config cfg;
	int ret;

	s1_row_configure(&regs, &cfg);
	ret = kvm_s1_walk(&cfg, &wmem, LEAF_VA, &acc, &res, &fault);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, res.ng, row->ng);
	KUNIT_EXPECT_EQ(test, res.clean, row->clean);
	KUNIT_EXPECT_EQ(test, res.asid, row->vm & S1_EL2 ? 0 : 0xaa);
}

/**
 * struct asid_row - which ASID is current
 * @desc: says what the row is about
 * @regime: the regime
 * @tcr: bits set in TCR_ELx
 * @asid16: the VM has 16-bit ASIDs
 * @asid: the ASID; TTBR0_ELx has 0x12aa, TTBR1_ELx 0x34bb
 */
struct asid_row {
	const char *desc;
	enum kvm_s1_regime regime;
	u64 tcr;
	bool asid16;
	u16 asid;
};

static const struct asid_row asid_rows[] = {
	{ "AS=0, A1=0", KVM_REGIME_EL10, 0, true, 0xaa },
	{ "AS=0, A1=1", KVM_REGIME_EL10, S1_TCR_A_1, true, 0xbb },
	{ "AS=1, A1=0", KVM_REGIME_EL10, S1_TCR_ASID_16, true, 0x12aa },
	{ "AS=1, A1=1, EL2&0", KVM_REGIME_EL20, S1_TCR_A_1 | S1_TCR_ASID_16, true,
	  0x34bb },
	{ "AS=1 in a VM with 8 bits", KVM_REGIME_EL10, S1_TCR_ASID_16, false,
	  0xaa },
	{ "EL2 has none", KVM_REGIME_EL2, S1_TCR_A_1 | S1_TCR_ASID_16, true, 0 },
};

KUNIT_ARRAY_PARAM_DESC(asid, asid_rows, desc);

static void s1_config_asid(struct kunit *test)
{
	const struct asid_row *row = test->param_value;
	const struct kvm_s1_features feat = {
		.pa_bits = 48,
		.gran	 = BIT(12),
		.asid16	 = row->asid16,
	};
	const struct kvm_s1_regs regs = {
		.regime	= row->regime,
		.tcr	= S1_TCR | row->tcr,
		.ttbr	= { 0x12aa000000000000, 0x34bb000000000000 },
	};
	struct kvm_s1_config cfg;

	kvm_s1_configure(&regs, &feat, &cfg);
	KUNIT_EXPECT_EQ(test, cfg.asid, row->asid);
}

static struct kunit_case s1walk_cases[] = {
	{ .run_case = s1_walk_row, .name = "start",
	  .generate_params = start_gen_params },
	{ .run_case = s1_walk_row, .name = "mmu_off",
	  .generate_params = off_gen_params },
	{ .run_case = s1_walk_row, .name = "leaf",
	  .generate_params = leaf_gen_params },
	{ .run_case = s1_walk_row, .name = "access",
	  .generate_params = access_gen_params },
	KUNIT_CASE_PARAM(s1_walk_permission, perm_gen_params),
	KUNIT_CASE_PARAM(s1_walk_state, state_gen_params),
	KUNIT_CASE_PARAM(s1_config_asid, asid_gen_params),
	{}
};

static struct kunit_suite s1walk_suite = {
	.name		= "kvm_nested_s1_walk",
	.test_cases	= s1walk_cases,
};

kunit_test_suite(s1walk_suite);
