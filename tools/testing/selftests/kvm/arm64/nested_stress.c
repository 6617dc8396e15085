// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_stress - a random mix of what L1 does to its L2s, while the host interferes
 *
 * Each vCPU has an L1 with several contexts ({VTTBR_EL2, VTCR_EL2}), together more than there are
 * shadow MMUs. It maps, unmaps and changes pages and blocks, with break-before-make and one of the
 * TLB maintenance sequences that the architecture accepts for that; it enters L2 for a load or a
 * store, asks AT, changes VMIDs, input sizes and hardware update of AF and of the dirty state. L2
 * may have its own stage 1 on, which it changes by itself, with a TLBI at EL1; or it takes itself
 * for a hypervisor, and its registers are in a page of L1's. The state of all tables and of all
 * data is known (struct cpu): L2 has to read what was last written to the canonical page behind
 * its address, or to get the fault that the tables say, at the right level; a descriptor has what
 * was written to it, and what hardware has to set, and nothing else. Meanwhile host threads drop,
 * protect, collapse and log the memory, delete and move its memslot (the vCPU's thread stands in
 * for it then, as for a device), move the vCPUs' threads and send them signals.
 *
 * Option -s is the seed: what a vCPU does follows from it alone, what the host threads do as well,
 * but not how they interleave. NESTED_SECONDS in the environment is the time for the last row, the
 * others have a third of it. A failure names seed, vCPU and operation.
 *
 * Seen to fail: with kvm_nested_mmu_unmap() doing nothing (all rows); with kvm_nested_s2_unmap()
 * doing nothing (where the host changes memory, or its memslots); with recycled shadow MMUs not
 * scrubbed (four vCPUs); with the shadow of a clean page made writable by a load, AF not set, a
 * TLBI that leaves the VNCR page mapped, HCR_EL2.TTLB not applied, or L2's code without its TLBI
 * (one vCPU); with notifiers that leave the VNCR page mapped, or io_mem_abort() given the nested
 * IPA (memslot).
 *
 * Locking: L1's state belongs to one vCPU each. The host threads only do what may be done at any
 * time; there is one to change the memslot, or its flags, at a time (slot_lock), and memory is not
 * protected while a vCPU's thread accesses it (protect_lock). Flags to stop are atomic.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"

#include <asm/sysreg.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define NR_VCPUS		4
#define NR_CTX		3
#define NR_REGIONS	3	/* of a context: each one level 2 entry */
#define NR_WINDOWS	4	/* pages that L2's stage 1 maps */
#define NR_VNCR		2	/* pages that VNCR_EL2 may point to */
#define NR_BLOCKS	2	/* of data, per vCPU */
#define HOT		12	/* pages of a block that are used; the last are scratch */
#define FIRST_SCRATCH	9
#define MAX_BLOCK	SZ_4M

#define CODE_GPA	SZ_1G
#define CODE_GVA	0x2000000000UL
#define CODE_SLOT	1
#define ARENA_GPA	(SZ_1G + SZ_512M)
#define ARENA_GVA	0x3000000000UL
#define ARENA_PAGES	320
#define ARENA_SLOT	2
#define DATA_GPA	SZ_2G
#define DATA_GVA	0x4000000000UL
#define DATA_SLOT	10
#define MOVED_GPA	(DATA_GPA + SZ_1G)

/* Nested IPAs: far from all GPAs, the same ones in all contexts, for different pages. */
#define CODE_IPA	BIT(37)
#define S1_IPA		(BIT(37) + BIT(36))
#define REGION_IPA	BIT(36)

/*
 * L2's stage 1. 25 bits are the least that each granule has: a start table of 16 entries and one
 * last table for 4K, else one table. VAs in pages.
 */
#define S1_IA_BITS	25
#define S1_CODE		1
#define S1_TABLE	2	/* the last table itself */
#define S1_WINDOW	4
#define S1_LEAF		(PTE_ATTRINDX(0UL) | PTE_SHARED | PTE_AF | PTE_TYPE_PAGE | PTE_VALID)
#define S1_NG		BIT(11)
#define S1_ASID(ctx)	(7UL + (ctx))

/* VNCR_EL2 is in L1's upper range, 4K. L2's register is VTTBR_EL2: its offset is the Arm ARM's. */
#define VNCR_VA		0xffff7a8345678000UL
#define VNCR_OFFSET	0x020
#define VNCR_LEAF	(PTE_ATTRINDX((u64)MT_NORMAL) | PTE_SHARED | PTE_TYPE_PAGE | PTE_VALID)
#define VNCR_RO		BIT(7)	/* AP[2] */
#define TCR_1_MASK	(GENMASK(31, 16) | TCR_TBI1)
#define TCR_1		(16UL << 16 | BIT(24) | BIT(26) | 3UL << 28 | 2UL << 30)

/* Contents of data pages: a magic number, the page, and how often it was written. */
#define VALUE(page, generation)	(0x57e55000000000UL | (u64)(page) << 32 | (generation))

enum region_state {
	REGION_NONE,
	REGION_TABLE,
	REGION_BLOCK,
	NR_REGION_STATES
};

/* One leaf of L1's, as written. */
struct leaf {
	bool valid;
	u8 target;		/* page, or block, of this vCPU's data */
	u64 attrs;		/* AF, S2AP, DBM; as written by L1 or by hardware */
};

struct region {
	enum region_state state;
	u64 ipa;
	u64 *desc;		/* level 2 */
	u64 *table;		/* level 3, for REGION_TABLE */
	u64 table_desc;		/* value for @desc */
	struct leaf block;
	struct leaf page[HOT];
};

/* A page of L2's stage 1. */
struct window {
	bool valid;
	u8 region;
	u8 n;
};

struct context {
	struct s2_mmu s2;
	struct region region[NR_REGIONS];
	bool s1;		/* L2 runs with its stage 1 on */
	u64 ttbr0;
	u64 *s1_table;
	struct window window[NR_WINDOWS];
};

/* A page of L1's stage 1, for VNCR_EL2. */
struct vncr {
	bool valid;
	u8 target;
	u64 attrs;		/* AF, VNCR_RO */
};

/* Where an access of L2's goes, by the tables. */
struct path {
	u64 va;			/* of the page */
	u64 ipa;
	unsigned int page;
	bool s1_ok;		/* stage 1 maps it */
	bool ok;		/* and stage 2, for that access */
	u8 fsc;			/* of stage 2, if not */
	struct leaf *leaf;	/* NULL if there is none on the way */
	u64 *desc;
	int level;
};

struct cpu {
	u64 id;
	u64 seed;
	u64 rng;
	u64 ops;
	u64 max_ops;		/* 0: until told to stop */
	u64 page;
	u64 block;
	bool blocks;		/* blocks are small enough for the test */
	bool range;
	bool os;
	u8 hafdbs;		/* ID_AA64MMFR1_EL1.HAFDBS */
	bool s1;		/* there is a granule for L2's stage 1 */
	bool nv2;
	bool holes;		/* the host's data may be inaccessible for a while */
	u8 vmid;
	u64 generation;
	u64 tcr;
	u64 value[NR_BLOCKS * HOT];
	u64 vncr_value[NR_BLOCKS * HOT];
	struct vncr vncr[NR_VNCR];
	u64 *vncr_table;
	struct nested_mem arena;
	struct context ctx[NR_CTX];
	struct l2_vcpu l2;
};

static struct cpu cpus[NR_VCPUS];
static u64 stop;

#define EXPECT(c, cond, fmt, args...)						\
	__GUEST_ASSERT(cond, "seed 0x%lx vCPU %lu op %lu: " fmt, (c)->seed, (c)->id,	\
		       (c)->ops, ##args)

/*
 * L2's code besides the library's, behind it in the code page. To use a page of stage 1, replace
 * its descriptor and use it again: x3 = [x7], [x4] = 0, TLBI with x6, [x4] = x5, x1 = [x0]. It is
 * there for each of the TLBIs, all of the same length; then to read and write VTTBR_EL2.
 */
#define REMAP_SIZE	64
#define REMAP(tlbi)								\
	"	.balign	" __stringify(REMAP_SIZE) "\n"				\
	"	ldr	x3, [x7]\n"						\
	"	str	xzr, [x4]\n"						\
	"	dsb	ish\n"							\
	"	tlbi	" tlbi "\n"						\
	"	dsb	ish\n"							\
	"	str	x5, [x4]\n"						\
	"	dsb	ish\n"							\
	"	isb\n"								\
	"	ldr	x1, [x0]\n"						\
	"	hvc	#" __stringify(L2_HVC_DONE) "\n"

#define REMAP_NR	9

asm("	.pushsection .text, \"ax\"\n"
"	.balign	" __stringify(REMAP_SIZE) "\n"
"stress_code:\n"
	REMAP("vmalle1is") REMAP("vmalle1")
	REMAP("vae1is, x6") REMAP("vaae1is, x6") REMAP("vale1is, x6") REMAP("vaale1is, x6")
	REMAP("vae1, x6") REMAP("vaae1, x6") REMAP("aside1is, x6")
"	.balign	" __stringify(REMAP_SIZE) "\n"
"stress_vncr_read:\n"
"	mrs	x1, s3_4_c2_c1_0\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"stress_vncr_write:\n"
"	msr	s3_4_c2_c1_0, x2\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"stress_code_end:\n"
"	.popsection\n");

extern const char stress_code[], stress_code_end[], stress_vncr_read[], stress_vncr_write[];

static u64 stress_code_offset(const char *where)
{
	u64 stubs = nested_l2_stubs_end - nested_l2_stubs;

	return ((stubs + REMAP_SIZE - 1) & ~(u64)(REMAP_SIZE - 1)) + (where - stress_code);
}

/* L1 */

/* xorshift64* */
static u64 rnd(u64 *state, u64 limit)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return ((*state * 0x2545f4914f6cdd1dUL) >> 33) % limit;
}

static gpa_t block_gpa(const struct cpu *c, unsigned int block)
{
	return DATA_GPA + (c->id * NR_BLOCKS + block) * c->block;
}

static gpa_t page_gpa(const struct cpu *c, unsigned int page)
{
	return block_gpa(c, page / HOT) + page % HOT * c->page;
}

/* An offset that is different for each page, and not VNCR_OFFSET. */
static u64 page_offset(unsigned int page)
{
	return 0x100 + page * sizeof(u64);
}

static u64 *data_word(const struct cpu *c, unsigned int page, u64 offset)
{
	return (u64 *)(DATA_GVA + page_gpa(c, page) - DATA_GPA + offset);
}

static u64 *page_word(const struct cpu *c, unsigned int page)
{
	return data_word(c, page, page_offset(page));
}

/* What L2 has in its EL2 register, if VNCR_EL2 leads there. */
static u64 *vncr_word(const struct cpu *c, unsigned int page)
{
	return data_word(c, page, VNCR_OFFSET);
}

static bool is_scratch(unsigned int page)
{
	return page % HOT >= FIRST_SCRATCH;
}

/* What a read gave is right. Scratch pages lose their contents at any time, for good. */
static void check(struct cpu *c, unsigned int page, u64 *want, u64 got, const char *how)
{
	if (is_scratch(page) && !got)
		*want = 0;
	EXPECT(c, got == *want, "%s page %u: got 0x%lx, expected 0x%lx", how, page, got, *want);
}

static void check_value(struct cpu *c, unsigned int page, u64 got, const char *how)
{
	check(c, page, &c->value[page], got, how);
}

/* By IPA is about stage 2 alone; entries that combine the stages are not. */
#define TLBI_IPAS2(c, s2, op, ipa, nr, ttl)						\
do {											\
	unsigned int __i;								\
											\
	for (__i = 0; __i < (nr); __i++)						\
		s2_tlbi(s2, op, s2_tlbi_ipa((ipa) + __i * (c)->page, ttl));		\
	s2_tlbi(s2, OP_TLBI_VMALLE1IS, 0);						\
} while (0)

/*
 * A leaf is gone, or different, or a table is, with all the pages that we had in it: any sequence
 * that the architecture accepts. Nobody else uses the VMID, so it need not be broadcast.
 */
static void tlbi(struct cpu *c, struct context *ctx, u64 ipa, int level, bool table)
{
	struct s2_mmu *s2 = &ctx->s2;
	u64 ttl = rnd(&c->rng, 2) && !table ? s2_tlbi_ttl(&s2->geo, level) : 0;
	u64 pages = BIT(s2_level_shift(&s2->geo, level) - s2->geo.page_shift);
	unsigned int nr = table ? HOT : 1;

	switch (rnd(&c->rng, 8)) {
	case 0:
		s2_tlbi_vmalls12e1is(s2);
		return;
	case 1:
		s2_tlbi(s2, OP_TLBI_ALLE1IS, 0);
		return;
	case 2:
		s2_tlbi(s2, OP_TLBI_VMALLS12E1, 0);
		return;
	case 3:
		TLBI_IPAS2(c, s2, OP_TLBI_IPAS2E1, ipa, nr, ttl);
		return;
	case 4:
		if (!c->range)
			break;
		s2_tlbi(s2, OP_TLBI_RIPAS2E1IS, s2_tlbi_range(&s2->geo, ipa, pages, 0));
		s2_tlbi(s2, OP_TLBI_VMALLE1IS, 0);
		return;
	case 5:
		if (!c->os)
			break;
		TLBI_IPAS2(c, s2, OP_TLBI_IPAS2E1OS, ipa, nr, ttl);
		return;
	case 6:
		/* Leaves only. */
		if (table)
			break;
		TLBI_IPAS2(c, s2, OP_TLBI_IPAS2LE1IS, ipa, nr, ttl);
		return;
	}
	TLBI_IPAS2(c, s2, OP_TLBI_IPAS2E1IS, ipa, nr, ttl);
}

static struct context *any_ctx(struct cpu *c)
{
	return &c->ctx[rnd(&c->rng, NR_CTX)];
}

static struct region *any_region(struct cpu *c, struct context *ctx)
{
	return &ctx->region[rnd(&c->rng, NR_REGIONS)];
}

/* Mostly everything is allowed. The last ones are for hardware that knows DBM. */
static u64 any_attrs(struct cpu *c)
{
	static const u64 attrs[] = {
		S2_DESC_AF | S2_DESC_S2AP_R | S2_DESC_S2AP_W,
		S2_DESC_AF | S2_DESC_S2AP_R | S2_DESC_S2AP_W,
		S2_DESC_AF | S2_DESC_S2AP_R | S2_DESC_S2AP_W,
		S2_DESC_AF | S2_DESC_S2AP_R,
		S2_DESC_AF | S2_DESC_S2AP_W,
		S2_DESC_AF,
		S2_DESC_S2AP_R | S2_DESC_S2AP_W,
		S2_DESC_DBM | S2_DESC_AF | S2_DESC_S2AP_R,
		S2_DESC_DBM | S2_DESC_AF | S2_DESC_S2AP_R,
		S2_DESC_DBM | S2_DESC_S2AP_R,
	};
	unsigned int dbm = c->hafdbs < ID_AA64MMFR1_EL1_HAFDBS_DBM ? 3 : 0;

	return attrs[rnd(&c->rng, ARRAY_SIZE(attrs) - dbm)];
}

static u64 leaf_desc(struct cpu *c, struct context *ctx, const struct leaf *leaf, int level)
{
	gpa_t gpa = level == 3 ? page_gpa(c, leaf->target) : block_gpa(c, leaf->target);

	if (!leaf->valid)
		return 0;

	return s2_pa_desc(&ctx->s2.geo, gpa) | S2_DESC_MEMATTR | S2_DESC_SH | leaf->attrs |
	       S2_DESC_VALID | (level == 3 ? S2_DESC_PAGE : 0);
}

static u64 region_desc(struct cpu *c, struct context *ctx, struct region *r)
{
	switch (r->state) {
	case REGION_TABLE:
		return r->table_desc;
	case REGION_BLOCK:
		return leaf_desc(c, ctx, &r->block, 2);
	default:
		return 0;
	}
}

/*
 * A descriptor of L1's is as the model has it. With hardware update, AF may have been set for an
 * access that got a fault then, or was none in the end.
 */
static void check_desc(struct cpu *c, struct context *ctx, struct leaf *leaf, u64 *desc, int level)
{
	u64 got = s2_read(&ctx->s2, desc), want = leaf_desc(c, ctx, leaf, level);

	if (leaf->valid && (ctx->s2.vtcr & VTCR_EL2_HA) && (got & S2_DESC_AF)) {
		leaf->attrs |= S2_DESC_AF;
		want |= S2_DESC_AF;
	}
	EXPECT(c, got == want, "descriptor at level %u is 0x%lx, expected 0x%lx", level, got,
	       want);
}

static void check_ctx(struct cpu *c, struct context *ctx)
{
	struct region *r;
	unsigned int n;

	for (r = ctx->region; r < ctx->region + NR_REGIONS; r++) {
		if (r->state == REGION_BLOCK)
			check_desc(c, ctx, &r->block, r->desc, 2);
		for (n = 0; n < HOT; n++)
			check_desc(c, ctx, &r->page[n], &r->table[n], 3);
	}
}

static void op_page(struct cpu *c)
{
	struct context *ctx = any_ctx(c);
	struct region *r = any_region(c, ctx);
	unsigned int n = rnd(&c->rng, HOT);
	struct leaf *leaf = &r->page[n];
	u64 ipa = r->ipa + n * c->page;
	bool was_valid = leaf->valid, same = rnd(&c->rng, 3) == 0;

	check_desc(c, ctx, leaf, &r->table[n], 3);
	/* Permissions alone, AF included, may change without a break. */
	if (was_valid && same) {
		leaf->attrs = any_attrs(c);
		s2_write(&ctx->s2, &r->table[n], leaf_desc(c, ctx, leaf, 3));
		tlbi(c, ctx, ipa, 3, false);
		return;
	}
	if (was_valid) {
		s2_write(&ctx->s2, &r->table[n], 0);
		tlbi(c, ctx, ipa, 3, false);
	}
	leaf->valid = !was_valid || rnd(&c->rng, 4);
	leaf->target = rnd(&c->rng, NR_BLOCKS * HOT);
	leaf->attrs = any_attrs(c);
	s2_write(&ctx->s2, &r->table[n], leaf_desc(c, ctx, leaf, 3));
	isb();
}

static void op_region(struct cpu *c)
{
	struct context *ctx = any_ctx(c);
	struct region *r = any_region(c, ctx);

	if (r->state == REGION_BLOCK)
		check_desc(c, ctx, &r->block, r->desc, 2);
	if (r->state != REGION_NONE) {
		s2_write(&ctx->s2, r->desc, 0);
		tlbi(c, ctx, r->ipa, 2, r->state == REGION_TABLE);
	}
	r->state = rnd(&c->rng, c->blocks ? NR_REGION_STATES : REGION_BLOCK);
	r->block.valid = true;
	r->block.target = rnd(&c->rng, NR_BLOCKS);
	r->block.attrs = any_attrs(c);
	s2_write(&ctx->s2, r->desc, region_desc(c, ctx, r));
	isb();
}

/* The page behind a nested IPA, or the fault of stage 2 that an access gets. */
static void lookup(struct context *ctx, struct region *r, unsigned int n, bool write,
		   struct path *p)
{
	bool table = r->state == REGION_TABLE;
	struct leaf *leaf = table ? &r->page[n] : &r->block;
	u64 attrs = leaf->attrs, vtcr = ctx->s2.vtcr;

	p->level = table ? 3 : 2;
	p->page = table ? leaf->target : leaf->target * HOT + n;
	p->fsc = ESR_ELx_FSC_FAULT_L(p->level);
	if (r->state == REGION_NONE || !leaf->valid)
		return;
	p->leaf = leaf;
	p->desc = table ? &r->table[n] : r->desc;
	p->fsc = ESR_ELx_FSC_ACCESS_L(p->level);
	if (!(attrs & S2_DESC_AF) && !(vtcr & VTCR_EL2_HA))
		return;
	if ((vtcr & VTCR_EL2_HD) && (attrs & S2_DESC_DBM))
		attrs |= S2_DESC_S2AP_W;
	p->fsc = ESR_ELx_FSC_PERM_L(p->level);
	p->ok = attrs & (write ? S2_DESC_S2AP_W : S2_DESC_S2AP_R);
}

/* The same for a page of L2's stage 1. */
static struct path window_path(struct cpu *c, struct context *ctx, unsigned int i, bool write)
{
	struct window *w = &ctx->window[i];
	struct region *r = &ctx->region[w->region];
	struct path p = { .va = (S1_WINDOW + i) * c->page, .s1_ok = w->valid };

	if (w->valid) {
		p.ipa = r->ipa + w->n * c->page;
		lookup(ctx, r, w->n, write, &p);
	}
	return p;
}

static struct path any_path(struct cpu *c, struct context *ctx, bool write)
{
	struct region *r = any_region(c, ctx);
	unsigned int n = rnd(&c->rng, HOT);
	struct path p = { .s1_ok = true };

	if (ctx->s1)
		return window_path(c, ctx, n % NR_WINDOWS, write);

	p.ipa = r->ipa + n * c->page;
	p.va = p.ipa;
	lookup(ctx, r, n, write, &p);
	return p;
}

/* An access with @p, or AT, is over: what hardware updates is in the descriptor. */
static void check_update(struct cpu *c, struct context *ctx, struct path *p, bool access,
			 bool write)
{
	u64 vtcr = ctx->s2.vtcr;

	if (!p->leaf)
		return;
	if (access && p->ok && (vtcr & VTCR_EL2_HA))
		p->leaf->attrs |= S2_DESC_AF;
	if (access && p->ok && write && (vtcr & VTCR_EL2_HD) && (p->leaf->attrs & S2_DESC_DBM))
		p->leaf->attrs |= S2_DESC_S2AP_W;
	check_desc(c, ctx, p->leaf, p->desc, p->level);
}

/*
 * L2 as the context has it, in the code at @offset. With stage 1 off its memory is cacheable all
 * the same: no cache maintenance between L1 and L2.
 */
static void set_l2(struct cpu *c, struct context *ctx, u64 offset, u64 hcr)
{
	struct l2_vcpu *l2 = &c->l2;

	l2->s2 = &ctx->s2;
	l2->vbar = ctx->s1 ? S1_CODE * c->page : CODE_IPA;
	l2->pc = l2->vbar + offset;
	l2->pstate = L2_PSTATE;
	l2->hcr = L2_HCR_DEFAULT | (ctx->s1 ? 0 : HCR_EL2_DC) | hcr;
	l2->sctlr = INIT_SCTLR_EL1_MMU_OFF;
	if (ctx->s1)
		l2->sctlr |= SCTLR_ELx_M | SCTLR_ELx_C | SCTLR_ELx_I;
	l2->tcr = c->tcr;
	l2->mair = MAIR_ATTRIDX(MAIR_ATTR_NORMAL, 0);
	l2->ttbr0 = ctx->ttbr0;
}

static void check_s1_fault(struct cpu *c, u64 va, bool write)
{
	u64 esr = ESR_ELx_EC_DABT_CUR << ESR_ELx_EC_SHIFT | ESR_ELx_IL | ESR_ELx_FSC_FAULT_L(3) |
		  (write ? ESR_ELx_WNR : 0);

	/* Synchronous, current EL with SP_EL1. */
	EXPECT(c, l2_exit_is_hvc(&c->l2.exit, L2_HVC_VECTOR + 4),
	       "no exception in L2, ESR 0x%lx HPFAR 0x%lx", c->l2.exit.esr, c->l2.exit.hpfar);
	EXPECT(c, c->l2.esr_el1 == esr && c->l2.far_el1 == va,
	       "ESR_EL1 0x%lx, expected 0x%lx; FAR_EL1 0x%lx, expected 0x%lx", c->l2.esr_el1, esr,
	       c->l2.far_el1, va);
}

static void check_fault(struct cpu *c, struct path *p, bool write)
{
	u64 va = p->va + page_offset(p->page), ipa = p->ipa + page_offset(p->page);
	struct l2_abort abort;

	EXPECT(c, l2_decode_abort(&c->l2.exit, &abort), "no abort, ESR 0x%lx, expected FSC 0x%x",
	       c->l2.exit.esr, p->fsc);
	EXPECT(c, abort.fsc == p->fsc && abort.write == write && !abort.s1ptw && !abort.insn,
	       "%s at 0x%lx: ESR 0x%lx, expected FSC 0x%x", write ? "store" : "load", va,
	       c->l2.exit.esr, p->fsc);
	EXPECT(c, abort.va == va, "FAR 0x%lx, expected 0x%lx", abort.va, va);
	/* Permission faults leave HPFAR_EL2 UNKNOWN. */
	if ((p->fsc & ESR_ELx_FSC_TYPE) != ESR_ELx_FSC_PERM)
		EXPECT(c, abort.ipa == ipa, "HPFAR 0x%lx, expected that of 0x%lx",
		       c->l2.exit.hpfar, ipa);
}

/* L2 is back from an access. */
static void check_access(struct cpu *c, struct context *ctx, struct path *p, bool write)
{
	if (!p->s1_ok) {
		check_s1_fault(c, p->va + page_offset(p->page), write);
		return;
	}
	if (!p->ok) {
		check_fault(c, p, write);
	} else {
		EXPECT(c, l2_exit_is_hvc(&c->l2.exit, L2_HVC_DONE),
		       "%s of page %u at 0x%lx: ESR 0x%lx HPFAR 0x%lx", write ? "store" : "load",
		       p->page, p->va, c->l2.exit.esr, c->l2.exit.hpfar);
		if (write)
			c->value[p->page] = c->l2.regs[2];
		else
			check_value(c, p->page, c->l2.regs[1], "L2 reads");
	}
	check_update(c, ctx, p, true, write);
}

static void op_access(struct cpu *c)
{
	struct context *ctx = any_ctx(c);
	bool write = rnd(&c->rng, 3) == 0;
	struct path p = any_path(c, ctx, write);

	set_l2(c, ctx, l2_stub_offset(write ? L2_STUB_STORE : L2_STUB_LOAD), 0);
	c->l2.regs[0] = p.va + page_offset(p.page);
	c->l2.regs[2] = VALUE(p.page, ++c->generation);
	l2_enter(&c->l2);
	check_access(c, ctx, &p, write);
}

/* With HCR_EL2.TTLB, L2's TLBI is for L1 to do. */
static void check_tlbi_trap(struct cpu *c, struct context *ctx)
{
	u64 esr = c->l2.exit.esr, mask = ESR_ELx_SYS64_ISS_OP0_MASK | ESR_ELx_SYS64_ISS_OP1_MASK |
					 ESR_ELx_SYS64_ISS_CRN_MASK | ESR_ELx_SYS64_ISS_DIR_MASK;

	EXPECT(c, c->l2.exit.vector == VECTOR_SYNC_LOWER_64 &&
	       ESR_ELx_EC(esr) == ESR_ELx_EC_SYS64 &&
	       (esr & mask) == ESR_ELx_SYS64_ISS_SYS_VAL(1, 0, 0, 8, 0),
	       "TLBI is not trapped, ESR 0x%lx", esr);
	s2_tlbi(&ctx->s2, OP_TLBI_VMALLE1IS, 0);
	c->l2.pc += 4;
	l2_enter(&c->l2);
}

/* L2 gives one of its pages another address, by itself, and reads there; before it, if it can. */
static void op_remap(struct cpu *c)
{
	struct context *ctx = any_ctx(c);
	unsigned int i = rnd(&c->rng, NR_WINDOWS), tlbi = rnd(&c->rng, REMAP_NR);
	u64 asid = S1_ASID(ctx - c->ctx), index = S1_WINDOW + i;
	bool trap = rnd(&c->rng, 4) == 0;
	struct path before = window_path(c, ctx, i, false), p;
	struct window *w = &ctx->window[i];

	if (!ctx->s1)
		return;

	*w = (struct window) {
		.valid = rnd(&c->rng, 4), .region = rnd(&c->rng, NR_REGIONS),
		.n = rnd(&c->rng, HOT),
	};
	p = window_path(c, ctx, i, false);
	set_l2(c, ctx, stress_code_offset(stress_code + tlbi * REMAP_SIZE),
	       trap ? HCR_EL2_TTLB : 0);
	c->l2.regs[0] = p.va + page_offset(p.page);
	c->l2.regs[4] = S1_TABLE * c->page + index * sizeof(u64);
	c->l2.regs[5] = w->valid ? p.ipa | S1_LEAF | S1_NG : 0;
	c->l2.regs[6] = asid << 48 | (index * c->page) >> 12;
	c->l2.regs[7] = before.ok ? before.va + page_offset(before.page) : c->l2.vbar;
	l2_enter(&c->l2);
	if (before.ok) {
		check_value(c, before.page, c->l2.regs[3], "L2 reads first");
		check_update(c, ctx, &before, true, false);
	}
	if (trap)
		check_tlbi_trap(c, ctx);
	check_access(c, ctx, &p, false);
}

/* AT for an L2. */
static u64 at(struct cpu *c, struct context *ctx, bool both, bool write, u64 va)
{
	u64 hcr = read_sysreg(hcr_el2), par;

	set_l2(c, ctx, 0, 0);
	write_sysreg_s(c->l2.sctlr, SYS_SCTLR_EL12);
	if (read_sysreg_s(SYS_TCR_EL12) != c->l2.tcr)
		write_sysreg_s(c->l2.tcr, SYS_TCR_EL12);
	write_sysreg_s(c->l2.mair, SYS_MAIR_EL12);
	write_sysreg_s(c->l2.ttbr0, SYS_TTBR0_EL12);
	write_sysreg(ctx->s2.vtcr, vtcr_el2);
	write_sysreg(ctx->s2.vttbr, vttbr_el2);
	write_sysreg(c->l2.hcr, hcr_el2);
	isb();
	if (!both)
		write_sysreg_s(va, OP_AT_S1E1R);
	else if (write)
		write_sysreg_s(va, OP_AT_S12E1W);
	else
		write_sysreg_s(va, OP_AT_S12E1R);
	isb();
	par = read_sysreg(par_el1);
	write_sysreg(hcr, hcr_el2);
	isb();
	return par;
}

static void op_at(struct cpu *c)
{
	struct context *ctx = any_ctx(c);
	bool both = rnd(&c->rng, 4), write = rnd(&c->rng, 2), ok;
	struct path p = any_path(c, ctx, write);
	u64 va = p.va + SZ_1K, pa, par;
	u8 fsc = p.s1_ok ? p.fsc : ESR_ELx_FSC_FAULT_L(3);
	u64 s = p.s1_ok ? SYS_PAR_EL1_S : 0;

	ok = both ? p.ok : p.s1_ok;
	pa = both ? page_gpa(c, p.page) : p.ipa;
	par = at(c, ctx, both, write, va);
	EXPECT(c, !(par & SYS_PAR_EL1_F) == ok, "AT of 0x%lx: PAR 0x%lx, expected FSC 0x%x", va,
	       par, fsc);
	if (ok)
		EXPECT(c, !((par ^ pa) & GENMASK(47, 12) & ~(c->page - 1)),
		       "AT of 0x%lx: PAR 0x%lx, expected PA 0x%lx", va, par, pa);
	else
		EXPECT(c, FIELD_GET(SYS_PAR_EL1_FST, par) == fsc && (par & SYS_PAR_EL1_S) == s,
		       "AT of 0x%lx: PAR 0x%lx, expected FSC 0x%x", va, par, fsc);
	check_update(c, ctx, &p, false, write);
}

/* Without a reason. */
static void op_tlbi(struct cpu *c)
{
	struct context *ctx = any_ctx(c);
	struct region *r = any_region(c, ctx);

	switch (rnd(&c->rng, 4)) {
	case 0:
		s2_tlbi(NULL, OP_TLBI_VMALLE1IS, 0);
		break;
	case 1:
		s2_tlbi(&ctx->s2, OP_TLBI_VAAE1IS, r->ipa >> 12);
		break;
	case 2:
		s2_tlbi(&ctx->s2, OP_TLBI_ASIDE1IS, 0);
		break;
	default:
		tlbi(c, ctx, r->ipa, 2, true);
	}
}

/* The new VMID may be one of long ago, but not one that another context of this vCPU has. */
static void change_vmid(struct cpu *c, struct context *ctx)
{
	c->vmid = (c->vmid + 1) % 32;
	ctx->s2.vttbr = s2_vttbr(&ctx->s2.geo, ctx->s2.root,
				 1 + c->id * 32 + c->vmid / NR_CTX * NR_CTX % 30 +
				 (ctx - c->ctx));
}

/* Another VMID, input size or kind of hardware update, or stage 1 on or off. */
static void op_context(struct cpu *c)
{
	static const u64 update[] = { 0, VTCR_EL2_HA, VTCR_EL2_HA | VTCR_EL2_HD };
	struct context *ctx = any_ctx(c);

	s2_tlbi_vmalls12e1is(&ctx->s2);
	check_ctx(c, ctx);
	switch (rnd(&c->rng, 4)) {
	case 0:
		ctx->s2.vtcr ^= FIELD_PREP(VTCR_EL2_T0SZ, 1);
		break;
	case 1:
		ctx->s2.vtcr &= ~(VTCR_EL2_HA | VTCR_EL2_HD);
		ctx->s2.vtcr |= update[rnd(&c->rng, min_t(u8, c->hafdbs, 2) + 1)];
		break;
	case 2:
		ctx->s1 = !ctx->s1 && c->s1;
		break;
	default:
		change_vmid(c, ctx);
	}
	s2_tlbi_vmalls12e1is(&ctx->s2);
}

static void op_l1(struct cpu *c)
{
	unsigned int page = rnd(&c->rng, NR_BLOCKS * HOT);
	u64 *word = page_word(c, page);

	check_value(c, page, READ_ONCE(*word), "L1 reads");
	c->value[page] = VALUE(page, ++c->generation);
	WRITE_ONCE(*word, c->value[page]);
	check(c, page, &c->vncr_value[page], READ_ONCE(*vncr_word(c, page)), "L1 reads VNCR");
}

/* L1's own TLBI, for its EL2&0 regime. */
static void vncr_tlbi(struct cpu *c, u64 va)
{
	u64 operand = FIELD_GET(GENMASK(55, 12), va);

	dsb(ishst);
	switch (rnd(&c->rng, 8)) {
	case 0:
		write_sysreg_s(0, OP_TLBI_ALLE2IS);
		break;
	case 1:
		write_sysreg_s(0, OP_TLBI_VMALLE1IS);
		break;
	case 2:
		write_sysreg_s(operand, OP_TLBI_VALE2IS);
		break;
	case 3:
		write_sysreg_s(operand, OP_TLBI_VAAE1IS);
		break;
	case 4:
		write_sysreg_s(operand, OP_TLBI_VAE2);
		break;
	case 5:
		write_sysreg_s(0, OP_TLBI_VMALLE1);
		break;
	default:
		write_sysreg_s(operand, OP_TLBI_VAE2IS);
	}
	dsb(ish);
	isb();
}

/* A page for VNCR_EL2 is gone, or another one. */
static void op_vncr_map(struct cpu *c)
{
	unsigned int i = rnd(&c->rng, NR_VNCR);
	struct vncr *v = &c->vncr[i];

	if (!c->nv2)
		return;

	if (v->valid) {
		WRITE_ONCE(c->vncr_table[i], 0);
		vncr_tlbi(c, VNCR_VA + i * SZ_4K);
	}
	*v = (struct vncr) {
		.valid = rnd(&c->rng, 4), .target = rnd(&c->rng, NR_BLOCKS * HOT),
		.attrs = (rnd(&c->rng, 4) ? PTE_AF : 0) | (rnd(&c->rng, 4) ? 0 : VNCR_RO),
	};
	if (v->valid)
		WRITE_ONCE(c->vncr_table[i], page_gpa(c, v->target) | VNCR_LEAF | v->attrs);
	dsb(ishst);
	isb();
}

/* ESR_EL2 of an access through VNCR_EL2 that faults. EA is IMPLEMENTATION DEFINED. */
static u64 vncr_esr(bool write, u8 fsc)
{
	return ESR_ELx_EC_DABT_CUR << ESR_ELx_EC_SHIFT | ESR_ELx_IL | ESR_ELx_VNCR |
	       (write ? ESR_ELx_WNR : 0) | fsc;
}

/*
 * L2's code that accesses VTTBR_EL2. As L2's access of memory that userspace has to make possible
 * first cannot be emulated here, it is an External abort, until it works.
 */
static void enter_vncr(struct cpu *c, struct context *ctx, bool write, u64 value)
{
	const char *code = write ? stress_vncr_write : stress_vncr_read;

	do {
		set_l2(c, ctx, stress_code_offset(code), HCR_EL2_NV | HCR_EL2_NV2);
		c->l2.regs[2] = value;
		l2_enter(&c->l2);
	} while (c->holes && c->l2.exit.vector == VECTOR_SYNC_LOWER_64 &&
		 (c->l2.exit.esr & ~ESR_ELx_EA) == vncr_esr(write, ESR_ELx_FSC_EXTABT));
}

/* L2 takes itself for a hypervisor. */
static void op_vncr(struct cpu *c)
{
	unsigned int i = rnd(&c->rng, NR_VNCR);
	struct vncr *v = &c->vncr[i];
	bool write = rnd(&c->rng, 2);
	u64 va = VNCR_VA + i * SZ_4K, value = VALUE(v->target, ++c->generation);
	u8 fsc = !v->valid ? ESR_ELx_FSC_FAULT_L(3) :
		 !(v->attrs & PTE_AF) ? ESR_ELx_FSC_ACCESS_L(3) :
		 write && (v->attrs & VNCR_RO) ? ESR_ELx_FSC_PERM_L(3) : 0;
	struct l2_exit *exit = &c->l2.exit;

	if (!c->nv2)
		return;

	write_sysreg_s(va, SYS_VNCR_EL2);
	isb();
	enter_vncr(c, any_ctx(c), write, value);
	if (fsc) {
		EXPECT(c, exit->vector == VECTOR_SYNC_LOWER_64 &&
		       (exit->esr & ~ESR_ELx_EA) == vncr_esr(write, fsc) &&
		       exit->far == va + VNCR_OFFSET,
		       "VNCR: ESR 0x%lx FAR 0x%lx, expected FSC 0x%x", exit->esr, exit->far, fsc);
		return;
	}
	EXPECT(c, l2_exit_is_hvc(exit, L2_HVC_DONE), "VNCR: ESR 0x%lx FAR 0x%lx", exit->esr,
	       exit->far);
	if (write) {
		c->vncr_value[v->target] = value;
		c->l2.regs[1] = READ_ONCE(*vncr_word(c, v->target));
	}
	check(c, v->target, &c->vncr_value[v->target], c->l2.regs[1],
	      write ? "L1 reads VNCR" : "L2 reads VNCR");
}

/* Stage 1 of L2: its code, its last table, and the windows, which have nothing yet. */
static void l1_init_s1(struct cpu *c, struct context *ctx)
{
	unsigned int shift = ctx->s2.geo.page_shift;
	u64 *root = nested_alloc(&c->arena, 2 * c->page, c->page);
	u64 table = S1_IPA + (shift == 12 ? c->page : 0);

	ctx->s1_table = (void *)root + (table - S1_IPA);
	ctx->s1_table[S1_CODE] = CODE_IPA | S1_LEAF;
	ctx->s1_table[S1_TABLE] = table | S1_LEAF;
	if (shift == 12)
		root[0] = table | PTE_VALID | S2_DESC_TABLE;
	ctx->ttbr0 = S1_IPA | S1_ASID(ctx - c->ctx) << 48;
	c->tcr = TCR_T0SZ((u64)S1_IA_BITS) | TCR_IRGN0_WBWA | TCR_ORGN0_WBWA | TCR_SH0_INNER |
		 TCR_EPD1_MASK | TCR_IPS_48_BITS |
		 (shift == 12 ? TCR_TG0_4K : shift == 14 ? TCR_TG0_16K : TCR_TG0_64K);
	s2_map(&ctx->s2, S1_IPA, nested_pa(&c->arena, root), 2 * c->page, 3, S2_ATTR_DEFAULT);
}

static void l1_init_ctx(struct cpu *c, unsigned int n)
{
	struct s2_geometry geo = s2_default_geometry();
	struct context *ctx = &c->ctx[n];
	struct region *r;
	unsigned int i;

	s2_init(&ctx->s2, &c->arena, &geo, 1 + c->id * 32 + n);
	s2_map(&ctx->s2, CODE_IPA, CODE_GPA, c->page, 3, S2_ATTR_DEFAULT);
	for (i = 0; i < NR_REGIONS; i++) {
		r = &ctx->region[i];
		r->ipa = REGION_IPA + i * BIT(s2_level_shift(&geo, 2));
		r->table = s2_desc(&ctx->s2, r->ipa, 3);
		r->desc = s2_desc(&ctx->s2, r->ipa, 2);
		r->table_desc = *r->desc;
		r->state = REGION_TABLE;
	}
	l1_init_s1(c, ctx);
	/* Some of each from the start. */
	ctx->s1 = c->s1 && n;
	if (n == 1 && c->hafdbs)
		ctx->s2.vtcr |= VTCR_EL2_HA;
	if (n == 2 && c->hafdbs >= ID_AA64MMFR1_EL1_HAFDBS_DBM)
		ctx->s2.vtcr |= VTCR_EL2_HA | VTCR_EL2_HD;
	s2_tlbi_vmalls12e1is(&ctx->s2);
}

/* Tables for VNCR_EL2, without a page yet. All vCPUs have theirs at the same VAs. */
static void l1_init_vncr(struct cpu *c)
{
	u64 tcr = read_sysreg_s(SYS_TCR_EL1) & ~TCR_1_MASK;
	u64 *table = nested_alloc(&c->arena, 4 * SZ_4K, SZ_4K);
	gpa_t gpa = nested_pa(&c->arena, table);
	unsigned int level;

	for (level = 0; level < 3; level++, table += 512)
		table[(VNCR_VA >> (39 - 9 * level)) & 511] =
			(gpa + (level + 1) * SZ_4K) | PTE_VALID | S2_DESC_TABLE;
	c->vncr_table = table + ((VNCR_VA >> 12) & 511);
	dsb(ish);
	write_sysreg_s(gpa, SYS_TTBR1_EL1);
	write_sysreg_s(tcr | TCR_1, SYS_TCR_EL1);
	isb();
	write_sysreg_s(0, OP_TLBI_VMALLE1);
	dsb(nsh);
	isb();
}

/* What the VM has, of what a part of the mix needs. */
static void l1_init_features(struct cpu *c)
{
	u64 tlb = SYS_FIELD_GET(ID_AA64ISAR0_EL1, TLB, read_sysreg_s(SYS_ID_AA64ISAR0_EL1));
	u64 mmfr0 = nested_mmfr0(), mmfr2 = read_sysreg_s(SYS_ID_AA64MMFR2_EL1);
	u64 mmfr4 = read_sysreg_s(SYS_ID_AA64MMFR4_EL1);
	bool tgran4 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4, mmfr0) !=
		      ID_AA64MMFR0_EL1_TGRAN4_NI;

	c->os = tlb >= ID_AA64ISAR0_EL1_TLB_OS;
	c->range = tlb >= ID_AA64ISAR0_EL1_TLB_RANGE;
	c->hafdbs = SYS_FIELD_GET(ID_AA64MMFR1_EL1, HAFDBS, read_sysreg_s(SYS_ID_AA64MMFR1_EL1));
	c->nv2 = tgran4 &&
		 (SYS_FIELD_GET(ID_AA64MMFR2_EL1, NV, mmfr2) >= ID_AA64MMFR2_EL1_NV_NV2 ||
		  SYS_FIELD_GET(ID_AA64MMFR4_EL1, NV_frac, mmfr4));
	switch (s2_default_geometry().page_shift) {
	case 12:
		c->s1 = tgran4;
		break;
	case 14:
		c->s1 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN16, mmfr0) !=
			ID_AA64MMFR0_EL1_TGRAN16_NI;
		break;
	default:
		c->s1 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN64, mmfr0) !=
			ID_AA64MMFR0_EL1_TGRAN64_NI;
	}
}

static void l1_init(struct cpu *c)
{
	unsigned int i;

	l1_init_features(c);
	for (i = 0; i < NR_CTX; i++)
		l1_init_ctx(c, i);
	if (c->nv2)
		l1_init_vncr(c);
	for (i = 0; i < NR_BLOCKS * HOT; i++) {
		c->value[i] = VALUE(i, 0);
		WRITE_ONCE(*page_word(c, i), c->value[i]);
		c->vncr_value[i] = VALUE(i, 1UL << 31);
		WRITE_ONCE(*vncr_word(c, i), c->vncr_value[i]);
	}
	l2_init(&c->l2, &c->ctx[0].s2, CODE_IPA);
}

static void l1_main(struct cpu *c)
{
	static void (* const ops[])(struct cpu *c) = {
		op_page, op_page, op_page, op_region, op_access, op_access, op_access, op_access,
		op_access, op_access, op_access, op_access, op_at, op_at, op_l1, op_l1, op_tlbi,
		op_context, op_remap, op_remap, op_vncr, op_vncr, op_vncr_map,
	};

	l1_init(c);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED) &&
	       (!c->max_ops || c->ops < c->max_ops)) {
		c->ops++;
		ops[rnd(&c->rng, ARRAY_SIZE(ops))](c);
	}
	GUEST_DONE();
}

/* Host */

enum interference {
	INTERFERE_MEM	= BIT(0),	/* madvise(), mprotect() of the data */
	INTERFERE_LOG	= BIT(1),	/* dirty log on, off, collected */
	INTERFERE_CPU	= BIT(2),	/* migration, signals */
	INTERFERE_SLOT	= BIT(3),	/* memslot deleted or moved, and back */
	INTERFERE_ALL	= GENMASK(3, 0),
};

struct row {
	const char *desc;
	unsigned int vcpus;
	unsigned int part;		/* of the time, in thirds */
	unsigned int interference;
};

static const struct row rows[] = {
	{ "one vCPU", 1, 1 },
	{ "four vCPUs", NR_VCPUS, 1 },
	{ "four vCPUs, host changes memory", NR_VCPUS, 1, INTERFERE_MEM },
	{ "four vCPUs, host logs, moves and signals", NR_VCPUS, 1, INTERFERE_LOG | INTERFERE_CPU },
	{ "four vCPUs, host deletes and moves the memslot", NR_VCPUS, 1, INTERFERE_SLOT },
	{ "four vCPUs, all of it", NR_VCPUS, 3, INTERFERE_ALL },
};

static struct test {
	const struct row *row;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu[NR_VCPUS];
	pthread_t thread[NR_VCPUS];
	unsigned int vcpus;
	void *data;		/* changes with both locks held */
	void *other;		/* takes turns with @data */
	u64 page;
	u64 block;
	u64 seed;
	unsigned long *log;
	u32 flags;		/* of the memslot, by @slot_lock */
	pthread_mutex_t slot_lock;
	pthread_mutex_t protect_lock;
	bool done;
	bool failed;
} t = {
	.slot_lock = PTHREAD_MUTEX_INITIALIZER, .protect_lock = PTHREAD_MUTEX_INITIALIZER,
};

static u64 data_size(void)
{
	return t.vcpus * NR_BLOCKS * t.block;
}

static void set_stop(void)
{
	__atomic_store_n((u64 *)addr_gva2hva(t.vm, (gva_t)&stop), 1, __ATOMIC_RELAXED);
}

static bool get_flag(bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_RELAXED);
}

static void set_flag(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELAXED);
}

/* There is no memslot for this access of the vCPU's data: the memory is that of before. */
static bool stand_in(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 offset = run->mmio.phys_addr - DATA_GPA;

	if (run->exit_reason != KVM_EXIT_MMIO || run->mmio.len != sizeof(u64) ||
	    offset / (NR_BLOCKS * t.block) != vcpu->id)
		return false;

	pthread_mutex_lock(&t.protect_lock);
	if (run->mmio.is_write)
		memcpy(t.data + offset, run->mmio.data, sizeof(u64));
	else
		memcpy(run->mmio.data, t.data + offset, sizeof(u64));
	pthread_mutex_unlock(&t.protect_lock);
	return true;
}

static void *vcpu_thread(void *arg)
{
	struct kvm_vcpu *vcpu = t.vcpu[(unsigned long)arg];
	bool may_stand_in = t.row->interference & INTERFERE_SLOT, failed = true;
	struct ucall uc;

	for (;;) {
		if (!_vcpu_run(vcpu)) {
			failed = get_ucall(vcpu, &uc) != UCALL_DONE;
			if (!failed)
				break;
			if (uc.cmd == UCALL_NONE && may_stand_in && stand_in(vcpu))
				continue;
			if (uc.cmd == UCALL_ABORT)
				ksft_print_msg("%s\n", uc.buffer);
			else
				ksft_print_msg("vCPU %u: unexpected exit %s, ucall %lu\n", vcpu->id,
					       exit_reason_str(vcpu->run->exit_reason), uc.cmd);
			break;
		}
		/* Memory that is protected at the moment. */
		if (errno != EFAULT) {
			ksft_perror("KVM_RUN");
			break;
		}
		sched_yield();
	}
	if (failed) {
		set_flag(&t.failed);
		set_stop();
	}
	return NULL;
}

static void protect(void *addr, size_t size, int prot)
{
	pthread_mutex_lock(&t.protect_lock);
	mprotect(addr, size, prot);
	sched_yield();
	mprotect(addr, size, PROT_READ | PROT_WRITE);
	pthread_mutex_unlock(&t.protect_lock);
}

/* One change to the memory of one page or block. What is not scratch keeps its contents. */
static void interfere_mem(u64 *rng)
{
	void *data = __atomic_load_n(&t.data, __ATOMIC_RELAXED);
	void *block = data + rnd(rng, t.vcpus * NR_BLOCKS) * t.block;
	void *page = block + rnd(rng, HOT) * t.page;
	void *scratch = block + (FIRST_SCRATCH + rnd(rng, HOT - FIRST_SCRATCH)) * t.page;

	switch (rnd(rng, 5)) {
	case 0:
	case 1:
		madvise(scratch, t.page, MADV_DONTNEED);
		break;
	case 2:
		protect(page, t.page, rnd(rng, 2) ? PROT_READ : PROT_NONE);
		break;
	case 3:
		/* One mapping again, so that the next can work. */
		mprotect(block, t.block, PROT_READ | PROT_WRITE);
		madvise(block, t.block, MADV_COLLAPSE);
		break;
	default:
		protect(block, t.block, PROT_READ);
	}
}

static void set_slot(gpa_t gpa, size_t size)
{
	vm_set_user_memory_region(t.vm, DATA_SLOT, t.flags, gpa, size, t.data);
}

static void interfere_log(u64 *rng)
{
	pthread_mutex_lock(&t.slot_lock);
	if (!t.flags || !rnd(rng, 4)) {
		t.flags ^= KVM_MEM_LOG_DIRTY_PAGES;
		set_slot(DATA_GPA, data_size());
	}
	if (t.flags)
		kvm_vm_get_dirty_log(t.vm, DATA_SLOT, t.log);
	pthread_mutex_unlock(&t.slot_lock);
}

/* While there is no slot, its contents move to other memory. */
static void move_data(void)
{
	void *from = t.data, *to = t.other;
	u64 offset;

	pthread_mutex_lock(&t.protect_lock);
	for (offset = 0; offset < data_size(); offset += t.block) {
		memcpy(to + offset, from + offset, HOT * t.page);
		memset(from + offset, 0x5a, HOT * t.page);
	}
	t.other = from;
	__atomic_store_n(&t.data, to, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&t.protect_lock);
}

/* While it is away, stand_in() is there. */
static void interfere_slot(u64 *rng)
{
	pthread_mutex_lock(&t.slot_lock);
	if (rnd(rng, 2)) {
		set_slot(MOVED_GPA, data_size());
		usleep(rnd(rng, 300));
	} else {
		set_slot(DATA_GPA, 0);
		move_data();
	}
	set_slot(DATA_GPA, data_size());
	pthread_mutex_unlock(&t.slot_lock);
}

static void interfere_cpu(u64 *rng)
{
	pthread_t thread = t.thread[rnd(rng, t.vcpus)];
	unsigned int cpu, nr = sysconf(_SC_NPROCESSORS_CONF);
	cpu_set_t set;

	if (rnd(rng, 2)) {
		pthread_kill(thread, SIGUSR1);
		return;
	}
	CPU_ZERO(&set);
	/* One that is not there, or not for us, is no error. */
	cpu = rnd(rng, nr);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(thread, sizeof(set), &set);
}

static void *interference_thread(void *arg)
{
	unsigned int what = (unsigned long)arg;
	u64 rng = t.seed ^ (what << 8);

	while (!get_flag(&t.done)) {
		if (what == INTERFERE_MEM)
			interfere_mem(&rng);
		else if (what == INTERFERE_LOG)
			interfere_log(&rng);
		else if (what == INTERFERE_SLOT)
			interfere_slot(&rng);
		else
			interfere_cpu(&rng);
		usleep(100 + rnd(&rng, 2000));
	}
	return NULL;
}

static void ignore_signal(int sig)
{
}

static unsigned int seconds(void)
{
	const char *env = getenv("NESTED_SECONDS");

	return env ? atoi_positive("NESTED_SECONDS", env) : 2;
}

static void create_vm(const struct row *row)
{
	struct s2_geometry geo;
	struct nested_mem code = { .gva = CODE_GVA, .gpa = CODE_GPA };
	void *mem;

	t.row = row;
	t.vcpus = row->vcpus;
	t.vm = nested_vm_create(t.vcpus, l1_main, t.vcpu);
	geo = s2_default_geometry();
	t.page = max_t(u64, BIT(geo.page_shift), getpagesize());
	t.block = BIT(s2_level_shift(&geo, 2));
	if (t.block > MAX_BLOCK)
		t.block = 16 * t.page;

	mem = kvm_mmap(2 * data_size() + t.block, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1);
	t.data = (void *)(((unsigned long)mem + t.block - 1) & ~(t.block - 1));
	t.other = t.data + data_size();
	/* It is for MADV_COLLAPSE, and may fail. */
	madvise(t.data, 2 * data_size(), MADV_HUGEPAGE);
	t.log = calloc(1, data_size() / getpagesize() / 8 + sizeof(*t.log));
	set_slot(DATA_GPA, data_size());
	virt_map(t.vm, DATA_GVA, DATA_GPA, data_size() / t.vm->page_size);

	code.size = SZ_64K;
	nested_mem_create(t.vm, &code, CODE_SLOT, 0);
	memcpy(code.va, nested_l2_stubs, nested_l2_stubs_end - nested_l2_stubs);
	memcpy(code.va + stress_code_offset(stress_code), stress_code,
	       stress_code_end - stress_code);
}

static void init_cpu(unsigned int n)
{
	struct cpu *c = addr_gva2hva(t.vm, (gva_t)&cpus[n]);
	u64 size = ARENA_PAGES * t.page;
	struct nested_mem arena = {
		.gva = ARENA_GVA + n * size, .gpa = ARENA_GPA + n * size, .size = size,
	};

	nested_mem_create(t.vm, &arena, ARENA_SLOT + n, 0);
	nested_mem_sync(t.vm, &arena, (gva_t)&cpus[n].arena);
	c->id = n;
	c->seed = t.seed;
	c->rng = t.seed ^ (0x9e3779b97f4a7c15UL * (n + 1));
	c->page = t.page;
	c->block = t.block;
	c->blocks = t.block != 16 * t.page;
	c->holes = t.row->interference & (INTERFERE_MEM | INTERFERE_SLOT);
	vcpu_args_set(t.vcpu[n], 1, &cpus[n]);
}

static void run_threads(const struct row *row)
{
	pthread_t interference[4];
	unsigned long i;

	signal(SIGUSR1, ignore_signal);
	for (i = 0; i < t.vcpus; i++)
		TEST_ASSERT(!pthread_create(&t.thread[i], NULL, vcpu_thread, (void *)i),
			    "pthread_create()");
	for (i = 0; i < ARRAY_SIZE(interference); i++)
		if (row->interference & BIT(i))
			TEST_ASSERT(!pthread_create(&interference[i], NULL, interference_thread,
						    (void *)BIT(i)), "pthread_create()");

	for (i = 0; i < seconds() * row->part * 100 / 3 && !get_flag(&t.failed); i++)
		usleep(10000);
	set_flag(&t.done);
	for (i = 0; i < ARRAY_SIZE(interference); i++)
		if (row->interference & BIT(i))
			pthread_join(interference[i], NULL);
	set_stop();
	for (i = 0; i < t.vcpus; i++)
		pthread_join(t.thread[i], NULL);
}

static int run_row(unsigned int n, const char **reason)
{
	const struct row *row = &rows[n];
	struct cpu *c;
	unsigned int i;

	t.seed = nested_seed() ?: 1;
	create_vm(row);
	for (i = 0; i < t.vcpus; i++)
		init_cpu(i);
	run_threads(row);
	for (i = 0; i < t.vcpus; i++) {
		c = addr_gva2hva(t.vm, (gva_t)&cpus[i]);
		ksft_print_msg("vCPU %u: %lu operations%s%s%s\n", i, c->ops,
			       c->hafdbs >= ID_AA64MMFR1_EL1_HAFDBS_DBM ? "" :
			       ", no hardware update of the dirty state",
			       c->s1 ? "" : ", no stage 1 of L2", c->nv2 ? "" : ", no VNCR_EL2");
	}

	return get_flag(&t.failed) ? NESTED_FAIL : NESTED_PASS;
}

int main(int argc, char *argv[])
{
	struct nested_suite suite = {
		.name = "nested_stress",
		.rows = rows, .nr_rows = ARRAY_SIZE(rows), .row_size = sizeof(rows[0]),
		.run = run_row, .timeout_s = 30 + 10 * seconds(),
	};

	return nested_main(argc, argv, &suite);
}
