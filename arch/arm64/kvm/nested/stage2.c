// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization: stage-2 aborts of L2, and L1's stage 2 as a vCPU has
 * programmed it.
 *
 * The shell between the pure walk in nested.c and the abort path of mmu.c.
 * L1's registers and its VM's ID registers are sampled into a snapshot; what
 * the walk gives is turned into what mmu.c wants: a translation to fill the
 * shadow table with, or a syndrome to inject.
 *
 * Ordering. The invalidation sequences are sampled before L1's tables are read
 * and compared when a shadow entry is installed (kvm_nested_s2_map()), so a
 * TLBI, a notifier or a memslot change that completes between the two makes
 * the fill start again.
 *
 * Locks: kvm->srcu for the walk; mmu_lock is not held.
 */
#include <linux/kvm_host.h>

#include <asm/kvm_emulate.h>
#include <asm/kvm_mmu.h>
#include <asm/kvm_nested.h>

#include "nested.h"

/**
 * kvm_nested_s2_enabled() - is L1's stage 2 in force?
 * @vcpu: the vCPU
 *
 * HCR_EL2.DC enables stage 2 as VM does (the Arm ARM: with DC, "behaves as if
 * the value of HCR_EL2.VM is 1").
 *
 * Return: true if EL1&0 accesses go through VTTBR_EL2.
 * Context: vCPU thread.
 */
bool kvm_nested_s2_enabled(struct kvm_vcpu *vcpu)
{
	return __vcpu_sys_reg(vcpu, HCR_EL2) & (HCR_VM | HCR_DC);
}

/**
 * kvm_nested_s2_granules() - stage-2 granules that an ID register promises
 * @mmfr0: ID_AA64MMFR0_EL1
 * @feat: its @gran and @lpa2 are set, the rest is not touched
 *
 * A TGRANx_2 field of 0 says "as stage 1". What is offered to L1 is always
 * explicit, but neither what the host has nor what userspace has restored
 * need be.
 *
 * Context: any.
 */
void kvm_nested_s2_granules(u64 mmfr0, struct kvm_s2_features *feat)
{
	u8 g4_2 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4_2, mmfr0);
	u8 g16_2 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN16_2, mmfr0);
	u8 g64_2 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN64_2, mmfr0);
	u8 g4 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4, mmfr0);
	u8 g16 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN16, mmfr0);
	u8 g64 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN64, mmfr0);
	/* A shadow entry cannot be smaller than a page of the host. */
	u32 possible = GENMASK(31, PAGE_SHIFT);

	feat->gran = 0;
	if (g4_2 ? g4_2 != ID_AA64MMFR0_EL1_TGRAN4_2_NI :
		   g4 != ID_AA64MMFR0_EL1_TGRAN4_NI)
		feat->gran |= BIT(12);
	if (g16_2 ? g16_2 != ID_AA64MMFR0_EL1_TGRAN16_2_NI :
		    g16 != ID_AA64MMFR0_EL1_TGRAN16_NI)
		feat->gran |= BIT(14);
	if (g64_2 ? g64_2 != ID_AA64MMFR0_EL1_TGRAN64_2_NI :
		    g64 != ID_AA64MMFR0_EL1_TGRAN64_NI)
		feat->gran |= BIT(16);
	feat->gran &= possible;

	feat->lpa2 = 0;
	if (g4_2 ? g4_2 == ID_AA64MMFR0_EL1_TGRAN4_2_52_BIT :
		   g4 == ID_AA64MMFR0_EL1_TGRAN4_52_BIT)
		feat->lpa2 |= BIT(12);
	if (g16_2 ? g16_2 == ID_AA64MMFR0_EL1_TGRAN16_2_52_BIT :
		    g16 == ID_AA64MMFR0_EL1_TGRAN16_52_BIT)
		feat->lpa2 |= BIT(14);
	feat->lpa2 &= possible;
}

static void s2_vm_features(struct kvm *kvm, struct kvm_s2_features *feat)
{
	u64 mmfr0 = kvm_read_vm_id_reg(kvm, SYS_ID_AA64MMFR0_EL1);
	u8 parange = SYS_FIELD_GET(ID_AA64MMFR0_EL1, PARANGE, mmfr0);

	*feat = (struct kvm_s2_features) {
		.pa_bits = min(kvm_pt_decode_pa_bits(parange),
			       KVM_PT_PA_BITS_LARGE),
		.ttst	= kvm_has_feat_enum(kvm, ID_AA64MMFR2_EL1, ST, 48_47),
		.xnx	= kvm_has_feat(kvm, ID_AA64MMFR1_EL1, XNX, IMP),
		.haf	= kvm_has_feat(kvm, ID_AA64MMFR1_EL1, HAFDBS, AF),
		.hdbs	= kvm_has_feat(kvm, ID_AA64MMFR1_EL1, HAFDBS, DBM),
	};
	kvm_nested_s2_granules(mmfr0, feat);
}

/**
 * kvm_nested_s2_pgshift() - granule that a VTCR_EL2 selects
 * @kvm: the VM
 * @vtcr: VTCR_EL2
 *
 * Return: log2 of the granule.
 * Context: any.
 */
u8 kvm_nested_s2_pgshift(struct kvm *kvm, u64 vtcr)
{
	struct kvm_s2_features feat;

	s2_vm_features(kvm, &feat);
	return kvm_s2_granule(vtcr, &feat);
}

/**
 * kvm_nested_s2_config() - sample and validate a vCPU's virtual stage 2
 * @vcpu: the vCPU, loaded or not
 * @cfg: the configuration
 *
 * Context: vCPU thread; may be in any guest context.
 */
void kvm_nested_s2_config(struct kvm_vcpu *vcpu, struct kvm_s2_config *cfg)
{
	u64 hcr = __vcpu_sys_reg(vcpu, HCR_EL2);
	struct kvm_s2_regs regs = {
		.vtcr		= __vcpu_sys_reg(vcpu, VTCR_EL2),
		.vttbr		= __vcpu_sys_reg(vcpu, VTTBR_EL2),
		.big_endian	= vcpu_read_sys_reg(vcpu, SCTLR_EL2) &
				  SCTLR_ELx_EE,
		.ptw		= hcr & HCR_PTW,
		.fwb		= hcr & HCR_FWB,
		.cd		= hcr & HCR_CD,
		.off		= !kvm_nested_s2_enabled(vcpu),
	};
	struct kvm_s2_features feat;

	s2_vm_features(vcpu->kvm, &feat);
	kvm_s2_configure(&regs, &feat, cfg);
}

/* For TLBIs, which L1 executes while stage 2 is off. */
bool kvm_nested_s2_ds(struct kvm_vcpu *vcpu)
{
	u64 vtcr = __vcpu_sys_reg(vcpu, VTCR_EL2);
	struct kvm_s2_features feat;

	s2_vm_features(vcpu->kvm, &feat);
	return (vtcr & VTCR_EL2_DS) &&
	       (feat.lpa2 & BIT(kvm_s2_granule(vtcr, &feat)));
}

/*
 * The access behind a stage-2 abort, from its syndrome.
 *
 * WnR says nothing reliable about a stage-1 walk. A translation fault there is
 * about fetching a descriptor; the shadow entry that this leads to is readable,
 * so a permission fault after it can only be about updating the descriptor.
 *
 * Cache maintenance reports WnR=1 whatever permission it needs, if any. What
 * hardware refused for lack of one is a DC C* at EL0, which needs to read, or a
 * DC IVAC at EL1, which needs to write. The latter is taken as a write: as
 * maintenance it would leave a clean page clean, the shadow entry read-only
 * therefore, and be refused again for ever.
 */
static void s2_abort_access(struct kvm_vcpu *vcpu, struct kvm_access *acc)
{
	bool perm = kvm_vcpu_trap_is_permission_fault(vcpu);

	*acc = (struct kvm_access) { .el0 = !vcpu_mode_priv(vcpu) };

	if (kvm_vcpu_abt_iss1tw(vcpu))
		acc->type = perm ? KVM_ACC_TTW_UPDATE : KVM_ACC_TTW;
	else if (kvm_vcpu_trap_is_iabt(vcpu))
		acc->type = KVM_ACC_EXEC;
	else if (kvm_vcpu_dabt_is_cm(vcpu))
		acc->type = !perm ? KVM_ACC_CMO :
			    acc->el0 ? KVM_ACC_CMO_READ : KVM_ACC_WRITE;
	else
		acc->type = kvm_is_write_fault(vcpu) ? KVM_ACC_WRITE :
						       KVM_ACC_READ;
}

/*
 * The access is judged here as well: if L1's tables translate the address but
 * refuse the access, the result is a translation that is marked as denied, for
 * kvm_s2_handle_perm_fault() to act on.
 */
int kvm_walk_nested_s2(struct kvm_vcpu *vcpu, phys_addr_t gipa,
		       struct kvm_s2_trans *result)
{
	const struct kvm_walk_mem mem = {
		.ops	= &kvm_nested_mem_ops,
		.ctx	= vcpu->kvm,
	};
	struct kvm_walk_fault fault;
	struct kvm_s2_result res;
	struct kvm_s2_config cfg;
	struct kvm_access acc;
	int ret;

	*result = (struct kvm_s2_trans) {
		.mmu_seq = vcpu->kvm->mmu_invalidate_seq,
		.inv_seq = READ_ONCE(vcpu->arch.hw_mmu->nested_inv_seq),
	};
	/*
	 * Sequences before tables. Pairs with the smp_wmb() in
	 * kvm_mmu_invalidate_end() and with the one in
	 * kvm_nested_mmu_invalidate_begin().
	 */
	smp_rmb();

	s2_abort_access(vcpu, &acc);
	kvm_nested_s2_config(vcpu, &cfg);
	ret = kvm_s2_walk(&cfg, &mem, gipa, &acc, &res, &fault);
	if (ret < 0)
		return ret;

	if (ret) {
		result->esr = kvm_fault_esr(&fault, kvm_vcpu_get_esr(vcpu));
		result->denied = fault.kind == KVM_FAULT_PERMISSION;
		if (!result->denied)
			return ret;
	}

	result->output = res.oa;
	result->size = BIT_ULL(res.leaf.shift);
	result->level = res.leaf.level;
	result->readable = res.readable;
	result->writable = res.writable;
	result->exec_el0 = res.exec_el0;
	result->exec_el1 = res.exec_el1;
	return 0;
}

int kvm_s2_handle_perm_fault(struct kvm_vcpu *vcpu, struct kvm_s2_trans *trans)
{
	return trans->denied ? KVM_WALK_FAULT : 0;
}

/*
 * FAR_EL2 is the one of the abort that L0 took, as FnV in @esr_el2 says.
 * HPFAR_EL2 is composed anew: the copy kept for L0 has a private marker.
 */
int kvm_inject_s2_fault(struct kvm_vcpu *vcpu, u64 esr_el2)
{
	phys_addr_t ipa = kvm_vcpu_get_fault_ipa(vcpu);

	vcpu_write_sys_reg(vcpu, vcpu->arch.fault.far_el2, FAR_EL2);
	if (ipa != INVALID_GPA)
		vcpu_write_sys_reg(vcpu, kvm_fault_hpfar(ipa), HPFAR_EL2);

	return kvm_inject_nested_sync(vcpu, esr_el2);
}
