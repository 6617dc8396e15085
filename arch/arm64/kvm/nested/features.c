// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization: what L1 is told that it has, and what it may write.
 *
 * Two tables, each with an engine of a few lines. The first limits the ID
 * registers of a VM with EL2 to what KVM can virtualise one level further
 * down; the second says how the RES0 and RES1 bits of EL2 registers, and of
 * EL1 registers kept in the VNCR page, follow from the VM's ID registers.
 *
 * Locking: the ID register limits depend on the VM's features alone, which
 * don't change once a vCPU exists. The masks are computed under config_lock
 * before the first vCPU runs, published with a store-release and constant from
 * then on: readers need no lock and are in any context.
 */
#include <linux/kvm_host.h>

#include <asm/kvm_emulate.h>
#include <asm/kvm_nested.h>
#include <asm/kvm_pgtable.h>
#include <asm/sysreg.h>

#include "../sys_regs.h"
#include "nested.h"

/* Which VMs a row is for: can HCR_EL2.E2H be 0, or is it RES1? */
enum nv_id_when {
	ANY_VM,
	E2H0_VM,
	E2H1_VM,
};

/**
 * struct nv_id_limit - one limit on one field of an ID register
 * @reg: encoding of the register
 * @when: which VMs it is for
 * @rule: computes the field, in place, from the register's value
 * @mask: the field
 * @arg: a value of the field, in place, for @rule
 */
struct nv_id_limit {
	u32 reg;
	enum nv_id_when when;
	u64 (*rule)(const struct nv_id_limit *row, u64 val);
	u64 mask;
	u64 arg;
};

static u64 nv_id_force(const struct nv_id_limit *row, u64 val)
{
	return row->arg;
}

/* For unsigned fields, which are ordered the same in place. */
static u64 nv_id_cap(const struct nv_id_limit *row, u64 val)
{
	return min(val & row->mask, row->arg);
}

/*
 * A nested IPA is the input of a shadow MMU, and a canonical IPA that of the
 * VM's own: neither can be larger than what the host's page tables translate.
 * With 4K and 16K pages that is 52 bits if the host has FEAT_LPA2 for its own
 * granule, whatever the size of its physical addresses.
 */
static u64 nv_id_parange(const struct nv_id_limit *row, u64 val)
{
	return min(val & row->mask,
		   kvm_get_parange_max() << ID_AA64MMFR0_EL1_PARANGE_SHIFT);
}

/*
 * Stage-2 granules: a granule below the host's PAGE_SIZE cannot be shadowed,
 * and one that the hardware lacks must not appear because of an encoding that
 * refers to stage 1, which L1 would have to resolve by itself (and userspace
 * could not deny independently). The 52-bit formats go with 52-bit addresses.
 * The encodings of the three fields are the same; 64K has no 52_BIT.
 */
static u64 nv_id_tgran_2(const struct nv_id_limit *row, u64 val, u8 pgshift)
{
	u8 parange = SYS_FIELD_GET(ID_AA64MMFR0_EL1, PARANGE, val);
	u64 field = ID_AA64MMFR0_EL1_TGRAN4_2_NI;
	struct kvm_s2_features feat;

	kvm_nested_s2_granules(val, &feat);
	if (feat.gran & BIT(pgshift))
		field = ID_AA64MMFR0_EL1_TGRAN4_2_IMP;
	if ((feat.lpa2 & BIT(pgshift)) &&
	    parange >= ID_AA64MMFR0_EL1_PARANGE_52)
		field = ID_AA64MMFR0_EL1_TGRAN4_2_52_BIT;

	return field << __ffs64(row->mask);
}

static u64 nv_id_tgran4_2(const struct nv_id_limit *row, u64 val)
{
	return nv_id_tgran_2(row, val, 12);
}

static u64 nv_id_tgran16_2(const struct nv_id_limit *row, u64 val)
{
	return nv_id_tgran_2(row, val, 14);
}

static u64 nv_id_tgran64_2(const struct nv_id_limit *row, u64 val)
{
	return nv_id_tgran_2(row, val, 16);
}

#define FIELD_VALUE(r, f, v)	((u64)r##_##f##_##v << r##_##f##_SHIFT)

#define HIDE(r, f)							\
	{ .reg = SYS_##r, .rule = nv_id_force, .mask = r##_##f##_MASK }
#define HIDE_BITS(r, hi, lo)						\
	{ .reg = SYS_##r, .rule = nv_id_force, .mask = GENMASK_ULL(hi, lo) }
#define FORCE(r, f, v)							\
	{ .reg = SYS_##r, .rule = nv_id_force, .mask = r##_##f##_MASK,	\
	  .arg = FIELD_VALUE(r, f, v) }
#define CAP(r, f, v)							\
	{ .reg = SYS_##r, .rule = nv_id_cap, .mask = r##_##f##_MASK,	\
	  .arg = FIELD_VALUE(r, f, v) }
#define RULE(r, f, fn)							\
	{ .reg = SYS_##r, .rule = fn, .mask = r##_##f##_MASK }
#define WHOLE(w, r, v)							\
	{ .reg = SYS_##r, .when = w, .rule = nv_id_force,		\
	  .mask = ~0ULL, .arg = v }

static const struct nv_id_limit nv_id_limits[] = {
	/* 64-byte accesses that L2 makes to emulated memory have no syndrome. */
	HIDE(ID_AA64ISAR1_EL1, LS64),
	/* The operand names ELs: what L1 calls EL2 is not what the CPU does. */
	HIDE(ID_AA64ISAR1_EL1, SPECRES),

	/* One security state, without granule protection. */
	HIDE(ID_AA64PFR0_EL1, RME),
	HIDE(ID_AA64PFR0_EL1, SEL2),
	/* Activity monitors are not emulated, with or without EL2. */
	HIDE(ID_AA64PFR0_EL1, AMU),
	/* MPAM2_EL2, MPAMHCR_EL2 and the PARTID maps are not virtualised. */
	HIDE(ID_AA64PFR0_EL1, MPAM),
	HIDE(ID_AA64PFR1_EL1, MPAM_frac),
	/* Traps of AArch32 code are not forwarded: there is none, even at EL0. */
	FORCE(ID_AA64PFR0_EL1, EL0, IMP),
	FORCE(ID_AA64PFR0_EL1, EL1, IMP),
	FORCE(ID_AA64PFR0_EL1, EL2, IMP),
	FORCE(ID_AA64PFR0_EL1, EL3, IMP),

	/* PFAR_EL2 is not part of the vCPU. */
	HIDE(ID_AA64PFR1_EL1, PFAR),
	/* Stage 2 attributes for tags don't survive the merge of two stages. */
	HIDE(ID_AA64PFR1_EL1, MTE),
	HIDE(ID_AA64PFR1_EL1, MTE_frac),
	HIDE(ID_AA64PFR1_EL1, MTEX),
	HIDE(ID_AA64PFR2_EL1, MTEFAR),
	HIDE(ID_AA64PFR2_EL1, MTESTOREONLY),
	/* The check for protected descriptors is lost on shadow tables. */
	HIDE(ID_AA64PFR1_EL1, THE),
	/* No EL2 state for these: GCSCR_EL2, HCRX_EL2.TALLINT, SMCR_EL2. */
	HIDE(ID_AA64PFR1_EL1, GCS),
	HIDE(ID_AA64PFR1_EL1, NMI),
	HIDE(ID_AA64PFR1_EL1, SME),
	/* Unallocated: whatever it is going to be, it isn't virtualised. */
	HIDE_BITS(ID_AA64PFR1_EL1, 23, 20),

	/* A GICv5 has no virtual EL2 interface in KVM. */
	HIDE(ID_AA64PFR2_EL1, GCIE),

	/* KVM emulates exception entry and return, with synchronization. */
	HIDE(ID_AA64MMFR0_EL1, EXS),
	/* There is only one physical address space to be Secure in. */
	HIDE(ID_AA64MMFR0_EL1, SNSMEM),
	/* CNTPOFF_EL2 is the host's. */
	CAP(ID_AA64MMFR0_EL1, ECV, IMP),
	/* Before the granules, which look at it: see nv_id_tgran_2(). */
	RULE(ID_AA64MMFR0_EL1, PARANGE, nv_id_parange),
	RULE(ID_AA64MMFR0_EL1, TGRAN4_2, nv_id_tgran4_2),
	RULE(ID_AA64MMFR0_EL1, TGRAN16_2, nv_id_tgran16_2),
	RULE(ID_AA64MMFR0_EL1, TGRAN64_2, nv_id_tgran64_2),

	/* The extra permission check would have to look at L1's stage 2. */
	HIDE(ID_AA64MMFR1_EL1, CMOW),
	/* A shadow entry is a cached intermediate walk of L1's tables. */
	HIDE(ID_AA64MMFR1_EL1, nTLBPA),
	/* So are the ordering rules of a fault on L1's tables not hardware's. */
	HIDE(ID_AA64MMFR1_EL1, ETS),
	/*
	 * Software sets AF and the dirty state in L1's stage-2 tables, but AF
	 * in table descriptors only hardware could, which never walks them.
	 */
	CAP(ID_AA64MMFR1_EL1, HAFDBS, DBM),
	/* Asking for E2H=0 means to get nothing else. */
	{
		.reg	= SYS_ID_AA64MMFR1_EL1,
		.when	= E2H0_VM,
		.rule	= nv_id_force,
		.mask	= ID_AA64MMFR1_EL1_VH_MASK,
	},

	/* A shadow entry that changes size needs L1's break-before-make. */
	HIDE(ID_AA64MMFR2_EL1, BBM),
	/* The kernel's TLBI code uses it, whatever hardware makes of the hint. */
	FORCE(ID_AA64MMFR2_EL1, TTL, IMP),
	/* Unallocated, as above. */
	HIDE_BITS(ID_AA64MMFR2_EL1, 47, 44),
	/* The CCSIDR_EL1 that KVM makes up has the 32-bit format. */
	HIDE(ID_AA64MMFR2_EL1, CCIDX),
	/* 56-bit VAs come with 128-bit descriptors, which L1 does not get. */
	CAP(ID_AA64MMFR2_EL1, VARange, 52),

	/*
	 * L1 can nest in turn with VNCR_EL2 (FEAT_NV2) but not by trapping
	 * every access (FEAT_NV alone), and cannot have HCR_EL2.NV1 nor E2H=0.
	 * A VM that asked for E2H=0 can nest no further: MMFR2.NV is 0.
	 */
	WHOLE(E2H0_VM, ID_AA64MMFR4_EL1, 0),
	WHOLE(E2H1_VM, ID_AA64MMFR4_EL1,
	      FIELD_VALUE(ID_AA64MMFR4_EL1, NV_frac, NV2_ONLY) |
	      FIELD_VALUE(ID_AA64MMFR4_EL1, E2H0, NI_NV1)),

	/* Trace, profiling and their buffers belong to the host. */
	HIDE(ID_AA64DFR0_EL1, ExtTrcBuff),
	HIDE(ID_AA64DFR0_EL1, BRBE),
	HIDE(ID_AA64DFR0_EL1, TraceBuffer),
	HIDE(ID_AA64DFR0_EL1, TraceFilt),
	HIDE(ID_AA64DFR0_EL1, TraceVer),
	HIDE(ID_AA64DFR0_EL1, PMSVer),
	HIDE(ID_AA64DFR0_EL1, PMSS),
	/* The PMU is emulated, for one thread, without these. */
	HIDE(ID_AA64DFR0_EL1, MTPMU),
	HIDE(ID_AA64DFR0_EL1, SEBEP),
	/* Context-aware breakpoints would have to tell L1 from L2. */
	HIDE(ID_AA64DFR0_EL1, CTX_CMPs),
	/* MDSELR_EL1, MDSTEPOP_EL1 and their traps in FGT2 are not emulated. */
	CAP(ID_AA64DFR0_EL1, DebugVer, V8P8),
};

u64 limit_nv_id_reg(struct kvm *kvm, u32 reg, u64 val)
{
	bool e2h0 = test_bit(KVM_ARM_VCPU_HAS_EL2_E2H0, kvm->arch.vcpu_features);
	const struct nv_id_limit *row;

	for (row = nv_id_limits; row < ARRAY_END(nv_id_limits); row++) {
		if (row->reg != reg ||
		    (row->when == E2H0_VM && !e2h0) ||
		    (row->when == E2H1_VM && e2h0))
			continue;

		val = (val & ~row->mask) | (row->rule(row, val) & row->mask);
	}

	return val;
}

/**
 * struct nv_reg_masks - where the RES0 and RES1 bits of a register come from
 * @reg: the register
 * @compute: computes them from the VM's ID registers
 */
struct nv_reg_masks {
	enum vcpu_sysreg reg;
	struct resx (*compute)(struct kvm *kvm, enum vcpu_sysreg reg);
};

static struct resx resx_vttbr_el2(struct kvm *kvm, enum vcpu_sysreg reg)
{
	struct resx resx = {};

	if (!kvm_has_feat_enum(kvm, ID_AA64MMFR1_EL1, VMIDBits, 16))
		resx.res0 |= GENMASK_ULL(63, 56);
	if (!kvm_has_feat(kvm, ID_AA64MMFR2_EL1, CnP, IMP))
		resx.res0 |= VTTBR_CNP_BIT;

	return resx;
}

static struct resx resx_vmpidr_el2(struct kvm *kvm, enum vcpu_sysreg reg)
{
	return (struct resx) {
		.res0 = GENMASK_ULL(63, 40) | GENMASK_ULL(29, 25),
		.res1 = BIT_ULL(31),
	};
}

#define CNTHCTL_EVNTIS		BIT_ULL(17)
/* EL1PTEN, EL1PCTEN, EL0PTEN, EL0VTEN: there if E2H can be 1 */
#define CNTHCTL_VHE_ENABLES	GENMASK_ULL(11, 8)

static struct resx resx_cnthctl_el2(struct kvm *kvm, enum vcpu_sysreg reg)
{
	u64 res0 = GENMASK_ULL(63, 20);

	if (!kvm_has_feat(kvm, ID_AA64PFR0_EL1, RME, IMP))
		res0 |= CNTHCTL_CNTPMASK | CNTHCTL_CNTVMASK;
	if (!kvm_has_feat(kvm, ID_AA64MMFR0_EL1, ECV, CNTPOFF))
		res0 |= CNTHCTL_ECV;
	if (!kvm_has_feat(kvm, ID_AA64MMFR0_EL1, ECV, IMP))
		res0 |= CNTHCTL_EL1TVT | CNTHCTL_EL1TVCT | CNTHCTL_EL1NVPCT |
			CNTHCTL_EL1NVVCT | CNTHCTL_EVNTIS;
	if (!kvm_has_feat(kvm, ID_AA64MMFR1_EL1, VH, IMP))
		res0 |= CNTHCTL_VHE_ENABLES;

	return (struct resx) { .res0 = res0 };
}

static struct resx resx_ich_hcr_el2(struct kvm *kvm, enum vcpu_sysreg reg)
{
	/* Direct injection of virtual LPIs and SGIs is for L0 alone. */
	struct resx resx = {
		.res0 = ICH_HCR_EL2_RES0 | ICH_HCR_EL2_DVIM |
			ICH_HCR_EL2_vSGIEOICount,
		.res1 = ICH_HCR_EL2_RES1,
	};

	if (!(kvm_vgic_global_state.ich_vtr_el2 & ICH_VTR_EL2_TDS))
		resx.res0 |= ICH_HCR_EL2_TDIR;

	return resx;
}

static struct resx resx_vncr_el2(struct kvm *kvm, enum vcpu_sysreg reg)
{
	return (struct resx) {
		.res0 = VNCR_EL2_RES0,
		.res1 = VNCR_EL2_RES1,
	};
}

static struct resx resx_zcr_el2(struct kvm *kvm, enum vcpu_sysreg reg)
{
	/* RAZ/WI up to the architecture's maximum vector length. */
	return (struct resx) {
		.res0 = ZCR_ELx_RES0 | GENMASK_ULL(8, 4),
		.res1 = ZCR_ELx_RES1,
	};
}

/* NV1 exists only if HCR_EL2.E2H can be 0, and not even then for NI_NV1. */
static struct resx resx_hcr_el2(struct kvm *kvm, enum vcpu_sysreg reg)
{
	struct resx resx = get_reg_fixed_bits(kvm, reg);

	if (kvm_has_feat_enum(kvm, ID_AA64MMFR4_EL1, E2H0, NI_NV1))
		resx.res0 |= HCR_EL2_NV1;
	return resx;
}

/*
 * VTCR_EL2.DS and SL2 exist if any granule has the 52-bit format at stage 2.
 * The walk ignores them with a granule that does not (kvm_s2_configure()).
 */
static struct resx resx_vtcr_el2(struct kvm *kvm, enum vcpu_sysreg reg)
{
	struct resx resx = get_reg_fixed_bits(kvm, reg);
	struct kvm_s2_features feat;

	kvm_nested_s2_granules(kvm_read_vm_id_reg(kvm, SYS_ID_AA64MMFR0_EL1),
			       &feat);
	if (feat.lpa2)
		resx.res0 &= ~(VTCR_EL2_DS | VTCR_EL2_SL2);
	else
		resx.res0 |= VTCR_EL2_DS | VTCR_EL2_SL2;

	return resx;
}

static const struct nv_reg_masks nv_reg_masks[] = {
	{ HCR_EL2,	resx_hcr_el2 },
	/* The VM's configuration says everything about these. */
	{ HCRX_EL2,	get_reg_fixed_bits },
	{ HFGRTR_EL2,	get_reg_fixed_bits },
	{ HFGWTR_EL2,	get_reg_fixed_bits },
	{ HFGITR_EL2,	get_reg_fixed_bits },
	{ HDFGRTR_EL2,	get_reg_fixed_bits },
	{ HDFGWTR_EL2,	get_reg_fixed_bits },
	{ HAFGRTR_EL2,	get_reg_fixed_bits },
	{ HFGRTR2_EL2,	get_reg_fixed_bits },
	{ HFGWTR2_EL2,	get_reg_fixed_bits },
	{ HFGITR2_EL2,	get_reg_fixed_bits },
	{ HDFGRTR2_EL2,	get_reg_fixed_bits },
	{ HDFGWTR2_EL2,	get_reg_fixed_bits },
	{ SCTLR_EL1,	get_reg_fixed_bits },
	{ SCTLR_EL2,	get_reg_fixed_bits },
	{ SCTLR2_EL1,	get_reg_fixed_bits },
	{ SCTLR2_EL2,	get_reg_fixed_bits },
	{ TCR2_EL2,	get_reg_fixed_bits },
	{ MDCR_EL2,	get_reg_fixed_bits },
	{ VTCR_EL2,	resx_vtcr_el2 },
	/* Written without a trap: what L1 may not set has to go on reading. */
	{ VTTBR_EL2,	resx_vttbr_el2 },
	{ VMPIDR_EL2,	resx_vmpidr_el2 },
	{ VNCR_EL2,	resx_vncr_el2 },
	/* Merged with the host's: bits for features L1 lacks must be 0. */
	{ CNTHCTL_EL2,	resx_cnthctl_el2 },
	{ ICH_HCR_EL2,	resx_ich_hcr_el2 },
	{ ZCR_EL2,	resx_zcr_el2 },
};

/*
 * Until a vCPU has run, userspace can change the ID registers, even after a
 * KVM_RUN that failed: the masks follow.
 */
static int kvm_init_reg_masks(struct kvm *kvm)
{
	struct kvm_sysreg_masks *masks = kvm->arch.sysreg_masks;
	const struct nv_reg_masks *row;

	lockdep_assert_held(&kvm->arch.config_lock);

	if (masks && kvm_vm_has_ran_once(kvm))
		return 0;

	if (!masks)
		masks = kzalloc_obj(*masks, GFP_KERNEL_ACCOUNT);
	if (!masks)
		return -ENOMEM;

	for (row = nv_reg_masks; row < ARRAY_END(nv_reg_masks); row++)
		masks->mask[row->reg - __SANITISED_REG_START__] =
			row->compute(kvm, row->reg);

	/*
	 * Ordered before use by the address dependency in
	 * __kvm_get_sysreg_resx(): masks are complete, or not there.
	 */
	smp_store_release(&kvm->arch.sysreg_masks, masks);
	return 0;
}

int kvm_init_nv_sysregs(struct kvm_vcpu *vcpu)
{
	int sr, ret;

	ret = kvm_init_reg_masks(vcpu->kvm);
	if (ret)
		return ret;

	/* Userspace may have restored anything while there were no masks. */
	for (sr = __SANITISED_REG_START__; sr < NR_SYS_REGS; sr++)
		__vcpu_rmw_sys_reg(vcpu, sr, |=, 0);

	return 0;
}

/**
 * kvm_vcpu_apply_reg_masks() - apply the VM's RES0 and RES1 bits to a value
 * @vcpu: any vCPU, also without EL2
 * @sr: the register, at or above __SANITISED_REG_START__
 * @v: the value
 *
 * Return: the value with RES0 bits clear and RES1 bits set; @v before the
 *	   VM's first run, or without EL2.
 * Context: Any, VHE world switch included.
 */
u64 kvm_vcpu_apply_reg_masks(const struct kvm_vcpu *vcpu, enum vcpu_sysreg sr,
			     u64 v)
{
	struct resx resx = kvm_get_sysreg_resx(vcpu->kvm, sr);

	return (v & ~resx.res0) | resx.res1;
}
