// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization, tests: the arithmetic, done a second time and slowly.
 *
 * Sizes, limits, addresses and ranges are worked out as the Arm ARM's tables
 * and pseudocode have them, in loops over bytes, entries and bits, and compared
 * with the shifts and masks of the code: all of the configurations that there
 * are, and random addresses in random tables. The functions named after the
 * pseudocode (S2StartLevel() and so on) follow it, not the code.
 *
 * The seed is printed; to repeat a run, give it back:
 *	kunit.py run ... --kernel_args=oracle_kunit.seed=N
 *
 * Seen to fail: with 44 for 42 in kvm_pt_decode_pa_bits(), min_ia - 1 in
 * s2_start_level_fits(), 64 pages in a contiguous run of 16K, BADDR from bit 5.
 */
#include <kunit/test.h>
#include <linux/kvm_host.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sizes.h>

#include <asm/kvm_nested.h>

#include "nested/walk.h"

static ulong seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "seed of the random numbers; 0: another one each time");

static struct rnd_state rnd;

static u64 draw(void)
{
	return (u64)prandom_u32_state(&rnd) << 32 | prandom_u32_state(&rnd);
}

static u64 draw_below(u64 n)
{
	return draw() % n;
}

static int oracle_init(struct kunit_suite *suite)
{
	if (!seed)
		seed = get_random_u64();
	kunit_info(suite, "seed %lu\n", seed);
	return 0;
}

/* Each test for itself, so that one of them can be repeated alone. */
static int oracle_test_init(struct kunit *test)
{
	prandom_seed_state(&rnd, seed);
	return 0;
}

/**
 * struct gran_row - a granule and its levels
 * @desc: its name
 * @shift: log2 of its size
 * @tg0: encoding in VTCR_EL2.TG0
 * @tlbi_tg: encoding in the operand of a TLBI by range
 * @size: its size in bytes
 * @top: the first level that it can have
 * @contig: entries in a contiguous run, by level; 0 where there are none
 */
struct gran_row {
	const char *desc;
	u8 shift;
	u8 tg0;
	u8 tlbi_tg;
	u64 size;
	s8 top;
	unsigned int contig[4];
};

static const struct gran_row gran_rows[] = {
	{ "4K", 12, 0, 1, SZ_4K, -1, { 0, 16, 16, 16 } },
	{ "16K", 14, 2, 2, SZ_16K, 0, { 0, 0, 32, 128 } },
	{ "64K", 16, 1, 3, SZ_64K, 1, { 0, 0, 32, 32 } },
};

KUNIT_ARRAY_PARAM_DESC(gran, gran_rows, desc);

/* A table is one granule full of descriptors, of eight bytes each. */
static u64 entries_of_table(const struct gran_row *gran)
{
	return gran->size / 8;
}

/* A page, or as much as a whole table of the next level maps. */
static u64 size_of_entry(const struct gran_row *gran, s8 level)
{
	return level == 3 ? gran->size :
	       size_of_entry(gran, level + 1) * entries_of_table(gran);
}

static u64 size_of_run(const struct gran_row *gran, s8 level)
{
	u64 size = size_of_entry(gran, level);

	if (level < 0 || !gran->contig[level])
		return size;
	return size * gran->contig[level];
}

static u64 size_of_bits(unsigned int bits)
{
	u64 size = 1;

	while (bits--)
		size *= 2;
	return size;
}

static void oracle_levels(struct kunit *test)
{
	const struct gran_row *gran = test->param_value;
	s8 level;

	for (level = gran->top; level <= 3; level++) {
		KUNIT_EXPECT_EQ_MSG(test, size_of_entry(gran, level),
				    BIT_ULL(kvm_pt_level_shift(gran->shift, level)),
				    "level %d", level);
		KUNIT_EXPECT_EQ_MSG(test, size_of_run(gran, level),
				    BIT_ULL(kvm_pt_contig_shift(gran->shift, level)),
				    "level %d", level);
	}
}

/* Configuration of stage 2 */

/*
 * AArch64.PhysicalAddressSize(), and PARange: from 32 bits in steps of 4, with
 * 42 put in between 40 and 44.
 */
static unsigned int pa_bits_of(u8 encoding)
{
	unsigned int step = min_t(u8, encoding, 7);

	if (step == 3)
		return 42;
	return 32 + 4 * (step > 3 ? step - 1 : step);
}

static void oracle_pa_bits(struct kunit *test)
{
	u8 ps;

	for (ps = 0; ps < 16; ps++)
		KUNIT_EXPECT_EQ_MSG(test, kvm_pt_decode_pa_bits(ps),
				    pa_bits_of(ps), "PS %u", ps);
}

/**
 * struct s2_case - registers and features of one configuration
 * @gran: the granule
 * @pa: PARange
 * @lpa2: FEAT_LPA2
 * @ttst: FEAT_TTST
 * @ds: VTCR_EL2.DS
 * @sl2: VTCR_EL2.SL2
 * @sl0: VTCR_EL2.SL0
 * @t0sz: VTCR_EL2.T0SZ
 * @ps: VTCR_EL2.PS
 * @vttbr: VTTBR_EL2
 */
struct s2_case {
	const struct gran_row *gran;
	u8 pa;
	bool lpa2;
	bool ttst;
	bool ds;
	bool sl2;
	u8 sl0;
	u8 t0sz;
	u8 ps;
	u64 vttbr;
};

static bool is_4k(const struct s2_case *c)
{
	return c->gran->size == SZ_4K;
}

static bool is_64k(const struct s2_case *c)
{
	return c->gran->size == SZ_64K;
}

static bool ds_in_effect(const struct s2_case *c)
{
	return c->ds && c->lpa2 && !is_64k(c);
}

/* FEAT_LPA: 52-bit addresses with 64K */
static bool lpa_in_effect(const struct s2_case *c)
{
	return is_64k(c) && pa_bits_of(c->pa) == 52;
}

/* AArch64.S2MinTxSZ() */
static unsigned int s2_min_txsz(const struct s2_case *c)
{
	unsigned int min_txsz = 16, pa_bits = pa_bits_of(c->pa);

	if (ds_in_effect(c) || lpa_in_effect(c))
		min_txsz = 12;
	/* The input is no larger than the implemented PA size. */
	while (64 - min_txsz > pa_bits)
		min_txsz++;
	return min_txsz;
}

/* AArch64.MaxTxSZ() */
static unsigned int s2_max_txsz(const struct s2_case *c)
{
	if (!c->ttst)
		return 39;
	return is_64k(c) ? 47 : 48;
}

/* AArch64.S2InvalidSL(), and AArch64.S2StartLevel() where it is valid */
static bool s2_start_level(const struct s2_case *c, int *level)
{
	static const int level_4k[8] = { 2, 1, 0, 3, -1, -2, -2, -2 };
	static const int level_16k[4] = { 3, 2, 1, 0 };
	static const int level_64k[4] = { 3, 2, 1, -2 };
	unsigned int pa_bits = pa_bits_of(c->pa);

	if (is_4k(c)) {
		*level = level_4k[(ds_in_effect(c) && c->sl2) * 4 + c->sl0];
		return !(*level == -2 ||
			 (*level == 3 && !c->ttst) ||
			 (*level == 0 && pa_bits < 44) ||
			 (*level == -1 && pa_bits < 52));
	}
	if (is_64k(c)) {
		*level = level_64k[c->sl0];
		return !(*level == -2 || (*level == 1 && pa_bits < 44));
	}
	*level = level_16k[c->sl0];
	return !((*level == 1 && pa_bits < 42) ||
		 (*level == 0 && (!ds_in_effect(c) || pa_bits < 52)));
}

/* AArch64.S2InconsistentSL(): two entries at least, 16 tables at most */
static bool s2_inconsistent(const struct s2_case *c, int level)
{
	u64 entry = size_of_entry(c->gran, level);
	u64 input = size_of_bits(64 - c->t0sz);

	return input < 2 * entry || input / entry > 16 * entries_of_table(c->gran);
}

/* AArch64.S2OASize() */
static unsigned int s2_oa_bits(const struct s2_case *c)
{
	unsigned int bits = pa_bits_of(c->ps);

	if (bits > pa_bits_of(c->pa))
		bits = pa_bits_of(c->pa);
	if (bits > 48 && !ds_in_effect(c) && !lpa_in_effect(c))
		bits = 48;
	return bits;
}

/* AArch64.S2TTBaseAddress(), bit by bit */
static u64 s2_base(const struct s2_case *c, int level)
{
	u64 entries = size_of_bits(64 - c->t0sz) / size_of_entry(c->gran, level);
	bool large = ds_in_effect(c) || (lpa_in_effect(c) && c->ps == 6);
	u64 base = 0, align = entries * 8;
	int bit;

	for (bit = 0; bit < 48; bit++)
		if (c->vttbr & size_of_bits(bit))
			base += size_of_bits(bit);
	if (large && align < 64)
		align = 64;
	base -= base % align;
	if (!large)
		return base;

	for (bit = 2; bit < 6; bit++) {
		/* Where a table may be so small, these are no address bits. */
		if (base & size_of_bits(bit))
			base -= size_of_bits(bit);
		if (c->vttbr & size_of_bits(bit))
			base += size_of_bits(bit + 46);
	}
	return base;
}

static void s2_case_configure(const struct s2_case *c, struct kvm_s2_config *cfg)
{
	const struct kvm_s2_features feat = {
		.pa_bits = pa_bits_of(c->pa),
		.gran	 = BIT(12) | BIT(14) | BIT(16),
		.lpa2	 = c->lpa2 ? BIT(12) | BIT(14) : 0,
		.ttst	 = c->ttst,
	};
	const struct kvm_s2_regs regs = {
		.vtcr	= (u64)c->sl2 << 33 | (u64)c->ds << 32 |
			  (u64)c->ps << 16 | (u64)c->gran->tg0 << 14 |
			  (u64)c->sl0 << 6 | c->t0sz,
		.vttbr	= c->vttbr,
	};

	kvm_s2_configure(&regs, &feat, cfg);
}

/* NULL, or what differs. */
static const char *s2_case_differs(const struct s2_case *c)
{
	bool bad = c->t0sz < s2_min_txsz(c) || c->t0sz > s2_max_txsz(c);
	struct kvm_s2_config cfg;
	int level;

	if (!bad)
		bad = !s2_start_level(c, &level) || s2_inconsistent(c, level);

	s2_case_configure(c, &cfg);
	if (cfg.bad != bad)
		return "verdict";
	if (bad)
		return NULL;
	if (cfg.geom.pgshift != c->gran->shift)
		return "granule";
	if (cfg.geom.ia_bits != 64 - c->t0sz)
		return "input size";
	if (cfg.geom.start_level != level)
		return "start level";
	if (cfg.geom.oa_bits != s2_oa_bits(c))
		return "output size";
	if (cfg.geom.ds != ds_in_effect(c))
		return "DS";
	if (cfg.geom.base != s2_base(c, level))
		return "base";
	return NULL;
}

/* Number @n of all configurations of a granule; PS and VTTBR_EL2 are random. */
static void s2_case_make(const struct gran_row *gran, unsigned int n,
			 struct s2_case *c)
{
	*c = (struct s2_case) {
		.gran	= gran,
		.t0sz	= n % 64,
		.sl0	= n / 64 % 4,
		.sl2	= n / 256 % 2,
		.ds	= n / 512 % 2,
		.ttst	= n / 1024 % 2,
		.lpa2	= n / 2048 % 2,
		.pa	= n / 4096,
		.ps	= draw_below(8),
		.vttbr	= draw(),
	};
}

#define S2_CASES	(7 * 4096)

static void s2_case_fail(struct kunit *test, const struct s2_case *c,
			 const char *what)
{
	KUNIT_FAIL(test,
		   "%s differs: seed %lu, PARange %u, LPA2 %d, TTST %d, DS %d, SL2 %d, SL0 %u, T0SZ %u, PS %u, VTTBR_EL2 %#llx",
		   what, seed, c->pa, c->lpa2, c->ttst, c->ds, c->sl2, c->sl0,
		   c->t0sz, c->ps, c->vttbr);
}

static void oracle_s2_config(struct kunit *test)
{
	const struct gran_row *gran = test->param_value;
	struct s2_case c;
	const char *what;
	unsigned int n;

	for (n = 0; n < S2_CASES; n++) {
		s2_case_make(gran, n, &c);
		what = s2_case_differs(&c);
		if (what)
			return s2_case_fail(test, &c, what);
	}
}

/* The way down and the output address */

#define WALK_DESCS	5

/**
 * struct walk_mem - tables that are made up as they are read
 * @leaf: level at which there is a leaf
 * @level: level of the next read
 * @contig: the leaf has the contiguous bit
 * @n: number of reads
 * @pa: their addresses
 * @desc: what was there
 */
struct walk_mem {
	s8 leaf;
	s8 level;
	bool contig;
	unsigned int n;
	u64 pa[WALK_DESCS];
	u64 desc[WALK_DESCS];
};

static int walk_read(void *ctx, u64 pa, u64 *raw, struct kvm_walk_fault *fault)
{
	struct walk_mem *mem = ctx;
	/* AF, and any address; whatever is above it. */
	u64 desc = (draw() & ~3ULL) | BIT_ULL(10);
	s8 level = mem->level++;

	/* Mostly small addresses, or few walks would get far. */
	if (draw_below(4))
		desc &= ~(GENMASK_ULL(50, 36) | GENMASK_ULL(15, 12) |
			  GENMASK_ULL(9, 8));
	desc &= ~BIT_ULL(52);
	if (level < mem->leaf)
		desc |= 3;
	else
		desc |= (level == 3 ? 3 : 1) | (u64)mem->contig << 52;

	if (mem->n < WALK_DESCS) {
		mem->pa[mem->n] = pa;
		mem->desc[mem->n] = desc;
	}
	mem->n++;
	*raw = desc;
	return 0;
}

static const struct kvm_walk_ops walk_ops = { .read = walk_read };

/* The address in a descriptor, by the figures of the descriptor formats */
static u64 address_in(const struct s2_case *c, u64 desc)
{
	unsigned int top = ds_in_effect(c) ? 49 : 47, bit;
	u64 addr = 0;

	for (bit = 0; bit <= top; bit++)
		if (size_of_bits(bit) >= c->gran->size &&
		    (desc & size_of_bits(bit)))
			addr += size_of_bits(bit);

	if (ds_in_effect(c)) {
		if (desc & size_of_bits(8))
			addr += size_of_bits(50);
		if (desc & size_of_bits(9))
			addr += size_of_bits(51);
	}
	if (lpa_in_effect(c))
		for (bit = 12; bit <= 15; bit++)
			if (desc & size_of_bits(bit))
				addr += size_of_bits(bit + 36);
	return addr;
}

/**
 * struct walk_want - what a walk has to come to
 * @reads: number of descriptors
 * @pa: their addresses
 * @fault: kind of fault
 * @level: its level
 * @oa: output address if there is none
 */
struct walk_want {
	unsigned int reads;
	u64 pa[WALK_DESCS];
	enum kvm_fault_kind fault;
	s8 level;
	u64 oa;
};

/* Index into a table; the first may be any size, concatenated or not full. */
static u64 address_of_entry(const struct s2_case *c, u64 table, u64 ipa,
			    int level, int start)
{
	u64 index = ipa / size_of_entry(c->gran, level);

	if (level != start)
		index %= entries_of_table(c->gran);
	return table + 8 * index;
}

static void walk_slowly(const struct s2_case *c, const struct walk_mem *mem,
			int start, u64 ipa, struct walk_want *want)
{
	u64 limit = size_of_bits(s2_oa_bits(c));
	u64 table = s2_base(c, start), size;
	int level;

	*want = (struct walk_want) { .fault = KVM_FAULT_ADDRESS_SIZE };
	if (table >= limit)
		return;

	for (level = start; level < mem->leaf; level++) {
		want->pa[want->reads] = address_of_entry(c, table, ipa, level,
							 start);
		table = address_in(c, mem->desc[want->reads++]);
		want->level = level;
		if (table >= limit)
			return;
	}

	want->pa[want->reads] = address_of_entry(c, table, ipa, level, start);
	want->level = level;

	size = mem->contig ? size_of_run(c->gran, level) :
			     size_of_entry(c->gran, level);
	want->oa = address_in(c, mem->desc[want->reads++]);
	want->oa = want->oa - want->oa % size + ipa % size;
	if (want->oa < limit)
		want->fault = KVM_FAULT_NONE;
}

static bool walk_same(const struct walk_want *want, const struct walk_mem *mem,
		      int ret, const struct kvm_walk_fault *fault,
		      const struct kvm_s2_result *res)
{
	unsigned int i;

	if (ret != (want->fault ? KVM_WALK_FAULT : 0) ||
	    fault->kind != want->fault || mem->n != want->reads)
		return false;
	for (i = 0; i < mem->n; i++)
		if (mem->pa[i] != want->pa[i])
			return false;
	return ret ? fault->level == want->level : res->oa == want->oa;
}

/* The first level at which the format has blocks */
static int first_block(const struct s2_case *c)
{
	if (is_4k(c))
		return ds_in_effect(c) ? 0 : 1;
	if (is_64k(c))
		return lpa_in_effect(c) ? 1 : 2;
	return ds_in_effect(c) ? 1 : 2;
}

static bool walk_case(const struct s2_case *c, struct kunit *test)
{
	const struct kvm_access acc = { .type = KVM_ACC_CMO };
	struct walk_mem mem = { .contig = draw_below(2) };
	const struct kvm_walk_mem wmem = { &walk_ops, &mem };
	u64 ipa = draw() % size_of_bits(64 - c->t0sz);
	struct kvm_walk_fault fault;
	struct kvm_s2_config cfg;
	struct kvm_s2_result res;
	struct walk_want want;
	int ret, start, top;

	s2_start_level(c, &start);
	top = start > first_block(c) ? start : first_block(c);
	mem.leaf = top + draw_below(4 - top);
	mem.level = start;

	s2_case_configure(c, &cfg);
	ret = kvm_s2_walk(&cfg, &wmem, ipa, &acc, &res, &fault);
	walk_slowly(c, &mem, start, ipa, &want);
	if (walk_same(&want, &mem, ret, &fault, &res))
		return true;

	kunit_err(test, "IPA %#llx, start level %d, leaf level %d, contiguous %d\n",
		  ipa, start, mem.leaf, mem.contig);
	kunit_err(test, "wanted fault %d, level %d, output %#llx, %u reads\n",
		  want.fault, want.level, want.oa, want.reads);
	kunit_err(test, "got %d, fault %d, level %d, output %#llx, %u reads\n",
		  ret, fault.kind, fault.level, res.oa, mem.n);
	return false;
}

#define WALKS		20000

static void oracle_s2_walk(struct kunit *test)
{
	const struct gran_row *gran = test->param_value;
	unsigned int walks = 0;
	struct s2_case c;
	bool bad;
	int level;

	while (walks < WALKS) {
		s2_case_make(gran, draw_below(S2_CASES), &c);
		bad = c.t0sz < s2_min_txsz(&c) || c.t0sz > s2_max_txsz(&c) ||
		      !s2_start_level(&c, &level) || s2_inconsistent(&c, level);
		if (bad)
			continue;
		/* Mostly in reach, as above. */
		if (draw_below(4))
			c.vttbr &= ~(GENMASK_ULL(47, 36) | GENMASK_ULL(5, 2));
		walks++;
		if (!walk_case(&c, test))
			return s2_case_fail(test, &c, "walk");
	}
}

/* TLBI by range */

/*
 * TLBIRange(): (NUM + 1) * 2^(5 * SCALE + 1) granules from BaseADDR, which is in
 * units of 64K with DS.
 */
static void tlbi_range_case(struct kunit *test, const struct gran_row *gran,
			    unsigned int scale, unsigned int num, bool ds)
{
	u64 baddr = draw() % size_of_bits(37);
	u16 asid = draw(), got_asid;
	u64 val, size, got, start;
	unsigned int i;

	val = (u64)asid << 48 | (u64)gran->tlbi_tg << 46 | (u64)scale << 44 |
	      (u64)num << 39 | draw_below(4) << 37 | baddr;

	size = 2 * gran->size * (num + 1);
	for (i = 0; i < scale; i++)
		size *= 32;

	start = decode_range_tlbi(val, ds, &got, &got_asid);
	KUNIT_EXPECT_EQ_MSG(test, start, baddr * (ds ? SZ_64K : gran->size),
			    "seed %lu, %#llx, DS %d", seed, val, ds);
	KUNIT_EXPECT_EQ_MSG(test, got, size, "%#llx", val);
	KUNIT_EXPECT_EQ_MSG(test, got_asid, asid, "%#llx", val);
}

static void oracle_tlbi_range(struct kunit *test)
{
	const struct gran_row *gran = test->param_value;
	unsigned int scale, num;

	for (scale = 0; scale < 4; scale++) {
		for (num = 0; num < 32; num++) {
			tlbi_range_case(test, gran, scale, num, false);
			tlbi_range_case(test, gran, scale, num, true);
		}
	}
}

static struct kunit_case oracle_cases[] = {
	KUNIT_CASE_PARAM(oracle_levels, gran_gen_params),
	KUNIT_CASE(oracle_pa_bits),
	KUNIT_CASE_PARAM(oracle_s2_config, gran_gen_params),
	KUNIT_CASE_PARAM(oracle_s2_walk, gran_gen_params),
	KUNIT_CASE_PARAM(oracle_tlbi_range, gran_gen_params),
	{}
};

static struct kunit_suite oracle_suite = {
	.name		= "kvm_nested_oracle",
	.suite_init	= oracle_init,
	.init		= oracle_test_init,
	.test_cases	= oracle_cases,
};

kunit_test_suite(oracle_suite);
