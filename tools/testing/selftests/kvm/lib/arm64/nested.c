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
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall_common.h"

#include <asm/sysreg.h>

#define NESTED_MAX_PA_BITS	48	/* of the descriptor formats used here */
#define NESTED_MAX_CONCAT	16

/* L1's PSTATE: EL2 with its own stack pointer; D, A, I, F masked. */
#define L1_PSTATE		(GENMASK(9, 6) | 9)

/* CTR_EL0.DminLine is not used: a step of 16 bytes is right for any implementation. */
#define NESTED_CACHE_STEP	16

/*
 * Enter L2 with x0-x30 from regs[]; ELR_EL2 and SPSR_EL2 are set. It returns when l2_save_exit()
 * sends the return from L2's exit to nested_l2_return, with SP as it was. L2 does not use FP
 * registers.
 */
asm("	.pushsection .text, \"ax\"\n"
"	.balign	16\n"
"	.global	nested_l2_switch\n"
"nested_l2_switch:\n"
"	stp	x29, x30, [sp, #-96]!\n"
"	stp	x19, x20, [sp, #16]\n"
"	stp	x21, x22, [sp, #32]\n"
"	stp	x23, x24, [sp, #48]\n"
"	stp	x25, x26, [sp, #64]\n"
"	stp	x27, x28, [sp, #80]\n"
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
"	ldp	x27, x28, [sp, #80]\n"
"	ldp	x25, x26, [sp, #64]\n"
"	ldp	x23, x24, [sp, #48]\n"
"	ldp	x21, x22, [sp, #32]\n"
"	ldp	x19, x20, [sp, #16]\n"
"	ldp	x29, x30, [sp], #96\n"
"	ret\n"
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
"	.global	nested_l2_stubs_end\n"
"nested_l2_stubs_end:\n"
"	.popsection\n");

/**
 * nested_mem_create() - add a memslot for a nested_mem and map it for L1
 * @vm: the VM
 * @mem: @gva, @gpa and @size, page aligned; @used is reset
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
}

/**
 * nested_alloc() - take zeroed memory
 * @mem: where from
 * @size: bytes
 * @align: of the GPA, bytes, a power of two
 *
 * Memory is not given back: a test uses a VM per case.
 *
 * Return: L1's pointer to it.
 */
void *nested_alloc(struct nested_mem *mem, u64 size, u64 align)
{
	gpa_t gpa = (mem->gpa + mem->used + align - 1) & ~(align - 1);
	void *va;

	GUEST_ASSERT(gpa + size <= mem->gpa + mem->size);
	mem->used = gpa + size - mem->gpa;
	va = nested_va(mem, gpa);
	memset(va, 0, size);

	return va;
}

/**
 * nested_va() - L1's pointer to a GPA
 * @mem: memory that holds it
 * @gpa: L1 physical address
 *
 * Return: the pointer.
 */
void *nested_va(const struct nested_mem *mem, gpa_t gpa)
{
	GUEST_ASSERT(gpa >= mem->gpa && gpa < mem->gpa + mem->size);

	return (void *)(mem->gva + (gpa - mem->gpa));
}

/**
 * nested_pa() - the GPA behind L1's pointer
 * @mem: memory that holds it
 * @va: pointer
 *
 * Return: L1 physical address.
 */
gpa_t nested_pa(const struct nested_mem *mem, const void *va)
{
	gva_t gva = (gva_t)va;

	GUEST_ASSERT(gva >= mem->gva && gva < mem->gva + mem->size);

	return mem->gpa + (gva - mem->gva);
}

/**
 * nested_sync_cache() - make memory coherent between L1 and an L2 with its MMU off
 * @va: first byte
 * @size: bytes
 *
 * With stage 1 off, L2's data accesses are Device and its fetches may be Non-cacheable, while L1's
 * are cacheable. Call it before L2 reads or fetches what L1 wrote, and before L1 reads what L2
 * wrote.
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
 * @level: 0..3
 *
 * Return: bits.
 */
unsigned int s2_level_shift(const struct s2_geometry *geo, int level)
{
	return geo->page_shift + (3 - level) * (geo->page_shift - 3);
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
 * nested_pa_bits() - the VM's physical address size, as L1 sees it
 *
 * Return: bits, 0 if ID_AA64MMFR0_EL1.PARange is reserved.
 */
unsigned int nested_pa_bits(void)
{
	static const u8 bits[] = { 32, 36, 40, 42, 44, 48, 52, 56 };
	u64 mmfr0 = read_sysreg_s(SYS_ID_AA64MMFR0_EL1);
	unsigned int parange = SYS_FIELD_GET(ID_AA64MMFR0_EL1, PARANGE, mmfr0);

	return parange < ARRAY_SIZE(bits) ? bits[parange] : 0;
}

/**
 * s2_granule_supported() - may L1's stage 2 use this granule?
 * @page_shift: 12, 14 or 16
 *
 * Return: true if ID_AA64MMFR0_EL1 says so. TGRANx_2 of 0 refers to TGRANx.
 */
bool s2_granule_supported(unsigned int page_shift)
{
	u64 mmfr0 = read_sysreg_s(SYS_ID_AA64MMFR0_EL1);
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

/* VTCR_EL2.SL0 counts the other way round, and from another level for 4K. */
static unsigned int s2_sl0(const struct s2_geometry *geo)
{
	if (geo->page_shift != 12 || geo->start == 3)
		return geo->page_shift == 12 ? 3 : 3 - geo->start;

	return 2 - geo->start;
}

/**
 * s2_vtcr() - VTCR_EL2 for a shape
 * @geo: shape
 *
 * The output size is the VM's, 8-bit VMIDs, no hardware update. The value is not checked against
 * the architecture: tests want invalid ones too.
 *
 * Return: the value.
 */
u64 s2_vtcr(const struct s2_geometry *geo)
{
	u64 mmfr0 = read_sysreg_s(SYS_ID_AA64MMFR0_EL1);
	u64 ps = min_t(u64, SYS_FIELD_GET(ID_AA64MMFR0_EL1, PARANGE, mmfr0),
		       ID_AA64MMFR0_EL1_PARANGE_48);
	u64 tg0 = geo->page_shift == 12 ? VTCR_EL2_TG0_4K :
		  geo->page_shift == 14 ? VTCR_EL2_TG0_16K : VTCR_EL2_TG0_64K;

	return VTCR_EL2_RES1 |
	       FIELD_PREP(VTCR_EL2_T0SZ, 64 - geo->ia_bits) |
	       FIELD_PREP(VTCR_EL2_SL0, s2_sl0(geo)) |
	       FIELD_PREP(VTCR_EL2_IRGN0, VTCR_EL2_IRGN0_WBWA) |
	       FIELD_PREP(VTCR_EL2_ORGN0, VTCR_EL2_ORGN0_WBWA) |
	       FIELD_PREP(VTCR_EL2_SH0, VTCR_EL2_SH0_INNER) |
	       FIELD_PREP(VTCR_EL2_TG0, tg0) |
	       FIELD_PREP(VTCR_EL2_PS, ps);
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

	GUEST_ASSERT(geo->ia_bits <= NESTED_MAX_PA_BITS);
	GUEST_ASSERT(size <= NESTED_MAX_CONCAT * page);

	size = 2 * max_t(u64, size, page);
	root = nested_alloc(mem, size, size);
	s2->mem = mem;
	s2->geo = *geo;
	s2->root = nested_pa(mem, root);
	s2->vtcr = s2_vtcr(geo);
	s2->vttbr = FIELD_PREP(VTTBR_EL2_VMID_MASK, vmid) | s2->root;
}

/**
 * s2_desc() - the descriptor that translates a nested IPA at a level
 * @s2: stage 2
 * @ipa: nested IPA below the input size
 * @level: from the start level to 3
 *
 * Missing tables on the way are added.
 *
 * Return: L1's pointer to it; the caller does the TLB maintenance.
 */
u64 *s2_desc(struct s2_mmu *s2, u64 ipa, int level)
{
	u64 page = BIT(s2->geo.page_shift);
	u64 *table = nested_va(s2->mem, s2->root);
	u64 *desc, mask;
	int l;

	GUEST_ASSERT(level >= s2->geo.start && level <= 3);
	GUEST_ASSERT(!(ipa >> s2->geo.ia_bits));

	/* The start table may be larger or smaller than a page. */
	mask = BIT(s2->geo.ia_bits - s2_level_shift(&s2->geo, s2->geo.start)) - 1;
	for (l = s2->geo.start; ; l++) {
		desc = table + ((ipa >> s2_level_shift(&s2->geo, l)) & mask);
		if (l == level)
			return desc;
		if (!(*desc & S2_DESC_VALID))
			*desc = nested_pa(s2->mem, nested_alloc(s2->mem, page, page)) |
				S2_DESC_VALID | S2_DESC_TABLE;
		table = nested_va(s2->mem, *desc & S2_DESC_ADDR);
		mask = page / sizeof(u64) - 1;
	}
}

/**
 * s2_map() - map a range with pages or blocks
 * @s2: stage 2
 * @ipa: nested IPA
 * @pa: GPA; it shares @ipa's offset in a leaf
 * @size: bytes, rounded up to whole leaves
 * @level: of the leaves
 * @attrs: S2_DESC_* of the leaves
 *
 * A live mapping may be changed in one step only where the architecture does not ask for
 * break-before-make; the caller does the TLB maintenance.
 */
void s2_map(struct s2_mmu *s2, u64 ipa, gpa_t pa, u64 size, int level, u64 attrs)
{
	u64 leaf = BIT(s2_level_shift(&s2->geo, level)), end = ipa + size;
	u64 type = S2_DESC_VALID | (level == 3 ? S2_DESC_PAGE : 0);

	GUEST_ASSERT(!((ipa ^ pa) & (leaf - 1)));

	pa &= ~(leaf - 1);
	for (ipa &= ~(leaf - 1); ipa < end; ipa += leaf, pa += leaf)
		WRITE_ONCE(*s2_desc(s2, ipa, level), pa | attrs | type);
	dsb(ish);
}

/**
 * s2_tlbi_vmalls12e1is() - forget all translations of an L2
 * @s2: its stage 2; VTTBR_EL2 and VTCR_EL2 are left with its values
 *
 * The VMID is VTTBR_EL2's. HCR_EL2.TGE is cleared for it: with {E2H,TGE} = {1,1} several EL1 TLB
 * maintenance instructions mean EL2&0.
 */
void s2_tlbi_vmalls12e1is(const struct s2_mmu *s2)
{
	u64 hcr = read_sysreg(hcr_el2);

	write_sysreg(s2->vtcr, vtcr_el2);
	write_sysreg(s2->vttbr, vttbr_el2);
	write_sysreg(hcr & ~HCR_EL2_TGE, hcr_el2);
	isb();
	dsb(ishst);
	write_sysreg_s(0, OP_TLBI_VMALLS12E1IS);
	dsb(ish);
	write_sysreg(hcr, hcr_el2);
	isb();
}

/**
 * l2_stubs_install() - copy L2's code to where L2 will find it
 * @dst: L1's pointer, page aligned
 * @size: room there, bytes
 *
 * Return: bytes copied.
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
	l2->vbar = stubs;
}

/**
 * l2_enter() - run L2 until it comes back
 * @l2: L2; registers and @l2->exit are updated
 *
 * L1 must be in host context and is so again on return. No TLB maintenance is done.
 */
void l2_enter(struct l2_vcpu *l2)
{
	u64 hcr = read_sysreg(hcr_el2);

	write_sysreg(l2, tpidr_el2);
	write_sysreg_s(l2->sctlr, SYS_SCTLR_EL12);
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
