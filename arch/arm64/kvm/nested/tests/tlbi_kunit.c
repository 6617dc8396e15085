// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization, tests: operands of TLB maintenance.
 *
 * Decoding alone: which VMID, which range of nested IPAs. What is removed from
 * shadow tables needs a VM.
 *
 * Seen to fail with: DS ignored; DS applied to the size as well; ranges of an L2
 * executed whatever TCR_EL1 is loaded.
 */
#include <kunit/test.h>
#include <linux/kvm_host.h>

#include <asm/kvm_nested.h>

#include "nested/nested.h"

/**
 * struct range_row - operand of a TLBI by range
 * @desc: says what the row is about
 * @val: the operand
 * @base: first address
 * @size: size in bytes; 0 if nothing has to be invalidated
 * @asid: ASID
 * @ds: TCR_ELx.DS, or VTCR_EL2.DS
 */
struct range_row {
	const char *desc;
	u64 val;
	u64 base;
	u64 size;
	u16 asid;
	bool ds;
};

/* BaseADDR[36:0], TTL[38:37], NUM[43:39], SCALE[45:44], TG[47:46], ASID. */
#define RANGE(asid, tg, scale, num, ttl, baddr)				\
	((u64)(asid) << 48 | (u64)(tg) << 46 | (u64)(scale) << 44 |	\
	 (u64)(num) << 39 | (u64)(ttl) << 37 | (baddr))

static const struct range_row range_rows[] = {
	/* (NUM + 1) * 2^(5 * SCALE + 1) granules */
	{ "4K, SCALE=0, NUM=0", RANGE(0, 1, 0, 0, 0, 0x12345),
	  0x12345000, 0x2000 },
	{ "4K, SCALE=0, NUM=31", RANGE(0, 1, 0, 31, 0, 0x12345),
	  0x12345000, 0x40000 },
	{ "4K, SCALE=1, NUM=0", RANGE(0, 1, 1, 0, 0, 0x12345),
	  0x12345000, 0x40000 },
	{ "4K, SCALE=2, NUM=2", RANGE(0, 1, 2, 2, 0, 0x12345),
	  0x12345000, 0x1800000 },
	{ "4K, SCALE=3, NUM=31", RANGE(0, 1, 3, 31, 0, 0x12345),
	  0x12345000, 0x200000000 },
	{ "16K, SCALE=0, NUM=0", RANGE(0, 2, 0, 0, 0, 0x12345),
	  0x48d14000, 0x8000 },
	{ "16K, SCALE=1, NUM=4", RANGE(0, 2, 1, 4, 0, 0x12345),
	  0x48d14000, 0x500000 },
	{ "16K, SCALE=3, NUM=31", RANGE(0, 2, 3, 31, 0, 0x12345),
	  0x48d14000, 0x800000000 },
	{ "64K, SCALE=0, NUM=0", RANGE(0, 3, 0, 0, 0, 0x12345),
	  0x123450000, 0x20000 },
	{ "64K, SCALE=2, NUM=1", RANGE(0, 3, 2, 1, 0, 0x12345),
	  0x123450000, 0x10000000 },
	{ "64K, SCALE=3, NUM=31", RANGE(0, 3, 3, 31, 0, 0x12345),
	  0x123450000, 0x2000000000 },

	/* All of BaseADDR counts, TTL is a hint about something else. */
	{ "largest base, 4K", RANGE(0, 1, 0, 0, 0, 0x1fffffffff),
	  0x1fffffffff000, 0x2000 },
	{ "largest base, 64K", RANGE(0, 3, 0, 0, 0, 0x1fffffffff),
	  0x1fffffffff0000, 0x20000 },
	{ "TTL", RANGE(0, 1, 0, 0, 3, 0x12345), 0x12345000, 0x2000 },
	{ "ASID", RANGE(0xabcd, 1, 0, 0, 0, 0x12345),
	  0x12345000, 0x2000, 0xabcd },

	/* With DS the base is BaseADDR[52:16]; the size is in granules. */
	{ "4K, DS", RANGE(0, 1, 0, 0, 0, 0x12345),
	  0x123450000, 0x2000, .ds = true },
	{ "4K, DS, SCALE=2, NUM=2", RANGE(0, 1, 2, 2, 0, 0x12345),
	  0x123450000, 0x1800000, .ds = true },
	{ "4K, DS, largest base of a 52-bit IPA", RANGE(0, 1, 0, 0, 0, 0xfffffffff),
	  0xfffffffff0000, 0x2000, .ds = true },
	{ "16K, DS", RANGE(0, 2, 1, 4, 0, 0x12345),
	  0x123450000, 0x500000, .ds = true },
	{ "64K, DS", RANGE(0, 3, 0, 0, 0, 0x12345),
	  0x123450000, 0x20000, .ds = true },
	{ "TG=00, DS", RANGE(0x1234, 0, 3, 31, 3, 0x12345), 0, 0, 0x1234, true },

	/* A reserved granule names nothing. */
	{ "TG=00", RANGE(0x1234, 0, 3, 31, 3, 0x12345), 0, 0, 0x1234 },
};

KUNIT_ARRAY_PARAM_DESC(range, range_rows, desc);

static void tlbi_range(struct kunit *test)
{
	const struct range_row *row = test->param_value;
	u64 size = ~0ULL;
	u16 asid = 0x5555;

	KUNIT_EXPECT_EQ(test, decode_range_tlbi(row->val, row->ds, &size, &asid),
			row->base);
	KUNIT_EXPECT_EQ(test, size, row->size);
	KUNIT_EXPECT_EQ(test, asid, row->asid);

	size = ~0ULL;
	KUNIT_EXPECT_EQ(test, decode_range_tlbi(row->val, row->ds, &size, NULL),
			row->base);
	KUNIT_EXPECT_EQ(test, size, row->size);
}

/**
 * struct vmid_row - the VMID of a pair of registers
 * @desc: says what the row is about
 * @vttbr: VTTBR_EL2
 * @vtcr: VTCR_EL2
 * @vmid: the VMID
 */
struct vmid_row {
	const char *desc;
	u64 vttbr;
	u64 vtcr;
	u16 vmid;
};

#define VTCR_VS		BIT_ULL(19)

static const struct vmid_row vmid_rows[] = {
	{ "VS=0", 0x0012000040000000, 0, 0x12 },
	{ "VS=0, the upper half is ignored", 0xab12000040000000, 0, 0x12 },
	{ "VS=0, nothing else matters", 0xab12ffffffffffff, ~VTCR_VS, 0x12 },
	{ "VS=1", 0xab12000040000000, VTCR_VS, 0xab12 },
	{ "VS=1, the lower half is 0", 0xab00000000000001, VTCR_VS, 0xab00 },
	{ "VS=1, nothing else matters", 0xab12ffffffffffff, ~0ULL, 0xab12 },
};

KUNIT_ARRAY_PARAM_DESC(vmid, vmid_rows, desc);

static void tlbi_vmid(struct kunit *test)
{
	const struct vmid_row *row = test->param_value;

	KUNIT_EXPECT_EQ(test, kvm_nested_vmid(row->vttbr, row->vtcr), row->vmid);
}

/**
 * struct op_row - a TLBI by L1 about an L2's stage 1
 * @desc: says what the row is about
 * @instr: what L1 executes
 * @ds: TCR_EL1.DS of the L2
 * @loaded_ds: TCR_EL1.DS as it is loaded, which is L1's TCR_EL2.DS
 * @all: everything has to be invalidated
 */
struct op_row {
	const char *desc;
	u32 instr;
	bool ds;
	bool loaded_ds;
	bool all;
};

static const struct op_row op_rows[] = {
	{ "range, DS of neither", OP_TLBI_RVAE1IS, false, false, false },
	{ "range, DS of both", OP_TLBI_RVAE1IS, true, true, false },
	{ "range, DS of L2", OP_TLBI_RVAE1IS, true, false, true },
	{ "range, DS of L1", OP_TLBI_RVAE1IS, false, true, true },
	{ "range, non-shareable, DS of L2", OP_TLBI_RVALE1, true, false, true },
	{ "range, outer shareable, DS of L1", OP_TLBI_RVAAE1OS, false, true, true },
	{ "range, nXS, DS of L1", OP_TLBI_RVAALE1ISNXS, false, true, true },
	{ "address, DS of L2", OP_TLBI_VAE1IS, true, false, false },
	{ "ASID, DS of L1", OP_TLBI_ASIDE1IS, false, true, false },
};

KUNIT_ARRAY_PARAM_DESC(op, op_rows, desc);

static void tlbi_s1e1_op(struct kunit *test)
{
	const struct op_row *row = test->param_value;

	KUNIT_EXPECT_EQ(test,
			kvm_tlbi_s1e1_op(row->instr, row->ds, row->loaded_ds),
			row->all ? OP_TLBI_VMALLE1IS : row->instr);
}

static struct kunit_case tlbi_cases[] = {
	KUNIT_CASE_PARAM(tlbi_range, range_gen_params),
	KUNIT_CASE_PARAM(tlbi_s1e1_op, op_gen_params),
	KUNIT_CASE_PARAM(tlbi_vmid, vmid_gen_params),
	{}
};

static struct kunit_suite tlbi_suite = {
	.name		= "kvm_nested_tlbi",
	.test_cases	= tlbi_cases,
};

kunit_test_suite(tlbi_suite);
