/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested virtualization: what the rest of KVM/arm64 may use of it.
 *
 * Words: L0 is this host, L1 a guest that runs a hypervisor at virtual EL2,
 * L2 a guest of that. A canonical IPA is a physical address of L1, a nested
 * IPA one of L2. The shadow stage 2 maps nested IPAs to host memory.
 *
 * Context abbreviations below
 *   RUNLOOP  thread of the vCPU, vcpu->mutex held, vCPU loaded, may sleep
 *   LOADPUT  preemption off, must not sleep, EL1 and EL2 registers in memory
 *   MMUW     kvm->mmu_lock held for writing
 *
 * kvm_emulate.h includes this file before its own body and uses vcpu_has_nv()
 * and the register translators in inlines: nothing from kvm_emulate.h can be
 * used here outside macros. The nVHE objects parse this file too, and link
 * with none of the functions.
 */
#ifndef __ARM64_KVM_NESTED_H
#define __ARM64_KVM_NESTED_H

#include <linux/bitfield.h>
#include <linux/kvm_host.h>

#include <asm/kvm_arm.h>
#include <asm/kvm_pgtable.h>
#include <asm/sysreg.h>

/**
 * vcpu_has_nv() - does the vCPU have a virtual EL2?
 * @vcpu: the vCPU
 *
 * Constant false at nVHE EL2: that object must not see calls into the rest of
 * the subsystem, the register accessors of kvm_host.h among them.
 *
 * Return: true if the host can do it and the VM asked for it.
 * Context: Any, once the CPU capabilities are final.
 */
static __always_inline bool vcpu_has_nv(const struct kvm_vcpu *vcpu)
{
	if (__is_defined(__KVM_NVHE_HYPERVISOR__) ||
	    !cpus_have_final_cap(ARM64_HAS_NESTED_VIRT))
		return false;
	return vcpu_has_feature(vcpu, KVM_ARM_VCPU_HAS_EL2);
}

/* Life cycle of the VM and of its vCPUs */

/**
 * kvm_init_nested() - set up the nested state of a VM, nested or not
 * @kvm: the VM
 *
 * Return: 0 or -ENOMEM. kvm_destroy_nested() is called also after a failure.
 * Context: VM creation, nobody else sees @kvm; may sleep.
 */
int kvm_init_nested(struct kvm *kvm);

/**
 * kvm_destroy_nested() - free what kvm_init_nested() and the vCPUs allocated
 * @kvm: the VM; its vCPUs and its page tables are gone, or never existed
 *
 * Context: VM destruction or failed creation; may sleep.
 */
void kvm_destroy_nested(struct kvm *kvm);

/**
 * kvm_vcpu_init_nested() - give a vCPU its VNCR page and shadow MMUs
 * @vcpu: vCPU being initialised; may have been through this before
 *
 * Enough shadow MMUs exist afterwards for kvm_vcpu_load_hw_mmu() not to fail.
 *
 * Return: 0, -ENOMEM, or -EINVAL if E2H=0 was asked for and isn't there.
 * Context: vcpu->mutex and kvm->arch.config_lock held; may sleep.
 */
int kvm_vcpu_init_nested(struct kvm_vcpu *vcpu);

/**
 * kvm_init_nested_s2_mmu() - put a shadow MMU into the unused state
 * @mmu: the MMU, without page tables that anybody uses
 *
 * Context: Not yet published, or MMUW; does not sleep.
 */
void kvm_init_nested_s2_mmu(struct kvm_s2_mmu *mmu);

/**
 * kvm_vcpu_allocate_vncr_tlb() - allocate the pseudo-TLB for VNCR_EL2
 * @vcpu: a vCPU with EL2, about to run; once it has one, nothing happens
 *
 * Return: 0 or -ENOMEM.
 * Context: vcpu->mutex held, not config_lock nor mmu_lock; may sleep.
 */
int kvm_vcpu_allocate_vncr_tlb(struct kvm_vcpu *vcpu);

/**
 * kvm_init_nv_sysregs() - compute the VM's RES0/RES1 masks and apply them
 * @vcpu: a vCPU with EL2, about to run; the masks are made for the first one
 *
 * Return: 0 or -ENOMEM.
 * Context: kvm->arch.config_lock held; may sleep.
 */
int kvm_init_nv_sysregs(struct kvm_vcpu *vcpu);

/**
 * limit_nv_id_reg() - cut an ID register down to what a nested VM can have
 * @kvm: a VM with EL2
 * @reg: encoding of the register (SYS_ID_*)
 * @val: its value as sanitised for any VM
 *
 * Return: the value, which is @val for a register that needs no limit.
 * Context: Any; depends on the arguments, the VM's features and the host only.
 */
u64 limit_nv_id_reg(struct kvm *kvm, u32 reg, u64 val);

/* Load, put and the run loop */

/**
 * kvm_vcpu_load_hw_mmu() - choose and pin the stage 2 for the vCPU's context
 * @vcpu: the vCPU
 *
 * Context: LOADPUT; may take mmu_lock.
 */
void kvm_vcpu_load_hw_mmu(struct kvm_vcpu *vcpu);

/**
 * kvm_vcpu_put_hw_mmu() - undo kvm_vcpu_load_hw_mmu()
 * @vcpu: the vCPU; keeps its shadow MMU if it was merely preempted
 *
 * Context: LOADPUT.
 */
void kvm_vcpu_put_hw_mmu(struct kvm_vcpu *vcpu);

/**
 * check_nested_vcpu_requests() - handle the requests of a nested vCPU
 * @vcpu: the vCPU; may change its context
 *
 * Context: RUNLOOP.
 */
void check_nested_vcpu_requests(struct kvm_vcpu *vcpu);

/**
 * kvm_nested_flush_hwstate() - retry a pending virtual SError before entry
 * @vcpu: the vCPU, nested or not
 *
 * Context: vCPU loaded, preemption off, interrupts on.
 */
void kvm_nested_flush_hwstate(struct kvm_vcpu *vcpu);

/**
 * kvm_nested_sync_hwstate() - take back an undelivered virtual SError on exit
 * @vcpu: the vCPU, nested or not
 *
 * Context: vCPU loaded, preemption off, interrupts on.
 */
void kvm_nested_sync_hwstate(struct kvm_vcpu *vcpu);

/**
 * kvm_nested_setup_mdcr_el2() - add L1's debug and PMU traps to the host's
 * @vcpu: vCPU with EL2; its arch.mdcr_el2 only gains bits
 *
 * Context: Preemption off.
 */
void kvm_nested_setup_mdcr_el2(struct kvm_vcpu *vcpu);

/* Stage-2 faults: L1's stage 2 and its shadow */

/**
 * struct kvm_s2_trans - outcome of a walk of L1's stage 2
 * @output: exact canonical IPA
 * @size: bytes mapped by L1's leaf; at least PAGE_SIZE
 * @mmu_seq: kvm->mmu_invalidate_seq, sampled before the walk
 * @inv_seq: the shadow MMU's nested_inv_seq, sampled before the walk
 * @esr: syndrome for L1, if the walk or the permission check failed
 * @level: level of L1's leaf
 * @readable: L1 lets L2 read
 * @writable: L1 lets L2 write
 * @exec_el0: L1 lets L2 execute at EL0
 * @exec_el1: L1 lets L2 execute at EL1; equal to @exec_el0 without FEAT_XNX
 * @denied: L1's stage 2 refuses this very access
 */
struct kvm_s2_trans {
	u64 output;
	u64 size;
	u64 mmu_seq;
	u64 inv_seq;
	u32 esr;
	s8 level;
	bool readable;
	bool writable;
	bool exec_el0;
	bool exec_el1;
	bool denied;
};

/* Software bits of a shadow leaf: level of the L1 leaf behind it. */
#define KVM_NV_GUEST_MAP_SZ	(KVM_PGTABLE_PROT_SW1 | KVM_PGTABLE_PROT_SW0)

/**
 * kvm_s2_trans_output() - canonical IPA of a translation
 * @trans: the translation
 *
 * Return: the IPA of the faulting address itself, not of the block.
 */
static inline phys_addr_t kvm_s2_trans_output(const struct kvm_s2_trans *trans)
{
	return trans->output;
}

/**
 * kvm_s2_trans_size() - size of L1's mapping, an upper bound for the shadow's
 * @trans: the translation
 *
 * Return: bytes; a power of two, at least PAGE_SIZE.
 */
static inline unsigned long kvm_s2_trans_size(const struct kvm_s2_trans *trans)
{
	return trans->size;
}

/**
 * kvm_s2_trans_esr() - syndrome to inject into L1
 * @trans: a translation that failed
 *
 * Return: a complete ESR_EL2 value, bits [31:0].
 */
static inline u32 kvm_s2_trans_esr(const struct kvm_s2_trans *trans)
{
	return trans->esr;
}

/**
 * kvm_s2_trans_readable() - may L2 read, as far as L1 is concerned?
 * @trans: the translation
 *
 * Return: what L1's S2AP says.
 */
static inline bool kvm_s2_trans_readable(const struct kvm_s2_trans *trans)
{
	return trans->readable;
}

/**
 * kvm_s2_trans_writable() - may L2 write, as far as L1 is concerned?
 * @trans: the translation
 *
 * Return: what L1's S2AP and dirty state say.
 */
static inline bool kvm_s2_trans_writable(const struct kvm_s2_trans *trans)
{
	return trans->writable;
}

/**
 * kvm_s2_trans_exec_el0() - may L2 execute at EL0, as far as L1 is concerned?
 * @kvm: the VM
 * @trans: the translation, made for the FEAT_XNX that @kvm has
 *
 * Return: what L1's XN says.
 */
static inline bool kvm_s2_trans_exec_el0(struct kvm *kvm,
					 const struct kvm_s2_trans *trans)
{
	return trans->exec_el0;
}

/**
 * kvm_s2_trans_exec_el1() - may L2 execute at EL1, as far as L1 is concerned?
 * @kvm: the VM
 * @trans: the translation, made for the FEAT_XNX that @kvm has
 *
 * Return: what L1's XN says.
 */
static inline bool kvm_s2_trans_exec_el1(struct kvm *kvm,
					 const struct kvm_s2_trans *trans)
{
	return trans->exec_el1;
}

/**
 * kvm_encode_nested_level() - L1's leaf level as software bits of a shadow leaf
 * @trans: the translation
 *
 * L1's leaves are at levels 0 (blocks of 512G, with VTCR_EL2.DS) to 3. Where
 * stage 2 of L1 is off, entries of the shadow MMU have 0, too.
 *
 * Return: bits to OR into enum kvm_pgtable_prot, within KVM_NV_GUEST_MAP_SZ.
 */
static inline u64 kvm_encode_nested_level(const struct kvm_s2_trans *trans)
{
	return FIELD_PREP(KVM_NV_GUEST_MAP_SZ, trans->level);
}

/**
 * kvm_walk_nested_s2() - translate a nested IPA by L1's stage 2
 * @vcpu: vCPU in nested context
 * @gipa: nested IPA
 * @result: the translation; @result->esr is written on every path
 *
 * Return: 0; > 0 if L1 gets @result->esr; -EAGAIN if a race was lost.
 * Context: RUNLOOP, kvm->srcu held, mmu_lock not.
 */
int kvm_walk_nested_s2(struct kvm_vcpu *vcpu, phys_addr_t gipa,
		       struct kvm_s2_trans *result);

/**
 * kvm_s2_handle_perm_fault() - is a hardware permission fault for L1?
 * @vcpu: vCPU in nested context, with its syndrome
 * @trans: the translation; its esr is set if the answer is yes
 *
 * Return: 0 if L1 allows the access, > 0 if it gets the fault.
 * Context: RUNLOOP, kvm->srcu held.
 */
int kvm_s2_handle_perm_fault(struct kvm_vcpu *vcpu, struct kvm_s2_trans *trans);

/**
 * kvm_inject_s2_fault() - inject a stage-2 abort into virtual EL2
 * @vcpu: vCPU in nested context; is in hyp context afterwards
 * @esr_el2: complete syndrome
 *
 * Return: 1, as kvm_inject_nested_sync() does.
 * Context: RUNLOOP.
 */
int kvm_inject_s2_fault(struct kvm_vcpu *vcpu, u64 esr_el2);

/**
 * kvm_nested_s2_map() - install or relax a shadow entry, the only way to do it
 * @vcpu: vCPU in nested context
 * @nested: walk of L1's stage 2 that led here; NULL if L1 has none enabled
 * @ipa: nested IPA, aligned to @size
 * @size: bytes to map
 * @phys: host physical address, aligned to @size
 * @prot: permissions, with the software bits of kvm_encode_nested_level()
 * @memcache: pages for tables
 *
 * Return: 0, -EAGAIN if the walk is out of date, or another errno.
 * Context: RUNLOOP, mmu_lock held for reading, mmu_invalidate_retry() checked.
 */
int kvm_nested_s2_map(struct kvm_vcpu *vcpu, const struct kvm_s2_trans *nested,
		      u64 ipa, u64 size, u64 phys, enum kvm_pgtable_prot prot,
		      void *memcache);

/**
 * kvm_nested_s2_unmap() - empty all shadow MMUs and VNCR translations
 * @kvm: the VM, nested or not
 * @may_block: mmu_lock may be dropped on the way
 *
 * Context: MMUW.
 */
void kvm_nested_s2_unmap(struct kvm *kvm, bool may_block);

/**
 * kvm_nested_s2_wp() - write-protect all shadow MMUs and VNCR translations
 * @kvm: the VM, nested or not
 *
 * The TLBs of the shadow VMIDs are maintained: callers know only the
 * canonical one.
 *
 * Context: MMUW; may drop the lock on the way.
 */
void kvm_nested_s2_wp(struct kvm *kvm);

/**
 * kvm_nested_s2_flush() - clean and invalidate what shadow MMUs map
 * @kvm: the VM, nested or not
 *
 * Context: MMUW; may drop the lock on the way.
 */
void kvm_nested_s2_flush(struct kvm *kvm);

/* AT instructions: the entry points are in kvm_asm.h */

/**
 * __kvm_find_s1_desc_level() - level of the descriptor that a walk aborted on
 * @vcpu: any vCPU, also without EL2, also not loaded
 * @va: address that was being translated
 * @ipa: IPA of the page that the descriptor is in, before stage 2
 * @level: where the level goes, -1 to 3
 *
 * Return: 0, or -EAGAIN if the walk lost a race; see at.c for a walk that does
 * not lead to @ipa.
 * Context: vcpu->mutex held; may sleep; takes kvm->srcu itself.
 */
int __kvm_find_s1_desc_level(struct kvm_vcpu *vcpu, u64 va, u64 ipa,
			     int *level);

/* TLB maintenance by L1 */

/* Opaque operand of a TLBI; sys_regs.c gives it a meaning. */
union tlbi_info;

/**
 * kvm_s2_mmu_iterate_by_vmid() - apply a TLBI to the shadow MMUs of a VMID
 * @kvm: the VM
 * @vmid: VMID of L1, as kvm_nested_vmid() gives it
 * @info: operand, handed through
 * @cb: called for each with MMUW; may drop the lock and take it again
 *
 * Context: RUNLOOP; takes mmu_lock.
 */
void kvm_s2_mmu_iterate_by_vmid(struct kvm *kvm, u16 vmid,
				const union tlbi_info *info,
				void (*cb)(struct kvm_s2_mmu *mmu,
					   const union tlbi_info *info));

/**
 * kvm_nested_current_vmid() - VMID that a TLBI of this vCPU applies to
 * @vcpu: vCPU in hyp context
 *
 * Return: the VMID in VTTBR_EL2, 8 or 16 bits of it as VTCR_EL2.VS says.
 * Context: RUNLOOP.
 */
u16 kvm_nested_current_vmid(struct kvm_vcpu *vcpu);

/**
 * kvm_nested_tlbi_unmap() - remove a nested range from a shadow MMU
 * @mmu: the shadow MMU
 * @start: first nested IPA
 * @size: bytes; what is beyond the MMU's IPA size is ignored
 *
 * Context: MMUW; may drop the lock on the way.
 */
void kvm_nested_tlbi_unmap(struct kvm_s2_mmu *mmu, u64 start, u64 size);

/**
 * kvm_nested_tlbi_unmap_range() - the same for a TLBI by range
 * @mmu: the shadow MMU
 * @start: first nested IPA, in bytes
 * @size: size in bytes; what lies beyond the MMU's input size is ignored
 *
 * Whole L1 leaves are removed, whichever part of them is in the range.
 *
 * Context: MMUW; may be dropped and taken again.
 */
void kvm_nested_tlbi_unmap_range(struct kvm_s2_mmu *mmu, u64 start, u64 size);

/**
 * compute_tlb_inval_range() - bytes that a TLBI by IPA has to remove
 * @mmu: the shadow MMU
 * @val: operand of TLBI IPAS2(L)E1*
 *
 * Return: a power of two that covers all of L1's leaf.
 * Context: MMUW.
 */
unsigned long compute_tlb_inval_range(struct kvm_s2_mmu *mmu, u64 val);

/**
 * decode_range_tlbi() - decode the operand of a range TLBI
 * @val: the operand
 * @ds: TCR_ELx.DS or, for stage 2, VTCR_EL2.DS, as it is in force
 * @range: where the length in bytes goes
 * @asid: where the ASID goes, or NULL
 *
 * Return: the first address.
 * Context: Any.
 */
u64 decode_range_tlbi(u64 val, bool ds, u64 *range, u16 *asid);

/**
 * kvm_nested_s2_ds() - VTCR_EL2.DS as it is in force
 * @vcpu: vCPU in hyp context
 *
 * Return: true if L1's stage 2 has 52-bit addresses with 4K or 16K granule.
 * Context: RUNLOOP.
 */
bool kvm_nested_s2_ds(struct kvm_vcpu *vcpu);

/**
 * kvm_supported_tlbi_s1e1_op() - is this an EL1 stage-1 TLBI that the VM has?
 * @vcpu: the vCPU
 * @instr: sys_insn() encoding of whatever SYS or MSR instruction
 *
 * Return: true if it is; op2 is not looked at.
 * Context: Any, VHE world switch with interrupts off included.
 */
bool kvm_supported_tlbi_s1e1_op(struct kvm_vcpu *vcpu, u32 instr);

/**
 * kvm_supported_tlbi_s1e2_op() - is this an EL2 stage-1 TLBI that the VM has?
 * @vcpu: the vCPU
 * @instr: sys_insn() encoding of whatever SYS or MSR instruction
 *
 * Return: true if it is; op2 is not looked at.
 * Context: Any, VHE world switch with interrupts off included.
 */
bool kvm_supported_tlbi_s1e2_op(struct kvm_vcpu *vcpu, u32 instr);

/**
 * kvm_nested_tlbi_s1e1_op() - what to execute for an EL1 TLBI about an L2
 * @vcpu: vCPU in hyp context
 * @instr: sys_insn() encoding of an EL1 stage-1 TLBI
 *
 * Return: encoding of one that invalidates no less, with the same operand.
 * Context: RUNLOOP.
 */
u32 kvm_nested_tlbi_s1e1_op(struct kvm_vcpu *vcpu, u32 instr);

/**
 * kvm_handle_s1e2_tlbi() - drop software copies of EL2 translations
 * @vcpu: vCPU in hyp context, which executed it; hardware's copies are gone
 * @inst: sys_insn() encoding, of EL2 or, with E2H and TGE, of EL1
 * @val: operand
 *
 * Context: RUNLOOP; takes mmu_lock.
 */
void kvm_handle_s1e2_tlbi(struct kvm_vcpu *vcpu, u32 inst, u64 val);

/* VNCR_EL2 of L1, see nested/vncr.c */

/* Fixmap slot of CPU @c; FIX_VNCR_END itself is nobody's. */
#define vncr_fixmap(c)		(FIX_VNCR - (c))

/**
 * kvm_handle_vncr_abort() - handle a data abort on L1's VNCR page
 * @vcpu: vCPU in nested context
 *
 * Return: 1 to resume the guest, 0 to exit to userspace, or an errno.
 * Context: RUNLOOP.
 */
int kvm_handle_vncr_abort(struct kvm_vcpu *vcpu);

/**
 * kvm_vncr_offset() - where in its host page L1's VNCR page begins
 * @vcpu: vCPU in nested context
 *
 * Return: bytes; 0 if the vCPU's slot has never been filled.
 * Context: Thread of the vCPU, world switch with interrupts off included.
 */
u64 kvm_vncr_offset(const struct kvm_vcpu *vcpu);

/*
 * EL2 register formats as EL1 ones, for a virtual EL2 with E2H=0: it runs at
 * EL1 on EL1's registers.
 */

/**
 * translate_tcr_el2_to_tcr_el1() - TCR_EL2 with E2H=0, as TCR_EL1
 * @tcr: TCR_EL2
 *
 * Return: TCR_EL1, with walks by TTBR1 disabled.
 * Context: Any, VHE world switch included.
 */
u64 translate_tcr_el2_to_tcr_el1(u64 tcr);

/**
 * translate_sctlr_el2_to_sctlr_el1() - SCTLR_EL2 with E2H=0, as SCTLR_EL1
 * @sctlr: SCTLR_EL2
 *
 * Return: SCTLR_EL1.
 * Context: Any, VHE world switch included.
 */
u64 translate_sctlr_el2_to_sctlr_el1(u64 sctlr);

/**
 * translate_cptr_el2_to_cpacr_el1() - CPTR_EL2 with E2H=0, as CPACR_EL1
 * @cptr: CPTR_EL2; its trap bits become enable fields
 *
 * Return: CPACR_EL1, or CPTR_EL2 in the format for E2H=1.
 * Context: Any, VHE world switch included.
 */
u64 translate_cptr_el2_to_cpacr_el1(u64 cptr);

/**
 * translate_ttbr0_el2_to_ttbr0_el1() - TTBR0_EL2 with E2H=0, as TTBR0_EL1
 * @ttbr0: TTBR0_EL2
 *
 * Return: TTBR0_EL1; a regime without ASIDs uses ASID 0.
 */
static inline u64 translate_ttbr0_el2_to_ttbr0_el1(u64 ttbr0)
{
	return ttbr0 & ~GENMASK_ULL(63, 48);
}

/* Defined elsewhere in KVM */

/**
 * forward_smc_trap() - hand a trapped SMC to L1 if it asked for that
 * @vcpu: the vCPU
 *
 * Return: true if L1 got it.
 * Context: RUNLOOP.
 */
bool forward_smc_trap(struct kvm_vcpu *vcpu);

/**
 * forward_debug_exception() - hand a debug exception to L1 if it asked for that
 * @vcpu: the vCPU
 *
 * Return: true if L1 got it.
 * Context: RUNLOOP.
 */
bool forward_debug_exception(struct kvm_vcpu *vcpu);

#ifdef CONFIG_ARM64_PTR_AUTH
/**
 * kvm_auth_eretax() - authenticate the return address of ERETAA and ERETAB
 * @vcpu: vCPU that executed it
 * @elr: where the address goes, valid or poisoned
 *
 * Return: true if the authentication succeeded.
 * Context: Any with the vCPU loaded, VHE world switch included.
 */
bool kvm_auth_eretax(struct kvm_vcpu *vcpu, u64 *elr);
#else
static inline bool kvm_auth_eretax(struct kvm_vcpu *vcpu, u64 *elr)
{
	/* Bits 55 and 54 differ: not canonical, with or without TBI. */
	*elr = BIT_ULL(54);
	return false;
}
#endif

#endif /* __ARM64_KVM_NESTED_H */
