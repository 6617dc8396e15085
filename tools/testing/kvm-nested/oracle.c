// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules about configuration as tables, and the core against them: each
 * combination of what they depend on, exhaustively.
 */
#include <string.h>
#include <linux/bitfield.h>

#include <asm/sysreg.h>

#include "oracle.h"

enum { ANY = -1 };

/*
 * Stage 2: the start level for each SL2:SL0, and the T0SZ that agree with it:
 * from 16 concatenated tables to one entry more than none.
 */
static const struct s2_rule {
	int granule, sl2, sl0;
	int level;
	int t0sz_lo, t0sz_hi;
	int pa_bits;			/* at least */
	bool ttst, ds;			/* needed */
} s2_rules[] = {
	/* granule SL2 SL0   level  T0SZ      PA  needs */
	{ 4,	0, 3,	3,	39, 51,	32, .ttst = true },
	{ 4,	0, 0,	2,	30, 42,	32 },
	{ 4,	0, 1,	1,	21, 33,	32 },
	{ 4,	0, 2,	0,	12, 24,	44 },
	{ 4,	1, 0,	-1,	12, 15,	52, .ds = true },
	{ 16,	ANY, 0,	3,	35, 49,	32 },
	{ 16,	ANY, 1,	2,	24, 38,	32 },
	{ 16,	ANY, 2,	1,	13, 27,	42 },
	{ 16,	ANY, 3,	0,	12, 16,	52, .ds = true },
	{ 64,	ANY, 0,	3,	31, 47,	32 },
	{ 64,	ANY, 1,	2,	18, 34,	32 },
	{ 64,	ANY, 2,	1,	12, 21,	44 },
};

/* Stage 1: the start level for each input size. */
static const struct s1_rule {
	int granule, level, ia_lo, ia_hi;
} s1_rules[] = {
	{ 4,	3,	16, 21 },	{ 4,	2,	22, 30 },
	{ 4,	1,	31, 39 },	{ 4,	0,	40, 48 },
	{ 4,	-1,	49, 52 },
	{ 16,	3,	16, 25 },	{ 16,	2,	26, 36 },
	{ 16,	1,	37, 47 },	{ 16,	0,	48, 52 },
	{ 64,	3,	16, 29 },	{ 64,	2,	30, 42 },
	{ 64,	1,	43, 52 },
};

/* Bytes that one entry maps, as log2. */
static int entry_shift(int granule, int level)
{
	static const int k4[] = { 48, 39, 30, 21, 12 };
	static const int k16[] = { 0, 47, 36, 25, 14 };
	static const int k64[] = { 0, 0, 42, 29, 16 };

	return (granule == 4 ? k4 : granule == 16 ? k16 : k64)[level + 1];
}

/* TG0: 0 4K, 1 64K, 2 16K, 3 reserved. What is not there is something else. */
static int granule_of(unsigned int tg0, u32 gran, u8 bad_tg)
{
	static const int size[] = { 4, 64, 16, 0 };
	static const int shift[] = { 12, 16, 14, 0 };

	if (tg0 != 3 && (gran >> shift[tg0] & 1))
		return size[tg0];
	if (bad_tg)
		return bad_tg == 12 ? 4 : bad_tg == 14 ? 16 : 64;
	if (gran & BIT(12))
		return 4;
	return gran & BIT(14) ? 16 : 64;
}

static u8 shift_of(int granule)
{
	return granule == 4 ? 12 : granule == 16 ? 14 : 16;
}

static int smaller(int a, int b)
{
	return a < b ? a : b;
}

/* The size of the output, for 52 bits only in formats that have them. */
static int output_bits(unsigned int ps, int pa_bits, int granule, bool ds)
{
	static const int decode[] = { 32, 36, 40, 42, 44, 48, 52, 56 };
	bool large = ds || (granule == 64 && pa_bits == 52);

	return smaller(smaller(decode[ps & 7], pa_bits), large ? 52 : 48);
}

static u64 table_base(u64 ttbr, unsigned int ps, int pa_bits, int granule,
		      bool ds, int ia_bits, int level)
{
	bool large = ds || (granule == 64 && pa_bits == 52 && ps == 6);
	u64 size = 8ull << (ia_bits - entry_shift(granule, level));
	u64 base = ttbr & 0xfffffffffffeull;

	if (large) {
		base = (ttbr & 0xffffffffffc0ull) | (ttbr >> 2 & 15) << 48;
		if (size < 64)
			size = 64;
	}
	return base / size * size;
}

static const struct s2_rule *find_s2_rule(int granule, int sl2, int sl0)
{
	for (size_t i = 0; i < ARRAY_SIZE(s2_rules); i++) {
		const struct s2_rule *r = &s2_rules[i];

		if (r->granule == granule && r->sl0 == sl0 &&
		    (r->sl2 == ANY || r->sl2 == sl2))
			return r;
	}
	return NULL;
}

static const char *check_s2(const struct s2_rule *r, int t0sz, bool ds,
			    const struct kvm_s2_features *feat,
			    const struct oracle_verdict *v)
{
	if (t0sz < v->t0sz_min)
		return "T0SZ below the minimum";
	if (t0sz > v->t0sz_max)
		return "T0SZ above the maximum";
	if (!r)
		return "no start level";
	if (feat->pa_bits < r->pa_bits)
		return "a start level for larger PA only";
	if (r->ttst && !feat->ttst)
		return "a start level of FEAT_TTST";
	if (r->ds && !ds)
		return "a start level of DS=1";
	if (t0sz < r->t0sz_lo)
		return "T0SZ too small for the start level";
	return t0sz > r->t0sz_hi ? "T0SZ too large for the start level" : NULL;
}

void oracle_s2(const struct kvm_s2_regs *regs,
	       const struct kvm_s2_features *feat, struct oracle_verdict *v)
{
	u64 vtcr = regs->vtcr;
	int t0sz = vtcr & 63, sl0 = vtcr >> 6 & 3, ps = vtcr >> 16 & 7;
	int granule = granule_of(vtcr >> 14 & 3, feat->gran, feat->bad_tg);
	bool ds = (vtcr >> 32 & 1) && (feat->lpa2 >> shift_of(granule) & 1);
	int sl2 = ds && (vtcr >> 33 & 1);
	const struct s2_rule *rule = find_s2_rule(granule, sl2, sl0);
	const char *bad;

	*v = (struct oracle_verdict) {
		.ds = ds,
		.pgshift = shift_of(granule),
		.t0sz_min = 64 - smaller(feat->pa_bits, granule == 64 || ds ? 52 : 48),
		.t0sz_max = !feat->ttst ? 39 : granule == 64 ? 47 : 48,
	};
	bad = check_s2(rule, t0sz, ds, feat, v);
	v->bad = bad;
	v->why = bad ? bad : "a start level that fits T0SZ";
	if (bad)
		return;
	v->ia_bits = 64 - t0sz;
	v->start_level = rule->level;
	v->oa_bits = output_bits(ps, feat->pa_bits, granule, ds);
	v->base = table_base(regs->vttbr, ps, feat->pa_bits, granule, ds,
			     v->ia_bits, v->start_level);
}

void oracle_s1(const struct kvm_s1_regs *regs,
	       const struct kvm_s1_features *feat, bool upper,
	       struct oracle_verdict *v)
{
	/* TG1: 0 reserved, 1 16K, 2 4K, 3 64K; as a TG0 */
	static const unsigned int tg1[] = { 3, 2, 0, 1 };
	/* TCR_EL2 of a regime without EL0 has another format */
	bool el2 = regs->regime == KVM_REGIME_EL2;
	u64 tcr = regs->tcr;
	int t0sz = tcr >> (upper ? 16 : 0) & 63;
	int ps = tcr >> (el2 ? 16 : 32) & 7;
	int granule = granule_of(upper ? tg1[tcr >> 30 & 3] : tcr >> 14 & 3,
				 feat->gran, feat->bad_tg);
	bool ds = (tcr >> (el2 ? 32 : 59) & 1) &&
		  (feat->lpa2 >> shift_of(granule) & 1);

	*v = (struct oracle_verdict) {
		.ds = ds,
		.pgshift = shift_of(granule),
		.t0sz_min = ds || (granule == 64 && feat->lva) ? 12 : 16,
		.t0sz_max = !feat->ttst ? 39 : granule == 64 ? 47 : 48,
		.why = "T0SZ out of its limits",
	};
	v->bad = t0sz < v->t0sz_min || t0sz > v->t0sz_max;
	if (v->bad)
		return;

	v->ia_bits = 64 - t0sz;
	for (size_t i = 0; i < ARRAY_SIZE(s1_rules); i++) {
		const struct s1_rule *r = &s1_rules[i];

		if (r->granule == granule && v->ia_bits >= r->ia_lo &&
		    v->ia_bits <= r->ia_hi)
			v->start_level = r->level;
	}
	v->why = "the start level that T0SZ needs";
	v->oa_bits = output_bits(ps, feat->pa_bits, granule, ds);
	v->base = table_base(regs->ttbr[upper], ps, feat->pa_bits, granule, ds,
			     v->ia_bits, v->start_level);
}

const char *oracle_differs(const struct oracle_verdict *v, bool bad,
			   const struct kvm_pt_geom *geom)
{
	if (v->bad != bad)
		return v->bad ? "usable, by the core alone" : "not usable, by the core alone";
	if (v->pgshift != geom->pgshift)
		return "another granule";
	if (v->ds != geom->ds)
		return "another format";
	if (bad)
		return NULL;
	if (v->ia_bits != geom->ia_bits)
		return "another input size";
	if (v->start_level != geom->start_level)
		return "another start level";
	if (v->oa_bits != geom->oa_bits)
		return "another output size";
	return v->base != geom->base ? "another base" : NULL;
}

/* Exhaustive */

#define SHOWN	5

static unsigned int tried, usable, wrong;

static void judge(const char *stage, u64 tcr, u8 pa_bits,
		  const struct oracle_verdict *want, bool bad,
		  const struct kvm_pt_geom *geom)
{
	const char *differs = oracle_differs(want, bad, geom);

	tried++;
	usable += !want->bad;
	if (!differs || wrong++ >= SHOWN)
		return;
	ktap_diag("%s: TCR %#lx, %u bits of PA: %s: the rules say: %s", stage,
		  tcr, pa_bits, differs, want->why);
}

/* VTCR_EL2.{SL2,DS,PS,TG0,SL0,T0SZ}, packed. */
static u64 unpack_vtcr(unsigned int n)
{
	return (n & 63) | (n >> 6 & 3) << 6 | (n >> 8 & 3) << 14 |
	       (u64)(n >> 10 & 7) << 16 | (u64)(n >> 13 & 3) << 32;
}

static void try_s2(u64 vtcr, const struct kvm_s2_features *feat)
{
	const struct kvm_s2_regs regs = {
		/* all of a base's bits set: its alignment shows */
		.vtcr = vtcr, .vttbr = 0x1234fffffffffffeull,
	};
	struct oracle_verdict want;
	struct kvm_s2_config cfg;

	oracle_s2(&regs, feat, &want);
	kvm_s2_configure(&regs, feat, &cfg);
	judge("stage 2", vtcr, feat->pa_bits, &want, cfg.bad, &cfg.geom);
}

static void try_s1(u64 tcr, const struct kvm_s1_features *feat, bool upper)
{
	const struct kvm_s1_regs regs = {
		.regime = KVM_REGIME_EL10, .tcr = tcr, .sctlr = SCTLR_ELx_M,
		.ttbr = { 0x1234fffffffffffeull, 0x1234fffffffffffeull },
	};
	struct oracle_verdict want;
	struct kvm_s1_config cfg;

	oracle_s1(&regs, feat, upper, &want);
	kvm_s1_configure(&regs, feat, &cfg);
	judge("stage 1", tcr, feat->pa_bits, &want, cfg.range[upper].bad,
	      &cfg.range[upper].geom);
}

static void all_s2(void)
{
	static const u32 lpa2[] = { 0, BIT(12) | BIT(14) };
	unsigned int pa, ttst, l, n;

	for (pa = 0; pa < 7; pa++)
		for (ttst = 0; ttst < 2; ttst++)
			for (l = 0; l < ARRAY_SIZE(lpa2); l++) {
				const struct kvm_s2_features feat = {
					.pa_bits = kvm_pt_decode_pa_bits(pa),
					.gran = ALL_GRANULES,
					.lpa2 = lpa2[l], .ttst = ttst,
				};

				for (n = 0; n < 1 << 15; n++)
					try_s2(unpack_vtcr(n), &feat);
			}
}

static void all_s1(void)
{
	unsigned int pa, f, n;

	for (pa = 0; pa < 7; pa++)
		for (f = 0; f < 8; f++) {
			const struct kvm_s1_features feat = {
				.pa_bits = kvm_pt_decode_pa_bits(pa),
				.gran = ALL_GRANULES,
				.lpa2 = f & 1 ? BIT(12) | BIT(14) : 0,
				.ttst = f & 2, .lva = f & 4,
			};

			/* DS, IPS, TGn, TnSZ */
			for (n = 0; n < 1 << 12; n++) {
				u64 tcr = (u64)(n >> 8 & 7) << 32 |
					  (u64)(n >> 11) << 59;

				try_s1(tcr | (n & 63) | (n >> 6 & 3) << 14,
				       &feat, false);
				try_s1(tcr | (n & 63) << 16 |
				       (u64)(n >> 6 & 3) << 30, &feat, true);
			}
		}
}

/* Granules that are not there: all subsets, and all choices instead of them. */
static void all_granules(void)
{
	static const u8 bad_tg[] = { 0, 12, 14, 16 };
	unsigned int g, b, tg, t0sz;

	for (g = 1; g < 8; g++)
		for (b = 0; b < ARRAY_SIZE(bad_tg); b++)
			for (tg = 0; tg < 4; tg++)
				for (t0sz = 0; t0sz < 64; t0sz++) {
					const struct kvm_s2_features s2 = {
						.pa_bits = 48, .bad_tg = bad_tg[b],
						.gran = (g & 1) << 12 | (g & 2) << 13 |
							(g & 4) << 14,
					};
					const struct kvm_s1_features s1 = {
						.pa_bits = 48, .bad_tg = bad_tg[b],
						.gran = s2.gran,
					};

					try_s2(t0sz | 1 << 6 | tg << 14 | 5 << 16, &s2);
					try_s1(t0sz | tg << 14 | 5ull << 32, &s1, false);
				}
}

static void report(const char *what, void (*all)(void))
{
	tried = 0;
	usable = 0;
	wrong = 0;
	all();
	ktap_ok(!wrong && usable, "rules: %s: %u configurations, %u usable",
		what, tried, usable);
	say("rules: %s: %u of %u configurations as in the table", what,
	    tried - wrong, tried);
}

void run_oracle(void)
{
	report("stage 2", all_s2);
	report("stage 1", all_s1);
	report("granules", all_granules);
}
