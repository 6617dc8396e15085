// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization: small pieces of EL2 state.
 *
 * What L1's MDCR_EL2 adds to the host's, a virtual SError that could not be
 * delivered when it was made, and EL2 registers in the format of EL1's for a
 * virtual EL2 with E2H=0.
 *
 * Locking: none. All of this is a vCPU's own state, handled by its own thread
 * with preemption off, or pure.
 */
#include <linux/bitfield.h>
#include <linux/kvm_host.h>

#include <asm/kvm_emulate.h>
#include <asm/kvm_nested.h>
#include <asm/sysreg.h>

/* Traps that L1 can ask for, on an L2 that runs with KVM's own ones. */
#define MDCR_EL2_L1_TRAPS	(MDCR_EL2_TDE | MDCR_EL2_TDA | MDCR_EL2_TDRA |	\
				 MDCR_EL2_TDOSA | MDCR_EL2_TDCC |		\
				 MDCR_EL2_TTRF | MDCR_EL2_TPMS |		\
				 MDCR_EL2_TPM | MDCR_EL2_TPMCR)

void kvm_nested_setup_mdcr_el2(struct kvm_vcpu *vcpu)
{
	if (is_nested_ctxt(vcpu)) {
		vcpu->arch.mdcr_el2 |= __vcpu_sys_reg(vcpu, MDCR_EL2) &
				       MDCR_EL2_L1_TRAPS;
		return;
	}

	/*
	 * FEAT_NV2 redirects MDSCR_EL1 to memory in virtual EL2, where L1
	 * means the register. KVM has FEAT_FGT trap its writes; without that,
	 * all debug registers have to trap.
	 */
	if (!cpus_have_final_cap(ARM64_HAS_FGT))
		vcpu->arch.mdcr_el2 |= MDCR_EL2_TDA;
}

/*
 * Where a pending SError goes depends on the context that is entered: on its
 * exception level, on L1's settings and on PSTATE.A, all of which change
 * without a trap. So it is looked at anew before each entry, whether it waits
 * as HCR_EL2.VSE (masked, when it was last looked at) or as a flag (nowhere to
 * go). Between two entries VSE stays as it is, for kvm_arch_vcpu_runnable().
 */
void kvm_nested_flush_hwstate(struct kvm_vcpu *vcpu)
{
	unsigned long *hcr = vcpu_hcr(vcpu);

	if (!vcpu_has_nv(vcpu))
		return;

	if (*hcr & HCR_VSE) {
		*hcr &= ~HCR_VSE;
		vcpu_set_flag(vcpu, NESTED_SERROR_PENDING);
	}
	if (!vcpu_get_flag(vcpu, NESTED_SERROR_PENDING))
		return;

	/* An exception, or a step over an instruction, that came before it. */
	__kvm_adjust_pc(vcpu);

	/* Makes it pending again if it has to wait. */
	vcpu_clear_flag(vcpu, NESTED_SERROR_PENDING);
	kvm_inject_serror_esr(vcpu, vcpu_get_vsesr(vcpu));
}

/*
 * The exit has not been handled yet, and handling it may change the context, or
 * the PC: nothing is injected here. But a WFI ends for an SError that can be
 * delivered, masked or not, and kvm_arch_vcpu_runnable() looks at VSE alone.
 */
void kvm_nested_sync_hwstate(struct kvm_vcpu *vcpu)
{
	if (!vcpu_get_flag(vcpu, NESTED_SERROR_PENDING))
		return;

	if (vcpu_el2_tge_is_set(vcpu) || vcpu_el2_amo_is_set(vcpu)) {
		vcpu_clear_flag(vcpu, NESTED_SERROR_PENDING);
		*vcpu_hcr(vcpu) |= HCR_VSE;
	}
}

/* Fields of TCR_EL2 (E2H=0) that have no name of their own in sysreg-defs.h */
#define TCR_EL2_E2H0_HD		BIT_ULL(22)
#define TCR_EL2_E2H0_TBID	BIT_ULL(29)

u64 translate_tcr_el2_to_tcr_el1(u64 tcr)
{
	static const struct {
		u64 el2;
		u64 el1;
	} bits[] = {
		{ TCR_EL2_TBI,		TCR_EL1_TBI0 },
		{ TCR_EL2_HA,		TCR_EL1_HA },
		{ TCR_EL2_E2H0_HD,	TCR_EL1_HD },
		{ TCR_EL2_HPD,		TCR_EL1_HPD0 },
		{ TCR_EL2_E2H0_TBID,	TCR_EL1_TBID0 },
		{ TCR_EL2_DS,		TCR_EL1_DS },
	};
	u64 val;
	int i;

	/* One range only, and what describes its tables is in the same place. */
	val = TCR_EL1_EPD1 |
	      (tcr & (TCR_EL2_MASK | TCR_EL2_T0SZ_MASK));
	val |= FIELD_PREP(TCR_EL1_IPS_MASK, FIELD_GET(TCR_EL2_PS_MASK, tcr));

	for (i = 0; i < ARRAY_SIZE(bits); i++)
		if (tcr & bits[i].el2)
			val |= bits[i].el1;

	return val;
}

/* Same place and meaning in both. */
#define SCTLR_EL2_AS_EL1	(SCTLR_ELx_M | SCTLR_ELx_A | SCTLR_ELx_C |	\
				 SCTLR_ELx_SA | SCTLR_EL1_nAA | SCTLR_ELx_I |	\
				 SCTLR_ELx_WXN | SCTLR_ELx_IESB |		\
				 SCTLR_ELx_EE | SCTLR_EL1_BT1 |			\
				 SCTLR_ELx_DSSBS | SCTLR_ELx_ENIA |		\
				 SCTLR_ELx_ENIB | SCTLR_ELx_ENDA |		\
				 SCTLR_ELx_ENDB)

/* What EL2 does without being asked. PSTATE.PAN is never set on its entry. */
#define SCTLR_EL2_ALWAYS	(SCTLR_EL1_EIS | SCTLR_EL1_EOS | SCTLR_EL1_SPAN)

u64 translate_sctlr_el2_to_sctlr_el1(u64 sctlr)
{
	return SCTLR_EL1_RES1 | SCTLR_EL2_ALWAYS | (sctlr & SCTLR_EL2_AS_EL1);
}

u64 translate_cptr_el2_to_cpacr_el1(u64 cptr)
{
	u64 cpacr = CPACR_EL1_RES1;

	/* Reserved in CPACR_EL1, but this is also CPTR_EL2 with E2H=1. */
	cpacr |= cptr & (CPTR_EL2_TCPAC | CPTR_EL2_TAM);

	if (cptr & CPTR_EL2_TTA)
		cpacr |= CPACR_EL1_TTA;
	if (!(cptr & CPTR_EL2_TFP))
		cpacr |= CPACR_EL1_FPEN;
	if (!(cptr & CPTR_EL2_TZ))
		cpacr |= CPACR_EL1_ZEN;

	return cpacr;
}
