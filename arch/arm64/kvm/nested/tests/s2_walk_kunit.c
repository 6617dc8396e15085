// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization, tests: the way from VTTBR_EL2 to a leaf.
 *
 * Which descriptors are fetched, from where and in which order, for every
 * granule and start level, and what ends the way: the input range, the base,
 * memory that aborts, descriptors that are invalid, and tables beyond the
 * output size. What a leaf permits is in s2_leaf_kunit.c.
 */
#include <linux/swab.h>

#include "s2_rows.h"

/* An index at level -1, and one at each further level. */
#define IPA_LM1		((0xfULL << 48) | IPA4K(1, 2, 3, 4))

static const struct s2_row depth_rows[] = {
	/* Every start level, with the index of each level in its place. */
	{
		.desc = "4K L3", .setup = &s4k_l3,
		.mem = { { 0x40000020, PAGE(0x80005000) } },
		.ipa = IPA4K(0, 0, 0, 4), .oa = 0x80005abc, .shift = 12,
	}, {
		.desc = "4K L2", .setup = &s4k_l2,
		.mem = { { 0x40000018, TABLE(0x40001000) },
			 { 0x40001020, PAGE(0x80005000) } },
		.ipa = IPA4K(0, 0, 3, 4), .oa = 0x80005abc, .shift = 12,
	}, {
		.desc = "4K L1", .setup = &s4k_l1,
		.mem = { { 0x40000010, TABLE(0x40001000) },
			 { 0x40001018, TABLE(0x40002000) },
			 { 0x40002020, PAGE(0x80005000) } },
		.ipa = IPA4K(0, 2, 3, 4), .oa = 0x80005abc, .shift = 12,
	}, {
		.desc = "4K L0", .setup = &s4k_l0,
		.mem = { { 0x40000008, TABLE(0x40001000) },
			 { 0x40001010, TABLE(0x40002000) },
			 { 0x40002018, TABLE(0x40003000) },
			 { 0x40003020, PAGE(0x80005000) } },
		.ipa = IPA4K(1, 2, 3, 4), .oa = 0x80005abc, .shift = 12,
	}, {
		.desc = "4K L-1, all addresses 52 bits", .setup = &s4k_ds_lm1,
		.vttbr = 0x4000003c,
		.mem = { { 0xf000040000078, TABLE_DS(0x1000040001000, 2) },
			 { 0x9000040001008, TABLE_DS(0x40002000, 1) },
			 { 0x4000040002010, TABLE_DS(0x3000040003000, 0) },
			 { 0x3000040003018, TABLE_DS(0x40004000, 3) },
			 { 0xc000040004020, PAGE_DS(0x2000080005000, 3) } },
		.ipa = IPA_LM1, .oa = 0xe000080005abc, .shift = 12,
	}, {
		.desc = "16K L3", .setup = &s16k_l3,
		.mem = { { 0x40000020, PAGE(0x80014000) } },
		.ipa = IPA16K(0, 0, 0, 4), .oa = 0x80016abc, .shift = 14,
	}, {
		.desc = "16K L2", .setup = &s16k_l2,
		.mem = { { 0x40000018, TABLE(0x40004000) },
			 { 0x40004020, PAGE(0x80014000) } },
		.ipa = IPA16K(0, 0, 3, 4), .oa = 0x80016abc, .shift = 14,
	}, {
		.desc = "16K L1", .setup = &s16k_l1,
		.mem = { { 0x40000010, TABLE(0x40004000) },
			 { 0x40004018, TABLE(0x40008000) },
			 { 0x40008020, PAGE(0x80014000) } },
		.ipa = IPA16K(0, 2, 3, 4), .oa = 0x80016abc, .shift = 14,
	}, {
		.desc = "16K L0, all addresses 52 bits", .setup = &s16k_ds_l0,
		.vttbr = 0x40000008,
		.mem = { { 0x20000400000f8, TABLE_DS(0x1000040004000, 1) },
			 { 0x5000040004010, TABLE_DS(0x40008000, 3) },
			 { 0xc000040008018, TABLE_DS(0x300004000c000, 0) },
			 { 0x300004000c020, PAGE_DS(0x2000080014000, 2) } },
		.ipa = IPA16K(0x1f, 2, 3, 4), .oa = 0xa000080016abc, .shift = 14,
	}, {
		.desc = "64K L3", .setup = &s64k_l3,
		.mem = { { 0x40000020, PAGE(0x800a0000) } },
		.ipa = IPA64K(0, 0, 4), .oa = 0x800adabc, .shift = 16,
	}, {
		.desc = "64K L2", .setup = &s64k_l2,
		.mem = { { 0x40000018, TABLE(0x40010000) },
			 { 0x40010020, PAGE(0x800a0000) } },
		.ipa = IPA64K(0, 3, 4), .oa = 0x800adabc, .shift = 16,
	}, {
		.desc = "64K L1", .setup = &s64k_l1,
		.mem = { { 0x40000010, TABLE(0x40010000) },
			 { 0x40010018, TABLE(0x40020000) },
			 { 0x40020020, PAGE(0x800a0000) } },
		.ipa = IPA64K(2, 3, 4), .oa = 0x800adabc, .shift = 16,
	}, {
		.desc = "64K L1, all addresses 52 bits", .setup = &s64k_lpa_l1,
		.vttbr = 0x4000003c,
		.mem = { { 0xf000040001ff8, TABLE(0x4001e000) },
			 { 0xe000040010018, TABLE(0x40029000) },
			 { 0x9000040020020, PAGE(0x800a7000) } },
		.ipa = IPA64K(0x3ff, 3, 4), .oa = 0x70000800adabc, .shift = 16,
	},

	/* Concatenated tables: the index of the first level is wider. */
	{
		.desc = "4K L1, last of 16 tables", .setup = &s4k_l1_x16,
		.mem = { { 0x4000fff8, TABLE(0x40010000) },
			 { 0x40010018, TABLE(0x40011000) },
			 { 0x40011020, PAGE(0x80005000) } },
		.ipa = IPA4K(0, 0x1fff, 3, 4), .oa = 0x80005abc, .shift = 12,
	}, {
		.desc = "4K L2, last of 8 tables", .setup = &s4k_l2_x8,
		.mem = { { 0x40007ff8, TABLE(0x40010000) },
			 { 0x40010020, PAGE(0x80005000) } },
		.ipa = IPA4K(0, 0, 0xfff, 4), .oa = 0x80005abc, .shift = 12,
	}, {
		.desc = "16K L1, second of 2 tables", .setup = &s16k_l1_x2,
		.mem = { { 0x40004018, TABLE(0x40010000) },
			 { 0x40010018, TABLE(0x40014000) },
			 { 0x40014020, PAGE(0x80014000) } },
		.ipa = IPA16K(0, 0x803, 3, 4), .oa = 0x80016abc, .shift = 14,
	}, {
		.desc = "64K L2, third of 4 tables", .setup = &s64k_l2_x4,
		.mem = { { 0x40020008, TABLE(0x40080000) },
			 { 0x40080020, PAGE(0x800a0000) } },
		.ipa = IPA64K(0, 0x4001, 4), .oa = 0x800adabc, .shift = 16,
	},

	/* Formats for 48 bits have nothing at [49:48], nor at [15:12] with 64K. */
	{
		.desc = "4K, 48 bits: [50:48] are ignored", .setup = &s4k_l2,
		.mem = { { 0x40000018, TABLE(0x7000040001000) },
			 { 0x40001020, PAGE(0x7000080005000) } },
		.ipa = IPA4K(0, 0, 3, 4), .oa = 0x80005abc, .shift = 12,
	}, {
		.desc = "16K, 48 bits: [50:48] are ignored", .setup = &s16k_l2,
		.mem = { { 0x40000018, TABLE(0x7000040004000) },
			 { 0x40004020, PAGE(0x7000080014000) } },
		.ipa = IPA16K(0, 0, 3, 4), .oa = 0x80016abc, .shift = 14,
	}, {
		.desc = "64K without LPA: [15:12] are ignored", .setup = &s64k_l2,
		.mem = { { 0x40000018, TABLE(0x4001f000) },
			 { 0x40010020, PAGE(0x800af000) } },
		.ipa = IPA64K(0, 3, 4), .oa = 0x800adabc, .shift = 16,
	},
};

KUNIT_ARRAY_PARAM_DESC(depth, depth_rows, desc);

static const struct s2_row endian_rows[] = {
	/* Tables are as SCTLR_EL2.EE says, whatever the host is. */
	{
		.desc = "big-endian", .setup = &s4k_l2, .env = S2_BIG_ENDIAN,
		.mem = { { 0x40000018, swab64(TABLE(0x40001000)) },
			 { 0x40001020, swab64(PAGE(0x80005000)) } },
		.ipa = IPA4K(0, 0, 3, 4), .oa = 0x80005abc, .shift = 12,
	}, {
		.desc = "big-endian, written little-endian",
		.setup = &s4k_l2, .env = S2_BIG_ENDIAN,
		.mem = { { 0x40000018, TABLE(0x40001000) } },
		.ipa = IPA4K(0, 0, 3, 4), FAULTS(TRANSLATION, 2),
	}, {
		.desc = "little-endian, written big-endian", .setup = &s4k_l2,
		.mem = { { 0x40000018, swab64(TABLE(0x40001000)) } },
		.ipa = IPA4K(0, 0, 3, 4), FAULTS(TRANSLATION, 2),
	}, {
		.desc = "big-endian, 52 bits",
		.setup = &s64k_lpa_l1, .env = S2_BIG_ENDIAN,
		.mem = { { 0x40000010, swab64(TABLE(0x4001e000)) },
			 { 0xe000040010018, swab64(TABLE(0x40029000)) },
			 { 0x9000040020020, swab64(PAGE(0x800a7000)) } },
		.ipa = IPA64K(2, 3, 4), .oa = 0x70000800adabc, .shift = 16,
	}, {
		.desc = "big-endian, update of the Access flag",
		.setup = &s4k_l3, .vtcr = VTCR_HA, .env = S2_BIG_ENDIAN,
		.mem = { { 0x40000020, swab64(PAGE(0x80005000) & ~S2_AF) } },
		.ipa = IPA4K(0, 0, 0, 4), .oa = 0x80005abc, .shift = 12,
		.updates = 1, .after = swab64(PAGE(0x80005000)),
	},
};

KUNIT_ARRAY_PARAM_DESC(endian, endian_rows, desc);

static const struct s2_row start_rows[] = {
	/* Beyond the input range: level 0, and nothing is read. */
	{
		.desc = "4K L1, last address of 39 bits", .setup = &s4k_l1,
		.mem = { { 0x40000ff8, BLOCK(0x80000000) } },
		.ipa = 0x7fffffffff, .oa = 0xbfffffff,
	}, {
		.desc = "4K L1, first address after 39 bits", .setup = &s4k_l1,
		.mem = { { S2_BASE, BLOCK(0x80000000) } }, .unread = 1,
		.ipa = 0x8000000000, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "4K L1, bit 63", .setup = &s4k_l1,
		.mem = { { S2_BASE, BLOCK(0x80000000) } }, .unread = 1,
		.ipa = 1ULL << 63, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "4K L1, all bits above 39", .setup = &s4k_l1,
		.mem = { { 0x40000010, BLOCK(0x80000000) } }, .unread = 1,
		.ipa = ~0x7fffffffffULL | IPA4K(0, 2, 3, 4),
		FAULTS(TRANSLATION, 0),
	}, {
		.desc = "4K L3, first address after 21 bits", .setup = &s4k_l3,
		.mem = { { S2_BASE, PAGE(0x80000000) } }, .unread = 1,
		.ipa = 0x200000, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "4K L1 x16, last address of 43 bits", .setup = &s4k_l1_x16,
		.mem = { { 0x4000fff8, BLOCK(0x80000000) } },
		.ipa = 0x7ffffffffff, .oa = 0xbfffffff,
	}, {
		.desc = "4K L1 x16, first address after 43 bits",
		.setup = &s4k_l1_x16,
		.mem = { { S2_BASE, BLOCK(0x80000000) } }, .unread = 1,
		.ipa = 0x80000000000, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "4K L-1, first address after 52 bits", .setup = &s4k_ds_lm1,
		.mem = { { S2_BASE, TABLE(0x40001000) } }, .unread = 1,
		.ipa = 1ULL << 52, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "16K L2, last address of 36 bits", .setup = &s16k_l2,
		.mem = { { 0x40003ff8, BLOCK(0x80000000) } },
		.ipa = 0xfffffffff, .oa = 0x81ffffff,
	}, {
		.desc = "16K L2, first address after 36 bits", .setup = &s16k_l2,
		.mem = { { S2_BASE, BLOCK(0x80000000) } }, .unread = 1,
		.ipa = 0x1000000000, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "64K L2, last address of 42 bits", .setup = &s64k_l2,
		.mem = { { 0x4000fff8, BLOCK(0x80000000) } },
		.ipa = 0x3ffffffffff, .oa = 0x9fffffff,
	}, {
		.desc = "64K L2, first address after 42 bits", .setup = &s64k_l2,
		.mem = { { S2_BASE, BLOCK(0x80000000) } }, .unread = 1,
		.ipa = 0x40000000000, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "an input beyond PS and PARange is fine", .setup = &s4k_l1_ps32,
		.mem = { { 0x40000ff8, BLOCK(0x80000000) } },
		.ipa = 0x7fffffffff, .oa = 0xbfffffff,
	},

	/* The base beyond the output size: level 0, whatever the start level. */
	{
		.desc = "base at the end of 32 bits, 4K L1", .setup = &s4k_l1_ps32,
		.vttbr = 0xfffff000,
		.mem = { { 0xfffff010, BLOCK(0x40000000) } },
		.ipa = IPA4K(0, 2, 3, 4), .oa = 0x40604abc,
	}, {
		.desc = "base after 32 bits, 4K L1", .setup = &s4k_l1_ps32,
		.vttbr = 0x100000000,
		.mem = { { 0x100000010, BLOCK(0x40000000) } }, .unread = 1,
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 0),
	}, {
		.desc = "base after 40 bits, PARange, 4K L1", .setup = &s4k_l1_pa40,
		.vttbr = 0x10000000000,
		.mem = { { 0x10000000010, BLOCK(0x40000000) } }, .unread = 1,
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 0),
	}, {
		.desc = "base after 40 bits, 4K L0", .setup = &s4k_l0_ps40,
		.vttbr = 0x800000000000,
		.mem = { { 0x800000000008, TABLE(0x40000000) } }, .unread = 1,
		.ipa = IPA4K(1, 2, 3, 4), FAULTS(ADDRESS_SIZE, 0),
	}, {
		.desc = "base after 48 bits, 4K L-1", .setup = &s4k_ds_lm1_ps48,
		.vttbr = 0x40000004,
		.mem = { { 0x1000040000078, TABLE(0x40001000) } }, .unread = 1,
		.ipa = IPA_LM1, FAULTS(ADDRESS_SIZE, 0),
	}, {
		.desc = "base after 32 bits, 16K L2", .setup = &s16k_l2_ps32,
		.vttbr = 0x100000000,
		.mem = { { 0x100000018, BLOCK(0x40000000) } }, .unread = 1,
		.ipa = IPA16K(0, 0, 3, 4), FAULTS(ADDRESS_SIZE, 0),
	}, {
		.desc = "base after 36 bits, 64K L2", .setup = &s64k_l2_ps36,
		.vttbr = 0x1000000000,
		.mem = { { 0x1000000018, BLOCK(0x40000000) } }, .unread = 1,
		.ipa = IPA64K(0, 3, 4), FAULTS(ADDRESS_SIZE, 0),
	},
};

KUNIT_ARRAY_PARAM_DESC(start, start_rows, desc);

static const struct s2_row abort_rows[] = {
	/* Memory that aborts: at the level of the descriptor that is in it. */
	{
		.desc = "4K, level -1", .setup = &s4k_ds_lm1,
		.mem = { { 0x40000078, 0, FAKE_ABORTS } },
		.ipa = IPA_LM1, FAULTS(SEA_TTW, -1),
	}, {
		.desc = "4K, level 0 after -1", .setup = &s4k_ds_lm1,
		.mem = { { 0x40000078, TABLE(0x40001000) },
			 { 0x40001008, 0, FAKE_ABORTS } },
		.ipa = IPA_LM1, FAULTS(SEA_TTW, 0),
	}, {
		.desc = "4K, level 0", .setup = &s4k_l0,
		.mem = { { 0x40000008, 0, FAKE_ABORTS } },
		.ipa = IPA4K(1, 2, 3, 4), FAULTS(SEA_TTW, 0),
	}, {
		.desc = "4K, level 1", .setup = &s4k_l1,
		.mem = { { 0x40000010, 0, FAKE_ABORTS } },
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(SEA_TTW, 1),
	}, {
		.desc = "4K, level 2", .setup = &s4k_l1,
		.mem = { { 0x40000010, TABLE(0x40001000) },
			 { 0x40001018, 0, FAKE_ABORTS } },
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(SEA_TTW, 2),
	}, {
		.desc = "4K, level 3", .setup = &s4k_l2,
		.mem = { { 0x40000018, TABLE(0x40001000) },
			 { 0x40001020, 0, FAKE_ABORTS } },
		.ipa = IPA4K(0, 0, 3, 4), FAULTS(SEA_TTW, 3),
	}, {
		.desc = "4K, level 3, of a write", .setup = &s4k_l2,
		.mem = { { 0x40000018, TABLE(0x40001000) },
			 { 0x40001020, 0, FAKE_ABORTS } },
		.acc.type = KVM_ACC_WRITE,
		.ipa = IPA4K(0, 0, 3, 4), FAULTS(SEA_TTW, 3), .write = true,
	}, {
		.desc = "4K, level 3, of a stage-1 walk", .setup = &s4k_l2,
		.mem = { { 0x40000018, TABLE(0x40001000) },
			 { 0x40001020, 0, FAKE_ABORTS } },
		.acc.type = KVM_ACC_TTW,
		.ipa = IPA4K(0, 0, 3, 4), FAULTS(SEA_TTW, 3),
	}, {
		.desc = "16K, level 0", .setup = &s16k_ds_l0,
		.mem = { { 0x40000008, 0, FAKE_ABORTS } },
		.ipa = IPA16K(1, 2, 3, 4), FAULTS(SEA_TTW, 0),
	}, {
		.desc = "16K, level 1", .setup = &s16k_l1,
		.mem = { { 0x40000010, 0, FAKE_ABORTS } },
		.ipa = IPA16K(0, 2, 3, 4), FAULTS(SEA_TTW, 1),
	}, {
		.desc = "16K, level 2", .setup = &s16k_l2,
		.mem = { { 0x40000018, 0, FAKE_ABORTS } },
		.ipa = IPA16K(0, 0, 3, 4), FAULTS(SEA_TTW, 2),
	}, {
		.desc = "16K, level 3", .setup = &s16k_l2,
		.mem = { { 0x40000018, TABLE(0x40004000) },
			 { 0x40004020, 0, FAKE_ABORTS } },
		.ipa = IPA16K(0, 0, 3, 4), FAULTS(SEA_TTW, 3),
	}, {
		.desc = "64K, level 1", .setup = &s64k_l1,
		.mem = { { 0x40000010, 0, FAKE_ABORTS } },
		.ipa = IPA64K(2, 3, 4), FAULTS(SEA_TTW, 1),
	}, {
		.desc = "64K, level 2", .setup = &s64k_l2,
		.mem = { { 0x40000018, 0, FAKE_ABORTS } },
		.ipa = IPA64K(0, 3, 4), FAULTS(SEA_TTW, 2),
	}, {
		.desc = "64K, level 3", .setup = &s64k_l2,
		.mem = { { 0x40000018, TABLE(0x40010000) },
			 { 0x40010020, 0, FAKE_ABORTS } },
		.ipa = IPA64K(0, 3, 4), FAULTS(SEA_TTW, 3),
	},

	/* Not the guest's fault: the host's errno, and no fault is recorded. */
	{
		.desc = "host error", .setup = &s4k_l2,
		.mem = { { 0x40000018, TABLE(0x40001000) },
			 { 0x40001020, 0, FAKE_ERRNO } },
		.ipa = IPA4K(0, 0, 3, 4), .ret = -EIO,
	},
};

KUNIT_ARRAY_PARAM_DESC(abort, abort_rows, desc);

static const struct s2_row invalid_rows[] = {
	/* Bit 0 is clear: everything else is software's. */
	{
		.desc = "4K, level -1", .setup = &s4k_ds_lm1,
		.mem = { { 0x40000078, ~1ULL } },
		.ipa = IPA_LM1, FAULTS(TRANSLATION, -1),
	}, {
		.desc = "4K, level 0", .setup = &s4k_l0,
		.mem = { { 0x40000008, 0 } },
		.ipa = IPA4K(1, 2, 3, 4), FAULTS(TRANSLATION, 0),
	}, {
		.desc = "4K, level 1", .setup = &s4k_l1,
		.mem = { { 0x40000010, ~1ULL } },
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(TRANSLATION, 1),
	}, {
		.desc = "4K, level 2", .setup = &s4k_l2,
		.mem = { { 0x40000018, 0 } },
		.ipa = IPA4K(0, 0, 3, 4), FAULTS(TRANSLATION, 2),
	}, {
		.desc = "4K, level 3", .setup = &s4k_l3,
		.mem = { { 0x40000020, ~1ULL } },
		.ipa = IPA4K(0, 0, 0, 4), FAULTS(TRANSLATION, 3),
	}, {
		.desc = "16K, level 2", .setup = &s16k_l2,
		.mem = { { 0x40000018, ~1ULL } },
		.ipa = IPA16K(0, 0, 3, 4), FAULTS(TRANSLATION, 2),
	}, {
		.desc = "16K, level 3", .setup = &s16k_l3,
		.mem = { { 0x40000020, 0 } },
		.ipa = IPA16K(0, 0, 0, 4), FAULTS(TRANSLATION, 3),
	}, {
		.desc = "64K, level 1", .setup = &s64k_l1,
		.mem = { { 0x40000010, ~1ULL } },
		.ipa = IPA64K(2, 3, 4), FAULTS(TRANSLATION, 1),
	}, {
		.desc = "64K, level 3", .setup = &s64k_l3,
		.mem = { { 0x40000020, 0 } },
		.ipa = IPA64K(0, 0, 4), FAULTS(TRANSLATION, 3),
	},

	/* A page that says block, which is reserved. */
	{
		.desc = "4K, level 3, [1:0]=01", .setup = &s4k_l3,
		.mem = { { 0x40000020, BLOCK(0x80005000) } },
		.ipa = IPA4K(0, 0, 0, 4), FAULTS(TRANSLATION, 3),
	}, {
		.desc = "16K, level 3, [1:0]=01", .setup = &s16k_l3,
		.mem = { { 0x40000020, BLOCK(0x80014000) } },
		.ipa = IPA16K(0, 0, 0, 4), FAULTS(TRANSLATION, 3),
	}, {
		.desc = "64K, level 3, [1:0]=01", .setup = &s64k_l3,
		.mem = { { 0x40000020, BLOCK(0x800a0000) } },
		.ipa = IPA64K(0, 0, 4), FAULTS(TRANSLATION, 3),
	},

	/* Blocks at a level where the format has none. */
	{
		.desc = "4K, block at level 0 without DS", .setup = &s4k_l0,
		.mem = { { 0x40000008, BLOCK(0) } },
		.ipa = IPA4K(1, 2, 3, 4), FAULTS(TRANSLATION, 0),
	}, {
		.desc = "4K, block at level -1", .setup = &s4k_ds_lm1,
		.mem = { { 0x40000078, BLOCK_DS(0, 0) } },
		.ipa = IPA_LM1, FAULTS(TRANSLATION, -1),
	}, {
		.desc = "16K, block at level 1 without DS", .setup = &s16k_l1,
		.mem = { { 0x40000010, BLOCK(0) } },
		.ipa = IPA16K(0, 2, 3, 4), FAULTS(TRANSLATION, 1),
	}, {
		.desc = "16K, block at level 0", .setup = &s16k_ds_l0,
		.mem = { { 0x40000008, BLOCK_DS(0, 0) } },
		.ipa = IPA16K(1, 2, 3, 4), FAULTS(TRANSLATION, 0),
	}, {
		.desc = "64K, block at level 1 without LPA", .setup = &s64k_l1,
		.mem = { { 0x40000010, BLOCK(0) } },
		.ipa = IPA64K(2, 3, 4), FAULTS(TRANSLATION, 1),
	},
};

KUNIT_ARRAY_PARAM_DESC(invalid, invalid_rows, desc);

static const struct s2_row next_rows[] = {
	/*
	 * The next table beyond the output size: at the level of the descriptor
	 * that says so, and the table is not read. The last address is fine.
	 */
	{
		.desc = "4K, level 1, end of 32 bits", .setup = &s4k_l1_ps32,
		.mem = { { 0x40000010, TABLE(0xfffff000) },
			 { 0xfffff018, BLOCK(0x80200000) } },
		.ipa = IPA4K(0, 2, 3, 4), .oa = 0x80204abc, .shift = 21,
	}, {
		.desc = "4K, level 1, after 32 bits", .setup = &s4k_l1_ps32,
		.mem = { { 0x40000010, TABLE(0x100000000) },
			 { 0x100000018, BLOCK(0x80200000) } }, .unread = 1,
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 1),
	}, {
		.desc = "4K, level 2, after 36 bits", .setup = &s4k_l1_ps36,
		.mem = { { 0x40000010, TABLE(0xffffff000) },
			 { 0xffffff018, TABLE(0x1000000000) },
			 { 0x1000000020, PAGE(0x80005000) } }, .unread = 1,
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 2),
	}, {
		.desc = "4K, level 1, after 40 bits of PARange",
		.setup = &s4k_l1_pa40,
		.mem = { { 0x40000010, TABLE(0x10000000000) },
			 { 0x10000000018, BLOCK(0x80200000) } }, .unread = 1,
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 1),
	}, {
		.desc = "4K, level 0, after 40 bits", .setup = &s4k_l0_ps40,
		.mem = { { 0x40000008, TABLE(0x10000000000) },
			 { 0x10000000010, BLOCK(0x80000000) } }, .unread = 1,
		.ipa = IPA4K(1, 2, 3, 4), FAULTS(ADDRESS_SIZE, 0),
	}, {
		.desc = "4K, level -1, OA[48] after 48 bits",
		.setup = &s4k_ds_lm1_ps48,
		.mem = { { 0x40000078, TABLE_DS(0x1000040001000, 0) },
			 { 0x1000040001008, 0 } }, .unread = 1,
		.ipa = IPA_LM1, FAULTS(ADDRESS_SIZE, -1),
	}, {
		.desc = "4K, level -1, OA[50] after 48 bits",
		.setup = &s4k_ds_lm1_ps48,
		.mem = { { 0x40000078, TABLE_DS(0x40001000, 1) },
			 { 0x4000040001008, 0 } }, .unread = 1,
		.ipa = IPA_LM1, FAULTS(ADDRESS_SIZE, -1),
	}, {
		.desc = "16K, level 2, after 32 bits", .setup = &s16k_l2_ps32,
		.mem = { { 0x40000018, TABLE(0x100000000) },
			 { 0x100000020, PAGE(0x80014000) } }, .unread = 1,
		.ipa = IPA16K(0, 0, 3, 4), FAULTS(ADDRESS_SIZE, 2),
	}, {
		.desc = "16K, DS, level 1, OA[51] after 48 bits",
		.setup = &s16k_ds_l1_ps48,
		.mem = { { 0x40000010, TABLE_DS(0x40004000, 2) },
			 { 0x8000040004018, 0 } }, .unread = 1,
		.ipa = IPA16K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 1),
	}, {
		.desc = "64K, level 2, after 36 bits", .setup = &s64k_l2_ps36,
		.mem = { { 0x40000018, TABLE(0x1000000000) },
			 { 0x1000000020, PAGE(0x800a0000) } }, .unread = 1,
		.ipa = IPA64K(0, 3, 4), FAULTS(ADDRESS_SIZE, 2),
	}, {
		.desc = "64K, LPA, level 1, [15:12] count with a small PS",
		.setup = &s64k_lpa_l1_ps48,
		.mem = { { 0x40000010, TABLE(0x40011000) },
			 { 0x1000040010018, 0 } }, .unread = 1,
		.ipa = IPA64K(2, 3, 4), FAULTS(ADDRESS_SIZE, 1),
	},
};

KUNIT_ARRAY_PARAM_DESC(next, next_rows, desc);

static void s2_walk_row(struct kunit *test)
{
	s2_row_run(test, test->param_value);
}

static struct kunit_case s2_walk_cases[] = {
	{ .run_case = s2_walk_row, .name = "depth",
	  .generate_params = depth_gen_params },
	{ .run_case = s2_walk_row, .name = "endianness",
	  .generate_params = endian_gen_params },
	{ .run_case = s2_walk_row, .name = "start",
	  .generate_params = start_gen_params },
	{ .run_case = s2_walk_row, .name = "abort",
	  .generate_params = abort_gen_params },
	{ .run_case = s2_walk_row, .name = "invalid",
	  .generate_params = invalid_gen_params },
	{ .run_case = s2_walk_row, .name = "next_table",
	  .generate_params = next_gen_params },
	{}
};

static struct kunit_suite s2_walk_suite = {
	.name		= "kvm_nested_s2_walk",
	.test_cases	= s2_walk_cases,
};

kunit_test_suite(s2_walk_suite);
