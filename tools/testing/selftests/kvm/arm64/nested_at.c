// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_at - AT instructions that an L1 hypervisor executes, and PAR_EL1 as it then reads
 *
 * Each row of the table is a VM of its own. L1, at virtual EL2, builds one stage-1 translation with
 * a table for each level, and a stage 2, spoils what the row names, executes every AT instruction
 * that is about the row's regime, and records PAR_EL1 or the exception. Nobody enters an L2.
 *
 * EL1&0 is that of an L2 (HCR_EL2.TGE = 0), whose tables are behind stage 2. EL2&0 is L1's own, in
 * the upper VA range, which L1 does not use otherwise; with HCR_EL2.{E2H,TGE} = {1,1} all AT
 * instructions are about it. VA, nested IPA and GPA of the data differ from each other.
 *
 * What is not compared, because the Arm ARM leaves it open: of a success NS (UNKNOWN in Non-secure
 * state) and bit 10 (IMPLEMENTATION DEFINED), of a failure bits [63:48] (IMPLEMENTATION DEFINED).
 * ATTR may be the attribute of the descriptor or the one that the implementation uses in its
 * place; the rows use such for which that is the same thing in practice.
 *
 * Seen to fail: with S not set for faults of stage 2; with HPD ignored; with an external abort on a
 * descriptor reported in PAR_EL1; with PSTATE.PAN, HCR_EL2.CD, SCTLR_EL1.EE, TCR2_ELx.PIE or POE
 * ignored; with VAs of 48 bits at most; with memory that the host cannot have as an error; with
 * TCR_EL2 in TCR_EL1's format, without VHE.
 *
 * QEMU 10 has neither FEAT_S1PIE nor FEAT_S1POE. The rows about them have passed, and failed, on a
 * kernel that was made to pretend, with the registers set by the host side. Not here: big-endian
 * tables of EL2&0, as SCTLR_EL2.EE is about L1's own data and tables too; and External aborts at an
 * EL2 without VHE, for which the library has no handlers.
 *
 * No locking: one vCPU.
 */
#include <sys/mman.h>

#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall.h"

#include <asm/sysreg.h>

/* L1 memory, 64K aligned: tables, code, stage 2's tables; the data is in a block of its own. */
#define L1_GPA			0x85000000UL
#define L1_GVA			0x4000000000UL
#define L1_SIZE			SZ_16M
#define L1_SLOT			1
#define TABLE_OFFSET(level)	(((level) + 1) * SZ_64K)	/* levels -1..3 */
#define IDMAP_GPA		(L1_GPA + 5 * SZ_64K)
#define ARENA_OFFSET		SZ_1M
#define DATA_OFFSET		(6 * SZ_1M + 6 * SZ_64K)
#define DATA_GPA		(L1_GPA + DATA_OFFSET)

/* A page that holds a copy of the level 3 table, in a read-only memslot. */
#define RO_GPA			0x9a000000UL
#define RO_GVA			0x5000000000UL
#define RO_SLOT			2

/* No memslot; on bare metal, nothing on the bus. */
#define HOLE_GPA		(NESTED_BARE ? 0x0b000000UL : 0xf0000000UL)

/*
 * Nested IPAs have the offset in 512 MB of what they map, so that there can be blocks of any
 * granule, and the data is alone in its own.
 */
#define IPA_DELTA		0x40000000UL
#define DATA_IPA		(DATA_GPA - 0x60000000UL)
#define RO_IPA			0x63000000UL
#define HOLE_IPA		0x64000000UL

/* VAs have the offset in 1 GB of what they map, for blocks. */
#define VA_BASE			0x00007a8340000000UL
#define VA_BASE_UPPER		0xffff7a8340000000UL
#define VA_BASE_52		0x000a7a8340000000UL
#define VA_BASE_52_UPPER	0xfffa7a8340000000UL
#define VA_TAG			0x5a00000000000000UL

#define HIGH_BIT		BIT(36)		/* not in an output of 32 bits */
#define VMID			3
#define PAR_POISON		0x5a5a5a5a5a5a5a5aUL
#define SYNC_BUILT		1
#define SYNC_DONE		2

/* The index in MAIR_ELx of the row's attribute; L1 itself uses the lower ones. */
#define ATTR_INDEX		7UL
#define S1_AP1			BIT(6)		/* EL0 has access */
#define S1_AP2			BIT(7)		/* read-only */
#define S1_SH			GENMASK(9, 8)
#define S1_DBM			BIT(51)
#define S1_UXN			BIT(54)
#define S1_TABLE_NO_EL0		BIT(61)
#define S1_TABLE_RO		BIT(62)
#define S1_LEAF			(PTE_ATTRINDX(ATTR_INDEX) | PTE_SHARED | PTE_AF | S1_AP1)

#define TCR_EPD0		BIT(7)
#define TCR_T1SZ		GENMASK(21, 16)
#define TCR_1_MASK		GENMASK(31, 16)	/* all about TTBR1, up to TG1 */
#define TCR_TBI0		BIT(37)
#define TCR_HD			BIT(40)
#define TCR_EL2_PS_MASK		GENMASK(18, 16)	/* with E2H = 0 */
#define TCR_EL2_TBI		BIT(20)
#define TCR_EL2_HA		BIT(21)
#define TCR_EL2_HD		BIT(22)
#define TCR_EL2_HPD		BIT(24)
#define TCR_HPD0		BIT(41)
#define TCR_HPD1		BIT(42)
#define TCR_E0PD0		BIT(55)
#define TCR_E0PD1		BIT(56)

/*
 * With indirect permissions or overlays, the leaf has these indices in PIR_ELx and POR_ELx. L1's
 * own pages have 0. All others have no access.
 */
#define PI_INDEX		11
#define PO_INDEX		5
#define S1_PI_INDEX		(S1_AP1 | S1_DBM | GENMASK(54, 53))
#define S1_PI_INDEX_11		(S1_AP1 | S1_DBM | BIT(54))
#define S1_PO_INDEX_5		(5UL << 60)
#define S1_NDIRTY		S1_AP2

#define ATTR_WB			0xff
#define ATTR_WT			0xbb
#define ATTR_NC			0x44
#define ATTR_NC_WB		0x4f	/* outer NC, inner WB */
#define ATTR_WB_NC		0xf4
#define ATTR_NGNRNE		0x00
#define ATTR_NGNRE		0x04
#define ATTR_NGRE		0x08
#define ATTR_GRE		0x0c

#define NSH			0
#define OSH			2
#define ISH			3

/* What an AT asks for. */
#define R1			BIT(0)	/* privileged read */
#define W1			BIT(1)
#define R0			BIT(2)	/* unprivileged read */
#define W0			BIT(3)
#define RP			BIT(4)	/* privileged read, with a view to PSTATE.PAN */
#define WP			BIT(5)
#define ANY			BIT(6)	/* FEAT_ATS1A: permissions don't count */
#define EL0			(R0 | W0)
#define PRIV			(R1 | W1 | RP | WP)
#define WRITES			(W1 | W0 | WP)
#define ALL			(R1 | W1 | R0 | W0 | RP | WP | ANY)

enum at_set {
	S1_EL1,			/* about the regime that HCR_EL2.TGE selects */
	S12_EL1,
	S1_EL2,			/* always about EL2&0, as E2H is 1 */
};

#define AT_FUNCTION(op)							\
	static void at_##op(u64 va) { write_sysreg_s(va, OP_AT_##op); }
AT_FUNCTION(S1E1R)
AT_FUNCTION(S1E1W)
AT_FUNCTION(S1E0R)
AT_FUNCTION(S1E0W)
AT_FUNCTION(S1E1RP)
AT_FUNCTION(S1E1WP)
AT_FUNCTION(S1E1A)
AT_FUNCTION(S12E1R)
AT_FUNCTION(S12E1W)
AT_FUNCTION(S12E0R)
AT_FUNCTION(S12E0W)
AT_FUNCTION(S1E2R)
AT_FUNCTION(S1E2W)
AT_FUNCTION(S1E2A)

#define AT(op, s, a)							\
	{ .name = "AT " #op, .fn = at_##op, .insn = OP_AT_##op, .set = s, .access = a }

static const struct at_op {
	const char *name;
	void (*fn)(u64 va);
	u32 insn;
	enum at_set set;
	unsigned int access;
} at_ops[] = {
	AT(S1E1R, S1_EL1, R1),
	AT(S1E1W, S1_EL1, W1),
	AT(S1E0R, S1_EL1, R0),
	AT(S1E0W, S1_EL1, W0),
	AT(S1E1RP, S1_EL1, RP),
	AT(S1E1WP, S1_EL1, WP),
	AT(S1E1A, S1_EL1, ANY),
	AT(S12E1R, S12_EL1, R1),
	AT(S12E1W, S12_EL1, W1),
	AT(S12E0R, S12_EL1, R0),
	AT(S12E0W, S12_EL1, W0),
	AT(S1E2R, S1_EL2, R1),
	AT(S1E2W, S1_EL2, W1),
	AT(S1E2A, S1_EL2, ANY),
};

enum regime {
	EL10,
	EL20,
	EL20_NO_TGE,		/* AT S1E2* alone */
	EL2,			/* HCR_EL2.E2H = 0: AT S1E2* alone */
	BOTH,			/* a row for each of EL10 and EL20 */
};

/* TCR_ELx, for either range. */
enum tcr_flag {
	T_TBI	= BIT(0),
	T_EPD	= BIT(1),
	T_HPD	= BIT(2),
	T_E0PD	= BIT(3),
	T_HA	= BIT(4),
	T_HD	= BIT(5),
	T_IPS32	= BIT(6),
};

enum need {
	NEED_HPDS	= BIT(0),
	NEED_E0PD	= BIT(1),
	NEED_HAF	= BIT(2),
	NEED_PAN2	= BIT(3),
	NEED_PAN3	= BIT(4),
	NEED_FWB	= BIT(5),
	NEED_LPA2	= BIT(6),
	NEED_S1_16K	= BIT(7),
	NEED_S1_64K	= BIT(8),
	NEED_HD		= BIT(9),
	NEED_LVA	= BIT(10),
};

/* Where a descriptor of stage 1, or TTBRn_ELx, is made to point. */
enum place {
	WHERE_IT_WAS,
	A_HOLE,
	READ_ONLY,
};

/* Whose stage-2 translation is changed: that of the data, or of the table of a level. */
#define OF_DATA			0
#define OF_TABLE(level)		((level) + 2)

/* A change of one descriptor, if there is any change. */
struct change {
	int level;
	u64 clear;
	u64 set;
	unsigned int of;	/* stage 2 only */
};

struct at_row {
	const char *desc;

	/* The sane part; zeros: EL1&0, 4K, 48 bits, a page in the lower range, no PAN */
	enum regime regime;
	u8 page_shift;
	u8 ia_bits;
	int leaf;
	int s2_leaf;
	bool upper;
	unsigned int tcr;
	unsigned int need;
	u8 mair;
	u8 sh;
	bool attr_given;	/* @mair and @sh; otherwise WB, ISH */
	u8 s2_memattr;
	u8 s2_sh;
	bool s2_attr_given;

	/* What is special */
	u64 va_flip;		/* bits of the VA */
	struct change s1;
	struct change s2;
	int point_level;	/* descriptor of stage 1 that points to ->point */
	enum place point;
	enum place ttbr;
	u64 ttbr_set;
	u64 sctlr_clear;
	u64 sctlr_set;
	u64 hcr_clear;
	u64 hcr_set;
	u64 vtcr_clear;
	u64 vtcr_set;
	gpa_t s2_root;
	bool pan;
	bool no_walk;		/* stage 1 is off */
	u64 tcr2;
	bool no_tcr2en;		/* HCRX_EL2.TCR2En = 0 */
	u8 pir;			/* for PI_INDEX and PO_INDEX */
	u8 pire0;
	u8 por;
	u8 por_el0;
	gpa_t protect;		/* 64K that the host itself may only access as @prot says */
	int prot;

	/* Expected: stage 1 refuses @deny with @fault, AT S12* on top @s12_deny with @s12_fault */
	unsigned int deny;
	u64 fault;
	unsigned int s12_deny;
	u64 s12_fault;
	bool changed_attr;	/* @out_mair and @out_sh are stage 1's result, not @mair and @sh */
	u8 out_mair;
	u8 out_sh;
	bool s12_attr;
	u8 s12_mair;
	u8 s12_sh;
	u64 sea;		/* Data Abort with this ISS, of those that would be denied */
	bool or_success;	/* or success without an update of the descriptor */
	u64 desc_sets;		/* in stage 1's leaf, by those which succeed */
};

#define F			(SYS_PAR_EL1_F | SYS_PAR_EL1_RES1)
#define FST(x)			(F | (ESR_ELx_FSC_##x) << 1)
#define S2_WALK(x)		(FST(x) | SYS_PAR_EL1_S | SYS_PAR_EL1_PTW)
#define S2_OUT(x)		(FST(x) | SYS_PAR_EL1_S)

#define FAULTS(who, x)		.deny = (who), .fault = FST(x)
#define OVERLAY(who)		.deny = (who), .fault = FST(PERM_L(3)) | SYS_PAR_EL1_Overlay
#define DIRTY(who)		.deny = (who), .fault = FST(PERM_L(3)) | SYS_PAR_EL1_DirtyBit
#define WALK_FAULTS(x)		.deny = ALL, .fault = S2_WALK(x)
#define OUT_FAULTS(who, x)	.s12_deny = (who), .s12_fault = S2_OUT(x)
#define SEA(n)			(ESR_ELx_FSC_SEA_TTW(n) | ESR_ELx_CM | ESR_ELx_WNR)
#define ABORTS(n)		.deny = ALL, .sea = SEA(n)
#define S2_ABORTS(n)		.deny = ALL, .sea = SEA(n) | ESR_ELx_S1PTW

#define S1_INVALID(l)		.s1 = { .level = (l), .clear = ~0UL }
#define S1_CLEAR(l, b)		.s1 = { .level = (l), .clear = (b) }
#define S1_SET(l, b)		.s1 = { .level = (l), .set = (b) }
#define S2_INVALID(w, l)	.s2 = { .of = (w), .level = (l), .clear = ~0UL }
#define S2_CLEAR(w, l, b)	.s2 = { .of = (w), .level = (l), .clear = (b) }
#define S2_SET(w, l, b)		.s2 = { .of = (w), .level = (l), .set = (b) }
#define S2_POINT(w, l, gpa)							\
	.s2 = { .of = (w), .level = (l), .clear = S2_DESC_ADDR, .set = (gpa) }
#define VTCR_PS32		.vtcr_clear = VTCR_EL2_PS
#define NO_S2			.hcr_clear = HCR_EL2_VM
#define PIE(p, u)								\
	.tcr2 = TCR2_EL1_PIE, .pir = PIE_##p, .pire0 = PIE_##u
#define POE(p, u)								\
	.tcr2 = TCR2_EL1_POE | TCR2_EL1_E0POE, .por = POE_##p, .por_el0 = POE_##u
#define PIE_POE(p, u, op, ou)							\
	.tcr2 = TCR2_EL1_PIE | TCR2_EL1_POE | TCR2_EL1_E0POE,			\
	.pir = PIE_##p, .pire0 = PIE_##u, .por = POE_##op, .por_el0 = POE_##ou
#define BE			.sctlr_set = SCTLR_ELx_EE
#define PROTECT(gpa, p)		.protect = (gpa), .prot = (p)
#define PROTECT_TABLE(l, p)	PROTECT(L1_GPA + TABLE_OFFSET(l), p)

#define ATTR(m, s)		.attr_given = true, .mair = (m), .sh = (s)
#define OUT(m, s)		.changed_attr = true, .out_mair = (m), .out_sh = (s)
#define S2_ATTR(m, s)		.s2_attr_given = true, .s2_memattr = (m), .s2_sh = (s)
#define S12(m, s)		.s12_attr = true, .s12_mair = (m), .s12_sh = (s)
#define M_WB			0xf
#define M_WT			0xa
#define M_NC			0x5
#define M_WB_NC			0xd	/* outer WB, inner NC */

#define EL2_ROW(d, ...)		{ .desc = d, .regime = EL2, __VA_ARGS__ }
#define BOTH_ROW(d, ...)	{ .desc = d, .regime = BOTH, __VA_ARGS__ }

static const struct at_row rows[] = {
	/* Success: the output of every size and granule. */
	BOTH_ROW("4K page"),
	BOTH_ROW("4K, level 2 block", .leaf = 2),
	BOTH_ROW("4K, level 1 block", .leaf = 1),
	BOTH_ROW("4K, 39 bits", .ia_bits = 39),
	BOTH_ROW("16K page", .page_shift = 14, .need = NEED_S1_16K),
	BOTH_ROW("16K, level 2 block", .page_shift = 14, .leaf = 2, .need = NEED_S1_16K),
	BOTH_ROW("64K page", .page_shift = 16, .need = NEED_S1_64K),
	BOTH_ROW("64K, level 2 block", .page_shift = 16, .leaf = 2, .need = NEED_S1_64K),
	BOTH_ROW("64K, 52-bit VA", .page_shift = 16, .ia_bits = 52, .need = NEED_S1_64K | NEED_LVA),
	BOTH_ROW("64K, 52-bit VA, level 2 block", .page_shift = 16, .ia_bits = 52, .leaf = 2,
		 .need = NEED_S1_64K | NEED_LVA),
	BOTH_ROW("64K, 52-bit VA, unmapped at level 1", .page_shift = 16, .ia_bits = 52,
		 .need = NEED_S1_64K | NEED_LVA, S1_INVALID(1), FAULTS(ALL, FAULT_L(1))),
	BOTH_ROW("64K, 52-bit VA is not canonical", .page_shift = 16, .ia_bits = 52,
		 .need = NEED_S1_64K | NEED_LVA, .va_flip = BIT(52), FAULTS(ALL, FAULT_L(0))),
	{ .desc = "upper range", .upper = true },
	{ .desc = "52-bit VA from level -1", .ia_bits = 52, .need = NEED_LPA2 },
	{ .desc = "52-bit VA, unmapped at level -1", .ia_bits = 52, .need = NEED_LPA2,
	  S1_INVALID(-1), FAULTS(ALL, FAULT_L(-1)) },
	{ .desc = "stage 2 off", NO_S2 },
	{ .desc = "big-endian tables", BE },
	{ .desc = "big-endian tables, level 2 block", BE, .leaf = 2 },
	{ .desc = "big-endian tables, 16K page", BE, .need = NEED_S1_16K, .page_shift = 14 },
	{ .desc = "big-endian tables, 64K page", BE, .need = NEED_S1_64K, .page_shift = 16 },
	{ .desc = "big-endian tables, upper range", BE, .upper = true },
	{ .desc = "big-endian tables, stage 2 off", BE, NO_S2 },
	{ .desc = "big-endian tables, unmapped at level 2", BE, S1_INVALID(2),
	  FAULTS(ALL, FAULT_L(2)) },
	{ .desc = "big-endian tables, read-only", BE, S1_SET(3, S1_AP2),
	  FAULTS(WRITES, PERM_L(3)) },
	{ .desc = "big-endian tables, AF = 0 with TCR.HA", BE, .need = NEED_HAF, .tcr = T_HA,
	  S1_CLEAR(3, PTE_AF), .desc_sets = PTE_AF },
	{ .desc = "level 2 block at stage 2", .s2_leaf = 2 },
	{ .desc = "AT S1E2* with HCR_EL2.TGE = 0", .regime = EL20_NO_TGE },
	{ .desc = "AT S1E2* with HCR_EL2.TGE = 0, unmapped", .regime = EL20_NO_TGE,
	  S1_INVALID(2), FAULTS(ALL, FAULT_L(2)) },

	/* Translation faults of stage 1, without and with a table access. */
	BOTH_ROW("unmapped at level 0", S1_INVALID(0), FAULTS(ALL, FAULT_L(0))),
	BOTH_ROW("unmapped at level 1", S1_INVALID(1), FAULTS(ALL, FAULT_L(1))),
	BOTH_ROW("unmapped at level 2", S1_INVALID(2), FAULTS(ALL, FAULT_L(2))),
	BOTH_ROW("unmapped at level 3", S1_INVALID(3), FAULTS(ALL, FAULT_L(3))),
	BOTH_ROW("reserved type at level 3", S1_CLEAR(3, BIT(1)), FAULTS(ALL, FAULT_L(3))),
	BOTH_ROW("block at level 0", S1_CLEAR(0, BIT(1)), FAULTS(ALL, FAULT_L(0))),
	BOTH_ROW("VA is not canonical", .va_flip = BIT(50), FAULTS(ALL, FAULT_L(0))),
	BOTH_ROW("VA above 39 bits", .ia_bits = 39, .va_flip = BIT(39), FAULTS(ALL, FAULT_L(0))),
	BOTH_ROW("tagged VA without TBI", .va_flip = VA_TAG, FAULTS(ALL, FAULT_L(0))),
	BOTH_ROW("tagged VA with TBI", .va_flip = VA_TAG, .tcr = T_TBI),
	BOTH_ROW("VA is not canonical, with TBI", .va_flip = BIT(50), .tcr = T_TBI,
		 FAULTS(ALL, FAULT_L(0))),
	BOTH_ROW("EPD", .tcr = T_EPD, FAULTS(ALL, FAULT_L(0))),
	BOTH_ROW("E0PD", .tcr = T_E0PD, .need = NEED_E0PD, FAULTS(EL0, FAULT_L(0))),

	/* Address size faults of stage 1. */
	BOTH_ROW("TTBR beyond IPS", .tcr = T_IPS32, .ttbr_set = HIGH_BIT,
		 FAULTS(ALL, ADDRSZ_L(0))),
	BOTH_ROW("level 0 table descriptor beyond IPS", .tcr = T_IPS32, S1_SET(0, HIGH_BIT),
		 FAULTS(ALL, ADDRSZ_L(0))),
	BOTH_ROW("level 1 table descriptor beyond IPS", .tcr = T_IPS32, S1_SET(1, HIGH_BIT),
		 FAULTS(ALL, ADDRSZ_L(1))),
	BOTH_ROW("level 2 table descriptor beyond IPS", .tcr = T_IPS32, S1_SET(2, HIGH_BIT),
		 FAULTS(ALL, ADDRSZ_L(2))),
	BOTH_ROW("page beyond IPS", .tcr = T_IPS32, S1_SET(3, HIGH_BIT), FAULTS(ALL, ADDRSZ_L(3))),
	BOTH_ROW("level 2 block beyond IPS", .leaf = 2, .tcr = T_IPS32, S1_SET(2, HIGH_BIT),
		 FAULTS(ALL, ADDRSZ_L(2))),
	BOTH_ROW("level 1 block beyond IPS", .leaf = 1, .tcr = T_IPS32, S1_SET(1, HIGH_BIT),
		 FAULTS(ALL, ADDRSZ_L(1))),

	/* Access flag. */
	BOTH_ROW("AF = 0, page", S1_CLEAR(3, PTE_AF), FAULTS(ALL, ACCESS_L(3))),
	BOTH_ROW("AF = 0, level 2 block", .leaf = 2, S1_CLEAR(2, PTE_AF), FAULTS(ALL, ACCESS_L(2))),
	BOTH_ROW("AF = 0, level 1 block", .leaf = 1, S1_CLEAR(1, PTE_AF), FAULTS(ALL, ACCESS_L(1))),
	BOTH_ROW("AF = 0 and read-only: the Access flag comes first",
		 .s1 = { .level = 3, .clear = PTE_AF, .set = S1_AP2 }, FAULTS(ALL, ACCESS_L(3))),
	BOTH_ROW("AF = 0 with TCR.HA", .tcr = T_HA, .need = NEED_HAF, S1_CLEAR(3, PTE_AF),
		 .desc_sets = PTE_AF),
	BOTH_ROW("clean page: AT sees it writable, and sets no dirty state", .tcr = T_HA | T_HD,
		 .need = NEED_HD, S1_SET(3, S1_AP2 | S1_DBM)),
	BOTH_ROW("DBM counts for nothing without TCR.HD", .tcr = T_HA, .need = NEED_HD,
		 S1_SET(3, S1_AP2 | S1_DBM), FAULTS(WRITES, PERM_L(3))),

	/* Permissions; AT S1E1A and S1E2A don't look at them. */
	BOTH_ROW("privileged, read-write", S1_CLEAR(3, S1_AP1), FAULTS(EL0, PERM_L(3))),
	BOTH_ROW("privileged, read-only", .s1 = { .level = 3, .clear = S1_AP1, .set = S1_AP2 },
		 FAULTS(EL0 | WRITES, PERM_L(3))),
	BOTH_ROW("read-only", S1_SET(3, S1_AP2), FAULTS(WRITES, PERM_L(3))),
	BOTH_ROW("level 2 block, read-only", .leaf = 2, S1_SET(2, S1_AP2),
		 FAULTS(WRITES, PERM_L(2))),
	BOTH_ROW("level 1 block, read-only", .leaf = 1, S1_SET(1, S1_AP2),
		 FAULTS(WRITES, PERM_L(1))),
	BOTH_ROW("level 0 table: read-only", S1_SET(0, S1_TABLE_RO), FAULTS(WRITES, PERM_L(3))),
	BOTH_ROW("level 1 table: not for EL0", S1_SET(1, S1_TABLE_NO_EL0), FAULTS(EL0, PERM_L(3))),
	BOTH_ROW("level 2 table: read-only, not for EL0",
		 S1_SET(2, S1_TABLE_RO | S1_TABLE_NO_EL0), FAULTS(EL0 | WRITES, PERM_L(3))),
	BOTH_ROW("HPD: a table's permissions don't count", .tcr = T_HPD, .need = NEED_HPDS,
		 S1_SET(2, S1_TABLE_RO | S1_TABLE_NO_EL0)),
	{ .desc = "SCTLR_EL1.WXN is not about data", .sctlr_set = SCTLR_ELx_WXN },
	BOTH_ROW("PSTATE.PAN, EL0 has access", .pan = true, .need = NEED_PAN2,
		 FAULTS(RP | WP, PERM_L(3))),
	BOTH_ROW("PSTATE.PAN, EL0 has read access", .pan = true, .need = NEED_PAN2,
		 S1_SET(3, S1_AP2), FAULTS(WRITES | RP, PERM_L(3))),
	BOTH_ROW("PSTATE.PAN, EL0 has no access", .pan = true, .need = NEED_PAN2,
		 S1_CLEAR(3, S1_AP1), FAULTS(EL0, PERM_L(3))),
	{ .desc = "PSTATE.PAN, EPAN, EL0 may execute", .pan = true, .need = NEED_PAN3,
	  .sctlr_set = SCTLR_EL1_EPAN, S1_CLEAR(3, S1_AP1),
	  FAULTS(EL0 | RP | WP, PERM_L(3)) },
	{ .desc = "PSTATE.PAN, EPAN, EL0 may do nothing", .pan = true, .need = NEED_PAN3,
	  .sctlr_set = SCTLR_EL1_EPAN, .s1 = { .level = 3, .clear = S1_AP1, .set = S1_UXN },
	  FAULTS(EL0, PERM_L(3)) },

	/* Indirect permissions (FEAT_S1PIE), and overlays (FEAT_S1POE). */
	{ .desc = "PIE: read-write for both", PIE(RW, RW) },
	BOTH_ROW("PIE: read-write, nothing for EL0", PIE(RW, NONE_O), FAULTS(EL0, PERM_L(3))),
	{ .desc = "PIE: read-only, read-write for EL0", PIE(R, RW),
	  FAULTS(W1 | WP, PERM_L(3)) },
	{ .desc = "PIE: nothing, read-only for EL0", PIE(NONE_O, R),
	  FAULTS(PRIV | W0, PERM_L(3)) },
	{ .desc = "PIE: execution alone is no access to data", PIE(X_O, X_O),
	  FAULTS(PRIV | EL0, PERM_L(3)) },
	{ .desc = "PIE: privileged execution of what EL0 writes: nothing for both", PIE(RX, RW),
	  FAULTS(PRIV | EL0, PERM_L(3)) },
	{ .desc = "PIE: tables have no say", PIE(RW, RW),
	  S1_SET(2, S1_TABLE_RO | S1_TABLE_NO_EL0) },
	BOTH_ROW("PIE: nDirty", PIE(RW, RW), S1_SET(3, S1_NDIRTY), DIRTY(WRITES)),
	{ .desc = "PIE: nDirty, read-only anyway", PIE(R, R), S1_SET(3, S1_NDIRTY),
	  FAULTS(WRITES, PERM_L(3)) },
	{ .desc = "PIE: nDirty, TCR.HD", PIE(RW, RW), .need = NEED_HD, .tcr = T_HA | T_HD,
	  S1_SET(3, S1_NDIRTY) },
	{ .desc = "PIE: PSTATE.PAN, EL0 may execute", PIE(RW, X_O), .need = NEED_PAN2,
	  .pan = true, FAULTS(EL0 | RP | WP, PERM_L(3)) },
	{ .desc = "PIE: HCRX_EL2.TCR2En = 0", PIE(NONE_O, NONE_O), .no_tcr2en = true },
	{ .desc = "POE: read-write for both", POE(RW, RW) },
	BOTH_ROW("POE: read-only", POE(R, RW), OVERLAY(W1 | WP)),
	{ .desc = "POE: write-only for EL0", POE(RWX, W), OVERLAY(R0) },
	BOTH_ROW("POE: nothing for EL0", POE(RW, NONE), OVERLAY(EL0)),
	{ .desc = "POE: refused by the descriptor", POE(RW, RW), S1_SET(3, S1_AP2),
	  FAULTS(WRITES, PERM_L(3)) },
	{ .desc = "POE: tables have no say", POE(RW, RW), S1_SET(2, S1_TABLE_RO) },
	{ .desc = "POE: for EL0 alone", .tcr2 = TCR2_EL1_E0POE, .por_el0 = POE_R, OVERLAY(W0) },
	{ .desc = "POE: not for EL0", .tcr2 = TCR2_EL1_POE, .por = POE_R, OVERLAY(W1 | WP) },
	{ .desc = "PIE with POE: base permissions that overlays apply to",
	  PIE_POE(RW_O, RW_O, R, RW), OVERLAY(W1 | WP) },
	{ .desc = "PIE with POE: base permissions that they don't apply to",
	  PIE_POE(RW, R, NONE, NONE), FAULTS(W0, PERM_L(3)) },

	/* Memory type and shareability of stage 1. */
	BOTH_ROW("Write-Back, Non-shareable", ATTR(ATTR_WB, NSH), S12(ATTR_WB, ISH)),
	BOTH_ROW("Write-Back, Outer Shareable", ATTR(ATTR_WB, OSH)),
	BOTH_ROW("Write-Through, Inner Shareable", ATTR(ATTR_WT, ISH)),
	BOTH_ROW("Non-cacheable is Outer Shareable", ATTR(ATTR_NC, ISH), OUT(ATTR_NC, OSH)),
	BOTH_ROW("outer NC, inner WB, Inner Shareable", ATTR(ATTR_NC_WB, ISH)),
	BOTH_ROW("Device-nGnRnE", ATTR(ATTR_NGNRNE, ISH), OUT(ATTR_NGNRNE, OSH)),
	BOTH_ROW("Device-nGnRE", ATTR(ATTR_NGNRE, NSH), OUT(ATTR_NGNRE, OSH)),
	BOTH_ROW("Device-nGRE", ATTR(ATTR_NGRE, NSH), OUT(ATTR_NGRE, OSH)),
	BOTH_ROW("Device-GRE", ATTR(ATTR_GRE, ISH), OUT(ATTR_GRE, OSH)),

	/* Memory type and shareability of both stages together, for AT S12*. */
	{ .desc = "S12: WB and NC", S2_ATTR(M_NC, ISH), S12(ATTR_NC, OSH) },
	{ .desc = "S12: WB and WT", S2_ATTR(M_WT, ISH), S12(ATTR_WT, ISH) },
	{ .desc = "S12: WB and outer WB, inner NC", S2_ATTR(M_WB_NC, ISH), S12(ATTR_WB_NC, ISH) },
	{ .desc = "S12: NC and WB", ATTR(ATTR_NC, ISH), OUT(ATTR_NC, OSH), S12(ATTR_NC, OSH) },
	{ .desc = "S12: WT and WB", ATTR(ATTR_WT, ISH), S12(ATTR_WT, ISH) },
	{ .desc = "S12: outer NC, inner WB and WB", ATTR(ATTR_NC_WB, ISH), S12(ATTR_NC_WB, ISH) },
	{ .desc = "S12: WB and Device-nGnRnE", S2_ATTR(0, ISH), S12(ATTR_NGNRNE, OSH) },
	{ .desc = "S12: WB and Device-nGnRE", S2_ATTR(1, ISH), S12(ATTR_NGNRE, OSH) },
	{ .desc = "S12: WB and Device-nGRE", S2_ATTR(2, ISH), S12(ATTR_NGRE, OSH) },
	{ .desc = "S12: WB and Device-GRE", S2_ATTR(3, ISH), S12(ATTR_GRE, OSH) },
	{ .desc = "S12: Device-nGnRE and WB", ATTR(ATTR_NGNRE, ISH), OUT(ATTR_NGNRE, OSH),
	  S12(ATTR_NGNRE, OSH) },
	{ .desc = "S12: Device-GRE and Device-nGnRE", ATTR(ATTR_GRE, ISH), OUT(ATTR_GRE, OSH),
	  S2_ATTR(1, ISH), S12(ATTR_NGNRE, OSH) },
	{ .desc = "S12: Device-nGnRnE and Device-GRE", ATTR(ATTR_NGNRNE, ISH),
	  OUT(ATTR_NGNRNE, OSH), S2_ATTR(3, ISH), S12(ATTR_NGNRNE, OSH) },
	{ .desc = "S12: NSH and NSH", ATTR(ATTR_WB, NSH), S2_ATTR(M_WB, NSH), S12(ATTR_WB, NSH) },
	{ .desc = "S12: NSH and ISH", ATTR(ATTR_WB, NSH), S2_ATTR(M_WB, ISH), S12(ATTR_WB, ISH) },
	{ .desc = "S12: ISH and NSH", S2_ATTR(M_WB, NSH), S12(ATTR_WB, ISH) },
	{ .desc = "S12: ISH and OSH", S2_ATTR(M_WB, OSH), S12(ATTR_WB, OSH) },
	{ .desc = "S12: HCR_EL2.CD", .hcr_set = HCR_EL2_CD, S12(ATTR_NC, OSH) },
	{ .desc = "S12: HCR_EL2.CD and Device", .hcr_set = HCR_EL2_CD, S2_ATTR(1, ISH),
	  S12(ATTR_NGNRE, OSH) },
	{ .desc = "S12: FWB forces WT to WB", .need = NEED_FWB, .hcr_set = HCR_EL2_FWB,
	  ATTR(ATTR_WT, ISH), S2_ATTR(6, ISH), S12(ATTR_WB, ISH) },
	{ .desc = "S12: FWB leaves WT", .need = NEED_FWB, .hcr_set = HCR_EL2_FWB,
	  ATTR(ATTR_WT, ISH), S2_ATTR(7, ISH), S12(ATTR_WT, ISH) },
	{ .desc = "S12: FWB forces NC", .need = NEED_FWB, .hcr_set = HCR_EL2_FWB,
	  S2_ATTR(5, ISH), S12(ATTR_NC, OSH) },
	{ .desc = "S12: FWB forces Device-nGnRE", .need = NEED_FWB, .hcr_set = HCR_EL2_FWB,
	  S2_ATTR(1, ISH), S12(ATTR_NGNRE, OSH) },

	/* Stage 1 off. */
	BOTH_ROW("MMU off", .no_walk = true, .sctlr_clear = SCTLR_ELx_M, OUT(ATTR_NGNRNE, OSH)),
	{ .desc = "MMU off, Device at stage 2", .no_walk = true,
	  .sctlr_clear = SCTLR_ELx_M, OUT(ATTR_NGNRNE, OSH), S2_ATTR(3, ISH),
	  S12(ATTR_NGNRNE, OSH) },
	BOTH_ROW("MMU off, address beyond PARange", .no_walk = true, .sctlr_clear = SCTLR_ELx_M,
		 .va_flip = BIT(52), FAULTS(ALL, ADDRSZ_L(0))),
	{ .desc = "MMU off, address beyond stage 2's input", .no_walk = true,
	  .sctlr_clear = SCTLR_ELx_M, .va_flip = BIT(34), .vtcr_clear = VTCR_EL2_T0SZ,
	  .vtcr_set = 30, OUT(ATTR_NGNRNE, OSH), OUT_FAULTS(ALL, FAULT_L(0)) },
	{ .desc = "MMU off, unmapped at stage 2", .no_walk = true,
	  .sctlr_clear = SCTLR_ELx_M, OUT(ATTR_NGNRNE, OSH), S2_INVALID(OF_DATA, 3),
	  OUT_FAULTS(ALL, FAULT_L(3)) },
	{ .desc = "MMU off, stage 2's table in a hole", .no_walk = true,
	  .sctlr_clear = SCTLR_ELx_M, OUT(ATTR_NGNRNE, OSH), S2_POINT(OF_DATA, 2, HOLE_GPA),
	  .s12_deny = ALL, .sea = SEA(3) },
	{ .desc = "MMU off, VTCR_EL2.SL0 reserved", .no_walk = true,
	  .sctlr_clear = SCTLR_ELx_M, OUT(ATTR_NGNRNE, OSH), .vtcr_set = VTCR_EL2_SL0,
	  OUT_FAULTS(ALL, FAULT_L(0)) },
	{ .desc = "HCR_EL2.DC", .no_walk = true, .hcr_set = HCR_EL2_DC,
	  OUT(ATTR_WB, NSH), S12(ATTR_WB, ISH) },
	{ .desc = "HCR_EL2.DC without VM", .no_walk = true, NO_S2, .hcr_set = HCR_EL2_DC,
	  OUT(ATTR_WB, NSH), S12(ATTR_WB, ISH) },
	{ .desc = "HCR_EL2.DC, NC at stage 2", .no_walk = true, .hcr_set = HCR_EL2_DC,
	  OUT(ATTR_WB, NSH), S2_ATTR(M_NC, ISH), S12(ATTR_NC, OSH) },
	{ .desc = "HCR_EL2.DC, unmapped at stage 2", .no_walk = true,
	  .hcr_set = HCR_EL2_DC, OUT(ATTR_WB, NSH), S2_INVALID(OF_DATA, 3),
	  OUT_FAULTS(ALL, FAULT_L(3)) },

	/* Stage 2 refuses a descriptor of stage 1. */
	{ .desc = "walk: level 0 table unmapped at stage 2", S2_INVALID(OF_TABLE(0), 3),
	  WALK_FAULTS(FAULT_L(3)) },
	{ .desc = "walk: level 1 table unmapped at stage 2", S2_INVALID(OF_TABLE(1), 3),
	  WALK_FAULTS(FAULT_L(3)) },
	{ .desc = "walk: level 2 table unmapped at stage 2", S2_INVALID(OF_TABLE(2), 3),
	  WALK_FAULTS(FAULT_L(3)) },
	{ .desc = "walk: level 3 table unmapped at stage 2", S2_INVALID(OF_TABLE(3), 3),
	  WALK_FAULTS(FAULT_L(3)) },
	{ .desc = "walk: unmapped at level 2 of stage 2", S2_INVALID(OF_TABLE(3), 2),
	  WALK_FAULTS(FAULT_L(2)) },
	{ .desc = "walk: unmapped at level 1 of stage 2", S2_INVALID(OF_TABLE(3), 1),
	  WALK_FAULTS(FAULT_L(1)) },
	{ .desc = "walk: not readable at stage 2", S2_CLEAR(OF_TABLE(3), 3, S2_DESC_S2AP_R),
	  WALK_FAULTS(PERM_L(3)) },
	{ .desc = "walk: AF = 0 at stage 2", S2_CLEAR(OF_TABLE(2), 3, S2_DESC_AF),
	  WALK_FAULTS(ACCESS_L(3)) },
	{ .desc = "walk: beyond VTCR_EL2.PS", VTCR_PS32, S2_SET(OF_TABLE(1), 3, HIGH_BIT),
	  WALK_FAULTS(ADDRSZ_L(3)) },
	{ .desc = "walk: table descriptor beyond VTCR_EL2.PS", VTCR_PS32,
	  S2_SET(OF_TABLE(1), 2, HIGH_BIT), WALK_FAULTS(ADDRSZ_L(2)) },
	{ .desc = "walk: start table beyond VTCR_EL2.PS", VTCR_PS32, .s2_root = HIGH_BIT,
	  WALK_FAULTS(ADDRSZ_L(0)) },
	{ .desc = "walk: VTCR_EL2.SL0 reserved", .vtcr_set = VTCR_EL2_SL0,
	  WALK_FAULTS(FAULT_L(0)) },
	{ .desc = "walk: VTCR_EL2.T0SZ above its range", .vtcr_set = VTCR_EL2_T0SZ,
	  WALK_FAULTS(FAULT_L(0)) },
	{ .desc = "walk: read-only at stage 2 is enough",
	  S2_CLEAR(OF_TABLE(3), 3, S2_DESC_S2AP_W) },
	{ .desc = "walk: update of a table that is read-only at stage 2", .tcr = T_HA,
	  .need = NEED_HAF, S1_CLEAR(3, PTE_AF), S2_CLEAR(OF_TABLE(3), 3, S2_DESC_S2AP_W),
	  WALK_FAULTS(PERM_L(3)), .or_success = true },
	{ .desc = "walk: table in Device memory, HCR_EL2.PTW", .hcr_set = HCR_EL2_PTW,
	  S2_CLEAR(OF_TABLE(3), 3, S2_DESC_MEMATTR), WALK_FAULTS(PERM_L(3)) },
	{ .desc = "walk: AF = 0 at stage 2, VTCR_EL2.HA", .need = NEED_HAF,
	  .vtcr_set = VTCR_EL2_HA, S2_CLEAR(OF_TABLE(2), 3, S2_DESC_AF) },

	/* Stage 2 refuses the output of stage 1: AT S1* does not notice. */
	{ .desc = "output: unmapped at level 3", S2_INVALID(OF_DATA, 3),
	  OUT_FAULTS(ALL, FAULT_L(3)) },
	{ .desc = "output: unmapped at level 2", S2_INVALID(OF_DATA, 2),
	  OUT_FAULTS(ALL, FAULT_L(2)) },
	{ .desc = "output: reserved type at level 3", S2_CLEAR(OF_DATA, 3, S2_DESC_PAGE),
	  OUT_FAULTS(ALL, FAULT_L(3)) },
	{ .desc = "output: read-only", S2_CLEAR(OF_DATA, 3, S2_DESC_S2AP_W),
	  OUT_FAULTS(WRITES, PERM_L(3)) },
	{ .desc = "output: write-only", S2_CLEAR(OF_DATA, 3, S2_DESC_S2AP_R),
	  OUT_FAULTS(R0 | R1, PERM_L(3)) },
	{ .desc = "output: no access", S2_CLEAR(OF_DATA, 3, S2_DESC_S2AP_R | S2_DESC_S2AP_W),
	  OUT_FAULTS(ALL, PERM_L(3)) },
	{ .desc = "output: read-only level 2 block", .s2_leaf = 2,
	  S2_CLEAR(OF_DATA, 2, S2_DESC_S2AP_W), OUT_FAULTS(WRITES, PERM_L(2)) },
	{ .desc = "output: XN is not about data", S2_SET(OF_DATA, 3, S2_DESC_XN_ALL) },
	{ .desc = "output: AF = 0", S2_CLEAR(OF_DATA, 3, S2_DESC_AF),
	  OUT_FAULTS(ALL, ACCESS_L(3)) },
	{ .desc = "output: AF = 0, VTCR_EL2.HA", .need = NEED_HAF, .vtcr_set = VTCR_EL2_HA,
	  S2_CLEAR(OF_DATA, 3, S2_DESC_AF) },
	{ .desc = "output: beyond VTCR_EL2.PS", VTCR_PS32, S2_SET(OF_DATA, 3, HIGH_BIT),
	  OUT_FAULTS(ALL, ADDRSZ_L(3)) },
	{ .desc = "output: stage 1's permissions come first", S1_SET(3, S1_AP2),
	  S2_INVALID(OF_DATA, 3), FAULTS(WRITES, PERM_L(3)), OUT_FAULTS(R0 | R1, FAULT_L(3)) },

	/*
	 * External aborts on a descriptor are taken as a Data Abort at EL2, whatever the AT, and
	 * PAR_EL1 is UNKNOWN.
	 */
	BOTH_ROW("TTBR points to a hole", .ttbr = A_HOLE, ABORTS(0)),
	BOTH_ROW("level 1 table in a hole", .point_level = 0, .point = A_HOLE, ABORTS(1)),
	BOTH_ROW("level 2 table in a hole", .point_level = 1, .point = A_HOLE, ABORTS(2)),
	BOTH_ROW("level 3 table in a hole", .point_level = 2, .point = A_HOLE, ABORTS(3)),
	{ .desc = "TTBR points to a hole, stage 2 off", NO_S2, .ttbr = A_HOLE, ABORTS(0) },
	{ .desc = "walk: start table of stage 2 in a hole", .s2_root = HOLE_GPA,
	  .deny = ALL, .sea = SEA(1) | ESR_ELx_S1PTW },
	{ .desc = "walk: level 2 table of stage 2 in a hole",
	  S2_POINT(OF_TABLE(0), 1, HOLE_GPA), S2_ABORTS(2) },
	{ .desc = "walk: level 3 table of stage 2 in a hole",
	  S2_POINT(OF_TABLE(0), 2, HOLE_GPA), S2_ABORTS(3) },

	/*
	 * A descriptor that cannot be written, with hardware updates. The update aborts; without
	 * one, which AT may do without, it is a success. It is the end in either case.
	 */
	BOTH_ROW("AF = 0 in read-only memory, TCR.HA", .tcr = T_HA, .need = NEED_HAF,
		 S1_CLEAR(3, PTE_AF), .point_level = 2, .point = READ_ONLY, ABORTS(3),
		 .or_success = true),
	BOTH_ROW("AF = 1 in read-only memory, TCR.HA", .tcr = T_HA, .need = NEED_HAF,
		 .point_level = 2, .point = READ_ONLY),

	/* EL2 without VHE has one range, and no EL0. */
	EL2_ROW("page"),
	EL2_ROW("level 2 block", .leaf = 2),
	EL2_ROW("level 1 block", .leaf = 1),
	EL2_ROW("unmapped at level 0", S1_INVALID(0), FAULTS(ALL, FAULT_L(0))),
	EL2_ROW("unmapped at level 1", S1_INVALID(1), FAULTS(ALL, FAULT_L(1))),
	EL2_ROW("unmapped at level 2", S1_INVALID(2), FAULTS(ALL, FAULT_L(2))),
	EL2_ROW("unmapped at level 3", S1_INVALID(3), FAULTS(ALL, FAULT_L(3))),
	EL2_ROW("VA above 48 bits", .va_flip = BIT(48), FAULTS(ALL, FAULT_L(0))),
	EL2_ROW("VA of the upper range", .va_flip = GENMASK(63, 48), FAULTS(ALL, FAULT_L(0))),
	EL2_ROW("tagged VA without TBI", .va_flip = VA_TAG, FAULTS(ALL, FAULT_L(0))),
	EL2_ROW("tagged VA with TBI", .va_flip = VA_TAG, .tcr = T_TBI),
	EL2_ROW("bit 55 of the VA, with TBI", .va_flip = BIT(55), .tcr = T_TBI,
		FAULTS(ALL, FAULT_L(0))),
	EL2_ROW("level 1 table descriptor beyond PS", .tcr = T_IPS32, S1_SET(1, HIGH_BIT),
		FAULTS(ALL, ADDRSZ_L(1))),
	EL2_ROW("page beyond PS", .tcr = T_IPS32, S1_SET(3, HIGH_BIT), FAULTS(ALL, ADDRSZ_L(3))),
	EL2_ROW("AF = 0", S1_CLEAR(3, PTE_AF), FAULTS(ALL, ACCESS_L(3))),
	EL2_ROW("AF = 0 with TCR_EL2.HA", .tcr = T_HA, .need = NEED_HAF, S1_CLEAR(3, PTE_AF),
		.desc_sets = PTE_AF),
	EL2_ROW("clean page, TCR_EL2.HD", .tcr = T_HA | T_HD, .need = NEED_HD,
		S1_SET(3, S1_AP2 | S1_DBM)),
	EL2_ROW("clean page, TCR_EL2.HA alone", .tcr = T_HA, .need = NEED_HD,
		S1_SET(3, S1_AP2 | S1_DBM), FAULTS(WRITES, PERM_L(3))),
	EL2_ROW("read-only", S1_SET(3, S1_AP2), FAULTS(WRITES, PERM_L(3))),
	EL2_ROW("level 1 table: read-only", S1_SET(1, S1_TABLE_RO), FAULTS(WRITES, PERM_L(3))),
	EL2_ROW("TCR_EL2.HPD: a table's permissions don't count", .tcr = T_HPD,
		.need = NEED_HPDS, S1_SET(1, S1_TABLE_RO)),
	EL2_ROW("Write-Through, Non-shareable", ATTR(ATTR_WT, NSH)),
	EL2_ROW("Device-nGnRE", ATTR(ATTR_NGNRE, NSH), OUT(ATTR_NGNRE, OSH)),

	/* Memory that the host can't have either is for L1 what nothing answers for. */
	BOTH_ROW("level 0 table is PROT_NONE", PROTECT_TABLE(0, PROT_NONE), ABORTS(0)),
	BOTH_ROW("level 2 table is PROT_NONE", PROTECT_TABLE(2, PROT_NONE), ABORTS(2)),
	BOTH_ROW("level 3 table is PROT_NONE", PROTECT_TABLE(3, PROT_NONE), ABORTS(3)),
	{ .desc = "walk: level 3 table of stage 2 is PROT_NONE", S2_POINT(OF_TABLE(0), 2, RO_GPA),
	  PROTECT(RO_GPA, PROT_NONE), S2_ABORTS(3) },
	{ .desc = "output: level 3 table of stage 2 is PROT_NONE", S2_POINT(OF_DATA, 2, RO_GPA),
	  PROTECT(RO_GPA, PROT_NONE), .s12_deny = ALL, .sea = SEA(3) },
	BOTH_ROW("AF = 0 in PROT_READ memory, TCR.HA", .tcr = T_HA, .need = NEED_HAF,
		 S1_CLEAR(3, PTE_AF), PROTECT_TABLE(3, PROT_READ), ABORTS(3), .or_success = true),
	BOTH_ROW("AF = 1 in PROT_READ memory, TCR.HA", .tcr = T_HA, .need = NEED_HAF,
		 PROTECT_TABLE(3, PROT_READ)),
};

/* The rows as they are run. */
static struct flat_row {
	char *desc;
	unsigned int index;
	enum regime regime;
} flat[2 * ARRAY_SIZE(rows)];
static unsigned int nr_flat;

struct at_result {
	bool missing;		/* the VM has no such instruction */
	bool abort;
	u64 par;
	u64 esr;
	u64 far;
};

static struct nested_mem l1_mem = {
	.gva = L1_GVA, .gpa = L1_GPA, .size = L1_SIZE,
};

static struct nested_mem ro_mem = {
	.gva = RO_GVA, .gpa = RO_GPA, .size = SZ_64K,
};

/* What L1 reports, and the abort that it is in. */
static struct at_result results[ARRAY_SIZE(at_ops)];
static struct at_result *current_result;
static u64 desc_before, desc_after;
static bool has_rme;

/* Both sides */

static bool row_s2_on(const struct at_row *row)
{
	return row->regime == EL10 &&
	       (((HCR_EL2_VM | row->hcr_set) & ~row->hcr_clear) & (HCR_EL2_VM | HCR_EL2_DC));
}

static bool row_upper(const struct at_row *row)
{
	return row->regime == EL20 || row->regime == EL20_NO_TGE || row->upper;
}

static bool row_runs(const struct at_row *row, const struct at_op *op)
{
	switch (row->regime) {
	case EL10:
		return op->set != S1_EL2;
	case EL20:
		return true;
	default:
		return op->set == S1_EL2;
	}
}

/* As a VA of 48 bits at most; bits [15:12] count for larger granules. */
static u64 row_offset(const struct at_row *row)
{
	return row->page_shift == 16 ? 0x5128 : row->page_shift == 14 ? 0x3128 : 0x128;
}

static bool row_be(const struct at_row *row)
{
	return row->sctlr_set & SCTLR_ELx_EE;
}

static bool row_pie(const struct at_row *row)
{
	return row->tcr2 & TCR2_EL1_PIE;
}

static bool row_poe(const struct at_row *row)
{
	return row->tcr2 & (TCR2_EL1_POE | TCR2_EL1_E0POE);
}

/* Needs TCR_ELx.DS. */
static bool row_ds(const struct at_row *row)
{
	return row->ia_bits == 52 && row->page_shift != 16;
}

/* Output of stage 1. */
static u64 row_s1_out(const struct at_row *row)
{
	return (row->regime == EL10 ? DATA_IPA : DATA_GPA) + row_offset(row);
}

static u64 row_va(const struct at_row *row)
{
	u64 base = row_upper(row) ? VA_BASE_UPPER : VA_BASE;

	if (row->no_walk)
		return row_s1_out(row) ^ row->va_flip;
	if (row->ia_bits == 52)
		base = row_upper(row) ? VA_BASE_52_UPPER : VA_BASE_52;
	if (row->ia_bits == 39)
		base = row_upper(row) ? base | GENMASK(63, 39) : base & GENMASK(38, 0);

	return (base | (row_s1_out(row) & (SZ_1G - 1))) ^ row->va_flip;
}

/* L1 */

static const char *l1_skip_reason(const struct at_row *row)
{
	u64 mmfr0 = nested_mmfr0(), mmfr1 = read_sysreg_s(SYS_ID_AA64MMFR1_EL1);
	u64 mmfr2 = read_sysreg_s(SYS_ID_AA64MMFR2_EL1);
	u64 hafdbs = SYS_FIELD_GET(ID_AA64MMFR1_EL1, HAFDBS, mmfr1);
	u64 pan = SYS_FIELD_GET(ID_AA64MMFR1_EL1, PAN, mmfr1);
	u64 mmfr3 = read_sysreg_s(SYS_ID_AA64MMFR3_EL1);

	if ((row->need & NEED_HPDS) && !SYS_FIELD_GET(ID_AA64MMFR1_EL1, HPDS, mmfr1))
		return "the VM has no FEAT_HPDS";
	if ((row->need & NEED_E0PD) && !SYS_FIELD_GET(ID_AA64MMFR2_EL1, E0PD, mmfr2))
		return "the VM has no FEAT_E0PD";
	if ((row->need & NEED_HAF) && hafdbs < ID_AA64MMFR1_EL1_HAFDBS_AF)
		return "the VM has no FEAT_HAFDBS";
	if ((row->need & NEED_HD) && hafdbs < ID_AA64MMFR1_EL1_HAFDBS_DBM)
		return "the VM has no hardware dirty state (ID_AA64MMFR1_EL1.HAFDBS)";
	if ((row->need & NEED_PAN2) && pan < ID_AA64MMFR1_EL1_PAN_PAN2)
		return "the VM has no FEAT_PAN2";
	if ((row->need & NEED_PAN3) && pan < ID_AA64MMFR1_EL1_PAN_PAN3)
		return "the VM has no FEAT_PAN3";
	if ((row->need & NEED_FWB) && !SYS_FIELD_GET(ID_AA64MMFR2_EL1, FWB, mmfr2))
		return "the VM has no FEAT_S2FWB";
	if ((row->need & NEED_LPA2) && SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4, mmfr0) !=
				       ID_AA64MMFR0_EL1_TGRAN4_52_BIT)
		return "the VM has no FEAT_LPA2 with 4K pages";
	if (row_pie(row) && !SYS_FIELD_GET(ID_AA64MMFR3_EL1, S1PIE, mmfr3))
		return "the VM has no FEAT_S1PIE";
	if (row_poe(row) && !SYS_FIELD_GET(ID_AA64MMFR3_EL1, S1POE, mmfr3))
		return "the VM has no FEAT_S1POE";
	if ((row->need & NEED_LVA) && SYS_FIELD_GET(ID_AA64MMFR2_EL1, VARange, mmfr2) <
				      ID_AA64MMFR2_EL1_VARange_52)
		return "the VM has no FEAT_LVA";
	if (row_be(row) && !SYS_FIELD_GET(ID_AA64MMFR0_EL1, BIGEND, mmfr0))
		return "the VM has no big-endian data (ID_AA64MMFR0_EL1.BIGEND)";
	if ((row->need & NEED_S1_16K) && SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN16, mmfr0) ==
					 ID_AA64MMFR0_EL1_TGRAN16_NI)
		return "the VM has no 16K pages at stage 1";
	if ((row->need & NEED_S1_64K) && SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN64, mmfr0) ==
					 ID_AA64MMFR0_EL1_TGRAN64_NI)
		return "the VM has no 64K pages at stage 1";
	if (!row->page_shift && SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4, mmfr0) ==
				ID_AA64MMFR0_EL1_TGRAN4_NI)
		return "the VM has no 4K pages at stage 1";
	if ((row->s2_root || row->s2.level == 1) && s2_default_geometry().start != 1)
		return "L1's smallest stage-2 granule is not 4K";

	return NULL;
}

static bool l1_has_op(const struct at_op *op)
{
	if (op->access & (RP | WP))
		return SYS_FIELD_GET(ID_AA64MMFR1_EL1, PAN,
				     read_sysreg_s(SYS_ID_AA64MMFR1_EL1)) >=
		       ID_AA64MMFR1_EL1_PAN_PAN2;
	if (op->access & ANY)
		return SYS_FIELD_GET(ID_AA64ISAR2_EL1, ATS1A,
				     read_sysreg_s(SYS_ID_AA64ISAR2_EL1));
	return true;
}

static struct s2_geometry s1_geometry(const struct at_row *row)
{
	struct s2_geometry geo = {
		.page_shift = row->page_shift ?: 12, .ia_bits = row->ia_bits ?: 48,
	};

	geo.start = 3 - (geo.ia_bits - 1 - geo.page_shift) / (geo.page_shift - 3);
	return geo;
}

static u64 *s1_table(int level)
{
	return nested_va(&l1_mem, L1_GPA + TABLE_OFFSET(level));
}

/* A place as stage 1's tables have to name it. */
static u64 s1_place(const struct at_row *row, enum place place)
{
	if (place == READ_ONLY)
		return row_s2_on(row) ? RO_IPA : RO_GPA;

	return row_s2_on(row) ? HOLE_IPA : HOLE_GPA;
}

/* SCTLR_ELx.EE */
static u64 s1_order(const struct at_row *row, u64 desc)
{
	return row_be(row) ? __builtin_bswap64(desc) : desc;
}

static u64 s1_table_addr(const struct at_row *row, int level)
{
	return L1_GPA + TABLE_OFFSET(level) - (row_s2_on(row) ? IPA_DELTA : 0);
}

static u64 *s1_desc(const struct at_row *row, int level)
{
	struct s2_geometry geo = s1_geometry(row);
	u64 index = (row_va(row) ^ row->va_flip) >> s2_level_shift(&geo, level);
	u64 mask = BIT(geo.page_shift - 3) - 1;

	if (level == geo.start)
		mask = BIT(geo.ia_bits - s2_level_shift(&geo, level)) - 1;

	return s1_table(level) + (index & mask);
}

static void s1_write(const struct at_row *row, int level, u64 desc)
{
	*s1_desc(row, level) = s1_order(row, desc);
}

/* One VA, a table for each level; returns the leaf. */
static u64 *l1_build_s1(const struct at_row *row)
{
	struct s2_geometry geo = s1_geometry(row);
	int level, leaf = row->leaf ?: 3;
	u64 *desc, attrs = S1_LEAF;

	if (row->attr_given)
		attrs = (attrs & ~S1_SH) | FIELD_PREP(S1_SH, row->sh);
	if (row_ds(row))		/* it is in TCR_ELx */
		attrs &= ~S1_SH;
	if (row_pie(row) && !row->no_tcr2en)
		attrs = (attrs & ~S1_PI_INDEX) | S1_PI_INDEX_11;
	if (row_poe(row))
		attrs |= S1_PO_INDEX_5;

	for (level = geo.start; level < leaf; level++)
		s1_write(row, level, s1_table_addr(row, level + 1) | PTE_VALID | PGD_TYPE_TABLE);
	s1_write(row, leaf, (row_s1_out(row) & ~(BIT(s2_level_shift(&geo, leaf)) - 1)) |
			    attrs | PTE_VALID | (leaf == 3 ? PTE_TYPE_PAGE : 0));

	if (row->s1.clear | row->s1.set)
		s1_write(row, row->s1.level,
			 (s1_order(row, *s1_desc(row, row->s1.level)) & ~row->s1.clear) |
			 row->s1.set);
	if (row->point)
		s1_write(row, row->point_level,
			 s1_place(row, row->point) | PTE_VALID | PGD_TYPE_TABLE);

	desc = s1_desc(row, leaf);
	if (row->point != READ_ONLY)
		return desc;

	memcpy(nested_va(&ro_mem, RO_GPA), s1_table(3), BIT(geo.page_shift));
	return nested_va(&ro_mem, RO_GPA) + ((void *)desc - (void *)s1_table(3));
}

static void l1_build_s2(const struct at_row *row, struct s2_mmu *s2)
{
	u64 attrs = S2_ATTR_DEFAULT, ipa, *desc;
	struct s2_geometry geo = s2_default_geometry();
	int level;

	if (row->s2_attr_given)
		attrs = (attrs & ~(S2_DESC_MEMATTR | S2_DESC_SH)) |
			FIELD_PREP(S2_DESC_MEMATTR, row->s2_memattr) |
			FIELD_PREP(S2_DESC_SH, row->s2_sh);

	s2_init(s2, &l1_mem, &geo, VMID);
	for (level = -1; level <= 3; level++)
		s2_map(s2, L1_GPA + TABLE_OFFSET(level) - IPA_DELTA,
		       L1_GPA + TABLE_OFFSET(level), SZ_64K, 3, S2_ATTR_DEFAULT);
	s2_map(s2, RO_IPA, RO_GPA, SZ_64K, 3, S2_ATTR_DEFAULT);
	s2_map(s2, HOLE_IPA, HOLE_GPA, SZ_64K, 3, S2_ATTR_DEFAULT);
	s2_map(s2, DATA_IPA, DATA_GPA, SZ_64K, row->s2_leaf ?: 3, attrs);

	if (row->s2.clear | row->s2.set) {
		ipa = row_s1_out(row);
		if (row->s2.of != OF_DATA)
			ipa = L1_GPA + TABLE_OFFSET((int)row->s2.of - 2) - IPA_DELTA;
		desc = s2_desc(s2, ipa, row->s2.level);
		s2_write(s2, desc, (*desc & ~row->s2.clear) | row->s2.set);
	}
	s2->vtcr = (s2->vtcr & ~row->vtcr_clear) | row->vtcr_set;
	if (row->s2_root)
		s2->vttbr = s2_vttbr(&geo, row->s2_root, VMID);
	dsb(ish);
}

/* TCR_ELx for the range that the row uses. */
static u64 row_tcr(const struct at_row *row)
{
	struct s2_geometry geo = s1_geometry(row);
	u64 tg0 = geo.page_shift == 12 ? 0 : geo.page_shift == 14 ? 2 : 1;
	u64 tg1 = geo.page_shift == 12 ? 2 : geo.page_shift == 14 ? 1 : 3;
	bool upper = row_upper(row);
	u64 tcr;

	tcr = (64 - geo.ia_bits) | TCR_IRGN0_WBWA | TCR_ORGN0_WBWA | TCR_SH0_INNER;
	tcr |= (upper ? tg1 : tg0) << TCR_TG0_SHIFT;
	if (row->tcr & T_EPD)
		tcr |= TCR_EPD0;
	if (upper)
		tcr <<= 16;
	if (row->tcr & T_TBI)
		tcr |= upper ? TCR_TBI1 : TCR_TBI0;
	if (row->tcr & T_HPD)
		tcr |= upper ? TCR_HPD1 : TCR_HPD0;
	if (row->tcr & T_E0PD)
		tcr |= upper ? TCR_E0PD1 : TCR_E0PD0;
	if (row->tcr & T_HA)
		tcr |= TCR_HA;
	if (row->tcr & T_HD)
		tcr |= TCR_HD;
	if (row_ds(row))
		tcr |= TCR_DS;

	return tcr;
}

/* TCR_EL2 with HCR_EL2.E2H = 0 */
static u64 row_tcr_el2(const struct at_row *row)
{
	u64 tcr = NESTED_TCR_EL2_E2H0 | TCR_T0SZ(48UL);

	if (row->tcr & T_IPS32)
		tcr &= ~TCR_EL2_PS_MASK;
	if (row->tcr & T_TBI)
		tcr |= TCR_EL2_TBI;
	if (row->tcr & T_HA)
		tcr |= TCR_EL2_HA;
	if (row->tcr & T_HD)
		tcr |= TCR_EL2_HD;
	if (row->tcr & T_HPD)
		tcr |= TCR_EL2_HPD;

	return tcr;
}

static u64 row_ttbr(const struct at_row *row)
{
	if (row->ttbr)
		return s1_place(row, row->ttbr);

	return s1_table_addr(row, s1_geometry(row).start) | row->ttbr_set;
}

static u64 row_pir(u8 perm)
{
	return PIRx_ELx_PERM_PREP(PI_INDEX, (u64)perm);
}

static u64 row_por(u8 perm)
{
	return POR_ELx_PERM_PREP(PO_INDEX, (u64)perm);
}

/* Indirect permissions and overlays; in EL2&0, L1's own pages have them as well. */
static void l1_set_tcr2(const struct at_row *row)
{
	u64 hcrx;

	if (row_poe(row))
		write_sysreg_s(row_por(row->por_el0), SYS_POR_EL0);

	if (row->regime == EL10) {
		if (row_pie(row)) {
			write_sysreg_s(row_pir(row->pir), SYS_PIR_EL12);
			write_sysreg_s(row_pir(row->pire0), SYS_PIRE0_EL12);
		}
		if (row_poe(row))
			write_sysreg_s(row_por(row->por), SYS_POR_EL12);
		write_sysreg_s(row->tcr2, SYS_TCR2_EL12);
		hcrx = read_sysreg_s(SYS_HCRX_EL2) & ~HCRX_EL2_TCR2En;
		write_sysreg_s(hcrx | (row->no_tcr2en ? 0 : HCRX_EL2_TCR2En), SYS_HCRX_EL2);
	} else {
		if (row_pie(row)) {
			write_sysreg_s(row_pir(row->pir) | PIE_RWX, SYS_PIR_EL1);
			write_sysreg_s(row_pir(row->pire0), SYS_PIRE0_EL1);
		}
		if (row_poe(row))
			write_sysreg_s(row_por(row->por) | POE_RWX, SYS_POR_EL1);
		isb();
		write_sysreg_s(row->tcr2, SYS_TCR2_EL1);
	}
	isb();
}

/* The regime of an L2, or L1's own in the range that it has no other use for. */
static void l1_set_regs(const struct at_row *row, struct s2_mmu *s2)
{
	u64 attr = (u64)(row->attr_given ? row->mair : ATTR_WB) << (8 * ATTR_INDEX);
	u64 sctlr = INIT_SCTLR_EL1_MMU_OFF | SCTLR_ELx_M | SCTLR_ELx_C | SCTLR_ELx_I;
	u64 ps = row->tcr & T_IPS32 ? 0 : FIELD_GET(VTCR_EL2_PS, s2_vtcr(&s2->geo));
	u64 tcr = row_tcr(row) | ps << TCR_IPS_SHIFT;

	if (row->regime == EL2) {
		write_sysreg_s(read_sysreg_s(SYS_MAIR_EL2) | attr, SYS_MAIR_EL2);
		write_sysreg_s(row_ttbr(row), SYS_TTBR0_EL2);
		write_sysreg_s(row_tcr_el2(row), SYS_TCR_EL2);
		isb();
		return;
	}
	if (row->regime != EL10) {
		tcr |= read_sysreg_s(SYS_TCR_EL1) &
		       ~(TCR_1_MASK | TCR_TBI1 | TCR_HPD1 | TCR_E0PD1 | TCR_IPS_MASK);
		write_sysreg_s(read_sysreg_s(SYS_MAIR_EL1) | attr, SYS_MAIR_EL1);
		write_sysreg_s(row_ttbr(row), SYS_TTBR1_EL1);
		write_sysreg_s(tcr, SYS_TCR_EL1);
		isb();
		return;
	}

	write_sysreg_s((sctlr & ~row->sctlr_clear) | row->sctlr_set, SYS_SCTLR_EL12);
	write_sysreg_s(tcr | (row->upper ? TCR_EPD0 : TCR_EPD1_MASK), SYS_TCR_EL12);
	write_sysreg_s(attr, SYS_MAIR_EL12);
	write_sysreg_s(row->upper ? 0 : row_ttbr(row), SYS_TTBR0_EL12);
	write_sysreg_s(row->upper ? row_ttbr(row) : 0, sys_reg(3, 5, 2, 0, 1));
	write_sysreg(s2->vtcr, vtcr_el2);
	write_sysreg(s2->vttbr, vttbr_el2);
	isb();
}

static void l1_abort_handler(struct ex_regs *regs)
{
	GUEST_ASSERT(current_result && !current_result->abort);
	current_result->abort = true;
	current_result->esr = read_sysreg_s(SYS_ESR_EL2);
	current_result->far = read_sysreg_s(SYS_FAR_EL2);
	regs->pc += 4;
}

/*
 * L1's own MMU off, in code at an address that is the same then. AT does not notice where it is.
 * x0 is the operand, x1 SCTLR_EL2 in between, x2 the one afterwards.
 */
static void l1_at_mmu_off(const struct at_op *op, u64 va)
{
	u64 sctlr = read_sysreg_s(SYS_SCTLR_EL1);
	const u32 code[] = {
		0xd5181001,		/* MSR SCTLR_EL1, x1: with E2H, SCTLR_EL2 */
		0xd5033fdf,		/* ISB */
		0xd5000000 | op->insn,	/* AT, x0 */
		0xd5033fdf,
		0xd5181002,		/* MSR SCTLR_EL1, x2 */
		0xd5033fdf,
		0xd65f03c0,		/* RET */
	};
	void (*fn)(u64 va, u64 off, u64 on) = (void *)IDMAP_GPA;

	memcpy(nested_va(&l1_mem, IDMAP_GPA), code, sizeof(code));
	nested_sync_cache(nested_va(&l1_mem, IDMAP_GPA), sizeof(code));
	fn(va, sctlr & ~SCTLR_ELx_M, sctlr);
}

static void l1_execute(const struct at_row *row, const struct at_op *op, struct at_result *res)
{
	u64 hcr = read_sysreg(hcr_el2), at_hcr = hcr;

	res->missing = !l1_has_op(op);
	if (res->missing)
		return;

	if (row->regime == EL10)
		at_hcr = (HCR_EL2_E2H | HCR_EL2_RW | HCR_EL2_VM | row->hcr_set) & ~row->hcr_clear;
	else if (row->regime == EL20_NO_TGE)
		at_hcr &= ~HCR_EL2_TGE;

	current_result = res;
	write_sysreg(PAR_POISON, par_el1);
	write_sysreg(at_hcr, hcr_el2);
	isb();
	if (row->pan)
		asm volatile(".inst 0xd500419f");	/* MSR PAN, #1 */
	if (row->regime == EL20 && row->no_walk)
		l1_at_mmu_off(op, row_va(row));
	else
		op->fn(row_va(row));
	if (row->pan)
		asm volatile(".inst 0xd500409f");	/* MSR PAN, #0 */
	isb();
	res->par = read_sysreg(par_el1);
	write_sysreg(hcr, hcr_el2);
	isb();
	current_result = NULL;
}

static void l1_main(u64 index, u64 regime)
{
	struct at_row copy = rows[index], *row = &copy;
	const char *skip = l1_skip_reason(row);
	struct s2_mmu s2;
	unsigned int i;
	u64 *leaf;

	row->regime = regime;
	GUEST_ASSERT_EQ(get_current_el(), 2);
	if (skip)
		NESTED_GUEST_SKIP(skip);

	has_rme = SYS_FIELD_GET(ID_AA64PFR0_EL1, RME, read_sysreg_s(SYS_ID_AA64PFR0_EL1));
	leaf = l1_build_s1(row);
	l1_build_s2(row, &s2);
	desc_before = s1_order(row, *leaf);
	GUEST_SYNC(SYNC_BUILT);

	l1_set_regs(row, &s2);
	if (row->tcr2)
		l1_set_tcr2(row);
	for (i = 0; i < ARRAY_SIZE(at_ops); i++)
		if (row_runs(row, &at_ops[i]))
			l1_execute(row, &at_ops[i], &results[i]);
	if (row->protect)
		GUEST_SYNC(SYNC_DONE);
	desc_after = s1_order(row, READ_ONCE(*leaf));
	GUEST_DONE();
}

/* Host */

static u64 success_par(const struct at_row *row, bool s12)
{
	u8 mair = row->attr_given ? row->mair : ATTR_WB, sh = row->attr_given ? row->sh : ISH;
	u64 pa = s12 ? DATA_GPA + row_offset(row) : row->no_walk ? row_va(row) : row_s1_out(row);

	if (row->changed_attr) {
		mair = row->out_mair;
		sh = row->out_sh;
	}
	if (s12 && row->s12_attr) {
		mair = row->s12_mair;
		sh = row->s12_sh;
	}

	return SYS_PAR_EL1_RES1 | (pa & SYS_PAR_EL1_PA) | FIELD_PREP(SYS_PAR_EL1_ATTR, mair) |
	       FIELD_PREP(SYS_PAR_EL1_SH, sh);
}

static u64 success_mask(void)
{
	/* With FEAT_RME, what is RES1 otherwise goes with NS. */
	return ~(SYS_PAR_EL1_NS | SYS_PAR_EL1_F0_IMPDEF | (has_rme ? SYS_PAR_EL1_NSE : 0));
}

static bool check_abort(const struct at_row *row, const struct at_op *op,
			const struct at_result *res)
{
	u64 esr = ESR_ELx_EC_DABT_CUR << ESR_ELx_EC_SHIFT | ESR_ELx_IL | row->sea;
	bool ok;

	ok = nested_check(op->name, res->abort, true, ~0UL);
	if (!ok)
		return false;
	/* EA is IMPLEMENTATION DEFINED. */
	ok &= nested_check("ESR_EL2", res->esr, esr, ~ESR_ELx_EA);
	ok &= nested_check("FAR_EL2", res->far, row_va(row), ~0UL);

	return ok;
}

static bool check_result(const struct at_row *row, const struct at_op *op,
			 const struct at_result *res)
{
	bool s12 = op->set == S12_EL1 && row_s2_on(row);
	bool s1_denies = row->deny & op->access;
	bool s2_denies = !s1_denies && s12 && (row->s12_deny & op->access);
	u64 fault = s1_denies ? row->fault : row->s12_fault;
	bool denied = s1_denies || s2_denies;

	if (res->missing) {
		ksft_print_msg("%s: the VM does not have it\n", op->name);
		return true;
	}
	/* Permitted where hardware need not update. */
	if (row->or_success && !res->abort && !(res->par & SYS_PAR_EL1_F))
		denied = false;

	if (denied && !fault)
		return check_abort(row, op, res);
	if (res->abort) {
		ksft_print_msg("%s: Data Abort, ESR 0x%lx FAR 0x%lx\n", op->name, res->esr,
			       res->far);
		return false;
	}
	if (denied)
		return nested_check(op->name, res->par, fault, ~SYS_PAR_EL1_F1_IMPDEF);

	return nested_check(op->name, res->par, success_par(row, s12), success_mask());
}

static int check_row(const struct at_row *row)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; i < ARRAY_SIZE(at_ops); i++)
		if (row_runs(row, &at_ops[i]))
			ok &= check_result(row, &at_ops[i], &results[i]);
	/* An AT may set the Access flag, and need not. */
	ok &= nested_check("descriptor", desc_after, desc_before, ~row->desc_sets);

	return ok ? NESTED_PASS : NESTED_FAIL;
}

static void make_read_only(struct kvm_vm *vm)
{
	memslot2region(vm, RO_SLOT)->region.flags |= KVM_MEM_READONLY;
	vm_mem_region_reload(vm, RO_SLOT);
}

static void protect(struct kvm_vm *vm, const struct at_row *row, int prot)
{
	TEST_ASSERT(!mprotect(addr_gpa2hva(vm, row->protect), SZ_64K, prot), "mprotect(), errno %d",
		    errno);
}

/* The only range has to map L1 itself, too; its VAs are below what an entry of level 0 maps. */
static void add_own_tables(struct kvm_vm *vm)
{
	u64 *own = addr_gpa2hva(vm, vm->mmu.pgd);
	u64 *root = addr_gpa2hva(vm, L1_GPA + TABLE_OFFSET(0));

	root[0] = own[0];
}

static struct kvm_vm *create_vm(const struct at_row *row, struct kvm_vcpu **vcpu)
{
	struct kvm_vm *vm;

	if (row->regime == EL2)
		return nested_vm_create_e2h0(l1_main, vcpu);

	vm = nested_vm_create(1, l1_main, vcpu);
	vm_install_sync_handler(vm, VECTOR_SYNC_CURRENT, ESR_ELx_EC_DABT_CUR, l1_abort_handler);
	return vm;
}

static const char *e2h0_skip_reason(void)
{
	if (!kvm_check_cap(KVM_CAP_ARM_EL2_E2H0))
		return "the host has no VMs with E2H=0 (KVM_CAP_ARM_EL2_E2H0)";
	if (getpagesize() != SZ_4K)
		return "L1's own tables are not of 4K pages";

	return NULL;
}

/*
 * Without KVM it is QEMU 10 that answers. It differs in these, in which the Arm ARM leaves no
 * choice: AT never sets dirty state, and a fault of stage 2 has the level of its descriptor, also
 * the one that HCR_EL2.PTW makes.
 */
static const char *bare_skip_reason(const struct at_row *row)
{
	if (row->point == READ_ONLY)
		return "there is no host side that could make memory read-only";
	if (row->protect)
		return "there is no host side that could take memory away";
	if (row->regime == EL2)
		return "L1 has VHE here";
	if (row->s12_deny && row->s12_fault == S2_OUT(PERM_L(row->s2.level)))
		return "QEMU dies of a permission fault of stage 2 in AT S12*";
	if ((row->tcr & T_HD) && !row->deny)
		return "QEMU sets dirty state for the AT of a write";
	if (row->hcr_set & HCR_EL2_PTW)
		return "QEMU reports level 0 for a fault by HCR_EL2.PTW";

	return NULL;
}

static int run_row(unsigned int n, const char **reason)
{
	struct at_row row = rows[flat[n].index];
	struct kvm_vcpu *vcpu;
	struct ucall uc;
	struct kvm_vm *vm;
	int ret;

	row.regime = flat[n].regime;
	*reason = NESTED_BARE ? bare_skip_reason(&row) : NULL;
	if (!*reason && row.regime == EL2)
		*reason = e2h0_skip_reason();
	if (*reason)
		return NESTED_SKIP;
	vm = create_vm(&row, &vcpu);
	vcpu_args_set(vcpu, 2, (u64)flat[n].index, (u64)row.regime);
	nested_mem_create(vm, &l1_mem, L1_SLOT, 0);
	virt_map(vm, IDMAP_GPA, IDMAP_GPA, SZ_64K / vm->page_size);
	l1_mem.used = ARENA_OFFSET;
	nested_mem_sync(vm, &l1_mem, (gva_t)&l1_mem);
	nested_mem_create(vm, &ro_mem, RO_SLOT, 0);
	nested_mem_sync(vm, &ro_mem, (gva_t)&ro_mem);

	ret = nested_run_vcpu(vcpu, &uc, reason);
	if (ret == NESTED_SYNC) {
		if (!NESTED_BARE)
			make_read_only(vm);
		if (row.regime == EL2)
			add_own_tables(vm);
		if (row.protect)
			protect(vm, &row, row.prot);
		ret = nested_run_vcpu(vcpu, &uc, reason);
	}
	if (ret == NESTED_SYNC && row.protect) {
		protect(vm, &row, PROT_READ | PROT_WRITE);
		ret = nested_run_vcpu(vcpu, &uc, reason);
	}
	if (ret == NESTED_PASS) {
		sync_global_from_guest(vm, results);
		sync_global_from_guest(vm, desc_before);
		sync_global_from_guest(vm, desc_after);
		sync_global_from_guest(vm, has_rme);
		ret = check_row(&row);
	}

	kvm_vm_free(vm);
	return ret;
}

static void flatten_row(unsigned int index, enum regime regime)
{
	struct flat_row *row = &flat[nr_flat++];

	row->index = index;
	row->regime = regime;
	TEST_ASSERT(asprintf(&row->desc, "%s: %s",
			     regime == EL10 ? "EL1&0" : regime == EL2 ? "EL2" : "EL2&0",
			     rows[index].desc) > 0, "asprintf() failed");
}

int main(int argc, char *argv[])
{
	struct nested_suite suite = {
		.name = "nested_at",
		.rows = flat, .row_size = sizeof(flat[0]),
		.run = run_row,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		flatten_row(i, rows[i].regime == BOTH ? EL10 : rows[i].regime);
		if (rows[i].regime == BOTH)
			flatten_row(i, EL20);
	}
	suite.nr_rows = nr_flat;

	return nested_main(argc, argv, &suite);
}
