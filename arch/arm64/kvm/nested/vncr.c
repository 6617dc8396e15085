// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization: the VNCR_EL2 pseudo-TLB.
 *
 * What VNCR_EL2 is
 *
 * With FEAT_NV2 and HCR_EL2.NV2 set, accesses to most EL2 registers (and some
 * EL1 ones) made at EL1 don't trap: hardware turns them into loads and stores
 * at fixed offsets of a page, whose virtual address in the EL2&0 regime is in
 * VNCR_EL2. While L1's hypervisor runs, that page is KVM's own
 * (vcpu->arch.ctxt.vncr_array). This file is about the other case: L1 runs an
 * L2 which is a hypervisor too, has set HCR_EL2.NV for it, and has a VNCR page
 * of its own, whose address is in the EL2&0 regime of L1. Hardware cannot
 * translate that address. KVM does, and makes the result appear where hardware
 * looks: in the host's EL2&0 regime, in a fixmap slot that each CPU has for
 * this purpose. The world switch points VNCR_EL2 at the slot whether or not
 * there is anything in it.
 *
 * Life of a translation
 *
 *   L2 touches a redirected register, the slot is empty: data abort at EL2
 *	-> kvm_handle_vncr_abort()
 *   L1's stage 1 is walked, giving a canonical IPA and permissions; the host
 *   page behind it is faulted in; both go into the vCPU's one-entry TLB
 *	-> vncr_fill()
 *   KVM_REQ_MAP_L1_VNCR_EL2 puts the page into the slot of the current CPU
 *	-> kvm_vncr_handle_request()
 *   the vCPU is put: the slot is emptied, the entry stays
 *	-> kvm_vncr_put()
 *   the vCPU is loaded in a nested context again: the request again
 *	-> kvm_vncr_load()
 *
 * Whatever goes wrong on the way is L1's: its tables' faults, and an External
 * abort for a page that no memory can be found for, both as an abort on
 * VNCR_EL2 from the same instruction.
 *
 * Who drops it
 *
 *   - L1's TLBIs for its EL2&0 regime -> kvm_vncr_invalidate_va()
 *   - changes of the canonical IPA space: MMU notifiers, memslots, write
 *     protection for the dirty log -> kvm_vncr_invalidate_all()
 *   - a different VNCR_EL2 or ASID does not match the entry, which is replaced
 *
 * Dropping an entry empties the slot too, on whatever CPU it is: clearing a
 * fixmap slot broadcasts a TLBI, so no IPI is needed and the vCPU may be in
 * the guest. It takes its next abort there.
 *
 * A fill samples two sequence numbers before it walks and checks them before it
 * installs. Notifiers advance it as they do for any fault, TLBIs do here.
 *
 * Locking
 *
 *   entry		mmu_lock: the vCPU's own thread changes it with the
 *			read side held, anybody else with the write side
 *   entry->cpu		written by the vCPU's own thread; see vncr_unmap()
 *   slot of a CPU	filled by the vCPU loaded there, read side and preemption
 *			off; emptied by it, or by whoever drops the entry
 *   nested_vncr_count	entries that are valid or being filled; changed by the
 *			holder of the entry. 0: TLBIs have nothing to do here
 *
 * A slot can be emptied late, by somebody who read entry->cpu before the vCPU
 * left that CPU, and then it is another vCPU's, perhaps of another VM. That
 * vCPU takes an abort, finds its entry valid, and asks for the mapping again.
 */
#include <linux/kvm_host.h>
#include <linux/mm.h>

#include <asm/fixmap.h>
#include <asm/kvm_emulate.h>
#include <asm/kvm_mmu.h>
#include <asm/kvm_nested.h>

#include "nested.h"

/* VNCR_EL2 points at a page of this size, whatever anybody's granule is. */
#define VNCR_SIZE	SZ_4K

/**
 * struct vncr_tlb - the one translation of a vCPU's VNCR page
 * @va: address of the page in L1's EL2&0 regime
 * @first: first address that L1's leaf (or contiguous run) maps
 * @last: last address that it maps
 * @pa: host page that contains it
 * @offset: where in @pa it is; not what @va says if L1's granule is smaller
 * @asid: ASID, unless @global
 * @global: valid for all ASIDs
 * @mmu_off: made with SCTLR_EL2.M clear
 * @writable: L1, the memslot and the host page all allow writes
 * @valid: the entry is
 * @cpu: CPU in whose slot the page may be, -1 if there is none
 */
struct vncr_tlb {
	u64 va;
	u64 first;
	u64 last;
	phys_addr_t pa;
	u32 offset;
	u16 asid;
	bool global;
	bool mmu_off;
	bool writable;
	bool valid;
	int cpu;
};

/**
 * struct vncr_page - memory behind a VNCR page
 * @slot: its memslot
 * @gfn: frame number in the canonical IPA space
 * @pfn: host frame number
 * @page: reference to hand back, or NULL
 * @writable: it can be mapped writable
 */
struct vncr_page {
	struct kvm_memory_slot *slot;
	gfn_t gfn;
	kvm_pfn_t pfn;
	struct page *page;
	bool writable;
};

int kvm_vcpu_allocate_vncr_tlb(struct kvm_vcpu *vcpu)
{
	struct vncr_tlb *tlb;

	lockdep_assert_held(&vcpu->mutex);

	if (vcpu->arch.vncr_tlb)
		return 0;

	tlb = kzalloc_obj(*tlb, GFP_KERNEL_ACCOUNT);
	if (!tlb)
		return -ENOMEM;

	tlb->cpu = -1;
	/* Ordered before use by the address dependency in vncr_drop_scope(). */
	smp_store_release(&vcpu->arch.vncr_tlb, tlb);
	return 0;
}

/* Is the vCPU about to use, or using, a VNCR page of L1? */
static bool vncr_in_use(struct kvm_vcpu *vcpu)
{
	return is_nested_ctxt(vcpu) && vcpu->arch.vncr_tlb &&
	       (__vcpu_sys_reg(vcpu, HCR_EL2) & HCR_NV);
}

/*
 * The address in VNCR_EL2: bits above those that the VM's virtual addresses
 * can have are copies of the highest one.
 */
static u64 vncr_va(struct kvm_vcpu *vcpu)
{
	u64 va = __vcpu_sys_reg(vcpu, VNCR_EL2) & ~(u64)(VNCR_SIZE - 1);
	struct kvm *kvm = vcpu->kvm;
	bool large;

	large = kvm_has_feat(kvm, ID_AA64MMFR2_EL1, VARange, 52) ||
		kvm_has_feat(kvm, ID_AA64MMFR0_EL1, TGRAN4, 52_BIT) ||
		kvm_has_feat(kvm, ID_AA64MMFR0_EL1, TGRAN16, 52_BIT);

	return sign_extend64(va, large ? KVM_PT_PA_BITS_LARGE :
					 KVM_PT_PA_BITS_BASE);
}

static u16 vncr_current_asid(struct kvm_vcpu *vcpu)
{
	u64 tcr = vcpu_read_sys_reg(vcpu, TCR_EL2);
	u64 ttbr;

	ttbr = vcpu_read_sys_reg(vcpu, tcr & TCR_EL1_A1 ? TTBR1_EL2 : TTBR0_EL2);
	if (!(tcr & TCR_EL1_AS) ||
	    !kvm_has_feat_enum(vcpu->kvm, ID_AA64MMFR0_EL1, ASIDBITS, 16))
		ttbr &= ~GENMASK_ULL(63, 56);

	return ttbr >> 48;
}

static bool vncr_mmu_off(struct kvm_vcpu *vcpu)
{
	return !(vcpu_read_sys_reg(vcpu, SCTLR_EL2) & SCTLR_ELx_M);
}

/* Does the vCPU's entry translate its current VNCR_EL2, for this access? */
static bool vncr_hit(struct kvm_vcpu *vcpu, bool write)
{
	struct vncr_tlb *tlb = vcpu->arch.vncr_tlb;

	/* Own thread: the read side keeps those away who would drop it. */
	lockdep_assert_held(&vcpu->kvm->mmu_lock);

	return tlb->valid && tlb->va == vncr_va(vcpu) &&
	       tlb->mmu_off == vncr_mmu_off(vcpu) &&
	       (tlb->global || tlb->asid == vncr_current_asid(vcpu)) &&
	       (!write || tlb->writable);
}

/* The fixmap slot */

/*
 * Empty this CPU's slot. Only then may @cpu say so: who drops the entry and
 * reads -1 relies on the slot not translating any more.
 */
static void vncr_unmap(struct vncr_tlb *tlb)
{
	lockdep_assert_preemption_disabled();

	if (!host_data_test_flag(L1_VNCR_MAPPED))
		return;

	clear_fixmap(vncr_fixmap(smp_processor_id()));
	host_data_clear_flag(L1_VNCR_MAPPED);
	WRITE_ONCE(tlb->cpu, -1);
}

static void vncr_map(struct kvm_vcpu *vcpu)
{
	struct vncr_tlb *tlb = vcpu->arch.vncr_tlb;
	int cpu = smp_processor_id();

	/* Read side: until @cpu is set, nobody may look for the slot. */
	lockdep_assert_held(&vcpu->kvm->mmu_lock);

	/* Break before make. */
	vncr_unmap(tlb);
	__set_fixmap(vncr_fixmap(cpu), tlb->pa,
		     tlb->writable ? PAGE_KERNEL : PAGE_KERNEL_RO);
	host_data_set_flag(L1_VNCR_MAPPED);
	WRITE_ONCE(tlb->cpu, cpu);
}

/**
 * kvm_vncr_load() - ask for the VNCR page of a nested context to be mapped
 * @vcpu: vCPU that is being loaded
 *
 * Mapping waits until mmu_lock can be taken. The guest is not entered while
 * the request is pending.
 *
 * Context: kvm_arch_vcpu_load(), preemption off.
 */
void kvm_vncr_load(struct kvm_vcpu *vcpu)
{
	/* Unlocked, a hint: without an entry, the first access aborts. */
	if (vncr_in_use(vcpu) && READ_ONCE(vcpu->arch.vncr_tlb->valid))
		kvm_make_request(KVM_REQ_MAP_L1_VNCR_EL2, vcpu);
}

u64 kvm_vncr_offset(const struct kvm_vcpu *vcpu)
{
	const struct vncr_tlb *tlb = vcpu->arch.vncr_tlb;

	return tlb ? tlb->offset : 0;
}

/**
 * kvm_vncr_put() - leave nothing in this CPU's slot
 * @vcpu: vCPU that is being put, in whatever context
 *
 * Context: kvm_arch_vcpu_put(), preemption off, no lock.
 */
void kvm_vncr_put(struct kvm_vcpu *vcpu)
{
	vncr_unmap(vcpu->arch.vncr_tlb);
}

/**
 * kvm_vncr_handle_request() - handle KVM_REQ_MAP_L1_VNCR_EL2
 * @vcpu: the vCPU
 *
 * Nothing is mapped if the context or the entry has changed since the request
 * was made; the first access sorts it out.
 *
 * Context: thread of the vCPU, loaded; takes mmu_lock.
 */
void kvm_vncr_handle_request(struct kvm_vcpu *vcpu)
{
	guard(read_lock)(&vcpu->kvm->mmu_lock);
	guard(preempt)();

	if (vncr_in_use(vcpu) && vncr_hit(vcpu, false))
		vncr_map(vcpu);
}

/* Dropping entries */

static void vncr_drop(struct kvm *kvm, struct vncr_tlb *tlb)
{
	int cpu = READ_ONCE(tlb->cpu);

	/* See the top for who needs which side. */
	lockdep_assert_held(&kvm->mmu_lock);

	if (!tlb->valid)
		return;

	WRITE_ONCE(tlb->valid, false);
	if (cpu >= 0)
		clear_fixmap(vncr_fixmap(cpu));
	atomic_dec(&kvm->arch.nested_vncr_count);
}

static bool vncr_in_scope(const struct vncr_tlb *tlb,
			  const struct kvm_tlbi_scope *scope)
{
	u64 last = scope->end - 1;

	if (scope->match_asid &&
	    !(tlb->global ? scope->global : tlb->asid == scope->asid))
		return false;

	/* A range that wraps ends with the address space, or is larger yet. */
	if (last < scope->start)
		last = U64_MAX;

	return scope->all || (tlb->first <= last && scope->start <= tlb->last);
}

/* Drop the entries in @scope, or all of them without one. */
static void vncr_drop_scope(struct kvm *kvm, const struct kvm_tlbi_scope *scope)
{
	struct kvm_vcpu *vcpu;
	struct vncr_tlb *tlb;
	unsigned long i;

	/* Writing: entries of other vCPUs, whose threads hold the read side. */
	lockdep_assert_held_write(&kvm->mmu_lock);

	if (!atomic_read(&kvm->arch.nested_vncr_count))
		return;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		tlb = READ_ONCE(vcpu->arch.vncr_tlb);
		if (tlb && (!scope || vncr_in_scope(tlb, scope)))
			vncr_drop(kvm, tlb);
	}
}

/**
 * kvm_vncr_invalidate_all() - drop the VNCR translations of a VM
 * @kvm: the VM, nested or not
 *
 * For changes of the canonical IPA space; fills in flight notice those by
 * mmu_invalidate_retry() and by the memslots' SRCU.
 *
 * Context: mmu_lock held for writing; does not drop it.
 */
void kvm_vncr_invalidate_all(struct kvm *kvm)
{
	vncr_drop_scope(kvm, NULL);
}

/**
 * kvm_vncr_invalidate_va() - drop the VNCR translations that a TLBI concerns
 * @kvm: the VM
 * @scope: scope of the TLBI
 *
 * The caller may skip this, and the lock with it, if nested_vncr_count is 0
 * after a full barrier; the barrier pairs with the one in vncr_fill().
 *
 * Context: mmu_lock held for writing; does not drop it.
 */
void kvm_vncr_invalidate_va(struct kvm *kvm, const struct kvm_tlbi_scope *scope)
{
	lockdep_assert_held_write(&kvm->mmu_lock);

	/*
	 * Fills that began before this have to walk again: what L1 wrote to
	 * its tables is visible before the new sequence number is. Pairs with
	 * the smp_rmb() in vncr_translate().
	 */
	smp_wmb();
	WRITE_ONCE(kvm->arch.nested_vncr_seq, kvm->arch.nested_vncr_seq + 1);

	vncr_drop_scope(kvm, scope);
}

/* Filling the entry */

/*
 * Find the memory behind a canonical frame. An access to anything that cannot
 * be mapped (no memory, read-only memory, a device) cannot be emulated either,
 * since KVM never sees the data: it is an External abort.
 *
 * Return: 0, > 0 for the External abort, -EAGAIN.
 */
static int vncr_faultin(struct kvm *kvm, bool write, struct vncr_page *p)
{
	p->slot = gfn_to_memslot(kvm, p->gfn);
	p->page = NULL;

	if (p->slot && (p->slot->flags & KVM_MEMSLOT_INVALID))
		return -EAGAIN;

	if (kvm_slot_has_gmem(p->slot)) {
		if (kvm_gmem_get_pfn(kvm, p->slot, p->gfn, &p->pfn, &p->page,
				     NULL))
			return signal_pending(current) ? -EAGAIN : KVM_WALK_FAULT;
		p->writable = !(p->slot->flags & KVM_MEM_READONLY);
	} else {
		p->pfn = __kvm_faultin_pfn(p->slot, p->gfn,
					   write ? FOLL_WRITE : 0,
					   &p->writable, &p->page);
		if (is_sigpending_pfn(p->pfn))
			return -EAGAIN;
		if (is_error_noslot_pfn(p->pfn))
			return KVM_WALK_FAULT;
	}

	/* The slot is Normal memory: no mismatched alias of a device's. */
	if ((!p->page && !pfn_is_map_memory(p->pfn)) ||
	    (write && !p->writable)) {
		if (p->page)
			kvm_release_page_unused(p->page);
		return KVM_WALK_FAULT;
	}

	/* The first write has to be seen. */
	if (!write && kvm_slot_dirty_track_enabled(p->slot))
		p->writable = false;

	return 0;
}

/* A first write that has to set the dirty state must abort, to be seen. */
static bool vncr_writable(const struct kvm_s1_result *res,
			  const struct vncr_page *p)
{
	return res->writable && !res->clean && p->writable;
}

static void vncr_set_entry(struct vncr_tlb *tlb, u64 va,
			   const struct kvm_s1_result *res,
			   const struct vncr_page *p)
{
	u64 mask = BIT_ULL(max3(res->leaf.shift, res->leaf.contig_shift,
				ilog2(VNCR_SIZE))) - 1;

	tlb->va = va;
	tlb->first = va & ~mask;
	tlb->last = va | mask;
	tlb->pa = __pfn_to_phys(p->pfn);
	tlb->offset = offset_in_page(res->pa);
	tlb->asid = res->asid;
	tlb->global = !res->ng;
	tlb->mmu_off = res->mmu_off;
	tlb->writable = vncr_writable(res, p);
	WRITE_ONCE(tlb->valid, true);
}

/**
 * struct vncr_seq - when a fill began
 * @mmu: kvm->mmu_invalidate_seq, advanced by notifiers
 * @tlbi: kvm->arch.nested_vncr_seq, advanced by L1's TLBIs
 */
struct vncr_seq {
	unsigned long mmu;
	u64 tlbi;
};

/* On success, the caller's part of nested_vncr_count is the entry's. */
static int vncr_install(struct kvm_vcpu *vcpu, u64 va,
			const struct vncr_seq *seq,
			const struct kvm_s1_result *res,
			const struct vncr_page *p)
{
	struct vncr_tlb *tlb = vcpu->arch.vncr_tlb;
	struct kvm *kvm = vcpu->kvm;
	bool writable = vncr_writable(res, p);
	int ret = 0;

	scoped_guard(read_lock, &kvm->mmu_lock) {
		if (mmu_invalidate_retry(kvm, seq->mmu) ||
		    seq->tlbi != READ_ONCE(kvm->arch.nested_vncr_seq)) {
			ret = -EAGAIN;
		} else {
			vncr_drop(kvm, tlb);
			vncr_set_entry(tlb, va, res, p);
		}
		kvm_release_faultin_page(kvm, p->page, ret, writable);
	}

	/*
	 * After the entry is there: if the dirty log is read in between, the
	 * entry is gone and the page is in the next one.
	 */
	if (!ret && writable)
		mark_page_dirty_in_slot(kvm, p->slot, p->gfn);

	return ret;
}

static int vncr_translate(struct kvm_vcpu *vcpu, bool write, u64 *iss)
{
	struct kvm_access acc = {
		.type = write ? KVM_ACC_WRITE : KVM_ACC_READ,
	};
	u64 va = vncr_va(vcpu);
	struct kvm_walk_fault fault = {};
	struct kvm_s1_result res = {};
	struct vncr_page page;
	struct vncr_seq seq;
	int ret;

	seq.mmu = vcpu->kvm->mmu_invalidate_seq;
	seq.tlbi = READ_ONCE(vcpu->kvm->arch.nested_vncr_seq);
	/*
	 * Before the walk, not after. Pairs with the smp_wmb() in
	 * kvm_mmu_invalidate_end() and in kvm_vncr_invalidate_va().
	 */
	smp_rmb();

	/* E2H is 1: a VM that can clear it has no FEAT_NV2. PAN is not for us. */
	ret = kvm_s1_translate(vcpu, KVM_REGIME_EL20, va, &acc, &res, &fault);
	if (ret) {
		*iss = kvm_fault_fsc(&fault);
		if (fault.kind != KVM_FAULT_PERMISSION)
			return ret;
		if (res.overlay)
			*iss |= (u64)ESR_ELx_Overlay << ESR_ELx_ISS2_SHIFT;
		if (res.dirty)
			*iss |= (u64)ESR_ELx_DirtyBit << ESR_ELx_ISS2_SHIFT;
		return ret;
	}

	page.gfn = gpa_to_gfn(res.pa);
	ret = vncr_faultin(vcpu->kvm, write, &page);
	if (ret) {
		*iss = ESR_ELx_FSC_EXTABT;
		return ret;
	}

	return vncr_install(vcpu, va, &seq, &res, &page);
}

/*
 * Translate VNCR_EL2 and put the result into the entry.
 *
 * Return: 0, > 0 if L1 gets an abort with *@iss, < 0 a host errno.
 */
static int vncr_fill(struct kvm_vcpu *vcpu, bool write, u64 *iss)
{
	struct kvm *kvm = vcpu->kvm;
	int ret;

	atomic_inc(&kvm->arch.nested_vncr_count);
	/*
	 * Seen by a TLBI, or else the walk sees what L1 wrote before it: pairs
	 * with the barrier between the TLBI and its check of the count.
	 */
	smp_mb__after_atomic();

	/* Up to the end: a memslot is not replaced under a fill. */
	scoped_guard(srcu, &kvm->srcu)
		ret = vncr_translate(vcpu, write, iss);

	if (ret)
		atomic_dec(&kvm->arch.nested_vncr_count);

	return ret;
}

/* The abort that L1 would take if hardware had translated its VNCR_EL2. */
static int vncr_inject(struct kvm_vcpu *vcpu, u64 iss)
{
	u64 esr = FIELD_PREP(ESR_ELx_EC_MASK, ESR_ELx_EC_DABT_CUR) |
		  ESR_ELx_IL | ESR_ELx_VNCR |
		  (kvm_vcpu_get_esr(vcpu) & ESR_ELx_WNR) | iss;

	vcpu_write_sys_reg(vcpu, kvm_vcpu_get_hfar(vcpu), FAR_EL2);
	return kvm_inject_nested_sync(vcpu, esr);
}

int kvm_handle_vncr_abort(struct kvm_vcpu *vcpu)
{
	bool write = kvm_vcpu_get_esr(vcpu) & ESR_ELx_WNR;
	struct kvm *kvm = vcpu->kvm;
	bool hit;
	u64 iss;
	int ret;

	/* From an address in the slot to that which L1 has given. */
	if (vncr_in_use(vcpu))
		vcpu->arch.fault.far_el2 = vncr_va(vcpu) |
			(vcpu->arch.fault.far_el2 & (VNCR_SIZE - 1));

	if (kvm_vcpu_abt_issea(vcpu))
		return kvm_handle_guest_sea(vcpu);

	/* KVM's own VNCR page is always there; no guest has a hand in this. */
	if (KVM_BUG_ON(!vncr_in_use(vcpu), kvm))
		return -EIO;

	scoped_guard(read_lock, &kvm->mmu_lock)
		hit = vncr_hit(vcpu, write);

	/* Nothing that mapping the page once more would be an answer to. */
	if (hit && !kvm_vcpu_trap_is_translation_fault(vcpu) &&
	    !kvm_vcpu_trap_is_permission_fault(vcpu))
		return -EFAULT;

	ret = hit ? 0 : vncr_fill(vcpu, write, &iss);
	if (ret > 0)
		return vncr_inject(vcpu, iss);
	if (ret && ret != -EAGAIN)
		return ret;

	if (!ret)
		kvm_make_request(KVM_REQ_MAP_L1_VNCR_EL2, vcpu);

	return 1;
}
