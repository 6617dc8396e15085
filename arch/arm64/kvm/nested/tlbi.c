// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization: L1's TLB maintenance.
 *
 * What L1 invalidates is cached in two places: shadow stage-2 MMUs stand for
 * its stage-2 TLB (and their VMIDs tag its L2s' stage-1 entries), and the VNCR
 * pseudo-TLBs hold translations of its own EL2&0 regime. A TLBI is decoded into
 * a scope - which VMID and nested IPAs, or which VAs and ASID - and the scope is
 * then applied to all that matches it.
 *
 * The operand of every instruction is one of few formats, so operations are
 * rows of a table, and no more is removed than the instruction names: a TTL
 * hint is used if there is one, the size of L1's leaf is recorded in the
 * software bits of each shadow entry if there is not.
 *
 * Locks: mmu_lock for writing while entries are removed. It may be dropped
 * between two of them: until the guest's instruction completes, other vCPUs
 * may use the translations that it is about.
 */
#include <linux/kvm_host.h>

#include <asm/kvm_emulate.h>
#include <asm/kvm_mmu.h>
#include <asm/kvm_nested.h>
#include <asm/tlbflush.h>

#include "nested.h"

/* Operand of a TLBI by address: VA[55:12] or IPA[51:12] */
#define TLBI_OP_VA		GENMASK_ULL(43, 0)
#define TLBI_OP_VA_SHIFT	12
#define TLBI_OP_VA_TOP		55
#define TLBI_OP_IPA		GENMASK_ULL(39, 0)
#define TLBI_OP_ASID		GENMASK_ULL(63, 48)

/* TTL: granule in [3:2], level in [1:0]; in range operands TG is the same. */
#define TTL_TG			GENMASK(3, 2)
#define TTL_LEVEL		GENMASK(1, 0)

/* Width of BaseADDR, from which a range's VA is sign-extended. */
#define TLBIR_BADDR_BITS	37
/* With TCR.DS or VTCR.DS the base is in units of 64K, whatever the granule. */
#define TLBIR_BADDR_DS_SHIFT	16

static const u8 tlbi_tg_shift[] = {
	[0]			= 0,
	[TLBI_TTL_TG_4K]	= 12,
	[TLBI_TTL_TG_16K]	= 14,
	[TLBI_TTL_TG_64K]	= 16,
};

struct tlbi_range {
	u64 base;
	u64 size;
	u8 base_shift;
};

/* The Arm ARM's TLBIRange(); a reserved TG needs to invalidate nothing. */
static struct tlbi_range tlbi_decode_range(u64 val, bool ds)
{
	u8 shift = tlbi_tg_shift[FIELD_GET(TLBIR_TG_MASK, val)];
	u8 scale = FIELD_GET(TLBIR_SCALE_MASK, val);
	u64 num = FIELD_GET(TLBIR_NUM_MASK, val);
	struct tlbi_range range = {};

	if (!shift)
		return range;

	range.base_shift = ds ? TLBIR_BADDR_DS_SHIFT : shift;
	range.base = FIELD_GET(TLBIR_BADDR_MASK, val) << range.base_shift;
	range.size = (num + 1) << (5 * scale + 1 + shift);
	return range;
}

u64 decode_range_tlbi(u64 val, bool ds, u64 *range, u16 *asid)
{
	struct tlbi_range decoded = tlbi_decode_range(val, ds);

	*range = decoded.size;
	if (asid)
		*asid = FIELD_GET(TLBIR_ASID_MASK, val);
	return decoded.base;
}

/* Stage 2: by VMID and nested IPA */

/*
 * L1 may use one VMID with several tables, on one vCPU or on many, with stage 2
 * on or off: all of them are concerned.
 *
 * The pool may grow and be recycled while @cb has dropped the lock. Contexts
 * that come up meanwhile start without entries, and fill from L1's tables as
 * they are now.
 */
void kvm_s2_mmu_iterate_by_vmid(struct kvm *kvm, u16 vmid,
				const union tlbi_info *info,
				void (*cb)(struct kvm_s2_mmu *,
					   const union tlbi_info *))
{
	struct kvm_s2_mmu *mmu;
	size_t i;

	guard(write_lock)(&kvm->mmu_lock);

	for (i = 0; (mmu = kvm_nested_mmu_at(kvm, i)); i++) {
		if (!kvm_s2_mmu_valid(mmu) ||
		    kvm_nested_vmid(mmu->tlb_vttbr, mmu->tlb_vtcr) != vmid)
			continue;
		cb(mmu, info);
		cond_resched_rwlock_write(&kvm->mmu_lock);
	}
}

void kvm_nested_tlbi_unmap(struct kvm_s2_mmu *mmu, u64 start, u64 size)
{
	kvm_nested_mmu_invalidate_begin(mmu);
	kvm_nested_mmu_unmap(mmu, start, size, true);
}

/*
 * A TLB entry goes as a whole, whichever part of it is named, so at both ends
 * the range grows to the L1 leaf there: L0 may have split it into pages.
 */
void kvm_nested_tlbi_unmap_range(struct kvm_s2_mmu *mmu, u64 start, u64 size)
{
	struct kvm *kvm = kvm_s2_mmu_to_kvm(mmu);
	u64 end = start + size;
	u8 pgshift;

	if (!size)
		return;

	if (start || size < BIT_ULL(kvm_get_pa_bits(kvm))) {
		pgshift = kvm_nested_s2_pgshift(kvm, mmu->tlb_vtcr);
		start = ALIGN_DOWN(start, kvm_nested_mmu_leaf_size(mmu, start,
								   pgshift));
		end = ALIGN(end, kvm_nested_mmu_leaf_size(mmu, end - 1,
							  pgshift));
	}
	kvm_nested_tlbi_unmap(mmu, start, end - start);
}

unsigned long compute_tlb_inval_range(struct kvm_s2_mmu *mmu, u64 val)
{
	struct kvm *kvm = kvm_s2_mmu_to_kvm(mmu);
	u64 ipa = FIELD_GET(TLBI_OP_IPA, val) << TLBI_OP_VA_SHIFT;
	u8 ttl = FIELD_GET(TLBI_TTL_MASK, val);
	u8 shift = tlbi_tg_shift[FIELD_GET(TTL_TG, ttl)];
	u8 level = FIELD_GET(TTL_LEVEL, ttl);
	u64 size;

	lockdep_assert_held_write(&kvm->mmu_lock);

	/*
	 * Level 0 is a hint with DS alone. Such a block has left its level in
	 * the shadow entries, which is no worse to go by.
	 */
	if (shift && level && kvm_has_feat(kvm, ID_AA64MMFR2_EL1, TTL, IMP))
		size = BIT_ULL(kvm_pt_level_shift(shift, level));
	else
		size = kvm_nested_mmu_leaf_size(mmu, ipa,
						kvm_nested_s2_pgshift(kvm, mmu->tlb_vtcr));

	return max_t(u64, size, PAGE_SIZE);
}

/* Stage 1 of EL2&0: by VA and ASID */

static bool tlbi_crm_is_range(u8 crm)
{
	return crm == TLBI_CRm_RIS || crm == TLBI_CRm_ROS ||
	       crm == TLBI_CRm_RNS;
}

/* Is @instr in the TLBI space of exception level @op1, and does the VM have it? */
static bool tlbi_supported(struct kvm_vcpu *vcpu, u32 instr, u8 op1)
{
	struct kvm *kvm = vcpu->kvm;
	u8 crm = sys_reg_CRm(instr);

	if (sys_reg_Op0(instr) != TLBI_Op0 || sys_reg_Op1(instr) != op1)
		return false;

	switch (sys_reg_CRn(instr)) {
	case TLBI_CRn_XS:
		break;
	case TLBI_CRn_nXS:
		if (!kvm_has_feat(kvm, ID_AA64ISAR1_EL1, XS, IMP))
			return false;
		break;
	default:
		return false;
	}

	switch (crm) {
	case TLBI_CRm_nRIS:
	case TLBI_CRm_nRNS:
		return true;
	case TLBI_CRm_nROS:
		return kvm_has_feat(kvm, ID_AA64ISAR0_EL1, TLB, OS);
	case TLBI_CRm_RIS:
	case TLBI_CRm_ROS:
	case TLBI_CRm_RNS:
		return kvm_has_feat(kvm, ID_AA64ISAR0_EL1, TLB, RANGE);
	default:
		/* IPAIS and IPAONS are stage 2's. */
		return false;
	}
}

bool kvm_supported_tlbi_s1e1_op(struct kvm_vcpu *vcpu, u32 instr)
{
	return tlbi_supported(vcpu, instr, TLBI_Op1_EL1);
}

bool kvm_supported_tlbi_s1e2_op(struct kvm_vcpu *vcpu, u32 instr)
{
	return tlbi_supported(vcpu, instr, TLBI_Op1_EL2);
}

/*
 * What an operation hits, by Op2. Those without a row invalidate everything.
 * Op2 means the same for EL1 and EL2 operations and with and without a range,
 * as far as it is allocated there.
 */
static const struct tlbi_s1_op {
	bool by_va;
	bool by_asid;
	bool global;
} tlbi_s1_ops[8] = {
	[1] = { .by_va = true, .by_asid = true, .global = true },	/* VA */
	[2] = { .by_asid = true },					/* ASID */
	[3] = { .by_va = true },					/* VAA */
	[5] = { .by_va = true, .by_asid = true, .global = true },	/* VAL */
	[7] = { .by_va = true },					/* VAAL */
};

static bool tlbi_el2_ds(struct kvm_vcpu *vcpu)
{
	u64 tcr = vcpu_read_sys_reg(vcpu, TCR_EL2);

	return tcr & (vcpu_el2_e2h_is_set(vcpu) ? TCR_DS : TCR_EL2_DS);
}

/**
 * kvm_tlbi_s1e1_op() - what to execute for an L1's EL1 TLBI of an L2
 * @instr: sys_insn() encoding of what L1 executed
 * @ds: TCR_EL1.DS of L2, which the operand is for
 * @loaded_ds: TCR_EL1.DS that hardware has
 *
 * Return: @instr, or the TLBI of everything if hardware would take the base of
 *	   a range for another one.
 * Context: any.
 */
u32 kvm_tlbi_s1e1_op(u32 instr, bool ds, bool loaded_ds)
{
	if (ds != loaded_ds && tlbi_crm_is_range(sys_reg_CRm(instr)))
		return OP_TLBI_VMALLE1IS;
	return instr;
}

/* At virtual EL2 the CPU's TCR_EL1 is L1's TCR_EL2, not the L2's. */
u32 kvm_nested_tlbi_s1e1_op(struct kvm_vcpu *vcpu, u32 instr)
{
	return kvm_tlbi_s1e1_op(instr,
				vcpu_read_sys_reg(vcpu, TCR_EL1) & TCR_DS,
				tlbi_el2_ds(vcpu));
}

static bool tlbi_el2_asid16(struct kvm_vcpu *vcpu)
{
	return (vcpu_read_sys_reg(vcpu, TCR_EL2) & TCR_EL1_AS) &&
	       kvm_has_feat_enum(vcpu->kvm, ID_AA64MMFR0_EL1, ASIDBITS, 16);
}

static void tlbi_s1_scope(u32 instr, u64 val, bool ds,
			  struct kvm_tlbi_scope *scope)
{
	const struct tlbi_s1_op *op = &tlbi_s1_ops[sys_reg_Op2(instr)];
	struct tlbi_range range;

	*scope = (struct kvm_tlbi_scope) {
		.all		= !op->by_va,
		.match_asid	= op->by_asid,
		.global		= op->global,
		.asid		= FIELD_GET(TLBI_OP_ASID, val),
	};

	if (!op->by_va)
		return;

	if (tlbi_crm_is_range(sys_reg_CRm(instr))) {
		range = tlbi_decode_range(val, ds);
		scope->start = sign_extend64(range.base, range.base_shift +
					     TLBIR_BADDR_BITS - 1);
		scope->end = scope->start + range.size;
	} else {
		scope->start = sign_extend64(FIELD_GET(TLBI_OP_VA, val) <<
					     TLBI_OP_VA_SHIFT, TLBI_OP_VA_TOP);
		scope->end = scope->start + BIT_ULL(TLBI_OP_VA_SHIFT);
	}
}

/*
 * The hardware's own copies are gone already. What is left are VNCR
 * translations, which exist only while L1 runs a hypervisor as its guest; with
 * none of them, nor one being made, nothing is to be done and no lock to be
 * taken. A translation is counted before L1's tables are read for it, so if the
 * count is 0 here, whoever makes it 1 sees L1's tables as they are now.
 */
void kvm_handle_s1e2_tlbi(struct kvm_vcpu *vcpu, u32 inst, u64 val)
{
	struct kvm_tlbi_scope scope;
	struct kvm *kvm = vcpu->kvm;

	/* Pairs with the barrier after the count is raised in vncr.c. */
	smp_mb();
	if (!atomic_read(&kvm->arch.nested_vncr_count))
		return;

	tlbi_s1_scope(inst, val, tlbi_el2_ds(vcpu), &scope);
	/* Above the width in force L1 has to write zeroes; be lenient. */
	if (!tlbi_el2_asid16(vcpu))
		scope.asid &= GENMASK(7, 0);

	guard(write_lock)(&kvm->mmu_lock);
	kvm_vncr_invalidate_va(kvm, &scope);
}
