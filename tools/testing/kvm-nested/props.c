// SPDX-License-Identifier: GPL-2.0-only
/*
 * Properties of the walkers, for any configuration and any memory.
 *
 * A round draws registers, features, an address and an access, and walks over
 * memory that invents each descriptor when it is fetched, aborts, and races
 * with the walker's updates: whatever L1 could do. A walk has to end, with a
 * result of the three kinds, with a well-formed fault, and with no access to
 * memory that its configuration does not allow.
 *
 * Driven by a generator of pseudo-random numbers here, by libFuzzer in fuzz.c.
 */
#include <stdio.h>
#include <string.h>
#include <linux/bitfield.h>
#include <linux/errno.h>

#include <asm/sysreg.h>

#include "harness.h"

/* Bits that the walkers may change: AF, S2AP[1] or AP[2]. */
#define DESC_AF		BIT_ULL(10)
#define DESC_BIT7	BIT_ULL(7)

/* Numbers: from the fuzzer's bytes while there are any, then made up. */
struct source {
	const u8 *data;
	size_t left;
	u64 state;
};

static u64 draw(struct source *src)
{
	u64 val = 0;

	if (src->left >= sizeof(val)) {
		memcpy(&val, src->data, sizeof(val));
		src->data += sizeof(val);
		src->left -= sizeof(val);
		return val;
	}

	/* xorshift64* */
	src->state ^= src->state >> 12;
	src->state ^= src->state << 25;
	src->state ^= src->state >> 27;
	return src->state * 0x2545f4914f6cdd1dull;
}

static unsigned int below(struct source *src, unsigned int n)
{
	return (draw(src) >> 32) % n;
}

#define MAX_KNOWN	64

/* Memory that L1 keeps changing. */
struct hostile {
	struct source *src;
	/* What it was is what it stays: only updates are lost. */
	bool sticky;
	bool two_stages;
	unsigned int nknown;
	struct word known[MAX_KNOWN];
	u64 last_pa, last_raw;
	unsigned int reads, cas, lost;
	unsigned int limit_bits;	/* no access at or above */
	unsigned int contention;	/* of 8 updates, so many lose */
	bool big_endian;
	const char *wrong;
};

static u64 invent_descriptor(struct hostile *mem)
{
	u64 desc = draw(mem->src);
	unsigned int kind = below(mem->src, 16);

	/* most of the addresses in reach, so that walks get far */
	if (kind & 3)
		desc &= ~GENMASK_ULL(51, 30) & ~GENMASK_ULL(15, 12) &
			~GENMASK_ULL(9, 8);
	if (kind < 9)
		return desc | 3;
	if (kind < 14)
		return (desc & ~3ull) | 1 | (kind & 2) << 9;
	return desc;
}

static struct word *find_known(struct hostile *mem, u64 pa)
{
	unsigned int i;

	for (i = 0; mem->sticky && i < mem->nknown; i++)
		if (mem->known[i].pa == pa)
			return &mem->known[i];
	return NULL;
}

static u64 hostile_word(struct hostile *mem, u64 pa)
{
	struct word *known = find_known(mem, pa);
	u64 desc;

	if (known)
		return known->val;

	desc = invent_descriptor(mem);
	if (mem->big_endian)
		desc = __builtin_bswap64(desc);
	if (mem->sticky && mem->nknown < MAX_KNOWN)
		mem->known[mem->nknown++] = (struct word) { .pa = pa, .val = desc };
	return desc;
}

static int hostile_read(void *ctx, u64 pa, u64 *raw,
			struct kvm_walk_fault *fault)
{
	struct hostile *mem = ctx;

	mem->reads++;
	if (pa & 7)
		mem->wrong = "a descriptor that is not aligned";
	if (pa >> mem->limit_bits)
		mem->wrong = "a descriptor above the output size";
	if (fault->kind != KVM_FAULT_SEA_TTW)
		mem->wrong = "a fetch without its fault prepared";
	if (!find_known(mem, pa) && !below(mem->src, 24))
		return KVM_WALK_FAULT;

	*raw = hostile_word(mem, pa);
	mem->last_pa = pa;
	mem->last_raw = *raw;
	return 0;
}

static int hostile_cas(void *ctx, u64 pa, u64 old, u64 new,
		       struct kvm_walk_fault *fault)
{
	struct hostile *mem = ctx;
	struct word *known = find_known(mem, pa);
	u64 changed = old ^ new;

	if (mem->big_endian)
		changed = __builtin_bswap64(changed);

	mem->cas++;
	/* Behind stage 2, its own descriptors are read in between. */
	if (!mem->two_stages && (pa != mem->last_pa || old != mem->last_raw))
		mem->wrong = "an update of something that was not read";
	if (!changed || (changed & ~(DESC_AF | DESC_BIT7)))
		mem->wrong = "an update of other bits than AF and dirty";
	if (fault->kind != KVM_FAULT_SEA_TTW)
		mem->wrong = "an update without its fault prepared";

	if (below(mem->src, 8) < mem->contention) {
		mem->lost++;
		return -EAGAIN;
	}
	if (!below(mem->src, 8))
		return KVM_WALK_FAULT;
	if (known)
		known->val = new;
	return 0;
}

static const struct kvm_walk_ops hostile_ops = {
	.read = hostile_read,
	.cas = hostile_cas,
};

static void draw_access(struct source *src, struct kvm_access *acc)
{
	u64 bits = draw(src);

	*acc = (struct kvm_access) {
		.type	   = below(src, KVM_ACC_CMO_WRITE + 1),
		.el0	   = bits & 1,
		.pan	   = bits & 2,
		.unaligned = !(bits & 0x3c),
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

static void draw_s2(struct source *src, struct kvm_s2_regs *regs,
		    struct kvm_s2_config *cfg)
{
	u64 bits = draw(src);
	const struct kvm_s2_features feat = {
		.pa_bits = kvm_pt_decode_pa_bits(below(src, 7)),
		.gran	 = bits & 7 ? ALL_GRANULES : (bits >> 8) & ALL_GRANULES,
		.lpa2	 = bits >> 32 & (BIT(12) | BIT(14)),
		.ttst	 = bits & BIT(3),
		.xnx	 = bits & BIT(4),
		.haf	 = bits & BIT(5),
		.hdbs	 = bits & BIT(6),
	};
	unsigned int tries;

	*regs = (struct kvm_s2_regs) {
		.vtcr	    = draw(src),
		.vttbr	    = draw(src),
		.big_endian = bits & BIT(7),
		.ptw	    = bits & BIT(8),
		.fwb	    = bits & BIT(9),
	};
	/* mostly a base that is in reach, and a configuration that will do */
	if (bits & (3 << 10))
		regs->vttbr &= ~(GENMASK_ULL(47, 32) | GENMASK_ULL(5, 2));
	for (tries = 0; tries < 16; tries++) {
		kvm_s2_configure(regs, &feat, cfg);
		if (!cfg->bad || !(bits & (7 << 12)))
			break;
		regs->vtcr = draw(src);
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
	if (mem->reads > MAX_LEVELS * (mem->lost + 1))
		return "too many descriptors fetched";
	if (mem->cas > KVM_WALK_MAX_RETRIES)
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

static const char *round_s2(struct source *src)
{
	struct hostile mem = {
		.src = src,
		.contention = below(src, 10),
		.sticky = below(src, 2),
	};
	const struct kvm_walk_mem ops = { &hostile_ops, &mem };
	struct kvm_s2_regs regs;
	struct kvm_s2_config cfg;
	struct kvm_s2_result res = { };
	struct kvm_walk_fault fault;
	struct kvm_access acc;
	u64 ipa;
	int ret;

	draw_s2(src, &regs, &cfg);
	draw_access(src, &acc);
	ipa = draw_address(src, cfg.geom.ia_bits);
	mem.limit_bits = cfg.geom.oa_bits;
	mem.big_endian = cfg.geom.big_endian;

	ret = kvm_s2_walk(&cfg, &ops, ipa, &acc, &res, &fault);
	count_result(ret, &fault);
	return check_s2(&cfg, regs.vtcr, ipa, &acc, ret, &res, &fault, &mem);
}

static void draw_s1(struct source *src, struct kvm_s1_config *cfg)
{
	u64 bits = draw(src);
	const struct kvm_s1_features feat = {
		.pa_bits = kvm_pt_decode_pa_bits(below(src, 7)),
		.gran	 = bits & 7 ? ALL_GRANULES : (bits >> 8) & ALL_GRANULES,
		.lpa2	 = bits >> 32 & (BIT(12) | BIT(14)),
		.lva	 = bits & BIT(3),	.ttst	 = bits & BIT(4),
		.haf	 = bits & BIT(5),	.hdbs	 = bits & BIT(6),
		.hpds	 = bits & BIT(7),	.pan	 = bits & BIT(8),
		.epan	 = bits & BIT(9),	.e0pd	 = bits & BIT(10),
		.tbid	 = bits & BIT(11),	.asid16	 = bits & BIT(12),
		.tcrx	 = bits & BIT(13),	.s1pie	 = bits & BIT(14),
		.s1poe	 = bits & BIT(15),
	};
	struct kvm_s1_regs regs = {
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
	u64 t0sz = 12 + below(src, 30), t1sz = 12 + below(src, 30);

	if (bits & (3 << 17)) {
		regs.tcr &= ~(TCR_EL1_T0SZ_MASK | TCR_EL1_T1SZ_MASK |
			      TCR_EL1_EPD0 | TCR_EL1_EPD1);
		regs.tcr |= t0sz | FIELD_PREP(TCR_EL1_T1SZ_MASK, t1sz);
	}
	if (bits & (3 << 19)) {
		regs.ttbr[0] &= ~(GENMASK_ULL(47, 32) | GENMASK_ULL(5, 2));
		regs.ttbr[1] &= ~(GENMASK_ULL(47, 32) | GENMASK_ULL(5, 2));
	}
	if (!(bits & (7 << 21)))
		regs.sctlr &= ~1ull;
	kvm_s1_configure(&regs, &feat, cfg);
}

static u64 draw_va(struct source *src, const struct kvm_s1_config *cfg)
{
	bool upper = cfg->ranges == 2 && below(src, 2);
	u64 va = draw_address(src, cfg->range[upper].geom.ia_bits);

	if (upper && cfg->range[1].geom.ia_bits && !cfg->range[1].bad)
		va |= GENMASK_ULL(63, cfg->range[1].geom.ia_bits);
	return va;
}

static const char *check_s1(const struct kvm_s1_config *cfg, u64 va, int ret,
			    const struct kvm_s1_result *res,
			    const struct kvm_walk_fault *fault,
			    const struct s1_mem *mem, const struct hostile *phys)
{
	unsigned int stages = BIT(1) | (mem->s2 ? BIT(2) : 0);
	const char *wrong = check_result(ret, fault, stages, phys);
	const struct kvm_s1_range *range;

	if (wrong)
		return wrong;
	if (mem->nreads > MAX_LEVELS * (phys->lost + 1) ||
	    mem->nreads > MAX_LEVELS * KVM_WALK_MAX_RETRIES)
		return "too many stage-1 descriptors fetched";
	if (!mem->s2 && phys->cas > KVM_WALK_MAX_RETRIES)
		return "too many stage-1 updates tried";
	if (cfg->off && mem->nreads)
		return "a walk with the MMU off";
	if (ret > 0 && fault->stage == 2 && !fault->s1ptw)
		return "a stage-2 fault that is not of the stage-1 walk";
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

static const char *round_s1(struct source *src, bool behind_s2)
{
	struct hostile phys = {
		.src = src,
		.contention = below(src, 10),
		.sticky = below(src, 2),
		.two_stages = behind_s2,
	};
	struct s1_mem mem = { .phys = { &hostile_ops, &phys } };
	const struct kvm_walk_mem ops = { &s1_mem_ops, &mem };
	struct kvm_s2_regs s2_regs;
	struct kvm_s2_config s2;
	struct kvm_s1_config cfg;
	struct kvm_s1_result res = { };
	struct kvm_walk_fault fault;
	struct kvm_access acc;
	u64 va;
	int ret;

	draw_s1(src, &cfg);
	draw_access(src, &acc);
	/* no such access to a VA */
	if (acc.type == KVM_ACC_TTW || acc.type == KVM_ACC_TTW_UPDATE)
		acc.type = KVM_ACC_READ;
	va = draw_va(src, &cfg);

	phys.limit_bits = 52;
	phys.big_endian = cfg.range[0].geom.big_endian;
	if (behind_s2) {
		draw_s2(src, &s2_regs, &s2);
		/* one byte order, so that one memory serves both stages */
		s2.geom.big_endian = phys.big_endian;
		mem.s2 = &s2;
	}

	ret = kvm_s1_walk(&cfg, &ops, va, &acc, &res, &fault);
	count_result(ret, &fault);
	return check_s1(&cfg, va, ret, &res, &fault, &mem, &phys);
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
bool property_round(const u8 *data, size_t size, u64 seed, char *why,
		    size_t why_size)
{
	struct source src = { .state = seed | 1 };
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
