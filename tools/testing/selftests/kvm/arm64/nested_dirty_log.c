// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_dirty_log - what an L2 writes appears in the dirty log
 *
 * L2 writes L1's memory through shadow entries of any context, alias and size. The log has to have
 * the canonical page of each write, and, as for an L1 without L2, no page that was not written. To
 * collect the log makes it empty, and what is written again has to appear again, although the
 * shadow entry, and the TLB, allowed the write just before. KVM's own writes to L1's stage-2
 * tables, updates of AF and of the dirty state, are in the log too. Each row is run with each way
 * to get the log. The last of them is a migration: pages in the log are copied while L2 runs, and
 * the copy is the same as the memory in the end. Then there are rows about a ring that gets full in
 * L2: it goes on when there is room again, and nothing is lost.
 *
 * Seen to fail: with kvm_nested_s2_wp() doing nothing, or only what it does to the first shadow
 * MMU; with blocks allowed while the log is on; with entries for a load made writable; with the
 * first page of a 2 MB range marked instead of the right one; with guest_mem_cas() not marking the
 * page; ring: with memslot_is_logging() looking for the bitmap, and, when it was full, with a reset
 * that leaves shadow entries writable. That shadow_wp() has to flush the TLB does not show under
 * QEMU, whose TLB forgets a guest at each exit.
 *
 * Locking: a vCPU does one access at a time, on behalf of the host side. In the migration row a
 * second host thread collects the log while L2 runs.
 */
#include <linux/bitmap.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "test_util.h"

#include <asm/barrier.h>

#define TEST_GPA	SZ_2G
#define TEST_GVA	0x4000000000UL
#define TEST_SLOT	1
/* A second window for L2, in which page n is page n + 1 of the slot. */
#define ALIAS		SZ_1G
#define NR_PAGES	64
#define MAX_BLOCK	SZ_64M

/* Pages of the slot: for writes, for writes or reads, and L1's table for the slot. */
#define PAGE		5
#define OTHER		9
#define TABLE		2
#define OFFSET		0x128

#define RING_SIZE	SZ_64K
#define NR_VCPUS	2
#define RUN_NS		250000000UL
#define RUN_COLLECTS	10

enum mode {
	BITMAP,
	INITIALLY_SET,		/* and manual protect */
	RING,
	NR_MODES
};

enum need {
	NEED_BLOCK	= BIT(0),	/* L1 maps the slot with a level 2 block */
	NEED_L1_BLOCK	= BIT(1),	/* ... a level 1 block */
	NEED_CONTIG	= BIT(2),	/* ... a contiguous run of pages */
	NEED_THP	= BIT(3),	/* the slot is a huge page of the host */
	NEED_TABLE	= BIT(4),	/* page TABLE is L1's level 3 table for the slot */
	NEED_AF		= BIT(5),	/* VTCR_EL2.HA */
	NEED_DBM	= BIT(6),	/* VTCR_EL2.HD */
	NEED_FULL	= BIT(7),	/* a ring of the least size, twice as many pages */
};

struct test_case {
	const char *desc;
	void (*run)(void);
	unsigned int need;
};

/* Who accesses: L2 in one of two contexts of L1 that map the same, or L1. */
enum context {
	CTX_A,
	CTX_B,
	CTX_L1,
	CTX_MIGRATE,		/* all of them, many pages, until told to stop */
};

struct vcpu_area {
	struct l2_access access;
	u64 context;
	u64 stop;
	u64 rounds;
	u64 page_size;
	u64 pages;		/* that L2 accesses in a row: 0 is 1 */
	struct l2_vcpu *l2[2];
};

static struct vcpu_area vcpu_area[NR_VCPUS];

static struct test {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu[NR_VCPUS];
	struct vcpu_area *area[NR_VCPUS];	/* host side's pointers */
	struct nested_env env;
	struct s2_geometry geo;
	enum mode mode;
	size_t page;
	size_t size;
	void *hva;
	unsigned long *log;
	u32 fetch[NR_VCPUS];
	u64 collected;		/* entries of rings */
} t;

static const char * const mode_name[] = {
	[BITMAP] = "bitmap", [INITIALLY_SET] = "initially set", [RING] = "ring",
};

/* The row has failed if @ok is false; it is the end of its process. */
static void check(bool ok, unsigned int line, const char *what)
{
	if (ok)
		return;

	ksft_print_msg("line %u: %s\n", line, what);
	exit(NESTED_FAIL);
}

#define CHECK(cond)	check(cond, __LINE__, #cond)

/* L1 and L2 */

static void do_access(struct l2_access *access)
{
	if (access->write)
		WRITE_ONCE(*(u64 *)access->va, access->value);
	else
		access->value = READ_ONCE(*(u64 *)access->va);
}

static void l2_code(struct vcpu_area *area)
{
	u64 n;

	for (;;) {
		do_access(&area->access);
		for (n = 1; n < READ_ONCE(area->pages); n++) {
			area->access.va += area->page_size;
			area->access.value++;
			do_access(&area->access);
		}
		l2_hvc(0);
	}
}

/* Writes of all kinds, for the migration. */
static void l1_migrate(struct vcpu_area *area, u64 seed)
{
	u64 r = seed, n;

	while (!READ_ONCE(area->stop)) {
		r = r * 6364136223846793005UL + 1442695040888963407UL;
		n = (r >> 40) % (NR_PAGES - 1);
		area->access = (struct l2_access) {
			.va = TEST_GVA + n * area->page_size + OFFSET + (r >> 60) * sizeof(u64),
			.value = r, .write = (r >> 33) % 4,
		};
		if ((r >> 36) & 1)
			area->access.va += ALIAS;
		if ((r >> 37) % 4) {
			l2_enter(area->l2[(r >> 39) & 1]);
			GUEST_ASSERT(l2_exit_is_hvc(&area->l2[(r >> 39) & 1]->exit, L2_HVC_CALL));
		} else {
			area->access.va &= ~(u64)ALIAS;
			do_access(&area->access);
		}
		WRITE_ONCE(area->rounds, area->rounds + 1);
	}
}

static void l1_main(struct vcpu_area *area)
{
	struct l2_vcpu *l2;

	for (;;) {
		switch (READ_ONCE(area->context)) {
		case CTX_L1:
			do_access(&area->access);
			break;
		case CTX_MIGRATE:
			l1_migrate(area, (u64)area);
			break;
		default:
			l2 = area->l2[area->context];
			l2_enter(l2);
			__GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL),
				       "ESR 0x%lx FAR 0x%lx HPFAR 0x%lx", l2->exit.esr,
				       l2->exit.far, l2->exit.hpfar);
		}
		GUEST_SYNC(NESTED_SYNC_ACCESS);
	}
}

/* Host: accesses */

static void access_at(unsigned int cpu, enum context context, u64 va, u64 value, bool write)
{
	struct vcpu_area *area = t.area[cpu];
	struct ucall uc;

	area->context = context;
	CHECK(nested_access_start(t.vcpu[cpu], &area->access, va, value, write, &uc) ==
	      NESTED_ACCESS_DONE);
}

static u64 va_of(unsigned int n)
{
	return TEST_GVA + n * t.page + OFFSET;
}

/* Page @n of the slot gets a new value, by its own address. */
static void writes_as(unsigned int cpu, enum context context, unsigned int n)
{
	static u64 value = 0xc001d00d00000000UL;

	access_at(cpu, context, va_of(n), ++value, true);
	CHECK(nested_check("host reads", *(u64 *)(t.hva + n * t.page + OFFSET), value, ~0UL));
}

/* The same through L2's second window. */
static void writes_alias(unsigned int n)
{
	access_at(0, CTX_A, va_of(n - 1) + ALIAS, n, true);
	CHECK(nested_check("host reads", *(u64 *)(t.hva + n * t.page + OFFSET), n, ~0UL));
}

static void writes(unsigned int n)
{
	writes_as(0, CTX_A, n);
}

static void reads(unsigned int n)
{
	access_at(0, CTX_A, va_of(n), 0, false);
}

/* Host: the log */

static unsigned int nr_pages(void)
{
	return t.size / t.page;
}

static void set_flags(u32 flags)
{
	vm_set_user_memory_region(t.vm, TEST_SLOT, flags, TEST_GPA, t.size, t.hva);
}

static void collect_ring(unsigned int cpu)
{
	struct kvm_dirty_gfn *ring = vcpu_map_dirty_ring(t.vcpu[cpu]), *entry;

	for (;;) {
		entry = &ring[t.fetch[cpu] % t.vcpu[cpu]->dirty_gfns_count];
		/* Pairs with the release when KVM fills the entry. */
		if (smp_load_acquire(&entry->flags) != KVM_DIRTY_GFN_F_DIRTY)
			break;
		CHECK(entry->slot == TEST_SLOT && entry->offset < nr_pages());
		__set_bit(entry->offset, t.log);
		/* Pairs with the acquire when KVM resets the entry. */
		smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_RESET);
		t.fetch[cpu]++;
		t.collected++;
	}
}

/* Take what is in the log, in t.log, and start again with an empty one. */
static void collect(void)
{
	unsigned int cpu;

	bitmap_zero(t.log, nr_pages());
	if (t.mode != RING) {
		kvm_vm_get_dirty_log(t.vm, TEST_SLOT, t.log);
		if (t.mode == INITIALLY_SET)
			kvm_vm_clear_dirty_log(t.vm, TEST_SLOT, t.log, 0, nr_pages());
		return;
	}

	t.collected = 0;
	for (cpu = 0; cpu < NR_VCPUS; cpu++)
		collect_ring(cpu);
	CHECK(kvm_vm_reset_dirty_ring(t.vm) == t.collected);
}

static void clear_one(unsigned int n)
{
	bitmap_zero(t.log, nr_pages());
	__set_bit(n, t.log);
	kvm_vm_clear_dirty_log(t.vm, TEST_SLOT, t.log, 0, nr_pages());
}

#define NONE	-1

/* The log has pages @a and @b, and no others. */
static bool log_is(int a, int b)
{
	unsigned int n;
	bool ok = true;

	collect();
	for (n = 0; n < nr_pages(); n++) {
		bool want = n == a || n == b;

		if (test_bit(n, t.log) == want)
			continue;
		ksft_print_msg("page %u is %sin the log\n", n, want ? "not " : "");
		ok = false;
	}
	return ok;
}

static void start_log(void)
{
	unsigned int n;

	set_flags(KVM_MEM_LOG_DIRTY_PAGES);
	if (t.mode != INITIALLY_SET)
		return;

	collect();
	for (n = 0; n < nr_pages(); n++)
		CHECK(test_bit(n, t.log));
}

/* Cases */

static void case_write(void)
{
	start_log();
	CHECK(log_is(NONE, NONE));
	writes(PAGE);
	CHECK(log_is(PAGE, NONE));
	CHECK(log_is(NONE, NONE));
	writes(OTHER);
	writes(PAGE);
	CHECK(log_is(PAGE, OTHER));
}

static void case_read(void)
{
	reads(OTHER);
	start_log();
	reads(PAGE);
	reads(OTHER);
	CHECK(log_is(NONE, NONE));
	/* And a read must not have allowed a write that is not seen. */
	writes(PAGE);
	CHECK(log_is(PAGE, NONE));
	reads(PAGE);
	CHECK(log_is(NONE, NONE));
	writes(PAGE);
	writes(OTHER);
	CHECK(log_is(PAGE, OTHER));
}

static void case_writable_before(void)
{
	writes(PAGE);
	writes(OTHER);
	start_log();
	CHECK(log_is(NONE, NONE));
	writes(PAGE);
	CHECK(log_is(PAGE, NONE));
	writes(OTHER);
	CHECK(log_is(OTHER, NONE));
}

static void case_write_again(void)
{
	unsigned int i;

	start_log();
	for (i = 0; i < 4; i++) {
		writes(PAGE);
		writes(PAGE);
		CHECK(log_is(PAGE, NONE));
	}
}

static void case_alias(void)
{
	writes(PAGE);
	writes_alias(PAGE);
	start_log();
	writes(PAGE);
	CHECK(log_is(PAGE, NONE));
	writes_alias(PAGE);
	CHECK(log_is(PAGE, NONE));
	writes(PAGE);
	writes_alias(OTHER);
	CHECK(log_is(PAGE, OTHER));
	writes_alias(PAGE);
	CHECK(log_is(PAGE, NONE));
}

static void case_l1(void)
{
	writes_as(0, CTX_L1, PAGE);
	writes(PAGE);
	start_log();
	writes_as(0, CTX_L1, PAGE);
	CHECK(log_is(PAGE, NONE));
	writes(PAGE);
	CHECK(log_is(PAGE, NONE));
	writes_as(0, CTX_L1, OTHER);
	writes(PAGE);
	CHECK(log_is(PAGE, OTHER));
	writes(OTHER);
	writes_as(0, CTX_L1, PAGE);
	CHECK(log_is(PAGE, OTHER));
}

/* What is not cleared stays in the log, and what is cleared gets there again. */
static void case_clear_one(void)
{
	start_log();
	writes(PAGE);
	writes(OTHER);
	clear_one(PAGE);
	kvm_vm_get_dirty_log(t.vm, TEST_SLOT, t.log);
	CHECK(!test_bit(PAGE, t.log) && test_bit(OTHER, t.log));
	writes(PAGE);
	CHECK(log_is(PAGE, OTHER));
	writes(PAGE);
	writes(OTHER);
	CHECK(log_is(PAGE, OTHER));
}

static void case_stop_and_go(void)
{
	start_log();
	writes(PAGE);
	CHECK(log_is(PAGE, NONE));
	set_flags(0);
	writes(PAGE);
	writes(OTHER);
	start_log();
	CHECK(log_is(NONE, NONE));
	writes(OTHER);
	CHECK(log_is(OTHER, NONE));
}

static void case_contexts(void)
{
	writes_as(0, CTX_A, PAGE);
	writes_as(0, CTX_B, PAGE);
	start_log();
	writes_as(0, CTX_B, PAGE);
	CHECK(log_is(PAGE, NONE));
	writes_as(0, CTX_A, PAGE);
	CHECK(log_is(PAGE, NONE));
	writes_as(0, CTX_B, PAGE);
	writes_as(0, CTX_A, OTHER);
	CHECK(log_is(PAGE, OTHER));
	writes_as(0, CTX_B, OTHER);
	CHECK(log_is(OTHER, NONE));
}

static void case_vcpus_one_context(void)
{
	writes_as(0, CTX_A, PAGE);
	writes_as(1, CTX_A, PAGE);
	start_log();
	writes_as(1, CTX_A, PAGE);
	CHECK(log_is(PAGE, NONE));
	writes_as(0, CTX_A, PAGE);
	CHECK(log_is(PAGE, NONE));
	writes_as(1, CTX_A, PAGE);
	writes_as(0, CTX_A, PAGE);
	CHECK(log_is(PAGE, NONE));
}

static void case_vcpus_two_contexts(void)
{
	writes_as(0, CTX_A, PAGE);
	writes_as(1, CTX_B, PAGE);
	start_log();
	writes_as(1, CTX_B, PAGE);
	CHECK(log_is(PAGE, NONE));
	writes_as(0, CTX_A, PAGE);
	CHECK(log_is(PAGE, NONE));
	writes_as(1, CTX_B, OTHER);
	writes_as(0, CTX_A, PAGE);
	CHECK(log_is(PAGE, OTHER));
}

/* L1's table is in the slot. What L1 builds it with is not in the log: the host does it. */

static u64 *table_desc(unsigned int n)
{
	return (u64 *)(t.hva + TABLE * t.page) + n;
}

static void case_af_update(void)
{
	*table_desc(PAGE) &= ~S2_DESC_AF;
	*table_desc(OTHER) &= ~S2_DESC_AF;
	start_log();
	reads(PAGE);
	CHECK(nested_check("AF", *table_desc(PAGE), S2_DESC_AF, S2_DESC_AF));
	CHECK(log_is(TABLE, NONE));
	reads(PAGE);
	CHECK(log_is(NONE, NONE));
	writes(PAGE);
	CHECK(log_is(PAGE, NONE));
	writes(OTHER);
	CHECK(nested_check("AF", *table_desc(OTHER), S2_DESC_AF, S2_DESC_AF));
	CHECK(log_is(TABLE, OTHER));
}

static void case_dirty_state_update(void)
{
	*table_desc(PAGE) = (*table_desc(PAGE) & ~S2_DESC_S2AP_W) | S2_DESC_DBM;
	start_log();
	reads(PAGE);
	CHECK(log_is(NONE, NONE));
	writes(PAGE);
	CHECK(nested_check("S2AP", *table_desc(PAGE), S2_DESC_S2AP_W, S2_DESC_S2AP_W));
	CHECK(log_is(TABLE, PAGE));
	writes(PAGE);
	CHECK(log_is(PAGE, NONE));
}

/* The migration. */

static void *copy;

static void copy_dirty(void)
{
	unsigned int n;

	for (n = 0; n < nr_pages(); n++)
		if (test_bit(n, t.log))
			memcpy(copy + n * t.page, t.hva + n * t.page, t.page);
}

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000UL + ts.tv_nsec;
}

static void *migration_thread(void *arg)
{
	u64 end = now_ns() + RUN_NS, rounds[NR_VCPUS];
	unsigned int i, cpu;

	for (i = 0; now_ns() < end || i < RUN_COLLECTS; i++) {
		for (cpu = 0; cpu < NR_VCPUS; cpu++)
			rounds[cpu] = READ_ONCE(t.area[cpu]->rounds);
		collect();
		copy_dirty();
		for (cpu = 0; cpu < NR_VCPUS; cpu++)
			while (READ_ONCE(t.area[cpu]->rounds) == rounds[cpu])
				sched_yield();
	}
	ksft_print_msg("log collected %u times, %lu + %lu accesses\n", i, t.area[0]->rounds,
		       t.area[1]->rounds);
	for (cpu = 0; cpu < NR_VCPUS; cpu++)
		WRITE_ONCE(t.area[cpu]->stop, 1);
	return NULL;
}

static void *vcpu_thread(void *arg)
{
	unsigned int cpu = (unsigned long)arg;
	enum nested_access out;
	struct ucall uc;

	t.area[cpu]->context = CTX_MIGRATE;
	while ((out = nested_access_run(t.vcpu[cpu], &uc)) != NESTED_ACCESS_DONE) {
		ksft_print_msg("vCPU %u: outcome %u\n", cpu, out);
		exit(NESTED_FAIL);
	}
	return NULL;
}

static void case_migration(void)
{
	pthread_t threads[NR_VCPUS], migration;
	unsigned long cpu;

	copy = kvm_mmap(t.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	start_log();
	memcpy(copy, t.hva, t.size);
	for (cpu = 0; cpu < NR_VCPUS; cpu++)
		TEST_ASSERT(!pthread_create(&threads[cpu], NULL, vcpu_thread, (void *)cpu),
			    "pthread_create()");
	TEST_ASSERT(!pthread_create(&migration, NULL, migration_thread, NULL), "pthread_create()");
	pthread_join(migration, NULL);
	for (cpu = 0; cpu < NR_VCPUS; cpu++)
		pthread_join(threads[cpu], NULL);
	collect();
	copy_dirty();
	CHECK(!memcmp(copy, t.hva, t.size));
}

/* L2's next exit to userspace; true if it is for the ring. */
static bool exits_for_ring(struct ucall *uc)
{
	CHECK(!_vcpu_run(t.vcpu[0]));
	if (t.vcpu[0]->run->exit_reason == KVM_EXIT_DIRTY_RING_FULL)
		return true;

	CHECK(get_ucall(t.vcpu[0], uc) == UCALL_SYNC && uc->args[1] == NESTED_SYNC_ACCESS);
	return false;
}

static void collect_and_copy(unsigned long *all)
{
	unsigned int n;

	collect();
	copy_dirty();
	for (n = 0; n < nr_pages(); n++)
		if (test_bit(n, t.log))
			__set_bit(n, all);
}

/*
 * L2 writes to each page once. Where the ring gets full, the page is in it, and the write is still
 * to be done: it has to be in the log again.
 */
static void case_ring_full(void)
{
	u64 value = 0xf1110000, first = va_of(0), entries, va;
	unsigned long *all = bitmap_zalloc(nr_pages());
	unsigned int n, full = 0;
	struct ucall uc;

	copy = kvm_mmap(t.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	start_log();
	CHECK(log_is(NONE, NONE));
	entries = t.vcpu[0]->dirty_gfns_count;
	memcpy(copy, t.hva, t.size);
	t.area[0]->context = CTX_A;
	t.area[0]->pages = nr_pages();
	t.area[0]->access = (struct l2_access) { .va = first, .value = value, .write = true };
	while (exits_for_ring(&uc)) {
		full++;
		va = t.area[0]->access.va;
		/* There is no way on without room. */
		CHECK(exits_for_ring(&uc) && t.area[0]->access.va == va);
		collect_and_copy(all);
		CHECK(t.collected > entries / 2 && t.collected <= entries);
	}
	collect_and_copy(all);

	ksft_print_msg("ring of %lu was full %u times\n", entries, full);
	CHECK(full >= 2);
	for (n = 0; n < nr_pages(); n++)
		CHECK(test_bit(n, all) && *(u64 *)(t.hva + n * t.page + OFFSET) == value + n);
	CHECK(!memcmp(copy, t.hva, t.size));
}

static const struct test_case cases[] = {
	{ "L2 writes", case_write },
	{ "L2 reads", case_read },
	{ "log starts with writable shadow entries", case_writable_before },
	{ "a second write is seen again", case_write_again },
	{ "two nested IPAs of one page", case_alias },
	{ "L1 and L2 write one page", case_l1 },
	{ "log stops and starts again", case_stop_and_go },
	{ "two contexts of L1", case_contexts },
	{ "two vCPUs in one context", case_vcpus_one_context },
	{ "two vCPUs in two contexts", case_vcpus_two_contexts },
	{ "L1 block", case_writable_before, NEED_BLOCK },
	{ "L1 block, read first", case_read, NEED_BLOCK },
	{ "L1 block on a huge page", case_writable_before, NEED_BLOCK | NEED_THP },
	{ "L1 block on a huge page, read first", case_read, NEED_BLOCK | NEED_THP },
	{ "L1 block on a huge page, two contexts", case_contexts, NEED_BLOCK | NEED_THP },
	{ "L1 block on a huge page, log stops and starts", case_stop_and_go,
	  NEED_BLOCK | NEED_THP },
	{ "L1 pages on a huge page", case_writable_before, NEED_THP },
	{ "L1 level 1 block", case_writable_before, NEED_L1_BLOCK },
	{ "L1 level 1 block on a huge page", case_writable_before, NEED_L1_BLOCK | NEED_THP },
	{ "L1 contiguous run of pages", case_writable_before, NEED_CONTIG },
	{ "L1's table: AF is updated", case_af_update, NEED_TABLE | NEED_AF },
	{ "L1's table: dirty state is updated", case_dirty_state_update,
	  NEED_TABLE | NEED_AF | NEED_DBM },
	{ "migration while L2 runs on two vCPUs", case_migration },
	{ "migration while L2 runs on two vCPUs, L1 block on a huge page", case_migration,
	  NEED_BLOCK | NEED_THP },
};

/* For the ring alone. */
static const struct test_case ring_cases[] = {
	{ "it gets full while L2 writes", case_ring_full, NEED_FULL },
	{ "it gets full while L2 writes, L1 block on a huge page", case_ring_full,
	  NEED_FULL | NEED_BLOCK | NEED_THP },
};

/* Where userspace says what is cleared. */
static const struct test_case clear_cases[] = {
	{ "one page of two is cleared", case_clear_one },
	{ "one page of two is cleared, L1 block", case_clear_one, NEED_BLOCK },
	{ "one page of two is cleared, L1 block on a huge page", case_clear_one,
	  NEED_BLOCK | NEED_THP },
};

#define MODE_ROWS	(NR_MODES * ARRAY_SIZE(cases))
#define RING_ROWS	(MODE_ROWS + ARRAY_SIZE(ring_cases))

static const struct test_case *row_case(unsigned int n)
{
	if (n < MODE_ROWS)
		return &cases[n % ARRAY_SIZE(cases)];
	if (n < RING_ROWS)
		return &ring_cases[n - MODE_ROWS];

	return &clear_cases[n - RING_ROWS];
}

static enum mode row_mode(unsigned int n)
{
	if (n < MODE_ROWS)
		return n / ARRAY_SIZE(cases);

	return n < RING_ROWS ? RING : INITIALLY_SET;
}

/* The VM */

static const char *mode_missing(void)
{
	switch (t.mode) {
	case BITMAP:
		return NULL;
	case RING:
		return kvm_has_cap(KVM_CAP_DIRTY_LOG_RING_ACQ_REL) ? NULL :
		       "no dirty ring (KVM_CAP_DIRTY_LOG_RING_ACQ_REL)";
	default:
		return kvm_check_cap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) &
		       KVM_DIRTY_LOG_INITIALLY_SET ? NULL :
		       "no such log (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2)";
	}
}

/* In bytes; KVM wants a page at least. */
static u32 ring_size(const struct test_case *c)
{
	return c->need & NEED_FULL ? getpagesize() : RING_SIZE;
}

static size_t slot_size(const struct test_case *c)
{
	if (c->need & (NEED_THP | NEED_BLOCK))
		return BIT(s2_level_shift(&t.geo, 2));
	if (c->need & NEED_FULL)
		return 2 * ring_size(c) / sizeof(struct kvm_dirty_gfn) * t.page;
	return NR_PAGES * t.page;
}

static void enable_mode(const struct test_case *c)
{
	if (t.mode == RING)
		vm_enable_dirty_ring(t.vm, ring_size(c));
	else if (t.mode == INITIALLY_SET)
		vm_enable_cap(t.vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
			      KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
}

static const char *case_missing(const struct test_case *c)
{
	u64 mmfr1 = vcpu_get_reg(t.vcpu[0], KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR1_EL1));
	unsigned int hafdbs = SYS_FIELD_GET(ID_AA64MMFR1_EL1, HAFDBS, mmfr1);

	if (t.page != getpagesize())
		return "L1's stage 2 has no granule of the host's page size";
	if (((c->need & NEED_AF) && hafdbs < ID_AA64MMFR1_EL1_HAFDBS_AF) ||
	    ((c->need & NEED_DBM) && hafdbs < ID_AA64MMFR1_EL1_HAFDBS_DBM))
		return "no such hardware update (ID_AA64MMFR1_EL1.HAFDBS)";
	if ((c->need & (NEED_BLOCK | NEED_THP)) && BIT(s2_level_shift(&t.geo, 2)) > MAX_BLOCK)
		return "a block of this granule is too large for a test";
	if ((c->need & NEED_FULL) && slot_size(c) > MAX_BLOCK)
		return "the smallest ring of this host is too large for a test";
	if ((c->need & NEED_L1_BLOCK) && t.geo.page_shift != 12)
		return "this granule has no level 1 block";

	return NULL;
}

/* Memory of the slot. A huge page is there before the log is on. */
static const char *map_memory(const struct test_case *c)
{
	void *mem = kvm_mmap(2 * t.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	t.hva = (void *)(((unsigned long)mem + t.size - 1) & ~(t.size - 1));
	if (thp_configured())
		TEST_ASSERT(!madvise(t.hva, t.size, c->need & NEED_THP ? MADV_HUGEPAGE :
				     MADV_NOHUGEPAGE), __KVM_SYSCALL_ERROR("madvise", -1));
	memset(t.hva, 0x5a, t.size);
	if ((c->need & NEED_THP) && !nested_is_huge(t.hva, t.size))
		return "the host has no transparent huge page of this size to give";

	return NULL;
}

/* One of L1's two stage 2s: the slot, and the slot from its page 1 on at ALIAS. */
static void map_for_l1(const struct test_case *c, struct s2_mmu *s2)
{
	u64 ipa = TEST_GPA + NESTED_IPA_OFFSET, attrs = S2_ATTR_DEFAULT;
	int level = c->need & NEED_BLOCK ? 2 : c->need & NEED_L1_BLOCK ? 1 : 3;
	u64 *table = table_desc(0);
	unsigned int n;

	if (c->need & NEED_CONTIG)
		attrs |= S2_DESC_CONTIG;
	if (c->need & NEED_TABLE) {
		for (n = 0; n < NR_PAGES; n++)
			table[n] = s2_pa_desc(&t.geo, TEST_GPA + n * t.page) | attrs |
				   S2_DESC_VALID | S2_DESC_PAGE;
		s2_write(s2, s2_desc(s2, ipa, 2), s2_pa_desc(&t.geo, TEST_GPA + TABLE * t.page) |
						  S2_DESC_VALID | S2_DESC_TABLE);
	} else {
		s2_map(s2, ipa, TEST_GPA, t.size, level, attrs);
	}
	/* A level 1 block has this range, too. */
	if (!(c->need & NEED_L1_BLOCK))
		s2_map(s2, ipa + ALIAS, TEST_GPA + t.page, t.size - t.page, 3, S2_ATTR_DEFAULT);
	if (c->need & NEED_AF)
		s2->vtcr |= VTCR_EL2_HA;
	if (c->need & NEED_DBM)
		s2->vtcr |= VTCR_EL2_HD;
}

/* A second stage 2, with the same contents as that of the environment. */
static gva_t add_context(const struct test_case *c)
{
	struct userspace_mem_region *slot0 = memslot2region(t.vm, 0);
	gva_t gva = vm_alloc(t.vm, sizeof(struct s2_mmu), KVM_UTIL_MIN_VADDR);
	struct s2_mmu *s2 = addr_gva2hva(t.vm, gva);
	struct { gpa_t gpa; u64 size; } ranges[] = {
		{ slot0->region.guest_phys_addr, slot0->region.memory_size },
		{ t.env.mem.gpa, t.env.mem.size },
		{ t.vm->ucall_mmio_addr, t.vm->page_size },
	};
	unsigned int i;

	s2_init(s2, &t.env.mem, &t.geo, NESTED_ENV_VMID + 1);
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		s2_map(s2, ranges[i].gpa + NESTED_IPA_OFFSET, ranges[i].gpa, ranges[i].size, 3,
		       S2_ATTR_DEFAULT);
	map_for_l1(c, s2);
	return gva;
}

static void add_vcpu(unsigned int cpu, gva_t second_s2)
{
	struct vcpu_area *area = addr_gva2hva(t.vm, (gva_t)&vcpu_area[cpu]);
	struct l2_vcpu *l2;
	gva_t gva;
	int i;

	for (i = 0; i < 2; i++) {
		gva = nested_env_add_l2(&t.env, l2_code);
		l2 = addr_gva2hva(t.vm, gva);
		l2->regs[0] = (u64)&vcpu_area[cpu];
		if (i)
			l2->s2 = (struct s2_mmu *)second_s2;
		area->l2[i] = (struct l2_vcpu *)gva;
	}
	area->page_size = t.page;
	t.area[cpu] = area;
	vcpu_args_set(t.vcpu[cpu], 1, &vcpu_area[cpu]);
}

static int run_row(unsigned int n, const char **reason)
{
	const struct test_case *c = row_case(n);
	unsigned int mapped;
	gva_t second_s2;
	unsigned int cpu;

	t.mode = row_mode(n);
	*reason = mode_missing();
	if (*reason)
		return NESTED_SKIP;

	t.vm = vm_create(NR_VCPUS);
	enable_mode(c);
	nested_vm_add_vcpus(t.vm, NR_VCPUS, l1_main, t.vcpu);
	t.geo = s2_default_geometry();
	t.page = BIT(t.geo.page_shift);
	t.size = slot_size(c);
	*reason = case_missing(c) ?: map_memory(c);
	if (*reason)
		return NESTED_SKIP;

	t.log = bitmap_zalloc(nr_pages());
	set_flags(0);
	mapped = c->need & NEED_FULL ? nr_pages() : NR_PAGES;
	virt_map(t.vm, TEST_GVA, TEST_GPA, mapped * t.page / t.vm->page_size);
	nested_env_create(&t.env, t.vm, &t.geo);
	nested_env_map_s1(&t.env, TEST_GVA + ALIAS, TEST_GPA + NESTED_IPA_OFFSET + ALIAS,
			  (NR_PAGES - 1) * t.page, 0);
	map_for_l1(c, t.env.s2);
	second_s2 = add_context(c);
	for (cpu = 0; cpu < NR_VCPUS; cpu++)
		add_vcpu(cpu, second_s2);
	nested_env_finish(&t.env);

	c->run();
	return NESTED_PASS;
}

static const char *row_desc(unsigned int n)
{
	static char desc[128];

	snprintf(desc, sizeof(desc), "%s: %s", mode_name[row_mode(n)], row_case(n)->desc);
	return desc;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_dirty_log",
		.nr_rows = RING_ROWS + ARRAY_SIZE(clear_cases), .desc = row_desc,
		.run = run_row, .timeout_s = 20,
	};

	return nested_main(argc, argv, &suite);
}
