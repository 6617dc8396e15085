// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_s2_attr - attributes of an L1 hypervisor's stage-2 leaves, alone and side by side
 *
 * A row is a VM and a script of L1's: what is mapped where, and accesses of L2 with what the Arm
 * ARM says of each. Each 64K of the memory behind has values of its own, so that an access which
 * goes astray is seen, also when it goes to a neighbour; L1 compares all of that memory after each
 * store.
 *
 * Left out: contiguous runs whose descriptors differ, for which the Arm ARM lets an implementation
 * choose; and XN[0] without FEAT_XNX, which is RES0.
 *
 * Seen to fail with: the exception levels of XNX swapped; a contiguous run taken for twice its
 * size; SCTLR_EL2.EE ignored; stage 2 off for HCR_EL2.DC without VM; any leaf readable, any
 * writable, any executable; a page taken for 2 MB, a 64K block for 8 GB; L2's EL ignored; the order
 * of the tables taken from SCTLR_EL1.
 *
 * No locking: one vCPU, and the host only touches registers and tables while it does not run.
 */
#include <sys/mman.h>

#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall.h"

#include <asm/sysreg.h>

/*
 * L1 memory: code, the arena for tables, and the data. The data is aligned for a contiguous run of
 * 64K pages (2 MB) and to 32 MB, a 16K block. There is a multiple of 512 MB, a 64K block, in the
 * middle of it.
 */
#define L1_GPA			0x9c000000UL
#define L1_GVA			0x4000000000UL
#define L1_SIZE			(4UL * SZ_32M)
#define L1_SLOT			1
#define CODE_GPA		L1_GPA
#define ARENA_OFFSET		SZ_1M
#define ARENA_END		SZ_32M
#define DATA_GPA		(L1_GPA + SZ_32M)
#define DATA_SIZE		(2UL * SZ_32M)
#define PARK_GPA		(L1_GPA + 0x50000)
#define HOLE_GPA		0xf0000000UL

/* Nested IPAs; data_ipa() makes that of the data. */
#define CODE_IPA		0x40000000UL
#define MMIO_IPA		0x44000000UL
#define OFFSET			0x128
#define SZ_16G			0x400000000UL	/* the largest contiguous run */

#define UNIT			SZ_64K
#define NR_UNITS		(DATA_SIZE / UNIT)

/* As code, the low half is an HVC. Bits [47:44] are for the page in the unit. */
#define UNIT_VALUE(n)		(0x5a5a000000000000UL | (n) << 32 | L2_INSN_DONE)
#define STORE_VALUE		0xc001d00dfeedf00dUL
#define MMIO_VALUE		0x0123456789abcdefUL

#define INSN_WFI_LOOP		0x17ffffffd503207fUL	/* WFI; B .-4 */

#define VMID			5
#define MAX_STEPS		16

enum op {
	END,
	MAP,			/* @size bytes at @at, leaves of @level, @attrs; TLBI */
	UNMAP,			/* the descriptor at @level; TLBI */
	TABLE,			/* block at @level replaced by a table of equal leaves */
	LOAD, STORE, EXEC,	/* at @at; @fault: permission or translation, at @level */
	EL0 = 0x100,
	LOAD_EL0 = EL0 | LOAD,
	STORE_EL0 = EL0 | STORE,
	EXEC_EL0 = EL0 | EXEC,
};

enum fault { NONE, PERM, TRANS };

/* @at is an offset in the data's nested IPAs. */
struct step {
	enum op op;
	u64 at;
	enum fault fault;	/* of an access */
	int level;		/* of the fault, or of a leaf */
	u64 size;
	u64 attrs;		/* bits that differ from S2_ATTR_DEFAULT */
};

enum need {
	NEED_XNX	= BIT(0),
	NEED_BE		= BIT(1),
};

enum mode {
	VM_ONLY,		/* HCR_EL2.VM, L2's MMU is off */
	DC_ONLY,		/* HCR_EL2.DC without VM */
	DC_AND_VM,
};

struct script;

struct row {
	const char *desc;
	u8 page_shift;
	int leaf;		/* level, for @script */
	void (*script)(const struct row *row, struct script *s);
	struct step steps[MAX_STEPS];	/* if there is no @script */
	u64 attrs;		/* bits that differ from S2_ATTR_DEFAULT */
	enum fault el1, el0;	/* of fetches */
	enum mode mode;
	unsigned int need;
	bool be;		/* big-endian tables; no step faults */
	bool l2_be;		/* SCTLR_EL1.{EE, E0E} */
};

#define R	S2_DESC_S2AP_R
#define W	S2_DESC_S2AP_W
#define XN	S2_DESC_XN_ALL
#define CONT	S2_DESC_CONTIG

/*
 * Scripts that several rows share, by granule and level. Leaves that are smaller than a unit of the
 * data come in as many as fill it.
 */
struct script {
	struct step steps[MAX_STEPS];
	unsigned int nr;
};

static void add(struct script *s, struct step step)
{
	TEST_ASSERT(s->nr < MAX_STEPS, "the script is too long");
	s->steps[s->nr++] = step;
}

static void add_map(struct script *s, u64 at, u64 size, int level, u64 attrs)
{
	add(s, (struct step) { MAP, at, NONE, level, size, attrs });
}

static void add_access(struct script *s, enum op kind, u64 at, enum fault fault, int level)
{
	add(s, (struct step) { kind, at, fault, level });
}

static u64 leaf_size(const struct row *row)
{
	struct s2_geometry geo = { .page_shift = row->page_shift };

	return BIT(s2_level_shift(&geo, row->leaf));
}

static u64 run_size(const struct row *row)
{
	struct s2_geometry geo = { .page_shift = row->page_shift };

	return BIT(s2_contig_shift(&geo, row->leaf));
}

/* Loads and stores with each S2AP, at EL1 and EL0; it has no say in fetches. */
static void script_s2ap(const struct row *row, struct script *s)
{
	enum fault load = row->attrs & R ? PERM : NONE, store = row->attrs & W ? PERM : NONE;

	add_map(s, 0, max_t(u64, leaf_size(row), UNIT), row->leaf, row->attrs);
	add_access(s, LOAD, 0, load, row->leaf);
	add_access(s, STORE, 0, store, row->leaf);
	add_access(s, EXEC, 0, NONE, row->leaf);
	add_access(s, LOAD_EL0, 0, load, row->leaf);
	add_access(s, STORE_EL0, 0, store, row->leaf);
	add_access(s, EXEC_EL0, 0, NONE, row->leaf);
}

/* Fetches, before and after the loads and stores, in which XN has no say. */
static void script_xn(const struct row *row, struct script *s)
{
	add_map(s, 0, max_t(u64, leaf_size(row), UNIT), row->leaf, row->attrs);
	add_access(s, EXEC, 0, row->el1, row->leaf);
	add_access(s, EXEC_EL0, 0, row->el0, row->leaf);
	add_access(s, LOAD, 0, NONE, row->leaf);
	add_access(s, STORE, 0, NONE, row->leaf);
	add_access(s, LOAD_EL0, 0, NONE, row->leaf);
	add_access(s, STORE_EL0, 0, NONE, row->leaf);
	add_access(s, EXEC, 0, row->el1, row->leaf);
	add_access(s, EXEC_EL0, 0, row->el0, row->leaf);
}

/* A whole run, and what is on both sides of it. */
static void script_contig(const struct row *row, struct script *s)
{
	u64 run = run_size(row), one = leaf_size(row);

	add_map(s, run, run, row->leaf, CONT);
	add_access(s, LOAD, run, NONE, row->leaf);
	add_access(s, LOAD, run + one, NONE, row->leaf);
	add_access(s, LOAD, 2 * run - one, NONE, row->leaf);
	add_access(s, STORE, 2 * run - one, NONE, row->leaf);
	add_access(s, EXEC, run + one, NONE, row->leaf);
	add_access(s, STORE, run, NONE, row->leaf);
	add_access(s, LOAD, 2 * run, TRANS, row->leaf);
	add_access(s, LOAD, run - one, TRANS, row->leaf);
}

/* A run much larger than the data, in which the data lies. */
static void script_contig_large(const struct row *row, struct script *s)
{
	u64 run = run_size(row), first = -(DATA_GPA & (run - 1));

	add_map(s, first, run, row->leaf, CONT | W);
	add_access(s, LOAD, 0, NONE, row->leaf);
	add_access(s, EXEC, UNIT, NONE, row->leaf);
	add_access(s, STORE, UNIT, PERM, row->leaf);
	add_access(s, LOAD, DATA_SIZE - UNIT, NONE, row->leaf);
	add_access(s, LOAD, first + run, TRANS, row->leaf);
	add_access(s, LOAD, first - UNIT, TRANS, row->leaf);
}

/* Permissions of a run, and a neighbour with others. */
static void script_contig_mix(const struct row *row, struct script *s)
{
	u64 run = run_size(row), one = leaf_size(row);

	add_map(s, 0, run, row->leaf, CONT | W);
	add_map(s, run, run, row->leaf, CONT | XN);
	add_access(s, LOAD, 0, NONE, row->leaf);
	add_access(s, STORE, run - one, PERM, row->leaf);
	add_access(s, EXEC, run - one, NONE, row->leaf);
	add_access(s, STORE, run, NONE, row->leaf);
	add_access(s, EXEC, run, PERM, row->leaf);
	add_access(s, EXEC, 2 * run - one, PERM, row->leaf);
	add_access(s, STORE, 0, PERM, row->leaf);
}

/* A block, of which the data may be the end, and pages with other attributes next to it. */
static void script_mix(const struct row *row, struct script *s)
{
	u64 block = min_t(u64, leaf_size(row), DATA_SIZE / 2), pages = 16 * UNIT;

	add_map(s, 0, block, 2, W);
	add_map(s, block, pages, 3, XN);
	add_access(s, LOAD, block - UNIT, NONE, 2);
	add_access(s, STORE, block - UNIT, PERM, 2);
	add_access(s, EXEC, block - UNIT, NONE, 2);
	add_access(s, LOAD, block, NONE, 3);
	add_access(s, STORE, block, NONE, 3);
	add_access(s, EXEC, block, PERM, 3);
	add_access(s, LOAD, block + pages, TRANS, 3);
	add_access(s, STORE, 0, PERM, 2);
}

/* A block becomes a table, whose pages then get different attributes. */
static void script_split(const struct row *row, struct script *s)
{
	add_map(s, 0, UNIT, 2, 0);
	add_access(s, STORE, UNIT, NONE, 2);
	add_access(s, LOAD, 3 * UNIT, NONE, 2);
	add(s, (struct step) { TABLE, 0, NONE, 2 });
	add_map(s, UNIT, UNIT, 3, W);
	add_map(s, 2 * UNIT, UNIT, 3, XN);
	add_access(s, LOAD, UNIT, NONE, 3);
	add_access(s, STORE, UNIT, PERM, 3);
	add_access(s, STORE, 2 * UNIT, NONE, 3);
	add_access(s, EXEC, 2 * UNIT, PERM, 3);
	add_access(s, STORE, 3 * UNIT, NONE, 3);
	add(s, (struct step) { UNMAP, 4 * UNIT, NONE, 3 });
	add_access(s, LOAD, 4 * UNIT, TRANS, 3);
	add_access(s, LOAD, 5 * UNIT, NONE, 3);
}

static const struct row rows[] = {
	{ "S2AP, 4K page: read and write", 12, 3, script_s2ap },
	{ "S2AP, 4K page: read", 12, 3, script_s2ap, .attrs = W },
	{ "S2AP, 4K page: write", 12, 3, script_s2ap, .attrs = R },
	{ "S2AP, 4K page: none", 12, 3, script_s2ap, .attrs = R | W },
	{ "S2AP, 4K level 2 block: read", 12, 2, script_s2ap, .attrs = W },
	{ "S2AP, 4K level 2 block: write", 12, 2, script_s2ap, .attrs = R },
	{ "S2AP, 4K level 2 block: none", 12, 2, script_s2ap, .attrs = R | W },
	{ "S2AP, 16K page: read", 14, 3, script_s2ap, .attrs = W },
	{ "S2AP, 16K page: write", 14, 3, script_s2ap, .attrs = R },
	{ "S2AP, 16K page: none", 14, 3, script_s2ap, .attrs = R | W },
	{ "S2AP, 16K level 2 block: read", 14, 2, script_s2ap, .attrs = W },
	{ "S2AP, 16K level 2 block: write", 14, 2, script_s2ap, .attrs = R },
	{ "S2AP, 16K level 2 block: none", 14, 2, script_s2ap, .attrs = R | W },
	{ "S2AP, 64K page: read", 16, 3, script_s2ap, .attrs = W },
	{ "S2AP, 64K page: write", 16, 3, script_s2ap, .attrs = R },
	{ "S2AP, 64K page: none", 16, 3, script_s2ap, .attrs = R | W },

	{ "XN, 4K page: both execute", 12, 3, script_xn },
	{ "XN, 4K page: none", 12, 3, script_xn, .attrs = XN, .el1 = PERM, .el0 = PERM },
	{ "XN, 4K level 2 block: none", 12, 2, script_xn, .attrs = XN, .el1 = PERM, .el0 = PERM },
	{ "XN, 16K page: none", 14, 3, script_xn, .attrs = XN, .el1 = PERM, .el0 = PERM },
	{ "XN, 16K level 2 block: none", 14, 2, script_xn, .attrs = XN, .el1 = PERM, .el0 = PERM },
	{ "XN, 64K page: none", 16, 3, script_xn, .attrs = XN, .el1 = PERM, .el0 = PERM },
	{ "XNX, 4K page: EL0 executes", 12, 3, script_xn, .attrs = S2_DESC_XN_EL0_ONLY,
	  .el1 = PERM, .need = NEED_XNX },
	{ "XNX, 4K page: EL1 executes", 12, 3, script_xn, .attrs = S2_DESC_XN_EL1_ONLY,
	  .el0 = PERM, .need = NEED_XNX },
	{ "XNX, 4K level 2 block: EL0 executes", 12, 2, script_xn, .attrs = S2_DESC_XN_EL0_ONLY,
	  .el1 = PERM, .need = NEED_XNX },
	{ "XNX, 4K level 2 block: EL1 executes", 12, 2, script_xn, .attrs = S2_DESC_XN_EL1_ONLY,
	  .el0 = PERM, .need = NEED_XNX },
	{ "XNX, 16K page: EL0 executes", 14, 3, script_xn, .attrs = S2_DESC_XN_EL0_ONLY,
	  .el1 = PERM, .need = NEED_XNX },
	{ "XNX, 16K page: EL1 executes", 14, 3, script_xn, .attrs = S2_DESC_XN_EL1_ONLY,
	  .el0 = PERM, .need = NEED_XNX },
	{ "XNX, 16K level 2 block: EL0 executes", 14, 2, script_xn, .attrs = S2_DESC_XN_EL0_ONLY,
	  .el1 = PERM, .need = NEED_XNX },
	{ "XNX, 16K level 2 block: EL1 executes", 14, 2, script_xn, .attrs = S2_DESC_XN_EL1_ONLY,
	  .el0 = PERM, .need = NEED_XNX },
	{ "XNX, 64K page: EL0 executes", 16, 3, script_xn, .attrs = S2_DESC_XN_EL0_ONLY,
	  .el1 = PERM, .need = NEED_XNX },
	{ "XNX, 64K page: EL1 executes", 16, 3, script_xn, .attrs = S2_DESC_XN_EL1_ONLY,
	  .el0 = PERM, .need = NEED_XNX },

	{ "contiguous, 4K level 3: 16 pages", 12, 3, script_contig },
	{ "contiguous, 4K level 2: 16 blocks", 12, 2, script_contig },
	{ "contiguous, 4K level 1: 16 blocks", 12, 1, script_contig_large },
	{ "contiguous, 16K level 3: 128 pages", 14, 3, script_contig },
	{ "contiguous, 16K level 2: 32 blocks", 14, 2, script_contig_large },
	{ "contiguous, 64K level 3: 32 pages", 16, 3, script_contig },
	{ "contiguous, 64K level 2: 32 blocks", 16, 2, script_contig_large },
	{ "contiguous runs side by side, 4K level 3", 12, 3, script_contig_mix },
	{ "contiguous runs side by side, 4K level 2", 12, 2, script_contig_mix },
	{ "contiguous runs side by side, 16K level 3", 14, 3, script_contig_mix },
	{ "contiguous runs side by side, 64K level 3", 16, 3, script_contig_mix },

	{ "4K: block and pages side by side", 12, 2, script_mix },
	{ "16K: block and pages side by side", 14, 2, script_mix },
	{ "64K: block and pages side by side", 16, 2, script_mix },
	{ "4K: block becomes a table", 12, 2, script_split },
	{ "16K: block becomes a table", 14, 2, script_split },
	{ "64K: block becomes a table", 16, 2, script_split },
	{ "4K: pages of a table become a block", 12, .steps = {
		{ MAP, 0, NONE, 3, UNIT, W }, { LOAD, 0 }, { STORE, 0, PERM, 3 },
		{ LOAD, UNIT, TRANS, 3 },
		{ UNMAP, 0, NONE, 2 }, { LOAD, 0, TRANS, 2 },
		{ MAP, 0, NONE, 2, SZ_2M }, { STORE, 0 }, { STORE, UNIT }, { LOAD, SZ_1M } } },
	{ "64K: pages of a table become a block", 16, .steps = {
		{ MAP, 0, NONE, 3, UNIT, W }, { LOAD, 0 }, { STORE, 0, PERM, 3 },
		{ LOAD, UNIT, TRANS, 3 },
		{ UNMAP, 0, NONE, 2 }, { LOAD, 0, TRANS, 2 },
		{ MAP, 0, NONE, 2, UNIT }, { STORE, 0 }, { STORE, UNIT },
		{ LOAD, DATA_SIZE / 2 - UNIT } } },
	{ "4K: pages of each permission side by side", 12, .steps = {
		{ MAP, 0, NONE, 3, SZ_4K }, { MAP, SZ_4K, NONE, 3, SZ_4K, W },
		{ MAP, SZ_8K, NONE, 3, SZ_4K, R }, { MAP, 3 * SZ_4K, NONE, 3, SZ_4K, XN },
		{ STORE, 0 }, { LOAD, SZ_4K }, { STORE, SZ_4K, PERM, 3 }, { STORE, SZ_8K },
		{ LOAD, SZ_8K, PERM, 3 }, { LOAD, 3 * SZ_4K }, { EXEC, 3 * SZ_4K, PERM, 3 },
		{ EXEC, SZ_8K }, { LOAD, SZ_16K, TRANS, 3 } } },

	{ "big-endian tables, 4K", 12, .be = true, .need = NEED_BE,
	  .steps = { { MAP, 0, NONE, 3, UNIT }, { LOAD, 0 } } },
	{ "big-endian tables, 4K, contiguous", 12, .be = true, .need = NEED_BE,
	  .steps = { { MAP, 0, NONE, 3, UNIT, CONT }, { LOAD, SZ_4K } } },
	{ "big-endian tables, 4K, level 2 block", 12, .be = true, .need = NEED_BE,
	  .steps = { { MAP, 0, NONE, 2, SZ_2M }, { LOAD, SZ_1M } } },
	{ "big-endian tables, 16K", 14, .be = true, .need = NEED_BE,
	  .steps = { { MAP, 0, NONE, 3, UNIT }, { LOAD, 0 } } },
	{ "big-endian tables, 64K", 16, .be = true, .need = NEED_BE,
	  .steps = { { MAP, 0, NONE, 3, UNIT }, { LOAD, 0 } } },
	{ "big-endian tables, 4K: store", 12, .be = true, .need = NEED_BE,
	  .steps = { { MAP, 0, NONE, 3, UNIT }, { STORE, 0 }, { LOAD, SZ_4K } } },
	{ "big-endian tables, 4K, level 2 block: store", 12, .be = true, .need = NEED_BE,
	  .steps = { { MAP, 0, NONE, 2, SZ_2M }, { STORE, SZ_1M }, { LOAD, 0 } } },
	{ "big-endian tables, 16K: store", 14, .be = true, .need = NEED_BE,
	  .steps = { { MAP, 0, NONE, 3, UNIT }, { STORE, 0 } } },
	{ "big-endian tables, 64K: store", 16, .be = true, .need = NEED_BE,
	  .steps = { { MAP, 0, NONE, 3, UNIT }, { STORE, 0 } } },
	{ "big-endian L2: all accesses", 12, .l2_be = true, .need = NEED_BE, .steps = {
		{ MAP, 0, NONE, 3, UNIT }, { MAP, UNIT, NONE, 3, UNIT, W },
		{ LOAD, 0 }, { STORE, 0 }, { EXEC, 0 },
		{ LOAD_EL0, 0 }, { STORE_EL0, 0 }, { EXEC_EL0, 0 },
		{ LOAD, UNIT }, { STORE, UNIT, PERM, 3 }, { LOAD, 2 * UNIT, TRANS, 3 } } },
	{ "big-endian L2 and tables, 4K", 12, .be = true, .l2_be = true, .need = NEED_BE,
	  .steps = { { MAP, 0, NONE, 3, UNIT }, { LOAD, 0 }, { STORE, 0 } } },
	{ "big-endian L2 and tables, 64K", 16, .be = true, .l2_be = true, .need = NEED_BE,
	  .steps = { { MAP, 0, NONE, 3, UNIT }, { LOAD, 0 }, { STORE, 0 } } },

	/* HCR_EL2.DC: stage 2 is on, whatever VM says. */
	{ "DC with VM=0: all accesses", 12, .mode = DC_ONLY, .steps = {
		{ MAP, 0, NONE, 3, UNIT }, { LOAD, 0 }, { STORE, 0 }, { EXEC, 0 },
		{ LOAD_EL0, 0 }, { STORE_EL0, 0 }, { EXEC_EL0, 0 }, { LOAD, UNIT, TRANS, 3 } } },
	{ "DC with VM=0: S2AP and XN", 12, .mode = DC_ONLY, .steps = {
		{ MAP, 0, NONE, 3, UNIT, W }, { MAP, UNIT, NONE, 3, UNIT, R },
		{ MAP, 2 * UNIT, NONE, 3, UNIT, XN },
		{ LOAD, 0 }, { STORE, 0, PERM, 3 }, { LOAD, UNIT, PERM, 3 },
		{ STORE, UNIT }, { EXEC, 2 * UNIT, PERM, 3 }, { STORE, 2 * UNIT },
		{ EXEC_EL0, 2 * UNIT, PERM, 3 } } },
	{ "DC with VM=0, 16K", 14, .mode = DC_ONLY, .steps = {
		{ MAP, 0, NONE, 3, UNIT, W }, { LOAD, 0 }, { STORE, 0, PERM, 3 },
		{ LOAD, UNIT, TRANS, 3 } } },
	{ "DC with VM=0, 64K", 16, .mode = DC_ONLY, .steps = {
		{ MAP, 0, NONE, 3, UNIT, W }, { LOAD, 0 }, { STORE, 0, PERM, 3 },
		{ LOAD, UNIT, TRANS, 3 } } },
	{ "DC with VM=1: all accesses", 12, .mode = DC_AND_VM, .steps = {
		{ MAP, 0, NONE, 3, UNIT }, { LOAD, 0 }, { STORE, 0 }, { EXEC, 0 },
		{ LOAD_EL0, 0 }, { STORE_EL0, 0 }, { EXEC_EL0, 0 }, { LOAD, UNIT, TRANS, 3 } } },
};

/* What L1 saw of each step; a guest global that the host reads. */
static struct report {
	struct outcome {
		struct l2_exit exit;
		u64 loaded;
		u64 mmio;	/* x3 of L2_STUB_*_BETWEEN */
		u64 strays;	/* units of the data that are not what they should be */
		bool done;
	} outcome[MAX_STEPS];
} report;

/* The row's steps, for L1 and the host side. */
static struct script script;

static struct nested_mem l1_mem = { .gva = L1_GVA, .gpa = L1_GPA, .size = L1_SIZE };

/* The largest leaf, or contiguous run, that the script maps. */
static u64 largest_leaf(const struct row *row)
{
	struct s2_geometry geo = { .page_shift = row->page_shift };
	const struct step *step;
	unsigned int i, shift;
	u64 largest = 0;

	for (i = 0; i < MAX_STEPS; i++) {
		step = &script.steps[i];
		if (step->op != MAP)
			continue;
		shift = step->attrs & CONT ? s2_contig_shift(&geo, step->level) :
					     s2_level_shift(&geo, step->level);
		largest = max_t(u64, largest, BIT(shift));
	}

	return largest;
}

/*
 * The bit above the offset in the largest leaf has to differ from the GPA's: else a walk that takes
 * one bit too many from the IPA would find the same address.
 */
static u64 data_ipa(const struct row *row)
{
	u64 largest = largest_leaf(row);

	return SZ_16G + DATA_GPA + (largest < SZ_16G ? largest : 0);
}

static bool is_access(const struct step *step)
{
	return (step->op & ~EL0) >= LOAD;
}

static u64 step_ipa(const struct row *row, const struct step *step)
{
	return data_ipa(row) + step->at + OFFSET;
}

static enum l2_stub step_stub(const struct row *row, const struct step *step)
{
	if (row->be)
		return step->op == STORE ? L2_STUB_STORE_BETWEEN : L2_STUB_LOAD_BETWEEN;

	return (step->op & ~EL0) == LOAD ? L2_STUB_LOAD :
	       (step->op & ~EL0) == STORE ? L2_STUB_STORE : L2_STUB_EXEC;
}

static u64 step_value(const struct step *step)
{
	return UNIT_VALUE(step->at / UNIT) | (step->at % UNIT) << 32;
}

/* What memory has of a register of L2's, or the other way round. */
static u64 l2_order(const struct row *row, u64 val)
{
	return row->l2_be ? __builtin_bswap64(val) : val;
}

/* L1 */

static u64 *l1_word(u64 at)
{
	return nested_va(&l1_mem, DATA_GPA + at + OFFSET);
}

/* A value for each 4K of a unit; only those that are the target of a step are looked at. */
static void l1_prepare_data(void)
{
	unsigned int i;
	u64 n;

	for (n = 0; n < NR_UNITS; n++)
		*l1_word(n * UNIT) = UNIT_VALUE(n);
	for (i = 0; i < MAX_STEPS; i++)
		if (is_access(&script.steps[i]) && script.steps[i].at < DATA_SIZE)
			*l1_word(script.steps[i].at) = step_value(&script.steps[i]);
}

static u64 l1_strays(const struct row *row, const struct step *step)
{
	bool stored = (step->op & ~EL0) == STORE && !step->fault;
	u64 n, strays = 0;

	if (step->at >= DATA_SIZE)
		return 0;

	nested_sync_cache(l1_word(step->at), sizeof(u64));
	strays += *l1_word(step->at) != (stored ? l2_order(row, STORE_VALUE) : step_value(step));
	/* What is not stored to cannot change. */
	for (n = 0; stored && n < NR_UNITS; n++)
		if (n * UNIT != step->at)
			strays += *l1_word(n * UNIT) != UNIT_VALUE(n);

	return strays;
}

static void l1_access(const struct row *row, const struct step *step, struct s2_mmu *s2,
		      struct outcome *o)
{
	struct l2_vcpu l2;
	u64 *word = step->at < DATA_SIZE ? l1_word(step->at) : NULL;

	if (word) {
		*word = step_value(step);
		nested_sync_cache(word, sizeof(*word));
	}
	l2_init(&l2, s2, CODE_IPA);
	l2.pc = CODE_IPA + l2_stub_offset(step_stub(row, step));
	l2.regs[0] = step_ipa(row, step);
	l2.regs[2] = STORE_VALUE;
	l2.regs[4] = MMIO_IPA + OFFSET;
	if (row->l2_be)
		l2.sctlr |= SCTLR_ELx_EE | SCTLR_EL1_E0E;
	if (step->op & EL0)
		l2.pstate = L2_PSTATE_EL0;
	if (row->mode != VM_ONLY)
		l2.hcr |= HCR_EL2_DC;
	if (row->mode == DC_ONLY)
		l2.hcr &= ~HCR_EL2_VM;

	l2_enter(&l2);
	o->exit = l2.exit;
	o->loaded = l2.regs[1];
	o->mmio = l2.regs[3];
	o->strays = l1_strays(row, step);
	if (word)
		*word = step_value(step);
	o->done = true;
}

/* Break-before-make: a block at @level becomes a table of leaves that map the same. */
static void l1_split(struct s2_mmu *s2, u64 ipa, const struct step *step)
{
	u64 *desc = s2_desc(s2, ipa, step->level), old = s2_read(s2, desc);
	u64 size = BIT(s2_level_shift(&s2->geo, step->level));

	s2_write(s2, desc, 0);
	s2_tlbi_vmalls12e1is(s2);
	s2_map(s2, ipa & ~(size - 1), s2_desc_pa(&s2->geo, old), size, step->level + 1,
	       S2_ATTR_DEFAULT);
}

static void l1_step(const struct row *row, const struct step *step, struct s2_mmu *s2,
		    struct outcome *o)
{
	u64 ipa = data_ipa(row) + step->at;

	switch (step->op) {
	case MAP:
		s2_map(s2, ipa, DATA_GPA + step->at, step->size, step->level,
		       S2_ATTR_DEFAULT ^ step->attrs);
		s2_tlbi_vmalls12e1is(s2);
		break;
	case UNMAP:
		s2_write(s2, s2_desc(s2, ipa, step->level), 0);
		s2_tlbi_vmalls12e1is(s2);
		break;
	case TABLE:
		l1_split(s2, ipa, step);
		break;
	default:
		l1_access(row, step, s2, o);
		break;
	}
}

static void l1_main(u64 index)
{
	const struct row *row = &rows[index];
	struct s2_geometry geo = {
		.page_shift = row->page_shift, .ia_bits = 36,
		.start = row->page_shift == 12 ? 1 : 2,
	};
	struct s2_mmu s2;
	unsigned int i;

	GUEST_ASSERT_EQ(get_current_el(), 2);
	l2_stubs_install(nested_va(&l1_mem, CODE_GPA), SZ_4K);
	l1_prepare_data();
	s2_init(&s2, &l1_mem, &geo, VMID);
	s2_map(&s2, CODE_IPA, CODE_GPA, 1, 3, S2_ATTR_DEFAULT);
	if (row->be)
		s2_map(&s2, MMIO_IPA, HOLE_GPA, 1, 3, S2_ATTR_DEFAULT);
	s2_tlbi_vmalls12e1is(&s2);
	for (i = 0; i < MAX_STEPS && script.steps[i].op != END; i++)
		l1_step(row, &script.steps[i], &s2, &report.outcome[i]);
	GUEST_ASSERT(l1_mem.used <= ARENA_END);
	GUEST_DONE();
}

/* Host */

static u64 expected_esr(const struct step *step)
{
	bool exec = (step->op & ~EL0) == EXEC, store = (step->op & ~EL0) == STORE;
	u64 esr = ESR_ELx_IL;

	if (!step->fault)
		return esr | ESR_ELx_EC_HVC64 << ESR_ELx_EC_SHIFT |
		       (step->op & EL0 ? L2_HVC_VECTOR + 8 : L2_HVC_DONE);

	esr |= step->fault == PERM ? ESR_ELx_FSC_PERM_L(step->level) :
				     ESR_ELx_FSC_FAULT_L(step->level);
	if (exec)
		return esr | ESR_ELx_EC_IABT_LOW << ESR_ELx_EC_SHIFT;

	esr |= ESR_ELx_EC_DABT_LOW << ESR_ELx_EC_SHIFT | ESR_ELx_ISV | ESR_ELx_SAS | ESR_ELx_SF;
	return esr | (store ? ESR_ELx_WNR : 0) | (store ? 2UL : 1UL) << ESR_ELx_SRT_SHIFT;
}

static bool check_step(const struct row *row, unsigned int i)
{
	static const char * const names[] = {
		[LOAD] = "load", [STORE] = "store", [EXEC] = "fetch",
	};
	const struct step *step = &script.steps[i];
	const struct outcome *o = &report.outcome[i];
	bool ok;

	ok = nested_check("step was reached", o->done, true, ~0UL);
	ok &= nested_check("vector", o->exit.vector, VECTOR_SYNC_LOWER_64, ~0UL);
	ok &= nested_check("ESR_EL2", o->exit.esr, expected_esr(step), ~0UL);
	ok &= nested_check("units of memory that changed", o->strays, 0, ~0UL);
	if (step->fault)
		ok &= nested_check("FAR_EL2", o->exit.far, step_ipa(row, step), ~0UL);
	/* HPFAR_EL2 is UNKNOWN for a permission fault. */
	if (step->fault == TRANS)
		ok &= nested_check("HPFAR_EL2", o->exit.hpfar,
				   FIELD_PREP(HPFAR_EL2_FIPA, step_ipa(row, step) >> 12), ~0UL);
	if (!step->fault && (step->op & ~EL0) == LOAD)
		ok &= nested_check("value loaded by L2", o->loaded,
				   l2_order(row, step_value(step)), ~0UL);
	if (row->be)
		ok &= nested_check("value loaded by L2 from MMIO", o->mmio,
				   l2_order(row, MMIO_VALUE), ~0UL);
	if (!ok)
		ksft_print_msg("step %u: %s at EL%d of 0x%lx\n", i, names[step->op & ~EL0],
			       step->op & EL0 ? 0 : 1, step_ipa(row, step));

	return ok;
}

static int check_report(const struct row *row)
{
	bool ok = true;
	unsigned int i;

	for (i = 0; i < MAX_STEPS; i++)
		if (is_access(&script.steps[i]))
			ok &= check_step(row, i);

	return ok ? NESTED_PASS : NESTED_FAIL;
}

/* L1's vectors for when it cannot run: it waits in them for the row's timeout. */
static void park_l1(struct kvm_vcpu *vcpu, bool park)
{
	static u64 vbar;
	u64 *code = addr_gpa2hva(vcpu->vm, PARK_GPA);
	u64 i;

	if (park)
		vbar = vcpu_get_reg(vcpu, KVM_ARM64_SYS_REG(SYS_VBAR_EL2));
	for (i = 0; i < SZ_2K / sizeof(u64); i++)
		code[i] = INSN_WFI_LOOP;
	vcpu_set_reg(vcpu, KVM_ARM64_SYS_REG(SYS_VBAR_EL2), park ? PARK_GPA : vbar);
}

/*
 * Swap L1's stage-2 tables and SCTLR_EL2.EE, while L2 runs. L1 cannot do that: EE is about its own
 * data and tables too. Should L2 exit to it now, let it have its MMU off.
 */
static void flip_endianness(struct kvm_vcpu *vcpu)
{
	u64 sctlr = vcpu_get_reg(vcpu, KVM_ARM64_SYS_REG(SYS_SCTLR_EL2));
	u64 *desc = addr_gpa2hva(vcpu->vm, L1_GPA + ARENA_OFFSET);
	struct nested_mem *mem = addr_gva2hva(vcpu->vm, (gva_t)&l1_mem);
	u64 i;

	for (i = 0; i < (mem->used - ARENA_OFFSET) / sizeof(u64); i++)
		desc[i] = __builtin_bswap64(desc[i]);
	park_l1(vcpu, !(sctlr & SCTLR_ELx_EE));
	sctlr ^= SCTLR_ELx_EE | SCTLR_ELx_M;
	vcpu_set_reg(vcpu, KVM_ARM64_SYS_REG(SYS_SCTLR_EL2), sctlr);
}

/* Of a row with big-endian tables: L2 goes out before and after each access. */
static int run_l1(struct kvm_vcpu *vcpu, const struct row *row, const char **reason)
{
	struct kvm_run *run = vcpu->run;
	unsigned int mmio = 0, expected = 0, i;
	u64 value = MMIO_VALUE;
	struct ucall uc;
	int ret;

	for (i = 0; row->be && i < MAX_STEPS; i++)
		expected += is_access(&script.steps[i]) ? 2 : 0;

	while ((ret = nested_run_vcpu(vcpu, &uc, reason)) == NESTED_EXIT) {
		if (run->exit_reason != KVM_EXIT_MMIO || run->mmio.is_write ||
		    run->mmio.phys_addr != HOLE_GPA + OFFSET || ++mmio > expected) {
			ksft_print_msg("unexpected exit to userspace: %s, MMIO address 0x%llx\n",
				       exit_reason_str(run->exit_reason), run->mmio.phys_addr);
			return NESTED_FAIL;
		}
		memcpy(run->mmio.data, &value, sizeof(value));
		flip_endianness(vcpu);
	}
	if (ret == NESTED_PASS && !nested_check("MMIO exits", mmio, expected, ~0UL))
		return NESTED_FAIL;

	return ret;
}

static const char *skip_reason(struct kvm_vcpu *vcpu, const struct row *row)
{
	u64 mmfr1 = vcpu_get_reg(vcpu, KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR1_EL1));

	if (!s2_granule_supported(row->page_shift))
		return "the VM has no such stage-2 granule (ID_AA64MMFR0_EL1.TGRANx_2)";
	if (nested_pa_bits() < 36)
		return "the input size is above the VM's PARange";
	if ((row->need & NEED_XNX) && !SYS_FIELD_GET(ID_AA64MMFR1_EL1, XNX, mmfr1))
		return "the VM has no FEAT_XNX";
	if ((row->need & NEED_BE) && !SYS_FIELD_GET(ID_AA64MMFR0_EL1, BIGEND, nested_mmfr0()))
		return "the VM has no big-endian support at EL2";
	if (NESTED_BARE && row->be)
		return "there is no host side that could change the endianness";

	return NULL;
}

static int run_row(unsigned int n, const char **reason)
{
	const struct row *row = &rows[n];
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int ret;

	vm = nested_vm_create(1, l1_main, &vcpu);
	vcpu_args_set(vcpu, 1, (u64)n);
	*reason = skip_reason(vcpu, row);
	if (*reason)
		return NESTED_SKIP;
	if (row->script)
		row->script(row, &script);
	else
		memcpy(script.steps, row->steps, sizeof(script.steps));
	sync_global_to_guest(vm, script);
	nested_mem_create(vm, &l1_mem, L1_SLOT, 0);
	/* So that L0 could map more at once than L1 does. It is no matter if there are none. */
	madvise(l1_mem.va, L1_SIZE, MADV_HUGEPAGE);
	l1_mem.used = ARENA_OFFSET;
	nested_mem_sync(vm, &l1_mem, (gva_t)&l1_mem);

	ret = run_l1(vcpu, row, reason);
	if (ret == NESTED_PASS) {
		sync_global_from_guest(vm, report);
		ret = check_report(row);
	}

	kvm_vm_free(vm);
	return ret;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_s2_attr",
		.rows = rows, .nr_rows = ARRAY_SIZE(rows), .row_size = sizeof(rows[0]),
		.run = run_row,
	};

	return nested_main(argc, argv, &suite);
}
