// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's side of a nested guest: stage-2 tables, entry to L2 and back, code for L2.
 *
 * The world switch is made of two halves. nested_l2_switch() saves what the procedure call standard
 * asks for on L1's stack, loads L2's general registers and does the ERET. L2's exit arrives at the
 * library's lower-EL vector on that same stack (SP_EL2 is not L2's to change); the handler saves
 * L2's registers and the syndrome, and returns to nested_l2_return instead of L2.
 *
 * TPIDR_EL2 points to the struct l2_vcpu that runs on this L1 vCPU. No locking: see nested.h.
 */
#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall_common.h"

#include <asm/sysreg.h>

#define NESTED_PA_BITS		48	/* of the descriptor formats without large addresses */
#define NESTED_MAX_CONCAT	16

/* Descriptors and VTTBR_EL2 with 52-bit addresses. */
#define S2_ADDR_DS		GENMASK(49, 12)
#define S2_ADDR_DS_51_50	GENMASK(9, 8)
#define S2_ADDR_64K_51_48	GENMASK(15, 12)
#define S2_VTTBR_51_48		GENMASK(5, 2)

/* This copy of the globals is the guest's: set when the VM is made. */
static bool nested_in_guest;
/* ID_AA64MMFR0_EL1 of the VM, for the host side. */
static u64 nested_host_mmfr0;

#define NESTED_ASSERT(cond)				\
do {							\
	bool __ok = (cond);				\
							\
	if (nested_in_guest)				\
		__GUEST_ASSERT(__ok, "%s", #cond);	\
	else						\
		TEST_ASSERT(__ok, "%s", #cond);		\
} while (0)

/* L1's PSTATE: EL2 with its own stack pointer; D, A, I, F masked. */
#define L1_PSTATE		(GENMASK(9, 6) | 9)

/* With HCR_EL2.E2H = 0: RES1 bits, and no trap. */
#define NESTED_CPTR_EL2		(GENMASK(13, 12) | BIT(9) | GENMASK(7, 0))

/* CTR_EL0.DminLine is not used: a step of 16 bytes is right for any implementation. */
#define NESTED_CACHE_STEP	16

/*
 * Enter L2 with x0-x30 from regs[]; ELR_EL2 and SPSR_EL2 are set. It returns when l2_save_exit()
 * sends the return from L2's exit to nested_l2_return, with SP as it was. What a function has to
 * preserve of the FP registers is preserved, too.
 */
asm("	.pushsection .text, \"ax\"\n"
"	.balign	16\n"
"	.global	nested_l2_switch\n"
"nested_l2_switch:\n"
"	stp	x29, x30, [sp, #-160]!\n"
"	stp	x19, x20, [sp, #16]\n"
"	stp	x21, x22, [sp, #32]\n"
"	stp	x23, x24, [sp, #48]\n"
"	stp	x25, x26, [sp, #64]\n"
"	stp	x27, x28, [sp, #80]\n"
"	stp	d8, d9, [sp, #96]\n"
"	stp	d10, d11, [sp, #112]\n"
"	stp	d12, d13, [sp, #128]\n"
"	stp	d14, d15, [sp, #144]\n"
"	mov	x30, x0\n"
"	ldp	x0, x1, [x30, #16 * 0]\n"
"	ldp	x2, x3, [x30, #16 * 1]\n"
"	ldp	x4, x5, [x30, #16 * 2]\n"
"	ldp	x6, x7, [x30, #16 * 3]\n"
"	ldp	x8, x9, [x30, #16 * 4]\n"
"	ldp	x10, x11, [x30, #16 * 5]\n"
"	ldp	x12, x13, [x30, #16 * 6]\n"
"	ldp	x14, x15, [x30, #16 * 7]\n"
"	ldp	x16, x17, [x30, #16 * 8]\n"
"	ldp	x18, x19, [x30, #16 * 9]\n"
"	ldp	x20, x21, [x30, #16 * 10]\n"
"	ldp	x22, x23, [x30, #16 * 11]\n"
"	ldp	x24, x25, [x30, #16 * 12]\n"
"	ldp	x26, x27, [x30, #16 * 13]\n"
"	ldp	x28, x29, [x30, #16 * 14]\n"
"	ldr	x30, [x30, #16 * 15]\n"
"	eret\n"
"	.global	nested_l2_return\n"
"nested_l2_return:\n"
"	ldp	d14, d15, [sp, #144]\n"
"	ldp	d12, d13, [sp, #128]\n"
"	ldp	d10, d11, [sp, #112]\n"
"	ldp	d8, d9, [sp, #96]\n"
"	ldp	x27, x28, [sp, #80]\n"
"	ldp	x25, x26, [sp, #64]\n"
"	ldp	x23, x24, [sp, #48]\n"
"	ldp	x21, x22, [sp, #32]\n"
"	ldp	x19, x20, [sp, #16]\n"
"	ldp	x29, x30, [sp], #160\n"
"	ret\n"
/* Where L2's C code returns to. */
"	.global	nested_l2_done\n"
"nested_l2_done:\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"	b	nested_l2_done\n"
"	.popsection\n");

/*
 * L2's code, position independent: it is copied to where L2 finds it. L2's vectors come first,
 * their alignment is that of the page.
 */
asm("	.pushsection .text, \"ax\"\n"
"	.balign	2048\n"
"	.global	nested_l2_stubs\n"
"nested_l2_stubs:\n"
"	.set	vector, 0\n"
"	.rept	16\n"
"	.balign	128\n"
"	hvc	#" __stringify(L2_HVC_VECTOR) " + vector\n"
"	.set	vector, vector + 1\n"
"	.endr\n"
"	.balign	128\n"
"	.global	nested_l2_load\n"
"nested_l2_load:\n"
"	ldr	x1, [x0]\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"	.global	nested_l2_store\n"
"nested_l2_store:\n"
"	str	x2, [x0]\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"	.global	nested_l2_load_store\n"
"nested_l2_load_store:\n"
"	ldr	x1, [x0]\n"
"	str	x2, [x0]\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"	.global	nested_l2_load_between\n"
"nested_l2_load_between:\n"
"	ldr	x3, [x4]\n"
"	ldr	x1, [x0]\n"
"	ldr	x3, [x4]\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
/* RET, because BR would leave PSTATE.BTYPE set. */
"	.global	nested_l2_exec\n"
"nested_l2_exec:\n"
"	ret	x0\n"
"	.global	nested_l2_atomic\n"
"nested_l2_atomic:\n"
"	.arch_extension lse\n"
"	ldadd	x2, x1, [x0]\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"	.global	nested_l2_dc_civac\n"
"nested_l2_dc_civac:\n"
"	dc	civac, x0\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"	.global	nested_l2_dc_ivac\n"
"nested_l2_dc_ivac:\n"
"	dc	ivac, x0\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"	.global	nested_l2_dc_zva\n"
"nested_l2_dc_zva:\n"
"	dc	zva, x0\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"	.global	nested_l2_ic_ivau\n"
"nested_l2_ic_ivau:\n"
"	ic	ivau, x0\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"	.global	nested_l2_store_between\n"
"nested_l2_store_between:\n"
"	ldr	x3, [x4]\n"
"	str	x2, [x0]\n"
"	ldr	x3, [x4]\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"	.global	nested_l2_stubs_end\n"
"nested_l2_stubs_end:\n"
"	.popsection\n");

/**
 * nested_mem_create() - add a memslot for a nested_mem and map it for L1
 * @vm: the VM
 * @mem: @gva, @gpa and @size, page aligned; the rest is filled in
 * @slot: memslot number
 * @flags: KVM_MEM_* of the memslot
 *
 * Context: host side, before the vCPU runs.
 */
void nested_mem_create(struct kvm_vm *vm, struct nested_mem *mem, u32 slot, u32 flags)
{
	u64 npages = mem->size / vm->page_size;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, mem->gpa, slot, npages, flags);
	virt_map(vm, mem->gva, mem->gpa, npages);
	mem->used = 0;
	mem->va = addr_gpa2hva(vm, mem->gpa);
}

/**
 * nested_mem_sync() - give L1 a nested_mem of its own
 * @vm: the VM
 * @mem: the host side's copy
 * @copy: where L1 has its copy: a global of the test, or another struct nested_mem
 *
 * What is given away afterwards, by either side, the other one does not know of.
 *
 * Context: host side, while no vCPU runs.
 */
void nested_mem_sync(struct kvm_vm *vm, const struct nested_mem *mem, gva_t copy)
{
	struct nested_mem *guest = addr_gva2hva(vm, copy);

	*guest = *mem;
	guest->va = (void *)mem->gva;
}

/**
 * nested_alloc() - take zeroed memory
 * @mem: where from
 * @size: bytes
 * @align: of the GPA, bytes, a power of two
 *
 * Memory is not given back: a test uses a VM per case.
 *
 * Return: pointer to it.
 */
void *nested_alloc(struct nested_mem *mem, u64 size, u64 align)
{
	gpa_t gpa = (mem->gpa + mem->used + align - 1) & ~(align - 1);
	void *va;

	NESTED_ASSERT(gpa + size <= mem->gpa + mem->size);
	mem->used = gpa + size - mem->gpa;
	va = nested_va(mem, gpa);
	memset(va, 0, size);

	return va;
}

/**
 * nested_va() - pointer to a GPA
 * @mem: memory that holds it
 * @gpa: L1 physical address
 *
 * Return: the pointer.
 */
void *nested_va(const struct nested_mem *mem, gpa_t gpa)
{
	NESTED_ASSERT(gpa >= mem->gpa && gpa < mem->gpa + mem->size);

	return mem->va + (gpa - mem->gpa);
}

/**
 * nested_pa() - the GPA behind a pointer
 * @mem: memory that holds it
 * @va: pointer
 *
 * Return: L1 physical address.
 */
gpa_t nested_pa(const struct nested_mem *mem, const void *va)
{
	NESTED_ASSERT(va >= mem->va && va < mem->va + mem->size);

	return mem->gpa + (va - mem->va);
}

/**
 * nested_check() - compare, and say what differs
 * @what: what is compared
 * @got: what there is
 * @want: what the architecture says
 * @mask: bits that count
 *
 * Return: true if they are the same.
 * Context: host side.
 */
bool nested_check(const char *what, u64 got, u64 want, u64 mask)
{
	if ((got & mask) == (want & mask))
		return true;

	ksft_print_msg("%s: got 0x%016lx, expected 0x%016lx (mask 0x%016lx)\n",
		       what, got & mask, want & mask, mask);
	return false;
}

/**
 * nested_sync_cache() - make memory coherent between L1 and an L2 with its MMU off
 * @va: first byte
 * @size: bytes
 *
 * With stage 1 off, L2's data accesses are Device and its fetches may be Non-cacheable, while L1's
 * are cacheable. Call it before L2 reads or fetches what L1 wrote, and before L1 reads what L2
 * wrote.
 *
 * Context: L1.
 */
void nested_sync_cache(const void *va, u64 size)
{
	u64 addr, start = (u64)va & ~(u64)(NESTED_CACHE_STEP - 1);

	for (addr = start; addr < (u64)va + size; addr += NESTED_CACHE_STEP)
		asm volatile("dc civac, %0" : : "r" (addr) : "memory");
	dsb(sy);
	asm volatile("ic ialluis" : : : "memory");
	dsb(sy);
	isb();
}

/**
 * s2_level_shift() - log2 of what one descriptor maps
 * @geo: shape
 * @level: -1..3
 *
 * Return: bits.
 */
unsigned int s2_level_shift(const struct s2_geometry *geo, int level)
{
	return geo->page_shift + (3 - level) * (geo->page_shift - 3);
}

/**
 * s2_contig_shift() - log2 of what a contiguous run maps
 * @geo: shape
 * @level: of its entries
 *
 * Return: bits; that of a single entry where the architecture has no runs.
 */
unsigned int s2_contig_shift(const struct s2_geometry *geo, int level)
{
	unsigned int entries = 0;

	if (geo->page_shift == 12 && level >= 1)
		entries = 4;
	else if (geo->page_shift == 14 && level >= 2)
		entries = level == 3 ? 7 : 5;
	else if (geo->page_shift == 16 && level >= 2)
		entries = 5;

	return s2_level_shift(geo, level) + entries;
}

/**
 * s2_root_size() - size of the (concatenated) start table
 * @geo: shape
 *
 * Return: bytes; not less than the 64 that VTTBR_EL2's alignment needs.
 */
u64 s2_root_size(const struct s2_geometry *geo)
{
	u64 size = sizeof(u64) << (geo->ia_bits - s2_level_shift(geo, geo->start));

	return max_t(u64, size, 64);
}

/**
 * nested_mmfr0() - ID_AA64MMFR0_EL1 as L1 sees it
 *
 * Return: the value; on the host side, that of the VM made last.
 */
u64 nested_mmfr0(void)
{
	return nested_in_guest ? read_sysreg_s(SYS_ID_AA64MMFR0_EL1) : nested_host_mmfr0;
}

/* Of ID_AA64MMFR0_EL1.PARange and of VTCR_EL2.PS, in bits. */
static const u8 pa_sizes[] = { 32, 36, 40, 42, 44, 48, 52, 56 };

/**
 * nested_pa_bits() - the VM's physical address size, as L1 sees it
 *
 * Return: bits, 0 if ID_AA64MMFR0_EL1.PARange is reserved.
 */
unsigned int nested_pa_bits(void)
{
	u64 mmfr0 = nested_mmfr0();
	unsigned int parange = SYS_FIELD_GET(ID_AA64MMFR0_EL1, PARANGE, mmfr0);

	return parange < ARRAY_SIZE(pa_sizes) ? pa_sizes[parange] : 0;
}

/**
 * s2_granule_supported() - may L1's stage 2 use this granule?
 * @page_shift: 12, 14 or 16
 *
 * Return: true if ID_AA64MMFR0_EL1 says so. TGRANx_2 of 0 refers to TGRANx.
 */
bool s2_granule_supported(unsigned int page_shift)
{
	u64 mmfr0 = nested_mmfr0();
	unsigned int stage2;
	bool stage1;

	switch (page_shift) {
	case 12:
		stage2 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4_2, mmfr0);
		stage1 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4, mmfr0) !=
			 ID_AA64MMFR0_EL1_TGRAN4_NI;
		break;
	case 14:
		stage2 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN16_2, mmfr0);
		stage1 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN16, mmfr0) !=
			 ID_AA64MMFR0_EL1_TGRAN16_NI;
		break;
	case 16:
		stage2 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN64_2, mmfr0);
		stage1 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN64, mmfr0) !=
			 ID_AA64MMFR0_EL1_TGRAN64_NI;
		break;
	default:
		return false;
	}

	return stage2 == ID_AA64MMFR0_EL1_TGRAN4_2_TGRAN4 ? stage1 :
	       stage2 != ID_AA64MMFR0_EL1_TGRAN4_2_NI;
}

/**
 * s2_granule_large() - may L1's stage 2 have 52-bit addresses with this granule?
 * @page_shift: 12, 14 or 16
 *
 * Return: true if ID_AA64MMFR0_EL1 says so.
 */
bool s2_granule_large(unsigned int page_shift)
{
	u64 mmfr0 = nested_mmfr0();

	if (nested_pa_bits() < 52)
		return false;

	switch (page_shift) {
	case 12:
		return SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4_2, mmfr0) ==
		       ID_AA64MMFR0_EL1_TGRAN4_2_52_BIT;
	case 14:
		return SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN16_2, mmfr0) ==
		       ID_AA64MMFR0_EL1_TGRAN16_2_52_BIT;
	default:
		return s2_granule_supported(page_shift);
	}
}

/**
 * s2_default_geometry() - 40 bits with the smallest granule that L1 may use
 *
 * Return: the shape.
 */
struct s2_geometry s2_default_geometry(void)
{
	struct s2_geometry geo = { .page_shift = 12, .ia_bits = 40, .start = 1 };

	if (s2_granule_supported(12))
		return geo;

	geo.page_shift = s2_granule_supported(14) ? 14 : 16;
	geo.start = 2;
	return geo;
}

/**
 * s2_geometry_missing() - why L1's stage 2 cannot have a shape
 * @geo: shape, which the architecture has
 *
 * Return: the reason, for a skip; NULL if it can.
 */
const char *s2_geometry_missing(const struct s2_geometry *geo)
{
	if (!s2_granule_supported(geo->page_shift))
		return "the VM has no such stage-2 granule (ID_AA64MMFR0_EL1.TGRANx_2)";
	if (geo->large && !s2_granule_large(geo->page_shift))
		return "the VM has no 52-bit addresses with this granule (PARange, TGRANx_2)";
	if (geo->ia_bits > nested_pa_bits())
		return "the input size is above the VM's PARange";

	return NULL;
}

/* VTCR_EL2.SL0 counts the other way round, and from another level for 4K. */
static unsigned int s2_sl0(const struct s2_geometry *geo)
{
	/* SL2 is set, then. */
	if (geo->start < 0)
		return 0;

	if (geo->page_shift != 12 || geo->start == 3)
		return geo->page_shift == 12 ? 3 : 3 - geo->start;

	return 2 - geo->start;
}

/* No more than the format has. */
static u64 s2_ps(const struct s2_geometry *geo)
{
	unsigned int bits = geo->pa_bits ?: nested_pa_bits(), most = geo->large ? 52 : 48;
	u64 ps = 0;

	while (pa_sizes[ps] < min(bits, most))
		ps++;
	return ps;
}

/**
 * s2_vtcr() - VTCR_EL2 for a shape
 * @geo: shape
 *
 * 8-bit VMIDs, no hardware update. The value is not checked against the architecture: tests want
 * invalid ones too.
 *
 * Return: the value.
 */
u64 s2_vtcr(const struct s2_geometry *geo)
{
	u64 ds = geo->large && geo->page_shift != 16 ? VTCR_EL2_DS : 0;
	u64 tg0 = geo->page_shift == 12 ? VTCR_EL2_TG0_4K :
		  geo->page_shift == 14 ? VTCR_EL2_TG0_16K : VTCR_EL2_TG0_64K;

	return VTCR_EL2_RES1 | ds | (geo->start < 0 ? VTCR_EL2_SL2 : 0) |
	       FIELD_PREP(VTCR_EL2_T0SZ, 64 - geo->ia_bits) |
	       FIELD_PREP(VTCR_EL2_SL0, s2_sl0(geo)) |
	       FIELD_PREP(VTCR_EL2_IRGN0, VTCR_EL2_IRGN0_WBWA) |
	       FIELD_PREP(VTCR_EL2_ORGN0, VTCR_EL2_ORGN0_WBWA) |
	       FIELD_PREP(VTCR_EL2_SH0, VTCR_EL2_SH0_INNER) |
	       FIELD_PREP(VTCR_EL2_TG0, tg0) |
	       FIELD_PREP(VTCR_EL2_PS, s2_ps(geo));
}

/**
 * s2_pa_desc() - a GPA as the address of a descriptor
 * @geo: shape
 * @pa: GPA, page aligned
 *
 * Return: its bits, in CPU order.
 */
u64 s2_pa_desc(const struct s2_geometry *geo, gpa_t pa)
{
	if (!geo->large)
		return pa & S2_DESC_ADDR;
	if (geo->page_shift == 16)
		return (pa & GENMASK(47, 16)) |
		       FIELD_PREP(S2_ADDR_64K_51_48, FIELD_GET(GENMASK(51, 48), pa));

	return (pa & S2_ADDR_DS) | FIELD_PREP(S2_ADDR_DS_51_50, FIELD_GET(GENMASK(51, 50), pa));
}

/**
 * s2_desc_pa() - the GPA that a descriptor holds
 * @geo: shape
 * @desc: table, block or page descriptor, in CPU order
 *
 * Return: the GPA.
 */
gpa_t s2_desc_pa(const struct s2_geometry *geo, u64 desc)
{
	if (!geo->large)
		return desc & GENMASK(47, geo->page_shift);
	if (geo->page_shift == 16)
		return (desc & GENMASK(47, 16)) | FIELD_GET(S2_ADDR_64K_51_48, desc) << 48;

	return (desc & GENMASK(49, geo->page_shift)) | FIELD_GET(S2_ADDR_DS_51_50, desc) << 50;
}

/**
 * s2_vttbr() - VTTBR_EL2 for a start table
 * @geo: shape
 * @root: GPA of the start table
 * @vmid: VMID
 *
 * Return: the value.
 */
u64 s2_vttbr(const struct s2_geometry *geo, gpa_t root, u16 vmid)
{
	u64 vttbr = FIELD_PREP(VTTBR_EL2_VMID_MASK, vmid) | (root & VTTBR_EL2_BADDR_MASK);

	if (geo->large)
		vttbr |= FIELD_PREP(S2_VTTBR_51_48, FIELD_GET(GENMASK(51, 48), root));

	return vttbr;
}

/* Tables of either stage, @out above their GPAs for whoever walks them. */
struct nested_pt {
	struct nested_mem *mem;
	const struct s2_geometry *geo;
	gpa_t root;
	u64 out;
	bool be;
};

static u64 pt_order(bool be, u64 val)
{
	return be ? __builtin_bswap64(val) : val;
}

static u64 *pt_desc(const struct nested_pt *pt, u64 ia, int level)
{
	u64 page = BIT(pt->geo->page_shift);
	u64 *table = nested_va(pt->mem, pt->root);
	u64 *desc, mask, pa;
	int l;

	NESTED_ASSERT(level >= pt->geo->start && level <= 3);
	NESTED_ASSERT(!(ia >> pt->geo->ia_bits));

	/* The start table may be larger or smaller than a page. */
	mask = BIT(pt->geo->ia_bits - s2_level_shift(pt->geo, pt->geo->start)) - 1;
	for (l = pt->geo->start; ; l++) {
		desc = table + ((ia >> s2_level_shift(pt->geo, l)) & mask);
		if (l == level)
			return desc;
		if (!(pt_order(pt->be, *desc) & S2_DESC_VALID)) {
			pa = nested_pa(pt->mem, nested_alloc(pt->mem, page, page)) + pt->out;
			*desc = pt_order(pt->be, s2_pa_desc(pt->geo, pa) | S2_DESC_VALID |
					 S2_DESC_TABLE);
		}
		pa = s2_desc_pa(pt->geo, pt_order(pt->be, *desc)) - pt->out;
		table = nested_va(pt->mem, pa);
		mask = page / sizeof(u64) - 1;
	}
}

static void pt_map(const struct nested_pt *pt, u64 ia, u64 oa, u64 size, int level, u64 attrs)
{
	u64 leaf = BIT(s2_level_shift(pt->geo, level)), end = ia + size;
	u64 type = S2_DESC_VALID | (level == 3 ? S2_DESC_PAGE : 0);

	NESTED_ASSERT(!((ia ^ oa) & (leaf - 1)));

	oa &= ~(leaf - 1);
	for (ia &= ~(leaf - 1); ia < end; ia += leaf, oa += leaf)
		WRITE_ONCE(*pt_desc(pt, ia, level),
			   pt_order(pt->be, s2_pa_desc(pt->geo, oa) | attrs | type));
	dsb(ish);
}

static struct nested_pt s2_pt(struct s2_mmu *s2)
{
	return (struct nested_pt) {
		.mem = s2->mem, .geo = &s2->geo, .root = s2->root, .be = s2->be,
	};
}

/**
 * s2_init() - an empty stage 2
 * @s2: to be filled
 * @mem: memory for its tables
 * @geo: shape; at most 16 concatenated start tables
 * @vmid: VMID, 8 bits
 *
 * The start table is aligned to twice its size and followed by as much zeroed memory: a test may
 * lower T0SZ by one, or write entries for nested IPAs that are out of range.
 */
void s2_init(struct s2_mmu *s2, struct nested_mem *mem, const struct s2_geometry *geo, u16 vmid)
{
	u64 page = BIT(geo->page_shift), size = s2_root_size(geo);
	void *root;

	NESTED_ASSERT(geo->large || geo->ia_bits <= NESTED_PA_BITS);
	NESTED_ASSERT(size <= NESTED_MAX_CONCAT * page);

	size = 2 * max_t(u64, size, page);
	root = nested_alloc(mem, size, size);
	*s2 = (struct s2_mmu) {
		.mem = mem, .geo = *geo, .root = nested_pa(mem, root), .vtcr = s2_vtcr(geo),
	};
	s2->vttbr = s2_vttbr(geo, s2->root, vmid);
}

/**
 * s2_desc() - the descriptor that translates a nested IPA at a level
 * @s2: stage 2
 * @ipa: nested IPA below the input size
 * @level: from the start level to 3
 *
 * Missing tables on the way are added.
 *
 * Return: pointer to it; the caller does the TLB maintenance.
 */
u64 *s2_desc(struct s2_mmu *s2, u64 ipa, int level)
{
	struct nested_pt pt = s2_pt(s2);

	return pt_desc(&pt, ipa, level);
}

/**
 * s2_read() - read a descriptor
 * @s2: stage 2
 * @desc: from s2_desc()
 *
 * Return: the descriptor, in CPU order.
 */
u64 s2_read(const struct s2_mmu *s2, const u64 *desc)
{
	return pt_order(s2->be, READ_ONCE(*desc));
}

/**
 * s2_write() - write a descriptor
 * @s2: stage 2
 * @desc: from s2_desc()
 * @val: the descriptor, in CPU order
 *
 * The caller does the TLB maintenance, and break-before-make where the architecture asks for it.
 */
void s2_write(const struct s2_mmu *s2, u64 *desc, u64 val)
{
	WRITE_ONCE(*desc, pt_order(s2->be, val));
	dsb(ish);
}

/**
 * s2_map() - map a range with pages or blocks
 * @s2: stage 2
 * @ipa: nested IPA
 * @pa: GPA; it shares @ipa's offset in a leaf
 * @size: bytes, rounded up to whole leaves
 * @level: of the leaves
 * @attrs: S2_DESC_* of the leaves; with S2_DESC_CONTIG, whole runs have to be mapped
 *
 * A live mapping may be changed in one step only where the architecture does not ask for
 * break-before-make; the caller does the TLB maintenance.
 */
void s2_map(struct s2_mmu *s2, u64 ipa, gpa_t pa, u64 size, int level, u64 attrs)
{
	struct nested_pt pt = s2_pt(s2);

	/* With VTCR_EL2.DS the field is part of the address, and VTCR_EL2.SH0 is used. */
	if (s2->geo.large && s2->geo.page_shift != 16)
		attrs &= ~S2_DESC_SH;
	pt_map(&pt, ipa, pa, size, level, attrs);
}

/**
 * s2_tlbi_begin() - before a TLB maintenance instruction of L1 for an L2
 * @s2: its stage 2; VTTBR_EL2 and VTCR_EL2 are left with its values. Or NULL
 *
 * Return: HCR_EL2, for s2_tlbi_end().
 * Context: L1; for s2_tlbi().
 */
u64 s2_tlbi_begin(const struct s2_mmu *s2)
{
	u64 hcr = read_sysreg(hcr_el2);

	if (s2) {
		write_sysreg(s2->vtcr, vtcr_el2);
		write_sysreg(s2->vttbr, vttbr_el2);
	}
	write_sysreg(hcr & ~HCR_EL2_TGE, hcr_el2);
	isb();
	dsb(ishst);

	return hcr;
}

/**
 * s2_tlbi_end() - after a TLB maintenance instruction of L1 for an L2
 * @hcr: from s2_tlbi_begin()
 *
 * Context: L1; for s2_tlbi().
 */
void s2_tlbi_end(u64 hcr)
{
	dsb(ish);
	write_sysreg(hcr, hcr_el2);
	isb();
}

/**
 * s2_tlbi_vmalls12e1is() - forget all translations of an L2
 * @s2: its stage 2; VTTBR_EL2 and VTCR_EL2 are left with its values
 *
 * The VMID is VTTBR_EL2's.
 *
 * Context: L1.
 */
void s2_tlbi_vmalls12e1is(const struct s2_mmu *s2)
{
	s2_tlbi(s2, OP_TLBI_VMALLS12E1IS, 0);
}

/* The granule as TLBI operands have it: 1, 2, 3 for 4K, 16K, 64K. */
static u64 s2_tlbi_tg(const struct s2_geometry *geo)
{
	return (geo->page_shift - 10) / 2;
}

/**
 * s2_tlbi_ttl() - hint for TLBI IPAS2*: entries are at this level
 * @geo: shape
 * @level: 0..3
 *
 * Return: TTL, for s2_tlbi_ipa().
 */
u64 s2_tlbi_ttl(const struct s2_geometry *geo, int level)
{
	return s2_tlbi_tg(geo) << 2 | level;
}

/**
 * s2_tlbi_range() - operand of TLBI RIPAS2*
 * @geo: shape
 * @ipa: first nested IPA; page aligned, 64K aligned where @geo has VTCR_EL2.DS
 * @pages: how many, rounded up to what can be expressed
 * @ttl: 0, or the level of the entries, 1..3
 *
 * Return: the operand: (NUM + 1) * 2^(5 * SCALE + 1) pages.
 */
u64 s2_tlbi_range(const struct s2_geometry *geo, u64 ipa, u64 pages, unsigned int ttl)
{
	bool ds = geo->large && geo->page_shift != 16;
	u64 num, scale = 0;

	while (scale < 3 && pages > 32ULL << (5 * scale + 1))
		scale++;
	num = DIV_ROUND_UP(pages, 1ULL << (5 * scale + 1)) - 1;
	NESTED_ASSERT(num < 32);

	return s2_tlbi_tg(geo) << 46 | scale << 44 | num << 39 | (u64)ttl << 37 |
	       ((ipa >> (ds ? 16 : geo->page_shift)) & GENMASK(36, 0));
}

/**
 * l2_stubs_install() - copy L2's code to where L2 will find it
 * @dst: pointer, page aligned
 * @size: room there, bytes
 *
 * Return: bytes copied.
 * Context: L1.
 */
u64 l2_stubs_install(void *dst, u64 size)
{
	u64 len = nested_l2_stubs_end - nested_l2_stubs;

	GUEST_ASSERT(len <= size);
	memcpy(dst, nested_l2_stubs, len);
	nested_sync_cache(dst, len);

	return len;
}

/**
 * l2_stub_offset() - where a stub begins
 * @stub: which one
 *
 * Return: bytes from the start of what l2_stubs_install() copied.
 */
u64 l2_stub_offset(enum l2_stub stub)
{
	static const char * const start[] = {
		[L2_STUB_LOAD]		= nested_l2_load,
		[L2_STUB_STORE]		= nested_l2_store,
		[L2_STUB_LOAD_STORE]	= nested_l2_load_store,
		[L2_STUB_LOAD_BETWEEN]	= nested_l2_load_between,
		[L2_STUB_EXEC]		= nested_l2_exec,
		[L2_STUB_ATOMIC]	= nested_l2_atomic,
		[L2_STUB_DC_CIVAC]	= nested_l2_dc_civac,
		[L2_STUB_DC_IVAC]	= nested_l2_dc_ivac,
		[L2_STUB_DC_ZVA]	= nested_l2_dc_zva,
		[L2_STUB_IC_IVAU]	= nested_l2_ic_ivau,
		[L2_STUB_STORE_BETWEEN]	= nested_l2_store_between,
	};

	return start[stub] - nested_l2_stubs;
}

/* Save L2's state and turn the return from this exception into one to l2_enter(). */
static void l2_save_exit(struct ex_regs *regs, u64 vector)
{
	struct l2_vcpu *l2 = (struct l2_vcpu *)read_sysreg(tpidr_el2);

	memcpy(l2->regs, regs->regs, sizeof(l2->regs));
	l2->pc = regs->pc;
	l2->pstate = regs->pstate;

	l2->exit.vector = vector;
	l2->exit.esr = read_sysreg_s(SYS_ESR_EL2);
	l2->exit.far = read_sysreg_s(SYS_FAR_EL2);
	l2->exit.hpfar = read_sysreg_s(SYS_HPFAR_EL2);
	l2->exit.elr = regs->pc;
	l2->exit.spsr = regs->pstate;

	l2->sctlr = read_sysreg_s(SYS_SCTLR_EL12);
	l2->tcr = read_sysreg_s(SYS_TCR_EL12);
	l2->mair = read_sysreg_s(SYS_MAIR_EL12);
	l2->ttbr0 = read_sysreg_s(SYS_TTBR0_EL12);
	l2->vbar = read_sysreg_s(SYS_VBAR_EL12);
	l2->cpacr = read_sysreg_s(SYS_CPACR_EL12);
	l2->elr_el1 = read_sysreg_s(SYS_ELR_EL12);
	l2->spsr_el1 = read_sysreg_s(SYS_SPSR_EL12);
	l2->esr_el1 = read_sysreg_s(SYS_ESR_EL12);
	l2->far_el1 = read_sysreg_s(SYS_FAR_EL12);
	l2->sp = read_sysreg_s(SYS_SP_EL1);
	l2->sp_el0 = read_sysreg(sp_el0);

	regs->pc = (u64)nested_l2_return;
	regs->pstate = L1_PSTATE;
}

static void l2_sync_handler(struct ex_regs *regs)
{
	l2_save_exit(regs, VECTOR_SYNC_LOWER_64);
}

static void l2_irq_handler(struct ex_regs *regs)
{
	l2_save_exit(regs, VECTOR_IRQ_LOWER_64);
}

static void l2_fiq_handler(struct ex_regs *regs)
{
	l2_save_exit(regs, VECTOR_FIQ_LOWER_64);
}

static void l2_serror_handler(struct ex_regs *regs)
{
	l2_save_exit(regs, VECTOR_ERROR_LOWER_64);
}

/**
 * nested_init_handlers() - have all exits of L2 handled by l2_enter()
 * @vm: the VM; its descriptor tables are initialized here
 * @vcpu: a vCPU with EL2
 *
 * Context: host side, before the vCPU runs.
 */
void nested_init_handlers(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	unsigned int ec;

	vm_init_descriptor_tables(vm);
	vcpu_init_descriptor_tables(vcpu);

	for (ec = 0; ec <= ESR_ELx_EC_MAX; ec++)
		vm_install_sync_handler(vm, VECTOR_SYNC_LOWER_64, ec, l2_sync_handler);
	vm_install_exception_handler(vm, VECTOR_IRQ_LOWER_64, l2_irq_handler);
	vm_install_exception_handler(vm, VECTOR_FIQ_LOWER_64, l2_fiq_handler);
	vm_install_exception_handler(vm, VECTOR_ERROR_LOWER_64, l2_serror_handler);
}

/**
 * l2_decode_abort() - take the syndrome of an abort apart
 * @exit: the exit
 * @abort: to be filled
 *
 * Return: false if it was no abort.
 */
bool l2_decode_abort(const struct l2_exit *exit, struct l2_abort *abort)
{
	u64 ec = ESR_ELx_EC(exit->esr);

	if (exit->vector != VECTOR_SYNC_LOWER_64 ||
	    (ec != ESR_ELx_EC_DABT_LOW && ec != ESR_ELx_EC_IABT_LOW))
		return false;

	*abort = (struct l2_abort) {
		.fsc	= exit->esr & ESR_ELx_FSC,
		.insn	= ec == ESR_ELx_EC_IABT_LOW,
		.write	= ec == ESR_ELx_EC_DABT_LOW && (exit->esr & ESR_ELx_WNR),
		.s1ptw	= exit->esr & ESR_ELx_S1PTW,
		.cm	= ec == ESR_ELx_EC_DABT_LOW && (exit->esr & ESR_ELx_CM),
		.va	= exit->far,
		.ipa	= FIELD_GET(HPFAR_EL2_FIPA, exit->hpfar) << 12,
	};
	if (!abort->s1ptw)
		abort->ipa |= exit->far & GENMASK(11, 0);

	return true;
}

/**
 * l2_exit_is_hvc() - did L2 come back with an HVC?
 * @exit: the exit
 * @imm: its immediate
 *
 * Return: true if so.
 */
bool l2_exit_is_hvc(const struct l2_exit *exit, u16 imm)
{
	return exit->vector == VECTOR_SYNC_LOWER_64 &&
	       exit->esr == (ESR_ELx_EC_HVC64 << ESR_ELx_EC_SHIFT | ESR_ELx_IL | imm);
}

/**
 * l2_init() - an L2 at EL1 with its MMU off
 * @l2: to be filled
 * @s2: its stage 2
 * @stubs: L2 address at which it finds the stubs; becomes its VBAR_EL1
 */
void l2_init(struct l2_vcpu *l2, struct s2_mmu *s2, u64 stubs)
{
	memset(l2, 0, sizeof(*l2));
	l2->pc = stubs;
	l2->pstate = L2_PSTATE;
	l2->hcr = L2_HCR_DEFAULT;
	l2->s2 = s2;
	l2->sctlr = INIT_SCTLR_EL1_MMU_OFF;
	l2->cpacr = CPACR_EL1_FPEN;
	l2->vbar = stubs;
}

/**
 * l2_enter() - run L2 until it comes back
 * @l2: L2; registers and @l2->exit are updated
 *
 * L1 must be in host context and is so again on return. No TLB maintenance is done. SP_EL0 is
 * L2's afterwards.
 *
 * Context: L1.
 */
void l2_enter(struct l2_vcpu *l2)
{
	u64 hcr = read_sysreg(hcr_el2);

	write_sysreg(l2, tpidr_el2);
	write_sysreg_s(l2->sctlr, SYS_SCTLR_EL12);
	write_sysreg_s(l2->cpacr, SYS_CPACR_EL12);
	write_sysreg_s(l2->elr_el1, SYS_ELR_EL12);
	write_sysreg_s(l2->spsr_el1, SYS_SPSR_EL12);
	write_sysreg_s(l2->esr_el1, SYS_ESR_EL12);
	write_sysreg_s(l2->far_el1, SYS_FAR_EL12);
	write_sysreg(l2->sp_el0, sp_el0);
	/* QEMU forgets translations at a write, which would hide a TLBI that is missing. */
	if (read_sysreg_s(SYS_TCR_EL12) != l2->tcr)
		write_sysreg_s(l2->tcr, SYS_TCR_EL12);
	write_sysreg_s(l2->mair, SYS_MAIR_EL12);
	write_sysreg_s(l2->ttbr0, SYS_TTBR0_EL12);
	write_sysreg_s(l2->vbar, SYS_VBAR_EL12);
	write_sysreg_s(l2->sp, SYS_SP_EL1);

	write_sysreg(l2->s2->vtcr, vtcr_el2);
	write_sysreg(l2->s2->vttbr, vttbr_el2);
	write_sysreg(l2->hcr, hcr_el2);
	write_sysreg(l2->pc, elr_el2);
	write_sysreg(l2->pstate, spsr_el2);
	isb();

	nested_l2_switch(l2->regs);

	write_sysreg(hcr, hcr_el2);
	isb();
}

static struct kvm_vm *vm_add_vcpus(struct kvm_vm *vm, u32 nr_vcpus, u32 features, void *l1_entry,
				   struct kvm_vcpu *vcpus[])
{
	struct kvm_vcpu_init init;
	bool in_guest = true;
	u32 i;

	kvm_get_default_vcpu_target(vm, &init);
	init.features[0] |= features;
	for (i = 0; i < nr_vcpus; i++) {
		vcpus[i] = aarch64_vcpu_add(vm, i, &init, l1_entry);
		if (!i)
			nested_init_handlers(vm, vcpus[i]);
		else
			vcpu_init_descriptor_tables(vcpus[i]);
	}
	kvm_arch_vm_finalize_vcpus(vm);

	nested_host_mmfr0 = vcpu_get_reg(vcpus[0], KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR0_EL1));
	write_guest_global(vm, nested_in_guest, in_guest);

	return vm;
}

/**
 * nested_vm_add_vcpus() - add vCPUs with EL2 to a VM that has none
 * @vm: the VM, of vm_create() or the like
 * @nr_vcpus: how many
 * @l1_entry: function that each of them runs, at virtual EL2
 * @vcpus: the vCPUs
 *
 * For what has to be enabled before there are vCPUs; else there is nested_vm_create().
 *
 * Return: @vm.
 * Context: host side.
 */
struct kvm_vm *nested_vm_add_vcpus(struct kvm_vm *vm, u32 nr_vcpus, void *l1_entry,
				   struct kvm_vcpu *vcpus[])
{
	return vm_add_vcpus(vm, nr_vcpus, BIT(KVM_ARM_VCPU_HAS_EL2), l1_entry, vcpus);
}

/**
 * nested_vm_create() - a VM whose vCPUs have EL2
 * @nr_vcpus: how many
 * @l1_entry: function that each of them runs, at virtual EL2
 * @vcpus: the vCPUs
 *
 * L2's exits are handled by l2_enter(). The caller has made sure of KVM_CAP_ARM_EL2, as
 * nested_main() does.
 *
 * Return: the VM.
 * Context: host side.
 */
struct kvm_vm *nested_vm_create(u32 nr_vcpus, void *l1_entry, struct kvm_vcpu *vcpus[])
{
	return nested_vm_add_vcpus(vm_create(nr_vcpus), nr_vcpus, l1_entry, vcpus);
}

/**
 * nested_vm_create_mode() - a VM of a given mode whose vCPUs have EL2
 * @mode: VM_MODE_*, which says how large its IPA space is
 * @nr_vcpus: how many
 * @l1_entry: function that each of them runs, at virtual EL2
 * @vcpus: the vCPUs
 *
 * Return: the VM.
 * Context: host side.
 */
struct kvm_vm *nested_vm_create_mode(enum vm_guest_mode mode, u32 nr_vcpus, void *l1_entry,
				     struct kvm_vcpu *vcpus[])
{
	return nested_vm_add_vcpus(__vm_create(VM_SHAPE(mode), nr_vcpus, 0), nr_vcpus, l1_entry,
				   vcpus);
}

/**
 * nested_vm_create_e2h0() - a VM with one vCPU, whose EL2 has no VHE
 * @l1_entry: function that it runs, at virtual EL2, with HCR_EL2.E2H = 0
 * @vcpu: the vCPU
 *
 * L1's MMU is on, its registers are those named EL2. It can make ucalls, but has no use for what
 * relies on names of EL1 to mean EL2: exception handlers, l2_enter(). The caller has made sure of
 * KVM_CAP_ARM_EL2_E2H0, and of L1 pages of 4K.
 *
 * Return: the VM.
 * Context: host side.
 */
struct kvm_vm *nested_vm_create_e2h0(void *l1_entry, struct kvm_vcpu **vcpu)
{
	struct kvm_vm *vm = vm_add_vcpus(vm_create(1), 1, BIT(KVM_ARM_VCPU_HAS_EL2) |
					 BIT(KVM_ARM_VCPU_HAS_EL2_E2H0), l1_entry, vcpu);

	TEST_ASSERT_EQ(vm->page_size, SZ_4K);
	vcpu_set_reg(*vcpu, KVM_ARM64_SYS_REG(SYS_HCR_EL2), HCR_EL2_RW);
	vcpu_set_reg(*vcpu, KVM_ARM64_SYS_REG(SYS_CPTR_EL2), NESTED_CPTR_EL2);
	vcpu_set_reg(*vcpu, KVM_ARM64_SYS_REG(SYS_TCR_EL2),
		     NESTED_TCR_EL2_E2H0 | TCR_T0SZ((u64)vm->va_bits));

	return vm;
}

/* L2's stage 1 has L1's granule and the range of its VAs, in the format with 48 bits. */
static struct s2_geometry env_s1_geometry(const struct nested_env *env)
{
	struct s2_geometry geo = {
		.page_shift = env->vm->page_shift,
		.ia_bits = min_t(unsigned int, env->vm->va_bits, NESTED_PA_BITS),
	};

	geo.start = 3 - (geo.ia_bits - 1 - geo.page_shift) / (geo.page_shift - 3);
	return geo;
}

/**
 * nested_env_create() - L1's tables for an L2 that runs C code
 * @env: to be filled
 * @vm: the VM, of nested_vm_create()
 * @geo: shape of stage 2; NULL for s2_default_geometry()
 *
 * Follow it with nested_env_add_l2() for each L2 vCPU, and with nested_env_finish().
 *
 * Context: host side.
 */
void nested_env_create(struct nested_env *env, struct kvm_vm *vm, const struct s2_geometry *geo)
{
	struct s2_geometry def = s2_default_geometry(), s1;
	u64 size;

	*env = (struct nested_env) {
		.vm = vm,
		.mem = { .gva = NESTED_ENV_GVA, .gpa = NESTED_ENV_GPA, .size = NESTED_ENV_SIZE },
	};
	nested_mem_create(vm, &env->mem, NESTED_ENV_SLOT, 0);

	/* In guest memory, with pointers for the host side until nested_env_finish(). */
	env->s2_gva = vm_alloc(vm, sizeof(*env->s2) + sizeof(env->mem), KVM_UTIL_MIN_VADDR);
	env->s2 = addr_gva2hva(vm, env->s2_gva);
	s2_init(env->s2, &env->mem, geo ?: &def, NESTED_ENV_VMID);
	vm->stage2_mmu.pgd = env->s2->root;
	vm->stage2_mmu.pgd_created = true;
	vm->stage2_mmu.pgtable_levels = 4 - env->s2->geo.start;

	s1 = env_s1_geometry(env);
	size = max_t(u64, s2_root_size(&s1), BIT(s1.page_shift));
	env->s1_root = nested_pa(&env->mem, nested_alloc(&env->mem, size, size));
}

/**
 * nested_env_add_l2() - a vCPU of L2
 * @env: the environment
 * @l2_entry: function that it runs at EL1; when it returns, L1 sees HVC #L2_HVC_DONE. L1 may set
 *	      its arguments in regs[]
 *
 * Return: L1's pointer to its struct l2_vcpu.
 * Context: host side, before nested_env_finish().
 */
gva_t nested_env_add_l2(struct nested_env *env, void *l2_entry)
{
	struct s2_geometry s1 = env_s1_geometry(env);
	u64 tg0 = s1.page_shift == 12 ? TCR_TG0_4K :
		  s1.page_shift == 14 ? TCR_TG0_16K : TCR_TG0_64K;
	struct kvm_vm *vm = env->vm;
	u64 stack_size = 8 * SZ_4K;
	struct l2_vcpu *l2;
	gva_t gva, stack;

	gva = vm_alloc(vm, sizeof(*l2), KVM_UTIL_MIN_VADDR);
	stack = vm_alloc(vm, stack_size, KVM_UTIL_MIN_VADDR);
	l2 = addr_gva2hva(vm, gva);
	l2_init(l2, (struct s2_mmu *)env->s2_gva, (u64)vectors);
	l2->pc = (u64)l2_entry;
	l2->regs[30] = (u64)nested_l2_done;
	l2->sp = stack + stack_size;
	l2->sctlr |= SCTLR_ELx_M | SCTLR_ELx_C | SCTLR_ELx_I;
	l2->tcr = TCR_T0SZ((u64)s1.ia_bits) | tg0 | TCR_IRGN0_WBWA | TCR_ORGN0_WBWA |
		  TCR_SH0_INNER | TCR_EPD1_MASK | TCR_IPS_48_BITS;
	l2->mair = DEFAULT_MAIR_EL1;
	l2->ttbr0 = env->s1_root + NESTED_IPA_OFFSET;

	return gva;
}

/**
 * nested_env_map_s1() - map a VA in L2's stage 1
 * @env: the environment
 * @va: VA, page aligned
 * @ipa: nested IPA
 * @size: bytes
 * @attrs: of the descriptors; 0 is Normal memory, read-write and executable, for EL1
 *
 * Context: host side, before L2 uses the VA.
 */
void nested_env_map_s1(struct nested_env *env, gva_t va, u64 ipa, u64 size, u64 attrs)
{
	struct s2_geometry geo = env_s1_geometry(env);
	struct nested_pt pt = {
		.mem = &env->mem, .geo = &geo, .root = env->s1_root, .out = NESTED_IPA_OFFSET,
	};

	if (!attrs)
		attrs = PTE_ATTRINDX(MT_NORMAL) | PTE_SHARED | PTE_AF;
	pt_map(&pt, va, ipa, size, 3, attrs);
}

/**
 * nested_env_s1_desc() - the page descriptor of a VA in L2's stage 1
 * @env: the environment
 * @va: VA
 *
 * Return: its address, the same for L1 and L2.
 * Context: host side, before nested_env_finish().
 */
gva_t nested_env_s1_desc(struct nested_env *env, gva_t va)
{
	struct s2_geometry geo = env_s1_geometry(env);
	struct nested_pt pt = {
		.mem = &env->mem, .geo = &geo, .root = env->s1_root, .out = NESTED_IPA_OFFSET,
	};

	return nested_pa(&env->mem, pt_desc(&pt, va, 3)) - env->mem.gpa + env->mem.gva;
}

/**
 * nested_env_map_s2() - map L1 memory in stage 2, NESTED_IPA_OFFSET above its GPA
 * @env: the environment
 * @gpa: GPA
 * @size: bytes
 *
 * Context: host side, before nested_env_finish().
 */
void nested_env_map_s2(struct nested_env *env, gpa_t gpa, u64 size)
{
	s2_map(env->s2, gpa + NESTED_IPA_OFFSET, gpa, size, 3, S2_ATTR_DEFAULT);
}

/**
 * nested_env_finish() - make everything that L1 has mapped so far visible to L2, hand it to L1
 * @env: the environment
 *
 * Context: host side, before a vCPU runs; after it, @env->s2 has L1's pointers in it.
 */
void nested_env_finish(struct nested_env *env)
{
	struct userspace_mem_region *slot0 = memslot2region(env->vm, 0);
	struct kvm_vm *vm = env->vm;
	sparsebit_idx_t page;
	gva_t mem_gva = env->s2_gva + sizeof(*env->s2);

	nested_env_map_s2(env, slot0->region.guest_phys_addr, slot0->region.memory_size);
	nested_env_map_s2(env, env->mem.gpa, env->mem.size);
	nested_env_map_s2(env, vm->ucall_mmio_addr, vm->page_size);

	if (sparsebit_any_set(vm->vpages_mapped)) {
		page = sparsebit_first_set(vm->vpages_mapped);
		do {
			gva_t va = page << vm->page_shift;

			nested_env_map_s1(env, va, addr_gva2gpa(vm, va) + NESTED_IPA_OFFSET,
					  vm->page_size, 0);
			page = sparsebit_next_set(vm->vpages_mapped, page);
		} while (page);
	}

	nested_mem_sync(vm, &env->mem, mem_gva);
	env->s2->mem = (struct nested_mem *)mem_gva;
}

/**
 * l1_serve() - run L2 for ever, and tell the host side of each exit
 * @l2: L2; it is entered again as the exit left it
 *
 * Context: L1, for nested_access_start().
 */
void l1_serve(struct l2_vcpu *l2)
{
	for (;;) {
		l2_enter(l2);
		GUEST_SYNC_ARGS(NESTED_SYNC_L1_EXIT, l2->exit.esr, l2->exit.far, l2->exit.hpfar,
				l2->exit.vector);
	}
}

/**
 * l2_serve() - do the accesses that the host side asks for
 * @access: filled by the host side
 *
 * Context: L2 of a nested_env, for nested_access_start().
 */
void l2_serve(struct l2_access *access)
{
	for (;;) {
		if (READ_ONCE(access->write))
			WRITE_ONCE(*(u64 *)access->va, access->value);
		else
			access->value = READ_ONCE(*(u64 *)access->va);
		GUEST_SYNC(NESTED_SYNC_ACCESS);
	}
}
