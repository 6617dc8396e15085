// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_hw_update - Access flag and dirty state in the stage-2 tables of an L1 hypervisor
 *
 * With VTCR_EL2.HA an access of L2 through a descriptor with AF = 0 sets AF; with HD a write
 * through one with S2AP[1] = 0 and DBM = 1 sets S2AP[1]. L1 reads the descriptor before and after
 * each access of its L2: what has to be set is set, and nothing else is changed. A stage-1 walk is
 * an access to the page with the table, a write if it updates the table. AT may set AF, and never
 * the dirty state.
 *
 * Then races: two vCPUs write through one descriptor while a third one, L1's, takes the dirty state
 * back by compare-and-swap and changes bits that are software's, or replaces the descriptor with
 * break-before-make. After the TLBI a write is in the descriptor again or it has not happened, what
 * L1 has replaced never returns, and an invalid descriptor stays as it is. The same for the access
 * flag alone, with one vCPU that loads and one that stores. A race ends after a number of rounds,
 * or of seconds.
 *
 * A table that cannot be written: the update is an external abort on the walk.
 *
 * Seen to fail: with the dirty state set by loads; by AT S12E1W; with the shadow of a clean page
 * made writable by a load; with a table in a read-only slot updated all the same; with stores that
 * set no dirty state (they are repeated for ever); with no update of blocks above 2 MB; with no
 * dirty state for 16K and 64K. With two CPUs, the races: with an update that is no
 * compare-and-swap, not each time; those about AF: with one update in 16 left out.
 *
 * Locking: rows with races run a thread for each vCPU. What they share are descriptors, the data
 * and flags in guest memory, by single-copy atomic accesses.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "arch_timer.h"
#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall.h"

#include <asm/sysreg.h>

/* L1 memory; the data has 4 MB with nothing else in it, for blocks. */
#define L1_GPA			0x90000000UL
#define L1_GVA			0x4000000000UL
#define L1_SIZE			SZ_16M
#define L1_SLOT			1
#define CODE_GPA		(L1_GPA + 0x00000)
#define S1_ROOT_GPA		(L1_GPA + 0x20000)
#define S1_DATA_L2_GPA		(L1_GPA + 0x30000)
#define ARENA_OFFSET		SZ_1M
#define TARGET_OFFSET		(4 * SZ_1M)	/* the page whose descriptor is tested */
#define TARGET_GPA		(L1_GPA + TARGET_OFFSET)
#define S1_DATA_GPA		(L1_GPA + 8 * SZ_1M)	/* what a table in the target maps */

/* A copy of the table with that descriptor, in memory that the row makes unwritable. */
#define FROZEN_GPA		0xa8000000UL
#define FROZEN_GVA		0x5000000000UL
#define FROZEN_SIZE		SZ_64K
#define FROZEN_SLOT		2

/* Nested IPAs: the same offset in 32 MB. */
#define IPA_DELTA		0x3e000000UL
#define IPA(gpa)		((gpa) - IPA_DELTA)
#define CODE_IPA		(IPA(CODE_GPA) + SZ_1G)	/* no table but the root in common */
#define LARGE_IPA_DELTA		BIT(35)

/* L2's stage 1, if it is on: VA to nested IPA, 4K, 39 bits. */
#define VA_DELTA		0x0800000000UL
#define S1_IA_BITS		39
#define S1_DATA_VA		(IPA(S1_DATA_GPA) + VA_DELTA)

#define OFFSET			0x128UL
#define LOAD_VALUE		(0x5a5a5a5a00000000UL | L2_INSN_DONE)
#define STORE_VALUE		0xc001d00dfeedf00dUL
#define VMID			7
#define SYNC_BUILT		1

#define AF			S2_DESC_AF
#define W			S2_DESC_S2AP_W
#define DBM			S2_DESC_DBM
#define SOFTWARE		GENMASK(58, 55)
#define SOFTWARE_ONE		BIT(55)
#define HA			VTCR_EL2_HA
#define HD			(VTCR_EL2_HA | VTCR_EL2_HD)

enum access {
	LOAD,
	STORE,
	ATOMIC,
	FETCH,
	ZVA,
	CIVAC,
	WALK,			/* of L2's stage 1, with its table in the page */
	WALK_UPDATE,		/* which sets an Access flag there */
	AT_READ,		/* AT S12E1R */
	AT_WRITE,
	AT_WALK,		/* AT S1E1R, table in the page */
	NR_ACCESSES
};

static const char * const access_names[] = {
	[LOAD]		= "load",
	[STORE]		= "store",
	[ATOMIC]	= "atomic",
	[FETCH]		= "fetch",
	[ZVA]		= "DC ZVA",
	[CIVAC]		= "DC CIVAC",
	[WALK]		= "stage-1 walk",
	[WALK_UPDATE]	= "stage-1 walk with an update",
	[AT_READ]	= "AT S12E1R",
	[AT_WRITE]	= "AT S12E1W",
	[AT_WALK]	= "AT S1E1R",
};

enum frozen {
	NOT_FROZEN,
	READ_ONLY_SLOT,
	READ_ONLY_HOST,		/* mprotect() */
	NO_ACCESS_HOST,
};

enum s2_shape {
	PAGE,			/* of the default geometry */
	PAGE_16K,
	PAGE_64K,
	BLOCK_2M,
	BLOCK_1G,
	BLOCK_32M,
	BLOCK_512M,
	CONTIG_4K,
	CONTIG_16K,
	CONTIG_64K,
	NR_SHAPES
};

static const struct {
	const char *name;
	u8 page_shift;
	s8 leaf;		/* level */
	bool contig;
} shapes[] = {
	[PAGE]		= { .leaf = 3 },
	[PAGE_16K]	= { "16K page", 14, 3 },
	[PAGE_64K]	= { "64K page", 16, 3 },
	[BLOCK_2M]	= { "2M block", 12, 2 },
	[BLOCK_1G]	= { "1G block", 12, 1 },
	[BLOCK_32M]	= { "32M block (16K)", 14, 2 },
	[BLOCK_512M]	= { "512M block (64K)", 16, 2 },
	[CONTIG_4K]	= { "contiguous 4K", 12, 3, true },
	[CONTIG_16K]	= { "contiguous 16K", 14, 3, true },
	[CONTIG_64K]	= { "contiguous 64K", 16, 3, true },
};

struct update_row {
	const char *desc;
	int (*run)(unsigned int n, const char **reason);	/* NULL: run_access_row() */
	u32 accesses;		/* a row for each, */
	u32 shapes;		/* with each; 0: PAGE */
	enum access access;	/* what is run */
	enum s2_shape shape;
	u64 vtcr;
	u64 clear;		/* in the descriptor */
	u64 set;
	enum frozen frozen;
	bool needs_dbm;

	/* Expected */
	u64 sets;		/* in the descriptor */
	u64 may_set;
	u8 fsc;			/* of an abort */
};

#define READS			(BIT(LOAD) | BIT(FETCH) | BIT(WALK))
#define WRITES			(BIT(STORE) | BIT(ATOMIC) | BIT(ZVA) | BIT(WALK_UPDATE))
#define LOAD_STORE		(BIT(LOAD) | BIT(STORE))
#define ATS			(BIT(AT_READ) | BIT(AT_WRITE) | BIT(AT_WALK))
#define ROWS(d, a, ...)		{ .desc = d, .accesses = (a), __VA_ARGS__ }
#define ROW(d, a, ...)		ROWS(d, BIT(a), __VA_ARGS__)

#define PERM			.fsc = ESR_ELx_FSC_PERM_L(3)
#define SEA			.fsc = ESR_ELx_FSC_SEA_TTW(3)
#define NEEDS_DBM		.needs_dbm = true
#define OLD			.vtcr = HA, .clear = AF, .sets = AF
#define CLEAN			.vtcr = HD, .clear = W, .set = DBM, NEEDS_DBM
#define CLEAN_OLD		.vtcr = HD, .clear = W | AF, .set = DBM, NEEDS_DBM

/* Of a contiguous run, any entry may be the one that is updated. */
#define PAGES			.shapes = BIT(PAGE) | BIT(PAGE_16K) | BIT(PAGE_64K)
#define LARGE			.shapes = BIT(BLOCK_2M) | BIT(BLOCK_1G) | BIT(BLOCK_32M) |	\
					  BIT(BLOCK_512M) | BIT(CONTIG_4K) | BIT(CONTIG_16K) |	\
					  BIT(CONTIG_64K)
/* Blocks of the start level of row_geo(). */
#define START_TABLES		.shapes = BIT(BLOCK_1G) | BIT(BLOCK_512M)

static int run_clean_again(unsigned int n, const char **reason);
static int run_race_clean(unsigned int n, const char **reason);
static int run_race_replace(unsigned int n, const char **reason);

static const struct update_row rows[] = {
	/* DC CIVAC may have nothing to do, and need not translate its address then. */
	ROWS("AF = 0", READS, PAGES, .vtcr = HA, .clear = AF, .sets = AF),
	ROWS("AF = 0", WRITES, PAGES, .vtcr = HA, .clear = AF, .sets = AF),
	ROW("AF = 0", CIVAC, .vtcr = HA, .clear = AF, .may_set = AF),
	ROWS("AF = 0", ATS, .vtcr = HA, .clear = AF, .may_set = AF),
	ROWS("AF = 0, read-write, HD", LOAD_STORE, .vtcr = HD, .clear = AF, .sets = AF,
	     NEEDS_DBM),

	ROWS("clean", READS, PAGES, CLEAN),
	ROWS("clean", WRITES, PAGES, CLEAN, .sets = W),
	ROW("clean", CIVAC, CLEAN),
	ROWS("clean", ATS, PAGES, CLEAN),
	ROWS("clean, AF = 0", READS, PAGES, CLEAN_OLD, .sets = AF),
	ROWS("clean, AF = 0", WRITES, PAGES, CLEAN_OLD, .sets = W | AF),
	ROW("clean, AF = 0", CIVAC, CLEAN_OLD, .may_set = AF),
	ROWS("clean, AF = 0", ATS, PAGES, CLEAN_OLD, .may_set = AF),

	/* Without DBM or HD a page that is not writable is just that. AF may be set. */
	ROWS("read-only", WRITES, .vtcr = HA, .clear = W, PERM),
	ROWS("read-only, HD", WRITES, .vtcr = HD, .clear = W, PERM, NEEDS_DBM),
	ROWS("DBM = 1, HD = 0", WRITES, PAGES, .vtcr = HA, .clear = W, .set = DBM, PERM),
	ROWS("read-only, AF = 0", WRITES, .vtcr = HD, .clear = W | AF, .may_set = AF, PERM,
	     NEEDS_DBM),
	ROW("read-only", AT_WRITE, .vtcr = HA, .clear = W, PERM),
	ROW("DBM = 1, HD = 0", AT_WRITE, .vtcr = HA, .clear = W, .set = DBM, PERM),

	ROWS("AF = 0", LOAD_STORE, LARGE, OLD),
	ROW("clean", LOAD, LARGE, CLEAN),
	ROW("clean", STORE, LARGE, CLEAN, .sets = W),
	ROW("clean, AF = 0", STORE, LARGE, CLEAN_OLD, .sets = W | AF),

	{ .desc = "clean: load, store, L1 cleans, load, store", .run = run_clean_again,
	  CLEAN },

	/* Tables that cannot be written. What needs no update does not notice. */
	ROW("table in a read-only slot, AF = 0", LOAD, .frozen = READ_ONLY_SLOT,
	    .vtcr = HA, .clear = AF, SEA),
	ROW("table in a read-only slot, AF = 0", STORE, .frozen = READ_ONLY_SLOT,
	    .vtcr = HA, .clear = AF, SEA),
	ROW("table in a read-only slot, AF = 0", WALK, .frozen = READ_ONLY_SLOT,
	    .vtcr = HA, .clear = AF, SEA),
	ROW("table in a read-only slot, clean", LOAD, .frozen = READ_ONLY_SLOT,
	    CLEAN),
	ROW("table in a read-only slot, clean", STORE, .frozen = READ_ONLY_SLOT,
	    CLEAN, SEA),
	ROW("table in a read-only slot, dirty", STORE, .frozen = READ_ONLY_SLOT,
	    .vtcr = HA),
	ROW("table in read-only host memory, AF = 0", LOAD, .frozen = READ_ONLY_HOST,
	    .vtcr = HA, .clear = AF, SEA),
	ROW("table in read-only host memory, clean", STORE, .frozen = READ_ONLY_HOST,
	    CLEAN, SEA),
	ROW("table in inaccessible host memory, AF = 0", LOAD, .frozen = NO_ACCESS_HOST,
	    .vtcr = HA, .clear = AF, SEA),

	/* L2's code is below the same start table: reads of that work. */
	ROWS("start table in a read-only slot, AF = 1", LOAD_STORE, START_TABLES,
	     .frozen = READ_ONLY_SLOT, .vtcr = HA),
	ROW("start table in a read-only slot, clean", LOAD, START_TABLES,
	    .frozen = READ_ONLY_SLOT, CLEAN),
	ROW("start table in a read-only slot, AF = 0", LOAD, .shapes = BIT(BLOCK_1G),
	    .frozen = READ_ONLY_SLOT, .vtcr = HA, .clear = AF, .fsc = ESR_ELx_FSC_SEA_TTW(1)),
	ROW("start table in a read-only slot, clean", STORE, .shapes = BIT(BLOCK_1G),
	    .frozen = READ_ONLY_SLOT, CLEAN, .fsc = ESR_ELx_FSC_SEA_TTW(1)),
	ROW("start table in a read-only slot, AF = 0", LOAD, .shapes = BIT(BLOCK_512M),
	    .frozen = READ_ONLY_SLOT, .vtcr = HA, .clear = AF, .fsc = ESR_ELx_FSC_SEA_TTW(2)),
	ROW("start table in a read-only slot, clean", STORE, .shapes = BIT(BLOCK_512M),
	    .frozen = READ_ONLY_SLOT, CLEAN, .fsc = ESR_ELx_FSC_SEA_TTW(2)),

	{ .desc = "race: two L2 vCPUs write, L1 cleans", .run = run_race_clean, CLEAN },
	{ .desc = "race: two L2 vCPUs write, L1 replaces the descriptor",
	  .run = run_race_replace, CLEAN },
	{ .desc = "race: L2 vCPUs load and store, L1 clears AF", .run = run_race_clean, OLD },
	{ .desc = "race: L2 vCPUs load and store, HD = 0, L1 replaces the descriptor",
	  .run = run_race_replace, OLD },
};

/* The rows as they are run. */
static struct flat_row {
	char *desc;
	unsigned int index;
	enum access access;
	enum s2_shape shape;
} flat[NR_ACCESSES * NR_SHAPES * ARRAY_SIZE(rows)];
static unsigned int nr_flat;

struct l1_report {
	struct l2_exit exit;
	u64 before;
	u64 after;
	u64 others;		/* of a contiguous run */
	u64 loaded;
	u64 data;
	u64 par;
	u64 s1_before;
	u64 s1_after;
};

static struct nested_mem l1_mem = {
	.gva = L1_GVA, .gpa = L1_GPA, .size = L1_SIZE,
};

static struct nested_mem frozen_mem = {
	.gva = FROZEN_GVA, .gpa = FROZEN_GPA, .size = FROZEN_SIZE,
};

static struct l1_report report;

static bool row_walks(const struct update_row *row)
{
	return row->access == WALK || row->access == WALK_UPDATE || row->access == AT_WALK;
}

static bool row_ats(const struct update_row *row)
{
	return row->access >= AT_READ;
}

/* 40 bits, from the highest level that has no concatenated tables of 4K, 16K or 64K. */
static struct s2_geometry row_geo(const struct update_row *row)
{
	u8 shift = shapes[row->shape].page_shift;

	if (!shift)
		return s2_default_geometry();

	return (struct s2_geometry) {
		.page_shift = shift, .ia_bits = 40, .start = shift == 12 ? 1 : 2,
	};
}

/* A large block has others for its neighbours than that of L2's code, and none at its GPA. */
static u64 target_ipa(const struct update_row *row)
{
	struct s2_geometry geo = { .page_shift = shapes[row->shape].page_shift };
	u64 size = geo.page_shift ? BIT(s2_level_shift(&geo, shapes[row->shape].leaf)) : 0;

	return size < SZ_32M ? IPA(TARGET_GPA) : TARGET_GPA + LARGE_IPA_DELTA + size;
}

/* L2's address of what it accesses. */
static u64 row_va(const struct update_row *row)
{
	return (row_walks(row) ? S1_DATA_VA : target_ipa(row)) + OFFSET;
}

/* L1 */

static const char *l1_skip_reason(const struct update_row *row, const struct s2_geometry *geo)
{
	u64 hafdbs = SYS_FIELD_GET(ID_AA64MMFR1_EL1, HAFDBS,
				   read_sysreg_s(SYS_ID_AA64MMFR1_EL1));

	if (hafdbs < ID_AA64MMFR1_EL1_HAFDBS_AF)
		return "the VM has no FEAT_HAFDBS";
	if (row->needs_dbm && hafdbs < ID_AA64MMFR1_EL1_HAFDBS_DBM)
		return "the VM has no hardware dirty state (ID_AA64MMFR1_EL1.HAFDBS)";
	if (row_walks(row) && SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4, nested_mmfr0()) ==
			      ID_AA64MMFR0_EL1_TGRAN4_NI)
		return "L2's tables need 4K at stage 1";
	if (row->access == ATOMIC && !SYS_FIELD_GET(ID_AA64ISAR0_EL1, ATOMIC,
						    read_sysreg_s(SYS_ID_AA64ISAR0_EL1)))
		return "the VM has no FEAT_LSE";

	return s2_geometry_missing(geo);
}

/* L2's stage 1; the data's last table is in the target page. Returns its descriptor. */
static u64 *l1_build_s1(const struct update_row *row)
{
	u64 attr = PTE_AF | PTE_SHARED | PTE_TYPE_PAGE | PTE_VALID, table = PTE_VALID | BIT(1);
	u64 *root = nested_va(&l1_mem, S1_ROOT_GPA), *code_l2 = root + 512, *code_l3 = root + 1024;
	u64 *data_l2 = nested_va(&l1_mem, S1_DATA_L2_GPA);
	u64 *data_l3 = nested_va(&l1_mem, TARGET_GPA);
	u64 code = CODE_IPA + 2 * VA_DELTA, data = S1_DATA_VA, *desc;

	root[(code >> 30) & 511] = (IPA(S1_ROOT_GPA) + SZ_4K) | table;
	code_l2[(code >> 21) & 511] = (IPA(S1_ROOT_GPA) + SZ_8K) | table;
	code_l3[(code >> 12) & 511] = CODE_IPA | attr;

	root[(data >> 30) & 511] = IPA(S1_DATA_L2_GPA) | table;
	data_l2[(data >> 21) & 511] = IPA(TARGET_GPA) | table;
	desc = &data_l3[(data >> 12) & 511];
	*desc = IPA(S1_DATA_GPA) | attr;
	if (row->access == WALK_UPDATE)
		*desc &= ~PTE_AF;
	dsb(ish);

	return desc;
}

/* The table with @desc, of @level, to where it can be frozen. Returns where @desc is then. */
static u64 *l1_move_table(struct s2_mmu *s2, u64 ipa, int level, u64 *desc)
{
	u64 size = BIT(s2->geo.page_shift), *from;

	if (level == s2->geo.start)
		size = s2_root_size(&s2->geo);
	GUEST_ASSERT(size <= FROZEN_SIZE);
	from = (u64 *)((u64)desc & ~(size - 1));
	memcpy(nested_va(&frozen_mem, FROZEN_GPA), from, size);
	if (level == s2->geo.start)
		s2->vttbr = s2_vttbr(&s2->geo, FROZEN_GPA, VMID);
	else
		*s2_desc(s2, ipa, level - 1) = FROZEN_GPA | S2_DESC_VALID | S2_DESC_TABLE;
	dsb(ish);

	return nested_va(&frozen_mem, FROZEN_GPA) + ((void *)desc - (void *)from);
}

/* Returns the descriptor of the target page. */
static u64 *l1_build_s2(const struct update_row *row, struct s2_mmu *s2)
{
	u64 attrs = S2_ATTR_DEFAULT, size = 1, *desc;
	struct s2_geometry geo = row_geo(row);
	int leaf = shapes[row->shape].leaf;

	s2_init(s2, &l1_mem, &geo, VMID);
	s2->vtcr |= row->vtcr;
	s2_map(s2, CODE_IPA, CODE_GPA, SZ_64K, 3, S2_ATTR_DEFAULT);
	s2_map(s2, IPA(S1_ROOT_GPA), S1_ROOT_GPA, 3 * SZ_4K, 3, S2_ATTR_DEFAULT);
	s2_map(s2, IPA(S1_DATA_L2_GPA), S1_DATA_L2_GPA, 1, 3, S2_ATTR_DEFAULT);
	s2_map(s2, IPA(S1_DATA_GPA), S1_DATA_GPA, 1, 3, S2_ATTR_DEFAULT);

	if (shapes[row->shape].contig) {
		attrs |= S2_DESC_CONTIG;
		size = BIT(s2_contig_shift(&geo, 3));
	}
	attrs = (attrs & ~row->clear) | row->set;
	s2_map(s2, target_ipa(row), TARGET_GPA, size, leaf, attrs);
	desc = s2_desc(s2, target_ipa(row), leaf);
	if (!row->frozen)
		return desc;

	return l1_move_table(s2, target_ipa(row), leaf, desc);
}

static enum l2_stub access_stub(enum access access)
{
	switch (access) {
	case STORE:
		return L2_STUB_STORE;
	case ATOMIC:
		return L2_STUB_ATOMIC;
	case FETCH:
		return L2_STUB_EXEC;
	case ZVA:
		return L2_STUB_DC_ZVA;
	case CIVAC:
		return L2_STUB_DC_CIVAC;
	default:
		return L2_STUB_LOAD;
	}
}

static void l1_init_l2(const struct update_row *row, struct l2_vcpu *l2, struct s2_mmu *s2)
{
	u64 code = CODE_IPA + (row_walks(row) ? 2 * VA_DELTA : 0);
	u64 ps = FIELD_GET(VTCR_EL2_PS, s2_vtcr(&s2->geo));

	l2_init(l2, s2, code);
	l2->pc += l2_stub_offset(access_stub(row->access));
	l2->regs[0] = row_va(row);
	l2->regs[2] = STORE_VALUE;
	l2->mair = MAIR_ATTRIDX(MAIR_ATTR_NORMAL, 0);
	/* DC ZVA on Device memory is an Alignment fault: L2's memory is Normal by default. */
	if (!row_walks(row)) {
		l2->hcr |= HCR_EL2_DC;
		return;
	}

	l2->sctlr |= SCTLR_ELx_M | SCTLR_ELx_C | SCTLR_ELx_I;
	l2->tcr = TCR_T0SZ(S1_IA_BITS) | TCR_IRGN0_WBWA | TCR_ORGN0_WBWA | TCR_SH0_INNER |
		  TCR_TG0_4K | TCR_EPD1_MASK | ps << TCR_IPS_SHIFT;
	if (row->access == WALK_UPDATE)
		l2->tcr |= TCR_HA;
	l2->ttbr0 = IPA(S1_ROOT_GPA);
}

/* One AT about L2, whose registers are set as for an entry. */
static u64 l1_at(const struct update_row *row, const struct l2_vcpu *l2)
{
	u64 hcr = read_sysreg(hcr_el2), par;

	write_sysreg_s(l2->sctlr, SYS_SCTLR_EL12);
	write_sysreg_s(l2->tcr, SYS_TCR_EL12);
	write_sysreg_s(l2->mair, SYS_MAIR_EL12);
	write_sysreg_s(l2->ttbr0, SYS_TTBR0_EL12);
	write_sysreg(l2->s2->vtcr, vtcr_el2);
	write_sysreg(l2->s2->vttbr, vttbr_el2);
	write_sysreg(l2->hcr, hcr_el2);
	isb();
	if (row->access == AT_READ)
		write_sysreg_s(row_va(row), OP_AT_S12E1R);
	else if (row->access == AT_WRITE)
		write_sysreg_s(row_va(row), OP_AT_S12E1W);
	else
		write_sysreg_s(row_va(row), OP_AT_S1E1R);
	isb();
	par = read_sysreg(par_el1);
	write_sysreg(hcr, hcr_el2);
	isb();

	return par;
}

/* OR of all entries of a contiguous run. */
static u64 l1_run_bits(const struct update_row *row, const u64 *desc)
{
	struct s2_geometry geo = row_geo(row);
	u64 bits = 0, i;

	if (!shapes[row->shape].contig)
		return 0;

	for (i = 0; i < BIT(s2_contig_shift(&geo, 3) - geo.page_shift); i++)
		bits |= READ_ONCE(desc[i]);
	return bits;
}

static void l1_prepare_data(u64 *data)
{
	*data = LOAD_VALUE;
	nested_sync_cache(data, sizeof(*data));
}

static u64 *l1_data(const struct update_row *row)
{
	return nested_va(&l1_mem, (row_walks(row) ? S1_DATA_GPA : TARGET_GPA) + OFFSET);
}

static void l1_access(u64 index, u64 access, u64 shape)
{
	struct update_row copy = rows[index], *row = &copy;
	u64 *desc, *s1_desc, *data;
	struct s2_geometry geo;
	struct l2_vcpu l2;
	const char *skip;
	struct s2_mmu s2;

	row->access = access;
	row->shape = shape;
	geo = row_geo(row);
	data = l1_data(row);
	skip = l1_skip_reason(row, &geo);
	if (skip)
		NESTED_GUEST_SKIP(skip);

	l2_stubs_install(nested_va(&l1_mem, CODE_GPA), SZ_64K);
	l1_prepare_data(data);
	s1_desc = l1_build_s1(row);
	if (!row_walks(row))
		l1_prepare_data(data);
	desc = l1_build_s2(row, &s2);
	l1_init_l2(row, &l2, &s2);
	report.before = READ_ONCE(*desc);
	report.s1_before = READ_ONCE(*s1_desc);
	GUEST_SYNC(SYNC_BUILT);

	if (row_ats(row))
		report.par = l1_at(row, &l2);
	else
		l2_enter(&l2);

	/* Unreadable by L1, too. */
	if (row->frozen != NO_ACCESS_HOST)
		report.after = READ_ONCE(*desc);
	report.s1_after = READ_ONCE(*s1_desc);
	report.others = l1_run_bits(row, desc);
	report.exit = l2.exit;
	report.loaded = l2.regs[1];
	nested_sync_cache(data, sizeof(*data));
	report.data = *data;
	GUEST_ASSERT(l1_mem.used <= TARGET_OFFSET);
	GUEST_DONE();
}

/* A stub, by its name; returns the descriptor afterwards. */
static u64 l1_once(struct l2_vcpu *l2, enum access access, const u64 *desc)
{
	l2->pc = CODE_IPA + l2_stub_offset(access_stub(access));
	l2_enter(l2);
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_DONE));

	return READ_ONCE(*desc);
}

/*
 * The way of a page under L1's dirty log. The first load fills what is cached of the translation:
 * it must not be so writable that the store goes unnoticed.
 */
static void l1_clean_again(u64 index)
{
	const struct update_row *row = &rows[index];
	struct s2_geometry geo = row_geo(row);
	const char *skip = l1_skip_reason(row, &geo);
	u64 *desc, clean, *data = l1_data(row);
	struct l2_vcpu l2;
	struct s2_mmu s2;
	int i;

	if (skip)
		NESTED_GUEST_SKIP(skip);

	l2_stubs_install(nested_va(&l1_mem, CODE_GPA), SZ_64K);
	l1_prepare_data(data);
	desc = l1_build_s2(row, &s2);
	clean = READ_ONCE(*desc);
	l1_init_l2(row, &l2, &s2);

	for (i = 0; i < 3; i++) {
		l2.regs[2] = STORE_VALUE + i;
		GUEST_ASSERT_EQ(l1_once(&l2, LOAD, desc), clean);
		GUEST_ASSERT_EQ(l1_once(&l2, STORE, desc), clean | W);
		/* Dirty: writes go on, and nothing changes. */
		l2.regs[2] = STORE_VALUE + i + 100;
		GUEST_ASSERT_EQ(l1_once(&l2, STORE, desc), clean | W);
		GUEST_ASSERT_EQ(l1_once(&l2, LOAD, desc), clean | W);
		GUEST_ASSERT_EQ(l2.regs[1], STORE_VALUE + i + 100);

		GUEST_ASSERT(__sync_bool_compare_and_swap(desc, clean | W, clean));
		s2_tlbi(&s2, OP_TLBI_IPAS2E1IS, s2_tlbi_ipa(IPA(TARGET_GPA), 0));
		s2_tlbi(NULL, OP_TLBI_VMALLE1IS, 0);
	}
	GUEST_DONE();
}

/*
 * Races. L2 code of vCPUs 0 and 1 writes its counter to a word of its own in one page; L1's vCPU 2
 * has the page by its GPA. Where it is about AF alone, vCPU 0 loads the page's tag instead, and
 * counts elsewhere.
 */
#define RACE_GPA		0xb0000000UL
#define RACE_GVA		0x6000000000UL
#define RACE_SLOT		3
#define RACE_SIZE		SZ_128K		/* two pages of any size */
#define RACE_VA			0x7000000000UL
#define RACE_IPA		0x61200000UL
#define RACE_ROUNDS		60		/* with a wait */
#define RACE_ROUNDS_ONE_CPU	15		/* each wait is until L0 preempts L1 */
#define RACE_WAIT_EVERY		32
#define RACE_MS			3000
#define RACE_SOFTWARE_CHANGES	10000
#define RACE_WRITERS		2
#define RACE_TAG		0x7a90000000000000UL	/* + the page's GPA */

static struct nested_mem race_mem = {
	.gva = RACE_GVA, .gpa = RACE_GPA, .size = RACE_SIZE,
};

static u64 race_stop, race_started, race_loads, race_loaded;
static u64 race_max_rounds, race_rounds, race_end;
static struct s2_mmu *race_s2;

static bool race_loader(const struct update_row *row, u64 id)
{
	return !id && row->vtcr == HA;
}

static void l2_race_writer(u64 id)
{
	u64 *word = (u64 *)RACE_VA + id, n = 0;

	__sync_fetch_and_add(&race_started, 1);
	while (!READ_ONCE(race_stop))
		WRITE_ONCE(*word, ++n);
}

static void l2_race_loader(u64 id)
{
	u64 n = 0;

	__sync_fetch_and_add(&race_started, 1);
	while (!READ_ONCE(race_stop)) {
		WRITE_ONCE(race_loaded, READ_ONCE(*(u64 *)(RACE_VA + OFFSET)));
		dmb(ish);
		WRITE_ONCE(race_loads, ++n);
	}
}

static void l1_race_writer(struct l2_vcpu *l2, u64 id, u64 index)
{
	struct s2_geometry geo = s2_default_geometry();
	const char *skip = l1_skip_reason(&rows[index], &geo);

	if (skip)
		NESTED_GUEST_SKIP(skip);

	l2->regs[0] = id;
	for (;;) {
		l2_enter(l2);
		if (l2_exit_is_hvc(&l2->exit, L2_HVC_DONE))
			break;
		/* The page is away, between break and make. Or this is the end of a failed test. */
		GUEST_ASSERT_EQ(l2->exit.esr & ESR_ELx_FSC, ESR_ELx_FSC_FAULT_L(3));
		if (READ_ONCE(race_stop))
			break;
	}
	GUEST_DONE();
}

/* What a writer has written, in either page. */
static u64 race_word(u64 page, unsigned int id)
{
	u64 *words = nested_va(&race_mem, RACE_GPA + page);

	return READ_ONCE(words[id]);
}

static void l1_start_race(void)
{
	u64 page = BIT(race_s2->geo.page_shift), gpa;

	for (gpa = RACE_GPA; gpa <= RACE_GPA + page; gpa += page)
		*(u64 *)nested_va(&race_mem, gpa + OFFSET) = RACE_TAG + gpa;
	dsb(ish);

	while (READ_ONCE(race_started) != RACE_WRITERS && !READ_ONCE(race_stop))
		cpu_relax();
	race_end = timer_get_cntct(VIRTUAL) + msec_to_cycles(RACE_MS);
}

/* The timer is not looked at between a make and the break that is to be soon after it. */
static bool race_goes_on(unsigned int round, unsigned int wait_every)
{
	race_rounds = round;
	if (round % wait_every)
		return true;

	return round < wait_every * race_max_rounds && timer_get_cntct(VIRTUAL) < race_end;
}

/* A compare-and-swap that insists; returns what was there. */
static u64 l1_clear_bits(u64 *desc, u64 bits)
{
	u64 old;

	do {
		old = READ_ONCE(*desc);
	} while (!__sync_bool_compare_and_swap(desc, old, old & ~bits));

	return old;
}

static void l1_race_tlbi(void)
{
	s2_tlbi(race_s2, OP_TLBI_IPAS2E1IS, s2_tlbi_ipa(RACE_IPA, 0));
	s2_tlbi(NULL, OP_TLBI_VMALLE1IS, 0);
}

/* Rounds differ in when L1 comes to change the descriptor. */
static void race_pause(unsigned int round)
{
	unsigned int i;

	for (i = 0; i < (round * 7) % 300; i++)
		cpu_relax();
}

static u64 race_count(const struct update_row *row, u64 page, unsigned int id)
{
	return race_loader(row, id) ? READ_ONCE(race_loads) : race_word(page, id);
}

/*
 * Until each vCPU has used a page, from beginning to end, which the second count tells. On one CPU
 * it takes until L0 preempts L1.
 */
static void race_wait(const struct update_row *row, u64 page)
{
	u64 before[RACE_WRITERS];
	unsigned int i;

	for (i = 0; i < RACE_WRITERS; i++)
		before[i] = race_count(row, page, i);
	for (i = 0; i < RACE_WRITERS; i++)
		while (race_count(row, page, i) < before[i] + 2 && !READ_ONCE(race_stop))
			cpu_relax();
	dmb(ish);
	if (race_loader(row, 0))
		GUEST_ASSERT_EQ(READ_ONCE(race_loaded), RACE_TAG + RACE_GPA + page);
}

/*
 * Until L2 has made its update, which undoes one of these changes sooner or later if it is not a
 * compare-and-swap.
 */
static void l1_race_software_bits(u64 *desc, u64 updated)
{
	u64 want = READ_ONCE(*desc) & ~updated, old, new;
	unsigned int i;

	for (i = 0; i < RACE_SOFTWARE_CHANGES; i++) {
		new = (want & ~SOFTWARE) | ((want + SOFTWARE_ONE) & SOFTWARE);
		do {
			old = READ_ONCE(*desc);
			GUEST_ASSERT_EQ(old & ~updated, want);
		} while (!__sync_bool_compare_and_swap(desc, old, new | (old & updated)));
		want = new;
		if ((old & updated) == updated)
			break;
		race_pause(i);
	}
}

static void l1_race_clean(u64 index)
{
	const struct update_row *row = &rows[index];
	u64 *desc = s2_desc(race_s2, RACE_IPA, 3);
	unsigned int round;

	l1_start_race();
	for (round = 0; race_goes_on(round, 1); round++) {
		race_pause(round);
		l1_clear_bits(desc, round & 1 ? row->clear | AF : row->clear);
		s2_tlbi(race_s2, OP_TLBI_IPAS2E1IS, s2_tlbi_ipa(RACE_IPA, 0));
		/* L2's next access is now. */
		l1_race_software_bits(desc, row->clear | AF);
		s2_tlbi(NULL, OP_TLBI_VMALLE1IS, 0);

		/* From here on, no access goes by unnoticed. */
		race_wait(row, 0);
		GUEST_ASSERT_EQ(READ_ONCE(*desc) & (W | AF), W | AF);
	}
	WRITE_ONCE(race_stop, 1);
	GUEST_DONE();
}

static void l1_race_replace(u64 index)
{
	u64 page = BIT(race_s2->geo.page_shift), *desc = s2_desc(race_s2, RACE_IPA, 3);
	const struct update_row *row = &rows[index];
	u64 bits = row->clear | AF, clean = READ_ONCE(*desc) & ~bits, cur, other, broken, old;
	unsigned int round;

	l1_start_race();
	for (round = 0; race_goes_on(round, RACE_WAIT_EVERY); round++) {
		cur = round & 1 ? page : 0;
		other = page - cur;

		/* Break: an update that comes now must not be of this descriptor. */
		broken = round & 2 ? (clean + cur) & ~S2_DESC_VALID : 0;
		old = __sync_lock_test_and_set(desc, broken);
		GUEST_ASSERT_EQ(s2_desc_pa(&race_s2->geo, old), RACE_GPA + cur);
		race_pause(round);
		GUEST_ASSERT_EQ(READ_ONCE(*desc), broken);
		l1_race_tlbi();
		GUEST_ASSERT_EQ(READ_ONCE(*desc), broken);

		/* Make: the other page, clean. The first one is out of reach. */
		WRITE_ONCE(*desc, clean + other);
		dsb(ish);
		old = race_word(cur, 0) + race_word(cur, 1);
		if (round % RACE_WAIT_EVERY) {
			/* Soon, so that the next break meets the first update. */
			race_pause(round);
			GUEST_ASSERT_EQ(READ_ONCE(*desc) & ~bits, clean + other);
		} else {
			race_wait(row, other);
			GUEST_ASSERT_EQ(READ_ONCE(*desc), (clean + other) | bits);
		}
		GUEST_ASSERT_EQ(race_word(cur, 0) + race_word(cur, 1), old);
	}
	WRITE_ONCE(race_stop, 1);
	GUEST_DONE();
}

/* Host */

static u64 expected_esr(const struct update_row *row)
{
	u64 esr = ESR_ELx_IL | row->fsc;
	bool write = row->access == STORE || row->access == ATOMIC || row->access == ZVA;

	if (!row->fsc)
		return ESR_ELx_IL | (ESR_ELx_EC_HVC64 << ESR_ELx_EC_SHIFT) | L2_HVC_DONE;
	esr |= ESR_ELx_EC_DABT_LOW << ESR_ELx_EC_SHIFT;

	return esr | (row_walks(row) ? ESR_ELx_S1PTW : write ? ESR_ELx_WNR : 0);
}

static bool check_exit(const struct update_row *row, const struct l2_exit *exit)
{
	u64 mask = ESR_ELx_EC_MASK | ESR_ELx_IL | ESR_ELx_FSC | ESR_ELx_S1PTW | ESR_ELx_WNR;
	bool ok;

	ok = nested_check("vector", exit->vector, VECTOR_SYNC_LOWER_64, ~0UL);
	if (!row->fsc)
		return ok & nested_check("ESR_EL2", exit->esr, expected_esr(row), ~0UL);

	/* What WnR says of an update of a stage-1 descriptor is not what was refused. */
	if (row_walks(row))
		mask &= ~ESR_ELx_WNR;
	ok &= nested_check("ESR_EL2", exit->esr, expected_esr(row), mask);
	ok &= nested_check("FAR_EL2", exit->far, row_va(row), ~0UL);
	return ok;
}

static bool check_par(const struct update_row *row, u64 par)
{
	u64 fault = SYS_PAR_EL1_F | SYS_PAR_EL1_RES1 | SYS_PAR_EL1_S | (u64)row->fsc << 1;

	if (row->fsc)
		return nested_check("PAR_EL1", par, fault, ~SYS_PAR_EL1_F1_IMPDEF);

	return nested_check("PAR_EL1", par,
			    row->access == AT_WALK ? IPA(S1_DATA_GPA) : TARGET_GPA,
			    SYS_PAR_EL1_F | SYS_PAR_EL1_PA);
}

static bool check_data(const struct update_row *row, const struct l1_report *r)
{
	bool loads = row->access == LOAD || row->access == ATOMIC || row->access == WALK;
	u64 data = LOAD_VALUE;
	bool ok = true;

	if (!row->fsc && loads)
		ok = nested_check("value loaded", r->loaded, LOAD_VALUE, ~0UL);
	if (!row->fsc && row->access == STORE)
		data = STORE_VALUE;
	if (!row->fsc && row->access == ATOMIC)
		data += STORE_VALUE;
	if (!row->fsc && row->access == ZVA)
		data = 0;

	return ok & nested_check("value in memory", r->data, data, ~0UL);
}

static bool check_access(const struct update_row *row, const struct l1_report *r)
{
	u64 after = r->after;
	bool ok;

	/* One that is updated for the others: only changes count. */
	if (shapes[row->shape].contig)
		after |= r->others & (AF | W);

	ok = row_ats(row) ? check_par(row, r->par) : check_exit(row, &r->exit);
	ok &= check_data(row, r);
	if (row->frozen != NO_ACCESS_HOST)
		ok &= nested_check("descriptor", after, r->before | row->sets, ~row->may_set);
	if (row_walks(row))
		ok &= nested_check("stage-1 descriptor", r->s1_after,
				   r->s1_before | (row->access == WALK_UPDATE && !row->fsc ?
						   PTE_AF : 0), ~0UL);
	return ok;
}

static void freeze(struct kvm_vm *vm, enum frozen how)
{
	void *hva = addr_gpa2hva(vm, FROZEN_GPA);

	switch (how) {
	case READ_ONLY_SLOT:
		memslot2region(vm, FROZEN_SLOT)->region.flags |= KVM_MEM_READONLY;
		vm_mem_region_reload(vm, FROZEN_SLOT);
		break;
	case READ_ONLY_HOST:
		TEST_ASSERT(!mprotect(hva, FROZEN_SIZE, PROT_READ), "mprotect() failed, errno %d",
			    errno);
		break;
	case NO_ACCESS_HOST:
		TEST_ASSERT(!mprotect(hva, FROZEN_SIZE, PROT_NONE), "mprotect() failed, errno %d",
			    errno);
		break;
	default:
		break;
	}
}

/* Without KVM it is QEMU 10 that answers. The Arm ARM is clear: AT never sets dirty state. */
static const char *bare_skip_reason(const struct flat_row *flat_row)
{
	const struct update_row *row = &rows[flat_row->index];

	if (row->frozen)
		return "there is no host side";
	if (flat_row->access == AT_WRITE && row->fsc)
		return "QEMU dies of a permission fault of stage 2 in AT S12*";
	if (flat_row->access == AT_WRITE && row->vtcr == HD)
		return "QEMU sets dirty state for the AT of a write";

	return NULL;
}

static int run_l1(unsigned int n, void *l1, const char **reason)
{
	struct kvm_vcpu *vcpu;
	struct ucall uc;
	struct kvm_vm *vm;
	int ret;

	*reason = NESTED_BARE ? bare_skip_reason(&flat[n]) : NULL;
	if (*reason)
		return NESTED_SKIP;
	vm = nested_vm_create(1, l1, &vcpu);
	vcpu_args_set(vcpu, 3, (u64)flat[n].index, (u64)flat[n].access, (u64)flat[n].shape);
	nested_mem_create(vm, &l1_mem, L1_SLOT, 0);
	l1_mem.used = ARENA_OFFSET;
	nested_mem_sync(vm, &l1_mem, (gva_t)&l1_mem);
	nested_mem_create(vm, &frozen_mem, FROZEN_SLOT, 0);
	nested_mem_sync(vm, &frozen_mem, (gva_t)&frozen_mem);

	ret = nested_run_vcpu(vcpu, &uc, reason);
	if (ret == NESTED_SYNC) {
		freeze(vm, rows[flat[n].index].frozen);
		ret = nested_run_vcpu(vcpu, &uc, reason);
	}
	sync_global_from_guest(vm, report);
	kvm_vm_free(vm);

	return ret;
}

static int run_access_row(unsigned int n, const char **reason)
{
	struct update_row row = rows[flat[n].index];
	int ret = run_l1(n, l1_access, reason);

	row.access = flat[n].access;
	row.shape = flat[n].shape;
	if (ret == NESTED_PASS && !check_access(&row, &report))
		ret = NESTED_FAIL;
	return ret;
}

static int run_clean_again(unsigned int n, const char **reason)
{
	return run_l1(n, l1_clean_again, reason);
}

struct race_thread {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	const char *reason;
	int ret;
};

static void *race_thread(void *arg)
{
	struct race_thread *t = arg;
	struct ucall uc;
	u64 stop = 1;

	t->ret = nested_run_vcpu(t->vcpu, &uc, &t->reason);
	/* The others would wait for it. */
	if (t->ret != NESTED_PASS)
		write_guest_global(t->vcpu->vm, race_stop, stop);
	return NULL;
}

/* The page of the race, as the row has it at first. */
static void map_race(struct nested_env *env, const struct update_row *row)
{
	struct kvm_vm *vm = env->vm;

	nested_mem_create(vm, &race_mem, RACE_SLOT, 0);
	nested_mem_sync(vm, &race_mem, (gva_t)&race_mem);
	nested_env_map_s1(env, RACE_VA, RACE_IPA, 1, 0);
	s2_map(env->s2, RACE_IPA, RACE_GPA, 1, 3, (S2_ATTR_DEFAULT & ~row->clear) | row->set);
	env->s2->vtcr |= row->vtcr;
	write_guest_global(vm, race_s2, (struct s2_mmu *)env->s2_gva);
}

static int run_race(unsigned int n, void *l1, const char **reason)
{
	u64 index = flat[n].index;
	const struct update_row *row = &rows[index];
	struct race_thread threads[RACE_WRITERS + 1] = {};
	struct kvm_vcpu *vcpus[RACE_WRITERS + 1];
	struct nested_env env;
	struct kvm_vm *vm;
	unsigned int i;

	if (NESTED_BARE) {
		*reason = "there is one CPU";
		return NESTED_SKIP;
	}
	vm = nested_vm_create(RACE_WRITERS + 1, l1_race_writer, vcpus);
	nested_env_create(&env, vm, NULL);
	for (i = 0; i < RACE_WRITERS; i++)
		vcpu_args_set(vcpus[i], 3,
			      nested_env_add_l2(&env, race_loader(row, i) ? l2_race_loader :
									    l2_race_writer),
			      (u64)i, index);
	vcpu_arch_set_entry_point(vcpus[RACE_WRITERS], l1);
	vcpu_args_set(vcpus[RACE_WRITERS], 1, index);
	map_race(&env, row);
	nested_env_finish(&env);
	race_max_rounds = nested_nr_cpus() > 1 ? RACE_ROUNDS : RACE_ROUNDS_ONE_CPU;
	sync_global_to_guest(vm, race_max_rounds);

	for (i = 0; i <= RACE_WRITERS; i++) {
		threads[i].vcpu = vcpus[i];
		TEST_ASSERT(!pthread_create(&threads[i].thread, NULL, race_thread, &threads[i]),
			    "pthread_create() failed");
	}
	for (i = 0; i <= RACE_WRITERS; i++) {
		pthread_join(threads[i].thread, NULL);
		if (threads[i].ret == NESTED_SKIP) {
			*reason = threads[i].reason;
			return NESTED_SKIP;
		}
		if (threads[i].ret != NESTED_PASS)
			return NESTED_FAIL;
	}

	sync_global_from_guest(vm, race_rounds);
	ksft_print_msg("%lu rounds\n", (unsigned long)race_rounds);
	kvm_vm_free(vm);

	return NESTED_PASS;
}

static int run_race_clean(unsigned int n, const char **reason)
{
	return run_race(n, l1_race_clean, reason);
}

static int run_race_replace(unsigned int n, const char **reason)
{
	return run_race(n, l1_race_replace, reason);
}

static int run_row(unsigned int n, const char **reason)
{
	const struct update_row *row = &rows[flat[n].index];

	return row->run ? row->run(n, reason) : run_access_row(n, reason);
}

static void flatten_row(unsigned int index, enum access access, enum s2_shape shape)
{
	struct flat_row *row = &flat[nr_flat++];
	int ret;

	row->index = index;
	row->access = access;
	row->shape = shape;
	if (rows[index].run)
		ret = asprintf(&row->desc, "%s", rows[index].desc);
	else if (shape == PAGE)
		ret = asprintf(&row->desc, "%s: %s", rows[index].desc, access_names[access]);
	else
		ret = asprintf(&row->desc, "%s, %s: %s", rows[index].desc, shapes[shape].name,
			       access_names[access]);
	TEST_ASSERT(ret > 0, "asprintf() failed");
}

static void flatten(unsigned int index)
{
	u32 wanted = rows[index].shapes ?: BIT(PAGE);
	enum access access;
	enum s2_shape shape;

	if (rows[index].run)
		flatten_row(index, 0, PAGE);
	for (shape = 0; shape < NR_SHAPES; shape++)
		for (access = 0; access < NR_ACCESSES; access++)
			if ((wanted & BIT(shape)) && (rows[index].accesses & BIT(access)))
				flatten_row(index, access, shape);
}

int main(int argc, char *argv[])
{
	struct nested_suite suite = {
		.name = "nested_hw_update",
		.rows = flat, .row_size = sizeof(flat[0]),
		.run = run_row, .timeout_s = 20,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		flatten(i);
	suite.nr_rows = nr_flat;

	return nested_main(argc, argv, &suite);
}
