// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization, tests: what a leaf of stage 2 maps and permits.
 *
 * Sizes of blocks and contiguous runs, the output size, the Access flag and
 * the dirty state with their updates by compare-and-swap, permissions for each
 * kind of access, lost races, and which of two faults comes first.
 */
#include "s2_rows.h"

static const struct s2_row size_rows[] = {
	/* The levels at which each format has blocks. */
	{
		.desc = "4K L2", .setup = &s4k_l2,
		.mem = { { 0x40000018, BLOCK(0x80200000) } },
		.ipa = IPA4K(0, 0, 3, 4), .oa = 0x80204abc, .shift = 21,
	}, {
		.desc = "4K L1", .setup = &s4k_l1,
		.mem = { { 0x40000010, BLOCK(0xc0000000) } },
		.ipa = IPA4K(0, 2, 3, 4), .oa = 0xc0604abc, .shift = 30,
	}, {
		.desc = "4K L0, DS", .setup = &s4k_ds_l0,
		.mem = { { 0x40000008, BLOCK_DS(0x1008000000000, 2) } },
		.ipa = IPA4K(1, 2, 3, 4), .oa = 0x9008080604abc, .shift = 39,
	}, {
		.desc = "16K L2", .setup = &s16k_l2,
		.mem = { { 0x40000018, BLOCK(0x82000000) } },
		.ipa = IPA16K(0, 0, 3, 4), .oa = 0x82012abc, .shift = 25,
	}, {
		.desc = "16K L1, DS", .setup = &s16k_ds_l1,
		.mem = { { 0x40000010, BLOCK_DS(0x1005000000000, 3) } },
		.ipa = IPA16K(0, 2, 3, 4), .oa = 0xd005006012abc, .shift = 36,
	}, {
		.desc = "64K L2", .setup = &s64k_l2,
		.mem = { { 0x40000018, BLOCK(0xa0000000) } },
		.ipa = IPA64K(0, 3, 4), .oa = 0xa004dabc, .shift = 29,
	}, {
		.desc = "64K L1, LPA", .setup = &s64k_lpa_l1,
		.mem = { { 0x40000010, BLOCK(0xc000000b000) } },
		.ipa = IPA64K(2, 3, 4), .oa = 0xb0c006004dabc, .shift = 42,
	},

	/* A block's own bits below its size are not address bits. */
	{
		.desc = "4K L2, misaligned", .setup = &s4k_l2,
		.mem = { { 0x40000018, BLOCK(0x803ff000) } },
		.ipa = IPA4K(0, 0, 3, 4), .oa = 0x80204abc, .shift = 21,
	},

	/*
	 * Contiguous runs: input bits inside the run, whatever the descriptor
	 * says there, and output bits above.
	 */
	{
		.desc = "4K L3, 16 pages", .setup = &s4k_l3,
		.mem = { { 0x40000020, PAGE(0x80005000) | S2_CONT } },
		.ipa = IPA4K(0, 0, 0, 4), .oa = 0x80004abc,
		.shift = 12, .span = 16,
	}, {
		.desc = "4K L2, 16 blocks", .setup = &s4k_l2,
		.mem = { { 0x40000018, BLOCK(0x83e00000) | S2_CONT } },
		.ipa = IPA4K(0, 0, 3, 4), .oa = 0x82604abc,
		.shift = 21, .span = 25,
	}, {
		.desc = "4K L1, 16 blocks", .setup = &s4k_l1,
		.mem = { { 0x40000010, BLOCK(0x1440000000) | S2_CONT } },
		.ipa = IPA4K(0, 2, 3, 4), .oa = 0x1480604abc,
		.shift = 30, .span = 34,
	}, {
		.desc = "4K L0, DS, no runs", .setup = &s4k_ds_l0,
		.mem = { { 0x40000008, BLOCK_DS(0x18000000000, 0) | S2_CONT } },
		.ipa = IPA4K(1, 2, 3, 4), .oa = 0x18080604abc, .shift = 39,
	}, {
		.desc = "16K L3, 128 pages", .setup = &s16k_l3,
		.mem = { { 0x40000020, PAGE(0x803fc000) | S2_CONT } },
		.ipa = IPA16K(0, 0, 0, 4), .oa = 0x80212abc,
		.shift = 14, .span = 21,
	}, {
		.desc = "16K L2, 32 blocks", .setup = &s16k_l2,
		.mem = { { 0x40000018, BLOCK(0xbe000000) | S2_CONT } },
		.ipa = IPA16K(0, 0, 3, 4), .oa = 0x86012abc,
		.shift = 25, .span = 30,
	}, {
		.desc = "16K L1, DS, no runs", .setup = &s16k_ds_l1,
		.mem = { { 0x40000010, BLOCK_DS(0x5000000000, 0) | S2_CONT } },
		.ipa = IPA16K(0, 2, 3, 4), .oa = 0x5006012abc, .shift = 36,
	}, {
		.desc = "64K L3, 32 pages", .setup = &s64k_l3,
		.mem = { { 0x40000020, PAGE(0x803f0000) | S2_CONT } },
		.ipa = IPA64K(0, 0, 4), .oa = 0x8024dabc,
		.shift = 16, .span = 21,
	}, {
		.desc = "64K L2, 32 blocks", .setup = &s64k_l2,
		.mem = { { 0x40000018, BLOCK(0x7e0000000) | S2_CONT } },
		.ipa = IPA64K(0, 3, 4), .oa = 0x46004dabc,
		.shift = 29, .span = 34,
	}, {
		.desc = "64K L1, LPA, no runs", .setup = &s64k_lpa_l1,
		.mem = { { 0x40000018, BLOCK(0x40000000000) | S2_CONT } },
		.ipa = IPA64K(3, 3, 4), .oa = 0x4006004dabc, .shift = 42,
	},
};

KUNIT_ARRAY_PARAM_DESC(size, size_rows, desc);

static const struct s2_row output_rows[] = {
	/* The final address against the output size, at the leaf's level. */
	{
		.desc = "4K L3, end of 32 bits", .setup = &s4k_l1_ps32,
		.mem = { { 0x40000010, TABLE(0x40001000) },
			 { 0x40001018, TABLE(0x40002000) },
			 { 0x40002020, PAGE(0xfffff000) } },
		.ipa = IPA4K(0, 2, 3, 4), .oa = 0xfffffabc,
	}, {
		.desc = "4K L3, after 32 bits", .setup = &s4k_l1_ps32,
		.mem = { { 0x40000010, TABLE(0x40001000) },
			 { 0x40001018, TABLE(0x40002000) },
			 { 0x40002020, PAGE(0x100000000) } },
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 3),
	}, {
		.desc = "4K L2, after 36 bits", .setup = &s4k_l1_ps36,
		.mem = { { 0x40000010, TABLE(0x40001000) },
			 { 0x40001018, BLOCK(0x1000000000) } },
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 2),
	}, {
		.desc = "4K L1, after 40 bits of PARange", .setup = &s4k_l1_pa40,
		.mem = { { 0x40000010, BLOCK(0x10000000000) } },
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 1),
	}, {
		.desc = "4K L0, offset within 36 bits", .setup = &s4k_ds_l0_ps36,
		.mem = { { 0x40000008, BLOCK_DS(0, 0) } },
		.ipa = IPA4K(1, 0x3f, 3, 4), .oa = 0xfc0604abc, .shift = 39,
	}, {
		.desc = "4K L0, offset after 36 bits", .setup = &s4k_ds_l0_ps36,
		.mem = { { 0x40000008, BLOCK_DS(0, 0) } },
		.ipa = IPA4K(1, 0x40, 3, 4), FAULTS(ADDRESS_SIZE, 0),
	}, {
		.desc = "4K L1 run, offset within 32 bits", .setup = &s4k_l1_ps32,
		.mem = { { 0x40000098, BLOCK(0) | S2_CONT } },
		.ipa = IPA4K(0, 0x13, 3, 4), .oa = 0xc0604abc,
		.shift = 30, .span = 34,
	}, {
		.desc = "4K L1 run, offset after 32 bits", .setup = &s4k_l1_ps32,
		.mem = { { 0x400000a0, BLOCK(0) | S2_CONT } },
		.ipa = IPA4K(0, 0x14, 3, 4), FAULTS(ADDRESS_SIZE, 1),
	}, {
		.desc = "16K L2, after 32 bits", .setup = &s16k_l2_ps32,
		.mem = { { 0x40000018, BLOCK(0x100000000) } },
		.ipa = IPA16K(0, 0, 3, 4), FAULTS(ADDRESS_SIZE, 2),
	}, {
		.desc = "16K L3, DS, OA[51] after 48 bits",
		.setup = &s16k_ds_l1_ps48,
		.mem = { { 0x40000010, TABLE_DS(0x40004000, 0) },
			 { 0x40004018, TABLE_DS(0x40008000, 0) },
			 { 0x40008020, PAGE_DS(0x80014000, 2) } },
		.ipa = IPA16K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 3),
	}, {
		.desc = "64K L2, after 36 bits", .setup = &s64k_l2_ps36,
		.mem = { { 0x40000018, BLOCK(0x1000000000) } },
		.ipa = IPA64K(0, 3, 4), FAULTS(ADDRESS_SIZE, 2),
	}, {
		.desc = "64K L1, LPA, [15:12] count with a small PS",
		.setup = &s64k_lpa_l1_ps48,
		.mem = { { 0x40000010, BLOCK(0x40000001000) } },
		.ipa = IPA64K(2, 3, 4), FAULTS(ADDRESS_SIZE, 1),
	},
};

KUNIT_ARRAY_PARAM_DESC(output, output_rows, desc);

/* A page for the rows that follow, and its IPA: one descriptor is read. */
#define LEAF_IPA	IPA4K(0, 0, 0, 4)
#define LEAF_OA		0x80005abc
#define LEAF_PA		0x40000020
#define LEAF		PAGE(0x80005000)
#define LEAF_NO_AF	(LEAF & ~S2_AF)
#define LEAF_DEVICE	((LEAF & ~S2_NORMAL) | S2_DEVICE)
/* Read-only, and written to later: the dirty state in the sense of DBM. */
#define LEAF_CLEAN	((LEAF & ~S2_W) | S2_DBM)

static const struct s2_row update_rows[] = {
	/* The Access flag, without hardware management. */
	{
		.desc = "AF=0, HA=0, level 3", .setup = &s4k_l3,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.ipa = LEAF_IPA, FAULTS(ACCESS_FLAG, 3),
	}, {
		.desc = "AF=0, HA=0, level 2, write", .setup = &s4k_l2,
		.mem = { { 0x40000018, BLOCK(0x80200000) & ~S2_AF } },
		.acc.type = KVM_ACC_WRITE,
		.ipa = IPA4K(0, 0, 3, 4), FAULTS(ACCESS_FLAG, 2), .write = true,
	}, {
		.desc = "AF=0, HA=0, level 1", .setup = &s4k_l1,
		.mem = { { 0x40000010, BLOCK(0x80000000) & ~S2_AF } },
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ACCESS_FLAG, 1),
	}, {
		.desc = "AF=0, HA=0, level 0", .setup = &s4k_ds_l0,
		.mem = { { 0x40000008, BLOCK_DS(0, 0) & ~S2_AF } },
		.ipa = IPA4K(1, 2, 3, 4), FAULTS(ACCESS_FLAG, 0),
	}, {
		.desc = "AF=0, HA=1 in a VM without it", .setup = &s4k_l3,
		.vtcr = VTCR_HA, .env = S2_NO_HAF,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.ipa = LEAF_IPA, FAULTS(ACCESS_FLAG, 3),
	}, {
		.desc = "AF=0, HA=0, HD=1", .setup = &s4k_l3, .vtcr = VTCR_HD,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.ipa = LEAF_IPA, FAULTS(ACCESS_FLAG, 3),
	},

	/* HA: set by whatever kind of access. */
	{
		.desc = "HA, read", .setup = &s4k_l3, .vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.ipa = LEAF_IPA, .oa = LEAF_OA, .updates = 1, .after = LEAF,
	}, {
		.desc = "HA, write", .setup = &s4k_l3, .vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.acc.type = KVM_ACC_WRITE,
		.ipa = LEAF_IPA, .oa = LEAF_OA, .updates = 1, .after = LEAF,
	}, {
		.desc = "HA, instruction fetch", .setup = &s4k_l3, .vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.acc.type = KVM_ACC_EXEC,
		.ipa = LEAF_IPA, .oa = LEAF_OA, .updates = 1, .after = LEAF,
	}, {
		.desc = "HA, stage-1 walk", .setup = &s4k_l3, .vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.acc.type = KVM_ACC_TTW,
		.ipa = LEAF_IPA, .oa = LEAF_OA, .updates = 1, .after = LEAF,
	}, {
		.desc = "HA, AT", .setup = &s4k_l3, .vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.acc.type = KVM_ACC_AT_READ,
		.ipa = LEAF_IPA, .oa = LEAF_OA, .updates = 1, .after = LEAF,
	}, {
		.desc = "HA, cache maintenance", .setup = &s4k_l3, .vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.acc.type = KVM_ACC_CMO,
		.ipa = LEAF_IPA, .oa = LEAF_OA, .updates = 1, .after = LEAF,
	}, {
		.desc = "HA, of a block", .setup = &s16k_l2, .vtcr = VTCR_HA,
		.mem = { { 0x40000018, BLOCK(0x82000000) & ~S2_AF } },
		.ipa = IPA16K(0, 0, 3, 4), .oa = 0x82012abc,
		.updates = 1, .after = BLOCK(0x82000000),
	}, {
		.desc = "HA, AF is set already: no update", .setup = &s4k_l3,
		.vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF, FAKE_RO } },
		.ipa = LEAF_IPA, .oa = LEAF_OA,
	}, {
		.desc = "HA, no AF in tables: they are read only", .setup = &s4k_l2,
		.vtcr = VTCR_HA,
		.mem = { { 0x40000018, TABLE(0x40001000), FAKE_RO },
			 { 0x40001020, PAGE(0x80005000) } },
		.ipa = IPA4K(0, 0, 3, 4), .oa = 0x80005abc,
	}, {
		.desc = "HA, read-only memory, level 3", .setup = &s4k_l3,
		.vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_NO_AF, FAKE_RO } },
		.ipa = LEAF_IPA, FAULTS(SEA_TTW, 3), .updates = 1,
	}, {
		.desc = "HA, read-only memory, level 2, write", .setup = &s4k_l2,
		.vtcr = VTCR_HA,
		.mem = { { 0x40000018, BLOCK(0x80200000) & ~S2_AF, FAKE_RO } },
		.acc.type = KVM_ACC_WRITE,
		.ipa = IPA4K(0, 0, 3, 4), FAULTS(SEA_TTW, 2), .write = true,
		.updates = 1,
	},

	/* HA and HD: DBM grants a write, which makes the descriptor dirty. */
	{
		.desc = "HD, DBM, write", .setup = &s4k_l3,
		.vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN } },
		.acc.type = KVM_ACC_WRITE,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
		.updates = 1, .after = LEAF | S2_DBM,
	}, {
		.desc = "HD, DBM, write, AF=0: one update for both",
		.setup = &s4k_l3, .vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN & ~S2_AF } },
		.acc.type = KVM_ACC_WRITE,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
		.updates = 1, .after = LEAF | S2_DBM,
	}, {
		.desc = "HD, DBM, RMW", .setup = &s4k_l3,
		.vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN } },
		.acc.type = KVM_ACC_RMW,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
		.updates = 1, .after = LEAF | S2_DBM,
	}, {
		.desc = "HD, DBM, RMW without read permission", .setup = &s4k_l3,
		.vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN & ~S2_R } },
		.acc.type = KVM_ACC_RMW,
		.ipa = LEAF_IPA, FAULTS(PERMISSION, 3),
	}, {
		.desc = "HD, DBM, update by a stage-1 walk", .setup = &s4k_l3,
		.vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN } },
		.acc.type = KVM_ACC_TTW_UPDATE,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
		.updates = 1, .after = LEAF | S2_DBM,
	}, {
		.desc = "HD, DBM, read: stays clean", .setup = &s4k_l3,
		.vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN & ~S2_AF } },
		.ipa = LEAF_IPA, .oa = LEAF_OA,
		.updates = 1, .after = LEAF_CLEAN,
	}, {
		.desc = "HD, DBM, stage-1 walk: stays clean", .setup = &s4k_l3,
		.vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN } },
		.acc.type = KVM_ACC_TTW,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
	}, {
		.desc = "HD, DBM, AT for a write: granted, stays clean",
		.setup = &s4k_l3, .vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN } },
		.acc.type = KVM_ACC_AT_WRITE,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
	}, {
		.desc = "HD, DBM, AT for a write, AF=0: AF alone",
		.setup = &s4k_l3, .vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN & ~S2_AF } },
		.acc.type = KVM_ACC_AT_WRITE,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
		.updates = 1, .after = LEAF_CLEAN,
	}, {
		.desc = "HD, DBM, DC IVAC: granted, stays clean",
		.setup = &s4k_l3, .vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN } },
		.acc.type = KVM_ACC_CMO_WRITE,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
	}, {
		.desc = "HD, no DBM", .setup = &s4k_l3,
		.vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF & ~S2_W } },
		.acc.type = KVM_ACC_WRITE,
		.ipa = LEAF_IPA, FAULTS(PERMISSION, 3), .write = true,
	}, {
		.desc = "HD without HA, DBM", .setup = &s4k_l3, .vtcr = VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN } },
		.acc.type = KVM_ACC_WRITE,
		.ipa = LEAF_IPA, FAULTS(PERMISSION, 3), .write = true,
	}, {
		.desc = "HA without HD, DBM", .setup = &s4k_l3, .vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_CLEAN } },
		.acc.type = KVM_ACC_WRITE,
		.ipa = LEAF_IPA, FAULTS(PERMISSION, 3), .write = true,
	}, {
		.desc = "HA and HD of a VM with AF only, DBM", .setup = &s4k_l3,
		.vtcr = VTCR_HA | VTCR_HD, .env = S2_NO_HDBS,
		.mem = { { LEAF_PA, LEAF_CLEAN } },
		.acc.type = KVM_ACC_WRITE,
		.ipa = LEAF_IPA, FAULTS(PERMISSION, 3), .write = true,
	}, {
		.desc = "HD, DBM, read-only memory", .setup = &s4k_l3,
		.vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN, FAKE_RO } },
		.acc.type = KVM_ACC_WRITE,
		.ipa = LEAF_IPA, FAULTS(SEA_TTW, 3), .write = true, .updates = 1,
	},
};

KUNIT_ARRAY_PARAM_DESC(update, update_rows, desc);

static const struct s2_row race_rows[] = {
	/* An update that loses has the whole walk done again. */
	{
		.desc = "lost once", .setup = &s4k_l2, .vtcr = VTCR_HA,
		.mem = { { 0x40000018, TABLE(0x40001000) },
			 { 0x40001020, LEAF_NO_AF } },
		.races = 1, .walks = 2, .updates = 2,
		.ipa = IPA4K(0, 0, 3, 4), .oa = LEAF_OA,
		.after = LEAF | FAKE_SW_BIT,
	}, {
		.desc = "lost seven times", .setup = &s4k_l2, .vtcr = VTCR_HA,
		.mem = { { 0x40000018, TABLE(0x40001000) },
			 { 0x40001020, LEAF_NO_AF } },
		.races = 7, .walks = 8, .updates = 8,
		.ipa = IPA4K(0, 0, 3, 4), .oa = LEAF_OA,
		.after = LEAF | FAKE_SW_BIT,
	}, {
		.desc = "lost always: bounded, no fault", .setup = &s4k_l2,
		.vtcr = VTCR_HA,
		.mem = { { 0x40000018, TABLE(0x40001000) },
			 { 0x40001020, LEAF_NO_AF } },
		.races = 255, .walks = 8, .updates = 8,
		.ipa = IPA4K(0, 0, 3, 4), .ret = -EAGAIN,
	}, {
		.desc = "lost to one who sets AF: nothing left to do",
		.setup = &s4k_l3, .vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.races = 1, .race_raw = LEAF, .walks = 2, .updates = 1,
		.ipa = LEAF_IPA, .oa = LEAF_OA, .after = LEAF,
	}, {
		.desc = "lost to one who unmaps", .setup = &s4k_l3,
		.vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.races = 1, .race_raw = LEAF & ~1ULL, .walks = 2, .updates = 1,
		.ipa = LEAF_IPA, FAULTS(TRANSLATION, 3), .after = LEAF & ~1ULL,
	}, {
		.desc = "lost to one who maps another page", .setup = &s4k_l3,
		.vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.races = 1, .race_raw = PAGE(0x90007000), .walks = 2,
		.ipa = LEAF_IPA, .oa = 0x90007abc, .updates = 1,
		.after = PAGE(0x90007000),
	}, {
		.desc = "lost to one who takes write permission away",
		.setup = &s4k_l3, .vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_NO_AF } },
		.acc.type = KVM_ACC_WRITE,
		.races = 1, .race_raw = LEAF & ~S2_W, .walks = 2, .updates = 1,
		.ipa = LEAF_IPA, FAULTS(PERMISSION, 3), .write = true,
		.after = LEAF & ~S2_W,
	}, {
		.desc = "lost while it gets dirty", .setup = &s4k_l3,
		.vtcr = VTCR_HA | VTCR_HD,
		.mem = { { LEAF_PA, LEAF_CLEAN } },
		.acc.type = KVM_ACC_WRITE,
		.races = 1, .walks = 2, .updates = 2,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
		.after = LEAF | S2_DBM | FAKE_SW_BIT,
	},
};

KUNIT_ARRAY_PARAM_DESC(race, race_rows, desc);

static const struct s2_row type_rows[] = {
	/* HCR_EL2.PTW: stage-1 walks and Device memory. */
	{
		.desc = "PTW, walk to Device", .setup = &s4k_l3, .env = S2_PTW,
		.mem = { { LEAF_PA, LEAF_DEVICE } },
		.acc.type = KVM_ACC_TTW,
		.ipa = LEAF_IPA, FAULTS(PERMISSION, 3),
	}, {
		.desc = "PTW, update by a walk to Device: not as a write",
		.setup = &s4k_l3, .env = S2_PTW,
		.mem = { { LEAF_PA, LEAF_DEVICE } },
		.acc.type = KVM_ACC_TTW_UPDATE,
		.ipa = LEAF_IPA, FAULTS(PERMISSION, 3),
	}, {
		.desc = "PTW, FWB, walk to Device", .setup = &s4k_l3,
		.env = S2_PTW | S2_FWB,
		.mem = { { LEAF_PA, LEAF_DEVICE } },
		.acc.type = KVM_ACC_TTW,
		.ipa = LEAF_IPA, FAULTS(PERMISSION, 3),
	}, {
		.desc = "PTW, FWB, walk to Normal", .setup = &s4k_l3,
		.env = S2_PTW | S2_FWB,
		.mem = { { LEAF_PA, (LEAF & ~S2_NORMAL) | BIT(4) } },
		.acc.type = KVM_ACC_TTW,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
	}, {
		.desc = "PTW, walk to Normal", .setup = &s4k_l3, .env = S2_PTW,
		.mem = { { LEAF_PA, LEAF } },
		.acc.type = KVM_ACC_TTW,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
	}, {
		.desc = "PTW, read of Device", .setup = &s4k_l3, .env = S2_PTW,
		.mem = { { LEAF_PA, LEAF_DEVICE } },
		.ipa = LEAF_IPA, .oa = LEAF_OA,
	}, {
		.desc = "no PTW, walk to Device", .setup = &s4k_l3,
		.mem = { { LEAF_PA, LEAF_DEVICE } },
		.acc.type = KVM_ACC_TTW,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
	},

	/* Unaligned accesses to Device memory. */
	{
		.desc = "unaligned, Device", .setup = &s4k_l3,
		.mem = { { LEAF_PA, LEAF_DEVICE } },
		.acc.unaligned = true,
		.ipa = LEAF_IPA, FAULTS(ALIGNMENT, 3),
	}, {
		.desc = "unaligned write, Device", .setup = &s4k_l3,
		.mem = { { LEAF_PA, LEAF_DEVICE } },
		.acc = { .type = KVM_ACC_WRITE, .unaligned = true },
		.ipa = LEAF_IPA, FAULTS(ALIGNMENT, 3), .write = true,
	}, {
		.desc = "unaligned, Device by FWB", .setup = &s4k_l3, .env = S2_FWB,
		.mem = { { LEAF_PA, LEAF_DEVICE } },
		.acc.unaligned = true,
		.ipa = LEAF_IPA, FAULTS(ALIGNMENT, 3),
	}, {
		.desc = "unaligned, Normal", .setup = &s4k_l3,
		.mem = { { LEAF_PA, LEAF } },
		.acc.unaligned = true,
		.ipa = LEAF_IPA, .oa = LEAF_OA,
	},
};

KUNIT_ARRAY_PARAM_DESC(type, type_rows, desc);

/* Beyond 32 bits, unaligned to Device, without AF and permissions. */
#define LEAF_ALL_WRONG	(0x100000000 | S2_DEVICE | 3)
#define LEAF_NO_PERM	(LEAF & ~(S2_R | S2_W))

static const struct s2_row order_rows[] = {
	/* Two things are wrong, or more: the earlier one is reported. */
	{
		.desc = "input range before the base's size", .setup = &s4k_l1_ps32,
		.vttbr = 0x100000000,
		.ipa = 0x8000000000, FAULTS(TRANSLATION, 0),
	}, {
		.desc = "start level before the base's size", .setup = &s4k_l1_ps32,
		.vtcr = 3 << 6, .vttbr = 0x100000000,
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(TRANSLATION, 0),
	}, {
		.desc = "the base's size before an abort", .setup = &s4k_l1_ps32,
		.vttbr = 0x100000000,
		.mem = { { 0x100000010, 0, FAKE_ABORTS } }, .unread = 1,
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 0),
	}, {
		.desc = "invalid before address size", .setup = &s4k_l1_ps32,
		.mem = { { 0x40000010, TABLE(0x100000000) & ~1ULL } },
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(TRANSLATION, 1),
	}, {
		.desc = "reserved block before address size", .setup = &s4k_l0_ps40,
		.mem = { { 0x40000008, BLOCK(0x10000000000) } },
		.ipa = IPA4K(1, 2, 3, 4), FAULTS(TRANSLATION, 0),
	}, {
		.desc = "reserved page before Access flag", .setup = &s4k_l3,
		.mem = { { LEAF_PA, BLOCK(0x80005000) & ~S2_AF } },
		.ipa = LEAF_IPA, FAULTS(TRANSLATION, 3),
	}, {
		.desc = "next table's size before the abort of its fetch",
		.setup = &s4k_l1_ps32,
		.mem = { { 0x40000010, TABLE(0x100000000) },
			 { 0x100000018, 0, FAKE_ABORTS } }, .unread = 1,
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 1),
	}, {
		.desc = "output size before all of the leaf's others",
		.setup = &s4k_l1_ps32,
		.mem = { { 0x40000010, TABLE(0x40001000) },
			 { 0x40001018, TABLE(0x40002000) },
			 { 0x40002020, LEAF_ALL_WRONG } },
		.acc.unaligned = true,
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 3),
	}, {
		.desc = "output size before the update of AF",
		.setup = &s4k_l1_ps32, .vtcr = VTCR_HA,
		.mem = { { 0x40000010, BLOCK(0x100000000) & ~S2_AF } },
		.ipa = IPA4K(0, 2, 3, 4), FAULTS(ADDRESS_SIZE, 1),
	}, {
		.desc = "Access flag before alignment", .setup = &s4k_l3,
		.mem = { { LEAF_PA, LEAF_DEVICE & ~S2_AF } },
		.acc.unaligned = true,
		.ipa = LEAF_IPA, FAULTS(ACCESS_FLAG, 3),
	}, {
		.desc = "Access flag before permission", .setup = &s4k_l3,
		.mem = { { LEAF_PA, LEAF_NO_PERM & ~S2_AF } },
		.ipa = LEAF_IPA, FAULTS(ACCESS_FLAG, 3),
	}, {
		.desc = "alignment before permission", .setup = &s4k_l3,
		.mem = { { LEAF_PA, LEAF_DEVICE & ~S2_RW } },
		.acc.unaligned = true,
		.ipa = LEAF_IPA, FAULTS(ALIGNMENT, 3),
	}, {
		.desc = "alignment before the update of AF", .setup = &s4k_l3,
		.vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_DEVICE & ~S2_AF, FAKE_RO } },
		.acc.unaligned = true,
		.ipa = LEAF_IPA, FAULTS(ALIGNMENT, 3),
	}, {
		.desc = "permission before the abort of the update",
		.setup = &s4k_l3, .vtcr = VTCR_HA,
		.mem = { { LEAF_PA, LEAF_NO_PERM & ~S2_AF, FAKE_RO } },
		.ipa = LEAF_IPA, FAULTS(PERMISSION, 3),
	}, {
		.desc = "permission before a lost race", .setup = &s4k_l3,
		.vtcr = VTCR_HA, .races = 255,
		.mem = { { LEAF_PA, LEAF_NO_PERM & ~S2_AF } },
		.ipa = LEAF_IPA, FAULTS(PERMISSION, 3),
	},
};

KUNIT_ARRAY_PARAM_DESC(order, order_rows, desc);

static void s2_leaf_row(struct kunit *test)
{
	s2_row_run(test, test->param_value);
}

/**
 * struct perm_row - what S2AP permits one kind of access
 * @desc: says what the row is about
 * @type: the access
 * @allowed: bit n is set if S2AP == n permits it
 * @as_write: bit n is set if with S2AP == n it is reported as a write
 */
struct perm_row {
	const char *desc;
	enum kvm_access_type type;
	u8 allowed;
	u8 as_write;
};

#define AP(n)	BIT(n)
#define AP_R	(AP(1) | AP(3))
#define AP_W	(AP(2) | AP(3))
#define AP_ANY	(AP(0) | AP(1) | AP(2) | AP(3))

static const struct perm_row perm_rows[] = {
	{ "read", KVM_ACC_READ, AP_R },
	{ "write", KVM_ACC_WRITE, AP_W, AP(0) | AP(1) },
	/* The read half comes first. */
	{ "read-modify-write", KVM_ACC_RMW, AP(3), AP(1) },
	{ "instruction fetch", KVM_ACC_EXEC, AP_ANY },
	{ "stage-1 walk", KVM_ACC_TTW, AP_R },
	{ "update by a stage-1 walk", KVM_ACC_TTW_UPDATE, AP(3), AP(1) },
	{ "AT for a read", KVM_ACC_AT_READ, AP_R },
	{ "AT for a write", KVM_ACC_AT_WRITE, AP_W, AP(0) | AP(1) },
	{ "AT for anything", KVM_ACC_AT_ANY, AP_ANY },
	{ "IC, DC CVAC at EL1", KVM_ACC_CMO, AP_ANY },
	{ "DC CIVAC at EL0", KVM_ACC_CMO_READ, AP_R },
	{ "DC IVAC", KVM_ACC_CMO_WRITE, AP_W, AP(0) | AP(1) },
};

KUNIT_ARRAY_PARAM_DESC(perm, perm_rows, desc);

static void s2_leaf_permission(struct kunit *test)
{
	const struct perm_row *row = test->param_value;
	struct s2_row walk = {
		.setup	= &s4k_l3,
		.mem	= { { LEAF_PA } },
		.ipa	= LEAF_IPA,
		.acc	= { .type = row->type },
	};
	u64 s2ap;

	for (s2ap = 0; s2ap < 4; s2ap++) {
		walk.mem[0].raw = LEAF_NO_PERM | s2ap << 6;
		if (row->allowed & BIT(s2ap)) {
			walk.ret = 0;
			walk.kind = KVM_FAULT_NONE;
			walk.oa = LEAF_OA;
		} else {
			walk.ret = KVM_WALK_FAULT;
			walk.kind = KVM_FAULT_PERMISSION;
			walk.level = 3;
		}
		walk.write = row->as_write & BIT(s2ap);
		s2_row_run(test, &walk);
	}
}

/**
 * struct exec_row - what XN permits
 * @desc: says what the row is about
 * @xnx: the VM has FEAT_XNX
 * @xn: XN[1:0], that is bits [54:53]
 * @el0: EL0 may execute
 * @el1: EL1 may
 */
struct exec_row {
	const char *desc;
	bool xnx;
	u8 xn;
	bool el0;
	bool el1;
};

static const struct exec_row exec_rows[] = {
	{ "XNX, XN=00", true, 0, true, true },
	{ "XNX, XN=01", true, 1, true, false },
	{ "XNX, XN=10", true, 2, false, false },
	{ "XNX, XN=11", true, 3, false, true },
	/* Bit 53 is ignored. */
	{ "no XNX, XN=00", false, 0, true, true },
	{ "no XNX, XN=01", false, 1, true, true },
	{ "no XNX, XN=10", false, 2, false, false },
	{ "no XNX, XN=11", false, 3, false, false },
};

KUNIT_ARRAY_PARAM_DESC(exec, exec_rows, desc);

static void s2_leaf_exec(struct kunit *test)
{
	const struct exec_row *row = test->param_value;
	struct fake_mem mem = {
		/* No S2AP: it has no part in this. */
		.desc = { { LEAF_PA, LEAF_NO_PERM | S2_XN(row->xn) } },
	};
	const struct kvm_s2_features feat = {
		.pa_bits = 48,
		.gran	 = ALL_GRANULES,
		.ttst	 = true,
		.xnx	 = row->xnx,
	};
	const struct kvm_s2_regs regs = { .vtcr = s4k_l3.vtcr, .vttbr = S2_BASE };
	struct kvm_walk_mem wmem = { &fake_mem_ops, &mem };
	struct kvm_access acc = { .type = KVM_ACC_EXEC };
	struct kvm_walk_fault fault;
	struct kvm_s2_result res;
	struct kvm_s2_config cfg;
	int el, ret;
	bool may;

	kvm_s2_configure(&regs, &feat, &cfg);
	for (el = 0; el < 2; el++) {
		may = el ? row->el1 : row->el0;
		acc.el0 = !el;
		ret = kvm_s2_walk(&cfg, &wmem, LEAF_IPA, &acc, &res, &fault);
		KUNIT_EXPECT_EQ_MSG(test, ret, may ? 0 : KVM_WALK_FAULT,
				    "EL%d", el);
		KUNIT_EXPECT_EQ_MSG(test, fault.kind,
				    may ? KVM_FAULT_NONE : KVM_FAULT_PERMISSION,
				    "EL%d", el);
		KUNIT_EXPECT_FALSE_MSG(test, fault.write, "EL%d", el);
		KUNIT_EXPECT_EQ(test, res.exec_el0, row->el0);
		KUNIT_EXPECT_EQ(test, res.exec_el1, row->el1);
	}
}

/**
 * struct result_row - the permissions that a walk reports
 * @desc: says what the row is about
 * @vtcr: bits set in VTCR_EL2
 * @type: the access
 * @raw: the descriptor
 * @readable: see struct kvm_s2_result
 * @writable: likewise
 * @dirty_managed: likewise
 * @device: likewise
 * @ret: result of the walk
 */
struct result_row {
	const char *desc;
	u64 vtcr;
	enum kvm_access_type type;
	u64 raw;
	bool readable;
	bool writable;
	bool dirty_managed;
	bool device;
	int ret;
};

static const struct result_row result_rows[] = {
	/* What is installed in a shadow table has to be no more than this. */
	{ "RW", 0, KVM_ACC_READ, LEAF, true, true },
	{ "RO", 0, KVM_ACC_READ, LEAF & ~S2_W, true, false },
	{ "WO", 0, KVM_ACC_WRITE, LEAF & ~S2_R, false, true },
	{ "no access", 0, KVM_ACC_EXEC, LEAF_NO_PERM, false, false },
	{ "Device", 0, KVM_ACC_READ, LEAF_DEVICE, true, true, false, true },
	{ "DBM without HD is nothing", 0, KVM_ACC_READ, LEAF_CLEAN, true, false },
	{ "clean, read: not writable yet", VTCR_HA | VTCR_HD, KVM_ACC_READ,
	  LEAF_CLEAN, true, false, true },
	{ "clean, write: writable from now on", VTCR_HA | VTCR_HD,
	  KVM_ACC_WRITE, LEAF_CLEAN, true, true, true },
	{ "clean, AT for a write: not writable yet", VTCR_HA | VTCR_HD,
	  KVM_ACC_AT_WRITE, LEAF_CLEAN, true, false, true },
	/* On a Permission fault they are valid, too. */
	{ "write to RO", 0, KVM_ACC_WRITE, LEAF & ~S2_W, true, false,
	  .ret = KVM_WALK_FAULT },
	{ "read of WO", 0, KVM_ACC_READ, LEAF & ~S2_R, false, true,
	  .ret = KVM_WALK_FAULT },
};

KUNIT_ARRAY_PARAM_DESC(result, result_rows, desc);

static void s2_leaf_result(struct kunit *test)
{
	const struct result_row *row = test->param_value;
	struct fake_mem mem = { .desc = { { LEAF_PA, row->raw } } };
	struct kvm_walk_mem wmem = { &fake_mem_ops, &mem };
	const struct kvm_access acc = { .type = row->type };
	const struct s2_row regs = { .setup = &s4k_l3, .vtcr = row->vtcr };
	struct kvm_s2_result res = { };
	struct kvm_walk_fault fault;
	struct kvm_s2_config cfg;
	int ret;

	s2_row_configure(&regs, &cfg);
	ret = kvm_s2_walk(&cfg, &wmem, LEAF_IPA, &acc, &res, &fault);
	KUNIT_EXPECT_EQ(test, ret, row->ret);
	KUNIT_EXPECT_EQ(test, res.oa, LEAF_OA);
	KUNIT_EXPECT_EQ(test, res.readable, row->readable);
	KUNIT_EXPECT_EQ(test, res.writable, row->writable);
	KUNIT_EXPECT_EQ(test, res.dirty_managed, row->dirty_managed);
	KUNIT_EXPECT_EQ(test, res.device, row->device);
	/* The copy of the descriptor is what memory holds now. */
	KUNIT_EXPECT_EQ(test, res.leaf.desc, mem.desc[0].raw);
	KUNIT_EXPECT_EQ(test, res.leaf.desc_pa, LEAF_PA);
}

static struct kunit_case s2_leaf_cases[] = {
	{ .run_case = s2_leaf_row, .name = "size",
	  .generate_params = size_gen_params },
	{ .run_case = s2_leaf_row, .name = "output_size",
	  .generate_params = output_gen_params },
	{ .run_case = s2_leaf_row, .name = "update",
	  .generate_params = update_gen_params },
	{ .run_case = s2_leaf_row, .name = "race",
	  .generate_params = race_gen_params },
	{ .run_case = s2_leaf_row, .name = "memory_type",
	  .generate_params = type_gen_params },
	{ .run_case = s2_leaf_row, .name = "order",
	  .generate_params = order_gen_params },
	KUNIT_CASE_PARAM(s2_leaf_permission, perm_gen_params),
	KUNIT_CASE_PARAM(s2_leaf_exec, exec_gen_params),
	KUNIT_CASE_PARAM(s2_leaf_result, result_gen_params),
	{}
};

static struct kunit_suite s2_leaf_suite = {
	.name		= "kvm_nested_s2_leaf",
	.test_cases	= s2_leaf_cases,
};

kunit_test_suite(s2_leaf_suite);
