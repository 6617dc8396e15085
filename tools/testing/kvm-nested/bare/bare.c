// SPDX-License-Identifier: GPL-2.0-only
/*
 * A test's L1 at EL2 of the emulated machine itself, with no KVM in between.
 *
 * What a test of L1 and L2 expects is what the architecture says, and KVM is
 * not the only one who can be asked: here the same test, with the same library,
 * is linked to a stand-in for the host side of the selftests, and what answers
 * is the emulator's own stage-2 translation. A second opinion about the
 * expectations, that is, for tests whose host side does nothing but run L1.
 *
 * Host side and L1 are two stacks of one program at EL2. "Running the vCPU" is a
 * switch to L1's stack, a ucall is the switch back. L1's physical memory is the
 * machine's, VAs of the host side are flat.
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

#define UART_DR			((void *)0x09000000)
#define PSCI_SYSTEM_OFF		0x84000008

#define RAM_START		SZ_1G
#define STACK_SIZE		SZ_64K
#define HEAP_SIZE		SZ_4M
#define MAX_TABLES		64

/* 39 bits from level 1: 1 GB an entry, or a table of 2 MB blocks. */
#define VA_BITS			39
#define DESC_BLOCK(attr)	((u64)PTE_ATTRINDX(attr) | PTE_SHARED | PTE_AF | PTE_VALID)

char bare_stack[STACK_SIZE] __aligned(16);
static char l1_stack[STACK_SIZE] __aligned(16);
static char heap[HEAP_SIZE] __aligned(SZ_4K);
static size_t heap_used;

static u64 root[512] __aligned(SZ_4K);
static u64 tables[MAX_TABLES][512] __aligned(SZ_4K);
static unsigned int tables_used;

static u64 host_sp, l1_sp, l1_args[4];
static bool in_l1;
static struct ucall last_ucall;

static struct kvm_vm the_vm;
static struct kvm_vcpu the_vcpu;
static struct userspace_mem_region slot0;

/* The console, and as much of stdio as kselftest.h needs. */

int vprintf(const char *fmt, va_list ap)
{
	static char text[2048];
	char *c;

	guest_vsnprintf(text, sizeof(text), fmt, ap);
	for (c = text; *c; c++)
		writel_relaxed(*c, UART_DR);
	return 0;
}

int printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	return 0;
}

int vfprintf(FILE *f, const char *fmt, va_list ap)
{
	return vprintf(fmt, ap);
}

int fflush(FILE *f)
{
	return 0;
}

FILE *stdout;

int *__errno_location(void)
{
	static int no_errno;

	return &no_errno;
}

char *strerror(int error)
{
	return "no errno here";
}

void exit(int status)
{
	struct arm_smccc_res res;

	printf("# status %d\n", status);
	smccc_smc(PSCI_SYSTEM_OFF, 0, 0, 0, 0, 0, 0, 0, &res);
	for (;;)
		wfi();
}

void test_assert(bool exp, const char *exp_str, const char *file, unsigned int line,
		 const char *fmt, ...)
{
	if (exp)
		return;
	printf("Bail out! %s:%u: %s\n", file, line, exp_str);
	exit(KSFT_FAIL);
}

/* L1 and its ucalls. */

static void to_host(void)
{
	in_l1 = false;
	bare_switch(&l1_sp, host_sp);
}

void bare_l1_returned(void)
{
	GUEST_FAIL("L1 returned");
}

/* From L2 there is no way past L1. */
static void check_caller(const char *what)
{
	if (in_l1 && get_current_el() == 2)
		return;
	printf("Bail out! %s outside of L1: %s\n", what, last_ucall.buffer);
	exit(KSFT_FAIL);
}

void ucall(u64 cmd, int nargs, ...)
{
	va_list ap;
	int i;

	last_ucall.cmd = cmd;
	va_start(ap, nargs);
	for (i = 0; i < nargs && i < UCALL_MAX_ARGS; i++)
		last_ucall.args[i] = va_arg(ap, u64);
	va_end(ap);
	check_caller("ucall");
	to_host();
}

void ucall_assert(u64 cmd, const char *exp, const char *file, unsigned int line,
		  const char *fmt, ...)
{
	va_list ap;
	int len;

	len = guest_snprintf(last_ucall.buffer, UCALL_BUFFER_LEN, "%s:%u: %s: ", file, line, exp);
	va_start(ap, fmt);
	guest_vsnprintf(last_ucall.buffer + len, UCALL_BUFFER_LEN - len, fmt, ap);
	va_end(ap);
	last_ucall.cmd = cmd;
	check_caller("assertion");
	to_host();
}

void ucall_fmt(u64 cmd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

void kvm_exit_unexpected_exception(int vector, u64 ec, bool valid_ec)
{
	printf("# vector %d ESR 0x%lx FAR 0x%lx ELR 0x%lx\n", vector, read_sysreg(esr_el1),
	       read_sysreg(far_el1), read_sysreg(elr_el1));
	GUEST_FAIL("unexpected exception");
}

int nested_run_vcpu(struct kvm_vcpu *vcpu, struct ucall *uc, const char **reason)
{
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
		return NESTED_FAIL;
	}
}

/* The host side of the library, as far as such a test goes. */

struct kvm_vm *__vm_create(struct vm_shape shape, u32 nr_runnable_vcpus, u64 nr_extra_pages)
{
	heap_used = 0;
	slot0.region.guest_phys_addr = (u64)bare_image;
	slot0.region.memory_size = bare_image_end - bare_image;
	the_vm = (struct kvm_vm) {
		.page_size = SZ_4K, .page_shift = 12, .va_bits = VA_BITS,
		.max_gfn = GENMASK(nested_pa_bits() - 13, 0),
		.ucall_mmio_addr = (u64)bare_image_end,
	};
	/* The row before may have used the VMIDs. */
	dsb(ish);
	write_sysreg_s(0, OP_TLBI_ALLE1);
	dsb(ish);
	isb();

	return &the_vm;
}

void kvm_vm_free(struct kvm_vm *vm)
{
}

void kvm_get_default_vcpu_target(struct kvm_vm *vm, struct kvm_vcpu_init *init)
{
	memset(init, 0, sizeof(*init));
}

struct kvm_vcpu *aarch64_vcpu_add(struct kvm_vm *vm, u32 id, struct kvm_vcpu_init *init,
				  void *guest_code)
{
	u64 *frame = (u64 *)(l1_stack + STACK_SIZE) - 20;

	TEST_ASSERT(!id, "one vCPU");
	memset(frame, 0, 160);
	frame[1] = (u64)bare_l1_first;	/* x30 */
	frame[2] = (u64)guest_code;	/* x19 */
	frame[3] = (u64)l1_args;	/* x20 */
	l1_sp = (u64)frame;
	the_vcpu = (struct kvm_vcpu) { .vm = vm, .init = *init };

	return &the_vcpu;
}

void vcpu_args_set(struct kvm_vcpu *vcpu, unsigned int num, ...)
{
	unsigned int i;
	va_list ap;

	TEST_ASSERT(num <= ARRAY_SIZE(l1_args), "too many arguments");
	va_start(ap, num);
	for (i = 0; i < num; i++)
		l1_args[i] = va_arg(ap, u64);
	va_end(ap);
}

void vcpu_init_descriptor_tables(struct kvm_vcpu *vcpu)
{
	write_sysreg((u64)vectors, vbar_el1);
	isb();
}

void kvm_arch_vm_finalize_vcpus(struct kvm_vm *vm)
{
}

/* ID registers are the machine's; nothing can be changed. */
int ioctl(int fd, unsigned long cmd, ...)
{
	struct kvm_one_reg *reg;
	va_list ap;

	va_start(ap, cmd);
	reg = va_arg(ap, struct kvm_one_reg *);
	va_end(ap);
	TEST_ASSERT(cmd == KVM_GET_ONE_REG, "this has no meaning here");
	switch (reg->id) {
	case KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR0_EL1):
		*(u64 *)reg->addr = read_sysreg_s(SYS_ID_AA64MMFR0_EL1);
		return 0;
	case KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR1_EL1):
		*(u64 *)reg->addr = read_sysreg_s(SYS_ID_AA64MMFR1_EL1);
		return 0;
	case KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR2_EL1):
		*(u64 *)reg->addr = read_sysreg_s(SYS_ID_AA64MMFR2_EL1);
		return 0;
	}
	TEST_FAIL("a register that is not known here");
	return -1;
}

gva_t __vm_alloc(struct kvm_vm *vm, size_t sz, gva_t min_gva, enum kvm_mem_region_type type)
{
	void *p = heap + heap_used;

	heap_used += (sz + SZ_4K - 1) & ~(SZ_4K - 1UL);
	TEST_ASSERT(heap_used <= HEAP_SIZE, "the heap is too small");
	memset(p, 0, sz);
	return (gva_t)p;
}

gva_t vm_alloc(struct kvm_vm *vm, size_t sz, gva_t min_gva)
{
	return __vm_alloc(vm, sz, min_gva, MEM_REGION_DATA);
}

void vm_userspace_mem_region_add(struct kvm_vm *vm, enum vm_mem_backing_src_type src_type,
				 gpa_t gpa, u32 slot, u64 npages, u32 flags)
{
	memset((void *)gpa, 0, npages * vm->page_size);
}

struct userspace_mem_region *memslot2region(struct kvm_vm *vm, u32 memslot)
{
	return &slot0;
}

void *addr_gpa2hva(struct kvm_vm *vm, gpa_t gpa)
{
	return (void *)gpa;
}

void *addr_gva2hva(struct kvm_vm *vm, gva_t gva)
{
	return (void *)gva;
}

gpa_t addr_arch_gva2gpa(struct kvm_vm *vm, gva_t gva)
{
	return gva;
}

void virt_map(struct kvm_vm *vm, gva_t gva, gpa_t gpa, unsigned int npages)
{
	u64 *desc = &root[gva >> 30], *table, end = gva + (u64)npages * vm->page_size;

	if (!*desc) {
		TEST_ASSERT(tables_used < MAX_TABLES, "too many tables");
		*desc = (u64)tables[tables_used++] | PTE_VALID | PMD_TYPE_TABLE;
	}
	table = (u64 *)(*desc & GENMASK(47, 12));
	for (; gva < end; gva += SZ_2M, gpa += SZ_2M)
		table[(gva >> 21) & 511] = gpa | DESC_BLOCK(MT_NORMAL);
	dsb(ish);
	write_sysreg_s(0, OP_TLBI_ALLE2);
	dsb(ish);
	isb();
}

/* Referenced, and not to be called: such rows are skipped. */

void vm_mem_region_reload(struct kvm_vm *vm, u32 slot)
{
	TEST_FAIL("there are no memslots here");
}

const char *exit_reason_str(unsigned int exit_reason)
{
	return "none";
}

enum vm_guest_mode vm_mode_default;

/* All that L2's C code may need: the image. */

bool sparsebit_any_set(const struct sparsebit *s)
{
	return true;
}

sparsebit_idx_t sparsebit_first_set(const struct sparsebit *s)
{
	return (u64)bare_image >> 12;
}

sparsebit_idx_t sparsebit_next_set(const struct sparsebit *s, sparsebit_idx_t prev)
{
	return ++prev < (u64)bare_image_end >> 12 ? prev : 0;
}

/* Rows. */

bool nested_check(const char *what, u64 got, u64 want, u64 mask)
{
	if ((got & mask) == (want & mask))
		return true;
	ksft_print_msg("%s: got 0x%016lx, expected 0x%016lx (mask 0x%016lx)\n",
		       what, got & mask, want & mask, mask);
	return false;
}

u64 nested_seed(void)
{
	return 1;
}

int nested_main(int argc, char *argv[], const struct nested_suite *suite)
{
	unsigned int n, ret, failed = 0;
	const char *desc, *reason;

	printf("TAP version 13\n1..%u\n", suite->nr_rows);
	for (n = 0; n < suite->nr_rows; n++) {
		desc = suite->desc ? suite->desc(n) :
		       *(const char **)((const char *)suite->rows + n * suite->row_size);
		reason = "";
		ret = suite->run(n, &reason);
		failed += ret == NESTED_FAIL;
		if (ret == NESTED_SKIP)
			printf("ok %u # SKIP %s: %s\n", n + 1, desc, reason);
		else
			printf("%s %u %s\n", ret ? "not ok" : "ok", n + 1, desc);
	}

	return failed ? KSFT_FAIL : KSFT_PASS;
}

void bare_start(void)
{
	u64 i, tcr = TCR_T0SZ(UL(VA_BITS)) | TCR_IRGN0_WBWA | TCR_ORGN0_WBWA | TCR_SH0_INNER |
		     TCR_TG0_4K | TCR_IPS_48_BITS | TCR_EPD1_MASK;

	for (i = 0; i < 16; i++)
		root[i] = i * SZ_1G | DESC_BLOCK(i ? MT_NORMAL : MT_DEVICE_nGnRnE);
	write_sysreg(DEFAULT_MAIR_EL1, mair_el1);
	write_sysreg(tcr, tcr_el1);
	write_sysreg((u64)root, ttbr0_el1);
	isb();
	write_sysreg(read_sysreg(sctlr_el1) | SCTLR_ELx_M | SCTLR_ELx_C | SCTLR_ELx_I, sctlr_el1);
	isb();
	exit(main(1, (char *[]) { "bare", NULL }));
}
