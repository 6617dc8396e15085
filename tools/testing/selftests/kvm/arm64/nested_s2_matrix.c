// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_s2_matrix - each stage-2 fault, at each level, with each kind of access
 *
 * nested_s2_fault has a row for each rule; this is the product. A row is a VM: a granule, and what
 * is wrong with L2's data page. L1 goes through the levels at which that can be, and through the
 * accesses: loads, stores, atomics, fetches, cache maintenance, at EL1 and EL0, and stage-1 walks
 * that read a descriptor there. What L1 gets in ESR_EL2, FAR_EL2, HPFAR_EL2, ELR_EL2 and SPSR_EL2
 * is compared with the Arm ARM; an access that the Arm ARM permits has to have its effect.
 *
 * What is wrong with the start table concerns L2's code as well: no access gets as far as its own,
 * the first fetch has the fault. Hardware updates in a start table that cannot be written are in
 * nested_hw_update.
 *
 * All is done twice: with TLBIs between the accesses, and then on what is left in L0's and the
 * CPU's tables.
 *
 * The machine has a say in two things, and L1 finds out with its own stage 1, in which KVM has no
 * part. A CPU may have cache maintenance that does nothing, not even translate. And WnR of an
 * atomic is 0 if a load would fault, too; but QEMU 10 says 1 where its vCPUs run in parallel, and
 * KVM can only pass on what it gets.
 *
 * Seen to fail with: the syndrome's ISV kept for external aborts; the level of the table's parent
 * reported for them; the output size of leaves unchecked; the access flag unchecked; any leaf
 * writable; any leaf readable; any leaf executable, which only the pass without TLBIs caught; an
 * unreadable descriptor reported as a translation fault, and only that of a start table; read-only
 * memslots not readable for walks; stage-1 walks of EL0 that need write permission, or taken for
 * the access that they are for.
 *
 * No locking: one vCPU, and the host side only acts while it does not run.
 */
#include <sys/mman.h>

#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall.h"

#include <asm/sysreg.h>

/* L1 memory. All is 64K aligned, so that any granule can map it alone. */
#define L1_GPA			SZ_2G
#define L1_GVA			0x4000000000UL
#define L1_SIZE			SZ_16M
#define L1_SLOT			1
#define CODE_GPA		(L1_GPA + 0x00000)
#define S1_GPA			(L1_GPA + 0x10000)	/* three 4K tables */
#define TARGET_GPA		(L1_GPA + 0x20000)
#define ARENA_OFFSET		SZ_1M
#define DATA_OFFSET		0xfd0000
#define DATA_GPA		(L1_GPA + DATA_OFFSET)

/* For tables that the host side makes unreadable. */
#define TABLE_GPA		0xc0000000UL
#define TABLE_GVA		0x5000000000UL
#define TABLE_SIZE		SZ_2M
#define TABLE_SLOT		2

/* No memslot; on bare metal, nothing on the bus. */
#define HOLE_GPA		(NESTED_BARE ? 0x0b000000UL : 0xf0000000UL)
#define HOLE_BEYOND_VM		0x100000000000UL
#define HOLE_BEYOND_VM_BITS	45
#define ABOVE_PS		0x140000000UL	/* for VTCR_EL2.PS of 32 bits */
#define UNMAPPED_GVA		0x6000000000UL	/* by L1 */

/* Nested IPAs; data_ipa() makes that of the data. */
#define CODE_IPA		0x40000000UL
#define S1_IPA			0x41000000UL
#define TARGET_IPA		0x42000000UL
#define DATA_IPA		0xc0fd0000UL	/* DATA_GPA's offset in 1 GB */

/* L2's VAs: 4K pages. The walk is one of TARGET_IPA, with a table in the data's page. */
#define L2_VA			0x0800000000UL
#define CODE_VA			(L2_VA + 0x10000)
#define CODE_EL0_VA		(L2_VA + 0x11000)
#define DATA_VA			(L2_VA + 0x20000)
#define DATA_EL0_VA		(L2_VA + 0x21000)
#define WALK_VA			(L2_VA + SZ_2M + 0x40000)
#define WALK_STORE_VA		(WALK_VA + SZ_4K)
#define WALK_DESC		0x40		/* WALK_VA's index in that table */
#define L2_VA_BITS		39

#define OFFSET			0x128

/* As code, the low half is an HVC. */
#define LOAD_VALUE		(0x5a5a5a5a00000000UL | L2_INSN_DONE)
#define STORE_VALUE		0xc001d00dfeedf00dUL
#define TARGET_VALUE		(0x7a46e7ed00000000UL | L2_INSN_DONE)

#define VMID			5
#define NR_LEVELS		5	/* -1..3 */
#define NR_PASSES		2

struct access {
	const char *name;
	enum l2_stub stub;
	bool el0;
	bool walk;		/* stage-1 walk for it */
	bool insn;
	bool reads;		/* needs S2AP[0] */
	bool writes;		/* needs S2AP[1] */
	bool wnr;		/* ESR_EL2.WnR */
	bool cm;		/* ESR_EL2.CM */
	bool isv;		/* ESR_EL2.ISV: a load or store of one register */
};

/*
 * DC CIVAC needs to read at EL0 and nothing at EL1, DC IVAC to write, IC nothing: a fault on a
 * walk is for all of them. DC ZVA is a store.
 */
static const struct access accesses[] = {
	{ "load", L2_STUB_LOAD, .reads = true, .isv = true },
	{ "store", L2_STUB_STORE, .writes = true, .wnr = true, .isv = true },
	{ "atomic", L2_STUB_ATOMIC, .reads = true, .writes = true },
	{ "fetch", L2_STUB_EXEC, .insn = true },
	{ "DC CIVAC", L2_STUB_DC_CIVAC, .cm = true, .wnr = true },
	{ "DC IVAC", L2_STUB_DC_IVAC, .writes = true, .cm = true, .wnr = true },
	{ "IC IVAU", L2_STUB_IC_IVAU, .cm = true, .wnr = true },
	{ "DC ZVA", L2_STUB_DC_ZVA, .writes = true, .wnr = true },
	{ "EL0 load", L2_STUB_LOAD, .el0 = true, .reads = true, .isv = true },
	{ "EL0 store", L2_STUB_STORE, .el0 = true, .writes = true, .wnr = true, .isv = true },
	{ "EL0 atomic", L2_STUB_ATOMIC, .el0 = true, .reads = true, .writes = true },
	{ "EL0 fetch", L2_STUB_EXEC, .el0 = true, .insn = true },
	{ "EL0 DC CIVAC", L2_STUB_DC_CIVAC, .el0 = true, .reads = true, .cm = true,
	  .wnr = true },
	{ "EL0 DC ZVA", L2_STUB_DC_ZVA, .el0 = true, .writes = true, .wnr = true },
	{ "stage-1 walk of a load", L2_STUB_LOAD, .walk = true, .reads = true },
	{ "stage-1 walk of a store", L2_STUB_STORE, .walk = true, .reads = true },
	{ "stage-1 walk of a fetch", L2_STUB_EXEC, .walk = true, .insn = true, .reads = true },
	{ "stage-1 walk of an EL0 load", L2_STUB_LOAD, .el0 = true, .walk = true, .reads = true },
	{ "stage-1 walk of an EL0 store", L2_STUB_STORE, .el0 = true, .walk = true, .reads = true },
	{ "stage-1 walk of an EL0 fetch", L2_STUB_EXEC, .el0 = true, .walk = true, .insn = true,
	  .reads = true },
};

#define NR_ACCESSES		ARRAY_SIZE(accesses)

/* What is wrong. */
enum where {
	LEAF,			/* with the page or block: any level that can be a leaf */
	DESC,			/* with the descriptor: any level */
	TABLE,			/* with the table it is in: any level but the first */
	START,			/* with the start table */
};

enum host {
	HOST_NOTHING,
	HOST_PROT_NONE,		/* the table's memory cannot be read */
	HOST_UNMAP,		/* it is gone */
	HOST_READ_ONLY,		/* its memslot is read-only */
};

enum fault {
	FAULT_PERM,		/* or none, as the access needs */
	FAULT_TRANS,
	FAULT_ADDRSZ,
	FAULT_ACCESS,
	FAULT_SEA,
};

struct cause {
	const char *name;
	enum where where;
	u64 clear, set;		/* of the descriptor */
	gpa_t point;		/* its address */
	enum host host;
	bool ps32;		/* VTCR_EL2.PS is 32 bits */
	u8 pa_bits;		/* the VM has to have as many */
	enum fault fault;
};

static const struct cause causes[] = {
	{ "unmapped", DESC, .clear = S2_DESC_VALID, .fault = FAULT_TRANS },
	{ "descriptor points beyond VTCR_EL2.PS", DESC, .point = ABOVE_PS, .ps32 = true,
	  .fault = FAULT_ADDRSZ },
	{ "leaf beyond VTCR_EL2.PS", LEAF, .point = ABOVE_PS, .ps32 = true, .fault = FAULT_ADDRSZ },
	{ "AF=0", LEAF, .clear = S2_DESC_AF, .fault = FAULT_ACCESS },
	{ "AF=0 without any permission", LEAF,
	  .clear = S2_DESC_AF | S2_DESC_S2AP_R | S2_DESC_S2AP_W, .set = S2_DESC_XN_ALL,
	  .fault = FAULT_ACCESS },
	{ "no restriction", LEAF },
	{ "read-only", LEAF, .clear = S2_DESC_S2AP_W },
	{ "write-only", LEAF, .clear = S2_DESC_S2AP_R },
	{ "neither read nor write", LEAF, .clear = S2_DESC_S2AP_R | S2_DESC_S2AP_W },
	{ "execute-never", LEAF, .set = S2_DESC_XN_ALL },
	{ "table in a hole", TABLE, .point = HOLE_GPA, .fault = FAULT_SEA },
	{ "table beyond KVM's IPA space", TABLE, .point = HOLE_BEYOND_VM,
	  .pa_bits = HOLE_BEYOND_VM_BITS, .fault = FAULT_SEA },
	{ "table in memory without access (PROT_NONE)", TABLE, .point = TABLE_GPA,
	  .host = HOST_PROT_NONE, .fault = FAULT_SEA },
	{ "table in memory that is gone (munmap)", TABLE, .point = TABLE_GPA, .host = HOST_UNMAP,
	  .fault = FAULT_SEA },
	{ "table in a read-only memslot", TABLE, .point = TABLE_GPA, .host = HOST_READ_ONLY },
	{ "start table in a hole", START, .point = HOLE_GPA, .fault = FAULT_SEA },
	{ "start table beyond KVM's IPA space", START, .point = HOLE_BEYOND_VM,
	  .pa_bits = HOLE_BEYOND_VM_BITS, .fault = FAULT_SEA },
	{ "start table in memory without access (PROT_NONE)", START, .point = TABLE_GPA,
	  .host = HOST_PROT_NONE, .fault = FAULT_SEA },
	{ "start table in memory that is gone (munmap)", START, .point = TABLE_GPA,
	  .host = HOST_UNMAP, .fault = FAULT_SEA },
	{ "start table in a read-only memslot", START, .point = TABLE_GPA,
	  .host = HOST_READ_ONLY },
};

static const struct {
	const char *name;
	u8 page_shift;
	bool large;
} formats[] = {
	{ "4K", 12 }, { "16K", 14 }, { "64K", 16 },
	{ "4K, DS", 12, true }, { "16K, DS", 14, true }, { "64K, 52 bits", 16, true },
};

#define NR_ROWS		(ARRAY_SIZE(formats) * ARRAY_SIZE(causes))

struct row {
	const struct cause *cause;
	struct s2_geometry geo;
};

/* What L1 saw; guest globals that the host reads. */
struct outcome {
	struct l2_exit exit;
	u64 loaded;
	u64 data;
	bool done;		/* the access was made at all */
};

static struct report {
	bool has_ras;
	bool no_zva;
	bool no_lse;
	u64 probe[L2_STUB_NR];	/* ESR_EL2 of an access to an unmapped VA of L1's; 0: no fault */
	bool level_done[NR_LEVELS];
	struct outcome outcome[NR_PASSES][NR_LEVELS][NR_ACCESSES];
} report;

enum sync { SYNC_TABLES_WRITE = 1, SYNC_TABLES_READY };

static struct nested_mem l1_mem = { .gva = L1_GVA, .gpa = L1_GPA, .size = L1_SIZE };
static struct nested_mem table_mem = { .gva = TABLE_GVA, .gpa = TABLE_GPA, .size = TABLE_SIZE };

/* For L1 and the host side */

/* From the highest level that the VM's PA size and the format allow. */
static struct row get_row(unsigned int n)
{
	unsigned int f = n / ARRAY_SIZE(causes), pa_bits = nested_pa_bits();
	const struct cause *cause = &causes[n % ARRAY_SIZE(causes)];
	struct s2_geometry geo = {
		.page_shift = formats[f].page_shift,
		.large = formats[f].large,
		.ia_bits = min_t(unsigned int, pa_bits, 48),
	};

	if (geo.large) {
		geo.ia_bits = 52;
		geo.start = geo.page_shift == 12 ? -1 : geo.page_shift == 14 ? 0 : 1;
	} else if (geo.page_shift == 12) {
		geo.start = geo.ia_bits >= 44 ? 0 : 1;
	} else {
		geo.start = geo.ia_bits >= 44 ? 1 : 2;
	}
	if (geo.page_shift == 14 && !geo.large && geo.ia_bits == 48)
		geo.ia_bits = 47;

	if (cause->ps32)
		geo.pa_bits = 32;

	return (struct row) { .cause = cause, .geo = geo };
}

static bool level_is_leaf(const struct row *row, int level)
{
	switch (row->geo.page_shift) {
	case 12:
		return level >= (row->geo.large ? 0 : 1);
	case 14:
	default:
		return level >= (row->geo.large ? 1 : 2);
	}
}

static bool level_wanted(const struct row *row, int level)
{
	switch (row->cause->where) {
	case LEAF:
		return level >= row->geo.start && level_is_leaf(row, level);
	case DESC:
		return level >= row->geo.start;
	case START:
		return level == row->geo.start;
	default:
		return level > row->geo.start;
	}
}

static int leaf_level(const struct row *row, int level)
{
	return row->cause->where == LEAF ? level : 3;
}

/* Another entry than that of the code, at each level; L2's stage 1 is a 4K page of it. */
static u64 data_ipa(const struct row *row, int level)
{
	unsigned int leaf = s2_level_shift(&row->geo, leaf_level(row, level));
	u64 sub = row->geo.page_shift == 16 ? 0x5000 : row->geo.page_shift == 14 ? 0x3000 : 0;
	u64 top = 0;

	/* If the start level is not the one of 1 GB, or near it. */
	if (s2_level_shift(&row->geo, row->geo.start) > 32)
		top = BIT(s2_level_shift(&row->geo, row->geo.start));

	return top + (leaf > 30 ? DATA_GPA : DATA_IPA) + sub;
}

static gpa_t data_gpa(const struct row *row)
{
	return DATA_GPA + (data_ipa(row, 3) & 0xffff);
}

/*
 * With 52-bit addresses L2's MMU is off, with HCR_EL2.DC for Normal memory: a 4K stage 1 could not
 * name them. VAs are nested IPAs then.
 */
static bool row_s1(const struct row *row)
{
	return !row->geo.large;
}

static u64 stub_va(const struct row *row, const struct access *acc)
{
	u64 va = row_s1(row) ? acc->el0 ? CODE_EL0_VA : CODE_VA : CODE_IPA;

	return va + l2_stub_offset(acc->stub);
}

static u64 access_va(const struct row *row, int level, const struct access *acc)
{
	if (acc->walk)
		return (acc->stub == L2_STUB_STORE ? WALK_STORE_VA : WALK_VA) + OFFSET;

	return (row_s1(row) ? acc->el0 ? DATA_EL0_VA : DATA_VA : data_ipa(row, level)) + OFFSET;
}

static const char *access_skip_reason(const struct row *row, const struct access *acc)
{
	if (acc->walk && !row_s1(row))
		return "L2 has no stage 1 that could name 52-bit addresses";
	if (acc->cm && !report.probe[acc->stub])
		return "the CPU does not translate its address";
	if (acc->stub == L2_STUB_DC_ZVA && report.no_zva)
		return "DC ZVA is prohibited (DCZID_EL0.DZP)";
	if (acc->stub == L2_STUB_ATOMIC && report.no_lse)
		return "the VM has no FEAT_LSE";

	return NULL;
}

/* L1 */

static u64 probe_esr;

static void l1_probe_handler(struct ex_regs *regs)
{
	probe_esr = read_sysreg_s(SYS_ESR_EL2);
	regs->pc += 4;
}

#define L1_PROBE(insn)								\
({										\
	probe_esr = 0;								\
	asm volatile(".arch_extension lse\n" insn "\ndsb ish\nisb"		\
		     : : "r" (UNMAPPED_GVA) : "memory");				\
	READ_ONCE(probe_esr);							\
})

/* What the machine says of an access to nowhere. */
static void l1_probe(void)
{
	report.has_ras = SYS_FIELD_GET(ID_AA64PFR0_EL1, RAS,
				       read_sysreg_s(SYS_ID_AA64PFR0_EL1));
	report.no_lse = !SYS_FIELD_GET(ID_AA64ISAR0_EL1, ATOMIC,
				       read_sysreg_s(SYS_ID_AA64ISAR0_EL1));
	report.no_zva = read_sysreg_s(SYS_DCZID_EL0) & DCZID_EL0_DZP;

	if (!report.no_lse)
		report.probe[L2_STUB_ATOMIC] = L1_PROBE("ldadd xzr, xzr, [%0]");
	report.probe[L2_STUB_DC_CIVAC] = L1_PROBE("dc civac, %0");
	report.probe[L2_STUB_DC_IVAC] = L1_PROBE("dc ivac, %0");
	report.probe[L2_STUB_IC_IVAU] = L1_PROBE("ic ivau, %0");
}

static void l1_build_s1(const struct row *row)
{
	u64 page = PTE_AF | PTE_SHARED | PTE_TYPE_PAGE | PTE_VALID;	/* MAIR_EL1 index 0 */
	u64 table = PTE_VALID | PGD_TYPE_TABLE;
	u64 *l1 = nested_va(&l1_mem, S1_GPA), *l2 = l1 + 512, *l3 = l1 + 1024;
	u64 data = data_ipa(row, 3), el0_rw = BIT(6), el0_ro = BIT(6) | BIT(7);

	memset(l1, 0, 3 * SZ_4K);
	l1[(L2_VA >> 30) & 511] = (S1_IPA + SZ_4K) | table;
	l2[(L2_VA >> 21) & 511] = (S1_IPA + SZ_8K) | table;
	l2[(WALK_VA >> 21) & 511] = data | table;
	l3[(CODE_VA >> 12) & 511] = CODE_IPA | page;
	l3[(CODE_EL0_VA >> 12) & 511] = CODE_IPA | page | el0_ro;
	l3[(DATA_VA >> 12) & 511] = data | page;
	l3[(DATA_EL0_VA >> 12) & 511] = data | page | el0_rw;
	dsb(ish);
}

static void l1_build_s2(const struct row *row, int level, struct s2_mmu *s2)
{
	l1_mem.used = ARENA_OFFSET;
	s2_init(s2, &l1_mem, &row->geo, VMID);
	s2_map(s2, CODE_IPA, CODE_GPA, 1, 3, S2_ATTR_DEFAULT);
	s2_map(s2, S1_IPA, S1_GPA, 3 * SZ_4K, 3, S2_ATTR_DEFAULT);
	s2_map(s2, TARGET_IPA, TARGET_GPA, 1, 3, S2_ATTR_DEFAULT);
	s2_map(s2, data_ipa(row, level), data_gpa(row), 1, leaf_level(row, level),
	       S2_ATTR_DEFAULT);
	GUEST_ASSERT(l1_mem.used <= DATA_OFFSET);
}

/* The table that holds the descriptor of this level moves to where the cause wants it. */
static void l1_move_table(const struct row *row, int level, struct s2_mmu *s2)
{
	u64 size = BIT(row->geo.page_shift), *desc = NULL;
	gpa_t old = s2->root;

	if (level == row->geo.start) {
		size = s2_root_size(&row->geo);
	} else {
		desc = s2_desc(s2, data_ipa(row, level), level - 1);
		old = s2_desc_pa(&row->geo, *desc);
	}

	if (row->cause->host != HOST_NOTHING) {
		GUEST_SYNC(SYNC_TABLES_WRITE);
		memcpy(nested_va(&table_mem, TABLE_GPA), nested_va(&l1_mem, old), size);
		dsb(ish);
	}
	if (desc)
		*desc = s2_pa_desc(&row->geo, row->cause->point) | S2_DESC_VALID | S2_DESC_TABLE;
	else
		s2->vttbr = s2_vttbr(&row->geo, row->cause->point, VMID);
	dsb(ish);
	if (row->cause->host != HOST_NOTHING)
		GUEST_SYNC(SYNC_TABLES_READY);
}

/* The block or page at that address, or above it if a block is larger. */
static gpa_t point_gpa(const struct row *row, int level)
{
	u64 leaf = BIT(s2_level_shift(&row->geo, leaf_level(row, level)));

	return max_t(u64, row->cause->point & ~(leaf - 1), leaf);
}

static void l1_spoil(const struct row *row, int level, struct s2_mmu *s2)
{
	const struct cause *cause = row->cause;
	u64 *desc;

	if (cause->where == TABLE || cause->where == START) {
		l1_move_table(row, level, s2);
		return;
	}

	desc = s2_desc(s2, data_ipa(row, level), level);
	*desc = (*desc & ~cause->clear) | cause->set;
	if (cause->point) {
		*desc &= ~s2_pa_desc(&row->geo, s2_desc_pa(&row->geo, *desc));
		*desc |= s2_pa_desc(&row->geo, point_gpa(row, level));
	}
	dsb(ish);
}

static void l1_prepare_data(const struct row *row)
{
	u64 page = PTE_AF | PTE_SHARED | PTE_TYPE_PAGE | PTE_VALID | BIT(6);
	u64 *data = nested_va(&l1_mem, data_gpa(row)), *target = nested_va(&l1_mem, TARGET_GPA);

	data[OFFSET / sizeof(u64)] = LOAD_VALUE;
	/* EL1 does not execute what EL0 may write. */
	data[WALK_DESC] = TARGET_IPA | page | BIT(7);
	data[WALK_DESC + 1] = TARGET_IPA | page;
	target[OFFSET / sizeof(u64)] = TARGET_VALUE;
	nested_sync_cache(data, SZ_4K);
	nested_sync_cache(target, SZ_4K);
}

static void l1_init_l2(const struct row *row, int level, const struct access *acc,
		       struct l2_vcpu *l2, struct s2_mmu *s2)
{
	l2_init(l2, s2, row_s1(row) ? CODE_VA : CODE_IPA);
	l2->pc = stub_va(row, acc);
	l2->regs[0] = access_va(row, level, acc);
	l2->regs[2] = STORE_VALUE;
	if (acc->el0)
		l2->pstate = L2_PSTATE_EL0;
	l2->sctlr |= SCTLR_EL1_UCI | SCTLR_EL1_DZE;
	if (!row_s1(row)) {
		l2->hcr |= HCR_EL2_DC;
		return;
	}

	l2->sctlr |= SCTLR_ELx_M | SCTLR_ELx_C | SCTLR_ELx_I;
	l2->tcr = TCR_T0SZ(L2_VA_BITS) | TCR_IRGN0_WBWA | TCR_ORGN0_WBWA | TCR_SH0_INNER |
		  TCR_TG0_4K | TCR_EPD1_MASK | TCR_IPS_48_BITS;
	l2->mair = MAIR_ATTRIDX(MAIR_ATTR_NORMAL, 0);
	l2->ttbr0 = S1_IPA;
}

static void l1_access(const struct row *row, int level, const struct access *acc,
		      struct s2_mmu *s2, struct outcome *o)
{
	u64 *data = nested_va(&l1_mem, data_gpa(row) + OFFSET);
	struct l2_vcpu l2;

	l1_prepare_data(row);
	l1_init_l2(row, level, acc, &l2, s2);
	l2_enter(&l2);
	o->exit = l2.exit;
	o->loaded = l2.regs[1];
	o->data = *data;
	o->done = true;
}

static void l1_level(const struct row *row, int level)
{
	unsigned int pass, i;
	struct s2_mmu s2;

	l1_build_s2(row, level, &s2);
	l1_spoil(row, level, &s2);
	s2_tlbi_vmalls12e1is(&s2);
	for (pass = 0; pass < NR_PASSES; pass++) {
		for (i = 0; i < NR_ACCESSES; i++) {
			if (access_skip_reason(row, &accesses[i]))
				continue;
			if (!pass)
				s2_tlbi_vmalls12e1is(&s2);
			l1_access(row, level, &accesses[i], &s2,
				  &report.outcome[pass][level + 1][i]);
		}
	}
	report.level_done[level + 1] = true;
}

static void l1_main(u64 index)
{
	struct row row = get_row(index);
	int level;

	GUEST_ASSERT_EQ(get_current_el(), 2);
	l1_probe();
	l2_stubs_install(nested_va(&l1_mem, CODE_GPA), SZ_4K);
	if (row_s1(&row))
		l1_build_s1(&row);
	for (level = row.geo.start; level <= 3; level++)
		if (level_wanted(&row, level))
			l1_level(&row, level);
	GUEST_DONE();
}

/* Host */

static bool fsc_is_sea(u8 fsc)
{
	return (fsc & ESR_ELx_FSC_TYPE) == (ESR_ELx_FSC_SEA_TTW(0) & ESR_ELx_FSC_TYPE);
}

#define FSC_NONE		0xff
#define FSC_ADDRSZ_MINUS_1	0x29

/* The fault status code, if the access is not permitted. */
static u8 expected_fsc(const struct row *row, int level, const struct access *acc)
{
	const struct cause *cause = row->cause;
	bool exec = acc->insn && !acc->walk;

	switch (cause->fault) {
	case FAULT_TRANS:
		return ESR_ELx_FSC_FAULT_L(level);
	case FAULT_ADDRSZ:
		/* The tools' header has the encoding for level -1 of other faults only. */
		return level < 0 ? FSC_ADDRSZ_MINUS_1 : ESR_ELx_FSC_ADDRSZ_L(level);
	case FAULT_ACCESS:
		return ESR_ELx_FSC_ACCESS_L(level);
	case FAULT_SEA:
		return ESR_ELx_FSC_SEA_TTW(level);
	default:
		break;
	}

	if ((acc->reads && (cause->clear & S2_DESC_S2AP_R)) ||
	    (acc->writes && (cause->clear & S2_DESC_S2AP_W)) ||
	    (exec && (cause->set & S2_DESC_XN)))
		return ESR_ELx_FSC_PERM_L(level);

	return FSC_NONE;
}

/* WnR of an atomic for which a load would fault, too, is that of the same fault of L1's. */
static bool expected_wnr(const struct row *row, const struct access *acc)
{
	u64 clear = row->cause->clear;

	if (acc->stub != L2_STUB_ATOMIC)
		return acc->wnr;
	if (row->cause->fault == FAULT_PERM && !(clear & S2_DESC_S2AP_R))
		return true;
	if (row->cause->fault == FAULT_PERM && !(clear & S2_DESC_S2AP_W))
		return false;

	return report.probe[L2_STUB_ATOMIC] & ESR_ELx_WNR;
}

static u64 expected_esr(const struct row *row, const struct access *acc, u8 fsc)
{
	u64 ec = acc->insn ? ESR_ELx_EC_IABT_LOW : ESR_ELx_EC_DABT_LOW;
	u64 esr = ec << ESR_ELx_EC_SHIFT | ESR_ELx_IL | fsc;

	if (acc->walk)
		return esr | ESR_ELx_S1PTW;
	if (expected_wnr(row, acc))
		esr |= ESR_ELx_WNR;
	if (acc->cm)
		esr |= ESR_ELx_CM;
	if (acc->isv && !fsc_is_sea(fsc))
		esr |= ESR_ELx_ISV | ESR_ELx_SAS | ESR_ELx_SF |
		       (acc->wnr ? 2UL : 1UL) << ESR_ELx_SRT_SHIFT;

	return esr;
}

/* Bits of ESR_EL2 that the Arm ARM leaves to the implementation. */
static u64 unknown_esr(const struct access *acc, u8 fsc)
{
	u64 bits = 0;

	/* QEMU sets ISV, although FEAT_RAS has it 0 for External aborts; KVM does as it says. */
	if (fsc_is_sea(fsc))
		bits |= ESR_ELx_EA | (report.has_ras && !NESTED_BARE ? 0 : GENMASK(24, 14));
	if (acc->walk && !acc->insn)
		bits |= ESR_ELx_WNR;

	return bits;
}

static bool check_fault(const struct row *row, int level, const struct access *acc,
			const struct outcome *o, u8 fsc)
{
	u64 va = access_va(row, level, acc), ipa = data_ipa(row, level);
	/* See IPAValid() in the Arm ARM. */
	bool ipa_known = !fsc_is_sea(fsc) &&
			 (acc->walk || (fsc & ESR_ELx_FSC_TYPE) != ESR_ELx_FSC_PERM);
	bool ok;

	ok = nested_check("vector", o->exit.vector, VECTOR_SYNC_LOWER_64, ~0UL);
	ok &= nested_check("ESR_EL2", o->exit.esr, expected_esr(row, acc, fsc),
			   ~unknown_esr(acc, fsc));
	ok &= nested_check("FAR_EL2", o->exit.far, va, ~0UL);
	ok &= nested_check("HPFAR_EL2", o->exit.hpfar, FIELD_PREP(HPFAR_EL2_FIPA, ipa >> 12),
			   ipa_known ? ~0UL : ~HPFAR_EL2_FIPA);
	ok &= nested_check("ELR_EL2", o->exit.elr, acc->insn ? va : stub_va(row, acc), ~0UL);
	ok &= nested_check("SPSR_EL2", o->exit.spsr, acc->el0 ? L2_PSTATE_EL0 : L2_PSTATE,
			   L2_PSTATE);
	ok &= nested_check("value in memory", o->data, LOAD_VALUE, ~0UL);

	return ok;
}

static bool check_done(const struct access *acc, const struct outcome *o)
{
	u64 esr = ESR_ELx_EC_HVC64 << ESR_ELx_EC_SHIFT | ESR_ELx_IL;
	u64 data = LOAD_VALUE, loaded = acc->walk ? TARGET_VALUE : LOAD_VALUE;
	bool ok;

	/* HVC is undefined at EL0; L2 takes that to its vector 8. */
	ok = nested_check("ESR_EL2", o->exit.esr,
			  esr | (acc->el0 ? L2_HVC_VECTOR + 8 : L2_HVC_DONE), ~0UL);
	if (acc->stub == L2_STUB_LOAD || acc->stub == L2_STUB_ATOMIC)
		ok &= nested_check("value loaded by L2", o->loaded, loaded, ~0UL);

	if (acc->stub == L2_STUB_STORE && !acc->walk)
		data = STORE_VALUE;
	else if (acc->stub == L2_STUB_ATOMIC)
		data += STORE_VALUE;
	else if (acc->stub == L2_STUB_DC_ZVA)
		data = 0;
	/* DC IVAC may lose what L1 has written, but not what L1 made coherent. */
	ok &= nested_check("value in memory", o->data, data, ~0UL);

	return ok;
}

/* It is the fetch of the first instruction that faults, whatever access that is. */
static bool check_start(const struct row *row, const struct access *acc, const struct outcome *o)
{
	u64 pc = stub_va(row, acc), esr = ESR_ELx_EC_IABT_LOW << ESR_ELx_EC_SHIFT | ESR_ELx_IL |
					  ESR_ELx_FSC_SEA_TTW(row->geo.start);
	bool ok;

	/* L2 does not get as far as the end of its own stage-1 walk, if there is one. */
	if (row_s1(row))
		esr |= ESR_ELx_S1PTW;
	ok = nested_check("vector", o->exit.vector, VECTOR_SYNC_LOWER_64, ~0UL);
	ok &= nested_check("ESR_EL2", o->exit.esr, esr, ~unknown_esr(acc, esr & ESR_ELx_FSC));
	ok &= nested_check("FAR_EL2", o->exit.far, pc, ~0UL);
	ok &= nested_check("ELR_EL2", o->exit.elr, pc, ~0UL);
	ok &= nested_check("SPSR_EL2", o->exit.spsr, acc->el0 ? L2_PSTATE_EL0 : L2_PSTATE,
			   L2_PSTATE);
	ok &= nested_check("value in memory", o->data, LOAD_VALUE, ~0UL);

	return ok;
}

static bool check_level(const struct row *row, int level, unsigned int *checked)
{
	unsigned int pass, i;
	bool good = true, ok;

	for (pass = 0; pass < NR_PASSES; pass++) {
		for (i = 0; i < NR_ACCESSES; i++) {
			const struct outcome *o = &report.outcome[pass][level + 1][i];
			u8 fsc = expected_fsc(row, level, &accesses[i]);

			if (!o->done)
				continue;
			if (fsc == FSC_NONE)
				ok = check_done(&accesses[i], o);
			else if (row->cause->where == START)
				ok = check_start(row, &accesses[i], o);
			else
				ok = check_fault(row, level, &accesses[i], o, fsc);
			if (!ok)
				ksft_print_msg("level %d, %s, %s TLBI: ESR_EL2 0x%lx\n", level,
					       accesses[i].name, pass ? "without" : "after",
					       o->exit.esr);
			good &= ok;
			++*checked;
		}
	}

	return good;
}

static int check_report(const struct row *row)
{
	unsigned int checked = 0, i;
	bool ok = true;
	int level;

	for (i = 0; i < NR_ACCESSES; i++)
		if (access_skip_reason(row, &accesses[i]))
			ksft_print_msg("not done: %s: %s\n", accesses[i].name,
				       access_skip_reason(row, &accesses[i]));
	for (level = row->geo.start; level <= 3; level++) {
		if (!level_wanted(row, level))
			continue;
		ok &= nested_check("level was reached", report.level_done[level + 1], true, ~0UL);
		ok &= check_level(row, level, &checked);
	}
	ksft_print_msg("%u accesses checked\n", checked);

	return ok ? NESTED_PASS : NESTED_FAIL;
}

/* L1 wants to write its table, or is done with that and will not touch it. */
static void host_tables(struct kvm_vm *vm, const struct row *row, bool ready)
{
	struct userspace_mem_region *region = memslot2region(vm, TABLE_SLOT);
	int prot = ready ? PROT_NONE : PROT_READ | PROT_WRITE;
	void *mem = table_mem.va, *new;

	switch (row->cause->host) {
	case HOST_PROT_NONE:
		TEST_ASSERT(!mprotect(mem, TABLE_SIZE, prot), "mprotect: errno %d", errno);
		break;
	case HOST_UNMAP:
		if (ready) {
			TEST_ASSERT(!munmap(mem, TABLE_SIZE), "munmap: errno %d", errno);
			break;
		}
		new = mmap(mem, TABLE_SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		TEST_ASSERT(new == mem, "mmap: errno %d", errno);
		break;
	case HOST_READ_ONLY:
		region->region.flags &= ~KVM_MEM_READONLY;
		region->region.flags |= ready ? KVM_MEM_READONLY : 0;
		vm_mem_region_reload(vm, TABLE_SLOT);
		break;
	default:
		break;
	}
}

static const char *skip_reason(const struct row *row)
{
	const char *missing = s2_geometry_missing(&row->geo);
	u64 mmfr0 = nested_mmfr0();

	if (missing)
		return missing;
	if (NESTED_BARE && row->cause->host != HOST_NOTHING)
		return "there is no host side";
	if (nested_pa_bits() < row->cause->pa_bits)
		return "the VM's PARange is below that";
	if (row_s1(row) && SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4, mmfr0) ==
			   ID_AA64MMFR0_EL1_TGRAN4_NI)
		return "L2's tables need 4K at stage 1";

	return NULL;
}

static int run_l1(struct kvm_vcpu *vcpu, const struct row *row, const char **reason)
{
	struct ucall uc;
	int ret;

	for (;;) {
		ret = nested_run_vcpu(vcpu, &uc, reason);
		if (ret != NESTED_SYNC)
			break;
		host_tables(vcpu->vm, row, uc.args[1] == SYNC_TABLES_READY);
	}
	if (ret == NESTED_EXIT)
		ksft_print_msg("unexpected exit to userspace: %s, MMIO address 0x%llx\n",
			       exit_reason_str(vcpu->run->exit_reason),
			       vcpu->run->mmio.phys_addr);

	return ret == NESTED_EXIT ? NESTED_FAIL : ret;
}

static int run_row(unsigned int n, const char **reason)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct row row;
	int ret;

	vm = nested_vm_create(1, l1_main, &vcpu);
	vcpu_args_set(vcpu, 1, (u64)n);
	row = get_row(n);
	*reason = skip_reason(&row);
	if (*reason)
		return NESTED_SKIP;

	vm_install_sync_handler(vm, VECTOR_SYNC_CURRENT, ESR_ELx_EC_DABT_CUR, l1_probe_handler);
	nested_mem_create(vm, &l1_mem, L1_SLOT, 0);
	nested_mem_sync(vm, &l1_mem, (gva_t)&l1_mem);
	nested_mem_create(vm, &table_mem, TABLE_SLOT, 0);
	nested_mem_sync(vm, &table_mem, (gva_t)&table_mem);

	ret = run_l1(vcpu, &row, reason);
	if (ret == NESTED_PASS) {
		sync_global_from_guest(vm, report);
		ret = check_report(&row);
	}

	if (row.cause->host == HOST_UNMAP)
		host_tables(vm, &row, false);
	kvm_vm_free(vm);
	return ret;
}

static const char *row_desc(unsigned int n)
{
	static char desc[100];

	snprintf(desc, sizeof(desc), "%s, %s: each level and access",
		 formats[n / ARRAY_SIZE(causes)].name, causes[n % ARRAY_SIZE(causes)].name);

	return desc;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_s2_matrix",
		.nr_rows = NR_ROWS, .desc = row_desc, .run = run_row,
	};

	return nested_main(argc, argv, &suite);
}
