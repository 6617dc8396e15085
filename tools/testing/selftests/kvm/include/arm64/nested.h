/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Library for tests in which the guest is a hypervisor (L1) with a guest of its own (L2).
 *
 * L1 runs at virtual EL2 in host context (HCR_EL2.{E2H,TGE} = {1,1}), L2 at EL1. "Nested IPA" is an
 * L2 physical address, "GPA" an L1 physical address (KVM's IPA).
 *
 * Three parts, to be used together or alone:
 *  - struct nested_mem: L1 memory that is contiguous both in L1's VA and PA;
 *  - struct s2_mmu: L1's stage-2 tables for one L2, any granule, input size and start level;
 *  - struct l2_vcpu: L2's registers, l2_enter() and the syndrome of the exit.
 *
 * Unless marked as host side, everything here is called by L1, in the guest. There is no locking:
 * each object belongs to one L1 vCPU, or the test orders the accesses.
 */
#ifndef SELFTEST_KVM_ARM64_NESTED_H
#define SELFTEST_KVM_ARM64_NESTED_H

#include "kvm_util.h"
#include "processor.h"

#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/sizes.h>

/* Stage-2 descriptors, 48-bit formats. */
#define S2_DESC_VALID		BIT(0)
#define S2_DESC_TABLE		BIT(1)	/* levels < 3: next table, else block */
#define S2_DESC_PAGE		BIT(1)	/* level 3: page, else reserved */
#define S2_DESC_MEMATTR		GENMASK(5, 2)
#define S2_DESC_S2AP_R		BIT(6)
#define S2_DESC_S2AP_W		BIT(7)
#define S2_DESC_SH		GENMASK(9, 8)
#define S2_DESC_AF		BIT(10)
#define S2_DESC_ADDR		GENMASK(47, 12)
#define S2_DESC_XN		GENMASK(54, 53)
/* XN[1:0] as FEAT_XNX reads it; without it only bit 54 counts. */
#define S2_DESC_XN_EL0_ONLY	(UL(1) << 53)
#define S2_DESC_XN_ALL		(UL(2) << 53)
#define S2_DESC_XN_EL1_ONLY	(UL(3) << 53)

/* Normal write-back, inner shareable, readable, writable, executable, young. */
#define S2_ATTR_DEFAULT		(S2_DESC_MEMATTR | S2_DESC_SH | S2_DESC_S2AP_R |	\
				 S2_DESC_S2AP_W | S2_DESC_AF)

#define VTTBR_EL2_VMID_MASK	GENMASK(63, 48)
#define VTTBR_EL2_BADDR_MASK	GENMASK(47, 1)

/**
 * struct nested_mem - L1 memory at a constant distance between VA and PA
 * @gva: first address in L1's VA space
 * @gpa: first address in L1's PA space
 * @size: bytes
 * @used: bytes that nested_alloc() gave away
 */
struct nested_mem {
	gva_t gva;
	gpa_t gpa;
	u64 size;
	u64 used;
};

void nested_mem_create(struct kvm_vm *vm, struct nested_mem *mem, u32 slot, u32 flags);
void *nested_alloc(struct nested_mem *mem, u64 size, u64 align);
void *nested_va(const struct nested_mem *mem, gpa_t gpa);
gpa_t nested_pa(const struct nested_mem *mem, const void *va);
void nested_sync_cache(const void *va, u64 size);

/**
 * struct s2_geometry - the shape of a stage-2 translation
 * @page_shift: 12, 14 or 16
 * @ia_bits: input size, 64 - VTCR_EL2.T0SZ
 * @start: start level, 0..3
 */
struct s2_geometry {
	u8 page_shift;
	u8 ia_bits;
	u8 start;
};

/**
 * struct s2_mmu - L1's stage 2 for one L2
 * @mem: where the tables come from
 * @geo: its shape
 * @vtcr: value for VTCR_EL2; a test may spoil it
 * @vttbr: value for VTTBR_EL2; a test may spoil it
 * @root: GPA of the (concatenated) start table
 */
struct s2_mmu {
	struct nested_mem *mem;
	struct s2_geometry geo;
	u64 vtcr;
	u64 vttbr;
	gpa_t root;
};

unsigned int s2_level_shift(const struct s2_geometry *geo, int level);
u64 s2_root_size(const struct s2_geometry *geo);
u64 s2_vtcr(const struct s2_geometry *geo);
bool s2_granule_supported(unsigned int page_shift);
unsigned int nested_pa_bits(void);

void s2_init(struct s2_mmu *s2, struct nested_mem *mem, const struct s2_geometry *geo, u16 vmid);
u64 *s2_desc(struct s2_mmu *s2, u64 ipa, int level);
void s2_map(struct s2_mmu *s2, u64 ipa, gpa_t pa, u64 size, int level, u64 attrs);
void s2_tlbi_vmalls12e1is(const struct s2_mmu *s2);

/**
 * struct l2_exit - why L2 came back to L1
 * @vector: VECTOR_{SYNC,IRQ,FIQ,ERROR}_LOWER_64
 * @esr: ESR_EL2
 * @far: FAR_EL2
 * @hpfar: HPFAR_EL2
 * @elr: ELR_EL2
 * @spsr: SPSR_EL2
 *
 * The registers are as read, also where the kind of exit leaves them UNKNOWN.
 */
struct l2_exit {
	u64 vector;
	u64 esr;
	u64 far;
	u64 hpfar;
	u64 elr;
	u64 spsr;
};

/**
 * struct l2_vcpu - L2's state and the controls that L1 runs it with
 * @regs: x0-x30; updated at each exit
 * @pc: where to enter; updated at each exit
 * @pstate: PSTATE to enter with; updated at each exit
 * @hcr: HCR_EL2 while L2 runs
 * @s2: stage 2; VTCR_EL2 and VTTBR_EL2 are taken from here at each entry
 * @sctlr: SCTLR_EL1 at entry, likewise the rest
 * @tcr: TCR_EL1
 * @mair: MAIR_EL1
 * @ttbr0: TTBR0_EL1
 * @vbar: VBAR_EL1
 * @sp: SP_EL1
 * @exit: filled by l2_enter()
 *
 * EL1 registers are written at each entry and not read back: the stubs in this library change none.
 */
struct l2_vcpu {
	u64 regs[31];
	u64 pc;
	u64 pstate;
	u64 hcr;
	struct s2_mmu *s2;
	u64 sctlr;
	u64 tcr;
	u64 mair;
	u64 ttbr0;
	u64 vbar;
	u64 sp;
	struct l2_exit exit;
};

/* PSTATE that l2_init() gives L2: EL1 with its own stack pointer; D, A, I, F masked. */
#define L2_PSTATE	(GENMASK(9, 6) | 5)

#define L2_HCR_DEFAULT	(HCR_EL2_E2H | HCR_EL2_RW | HCR_EL2_VM |	\
			 HCR_EL2_IMO | HCR_EL2_FMO | HCR_EL2_AMO)

/* L2's code: position independent, each stub ends in HVC #L2_HVC_DONE. */
enum l2_stub {
	L2_STUB_LOAD,		/* x1 = [x0] */
	L2_STUB_STORE,		/* [x0] = x2 */
	L2_STUB_LOAD_STORE,	/* x1 = [x0], then [x0] = x2 */
	L2_STUB_LOAD_BETWEEN,	/* x3 = [x4], x1 = [x0], x3 = [x4] */
	L2_STUB_EXEC,		/* branch to x0, where HVC #L2_HVC_DONE is expected */
	L2_STUB_NR
};

#define L2_HVC_DONE	0
#define L2_HVC_VECTOR	0x100	/* + n: L2 took an exception to its own EL1, vector n */
#define L2_INSN_DONE	0xd4000002	/* HVC #0 */

u64 l2_stubs_install(void *dst, u64 size);
u64 l2_stub_offset(enum l2_stub stub);

void nested_init_handlers(struct kvm_vm *vm, struct kvm_vcpu *vcpu);
void l2_init(struct l2_vcpu *l2, struct s2_mmu *s2, u64 stubs);
void l2_enter(struct l2_vcpu *l2);

/* Assembly code of lib/arm64/nested.c. */
void nested_l2_switch(u64 *regs);
extern const char nested_l2_return[];
extern const char nested_l2_stubs[], nested_l2_stubs_end[];
extern const char nested_l2_load[], nested_l2_store[], nested_l2_load_store[];
extern const char nested_l2_load_between[], nested_l2_exec[];

#endif /* SELFTEST_KVM_ARM64_NESTED_H */
