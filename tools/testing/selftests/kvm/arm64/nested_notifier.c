// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_notifier - the host changes the memory behind an L2
 *
 * L2 reads and writes pages of a memslot through shadow entries. Userspace then replaces,
 * protects, moves, merges or drops the memory of that slot, or the slot itself. L2 has to see the
 * new contents from then on, or the access has to go where KVM's API says, as it does for an L1
 * without L2. What was there before is poisoned through another mapping of the same file where
 * there can be one. In the second half of the rows the memory holds L1's stage-2 tables. In the
 * last rows L2 runs on while a second host thread does it again and again.
 *
 * Seen to fail: with kvm_nested_s2_unmap() doing nothing, for notifiers or for memslots (tried:
 * rows with mmap(), fork(), a huge page, guest_memfd, a read-only slot, L1's table; all of "L2
 * runs", but for mprotect() and mremap(), which bring back the same page); with io_mem_abort()
 * given the nested IPA; with kvm_nested_s2_map() not asking whether a notifier ran since the walk
 * ("L2 runs: mmap(MAP_FIXED) of L1's table", on two CPUs, not each time within 8 seconds).
 *
 * Locking: the rows are sequential, but for "L2 runs". There, the thread that changes memory
 * publishes a generation after each change (release), L2 samples it before it reads (acquire).
 * Where the vCPU's thread accesses the memory for L2, that and the other thread's look at it
 * exclude each other (stand_in_lock).
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "test_util.h"

#include <asm/barrier.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* The slot, and where L2 finds it; MOVED is a second window, without memory at first. */
#define TEST_GPA	SZ_2G
#define TEST_GVA	0x4000000000UL
#define TEST_SLOT	1
#define MOVED		SZ_1G
#define NR_PAGES	16
#define MAX_BLOCK	SZ_64M

/* Pages of the slot: used by all rows, an innocent neighbour, a table of L1, and a trap. */
#define PAGE		5
#define OTHER		9
#define TABLE		2
#define TRAP		3
#define FAR_TABLE	(file_pages() - 1)
#define OFFSET		0x128

/* Contents of file or anonymous page n, before and after a change. */
#define OLD(n)		(0x01d0000000000000UL + (n))
#define NEW(n)		(0x4e3700000000000UL + (n))
#define WRITTEN		0xc001d00dfeedf00dUL
#define POISON		0xdeaddeaddeaddeadUL

/*
 * How long L2 runs in a row with a second thread, unless NESTED_SECONDS is in the environment, and
 * how often memory changes at least.
 */
#define RUN_NS		250000000UL
#define RUN_CHANGES	10
/* How long KSM may take to merge two pages, and how often it does. */
#define KSM_NS		3000000000UL
#define KSM_CHANGES	3

enum backing {
	ANON,		/* anonymous memory, small pages unless the row says otherwise */
	FILE_SHARED,	/* memfd, twice as large as the slot; mapped a second time */
	FILE_PRIVATE,	/* the same, MAP_PRIVATE */
	GMEM,		/* guest_memfd, which userspace can map */
};

enum need {
	NEED_HAF	= BIT(0),
	NEED_THP	= BIT(1),
	NEED_TABLE	= BIT(2),	/* page TABLE is L1's level 3 table for the slot */
	NEED_BLOCK	= BIT(3),	/* L1 maps the slot with a level 2 block */
	NEED_FAR_TABLE	= BIT(4),	/* the slot has that size, its last page is the table */
};

/* The slot has the size of a level 2 block. */
#define NEED_SIZE	(NEED_THP | NEED_BLOCK | NEED_FAR_TABLE)

struct row {
	const char *desc;
	const char *(*run)(void);	/* NULL, or why it is skipped */
	void (*l2)(struct l2_access *access);	/* l2_serve() */
	enum backing backing;
	unsigned int need;
};

/* The row that runs. */
static struct test {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct nested_env env;
	struct s2_geometry geo;
	struct l2_access *access;
	struct ucall uc;
	size_t page;
	size_t size;
	void *hva;
	void *alias;
	int fd;
	u32 flags;
} t;

/* Between a host thread, the vCPU's thread and L2 in the rows with a running L2. */
struct shared {
	u64 generation;
	u64 stop;
	u64 rounds;
	u64 count;
};

static struct l2_access access_area;
static struct shared shared;

static u64 *word(void *base, unsigned int n)
{
	return base + n * t.page + OFFSET;
}

static u64 l2_va(unsigned int n)
{
	return TEST_GVA + n * t.page + OFFSET;
}

/* The row has failed if @ok is false; it is the end of its process. */
static void check(bool ok, unsigned int line, const char *what)
{
	if (ok)
		return;

	ksft_print_msg("line %u: %s\n", line, what);
	exit(NESTED_FAIL);
}

#define CHECK(cond)	check(cond, __LINE__, #cond)

/* L2 */

/* Read what the host changes: never older than the generation that was published, no poison. */
static void l2_reader(struct l2_access *access)
{
	u64 generation, after, value;

	while (!READ_ONCE(shared.stop)) {
		/* Pairs with the release in publish(). */
		generation = smp_load_acquire(&shared.generation);
		value = READ_ONCE(*(u64 *)access->va);
		/* The value is older than what is read now. */
		dmb(ish);
		after = READ_ONCE(shared.generation);
		__GUEST_ASSERT(value >= generation && value <= after + 1,
			       "value 0x%lx, generation 0x%lx, then 0x%lx", value, generation,
			       after);
		WRITE_ONCE(shared.rounds, shared.rounds + 1);
	}
	GUEST_SYNC(NESTED_SYNC_ACCESS);
}

/*
 * Contents that are lost on the way from one value to the next, in steps that are published: the
 * value is there; it may be lost; it is; there may be the next one.
 */
enum step {
	STEP_THERE,
	STEP_GOES,
	STEP_LOST,
	STEP_COMES,
	NR_STEPS
};

static bool may_be_read(u64 generation, u64 value)
{
	u64 there = generation & ~(NR_STEPS - 1UL);

	switch (generation % NR_STEPS) {
	case STEP_THERE:
		return value == there;
	case STEP_GOES:
		return value == there || !value;
	case STEP_LOST:
		return !value;
	default:
		return value == there + NR_STEPS || !value;
	}
}

static void l2_lost_reader(struct l2_access *access)
{
	u64 generation, after, value;

	while (!READ_ONCE(shared.stop)) {
		/* Pairs with the release in publish(). */
		generation = smp_load_acquire(&shared.generation);
		value = READ_ONCE(*(u64 *)access->va);
		dmb(ish);
		after = READ_ONCE(shared.generation);
		__GUEST_ASSERT(generation == after ? may_be_read(generation, value) :
			       !value || (value + NR_STEPS > generation &&
					  value < after + NR_STEPS),
			       "value 0x%lx, generation 0x%lx, then 0x%lx", value, generation,
			       after);
		WRITE_ONCE(shared.rounds, shared.rounds + 1);
	}
	GUEST_SYNC(NESTED_SYNC_ACCESS);
}

/* Two pages, at @access->va and ->value. They differ while the generation is odd. */
static void l2_twins(struct l2_access *access)
{
	u64 *a = (u64 *)access->va, *b = (u64 *)access->value, now, last = 0;

	while (!READ_ONCE(shared.stop)) {
		now = READ_ONCE(shared.generation);
		if (now != last) {
			last = now;
			WRITE_ONCE(*a, now & 1 ? now : WRITTEN);
			/* Pairs with the acquire in step_ksm(). */
			smp_store_release(&shared.count, now);
		}
		GUEST_ASSERT_EQ(READ_ONCE(*a), last & 1 ? last : WRITTEN);
		GUEST_ASSERT_EQ(READ_ONCE(*b), WRITTEN);
		WRITE_ONCE(shared.rounds, shared.rounds + 1);
	}
	GUEST_SYNC(NESTED_SYNC_ACCESS);
}

/* Count in memory that moves; a store that is lost shows, here or at the end. */
static void l2_counter(struct l2_access *access)
{
	u64 *counter = (u64 *)access->va, value;

	while (!READ_ONCE(shared.stop)) {
		value = READ_ONCE(*counter);
		__GUEST_ASSERT(value == shared.count, "counter is 0x%lx, not 0x%lx", value,
			       shared.count);
		WRITE_ONCE(*counter, value + 1);
		WRITE_ONCE(shared.count, value + 1);
		WRITE_ONCE(shared.rounds, shared.rounds + 1);
	}
	GUEST_SYNC(NESTED_SYNC_ACCESS);
}

/* Host: accesses of L2 */

static bool is_outcome(enum nested_access got, enum nested_access want)
{
	static const char * const name[] = { "done", "MMIO", "EFAULT", "exit to L1", "failure" };

	if (got == want)
		return true;

	ksft_print_msg("L2's access: %s, expected %s\n", name[got], name[want]);
	if (got == NESTED_ACCESS_L1)
		ksft_print_msg("ESR 0x%lx FAR 0x%lx HPFAR 0x%lx\n", t.uc.args[2], t.uc.args[3],
			       t.uc.args[4]);
	if (got == NESTED_ACCESS_MMIO)
		ksft_print_msg("address 0x%llx\n", t.vcpu->run->mmio.phys_addr);
	return false;
}

static enum nested_access start(u64 va, u64 value, bool write)
{
	return nested_access_start(t.vcpu, t.access, va, value, write, &t.uc);
}

static bool finishes(enum nested_access outcome, u64 want)
{
	return is_outcome(outcome, NESTED_ACCESS_DONE) &&
	       nested_check("value", t.access->value, want, ~0UL);
}

static bool reads(unsigned int n, u64 want)
{
	return finishes(start(l2_va(n), 0, false), want);
}

static bool writes(unsigned int n, u64 value)
{
	return is_outcome(start(l2_va(n), value, true), NESTED_ACCESS_DONE);
}

static bool efaults(unsigned int n, bool write)
{
	return is_outcome(start(l2_va(n), WRITTEN, write), NESTED_ACCESS_EFAULT);
}

/* The access that is pending goes through now; @want is what it reads, or what it has written. */
static bool goes_on(u64 want)
{
	return finishes(nested_access_run(t.vcpu, &t.uc), want);
}

/* L2's access is one to a device, at the canonical address. A load gets POISON ^ phys_addr. */
static bool exits_as_mmio(u64 va, gpa_t gpa, bool write)
{
	struct kvm_run *run = t.vcpu->run;
	u64 value = write ? WRITTEN : POISON ^ gpa;
	u64 data;

	if (!is_outcome(start(va, WRITTEN, write), NESTED_ACCESS_MMIO) ||
	    !nested_check("MMIO address", run->mmio.phys_addr, gpa, ~0UL) ||
	    !nested_check("MMIO is a write", run->mmio.is_write, write, ~0UL) ||
	    !nested_check("MMIO length", run->mmio.len, sizeof(u64), ~0UL))
		return false;
	memcpy(&data, run->mmio.data, sizeof(data));
	if (write && !nested_check("MMIO data", data, WRITTEN, ~0UL))
		return false;
	if (!write)
		memcpy(run->mmio.data, &value, sizeof(value));

	return goes_on(value);
}

/* Host: memory */

static void map_over(unsigned int n, unsigned int pages, unsigned int file_page)
{
	void *addr = t.hva + n * t.page;

	TEST_ASSERT(mmap(addr, pages * t.page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 t.fd, file_page * t.page) == addr, __KVM_SYSCALL_ERROR("mmap", -1));
}

static void protect(unsigned int n, int prot)
{
	TEST_ASSERT(!mprotect(t.hva + n * t.page, t.page, prot),
		    __KVM_SYSCALL_ERROR("mprotect", -1));
}

static void advise(unsigned int n, int advice)
{
	TEST_ASSERT(!madvise(t.hva + n * t.page, t.page, advice),
		    __KVM_SYSCALL_ERROR("madvise", -1));
}

static void punch_page(void)
{
	TEST_ASSERT(!fallocate(t.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE * t.page,
			       t.page), __KVM_SYSCALL_ERROR("fallocate", -1));
}

/* Move a page of the mapping; a @to of NULL is any address that is free. */
static void *move(void *from, void *to)
{
	if (!to)
		to = kvm_mmap(t.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	TEST_ASSERT(mremap(from, t.page, t.page, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to,
		    __KVM_SYSCALL_ERROR("mremap", -1));
	return to;
}

static void set_slot(gpa_t gpa, size_t size, u32 flags, void *hva)
{
	vm_set_user_memory_region2(t.vm, TEST_SLOT, flags | t.flags, gpa, size, hva,
				   t.flags & KVM_MEM_GUEST_MEMFD ? t.fd : -1, 0);
}

static unsigned int file_pages(void)
{
	return t.size / t.page;
}

/* Text of a file in sysfs or procfs as a number, 0 if there is none. */
static unsigned long file_number(const char *path)
{
	unsigned long value = 0;
	FILE *f = fopen(path, "r");

	if (!f)
		return 0;
	if (fscanf(f, "%lu", &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

static bool set_number(const char *path, unsigned long value)
{
	FILE *f = fopen(path, "w");
	bool ok;

	if (!f)
		return false;
	ok = fprintf(f, "%lu\n", value) > 0;
	return !fclose(f) && ok;
}

/* A child that shares all memory with us, copy on write, and then tells what page n has. */
struct snapshot {
	pid_t pid;
	int go[2];
};

static struct snapshot take_snapshot(const u64 *addr, u64 want)
{
	struct snapshot snap;
	char c;

	TEST_ASSERT(!pipe(snap.go), __KVM_SYSCALL_ERROR("pipe", -1));
	snap.pid = fork();
	TEST_ASSERT(snap.pid >= 0, __KVM_SYSCALL_ERROR("fork", -1));
	if (!snap.pid) {
		close(snap.go[1]);
		while (read(snap.go[0], &c, 1) < 0)
			;
		_exit(READ_ONCE(*addr) == want ? 0 : 1);
	}
	close(snap.go[0]);
	return snap;
}

static bool snapshot_kept(struct snapshot *snap)
{
	int status;

	close(snap->go[1]);
	TEST_ASSERT(waitpid(snap->pid, &status, 0) == snap->pid,
		    __KVM_SYSCALL_ERROR("waitpid", -1));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Rows: data pages, while L2 is stopped */

static const char *run_nothing(void)
{
	CHECK(reads(PAGE, OLD(PAGE)));
	CHECK(writes(PAGE, WRITTEN));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), WRITTEN, ~0UL));
	*word(t.alias, PAGE) = NEW(PAGE);
	CHECK(reads(PAGE, NEW(PAGE)));
	CHECK(reads(OTHER, OLD(OTHER)));
	return NULL;
}

static const char *run_map_over(void)
{
	unsigned int n = file_pages() + PAGE;

	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN) && reads(OTHER, OLD(OTHER)));
	map_over(PAGE, 1, n);
	*word(t.alias, PAGE) = POISON;
	CHECK(reads(PAGE, OLD(n)));
	CHECK(writes(PAGE, NEW(n)));
	CHECK(nested_check("new page", *word(t.alias, n), NEW(n), ~0UL));
	CHECK(nested_check("old page", *word(t.alias, PAGE), POISON, ~0UL));
	CHECK(reads(OTHER, OLD(OTHER)));
	return NULL;
}

static const char *run_punch_file(void)
{
	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN));
	punch_page();
	CHECK(reads(PAGE, 0));
	*word(t.hva, PAGE) = NEW(PAGE);
	CHECK(reads(PAGE, NEW(PAGE)));
	CHECK(reads(OTHER, OLD(OTHER)));
	return NULL;
}

static const char *run_truncate(void)
{
	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN));
	TEST_ASSERT(!ftruncate(t.fd, PAGE * t.page), __KVM_SYSCALL_ERROR("ftruncate", -1));
	CHECK(efaults(PAGE, false));
	TEST_ASSERT(!ftruncate(t.fd, 2 * t.size), __KVM_SYSCALL_ERROR("ftruncate", -1));
	CHECK(goes_on(0));
	CHECK(writes(PAGE, NEW(PAGE)));
	CHECK(nested_check("host reads", *word(t.alias, PAGE), NEW(PAGE), ~0UL));
	return NULL;
}

static const char *run_dontneed(void)
{
	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN));
	advise(PAGE, MADV_DONTNEED);
	CHECK(reads(PAGE, 0));
	*word(t.hva, PAGE) = NEW(PAGE);
	CHECK(reads(PAGE, NEW(PAGE)));
	CHECK(writes(PAGE, WRITTEN));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), WRITTEN, ~0UL));
	CHECK(reads(OTHER, OLD(OTHER)));
	return NULL;
}

static const char *run_private_copy(void)
{
	/* The file's own page, read-only, until L2 writes. */
	CHECK(reads(PAGE, OLD(PAGE)));
	*word(t.alias, PAGE) = NEW(PAGE);
	CHECK(reads(PAGE, NEW(PAGE)));
	CHECK(writes(PAGE, WRITTEN));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), WRITTEN, ~0UL));
	CHECK(nested_check("file", *word(t.alias, PAGE), NEW(PAGE), ~0UL));
	*word(t.alias, PAGE) = POISON;
	CHECK(reads(PAGE, WRITTEN));
	/* And back to the file. */
	*word(t.alias, PAGE) = OLD(PAGE);
	advise(PAGE, MADV_DONTNEED);
	CHECK(reads(PAGE, OLD(PAGE)));
	return NULL;
}

static const char *run_fork(void)
{
	struct snapshot snap;

	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN));
	snap = take_snapshot(word(t.hva, PAGE), WRITTEN);
	CHECK(writes(PAGE, NEW(PAGE)));
	CHECK(reads(PAGE, NEW(PAGE)));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), NEW(PAGE), ~0UL));
	CHECK(snapshot_kept(&snap));
	return NULL;
}

static const char *run_pageout(void)
{
	u64 entry;
	int fd;

	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN));
	advise(PAGE, MADV_PAGEOUT);
	fd = open("/proc/self/pagemap", O_RDONLY);
	if (fd < 0 || pread(fd, &entry, sizeof(entry),
			    (u64)word(t.hva, PAGE) / t.page * sizeof(entry)) != sizeof(entry) ||
	    !(entry & BIT(62)))
		return "the page was not swapped out: no swap space?";
	close(fd);
	*word(t.hva, PAGE) += 1;
	CHECK(reads(PAGE, WRITTEN + 1));
	CHECK(writes(PAGE, NEW(PAGE)));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), NEW(PAGE), ~0UL));
	return NULL;
}

static const char *run_protect_read(void)
{
	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, NEW(PAGE)));
	protect(PAGE, PROT_READ);
	CHECK(reads(PAGE, NEW(PAGE)));
	CHECK(efaults(PAGE, true));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), NEW(PAGE), ~0UL));
	protect(PAGE, PROT_READ | PROT_WRITE);
	CHECK(goes_on(WRITTEN));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), WRITTEN, ~0UL));
	CHECK(writes(OTHER, NEW(OTHER)));
	return NULL;
}

static const char *run_protect_none(void)
{
	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, NEW(PAGE)));
	protect(PAGE, PROT_NONE);
	CHECK(efaults(PAGE, false));
	CHECK(is_outcome(nested_access_run(t.vcpu, &t.uc), NESTED_ACCESS_EFAULT));
	protect(PAGE, PROT_READ | PROT_WRITE);
	CHECK(goes_on(NEW(PAGE)));
	CHECK(reads(OTHER, OLD(OTHER)));
	return NULL;
}

static const char *run_unmap(void)
{
	unsigned int n = file_pages() + PAGE;

	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN));
	TEST_ASSERT(!munmap(t.hva + PAGE * t.page, t.page), __KVM_SYSCALL_ERROR("munmap", -1));
	CHECK(efaults(PAGE, false));
	map_over(PAGE, 1, n);
	CHECK(goes_on(OLD(n)));
	CHECK(reads(OTHER, OLD(OTHER)));
	return NULL;
}

static const char *run_mremap(void)
{
	void *a = t.hva + PAGE * t.page, *b = t.hva + OTHER * t.page, *tmp;

	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN) && reads(OTHER, OLD(OTHER)));
	tmp = move(a, NULL);
	move(b, a);
	CHECK(reads(PAGE, OLD(OTHER)));
	CHECK(efaults(OTHER, false));
	move(tmp, b);
	CHECK(goes_on(WRITTEN));
	CHECK(writes(PAGE, NEW(PAGE)));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), NEW(PAGE), ~0UL));
	CHECK(nested_check("host reads", *word(t.hva, OTHER), WRITTEN, ~0UL));
	return NULL;
}

/* Slots: no memory there is MMIO, at the canonical address. */
static const char *run_slot_delete(void)
{
	gpa_t gpa = TEST_GPA + PAGE * t.page + OFFSET;
	unsigned int n = file_pages() + PAGE;

	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN));
	set_slot(TEST_GPA, 0, 0, t.hva);
	CHECK(exits_as_mmio(l2_va(PAGE), gpa, false));
	CHECK(exits_as_mmio(l2_va(PAGE), gpa, true));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), WRITTEN, ~0UL));
	/* Other memory. */
	set_slot(TEST_GPA, t.size, 0, t.alias + t.size);
	*word(t.alias, PAGE) = POISON;
	CHECK(reads(PAGE, OLD(n)));
	CHECK(writes(PAGE, NEW(n)));
	CHECK(nested_check("host reads", *word(t.alias, n), NEW(n), ~0UL));
	return NULL;
}

static const char *run_slot_move(void)
{
	gpa_t gpa = TEST_GPA + PAGE * t.page + OFFSET;

	CHECK(exits_as_mmio(l2_va(PAGE) + MOVED, gpa + MOVED, false));
	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN));
	set_slot(TEST_GPA + MOVED, t.size, 0, t.hva);
	CHECK(exits_as_mmio(l2_va(PAGE), gpa, false));
	CHECK(finishes(start(l2_va(PAGE) + MOVED, 0, false), WRITTEN));
	CHECK(is_outcome(start(l2_va(PAGE) + MOVED, NEW(PAGE), true), NESTED_ACCESS_DONE));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), NEW(PAGE), ~0UL));
	set_slot(TEST_GPA, t.size, 0, t.hva);
	CHECK(exits_as_mmio(l2_va(PAGE) + MOVED, gpa + MOVED, true));
	CHECK(reads(PAGE, NEW(PAGE)));
	return NULL;
}

static const char *run_slot_readonly(void)
{
	gpa_t gpa = TEST_GPA + PAGE * t.page + OFFSET;

	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, NEW(PAGE)));
	set_slot(TEST_GPA, 0, 0, t.hva);
	set_slot(TEST_GPA, t.size, KVM_MEM_READONLY, t.hva);
	CHECK(reads(PAGE, NEW(PAGE)));
	CHECK(exits_as_mmio(l2_va(PAGE), gpa, true));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), NEW(PAGE), ~0UL));
	CHECK(reads(PAGE, NEW(PAGE)));
	*word(t.hva, PAGE) = OLD(PAGE);
	CHECK(reads(PAGE, OLD(PAGE)));
	set_slot(TEST_GPA, 0, 0, t.hva);
	set_slot(TEST_GPA, t.size, 0, t.hva);
	CHECK(writes(PAGE, WRITTEN));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), WRITTEN, ~0UL));
	return NULL;
}

/* Huge pages */

static const char *collapse(void)
{
	if (madvise(t.hva, t.size, MADV_HUGEPAGE))
		return "no transparent huge pages for this mapping";
	if (madvise(t.hva, t.size, MADV_COLLAPSE))
		return "MADV_COLLAPSE is not supported, or there is no huge page";

	return nested_is_huge(t.hva, t.size) ? NULL : "there is no huge page after MADV_COLLAPSE";
}

static const char *run_collapse(void)
{
	const char *reason;

	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN) && reads(OTHER, OLD(OTHER)));
	reason = collapse();
	if (reason)
		return reason;
	*word(t.hva, OTHER) = NEW(OTHER);
	CHECK(reads(PAGE, WRITTEN));
	CHECK(reads(OTHER, NEW(OTHER)));
	CHECK(writes(PAGE, NEW(PAGE)));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), NEW(PAGE), ~0UL));
	return NULL;
}

static const char *run_split(void)
{
	const char *reason;

	reason = collapse();
	if (reason)
		return reason;
	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN) && writes(OTHER, WRITTEN));
	advise(PAGE, MADV_DONTNEED);
	CHECK(reads(PAGE, 0));
	CHECK(reads(OTHER, WRITTEN));
	*word(t.hva, PAGE) = NEW(PAGE);
	CHECK(reads(PAGE, NEW(PAGE)));
	protect(OTHER, PROT_READ);
	CHECK(efaults(OTHER, true));
	protect(OTHER, PROT_READ | PROT_WRITE);
	CHECK(goes_on(WRITTEN));
	/* Whole again. */
	reason = collapse();
	if (reason)
		return reason;
	CHECK(reads(PAGE, NEW(PAGE)) && writes(PAGE, WRITTEN));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), WRITTEN, ~0UL));
	return NULL;
}

/* The page frame of page @n; 0 if we are not to know. */
static u64 frame(unsigned int n)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	u64 entry = 0;

	if (fd < 0 || pread(fd, &entry, sizeof(entry),
			    (u64)word(t.hva, n) / t.page * sizeof(entry)) != sizeof(entry))
		entry = 0;
	if (fd >= 0)
		close(fd);
	return entry & GENMASK(54, 0);
}

#define KSM	"/sys/kernel/mm/ksm/"

static const char * const ksm_files[] = {
	KSM "run", KSM "pages_to_scan", KSM "sleep_millisecs",
};

static unsigned long ksm_was[ARRAY_SIZE(ksm_files)];

static void stop_ksm(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ksm_files); i++)
		set_number(ksm_files[i], ksm_was[i]);
}

/*
 * Start it, on two pages that are the same. A row that ends well stops it; one that fails does so
 * at its exit().
 */
static const char *start_ksm(void)
{
	static const unsigned long fast[ARRAY_SIZE(ksm_files)] = { 1, 1000, 10 };
	unsigned int i;

	if (access(KSM "run", W_OK))
		return "no KSM in this kernel, or no right to start it";
	if (!frame(PAGE))
		return "no right to see page frames (/proc/self/pagemap)";

	memset(t.hva + PAGE * t.page, 0x5a, t.page);
	memset(t.hva + OTHER * t.page, 0x5a, t.page);
	*word(t.hva, PAGE) = WRITTEN;
	*word(t.hva, OTHER) = WRITTEN;
	advise(PAGE, MADV_MERGEABLE);
	advise(OTHER, MADV_MERGEABLE);
	for (i = 0; i < ARRAY_SIZE(ksm_files); i++)
		ksm_was[i] = file_number(ksm_files[i]);
	atexit(stop_ksm);
	for (i = ARRAY_SIZE(ksm_files); i-- > 0; )
		CHECK(set_number(ksm_files[i], fast[i]));

	return NULL;
}

static const char *run_ksm(void)
{
	const char *reason = start_ksm();
	unsigned int i;

	if (reason)
		return reason;
	/* L2 may write to both, as long as they are two. */
	CHECK(writes(PAGE, WRITTEN) && writes(OTHER, WRITTEN));
	for (i = 0; i < 300 && frame(PAGE) != frame(OTHER); i++)
		usleep(10000);
	stop_ksm();
	if (frame(PAGE) != frame(OTHER))
		return "KSM did not merge the pages within 3 seconds";
	CHECK(reads(PAGE, WRITTEN) && reads(OTHER, WRITTEN));
	CHECK(writes(PAGE, NEW(PAGE)));
	CHECK(reads(OTHER, WRITTEN) && reads(PAGE, NEW(PAGE)));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), NEW(PAGE), ~0UL));
	CHECK(nested_check("host reads", *word(t.hva, OTHER), WRITTEN, ~0UL));
	return NULL;
}

static const char *run_gmem(void)
{
	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), WRITTEN, ~0UL));
	punch_page();
	CHECK(reads(PAGE, 0));
	*word(t.hva, PAGE) = NEW(PAGE);
	CHECK(reads(PAGE, NEW(PAGE)));
	CHECK(writes(PAGE, WRITTEN));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), WRITTEN, ~0UL));
	CHECK(reads(OTHER, OLD(OTHER)));
	return NULL;
}

/* userfaultfd: a thread that answers, and counts. */
struct uffd {
	pthread_t thread;
	int fd;
	bool wp;
	unsigned int events;
};

static void *uffd_thread(void *arg)
{
	struct uffd *uffd = arg;
	struct pollfd poll_fd = { .fd = uffd->fd, .events = POLLIN };
	struct uffd_msg msg;
	void *src = calloc(1, 2 * t.page);
	unsigned long page;

	src = (void *)(((unsigned long)src + t.page - 1) & ~(t.page - 1));
	*(u64 *)(src + OFFSET) = NEW(PAGE);
	while (poll(&poll_fd, 1, -1) == 1 && read(uffd->fd, &msg, sizeof(msg)) == sizeof(msg)) {
		struct uffdio_writeprotect wp = { };
		struct uffdio_copy copy = { };

		uffd->events++;
		page = msg.arg.pagefault.address & ~(t.page - 1);
		wp.range.start = page;
		wp.range.len = t.page;
		copy.dst = page;
		copy.len = t.page;
		copy.src = (unsigned long)src;
		if (uffd->wp)
			ioctl(uffd->fd, UFFDIO_WRITEPROTECT, &wp);
		else
			ioctl(uffd->fd, UFFDIO_COPY, &copy);
	}
	return NULL;
}

static const char *uffd_open(struct uffd *uffd)
{
	struct uffdio_api api = {
		.api = UFFD_API, .features = uffd->wp ? UFFD_FEATURE_PAGEFAULT_FLAG_WP : 0,
	};
	struct uffdio_register reg = {
		.range = { .start = (unsigned long)t.hva + PAGE * t.page, .len = t.page },
		.mode = uffd->wp ? UFFDIO_REGISTER_MODE_WP : UFFDIO_REGISTER_MODE_MISSING,
	};

	uffd->fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd->fd < 0 || ioctl(uffd->fd, UFFDIO_API, &api) ||
	    ioctl(uffd->fd, UFFDIO_REGISTER, &reg))
		return "no userfaultfd of this kind, or no right to use it";

	TEST_ASSERT(!pthread_create(&uffd->thread, NULL, uffd_thread, uffd), "pthread_create()");
	return NULL;
}

static const char *run_uffd_missing(void)
{
	const char *reason;
	struct uffd uffd = { };

	reason = uffd_open(&uffd);
	if (reason)
		return reason;
	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN));
	advise(PAGE, MADV_DONTNEED);
	CHECK(reads(PAGE, NEW(PAGE)));
	CHECK(uffd.events == 1);
	CHECK(writes(PAGE, WRITTEN));
	CHECK(nested_check("host reads", *word(t.hva, PAGE), WRITTEN, ~0UL));
	return NULL;
}

static const char *run_uffd_wp(void)
{
	const char *reason;
	struct uffd uffd = { .wp = true };
	struct uffdio_writeprotect wp = {
		.range = { .start = (unsigned long)t.hva + PAGE * t.page, .len = t.page },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	reason = uffd_open(&uffd);
	if (reason)
		return reason;
	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN));
	TEST_ASSERT(!ioctl(uffd.fd, UFFDIO_WRITEPROTECT, &wp), "UFFDIO_WRITEPROTECT");
	CHECK(reads(PAGE, WRITTEN));
	CHECK(uffd.events == 0);
	CHECK(writes(PAGE, NEW(PAGE)));
	CHECK(uffd.events == 1);
	CHECK(nested_check("host reads", *word(t.hva, PAGE), NEW(PAGE), ~0UL));
	return NULL;
}

/* Rows: L1's level 3 table is in page TABLE */

static u64 *table_desc(void *base, unsigned int table, unsigned int n)
{
	return (u64 *)(base + table * t.page) + n;
}

/* A table in page @table of @base, in which page PAGE is page @target of the slot. */
static void fill_table(void *base, unsigned int table, unsigned int target, u64 attrs)
{
	unsigned int n, pa;

	for (n = 0; n < NR_PAGES; n++) {
		pa = n == PAGE ? target : n;
		*table_desc(base, table, n) = s2_pa_desc(&t.geo, TEST_GPA + pa * t.page) | attrs |
					      S2_DESC_VALID | S2_DESC_PAGE;
	}
}

/* As where there is no memory: L1 has made these tables, and userspace has broken them. */
static bool exits_by_walk(unsigned int n)
{
	return is_outcome(start(l2_va(n), 0, false), NESTED_ACCESS_L1) &&
	       nested_check("FSC", t.uc.args[2], ESR_ELx_FSC_SEA_TTW(3), ESR_ELx_FSC);
}

static const char *run_table_map_over(void)
{
	unsigned int n = file_pages() + TABLE;

	CHECK(reads(PAGE, OLD(PAGE)) && writes(PAGE, WRITTEN));
	fill_table(t.alias, n, OTHER, S2_ATTR_DEFAULT);
	map_over(TABLE, 1, n);
	fill_table(t.alias, TABLE, TRAP, S2_ATTR_DEFAULT);
	*word(t.alias, PAGE) = POISON;
	CHECK(reads(PAGE, OLD(OTHER)));
	CHECK(writes(PAGE, NEW(OTHER)));
	CHECK(nested_check("host reads", *word(t.alias, OTHER), NEW(OTHER), ~0UL));
	return NULL;
}

static const char *run_table_update(void)
{
	u64 old = S2_ATTR_DEFAULT & ~S2_DESC_AF;
	unsigned int n = file_pages() + TABLE;

	CHECK(reads(PAGE, OLD(PAGE)));
	fill_table(t.alias, n, OTHER, old);
	map_over(TABLE, 1, n);
	fill_table(t.alias, TABLE, TRAP, old);
	CHECK(reads(PAGE, OLD(OTHER)));
	CHECK(nested_check("AF in the new table", *table_desc(t.alias, n, PAGE), S2_DESC_AF,
			   S2_DESC_AF));
	CHECK(nested_check("AF in the old table", *table_desc(t.alias, TABLE, PAGE), 0,
			   S2_DESC_AF));
	return NULL;
}

static const char *run_table_dontneed(void)
{
	CHECK(reads(PAGE, OLD(PAGE)));
	advise(TABLE, MADV_DONTNEED);
	CHECK(is_outcome(start(l2_va(PAGE), 0, false), NESTED_ACCESS_L1));
	CHECK(nested_check("FSC", t.uc.args[2], ESR_ELx_FSC_FAULT_L(3), ESR_ELx_FSC));
	fill_table(t.hva, TABLE, OTHER, S2_ATTR_DEFAULT);
	CHECK(goes_on(OLD(OTHER)));
	return NULL;
}

static const char *run_table_protect_none(void)
{
	CHECK(reads(PAGE, OLD(PAGE)));
	protect(TABLE, PROT_NONE);
	/* L1's TLB may keep what it has; KVM's does not, but the access after that is new. */
	CHECK(exits_by_walk(OTHER));
	protect(TABLE, PROT_READ | PROT_WRITE);
	CHECK(goes_on(OLD(OTHER)));
	return NULL;
}

static const char *run_table_protect_read(void)
{
	u64 fsc;

	fill_table(t.hva, TABLE, OTHER, S2_ATTR_DEFAULT & ~S2_DESC_AF);
	protect(TABLE, PROT_READ);
	CHECK(is_outcome(start(l2_va(PAGE), 0, false), NESTED_ACCESS_L1));
	/* Arm leaves the kind of abort to the implementation. */
	fsc = t.uc.args[2] & ESR_ELx_FSC;
	CHECK(fsc == ESR_ELx_FSC_SEA_TTW(3) || fsc == 0x31);
	CHECK(nested_check("AF", *table_desc(t.hva, TABLE, PAGE), 0, S2_DESC_AF));
	protect(TABLE, PROT_READ | PROT_WRITE);
	CHECK(goes_on(OLD(OTHER)));
	CHECK(nested_check("AF", *table_desc(t.hva, TABLE, PAGE), S2_DESC_AF, S2_DESC_AF));
	return NULL;
}

static const char *run_table_fork(void)
{
	u64 *desc = table_desc(t.hva, TABLE, PAGE);
	struct snapshot snap;

	fill_table(t.hva, TABLE, OTHER, S2_ATTR_DEFAULT & ~S2_DESC_AF);
	snap = take_snapshot(desc, *desc);
	CHECK(reads(PAGE, OLD(OTHER)));
	CHECK(nested_check("AF", *desc, S2_DESC_AF, S2_DESC_AF));
	CHECK(snapshot_kept(&snap));
	return NULL;
}

static const char *run_table_slot_delete(void)
{
	unsigned int n = file_pages() + OTHER;

	CHECK(reads(PAGE, OLD(PAGE)));
	set_slot(TEST_GPA, 0, 0, t.hva);
	CHECK(is_outcome(start(l2_va(PAGE), 0, false), NESTED_ACCESS_L1));
	CHECK(nested_check("FSC", t.uc.args[2], ESR_ELx_FSC_SEA_TTW(3), ESR_ELx_FSC));
	fill_table(t.alias, file_pages() + TABLE, OTHER, S2_ATTR_DEFAULT);
	set_slot(TEST_GPA, t.size, 0, t.alias + t.size);
	CHECK(goes_on(OLD(n)));
	return NULL;
}

/* Rows: L2 runs, and a host thread makes one change after the other */

static struct shared *area;	/* the host side's pointer to the guest's "shared" */

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000UL + ts.tv_nsec;
}

/* From now on nothing older may be read. */
static void publish(u64 generation)
{
	/* Pairs with the acquire in l2_reader(). */
	smp_store_release(&area->generation, generation);
}

static void change_map_over(u64 generation)
{
	static unsigned int now = PAGE;
	unsigned int next = file_pages() + generation % NR_PAGES;

	*word(t.alias, next) = generation;
	map_over(PAGE, 1, next);
	*word(t.alias, now) = POISON;
	now = next;
	publish(generation);
}

/*
 * Alternate between the two halves of the file, of which each has a table and data. The table is
 * far behind the start of the slot: L2's access may come when KVM was told that the range goes
 * away, and the old table is still there to be read.
 */
static void change_table(u64 generation)
{
	unsigned int pages = file_pages(), next = generation % 2 ? pages : 0, old = pages - next;
	unsigned int data = 8 + generation % 8;
	static unsigned int old_data = PAGE;

	*word(t.alias, next + old_data) = POISON;
	*word(t.alias, next + data) = generation;
	fill_table(t.alias, next + FAR_TABLE, data, S2_ATTR_DEFAULT);
	TEST_ASSERT(mmap(t.hva, t.size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, t.fd, next * t.page) == t.hva,
		    __KVM_SYSCALL_ERROR("mmap", -1));
	*word(t.alias, old + old_data) = POISON;
	fill_table(t.alias, old + FAR_TABLE, TRAP, S2_ATTR_DEFAULT);
	old_data = data;
	publish(generation);
}

/* Until L2 has done something after now. */
static void wait_round(void)
{
	u64 rounds = READ_ONCE(area->rounds);

	while (READ_ONCE(area->rounds) == rounds && !READ_ONCE(area->stop))
		sched_yield();
}

/* Contents are lost, then there are new ones. */
static void change_contents(u64 generation, void (*lose)(void))
{
	u64 next = generation * NR_STEPS, was = next - NR_STEPS;

	publish(was + STEP_GOES);
	lose();
	publish(was + STEP_LOST);
	wait_round();
	publish(was + STEP_COMES);
	*word(t.hva, PAGE) = next;
	publish(next);
}

static void lose_page(void)
{
	advise(PAGE, MADV_DONTNEED);
}

static void change_dontneed(u64 generation)
{
	change_contents(generation, lose_page);
}

static void change_punch(u64 generation)
{
	change_contents(generation, punch_page);
}

/* What L2 reads while the slot is at the other place is not from memory. */
static void change_slot_move(u64 generation)
{
	set_slot(TEST_GPA + MOVED, t.size, 0, t.hva);
	*word(t.hva, PAGE) = POISON;
	wait_round();
	*word(t.hva, PAGE) = generation;
	set_slot(TEST_GPA, t.size, 0, t.hva);
	publish(generation);
}

static void change_slot(u64 generation)
{
	static unsigned int now;
	unsigned int next = now ? 0 : file_pages();

	*word(t.alias, next + PAGE) = generation;
	set_slot(TEST_GPA, 0, 0, t.hva);
	*word(t.alias, now + PAGE) = POISON;
	set_slot(TEST_GPA, t.size, 0, t.alias + next * t.page);
	now = next;
	publish(generation);
}

/* These keep the contents. */

static void change_fork(u64 generation)
{
	pid_t pid = fork();

	TEST_ASSERT(pid >= 0, __KVM_SYSCALL_ERROR("fork", -1));
	if (!pid) {
		u64 seen = READ_ONCE(*word(t.hva, PAGE));

		usleep(1000);
		_exit(READ_ONCE(*word(t.hva, PAGE)) != seen);
	}
	if (generation & 1) {
		int status;

		TEST_ASSERT(waitpid(pid, &status, 0) == pid && !status,
			    "the child's copy changed, or waitpid() failed");
	}
}

static void change_protect(u64 generation)
{
	protect(PAGE, generation & 1 ? PROT_NONE : PROT_READ);
	sched_yield();
	protect(PAGE, PROT_READ | PROT_WRITE);
}

static void change_mremap(u64 generation)
{
	void *page = t.hva + PAGE * t.page;

	move(move(page, NULL), page);
}

/*
 * While it is read-only or away, L2's stores are the vCPU thread's: nobody else changes memory.
 * @stood_in is what it has then.
 */
static pthread_mutex_t stand_in_lock = PTHREAD_MUTEX_INITIALIZER;
static u64 stood_in;

static void check_stood_in(bool first)
{
	u64 now;

	pthread_mutex_lock(&stand_in_lock);
	now = *word(t.hva, PAGE);
	if (first)
		stood_in = now;
	CHECK(nested_check("memory behind a read-only slot", now, stood_in, ~0UL));
	pthread_mutex_unlock(&stand_in_lock);
}

static void change_slot_readonly(u64 generation)
{
	set_slot(TEST_GPA, 0, 0, t.hva);
	check_stood_in(true);
	set_slot(TEST_GPA, t.size, KVM_MEM_READONLY, t.hva);
	wait_round();
	wait_round();
	check_stood_in(false);
	set_slot(TEST_GPA, 0, 0, t.hva);
	check_stood_in(false);
	set_slot(TEST_GPA, t.size, 0, t.hva);
}

/* L2 writes, and has written when this returns. */
static void step_ksm(u64 generation)
{
	publish(generation);
	/* Pairs with the release in l2_twins(). */
	while (smp_load_acquire(&area->count) != generation && !READ_ONCE(area->stop))
		sched_yield();
}

/* L2 breaks up two pages that are one, and makes them the same again. */
static void change_ksm(u64 generation)
{
	u64 end = now_ns() + KSM_NS;

	while (frame(PAGE) != frame(OTHER) && !READ_ONCE(area->stop)) {
		CHECK(now_ns() < end);
		usleep(10000);
	}
	step_ksm(2 * generation - 1);
	if (READ_ONCE(area->stop))
		return;
	CHECK(nested_check("host reads", *word(t.hva, PAGE), 2 * generation - 1, ~0UL));
	CHECK(nested_check("host reads", *word(t.hva, OTHER), WRITTEN, ~0UL));
	step_ksm(2 * generation);
}

static void change_huge(u64 generation)
{
	collapse();
	advise(OTHER, MADV_DONTNEED);
}

/* What there is to be done at exits while L2 runs. */
enum exits {
	EXITS_NONE,		/* there is none */
	EXITS_RETRY,		/* memory is inaccessible for a moment */
	EXITS_GENERATION,	/* loads give the generation, there is no store */
	EXITS_STAND_IN,		/* the vCPU's thread does it in memory */
};

static void *change_thread(void *arg)
{
	void (*change)(u64 generation) = arg;
	unsigned int changes = change == change_ksm ? KSM_CHANGES : RUN_CHANGES;
	const char *env = getenv("NESTED_SECONDS");
	u64 ns = env ? atoi_positive("NESTED_SECONDS", env) * 1000000000UL : RUN_NS;
	u64 end = now_ns() + ns, generation;

	for (generation = 1; now_ns() < end || generation <= changes; generation++) {
		change(generation);
		wait_round();
	}
	ksft_print_msg("%lu changes, %lu rounds of L2\n", generation - 1, area->rounds);
	WRITE_ONCE(area->stop, 1);
	return NULL;
}

/* L2's access of PAGE, which is none of memory at the moment. */
static void answer_mmio(enum exits exits)
{
	struct kvm_run *run = t.vcpu->run;
	u64 value = READ_ONCE(area->generation);

	CHECK(nested_check("MMIO address", run->mmio.phys_addr, TEST_GPA + PAGE * t.page + OFFSET,
			   ~0UL));
	CHECK(exits == EXITS_STAND_IN || !run->mmio.is_write);
	if (exits == EXITS_GENERATION) {
		memcpy(run->mmio.data, &value, sizeof(value));
		return;
	}

	pthread_mutex_lock(&stand_in_lock);
	if (run->mmio.is_write) {
		memcpy(&stood_in, run->mmio.data, sizeof(stood_in));
		*word(t.hva, PAGE) = stood_in;
	} else {
		memcpy(run->mmio.data, word(t.hva, PAGE), sizeof(u64));
	}
	pthread_mutex_unlock(&stand_in_lock);
}

/* Go on where the memory was not there for a moment. */
static void run_vcpu_through(enum exits exits)
{
	enum nested_access out;

	for (;;) {
		out = nested_access_run(t.vcpu, &t.uc);
		if (out == NESTED_ACCESS_DONE)
			return;
		if (exits == EXITS_NONE || exits == EXITS_RETRY) {
			CHECK(is_outcome(out, exits == EXITS_RETRY ? NESTED_ACCESS_EFAULT :
								     NESTED_ACCESS_DONE));
			sched_yield();
			continue;
		}
		CHECK(is_outcome(out, NESTED_ACCESS_MMIO));
		answer_mmio(exits);
	}
}

static void run_changes(void (*change)(u64 generation), enum exits exits)
{
	pthread_t thread;

	area = addr_gva2hva(t.vm, (gva_t)&shared);
	*t.access = (struct l2_access) { .va = l2_va(PAGE), .value = l2_va(OTHER) };
	TEST_ASSERT(!pthread_create(&thread, NULL, change_thread, change), "pthread_create()");
	run_vcpu_through(exits);
	WRITE_ONCE(area->stop, 1);
	pthread_join(thread, NULL);
}

/* L2 reads what it has not written. */
static const char *run_reads(void (*change)(u64 generation), enum exits exits)
{
	*word(t.hva, PAGE) = 0;
	run_changes(change, exits);
	return NULL;
}

/* L2 counts. */
static const char *run_counts(void (*change)(u64 generation), enum exits exits)
{
	*word(t.hva, PAGE) = 0;
	run_changes(change, exits);
	CHECK(nested_check("counter", *word(t.hva, PAGE), area->count, ~0UL));
	return NULL;
}

static const char *run_running_map_over(void)
{
	return run_reads(change_map_over, EXITS_NONE);
}

static const char *run_running_table(void)
{
	return run_reads(change_table, EXITS_NONE);
}

static const char *run_running_slot(void)
{
	return run_reads(change_slot, EXITS_GENERATION);
}

static const char *run_running_fork(void)
{
	return run_counts(change_fork, EXITS_NONE);
}

static const char *run_running_protect(void)
{
	return run_counts(change_protect, EXITS_RETRY);
}

static const char *run_running_mremap(void)
{
	return run_counts(change_mremap, EXITS_RETRY);
}

static const char *run_running_dontneed(void)
{
	return run_reads(change_dontneed, EXITS_NONE);
}

static const char *run_running_gmem(void)
{
	return run_reads(change_punch, EXITS_NONE);
}

static const char *run_running_slot_move(void)
{
	return run_reads(change_slot_move, EXITS_GENERATION);
}

static const char *run_running_slot_readonly(void)
{
	return run_counts(change_slot_readonly, EXITS_STAND_IN);
}

static const char *run_running_ksm(void)
{
	const char *reason = start_ksm();

	if (reason)
		return reason;
	run_changes(change_ksm, EXITS_NONE);
	stop_ksm();
	CHECK(area->count >= 2 * KSM_CHANGES);
	return NULL;
}

static const char *run_running_huge(void)
{
	return collapse() ?: run_counts(change_huge, EXITS_NONE);
}

static const struct row rows[] = {
	{ "nothing changes but contents", run_nothing, .backing = FILE_SHARED },
	{ "nothing changes but contents, L1 block", run_nothing, .backing = FILE_SHARED,
	  .need = NEED_BLOCK },
	{ "mmap(MAP_FIXED) of another page", run_map_over, .backing = FILE_SHARED },
	{ "mmap(MAP_FIXED) of another page, L1 block", run_map_over, .backing = FILE_SHARED,
	  .need = NEED_BLOCK },
	{ "fallocate(PUNCH_HOLE) of a memfd", run_punch_file, .backing = FILE_SHARED },
	{ "ftruncate() of a memfd", run_truncate, .backing = FILE_SHARED },
	{ "MADV_DONTNEED of anonymous memory", run_dontneed },
	{ "MADV_DONTNEED of anonymous memory, L1 block", run_dontneed, .need = NEED_BLOCK },
	{ "copy on write of a private file, and MADV_DONTNEED", run_private_copy,
	  .backing = FILE_PRIVATE },
	{ "fork(), L2 writes on", run_fork },
	{ "MADV_PAGEOUT", run_pageout },
	{ "mprotect(PROT_READ)", run_protect_read },
	{ "mprotect(PROT_READ), L1 block", run_protect_read, .need = NEED_BLOCK },
	{ "mprotect(PROT_NONE)", run_protect_none },
	{ "mprotect(PROT_NONE), L1 block", run_protect_none, .need = NEED_BLOCK },
	{ "munmap()", run_unmap, .backing = FILE_SHARED },
	{ "munmap(), L1 block", run_unmap, .backing = FILE_SHARED, .need = NEED_BLOCK },
	{ "mremap(), two pages change places", run_mremap },
	{ "memslot deleted, back with other memory", run_slot_delete, .backing = FILE_SHARED },
	{ "memslot deleted, back with other memory, L1 block", run_slot_delete,
	  .backing = FILE_SHARED, .need = NEED_BLOCK },
	{ "memslot moved, and back", run_slot_move },
	{ "memslot becomes read-only, and writable again", run_slot_readonly },
	{ "memslot becomes read-only, and writable again, L1 block", run_slot_readonly,
	  .need = NEED_BLOCK },
	{ "huge page collapsed, L1 pages", run_collapse, .need = NEED_THP },
	{ "huge page collapsed, L1 block", run_collapse, .need = NEED_THP | NEED_BLOCK },
	{ "huge page split, L1 pages", run_split, .need = NEED_THP },
	{ "huge page split, L1 block", run_split, .need = NEED_THP | NEED_BLOCK },
	{ "KSM merges two pages", run_ksm },
	{ "guest_memfd, fallocate(PUNCH_HOLE)", run_gmem, .backing = GMEM },
	{ "userfaultfd, page is missing", run_uffd_missing },
	{ "userfaultfd, page is write-protected", run_uffd_wp },

	{ "L1's table: mmap(MAP_FIXED) of another page", run_table_map_over,
	  .backing = FILE_SHARED, .need = NEED_TABLE },
	{ "L1's table: mmap(MAP_FIXED), then AF is updated", run_table_update,
	  .backing = FILE_SHARED, .need = NEED_TABLE | NEED_HAF },
	{ "L1's table: MADV_DONTNEED", run_table_dontneed, .need = NEED_TABLE },
	{ "L1's table: mprotect(PROT_NONE)", run_table_protect_none, .need = NEED_TABLE },
	{ "L1's table: mprotect(PROT_READ) and AF is to be set", run_table_protect_read,
	  .need = NEED_TABLE | NEED_HAF },
	{ "L1's table: fork(), then AF is updated", run_table_fork,
	  .need = NEED_TABLE | NEED_HAF },
	{ "L1's table: memslot deleted, back with other memory", run_table_slot_delete,
	  .backing = FILE_SHARED, .need = NEED_TABLE },

	{ "L2 runs: mmap(MAP_FIXED)", run_running_map_over, l2_reader, FILE_SHARED },
	{ "L2 runs: mmap(MAP_FIXED), L1 block", run_running_map_over, l2_reader, FILE_SHARED,
	  NEED_BLOCK },
	{ "L2 runs: mmap(MAP_FIXED) of L1's table", run_running_table, l2_reader, FILE_SHARED,
	  NEED_FAR_TABLE },
	{ "L2 runs: MADV_DONTNEED", run_running_dontneed, l2_lost_reader },
	{ "L2 runs: MADV_DONTNEED, L1 block", run_running_dontneed, l2_lost_reader,
	  .need = NEED_BLOCK },
	{ "L2 runs: guest_memfd, fallocate(PUNCH_HOLE)", run_running_gmem, l2_lost_reader, GMEM },
	{ "L2 runs: memslot deleted, back with other memory", run_running_slot, l2_reader,
	  FILE_SHARED },
	{ "L2 runs: memslot moved, and back", run_running_slot_move, l2_reader },
	{ "L2 runs and writes: memslot becomes read-only, and writable again",
	  run_running_slot_readonly, l2_counter },
	{ "L2 runs and writes: KSM merges two pages", run_running_ksm, l2_twins },
	{ "L2 runs and writes: fork()", run_running_fork, l2_counter },
	{ "L2 runs and writes: mprotect()", run_running_protect, l2_counter },
	{ "L2 runs and writes: mremap()", run_running_mremap, l2_counter },
	{ "L2 runs and writes: huge page collapsed and split, L1 pages", run_running_huge,
	  l2_counter, .need = NEED_THP },
	{ "L2 runs and writes: huge page collapsed and split, L1 block", run_running_huge,
	  l2_counter, .need = NEED_THP | NEED_BLOCK },
};

/* The slot's memory. Every page has a value of its own, that a file has in a second half. */

static const char *map_gmem(void)
{
	u64 flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED;

	if ((vm_check_cap(t.vm, KVM_CAP_GUEST_MEMFD_FLAGS) & flags) != flags)
		return "no guest_memfd that userspace can map (KVM_CAP_GUEST_MEMFD_FLAGS)";

	t.fd = vm_create_guest_memfd(t.vm, t.size, flags);
	t.hva = kvm_mmap(t.size, PROT_READ | PROT_WRITE, MAP_SHARED, t.fd);
	t.flags = KVM_MEM_GUEST_MEMFD;
	return NULL;
}

static void map_anon(void)
{
	void *mem = kvm_mmap(2 * t.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	t.fd = -1;
	t.hva = (void *)(((unsigned long)mem + t.size - 1) & ~(t.size - 1));
	if (thp_configured())
		TEST_ASSERT(!madvise(t.hva, t.size, MADV_NOHUGEPAGE),
			    __KVM_SYSCALL_ERROR("madvise", -1));
}

static void map_file(int flags)
{
	t.fd = kvm_memfd_alloc(2 * t.size, false);
	t.alias = kvm_mmap(2 * t.size, PROT_READ | PROT_WRITE, MAP_SHARED, t.fd);
	t.hva = kvm_mmap(t.size, PROT_READ | PROT_WRITE, flags, t.fd);
}

static const char *map_memory(const struct row *row)
{
	unsigned int n, nr;
	void *base;

	if (row->backing == GMEM) {
		const char *reason = map_gmem();

		if (reason)
			return reason;
	} else if (row->backing == ANON) {
		map_anon();
	} else {
		map_file(row->backing == FILE_SHARED ? MAP_SHARED : MAP_PRIVATE);
	}

	base = t.alias ?: t.hva;
	nr = (t.alias ? 2 : 1) * file_pages();
	for (n = 0; n < nr; n++)
		*word(base, n) = OLD(n);
	*word(base, TRAP) = POISON;
	if (row->need & NEED_TABLE)
		fill_table(base, TABLE, PAGE, S2_ATTR_DEFAULT);
	if (row->need & NEED_FAR_TABLE)
		fill_table(base, FAR_TABLE, PAGE, S2_ATTR_DEFAULT);
	return NULL;
}

static const char *row_missing(const struct row *row, size_t block)
{
	u64 mmfr1 = vcpu_get_reg(t.vcpu, KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR1_EL1));

	if (t.page != getpagesize())
		return "L1's stage 2 has no granule of the host's page size";
	if ((row->need & NEED_HAF) && !SYS_FIELD_GET(ID_AA64MMFR1_EL1, HAFDBS, mmfr1))
		return "no hardware update of AF (ID_AA64MMFR1_EL1.HAFDBS)";
	if ((row->need & NEED_THP) &&
	    file_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") != block)
		return "the host has no transparent huge pages of this size";
	if ((row->need & NEED_SIZE) && block > MAX_BLOCK)
		return "a block of this granule is too large for a test";

	return NULL;
}

/* L1's stage 2 for the slot. */
static void map_for_l1(const struct row *row)
{
	u64 ipa = TEST_GPA + NESTED_IPA_OFFSET;
	gpa_t table = TEST_GPA + (row->need & NEED_TABLE ? TABLE : FAR_TABLE) * t.page;
	struct s2_mmu *s2 = t.env.s2;

	if (row->need & (NEED_TABLE | NEED_FAR_TABLE))
		s2_write(s2, s2_desc(s2, ipa, 2), s2_pa_desc(&t.geo, table) | S2_DESC_VALID |
						  S2_DESC_TABLE);
	else
		s2_map(s2, ipa, TEST_GPA, t.size, row->need & NEED_BLOCK ? 2 : 3,
		       S2_ATTR_DEFAULT);
	if (row->need & NEED_HAF)
		s2->vtcr |= VTCR_EL2_HA;
	nested_env_map_s2(&t.env, TEST_GPA + MOVED, NR_PAGES * t.page);
}

static int run_row(unsigned int n, const char **reason)
{
	const struct row *row = &rows[n];
	struct l2_vcpu *l2;
	size_t block;
	gva_t gva;

	t.vm = nested_vm_create(1, l1_serve, &t.vcpu);
	t.geo = s2_default_geometry();
	t.page = BIT(t.geo.page_shift);
	block = BIT(s2_level_shift(&t.geo, 2));
	t.size = row->need & NEED_SIZE ? block : NR_PAGES * t.page;
	*reason = row_missing(row, block) ?: map_memory(row);
	if (*reason)
		return NESTED_SKIP;

	set_slot(TEST_GPA, t.size, 0, t.hva);
	/* What the rows touch, all of it in the first pages. */
	virt_map(t.vm, TEST_GVA, TEST_GPA, NR_PAGES * t.page / t.vm->page_size);
	virt_map(t.vm, TEST_GVA + MOVED, TEST_GPA + MOVED, NR_PAGES * t.page / t.vm->page_size);
	nested_env_create(&t.env, t.vm, &t.geo);
	gva = nested_env_add_l2(&t.env, row->l2 ?: l2_serve);
	l2 = addr_gva2hva(t.vm, gva);
	l2->regs[0] = (u64)&access_area;
	vcpu_args_set(t.vcpu, 1, gva);
	map_for_l1(row);
	t.access = addr_gva2hva(t.vm, (gva_t)&access_area);
	nested_env_finish(&t.env);

	*reason = row->run();
	return *reason ? NESTED_SKIP : NESTED_PASS;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_notifier",
		.rows = rows, .nr_rows = ARRAY_SIZE(rows), .row_size = sizeof(rows[0]),
		.run = run_row, .timeout_s = 20,
	};

	return nested_main(argc, argv, &suite);
}
