// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM as the host side of a test handles it: one that is the machine.
 *
 * A memslot is memory that is there anyway, at the same VA for the host side. What
 * a test maps for L1 comes on top of that, and goes when it makes the next VM.
 * ID registers are the machine's, and cannot be changed.
 *
 * No locking: one CPU.
 */
#include <stdarg.h>
#include <string.h>

#include "bare.h"
#include "guest_modes.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall_common.h"

#define HEAP_SIZE		SZ_4M
#define MAX_TABLES		64
#define MAX_VCPUS		3
#define MAX_RANGES		16

/* Three levels of 4K. What is flat comes in entries of level 1. */
#define VA_BITS			39
#define FLAT_ENTRIES		16
#define LEAF(attr)		((u64)PTE_ATTRINDX(attr) | PTE_SHARED | PTE_AF | PTE_VALID)

static char heap[HEAP_SIZE] __aligned(SZ_4K);
static size_t heap_used;

static u64 root[512] __aligned(SZ_4K);
static u64 tables[MAX_TABLES][512] __aligned(SZ_4K);
static unsigned int tables_used;

/* What L1 has VAs for, beyond what is flat; the first one is the image. */
static struct range {
	u64 first, last;	/* page numbers */
} ranges[MAX_RANGES];
static unsigned int nr_ranges;

static struct kvm_vm the_vm;
static struct kvm_vcpu vcpus[MAX_VCPUS];
static struct userspace_mem_region slot0;

/* None is supported: for memory that takes 52 bits to name, there is none. */
struct guest_mode guest_modes[NUM_VM_MODES];
enum vm_guest_mode vm_mode_default;

/* L1's stage 1 */

static void add_range(gva_t start, gva_t end)
{
	TEST_ASSERT(nr_ranges < MAX_RANGES, "too many mappings");
	ranges[nr_ranges++] = (struct range) { start >> 12, (end >> 12) - 1 };
}

/*
 * At the start, and for each VM: what a test has mapped goes, also from the TLBs, and so does what
 * it has changed in the registers.
 */
void bare_mmu_init(void)
{
	u64 i;

	for (i = 0; i < ARRAY_SIZE(root); i++)
		WRITE_ONCE(root[i], i >= FLAT_ENTRIES ? 0 :
			   i * SZ_1G | LEAF(i ? MT_NORMAL : MT_DEVICE_nGnRnE));
	tables_used = 0;
	nr_ranges = 0;
	add_range((gva_t)bare_image, (gva_t)bare_image_end);
	dsb(ish);

	write_sysreg(DEFAULT_MAIR_EL1, mair_el1);
	write_sysreg(TCR_T0SZ(UL(VA_BITS)) | TCR_IRGN0_WBWA | TCR_ORGN0_WBWA | TCR_SH0_INNER |
		     TCR_TG0_4K | TCR_IPS_48_BITS | TCR_EPD1_MASK, tcr_el1);
	write_sysreg((u64)root, ttbr0_el1);
	isb();
	write_sysreg_s(0, OP_TLBI_ALLE2);
	write_sysreg_s(0, OP_TLBI_ALLE1);
	dsb(ish);
	isb();
	write_sysreg(read_sysreg(sctlr_el1) | SCTLR_ELx_M | SCTLR_ELx_C | SCTLR_ELx_I, sctlr_el1);
	isb();
}

static u64 *pt_entry(u64 *table, gva_t gva, int level)
{
	return &table[(gva >> (12 + 9 * (3 - level))) & 511];
}

/* The entry at that level, or the block above it. */
static u64 *pt_desc(gva_t gva, int level)
{
	u64 *desc = pt_entry(root, gva, 1);
	int l;

	for (l = 1; l < level; l++) {
		if (!*desc) {
			TEST_ASSERT(tables_used < MAX_TABLES, "too many tables");
			memset(tables[tables_used], 0, SZ_4K);
			*desc = (u64)tables[tables_used++] | PTE_VALID | PMD_TYPE_TABLE;
		}
		if ((*desc & PMD_TYPE_TABLE) != PMD_TYPE_TABLE)
			return desc;
		desc = pt_entry((u64 *)(*desc & GENMASK(47, 12)), gva, l + 1);
	}

	return desc;
}

void virt_map(struct kvm_vm *vm, gva_t gva, gpa_t gpa, unsigned int npages)
{
	u64 end = gva + (u64)npages * vm->page_size, size;
	bool block;

	if (gva < (u64)FLAT_ENTRIES * SZ_1G) {
		TEST_ASSERT(gva == gpa, "VA 0x%lx is taken", gva);
		return;
	}
	add_range(gva, end);
	for (; gva < end; gva += size, gpa += size) {
		block = !((gva | gpa) & (SZ_2M - 1)) && end - gva >= SZ_2M;
		size = block ? SZ_2M : SZ_4K;
		*pt_desc(gva, block ? 2 : 3) = gpa | LEAF(MT_NORMAL) | (block ? 0 : PTE_TYPE_PAGE);
	}
	dsb(ish);
	write_sysreg_s(0, OP_TLBI_ALLE2);
	dsb(ish);
	isb();
}

u64 *virt_get_pte_hva(struct kvm_vm *vm, gva_t gva)
{
	return pt_desc(gva, 3);
}

/* The VM and its vCPUs */

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
	bare_mmu_init();

	return &the_vm;
}

void kvm_vm_free(struct kvm_vm *vm)
{
}

void kvm_get_default_vcpu_target(struct kvm_vm *vm, struct kvm_vcpu_init *init)
{
	memset(init, 0, sizeof(*init));
}

/* There is one CPU: vCPUs other than the first are never run. */
struct kvm_vcpu *aarch64_vcpu_add(struct kvm_vm *vm, u32 id, struct kvm_vcpu_init *init,
				  void *guest_code)
{
	TEST_ASSERT(id < MAX_VCPUS, "too many vCPUs");
	if (!id)
		bare_l1_prepare(guest_code);
	vcpus[id] = (struct kvm_vcpu) { .id = id, .vm = vm, .init = *init };

	return &vcpus[id];
}

void vcpu_args_set(struct kvm_vcpu *vcpu, unsigned int num, ...)
{
	unsigned int i;
	va_list ap;

	TEST_ASSERT(num <= BARE_L1_ARGS, "too many arguments");
	va_start(ap, num);
	for (i = 0; i < num && !vcpu->id; i++)
		bare_l1_args[i] = va_arg(ap, u64);
	va_end(ap);
}

void vcpu_arch_set_entry_point(struct kvm_vcpu *vcpu, void *guest_code)
{
	TEST_ASSERT(vcpu->id, "vCPU 0 has its entry point");
}

void vcpu_init_descriptor_tables(struct kvm_vcpu *vcpu)
{
	write_sysreg((u64)vectors, vbar_el1);
	isb();
}

void kvm_arch_vm_finalize_vcpus(struct kvm_vm *vm)
{
}

static int get_reg(u64 id, u64 *val)
{
	switch (id) {
	case KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR0_EL1):
		*val = read_sysreg_s(SYS_ID_AA64MMFR0_EL1);
		return 0;
	case KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR1_EL1):
		*val = read_sysreg_s(SYS_ID_AA64MMFR1_EL1);
		return 0;
	case KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR2_EL1):
		*val = read_sysreg_s(SYS_ID_AA64MMFR2_EL1);
		return 0;
	}
	TEST_FAIL("register 0x%lx is not known here", id);
	return -1;
}

int ioctl(int fd, unsigned long cmd, ...)
{
	struct kvm_one_reg *reg;
	va_list ap;

	va_start(ap, cmd);
	reg = va_arg(ap, struct kvm_one_reg *);
	va_end(ap);
	TEST_ASSERT(cmd == KVM_GET_ONE_REG, "request 0x%lx has no meaning here", cmd);
	return get_reg(reg->id, (u64 *)reg->addr);
}

/* Memory */

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

/* Much faster than memset() here, and slots are large. */
void vm_userspace_mem_region_add(struct kvm_vm *vm, enum vm_mem_backing_src_type src_type,
				 gpa_t gpa, u32 slot, u64 npages, u32 flags)
{
	u64 zva = 4UL << (read_sysreg_s(SYS_DCZID_EL0) & 0xf), end = gpa + npages * vm->page_size;

	TEST_ASSERT(gpa >= SZ_1G && end <= BARE_RAM_END, "no memory at 0x%lx", gpa);
	for (; gpa < end; gpa += zva)
		asm volatile("dc zva, %0" : : "r" (gpa) : "memory");
	dsb(sy);
}

struct userspace_mem_region *memslot2region(struct kvm_vm *vm, u32 memslot)
{
	TEST_ASSERT(!memslot, "there are no memslots here");
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

gpa_t addr_hva2gpa(struct kvm_vm *vm, void *hva)
{
	return (gpa_t)hva;
}

gpa_t addr_arch_gva2gpa(struct kvm_vm *vm, gva_t gva)
{
	u64 desc, mask;

	if (gva < (u64)FLAT_ENTRIES * SZ_1G)
		return gva;
	desc = *pt_desc(gva, 3);
	mask = (desc & PTE_TYPE_PAGE) == PTE_TYPE_PAGE ? SZ_4K - 1 : SZ_2M - 1;
	return (desc & GENMASK(47, 12) & ~mask) | (gva & mask);
}

bool thp_configured(void)
{
	return false;
}

/* The VAs that L2's C code gets: all of ranges[], which do not overlap. */

bool sparsebit_any_set(const struct sparsebit *s)
{
	return true;
}

sparsebit_idx_t sparsebit_first_set(const struct sparsebit *s)
{
	return ranges[0].first;
}

sparsebit_idx_t sparsebit_next_set(const struct sparsebit *s, sparsebit_idx_t prev)
{
	unsigned int i = 0;

	while (prev < ranges[i].first || prev > ranges[i].last)
		i++;
	if (prev < ranges[i].last)
		return prev + 1;
	return i + 1 < nr_ranges ? ranges[i + 1].first : 0;
}
