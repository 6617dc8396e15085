// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_stress - a random mix of what L1 does to its L2s, while the host interferes
 *
 * Each vCPU has an L1 with several contexts ({VTTBR_EL2, VTCR_EL2}), together more than there are
 * shadow MMUs. It maps, unmaps and changes pages and blocks, with break-before-make and one of the
 * TLB maintenance sequences that the architecture accepts for that; it enters L2 for a load or a
 * store, asks AT, changes VMIDs and input sizes. The state of all tables and of all data is known
 * (struct cpu): L2 has to read what was last written to the canonical page behind its address, or
 * to get the fault that the tables say, at the right level. Meanwhile host threads drop,
 * protect, collapse and log the memory, move the vCPUs' threads and send them signals.
 *
 * Option -s is the seed: what a vCPU does follows from it alone, what the host threads do as well,
 * but not how they interleave. NESTED_SECONDS in the environment is the time for the last row, the
 * others have a third of it. A failure names seed, vCPU and operation.
 *
 * Seen to fail: with kvm_nested_mmu_unmap() doing nothing (all rows); with kvm_nested_s2_unmap()
 * doing nothing (where the host changes memory); with recycled shadow MMUs not scrubbed (four
 * vCPUs).
 *
 * Locking: L1's state belongs to one vCPU each. The host threads only do what may be done at any
 * time.
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

/* Nested IPAs: far from all GPAs, the same ones in all contexts, for different pages. */
#define CODE_IPA	BIT(37)
#define REGION_IPA	BIT(36)

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
	u64 attrs;		/* AF, S2AP */
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

struct context {
	struct s2_mmu s2;
	struct region region[NR_REGIONS];
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
	u8 vmid;
	u64 generation;
	u64 value[NR_BLOCKS * HOT];
	struct nested_mem arena;
	struct context ctx[NR_CTX];
	struct l2_vcpu l2;
};

static struct cpu cpus[NR_VCPUS];
static u64 stop;

#define EXPECT(c, cond, fmt, args...)						\
	__GUEST_ASSERT(cond, "seed 0x%lx vCPU %lu op %lu: " fmt, (c)->seed, (c)->id,	\
		       (c)->ops, ##args)

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

/* An offset that is different for each page. */
static u64 page_offset(unsigned int page)
{
	return 0x100 + page * sizeof(u64);
}

static u64 *page_word(const struct cpu *c, unsigned int page)
{
	return (u64 *)(DATA_GVA + page_gpa(c, page) - DATA_GPA + page_offset(page));
}

static bool is_scratch(unsigned int page)
{
	return page % HOT >= FIRST_SCRATCH;
}

/* What a read of @page gave is right. Scratch pages lose their contents at any time, for good. */
static void check_value(struct cpu *c, unsigned int page, u64 got, const char *how)
{
	if (is_scratch(page) && !got)
		c->value[page] = 0;
	EXPECT(c, got == c->value[page], "%s page %u: got 0x%lx, expected 0x%lx", how, page, got,
	       c->value[page]);
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

/* Mostly everything is allowed. */
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
	};

	return attrs[rnd(&c->rng, ARRAY_SIZE(attrs))];
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

static void op_page(struct cpu *c)
{
	struct context *ctx = any_ctx(c);
	struct region *r = any_region(c, ctx);
	unsigned int n = rnd(&c->rng, HOT);
	struct leaf *leaf = &r->page[n];
	u64 ipa = r->ipa + n * c->page;
	bool was_valid = leaf->valid, same = rnd(&c->rng, 3) == 0;

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

/* The page behind a nested IPA, or the fault that an access gets. */
static bool lookup(struct region *r, unsigned int n, bool write, unsigned int *page, u8 *fsc)
{
	int level = r->state == REGION_TABLE ? 3 : 2;
	struct leaf *leaf = level == 3 ? &r->page[n] : &r->block;

	*fsc = ESR_ELx_FSC_FAULT_L(level);
	if (r->state == REGION_NONE || !leaf->valid)
		return false;
	*fsc = ESR_ELx_FSC_ACCESS_L(level);
	if (!(leaf->attrs & S2_DESC_AF))
		return false;
	*fsc = ESR_ELx_FSC_PERM_L(level);
	if (!(leaf->attrs & (write ? S2_DESC_S2AP_W : S2_DESC_S2AP_R)))
		return false;
	*page = level == 3 ? leaf->target : leaf->target * HOT + n;
	return true;
}

static void enter_l2(struct cpu *c, struct context *ctx, bool write, u64 va, u64 value)
{
	enum l2_stub stub = write ? L2_STUB_STORE : L2_STUB_LOAD;

	c->l2.s2 = &ctx->s2;
	c->l2.pc = CODE_IPA + l2_stub_offset(stub);
	c->l2.pstate = L2_PSTATE;
	c->l2.regs[0] = va;
	c->l2.regs[2] = value;
	l2_enter(&c->l2);
}

static void check_fault(struct cpu *c, u64 va, bool write, u8 fsc)
{
	struct l2_abort abort;

	EXPECT(c, l2_decode_abort(&c->l2.exit, &abort), "no abort, ESR 0x%lx, expected FSC 0x%x",
	       c->l2.exit.esr, fsc);
	EXPECT(c, abort.fsc == fsc && abort.write == write && !abort.s1ptw && !abort.insn,
	       "%s at 0x%lx: ESR 0x%lx, expected FSC 0x%x", write ? "store" : "load", va,
	       c->l2.exit.esr, fsc);
	EXPECT(c, abort.va == va, "FAR 0x%lx, expected 0x%lx", abort.va, va);
	/* Permission faults leave HPFAR_EL2 UNKNOWN. */
	if ((fsc & ESR_ELx_FSC_TYPE) != ESR_ELx_FSC_PERM)
		EXPECT(c, abort.ipa == va, "HPFAR 0x%lx, expected that of 0x%lx",
		       c->l2.exit.hpfar, va);
}

static void op_access(struct cpu *c)
{
	struct context *ctx = any_ctx(c);
	struct region *r = any_region(c, ctx);
	unsigned int n = rnd(&c->rng, HOT), page = 0;
	bool write = rnd(&c->rng, 3) == 0, ok;
	u64 va, value;
	u8 fsc;

	ok = lookup(r, n, write, &page, &fsc);
	va = r->ipa + n * c->page + page_offset(page);
	value = VALUE(page, ++c->generation);
	enter_l2(c, ctx, write, va, value);
	if (!ok) {
		check_fault(c, va, write, fsc);
		return;
	}
	EXPECT(c, l2_exit_is_hvc(&c->l2.exit, L2_HVC_DONE),
	       "%s of page %u at 0x%lx: ESR 0x%lx HPFAR 0x%lx", write ? "store" : "load", page,
	       va, c->l2.exit.esr, c->l2.exit.hpfar);
	if (write)
		c->value[page] = value;
	else
		check_value(c, page, c->l2.regs[1], "L2 reads");
}

/* AT for an L2 with its stage 1 off, as entered last. */
static u64 at(struct cpu *c, struct context *ctx, bool both, bool write, u64 va)
{
	u64 hcr = read_sysreg(hcr_el2), par;

	write_sysreg_s(c->l2.sctlr, SYS_SCTLR_EL12);
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
	struct region *r = any_region(c, ctx);
	unsigned int n = rnd(&c->rng, HOT), page;
	bool both = rnd(&c->rng, 4), write = rnd(&c->rng, 2);
	u64 va = r->ipa + n * c->page + SZ_1K, pa = va, par;
	bool ok = true;
	u8 fsc = 0;

	if (both) {
		ok = lookup(r, n, write, &page, &fsc);
		if (ok)
			pa = page_gpa(c, page);
	}
	par = at(c, ctx, both, write, va);
	EXPECT(c, !(par & SYS_PAR_EL1_F) == ok, "AT of 0x%lx: PAR 0x%lx, expected FSC 0x%x", va,
	       par, fsc);
	if (ok)
		EXPECT(c, !((par ^ pa) & GENMASK(47, 12) & ~(c->page - 1)),
		       "AT of 0x%lx: PAR 0x%lx, expected PA 0x%lx", va, par, pa);
	else
		EXPECT(c, FIELD_GET(SYS_PAR_EL1_FST, par) == fsc && (par & SYS_PAR_EL1_S),
		       "AT of 0x%lx: PAR 0x%lx, expected FSC 0x%x", va, par, fsc);
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

/* Another VMID, or another input size; the new VMID may be one of long ago. */
static void op_context(struct cpu *c)
{
	struct context *ctx = any_ctx(c);

	s2_tlbi_vmalls12e1is(&ctx->s2);
	if (rnd(&c->rng, 2)) {
		c->vmid = (c->vmid + 1) % 32;
		/* Not one that another context of this vCPU has. */
		ctx->s2.vttbr = s2_vttbr(&ctx->s2.geo, ctx->s2.root,
					 1 + c->id * 32 + c->vmid / NR_CTX * NR_CTX % 30 +
					 (ctx - c->ctx));
	} else {
		ctx->s2.vtcr ^= FIELD_PREP(VTCR_EL2_T0SZ, 1);
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
	s2_tlbi_vmalls12e1is(&ctx->s2);
}

static void l1_init(struct cpu *c)
{
	u64 isar0 = read_sysreg_s(SYS_ID_AA64ISAR0_EL1);
	unsigned int i, tlb = SYS_FIELD_GET(ID_AA64ISAR0_EL1, TLB, isar0);

	c->os = tlb >= ID_AA64ISAR0_EL1_TLB_OS;
	c->range = tlb >= ID_AA64ISAR0_EL1_TLB_RANGE;
	for (i = 0; i < NR_CTX; i++)
		l1_init_ctx(c, i);
	for (i = 0; i < NR_BLOCKS * HOT; i++) {
		c->value[i] = VALUE(i, 0);
		WRITE_ONCE(*page_word(c, i), c->value[i]);
	}
	/* With stage 1 off, cacheable all the same: no cache maintenance between L1 and L2. */
	l2_init(&c->l2, &c->ctx[0].s2, CODE_IPA);
	c->l2.hcr |= HCR_EL2_DC;
}

static void l1_main(struct cpu *c)
{
	static void (* const ops[])(struct cpu *c) = {
		op_page, op_page, op_page, op_region, op_access, op_access, op_access, op_access,
		op_access, op_access, op_access, op_access, op_at, op_at, op_l1, op_l1, op_tlbi,
		op_context,
	};

	l1_init(c);
	while (!READ_ONCE(stop) && (!c->max_ops || c->ops < c->max_ops)) {
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
	{ "four vCPUs, all of it", NR_VCPUS, 3, INTERFERE_MEM | INTERFERE_LOG | INTERFERE_CPU },
};

static struct test {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu[NR_VCPUS];
	pthread_t thread[NR_VCPUS];
	unsigned int vcpus;
	void *data;
	u64 page;
	u64 block;
	u64 seed;
	unsigned long *log;
	bool done;
	bool failed;
} t;

static u64 data_size(void)
{
	return t.vcpus * NR_BLOCKS * t.block;
}

static void set_stop(void)
{
	WRITE_ONCE(*(u64 *)addr_gva2hva(t.vm, (gva_t)&stop), 1);
}

static void *vcpu_thread(void *arg)
{
	struct kvm_vcpu *vcpu = t.vcpu[(unsigned long)arg];
	struct ucall uc;

	for (;;) {
		if (!_vcpu_run(vcpu)) {
			if (get_ucall(vcpu, &uc) == UCALL_DONE)
				break;
			if (uc.cmd == UCALL_ABORT)
				ksft_print_msg("%s\n", uc.buffer);
			else
				ksft_print_msg("vCPU %u: unexpected exit %s, ucall %lu\n", vcpu->id,
					       exit_reason_str(vcpu->run->exit_reason), uc.cmd);
			t.failed = true;
			break;
		}
		/* Memory that is protected at the moment. */
		if (errno != EFAULT) {
			ksft_perror("KVM_RUN");
			t.failed = true;
			break;
		}
		sched_yield();
	}
	if (t.failed)
		set_stop();
	return NULL;
}

/* One change to the memory of one page or block. What is not scratch keeps its contents. */
static void interfere_mem(u64 *rng)
{
	void *block = t.data + rnd(rng, t.vcpus * NR_BLOCKS) * t.block;
	void *page = block + rnd(rng, HOT) * t.page;
	void *scratch = block + (FIRST_SCRATCH + rnd(rng, HOT - FIRST_SCRATCH)) * t.page;

	switch (rnd(rng, 5)) {
	case 0:
	case 1:
		madvise(scratch, t.page, MADV_DONTNEED);
		break;
	case 2:
		mprotect(page, t.page, rnd(rng, 2) ? PROT_READ : PROT_NONE);
		sched_yield();
		mprotect(page, t.page, PROT_READ | PROT_WRITE);
		break;
	case 3:
		/* One mapping again, so that the next can work. */
		mprotect(block, t.block, PROT_READ | PROT_WRITE);
		madvise(block, t.block, MADV_COLLAPSE);
		break;
	default:
		mprotect(block, t.block, PROT_READ);
		mprotect(block, t.block, PROT_READ | PROT_WRITE);
	}
}

static void set_flags(u32 flags)
{
	vm_set_user_memory_region(t.vm, DATA_SLOT, flags, DATA_GPA, data_size(), t.data);
}

static void interfere_log(u64 *rng)
{
	static bool on;

	if (!on || !rnd(rng, 4)) {
		on = !on;
		set_flags(on ? KVM_MEM_LOG_DIRTY_PAGES : 0);
	}
	if (on)
		kvm_vm_get_dirty_log(t.vm, DATA_SLOT, t.log);
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

	while (!READ_ONCE(t.done)) {
		if (what == INTERFERE_MEM)
			interfere_mem(&rng);
		else if (what == INTERFERE_LOG)
			interfere_log(&rng);
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

	t.vcpus = row->vcpus;
	t.vm = nested_vm_create(t.vcpus, l1_main, t.vcpu);
	geo = s2_default_geometry();
	t.page = max_t(u64, BIT(geo.page_shift), getpagesize());
	t.block = BIT(s2_level_shift(&geo, 2));
	if (t.block > MAX_BLOCK)
		t.block = 16 * t.page;

	mem = kvm_mmap(data_size() + t.block, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1);
	t.data = (void *)(((unsigned long)mem + t.block - 1) & ~(t.block - 1));
	/* It is for MADV_COLLAPSE, and may fail. */
	madvise(t.data, data_size(), MADV_HUGEPAGE);
	t.log = calloc(1, data_size() / getpagesize() / 8 + sizeof(*t.log));
	set_flags(0);
	virt_map(t.vm, DATA_GVA, DATA_GPA, data_size() / t.vm->page_size);

	code.size = SZ_64K;
	nested_mem_create(t.vm, &code, CODE_SLOT, 0);
	memcpy(code.va, nested_l2_stubs, nested_l2_stubs_end - nested_l2_stubs);
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
	vcpu_args_set(t.vcpu[n], 1, &cpus[n]);
}

static void run_threads(const struct row *row)
{
	pthread_t interference[3];
	unsigned long i;

	signal(SIGUSR1, ignore_signal);
	for (i = 0; i < t.vcpus; i++)
		TEST_ASSERT(!pthread_create(&t.thread[i], NULL, vcpu_thread, (void *)i),
			    "pthread_create()");
	for (i = 0; i < ARRAY_SIZE(interference); i++)
		if (row->interference & BIT(i))
			TEST_ASSERT(!pthread_create(&interference[i], NULL, interference_thread,
						    (void *)BIT(i)), "pthread_create()");

	for (i = 0; i < seconds() * row->part * 100 / 3 && !READ_ONCE(t.failed); i++)
		usleep(10000);
	WRITE_ONCE(t.done, true);
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
		ksft_print_msg("vCPU %u: %lu operations\n", i, c->ops);
	}

	return t.failed ? NESTED_FAIL : NESTED_PASS;
}

int main(int argc, char *argv[])
{
	struct nested_suite suite = {
		.name = "nested_stress",
		.rows = rows, .nr_rows = ARRAY_SIZE(rows), .row_size = sizeof(rows[0]),
		.run = run_row, .timeout_s = 30 + 2 * seconds(),
	};

	return nested_main(argc, argv, &suite);
}
