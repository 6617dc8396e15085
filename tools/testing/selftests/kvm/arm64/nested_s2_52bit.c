// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_s2_52bit - 52-bit addresses in an L1 hypervisor's stage 2, and their TLB maintenance
 *
 * Each row is a VM of its own. L2 loads through a leaf that L1 has mapped; L1 removes a descriptor
 * on the way, executes the row's TLBI, and L2's next load has to fault, with the whole address in
 * HPFAR_EL2. Then the descriptor is put back and L2 stores. Where the VM can have it, all of L1's
 * memory for L2 (tables, code, data) is at a physical address with bits above 47. TLBIs of the
 * 48-bit formats of all granules are here as well, with each kind of TTL hint: the leaf's, one that
 * is reserved and to be read as none, and a wrong one, which need not do anything.
 *
 * A second table is about what userspace may take from a VM's ID registers before it runs.
 *
 * Seen to fail with: IPA[51:48] dropped from the operand of TLBI IPAS2E1; VTCR_EL2.DS ignored for
 * TLBI RIPAS2E1; the level of a 512G block forgotten; VTCR_EL2.DS left RES0 unless all granules
 * have FEAT_LPA2; TGRANx_2 not lowered to IMP; the granule of a TTL taken for 4K; a TTL of level 0
 * taken for a page.
 *
 * No locking: one vCPU, and the host only touches guest memory while it does not run.
 */
#include "guest_modes.h"
#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall.h"

#include <asm/sysreg.h>

#define L1_GPA			SZ_2G
#define L1_GPA_HIGH		(0xdUL << 48)	/* added where L1's tables can have it */
#define L1_GVA			0x4000000000UL
#define L1_SIZE			SZ_16M
#define L1_SLOT			1
#define ARENA_OFFSET		SZ_1M
#define DATA_OFFSET		0xfd0000
#define OFFSET			0x128

#define CODE_IPA		0x40000000UL

#define LOAD_VALUE		0x5a5a5a5aa5a5a5a5UL
#define STORE_VALUE		0xc001d00dfeedf00dUL

#define VMID			5
#define LEAF			4	/* no level: that of the leaf */

enum tlbi {
	TLBI_ALL,		/* VMALLS12E1IS */
	TLBI_IPA,		/* IPAS2E1IS */
	TLBI_IPA_TTL,		/* the same with the leaf's level and granule as a hint */
	TLBI_IPA_HINT,		/* the same with @hint, which is as good as none */
	TLBI_IPA_WRONG,		/* with @hint, an access, with the leaf's level and granule */
	TLBI_RANGE,		/* RIPAS2E1IS, two granules */
};

struct row {
	const char *desc;
	struct s2_geometry geo;
	u64 ipa;		/* the leaf's, aligned */
	int leaf;		/* its level */
	int unmap;		/* level of the descriptor that is removed */
	enum tlbi tlbi;
	u64 tlbi_distance;	/* from the data, for a TLBI of another part of the leaf */
	u32 lower;		/* granules that userspace takes 52 bits from, BIT(shift) */
	bool touch;		/* L2 loads from where the TLBI is about, too */
	u64 vtcr_set;		/* what L1 sets in VTCR_EL2 for no effect */
	u8 hint;		/* TTL */
	bool no_lpa2;		/* @hint is reserved without FEAT_LPA2 only */
};

/* TTL: granule (4K, 16K, 64K are 1, 2, 3) and level. */
#define TTL(tg, level)		((tg) << 2 | (level))

#define GEO(shift, bits, level)	{ .page_shift = (shift), .ia_bits = (bits), .start = (level) }
#define GEO52(shift, bits, level)						\
	{ .page_shift = (shift), .ia_bits = (bits), .start = (level), .large = true }

#define IPA_48			0x7edcc7530000UL
#define IPA_48_BLOCK		0x7edcc0000000UL	/* of 1G, and less */
#define IPA_52			0xafedcc7530000UL
#define IPA_52_BLOCK		0xafc0000000000UL	/* of 4T, and less */

static const struct row rows[] = {
	/* The 48-bit formats, for all hosts. */
	{ "4K, 48 bits: TLBI by IPA", GEO(12, 48, 0), IPA_48, 3, LEAF, TLBI_IPA },
	{ "4K, 48 bits: TLBI by range", GEO(12, 48, 0), IPA_48, 3, LEAF, TLBI_RANGE },
	{ "4K, 1G block: TLBI by another IPA of it", GEO(12, 48, 0), IPA_48_BLOCK, 1, LEAF,
	  TLBI_IPA, SZ_512M },
	{ "4K, 1G block: TLBI by another mapped IPA of it", GEO(12, 48, 0), IPA_48_BLOCK, 1,
	  LEAF, TLBI_IPA, SZ_16K, .touch = true },
	{ "16K, 47 bits: TLBI by IPA", GEO(14, 47, 1), IPA_48, 3, LEAF, TLBI_IPA },
	{ "16K, 47 bits: TLBI by range", GEO(14, 47, 1), IPA_48, 3, LEAF, TLBI_RANGE },
	{ "64K, 48 bits: TLBI by IPA", GEO(16, 48, 1), IPA_48, 3, LEAF, TLBI_IPA },
	{ "64K, 48 bits: TLBI by range", GEO(16, 48, 1), IPA_48, 3, LEAF, TLBI_RANGE },

	/* TTL, with the operand in another part of the leaf if it is a block */
	{ "4K, 48 bits: TLBI by IPA and level", GEO(12, 48, 0), IPA_48, 3, LEAF, TLBI_IPA_TTL },
	{ "16K, 47 bits: TLBI by IPA and level", GEO(14, 47, 1), IPA_48, 3, LEAF, TLBI_IPA_TTL },
	{ "64K, 48 bits: TLBI by IPA and level", GEO(16, 48, 1), IPA_48, 3, LEAF, TLBI_IPA_TTL },
	{ "4K, 1G block: TLBI by IPA and level", GEO(12, 48, 0), IPA_48_BLOCK, 1, LEAF,
	  TLBI_IPA_TTL, SZ_512M },
	{ "16K, 32M block: TLBI by IPA", GEO(14, 47, 1), IPA_48_BLOCK, 2, LEAF, TLBI_IPA, SZ_8M },
	{ "16K, 32M block: TLBI by IPA and level", GEO(14, 47, 1), IPA_48_BLOCK, 2, LEAF,
	  TLBI_IPA_TTL, SZ_8M },
	{ "64K, 512M block: TLBI by IPA", GEO(16, 48, 1), IPA_48_BLOCK, 2, LEAF, TLBI_IPA,
	  SZ_256M },
	{ "64K, 512M block: TLBI by IPA and level", GEO(16, 48, 1), IPA_48_BLOCK, 2, LEAF,
	  TLBI_IPA_TTL, SZ_256M },

	/* No granule: the level is not looked at. Levels that a granule has no leaves at. */
	{ "4K, 1G block: TLBI by IPA, level 3 of no granule", GEO(12, 48, 0), IPA_48_BLOCK, 1,
	  LEAF, TLBI_IPA_HINT, SZ_512M, .hint = TTL(0, 3) },
	{ "16K, 32M block: TLBI by IPA, level 3 of no granule", GEO(14, 47, 1), IPA_48_BLOCK, 2,
	  LEAF, TLBI_IPA_HINT, SZ_8M, .hint = TTL(0, 3) },
	{ "64K, 512M block: TLBI by IPA, level 3 of no granule", GEO(16, 48, 1), IPA_48_BLOCK, 2,
	  LEAF, TLBI_IPA_HINT, SZ_256M, .hint = TTL(0, 3) },
	{ "4K, 1G block: TLBI by IPA, reserved TTL of level 0", GEO(12, 48, 0), IPA_48_BLOCK, 1,
	  LEAF, TLBI_IPA_HINT, SZ_512M, .hint = TTL(1, 0), .no_lpa2 = true },
	{ "16K, 32M block: TLBI by IPA, reserved TTL of level 0", GEO(14, 47, 1), IPA_48_BLOCK, 2,
	  LEAF, TLBI_IPA_HINT, SZ_8M, .hint = TTL(2, 0) },
	{ "16K, 32M block: TLBI by IPA, reserved TTL of level 1", GEO(14, 47, 1), IPA_48_BLOCK, 2,
	  LEAF, TLBI_IPA_HINT, SZ_8M, .hint = TTL(2, 1), .no_lpa2 = true },
	{ "64K, 512M block: TLBI by IPA, reserved TTL of level 0", GEO(16, 48, 1), IPA_48_BLOCK,
	  2, LEAF, TLBI_IPA_HINT, SZ_256M, .hint = TTL(3, 0) },

	/* A wrong one spoils nothing for the right one. */
	{ "16K, 32M block: TLBI by IPA, TTL of level 3 first", GEO(14, 47, 1), IPA_48_BLOCK, 2,
	  LEAF, TLBI_IPA_WRONG, SZ_8M, .hint = TTL(2, 3) },
	{ "16K, 32M block: TLBI by IPA, TTL of 4K first", GEO(14, 47, 1), IPA_48_BLOCK, 2, LEAF,
	  TLBI_IPA_WRONG, SZ_8M, .hint = TTL(1, 2) },
	{ "16K, 47 bits: TLBI by IPA, TTL of level 2 first", GEO(14, 47, 1), IPA_48, 3, LEAF,
	  TLBI_IPA_WRONG, .hint = TTL(2, 2) },
	{ "64K, 512M block: TLBI by IPA, TTL of level 3 first", GEO(16, 48, 1), IPA_48_BLOCK, 2,
	  LEAF, TLBI_IPA_WRONG, SZ_256M, .hint = TTL(3, 3) },
	{ "64K, 512M block: TLBI by IPA, TTL of 4K first", GEO(16, 48, 1), IPA_48_BLOCK, 2, LEAF,
	  TLBI_IPA_WRONG, SZ_256M, .hint = TTL(1, 1) },
	{ "64K, 48 bits: TLBI by IPA, TTL of level 2 first", GEO(16, 48, 1), IPA_48, 3, LEAF,
	  TLBI_IPA_WRONG, .hint = TTL(3, 2) },

	/* 4K with VTCR_EL2.DS */
	{ "4K, DS, level -1: TLBI of all", GEO52(12, 52, -1), IPA_52, 3, LEAF, TLBI_ALL },
	{ "4K, DS, level -1: TLBI by IPA", GEO52(12, 52, -1), IPA_52, 3, LEAF, TLBI_IPA },
	{ "4K, DS, level -1: TLBI by IPA and level", GEO52(12, 52, -1), IPA_52, 3, LEAF,
	  TLBI_IPA_TTL },
	{ "4K, DS, level -1: TLBI by range", GEO52(12, 52, -1), IPA_52, 3, LEAF, TLBI_RANGE },
	{ "4K, DS, level -1: unmapped at level 2", GEO52(12, 52, -1), IPA_52, 3, 2, TLBI_IPA },
	{ "4K, DS, level -1: unmapped at level 1", GEO52(12, 52, -1), IPA_52, 3, 1, TLBI_IPA },
	{ "4K, DS, level -1: unmapped at level 0", GEO52(12, 52, -1), IPA_52, 3, 0, TLBI_IPA },
	{ "4K, DS, level -1: unmapped at level -1", GEO52(12, 52, -1), IPA_52, 3, -1, TLBI_IPA },
	{ "4K, DS, 16 tables at level 0: TLBI by IPA", GEO52(12, 52, 0), IPA_52, 3, LEAF,
	  TLBI_IPA },
	{ "4K, DS, 39 bits: TLBI by range", GEO52(12, 39, 1), 0x6cc7530000, 3, LEAF, TLBI_RANGE },
	{ "4K, DS, 2M block: TLBI by another IPA of it", GEO52(12, 52, -1), IPA_52_BLOCK, 2, LEAF,
	  TLBI_IPA, SZ_16K },
	{ "4K, DS, 512G block: TLBI by IPA", GEO52(12, 52, -1), IPA_52_BLOCK, 0, LEAF, TLBI_IPA },
	{ "4K, DS, 512G block: TLBI by another IPA of it", GEO52(12, 52, -1), IPA_52_BLOCK, 0,
	  LEAF, TLBI_IPA, 300UL * SZ_1G },
	{ "4K, DS, 512G block: TLBI by another mapped IPA of it", GEO52(12, 52, -1), IPA_52_BLOCK,
	  0, LEAF, TLBI_IPA, SZ_16K, .touch = true },
	{ "4K, DS, 512G block: TLBI by another IPA of it, and level", GEO52(12, 52, -1),
	  IPA_52_BLOCK, 0, LEAF, TLBI_IPA_TTL, 300UL * SZ_1G },
	{ "4K, DS, 512G block: TLBI by a range in it", GEO52(12, 52, -1), IPA_52_BLOCK, 0, LEAF,
	  TLBI_RANGE, 300UL * SZ_1G },

	/* 16K with VTCR_EL2.DS, and 64K */
	{ "16K, DS, level 0: TLBI by IPA", GEO52(14, 52, 0), IPA_52, 3, LEAF, TLBI_IPA },
	{ "16K, DS, level 0: TLBI by range", GEO52(14, 52, 0), IPA_52, 3, LEAF, TLBI_RANGE },
	{ "16K, DS, level 0: unmapped at level 0", GEO52(14, 52, 0), IPA_52, 3, 0, TLBI_IPA },
	{ "16K, DS, 64G block: TLBI by another IPA of it", GEO52(14, 52, 0), IPA_52_BLOCK, 1,
	  LEAF, TLBI_IPA, 30UL * SZ_1G },
	{ "16K, DS, 64G block: TLBI by another IPA of it, and level", GEO52(14, 52, 0),
	  IPA_52_BLOCK, 1, LEAF, TLBI_IPA_TTL, 30UL * SZ_1G },
	{ "64K, 52 bits: TLBI by IPA", GEO52(16, 52, 1), IPA_52, 3, LEAF, TLBI_IPA },
	{ "64K, 52 bits: TLBI by range", GEO52(16, 52, 1), IPA_52, 3, LEAF, TLBI_RANGE },
	{ "64K, 52 bits: unmapped at level 1", GEO52(16, 52, 1), IPA_52, 3, 1, TLBI_IPA },
	{ "64K, 4T block: TLBI by another IPA of it", GEO52(16, 52, 1), IPA_52_BLOCK, 1, LEAF,
	  TLBI_IPA, 3000UL * SZ_1G },
	{ "64K, 4T block: TLBI by another IPA of it, and level", GEO52(16, 52, 1), IPA_52_BLOCK, 1,
	  LEAF, TLBI_IPA_TTL, 3000UL * SZ_1G },

	/* DS is ignored with a granule that userspace took the 52 bits from. */
	{ "4K lowered to 48 bits, DS=1: TLBI by IPA", GEO(12, 48, 0), IPA_48, 3, LEAF, TLBI_IPA,
	  .lower = BIT(12), .vtcr_set = VTCR_EL2_DS | VTCR_EL2_SL2 },
	{ "4K lowered to 48 bits, DS=1: TLBI by range", GEO(12, 48, 0), IPA_48, 3, LEAF,
	  TLBI_RANGE, .lower = BIT(12), .vtcr_set = VTCR_EL2_DS | VTCR_EL2_SL2 },
	{ "4K and 16K lowered to 48 bits, DS=1: TLBI by IPA", GEO(12, 48, 0), IPA_48, 3, LEAF,
	  TLBI_IPA, .lower = BIT(12) | BIT(14), .vtcr_set = VTCR_EL2_DS | VTCR_EL2_SL2 },
	{ "16K lowered to 48 bits, DS=1: TLBI by range", GEO(14, 47, 1), IPA_48, 3, LEAF,
	  TLBI_RANGE, .lower = BIT(14), .vtcr_set = VTCR_EL2_DS },
	{ "4K lowered to 48 bits, 16K, DS: TLBI by IPA", GEO52(14, 52, 0), IPA_52, 3, LEAF,
	  TLBI_IPA, .lower = BIT(12) },
};

/* What L1 saw; a guest global that the host reads. */
static struct report {
	struct l2_exit before, between, after, again;
	u64 loaded, between_loaded;
	u64 stored;
} report;

static struct nested_mem l1_mem = { .gva = L1_GVA, .gpa = L1_GPA, .size = L1_SIZE };

static u64 leaf_size(const struct row *row)
{
	return BIT(s2_level_shift(&row->geo, row->leaf));
}

/* The data's nested IPA has the offset in the leaf that its GPA has. */
static u64 data_ipa(const struct row *row)
{
	return row->ipa | ((l1_mem.gpa + DATA_OFFSET) & (leaf_size(row) - 1));
}

static int unmap_level(const struct row *row)
{
	return row->unmap == LEAF ? row->leaf : row->unmap;
}

/* L1 */

static const char *skip_reason(const struct row *row)
{
	unsigned int tlb = SYS_FIELD_GET(ID_AA64ISAR0_EL1, TLB,
					 read_sysreg_s(SYS_ID_AA64ISAR0_EL1));

	if (row->tlbi == TLBI_RANGE && tlb < ID_AA64ISAR0_EL1_TLB_RANGE)
		return "the VM has no FEAT_TLBIRANGE";
	if (row->no_lpa2 && (s2_granule_large(12) || s2_granule_large(14)))
		return "the TTL means something in a VM with FEAT_LPA2";

	return s2_geometry_missing(&row->geo);
}

/* The second one is for what hardware has made of both stages. */
static void l1_tlbi(const struct row *row, const struct s2_mmu *s2, u8 hint)
{
	u64 ipa = data_ipa(row) + row->tlbi_distance;
	u64 ttl = s2_tlbi_ttl(&row->geo, row->leaf);

	switch (row->tlbi) {
	case TLBI_ALL:
		s2_tlbi(s2, OP_TLBI_VMALLS12E1IS, 0);
		break;
	case TLBI_IPA:
		s2_tlbi(s2, OP_TLBI_IPAS2E1IS, s2_tlbi_ipa(ipa, 0));
		break;
	case TLBI_IPA_TTL:
		s2_tlbi(s2, OP_TLBI_IPAS2E1IS, s2_tlbi_ipa(ipa, ttl));
		break;
	case TLBI_IPA_HINT:
	case TLBI_IPA_WRONG:
		s2_tlbi(s2, OP_TLBI_IPAS2E1IS, s2_tlbi_ipa(ipa, hint));
		break;
	case TLBI_RANGE:
		s2_tlbi(s2, OP_TLBI_RIPAS2E1IS, s2_tlbi_range(&row->geo, ipa, 2, 0));
		break;
	}
	s2_tlbi(s2, OP_TLBI_VMALLE1IS, 0);
}

static void l1_main(u64 index)
{
	u64 *data = nested_va(&l1_mem, l1_mem.gpa + DATA_OFFSET + OFFSET);
	const struct row *row = &rows[index];
	const char *skip = skip_reason(row);
	u64 *desc, old, stubs = CODE_IPA;
	struct l2_vcpu l2;
	struct s2_mmu s2;

	GUEST_ASSERT_EQ(get_current_el(), 2);
	if (skip)
		NESTED_GUEST_SKIP(skip);

	l2_stubs_install(nested_va(&l1_mem, l1_mem.gpa), SZ_64K);
	*data = LOAD_VALUE;
	nested_sync_cache(data, sizeof(*data));
	s2_init(&s2, &l1_mem, &row->geo, VMID);
	s2_map(&s2, CODE_IPA, l1_mem.gpa, 1, 3, S2_ATTR_DEFAULT);
	s2_map(&s2, data_ipa(row), l1_mem.gpa + DATA_OFFSET, 1, row->leaf, S2_ATTR_DEFAULT);
	s2.vtcr |= row->vtcr_set;

	l2_init(&l2, &s2, stubs);
	if (row->touch) {
		l2.pc = stubs + l2_stub_offset(L2_STUB_LOAD);
		l2.regs[0] = data_ipa(row) + row->tlbi_distance;
		l2_enter(&l2);
	}
	l2.pc = stubs + l2_stub_offset(L2_STUB_LOAD);
	l2.regs[0] = data_ipa(row) + OFFSET;
	l2_enter(&l2);
	report.before = l2.exit;
	report.loaded = l2.regs[1];

	desc = s2_desc(&s2, data_ipa(row), unmap_level(row));
	old = *desc;
	WRITE_ONCE(*desc, 0);
	l1_tlbi(row, &s2, row->hint);
	if (row->tlbi == TLBI_IPA_WRONG) {
		l2.pc = stubs + l2_stub_offset(L2_STUB_LOAD);
		l2.regs[1] = 0;
		l2_enter(&l2);
		report.between = l2.exit;
		report.between_loaded = l2.regs[1];
		l1_tlbi(row, &s2, s2_tlbi_ttl(&row->geo, row->leaf));
	}
	l2.pc = stubs + l2_stub_offset(L2_STUB_LOAD);
	l2_enter(&l2);
	report.after = l2.exit;

	WRITE_ONCE(*desc, old);
	dsb(ish);
	l2.pc = stubs + l2_stub_offset(L2_STUB_STORE);
	l2.regs[2] = STORE_VALUE;
	l2_enter(&l2);
	report.again = l2.exit;
	nested_sync_cache(data, sizeof(*data));
	report.stored = *data;

	GUEST_ASSERT(l1_mem.used <= DATA_OFFSET);
	GUEST_DONE();
}

/* Host */

static bool check(const char *what, u64 got, u64 want)
{
	return nested_check(what, got, want, ~0UL);
}

static bool check_report(const struct row *row, const struct report *r)
{
	u64 hvc = ESR_ELx_IL | (ESR_ELx_EC_HVC64 << ESR_ELx_EC_SHIFT) | L2_HVC_DONE;
	u64 abort = (ESR_ELx_EC_DABT_LOW << ESR_ELx_EC_SHIFT) | ESR_ELx_IL | ESR_ELx_ISV |
		    ESR_ELx_SAS | ESR_ELx_SF | (1UL << ESR_ELx_SRT_SHIFT);
	u64 ipa = data_ipa(row);
	bool ok;

	ok = check("first load, ESR_EL2", r->before.esr, hvc);
	ok &= check("value loaded", r->loaded, LOAD_VALUE);
	/* Either the TLBI had to do nothing and did nothing, or it did more. */
	if (row->tlbi == TLBI_IPA_WRONG && r->between.esr == hvc)
		ok &= check("value loaded after the wrong TLBI", r->between_loaded, LOAD_VALUE);
	else if (row->tlbi == TLBI_IPA_WRONG)
		ok &= check("load after the wrong TLBI, ESR_EL2", r->between.esr,
			    abort | ESR_ELx_FSC_FAULT_L(unmap_level(row)));
	ok &= check("load after the TLBI, ESR_EL2", r->after.esr,
		    abort | ESR_ELx_FSC_FAULT_L(unmap_level(row)));
	ok &= check("load after the TLBI, HPFAR_EL2", r->after.hpfar,
		    FIELD_PREP(HPFAR_EL2_FIPA, ipa >> 12));
	ok &= check("load after the TLBI, FAR_EL2", r->after.far, ipa + OFFSET);
	ok &= check("store, ESR_EL2", r->again.esr, hvc);
	ok &= check("value stored", r->stored, STORE_VALUE);

	return ok;
}

/* A VM with as many address bits as there are, with one vCPU at virtual EL2. */
static struct kvm_vm *create_vm(struct kvm_vcpu **vcpu, bool *large)
{
	static const enum vm_guest_mode modes[] = {
		VM_MODE_P52V48_4K, VM_MODE_P52V48_16K, VM_MODE_P52V48_64K,
	};
	unsigned int i;

	*large = true;
	for (i = 0; i < ARRAY_SIZE(modes); i++)
		if (guest_modes[modes[i]].supported)
			return nested_vm_create_mode(modes[i], 1, l1_main, vcpu);

	*large = false;
	return nested_vm_create(1, l1_main, vcpu);
}

static u64 lower_granules(u64 mmfr0, u32 granules)
{
	static const struct {
		unsigned int page_shift, field;
	} fields[] = {
		{ 12, ID_AA64MMFR0_EL1_TGRAN4_2_SHIFT },
		{ 14, ID_AA64MMFR0_EL1_TGRAN16_2_SHIFT },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!(granules & BIT(fields[i].page_shift)) ||
		    ((mmfr0 >> fields[i].field) & 0xf) != ID_AA64MMFR0_EL1_TGRAN4_2_52_BIT)
			continue;
		mmfr0 &= ~(0xfUL << fields[i].field);
		mmfr0 |= (u64)ID_AA64MMFR0_EL1_TGRAN4_2_IMP << fields[i].field;
	}

	return mmfr0;
}

static int run_row(const struct row *row, const char **reason)
{
	u64 id = KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR0_EL1);
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct ucall uc;
	bool large;
	int ret;

	if (NESTED_BARE && row->lower) {
		*reason = "there is no host side that could lower a granule";
		return NESTED_SKIP;
	}
	vm = create_vm(&vcpu, &large);
	vcpu_args_set(vcpu, 1, (u64)(row - rows));
	if (row->lower)
		vcpu_set_reg(vcpu, id, lower_granules(vcpu_get_reg(vcpu, id), row->lower));

	/* Without the 52-bit format L1's tables cannot name the high memory. */
	if (large && row->geo.large)
		l1_mem.gpa |= L1_GPA_HIGH;
	nested_mem_create(vm, &l1_mem, L1_SLOT, 0);
	l1_mem.used = ARENA_OFFSET;
	nested_mem_sync(vm, &l1_mem, (gva_t)&l1_mem);

	ret = nested_run_vcpu(vcpu, &uc, reason);
	if (ret == NESTED_PASS) {
		sync_global_from_guest(vm, report);
		ret = check_report(row, &report) ? NESTED_PASS : NESTED_FAIL;
	}

	kvm_vm_free(vm);
	return ret < NESTED_SYNC ? ret : NESTED_FAIL;
}

#define ID_ROW(d, r, f, ...)							\
	{ d, SYS_ID_AA64##r##_EL1, ID_AA64##r##_EL1_##f##_SHIFT, __VA_ARGS__ }

/* What userspace may write into a field of an ID register, before the VM runs. */
static const struct id_row {
	const char *desc;
	u32 reg;
	u8 shift;
	u8 limit;	/* the field has to be this, or the row is skipped */
	u8 first;	/* lower it to this before, if it is not 0 */
	u8 val;		/* write this */
	bool refused;
} id_rows[] = {
	ID_ROW("PARange, 52 to 48 bits", MMFR0, PARANGE, 6, 0, 5),
	ID_ROW("PARange, 52 to 48 and back", MMFR0, PARANGE, 6, 5, 6),
	ID_ROW("PARange, 48 to 52 bits", MMFR0, PARANGE, 5, 0, 6, true),
	ID_ROW("PARange, 52 to 56 bits", MMFR0, PARANGE, 6, 0, 7, true),
	ID_ROW("TGRAN4_2, 52 bits to IMP", MMFR0, TGRAN4_2, 3, 0, 2),
	ID_ROW("TGRAN4_2, 52 bits to NI", MMFR0, TGRAN4_2, 3, 0, 1),
	ID_ROW("TGRAN4_2, 52 bits to \"as stage 1\"", MMFR0, TGRAN4_2, 3, 0, 0, true),
	ID_ROW("TGRAN4_2, IMP to 52 bits", MMFR0, TGRAN4_2, 2, 0, 3, true),
	ID_ROW("TGRAN4_2, NI to IMP", MMFR0, TGRAN4_2, 1, 0, 2, true),
	ID_ROW("TGRAN16_2, 52 bits to IMP", MMFR0, TGRAN16_2, 3, 0, 2),
	ID_ROW("TGRAN16_2, 52 bits to NI", MMFR0, TGRAN16_2, 3, 0, 1),
	ID_ROW("TGRAN16_2, IMP to 52 bits", MMFR0, TGRAN16_2, 2, 0, 3, true),
	ID_ROW("TGRAN64_2, IMP to NI", MMFR0, TGRAN64_2, 2, 0, 1),
	ID_ROW("TGRAN64_2, IMP to reserved", MMFR0, TGRAN64_2, 2, 0, 3, true),
	ID_ROW("HAFDBS, dirty state to access flag", MMFR1, HAFDBS, 2, 0, 1),
	ID_ROW("HAFDBS, dirty state to none", MMFR1, HAFDBS, 2, 0, 0),
	ID_ROW("HAFDBS, dirty state to table descriptors", MMFR1, HAFDBS, 2, 0, 3, true),
	ID_ROW("ST, to none", MMFR2, ST, 1, 0, 0),
	ID_ROW("VARange, 52 to 48 bits", MMFR2, VARange, 1, 0, 0),
	ID_ROW("VARange, 52 to 56 bits", MMFR2, VARange, 1, 0, 2, true),
};

static int run_id_row(const struct id_row *row, const char **reason)
{
	u64 mask = 0xfUL << row->shift, old, new, want, id = KVM_ARM64_SYS_REG(row->reg);
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	bool large, ok;
	int ret;

	if (NESTED_BARE) {
		*reason = "there is no host side";
		return NESTED_SKIP;
	}
	vm = create_vm(&vcpu, &large);
	old = vcpu_get_reg(vcpu, id);
	if ((old & mask) >> row->shift != row->limit) {
		*reason = "the VM is offered another value";
		return NESTED_SKIP;
	}
	if (row->first) {
		old = (old & ~mask) | (u64)row->first << row->shift;
		vcpu_set_reg(vcpu, id, old);
	}

	new = (old & ~mask) | (u64)row->val << row->shift;
	want = row->refused ? old : new;
	ret = __vcpu_set_reg(vcpu, id, new);
	ok = check("errno of KVM_SET_ONE_REG", ret ? errno : 0, row->refused ? EINVAL : 0);
	ok &= check("register afterwards", vcpu_get_reg(vcpu, id), want);
	kvm_vm_free(vm);

	return ok ? NESTED_PASS : NESTED_FAIL;
}

static int run(unsigned int n, const char **reason)
{
	return n < ARRAY_SIZE(rows) ? run_row(&rows[n], reason) :
				      run_id_row(&id_rows[n - ARRAY_SIZE(rows)], reason);
}

static const char *desc(unsigned int n)
{
	return n < ARRAY_SIZE(rows) ? rows[n].desc : id_rows[n - ARRAY_SIZE(rows)].desc;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_s2_52bit",
		.nr_rows = ARRAY_SIZE(rows) + ARRAY_SIZE(id_rows),
		.desc = desc,
		.run = run,
	};

	return nested_main(argc, argv, &suite);
}
