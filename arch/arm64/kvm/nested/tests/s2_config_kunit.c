// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization, tests: VTCR_EL2 and VTTBR_EL2 become a configuration.
 *
 * The limits of T0SZ are tested with all of its 64 values: a row states the
 * first and the last one accepted, and whatever is outside has to be a
 * Translation fault at level 0 that reads nothing.
 */
#include <kunit/test.h>

#include "s2_rows.h"

/**
 * struct t0sz_row - the values of T0SZ that one start level accepts
 * @desc: says what the row is about
 * @tg: VTCR_EL2.TG0
 * @sl: VTCR_EL2.{SL2,SL0}, as one number
 * @ds: VTCR_EL2.DS
 * @no_lpa2: the VM has no FEAT_LPA2, even if it has 52-bit addresses
 * @no_ttst: the VM has no FEAT_TTST
 * @pa_bits: PA size of the VM
 * @level: the start level
 * @first: smallest T0SZ accepted
 * @last: largest T0SZ accepted; below @first if none is
 */
struct t0sz_row {
	const char *desc;
	u8 tg;
	u8 sl;
	bool ds;
	bool no_lpa2;
	bool no_ttst;
	u8 pa_bits;
	s8 level;
	u8 first;
	u8 last;
};

#define NONE	.first = 64, .last = 0

static const struct t0sz_row t0sz_rows[] = {
	/* Each start level of each granule, with nothing else in the way. */
	{ "4K L3", TG_4K, 3, .pa_bits = 48, .level = 3, .first = 39, .last = 48 },
	{ "4K L2", TG_4K, 0, .pa_bits = 48, .level = 2, .first = 30, .last = 42 },
	{ "4K L1", TG_4K, 1, .pa_bits = 48, .level = 1, .first = 21, .last = 33 },
	{ "4K L0", TG_4K, 2, .pa_bits = 48, .level = 0, .first = 16, .last = 24 },
	{ "4K L0, DS", TG_4K, 2, true, .pa_bits = 52,
	  .level = 0, .first = 12, .last = 24 },
	{ "4K L-1, DS", TG_4K, 4, true, .pa_bits = 52,
	  .level = -1, .first = 12, .last = 15 },
	{ "16K L3", TG_16K, 0, .pa_bits = 48, .level = 3, .first = 35, .last = 48 },
	{ "16K L2", TG_16K, 1, .pa_bits = 48, .level = 2, .first = 24, .last = 38 },
	{ "16K L1", TG_16K, 2, .pa_bits = 48, .level = 1, .first = 16, .last = 27 },
	{ "16K L1, DS", TG_16K, 2, true, .pa_bits = 52,
	  .level = 1, .first = 13, .last = 27 },
	{ "16K L0, DS", TG_16K, 3, true, .pa_bits = 52,
	  .level = 0, .first = 12, .last = 16 },
	{ "64K L3", TG_64K, 0, .pa_bits = 48, .level = 3, .first = 31, .last = 47 },
	{ "64K L2", TG_64K, 1, .pa_bits = 48, .level = 2, .first = 18, .last = 34 },
	{ "64K L1", TG_64K, 2, .pa_bits = 48, .level = 1, .first = 16, .last = 21 },
	{ "64K L1, LPA", TG_64K, 2, .pa_bits = 52,
	  .level = 1, .first = 12, .last = 21 },

	/* The smallest T0SZ follows from the VM's PA size, whatever PS says. */
	{ "4K L1, 32-bit PA", TG_4K, 1, .pa_bits = 32,
	  .level = 1, .first = 32, .last = 33 },
	{ "4K L1, 36-bit PA", TG_4K, 1, .pa_bits = 36,
	  .level = 1, .first = 28, .last = 33 },
	{ "4K L1, 40-bit PA", TG_4K, 1, .pa_bits = 40,
	  .level = 1, .first = 24, .last = 33 },
	{ "4K L1, 42-bit PA", TG_4K, 1, .pa_bits = 42,
	  .level = 1, .first = 22, .last = 33 },
	{ "4K L0, 44-bit PA", TG_4K, 2, .pa_bits = 44,
	  .level = 0, .first = 20, .last = 24 },
	{ "4K L0, 52-bit PA but no DS", TG_4K, 2, .pa_bits = 52,
	  .level = 0, .first = 16, .last = 24 },
	{ "4K L2, 32-bit PA", TG_4K, 0, .pa_bits = 32,
	  .level = 2, .first = 32, .last = 42 },
	{ "16K L2, 32-bit PA", TG_16K, 1, .pa_bits = 32,
	  .level = 2, .first = 32, .last = 38 },
	{ "16K L2, 36-bit PA", TG_16K, 1, .pa_bits = 36,
	  .level = 2, .first = 28, .last = 38 },
	{ "16K L1, 42-bit PA", TG_16K, 2, .pa_bits = 42,
	  .level = 1, .first = 22, .last = 27 },
	{ "16K L1, 52-bit PA but no DS", TG_16K, 2, .pa_bits = 52,
	  .level = 1, .first = 16, .last = 27 },
	{ "64K L2, 32-bit PA", TG_64K, 1, .pa_bits = 32,
	  .level = 2, .first = 32, .last = 34 },
	{ "64K L2, 40-bit PA", TG_64K, 1, .pa_bits = 40,
	  .level = 2, .first = 24, .last = 34 },
	{ "64K L1, 44-bit PA", TG_64K, 2, .pa_bits = 44,
	  .level = 1, .first = 20, .last = 21 },

	/* Start levels that a smaller VM doesn't have at all. */
	{ "4K L0 needs 44-bit PA", TG_4K, 2, .pa_bits = 42, NONE },
	{ "16K L1 needs 42-bit PA", TG_16K, 2, .pa_bits = 40, NONE },
	{ "64K L1 needs 44-bit PA", TG_64K, 2, .pa_bits = 42, NONE },
	{ "4K L-1 needs 52-bit PA", TG_4K, 4, true, .pa_bits = 48, NONE },
	{ "16K L0 needs 52-bit PA", TG_16K, 3, true, .pa_bits = 48, NONE },

	/* Encodings of no start level. */
	{ "4K SL2:SL0=101", TG_4K, 5, true, .pa_bits = 52, NONE },
	{ "4K SL2:SL0=110", TG_4K, 6, true, .pa_bits = 52, NONE },
	{ "4K SL2:SL0=111", TG_4K, 7, true, .pa_bits = 52, NONE },
	{ "16K SL0=3 without DS", TG_16K, 3, .pa_bits = 52, NONE },
	{ "64K SL0=3", TG_64K, 3, .pa_bits = 48, NONE },
	{ "64K SL0=3, LPA", TG_64K, 3, .pa_bits = 52, NONE },

	/* SL2 is for the 4K format alone, which needs DS, and that FEAT_LPA2. */
	{ "4K SL2 without DS", TG_4K, 4, .pa_bits = 52,
	  .level = 2, .first = 30, .last = 42 },
	{ "4K SL2 and DS without LPA2", TG_4K, 4, true, true, .pa_bits = 52,
	  .level = 2, .first = 30, .last = 42 },
	{ "4K L0, DS without LPA2", TG_4K, 2, true, true, .pa_bits = 52,
	  .level = 0, .first = 16, .last = 24 },
	{ "16K SL2 without DS", TG_16K, 5, .pa_bits = 52,
	  .level = 2, .first = 24, .last = 38 },
	{ "16K SL2:SL0=100, DS", TG_16K, 4, true, .pa_bits = 52,
	  .level = 3, .first = 35, .last = 48 },
	{ "16K SL2:SL0=101, DS", TG_16K, 5, true, .pa_bits = 52,
	  .level = 2, .first = 24, .last = 38 },
	{ "16K SL2:SL0=110, DS", TG_16K, 6, true, .pa_bits = 52,
	  .level = 1, .first = 13, .last = 27 },
	{ "16K SL2:SL0=111, DS", TG_16K, 7, true, .pa_bits = 52,
	  .level = 0, .first = 12, .last = 16 },
	{ "16K L0 without LPA2", TG_16K, 3, true, true, .pa_bits = 52, NONE },
	{ "64K SL2 and DS", TG_64K, 6, true, .pa_bits = 52,
	  .level = 1, .first = 12, .last = 21 },

	/* The largest T0SZ, without small tables. */
	{ "4K L3 needs TTST", TG_4K, 3, .no_ttst = true, .pa_bits = 48, NONE },
	{ "4K L2, no TTST", TG_4K, 0, .no_ttst = true, .pa_bits = 48,
	  .level = 2, .first = 30, .last = 39 },
	{ "16K L3, no TTST", TG_16K, 0, .no_ttst = true, .pa_bits = 48,
	  .level = 3, .first = 35, .last = 39 },
	{ "64K L3, no TTST", TG_64K, 0, .no_ttst = true, .pa_bits = 48,
	  .level = 3, .first = 31, .last = 39 },
};

KUNIT_ARRAY_PARAM_DESC(t0sz, t0sz_rows, desc);

static void s2_config_faults(struct kunit *test,
			     const struct kvm_s2_config *cfg, u8 t0sz)
{
	struct kvm_access acc = { .type = KVM_ACC_READ };
	/* Whatever a walk would read is a page: not reading it is the point. */
	struct fake_mem mem = { .desc = { { S2_BASE, PAGE(0x80000000) } } };
	struct kvm_walk_mem wmem = { &fake_mem_ops, &mem };
	struct kvm_walk_fault fault;
	struct kvm_s2_result res;
	int ret;

	ret = kvm_s2_walk(cfg, &wmem, 0, &acc, &res, &fault);
	KUNIT_EXPECT_EQ_MSG(test, ret, KVM_WALK_FAULT, "T0SZ %d", t0sz);
	KUNIT_EXPECT_EQ_MSG(test, fault.kind, KVM_FAULT_TRANSLATION,
			    "T0SZ %d", t0sz);
	KUNIT_EXPECT_EQ_MSG(test, fault.level, 0, "T0SZ %d", t0sz);
	KUNIT_EXPECT_EQ_MSG(test, mem.reads, 0, "T0SZ %d", t0sz);
}

static void s2_config_t0sz(struct kunit *test)
{
	const struct t0sz_row *row = test->param_value;
	const struct kvm_s2_features feat = {
		.pa_bits = row->pa_bits,
		.gran	 = ALL_GRANULES,
		.lpa2	 = row->no_lpa2 ? 0 : LPA2_GRANULES,
		.ttst	 = !row->no_ttst,
	};
	struct kvm_s2_regs regs = { .vttbr = S2_BASE };
	struct kvm_s2_config cfg;
	u8 t0sz, ps;

	for (t0sz = 0; t0sz < 64; t0sz++) {
		/* PS has no part in this. */
		ps = t0sz & 1 ? PS_48 : PS_32;
		regs.vtcr = VTCR(row->tg, row->sl & 3, t0sz, ps) |
			    (row->sl & 4 ? VTCR_SL2 : 0) |
			    (row->ds ? VTCR_DS : 0);
		kvm_s2_configure(&regs, &feat, &cfg);

		if (t0sz < row->first || t0sz > row->last) {
			KUNIT_EXPECT_TRUE_MSG(test, cfg.bad, "T0SZ %d", t0sz);
			s2_config_faults(test, &cfg, t0sz);
			continue;
		}
		KUNIT_EXPECT_FALSE_MSG(test, cfg.bad, "T0SZ %d", t0sz);
		KUNIT_EXPECT_EQ_MSG(test, cfg.geom.start_level, row->level,
				    "T0SZ %d", t0sz);
		KUNIT_EXPECT_EQ_MSG(test, cfg.geom.ia_bits, 64 - t0sz,
				    "T0SZ %d", t0sz);
	}
}

/**
 * struct oa_row - output size
 * @desc: says what the row is about
 * @vtcr: VTCR_EL2
 * @pa_bits: PA size of the VM
 * @oa_bits: size of output addresses
 */
struct oa_row {
	const char *desc;
	u64 vtcr;
	u8 pa_bits;
	u8 oa_bits;
};

static const struct oa_row oa_rows[] = {
	/* Each value of PS, where nothing else cuts it. */
	{ "PS=000", VTCR(TG_4K, 1, 25, PS_32), 48, 32 },
	{ "PS=001", VTCR(TG_4K, 1, 25, PS_36), 48, 36 },
	{ "PS=010", VTCR(TG_4K, 1, 25, PS_40), 48, 40 },
	{ "PS=011", VTCR(TG_4K, 1, 25, PS_42), 48, 42 },
	{ "PS=100", VTCR(TG_4K, 1, 25, PS_44), 48, 44 },
	{ "PS=101", VTCR(TG_4K, 1, 25, PS_48), 48, 48 },
	{ "PS=110, 4K, DS", VTCR(TG_4K, 1, 25, PS_52) | VTCR_DS, 52, 52 },
	{ "PS=110, 16K, DS", VTCR(TG_16K, 1, 28, PS_52) | VTCR_DS, 52, 52 },
	{ "PS=110, 64K", VTCR(TG_64K, 1, 25, PS_52), 52, 52 },
	{ "PS=111 is 56, then cut", VTCR(TG_64K, 1, 25, PS_56), 52, 52 },

	/* What the VM has. */
	{ "PS=101, 32-bit PA", VTCR(TG_4K, 1, 32, PS_48), 32, 32 },
	{ "PS=101, 40-bit PA", VTCR(TG_4K, 1, 25, PS_48), 40, 40 },
	{ "PS=110, 44-bit PA, 64K", VTCR(TG_64K, 1, 25, PS_52), 44, 44 },
	{ "PS=111, 36-bit PA", VTCR(TG_16K, 1, 28, PS_56), 36, 36 },

	/* What the format has. */
	{ "PS=110, 4K without DS", VTCR(TG_4K, 1, 25, PS_52), 52, 48 },
	{ "PS=110, 16K without DS", VTCR(TG_16K, 1, 28, PS_52), 52, 48 },
	{ "PS=111, 4K without DS", VTCR(TG_4K, 1, 25, PS_56), 52, 48 },
	{ "PS=110, 64K without LPA", VTCR(TG_64K, 1, 25, PS_52), 48, 48 },
	{ "DS doesn't enlarge PS", VTCR(TG_4K, 1, 25, PS_44) | VTCR_DS, 52, 44 },
};

KUNIT_ARRAY_PARAM_DESC(oa, oa_rows, desc);

static void s2_config_oa_bits(struct kunit *test)
{
	const struct oa_row *row = test->param_value;
	const struct kvm_s2_features feat = {
		.pa_bits = row->pa_bits,
		.gran	 = ALL_GRANULES,
		.lpa2	 = row->pa_bits < 52 ? 0 : LPA2_GRANULES,
	};
	const struct kvm_s2_regs regs = { .vtcr = row->vtcr };
	struct kvm_s2_config cfg;

	kvm_s2_configure(&regs, &feat, &cfg);
	KUNIT_EXPECT_FALSE(test, cfg.bad);
	KUNIT_EXPECT_EQ(test, cfg.geom.oa_bits, row->oa_bits);
}

/**
 * struct base_row - address of the first table
 * @desc: says what the row is about
 * @vtcr: VTCR_EL2
 * @vttbr: VTTBR_EL2
 * @pa_bits: PA size of the VM
 * @base: the address
 */
struct base_row {
	const char *desc;
	u64 vtcr;
	u64 vttbr;
	u8 pa_bits;
	u64 base;
};

/* VMID, CnP and everything else that is not the address. */
#define VTTBR_NOISE	0xffff000000000001ULL

static const struct base_row base_rows[] = {
	/* Aligned down to the size of the table, eight bytes an entry. */
	{ "4K, full table", VTCR(TG_4K, 1, 25, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdeffff000 },
	{ "16K, full table", VTCR(TG_16K, 1, 28, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdefffc000 },
	{ "64K, full table", VTCR(TG_64K, 1, 22, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdefff0000 },
	{ "4K, 2 entries", VTCR(TG_4K, 1, 33, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdeffffff0 },
	{ "4K, 4 entries", VTCR(TG_4K, 1, 32, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdefffffe0 },
	{ "16K L1, 2 entries", VTCR(TG_16K, 2, 27, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdeffffff0 },
	{ "64K L1, 64 entries", VTCR(TG_64K, 2, 16, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdeffffe00 },
	{ "4K, 2 tables", VTCR(TG_4K, 1, 24, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdefffe000 },
	{ "4K, 4 tables", VTCR(TG_4K, 1, 23, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdefffc000 },
	{ "4K, 8 tables", VTCR(TG_4K, 1, 22, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdefff8000 },
	{ "4K, 16 tables", VTCR(TG_4K, 1, 21, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdefff0000 },
	{ "16K, 16 tables", VTCR(TG_16K, 1, 24, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdeffc0000 },
	{ "64K, 16 tables", VTCR(TG_64K, 1, 18, PS_48),
	  VTTBR_NOISE | 0xabcdeffffffe, 48, 0xabcdeff00000 },

	/* The 52-bit form, with [51:48] in [5:2]. */
	{ "4K, DS", VTCR(TG_4K, 1, 25, PS_52) | VTCR_DS,
	  VTTBR_NOISE | 0xabcdeffff014, 52, 0x5abcdeffff000 },
	{ "4K, DS with a small PS", VTCR(TG_4K, 1, 25, PS_48) | VTCR_DS,
	  VTTBR_NOISE | 0xabcdeffff03c, 52, 0xfabcdeffff000 },
	{ "4K, DS, 2 entries, 64 bytes are required",
	  VTCR(TG_4K, 1, 33, PS_52) | VTCR_DS,
	  VTTBR_NOISE | 0xabcdefffffe8, 52, 0xaabcdefffffc0 },
	{ "4K L-1, 16 entries",
	  VTCR(TG_4K, 0, 12, PS_52) | VTCR_DS | VTCR_SL2,
	  VTTBR_NOISE | 0xabcdeffffffc, 52, 0xfabcdefffff80 },
	{ "16K L0, DS, 32 entries", VTCR(TG_16K, 3, 12, PS_52) | VTCR_DS,
	  VTTBR_NOISE | 0xabcdefffff04, 52, 0x1abcdefffff00 },
	{ "64K, PS=110", VTCR(TG_64K, 1, 22, PS_52),
	  VTTBR_NOISE | 0xabcdefff0024, 52, 0x9abcdefff0000 },

	/* And where it is not used: [5:2] are address bits, or nothing. */
	{ "64K, PS=101", VTCR(TG_64K, 1, 22, PS_48),
	  VTTBR_NOISE | 0xabcdefff003c, 52, 0xabcdefff0000 },
	{ "64K, PS=111", VTCR(TG_64K, 1, 22, PS_56),
	  VTTBR_NOISE | 0xabcdefff003c, 52, 0xabcdefff0000 },
	{ "64K, PS=110 without LPA", VTCR(TG_64K, 1, 22, PS_52),
	  VTTBR_NOISE | 0xabcdefff003c, 48, 0xabcdefff0000 },
	{ "4K, PS=110 without DS", VTCR(TG_4K, 1, 25, PS_52),
	  VTTBR_NOISE | 0xabcdeffff03c, 52, 0xabcdeffff000 },
	{ "4K, DS without LPA2", VTCR(TG_4K, 1, 33, PS_48) | VTCR_DS,
	  VTTBR_NOISE | 0xabcdefffffbc, 48, 0xabcdefffffb0 },
};

KUNIT_ARRAY_PARAM_DESC(base, base_rows, desc);

static void s2_config_base(struct kunit *test)
{
	const struct base_row *row = test->param_value;
	const struct kvm_s2_features feat = {
		.pa_bits = row->pa_bits,
		.gran	 = ALL_GRANULES,
		.lpa2	 = row->pa_bits < 52 ? 0 : LPA2_GRANULES,
		.ttst	 = true,
	};
	const struct kvm_s2_regs regs = {
		.vtcr	= row->vtcr,
		.vttbr	= row->vttbr,
	};
	struct kvm_s2_config cfg;

	kvm_s2_configure(&regs, &feat, &cfg);
	KUNIT_EXPECT_FALSE(test, cfg.bad);
	KUNIT_EXPECT_EQ(test, cfg.geom.base, row->base);
}

/**
 * struct granule_row - which granule VTCR_EL2.TG0 means
 * @desc: says what the row is about
 * @tg: VTCR_EL2.TG0
 * @gran: granules that the VM has
 * @pgshift: the granule
 */
struct granule_row {
	const char *desc;
	u8 tg;
	u32 gran;
	u8 pgshift;
};

static const struct granule_row granule_rows[] = {
	{ "4K", TG_4K, ALL_GRANULES, 12 },
	{ "16K", TG_16K, ALL_GRANULES, 14 },
	{ "64K", TG_64K, ALL_GRANULES, 16 },
	/* Not there, or no granule at all: the smallest that is there. */
	{ "reserved", 3, ALL_GRANULES, 12 },
	{ "reserved, no 4K", 3, BIT(14) | BIT(16), 14 },
	{ "reserved, 64K alone", 3, BIT(16), 16 },
	{ "4K is missing", TG_4K, BIT(14) | BIT(16), 14 },
	{ "16K is missing", TG_16K, BIT(12) | BIT(16), 12 },
	{ "64K is missing", TG_64K, BIT(12) | BIT(14), 12 },
	{ "4K of 64K alone", TG_4K, BIT(16), 16 },
};

KUNIT_ARRAY_PARAM_DESC(granule, granule_rows, desc);

static void s2_config_granule(struct kunit *test)
{
	const struct granule_row *row = test->param_value;
	const struct kvm_s2_features feat = {
		.pa_bits = 48,
		.gran	 = row->gran,
	};
	const struct kvm_s2_regs regs = { .vtcr = VTCR(row->tg, 1, 32, PS_48) };
	struct kvm_s2_config cfg;

	KUNIT_EXPECT_EQ(test, kvm_s2_granule(regs.vtcr, &feat), row->pgshift);
	kvm_s2_configure(&regs, &feat, &cfg);
	KUNIT_EXPECT_EQ(test, cfg.geom.pgshift, row->pgshift);
}

/**
 * struct control_row - controls that are on or off
 * @desc: says what the row is about
 * @vtcr: bits set in VTCR_EL2
 * @haf: the VM has hardware management of the Access flag
 * @hdbs: and of the dirty state
 * @ha: the former is in effect
 * @hd: the latter is
 */
struct control_row {
	const char *desc;
	u64 vtcr;
	bool haf;
	bool hdbs;
	bool ha;
	bool hd;
};

static const struct control_row control_rows[] = {
	{ "neither HA nor HD", 0, true, true, false, false },
	{ "HA", VTCR_HA, true, true, true, false },
	{ "HA and HD", VTCR_HA | VTCR_HD, true, true, true, true },
	{ "HD does nothing without HA", VTCR_HD, true, true, false, false },
	{ "HA and HD of a VM that has AF only", VTCR_HA | VTCR_HD,
	  true, false, true, false },
	{ "HA and HD of a VM that has neither", VTCR_HA | VTCR_HD,
	  false, false, false, false },
};

KUNIT_ARRAY_PARAM_DESC(control, control_rows, desc);

static void s2_config_controls(struct kunit *test)
{
	const struct control_row *row = test->param_value;
	struct kvm_s2_features feat = {
		.pa_bits = 48,
		.gran	 = ALL_GRANULES,
		.haf	 = row->haf,
		.hdbs	 = row->hdbs,
	};
	struct kvm_s2_regs regs = { .vtcr = s4k_l1.vtcr | row->vtcr };
	struct kvm_s2_config cfg;
	int i;

	/* The others are independent of these: both values of each. */
	for (i = 0; i < 2; i++) {
		feat.xnx = i;
		regs.big_endian = i;
		regs.ptw = i;
		regs.fwb = !i;
		kvm_s2_configure(&regs, &feat, &cfg);

		KUNIT_EXPECT_FALSE(test, cfg.bad);
		KUNIT_EXPECT_EQ(test, cfg.ha, row->ha);
		KUNIT_EXPECT_EQ(test, cfg.hd, row->hd);
		KUNIT_EXPECT_EQ(test, cfg.xnx, i);
		KUNIT_EXPECT_EQ(test, cfg.ptw, i);
		KUNIT_EXPECT_EQ(test, cfg.fwb, !i);
		KUNIT_EXPECT_EQ(test, cfg.geom.big_endian, i);
		KUNIT_EXPECT_EQ(test, cfg.geom.stage, 2);
	}
}

static struct kunit_case s2_config_cases[] = {
	KUNIT_CASE_PARAM(s2_config_t0sz, t0sz_gen_params),
	KUNIT_CASE_PARAM(s2_config_oa_bits, oa_gen_params),
	KUNIT_CASE_PARAM(s2_config_base, base_gen_params),
	KUNIT_CASE_PARAM(s2_config_granule, granule_gen_params),
	KUNIT_CASE_PARAM(s2_config_controls, control_gen_params),
	{}
};

static struct kunit_suite s2_config_suite = {
	.name		= "kvm_nested_s2_config",
	.test_cases	= s2_config_cases,
};

kunit_test_suite(s2_config_suite);
