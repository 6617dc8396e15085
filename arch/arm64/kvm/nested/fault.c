// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization: from fault records to syndromes.
 *
 * The walkers say what went wrong in a struct kvm_walk_fault; what a guest
 * reads of it in ESR_EL2, HPFAR_EL2 and PAR_EL1 is made here and nowhere else.
 *
 * An abort of L2 that is passed on to L1 starts from the syndrome that the
 * hardware has given for the same access: class, instruction length, S1PTW,
 * WnR, and the description of the instruction are right as they are. What
 * hardware cannot know is what L1's tables say, so the fault status is
 * replaced, and with it whatever depends on the kind of fault.
 *
 * Pure: no vCPU, no locks; see walk.h.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/types.h>

#include <asm/esr.h>
#include <asm/sysreg.h>

#include "fault.h"

/* ESR_ELx.ISS of a Data Abort, bits [23:14]: valid only with ISV. */
#define ISS_INSN_SYNDROME	GENMASK_ULL(23, 14)
#define ISS_ISV			BIT_ULL(24)

#define FSC_ALIGNMENT		0x21

#define HPFAR_FIPA		GENMASK_ULL(43, 4)
#define HPFAR_FIPA_IPA		GENMASK_ULL(51, 12)

/**
 * kvm_fault_fsc() - fault status code of a fault
 * @fault: the fault
 *
 * Return: the value of ESR_ELx.{DFSC,IFSC} and of PAR_EL1.FST.
 * Context: any.
 */
u8 kvm_fault_fsc(const struct kvm_walk_fault *fault)
{
	s8 level = fault->level;

	switch (fault->kind) {
	case KVM_FAULT_ADDRESS_SIZE:
		return ESR_ELx_FSC_ADDRSZ_L(level);
	case KVM_FAULT_ACCESS_FLAG:
		return ESR_ELx_FSC_ACCESS_L(level);
	case KVM_FAULT_PERMISSION:
		return ESR_ELx_FSC_PERM_L(level);
	case KVM_FAULT_SEA_TTW:
		return ESR_ELx_FSC_SEA_TTW(level);
	case KVM_FAULT_ALIGNMENT:
		return FSC_ALIGNMENT;
	default:
		return ESR_ELx_FSC_FAULT_L(level);
	}
}

/**
 * kvm_fault_esr() - syndrome of an L2 abort that L1 takes
 * @fault: what L1's stage 2 made of the access
 * @hw_esr: ESR_EL2 of the abort that L0 took for the same access
 *
 * Return: the value for L1's ESR_EL2.
 * Context: any.
 */
u64 kvm_fault_esr(const struct kvm_walk_fault *fault, u64 hw_esr)
{
	u64 esr = (hw_esr & ~ESR_ELx_FSC) | kvm_fault_fsc(fault);

	/*
	 * An External abort on the walk has an exact FAR, no extra class of
	 * External abort, and with FEAT_RAS never an instruction syndrome.
	 */
	if (fault->kind == KVM_FAULT_SEA_TTW) {
		esr &= ~(u64)(ESR_ELx_FnV | ESR_ELx_EA);
		if (ESR_ELx_EC(hw_esr) == ESR_ELx_EC_DABT_LOW)
			esr &= ~(ISS_ISV | ISS_INSN_SYNDROME);
	}

	return esr;
}

/**
 * kvm_fault_hpfar() - HPFAR_EL2 for a faulting IPA
 * @ipa: nested IPA, in bytes
 *
 * Return: FIPA, and nothing else: NS is RES0 in Non-secure state.
 * Context: any.
 */
u64 kvm_fault_hpfar(u64 ipa)
{
	return FIELD_PREP(HPFAR_FIPA, FIELD_GET(HPFAR_FIPA_IPA, ipa));
}

/**
 * kvm_fault_par() - PAR_EL1 of a failed address translation
 * @fault: the fault of either stage
 *
 * The level is that of the stage which faulted; S and PTW say which one that
 * is and on whose behalf.
 *
 * Return: the value for PAR_EL1, with F set.
 * Context: any.
 */
u64 kvm_fault_par(const struct kvm_walk_fault *fault)
{
	u64 par = SYS_PAR_EL1_F | SYS_PAR_EL1_RES1;

	par |= FIELD_PREP(SYS_PAR_EL1_FST, kvm_fault_fsc(fault));
	if (fault->stage == 2)
		par |= SYS_PAR_EL1_S;
	if (fault->s1ptw)
		par |= SYS_PAR_EL1_PTW;

	return par;
}
