/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested virtualization: what the subsystem's own files share.
 *
 * walk.h holds the words, the result convention and the pure core. This
 * header adds the thin shell around it, which knows vCPUs and guest memory.
 *
 * Locks
 *   field or action                              lock
 *   kvm->arch.nested_mmus[], nested_mmus_size,   mmu_lock, write side to change
 *     nested_mmus_next
 *   kvm->arch.nested_vncr_count                  atomic, by the holder of an entry
 *   kvm->arch.nested_vncr_seq                    mmu_lock, write side to change; read
 *                                                without, see vncr.c
 *   mmu->tlb_vttbr, tlb_vtcr,                    mmu_lock, write side to change; a
 *     nested_stage2_enabled                      vCPU that holds a reference may
 *                                                read without
 *   mmu->refcnt                                  atomic; 0 -> 1 under mmu_lock (read)
 *   mmu->pending_unmap                           mmu_lock, write side to change
 *   mmu->nested_content, nested_end              atomic; set, or raised, under the
 *                                                read side, cleared under the write
 *                                                side
 *   mmu->nested_tables                           atomic; to 0 under the write side
 *   mmu->nested_inv_seq                          mmu_lock, write side to change; read
 *                                                without, see shadow.c
 *   shadow entries, made                         mmu_lock, read side
 *   shadow entries, removed                      mmu_lock, write side
 *   vcpu->arch.vncr_tlb, its content             mmu_lock: read side for its own
 *                                                vCPU, write side for others
 *   guest descriptors                            kvm->srcu; single-copy atomic
 *   sysreg_masks                                 config_lock, constant once a vCPU ran
 */
#ifndef __ARM64_KVM_NESTED_NESTED_H
#define __ARM64_KVM_NESTED_NESTED_H

#include <linux/kvm_host.h>
#include <asm/kvm_emulate.h>
#include <asm/kvm_mmu.h>

#include "fault.h"
#include "walk.h"
#include "s1walk.h"

/* guest_mem.c: descriptors in canonical memory, through memslots */

/* Context: a struct kvm. Caller holds kvm->srcu; may sleep. */
extern const struct kvm_walk_ops kvm_nested_mem_ops;

/* stage2.c: L1's stage 2 as a vCPU has programmed it */

bool kvm_nested_s2_enabled(struct kvm_vcpu *vcpu);
void kvm_nested_s2_granules(u64 mmfr0, struct kvm_s2_features *feat);
void kvm_nested_s2_config(struct kvm_vcpu *vcpu, struct kvm_s2_config *cfg);
u8 kvm_nested_s2_pgshift(struct kvm *kvm, u64 vtcr);

/* at.c: stage 1 of a vCPU, walked in software */

int kvm_s1_translate(struct kvm_vcpu *vcpu, enum kvm_s1_regime regime, u64 va,
		     const struct kvm_access *acc, struct kvm_s1_result *res,
		     struct kvm_walk_fault *fault);

/* shadow.c: the pool of shadow stage-2 MMUs and the funnel for their entries */

u16 kvm_nested_vmid(u64 vttbr, u64 vtcr);
void kvm_nested_mmu_invalidate_begin(struct kvm_s2_mmu *mmu);
u64 kvm_nested_mmu_leaf_size(struct kvm_s2_mmu *mmu, u64 ipa, u8 pgshift);
void kvm_nested_mmu_unmap(struct kvm_s2_mmu *mmu, u64 start, u64 size,
			  bool may_block);

/* tlbi.c: operands of TLB maintenance */

u32 kvm_tlbi_s1e1_op(u32 instr, bool ds, bool loaded_ds);

/* vncr.c: the pseudo-TLB behind VNCR_EL2 */

void kvm_vncr_load(struct kvm_vcpu *vcpu);
void kvm_vncr_put(struct kvm_vcpu *vcpu);
void kvm_vncr_handle_request(struct kvm_vcpu *vcpu);
void kvm_vncr_invalidate_all(struct kvm *kvm);

/**
 * struct kvm_tlbi_scope - which EL2 (or EL2&0) stage-1 translations a TLBI hits
 * @start: first VA, sign-extended; meaningless when @all is set
 * @end: first VA past the scope; 0 means the end of the address space
 * @asid: ASID, if @match_asid
 * @all: every VA
 * @match_asid: only non-global entries of @asid, and global ones if @global
 * @global: global entries are hit whatever their ASID
 */
struct kvm_tlbi_scope {
	u64 start;
	u64 end;
	u16 asid;
	bool all;
	bool match_asid;
	bool global;
};

void kvm_vncr_invalidate_va(struct kvm *kvm, const struct kvm_tlbi_scope *scope);

/**
 * kvm_nested_mmu_at() - shadow MMU at a place in the pool
 * @kvm: the VM
 * @i: the place
 *
 * The pool may grow, and its MMUs be recycled, whenever mmu_lock is dropped.
 *
 * Return: the MMU, NULL past the end.
 * Context: mmu_lock held, or nobody else has the VM.
 */
static inline struct kvm_s2_mmu *kvm_nested_mmu_at(struct kvm *kvm, size_t i)
{
	return i < kvm->arch.nested_mmus_size ? kvm->arch.nested_mmus[i] : NULL;
}

#endif /* __ARM64_KVM_NESTED_NESTED_H */
