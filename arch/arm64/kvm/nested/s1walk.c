// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization: stage 1, walked in software.
 *
 * A snapshot of the registers of one translation regime is turned into a
 * validated configuration, and a VA is walked to an output address, to what
 * each privilege level may do there and to a memory type, or to the fault that
 * hardware would report. Parts, in the order of AArch64.S1Translate():
 *
 *	configure	TCR_ELx of either format, split into VA ranges
 *	start		TxSZ, canonical VA, E0PD, EPD: no table is read for these
 *	descend		ptwalk.c, common to both stages
 *	judge the leaf	output size, Access flag, alignment, permissions
 *	update		Access flag and dirty state, by compare-and-swap
 *	attributes	MAIR_ELx, caches that are off; with stage 2 combined
 *
 * Behind a stage 2, its descriptors are fetched and updated, and its output is
 * translated, by kvm_s2_walk(): AArch64.FullTranslate().
 *
 * Pure: no vCPU, no locks, no system registers (see walk.h). at.c takes the
 * snapshots.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/types.h>

#include <asm/sysreg.h>

#include "s1walk.h"

/* TCR_EL2 when HCR_EL2.E2H is 0; otherwise it has the format of TCR_EL1. */
#define S1_TCR_EL2_T0SZ		GENMASK_ULL(5, 0)
#define S1_TCR_EL2_SH0		GENMASK_ULL(13, 12)
#define S1_TCR_EL2_TG0		GENMASK_ULL(15, 14)
#define S1_TCR_EL2_PS		GENMASK_ULL(18, 16)
#define S1_TCR_EL2_TBI		BIT_ULL(20)
#define S1_TCR_EL2_HA		BIT_ULL(21)
#define S1_TCR_EL2_HD		BIT_ULL(22)
#define S1_TCR_EL2_HPD		BIT_ULL(24)
#define S1_TCR_EL2_TBID		BIT_ULL(29)
#define S1_TCR_EL2_DS		BIT_ULL(32)

/* Smallest VA ranges, in bits: without FEAT_TTST, with it, with it for 64K. */
#define S1_VA_BITS_MIN		25
#define S1_VA_BITS_MIN_TTST	16
#define S1_VA_BITS_MIN_TTST_64K	17

#define S1_DESC_ATTRINDX	GENMASK_ULL(4, 2)
#define S1_DESC_AP1		BIT_ULL(6)
#define S1_DESC_AP2		BIT_ULL(7)
#define S1_DESC_SH		GENMASK_ULL(9, 8)
#define S1_DESC_AF		BIT_ULL(10)
#define S1_DESC_NG		BIT_ULL(11)
#define S1_DESC_DBM		BIT_ULL(51)
#define S1_DESC_PXN		BIT_ULL(53)
#define S1_DESC_UXN		BIT_ULL(54)

/* The same bits with indirect permissions and with overlays. */
#define S1_DESC_PIINDEX_0	BIT_ULL(6)
#define S1_DESC_PIINDEX_1	BIT_ULL(51)
#define S1_DESC_PIINDEX_32	GENMASK_ULL(54, 53)
#define S1_DESC_NDIRTY		BIT_ULL(7)
#define S1_DESC_POINDEX		GENMASK_ULL(62, 60)

#define S1_TABLE_PXN		BIT_ULL(59)
#define S1_TABLE_UXN		BIT_ULL(60)
#define S1_TABLE_NO_EL0		BIT_ULL(61)
#define S1_TABLE_RO		BIT_ULL(62)

/* VA[55] selects the range; a tag is above it. */
#define S1_VA_RANGE_BIT		55
#define S1_VA_TOP_BIT		63

#define S1_SH_NONE		0
#define S1_SH_OUTER		2
#define S1_SH_INNER		3

/* MAIR_ELx attributes that are needed by name. */
#define S1_MAIR_DEVICE_NGNRNE	0x00
#define S1_MAIR_NORMAL_NC	0x44
#define S1_MAIR_NORMAL_NC_NXS	0x40
#define S1_MAIR_NORMAL_WT_NXS	0xa0
#define S1_MAIR_NORMAL_WT_RA	0xaa
#define S1_MAIR_TAGGED_WB	0xf0
#define S1_MAIR_NORMAL_WB	0xff

/* One cacheability nibble of a Normal attribute. */
#define S1_NIBBLE_NC		0x4
#define S1_NIBBLE_WB		0x4	/* set in both kinds of Write-Back */

#define S2_DESC_MEMATTR		GENMASK_ULL(5, 2)
#define S2_DESC_SH		GENMASK_ULL(9, 8)

#define S2_MEMATTR_INNER	GENMASK(1, 0)
#define S2_MEMATTR_OUTER	GENMASK(3, 2)
#define S2_MEMATTR_DEVICE	GENMASK(1, 0)
#define S2_MEMATTR_NC		1
#define S2_MEMATTR_WT		2

#define S2_FWB_NORMAL		BIT(2)
#define S2_FWB_KIND		GENMASK(1, 0)
#define S2_FWB_FORCE_WB		2
#define S2_FWB_AS_S1		3

/* TCR_ELx taken apart; the same for both of its formats. */
struct s1_tcr_range {
	u8 tsz;
	u8 pgshift;
	u8 sh;
	bool epd;
	bool tbi;
	bool tbid;
	bool hpd;
	bool e0pd;
};

struct s1_tcr {
	struct s1_tcr_range range[2];
	u8 ps;
	bool ha;
	bool hd;
	bool ds;
};

/* 0 stands for the reserved encoding. */
static u8 s1_tg0_shift(u8 tg0)
{
	switch (tg0) {
	case TCR_EL1_TG0_4K:
		return 12;
	case TCR_EL1_TG0_16K:
		return 14;
	case TCR_EL1_TG0_64K:
		return 16;
	default:
		return 0;
	}
}

static u8 s1_tg1_shift(u8 tg1)
{
	switch (tg1) {
	case TCR_EL1_TG1_4K:
		return 12;
	case TCR_EL1_TG1_16K:
		return 14;
	case TCR_EL1_TG1_64K:
		return 16;
	default:
		return 0;
	}
}

static void s1_split_tcr_el1(u64 tcr, struct s1_tcr *out)
{
	*out = (struct s1_tcr) {
		.ps	= FIELD_GET(TCR_EL1_IPS_MASK, tcr),
		.ha	= tcr & TCR_EL1_HA,
		.hd	= tcr & TCR_EL1_HD,
		.ds	= tcr & TCR_EL1_DS,
		.range[0] = {
			.tsz	 = FIELD_GET(TCR_EL1_T0SZ_MASK, tcr),
			.pgshift = s1_tg0_shift(FIELD_GET(TCR_EL1_TG0_MASK, tcr)),
			.sh	 = FIELD_GET(TCR_EL1_SH0_MASK, tcr),
			.epd	 = tcr & TCR_EL1_EPD0,
			.tbi	 = tcr & TCR_EL1_TBI0,
			.tbid	 = tcr & TCR_EL1_TBID0,
			.hpd	 = tcr & TCR_EL1_HPD0,
			.e0pd	 = tcr & TCR_EL1_E0PD0,
		},
		.range[1] = {
			.tsz	 = FIELD_GET(TCR_EL1_T1SZ_MASK, tcr),
			.pgshift = s1_tg1_shift(FIELD_GET(TCR_EL1_TG1_MASK, tcr)),
			.sh	 = FIELD_GET(TCR_EL1_SH1_MASK, tcr),
			.epd	 = tcr & TCR_EL1_EPD1,
			.tbi	 = tcr & TCR_EL1_TBI1,
			.tbid	 = tcr & TCR_EL1_TBID1,
			.hpd	 = tcr & TCR_EL1_HPD1,
			.e0pd	 = tcr & TCR_EL1_E0PD1,
		},
	};
}

static void s1_split_tcr_el2(u64 tcr, struct s1_tcr *out)
{
	*out = (struct s1_tcr) {
		.ps	= FIELD_GET(S1_TCR_EL2_PS, tcr),
		.ha	= tcr & S1_TCR_EL2_HA,
		.hd	= tcr & S1_TCR_EL2_HD,
		.ds	= tcr & S1_TCR_EL2_DS,
		.range[0] = {
			.tsz	 = FIELD_GET(S1_TCR_EL2_T0SZ, tcr),
			.pgshift = s1_tg0_shift(FIELD_GET(S1_TCR_EL2_TG0, tcr)),
			.sh	 = FIELD_GET(S1_TCR_EL2_SH0, tcr),
			.tbi	 = tcr & S1_TCR_EL2_TBI,
			.tbid	 = tcr & S1_TCR_EL2_TBID,
			.hpd	 = tcr & S1_TCR_EL2_HPD,
		},
	};
}

/*
 * AArch64.S1TxSZFaults(). Below the minimum it is a fault with FEAT_LVA and
 * IMPLEMENTATION DEFINED between a fault and the minimum itself without; above
 * the maximum always the latter. The choice is the fault, as at stage 2.
 */
static bool s1_va_bits_valid(u8 va_bits, const struct kvm_pt_geom *geom,
			     const struct kvm_s1_features *feat)
{
	u8 min_bits = S1_VA_BITS_MIN, max_bits = KVM_PT_PA_BITS_BASE;

	if (geom->ds || (geom->pgshift == 16 && feat->lva))
		max_bits = KVM_PT_PA_BITS_LARGE;
	if (feat->ttst)
		min_bits = geom->pgshift == 16 ? S1_VA_BITS_MIN_TTST_64K :
						 S1_VA_BITS_MIN_TTST;

	return va_bits >= min_bits && va_bits <= max_bits;
}

static void s1_configure_range(const struct s1_tcr *tcr, u8 index, u64 ttbr,
			       const struct kvm_s1_features *feat,
			       bool big_endian, struct kvm_s1_range *range)
{
	const struct s1_tcr_range *t = &tcr->range[index];
	struct kvm_pt_geom *geom = &range->geom;
	u8 index_bits;

	*range = (struct kvm_s1_range) {
		.tbi		= t->tbi,
		.tbi_insn	= t->tbi && !(feat->tbid && t->tbid),
		.hpd		= feat->hpds && t->hpd,
		.epd		= t->epd,
		.e0pd		= feat->e0pd && t->e0pd,
		.sh		= t->sh,
		.geom = {
			.stage		= 1,
			.pgshift	= kvm_pt_granule(t->pgshift, feat->gran,
							 feat->bad_tg),
			.lpa		= feat->pa_bits >= KVM_PT_PA_BITS_LARGE,
			.big_endian	= big_endian,
		},
	};

	geom->ds = tcr->ds && (feat->lpa2 & BIT(geom->pgshift));
	geom->ia_bits = 64 - t->tsz;
	range->bad = !s1_va_bits_valid(geom->ia_bits, geom, feat);
	if (range->bad)
		return;

	/* As few levels as resolve all bits above the page offset. */
	index_bits = geom->pgshift - 3;
	geom->start_level = KVM_PT_LAST_LEVEL -
			    (geom->ia_bits - 1 - geom->pgshift) / index_bits;
	kvm_pt_set_output(geom, ttbr, tcr->ps, feat->pa_bits);
}

/* TCR2_ELx as far as it is in effect. */
static void s1_configure_tcr2(const struct kvm_s1_regs *regs,
			      const struct kvm_s1_features *feat,
			      struct kvm_s1_config *cfg)
{
	u64 tcr2 = feat->tcrx ? regs->tcr2 : 0;
	u8 i;

	if (regs->regime == KVM_REGIME_EL10 && !(regs->hcrx & HCRX_EL2_TCR2En))
		tcr2 = 0;

	cfg->pie = feat->s1pie && (tcr2 & TCR2_EL1_PIE);
	cfg->poe = feat->s1poe && (tcr2 & TCR2_EL1_POE);
	cfg->e0poe = feat->s1poe && cfg->ranges == 2 && (tcr2 & TCR2_EL1_E0POE);

	for (i = 0; i < cfg->ranges; i++) {
		struct kvm_s1_range *range = &cfg->range[i];

		/* Overlays of either privilege level leave tables no say. */
		if (cfg->poe || cfg->e0poe)
			range->hpd = true;
		range->geom.haft = cfg->ha && feat->haft &&
				   (tcr2 & TCR2_EL1_HAFT);
	}
}

static u16 s1_asid(const struct kvm_s1_regs *regs,
		   const struct kvm_s1_features *feat)
{
	u16 asid;

	if (regs->regime == KVM_REGIME_EL2)
		return 0;

	asid = FIELD_GET(TTBRx_EL1_ASID_MASK,
			 regs->ttbr[!!(regs->tcr & TCR_EL1_A1)]);
	if (!feat->asid16 || !(regs->tcr & TCR_EL1_AS))
		asid &= GENMASK(7, 0);
	return asid;
}

/**
 * kvm_s1_configure() - validate the stage-1 configuration of a regime
 * @regs: the registers, as they are
 * @feat: what the VM's ID registers promise
 * @cfg: the configuration; walks of a range that is @bad fault at level 0
 *
 * The configuration does not depend on an address: the two VA ranges are both
 * prepared, and the walk chooses.
 *
 * Context: any.
 */
void kvm_s1_configure(const struct kvm_s1_regs *regs,
		      const struct kvm_s1_features *feat,
		      struct kvm_s1_config *cfg)
{
	bool el10 = regs->regime == KVM_REGIME_EL10;
	struct s1_tcr tcr;
	u8 i;

	*cfg = (struct kvm_s1_config) {
		.ranges	 = regs->regime == KVM_REGIME_EL2 ? 1 : 2,
		.off	 = !(regs->sctlr & SCTLR_ELx_M),
		.dc	 = el10 && (regs->hcr & HCR_EL2_DC),
		.icache	 = regs->sctlr & SCTLR_ELx_I,
		.dcache	 = regs->sctlr & SCTLR_ELx_C,
		.wxn	 = regs->sctlr & SCTLR_ELx_WXN,
		.pan	 = feat->pan,
		.epan	 = feat->epan && (regs->sctlr & SCTLR_EL1_EPAN),
		.pa_bits = feat->pa_bits,
		.asid	 = s1_asid(regs, feat),
		.mair	 = regs->mair,
		.pir	 = regs->pir,
		.pire0	 = regs->pire0,
		.por	 = regs->por,
		.por_el0 = regs->por_el0,
	};

	/* Either of these turns stage 1 of EL1&0 off, whatever SCTLR_EL1.M says. */
	if (el10 && (regs->hcr & (HCR_EL2_DC | HCR_EL2_TGE)))
		cfg->off = true;

	if (cfg->ranges == 2)
		s1_split_tcr_el1(regs->tcr, &tcr);
	else
		s1_split_tcr_el2(regs->tcr, &tcr);

	cfg->ha = feat->haf && tcr.ha;
	cfg->hd = cfg->ha && feat->hdbs && tcr.hd;

	for (i = 0; i < cfg->ranges; i++)
		s1_configure_range(&tcr, i, regs->ttbr[i], feat,
				   regs->sctlr & SCTLR_ELx_EE, &cfg->range[i]);
	s1_configure_tcr2(regs, feat, cfg);
}

/* The regime of EL2 alone has one range, at the bottom, whatever VA[55] is. */
static const struct kvm_s1_range *s1_range_of(const struct kvm_s1_config *cfg,
					      u64 va)
{
	bool upper = cfg->ranges == 2 && (va & BIT_ULL(S1_VA_RANGE_BIT));

	return &cfg->range[upper];
}

static u8 s1_top_bit(const struct kvm_s1_range *range,
		     const struct kvm_access *acc)
{
	bool tbi = acc->type == KVM_ACC_EXEC ? range->tbi_insn : range->tbi;

	return tbi ? S1_VA_RANGE_BIT : S1_VA_TOP_BIT;
}

/* AArch64.VAIsOutOfRange() */
static bool s1_canonical(const struct kvm_s1_config *cfg,
			 const struct kvm_s1_range *range, u64 va, u8 top_bit)
{
	u64 mask = GENMASK_ULL(top_bit, range->geom.ia_bits);

	if (range == &cfg->range[1])
		return (va & mask) == mask;
	return !(va & mask);
}

/*
 * Memory type and shareability
 */

static bool s1_attr_is_device(u8 mair)
{
	return !(mair & GENMASK(7, 4));
}

static bool s1_attr_is_nc(u8 mair)
{
	return mair == S1_MAIR_NORMAL_NC || mair == S1_MAIR_NORMAL_NC_NXS;
}

/*
 * What is not cacheable is Outer Shareable, whatever its descriptor says, and
 * so is the reserved encoding (EffectiveShareability()).
 */
static u8 s1_effective_sh(u8 mair, u8 sh)
{
	if (s1_attr_is_device(mair) || s1_attr_is_nc(mair))
		return S1_SH_OUTER;
	return sh == S1_SH_NONE || sh == S1_SH_INNER ? sh : S1_SH_OUTER;
}

static u8 s1_leaf_mair(const struct kvm_s1_config *cfg, u64 desc)
{
	return cfg->mair >> (8 * FIELD_GET(S1_DESC_ATTRINDX, desc));
}

static void s1_leaf_attr(const struct kvm_s1_config *cfg,
			 const struct kvm_s1_range *range, u64 desc,
			 const struct kvm_access *acc, struct kvm_mem_attr *attr)
{
	bool cache = acc->type == KVM_ACC_EXEC ? cfg->icache : cfg->dcache;
	u8 sh = range->geom.ds ? range->sh : FIELD_GET(S1_DESC_SH, desc);
	u8 mair = s1_leaf_mair(cfg, desc);

	/* Caches that are off make no difference to Device memory. */
	if (!cache && !s1_attr_is_device(mair))
		mair = S1_MAIR_NORMAL_NC;

	attr->mair = mair;
	attr->sh = s1_effective_sh(mair, sh);
}

/* AArch64.S1DisabledOutput() */
static void s1_flat_attr(const struct kvm_s1_config *cfg,
			 const struct kvm_access *acc, struct kvm_mem_attr *attr)
{
	if (cfg->dc) {
		*attr = (struct kvm_mem_attr) {
			.mair	= S1_MAIR_NORMAL_WB,
			.sh	= S1_SH_NONE,
		};
		return;
	}

	attr->mair = S1_MAIR_DEVICE_NGNRNE;
	if (acc->type == KVM_ACC_EXEC)
		attr->mair = cfg->icache ? S1_MAIR_NORMAL_WT_RA :
					   S1_MAIR_NORMAL_NC;
	attr->sh = S1_SH_OUTER;
}

/*
 * Permissions
 *
 * Base permissions come from the descriptors, directly or through PIR_ELx;
 * overlays and WXN take away from them; the dirty state comes last.
 */

/**
 * struct s1_base_perms - base permissions of one privilege level
 * @p: the permissions
 * @overlay: overlays apply to them
 * @wxn: writable and executable, which is not to be
 */
struct s1_base_perms {
	struct kvm_s1_perms p;
	bool overlay;
	bool wxn;
};

/*
 * AArch64.S1DirectBasePermissions(). HCR_EL2.NV1, which would give descriptors
 * of EL1&0 another format, is RES0 in a VM: ID_AA64MMFR4_EL1.E2H0 is NI_NV1.
 */
static void s1_direct_perms(const struct kvm_s1_config *cfg,
			    const struct kvm_s1_range *range,
			    const struct kvm_pt_leaf *leaf,
			    struct s1_base_perms *priv,
			    struct s1_base_perms *unpriv)
{
	u64 tables = range->hpd ? 0 : leaf->table_attrs;
	u64 desc = leaf->desc;
	bool ro = desc & S1_DESC_AP2;
	bool el0 = cfg->ranges == 2 && (desc & S1_DESC_AP1);
	bool uxn = (desc & S1_DESC_UXN) || (tables & S1_TABLE_UXN);
	bool pxn = (desc & S1_DESC_PXN) || (tables & S1_TABLE_PXN);

	/* Writable, clean: the first write sets the dirty state. */
	if (cfg->hd && (desc & S1_DESC_DBM))
		ro = false;
	if (tables & S1_TABLE_RO)
		ro = true;

	*priv = (struct s1_base_perms) { .overlay = true };
	*unpriv = *priv;

	if (cfg->ranges == 1) {
		/* EL2 has one XN, in the place of UXN, and nothing for EL0. */
		priv->p = (struct kvm_s1_perms) { true, !ro, !uxn };
	} else {
		if (tables & S1_TABLE_NO_EL0)
			el0 = false;
		unpriv->p = (struct kvm_s1_perms) { el0, el0 && !ro, !uxn };
		/* What EL0 can write is never executed with privilege. */
		priv->p = (struct kvm_s1_perms) { true, !ro,
						  !pxn && !unpriv->p.w };
	}

	priv->wxn = cfg->wxn && priv->p.w && priv->p.x;
	unpriv->wxn = cfg->wxn && unpriv->p.w && unpriv->p.x;
}

static void s1_decode_pir(u64 pir, u8 index, struct s1_base_perms *base)
{
	static const struct {
		struct kvm_s1_perms p;
		bool wxn;
	} decode[] = {
		/* reserved encodings have no access, like 0 */
		[PIE_NONE_O]	= { { false, false, false } },
		[PIE_R_O]	= { { true, false, false } },
		[PIE_X_O]	= { { false, false, true } },
		[PIE_RX_O]	= { { true, false, true } },
		[PIE_RW_O]	= { { true, true, false } },
		[PIE_RWnX_O]	= { { true, true, true }, true },
		[PIE_RWX_O]	= { { true, true, true } },
		[PIE_R]		= { { true, false, false } },
		/* FEAT_GCS is not offered: no Guarded Control Stack, a read */
		[PIE_GCS]	= { { true, false, false } },
		[PIE_RX]	= { { true, false, true } },
		[PIE_RW]	= { { true, true, false } },
		[PIE_RWX]	= { { true, true, true } },
		[PIE_MASK]	= { { false, false, false } },
	};
	u8 perm = (pir >> PIRx_ELx_PERM_SHIFT(index)) & PIE_MASK;

	*base = (struct s1_base_perms) {
		.p	 = decode[perm].p,
		.overlay = perm < PIE_R,
		.wxn	 = decode[perm].wxn,
	};
}

/* AArch64.S1IndirectBasePermissions(); tables have no say in it. */
static void s1_indirect_perms(const struct kvm_s1_config *cfg, u64 desc,
			      struct s1_base_perms *priv,
			      struct s1_base_perms *unpriv)
{
	u8 index = FIELD_GET(S1_DESC_PIINDEX_32, desc) << 2 |
		   FIELD_GET(S1_DESC_PIINDEX_1, desc) << 1 |
		   FIELD_GET(S1_DESC_PIINDEX_0, desc);

	s1_decode_pir(cfg->pir, index, priv);
	if (cfg->ranges == 1) {
		*unpriv = (struct s1_base_perms) { };
		return;
	}

	s1_decode_pir(cfg->pire0, index, unpriv);
	/* Privileged code that EL0 could write: nobody gets anything. */
	if (priv->p.x && unpriv->p.w) {
		priv->p = (struct kvm_s1_perms) { };
		unpriv->p = (struct kvm_s1_perms) { };
	}
}

static struct kvm_s1_perms s1_overlay(bool enabled, u64 por, u64 desc)
{
	u8 perm = POR_ELx_PERM_GET(FIELD_GET(S1_DESC_POINDEX, desc), por);

	if (!enabled)
		return (struct kvm_s1_perms) { true, true, true };
	/* Encodings with the top bit set are reserved: no access. */
	if (perm > POE_RWX)
		return (struct kvm_s1_perms) { };

	return (struct kvm_s1_perms) {
		.r = perm & POE_R,
		.w = perm & POE_W,
		.x = perm & POE_X,
	};
}

/*
 * The end of AArch64.S1ComputePermissions(): an overlay that grants execution
 * gives up writing for it.
 */
static void s1_apply_wxn(struct s1_base_perms *base, struct kvm_s1_perms *ovl)
{
	if (!base->wxn)
		return;

	if (base->overlay && ovl->x)
		ovl->w = false;
	else
		base->p.x = false;
}

/* *clean: there would be write permission, were it not for the dirty state. */
static struct kvm_s1_perms s1_effective_perms(const struct kvm_s1_config *cfg,
					      const struct s1_base_perms *base,
					      const struct kvm_s1_perms *ovl,
					      u64 desc, bool *clean)
{
	struct kvm_s1_perms p = {
		.r = base->p.r && ovl->r,
		.w = base->p.w && ovl->w,
		.x = base->p.x && ovl->x,
	};

	*clean = cfg->pie && !cfg->hd && (desc & S1_DESC_NDIRTY) && p.w;
	if (*clean)
		p.w = false;
	return p;
}

/* A data access with privilege to what EL0 can access, too. */
static bool s1_pan_refuses(const struct kvm_s1_config *cfg,
			   const struct kvm_s1_perms *unpriv,
			   const struct kvm_access *acc)
{
	if (!cfg->pan || !acc->pan || acc->el0)
		return false;

	return unpriv->r || unpriv->w ||
	       ((cfg->epan || cfg->pie) && unpriv->x);
}

static void s1_permissions(const struct kvm_s1_config *cfg,
			   const struct kvm_s1_range *range,
			   const struct kvm_access *acc,
			   struct kvm_s1_result *res)
{
	struct s1_base_perms priv, unpriv;
	struct kvm_s1_perms po, uo, *p, *o;
	u64 desc = res->leaf.desc;
	bool pclean, uclean, pan;

	if (cfg->pie)
		s1_indirect_perms(cfg, desc, &priv, &unpriv);
	else
		s1_direct_perms(cfg, range, &res->leaf, &priv, &unpriv);

	/* By the base permissions alone. */
	pan = s1_pan_refuses(cfg, &unpriv.p, acc);

	priv.overlay &= cfg->poe;
	unpriv.overlay &= cfg->e0poe;
	po = s1_overlay(priv.overlay, cfg->por, desc);
	uo = s1_overlay(unpriv.overlay, cfg->por_el0, desc);
	s1_apply_wxn(&priv, &po);
	s1_apply_wxn(&unpriv, &uo);
	res->priv = s1_effective_perms(cfg, &priv, &po, desc, &pclean);
	res->unpriv = s1_effective_perms(cfg, &unpriv, &uo, desc, &uclean);

	p = acc->el0 ? &res->unpriv : &res->priv;
	o = acc->el0 ? &uo : &po;
	res->readable = p->r && !pan;
	res->writable = p->w && !pan;
	/* A fetch from Device memory is a fault, or like Normal: the former. */
	res->executable = p->x && !s1_attr_is_device(s1_leaf_mair(cfg, desc));

	/* Why, should the access be refused; valid for a Permission fault. */
	res->overlay = (kvm_access_reads(acc->type) && !o->r) ||
		       (kvm_access_writes(acc->type) && !o->w) ||
		       (acc->type == KVM_ACC_EXEC && !o->x);
	res->dirty = !res->overlay && !pan && (acc->el0 ? uclean : pclean) &&
		     kvm_access_writes(acc->type) &&
		     (res->readable || !kvm_access_reads(acc->type));
}

/* AArch64.S1HasPermissionsFault(); *write: which half of an access failed. */
static bool s1_permits(const struct kvm_s1_result *res,
		       const struct kvm_access *acc, bool *write)
{
	*write = false;

	if (acc->type == KVM_ACC_EXEC)
		return res->executable;

	if (kvm_access_reads(acc->type) && !res->readable)
		return false;

	*write = kvm_access_writes(acc->type);
	return !*write || res->writable;
}

static int s1_judge_leaf(const struct kvm_s1_config *cfg,
			 const struct kvm_s1_range *range, u64 va,
			 const struct kvm_access *acc,
			 struct kvm_s1_result *res, struct kvm_walk_fault *fault)
{
	const struct kvm_pt_leaf *leaf = &res->leaf;
	u64 desc = leaf->desc;
	int ret;

	ret = kvm_pt_output(&range->geom, leaf, va, &res->pa, fault);
	if (ret)
		return ret;

	s1_leaf_attr(cfg, range, desc, acc, &res->attr);
	s1_permissions(cfg, range, acc, res);
	res->ng = cfg->ranges == 2 && (desc & S1_DESC_NG);

	if (!cfg->ha && !(desc & S1_DESC_AF))
		return kvm_walk_set_fault(fault, KVM_FAULT_ACCESS_FLAG, 1,
					  leaf->level);

	if (acc->unaligned && acc->type != KVM_ACC_EXEC &&
	    s1_attr_is_device(res->attr.mair))
		return kvm_walk_set_fault(fault, KVM_FAULT_ALIGNMENT, 1,
					  leaf->level);

	if (!s1_permits(res, acc, &fault->write))
		return kvm_walk_set_fault(fault, KVM_FAULT_PERMISSION, 1,
					  leaf->level);
	return 0;
}

/* The descriptor as hardware management of AF and dirty state leaves it. */
static u64 s1_updated_desc(const struct kvm_s1_config *cfg, u64 desc,
			   const struct kvm_access *acc)
{
	if (cfg->ha)
		desc |= S1_DESC_AF;

	/* AP[2], or nDirty: the same bit. */
	if (cfg->hd && (cfg->pie || (desc & S1_DESC_DBM)) &&
	    kvm_access_dirties(acc->type))
		desc &= ~S1_DESC_AP2;

	return desc;
}

static int s1_walk_once(const struct kvm_s1_config *cfg,
			const struct kvm_s1_range *range,
			const struct kvm_walk_mem *mem, u64 va,
			const struct kvm_access *acc, struct kvm_s1_result *res,
			struct kvm_walk_fault *fault)
{
	u64 ia = va & GENMASK_ULL(range->geom.ia_bits - 1, 0);
	int ret;

	ret = kvm_pt_descend(&range->geom, mem, ia, &res->leaf, fault);
	if (ret)
		return ret;

	/*
	 * Not ia: a contiguous run may be larger than the range, and then bits
	 * of the VA above the range are part of the output.
	 */
	ret = s1_judge_leaf(cfg, range, va, acc, res, fault);
	if (ret)
		return ret;

	ret = kvm_pt_update(&range->geom, mem, &res->leaf,
			    s1_updated_desc(cfg, res->leaf.desc, acc), fault);
	res->clean = cfg->hd && (res->leaf.desc & S1_DESC_AP2);
	return ret;
}

/* The MMU is off: the output is the input, if there is such an address. */
static int s1_flat(const struct kvm_s1_config *cfg, u64 va, u8 top_bit,
		   const struct kvm_access *acc, struct kvm_s1_result *res,
		   struct kvm_walk_fault *fault)
{
	static const struct kvm_s1_perms all = { true, true, true };

	if (va & GENMASK_ULL(top_bit, cfg->pa_bits))
		return kvm_walk_set_fault(fault, KVM_FAULT_ADDRESS_SIZE, 1, 0);

	s1_flat_attr(cfg, acc, &res->attr);
	if (acc->unaligned && acc->type != KVM_ACC_EXEC &&
	    s1_attr_is_device(res->attr.mair))
		return kvm_walk_set_fault(fault, KVM_FAULT_ALIGNMENT, 1, 0);

	res->pa = va & GENMASK_ULL(cfg->pa_bits - 1, 0);
	res->priv = all;
	res->unpriv = all;
	res->readable = true;
	res->writable = true;
	res->executable = true;
	res->mmu_off = true;
	return 0;
}

/**
 * kvm_s1_walk() - translate a VA through stage 1
 * @cfg: validated configuration of the regime
 * @mem: access to the descriptors, through stage 2 if there is one
 * @va: the address, with its tag if there is one
 * @acc: the access
 * @res: the translation, valid on success; on a Permission fault everything in
 *	 it is valid as well
 * @fault: record of the fault
 *
 * A descriptor that changes between its fetch and its update restarts the walk,
 * a bounded number of times.
 *
 * Return: 0; KVM_WALK_FAULT with @fault filled in, which is of stage 2 if that
 * refused a descriptor; -EAGAIN if the tables kept changing; another host errno
 * of @mem's operations.
 * Context: whatever @mem's operations need.
 */
int kvm_s1_walk(const struct kvm_s1_config *cfg, const struct kvm_walk_mem *mem,
		u64 va, const struct kvm_access *acc,
		struct kvm_s1_result *res, struct kvm_walk_fault *fault)
{
	const struct kvm_s1_range *range = s1_range_of(cfg, va);
	u8 top_bit = s1_top_bit(range, acc);
	int ret, tries;

	*res = (struct kvm_s1_result) { .asid = cfg->asid };
	*fault = (struct kvm_walk_fault) {
		.stage	= 1,
		.write	= kvm_access_writes(acc->type),
	};

	if (cfg->off)
		return s1_flat(cfg, va, top_bit, acc, res, fault);

	/* Nothing is read for any of these. */
	if (range->bad || !s1_canonical(cfg, range, va, top_bit) ||
	    (range->e0pd && acc->el0) || range->epd)
		return kvm_walk_set_fault(fault, KVM_FAULT_TRANSLATION, 1, 0);

	for (tries = 0; tries < KVM_WALK_MAX_RETRIES; tries++) {
		ret = s1_walk_once(cfg, range, mem, va, acc, res, fault);
		if (ret != -EAGAIN)
			return ret;
	}
	return -EAGAIN;
}

/*
 * What stage 2 makes of a memory type
 */

/* Attributes with a form of their own, in the general form: XS and tags. */
static u8 s1_plain_attr(u8 mair)
{
	switch (mair) {
	case S1_MAIR_NORMAL_NC_NXS:
		return S1_MAIR_NORMAL_NC;
	case S1_MAIR_NORMAL_WT_NXS:
		return S1_MAIR_NORMAL_WT_RA;
	case S1_MAIR_TAGGED_WB:
		return S1_MAIR_NORMAL_WB;
	default:
		return mair;
	}
}

/* S2CombineS1AttrHints(): the weaker type, the hints of stage 1. */
static u8 s2_combine_nibble(u8 s1, u8 s2)
{
	if (s1 == S1_NIBBLE_NC || s2 == S2_MEMATTR_NC)
		return S1_NIBBLE_NC;
	if (s2 == S2_MEMATTR_WT)
		return s1 & ~S1_NIBBLE_WB;
	return s1;
}

static u8 s2_combine_device(u8 s1, u8 memattr)
{
	u8 s2 = FIELD_GET(S2_MEMATTR_DEVICE, memattr) << 2;

	/* From nGnRnE up to GRE, the more restrictive type is the smaller. */
	return s1_attr_is_device(s1) && s1 < s2 ? s1 : s2;
}

static u8 s2_combine_type(u8 s1, u8 memattr)
{
	if (!FIELD_GET(S2_MEMATTR_OUTER, memattr))
		return s2_combine_device(s1, memattr);
	if (s1_attr_is_device(s1))
		return s1;

	return s2_combine_nibble(s1 >> 4,
				 FIELD_GET(S2_MEMATTR_OUTER, memattr)) << 4 |
	       s2_combine_nibble(s1 & 0xf,
				 FIELD_GET(S2_MEMATTR_INNER, memattr));
}

/* AArch64.S2ApplyFWBMemAttrs() */
static u8 s2_fwb_nibble(u8 s1)
{
	/* Hints survive if stage 1 has some, that is if it is cacheable. */
	return s1 == S1_NIBBLE_NC ? 0xf : s1 | S1_NIBBLE_WB;
}

static u8 s2_fwb_type(u8 s1, u8 memattr)
{
	if (!(memattr & S2_FWB_NORMAL))
		return s2_combine_device(s1, memattr);

	switch (FIELD_GET(S2_FWB_KIND, memattr)) {
	case S2_FWB_AS_S1:
		return s1;
	case S2_FWB_FORCE_WB:
		if (s1_attr_is_device(s1))
			return S1_MAIR_NORMAL_WB;
		return s2_fwb_nibble(s1 >> 4) << 4 | s2_fwb_nibble(s1 & 0xf);
	default:
		return s1_attr_is_device(s1) ? s1 : S1_MAIR_NORMAL_NC;
	}
}

/* What is reserved is Outer Shareable, as in stage 1. */
static u8 s2_combine_sh(u8 s1, u8 s2)
{
	if (s1 == S1_SH_NONE && s2 == S1_SH_NONE)
		return S1_SH_NONE;
	if ((s1 == S1_SH_NONE || s1 == S1_SH_INNER) &&
	    (s2 == S1_SH_NONE || s2 == S1_SH_INNER))
		return S1_SH_INNER;
	return S1_SH_OUTER;
}

/**
 * kvm_s2_combine_attr() - memory type of both stages together
 * @cfg: validated configuration of stage 2
 * @s2_desc: leaf descriptor of stage 2, in CPU order
 * @attr: in: the type from stage 1; out: that of the translation
 *
 * For data accesses, which AT stands for.
 *
 * Context: any.
 */
void kvm_s2_combine_attr(const struct kvm_s2_config *cfg, u64 s2_desc,
			 struct kvm_mem_attr *attr)
{
	u8 sh = cfg->geom.ds ? cfg->sh : FIELD_GET(S2_DESC_SH, s2_desc);
	u8 memattr = FIELD_GET(S2_DESC_MEMATTR, s2_desc);
	u8 s1 = s1_plain_attr(attr->mair);

	if (cfg->off)
		return;

	if (cfg->fwb)
		attr->mair = s2_fwb_type(s1, memattr);
	else
		attr->mair = s2_combine_type(s1, memattr);

	/* Whatever the encoding of MemAttr, FEAT_S2FWB's included. */
	if (cfg->cd && !s1_attr_is_device(attr->mair))
		attr->mair = S1_MAIR_NORMAL_NC;

	attr->sh = s1_effective_sh(attr->mair, s2_combine_sh(attr->sh, sh));
}

/*
 * Both stages
 */

/* The fault record comes in as stage 1's, and stays so unless stage 2 refuses. */
static int s1_mem_locate(const struct kvm_s1_mem *mem, u64 ipa,
			 enum kvm_access_type type, u64 *pa,
			 struct kvm_walk_fault *fault)
{
	const struct kvm_access acc = { .type = type };
	struct kvm_walk_fault s2_fault;
	struct kvm_s2_result res;
	int ret;

	ret = kvm_s2_walk(&mem->s2, &mem->phys, ipa, &acc, &res, &s2_fault);
	if (!ret)
		*pa = res.oa;
	else if (ret > 0)
		*fault = s2_fault;
	return ret;
}

static int s1_mem_read(void *ctx, u64 ipa, u64 *raw,
		       struct kvm_walk_fault *fault)
{
	const struct kvm_s1_mem *mem = ctx;
	u64 pa;
	int ret;

	ret = s1_mem_locate(mem, ipa, KVM_ACC_TTW, &pa, fault);
	if (ret)
		return ret;

	return mem->phys.ops->read(mem->phys.ctx, pa, raw, fault);
}

static int s1_mem_cas(void *ctx, u64 ipa, u64 old, u64 new,
		      struct kvm_walk_fault *fault)
{
	const struct kvm_s1_mem *mem = ctx;
	u64 pa;
	int ret;

	ret = s1_mem_locate(mem, ipa, KVM_ACC_TTW_UPDATE, &pa, fault);
	if (ret)
		return ret;

	return mem->phys.ops->cas(mem->phys.ctx, pa, old, new, fault);
}

const struct kvm_walk_ops kvm_s1_mem_ops = {
	.read	= s1_mem_read,
	.cas	= s1_mem_cas,
};

/**
 * kvm_s12_walk() - translate a VA through stage 1 and the stage 2 behind it
 * @cfg: validated configuration of stage 1
 * @mem: stage 2, and the memory with the tables of both
 * @va: the address, with its tag if there is one
 * @acc: the access; its @s1_device is not used
 * @res: the translation, valid on success; @res->s1 as kvm_s1_walk() leaves it
 * @fault: record of the fault
 *
 * Return: 0; KVM_WALK_FAULT with @fault filled in, for the stage that refused;
 * -EAGAIN if the tables of either stage kept changing; another host errno of
 * @mem's operations.
 * Context: whatever @mem's operations need.
 */
int kvm_s12_walk(const struct kvm_s1_config *cfg, struct kvm_s1_mem *mem,
		 u64 va, const struct kvm_access *acc,
		 struct kvm_s12_result *res, struct kvm_walk_fault *fault)
{
	const struct kvm_walk_mem tables = { &kvm_s1_mem_ops, mem };
	struct kvm_access s2_acc = *acc;
	int ret;

	ret = kvm_s1_walk(cfg, &tables, va, acc, &res->s1, fault);
	if (ret)
		return ret;

	s2_acc.s1_device = s1_attr_is_device(res->s1.attr.mair);
	ret = kvm_s2_walk(&mem->s2, &mem->phys, res->s1.pa, &s2_acc, &res->s2,
			  fault);
	if (ret)
		return ret;

	res->attr = res->s1.attr;
	kvm_s2_combine_attr(&mem->s2, res->s2.leaf.desc, &res->attr);
	return 0;
}

/**
 * kvm_par_success() - PAR_EL1 of an address translation that succeeded
 * @pa: output address of the exact input address
 * @attr: memory type
 *
 * NS is UNKNOWN for a Non-secure translation; parts have it set.
 *
 * Return: the value for PAR_EL1, with F clear.
 * Context: any.
 */
u64 kvm_par_success(u64 pa, const struct kvm_mem_attr *attr)
{
	return SYS_PAR_EL1_RES1 | SYS_PAR_EL1_NS | (pa & SYS_PAR_EL1_PA) |
	       FIELD_PREP(SYS_PAR_EL1_SH, attr->sh) |
	       FIELD_PREP(SYS_PAR_EL1_ATTR, attr->mair);
}

/**
 * kvm_par_s1_fault_bits() - why stage 1 refused permission, for PAR_EL1
 * @res: result of the walk that faulted
 * @fault: the fault
 *
 * Return: bits to be ORed to the value that kvm_fault_par() has made.
 * Context: any.
 */
u64 kvm_par_s1_fault_bits(const struct kvm_s1_result *res,
			  const struct kvm_walk_fault *fault)
{
	u64 par = 0;

	if (fault->stage != 1 || fault->kind != KVM_FAULT_PERMISSION)
		return 0;

	if (res->overlay)
		par |= SYS_PAR_EL1_Overlay;
	if (res->dirty)
		par |= SYS_PAR_EL1_DirtyBit;
	return par;
}
