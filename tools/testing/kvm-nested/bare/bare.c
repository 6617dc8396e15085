// SPDX-License-Identifier: GPL-2.0-only
/*
 * A test's L1 at EL2 of the emulated machine itself, with no KVM in between.
 *
 * What a test of L1 and L2 expects is what the architecture says, and KVM is
 * not the only one who can be asked: here the same test, with the same library,
 * is linked to a stand-in for the host side of the selftests, and what answers
 * is the emulator's own translation. A second opinion about the expectations,
 * that is, for tests whose host side does nothing but run L1, and for those
 * rows of others of which that is true.
 *
 * Host side and L1 are two stacks of one program at EL2. "Running the vCPU" is a
 * switch to L1's stack, a ucall is the switch back. L1's physical memory is the
 * machine's, VAs of the host side are flat. L2 has no way to the host side: what
 * it has to say when it gives up is kept for the report.
 *
 * This file has the CPU: start, L1, ucalls. vm.c is memory and registers as the
 * host side handles them, rows.c the console and the rows, nohost.c what only a
 * real host has.
 *
 * Seen to fail: with VTTBR_EL2 64K off when L2 is entered, each row in which L2
 * runs; with the test's variables left to the next row, three of the tests; with
 * no TLBI at all, 81 of the 88 rows of nested_tlbi that run.
 *
 * No locking: one CPU.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bare.h"
#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall_common.h"

#define STACK_SIZE		SZ_64K

char bare_stack[STACK_SIZE] __aligned(16);
static char l1_stack[STACK_SIZE] __aligned(16);

u64 bare_l1_args[BARE_L1_ARGS];

static u64 host_sp, l1_sp;
static bool in_l1;
static struct ucall last_ucall;
static char l2_said[UCALL_BUFFER_LEN];

static void to_host(void)
{
	in_l1 = false;
	bare_switch(&l1_sp, host_sp);
}

void bare_l1_returned(void)
{
	GUEST_FAIL("L1 returned");
}

/* L1 is to run this, on an empty stack. */
void bare_l1_prepare(void *entry)
{
	u64 *frame = (u64 *)(l1_stack + STACK_SIZE) - 20;

	memset(frame, 0, 160);
	frame[1] = (u64)bare_l1_first;	/* x30 */
	frame[2] = (u64)entry;		/* x19 */
	frame[3] = (u64)bare_l1_args;	/* x20 */
	l1_sp = (u64)frame;
	l2_said[0] = '\0';
}

static bool in_l2(void)
{
	return get_current_el() == 1;
}

/* L1 does not know this call, and fails. */
static void l2_give_up(void)
{
	for (;;)
		asm volatile("hvc #0xffff" : : : "memory");
}

static void check_caller(const char *what)
{
	if (in_l1)
		return;
	printf("Bail out! %s outside of L1: %s\n", what, last_ucall.buffer);
	exit(KSFT_FAIL);
}

void ucall(u64 cmd, int nargs, ...)
{
	va_list ap;
	int i;

	if (in_l2()) {
		guest_snprintf(l2_said, sizeof(l2_said), "call %lu of userspace", cmd);
		l2_give_up();
	}
	check_caller("a call");
	last_ucall.cmd = cmd;
	va_start(ap, nargs);
	for (i = 0; i < nargs && i < UCALL_MAX_ARGS; i++)
		last_ucall.args[i] = va_arg(ap, u64);
	va_end(ap);
	to_host();
}

void ucall_assert(u64 cmd, const char *exp, const char *file, unsigned int line,
		  const char *fmt, ...)
{
	char *text = in_l2() ? l2_said : last_ucall.buffer;
	va_list ap;
	int len;

	len = guest_snprintf(text, UCALL_BUFFER_LEN, "%s:%u: %s: ", file, line, exp);
	va_start(ap, fmt);
	guest_vsnprintf(text + len, UCALL_BUFFER_LEN - len, fmt, ap);
	va_end(ap);
	if (in_l2())
		l2_give_up();
	last_ucall.cmd = cmd;
	check_caller("an assertion");
	to_host();
}

void ucall_fmt(u64 cmd, const char *fmt, ...)
{
	va_list ap;

	if (in_l2())
		return;
	printf("# guest: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

void kvm_exit_unexpected_exception(int vector, u64 ec, bool valid_ec)
{
	__GUEST_ASSERT(false, "unexpected exception, vector %d ESR 0x%lx FAR 0x%lx ELR 0x%lx",
		       vector, read_sysreg(esr_el1), read_sysreg(far_el1), read_sysreg(elr_el1));
}

int nested_run_vcpu(struct kvm_vcpu *vcpu, struct ucall *uc, const char **reason)
{
	TEST_ASSERT(!vcpu->id, "only vCPU 0 can run");
	in_l1 = true;
	bare_switch(&host_sp, l1_sp);
	*uc = last_ucall;

	switch (uc->cmd) {
	case UCALL_DONE:
		return NESTED_PASS;
	case UCALL_SYNC:
		if (uc->args[1] != NESTED_SYNC_SKIP)
			return NESTED_SYNC;
		*reason = (const char *)uc->args[2];
		return NESTED_SKIP;
	default:
		ksft_print_msg("L1: %s\n", uc->buffer);
		if (l2_said[0])
			ksft_print_msg("L2: %s\n", l2_said);
		return NESTED_FAIL;
	}
}

void bare_start(void)
{
	bare_mmu_init();
	exit(main(1, (char *[]) { "bare", NULL }));
}
