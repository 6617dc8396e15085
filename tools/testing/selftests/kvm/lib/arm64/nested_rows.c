// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rows of a table as KTAP: the host side's frame for tests with a nested guest.
 *
 * A row runs in a process of its own, because TEST_ASSERT() exits, and because a row that hangs is
 * to be killed without harm to the others. Its reason to skip comes back in shared memory. What
 * the kernel logs while it runs is part of its verdict: a warning that a guest has brought about
 * fails the row, whatever the guest saw.
 *
 * No locking: one row at a time.
 */
#include <fcntl.h>
#include <fnmatch.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"

#define DEFAULT_TIMEOUT_S	10
#define REASON_SIZE		256

static u64 seed = 0x6e65737465640001;

/* What no run of a guest may bring about. */
static const char * const splats[] = {
	"WARNING:", "BUG:", "Oops", "Unable to handle kernel", "INFO: task", "INFO: rcu",
	"INFO: lockdep", "possible circular", "possible recursive", "inconsistent lock",
	"suspicious RCU", "KASAN:", "UBSAN:", "KFENCE:", "detected stall", "Call trace",
};

/**
 * nested_seed() - seed for a row that makes something up
 *
 * Return: that of option -s, or a constant; it is in the log.
 */
u64 nested_seed(void)
{
	ksft_print_msg("seed 0x%lx\n", (unsigned long)seed);
	return seed;
}

/**
 * nested_run_vcpu() - run a vCPU until there is something for the host side to do
 * @vcpu: the vCPU
 * @uc: the ucall, for NESTED_SYNC
 * @reason: why, for NESTED_SKIP
 *
 * Return: NESTED_PASS for GUEST_DONE(), NESTED_SKIP for NESTED_GUEST_SKIP(), NESTED_FAIL for a
 * failed assertion or KVM_RUN, NESTED_SYNC or NESTED_EXIT.
 */
int nested_run_vcpu(struct kvm_vcpu *vcpu, struct ucall *uc, const char **reason)
{
	if (_vcpu_run(vcpu)) {
		ksft_perror("KVM_RUN");
		return NESTED_FAIL;
	}

	switch (get_ucall(vcpu, uc)) {
	case UCALL_DONE:
		return NESTED_PASS;
	case UCALL_ABORT:
		/* As REPORT_GUEST_ASSERT(), which would exit. */
		ksft_print_msg("guest: %s\n", uc->buffer);
		return NESTED_FAIL;
	case UCALL_UNHANDLED:
		ksft_print_msg("guest: unexpected exception, vector 0x%lx EC 0x%lx\n",
			       uc->args[0], uc->args[1]);
		return NESTED_FAIL;
	case UCALL_SYNC:
		if (uc->args[1] != NESTED_SYNC_SKIP)
			return NESTED_SYNC;
		*reason = (const char *)uc->args[2];
		return NESTED_SKIP;
	case UCALL_PRINTF:
		ksft_print_msg("guest: %s", uc->buffer);
		return nested_run_vcpu(vcpu, uc, reason);
	default:
		return NESTED_EXIT;
	}
}

/**
 * nested_access_run() - go on with an access of L2's
 * @vcpu: the vCPU
 * @uc: the ucall, if there was one
 *
 * Return: what became of it.
 */
enum nested_access nested_access_run(struct kvm_vcpu *vcpu, struct ucall *uc)
{
	if (_vcpu_run(vcpu)) {
		if (errno == EFAULT)
			return NESTED_ACCESS_EFAULT;
		ksft_perror("KVM_RUN");
		return NESTED_ACCESS_FAILED;
	}

	switch (get_ucall(vcpu, uc)) {
	case UCALL_SYNC:
		if (uc->args[1] == NESTED_SYNC_ACCESS)
			return NESTED_ACCESS_DONE;
		if (uc->args[1] == NESTED_SYNC_L1_EXIT)
			return NESTED_ACCESS_L1;
		break;
	case UCALL_NONE:
		if (vcpu->run->exit_reason == KVM_EXIT_MMIO)
			return NESTED_ACCESS_MMIO;
		break;
	case UCALL_ABORT:
		ksft_print_msg("guest: %s\n", uc->buffer);
		return NESTED_ACCESS_FAILED;
	}

	ksft_print_msg("unexpected exit: %s, ucall %lu, 0x%lx 0x%lx\n",
		       exit_reason_str(vcpu->run->exit_reason), uc->cmd, uc->args[0], uc->args[1]);
	return NESTED_ACCESS_FAILED;
}

/**
 * nested_access_start() - have L2 do a load or store
 * @vcpu: a vCPU that runs l1_serve(), with l2_serve() in L2; none of its accesses is pending
 * @access: the host side's pointer to what l2_serve() was given
 * @va: where
 * @value: for a store
 * @write: store
 * @uc: the ucall, if there was one
 *
 * Return: what became of it; with NESTED_ACCESS_DONE, @access has the value of a load.
 */
enum nested_access nested_access_start(struct kvm_vcpu *vcpu, struct l2_access *access, u64 va,
				       u64 value, bool write, struct ucall *uc)
{
	*access = (struct l2_access) { .va = va, .value = value, .write = write };

	return nested_access_run(vcpu, uc);
}

/**
 * nested_is_huge() - is there a transparent huge page of anonymous memory?
 * @addr: where it should begin
 * @size: bytes
 *
 * Return: true if all of it, as far as one mapping is concerned, is huge.
 */
bool nested_is_huge(const void *addr, size_t size)
{
	unsigned long from, to, kb = 0;
	bool here = false;
	char line[256];
	FILE *f = fopen("/proc/self/smaps", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx", &from, &to) == 2)
			here = from <= (unsigned long)addr && (unsigned long)addr < to;
		if (here && sscanf(line, "AnonHugePages: %lu", &kb) == 1)
			break;
	}
	if (f)
		fclose(f);

	return kb * SZ_1K >= size;
}

/* The CPUs that the process was given, whatever its threads did to themselves since. */
static const cpu_set_t *allowed_cpus(void)
{
	static cpu_set_t allowed;

	if (!CPU_COUNT(&allowed))
		TEST_ASSERT(!sched_getaffinity(0, sizeof(allowed), &allowed),
			    "sched_getaffinity() failed, errno %d", errno);
	return &allowed;
}

/**
 * nested_nr_cpus() - how many CPUs this process may use
 *
 * Return: the number.
 * Context: host side; the first time, before a thread is made or pinned.
 */
unsigned int nested_nr_cpus(void)
{
	return CPU_COUNT(allowed_cpus());
}

/**
 * nested_pin_self() - have this thread run on one CPU
 * @n: the n-th of those that the process may use; after the last one comes the first
 *
 * Context: host side, after nested_nr_cpus().
 */
void nested_pin_self(unsigned int n)
{
	const cpu_set_t *allowed = allowed_cpus();
	int cpu = -1;

	n %= CPU_COUNT(allowed);
	do {
		cpu++;
		n -= CPU_ISSET(cpu, allowed);
	} while (n != -1U);
	pin_self_to_cpu(cpu);
}

static const char *row_desc(const struct nested_suite *suite, unsigned int n)
{
	if (suite->desc)
		return suite->desc(n);

	return *(const char **)((const char *)suite->rows + n * suite->row_size);
}

/* The kernel's log from here on; -1 if it cannot be read. */
static int klog_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

static bool klog_clean(int fd)
{
	char record[4096];
	bool clean = true;
	unsigned int i;
	ssize_t len;

	while (fd >= 0) {
		len = read(fd, record, sizeof(record) - 1);
		if (len < 0 && errno == EPIPE)
			continue;	/* records were overwritten */
		if (len <= 0)
			break;
		record[len] = '\0';
		for (i = 0; i < ARRAY_SIZE(splats); i++) {
			if (!strstr(record, splats[i]))
				continue;
			ksft_print_msg("kernel log: %s", strchrnul(record, ';'));
			clean = false;
			break;
		}
	}

	return clean;
}

/* In milliseconds. */
static unsigned long row_timeout(const struct nested_suite *suite)
{
	const char *slack = getenv("NESTED_SLACK"), *haste = getenv("NESTED_HASTE");
	unsigned long timeout = (suite->timeout_s ?: DEFAULT_TIMEOUT_S) * 1000UL;

	if (slack)
		timeout *= atoi_positive("NESTED_SLACK", slack);
	if (haste)
		timeout /= atoi_positive("NESTED_HASTE", haste);
	return timeout ?: 1;
}

static void start_timeout(const struct nested_suite *suite)
{
	unsigned long ms = row_timeout(suite);
	struct itimerval timer = {
		.it_value = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 },
	};

	TEST_ASSERT(!setitimer(ITIMER_REAL, &timer, NULL), __KVM_SYSCALL_ERROR("setitimer", -1));
}

#define TIMED_OUT	-1

static int run_child(const struct nested_suite *suite, unsigned int n, char *reason)
{
	const char *why = "";
	int status, ret;
	pid_t pid;

	reason[0] = '\0';
	fflush(NULL);
	pid = fork();
	TEST_ASSERT(pid >= 0, __KVM_SYSCALL_ERROR("fork", pid));
	if (!pid) {
		start_timeout(suite);
		ret = suite->run(n, &why);
		snprintf(reason, REASON_SIZE, "%s", why);
		fflush(NULL);
		_exit(ret);
	}

	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() failed, errno %d", errno);
	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	if (WTERMSIG(status) == SIGALRM)
		return TIMED_OUT;

	ksft_print_msg("row was killed by signal %d\n", WTERMSIG(status));
	return NESTED_FAIL;
}

static void run_row(const struct nested_suite *suite, unsigned int n, char *reason)
{
	const char *desc = row_desc(suite, n);
	int klog = klog_open();
	int ret;

	ret = run_child(suite, n, reason);
	if (!klog_clean(klog))
		ret = NESTED_FAIL;
	if (klog >= 0)
		close(klog);

	if (ret == NESTED_SKIP)
		ksft_test_result_skip("%s: %s\n", desc, reason);
	else if (ret == TIMED_OUT)
		ksft_test_result_fail("%s # TIMEOUT after %lu ms\n", desc, row_timeout(suite));
	else
		ksft_test_result(ret == NESTED_PASS, "%s\n", desc);
}

static void help(const struct nested_suite *suite)
{
	unsigned int n;

	printf("usage: %s [-r ROW] [-s SEED]\n", suite->name);
	printf(" -r ROW   only this one: its number, or a pattern for its description\n");
	printf(" -s SEED  for rows that make something up\n");
	printf(" NESTED_SLACK=N in the environment: N times the time for each row (%u s)\n",
	       suite->timeout_s ?: DEFAULT_TIMEOUT_S);
	printf(" NESTED_HASTE=N: an Nth of it, for a kernel on which many rows hang\n\n");
	for (n = 0; n < suite->nr_rows; n++)
		printf("  %3u %s\n", n + 1, row_desc(suite, n));
}

static bool row_wanted(const struct nested_suite *suite, unsigned int n, const char *pattern)
{
	char *end;
	unsigned long number;

	if (!pattern)
		return true;

	number = strtoul(pattern, &end, 0);
	if (!*end)
		return number == n + 1;

	return !fnmatch(pattern, row_desc(suite, n), 0);
}

/**
 * nested_main() - main() of a test
 * @argc: of main()
 * @argv: of main()
 * @suite: the rows
 *
 * Return: the exit status.
 */
int nested_main(int argc, char *argv[], const struct nested_suite *suite)
{
	const char *pattern = NULL;
	unsigned int n, wanted = 0;
	char *reason;
	int opt;

	while ((opt = getopt(argc, argv, "hr:s:")) != -1) {
		if (opt == 'r') {
			pattern = optarg;
		} else if (opt == 's') {
			seed = strtoull(optarg, NULL, 0);
		} else {
			help(suite);
			return opt == 'h' ? 0 : 1;
		}
	}
	for (n = 0; n < suite->nr_rows; n++)
		wanted += row_wanted(suite, n, pattern);
	TEST_ASSERT(wanted, "There is no row '%s'; -h lists them", pattern);

	TEST_REQUIRE(kvm_check_cap(KVM_CAP_ARM_EL2));

	reason = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	TEST_ASSERT(reason != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));

	ksft_print_header();
	ksft_set_plan(wanted);
	if (access("/dev/kmsg", R_OK))
		ksft_print_msg("the kernel's log cannot be read: it is not part of the verdict\n");
	for (n = 0; n < suite->nr_rows; n++)
		if (row_wanted(suite, n, pattern))
			run_row(suite, n, reason);

	ksft_finished();
}
