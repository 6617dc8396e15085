// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_s2_fault - stage-2 faults that an L1 hypervisor gets for its L2
 *
 * Each row of the table is a VM of its own in a process of its own. L1, at virtual EL2, builds
 * stage-2 tables, spoils what the row names, enters L2 at EL1 and records the exit: ESR_EL2,
 * FAR_EL2, HPFAR_EL2, ELR_EL2 and SPSR_EL2 are compared with what the Arm ARM asks for. A fault
 * has to be stable (L2 is entered again, with the same result) and harmless (L1 then runs another
 * L2, on sane tables).
 *
 * Nested IPAs never equal the GPA behind them. Where it can be done, a row's tables would give a
 * working translation if the check under test were missing.
 *
 * Seen to fail: with T0SZ, and with SL0, not checked against the VM's PARange; with level 3 in the
 * syndrome of each External abort on a walk, of stage 2 and of stage 1.
 *
 * No locking: one vCPU, and the host only touches guest memory while it does not run.
 */
#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall.h"

#include <asm/sysreg.h>

/*
 * L1 memory: code, L2's tables, the arena for L1's tables, and the data at the end, far from the
 * start of any block that maps it. All are 64K aligned, so that any granule can map them alone.
 */
#define L1_GPA			SZ_2G
#define L1_GVA			0x4000000000UL
#define L1_SIZE			SZ_16M
#define L1_SLOT			1
#define CODE_GPA		(L1_GPA + 0x00000)
#define S1_ROOT_GPA		(L1_GPA + 0x20000)
#define S1_DATA_L2_GPA		(L1_GPA + 0x30000)
#define S1_DATA_L3_GPA		(L1_GPA + 0x40000)
#define PARK_GPA		(L1_GPA + 0x50000)
#define ARENA_OFFSET		SZ_1M
#define DATA_OFFSET		0xfd0000
#define DATA_GPA		(L1_GPA + DATA_OFFSET)

/* Memory above an output size, for rows with ->high. */
#define HIGH_GVA		0x5000000000UL
#define HIGH_SIZE		SZ_16M
#define HIGH_SLOT		2
#define HIGH_4G			0x140000000UL	/* does not fit into 32 bits */
#define HIGH_64G		0x2000000000UL	/* does not fit into 36 bits */

/* No memslot; on bare metal, nothing on the bus. */
#define HOLE_GPA		(NESTED_BARE ? 0x0b000000UL : 0xf0000000UL)
#define HOLE_BEYOND_VM		0x100000000000UL	/* nor in KVM's IPA space for this VM */

/* Nested IPAs, in a different 1 GB each for code and data, in a different 2 MB otherwise. */
#define CODE_IPA		0x40000000UL
#define S1_ROOT_IPA		0x41000000UL
#define S1_DATA_L2_IPA		0x42000000UL
#define S1_DATA_L3_IPA		0x43000000UL
#define MMIO_IPA		0x44000000UL
#define DATA_IPA		0xc7530000UL
#define DATA_IPA_BLOCK		0xc0fd0000UL	/* DATA_GPA's offset in 1 GB */
#define DATA_IPA_L0		(DATA_IPA + BIT(39))	/* 4K: another level 0 entry than code */
#define DATA_IPA_L1_16K		(DATA_IPA + BIT(36))
#define DATA_IPA_L1_64K		(DATA_IPA + BIT(42))
#define CODE_IPA_SMALL		0x00410000UL	/* fit into 25 bits */
#define DATA_IPA_SMALL		0x01530000UL

/* With L2's stage 1 on: VA to nested IPA. */
#define S1_CODE_VA_OFFSET	0x0800000000UL
#define S1_DATA_VA_OFFSET	0x1000000000UL
#define S1_IA_BITS		39

/* Default offset of the access in its page; that for 64K pages exercises HPFAR_EL2 bits [15:12]. */
#define OFFSET			0x128
#define OFFSET_64K		0x5128

/* As code, the low half is an HVC. */
#define LOAD_VALUE		(0x5a5a5a5a00000000UL | L2_INSN_DONE)
#define STORE_VALUE		0xc001d00dfeedf00dUL
#define MMIO_VALUE		0x0123456789abcdefUL

#define INSN_WFI_LOOP		0x17ffffffd503207fUL	/* WFI; B .-4 */

#define VMID			5
#define VMID_SANE		6

enum outcome {
	OUT_DONE,		/* the stub ran to its end */
	OUT_FETCH,		/* instruction abort on L2's first instruction */
	OUT_ACCESS,		/* abort on the stub's access: load, store or fetch */
	OUT_L2,			/* the same, but taken to L2's EL1 */
};

enum t0sz {
	T0SZ_OF_ROW,
	T0SZ_AT_PARANGE,	/* input size = what L1 reads in PARange */
	T0SZ_BELOW_PARANGE,	/* T0SZ one less */
};

enum need {
	NEED_HAF	= BIT(0),
	NEED_XNX	= BIT(1),
	NEED_TTST	= BIT(2),
	NEED_NO_TTST	= BIT(3),	/* userspace takes it away */
	NEED_BE		= BIT(4),
	NEED_HDBS	= BIT(5),
};

/* A change of one descriptor: that for @ipa (0: the data's) at @level, if there is any change. */
struct desc_change {
	u64 ipa;
	u64 clear;
	u64 set;
	int level;
};

struct s2_row {
	const char *desc;

	/* The sane part; zeros are 4K, 39 bits, start level 1, data in pages at DATA_IPA */
	struct s2_geometry geo;
	u64 code_ipa;
	u64 data_ipa;
	u64 offset;
	int leaf;
	enum l2_stub stub;
	enum t0sz t0sz;
	bool s1;		/* L2 has its MMU on */
	bool dc;		/* HCR_EL2.DC instead of HCR_EL2.VM */
	bool be;		/* L1's tables are big-endian: see flip_endianness() */

	/* What is special */
	struct desc_change change;
	u64 vtcr_clear;
	u64 vtcr_set;
	gpa_t base;		/* of the start table */
	u64 ttbr0;		/* L2's */
	gpa_t high;		/* memory there, with a copy of what is spoilt to point there */
	u64 high_clear;		/* bits to clear in the copy of a table */
	bool high_ro;		/* in a read-only memslot */
	unsigned int parange;	/* userspace lowers it to so many bits */
	unsigned int need;

	/* Expected */
	enum outcome out;
	u8 fsc;
	bool may_clamp;		/* or the stub runs to its end, as T0SZ's limit would have it */
	bool s1ptw;
	u64 s1ptw_ipa;
	bool mmio;		/* the load goes out to userspace */
	u64 desc_sets;		/* bits that L2's access sets in the changed descriptor */
};

#define GEO(shift, bits, level)	{ .page_shift = (shift), .ia_bits = (bits), .start = (level) }

#define FSC_TRANS(n)		.fsc = ESR_ELx_FSC_FAULT_L(n)
#define FSC_ADDRSZ(n)		.fsc = ESR_ELx_FSC_ADDRSZ_L(n)
#define FSC_PERM(n)		.fsc = ESR_ELx_FSC_PERM_L(n)
#define FSC_ACCESS(n)		.fsc = ESR_ELx_FSC_ACCESS_L(n)
#define FSC_SEA(n)		.fsc = ESR_ELx_FSC_SEA_TTW(n)

#define VTCR_PS32		.vtcr_clear = VTCR_EL2_PS
#define VTCR_SL0(n)		.vtcr_clear = VTCR_EL2_SL0, .vtcr_set = (n) << VTCR_EL2_SL0_SHIFT

/* Descriptor changes of the data's translation, unless another nested IPA is given. */
#define INVALID(l)		{ .level = (l), .clear = ~0UL }
#define CLEAR(l, bits)		{ .level = (l), .clear = (bits) }
#define SET(l, bits)		{ .level = (l), .set = (bits) }
#define POINT(l, gpa)		{ .level = (l), .clear = S2_DESC_ADDR, .set = (gpa) }
#define AT_IPA(i, l, c, s)	{ .ipa = (i), .level = (l), .clear = (c), .set = (s) }

static const struct s2_row rows[] = {
	/* L2 reads and writes L1's data through another address and comes back with an HVC. */
	{ .desc = "4K, 39 bits: load and store", .stub = L2_STUB_LOAD_STORE },
	{ .desc = "4K, 39 bits: fetch", .stub = L2_STUB_EXEC },
	{ .desc = "4K, 44 bits from level 0: load and store", .stub = L2_STUB_LOAD_STORE,
	  .geo = GEO(12, 44, 0), .data_ipa = DATA_IPA_L0 },
	{ .desc = "4K, 25 bits from level 3 (FEAT_TTST): load and store",
	  .stub = L2_STUB_LOAD_STORE, .geo = GEO(12, 25, 3), .need = NEED_TTST,
	  .code_ipa = CODE_IPA_SMALL, .data_ipa = DATA_IPA_SMALL },
	{ .desc = "4K, 23 bits from level 3 (FEAT_TTST): load and store",
	  .stub = L2_STUB_LOAD_STORE, .geo = GEO(12, 23, 3), .need = NEED_TTST,
	  .code_ipa = CODE_IPA_SMALL, .data_ipa = DATA_IPA_SMALL & GENMASK(22, 0) },
	{ .desc = "16K, 36 bits: load and store", .stub = L2_STUB_LOAD_STORE,
	  .geo = GEO(14, 36, 2) },
	{ .desc = "16K, 44 bits from level 1: load and store", .stub = L2_STUB_LOAD_STORE,
	  .geo = GEO(14, 44, 1), .data_ipa = DATA_IPA_L1_16K },
	{ .desc = "64K, 36 bits: load and store", .stub = L2_STUB_LOAD_STORE,
	  .geo = GEO(16, 36, 2), .offset = OFFSET_64K },
	{ .desc = "64K, 44 bits from level 1: load and store", .stub = L2_STUB_LOAD_STORE,
	  .geo = GEO(16, 44, 1), .data_ipa = DATA_IPA_L1_64K, .offset = OFFSET_64K },
	{ .desc = "L2's MMU on: load and store", .stub = L2_STUB_LOAD_STORE, .s1 = true },
	{ .desc = "HCR_EL2.DC without VM: load and store", .stub = L2_STUB_LOAD_STORE, .dc = true },

	/* Blocks, at every level that has them. */
	{ .desc = "4K, level 1 block: load and store", .stub = L2_STUB_LOAD_STORE,
	  .leaf = 1, .data_ipa = DATA_IPA_BLOCK },
	{ .desc = "4K, level 2 block: load and store", .stub = L2_STUB_LOAD_STORE,
	  .leaf = 2, .data_ipa = DATA_IPA_BLOCK },
	{ .desc = "16K, level 2 block: load and store", .stub = L2_STUB_LOAD_STORE,
	  .geo = GEO(14, 36, 2), .leaf = 2, .data_ipa = DATA_IPA_BLOCK },
	{ .desc = "64K, level 2 block: load and store", .stub = L2_STUB_LOAD_STORE,
	  .geo = GEO(16, 36, 2), .leaf = 2, .data_ipa = DATA_IPA_BLOCK, .offset = OFFSET_64K },

	/* Concatenated start tables, data in the last one. */
	{ .desc = "4K, 2 tables at level 1: load and store", .stub = L2_STUB_LOAD_STORE,
	  .geo = GEO(12, 40, 1), .data_ipa = DATA_IPA | GENMASK(39, 32) },
	{ .desc = "4K, 16 tables at level 1: load and store", .stub = L2_STUB_LOAD_STORE,
	  .geo = GEO(12, 43, 1), .data_ipa = DATA_IPA | GENMASK(42, 32) },
	{ .desc = "4K, 16 tables at level 2: load and store", .stub = L2_STUB_LOAD_STORE,
	  .geo = GEO(12, 34, 2), .data_ipa = DATA_IPA | GENMASK(33, 32) },
	{ .desc = "16K, 16 tables at level 2: load and store", .stub = L2_STUB_LOAD_STORE,
	  .geo = GEO(14, 40, 2), .data_ipa = DATA_IPA | GENMASK(39, 32) },
	{ .desc = "64K, 8 tables at level 3: load and store", .stub = L2_STUB_LOAD_STORE,
	  .geo = GEO(16, 32, 3), .offset = OFFSET_64K },
	{ .desc = "4K, 16 tables at level 1: unmapped in the last one",
	  .geo = GEO(12, 43, 1), .data_ipa = DATA_IPA | GENMASK(42, 32),
	  .change = INVALID(1), .out = OUT_ACCESS, FSC_TRANS(1) },

	/* Invalid descriptors: translation fault at their level. */
	{ .desc = "4K: unmapped at level 0", .geo = GEO(12, 44, 0), .data_ipa = DATA_IPA_L0,
	  .change = INVALID(0), .out = OUT_ACCESS, FSC_TRANS(0) },
	{ .desc = "4K: unmapped at level 1", .change = INVALID(1),
	  .out = OUT_ACCESS, FSC_TRANS(1) },
	{ .desc = "4K: unmapped at level 2", .change = INVALID(2),
	  .out = OUT_ACCESS, FSC_TRANS(2) },
	{ .desc = "4K: unmapped at level 3", .change = INVALID(3),
	  .out = OUT_ACCESS, FSC_TRANS(3) },
	{ .desc = "4K: unmapped at level 3, store", .stub = L2_STUB_STORE, .change = INVALID(3),
	  .out = OUT_ACCESS, FSC_TRANS(3) },
	{ .desc = "4K: unmapped at level 3, fetch", .stub = L2_STUB_EXEC, .change = INVALID(3),
	  .out = OUT_ACCESS, FSC_TRANS(3) },
	{ .desc = "4K: valid bit alone is clear", .change = CLEAR(3, S2_DESC_VALID),
	  .out = OUT_ACCESS, FSC_TRANS(3) },
	{ .desc = "4K: block at level 0", .geo = GEO(12, 44, 0), .data_ipa = DATA_IPA_L0,
	  .change = CLEAR(0, S2_DESC_TABLE), .out = OUT_ACCESS, FSC_TRANS(0) },
	{ .desc = "4K: reserved type at level 3", .change = CLEAR(3, S2_DESC_PAGE),
	  .out = OUT_ACCESS, FSC_TRANS(3) },
	{ .desc = "16K: unmapped at level 1", .geo = GEO(14, 44, 1), .data_ipa = DATA_IPA_L1_16K,
	  .change = INVALID(1), .out = OUT_ACCESS, FSC_TRANS(1) },
	{ .desc = "16K: unmapped at level 2", .geo = GEO(14, 36, 2),
	  .change = INVALID(2), .out = OUT_ACCESS, FSC_TRANS(2) },
	{ .desc = "16K: unmapped at level 3", .geo = GEO(14, 36, 2),
	  .change = INVALID(3), .out = OUT_ACCESS, FSC_TRANS(3) },
	{ .desc = "16K: block at level 1", .geo = GEO(14, 44, 1), .data_ipa = DATA_IPA_L1_16K,
	  .change = CLEAR(1, S2_DESC_TABLE), .out = OUT_ACCESS, FSC_TRANS(1) },
	{ .desc = "16K: reserved type at level 3", .geo = GEO(14, 36, 2),
	  .change = CLEAR(3, S2_DESC_PAGE), .out = OUT_ACCESS, FSC_TRANS(3) },
	{ .desc = "64K: unmapped at level 1", .geo = GEO(16, 44, 1), .data_ipa = DATA_IPA_L1_64K,
	  .offset = OFFSET_64K, .change = INVALID(1), .out = OUT_ACCESS, FSC_TRANS(1) },
	{ .desc = "64K: unmapped at level 2", .geo = GEO(16, 36, 2), .offset = OFFSET_64K,
	  .change = INVALID(2), .out = OUT_ACCESS, FSC_TRANS(2) },
	{ .desc = "64K: unmapped at level 3", .geo = GEO(16, 36, 2), .offset = OFFSET_64K,
	  .change = INVALID(3), .out = OUT_ACCESS, FSC_TRANS(3) },
	{ .desc = "64K: reserved type at level 3", .geo = GEO(16, 36, 2), .offset = OFFSET_64K,
	  .change = CLEAR(3, S2_DESC_PAGE), .out = OUT_ACCESS, FSC_TRANS(3) },
	{ .desc = "HCR_EL2.DC without VM: unmapped at level 3", .dc = true, .change = INVALID(3),
	  .out = OUT_ACCESS, FSC_TRANS(3) },
	{ .desc = "L2's MMU on: unmapped at level 3", .s1 = true, .change = INVALID(3),
	  .out = OUT_ACCESS, FSC_TRANS(3) },

	/* A start level that is reserved, or does not go with the input size: level 0. */
	{ .desc = "bad SL0: 4K, 39 bits from level 0", VTCR_SL0(2),
	  .out = OUT_FETCH, FSC_TRANS(0) },
	{ .desc = "bad SL0: 4K, 39 bits from level 2", VTCR_SL0(0),
	  .out = OUT_FETCH, FSC_TRANS(0) },
	{ .desc = "bad SL0: 4K, 39 bits from level 3", VTCR_SL0(3),
	  .out = OUT_FETCH, FSC_TRANS(0) },
	{ .desc = "bad SL0: 4K, 25 bits from level 3 without FEAT_TTST",
	  .geo = GEO(12, 25, 3), .need = NEED_NO_TTST,
	  .code_ipa = CODE_IPA_SMALL, .data_ipa = DATA_IPA_SMALL,
	  .out = OUT_FETCH, FSC_TRANS(0) },
	{ .desc = "bad SL0: 16K, level 0 with 48-bit descriptors", .geo = GEO(14, 36, 2),
	  VTCR_SL0(3), .out = OUT_FETCH, FSC_TRANS(0) },
	{ .desc = "bad SL0: 16K, 36 bits from level 3", .geo = GEO(14, 36, 2), VTCR_SL0(0),
	  .out = OUT_FETCH, FSC_TRANS(0) },
	{ .desc = "bad SL0: 64K, reserved", .geo = GEO(16, 36, 2), VTCR_SL0(3),
	  .out = OUT_FETCH, FSC_TRANS(0) },
	{ .desc = "bad SL0: 64K, 36 bits from level 3", .geo = GEO(16, 36, 2), VTCR_SL0(0),
	  .out = OUT_FETCH, FSC_TRANS(0) },

	/*
	 * T0SZ out of range. Below the minimum this is the architecture's rule with FEAT_LPA;
	 * without it, and above the maximum, an implementation may also use the limit.
	 */
	{ .desc = "4K, T0SZ just in PARange: load and store", .t0sz = T0SZ_AT_PARANGE,
	  .stub = L2_STUB_LOAD_STORE },
	{ .desc = "bad T0SZ: 4K, one bit more than PARange", .t0sz = T0SZ_BELOW_PARANGE,
	  .out = OUT_FETCH, FSC_TRANS(0), .may_clamp = true },
	{ .desc = "bad T0SZ: 4K, 0", .t0sz = T0SZ_AT_PARANGE, .vtcr_clear = VTCR_EL2_T0SZ,
	  .out = OUT_FETCH, FSC_TRANS(0), .may_clamp = true },
	{ .desc = "bad T0SZ: 4K, 63", .geo = GEO(12, 25, 2),
	  .code_ipa = CODE_IPA_SMALL, .data_ipa = DATA_IPA_SMALL,
	  .need = NEED_TTST, .vtcr_clear = VTCR_EL2_T0SZ, .vtcr_set = 63,
	  .out = OUT_FETCH, FSC_TRANS(0) },
	{ .desc = "bad T0SZ: 4K, 40 without FEAT_TTST", .geo = GEO(12, 25, 2),
	  .code_ipa = CODE_IPA_SMALL, .data_ipa = DATA_IPA_SMALL, .need = NEED_NO_TTST,
	  .vtcr_clear = VTCR_EL2_T0SZ, .vtcr_set = 40, .out = OUT_FETCH, FSC_TRANS(0),
	  .may_clamp = true },

	/* A nested IPA at or above the input size: level 0, even if a table has an entry for it. */
	{ .desc = "input range: 4K, 32 bits, load", .geo = GEO(12, 32, 1),
	  .data_ipa = DATA_IPA + BIT(32), .out = OUT_ACCESS, FSC_TRANS(0) },
	{ .desc = "input range: 4K, 32 bits, store", .geo = GEO(12, 32, 1),
	  .data_ipa = DATA_IPA + BIT(32), .stub = L2_STUB_STORE,
	  .out = OUT_ACCESS, FSC_TRANS(0) },
	{ .desc = "input range: 4K, 32 bits, fetch", .geo = GEO(12, 32, 1),
	  .data_ipa = DATA_IPA + BIT(32), .stub = L2_STUB_EXEC,
	  .out = OUT_ACCESS, FSC_TRANS(0) },
	{ .desc = "input range: 4K, 39 bits, load", .data_ipa = DATA_IPA + BIT(39),
	  .out = OUT_ACCESS, FSC_TRANS(0) },
	{ .desc = "input range: 16K, 36 bits, load", .geo = GEO(14, 36, 2),
	  .data_ipa = DATA_IPA + BIT(36), .out = OUT_ACCESS, FSC_TRANS(0) },
	{ .desc = "input range: 64K, 36 bits, load", .geo = GEO(16, 36, 2), .offset = OFFSET_64K,
	  .data_ipa = DATA_IPA + BIT(36), .out = OUT_ACCESS, FSC_TRANS(0) },
	{ .desc = "input range: 4K, 32 bits, first address above it", .geo = GEO(12, 32, 1),
	  .data_ipa = BIT(32), .out = OUT_ACCESS, FSC_TRANS(0) },
	{ .desc = "input range: L2's TTBR0_EL1 above it", .s1 = true, .geo = GEO(12, 32, 1),
	  .ttbr0 = S1_ROOT_IPA + BIT(32), .out = OUT_FETCH, FSC_TRANS(0),
	  .s1ptw = true, .s1ptw_ipa = S1_ROOT_IPA + BIT(32) },

	/* The start table beyond the output size: level 0, whatever the start level. */
	{ .desc = "bad base: 4K, beyond VTCR_EL2.PS", VTCR_PS32, .base = HIGH_4G, .high = HIGH_4G,
	  .out = OUT_FETCH, FSC_ADDRSZ(0) },
	{ .desc = "bad base: 16K, beyond VTCR_EL2.PS", .geo = GEO(14, 36, 2), VTCR_PS32,
	  .base = HIGH_4G, .high = HIGH_4G, .out = OUT_FETCH, FSC_ADDRSZ(0) },
	{ .desc = "bad base: 64K, beyond VTCR_EL2.PS", .geo = GEO(16, 36, 2), VTCR_PS32,
	  .base = HIGH_4G, .high = HIGH_4G, .out = OUT_FETCH, FSC_ADDRSZ(0) },

	/* The next table, or the output, beyond the output size: level of the descriptor. */
	{ .desc = "4K: table beyond VTCR_EL2.PS, from level 0", .geo = GEO(12, 44, 0),
	  .data_ipa = DATA_IPA_L0, VTCR_PS32, .change = POINT(0, HIGH_4G), .high = HIGH_4G,
	  .out = OUT_ACCESS, FSC_ADDRSZ(0) },
	{ .desc = "4K: table beyond VTCR_EL2.PS, from level 1", VTCR_PS32,
	  .change = POINT(1, HIGH_4G), .high = HIGH_4G, .out = OUT_ACCESS, FSC_ADDRSZ(1) },
	{ .desc = "4K: table beyond VTCR_EL2.PS, from level 2", VTCR_PS32,
	  .change = POINT(2, HIGH_4G), .high = HIGH_4G, .out = OUT_ACCESS, FSC_ADDRSZ(2) },
	{ .desc = "4K: page beyond VTCR_EL2.PS", VTCR_PS32,
	  .change = POINT(3, HIGH_4G), .high = HIGH_4G, .out = OUT_ACCESS, FSC_ADDRSZ(3) },
	{ .desc = "4K: page beyond VTCR_EL2.PS, store", VTCR_PS32, .stub = L2_STUB_STORE,
	  .change = POINT(3, HIGH_4G), .high = HIGH_4G, .out = OUT_ACCESS, FSC_ADDRSZ(3) },
	{ .desc = "4K: page beyond VTCR_EL2.PS, fetch", VTCR_PS32, .stub = L2_STUB_EXEC,
	  .change = POINT(3, HIGH_4G), .high = HIGH_4G, .out = OUT_ACCESS, FSC_ADDRSZ(3) },
	{ .desc = "4K: level 2 block beyond VTCR_EL2.PS", VTCR_PS32, .leaf = 2,
	  .data_ipa = DATA_IPA_BLOCK, .change = POINT(2, HIGH_4G), .high = HIGH_4G,
	  .out = OUT_ACCESS, FSC_ADDRSZ(2) },
	{ .desc = "4K: level 1 block beyond VTCR_EL2.PS", VTCR_PS32, .leaf = 1,
	  .data_ipa = DATA_IPA_BLOCK, .change = POINT(1, HIGH_4G), .high = HIGH_4G,
	  .out = OUT_ACCESS, FSC_ADDRSZ(1) },
	{ .desc = "4K: invalid page beyond VTCR_EL2.PS", VTCR_PS32,
	  .change = AT_IPA(0, 3, S2_DESC_ADDR | S2_DESC_VALID, HIGH_4G), .high = HIGH_4G,
	  .out = OUT_ACCESS, FSC_TRANS(3) },
	{ .desc = "16K: table beyond VTCR_EL2.PS, from level 2", .geo = GEO(14, 36, 2), VTCR_PS32,
	  .change = POINT(2, HIGH_4G), .high = HIGH_4G, .out = OUT_ACCESS, FSC_ADDRSZ(2) },
	{ .desc = "64K: page beyond VTCR_EL2.PS", .geo = GEO(16, 36, 2), VTCR_PS32,
	  .offset = OFFSET_64K, .change = POINT(3, HIGH_4G), .high = HIGH_4G,
	  .out = OUT_ACCESS, FSC_ADDRSZ(3) },
	{ .desc = "4K: page above 4G within VTCR_EL2.PS: load and store",
	  .stub = L2_STUB_LOAD_STORE, .change = POINT(3, HIGH_4G), .high = HIGH_4G },
	{ .desc = "4K: table above 4G within VTCR_EL2.PS: load and store",
	  .stub = L2_STUB_LOAD_STORE, .change = POINT(2, HIGH_4G), .high = HIGH_4G },
	{ .desc = "4K: start table above 4G within VTCR_EL2.PS: load and store",
	  .stub = L2_STUB_LOAD_STORE, .base = HIGH_4G, .high = HIGH_4G },
	{ .desc = "4K: VTCR_EL2.PS above PARange: load and store", .stub = L2_STUB_LOAD_STORE,
	  .vtcr_set = VTCR_EL2_PS },

	/* A lower PARange is a smaller machine, whatever the host has. */
	{ .desc = "PARange 36 bits, 36 bits: load and store", .parange = 36,
	  .geo = GEO(12, 36, 1), .stub = L2_STUB_LOAD_STORE },
	{ .desc = "PARange 36 bits, bad T0SZ: 37 bits", .parange = 36,
	  .geo = GEO(12, 37, 1), .out = OUT_FETCH, FSC_TRANS(0), .may_clamp = true },
	{ .desc = "PARange 40 bits, bad SL0: 40 bits from level 0", .parange = 40,
	  .geo = GEO(12, 40, 0), .out = OUT_FETCH, FSC_TRANS(0) },
	{ .desc = "PARange 40 bits, bad SL0: 16K, 40 bits from level 1", .parange = 40,
	  .geo = GEO(14, 40, 1), .out = OUT_FETCH, FSC_TRANS(0) },
	{ .desc = "PARange 36 bits, bad base", .parange = 36, .geo = GEO(12, 36, 1),
	  .vtcr_set = VTCR_EL2_PS, .base = HIGH_64G, .high = HIGH_64G,
	  .out = OUT_FETCH, FSC_ADDRSZ(0) },
	{ .desc = "PARange 36 bits, table beyond it", .parange = 36, .geo = GEO(12, 36, 1),
	  .vtcr_set = VTCR_EL2_PS, .change = POINT(1, HIGH_64G), .high = HIGH_64G,
	  .out = OUT_ACCESS, FSC_ADDRSZ(1) },
	{ .desc = "PARange 36 bits, page beyond it", .parange = 36, .geo = GEO(12, 36, 1),
	  .vtcr_set = VTCR_EL2_PS, .change = POINT(3, HIGH_64G), .high = HIGH_64G,
	  .out = OUT_ACCESS, FSC_ADDRSZ(3) },
	{ .desc = "PARange 40 bits, page above 64G: load and store", .parange = 40,
	  .geo = GEO(12, 36, 1), .stub = L2_STUB_LOAD_STORE,
	  .change = POINT(3, HIGH_64G), .high = HIGH_64G },

	/* A descriptor that cannot be read: external abort on the walk, level of the fetch. */
	{ .desc = "4K: start table in a hole", .base = HOLE_GPA, .out = OUT_FETCH, FSC_SEA(1) },
	{ .desc = "4K: start table of level 0 in a hole", .geo = GEO(12, 44, 0),
	  .base = HOLE_GPA, .out = OUT_FETCH, FSC_SEA(0) },
	{ .desc = "4K: level 2 table in a hole", .change = POINT(1, HOLE_GPA),
	  .out = OUT_ACCESS, FSC_SEA(2) },
	{ .desc = "4K: level 3 table in a hole", .change = POINT(2, HOLE_GPA),
	  .out = OUT_ACCESS, FSC_SEA(3) },
	{ .desc = "4K: level 3 table in a hole, store", .change = POINT(2, HOLE_GPA),
	  .stub = L2_STUB_STORE, .out = OUT_ACCESS, FSC_SEA(3) },
	{ .desc = "4K: level 3 table in a hole, fetch", .change = POINT(2, HOLE_GPA),
	  .stub = L2_STUB_EXEC, .out = OUT_ACCESS, FSC_SEA(3) },
	{ .desc = "4K: level 3 table beyond KVM's IPA space", .geo = GEO(12, 48, 0),
	  .change = POINT(2, HOLE_BEYOND_VM), .out = OUT_ACCESS, FSC_SEA(3) },
	{ .desc = "16K: level 3 table in a hole", .geo = GEO(14, 36, 2),
	  .change = POINT(2, HOLE_GPA), .out = OUT_ACCESS, FSC_SEA(3) },
	{ .desc = "64K: start table in a hole", .geo = GEO(16, 36, 2), .base = HOLE_GPA,
	  .out = OUT_FETCH, FSC_SEA(2) },
	{ .desc = "4K: page in a hole is MMIO", .change = POINT(3, HOLE_GPA),
	  .mmio = true },
	{ .desc = "4K: table in a read-only memslot: load and store", .stub = L2_STUB_LOAD_STORE,
	  .change = POINT(2, HIGH_4G), .high = HIGH_4G, .high_ro = true },

	/* Permissions, and the access that they concern. */
	{ .desc = "read-only page: load", .change = CLEAR(3, S2_DESC_S2AP_W) },
	{ .desc = "read-only page: store", .change = CLEAR(3, S2_DESC_S2AP_W),
	  .stub = L2_STUB_STORE, .out = OUT_ACCESS, FSC_PERM(3) },
	{ .desc = "read-only level 2 block: store", .change = CLEAR(2, S2_DESC_S2AP_W), .leaf = 2,
	  .data_ipa = DATA_IPA_BLOCK, .stub = L2_STUB_STORE, .out = OUT_ACCESS, FSC_PERM(2) },
	{ .desc = "read-only level 1 block: store", .change = CLEAR(1, S2_DESC_S2AP_W), .leaf = 1,
	  .data_ipa = DATA_IPA_BLOCK, .stub = L2_STUB_STORE, .out = OUT_ACCESS, FSC_PERM(1) },
	{ .desc = "read-only 16K page: store", .geo = GEO(14, 36, 2), .stub = L2_STUB_STORE,
	  .change = CLEAR(3, S2_DESC_S2AP_W), .out = OUT_ACCESS, FSC_PERM(3) },
	{ .desc = "read-only 64K page: store", .geo = GEO(16, 36, 2), .stub = L2_STUB_STORE,
	  .offset = OFFSET_64K, .change = CLEAR(3, S2_DESC_S2AP_W),
	  .out = OUT_ACCESS, FSC_PERM(3) },
	{ .desc = "L2's MMU on, read-only page: store", .s1 = true, .stub = L2_STUB_STORE,
	  .change = CLEAR(3, S2_DESC_S2AP_W), .out = OUT_ACCESS, FSC_PERM(3) },
	{ .desc = "write-only page: store", .change = CLEAR(3, S2_DESC_S2AP_R),
	  .stub = L2_STUB_STORE },
	{ .desc = "write-only page: load", .change = CLEAR(3, S2_DESC_S2AP_R),
	  .out = OUT_ACCESS, FSC_PERM(3) },
	{ .desc = "page without access: load",
	  .change = CLEAR(3, S2_DESC_S2AP_R | S2_DESC_S2AP_W), .out = OUT_ACCESS, FSC_PERM(3) },
	{ .desc = "execute-never page: fetch", .change = SET(3, S2_DESC_XN_ALL),
	  .stub = L2_STUB_EXEC, .out = OUT_ACCESS, FSC_PERM(3) },
	{ .desc = "execute-never page: load and store", .change = SET(3, S2_DESC_XN_ALL),
	  .stub = L2_STUB_LOAD_STORE },
	{ .desc = "execute-never level 2 block: fetch", .change = SET(2, S2_DESC_XN_ALL), .leaf = 2,
	  .data_ipa = DATA_IPA_BLOCK, .stub = L2_STUB_EXEC, .out = OUT_ACCESS, FSC_PERM(2) },
	{ .desc = "page executable at EL0 only: fetch at EL1", .need = NEED_XNX,
	  .change = SET(3, S2_DESC_XN_EL0_ONLY), .stub = L2_STUB_EXEC,
	  .out = OUT_ACCESS, FSC_PERM(3) },
	{ .desc = "page executable at EL1 only: fetch at EL1", .need = NEED_XNX,
	  .change = SET(3, S2_DESC_XN_EL1_ONLY), .stub = L2_STUB_EXEC },
	{ .desc = "page without access: fetch",
	  .change = CLEAR(3, S2_DESC_S2AP_R | S2_DESC_S2AP_W), .stub = L2_STUB_EXEC },

	/* The access flag: a fault, or set by the walk, where the hardware (KVM) was told to. */
	{ .desc = "AF=0, HA=0: load", .change = CLEAR(3, S2_DESC_AF),
	  .out = OUT_ACCESS, FSC_ACCESS(3) },
	{ .desc = "AF=0, HA=0: store", .change = CLEAR(3, S2_DESC_AF), .stub = L2_STUB_STORE,
	  .out = OUT_ACCESS, FSC_ACCESS(3) },
	{ .desc = "AF=0, HA=0: fetch", .change = CLEAR(3, S2_DESC_AF), .stub = L2_STUB_EXEC,
	  .out = OUT_ACCESS, FSC_ACCESS(3) },
	{ .desc = "AF=0, HA=0, level 2 block: load", .change = CLEAR(2, S2_DESC_AF), .leaf = 2,
	  .data_ipa = DATA_IPA_BLOCK, .out = OUT_ACCESS, FSC_ACCESS(2) },
	{ .desc = "AF=0, HA=0, no permission either: load",
	  .change = CLEAR(3, S2_DESC_AF | S2_DESC_S2AP_R), .out = OUT_ACCESS, FSC_ACCESS(3) },
	{ .desc = "AF=0, HA=0, page beyond VTCR_EL2.PS: load", VTCR_PS32, .high = HIGH_4G,
	  .change = AT_IPA(0, 3, S2_DESC_ADDR | S2_DESC_AF, HIGH_4G),
	  .out = OUT_ACCESS, FSC_ADDRSZ(3) },
	{ .desc = "AF=0, HA=1: load", .change = CLEAR(3, S2_DESC_AF), .need = NEED_HAF,
	  .vtcr_set = VTCR_EL2_HA, .desc_sets = S2_DESC_AF },
	{ .desc = "AF=0, HA=1: store", .change = CLEAR(3, S2_DESC_AF), .need = NEED_HAF,
	  .stub = L2_STUB_STORE, .vtcr_set = VTCR_EL2_HA, .desc_sets = S2_DESC_AF },
	{ .desc = "AF=0, HA=1: fetch", .change = CLEAR(3, S2_DESC_AF), .need = NEED_HAF,
	  .stub = L2_STUB_EXEC, .vtcr_set = VTCR_EL2_HA, .desc_sets = S2_DESC_AF },
	{ .desc = "AF=0, HA=1, level 2 block: load", .change = CLEAR(2, S2_DESC_AF), .leaf = 2,
	  .data_ipa = DATA_IPA_BLOCK, .need = NEED_HAF, .vtcr_set = VTCR_EL2_HA,
	  .desc_sets = S2_DESC_AF },
	{ .desc = "AF=0, HA=1, page beyond VTCR_EL2.PS: load", .need = NEED_HAF, .high = HIGH_4G,
	  .vtcr_clear = VTCR_EL2_PS, .vtcr_set = VTCR_EL2_HA,
	  .change = AT_IPA(0, 3, S2_DESC_ADDR | S2_DESC_AF, HIGH_4G),
	  .out = OUT_ACCESS, FSC_ADDRSZ(3) },
	{ .desc = "AF=0, HA=1, table in a read-only memslot: load", .need = NEED_HAF,
	  .change = POINT(2, HIGH_4G), .high = HIGH_4G, .high_ro = true,
	  .high_clear = S2_DESC_AF, .vtcr_set = VTCR_EL2_HA, .out = OUT_ACCESS, FSC_SEA(3) },

	/* The dirty state: a clean page is writable, and a write, nothing else, sets S2AP[1]. */
	{ .desc = "DBM=1, HD=1, clean: load", .change = AT_IPA(0, 3, S2_DESC_S2AP_W, S2_DESC_DBM),
	  .need = NEED_HDBS, .vtcr_set = VTCR_EL2_HA | VTCR_EL2_HD },
	{ .desc = "DBM=1, HD=1, clean: fetch", .change = AT_IPA(0, 3, S2_DESC_S2AP_W, S2_DESC_DBM),
	  .need = NEED_HDBS, .vtcr_set = VTCR_EL2_HA | VTCR_EL2_HD, .stub = L2_STUB_EXEC },
	{ .desc = "DBM=1, HD=1, clean: store", .change = AT_IPA(0, 3, S2_DESC_S2AP_W, S2_DESC_DBM),
	  .need = NEED_HDBS, .vtcr_set = VTCR_EL2_HA | VTCR_EL2_HD, .stub = L2_STUB_STORE,
	  .desc_sets = S2_DESC_S2AP_W },
	{ .desc = "DBM=1, HD=1, clean: load, then store",
	  .change = AT_IPA(0, 3, S2_DESC_S2AP_W, S2_DESC_DBM),
	  .need = NEED_HDBS, .vtcr_set = VTCR_EL2_HA | VTCR_EL2_HD, .stub = L2_STUB_LOAD_STORE,
	  .desc_sets = S2_DESC_S2AP_W },
	{ .desc = "DBM=1, HD=1, clean level 2 block: load, then store", .leaf = 2,
	  .data_ipa = DATA_IPA_BLOCK, .change = AT_IPA(0, 2, S2_DESC_S2AP_W, S2_DESC_DBM),
	  .need = NEED_HDBS, .vtcr_set = VTCR_EL2_HA | VTCR_EL2_HD, .stub = L2_STUB_LOAD_STORE,
	  .desc_sets = S2_DESC_S2AP_W },
	{ .desc = "DBM=1, HD=1, clean, AF=0: store",
	  .change = AT_IPA(0, 3, S2_DESC_S2AP_W | S2_DESC_AF, S2_DESC_DBM),
	  .need = NEED_HDBS, .vtcr_set = VTCR_EL2_HA | VTCR_EL2_HD, .stub = L2_STUB_STORE,
	  .desc_sets = S2_DESC_S2AP_W | S2_DESC_AF },
	{ .desc = "DBM=0, HD=1, read-only: store", .change = CLEAR(3, S2_DESC_S2AP_W),
	  .need = NEED_HDBS, .vtcr_set = VTCR_EL2_HA | VTCR_EL2_HD, .stub = L2_STUB_STORE,
	  .out = OUT_ACCESS, FSC_PERM(3) },
	{ .desc = "DBM=1, HD=0, read-only: store",
	  .change = AT_IPA(0, 3, S2_DESC_S2AP_W, S2_DESC_DBM), .need = NEED_HDBS,
	  .vtcr_set = VTCR_EL2_HA, .stub = L2_STUB_STORE, .out = OUT_ACCESS, FSC_PERM(3) },
	{ .desc = "DBM=1, HD=1 without HA, read-only: store",
	  .change = AT_IPA(0, 3, S2_DESC_S2AP_W, S2_DESC_DBM), .need = NEED_HDBS,
	  .vtcr_set = VTCR_EL2_HD, .stub = L2_STUB_STORE, .out = OUT_ACCESS, FSC_PERM(3) },

	/* L1's tables in L1's endianness: that of SCTLR_EL2.EE. */
	{ .desc = "big-endian tables: load", .be = true, .need = NEED_BE,
	  .stub = L2_STUB_LOAD_BETWEEN },
	{ .desc = "big-endian tables, AF=0, HA=1: load", .be = true, .need = NEED_BE | NEED_HAF,
	  .stub = L2_STUB_LOAD_BETWEEN, .change = CLEAR(3, S2_DESC_AF),
	  .vtcr_set = VTCR_EL2_HA, .desc_sets = S2_DESC_AF },

	/* Stage-2 faults on L2's stage-1 walk: the level is that of stage 2. */
	{ .desc = "stage-1 table unmapped at level 3: load", .s1 = true,
	  .change = AT_IPA(S1_DATA_L2_IPA, 3, ~0UL, 0),
	  .out = OUT_ACCESS, FSC_TRANS(3), .s1ptw = true, .s1ptw_ipa = S1_DATA_L2_IPA },
	{ .desc = "stage-1 table unmapped at level 2: load", .s1 = true,
	  .change = AT_IPA(S1_DATA_L3_IPA, 2, ~0UL, 0),
	  .out = OUT_ACCESS, FSC_TRANS(2), .s1ptw = true, .s1ptw_ipa = S1_DATA_L3_IPA },
	{ .desc = "stage-1 table unmapped at level 2: fetch", .s1 = true, .stub = L2_STUB_EXEC,
	  .change = AT_IPA(S1_DATA_L3_IPA, 2, ~0UL, 0),
	  .out = OUT_ACCESS, FSC_TRANS(2), .s1ptw = true, .s1ptw_ipa = S1_DATA_L3_IPA },
	{ .desc = "stage-1 start table unmapped at level 3", .s1 = true,
	  .change = AT_IPA(S1_ROOT_IPA, 3, ~0UL, 0),
	  .out = OUT_FETCH, FSC_TRANS(3), .s1ptw = true, .s1ptw_ipa = S1_ROOT_IPA },
	{ .desc = "stage-1 table not readable: load", .s1 = true,
	  .change = AT_IPA(S1_DATA_L3_IPA, 3, S2_DESC_S2AP_R, 0),
	  .out = OUT_ACCESS, FSC_PERM(3), .s1ptw = true, .s1ptw_ipa = S1_DATA_L3_IPA },
	{ .desc = "stage-1 table not readable: fetch", .s1 = true, .stub = L2_STUB_EXEC,
	  .change = AT_IPA(S1_DATA_L3_IPA, 3, S2_DESC_S2AP_R, 0),
	  .out = OUT_ACCESS, FSC_PERM(3), .s1ptw = true, .s1ptw_ipa = S1_DATA_L3_IPA },
	{ .desc = "stage-1 table read-only: load and store", .s1 = true,
	  .stub = L2_STUB_LOAD_STORE,
	  .change = AT_IPA(S1_DATA_L3_IPA, 3, S2_DESC_S2AP_W, 0) },
	{ .desc = "stage-1 table execute-never: fetch", .s1 = true, .stub = L2_STUB_EXEC,
	  .change = AT_IPA(S1_DATA_L3_IPA, 3, 0, S2_DESC_XN_ALL) },
	{ .desc = "stage-1 table with AF=0: load", .s1 = true,
	  .change = AT_IPA(S1_DATA_L2_IPA, 3, S2_DESC_AF, 0),
	  .out = OUT_ACCESS, FSC_ACCESS(3), .s1ptw = true, .s1ptw_ipa = S1_DATA_L2_IPA },
	{ .desc = "stage-1 table with AF=0, HA=1: load", .s1 = true, .need = NEED_HAF,
	  .change = AT_IPA(S1_DATA_L2_IPA, 3, S2_DESC_AF, 0), .vtcr_set = VTCR_EL2_HA,
	  .desc_sets = S2_DESC_AF },
	{ .desc = "stage-1 table beyond VTCR_EL2.PS: load", .s1 = true, VTCR_PS32,
	  .change = AT_IPA(S1_DATA_L2_IPA, 3, S2_DESC_ADDR, HIGH_4G), .high = HIGH_4G,
	  .out = OUT_ACCESS, FSC_ADDRSZ(3), .s1ptw = true, .s1ptw_ipa = S1_DATA_L2_IPA },
	{ .desc = "stage-2 table for a stage-1 table in a hole: load", .s1 = true,
	  .change = AT_IPA(S1_DATA_L2_IPA, 2, S2_DESC_ADDR, HOLE_GPA),
	  .out = OUT_ACCESS, FSC_SEA(3), .s1ptw = true, .s1ptw_ipa = S1_DATA_L2_IPA },

	/* Stage 2 has no objection: L2's external abort, at the level of stage 1. */
	{ .desc = "stage-1 level 2 table in a hole: load", .s1 = true,
	  .change = AT_IPA(S1_DATA_L2_IPA, 3, S2_DESC_ADDR, HOLE_GPA), .out = OUT_L2, FSC_SEA(2) },
	{ .desc = "stage-1 level 2 table in a hole: fetch", .s1 = true, .stub = L2_STUB_EXEC,
	  .change = AT_IPA(S1_DATA_L2_IPA, 3, S2_DESC_ADDR, HOLE_GPA), .out = OUT_L2, FSC_SEA(2) },
	{ .desc = "stage-1 level 3 table in a hole: load", .s1 = true,
	  .change = AT_IPA(S1_DATA_L3_IPA, 3, S2_DESC_ADDR, HOLE_GPA), .out = OUT_L2, FSC_SEA(3) },
};

/* What L1 saw; a guest global that the host reads. */
static struct l1_report {
	struct l2_exit first;	/* exit of the row */
	struct l2_exit again;	/* that of a second try, after a fault */
	struct l2_exit sane;	/* that of another L2, on sane tables */
	u64 esr_el1, far_el1, elr_el1;	/* L2's own */
	u64 loaded;		/* L2's x1 */
	u64 data;		/* in L1's memory, afterwards */
	u64 desc_before;
	u64 desc_after;
	u64 sane_loaded;
	u64 sane_data;
	bool has_ras;
} report;

#define SYNC_BUILT	1

static struct nested_mem l1_mem = { .gva = L1_GVA, .gpa = L1_GPA, .size = L1_SIZE };
static struct nested_mem high_mem = { .gva = HIGH_GVA, .size = HIGH_SIZE };

/* Row values with their defaults. */

static struct s2_geometry row_geo(const struct s2_row *row)
{
	struct s2_geometry geo = row->geo;

	if (!geo.page_shift)
		geo = (struct s2_geometry)GEO(12, 39, 1);
	if (row->t0sz != T0SZ_OF_ROW) {
		/* 48 bits are the limit of the 48-bit descriptors, also for a larger PARange. */
		geo.ia_bits = min_t(unsigned int, nested_pa_bits(), 48);
		geo.start = geo.ia_bits >= 44 ? 0 : 1;
	}

	return geo;
}

static u64 row_code_ipa(const struct s2_row *row)
{
	return row->code_ipa ?: CODE_IPA;
}

static u64 row_data_ipa(const struct s2_row *row)
{
	return row->data_ipa ?: DATA_IPA;
}

static u64 row_code_va(const struct s2_row *row)
{
	return row_code_ipa(row) + (row->s1 ? S1_CODE_VA_OFFSET : 0);
}

static u64 row_offset(const struct s2_row *row)
{
	return row->offset ?: OFFSET;
}

static u64 row_access_ipa(const struct s2_row *row)
{
	return row_data_ipa(row) + row_offset(row);
}

static u64 row_access_va(const struct s2_row *row)
{
	return row_access_ipa(row) + (row->s1 ? S1_DATA_VA_OFFSET : 0);
}

static bool row_changes_desc(const struct s2_row *row)
{
	return row->change.clear || row->change.set;
}

/* L1 */

static u64 *l1_data(const struct s2_row *row)
{
	u64 *data = nested_va(&l1_mem, DATA_GPA + row_offset(row));

	/* A leaf moved to the high memory takes its data along. */
	if (row->high && row->out == OUT_DONE && row->change.level == 3)
		data = nested_va(&high_mem, row->high + row_offset(row));

	return data;
}

static const char *l1_skip_reason(const struct s2_row *row)
{
	u64 mmfr0 = read_sysreg_s(SYS_ID_AA64MMFR0_EL1);
	u64 mmfr1 = read_sysreg_s(SYS_ID_AA64MMFR1_EL1);
	u64 mmfr2 = read_sysreg_s(SYS_ID_AA64MMFR2_EL1);
	bool ttst = SYS_FIELD_GET(ID_AA64MMFR2_EL1, ST, mmfr2);
	struct s2_geometry geo = row_geo(row);

	if (!s2_granule_supported(geo.page_shift))
		return "the VM has no such stage-2 granule (ID_AA64MMFR0_EL1.TGRANx_2)";
	if (!row->parange && geo.ia_bits > nested_pa_bits())
		return "the input size is above the VM's PARange";
	if (NESTED_BARE && row->t0sz == T0SZ_BELOW_PARANGE && nested_pa_bits() < 52)
		return "without FEAT_LPA the CPU may use the limit of T0SZ instead";
	if ((row->need & NEED_HAF) && !SYS_FIELD_GET(ID_AA64MMFR1_EL1, HAFDBS, mmfr1))
		return "the VM has no FEAT_HAFDBS";
	if ((row->need & NEED_HDBS) && SYS_FIELD_GET(ID_AA64MMFR1_EL1, HAFDBS, mmfr1) <
				       ID_AA64MMFR1_EL1_HAFDBS_DBM)
		return "the VM's FEAT_HAFDBS is the access flag alone";
	if ((row->need & NEED_XNX) && !SYS_FIELD_GET(ID_AA64MMFR1_EL1, XNX, mmfr1))
		return "the VM has no FEAT_XNX";
	if ((row->need & NEED_BE) && !SYS_FIELD_GET(ID_AA64MMFR0_EL1, BIGEND, mmfr0))
		return "the VM has no big-endian support at EL2";
	if ((row->need & NEED_TTST) && !ttst)
		return "the VM has no FEAT_TTST";
	if ((row->need & NEED_NO_TTST) && ttst)
		return "the VM has FEAT_TTST";
	if (row->s1 && SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4, mmfr0) ==
		       ID_AA64MMFR0_EL1_TGRAN4_NI)
		return "L2's tables need 4K at stage 1";

	return NULL;
}

/* L2's stage 1: 4K, level 1 to 3, one page of code and one of data with tables of their own. */
static void l1_build_s1(const struct s2_row *row)
{
	u64 attr = PTE_AF | PTE_SHARED | PTE_TYPE_PAGE | PTE_VALID;	/* MAIR_EL1 index 0 */
	u64 code = row_code_va(row), data = row_access_va(row);
	u64 *root = nested_va(&l1_mem, S1_ROOT_GPA);
	u64 *code_l2 = root + 512, *code_l3 = root + 1024;
	u64 *data_l2 = nested_va(&l1_mem, S1_DATA_L2_GPA);
	u64 *data_l3 = nested_va(&l1_mem, S1_DATA_L3_GPA);
	u64 table = PTE_VALID | PGD_TYPE_TABLE;

	root[(code >> 30) & 511] = (S1_ROOT_IPA + SZ_4K) | table;
	code_l2[(code >> 21) & 511] = (S1_ROOT_IPA + SZ_8K) | table;
	code_l3[(code >> 12) & 511] = row_code_ipa(row) | attr;

	root[(data >> 30) & 511] = S1_DATA_L2_IPA | table;
	data_l2[(data >> 21) & 511] = S1_DATA_L3_IPA | table;
	data_l3[(data >> 12) & 511] = (row_access_ipa(row) & ~(SZ_4K - 1UL)) | attr;
	dsb(ish);
}

/* Code, data and L2's tables mapped as they should be. */
static void l1_build_s2(const struct s2_row *row, struct s2_mmu *s2,
			const struct s2_geometry *geo, u16 vmid)
{
	u64 data_ipa = row_data_ipa(row) & GENMASK(geo->ia_bits - 1, 0);
	unsigned int shift = s2_level_shift(geo, geo->start);
	u64 *root;

	s2_init(s2, &l1_mem, geo, vmid);
	s2_map(s2, row_code_ipa(row), CODE_GPA, 1, 3, S2_ATTR_DEFAULT);
	s2_map(s2, data_ipa, DATA_GPA, 1, row->leaf ?: 3, S2_ATTR_DEFAULT);
	if (row->s1) {
		s2_map(s2, S1_ROOT_IPA, S1_ROOT_GPA, 3 * SZ_4K, 3, S2_ATTR_DEFAULT);
		s2_map(s2, S1_DATA_L2_IPA, S1_DATA_L2_GPA, 1, 3, S2_ATTR_DEFAULT);
		s2_map(s2, S1_DATA_L3_IPA, S1_DATA_L3_GPA, 1, 3, S2_ATTR_DEFAULT);
	}

	if (row->be)
		s2_map(s2, MMIO_IPA, HOLE_GPA, 1, 3, S2_ATTR_DEFAULT);

	/* An index that was not limited to the input size finds a copy of the right entry. */
	root = nested_va(&l1_mem, s2->root);
	if (data_ipa != row_data_ipa(row))
		root[row_data_ipa(row) >> shift] = root[data_ipa >> shift];
	if (row->ttbr0)
		root[row->ttbr0 >> shift] = root[S1_ROOT_IPA >> shift];
}

/* A copy of one of L1's tables, or of what a leaf maps, in the high memory. */
static void l1_copy_high(const struct s2_row *row, gpa_t from, u64 size)
{
	const u64 *src = nested_va(&l1_mem, from);
	u64 *dst = nested_va(&high_mem, row->high);
	u64 i;

	for (i = 0; i < size / sizeof(u64); i++)
		dst[i] = src[i] & ~row->high_clear;
}

/* The one thing that this row is about. Returns the changed descriptor, if any. */
static u64 *l1_spoil(const struct s2_row *row, struct s2_mmu *s2)
{
	u64 page = BIT(s2->geo.page_shift);
	u64 ipa, *desc = NULL;

	if (row_changes_desc(row)) {
		ipa = row->change.ipa ?: row_data_ipa(row) & GENMASK(s2->geo.ia_bits - 1, 0);
		desc = s2_desc(s2, ipa, row->change.level);
		if (row->high)
			l1_copy_high(row, *desc & S2_DESC_ADDR, page);
		*desc = (*desc & ~row->change.clear) | row->change.set;
	}
	if (row->base) {
		if (row->high)
			l1_copy_high(row, s2->root, s2_root_size(&s2->geo));
		s2->vttbr = (s2->vttbr & ~VTTBR_EL2_BADDR_MASK) | row->base;
	}

	s2->vtcr &= ~row->vtcr_clear;
	s2->vtcr |= row->vtcr_set;
	if (row->t0sz == T0SZ_BELOW_PARANGE)
		s2->vtcr--;
	dsb(ish);

	return desc;
}

static void l1_init_l2(const struct s2_row *row, struct l2_vcpu *l2, struct s2_mmu *s2)
{
	u64 ps = FIELD_GET(VTCR_EL2_PS, s2_vtcr(&s2->geo));

	l2_init(l2, s2, row_code_va(row));
	l2->pc += l2_stub_offset(row->stub);
	l2->regs[0] = row_access_va(row);
	l2->regs[2] = STORE_VALUE;
	l2->regs[4] = MMIO_IPA + row_offset(row);
	if (row->dc)
		l2->hcr = (l2->hcr & ~HCR_EL2_VM) | HCR_EL2_DC;
	if (!row->s1)
		return;

	l2->sctlr |= SCTLR_ELx_M | SCTLR_ELx_C | SCTLR_ELx_I;
	l2->tcr = TCR_T0SZ(S1_IA_BITS) | TCR_IRGN0_WBWA | TCR_ORGN0_WBWA | TCR_SH0_INNER |
		  TCR_TG0_4K | TCR_EPD1_MASK | (ps << TCR_IPS_SHIFT);
	l2->mair = MAIR_ATTRIDX(MAIR_ATTR_NORMAL, 0);
	l2->ttbr0 = S1_ROOT_IPA;
}

static void l1_prepare_data(const struct s2_row *row, u64 *data)
{
	*data = LOAD_VALUE;
	nested_sync_cache(data, sizeof(*data));
}

static bool was_clamped(const struct s2_row *row, const struct l2_exit *exit)
{
	return row->may_clamp && l2_exit_is_hvc(exit, L2_HVC_DONE);
}

/* Another L2, in which nothing is wrong: what the row did must not have hurt L1. */
static void l1_run_sane(const struct s2_row *row)
{
	struct s2_row sane = { .stub = L2_STUB_LOAD_STORE };
	u64 *data = nested_va(&l1_mem, DATA_GPA + row_offset(&sane));
	struct s2_geometry geo = row_geo(row);
	struct l2_vcpu l2;
	struct s2_mmu s2;

	/* 32 bits, because PARange may be small. */
	geo.ia_bits = 32;
	geo.start = geo.page_shift == 12 ? 1 : 2;

	l1_prepare_data(&sane, data);
	l1_build_s2(&sane, &s2, &geo, VMID_SANE);
	l1_init_l2(&sane, &l2, &s2);
	l2_enter(&l2);
	nested_sync_cache(data, sizeof(*data));

	report.sane = l2.exit;
	report.sane_loaded = l2.regs[1];
	report.sane_data = *data;
}

static void l1_main(u64 index)
{
	const struct s2_row *row = &rows[index];
	struct s2_geometry geo = row_geo(row);
	const char *skip = l1_skip_reason(row);
	u64 *desc, *data;
	struct l2_vcpu l2;
	struct s2_mmu s2;

	GUEST_ASSERT_EQ(get_current_el(), 2);
	report.has_ras = SYS_FIELD_GET(ID_AA64PFR0_EL1, RAS,
				       read_sysreg_s(SYS_ID_AA64PFR0_EL1));
	if (skip)
		NESTED_GUEST_SKIP(skip);

	l2_stubs_install(nested_va(&l1_mem, CODE_GPA), SZ_64K);
	l1_prepare_data(row, nested_va(&l1_mem, DATA_GPA + row_offset(row)));
	if (row->s1)
		l1_build_s1(row);
	l1_build_s2(row, &s2, &geo, VMID);
	desc = l1_spoil(row, &s2);
	data = l1_data(row);
	nested_sync_cache(data, sizeof(*data));
	l1_init_l2(row, &l2, &s2);
	if (row->ttbr0)
		l2.ttbr0 = row->ttbr0;
	if (desc)
		report.desc_before = *desc;
	GUEST_SYNC(SYNC_BUILT);	/* L1 has written its last descriptor */

	l2_enter(&l2);
	report.first = l2.exit;
	report.esr_el1 = l2.esr_el1;
	report.far_el1 = l2.far_el1;
	report.elr_el1 = l2.elr_el1;
	if ((row->out == OUT_FETCH || row->out == OUT_ACCESS) && !was_clamped(row, &l2.exit)) {
		l2_enter(&l2);
		report.again = l2.exit;
	}

	nested_sync_cache(data, sizeof(*data));
	report.loaded = l2.regs[1];
	report.data = *data;
	if (desc)
		report.desc_after = READ_ONCE(*desc);

	l1_run_sane(row);
	GUEST_ASSERT(l1_mem.used <= DATA_OFFSET);
	GUEST_DONE();
}

/* Host */

static bool fsc_is_sea(u8 fsc)
{
	return (fsc & ESR_ELx_FSC_TYPE) == (ESR_ELx_FSC_SEA_TTW(0) & ESR_ELx_FSC_TYPE);
}

static u64 expected_esr(const struct s2_row *row)
{
	u64 esr = ESR_ELx_IL | row->fsc | (row->s1ptw ? ESR_ELx_S1PTW : 0);
	bool store = row->stub == L2_STUB_STORE;

	if (row->out == OUT_DONE)
		return ESR_ELx_IL | (ESR_ELx_EC_HVC64 << ESR_ELx_EC_SHIFT) | L2_HVC_DONE;
	if (row->out == OUT_FETCH || row->stub == L2_STUB_EXEC)
		return esr | (ESR_ELx_EC_IABT_LOW << ESR_ELx_EC_SHIFT);

	esr |= ESR_ELx_EC_DABT_LOW << ESR_ELx_EC_SHIFT;
	if (store)
		esr |= ESR_ELx_WNR;
	/*
	 * The access is described for stage-2 aborts of LDR Xt, but not of its stage-1 walk, nor
	 * for synchronous external aborts. Xt is x1 for the load, x2 for the store.
	 */
	if (!row->s1ptw && !fsc_is_sea(row->fsc))
		esr |= ESR_ELx_ISV | ESR_ELx_SAS | ESR_ELx_SF |
		       ((store ? 2UL : 1UL) << ESR_ELx_SRT_SHIFT);

	return esr;
}

static bool hpfar_is_known(const struct s2_row *row)
{
	/*
	 * HPFAR_EL2 is UNKNOWN for external aborts and for permission faults that are not of a
	 * stage-1 walk (see IPAValid() in the Arm ARM).
	 */
	if (row->out == OUT_DONE || fsc_is_sea(row->fsc))
		return false;

	return row->s1ptw || (row->fsc & ESR_ELx_FSC_TYPE) != ESR_ELx_FSC_PERM;
}

static bool check_exit(const struct s2_row *row, const struct l2_exit *exit, const char *when)
{
	u64 stub = row_code_va(row) + l2_stub_offset(row->stub);
	bool fetch = row->out == OUT_FETCH;
	u64 far = fetch ? stub : row_access_va(row);
	u64 ipa = fetch ? row_code_ipa(row) + l2_stub_offset(row->stub) : row_access_ipa(row);
	bool exec = row->stub == L2_STUB_EXEC && !fetch;
	u64 esr_mask = ~0UL;
	bool ok = true;

	/*
	 * EA is IMPLEMENTATION DEFINED; without FEAT_RAS so is ISV, for an abort on the walk. With
	 * it ISV is 0 for any External abort: QEMU, which sets it, does not do as it says then.
	 */
	if (row->out != OUT_DONE && fsc_is_sea(row->fsc))
		esr_mask &= ~(ESR_ELx_EA | (report.has_ras && !NESTED_BARE ? 0 : GENMASK(24, 14)));

	ksft_print_msg("%s: ESR 0x%lx FAR 0x%lx HPFAR 0x%lx ELR 0x%lx SPSR 0x%lx\n", when,
		       exit->esr, exit->far, exit->hpfar, exit->elr, exit->spsr);
	ok &= nested_check("vector", exit->vector, VECTOR_SYNC_LOWER_64, ~0UL);
	ok &= nested_check("ESR_EL2", exit->esr, expected_esr(row), esr_mask);
	ok &= nested_check("SPSR_EL2", exit->spsr, L2_PSTATE, ~0UL);
	if (row->out == OUT_DONE)
		return ok;

	if (row->s1ptw)
		ipa = row->s1ptw_ipa;
	ok &= nested_check("FAR_EL2", exit->far, far, ~0UL);
	ok &= nested_check("ELR_EL2", exit->elr, exec ? far : stub, ~0UL);
	/* NS, which KVM has a use for, and the RES0 bits read as zero in any case. */
	ok &= nested_check("HPFAR_EL2", exit->hpfar, FIELD_PREP(HPFAR_EL2_FIPA, ipa >> 12),
			   hpfar_is_known(row) ? ~0UL : ~HPFAR_EL2_FIPA);

	return ok;
}

/* Its vector calls. With FEAT_RAS an SEA has no ISV: see check_exit(). */
static bool check_l2_abort(const struct s2_row *row, const struct l1_report *r)
{
	u64 stub = row_code_va(row) + l2_stub_offset(row->stub), far = row_access_va(row);
	bool exec = row->stub == L2_STUB_EXEC, ok;
	u64 esr = ESR_ELx_IL | row->fsc, mask = ~ESR_ELx_EA;

	esr |= (exec ? ESR_ELx_EC_IABT_CUR : ESR_ELx_EC_DABT_CUR) << ESR_ELx_EC_SHIFT;
	if (!r->has_ras || NESTED_BARE)
		mask &= ~GENMASK(24, 14);

	ksft_print_msg("ESR_EL2 0x%lx ESR_EL1 0x%lx FAR_EL1 0x%lx ELR_EL1 0x%lx\n", r->first.esr,
		       r->esr_el1, r->far_el1, r->elr_el1);
	ok = nested_check("exit", l2_exit_is_hvc(&r->first, L2_HVC_VECTOR + 4), true, ~0UL);
	ok &= nested_check("ESR_EL1", r->esr_el1, esr, mask);
	ok &= nested_check("FAR_EL1", r->far_el1, far, ~0UL);
	ok &= nested_check("ELR_EL1", r->elr_el1, exec ? far : stub, ~0UL);

	return ok;
}

static bool check_report(const struct s2_row *given, const struct l1_report *r)
{
	struct s2_row sane = { .stub = L2_STUB_LOAD_STORE }, expected = *given;
	const struct s2_row *row = &expected;
	bool store = row->stub == L2_STUB_STORE || row->stub == L2_STUB_LOAD_STORE;
	bool load = row->stub != L2_STUB_STORE && row->stub != L2_STUB_EXEC;
	bool done, ok;

	if (was_clamped(given, &r->first))
		expected.out = OUT_DONE;
	done = row->out == OUT_DONE;

	ok = row->out == OUT_L2 ? check_l2_abort(row, r) : check_exit(row, &r->first, "exit");
	if (row->out == OUT_FETCH || row->out == OUT_ACCESS)
		ok &= check_exit(row, &r->again, "second try");
	if (done && load)
		ok &= nested_check("value loaded by L2", r->loaded,
				   row->mmio ? MMIO_VALUE : LOAD_VALUE, ~0UL);
	ok &= nested_check("value in memory", r->data,
			   done && store ? STORE_VALUE : LOAD_VALUE, ~0UL);
	ok &= nested_check("descriptor afterwards", r->desc_after,
			   r->desc_before | row->desc_sets, ~0UL);

	ok &= check_exit(&sane, &r->sane, "on sane tables");
	ok &= nested_check("value loaded on sane tables", r->sane_loaded, LOAD_VALUE, ~0UL);
	ok &= nested_check("value stored on sane tables", r->sane_data, STORE_VALUE, ~0UL);

	return ok;
}

/* Give the VM a smaller PARange. Returns a reason if that cannot be done. */
static const char *lower_parange(struct kvm_vcpu *vcpu, unsigned int bits)
{
	u64 mmfr0 = vcpu_get_reg(vcpu, KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR0_EL1));
	u64 parange = bits == 36 ? ID_AA64MMFR0_EL1_PARANGE_36 : ID_AA64MMFR0_EL1_PARANGE_40;

	if (SYS_FIELD_GET(ID_AA64MMFR0_EL1, PARANGE, mmfr0) < parange)
		return "the host's PARange is lower than that";

	mmfr0 &= ~ID_AA64MMFR0_EL1_PARANGE;
	if (__vcpu_set_reg(vcpu, KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR0_EL1), mmfr0 | parange))
		return "the kernel does not let userspace lower PARange";

	return NULL;
}

/* Without FEAT_TTST there is nothing to hide. Returns a reason if it cannot be done. */
static const char *hide_ttst(struct kvm_vcpu *vcpu)
{
	u64 id = KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR2_EL1), mmfr2 = vcpu_get_reg(vcpu, id);

	if ((mmfr2 & ID_AA64MMFR2_EL1_ST) &&
	    __vcpu_set_reg(vcpu, id, mmfr2 & ~ID_AA64MMFR2_EL1_ST))
		return "the kernel does not let userspace take FEAT_TTST away";

	return NULL;
}

/* Remove the high memory's slot and bring it back as a read-only one. */
static void make_high_read_only(struct kvm_vm *vm)
{
	memslot2region(vm, HIGH_SLOT)->region.flags |= KVM_MEM_READONLY;
	vm_mem_region_reload(vm, HIGH_SLOT);
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

/* How often L2 goes out to userspace. */
static unsigned int row_mmio_exits(const struct s2_row *row)
{
	return row->be ? 2 : !!row->mmio;
}

/* Answer L2's access to what is not memory. Returns false if the row does not expect it. */
static bool handle_mmio(const struct s2_row *row, struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 value = MMIO_VALUE;
	bool ok;

	ok = nested_check("MMIO address", run->mmio.phys_addr, HOLE_GPA + row_offset(row), ~0UL);
	ok &= nested_check("MMIO is a write", run->mmio.is_write, 0, ~0UL);
	ok &= nested_check("MMIO length", run->mmio.len, sizeof(value), ~0UL);
	memcpy(run->mmio.data, &value, sizeof(value));
	if (row->be)
		flip_endianness(vcpu);

	return ok;
}

/* Run L1 to its end. */
static int run_l1(struct kvm_vcpu *vcpu, const struct s2_row *row, const char **reason)
{
	unsigned int mmio = 0;
	struct ucall uc;
	int ret;

	for (;;) {
		ret = nested_run_vcpu(vcpu, &uc, reason);
		switch (ret) {
		case NESTED_SYNC:
			if (row->high_ro)
				make_high_read_only(vcpu->vm);
			continue;
		case NESTED_EXIT:
			break;
		case NESTED_PASS:
			return nested_check("MMIO exits of L2", mmio, row_mmio_exits(row), ~0UL) ?
			       NESTED_PASS : NESTED_FAIL;
		default:
			return ret;
		}

		if (vcpu->run->exit_reason != KVM_EXIT_MMIO || ++mmio > row_mmio_exits(row)) {
			ksft_print_msg("unexpected exit to userspace: %s, MMIO address 0x%llx\n",
				       exit_reason_str(vcpu->run->exit_reason),
				       vcpu->run->mmio.phys_addr);
			return NESTED_FAIL;
		}
		if (!handle_mmio(row, vcpu))
			return NESTED_FAIL;
	}
}

/* One row, in a VM of its own. */
static int run_row(unsigned int index, const char **reason)
{
	const struct s2_row *row = &rows[index];
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int ret;

	vm = nested_vm_create(1, l1_main, &vcpu);
	vcpu_args_set(vcpu, 1, (u64)index);

	if (NESTED_BARE && (row->parange || row->high_ro || row->mmio || row->be)) {
		*reason = "there is no host side";
		return NESTED_SKIP;
	}
	if (!NESTED_BARE && (row->need & NEED_NO_TTST)) {
		*reason = hide_ttst(vcpu);
		if (*reason)
			return NESTED_SKIP;
	}
	if (row->parange) {
		*reason = lower_parange(vcpu, row->parange);
		if (*reason)
			return NESTED_SKIP;
	}
	if (row->high) {
		if ((row->high >> vm->page_shift) > vm->max_gfn) {
			*reason = "the VM's IPA space is too small";
			return NESTED_SKIP;
		}
		high_mem.gpa = row->high;
		nested_mem_create(vm, &high_mem, HIGH_SLOT, 0);
		nested_mem_sync(vm, &high_mem, (gva_t)&high_mem);
	}
	nested_mem_create(vm, &l1_mem, L1_SLOT, 0);
	l1_mem.used = ARENA_OFFSET;
	nested_mem_sync(vm, &l1_mem, (gva_t)&l1_mem);

	ret = run_l1(vcpu, row, reason);
	if (ret == NESTED_PASS) {
		sync_global_from_guest(vm, report);
		ret = check_report(row, &report) ? NESTED_PASS : NESTED_FAIL;
	}

	kvm_vm_free(vm);
	return ret;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_s2_fault",
		.rows = rows, .nr_rows = ARRAY_SIZE(rows), .row_size = sizeof(rows[0]),
		.run = run_row,
	};

	return nested_main(argc, argv, &suite);
}
