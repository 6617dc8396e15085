/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested virtualization: the vocabulary of the page-table walkers.
 *
 * Words
 *   L0, L1, L2      the host kernel, a guest hypervisor at virtual EL2, its guest
 *   canonical IPA   an L1 physical address
 *   nested IPA      an L2 physical address, input of L1's stage 2
 *   IA, OA          input and output address of one stage
 *   level           -1 (widest) to 3 (pages), as the Arm ARM numbers them
 *   shift, bits     log2 of a size in bytes; a half-open range is [start, end)
 *
 * Results, everywhere in the subsystem
 *     0   done, outputs are valid
 *   > 0   an architectural outcome that the guest gets; the fault record is valid
 *   < 0   a host errno; -EAGAIN means exactly "lost a race, re-execute"
 * What a guest wrote can only ever lead to the first two, or to -EAGAIN.
 *
 * Everything declared here is pure: a snapshot of the configuration, an
 * address, an access and operations on descriptors go in, a translation or a
 * fault record comes out. No vCPU, no system register, no lock. The same
 * objects run in the kernel, in KUnit and in the user-space harness.
 */
#ifndef __ARM64_KVM_NESTED_WALK_H
#define __ARM64_KVM_NESTED_WALK_H

#include <linux/bits.h>
#include <linux/types.h>

#define KVM_WALK_OK		0
#define KVM_WALK_FAULT		1

/* A descriptor that keeps changing under the walker ends it with -EAGAIN. */
#define KVM_WALK_MAX_RETRIES	8

#define KVM_PT_LAST_LEVEL	3

/* Address sizes, in bits: with and without the large-address formats. */
#define KVM_PT_PA_BITS_BASE	48
#define KVM_PT_PA_BITS_LARGE	52

/**
 * enum kvm_fault_kind - what went wrong, independent of any encoding
 * @KVM_FAULT_NONE: nothing; distinct from every fault, FSC 0 included
 * @KVM_FAULT_TRANSLATION: Translation fault
 * @KVM_FAULT_ADDRESS_SIZE: Address size fault
 * @KVM_FAULT_ACCESS_FLAG: Access flag fault
 * @KVM_FAULT_PERMISSION: Permission fault
 * @KVM_FAULT_ALIGNMENT: Alignment fault caused by the memory type
 * @KVM_FAULT_SEA_TTW: synchronous External abort on a descriptor access
 */
enum kvm_fault_kind {
	KVM_FAULT_NONE,
	KVM_FAULT_TRANSLATION,
	KVM_FAULT_ADDRESS_SIZE,
	KVM_FAULT_ACCESS_FLAG,
	KVM_FAULT_PERMISSION,
	KVM_FAULT_ALIGNMENT,
	KVM_FAULT_SEA_TTW,
};

/**
 * struct kvm_walk_fault - a fault, before any syndrome
 * @kind: the kind of fault
 * @stage: 1 or 2, the stage that faulted
 * @level: level of the descriptor concerned, of stage @stage
 * @s1ptw: stage 2 faulted on behalf of a stage-1 walk
 * @write: the access that stage @stage refused was a write
 * @ipa: for stage 2, the IPA that it was asked to translate
 *
 * Encoded into ESR_EL2, HPFAR_EL2 and PAR_EL1 by fault.c alone.
 */
struct kvm_walk_fault {
	enum kvm_fault_kind kind;
	u8 stage;
	s8 level;
	bool s1ptw;
	bool write;
	u64 ipa;
};

/**
 * enum kvm_access_type - what the translated access does
 * @KVM_ACC_READ: data read
 * @KVM_ACC_WRITE: data write
 * @KVM_ACC_RMW: atomic read-modify-write; a missing read permission is
 *		 reported first, as a read
 * @KVM_ACC_EXEC: instruction fetch
 * @KVM_ACC_TTW: stage-1 walk fetching a descriptor (stage 2 only)
 * @KVM_ACC_TTW_UPDATE: stage-1 walk updating a descriptor (stage 2 only)
 * @KVM_ACC_AT_READ: AT instruction, read
 * @KVM_ACC_AT_WRITE: AT instruction, write; never sets the dirty state
 * @KVM_ACC_AT_ANY: AT S1E*A, no permission check
 * @KVM_ACC_CMO: cache maintenance that asks for no permission
 * @KVM_ACC_CMO_READ: cache maintenance that asks for read permission
 * @KVM_ACC_CMO_WRITE: cache maintenance that asks for write permission
 */
enum kvm_access_type {
	KVM_ACC_READ,
	KVM_ACC_WRITE,
	KVM_ACC_RMW,
	KVM_ACC_EXEC,
	KVM_ACC_TTW,
	KVM_ACC_TTW_UPDATE,
	KVM_ACC_AT_READ,
	KVM_ACC_AT_WRITE,
	KVM_ACC_AT_ANY,
	KVM_ACC_CMO,
	KVM_ACC_CMO_READ,
	KVM_ACC_CMO_WRITE,
};

/**
 * struct kvm_access - the access that is translated
 * @type: what it does
 * @el0: it is unprivileged
 * @pan: PSTATE.PAN applies to it (stage 1, AT S1E1RP and S1E1WP)
 * @unaligned: it is not aligned to its size
 * @s1_device: stage 1 has given a Device type, or its MMU is off (stage 2,
 *	       where FEAT_S2FWB lets it stand)
 */
struct kvm_access {
	enum kvm_access_type type;
	bool el0;
	bool pan;
	bool unaligned;
	bool s1_device;
};

/**
 * struct kvm_walk_ops - how a walker reaches descriptors
 * @read: single-copy atomic load of the 64-bit word at @pa, as it lies in
 *	  memory read little-endian
 * @cas: compare-and-swap of that word, same view; -EAGAIN when it is not @old
 *
 * Both return 0, KVM_WALK_FAULT or a host errno. The walker hands in @fault
 * filled in as KVM_FAULT_SEA_TTW of its stage and level, so that "this memory
 * aborts" needs no more than the return value; a stage 1 whose tables are
 * behind a stage 2 overwrites it with the fault of that stage 2.
 */
struct kvm_walk_ops {
	int (*read)(void *ctx, u64 pa, u64 *raw, struct kvm_walk_fault *fault);
	int (*cas)(void *ctx, u64 pa, u64 old, u64 new,
		   struct kvm_walk_fault *fault);
};

/**
 * struct kvm_walk_mem - descriptors' memory: operations and their context
 * @ops: the operations
 * @ctx: handed to them
 */
struct kvm_walk_mem {
	const struct kvm_walk_ops *ops;
	void *ctx;
};

/**
 * struct kvm_pt_geom - the shape of one stage's tables, validated
 * @stage: 1 or 2
 * @pgshift: log2 of the granule: 12, 14 or 16
 * @ia_bits: input address size
 * @oa_bits: output address size
 * @start_level: level of the initial lookup
 * @ds: TCR/VTCR.DS, 52-bit descriptors with 4K or 16K granule
 * @lpa: FEAT_LPA, that is a 52-bit physical address space: 64K descriptors
 *	 have OA[51:48] in bits [15:12], and 64K blocks exist at level 1
 * @big_endian: tables are big-endian (SCTLR_ELx.EE)
 * @haft: set the Access flag of table descriptors in hardware's stead
 * @base: address of the first table, aligned to its size
 */
struct kvm_pt_geom {
	u8 stage;
	u8 pgshift;
	u8 ia_bits;
	u8 oa_bits;
	s8 start_level;
	bool ds;
	bool lpa;
	bool big_endian;
	bool haft;
	u64 base;
};

/**
 * struct kvm_pt_leaf - where a descent ended
 * @desc: the block or page descriptor, in CPU order
 * @desc_pa: its address
 * @table_attrs: bits [63:59] of all table descriptors on the way, ORed: all of
 *		 the hierarchical controls restrict, so OR accumulates them
 * @level: its level
 * @shift: log2 of the size that it maps by itself
 * @contig_shift: log2 of the contiguous run that it belongs to; @shift if none
 */
struct kvm_pt_leaf {
	u64 desc;
	u64 desc_pa;
	u64 table_attrs;
	s8 level;
	u8 shift;
	u8 contig_shift;
};

/**
 * kvm_pt_level_shift() - log2 of the size that one entry of a level maps
 * @pgshift: log2 of the granule
 * @level: the level
 *
 * Return: the shift; 48 for level -1 of the 4K granule is the largest in use.
 */
static inline u8 kvm_pt_level_shift(u8 pgshift, s8 level)
{
	return pgshift + (KVM_PT_LAST_LEVEL - level) * (pgshift - 3);
}

bool kvm_access_reads(enum kvm_access_type type);
bool kvm_access_writes(enum kvm_access_type type);
bool kvm_access_dirties(enum kvm_access_type type);

u8 kvm_pt_granule(u8 pgshift, u32 gran, u8 bad_tg);
u8 kvm_pt_decode_pa_bits(u8 ps);
void kvm_pt_set_output(struct kvm_pt_geom *geom, u64 ttbr, u8 ps, u8 pa_bits);
u8 kvm_pt_contig_shift(u8 pgshift, s8 level);
u64 kvm_pt_desc_addr(const struct kvm_pt_geom *geom, u64 desc);
int kvm_pt_descend(const struct kvm_pt_geom *geom,
		   const struct kvm_walk_mem *mem, u64 ia,
		   struct kvm_pt_leaf *leaf, struct kvm_walk_fault *fault);
int kvm_pt_output(const struct kvm_pt_geom *geom,
		  const struct kvm_pt_leaf *leaf, u64 ia, u64 *oa,
		  struct kvm_walk_fault *fault);
int kvm_pt_update(const struct kvm_pt_geom *geom,
		  const struct kvm_walk_mem *mem, struct kvm_pt_leaf *leaf,
		  u64 new, struct kvm_walk_fault *fault);
int kvm_walk_set_fault(struct kvm_walk_fault *fault, enum kvm_fault_kind kind,
		       u8 stage, s8 level);

/* Stage 2: nested.c */

/**
 * struct kvm_s2_regs - the registers that control L1's stage 2
 * @vtcr: VTCR_EL2
 * @vttbr: VTTBR_EL2
 * @big_endian: SCTLR_EL2.EE
 * @ptw: HCR_EL2.PTW
 * @fwb: HCR_EL2.FWB, in effect
 * @cd: HCR_EL2.CD
 * @off: neither HCR_EL2.VM nor HCR_EL2.DC is in effect
 */
struct kvm_s2_regs {
	u64 vtcr;
	u64 vttbr;
	bool big_endian;
	bool ptw;
	bool fwb;
	bool cd;
	bool off;
};

/**
 * struct kvm_s2_features - what the VM's ID registers promise for stage 2
 * @pa_bits: PARange, decoded: the implemented PA size of the VM
 * @gran: bit n set if the granule of shift n exists at stage 2
 * @lpa2: bit n set if that granule has the 52-bit format (FEAT_LPA2)
 * @bad_tg: log2 of the granule that a TG0 stands for which is reserved or names
 *	    a granule that does not exist; 0 for the smallest one that does
 * @ttst: FEAT_TTST, small translation tables
 * @xnx: FEAT_XNX
 * @haf: hardware updates the Access flag (FEAT_HAFDBS)
 * @hdbs: hardware updates the dirty state
 * @haft: hardware updates the Access flag of table descriptors (FEAT_HAFT)
 */
struct kvm_s2_features {
	u8 pa_bits;
	u32 gran;
	u32 lpa2;
	u8 bad_tg;
	bool ttst;
	bool xnx;
	bool haf;
	bool hdbs;
	bool haft;
};

/**
 * struct kvm_s2_config - validated stage-2 configuration
 * @geom: shape of the tables
 * @ha: set the Access flag in hardware's stead
 * @hd: update the dirty state in hardware's stead
 * @xnx: XN[1:0] distinguishes EL1 and EL0
 * @ptw: stage-1 walks to Device memory take a Permission fault
 * @fwb: MemAttr has the FEAT_S2FWB encoding
 * @cd: data accesses to Normal memory are Non-cacheable
 * @sh: VTCR_EL2.SH0, which with @geom.ds replaces the descriptor's own
 * @off: stage 2 is off: flat translation; the rest, @geom too, is not valid
 * @bad: VTCR_EL2 is not usable: every walk is a Translation fault, level 0
 */
struct kvm_s2_config {
	struct kvm_pt_geom geom;
	bool ha;
	bool hd;
	bool xnx;
	bool ptw;
	bool fwb;
	bool cd;
	u8 sh;
	bool off;
	bool bad;
};

/**
 * struct kvm_s2_result - a completed stage-2 translation
 * @oa: output address of the exact input address
 * @leaf: the descriptor it came from; zeroes if stage 2 is off
 * @readable: S2AP allows reads
 * @writable: S2AP allows writes, after the update that the access made
 * @dirty_managed: a write is allowed whatever S2AP says, and sets it
 * @exec_el0: XN allows EL0 to execute
 * @exec_el1: XN allows EL1 to execute
 * @device: the type is Device: by MemAttr whatever stage 1 says or, with
 *	    FEAT_S2FWB, by stage 1 where MemAttr lets that stand
 */
struct kvm_s2_result {
	u64 oa;
	struct kvm_pt_leaf leaf;
	bool readable;
	bool writable;
	bool dirty_managed;
	bool exec_el0;
	bool exec_el1;
	bool device;
};

u8 kvm_s2_granule(u64 vtcr, const struct kvm_s2_features *feat);
void kvm_s2_configure(const struct kvm_s2_regs *regs,
		      const struct kvm_s2_features *feat,
		      struct kvm_s2_config *cfg);
int kvm_s2_walk(const struct kvm_s2_config *cfg, const struct kvm_walk_mem *mem,
		u64 ipa, const struct kvm_access *acc,
		struct kvm_s2_result *res, struct kvm_walk_fault *fault);

#endif /* __ARM64_KVM_NESTED_WALK_H */
