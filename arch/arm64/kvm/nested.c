// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization: the stage-2 translation that L1 gives to L2.
 *
 * VTCR_EL2 and VTTBR_EL2 are turned into a validated configuration, and a
 * nested IPA is walked through the tables that L1 has built, to a canonical
 * IPA or to the fault that hardware would report. Parts, in the order of the
 * Arm ARM's AArch64.S2Translate():
 *
 *	configure	granule, T0SZ, start level, output size, base
 *	start		input range, which no table is read for
 *	descend		ptwalk.c, common to both stages
 *	judge the leaf	output size, Access flag, memory type, permissions
 *	update		Access flag and dirty state, by compare-and-swap
 *
 * All limits follow from the physical address size that the *VM* implements
 * (its ID_AA64MMFR0_EL1.PARange), never from the size of the input.
 *
 * Pure: no vCPU, no locks, no system registers (see nested/walk.h). What the
 * rest of KVM calls is in nested/stage2.c; the shadow tables that cache the
 * outcome are in nested/shadow.c.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/types.h>

#include <asm/sysreg.h>

#include "nested/walk.h"

#define S2_DESC_MEMATTR_DEVICE		GENMASK_ULL(5, 4)
#define S2_DESC_MEMATTR_FWB		GENMASK_ULL(4, 2)
#define S2_DESC_MEMATTR_FWB_NORMAL	BIT_ULL(4)
#define S2_DESC_MEMATTR_FWB_WB		(BIT_ULL(4) | BIT_ULL(3))
#define S2_DESC_S2AP_R			BIT_ULL(6)
#define S2_DESC_S2AP_W			BIT_ULL(7)
#define S2_DESC_AF			BIT_ULL(10)
#define S2_DESC_DBM			BIT_ULL(51)
#define S2_DESC_XN			GENMASK_ULL(54, 53)
#define S2_DESC_XN1			BIT_ULL(54)

/* Up to 16 tables are concatenated at the start level: 4 more index bits. */
#define S2_CONCAT_BITS			4

/* SL0 has no start level for this encoding. */
#define S2_SL_INVALID			(-2)

/**
 * kvm_s2_granule() - decode VTCR_EL2.TG0
 * @vtcr: VTCR_EL2
 * @feat: what the VM's ID registers promise
 *
 * A reserved encoding, or a granule that the VM does not have, behaves as an
 * IMPLEMENTATION DEFINED choice among those that it has: see @feat->bad_tg.
 *
 * Return: log2 of the granule.
 * Context: any.
 */
u8 kvm_s2_granule(u64 vtcr, const struct kvm_s2_features *feat)
{
	static const u8 tg0_shift[] = {
		[VTCR_EL2_TG0_4K] = 12,
		[VTCR_EL2_TG0_64K] = 16,
		[VTCR_EL2_TG0_16K] = 14,
		[3] = 0,
	};

	return kvm_pt_granule(tg0_shift[FIELD_GET(VTCR_EL2_TG0_MASK, vtcr)],
			      feat->gran, feat->bad_tg);
}

/* The 4K formats of SL2:SL0; AArch64.S2InvalidSL() and AArch64.S2StartLevel(). */
static s8 s2_start_level_4k(u8 sl0, bool sl2, const struct kvm_s2_features *feat)
{
	if (sl2)
		return sl0 == 0 && feat->pa_bits >= KVM_PT_PA_BITS_LARGE ?
		       -1 : S2_SL_INVALID;

	switch (sl0) {
	case 0:
		return 2;
	case 1:
		return 1;
	case 2:
		return feat->pa_bits >= 44 ? 0 : S2_SL_INVALID;
	default:
		return feat->ttst ? 3 : S2_SL_INVALID;
	}
}

static s8 s2_start_level(u8 pgshift, u64 vtcr, bool ds,
			 const struct kvm_s2_features *feat)
{
	u8 sl0 = FIELD_GET(VTCR_EL2_SL0_MASK, vtcr);

	/* SL2 belongs to the 4K formats; the others ignore it. */
	if (pgshift == 12)
		return s2_start_level_4k(sl0, ds && (vtcr & VTCR_EL2_SL2), feat);

	switch (sl0) {
	case 0:
	case 1:
		return KVM_PT_LAST_LEVEL - sl0;
	case 2:
		return feat->pa_bits >= (pgshift == 14 ? 42 : 44) ?
		       1 : S2_SL_INVALID;
	default:
		/* 16K only, and only with 52-bit addresses */
		return pgshift == 14 && ds &&
		       feat->pa_bits >= KVM_PT_PA_BITS_LARGE ?
		       0 : S2_SL_INVALID;
	}
}

/*
 * T0SZ outside its limits is a fault with FEAT_LPA, and IMPLEMENTATION DEFINED
 * between a fault and the limit itself without; above the maximum always the
 * latter. The fault is the answer that a hypervisor finds soonest.
 */
static bool s2_t0sz_valid(u8 t0sz, u8 pgshift, bool ds,
			  const struct kvm_s2_features *feat)
{
	u8 max_ia = KVM_PT_PA_BITS_BASE, max_t0sz = 39;

	if (pgshift == 16 || ds)
		max_ia = KVM_PT_PA_BITS_LARGE;
	if (feat->ttst)
		max_t0sz = pgshift == 16 ? 47 : 48;

	return t0sz >= 64 - min(feat->pa_bits, max_ia) && t0sz <= max_t0sz;
}

/*
 * AArch64.S2InconsistentSL(): the start level resolves at least one bit of the
 * input, and at most a full table's worth plus concatenation.
 */
static bool s2_start_level_fits(u8 pgshift, s8 level, u8 ia_bits)
{
	u8 min_ia = kvm_pt_level_shift(pgshift, level) + 1;
	u8 max_ia = min_ia + (pgshift - 3 - 1) + S2_CONCAT_BITS;

	return ia_bits >= min_ia && ia_bits <= max_ia;
}

/* The shape of the tables; false if there is none that can be walked. */
static bool s2_configure_geom(const struct kvm_s2_regs *regs,
			      const struct kvm_s2_features *feat,
			      struct kvm_pt_geom *geom)
{
	u8 t0sz = FIELD_GET(VTCR_EL2_T0SZ_MASK, regs->vtcr);

	geom->pgshift = kvm_s2_granule(regs->vtcr, feat);
	geom->ds = (feat->lpa2 & BIT(geom->pgshift)) &&
		   (regs->vtcr & VTCR_EL2_DS);

	if (!s2_t0sz_valid(t0sz, geom->pgshift, geom->ds, feat))
		return false;
	geom->ia_bits = 64 - t0sz;

	geom->start_level = s2_start_level(geom->pgshift, regs->vtcr, geom->ds,
					   feat);
	if (geom->start_level == S2_SL_INVALID ||
	    !s2_start_level_fits(geom->pgshift, geom->start_level, geom->ia_bits))
		return false;

	kvm_pt_set_output(geom, regs->vttbr,
			  FIELD_GET(VTCR_EL2_PS_MASK, regs->vtcr),
			  feat->pa_bits);
	return true;
}

/**
 * kvm_s2_configure() - validate L1's stage-2 configuration
 * @regs: the registers, as they are
 * @feat: what the VM's ID registers promise
 * @cfg: the configuration; @cfg->bad if a walk can only fault at level 0
 *
 * Context: any.
 */
void kvm_s2_configure(const struct kvm_s2_regs *regs,
		      const struct kvm_s2_features *feat,
		      struct kvm_s2_config *cfg)
{
	struct kvm_pt_geom *geom = &cfg->geom;

	if (regs->off) {
		*cfg = (struct kvm_s2_config) { .off = true };
		return;
	}

	*cfg = (struct kvm_s2_config) {
		.ha	= feat->haf && (regs->vtcr & VTCR_EL2_HA),
		.xnx	= feat->xnx,
		.ptw	= regs->ptw,
		.fwb	= regs->fwb,
		.cd	= regs->cd,
		.sh	= FIELD_GET(VTCR_EL2_SH0_MASK, regs->vtcr),
		.geom	= {
			.stage		= 2,
			.big_endian	= regs->big_endian,
			.lpa		= feat->pa_bits >= KVM_PT_PA_BITS_LARGE,
		},
	};
	/* HD and HAFT do nothing without HA. */
	cfg->hd = cfg->ha && feat->hdbs && (regs->vtcr & VTCR_EL2_HD);
	geom->haft = cfg->ha && feat->haft && (regs->vtcr & VTCR_EL2_HAFT);
	cfg->bad = !s2_configure_geom(regs, feat, geom);
}

static bool s2_access_is_ttw(enum kvm_access_type type)
{
	return type == KVM_ACC_TTW || type == KVM_ACC_TTW_UPDATE;
}

/*
 * The type that the check of alignment and HCR_EL2.PTW are about. Without
 * FEAT_S2FWB it is that of stage 2 alone: stage 1 has judged its own. With it,
 * AArch64.S2ApplyFWBMemAttrs() has made one of both before the check.
 */
static bool s2_is_device(const struct kvm_s2_config *cfg, u64 desc,
			 const struct kvm_access *acc)
{
	if (!cfg->fwb)
		return !(desc & S2_DESC_MEMATTR_DEVICE);
	if (!(desc & S2_DESC_MEMATTR_FWB_NORMAL))
		return true;

	return acc->s1_device &&
	       (desc & S2_DESC_MEMATTR_FWB) != S2_DESC_MEMATTR_FWB_WB;
}

static void s2_decode_attrs(const struct kvm_s2_config *cfg, u64 desc,
			    const struct kvm_access *acc,
			    struct kvm_s2_result *res)
{
	u8 xn = FIELD_GET(S2_DESC_XN, desc);

	res->readable = desc & S2_DESC_S2AP_R;
	res->writable = desc & S2_DESC_S2AP_W;
	res->dirty_managed = cfg->hd && (desc & S2_DESC_DBM);

	/* XN[1:0]: 00 both execute, 01 EL0 only, 10 none, 11 EL1 only. */
	if (cfg->xnx) {
		res->exec_el0 = xn == 0 || xn == 1;
		res->exec_el1 = xn == 0 || xn == 3;
	} else {
		res->exec_el0 = !(desc & S2_DESC_XN1);
		res->exec_el1 = !(desc & S2_DESC_XN1);
	}

	res->device = s2_is_device(cfg, desc, acc);
}

/* AArch64.S2CheckPermissions(); *write tells which half of an access failed. */
static bool s2_permits(const struct kvm_s2_config *cfg,
		       const struct kvm_s2_result *res,
		       const struct kvm_access *acc, bool *write)
{
	*write = false;

	if (acc->type == KVM_ACC_EXEC)
		return acc->el0 ? res->exec_el0 : res->exec_el1;

	if (s2_access_is_ttw(acc->type) && cfg->ptw && res->device)
		return false;

	if (kvm_access_reads(acc->type) && !res->readable)
		return false;

	if (kvm_access_writes(acc->type) &&
	    !res->writable && !res->dirty_managed) {
		*write = true;
		return false;
	}

	return true;
}

/* The descriptor as hardware management of AF and dirty state leaves it. */
static u64 s2_updated_desc(const struct kvm_s2_config *cfg, u64 desc,
			   const struct kvm_access *acc)
{
	if (cfg->ha)
		desc |= S2_DESC_AF;

	if (cfg->hd && (desc & S2_DESC_DBM) && kvm_access_dirties(acc->type))
		desc |= S2_DESC_S2AP_W;

	return desc;
}

static int s2_judge_leaf(const struct kvm_s2_config *cfg, u64 ipa,
			 const struct kvm_access *acc,
			 struct kvm_s2_result *res, struct kvm_walk_fault *fault)
{
	const struct kvm_pt_leaf *leaf = &res->leaf;
	enum kvm_fault_kind kind;
	bool write;
	int ret;

	ret = kvm_pt_output(&cfg->geom, leaf, ipa, &res->oa, fault);
	if (ret)
		return ret;

	s2_decode_attrs(cfg, leaf->desc, acc, res);

	if (!cfg->ha && !(leaf->desc & S2_DESC_AF))
		kind = KVM_FAULT_ACCESS_FLAG;
	else if (acc->unaligned && acc->type != KVM_ACC_EXEC && res->device)
		kind = KVM_FAULT_ALIGNMENT;
	else if (!s2_permits(cfg, res, acc, &write))
		kind = KVM_FAULT_PERMISSION;
	else
		return 0;

	if (kind == KVM_FAULT_PERMISSION)
		fault->write = write;
	return kvm_walk_set_fault(fault, kind, 2, leaf->level);
}

static int s2_walk_once(const struct kvm_s2_config *cfg,
			const struct kvm_walk_mem *mem, u64 ipa,
			const struct kvm_access *acc, struct kvm_s2_result *res,
			struct kvm_walk_fault *fault)
{
	int ret;

	ret = kvm_pt_descend(&cfg->geom, mem, ipa, &res->leaf, fault);
	if (ret)
		return ret;

	ret = s2_judge_leaf(cfg, ipa, acc, res, fault);
	if (ret)
		return ret;

	ret = kvm_pt_update(&cfg->geom, mem, &res->leaf,
			    s2_updated_desc(cfg, res->leaf.desc, acc), fault);
	if (!ret)
		s2_decode_attrs(cfg, res->leaf.desc, acc, res);
	return ret;
}

/* Stage 2 is off: the output is the input, and nothing is refused. */
static void s2_flat(u64 ipa, struct kvm_s2_result *res)
{
	*res = (struct kvm_s2_result) {
		.oa		= ipa,
		.readable	= true,
		.writable	= true,
		.exec_el0	= true,
		.exec_el1	= true,
	};
}

/**
 * kvm_s2_walk() - translate a nested IPA through L1's stage 2
 * @cfg: validated configuration
 * @mem: access to L1's descriptors
 * @ipa: nested IPA, in bytes
 * @acc: the access
 * @res: the translation, valid on success; its permissions, output and leaf are
 *	 valid on a Permission fault, too
 * @fault: record of the fault
 *
 * A descriptor that changes between its fetch and its update restarts the walk,
 * a bounded number of times.
 *
 * Return: 0; KVM_WALK_FAULT with @fault filled in; -EAGAIN if L1's tables kept
 * changing; another host errno of @mem's operations.
 * Context: whatever @mem's operations need.
 */
int kvm_s2_walk(const struct kvm_s2_config *cfg, const struct kvm_walk_mem *mem,
		u64 ipa, const struct kvm_access *acc,
		struct kvm_s2_result *res, struct kvm_walk_fault *fault)
{
	int ret, tries;

	*fault = (struct kvm_walk_fault) {
		.stage	= 2,
		.s1ptw	= s2_access_is_ttw(acc->type),
		.write	= kvm_access_writes(acc->type),
		.ipa	= ipa,
	};

	if (cfg->off) {
		s2_flat(ipa, res);
		return 0;
	}

	/* Nothing is read for an input that the tables cannot resolve. */
	if (cfg->bad || ipa >> cfg->geom.ia_bits)
		return kvm_walk_set_fault(fault, KVM_FAULT_TRANSLATION, 2, 0);

	for (tries = 0; tries < KVM_WALK_MAX_RETRIES; tries++) {
		ret = s2_walk_once(cfg, mem, ipa, acc, res, fault);
		if (ret != -EAGAIN)
			return ret;
	}

	return -EAGAIN;
}
