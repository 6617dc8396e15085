// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rows for what the vectors do not have, or too few of: Access flags of table
 * descriptors (FEAT_HAFT), tables without a say when overlays are in use, and
 * unaligned accesses to what stage 1 has made Device, with FEAT_S2FWB.
 *
 * The tables are small_tables(). Each row says what is in them, what is switched
 * on, and what has to come of it: the result, how many
 * descriptors are updated, and the level-1 descriptor afterwards. Seen to fail
 * with the mutants "HAFT ...", "overlays ..." and "FWB ..." of "mutations".
 */
#include <linux/errno.h>

#include <asm/sysreg.h>

#include "harness.h"

#define AF		BIT_ULL(10)
#define OUTPUT		0x90000000ull
#define S2_LEAF		(OUTPUT | 0xf << 2 | 3 << 6 | 3)
#define S1_LEAF		(OUTPUT | 3)
#define TABLE_RO	BIT_ULL(62)	/* APTable[1] */
#define TABLE_FAR	BIT_ULL(41)	/* beyond the output size */

enum {
	HA	= BIT(0),	/* the control */
	HAFT	= BIT(1),
	POE	= BIT(2),
	E0POE	= BIT(3),
	NO_HAFT	= BIT(4),	/* the VM does not have it */
	RO_L1	= BIT(5),	/* the level-1 descriptor cannot be written */
	LOSE	= BIT(6),	/* the first update loses a race */
	BE	= BIT(7),	/* tables are big-endian */
};

struct row {
	const char *name;
	unsigned int stages;	/* BIT(1), BIT(2): those it is for */
	unsigned int on;
	enum kvm_access_type access;
	u64 table;		/* bits of the level-1 descriptor */
	u64 leaf;		/* bits of the leaf that are toggled */
	enum kvm_fault_kind kind;
	s8 level;
	unsigned int reads, writes;
	u64 after;		/* bits that the level-1 descriptor has got */
};

#define BOTH		(BIT(1) | BIT(2))

static const struct row rows[] = {
	/* name, stages, on, access, table, leaf, kind, level, reads, writes, after */
	{ "HAFT: both tables and the leaf are marked", BOTH, HA | HAFT,
	  .reads = 3, .writes = 3, .after = AF },
	{ "HAFT: big-endian tables", BOTH, HA | HAFT | BE,
	  .reads = 3, .writes = 3, .after = AF },
	{ "HAFT: what is marked is not written", BOTH, HA | HAFT,
	  .table = AF, .leaf = AF, .reads = 3, .writes = 1 },
	{ "HAFT: nothing without HA", BOTH, HAFT, .leaf = AF, .reads = 3 },
	{ "HAFT: not without the feature", BOTH, HA | HAFT | NO_HAFT,
	  .reads = 3, .writes = 1 },
	{ "HAFT: not without the control", BOTH, HA, .reads = 3, .writes = 1 },
	{ "HAFT: tables stay marked if the leaf faults", BOTH, HA | HAFT,
	  .leaf = 1, .kind = KVM_FAULT_TRANSLATION, .level = 3,
	  .reads = 3, .writes = 2, .after = AF },
	{ "HAFT: a table out of reach is not marked", BOTH, HA | HAFT,
	  .table = TABLE_FAR, .kind = KVM_FAULT_ADDRESS_SIZE, .level = 1,
	  .reads = 1 },
	{ "HAFT: a table that cannot be marked aborts", BOTH,
	  HA | HAFT | RO_L1, .kind = KVM_FAULT_SEA_TTW, .level = 1,
	  .reads = 1, .writes = 1 },
	{ "HAFT: a lost race starts again", BOTH, HA | HAFT | LOSE,
	  .reads = 4, .writes = 3, .after = AF },
	{ "HAFT: AT marks tables, too", BOTH, HA | HAFT, KVM_ACC_AT_READ,
	  .reads = 3, .writes = 3, .after = AF },
	{ "overlays: without them a table takes write permission away", BIT(1),
	  0, KVM_ACC_WRITE, TABLE_RO, AF, KVM_FAULT_PERMISSION, 3, 3 },
	{ "overlays: with POE a table has no say", BIT(1),
	  POE, KVM_ACC_WRITE, TABLE_RO, AF, .reads = 3 },
	{ "overlays: with E0POE alone neither", BIT(1),
	  E0POE, KVM_ACC_WRITE, TABLE_RO, AF, .reads = 3 },
};

static const struct row *current;

static u64 in_memory(const struct row *row, u64 desc)
{
	return row->on & BE ? __builtin_bswap64(desc) : desc;
}

/* Somebody else changes a bit that is ignored. */
static void race(struct mem *mem, unsigned int ncas, u64 pa)
{
	if ((current->on & LOSE) && !ncas)
		mem_find(mem, pa)->val ^= in_memory(current, BIT_ULL(55));
}

static void set_tables(const struct row *row, u64 leaf, struct mem *mem)
{
	struct word *w;

	small_tables(mem, leaf ^ row->leaf);
	mem_find(mem, SMALL_L1)->val ^= row->table;
	mem_find(mem, SMALL_L1)->ro = row->on & RO_L1;
	for (w = mem->words; w < mem->words + mem->nwords; w++)
		w->val = in_memory(row, w->val);
	mem->race = race;
}

static int walk_s2(const struct row *row, struct mem *mem,
		   struct kvm_walk_fault *fault)
{
	struct kvm_s2_features feat = small_s2_feat;
	struct kvm_s2_regs regs = small_s2_regs;
	const struct kvm_access acc = { .type = row->access };
	const struct kvm_walk_mem ops = { &mem_ops, mem };
	struct kvm_s2_config cfg;
	struct kvm_s2_result res;

	regs.vtcr |= (row->on & HA ? VTCR_EL2_HA : 0) |
		     (row->on & HAFT ? VTCR_EL2_HAFT : 0);
	regs.big_endian = row->on & BE;
	feat.haft = !(row->on & NO_HAFT);
	set_tables(row, S2_LEAF, mem);
	kvm_s2_configure(&regs, &feat, &cfg);
	return kvm_s2_walk(&cfg, &ops, SMALL_INPUT, &acc, &res, fault);
}

static int walk_s1(const struct row *row, struct mem *mem,
		   struct kvm_walk_fault *fault)
{
	struct kvm_s1_features feat = small_s1_feat;
	struct kvm_s1_regs regs = small_s1_regs;
	const struct kvm_access acc = { .type = row->access };
	const struct kvm_walk_mem ops = { &mem_ops, mem };
	struct kvm_s1_config cfg;
	struct kvm_s1_result res;

	regs.tcr |= row->on & HA ? TCR_EL1_HA : 0;
	regs.tcr2 = (row->on & HAFT ? TCR2_EL1_HAFT : 0) |
		    (row->on & POE ? TCR2_EL1_POE : 0) |
		    (row->on & E0POE ? TCR2_EL1_E0POE : 0);
	regs.sctlr |= row->on & BE ? SCTLR_ELx_EE : 0;
	regs.por = 7;	/* all that can be had */
	feat.haft = !(row->on & NO_HAFT);
	feat.tcrx = true;
	feat.s1poe = true;
	set_tables(row, S1_LEAF, mem);
	kvm_s1_configure(&regs, &feat, &cfg);
	return kvm_s1_walk(&cfg, &ops, SMALL_INPUT, &acc, &res, fault);
}

static void run_row(const struct row *row, unsigned int stage)
{
	u64 table = (SMALL_L2 | 3) ^ row->table ^ row->after;
	struct kvm_walk_fault fault;
	struct mem mem;
	int ret;
	bool ok;

	current = row;
	ret = stage == 1 ? walk_s1(row, &mem, &fault) :
			   walk_s2(row, &mem, &fault);
	if (row->on & LOSE)
		table ^= BIT_ULL(55);
	ok = row->kind ? ret == KVM_WALK_FAULT && fault.kind == row->kind &&
			 fault.level == row->level && fault.stage == stage :
			 !ret;
	ok = ok && mem.nreads == row->reads && mem.nwrites == row->writes &&
	     in_memory(row, mem_find(&mem, SMALL_L1)->val) == table;
	if (!ok)
		ktap_diag("got %s, level %d, %u fetches, %u updates, level 1 has %#lx",
			  result_name(ret, &fault), fault.level, mem.nreads,
			  mem.nwrites, in_memory(row, mem_find(&mem, SMALL_L1)->val));
	ktap_ok(ok, "rows: stage %u: %s", stage, row->name);
}

/* Unaligned accesses: what with FEAT_S2FWB becomes of stage 1's Device. */
static const struct {
	const char *name;
	bool fwb, s1_device;
	unsigned int memattr;
	enum kvm_access_type access;
	enum kvm_fault_kind kind;
} unaligned_rows[] = {
	{ "without FWB, stage 1 has judged its own type", false, true, 0xf },
	{ "without FWB, Device of stage 2", false, false, 0x1,
	  .kind = KVM_FAULT_ALIGNMENT },
	{ "FWB: Device of stage 2", true, false, 0x1,
	  .kind = KVM_FAULT_ALIGNMENT },
	{ "FWB: as stage 1, Normal", true, false, 0x7 },
	{ "FWB: as stage 1, Device", true, true, 0x7,
	  .kind = KVM_FAULT_ALIGNMENT },
	{ "FWB: Normal Non-cacheable leaves Device", true, true, 0x5,
	  .kind = KVM_FAULT_ALIGNMENT },
	{ "FWB: forced Write-Back is never Device", true, true, 0x6 },
	{ "FWB: a fetch needs no alignment", true, true, 0x7, KVM_ACC_EXEC },
};

static void run_unaligned(size_t i)
{
	const struct row row = { .name = unaligned_rows[i].name };
	struct kvm_s2_regs regs = small_s2_regs;
	const struct kvm_access acc = {
		.type = unaligned_rows[i].access, .unaligned = true,
		.s1_device = unaligned_rows[i].s1_device,
	};
	enum kvm_fault_kind kind = unaligned_rows[i].kind;
	struct mem mem;
	const struct kvm_walk_mem ops = { &mem_ops, &mem };
	struct kvm_walk_fault fault;
	struct kvm_s2_config cfg;
	struct kvm_s2_result res;
	int ret;

	current = &row;
	set_tables(&row, OUTPUT | AF | unaligned_rows[i].memattr << 2 | 3 << 6 | 3,
		   &mem);
	regs.fwb = unaligned_rows[i].fwb;
	kvm_s2_configure(&regs, &small_s2_feat, &cfg);
	ret = kvm_s2_walk(&cfg, &ops, SMALL_INPUT, &acc, &res, &fault);
	ktap_ok(kind ? ret > 0 && fault.kind == kind && fault.level == 3 : !ret,
		"rows: unaligned: %s", row.name);
}

void run_rows(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(unaligned_rows); i++)
		run_unaligned(i);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (unsigned int stage = 1; stage <= 2; stage++)
			if (rows[i].stages & BIT(stage))
				run_row(&rows[i], stage);
}
