/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested virtualization: stage 1, walked in software, and what is made of its
 * tables and of its output by a stage 2 behind it.
 *
 * AT instructions, the VNCR_EL2 pseudo-TLB and the search for the level of an
 * aborting descriptor all ask the same question: what does stage 1 of this
 * regime make of this address? The answer comes from here, and from nowhere
 * else: there is no second path through the hardware MMU, so there is nothing
 * that two paths could disagree about.
 *
 * Pure, no locks: see walk.h for the words and for the results convention.
 */
#ifndef __ARM64_KVM_NESTED_S1WALK_H
#define __ARM64_KVM_NESTED_S1WALK_H

#include <linux/bits.h>
#include <linux/types.h>

#include "walk.h"

/**
 * enum kvm_s1_regime - a guest's stage-1 translation regime
 * @KVM_REGIME_EL10: EL1&0, behind stage 2 when that is enabled
 * @KVM_REGIME_EL20: EL2&0 (HCR_EL2.E2H is 1)
 * @KVM_REGIME_EL2: EL2 (HCR_EL2.E2H is 0)
 */
enum kvm_s1_regime {
	KVM_REGIME_EL10,
	KVM_REGIME_EL20,
	KVM_REGIME_EL2,
};

/**
 * struct kvm_s1_regs - the registers that control one regime's stage 1
 * @regime: the regime; says which format @tcr has
 * @tcr: TCR_EL1 or TCR_EL2
 * @tcr2: TCR2_EL1 or TCR2_EL2, as it is
 * @sctlr: SCTLR_EL1 or SCTLR_EL2
 * @ttbr: TTBR0_ELx and TTBR1_ELx; the latter is not used in the EL2 regime
 * @mair: MAIR_EL1 or MAIR_EL2
 * @pir: PIR_EL1 or PIR_EL2
 * @pire0: PIRE0_EL1 or PIRE0_EL2
 * @por: POR_EL1 or POR_EL2
 * @por_el0: POR_EL0
 * @hcr: HCR_EL2; 0 if the VM has no EL2
 * @hcrx: HCRX_EL2; ~0 if the VM has no EL2, so that nothing is disabled by it
 */
struct kvm_s1_regs {
	enum kvm_s1_regime regime;
	u64 tcr;
	u64 tcr2;
	u64 sctlr;
	u64 ttbr[2];
	u64 mair;
	u64 pir;
	u64 pire0;
	u64 por;
	u64 por_el0;
	u64 hcr;
	u64 hcrx;
};

/**
 * struct kvm_s1_features - what the VM's ID registers promise for stage 1
 * @pa_bits: PARange, decoded: the implemented PA size of the VM
 * @gran: bit n set if the granule of shift n exists at stage 1
 * @lpa2: bit n set if that granule has the 52-bit format (FEAT_LPA2)
 * @bad_tg: log2 of the granule that a TG0 or TG1 stands for which is reserved
 *	    or names a granule that does not exist; 0 for the smallest that does
 * @lva: FEAT_LVA, 52-bit virtual addresses with the 64K granule
 * @ttst: FEAT_TTST, small translation tables
 * @haf: hardware updates the Access flag (FEAT_HAFDBS)
 * @hdbs: hardware updates the dirty state
 * @haft: hardware updates the Access flag of table descriptors (FEAT_HAFT)
 * @hpds: FEAT_HPDS, hierarchical permissions can be disabled
 * @pan: FEAT_PAN
 * @epan: FEAT_PAN3, SCTLR_ELx.EPAN
 * @e0pd: FEAT_E0PD
 * @tbid: FEAT_PAuth, TCR_ELx.TBID: addresses of instructions keep their tag
 * @asid16: 16-bit ASIDs
 * @tcrx: FEAT_TCR2, TCR2_ELx exists
 * @s1pie: FEAT_S1PIE, permission indirection
 * @s1poe: FEAT_S1POE, permission overlays
 */
struct kvm_s1_features {
	u8 pa_bits;
	u32 gran;
	u32 lpa2;
	u8 bad_tg;
	bool lva;
	bool ttst;
	bool haf;
	bool hdbs;
	bool haft;
	bool hpds;
	bool pan;
	bool epan;
	bool e0pd;
	bool tbid;
	bool asid16;
	bool tcrx;
	bool s1pie;
	bool s1poe;
};

/**
 * struct kvm_mem_attr - memory type, as PAR_EL1 reports it
 * @mair: type and cacheability, encoded as an attribute of MAIR_ELx
 * @sh: shareability, encoded as SH[1:0] of a descriptor
 */
struct kvm_mem_attr {
	u8 mair;
	u8 sh;
};

/**
 * struct kvm_s1_range - one of the (up to two) VA ranges, validated
 * @geom: shape of its tables
 * @tbi: the top byte of a data address is ignored
 * @tbi_insn: and so is that of the address of an instruction
 * @hpd: permissions in table descriptors are ignored
 * @epd: walks through this range's tables are disabled
 * @e0pd: unprivileged accesses to this range fault
 * @sh: TCR_ELx.SHn, which with @geom.ds replaces the descriptor's own
 * @bad: TxSZ is out of its limits: every walk is a Translation fault, level 0
 */
struct kvm_s1_range {
	struct kvm_pt_geom geom;
	bool tbi;
	bool tbi_insn;
	bool hpd;
	bool epd;
	bool e0pd;
	u8 sh;
	bool bad;
};

/**
 * struct kvm_s1_config - validated stage-1 configuration of a regime
 * @range: lower and upper VA range; the EL2 regime has the lower one only
 * @ranges: how many there are; two if and only if EL0 is in the regime
 * @off: the MMU is off: flat translation
 * @dc: HCR_EL2.DC is in force: off, and memory is Normal Write-Back
 * @icache: SCTLR_ELx.I
 * @dcache: SCTLR_ELx.C
 * @wxn: SCTLR_ELx.WXN
 * @pan: FEAT_PAN exists
 * @epan: SCTLR_ELx.EPAN, in effect
 * @ha: set the Access flag in hardware's stead
 * @hd: update the dirty state in hardware's stead
 * @pie: permissions are indirect
 * @poe: overlays apply to privileged accesses
 * @e0poe: overlays apply to unprivileged accesses
 * @pa_bits: implemented PA size, the limit of flat translations
 * @asid: the current ASID, by TCR_ELx.A1 and AS
 * @mair: MAIR_ELx
 * @pir: PIR_ELx
 * @pire0: PIRE0_ELx
 * @por: POR_ELx
 * @por_el0: POR_EL0
 */
struct kvm_s1_config {
	struct kvm_s1_range range[2];
	u8 ranges;
	bool off;
	bool dc;
	bool icache;
	bool dcache;
	bool wxn;
	bool pan;
	bool epan;
	bool ha;
	bool hd;
	bool pie;
	bool poe;
	bool e0poe;
	u8 pa_bits;
	u16 asid;
	u64 mair;
	u64 pir;
	u64 pire0;
	u64 por;
	u64 por_el0;
};

/**
 * struct kvm_s1_perms - what one privilege level may do
 * @r: read
 * @w: write
 * @x: execute
 */
struct kvm_s1_perms {
	bool r;
	bool w;
	bool x;
};

/**
 * struct kvm_s1_result - a completed stage-1 translation
 * @pa: output address of the exact input address; an IPA if stage 2 follows
 * @leaf: the descriptor it came from; zeroes if @mmu_off
 * @priv: what EL1 or EL2 may do, after everything but PAN
 * @unpriv: what EL0 may do
 * @readable: the kind of access asked for may read, PAN included
 * @writable: it may write
 * @clean: and sets the dirty state when it does, which this walk has not
 * @executable: it may execute
 * @attr: memory type and shareability
 * @mmu_off: flat translation, stage 1 is off
 * @ng: not global: valid for @asid only
 * @asid: ASID of the regime at the time of the walk; 0 in the EL2 regime
 * @overlay: a Permission fault is due to an overlay
 * @dirty: a Permission fault is due to the dirty state
 */
struct kvm_s1_result {
	u64 pa;
	struct kvm_pt_leaf leaf;
	struct kvm_s1_perms priv;
	struct kvm_s1_perms unpriv;
	bool readable;
	bool writable;
	bool clean;
	bool executable;
	struct kvm_mem_attr attr;
	bool mmu_off;
	bool ng;
	u16 asid;
	bool overlay;
	bool dirty;
};

void kvm_s1_configure(const struct kvm_s1_regs *regs,
		      const struct kvm_s1_features *feat,
		      struct kvm_s1_config *cfg);
int kvm_s1_walk(const struct kvm_s1_config *cfg, const struct kvm_walk_mem *mem,
		u64 va, const struct kvm_access *acc,
		struct kvm_s1_result *res, struct kvm_walk_fault *fault);

/* A stage 1 behind a stage 2 */

/**
 * struct kvm_s1_mem - the memory that stage 1 knows: that of IPAs
 * @s2: validated configuration of stage 2; @s2.off if there is none
 * @phys: physical memory, which has the tables of both stages
 *
 * The context of kvm_s1_mem_ops.
 */
struct kvm_s1_mem {
	struct kvm_s2_config s2;
	struct kvm_walk_mem phys;
};

/**
 * struct kvm_s12_result - a completed translation by both stages
 * @s1: stage 1; its @pa is the IPA
 * @s2: stage 2; its @oa is the output address
 * @attr: memory type of both together
 */
struct kvm_s12_result {
	struct kvm_s1_result s1;
	struct kvm_s2_result s2;
	struct kvm_mem_attr attr;
};

/* Context: a struct kvm_s1_mem; and whatever its @phys needs. */
extern const struct kvm_walk_ops kvm_s1_mem_ops;

void kvm_s2_combine_attr(const struct kvm_s2_config *cfg, u64 s2_desc,
			 struct kvm_mem_attr *attr);
int kvm_s12_walk(const struct kvm_s1_config *cfg, struct kvm_s1_mem *mem,
		 u64 va, const struct kvm_access *acc,
		 struct kvm_s12_result *res, struct kvm_walk_fault *fault);

/* What an AT instruction says of it in PAR_EL1 */

u64 kvm_par_success(u64 pa, const struct kvm_mem_attr *attr);
u64 kvm_par_s1_fault_bits(const struct kvm_s1_result *res,
			  const struct kvm_walk_fault *fault);

#endif /* __ARM64_KVM_NESTED_S1WALK_H */
