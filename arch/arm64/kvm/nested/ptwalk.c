// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization: what the walks of both stages share.
 *
 * VMSAv8-64 tables of stage 1 and stage 2 differ in how they are configured
 * and in what a leaf permits, not in how they are descended: the arithmetic of
 * granules, levels and contiguous runs, the place of the address bits in a
 * descriptor, and the checks on the way down live here, once.
 *
 * The order of the checks is that of the Arm ARM's AArch64.S1Walk() and
 * AArch64.S2Walk(): abort of the fetch, invalid descriptor, address size of
 * the next table, and at the leaf the address size of the final output.
 *
 * Pure: no vCPU, no locks; see walk.h. Descriptors change under the walker at
 * any time, so each one is read once and judged from that copy.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/types.h>

#include "walk.h"

#define PT_DESC_VALID		BIT_ULL(0)
#define PT_DESC_TABLE		BIT_ULL(1)
#define PT_DESC_AF		BIT_ULL(10)
#define PT_DESC_CONTIG		BIT_ULL(52)
#define PT_DESC_TABLE_ATTRS	GENMASK_ULL(63, 59)

/* A table's address in TTBRn_ELx and VTTBR_EL2; with 52 bits, its high bits. */
#define PT_TTBR_BADDR		GENMASK_ULL(47, 1)
#define PT_TTBR_BADDR_LARGE	GENMASK_ULL(47, 6)
#define PT_TTBR_BADDR_51_48	GENMASK_ULL(5, 2)

/* The PS for which the register of a 64K table has the 52-bit form. */
#define PT_PS_52_BITS		6

/* Where the formats for 52-bit addresses keep their high bits. */
#define PT_ADDR_TOP_BASE	47
#define PT_ADDR_TOP_DS		49
#define PT_DS_OA_51_50		GENMASK_ULL(9, 8)
#define PT_DS_OA_51_50_SHIFT	50
#define PT_LPA_OA_51_48		GENMASK_ULL(15, 12)
#define PT_LPA_OA_51_48_SHIFT	48

/**
 * kvm_walk_set_fault() - record a fault of the walk
 * @fault: the record; ipa and write stay as the caller has set them
 * @kind: what went wrong
 * @stage: the stage that faults, 1 or 2
 * @level: level of the descriptor concerned
 *
 * Return: KVM_WALK_FAULT, so that it can end a function.
 * Context: any.
 */
int kvm_walk_set_fault(struct kvm_walk_fault *fault, enum kvm_fault_kind kind,
		       u8 stage, s8 level)
{
	fault->kind = kind;
	fault->stage = stage;
	fault->level = level;
	return KVM_WALK_FAULT;
}

/**
 * kvm_access_reads() - does an access ask for read permission?
 * @type: the access
 *
 * Return: true if it does.
 * Context: any.
 */
bool kvm_access_reads(enum kvm_access_type type)
{
	switch (type) {
	case KVM_ACC_READ:
	case KVM_ACC_RMW:
	case KVM_ACC_TTW:
	case KVM_ACC_TTW_UPDATE:
	case KVM_ACC_AT_READ:
	case KVM_ACC_CMO_READ:
		return true;
	default:
		return false;
	}
}

/**
 * kvm_access_writes() - does an access ask for write permission?
 * @type: the access
 *
 * Return: true if it does.
 * Context: any.
 */
bool kvm_access_writes(enum kvm_access_type type)
{
	switch (type) {
	case KVM_ACC_WRITE:
	case KVM_ACC_RMW:
	case KVM_ACC_TTW_UPDATE:
	case KVM_ACC_AT_WRITE:
	case KVM_ACC_CMO_WRITE:
		return true;
	default:
		return false;
	}
}

/**
 * kvm_access_dirties() - does an access set the dirty state?
 * @type: the access
 *
 * AT and cache maintenance never do, whatever permission they ask for.
 *
 * Return: true if it does.
 * Context: any.
 */
bool kvm_access_dirties(enum kvm_access_type type)
{
	return type == KVM_ACC_WRITE || type == KVM_ACC_RMW ||
	       type == KVM_ACC_TTW_UPDATE;
}

/**
 * kvm_pt_granule() - the granule that a TG field selects
 * @pgshift: log2 of what the field says; 0 for a reserved encoding
 * @gran: bit n set if the granule of shift n exists
 * @bad_tg: log2 of what takes the place of a granule that does not exist, which
 *	    is IMPLEMENTATION DEFINED; 0 for the smallest in @gran
 *
 * Return: log2 of the granule.
 * Context: any.
 */
u8 kvm_pt_granule(u8 pgshift, u32 gran, u8 bad_tg)
{
	if (pgshift && (gran & BIT(pgshift)))
		return pgshift;
	if (bad_tg)
		return bad_tg;

	for (pgshift = 12; pgshift < 16; pgshift += 2)
		if (gran & BIT(pgshift))
			return pgshift;
	return 16;
}

/**
 * kvm_pt_decode_pa_bits() - decode PARange, TCR.IPS and VTCR.PS
 * @ps: the three or four bits of the field
 *
 * Values without a meaning decode to the largest size (the Arm ARM's
 * AArch64.PhysicalAddressSize()); the implemented size then cuts it.
 *
 * Return: physical address size in bits.
 * Context: any.
 */
u8 kvm_pt_decode_pa_bits(u8 ps)
{
	static const u8 bits[] = { 32, 36, 40, 42, 44, 48, 52, 56 };

	return ps < sizeof(bits) ? bits[ps] : bits[sizeof(bits) - 1];
}

/*
 * AArch64.PhysicalAddressSize(): what PS asks for, cut to what the VM has and
 * to what the format can express.
 */
static u8 pt_oa_bits(const struct kvm_pt_geom *geom, u8 ps, u8 pa_bits)
{
	u8 max_oa = KVM_PT_PA_BITS_BASE;

	if (geom->ds || (geom->lpa && geom->pgshift == 16))
		max_oa = KVM_PT_PA_BITS_LARGE;

	return min3(kvm_pt_decode_pa_bits(ps), pa_bits, max_oa);
}

/*
 * AArch64.S1TTBaseAddress() and AArch64.S2TTBaseAddress(): the base is aligned
 * down to the size of the (concatenated) first table, which in the 52-bit form
 * counts as 64 bytes at least; low bits that say otherwise are ignored.
 */
static u64 pt_base(const struct kvm_pt_geom *geom, u64 ttbr, u8 ps)
{
	u8 size_bits = geom->ia_bits + 3 -
		       kvm_pt_level_shift(geom->pgshift, geom->start_level);
	u64 base = ttbr & PT_TTBR_BADDR;

	if (geom->ds ||
	    (geom->lpa && geom->pgshift == 16 && ps == PT_PS_52_BITS)) {
		base = ttbr & PT_TTBR_BADDR_LARGE;
		base |= FIELD_GET(PT_TTBR_BADDR_51_48, ttbr) <<
			KVM_PT_PA_BITS_BASE;
	}

	return base & ~GENMASK_ULL(size_bits - 1, 0);
}

/**
 * kvm_pt_set_output() - output size and base of tables
 * @geom: shape of the tables, complete but for @geom->oa_bits and @geom->base
 * @ttbr: TTBRn_ELx or VTTBR_EL2
 * @ps: TCR_ELx.{I}PS or VTCR_EL2.PS
 * @pa_bits: implemented PA size of the VM
 *
 * Context: any.
 */
void kvm_pt_set_output(struct kvm_pt_geom *geom, u64 ttbr, u8 ps, u8 pa_bits)
{
	geom->oa_bits = pt_oa_bits(geom, ps, pa_bits);
	geom->base = pt_base(geom, ttbr, ps);
}

/**
 * kvm_pt_contig_shift() - log2 of the size of a contiguous run
 * @pgshift: log2 of the granule
 * @level: level of its entries
 *
 * Return: log2 of the bytes that a run at @level maps; that of a single entry
 * where the architecture has no runs (4K level 0, 16K and 64K level 1).
 * Context: any.
 */
u8 kvm_pt_contig_shift(u8 pgshift, s8 level)
{
	u8 shift = kvm_pt_level_shift(pgshift, level);

	switch (pgshift) {
	case 12:
		return level >= 1 ? shift + 4 : shift;
	case 14:
		if (level == 3)
			return shift + 7;
		return level == 2 ? shift + 5 : shift;
	default:
		return level >= 2 ? shift + 5 : shift;
	}
}

/**
 * kvm_pt_desc_addr() - the address that a descriptor holds
 * @geom: shape of the tables
 * @desc: a table, block or page descriptor, in CPU order
 *
 * Return: the address, aligned to the granule. Bits of a block descriptor
 * below its size are included as they are.
 * Context: any.
 */
u64 kvm_pt_desc_addr(const struct kvm_pt_geom *geom, u64 desc)
{
	u64 addr;

	if (geom->ds) {
		addr = desc & GENMASK_ULL(PT_ADDR_TOP_DS, geom->pgshift);
		addr |= FIELD_GET(PT_DS_OA_51_50, desc) << PT_DS_OA_51_50_SHIFT;
		return addr;
	}

	addr = desc & GENMASK_ULL(PT_ADDR_TOP_BASE, geom->pgshift);
	if (geom->lpa && geom->pgshift == 16)
		addr |= FIELD_GET(PT_LPA_OA_51_48, desc) << PT_LPA_OA_51_48_SHIFT;
	return addr;
}

static bool pt_exceeds(u64 addr, u8 bits)
{
	return addr >> bits;
}

static u64 pt_cpu_order(const struct kvm_pt_geom *geom, u64 raw)
{
	return geom->big_endian ? __builtin_bswap64(raw) : raw;
}

static int pt_fetch(const struct kvm_pt_geom *geom,
		    const struct kvm_walk_mem *mem, u64 pa, s8 level,
		    u64 *desc, struct kvm_walk_fault *fault)
{
	struct kvm_walk_fault abort = *fault;
	u64 raw = 0;
	int ret;

	kvm_walk_set_fault(&abort, KVM_FAULT_SEA_TTW, geom->stage, level);
	ret = mem->ops->read(mem->ctx, pa, &raw, &abort);
	if (ret > 0)
		*fault = abort;
	*desc = pt_cpu_order(geom, raw);
	return ret;
}

/* Blocks exist where the granule's format has them, pages at level 3 only. */
static bool pt_is_leaf_level(const struct kvm_pt_geom *geom, s8 level)
{
	switch (geom->pgshift) {
	case 12:
		return level == 1 || level == 2 || (level == 0 && geom->ds);
	case 14:
		return level == 2 || (level == 1 && geom->ds);
	default:
		return level == 2 || (level == 1 && geom->lpa);
	}
}

enum pt_desc_type { PT_INVALID, PT_TABLE, PT_LEAF };

static enum pt_desc_type pt_desc_type(const struct kvm_pt_geom *geom, u64 desc,
				      s8 level)
{
	if (!(desc & PT_DESC_VALID))
		return PT_INVALID;

	/* At the last level [1:0] is 0b11 for a page; 0b01 is reserved. */
	if (level == KVM_PT_LAST_LEVEL)
		return desc & PT_DESC_TABLE ? PT_LEAF : PT_INVALID;

	if (desc & PT_DESC_TABLE)
		return PT_TABLE;

	return pt_is_leaf_level(geom, level) ? PT_LEAF : PT_INVALID;
}

/* Index of @ia at @level, as a byte offset; the first level may be any size. */
static u64 pt_index_offset(const struct kvm_pt_geom *geom, u64 ia, s8 level)
{
	u8 shift = kvm_pt_level_shift(geom->pgshift, level);
	u8 bits = geom->pgshift - 3;

	if (level == geom->start_level)
		bits = geom->ia_bits - shift;

	return ((ia >> shift) & GENMASK_ULL(bits - 1, 0)) << 3;
}

static void pt_fill_leaf(const struct kvm_pt_geom *geom, u64 desc, u64 pa,
			 s8 level, struct kvm_pt_leaf *leaf)
{
	leaf->desc = desc;
	leaf->desc_pa = pa;
	leaf->level = level;
	leaf->shift = kvm_pt_level_shift(geom->pgshift, level);
	leaf->contig_shift = desc & PT_DESC_CONTIG ?
			     kvm_pt_contig_shift(geom->pgshift, level) :
			     leaf->shift;
}

/**
 * kvm_pt_update() - hardware update of a descriptor
 * @geom: shape of the tables
 * @mem: access to the descriptors
 * @leaf: the descriptor, mostly a leaf; its copy of the descriptor becomes @new on success
 * @new: the descriptor wanted, in CPU order
 * @fault: record of the fault, if there is one
 *
 * Return: 0; KVM_WALK_FAULT if the update aborts (an External abort on the
 * walk at the descriptor's level, or the fault of the stage behind); -EAGAIN if the
 * descriptor is no longer what the walk has read, so the walk has to be done
 * again; another host errno.
 * Context: whatever @mem's operations need.
 */
int kvm_pt_update(const struct kvm_pt_geom *geom,
		  const struct kvm_walk_mem *mem, struct kvm_pt_leaf *leaf,
		  u64 new, struct kvm_walk_fault *fault)
{
	struct kvm_walk_fault abort = *fault;
	int ret;

	if (new == leaf->desc)
		return 0;

	kvm_walk_set_fault(&abort, KVM_FAULT_SEA_TTW, geom->stage, leaf->level);
	ret = mem->ops->cas(mem->ctx, leaf->desc_pa,
			    pt_cpu_order(geom, leaf->desc),
			    pt_cpu_order(geom, new), &abort);
	if (ret > 0)
		*fault = abort;
	if (!ret)
		leaf->desc = new;
	return ret;
}

/*
 * FEAT_HAFT: a walk that goes on through a table has accessed it. Until there
 * is a leaf, @leaf is the table descriptor.
 */
static int pt_mark_table(const struct kvm_pt_geom *geom,
			 const struct kvm_walk_mem *mem, u64 desc, u64 pa,
			 s8 level, struct kvm_pt_leaf *leaf,
			 struct kvm_walk_fault *fault)
{
	if (!geom->haft)
		return 0;

	leaf->desc = desc;
	leaf->desc_pa = pa;
	leaf->level = level;
	return kvm_pt_update(geom, mem, leaf, desc | PT_DESC_AF, fault);
}

/**
 * kvm_pt_descend() - go from the first table to the leaf
 * @geom: validated shape of the tables
 * @mem: access to the descriptors
 * @ia: input address, below 1 << geom->ia_bits
 * @leaf: the leaf descriptor found
 * @fault: record of the fault, if there is one
 *
 * At most five descriptors are read, one a level, so it ends. Hardware that
 * updates table descriptors does that here.
 *
 * Return: 0, KVM_WALK_FAULT or a host errno of @mem's operations; -EAGAIN if a
 * table descriptor has changed before its update.
 * Context: whatever @mem's operations need.
 */
int kvm_pt_descend(const struct kvm_pt_geom *geom,
		   const struct kvm_walk_mem *mem, u64 ia,
		   struct kvm_pt_leaf *leaf, struct kvm_walk_fault *fault)
{
	u64 table = geom->base, desc, pa;
	s8 level;
	int ret;

	leaf->table_attrs = 0;

	/* The first descriptor, whatever the start level: reported at level 0. */
	if (pt_exceeds(table, geom->oa_bits))
		return kvm_walk_set_fault(fault, KVM_FAULT_ADDRESS_SIZE,
					  geom->stage, 0);

	for (level = geom->start_level; level <= KVM_PT_LAST_LEVEL; level++) {
		pa = table + pt_index_offset(geom, ia, level);
		ret = pt_fetch(geom, mem, pa, level, &desc, fault);
		if (ret)
			return ret;

		switch (pt_desc_type(geom, desc, level)) {
		case PT_LEAF:
			pt_fill_leaf(geom, desc, pa, level, leaf);
			return 0;
		case PT_TABLE:
			break;
		default:
			return kvm_walk_set_fault(fault, KVM_FAULT_TRANSLATION,
						  geom->stage, level);
		}

		table = kvm_pt_desc_addr(geom, desc);
		leaf->table_attrs |= desc & PT_DESC_TABLE_ATTRS;
		if (pt_exceeds(table, geom->oa_bits))
			return kvm_walk_set_fault(fault, KVM_FAULT_ADDRESS_SIZE,
						  geom->stage, level);

		ret = pt_mark_table(geom, mem, desc, pa, level, leaf, fault);
		if (ret)
			return ret;
	}

	/* Level 3 holds pages or invalid entries only: not reached. */
	return kvm_walk_set_fault(fault, KVM_FAULT_TRANSLATION, geom->stage,
				  KVM_PT_LAST_LEVEL);
}

/**
 * kvm_pt_output() - the output address of a leaf for one input address
 * @geom: shape of the tables
 * @leaf: the leaf found by kvm_pt_descend()
 * @ia: the input address, in bytes
 * @oa: the output address, in bytes
 * @fault: record of the fault, if there is one
 *
 * In a contiguous run the input address supplies the bits inside the run and
 * the descriptor's own are ignored (AArch64.LeafBase()); the size check is on
 * the final address, offset included.
 *
 * Return: 0 or KVM_WALK_FAULT.
 * Context: any.
 */
int kvm_pt_output(const struct kvm_pt_geom *geom,
		  const struct kvm_pt_leaf *leaf, u64 ia, u64 *oa,
		  struct kvm_walk_fault *fault)
{
	u64 offset = GENMASK_ULL(leaf->contig_shift - 1, 0);

	*oa = (kvm_pt_desc_addr(geom, leaf->desc) & ~offset) | (ia & offset);
	if (!pt_exceeds(*oa, geom->oa_bits))
		return 0;

	return kvm_walk_set_fault(fault, KVM_FAULT_ADDRESS_SIZE, geom->stage,
				  leaf->level);
}
