// SPDX-License-Identifier: GPL-2.0-only
/*
 * Properties of the walkers, for any configuration and any memory.
 *
 * A round draws registers, features, an address and an access, and walks over
 * memory that invents each descriptor when it is fetched, aborts, and races
 * with the walker's updates: whatever L1 could do. A walk has to end, with a
 * result of the three kinds, with a well-formed fault, and with no access to
 * memory that its configuration does not allow. Its configuration is the one
 * that the table of rules gives (oracle.c), and when all happens again with
 * other values in bits that have no say, the result is the same.
 *
 * Driven by a generator of pseudo-random numbers here, by libFuzzer in fuzz.c.
 */
#include <stdio.h>
#include <string.h>
#include <linux/bitfield.h>
#include <linux/errno.h>

#include <asm/sysreg.h>

#include "hostile.h"
#include "oracle.h"

#define DESC_AF		BIT_ULL(10)

static void draw_access(struct source *src, struct kvm_access *acc)
{
	u64 bits = draw(src);

	*acc = (struct kvm_access) {
		.type	   = below(src, KVM_ACC_CMO_WRITE + 1),
		.el0	   = bits & 1,
		.pan	   = bits & 2,
		.unaligned = !(bits & 0x3c),
		.s1_device = bits & 0x40,
	};
}

static u64 draw_address(struct source *src, unsigned int bits)
{
	u64 addr = draw(src);
	unsigned int kind = below(src, 4);

	if (!bits || bits > 63)
		return addr;
	/* in range, mostly; at the edge; anything */
	if (kind < 2)
		return addr & GENMASK_ULL(bits - 1, 0);
	if (kind == 2)
		return BIT_ULL(bits) + (s8)addr;
	return addr;
}

static u8 draw_bad_tg(u64 bits)
{
	static const u8 bad_tg[4] = { 0, 12, 14, 16 };

	return bad_tg[bits & 3];
}

static void draw_s2(struct source *src, struct kvm_s2_regs *regs,
		    struct kvm_s2_features *feat, struct kvm_s2_config *cfg)
{
	u64 bits = draw(src);
	unsigned int tries;

	*feat = (struct kvm_s2_features) {
		.pa_bits = kvm_pt_decode_pa_bits(below(src, 7)),
		.gran	 = bits & 7 ? ALL_GRANULES : (bits >> 8) & ALL_GRANULES,
		.lpa2	 = bits >> 32 & (BIT(12) | BIT(14)),
		.ttst	 = bits & BIT(3),
		.xnx	 = bits & BIT(4),
		.haf	 = bits & BIT(5),
		.hdbs	 = bits & BIT(6),
		.haft	 = bits >> 47 & 1,
		.bad_tg	 = draw_bad_tg(bits >> 40),
	};
	*regs = (struct kvm_s2_regs) {
		.vtcr	    = draw(src),
		.vttbr	    = draw(src),
		.big_endian = bits & BIT(7),
		.ptw	    = bits & BIT(8),
		.fwb	    = bits & BIT(9),
		.off	    = !(bits & (31ull << 42)),
	};
	/* mostly a base that is in reach, and a configuration that will do */
	if (bits & (3 << 10))
		regs->vttbr &= ~(GENMASK_ULL(47, 32) | GENMASK_ULL(5, 2));
	kvm_s2_configure(regs, feat, cfg);
	for (tries = 0; cfg->bad && (bits & (7 << 12)) && tries < 16; tries++) {
		regs->vtcr = draw(src);
		kvm_s2_configure(regs, feat, cfg);
	}
}

/* What holds for any result of a walk; @stages: a bit for each that may fault. */
static const char *check_result(int ret, const struct kvm_walk_fault *fault,
				unsigned int stages, const struct hostile *mem)
{
	if (mem->wrong)
		return mem->wrong;
	if (ret == -EAGAIN)
		return mem->lost ? NULL : "-EAGAIN without a lost race";
	if (!ret)
		return NULL;
	if (ret != KVM_WALK_FAULT)
		return "a result that is none";
	if (fault->kind == KVM_FAULT_NONE || fault->kind > KVM_FAULT_SEA_TTW)
		return "a fault without a kind";
	if (fault->level < -1 || fault->level > KVM_PT_LAST_LEVEL)
		return "a fault at no level";
	if (!(stages & BIT(fault->stage)))
		return "a fault of no stage";
	return NULL;
}

/* How often each result came: properties of what never happens say nothing. */
static unsigned int seen_kind[KVM_FAULT_SEA_TTW + 1], seen_again;

static void count_result(int ret, const struct kvm_walk_fault *fault)
{
	if (ret == -EAGAIN)
		seen_again++;
	else if (ret >= 0 && fault->kind <= KVM_FAULT_SEA_TTW)
		seen_kind[ret > 0 ? fault->kind : KVM_FAULT_NONE]++;
}

static const char *check_s2(const struct kvm_s2_config *cfg, u64 vtcr, u64 ipa,
			    const struct kvm_access *acc, int ret,
			    const struct kvm_s2_result *res,
			    const struct kvm_walk_fault *fault,
			    const struct hostile *mem)
{
	unsigned int t0sz = FIELD_GET(VTCR_EL2_T0SZ_MASK, vtcr);
	const char *wrong = check_result(ret, fault, BIT(2), mem);
	bool ttw = acc->type == KVM_ACC_TTW || acc->type == KVM_ACC_TTW_UPDATE;

	if (wrong)
		return wrong;
	if (cfg->off)
		return ret || mem->reads || mem->cas || res->oa != ipa ?
		       "stage 2 is off, and does something" : NULL;
	if (mem->reads > MAX_LEVELS * (mem->lost + 1))
		return "too many descriptors fetched";
	if (mem->cas > KVM_WALK_MAX_RETRIES * (cfg->geom.haft ? MAX_LEVELS : 1))
		return "too many updates tried";
	if (ret == -EAGAIN && mem->lost < KVM_WALK_MAX_RETRIES)
		return "gave up too early";

	if (cfg->bad || (t0sz && ipa >> (64 - t0sz))) {
		if (mem->reads || ret != KVM_WALK_FAULT ||
		    fault->kind != KVM_FAULT_TRANSLATION || fault->level)
			return "no plain Translation fault outside of the input range";
	}

	if (ret > 0 && (fault->ipa != ipa || fault->s1ptw != ttw))
		return "a fault that is not of this access";
	if (ret)
		return NULL;
	if (res->oa >> cfg->geom.oa_bits)
		return "an output above the output size";
	if ((res->oa ^ ipa) & GENMASK_ULL(res->leaf.shift - 1, 0))
		return "an output at another offset";
	if (res->leaf.contig_shift < res->leaf.shift)
		return "a contiguous run smaller than its entry";
	if (!(res->leaf.desc & DESC_AF))
		return "a translation without its Access flag";
	return NULL;
}

/* Where a descriptor keeps its address, above the granule or the block. */
static u64 address_bits(const struct kvm_pt_geom *geom, unsigned int shift)
{
	u64 bits = GENMASK_ULL(geom->ds ? 49 : 47, shift);

	if (geom->ds)
		bits |= GENMASK_ULL(9, 8);
	if (geom->lpa && geom->pgshift == 16)
		bits |= GENMASK_ULL(15, 12);
	return bits;
}

/* The size of what a leaf maps, its contiguous run included. */
static unsigned int leaf_shift(const struct kvm_pt_geom *geom, u64 desc,
			       s8 level)
{
	return desc & BIT_ULL(52) ? kvm_pt_contig_shift(geom->pgshift, level) :
	       kvm_pt_level_shift(geom->pgshift, level);
}

/* Bits of a stage-2 descriptor without a say in a translation and its faults. */
static u64 s2_ignored(const void *ctx, u64 desc, u8 stage, s8 level)
{
	const struct kvm_s2_config *cfg = ctx;
	const struct kvm_pt_geom *geom = &cfg->geom;
	u64 used;

	if (!(desc & 1))
		return ~1ull;
	if (desc & 2 && level < 3)
		return ~(address_bits(geom, geom->pgshift) | 3 |
			 (geom->haft ? DESC_AF : 0));

	/* type, MemAttr, S2AP, AF, DBM, contiguous, XN */
	used = 3 | 0xf << 2 | 3 << 6 | DESC_AF | BIT_ULL(51) | BIT_ULL(52) |
	       (cfg->xnx ? 3ull << 53 : BIT_ULL(54));
	return ~(used | address_bits(geom, leaf_shift(geom, desc, level)));
}

/* Fields of VTCR_EL2 with a say: T0SZ, SL0, TG0, PS, HA, HD, DS, SL2, HAFT. */
#define VTCR_USED	(0xffull | 3 << 14 | 7 << 16 | 3 << 21 | 3ull << 32 | \
			 1ull << 44)
/* VTTBR_EL2: all but VMID and CnP. */
#define VTTBR_USED	GENMASK_ULL(47, 1)

static const char *same_s2(const struct kvm_s2_result *a,
			   const struct kvm_s2_result *b, u64 offset)
{
	return a->oa != (b->oa ^ offset) || a->leaf.level != b->leaf.level ||
	       a->leaf.shift != b->leaf.shift ||
	       a->leaf.contig_shift != b->leaf.contig_shift ||
	       a->readable != b->readable || a->writable != b->writable ||
	       a->exec_el0 != b->exec_el0 || a->exec_el1 != b->exec_el1 ||
	       a->device != b->device || a->dirty_managed != b->dirty_managed ?
	       "another translation because of bits that have no say" : NULL;
}

static const char *same_fault(const struct kvm_walk_fault *a,
			      const struct kvm_walk_fault *b, u64 offset)
{
	return a->kind != b->kind || a->stage != b->stage ||
	       a->level != b->level || a->s1ptw != b->s1ptw ||
	       a->write != b->write || a->ipa != (b->ipa ^ offset) ?
	       "another fault because of bits that have no say" : NULL;
}

/* Again, with junk in all bits of registers, descriptors, IPA without a say. */
static const char *again_s2(struct source *src, struct kvm_s2_regs regs,
			    const struct kvm_s2_features *feat, u64 ipa,
			    const struct kvm_access *acc, int ret,
			    const struct kvm_s2_result *res,
			    const struct kvm_walk_fault *fault,
			    const struct hostile *mem)
{
	struct replay replay = {
		.orig = mem, .junk = draw(src), .ignored = s2_ignored,
	};
	const struct kvm_walk_mem ops = { &replay_ops, &replay };
	u64 offset = draw(src) & GENMASK_ULL(11, 0);
	struct kvm_s2_result res2 = { };
	struct kvm_walk_fault fault2;
	struct kvm_s2_config cfg;
	int ret2;

	if (mem->nlog > MAX_LOG)
		return NULL;
	regs.vtcr ^= draw(src) & ~VTCR_USED;
	regs.vttbr ^= draw(src) & ~VTTBR_USED;
	kvm_s2_configure(&regs, feat, &cfg);
	replay.ctx = &cfg;
	ret2 = kvm_s2_walk(&cfg, &ops, ipa ^ offset, acc, &res2, &fault2);
	if (replay.wrong)
		return replay.wrong;
	if (ret != ret2 || !replay_complete(&replay))
		return "another result because of bits that have no say";
	if (ret < 0)
		return NULL;
	return ret ? same_fault(fault, &fault2, offset) :
		     same_s2(res, &res2, offset);
}

static const char *rules_s2(const struct kvm_s2_regs *regs,
			    const struct kvm_s2_features *feat,
			    const struct kvm_s2_config *cfg)
{
	struct oracle_verdict want;

	if (cfg->off)
		return NULL;
	oracle_s2(regs, feat, &want);
	return oracle_differs(&want, cfg->bad, &cfg->geom);
}

static const char *round_s2(struct source *src)
{
	struct hostile mem = {
		.src = src,
		.contention = below(src, 10),
		.sticky = below(src, 2),
	};
	const struct kvm_walk_mem ops = { &hostile_ops, &mem };
	struct kvm_s2_regs regs;
	struct kvm_s2_features feat;
	struct kvm_s2_config cfg;
	struct kvm_s2_result res = { };
	struct kvm_walk_fault fault;
	struct kvm_access acc;
	const char *wrong;
	u64 ipa;
	int ret;

	draw_s2(src, &regs, &feat, &cfg);
	draw_access(src, &acc);
	ipa = draw_address(src, cfg.geom.ia_bits);
	mem.limit_bits = cfg.geom.oa_bits;
	mem.big_endian = cfg.geom.big_endian;

	ret = kvm_s2_walk(&cfg, &ops, ipa, &acc, &res, &fault);
	count_result(ret, &fault);
	wrong = rules_s2(&regs, &feat, &cfg);
	if (!wrong)
		wrong = check_s2(&cfg, regs.vtcr, ipa, &acc, ret, &res, &fault,
				 &mem);
	return wrong ? wrong : again_s2(src, regs, &feat, ipa, &acc, ret, &res,
					&fault, &mem);
}

static void draw_s1_features(struct source *src, u64 bits,
			     struct kvm_s1_features *feat)
{
	*feat = (struct kvm_s1_features) {
		.pa_bits = kvm_pt_decode_pa_bits(below(src, 7)),
		.gran	 = bits & 7 ? ALL_GRANULES : (bits >> 8) & ALL_GRANULES,
		.lpa2	 = bits >> 32 & (BIT(12) | BIT(14)),
		.lva	 = bits & BIT(3),	.ttst	 = bits & BIT(4),
		.haf	 = bits & BIT(5),	.hdbs	 = bits & BIT(6),
		.hpds	 = bits & BIT(7),	.pan	 = bits & BIT(8),
		.epan	 = bits & BIT(9),	.e0pd	 = bits & BIT(10),
		.tbid	 = bits & BIT(11),	.asid16	 = bits & BIT(12),
		.tcrx	 = bits & BIT(13),	.s1pie	 = bits & BIT(14),
		.s1poe	 = bits & BIT(15),	.haft	 = bits >> 47 & 1,
		.bad_tg	 = draw_bad_tg(bits >> 40),
	};
}

static void draw_s1(struct source *src, struct kvm_s1_regs *regs,
		    struct kvm_s1_features *feat, struct kvm_s1_config *cfg)
{
	u64 bits = draw(src);
	u64 t0sz = 12 + below(src, 30), t1sz = 12 + below(src, 30);

	draw_s1_features(src, bits, feat);
	*regs = (struct kvm_s1_regs) {
		.regime	 = below(src, KVM_REGIME_EL2 + 1),
		.tcr	 = draw(src),
		.tcr2	 = draw(src),
		.sctlr	 = draw(src) | 1,
		.ttbr	 = { draw(src), draw(src) },
		.mair	 = draw(src),
		.pir	 = draw(src),
		.pire0	 = draw(src),
		.por	 = draw(src),
		.por_el0 = draw(src),
		.hcr	 = bits & BIT(16) ? 0 : draw(src),
		.hcrx	 = ~0ull,
	};
	if (bits & (3 << 17)) {
		regs->tcr &= ~(TCR_EL1_T0SZ_MASK | TCR_EL1_T1SZ_MASK |
			      TCR_EL1_EPD0 | TCR_EL1_EPD1);
		regs->tcr |= t0sz | FIELD_PREP(TCR_EL1_T1SZ_MASK, t1sz);
	}
	if (bits & (3 << 19)) {
		regs->ttbr[0] &= ~(GENMASK_ULL(47, 32) | GENMASK_ULL(5, 2));
		regs->ttbr[1] &= ~(GENMASK_ULL(47, 32) | GENMASK_ULL(5, 2));
	}
	if (!(bits & (7 << 21)))
		regs->sctlr &= ~1ull;
	kvm_s1_configure(regs, feat, cfg);
}

static u64 draw_va(struct source *src, const struct kvm_s1_config *cfg)
{
	bool upper = cfg->ranges == 2 && below(src, 2);
	u64 va = draw_address(src, cfg->range[upper].geom.ia_bits);

	if (upper && cfg->range[1].geom.ia_bits && !cfg->range[1].bad)
		va |= GENMASK_ULL(63, cfg->range[1].geom.ia_bits);
	return va;
}

/* What stage 2 has added, if stage 1 got so far. */
static const char *check_behind(const struct kvm_s2_config *cfg, int ret,
				const struct kvm_s12_result *res,
				const struct kvm_walk_fault *fault)
{
	const struct kvm_s2_result *s2 = &res->s2;
	u64 offset = cfg->off ? ~0ull : BIT_ULL(s2->leaf.shift) - 1;
	bool device = !(res->attr.mair >> 4);

	if (ret > 0 && fault->stage == 2 && !fault->s1ptw &&
	    fault->ipa != res->s1.pa)
		return "a stage-2 fault of neither a descriptor nor the output";
	if (ret)
		return NULL;
	if ((s2->oa ^ res->s1.pa) & offset)
		return "an output of stage 2 at another offset";
	/* Without FEAT_S2FWB, stage 2 does not look at stage 1's type. */
	if (s2->device && !device)
		return "Normal memory, but Device to stage 2";
	if (cfg->fwb && device && !s2->device)
		return "Device memory, but not to stage 2";
	return NULL;
}

static const char *check_s1(const struct kvm_s1_config *cfg, u64 va, int ret,
			    const struct kvm_s1_result *res,
			    const struct kvm_walk_fault *fault, bool behind_s2,
			    const struct hostile *phys)
{
	unsigned int stages = BIT(1) | (behind_s2 ? BIT(2) : 0);
	const char *wrong = check_result(ret, fault, stages, phys);
	const struct kvm_s1_range *range;

	if (wrong)
		return wrong;
	if (phys->s1_reads > MAX_LEVELS * (phys->lost + 1) ||
	    phys->s1_reads > MAX_LEVELS * KVM_WALK_MAX_RETRIES)
		return "too many stage-1 descriptors fetched";
	if (!behind_s2 && phys->cas > KVM_WALK_MAX_RETRIES *
				      (cfg->range[0].geom.haft ? MAX_LEVELS : 1))
		return "too many stage-1 updates tried";
	if (cfg->off && phys->s1_reads)
		return "a walk with the MMU off";
	if (ret || cfg->off)
		return NULL;

	range = &cfg->range[cfg->ranges == 2 && (va & BIT_ULL(55))];
	if (range->bad || range->epd)
		return "a translation by tables that are not in use";
	if (res->pa >> range->geom.oa_bits)
		return "an output above the output size";
	if ((res->pa ^ va) & GENMASK_ULL(res->leaf.shift - 1, 0))
		return "an output at another offset";
	if (!(res->leaf.desc & DESC_AF))
		return "a translation without its Access flag";
	return NULL;
}

/* Bits [58:55] are for software, in all descriptors of both stages. */
static u64 s1_ignored(const void *ctx, u64 desc, u8 stage, s8 level)
{
	return GENMASK_ULL(58, 55);
}

static const char *same_s1(const struct kvm_s1_result *a,
			   const struct kvm_s1_result *b)
{
	return a->pa != b->pa || a->readable != b->readable ||
	       a->writable != b->writable || a->executable != b->executable ||
	       a->attr.mair != b->attr.mair || a->attr.sh != b->attr.sh ||
	       a->leaf.shift != b->leaf.shift || a->ng != b->ng ?
	       "another translation because of bits that have no say" : NULL;
}

static const char *same_s12(const struct kvm_s12_result *a,
			    const struct kvm_s12_result *b)
{
	const char *wrong = same_s1(&a->s1, &b->s1);

	if (!wrong)
		wrong = same_s2(&a->s2, &b->s2, 0);
	if (!wrong && (a->attr.mair != b->attr.mair || a->attr.sh != b->attr.sh))
		wrong = "another memory type because of bits that have no say";
	return wrong;
}

static const char *again_s1(struct source *src, const struct kvm_s1_config *cfg,
			    const struct kvm_s2_config *s2, u64 va,
			    const struct kvm_access *acc, int ret,
			    const struct kvm_s12_result *res,
			    const struct kvm_walk_fault *fault,
			    const struct hostile *phys)
{
	struct replay replay = {
		.orig = phys, .junk = draw(src), .ignored = s1_ignored,
	};
	struct kvm_s1_mem mem = { *s2, { &replay_ops, &replay } };
	struct kvm_s12_result res2 = { };
	struct kvm_walk_fault fault2;
	int ret2;

	if (phys->nlog > MAX_LOG)
		return NULL;
	ret2 = kvm_s12_walk(cfg, &mem, va, acc, &res2, &fault2);
	if (replay.wrong)
		return replay.wrong;
	if (ret != ret2 || !replay_complete(&replay))
		return "another result because of bits that have no say";
	if (ret < 0)
		return NULL;
	return ret ? same_fault(fault, &fault2, 0) : same_s12(res, &res2);
}

static const char *rules_s1(const struct kvm_s1_regs *regs,
			    const struct kvm_s1_features *feat,
			    const struct kvm_s1_config *cfg)
{
	struct oracle_verdict want;
	const char *wrong = NULL;

	for (unsigned int i = 0; !wrong && i < cfg->ranges; i++) {
		oracle_s1(regs, feat, i, &want);
		wrong = oracle_differs(&want, cfg->range[i].bad,
				       &cfg->range[i].geom);
	}
	return wrong;
}

static const char *round_s1(struct source *src, bool behind_s2)
{
	struct hostile phys = {
		.src = src,
		.contention = below(src, 10),
		.sticky = below(src, 2),
		.two_stages = behind_s2,
	};
	struct kvm_s1_mem mem = {
		.s2.off = true, .phys = { &hostile_ops, &phys },
	};
	struct kvm_s1_regs regs;
	struct kvm_s1_features feat;
	struct kvm_s2_regs s2_regs;
	struct kvm_s2_features s2_feat;
	struct kvm_s1_config cfg;
	struct kvm_s12_result res = { };
	struct kvm_walk_fault fault;
	struct kvm_access acc;
	const char *wrong;
	u64 va;
	int ret;

	draw_s1(src, &regs, &feat, &cfg);
	draw_access(src, &acc);
	/* no such access to a VA */
	if (acc.type == KVM_ACC_TTW || acc.type == KVM_ACC_TTW_UPDATE)
		acc.type = KVM_ACC_READ;
	va = draw_va(src, &cfg);

	phys.limit_bits = cfg.range[cfg.ranges == 2 && (va >> 55 & 1)].geom.oa_bits;
	phys.big_endian = cfg.range[0].geom.big_endian;
	if (behind_s2) {
		draw_s2(src, &s2_regs, &s2_feat, &mem.s2);
		/* one byte order, so that one memory serves both stages */
		mem.s2.geom.big_endian = phys.big_endian;
		if (!mem.s2.off)
			phys.limit_bits = mem.s2.geom.oa_bits;
	}

	ret = kvm_s12_walk(&cfg, &mem, va, &acc, &res, &fault);
	count_result(ret, &fault);
	wrong = rules_s1(&regs, &feat, &cfg);
	if (!wrong)
		wrong = check_s1(&cfg, va, ret, &res.s1, &fault, !mem.s2.off,
				 &phys);
	if (!wrong)
		wrong = check_behind(&mem.s2, ret, &res, &fault);
	return wrong ? wrong : again_s1(src, &cfg, &mem.s2, va, &acc, ret, &res,
					&fault, &phys);
}

static const char *one_round(struct source *src, unsigned int kind)
{
	switch (kind) {
	case 0:
		return round_s2(src);
	case 1:
		return round_s1(src, false);
	default:
		return round_s1(src, true);
	}
}

/* For fuzz.c: the first byte chooses the kind of round. */
bool property_round(const u8 *data, size_t size, char *why, size_t why_size)
{
	struct source src = { .state = 1 };
	const char *wrong;

	if (!size)
		return true;
	src.data = data + 1;
	src.left = size - 1;
	wrong = one_round(&src, data[0] % 3);
	if (wrong)
		snprintf(why, why_size, "%s", wrong);
	return !wrong;
}

/* Each result, in a share of the rounds that finds what is rare, too. */
static void report_variety(const char *name, unsigned int rounds)
{
	unsigned int kind, least = seen_again;

	for (kind = 0; kind <= KVM_FAULT_SEA_TTW; kind++)
		if (seen_kind[kind] < least)
			least = seen_kind[kind];
	for (kind = 0; kind <= KVM_FAULT_SEA_TTW; kind++)
		ktap_diag("%u times %s", seen_kind[kind],
			  kind ? kind_name(kind) : "done");
	ktap_diag("%u times -EAGAIN", seen_again);
	ktap_ok(least >= rounds / 20000, "properties: %s: each result was seen",
		name);
}

void run_properties(unsigned int rounds, u64 seed)
{
	static const char *const names[] = {
		"stage 2", "stage 1", "stage 1 behind stage 2",
	};
	unsigned int kind, i, failed;

	for (kind = 0; kind < 3; kind++) {
		memset(seen_kind, 0, sizeof(seen_kind));
		seen_again = 0;
		for (i = 0, failed = 0; i < rounds; i++) {
			struct source src = {
				.state = (seed + i) * 0x9e3779b97f4a7c15ull | 1,
			};
			const char *wrong = one_round(&src, kind);

			if (wrong && failed++ < 10)
				ktap_diag("round %u: %s", i, wrong);
		}
		ktap_ok(!failed, "properties: %s (%u random walks)",
			names[kind], rounds);
		report_variety(names[kind], rounds);
	}
}
