// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_mmu_pool - more L2 contexts than there are shadow MMUs
 *
 * KVM keeps shadow stage-2 tables for a number of L1's contexts, two for each vCPU; what comes on
 * top has to take the place of another one. Each row has a number of vCPUs that switch between a
 * number of contexts: {VTTBR_EL2, VTCR_EL2, HCR_EL2.VM}, each with a page of its own at a nested
 * IPA that all of them have, and one at a nested IPA that no other one has. At each visit L2 has
 * to find in its page what it left there at the last visit, by either address, and to get a
 * translation fault for an address of another context: nobody sees, or writes, what is another's.
 *
 * The architecture lets hardware mix up contexts that differ in less than the VMID, on one PE and
 * without TLB maintenance in between. Rows with such contexts have them on different vCPUs, with
 * VTTBR_EL2.CnP clear, or L1 does TLBI VMALLS12E1 at each switch.
 *
 * The host may take any page away at any time. Rows with "replaced" have all contexts use one page,
 * and each of them has cached it when other memory comes in its place.
 *
 * Seen to fail: with a recycled shadow MMU not scrubbed for its new owner; with one recycled that
 * is in use; with the shadow MMU looked up by VTTBR_EL2 alone, without VTCR_EL2, or whatever
 * HCR_EL2.VM is; with memory that goes away unmapped from the first shadow MMU only.
 *
 * Locking: vCPU 0 builds all contexts before the other vCPUs run. Then each vCPU has its own.
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

#define MAX_VCPUS		8
#define MAX_CONTEXTS		16	/* of one vCPU */

/* L1 memory: L2's code, then an arena for each vCPU. */
#define L1_GPA			SZ_2G
#define L1_GVA			0x4000000000UL
#define L1_SLOT			1
#define CODE_SIZE		SZ_64K
#define L2_LOOP_OFFSET		SZ_8K	/* in L2's code, behind the stubs */
#define ARENA_SIZE		SZ_16M
#define DATA_STRIDE		SZ_64K	/* a page with any granule */

/*
 * Nested IPAs. Their descriptors have different indices in a start table, also in one that is read
 * as a 4K level 1 table (3, 4 and 5) by one context and as a 64K level 2 table (6, 8 and 10) by
 * another.
 */
#define SHARED_IPA		(3UL << 30)
#define CODE_IPA		(4UL << 30)
#define OWN_IPA			(5UL << 30)
#define HIGH_IPA		(SHARED_IPA + BIT(39))

#define VTTBR_EL2_CNP		BIT(0)

#define MAGIC			0x9001000000000000UL
#define REPLACED		BIT(40)	/* is added to what was there */

/* How two contexts differ that have the same VTTBR_EL2 */
enum pair {
	NO_PAIR,
	PAIR_T0SZ,		/* 40 and 39 bits; the first one lives above 39 */
	PAIR_GRANULE,		/* 4K and 64K, in one start table */
	PAIR_VM,		/* HCR_EL2.VM set and clear */
};

struct row {
	const char *desc;
	u8 nr_vcpus;
	u8 nr_contexts;		/* of each vCPU */
	u16 visits;		/* of each vCPU */
	enum pair pair;		/* context 0 and, with one vCPU, 1 */
	bool random;		/* order */
	bool same_vmids;	/* each vCPU has the same VMIDs */
	bool one_vmid;		/* for everything */
	bool tlbi;		/* VMALLS12E1 before each visit */
	bool cnp;		/* every other visit with VTTBR_EL2.CnP set */
	bool migrate;		/* vCPUs go from CPU to CPU */
	bool kick;		/* vCPUs are interrupted by signals, in L2 as well */
	bool wfi;		/* L2 sleeps, until the next signal */
	bool replace;		/* one page for all contexts, new memory after each round */
	u8 spare_vcpus;		/* that never run, but have shadow MMUs */
	u32 spins;		/* L2 takes its time */
	u8 long_visits;		/* of vCPU 0, which alone takes its time then */
};

static const struct row rows[] = {
	{ .desc = "1 vCPU, 1 context", .nr_vcpus = 1, .nr_contexts = 1, .visits = 8 },
	{ .desc = "1 vCPU, 2 contexts", .nr_vcpus = 1, .nr_contexts = 2, .visits = 16 },
	{ .desc = "1 vCPU, 3 contexts", .nr_vcpus = 1, .nr_contexts = 3, .visits = 32 },
	{ .desc = "1 vCPU, 8 contexts", .nr_vcpus = 1, .nr_contexts = 8, .visits = 64 },
	{ .desc = "1 vCPU, 16 contexts, random order",
	  .nr_vcpus = 1, .nr_contexts = 16, .visits = 128, .random = true },
	{ .desc = "2 vCPUs with 5 contexts each, random order",
	  .nr_vcpus = 2, .nr_contexts = 5, .visits = 64, .random = true },
	{ .desc = "4 vCPUs with 6 contexts each",
	  .nr_vcpus = 4, .nr_contexts = 6, .visits = 48 },
	{ .desc = "4 vCPUs with 6 contexts each, random order",
	  .nr_vcpus = 4, .nr_contexts = 6, .visits = 48, .random = true },
	{ .desc = "8 vCPUs with 4 contexts each, random order",
	  .nr_vcpus = 8, .nr_contexts = 4, .visits = 24, .random = true },

	{ .desc = "4 vCPUs, the same 5 VMIDs with other tables on each",
	  .nr_vcpus = 4, .nr_contexts = 5, .visits = 32, .random = true, .same_vmids = true },
	{ .desc = "1 vCPU, 6 contexts with one VMID, TLBI at each switch",
	  .nr_vcpus = 1, .nr_contexts = 6, .visits = 48, .one_vmid = true, .tlbi = true },
	{ .desc = "4 vCPUs, each 1 context, all with one VMID",
	  .nr_vcpus = 4, .nr_contexts = 1, .visits = 16, .one_vmid = true },
	{ .desc = "4 vCPUs, each 4 contexts, all with one VMID, TLBI at each switch",
	  .nr_vcpus = 4, .nr_contexts = 4, .visits = 24, .one_vmid = true, .tlbi = true,
	  .random = true },

	{ .desc = "only T0SZ differs, 1 vCPU, TLBI at each switch",
	  .nr_vcpus = 1, .nr_contexts = 2, .visits = 16, .tlbi = true, .pair = PAIR_T0SZ },
	{ .desc = "only T0SZ differs, 2 vCPUs",
	  .nr_vcpus = 2, .nr_contexts = 1, .visits = 16, .pair = PAIR_T0SZ },
	{ .desc = "only T0SZ differs, 2 vCPUs, and 4 more contexts each",
	  .nr_vcpus = 2, .nr_contexts = 5, .visits = 40, .pair = PAIR_T0SZ },
	{ .desc = "only the granule differs, 1 vCPU, TLBI at each switch",
	  .nr_vcpus = 1, .nr_contexts = 2, .visits = 16, .tlbi = true, .pair = PAIR_GRANULE },
	{ .desc = "only the granule differs, 2 vCPUs",
	  .nr_vcpus = 2, .nr_contexts = 1, .visits = 16, .pair = PAIR_GRANULE },
	{ .desc = "only the granule differs, 2 vCPUs, and 4 more contexts each",
	  .nr_vcpus = 2, .nr_contexts = 5, .visits = 40, .pair = PAIR_GRANULE },
	{ .desc = "stage 2 on and off, 1 vCPU, TLBI at each switch",
	  .nr_vcpus = 1, .nr_contexts = 2, .visits = 16, .tlbi = true, .pair = PAIR_VM },
	{ .desc = "stage 2 on and off, 2 vCPUs",
	  .nr_vcpus = 2, .nr_contexts = 1, .visits = 16, .pair = PAIR_VM },
	{ .desc = "stage 2 on and off, 2 vCPUs, and 4 more contexts each",
	  .nr_vcpus = 2, .nr_contexts = 5, .visits = 40, .pair = PAIR_VM },
	{ .desc = "VTTBR_EL2.CnP set and clear, 1 vCPU",
	  .nr_vcpus = 1, .nr_contexts = 1, .visits = 16, .cnp = true },
	{ .desc = "VTTBR_EL2.CnP set and clear, 4 vCPUs with 4 contexts each",
	  .nr_vcpus = 4, .nr_contexts = 4, .visits = 32, .cnp = true, .random = true },

	{ .desc = "4 vCPUs with 6 contexts each, from CPU to CPU",
	  .nr_vcpus = 4, .nr_contexts = 6, .visits = 48, .migrate = true },
	{ .desc = "4 vCPUs with 4 contexts each, interrupted in L2",
	  .nr_vcpus = 4, .nr_contexts = 4, .visits = 24, .random = true, .kick = true,
	  .spins = 100000 },
	{ .desc = "4 vCPUs with 4 contexts each, L2 sleeps in WFI",
	  .nr_vcpus = 4, .nr_contexts = 4, .visits = 16, .random = true, .kick = true,
	  .wfi = true },
	{ .desc = "8 vCPUs with 3 contexts each, interrupted, from CPU to CPU",
	  .nr_vcpus = 8, .nr_contexts = 3, .visits = 16, .random = true, .kick = true,
	  .migrate = true, .spins = 50000 },

	/* Preempted in L2, for as long as the others need to use all shadow MMUs */
	{ .desc = "3 vCPUs with 6 contexts each while another one is preempted in L2",
	  .nr_vcpus = 4, .nr_contexts = 6, .visits = 48, .long_visits = 3, .spins = 8000000 },

	{ .desc = "2 contexts of one page, which is replaced",
	  .nr_vcpus = 1, .nr_contexts = 2, .visits = 8, .replace = true },
	{ .desc = "6 contexts of one page, which is replaced",
	  .nr_vcpus = 1, .nr_contexts = 6, .visits = 24, .replace = true, .spare_vcpus = 3 },
};

/* L1 */

struct context {
	u64 vcpu;
	struct s2_mmu s2;
	struct l2_vcpu l2;
	u64 pc;
	gpa_t data;
	u64 data_ipa;
	u64 own_ipa;
	u64 foreign_ipa;	/* where L2 gets a fault; 0: none */
	u64 value;		/* what L2 left there */
};

static struct context contexts[MAX_VCPUS][MAX_CONTEXTS];
static struct nested_mem l1_mem = { .gva = L1_GVA, .gpa = L1_GPA };
static struct nested_mem arena[MAX_VCPUS];
static u64 row_index, row_seed;

#define SYNC_BUILT		1
#define SYNC_VISITED		2
#define SYNC_REPLACE		3

/*
 * L2: x1 = [x0], x5 loops, WFI if x6, x3 = [x0], [x4] = x2. A handler of a fault is not needed: it
 * is the first load that has one.
 */
extern const char pool_l2_loop[];
extern const char pool_l2_loop_end[];

asm("	.pushsection .text, \"ax\"\n"
"	.balign	16\n"
"pool_l2_loop:\n"
"	ldr	x1, [x0]\n"
"1:	cbz	x5, 2f\n"
"	sub	x5, x5, #1\n"
"	b	1b\n"
"2:	cbz	x6, 3f\n"
"	wfi\n"
"3:	ldr	x3, [x0]\n"
"	str	x2, [x4]\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"pool_l2_loop_end:\n"
"	.popsection\n");

/* Which of a pair a context is: 0, 1, or -1 if it is of no pair. */
static int pair_side(const struct row *row, unsigned int v, unsigned int i)
{
	if (row->pair == NO_PAIR)
		return -1;
	if (row->nr_vcpus == 1)
		return i < 2 ? (int)i : -1;

	return !i && v < 2 ? (int)v : -1;
}

static u16 context_vmid(const struct row *row, unsigned int v, unsigned int i)
{
	if (row->one_vmid || pair_side(row, v, i) >= 0)
		return 1;

	return 2 + i + (row->same_vmids ? 0 : v * row->nr_contexts);
}

static gpa_t alloc_data(unsigned int v, u64 value)
{
	u64 *data = nested_alloc(&arena[v], DATA_STRIDE, DATA_STRIDE);

	*data = value;
	nested_sync_cache(data, sizeof(*data));
	return nested_pa(&arena[v], data);
}

static const struct s2_geometry geo_4k = { .page_shift = 12, .ia_bits = 40, .start = 1 };
static const struct s2_geometry geo_64k = { .page_shift = 16, .ia_bits = 40, .start = 2 };

/* The second of a pair has the first one's start table. */
static void build_pair(const struct row *row, struct context *c, struct context *first, int side)
{
	struct s2_geometry geo = s2_default_geometry();

	if (row->pair == PAIR_GRANULE)
		geo = geo_64k;
	if (!side) {
		s2_init(&c->s2, &arena[0], &geo, 1);
	} else {
		c->s2 = first->s2;
		if (row->pair == PAIR_T0SZ)
			c->s2.geo.ia_bits--;
	}
	if (row->pair == PAIR_GRANULE && !side)
		c->s2.geo = geo_4k;
	if (row->pair == PAIR_GRANULE && side)
		c->s2.geo = geo_64k;
	c->s2.vtcr = s2_vtcr(&c->s2.geo);

	c->data_ipa = row->pair == PAIR_T0SZ && !side ? HIGH_IPA : SHARED_IPA;
	c->foreign_ipa = row->pair == PAIR_T0SZ && side ? HIGH_IPA : 0;
	c->own_ipa = c->data_ipa;
}

/* Stage 2 off: the nested IPA that the first of the pair uses is this one's GPA. */
static void build_vm_off(struct context *c, struct context *first)
{
	c->l2.hcr &= ~HCR_EL2_VM;
	c->l2.vbar = L1_GPA;
	c->pc = L1_GPA + L2_LOOP_OFFSET;
	c->data_ipa = c->data;
	c->own_ipa = c->data;

	s2_map(&first->s2, c->data, first->data, DATA_STRIDE, 3, S2_ATTR_DEFAULT);
	first->data_ipa = c->data;
	first->own_ipa = c->data;
}

static void build_context(const struct row *row, unsigned int v, unsigned int i)
{
	unsigned int id = v * MAX_CONTEXTS + i;
	struct context *c = &contexts[v][i];
	struct s2_geometry geo = s2_default_geometry();
	int side = pair_side(row, v, i);

	c->vcpu = v;
	c->value = row->replace ? MAGIC : MAGIC + id;
	c->data = row->replace && i ? contexts[v][0].data : alloc_data(v, c->value);
	c->data_ipa = SHARED_IPA;
	c->own_ipa = OWN_IPA + id * DATA_STRIDE;
	c->foreign_ipa = OWN_IPA + (id + 1) * DATA_STRIDE;
	if (side >= 0)
		build_pair(row, c, &contexts[0][0], side);
	else
		s2_init(&c->s2, &arena[v], &geo, context_vmid(row, v, i));

	l2_init(&c->l2, &c->s2, CODE_IPA);
	c->pc = CODE_IPA + L2_LOOP_OFFSET;
	if (side == 1 && row->pair == PAIR_VM) {
		build_vm_off(c, &contexts[0][0]);
		return;
	}
	s2_map(&c->s2, CODE_IPA, L1_GPA, CODE_SIZE, 3, S2_ATTR_DEFAULT);
	s2_map(&c->s2, c->data_ipa, c->data, DATA_STRIDE, 3, S2_ATTR_DEFAULT);
	s2_map(&c->s2, c->own_ipa, c->data, DATA_STRIDE, 3, S2_ATTR_DEFAULT);
}

static void build_all(const struct row *row)
{
	u64 len = pool_l2_loop_end - pool_l2_loop;
	void *code = nested_va(&l1_mem, L1_GPA);
	unsigned int v, i;

	l2_stubs_install(code, L2_LOOP_OFFSET);
	memcpy(code + L2_LOOP_OFFSET, pool_l2_loop, len);
	nested_sync_cache(code + L2_LOOP_OFFSET, len);

	for (v = 0; v < row->nr_vcpus; v++)
		for (i = 0; i < row->nr_contexts; i++)
			build_context(row, v, i);
}

/* Enter L2 at a load of @ipa, which leaves a new value behind if it works. */
static void enter_context(const struct row *row, struct context *c, u64 ipa)
{
	c->l2.pc = c->pc;
	c->l2.pstate = L2_PSTATE;
	c->l2.regs[0] = ipa;
	c->l2.regs[2] = c->value + BIT(16);
	/* By the other address */
	c->l2.regs[4] = c->data_ipa + c->own_ipa - ipa;
	c->l2.regs[5] = row->long_visits && c->vcpu ? 0 : row->spins;
	c->l2.regs[6] = row->wfi;
	l2_enter(&c->l2);
}

static void visit(const struct row *row, struct context *c, unsigned int n)
{
	struct l2_abort abort;
	bool fault;

	if (row->cnp)
		c->s2.vttbr ^= VTTBR_EL2_CNP;
	if (row->tlbi)
		s2_tlbi(&c->s2, OP_TLBI_VMALLS12E1, 0);

	enter_context(row, c, n & 1 ? c->own_ipa : c->data_ipa);
	__GUEST_ASSERT(l2_exit_is_hvc(&c->l2.exit, L2_HVC_DONE),
		       "round %u: ESR 0x%lx FAR 0x%lx", n, c->l2.exit.esr, c->l2.exit.far);
	__GUEST_ASSERT(c->l2.regs[1] == c->value, "round %u: found 0x%lx, 0x%lx was left",
		       n, c->l2.regs[1], c->value);
	__GUEST_ASSERT(c->l2.regs[3] == c->value, "round %u: then 0x%lx, 0x%lx was left",
		       n, c->l2.regs[3], c->value);
	c->value = c->l2.regs[2];

	if (!c->foreign_ipa)
		return;
	enter_context(row, c, c->foreign_ipa);
	fault = l2_decode_abort(&c->l2.exit, &abort) && abort.ipa == c->foreign_ipa &&
		(abort.fsc & ESR_ELx_FSC_TYPE) == ESR_ELx_FSC_FAULT;
	__GUEST_ASSERT(fault, "round %u: no fault for another context's 0x%lx, but x1 0x%lx",
		       n, c->foreign_ipa, c->l2.regs[1]);
}

/* All of them see what context @i has left; after the last one the host gives them a new page. */
static void l1_replace_page(const struct row *row, struct context *c, unsigned int i)
{
	u64 value = c[i].value;
	unsigned int n;

	if (i == row->nr_contexts - 1U) {
		value += REPLACED;
		GUEST_SYNC_ARGS(SYNC_REPLACE, c[i].data, value, 0, 0);
	}
	for (n = 0; n < row->nr_contexts; n++)
		c[n].value = value;
}

static const char *l1_skip_reason(const struct row *row)
{
	u64 mmfr2 = read_sysreg_s(SYS_ID_AA64MMFR2_EL1);

	if (row->cnp && !SYS_FIELD_GET(ID_AA64MMFR2_EL1, CnP, mmfr2))
		return "the VM has no FEAT_TTCNP";
	if (row->pair == PAIR_GRANULE && !(s2_granule_supported(12) && s2_granule_supported(16)))
		return "the VM's stage 2 has not both granules, 4K and 64K";

	return NULL;
}

static void l1_main(u64 v)
{
	const struct row *row = &rows[row_index];
	struct guest_random_state rng = new_guest_random_state(row_seed + v);
	unsigned int n, i, visits;

	if (!v) {
		const char *skip = l1_skip_reason(row);

		if (skip)
			NESTED_GUEST_SKIP(skip);
		build_all(row);
		GUEST_SYNC(SYNC_BUILT);
	}

	visits = row->long_visits && !v ? row->long_visits : row->visits;
	for (n = 0; n < visits; n++) {
		i = (row->random ? guest_random_u32(&rng) >> 8 : n) % row->nr_contexts;
		visit(row, &contexts[v][i], n);
		GUEST_SYNC(SYNC_VISITED);
		if (row->replace)
			l1_replace_page(row, contexts[v], i);
	}
	GUEST_DONE();
}

/* Host */

struct runner {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	const struct row *row;
	unsigned int n;
	int ret;
	bool done;
};

/* The new memory is there before the old one goes, so it is not the same. */
static void replace_memory(struct kvm_vm *vm, gpa_t gpa, u64 value)
{
	void *old = addr_gpa2hva(vm, gpa);
	u64 *new = kvm_mmap(DATA_STRIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	*new = value;
	TEST_ASSERT(mremap(new, DATA_STRIDE, DATA_STRIDE, MREMAP_MAYMOVE | MREMAP_FIXED,
			   old) == old, "mremap() failed, errno %d", errno);
}

static void *run_vcpu(void *arg)
{
	struct runner *r = arg;
	unsigned int cpu = r->n;
	const char *reason;
	struct ucall uc;

	nested_pin_self(cpu);
	while ((r->ret = nested_run_vcpu(r->vcpu, &uc, &reason)) == NESTED_SYNC) {
		if (uc.args[1] == SYNC_REPLACE)
			replace_memory(r->vcpu->vm, uc.args[2], uc.args[3]);
		else if (r->row->migrate)
			nested_pin_self(++cpu);
		else
			sched_yield();
	}
	if (r->ret != NESTED_PASS)
		ksft_print_msg("that was vCPU %u\n", r->n);
	__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);

	return NULL;
}

static void kick_handler(int sig)
{
}

/* Interrupt all of them until they are done. */
static void kick(struct runner *r, unsigned int nr)
{
	unsigned int i, done;

	do {
		usleep(1000);
		for (i = 0, done = 0; i < nr; i++) {
			pthread_kill(r[i].thread, SIGUSR1);
			done += __atomic_load_n(&r[i].done, __ATOMIC_ACQUIRE);
		}
	} while (done < nr);
}

static int run_all(const struct row *row, struct kvm_vcpu *vcpus[])
{
	struct runner r[MAX_VCPUS] = {};
	struct sigaction sa = { .sa_handler = kick_handler };
	unsigned int i;
	int ret = NESTED_PASS;

	TEST_ASSERT(!sigaction(SIGUSR1, &sa, NULL), "sigaction() failed, errno %d", errno);
	for (i = 0; i < row->nr_vcpus; i++) {
		r[i] = (struct runner) { .vcpu = vcpus[i], .row = row, .n = i };
		TEST_ASSERT(!pthread_create(&r[i].thread, NULL, run_vcpu, &r[i]),
			    "pthread_create() failed");
	}
	if (row->kick)
		kick(r, row->nr_vcpus);
	for (i = 0; i < row->nr_vcpus; i++) {
		pthread_join(r[i].thread, NULL);
		if (r[i].ret != NESTED_PASS)
			ret = NESTED_FAIL;
	}

	return ret;
}

static int run_row(unsigned int index, const char **reason)
{
	const struct row *row = &rows[index];
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	struct kvm_vm *vm;
	struct ucall uc;
	unsigned int i;
	int ret;

	nested_nr_cpus();
	row_index = index;
	row_seed = row->random ? nested_seed() : 0;
	vm = nested_vm_create(row->nr_vcpus + row->spare_vcpus, l1_main, vcpus);
	l1_mem.size = CODE_SIZE + ARENA_SIZE * row->nr_vcpus;
	nested_mem_create(vm, &l1_mem, L1_SLOT, 0);
	nested_mem_sync(vm, &l1_mem, (gva_t)&l1_mem);
	for (i = 0; i < row->nr_vcpus; i++) {
		arena[i] = (struct nested_mem) {
			.gva = L1_GVA + CODE_SIZE + i * ARENA_SIZE,
			.gpa = L1_GPA + CODE_SIZE + i * ARENA_SIZE,
			.size = ARENA_SIZE,
		};
		arena[i].va = (void *)arena[i].gva;
		vcpu_args_set(vcpus[i], 1, (u64)i);
	}
	sync_global_to_guest(vm, arena);
	sync_global_to_guest(vm, row_index);
	sync_global_to_guest(vm, row_seed);

	ret = nested_run_vcpu(vcpus[0], &uc, reason);
	if (ret == NESTED_SYNC)
		ret = run_all(row, vcpus);

	kvm_vm_free(vm);
	return ret;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_mmu_pool",
		.rows = rows, .nr_rows = ARRAY_SIZE(rows), .row_size = sizeof(rows[0]),
		.run = run_row,
	};

	return nested_main(argc, argv, &suite);
}
