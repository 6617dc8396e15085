// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_idregs - what an L1 hypervisor is told that it has, and that it is held to it
 *
 * Four tables of rows, each row a VM of its own:
 *  - fields that KVM limits for a VM with EL2: the reset value is within the limit, and userspace
 *    cannot raise it, to any value, nor does the attempt change anything;
 *  - fields that userspace may lower: L1 sees the new value, and VTCR_EL2 has no bits for more;
 *    nested_s2_geometry has what PARange means for T0SZ;
 *  - control bits of features that the VM lacks: they are RES0, whatever L1 or userspace writes.
 *    An L1 may read back what it wrote to such a bit, for FEAT_NV2 keeps the register in memory;
 *    KVM does not heed the bit, which KVM_GET_ONE_REG shows. A VM that has the feature has the
 *    bits, and another one loses them with it, if userspace may take it away;
 *  - relations between fields, and the rest.
 *
 * Seen to fail with: no upper limits (ID_AA64MMFR0_EL1.ECV was too high); no forced values
 * (ID_AA64DFR0_EL1.CTX_CMPs, ID_AA64MMFR4_EL1.E2H0); the masks of VTCR_EL2, or of HCR_EL2, not
 * applied, or kept from a KVM_RUN that failed; VTCR_EL2.{HA, HD} RES0 for a VM that has these.
 *
 * Userspace cannot take FEAT_VMID16 and FEAT_S2FWB away: what becomes of their bits only shows on a
 * host without them.
 *
 * No locking: one vCPU, and the host only acts while it does not run.
 */
#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall.h"

#include <asm/sysreg.h>

/**
 * struct limit - the most that KVM can virtualise for L1
 * @desc: register and field
 * @reg: register, SYS_*
 * @shift: of the field; all are unsigned
 * @max: largest value
 * @force: no other value is allowed at all
 * @ignored: userspace may write what the hardware has; it is ignored
 */
struct limit {
	const char *desc;
	u32 reg;
	u8 shift;
	u8 max;
	bool force;
	bool ignored;
};

#define HIDE(r, f)	{ "hidden: " #r "." #f, SYS_##r, r##_##f##_SHIFT, 0, true }
#define HIDE_IGN(r, f)	{ "hidden: " #r "." #f, SYS_##r, r##_##f##_SHIFT, 0, true, true }
#define HIDE_BITS(r, s)	{ "hidden: " #r "[" #s " + 3:" #s "]", SYS_##r, s, 0, true }
#define FORCE(r, f, v)									\
	{ "always " #v ": " #r "." #f, SYS_##r, r##_##f##_SHIFT, r##_##f##_##v, true }
#define CAP(r, f, v)									\
	{ "at most " #v ": " #r "." #f, SYS_##r, r##_##f##_SHIFT, r##_##f##_##v }

static const struct limit limits[] = {
	/* What L2 does has no syndrome, or names ELs that are not those of the CPU. */
	HIDE(ID_AA64ISAR1_EL1, LS64),
	HIDE(ID_AA64ISAR1_EL1, SPECRES),
	/* One security state, no granule protection, no AArch32 at any EL. */
	HIDE(ID_AA64PFR0_EL1, RME),
	HIDE(ID_AA64PFR0_EL1, SEL2),
	FORCE(ID_AA64PFR0_EL1, EL0, IMP),
	FORCE(ID_AA64PFR0_EL1, EL1, IMP),
	FORCE(ID_AA64PFR0_EL1, EL2, IMP),
	CAP(ID_AA64PFR0_EL1, EL3, IMP),
	/* EL2 registers of these are not part of the vCPU. */
	HIDE(ID_AA64PFR0_EL1, AMU),
	HIDE_IGN(ID_AA64PFR0_EL1, MPAM),
	HIDE_IGN(ID_AA64PFR1_EL1, MPAM_frac),
	HIDE(ID_AA64PFR1_EL1, PFAR),
	HIDE(ID_AA64PFR1_EL1, GCS),
	HIDE(ID_AA64PFR1_EL1, NMI),
	HIDE(ID_AA64PFR1_EL1, SME),
	HIDE(ID_AA64PFR2_EL1, GCIE),
	/* Unallocated: nobody knows. */
	HIDE_BITS(ID_AA64PFR1_EL1, 20),
	HIDE_BITS(ID_AA64MMFR2_EL1, 44),
	/* Attributes and checks of stage 2 that a merge of two stages would lose. */
	HIDE(ID_AA64PFR1_EL1, MTE),
	HIDE_IGN(ID_AA64PFR1_EL1, MTE_frac),
	HIDE(ID_AA64PFR1_EL1, MTEX),
	HIDE(ID_AA64PFR2_EL1, MTEFAR),
	HIDE(ID_AA64PFR2_EL1, MTESTOREONLY),
	HIDE(ID_AA64PFR1_EL1, THE),
	HIDE(ID_AA64MMFR1_EL1, CMOW),
	HIDE(ID_AA64MMFR1_EL1, nTLBPA),
	HIDE(ID_AA64MMFR1_EL1, ETS),
	HIDE(ID_AA64MMFR2_EL1, BBM),
	/* Exceptions that KVM emulates synchronize; CNTPOFF_EL2 and CCSIDR_EL1 are the host's. */
	HIDE(ID_AA64MMFR0_EL1, EXS),
	HIDE(ID_AA64MMFR0_EL1, SNSMEM),
	CAP(ID_AA64MMFR0_EL1, ECV, IMP),
	HIDE(ID_AA64MMFR2_EL1, CCIDX),
	/* Walks of L1's tables in software: no more than 52 bits, no AF in table descriptors. */
	CAP(ID_AA64MMFR0_EL1, PARANGE, 52),
	CAP(ID_AA64MMFR1_EL1, HAFDBS, DBM),
	CAP(ID_AA64MMFR2_EL1, VARange, 52),
	/* A hint that KVM makes use of by itself. */
	CAP(ID_AA64MMFR2_EL1, TTL, IMP),
	/* L1 has VHE, and no way not to; its L2 may be a hypervisor with FEAT_NV2, without NV1. */
	FORCE(ID_AA64MMFR1_EL1, VH, IMP),
	FORCE(ID_AA64MMFR4_EL1, E2H0, NI_NV1),
	CAP(ID_AA64MMFR4_EL1, NV_frac, NV2_ONLY),
	/* The others of this register are not for a VM that has EL2. */
	HIDE(ID_AA64MMFR4_EL1, PoPS),
	HIDE(ID_AA64MMFR4_EL1, EIESB),
	HIDE(ID_AA64MMFR4_EL1, ASID2),
	HIDE(ID_AA64MMFR4_EL1, HACDBS),
	HIDE(ID_AA64MMFR4_EL1, FGWTE3),
	HIDE(ID_AA64MMFR4_EL1, RMEGDI),
	HIDE(ID_AA64MMFR4_EL1, E3DSE),
	HIDE(ID_AA64MMFR4_EL1, SRMASK),
	/* Debug, trace and profiling. */
	HIDE(ID_AA64DFR0_EL1, ExtTrcBuff),
	HIDE(ID_AA64DFR0_EL1, BRBE),
	HIDE(ID_AA64DFR0_EL1, TraceBuffer),
	HIDE(ID_AA64DFR0_EL1, TraceFilt),
	HIDE(ID_AA64DFR0_EL1, TraceVer),
	HIDE(ID_AA64DFR0_EL1, PMSVer),
	HIDE(ID_AA64DFR0_EL1, PMSS),
	HIDE(ID_AA64DFR0_EL1, MTPMU),
	HIDE(ID_AA64DFR0_EL1, SEBEP),
	HIDE(ID_AA64DFR0_EL1, CTX_CMPs),
	CAP(ID_AA64DFR0_EL1, DebugVer, V8P8),
};

/* A value that userspace may choose, if the VM has more. */
struct lower {
	const char *desc;
	u32 reg;
	u8 shift;
	u8 value;
	bool granule;		/* TGRANx_2: any value but NI is more */
	u64 vtcr;		/* bits of VTCR_EL2 that are RES0 then */
};

#define LOWER(r, f, v, ...)								\
	{ "lowered to " #v ": " #r "." #f, SYS_##r, r##_##f##_SHIFT, r##_##f##_##v, __VA_ARGS__ }
#define NO_TGRAN(f)	{ "lowered to NI: ID_AA64MMFR0_EL1." #f, SYS_ID_AA64MMFR0_EL1,	\
			  ID_AA64MMFR0_EL1_##f##_SHIFT, ID_AA64MMFR0_EL1_##f##_NI, true }

static const struct lower lowers[] = {
	LOWER(ID_AA64MMFR0_EL1, PARANGE, 48),
	LOWER(ID_AA64MMFR0_EL1, PARANGE, 44),
	LOWER(ID_AA64MMFR0_EL1, PARANGE, 42),
	LOWER(ID_AA64MMFR0_EL1, PARANGE, 40),
	LOWER(ID_AA64MMFR0_EL1, PARANGE, 36),
	LOWER(ID_AA64MMFR0_EL1, PARANGE, 32),
	NO_TGRAN(TGRAN4_2),
	NO_TGRAN(TGRAN16_2),
	NO_TGRAN(TGRAN64_2),
	LOWER(ID_AA64MMFR0_EL1, ECV, NI),
	LOWER(ID_AA64MMFR1_EL1, HAFDBS, AF, .vtcr = VTCR_EL2_HD),
	LOWER(ID_AA64MMFR1_EL1, HAFDBS, NI, .vtcr = VTCR_EL2_HA | VTCR_EL2_HD),
	LOWER(ID_AA64MMFR2_EL1, ST, 39),
	LOWER(ID_AA64MMFR2_EL1, CnP, NI),
	LOWER(ID_AA64MMFR2_EL1, VARange, 48),
	LOWER(ID_AA64MMFR2_EL1, TTL, NI),
	LOWER(ID_AA64MMFR4_EL1, NV_frac, NV_NV2),
	LOWER(ID_AA64PFR0_EL1, EL3, NI),
	LOWER(ID_AA64DFR0_EL1, DebugVer, IMP),
};

/* Bits that are RES0 unless a field of an ID register has at least a value. */
struct res0 {
	const char *desc;
	u32 reg;
	u64 bits;
	u32 id;
	u8 shift;
	u8 least;
};

#define RES0(r, bits, id, f, v)								\
	{ "RES0 without " #id "." #f ": " #bits, SYS_##r, bits, SYS_##id, id##_##f##_SHIFT, v }

static const struct res0 res0s[] = {
	RES0(VTCR_EL2, VTCR_EL2_HA, ID_AA64MMFR1_EL1, HAFDBS, 1),
	RES0(VTCR_EL2, VTCR_EL2_HD, ID_AA64MMFR1_EL1, HAFDBS, 2),
	RES0(VTCR_EL2, VTCR_EL2_HAFT, ID_AA64MMFR1_EL1, HAFDBS, 3),
	RES0(VTCR_EL2, VTCR_EL2_VS, ID_AA64MMFR1_EL1, VMIDBits, 2),
	RES0(VTCR_EL2, VTCR_EL2_NSA | VTCR_EL2_NSW, ID_AA64PFR0_EL1, SEL2, 1),
	RES0(VTCR_EL2, VTCR_EL2_TL1 | VTCR_EL2_TL0 | VTCR_EL2_AssuredOnly, ID_AA64PFR1_EL1, THE, 1),
	RES0(VTCR_EL2, VTCR_EL2_GCSH, ID_AA64PFR1_EL1, GCS, 1),
	RES0(VTCR_EL2, VTCR_EL2_D128, ID_AA64MMFR3_EL1, D128, 1),
	RES0(VTCR_EL2, VTCR_EL2_S2POE, ID_AA64MMFR3_EL1, S2POE, 1),
	RES0(VTCR_EL2, VTCR_EL2_S2PIE, ID_AA64MMFR3_EL1, S2PIE, 1),
	RES0(HCR_EL2, HCR_EL2_TEA | HCR_EL2_TERR, ID_AA64PFR0_EL1, RAS, 1),
	RES0(HCR_EL2, HCR_EL2_FIEN, ID_AA64PFR0_EL1, RAS, 2),
	RES0(HCR_EL2, HCR_EL2_TLOR, ID_AA64MMFR1_EL1, LO, 1),
	RES0(HCR_EL2, HCR_EL2_FWB, ID_AA64MMFR2_EL1, FWB, 1),
	RES0(HCR_EL2, HCR_EL2_AMVOFFEN, ID_AA64PFR0_EL1, AMU, 2),
	RES0(HCR_EL2, HCR_EL2_ATA, ID_AA64PFR1_EL1, MTE, 2),
	RES0(HCR_EL2, HCR_EL2_TWEDEL | HCR_EL2_TWEDEn, ID_AA64MMFR1_EL1, TWED, 1),
	RES0(HCR_EL2, HCR_EL2_GPF, ID_AA64PFR0_EL1, RME, 1),
	RES0(HCR_EL2, HCR_EL2_NV2 | HCR_EL2_NV, ID_AA64MMFR4_EL1, NV_frac, 1),
	RES0(HCRX_EL2, HCRX_EL2_EnAS0 | HCRX_EL2_EnALS | HCRX_EL2_EnASR, ID_AA64ISAR1_EL1, LS64, 1),
	RES0(HCRX_EL2, HCRX_EL2_SMPME, ID_AA64PFR1_EL1, SME, 1),
	RES0(HCRX_EL2, HCRX_EL2_TALLINT | HCRX_EL2_VINMI | HCRX_EL2_VFNMI, ID_AA64PFR1_EL1, NMI, 1),
	RES0(HCRX_EL2, HCRX_EL2_CMOW, ID_AA64MMFR1_EL1, CMOW, 1),
	RES0(HCRX_EL2, HCRX_EL2_MCE2 | HCRX_EL2_MSCEn, ID_AA64ISAR2_EL1, MOPS, 1),
	RES0(HCRX_EL2, HCRX_EL2_TCR2En, ID_AA64MMFR3_EL1, TCRX, 1),
	RES0(HCRX_EL2, HCRX_EL2_SCTLR2En, ID_AA64MMFR3_EL1, SCTLRX, 1),
	RES0(HCRX_EL2, HCRX_EL2_PTTWI, ID_AA64PFR1_EL1, THE, 1),
	RES0(HCRX_EL2, HCRX_EL2_D128En, ID_AA64MMFR3_EL1, D128, 1),
	RES0(HCRX_EL2, HCRX_EL2_GCSEn, ID_AA64PFR1_EL1, GCS, 1),
};

#define REG_ID(reg)	KVM_ARM64_SYS_REG(reg)
#define NIBBLE		0xfUL

static unsigned int field(u64 val, u8 shift)
{
	return (val >> shift) & NIBBLE;
}

static u64 with_field(u64 val, u8 shift, u64 new)
{
	return (val & ~(NIBBLE << shift)) | new << shift;
}

/* L1 */

/* What L1 does next, and what it saw; guest globals. */
static struct {
	u64 hcr_set, hcrx_set, vtcr_set;	/* bits to set */
	u64 mmfr0, mmfr1, mmfr2, mmfr4, pfr0, dfr0;
} l1;

#define SYNC_SET	1
#define SYNC_RESTORED	2

static void l1_main(void)
{
	u64 hcr = read_sysreg(hcr_el2), hcrx = 0, vtcr = read_sysreg(vtcr_el2);
	bool has_hcrx;

	GUEST_ASSERT_EQ(get_current_el(), 2);
	l1.mmfr0 = read_sysreg_s(SYS_ID_AA64MMFR0_EL1);
	l1.mmfr1 = read_sysreg_s(SYS_ID_AA64MMFR1_EL1);
	l1.mmfr2 = read_sysreg_s(SYS_ID_AA64MMFR2_EL1);
	l1.mmfr4 = read_sysreg_s(SYS_ID_AA64MMFR4_EL1);
	l1.pfr0 = read_sysreg_s(SYS_ID_AA64PFR0_EL1);
	l1.dfr0 = read_sysreg_s(SYS_ID_AA64DFR0_EL1);
	has_hcrx = SYS_FIELD_GET(ID_AA64MMFR1_EL1, HCX, l1.mmfr1);

	write_sysreg(vtcr | l1.vtcr_set, vtcr_el2);
	if (has_hcrx) {
		hcrx = read_sysreg_s(SYS_HCRX_EL2);
		write_sysreg_s(hcrx | l1.hcrx_set, SYS_HCRX_EL2);
	}
	write_sysreg(hcr | l1.hcr_set, hcr_el2);
	isb();
	GUEST_SYNC(SYNC_SET);

	write_sysreg(hcr, hcr_el2);
	if (has_hcrx)
		write_sysreg_s(hcrx, SYS_HCRX_EL2);
	write_sysreg(vtcr, vtcr_el2);
	isb();
	GUEST_SYNC(SYNC_RESTORED);
	GUEST_DONE();
}

/* Host */

static bool run_to(struct kvm_vcpu *vcpu, u64 stage)
{
	const char *reason = NULL;
	struct ucall uc;

	return nested_run_vcpu(vcpu, &uc, &reason) == NESTED_SYNC &&
	       nested_check("stage of L1", uc.args[1], stage, ~0UL);
}

/* Userspace must not get @val into @reg. */
static bool refused(struct kvm_vcpu *vcpu, const struct limit *limit, u64 val)
{
	u64 before = vcpu_get_reg(vcpu, REG_ID(limit->reg));
	int ret = __vcpu_set_reg(vcpu, REG_ID(limit->reg), val), err = errno;
	bool ok = true;

	if (ret || !limit->ignored) {
		ok &= nested_check("KVM_SET_ONE_REG", ret, -1, ~0UL);
		ok &= nested_check("errno", ret ? err : 0, EINVAL, ~0UL);
	}
	ok &= nested_check("value afterwards", vcpu_get_reg(vcpu, REG_ID(limit->reg)), before,
			   ~0UL);
	if (!ok)
		ksft_print_msg("wrote %u to the field\n", field(val, limit->shift));

	return ok;
}

static int run_limit(struct kvm_vcpu *vcpu, const struct limit *limit)
{
	u64 reset = vcpu_get_reg(vcpu, REG_ID(limit->reg)), v;
	unsigned int now = field(reset, limit->shift);
	bool ok = true;

	if (now > limit->max || (limit->force && now != limit->max)) {
		ksft_print_msg("reset value is %u, the limit %u\n", now, limit->max);
		ok = false;
	}
	for (v = 0; v <= NIBBLE; v++)
		if (v > now || (limit->force && v != now))
			ok &= refused(vcpu, limit, with_field(reset, limit->shift, v));

	return ok ? NESTED_PASS : NESTED_FAIL;
}

static u64 l1_saw(u32 reg)
{
	switch (reg) {
	case SYS_ID_AA64MMFR0_EL1:
		return l1.mmfr0;
	case SYS_ID_AA64MMFR1_EL1:
		return l1.mmfr1;
	case SYS_ID_AA64MMFR2_EL1:
		return l1.mmfr2;
	case SYS_ID_AA64MMFR4_EL1:
		return l1.mmfr4;
	case SYS_ID_AA64PFR0_EL1:
		return l1.pfr0;
	default:
		return l1.dfr0;
	}
}

static int run_lower(struct kvm_vcpu *vcpu, const struct lower *lower, const char **reason)
{
	u64 reset = vcpu_get_reg(vcpu, REG_ID(lower->reg));
	u64 val = with_field(reset, lower->shift, lower->value);
	unsigned int now = field(reset, lower->shift);
	bool ok;

	if (lower->granule ? now == lower->value : now <= lower->value) {
		*reason = "the VM has no more than that";
		return NESTED_SKIP;
	}

	ok = nested_check("KVM_SET_ONE_REG", __vcpu_set_reg(vcpu, REG_ID(lower->reg), val), 0,
			  ~0UL);
	ok &= nested_check("value afterwards", vcpu_get_reg(vcpu, REG_ID(lower->reg)), val, ~0UL);
	l1.vtcr_set = lower->vtcr;
	sync_global_to_guest(vcpu->vm, l1);
	ok &= run_to(vcpu, SYNC_SET);
	sync_global_from_guest(vcpu->vm, l1);
	ok &= nested_check("bits of VTCR_EL2", vcpu_get_reg(vcpu, REG_ID(SYS_VTCR_EL2)), 0,
			   lower->vtcr);
	ok &= nested_check("value that L1 sees", l1_saw(lower->reg), val, ~0UL);

	/* Neither back, nor to something else. */
	ok &= nested_check("KVM_SET_ONE_REG later",
			   __vcpu_set_reg(vcpu, REG_ID(lower->reg), reset) ? errno : 0, EBUSY,
			   ~0UL);
	ok &= nested_check("value at last", vcpu_get_reg(vcpu, REG_ID(lower->reg)), val, ~0UL);

	return ok ? NESTED_PASS : NESTED_FAIL;
}

/* A VM that has the feature has the bits. */
static bool has_bits(const struct res0 *res0)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	u64 val;
	bool ok;

	vm = nested_vm_create(1, l1_main, &vcpu);
	ok = run_to(vcpu, SYNC_SET) && run_to(vcpu, SYNC_RESTORED);
	val = vcpu_get_reg(vcpu, REG_ID(res0->reg)) & ~res0->bits;
	vcpu_set_reg(vcpu, REG_ID(res0->reg), val | res0->bits);
	ok &= nested_check("with the feature", vcpu_get_reg(vcpu, REG_ID(res0->reg)),
			   res0->bits, res0->bits);
	vcpu_set_reg(vcpu, REG_ID(res0->reg), val);
	ok &= nested_check("and clear", vcpu_get_reg(vcpu, REG_ID(res0->reg)), 0, res0->bits);
	kvm_vm_free(vm);

	return ok;
}

/* The feature is not there, or is no more. */
static int take_feature(struct kvm_vcpu *vcpu, const struct res0 *res0, const char **reason)
{
	u64 id = vcpu_get_reg(vcpu, REG_ID(res0->id)), val;
	/* There are VMIDs of 8 and of 16 bits: VMIDBits is 0 or 2. */
	u8 less = res0->least == 2 && res0->id == SYS_ID_AA64MMFR1_EL1 &&
		  res0->shift == ID_AA64MMFR1_EL1_VMIDBits_SHIFT ? 0 : res0->least - 1;
	int ret;

	if (field(id, res0->shift) < res0->least)
		return NESTED_PASS;
	if (!has_bits(res0))
		return NESTED_FAIL;

	val = with_field(id, res0->shift, less);
	ret = __vcpu_set_reg(vcpu, REG_ID(res0->id), val) ? errno : 0;
	if (!ret)
		return nested_check("lowered", vcpu_get_reg(vcpu, REG_ID(res0->id)), val, ~0UL) ?
		       NESTED_PASS : NESTED_FAIL;
	if (!nested_check("errno", ret, EINVAL, ~0UL) ||
	    !nested_check("value afterwards", vcpu_get_reg(vcpu, REG_ID(res0->id)), id, ~0UL))
		return NESTED_FAIL;

	*reason = "the VM has the feature, and the bits; userspace cannot take it away";
	return NESTED_SKIP;
}

static int run_res0(struct kvm_vcpu *vcpu, const struct res0 *res0, const char **reason)
{
	int ret = take_feature(vcpu, res0, reason);
	bool ok;
	u64 val;

	if (ret != NESTED_PASS)
		return ret;
	if (res0->reg == SYS_HCRX_EL2 &&
	    !SYS_FIELD_GET(ID_AA64MMFR1_EL1, HCX,
			   vcpu_get_reg(vcpu, REG_ID(SYS_ID_AA64MMFR1_EL1)))) {
		*reason = "the VM has no FEAT_HCX";
		return NESTED_SKIP;
	}

	l1.hcr_set = res0->reg == SYS_HCR_EL2 ? res0->bits : 0;
	l1.hcrx_set = res0->reg == SYS_HCRX_EL2 ? res0->bits : 0;
	l1.vtcr_set = res0->reg == SYS_VTCR_EL2 ? res0->bits : 0;
	sync_global_to_guest(vcpu->vm, l1);

	ok = run_to(vcpu, SYNC_SET);
	val = vcpu_get_reg(vcpu, REG_ID(res0->reg));
	ok &= nested_check("bits that L1 has set", val, 0, res0->bits);
	ok &= run_to(vcpu, SYNC_RESTORED);
	vcpu_set_reg(vcpu, REG_ID(res0->reg), val | res0->bits);
	ok &= nested_check("bits that userspace has set", vcpu_get_reg(vcpu, REG_ID(res0->reg)),
			   val, ~0UL);

	return ok ? NESTED_PASS : NESTED_FAIL;
}

static int run_e2h1(struct kvm_vcpu *vcpu, const char **reason)
{
	u64 mmfr4 = vcpu_get_reg(vcpu, REG_ID(SYS_ID_AA64MMFR4_EL1));
	u64 mmfr1 = vcpu_get_reg(vcpu, REG_ID(SYS_ID_AA64MMFR1_EL1));
	bool ok;

	ok = nested_check("E2H0", SYS_FIELD_GET(ID_AA64MMFR4_EL1, E2H0, mmfr4),
			  ID_AA64MMFR4_EL1_E2H0_NI_NV1, ~0UL);
	ok &= nested_check("NV_frac", SYS_FIELD_GET(ID_AA64MMFR4_EL1, NV_frac, mmfr4),
			   ID_AA64MMFR4_EL1_NV_frac_NV2_ONLY, ~0UL);
	ok &= nested_check("VH", SYS_FIELD_GET(ID_AA64MMFR1_EL1, VH, mmfr1),
			   ID_AA64MMFR1_EL1_VH_IMP, ~0UL);

	/* E2H is RES1 then, and NV1 RES0. */
	ok &= run_to(vcpu, SYNC_SET);
	vcpu_set_reg(vcpu, REG_ID(SYS_HCR_EL2), HCR_EL2_NV1);
	ok &= nested_check("HCR_EL2", vcpu_get_reg(vcpu, REG_ID(SYS_HCR_EL2)), HCR_EL2_E2H,
			   HCR_EL2_E2H | HCR_EL2_NV1);

	return ok ? NESTED_PASS : NESTED_FAIL;
}

static int run_e2h0(struct kvm_vcpu *vcpu, const char **reason)
{
	struct kvm_vcpu_init init;
	struct kvm_vm *vm;
	u64 mmfr1, mmfr2;
	bool ok;
	int ret;

	if (!kvm_check_cap(KVM_CAP_ARM_EL2_E2H0)) {
		*reason = "the host has no VMs with E2H=0 (KVM_CAP_ARM_EL2_E2H0)";
		return NESTED_SKIP;
	}
	vm = vm_create(1);
	kvm_get_default_vcpu_target(vm, &init);
	init.features[0] |= BIT(KVM_ARM_VCPU_HAS_EL2) | BIT(KVM_ARM_VCPU_HAS_EL2_E2H0);
	vcpu = aarch64_vcpu_add(vm, 0, &init, l1_main);
	mmfr1 = vcpu_get_reg(vcpu, REG_ID(SYS_ID_AA64MMFR1_EL1));
	mmfr2 = vcpu_get_reg(vcpu, REG_ID(SYS_ID_AA64MMFR2_EL1));
	ok = nested_check("ID_AA64MMFR4_EL1", vcpu_get_reg(vcpu, REG_ID(SYS_ID_AA64MMFR4_EL1)), 0,
			  ID_AA64MMFR4_EL1_E2H0 | ID_AA64MMFR4_EL1_NV_frac);
	ok &= nested_check("ID_AA64MMFR1_EL1.VH", mmfr1, 0, ID_AA64MMFR1_EL1_VH);
	ok &= nested_check("ID_AA64MMFR2_EL1.NV", mmfr2, 0, ID_AA64MMFR2_EL1_NV);
	ret = __vcpu_set_reg(vcpu, REG_ID(SYS_ID_AA64MMFR1_EL1),
			     with_field(mmfr1, ID_AA64MMFR1_EL1_VH_SHIFT, 1)) ? errno : 0;
	ok &= nested_check("errno of VH = 1", ret, EINVAL, ~0UL);
	ret = __vcpu_set_reg(vcpu, REG_ID(SYS_ID_AA64MMFR4_EL1),
			     SYS_FIELD_PREP_ENUM(ID_AA64MMFR4_EL1, NV_frac, NV2_ONLY)) ? errno : 0;
	ok &= nested_check("errno of NV_frac = 1", ret, EINVAL, ~0UL);
	ok &= nested_check("VH", vcpu_get_reg(vcpu, REG_ID(SYS_ID_AA64MMFR1_EL1)), mmfr1, ~0UL);
	ok &= nested_check("NV_frac", vcpu_get_reg(vcpu, REG_ID(SYS_ID_AA64MMFR4_EL1)), 0, ~0UL);
	kvm_vm_free(vm);

	return ok ? NESTED_PASS : NESTED_FAIL;
}

/* A shadow entry cannot be smaller than a page of the host; and that one there has to be. */
static int run_granules(struct kvm_vcpu *vcpu, const char **reason)
{
	unsigned int shift, page_shift = __builtin_ctzl(getpagesize());
	bool ok = true;

	for (shift = 12; shift <= 16; shift += 2) {
		ksft_print_msg("granule of %u bits: %ssupported%s\n", shift,
			       s2_granule_supported(shift) ? "" : "not ",
			       s2_granule_large(shift) ? ", 52 bits" : "");
		if (shift <= page_shift)
			ok &= nested_check("granule is there", s2_granule_supported(shift),
					   shift == page_shift, ~0UL);
	}

	return ok ? NESTED_PASS : NESTED_FAIL;
}

/* 52_BIT formats are FEAT_LPA2, which goes with 52-bit addresses. */
static int run_lpa2(struct kvm_vcpu *vcpu, const char **reason)
{
	u64 mmfr0 = nested_mmfr0();
	bool lpa2 = SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4_2, mmfr0) ==
		    ID_AA64MMFR0_EL1_TGRAN4_2_52_BIT ||
		    SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN16_2, mmfr0) ==
		    ID_AA64MMFR0_EL1_TGRAN16_2_52_BIT;
	u64 bits = VTCR_EL2_DS | VTCR_EL2_SL2;
	bool ok = true;

	if (lpa2)
		ok &= nested_check("PARange with 52_BIT granules", nested_pa_bits(), 52, ~0UL);
	ok &= nested_check("64K granule has no 52_BIT", SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN64_2,
								      mmfr0) > 2, 0, ~0UL);

	l1.vtcr_set = bits;
	sync_global_to_guest(vcpu->vm, l1);
	ok &= run_to(vcpu, SYNC_SET);
	ok &= nested_check("VTCR_EL2.{DS, SL2}", vcpu_get_reg(vcpu, REG_ID(SYS_VTCR_EL2)),
			   lpa2 ? bits : 0, bits);

	return ok ? NESTED_PASS : NESTED_FAIL;
}

static int run_res1(struct kvm_vcpu *vcpu, const char **reason)
{
	bool ok = run_to(vcpu, SYNC_SET);

	vcpu_set_reg(vcpu, REG_ID(SYS_VTCR_EL2), 0);
	ok &= nested_check("VTCR_EL2", vcpu_get_reg(vcpu, REG_ID(SYS_VTCR_EL2)), BIT(31), ~0UL);

	return ok ? NESTED_PASS : NESTED_FAIL;
}

/* After the first run: the same value is accepted (a restore), another one is not. */
static int run_immutable(struct kvm_vcpu *vcpu, const char **reason)
{
	bool ok = run_to(vcpu, SYNC_SET);
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		u64 id = REG_ID(limits[i].reg), val = vcpu_get_reg(vcpu, id);
		u64 other = val ^ 1UL << limits[i].shift;

		/* See struct limit: the kernel drops what it ignores before it compares. */
		if (limits[i].ignored)
			continue;
		/* -EINVAL is for what could not be at any time. */
		ret = __vcpu_set_reg(vcpu, id, other) ? errno : 0;
		if (!nested_check("another one", ret == EBUSY || ret == EINVAL, true, ~0UL) ||
		    !nested_check("same value", __vcpu_set_reg(vcpu, id, val), 0, ~0UL) ||
		    !nested_check("value afterwards", vcpu_get_reg(vcpu, id), val, ~0UL)) {
			ksft_print_msg("%s\n", limits[i].desc);
			ok = false;
		}
	}

	return ok ? NESTED_PASS : NESTED_FAIL;
}

/* A KVM_RUN that fails does not count: without its initialisation, a PMU makes it fail. */
static int run_failed(struct kvm_vcpu *unused, const char **reason)
{
	struct kvm_vcpu_init init;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int irq = 23;
	u64 mmfr1;
	bool ok;

	if (!kvm_check_cap(KVM_CAP_ARM_PMU_V3)) {
		*reason = "the host has no PMU for VMs";
		return NESTED_SKIP;
	}
	vm = vm_create(1);
	kvm_get_default_vcpu_target(vm, &init);
	init.features[0] |= BIT(KVM_ARM_VCPU_HAS_EL2) | BIT(KVM_ARM_VCPU_PMU_V3);
	vcpu = aarch64_vcpu_add(vm, 0, &init, l1_main);
	kvm_arch_vm_finalize_vcpus(vm);
	ok = nested_check("errno of KVM_RUN", _vcpu_run(vcpu) ? errno : 0, EINVAL, ~0UL);

	mmfr1 = vcpu_get_reg(vcpu, REG_ID(SYS_ID_AA64MMFR1_EL1));
	vcpu_set_reg(vcpu, REG_ID(SYS_ID_AA64MMFR1_EL1), mmfr1 & ~ID_AA64MMFR1_EL1_HAFDBS);
	vcpu_device_attr_set(vcpu, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_IRQ, &irq);
	vcpu_device_attr_set(vcpu, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_INIT, NULL);
	l1.vtcr_set = VTCR_EL2_HA | VTCR_EL2_HD;
	sync_global_to_guest(vm, l1);
	ok &= run_to(vcpu, SYNC_SET);
	ok &= nested_check("VTCR_EL2.{HA, HD}", vcpu_get_reg(vcpu, REG_ID(SYS_VTCR_EL2)), 0,
			   l1.vtcr_set);
	kvm_vm_free(vm);

	return ok ? NESTED_PASS : NESTED_FAIL;
}

static const struct {
	const char *desc;
	int (*run)(struct kvm_vcpu *vcpu, const char **reason);
} others[] = {
	{ "E2H is RES1, NV2 only", run_e2h1 },
	{ "a VM with E2H=0 has no VHE and no NV", run_e2h0 },
	{ "stage-2 granules and the host's page size", run_granules },
	{ "52-bit granules, PARange and VTCR_EL2.{DS, SL2}", run_lpa2 },
	{ "VTCR_EL2 has its RES1 bit, and nothing else by itself", run_res1 },
	{ "nothing changes after the first run", run_immutable },
	{ "what is lowered after a run that failed", run_failed },
};

/* Where the rows of each table begin. */
#define LOWERS		ARRAY_SIZE(limits)
#define RES0S		(LOWERS + ARRAY_SIZE(lowers))
#define OTHERS		(RES0S + ARRAY_SIZE(res0s))

static int run_row(unsigned int n, const char **reason)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int ret;

	vm = nested_vm_create(1, l1_main, &vcpu);
	if (n < LOWERS)
		ret = run_limit(vcpu, &limits[n]);
	else if (n < RES0S)
		ret = run_lower(vcpu, &lowers[n - LOWERS], reason);
	else if (n < OTHERS)
		ret = run_res0(vcpu, &res0s[n - RES0S], reason);
	else
		ret = others[n - OTHERS].run(vcpu, reason);

	kvm_vm_free(vm);
	return ret;
}

static const char *row_desc(unsigned int n)
{
	if (n < LOWERS)
		return limits[n].desc;
	if (n < RES0S)
		return lowers[n - LOWERS].desc;

	return n < OTHERS ? res0s[n - RES0S].desc : others[n - OTHERS].desc;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_idregs",
		.nr_rows = OTHERS + ARRAY_SIZE(others),
		.desc = row_desc, .run = run_row,
	};

	return nested_main(argc, argv, &suite);
}
