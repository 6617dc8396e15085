// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_vncr - an L1 hypervisor gives its L2 an EL2: accesses through L1's VNCR_EL2
 *
 * With HCR_EL2.{NV,NV2} = {1,1} what L2 does to many EL2 registers is a load or a store in the page
 * that VNCR_EL2 points to, by a VA of L1's EL2&0 regime. L2 takes itself for a hypervisor and reads
 * and writes such registers, on L1's commands. L1 looks whether the values are at their offsets in
 * its page. Where its tables refuse, L1 has to get a Data Abort with ESR_EL2.VNCR, class "current
 * EL", by the vector for a lower one, as often as L2 tries; after a repair L2 has to go on.
 *
 * The page is at a VA in the upper range, which L1 has no other use for and has tables of one entry
 * for at each level. It is there twice, A and B, with different contents, and it is a part of what
 * a larger leaf maps, and of a host page that is larger than 4K.
 *
 * Seen to fail: with ESR_ELx.VNCR not set; with FAR_EL2 that of the page; with TLBI by VA ignored;
 * with SCTLR_EL2.M, the ASID, or VNCR_EL2 itself, not part of a hit; with notifiers that drop no
 * entry; with the offset in a large leaf lost; with TTBR1_EL2 or a flat address not compared with
 * the output size; with TLBI by ASID, nXS, OS, local ranges, the sign of a range, 16-bit ASIDs,
 * TCR_EL2.AS or A1 ignored; with entries that remember no more than 4K of a block; with the sign of
 * a 52-bit VA taken from bit 48; with memory that the host cannot have as an error of KVM_RUN; with
 * a read that makes a clean page of L1's writable, or, the log being on, any page; with no page of
 * L2's in the log; with a log that leaves the page mapped for writes when it is switched on or
 * collected; with notifiers that drop the entry of the first vCPU alone. The race, with two CPUs:
 * with a TLBI that leaves the page mapped where L2 runs.
 *
 * Not here: big-endian tables, which take an SCTLR_EL2.EE that L1 itself cannot live with. A TLBI
 * with more ASID bits than are in use: software must write them as 0 if there are 16 of them, and
 * KVM has no VM with 8 on a host with 16.
 *
 * Locking: rows with two vCPUs run them in turn, but for the race, which has a thread for each;
 * what they share are descriptors and registers' values, by single-copy atomic accesses.
 */
#include <linux/bitmap.h>
#include <pthread.h>
#include <sys/mman.h>

#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall.h"

#include <asm/barrier.h>
#include <asm/sysreg.h>

/* L1 memory: tables of levels 0..3, then the VNCR pages, 64K apart. */
#define VNCR_GPA		0x9c000000UL
#define VNCR_GVA		0x5000000000UL
#define VNCR_SLOT		1
#define VNCR_MEM_SIZE		SZ_1M
#define TABLE_GPA(level)	(VNCR_GPA + (level) * SZ_64K)
#define PAGE_A			(VNCR_GPA + 4 * SZ_64K + 5 * SZ_4K)
#define PAGE_B			(VNCR_GPA + 5 * SZ_64K + 5 * SZ_4K)

/* What host pages of any size, and L1's, can be given for a page. */
#define REGION_64K(gpa)		((gpa) & ~(SZ_64K - 1UL))

/* A slot that becomes read-only. */
#define RO_GPA			0xa4000000UL
#define RO_GVA			0x5800000000UL
#define RO_SLOT			2

#define HOLE_GPA		0xf0000000UL

/* L1's code while its MMU is off, at a VA that is its GPA. */
#define IDMAP_GPA		(VNCR_GPA + 8 * SZ_64K)
#define L1_PSTATE		(GENMASK(9, 6) | 9)	/* as the library's: EL2h, D, A, I, F */

struct mmu_off_page {
	u32 vectors[0x400 / sizeof(u32)];
	u32 sync_lower[0x400 / sizeof(u32)];	/* and the others of a lower EL */
	u32 enter[0x100 / sizeof(u32)];
	u64 vector;
	u64 pc;
	u64 pstate;
};

#define HIGH_BIT		BIT(36)
/* What is below the size of a leaf is the page's offset in it. */
#define VA_BASE			0xffff7a8345678000UL
#define VA_BASE_52		0xfffa7a8345678000UL

#define ATTRS			(PTE_ATTRINDX(MT_NORMAL) | PTE_SHARED | PTE_AF | PTE_VALID)
#define TABLE			(PTE_VALID | BIT(1))
#define AP2			BIT(7)
#define NG			BIT(11)
#define DBM			BIT(51)
#define TCR_1_MASK		GENMASK(31, 16)
#define TCR_1			(BIT(24) | BIT(26) | 3UL << 28)
#define TCR_A1			BIT(22)
#define TCR_AS			BIT(36)
#define TCR_EPD1		BIT(23)
#define TCR_HD			BIT(40)

/* L1's own mappings are global. */
#define ASID			0x5UL
#define TTBR_ASID		GENMASK(63, 48)

#define PATTERN(page, n)	(0x1100000000000000UL * ((page) + 1) + 0x0101 * (n))

/* Registers that L2 takes for its own, and where they are (Arm ARM, FEAT_NV2). */
#define REG_ACCESSORS(reg)						\
	static u64 l2_get_##reg(void) { return read_sysreg_s(SYS_##reg); }	\
	static void l2_set_##reg(u64 val) { write_sysreg_s(val, SYS_##reg); }
REG_ACCESSORS(VMPIDR_EL2)
REG_ACCESSORS(CNTVOFF_EL2)
REG_ACCESSORS(VTTBR_EL2)
REG_ACCESSORS(VTCR_EL2)
REG_ACCESSORS(HCR_EL2)
REG_ACCESSORS(HSTR_EL2)
REG_ACCESSORS(VPIDR_EL2)
REG_ACCESSORS(TPIDR_EL2)
REG_ACCESSORS(VNCR_EL2)
REG_ACCESSORS(SCTLR_EL12)
REG_ACCESSORS(TTBR0_EL12)
REG_ACCESSORS(SP_EL1)
REG_ACCESSORS(VBAR_EL12)

#define REG(reg, o)							\
	{ .name = #reg, .offset = o, .get = l2_get_##reg, .set = l2_set_##reg }

static const struct vncr_reg {
	const char *name;
	u32 offset;
	u64 (*get)(void);
	void (*set)(u64 val);
} regs[] = {
	REG(VMPIDR_EL2, 0x050),
	REG(CNTVOFF_EL2, 0x060),
	REG(VTTBR_EL2, 0x020),
	REG(VTCR_EL2, 0x040),
	REG(HCR_EL2, 0x078),
	REG(HSTR_EL2, 0x080),
	REG(VPIDR_EL2, 0x088),
	REG(TPIDR_EL2, 0x090),
	REG(VNCR_EL2, 0x0b0),
	REG(SCTLR_EL12, 0x110),
	REG(TTBR0_EL12, 0x200),
	REG(SP_EL1, 0x240),
	REG(VBAR_EL12, 0x250),
};

#define REG_VTTBR	2
#define REG_TPIDR	7

enum place {
	PLACE_A,
	HOLE,
	READ_ONLY,
};

/* TLB maintenance instructions, each in six forms. */
enum tlbi_form {
	LOCAL,
	IS,
	OS,
	NXS,
	ISNXS,
	OSNXS,
};

enum tlbi_operand {
	BY_ALL,
	BY_ASID,
	BY_VA,		/* and ASID, if not global */
	BY_VAA,
};

#define TLBI_FUNCTION(op)						\
	static void tlbi_##op(enum tlbi_form form, u64 val)		\
	{								\
		switch (form) {						\
		case LOCAL:						\
			write_sysreg_s(val, OP_TLBI_##op);		\
			break;						\
		case IS:						\
			write_sysreg_s(val, OP_TLBI_##op##IS);		\
			break;						\
		case OS:						\
			write_sysreg_s(val, OP_TLBI_##op##OS);		\
			break;						\
		case NXS:						\
			write_sysreg_s(val, OP_TLBI_##op##NXS);		\
			break;						\
		case ISNXS:						\
			write_sysreg_s(val, OP_TLBI_##op##ISNXS);	\
			break;						\
		case OSNXS:						\
			write_sysreg_s(val, OP_TLBI_##op##OSNXS);	\
			break;						\
		}							\
	}
TLBI_FUNCTION(VAE2)
TLBI_FUNCTION(VALE2)
TLBI_FUNCTION(ALLE2)
TLBI_FUNCTION(VMALLE1)
TLBI_FUNCTION(VAE1)
TLBI_FUNCTION(VALE1)
TLBI_FUNCTION(VAAE1)
TLBI_FUNCTION(VAALE1)
TLBI_FUNCTION(ASIDE1)
TLBI_FUNCTION(RVAE2)
TLBI_FUNCTION(RVALE2)
TLBI_FUNCTION(RVAE1)
TLBI_FUNCTION(RVALE1)
TLBI_FUNCTION(RVAAE1)
TLBI_FUNCTION(RVAALE1)

#define TLBI(op, o)		{ .name = #op, .operand = o, .fn = tlbi_##op }
#define RANGE(op, o)		{ .name = #op, .operand = o, .fn = tlbi_##op, .range = true }

/* With {E2H,TGE} = {1,1}, as L1 runs, those for EL1 are about EL2&0. */
static const struct tlbi_op {
	const char *name;
	enum tlbi_operand operand;
	bool range;
	void (*fn)(enum tlbi_form form, u64 val);
} tlbi_ops[] = {
	TLBI(VAE2, BY_VA),
	TLBI(VALE2, BY_VA),
	TLBI(ALLE2, BY_ALL),
	TLBI(VMALLE1, BY_ALL),
	TLBI(VAE1, BY_VA),
	TLBI(VALE1, BY_VA),
	TLBI(VAAE1, BY_VAA),
	TLBI(VAALE1, BY_VAA),
	TLBI(ASIDE1, BY_ASID),
	RANGE(RVAE2, BY_VA),
	RANGE(RVALE2, BY_VA),
	RANGE(RVAE1, BY_VA),
	RANGE(RVALE1, BY_VA),
	RANGE(RVAAE1, BY_VAA),
	RANGE(RVAALE1, BY_VAA),
};

static const char * const form_names[] = { "", "IS", "OS", "NXS", "ISNXS", "OSNXS" };

enum need {
	NEED_HAF	= BIT(0),
	NEED_DBM	= BIT(1),
	NEED_ASID16	= BIT(2),
};

/* Ways to get the dirty log; a row with steps is run with each of them. */
enum log_mode {
	LOG_NONE,
	LOG_BITMAP,
	LOG_INITIALLY_SET,	/* and manual protect */
	LOG_RING,
	NR_LOG_MODES
};

#define LOG_RING_SIZE		SZ_64K

static const char * const log_mode_names[] = { "", "bitmap", "initially set", "ring" };

/* Steps of such a row. Collecting the log makes it empty. */
enum log_step {
	STEP_READ	= 'r',	/* by L2, through VNCR_EL2 */
	STEP_WRITE	= 'w',
	STEP_ON		= '[',
	STEP_OFF	= ']',
	STEP_NONE	= '-',	/* collect: no page is in the log, */
	STEP_PAGE	= '+',	/* page A alone, */
	STEP_TABLE	= '*',	/* page A and L1's level 3 table alone */
};

struct vncr_row {
	const char *desc;
	void *l1;
	int (*host)(unsigned int n, const char **reason);	/* NULL: one vCPU to its end */
	unsigned int need;
	bool each_way;		/* three rows: read; write; write with @after_use */
	bool ranges;		/* two rows: TLB maintenance without and with @range */
	bool write;
	bool after_use;		/* spoilt after L2 has used the page */

	/* The sane part; zeros: a page of 4K, a VA of 48 bits */
	u8 page_shift;
	u8 ia_bits;
	int leaf;

	/* One descriptor, at @level, or TCR_EL2, or, at level -1, TTBR1_EL2. */
	int level;
	u64 clear;
	u64 set;
	enum place place;	/* what the descriptor, or TTBR1_EL2 for level -1, points to */
	u64 tcr;
	bool ips32;
	bool aborts;		/* with @fsc */
	u64 fsc;
	u64 desc_sets;

	/* What the host takes away from itself: 64K from there. */
	gpa_t protect;
	int prot;

	u64 va;			/* VNCR_EL2 while L1's MMU is off */

	const char *steps;	/* of enum log_step */
	bool replace;		/* the host replaces the memory of both pages */

	/* TLB maintenance: what, and at how large a distance from the page. */
	enum tlbi_form form;
	bool range;
	u64 distance;
	u16 asid;		/* 0: ASID */
	u16 asid_ignored;	/* bits that TTBRn_EL2 has on top, while ASIDs are of 8 bits */
};

static void l1_registers(u64 n);
static void l1_fault(u64 n, u64 write, u64 after_use);
static void l1_clean(u64 n, u64 write);
static void l1_logged(u64 n);
static void l1_tlbi(u64 n, u64 write, u64 after_use, u64 range);
static void l1_tlbi_others(u64 n, u64 write, u64 after_use, u64 range);
static void l1_change_asid(u64 n);
static void l1_lower_range(u64 n);
static void l1_count(u64 n);
static void l1_mmu_off(u64 n);
static void l1_change_vncr(u64 n);
static void l1_flat(u64 n);
static void l1_flat_fault(u64 n);
static int run_migrate(unsigned int n, const char **reason);
static int run_two_vcpus(unsigned int n, const char **reason);
static int run_madvise(unsigned int n, const char **reason);
static int run_mmu_off(unsigned int n, const char **reason);
static int run_logged(unsigned int n, const char **reason);
static int run_remote(unsigned int n, const char **reason);
static int run_race(unsigned int n, const char **reason);

#define FAULT(d, ...)		{ .desc = d, .l1 = l1_fault, .each_way = true, __VA_ARGS__ }
#define FSC(x)			.aborts = true, .fsc = ESR_ELx_FSC_##x
#define INVALID(l)		.level = (l), .clear = ~0UL
#define CLEAR(l, b)		.level = (l), .clear = (b)
#define SET(l, b)		.level = (l), .set = (b)
#define POINT(l, p)		.level = (l), .place = (p)
#define PROTECT(gpa, p)		.protect = (gpa), .prot = (p)
#define CLEAN(d, ...)								\
	{ .desc = "clean, TCR_EL2.HD" d, .l1 = l1_clean, .need = NEED_DBM,	\
	  .tcr = TCR_HA | TCR_HD, __VA_ARGS__ }
#define LOG(d, s, ...)								\
	{ .desc = "log: " d, .l1 = l1_logged, .host = run_logged, .steps = s, __VA_ARGS__ }
#define BY(d, f, ...)								\
	{ .desc = "TLBI " d, .l1 = l1_tlbi, .ranges = true, .form = f, __VA_ARGS__ }

static const struct vncr_row rows[] = {
	{ .desc = "registers are at their offsets", .l1 = l1_registers },
	{ .desc = "page in the lower VA range", .l1 = l1_lower_range },
	{ .desc = "4K, level 2 block", .l1 = l1_registers, .leaf = 2 },
	{ .desc = "4K, level 1 block", .l1 = l1_registers, .leaf = 1 },
	{ .desc = "16K page", .l1 = l1_registers, .page_shift = 14 },
	{ .desc = "16K, level 2 block", .l1 = l1_registers, .page_shift = 14, .leaf = 2 },
	{ .desc = "64K page", .l1 = l1_registers, .page_shift = 16 },
	{ .desc = "64K, level 2 block", .l1 = l1_registers, .page_shift = 16, .leaf = 2 },
	{ .desc = "64K, 52-bit VA", .l1 = l1_registers, .page_shift = 16, .ia_bits = 52 },
	{ .desc = "L1 changes VNCR_EL2", .l1 = l1_change_vncr },

	/* Aborts. The level is that of L1's stage 1. */
	FAULT("unmapped at level 0", INVALID(0), FSC(FAULT_L(0))),
	FAULT("unmapped at level 1", INVALID(1), FSC(FAULT_L(1))),
	FAULT("unmapped at level 2", INVALID(2), FSC(FAULT_L(2))),
	FAULT("unmapped at level 3", INVALID(3), FSC(FAULT_L(3))),
	FAULT("level 2 block, invalid", .leaf = 2, CLEAR(2, PTE_VALID), FSC(FAULT_L(2))),
	FAULT("level 1 block, invalid", .leaf = 1, CLEAR(1, PTE_VALID), FSC(FAULT_L(1))),
	{ .desc = "64K, 52-bit VA, unmapped at level 1: read", .l1 = l1_fault, .page_shift = 16,
	  .ia_bits = 52, INVALID(1), FSC(FAULT_L(1)) },
	FAULT("EPD1", .level = -1, .tcr = TCR_EPD1, FSC(FAULT_L(0))),
	FAULT("AF = 0", CLEAR(3, PTE_AF), FSC(ACCESS_L(3))),
	FAULT("page beyond IPS", .ips32 = true, SET(3, HIGH_BIT), FSC(ADDRSZ_L(3))),
	FAULT("table beyond IPS", .ips32 = true, SET(1, HIGH_BIT), FSC(ADDRSZ_L(1))),
	FAULT("TTBR1 beyond IPS", .ips32 = true, SET(-1, HIGH_BIT), FSC(ADDRSZ_L(0))),
	FAULT("level 2 block beyond IPS", .leaf = 2, .ips32 = true, SET(2, HIGH_BIT),
	      FSC(ADDRSZ_L(2))),
	{ .desc = "read-only: write", .l1 = l1_fault, .write = true, SET(3, AP2),
	  FSC(PERM_L(3)) },
	{ .desc = "read-only, after use: write", .l1 = l1_fault, .write = true,
	  .after_use = true, SET(3, AP2), FSC(PERM_L(3)) },
	{ .desc = "read-only table: write", .l1 = l1_fault, .write = true, SET(1, BIT(62)),
	  FSC(PERM_L(3)) },
	{ .desc = "read-only: read", .l1 = l1_fault, SET(3, AP2) },
	FAULT("TTBR1 points to a hole", POINT(-1, HOLE), FSC(SEA_TTW(0))),
	FAULT("level 2 table in a hole", POINT(1, HOLE), FSC(SEA_TTW(2))),
	FAULT("level 3 table in a hole", POINT(2, HOLE), FSC(SEA_TTW(3))),
	FAULT("page in a hole", POINT(3, HOLE), FSC(EXTABT)),
	{ .desc = "page in a read-only slot: write", .l1 = l1_fault, .write = true,
	  POINT(3, READ_ONLY), FSC(EXTABT) },
	{ .desc = "page in a read-only slot: read", .l1 = l1_fault, POINT(3, READ_ONLY) },

	/*
	 * Memory that the host can't have either is for L1 what nothing answers for; it gets an
	 * abort, not userspace an error.
	 */
	FAULT("page is PROT_NONE", PROTECT(REGION_64K(PAGE_A), PROT_NONE), FSC(EXTABT)),
	{ .desc = "page is PROT_READ: write", .l1 = l1_fault, .write = true,
	  PROTECT(REGION_64K(PAGE_A), PROT_READ), FSC(EXTABT) },
	{ .desc = "page is PROT_READ, after use: write", .l1 = l1_fault, .write = true,
	  .after_use = true, PROTECT(REGION_64K(PAGE_A), PROT_READ), FSC(EXTABT) },
	{ .desc = "page is PROT_READ: read", .l1 = l1_fault,
	  PROTECT(REGION_64K(PAGE_A), PROT_READ) },
	{ .desc = "level 0 table is PROT_NONE: read", .l1 = l1_fault,
	  PROTECT(TABLE_GPA(0), PROT_NONE), FSC(SEA_TTW(0)) },
	{ .desc = "level 1 table is PROT_NONE: read", .l1 = l1_fault,
	  PROTECT(TABLE_GPA(1), PROT_NONE), FSC(SEA_TTW(1)) },
	{ .desc = "level 2 table is PROT_NONE: read", .l1 = l1_fault,
	  PROTECT(TABLE_GPA(2), PROT_NONE), FSC(SEA_TTW(2)) },
	FAULT("level 3 table is PROT_NONE", PROTECT(TABLE_GPA(3), PROT_NONE), FSC(SEA_TTW(3))),
	{ .desc = "level 3 table is PROT_READ: write", .l1 = l1_fault, .write = true,
	  PROTECT(TABLE_GPA(3), PROT_READ) },
	{ .desc = "level 3 table is PROT_READ, AF = 0, TCR_EL2.HA: read", .l1 = l1_fault,
	  .need = NEED_HAF, .tcr = TCR_HA, CLEAR(3, PTE_AF),
	  PROTECT(TABLE_GPA(3), PROT_READ), FSC(SEA_TTW(3)) },

	/* L1 turns its own MMU off to run L2: what VNCR_EL2 has is a GPA. */
	{ .desc = "L1's MMU off, and back on", .l1 = l1_flat },
	{ .desc = "L1's MMU off, page in a hole: read", .l1 = l1_flat_fault, .va = HOLE_GPA,
	  FSC(EXTABT) },
	{ .desc = "L1's MMU off, page in a hole: write", .l1 = l1_flat_fault, .write = true,
	  .va = HOLE_GPA, FSC(EXTABT) },
	{ .desc = "L1's MMU off, address beyond PARange: read", .l1 = l1_flat_fault,
	  .va = VA_BASE, FSC(ADDRSZ_L(0)) },
	{ .desc = "L1's MMU off, address beyond PARange: write", .l1 = l1_flat_fault,
	  .write = true, .va = VA_BASE, FSC(ADDRSZ_L(0)) },

	/* Hardware updates of L1's descriptor. */
	{ .desc = "AF = 0, TCR_EL2.HA: read", .l1 = l1_fault, .need = NEED_HAF, .tcr = TCR_HA,
	  CLEAR(3, PTE_AF), .desc_sets = PTE_AF },
	{ .desc = "clean, TCR_EL2.HD: read", .l1 = l1_fault, .need = NEED_DBM,
	  .tcr = TCR_HA | TCR_HD, SET(3, AP2 | DBM) },
	{ .desc = "clean, TCR_EL2.HD: write", .l1 = l1_fault, .need = NEED_DBM, .write = true,
	  .tcr = TCR_HA | TCR_HD, SET(3, AP2 | DBM), .desc_sets = AP2 },
	/* What a read leaves behind must not let a write pass that has to make the page dirty. */
	CLEAN(": read, then write", SET(3, AP2 | DBM)),
	CLEAN(", level 2 block: read, then write", .leaf = 2, SET(2, AP2 | DBM)),
	CLEAN(", AF = 0: read, then write", CLEAR(3, PTE_AF), .set = AP2 | DBM),
	CLEAN(", AF = 0: write", .write = true, CLEAR(3, PTE_AF), .set = AP2 | DBM),

	/* L1 gives VNCR_EL2's VA another page, in each way to say so. */
	BY("for this vCPU", LOCAL),
	BY("IS", IS),
	BY("OS", OS),
	BY("nXS, for this vCPU", NXS),
	BY("IS, nXS", ISNXS),
	BY("OS, nXS", OSNXS),
	BY("IS, on another vCPU", IS, .host = run_remote),
	BY("OS, on another vCPU", OS, .host = run_remote),
	BY("IS, nXS, on another vCPU", ISNXS, .host = run_remote),
	BY("OS, nXS, on another vCPU", OSNXS, .host = run_remote),
	BY("IS, 16-bit ASID", IS, .need = NEED_ASID16, .asid = 0x1105, .tcr = TCR_AS),
	BY("IS, 8-bit ASID, more in TTBR0_EL2", IS, .asid_ignored = 0x1100),
	BY("IS, ASID in TTBR1_EL2", IS, .tcr = TCR_A1),
	BY("IS, 8-bit ASID, more in TTBR1_EL2", IS, .tcr = TCR_A1, .asid_ignored = 0x1100),
	BY("IS, 52-bit VA", IS, .page_shift = 16, .ia_bits = 52),
	BY("of another VA in the level 2 block", IS, .leaf = 2, .distance = SZ_1M),
	BY("of another VA in the level 1 block", IS, .leaf = 1, .distance = SZ_256M),
	{ .desc = "TLBI of other VAs and ASIDs", .l1 = l1_tlbi_others, .ranges = true,
	  .form = IS },
	{ .desc = "L1 changes its ASID", .l1 = l1_change_asid },
	{ .desc = "race: L1 replaces the page while L2 writes", .l1 = l1_count,
	  .host = run_race },

	/* The dirty log has page A after L2's writes through VNCR_EL2, and after nothing else. */
	LOG("write", "[-w+-w+w+-"),
	LOG("read, then write", "[r-w+r-r-w+"),
	LOG("switched on while the page is mapped for writes", "w[-w+"),
	LOG("switched on while the page is mapped by a read", "r[-r-w+"),
	LOG("switched off and on again", "[w+]w[-w+r-"),
	LOG("write, then read", "[wr+r-w+"),
	LOG("page in a level 2 block", "w[-r-w+w+", .leaf = 2),
	LOG("clean page, TCR_EL2.HD", "[r-w*w+r-", .need = NEED_DBM, .tcr = TCR_HA | TCR_HD,
	    SET(3, AP2 | DBM)),

	/* What the host does meanwhile. */
	{ .desc = "the vCPU's thread moves between CPUs", .l1 = l1_count, .host = run_migrate },
	{ .desc = "two vCPUs take turns on a CPU", .l1 = l1_count, .host = run_two_vcpus },
	{ .desc = "madvise() on the page", .l1 = l1_count, .host = run_madvise },
	{ .desc = "madvise() on two vCPUs' pages", .l1 = l1_count, .host = run_two_vcpus,
	  .replace = true },
	{ .desc = "SCTLR_EL2.M is cleared and set", .l1 = l1_mmu_off, .host = run_mmu_off },
};

/* The rows as they are run; what differs between those of one row is passed to L1 as arguments. */
static struct flat_row {
	char *desc;
	unsigned int index;
	bool write;
	bool after_use;
	bool range;
	enum log_mode mode;
} flat[3 * ARRAY_SIZE(rows)];
static unsigned int nr_flat;

static struct nested_mem vncr_mem = {
	.gva = VNCR_GVA, .gpa = VNCR_GPA, .size = VNCR_MEM_SIZE,
};

static struct nested_mem ro_mem = {
	.gva = RO_GVA, .gpa = RO_GPA, .size = SZ_64K,
};

/* A command for each L2 vCPU, and its result. */
#define MAX_VCPUS	2

enum l2_op {
	OP_READ,
	OP_WRITE,
	OP_SYNC,	/* a ucall */
	OP_SYNC_READ,	/* a ucall, a read, and a ucall */
	OP_COUNT,	/* write, until told to stop */
};

static struct l2_command {
	enum l2_op op;
	unsigned int reg;
	u64 value;
} commands[MAX_VCPUS];

static u64 race_stop, race_count;

/* For L1: what the host side wants L2 to do, of enum log_step; another value is the end. */
static u64 log_access;

/* Of the row: L1's tables, what the leaf is, and what VNCR_EL2 has to be. */
static struct s2_geometry geo;
static int leaf;
static bool not_global;
static u64 vncr_va;

static struct l2_vcpu *l2s[MAX_VCPUS];

#define SYNC_L1		2
#define SYNC_L2		3

/* L2 */

static void l2_main(u64 id)
{
	struct l2_command *cmd = &commands[id];
	u64 n, arg = 0;

	for (;;) {
		l2_hvc(arg);
		switch (READ_ONCE(cmd->op)) {
		case OP_READ:
			WRITE_ONCE(cmd->value, regs[cmd->reg].get());
			break;
		case OP_WRITE:
			regs[cmd->reg].set(cmd->value);
			break;
		case OP_SYNC:
			GUEST_SYNC(SYNC_L2);
			break;
		case OP_SYNC_READ:
			GUEST_SYNC(SYNC_L2);
			WRITE_ONCE(cmd->value, regs[cmd->reg].get());
			GUEST_SYNC(SYNC_L2);
			break;
		case OP_COUNT:
			for (n = 1; !READ_ONCE(race_stop); n++) {
				regs[REG_VTTBR].set(n);
				WRITE_ONCE(race_count, n);
			}
			break;
		}
	}
}

/* L1 */

static const char *l1_skip_reason(const struct vncr_row *row)
{
	u64 hafdbs = SYS_FIELD_GET(ID_AA64MMFR1_EL1, HAFDBS,
				   read_sysreg_s(SYS_ID_AA64MMFR1_EL1));
	u64 tlb = SYS_FIELD_GET(ID_AA64ISAR0_EL1, TLB, read_sysreg_s(SYS_ID_AA64ISAR0_EL1));

	if (SYS_FIELD_GET(ID_AA64MMFR2_EL1, NV, read_sysreg_s(SYS_ID_AA64MMFR2_EL1)) <
	    ID_AA64MMFR2_EL1_NV_NV2 &&
	    !SYS_FIELD_GET(ID_AA64MMFR4_EL1, NV_frac, read_sysreg_s(SYS_ID_AA64MMFR4_EL1)))
		return "the VM has no FEAT_NV2";
	if (!row->page_shift && SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN4, nested_mmfr0()) ==
				ID_AA64MMFR0_EL1_TGRAN4_NI)
		return "the VM has no 4K pages at stage 1";
	if (row->page_shift == 14 && SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN16, nested_mmfr0()) ==
				     ID_AA64MMFR0_EL1_TGRAN16_NI)
		return "the VM has no 16K pages at stage 1";
	if (row->page_shift == 16 && SYS_FIELD_GET(ID_AA64MMFR0_EL1, TGRAN64, nested_mmfr0()) ==
				     ID_AA64MMFR0_EL1_TGRAN64_NI)
		return "the VM has no 64K pages at stage 1";
	if (row->ia_bits == 52 && SYS_FIELD_GET(ID_AA64MMFR2_EL1, VARange,
						read_sysreg_s(SYS_ID_AA64MMFR2_EL1)) <
				  ID_AA64MMFR2_EL1_VARange_52)
		return "the VM has no FEAT_LVA";
	if ((row->need & NEED_HAF) && hafdbs < ID_AA64MMFR1_EL1_HAFDBS_AF)
		return "the VM has no FEAT_HAFDBS";
	if ((row->need & NEED_DBM) && hafdbs < ID_AA64MMFR1_EL1_HAFDBS_DBM)
		return "the VM has no hardware dirty state (ID_AA64MMFR1_EL1.HAFDBS)";
	if (row->range && tlb < ID_AA64ISAR0_EL1_TLB_RANGE)
		return "the VM has no FEAT_TLBIRANGE";
	if ((row->form == OS || row->form == OSNXS) && tlb < ID_AA64ISAR0_EL1_TLB_OS)
		return "the VM has no FEAT_TLBIOS";
	if (row->form >= NXS &&
	    !SYS_FIELD_GET(ID_AA64ISAR1_EL1, XS, read_sysreg_s(SYS_ID_AA64ISAR1_EL1)))
		return "the VM has no FEAT_XS";
	if ((row->need & NEED_ASID16) &&
	    SYS_FIELD_GET(ID_AA64MMFR0_EL1, ASIDBITS, nested_mmfr0()) !=
	    ID_AA64MMFR0_EL1_ASIDBITS_16)
		return "the VM has no 16-bit ASIDs";

	return NULL;
}

static void l1_set_shape(const struct vncr_row *row)
{
	u64 offset;

	geo = (struct s2_geometry) {
		.page_shift = row->page_shift ?: 12, .ia_bits = row->ia_bits ?: 48,
	};
	geo.start = 3 - (geo.ia_bits - 1 - geo.page_shift) / (geo.page_shift - 3);
	leaf = row->leaf ?: 3;
	offset = BIT(s2_level_shift(&geo, leaf)) - 1;
	vncr_va = ((row->ia_bits == 52 ? VA_BASE_52 : VA_BASE) & ~offset) | (PAGE_A & offset);
}

static u64 *l1_desc(int level)
{
	u64 *table = nested_va(&vncr_mem, TABLE_GPA(level));
	unsigned int bits = level == geo.start ? geo.ia_bits - s2_level_shift(&geo, level) :
						 geo.page_shift - 3;

	return table + ((vncr_va >> s2_level_shift(&geo, level)) & (BIT(bits) - 1));
}

static u64 l1_leaf(gpa_t page)
{
	u64 oa = page & ~(BIT(s2_level_shift(&geo, leaf)) - 1);

	return oa | ATTRS | (leaf == 3 ? BIT(1) : 0) | (not_global ? NG : 0);
}

/* The value of a register, in a page. */
static u64 *l1_reg(gpa_t page, unsigned int reg)
{
	struct nested_mem *mem = page == RO_GPA ? &ro_mem : &vncr_mem;

	return nested_va(mem, page + regs[reg].offset);
}

static void l1_fill_pages(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		*l1_reg(PAGE_A, i) = PATTERN(0, i);
		*l1_reg(PAGE_B, i) = PATTERN(1, i);
	}
	memcpy(nested_va(&ro_mem, RO_GPA), nested_va(&vncr_mem, PAGE_A), SZ_4K);
}

static void l1_flush(void)
{
	dsb(ish);
	write_sysreg_s(0, OP_TLBI_VMALLE1IS);
	dsb(ish);
	isb();
}

static u64 l1_asid(const struct vncr_row *row)
{
	return row->asid ?: ASID;
}

/* TTBRn_EL2, with the ASID that counts or with one that does not. */
static void l1_set_ttbrs(const struct vncr_row *row, u64 asid)
{
	u64 ttbr0 = read_sysreg_s(SYS_TTBR0_EL1) & ~TTBR_ASID, other = asid ^ 3;
	bool a1 = row->tcr & TCR_A1;

	asid |= row->asid_ignored;
	write_sysreg_s(ttbr0 | FIELD_PREP(TTBR_ASID, a1 ? other : asid), SYS_TTBR0_EL1);
	write_sysreg_s(TABLE_GPA(geo.start) | FIELD_PREP(TTBR_ASID, a1 ? asid : other),
		       SYS_TTBR1_EL1);
}

/* Sane tables, and VNCR_EL2 for L2. */
static void l1_map(const struct vncr_row *row, struct l2_vcpu *l2)
{
	u64 tcr = read_sysreg_s(SYS_TCR_EL1) & ~(TCR_1_MASK | TCR_TBI1);
	u64 tg1 = geo.page_shift == 12 ? 2 : geo.page_shift == 14 ? 1 : 3;
	int level;

	for (level = geo.start; level < leaf; level++)
		*l1_desc(level) = TABLE_GPA(level + 1) | TABLE;
	*l1_desc(leaf) = l1_leaf(PAGE_A);
	dsb(ish);

	l1_set_ttbrs(row, l1_asid(row));
	tcr |= TCR_1 | tg1 << 30 | (64UL - geo.ia_bits) << 16;
	write_sysreg_s(tcr | (row->tcr & (TCR_A1 | TCR_AS)), SYS_TCR_EL1);
	write_sysreg_s(vncr_va, SYS_VNCR_EL2);
	isb();
	l2->hcr |= HCR_EL2_NV | HCR_EL2_NV2;
}

static struct l2_vcpu *l1_begin(const struct vncr_row *row, unsigned int id)
{
	const char *skip = l1_skip_reason(row);
	struct l2_vcpu *l2 = l2s[id];

	if (skip)
		NESTED_GUEST_SKIP(skip);
	l1_set_shape(row);
	l1_fill_pages();
	l1_map(row, l2);
	l2->regs[0] = id;
	l2_enter(l2);
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));

	return l2;
}

static void l1_command(struct l2_vcpu *l2, unsigned int id, enum l2_op op, unsigned int reg,
		       u64 value)
{
	commands[id] = (struct l2_command) { .op = op, .reg = reg, .value = value };
	l2_enter(l2);
}

static u64 l1_read(struct l2_vcpu *l2, unsigned int id, unsigned int reg)
{
	l1_command(l2, id, OP_READ, reg, 0);
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
	return commands[id].value;
}

static void l1_write(struct l2_vcpu *l2, unsigned int id, unsigned int reg, u64 value)
{
	l1_command(l2, id, OP_WRITE, reg, value);
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
}

static void l1_registers(u64 n)
{
	struct l2_vcpu *l2 = l1_begin(&rows[n], 0);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs); i++)
		__GUEST_ASSERT(l1_read(l2, 0, i) == PATTERN(0, i), "%s: 0x%lx", regs[i].name,
			       commands[0].value);
	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		l1_write(l2, 0, i, PATTERN(7, i));
		__GUEST_ASSERT(*l1_reg(PAGE_A, i) == PATTERN(7, i), "%s: 0x%lx", regs[i].name,
			       *l1_reg(PAGE_A, i));
	}
	/* And nowhere else. */
	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		GUEST_ASSERT_EQ(*l1_reg(PAGE_A, i), PATTERN(7, i));
		GUEST_ASSERT_EQ(*l1_reg(PAGE_B, i), PATTERN(1, i));
	}
	GUEST_DONE();
}

/* VNCR_EL2 gets the address at which L1 itself sees the page. */
static void l1_lower_range(u64 n)
{
	struct l2_vcpu *l2 = l1_begin(&rows[n], 0);

	write_sysreg_s((u64)nested_va(&vncr_mem, PAGE_B), SYS_VNCR_EL2);
	isb();
	GUEST_ASSERT_EQ(l1_read(l2, 0, REG_VTTBR), PATTERN(1, REG_VTTBR));
	l1_write(l2, 0, REG_VTTBR, PATTERN(7, 7));
	GUEST_ASSERT_EQ(*l1_reg(PAGE_B, REG_VTTBR), PATTERN(7, 7));
	GUEST_ASSERT_EQ(*l1_reg(PAGE_A, REG_VTTBR), PATTERN(0, REG_VTTBR));
	GUEST_DONE();
}

/* Two pages are mapped, and VNCR_EL2 alone says which one it is: no TLBI is needed. */
static void l1_change_vncr(u64 n)
{
	struct l2_vcpu *l2 = l1_begin(&rows[n], 0);
	int i;

	l1_desc(3)[1] = l1_leaf(PAGE_B);
	l1_flush();
	for (i = 0; i < 4; i++) {
		write_sysreg_s(vncr_va + (i & 1) * SZ_4K, SYS_VNCR_EL2);
		isb();
		GUEST_ASSERT_EQ(l1_read(l2, 0, REG_TPIDR), PATTERN(i & 1, REG_TPIDR));
	}
	GUEST_DONE();
}

static gpa_t place_gpa(enum place place)
{
	return place == HOLE ? HOLE_GPA : place == READ_ONLY ? RO_GPA : PAGE_A;
}

/* Returns what the descriptor was before. */
static u64 l1_spoil(const struct vncr_row *row)
{
	u64 tcr = read_sysreg_s(SYS_TCR_EL1) | row->tcr, *desc, old;

	if (row->ips32)
		tcr &= ~TCR_IPS_MASK;
	write_sysreg_s(tcr, SYS_TCR_EL1);
	if (row->level < 0) {
		write_sysreg_s((row->place ? place_gpa(row->place) : TABLE_GPA(geo.start)) |
			       row->set, SYS_TTBR1_EL1);
		isb();
		l1_flush();
		return 0;
	}

	desc = l1_desc(row->level);
	old = *desc;
	if (row->place)
		*desc = (old & ~S2_DESC_ADDR) | place_gpa(row->place);
	*desc = (*desc & ~row->clear) | row->set;
	isb();
	l1_flush();
	return old;
}

static void l1_repair(const struct vncr_row *row, u64 tcr, u64 desc)
{
	write_sysreg_s(tcr, SYS_TCR_EL1);
	if (row->level < 0)
		write_sysreg_s(TABLE_GPA(geo.start), SYS_TTBR1_EL1);
	else
		*l1_desc(row->level) = desc;
	isb();
	l1_flush();
}

static void l1_check_abort(const struct vncr_row *row, const struct l2_exit *exit)
{
	u64 esr = ESR_ELx_EC_DABT_CUR << ESR_ELx_EC_SHIFT | ESR_ELx_IL | ESR_ELx_VNCR |
		  (row->write ? ESR_ELx_WNR : 0) | row->fsc;

	GUEST_ASSERT_EQ(exit->vector, VECTOR_SYNC_LOWER_64);
	/* EA is IMPLEMENTATION DEFINED. */
	GUEST_ASSERT_EQ(exit->esr & ~ESR_ELx_EA, esr);
	GUEST_ASSERT_EQ(exit->far, (row->va ?: vncr_va) + regs[REG_VTTBR].offset);
	GUEST_ASSERT_EQ(exit->spsr & GENMASK(4, 0), L2_PSTATE & GENMASK(4, 0));
}

static void l1_fault(u64 n, u64 write, u64 after_use)
{
	struct vncr_row copy = rows[n], *row = &copy;
	struct l2_vcpu *l2 = l1_begin(row, 0);
	u64 tcr = read_sysreg_s(SYS_TCR_EL1), desc, pc, spoilt;
	gpa_t page = row->place == READ_ONLY && !row->aborts ? RO_GPA : PAGE_A;
	u64 was = PATTERN(0, REG_VTTBR), val = PATTERN(7, 7);

	row->write = write;
	row->after_use = after_use;
	if (row->after_use) {
		GUEST_ASSERT_EQ(l1_read(l2, 0, REG_VTTBR), was);
		l1_write(l2, 0, REG_VTTBR, was);
	}
	desc = l1_spoil(row);
	spoilt = row->level < 0 ? 0 : *l1_desc(row->level);
	GUEST_SYNC(SYNC_L1);

	l1_command(l2, 0, row->write ? OP_WRITE : OP_READ, REG_VTTBR, val);
	if (row->aborts) {
		l1_check_abort(row, &l2->exit);
		pc = l2->pc;
		l2_enter(l2);
		l1_check_abort(row, &l2->exit);
		GUEST_ASSERT_EQ(l2->pc, pc);
		if (row->protect)
			GUEST_SYNC(SYNC_L1);
		GUEST_ASSERT_EQ(*l1_reg(PAGE_A, REG_VTTBR), was);
		if (row->level >= 0)
			GUEST_ASSERT_EQ(*l1_desc(row->level), spoilt);
		l1_repair(row, tcr, desc);
		l2_enter(l2);
	} else if (row->desc_sets == AP2) {
		GUEST_ASSERT_EQ(*l1_desc(row->level), spoilt & ~AP2);
	} else {
		GUEST_ASSERT_EQ(*l1_desc(row->level), spoilt | row->desc_sets);
	}

	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
	if (row->write)
		GUEST_ASSERT_EQ(*l1_reg(page, REG_VTTBR), val);
	else
		GUEST_ASSERT_EQ(commands[0].value, was);
	GUEST_DONE();
}

/* L1 makes the page clean again and again; the dirty state is set by writes alone. */
static void l1_clean(u64 n, u64 write)
{
	const struct vncr_row *row = &rows[n];
	struct l2_vcpu *l2 = l1_begin(row, 0);
	u64 val = PATTERN(0, REG_VTTBR), *desc = l1_desc(row->level), clean;
	unsigned int i;

	l1_spoil(row);
	for (i = 0; i < 3; i++) {
		clean = *desc;
		if (!write) {
			GUEST_ASSERT_EQ(l1_read(l2, 0, REG_VTTBR), val);
			GUEST_ASSERT_EQ(*desc, clean | PTE_AF);
		}
		l1_write(l2, 0, REG_VTTBR, ++val);
		GUEST_ASSERT_EQ(*desc, (clean | PTE_AF) & ~AP2);
		GUEST_ASSERT_EQ(*l1_reg(PAGE_A, REG_VTTBR), val);
		GUEST_ASSERT_EQ(l1_read(l2, 0, REG_VTTBR), val);
		*desc = clean;
		l1_flush();
	}
	GUEST_DONE();
}

static void l1_logged(u64 n)
{
	struct l2_vcpu *l2 = l1_begin(&rows[n], 0);
	u64 val = PATTERN(0, REG_VTTBR);

	l1_spoil(&rows[n]);
	for (;;) {
		GUEST_SYNC(SYNC_L1);
		switch (READ_ONCE(log_access)) {
		case STEP_READ:
			GUEST_ASSERT_EQ(l1_read(l2, 0, REG_VTTBR), val);
			break;
		case STEP_WRITE:
			l1_write(l2, 0, REG_VTTBR, ++val);
			GUEST_ASSERT_EQ(*l1_reg(PAGE_A, REG_VTTBR), val);
			break;
		default:
			GUEST_DONE();
		}
	}
}

/*
 * l2_enter() with L1's MMU off. The library's ERET goes to code that turns it off and goes on to
 * L2; the exit comes to a vector that turns it on and goes on to the library's. With E2H, what they
 * call EL1 is EL2. No data is accessed while it is off, and TPIDR_EL0 has L2's x0 meanwhile.
 */
static void l1_enter_mmu_off(struct l2_vcpu *l2)
{
	static const u32 enter[] = {
		0x58000840,	/* LDR x0, mmu_off_page.pc */
		0xd5184020,	/* MSR ELR_EL1, x0 */
		0x58000840,	/* LDR x0, mmu_off_page.pstate */
		0xd5184000,	/* MSR SPSR_EL1, x0 */
		0xd5381000,	/* MRS x0, SCTLR_EL1 */
		0x927ff800,	/* BIC x0, x0, #1 */
		0xd5181000,	/* MSR SCTLR_EL1, x0 */
		0xd5033fdf,	/* ISB */
		0xd53bd040,	/* MRS x0, TPIDR_EL0 */
		0xd69f03e0,	/* ERET */
	};
	static const u32 leave[] = {
		0xd51bd040,	/* MSR TPIDR_EL0, x0 */
		0xd5381000,	/* MRS x0, SCTLR_EL1 */
		0xb2400000,	/* ORR x0, x0, #1 */
		0xd5181000,	/* MSR SCTLR_EL1, x0 */
		0xd5033fdf,	/* ISB */
		0x58002760,	/* LDR x0, mmu_off_page.vector */
		0xd61f0000,	/* BR x0 */
	};
	u64 vbar = read_sysreg_s(SYS_VBAR_EL1);
	struct mmu_off_page *page = nested_va(&vncr_mem, IDMAP_GPA);

	memcpy(page->sync_lower, leave, sizeof(leave));
	memcpy(page->enter, enter, sizeof(enter));
	page->vector = vbar + offsetof(struct mmu_off_page, sync_lower);
	page->pc = l2->pc;
	page->pstate = l2->pstate;
	nested_sync_cache(page, sizeof(*page));

	l2->pc = IDMAP_GPA + offsetof(struct mmu_off_page, enter);
	l2->pstate = L1_PSTATE;
	write_sysreg(l2->regs[0], tpidr_el0);
	write_sysreg_s(IDMAP_GPA, SYS_VBAR_EL1);
	l2_enter(l2);
	write_sysreg_s(vbar, SYS_VBAR_EL1);
	isb();
	l2->regs[0] = read_sysreg(tpidr_el0);
}

/* As a VA, it is page A; as a GPA page B. */
static void l1_flat(u64 n)
{
	struct l2_vcpu *l2 = l1_begin(&rows[n], 0);
	unsigned int i;

	write_sysreg_s(PAGE_B, SYS_VNCR_EL2);
	isb();
	for (i = 0; i < 4; i++) {
		GUEST_ASSERT_EQ(l1_read(l2, 0, REG_TPIDR), PATTERN(0, REG_TPIDR));
		l1_write(l2, 0, REG_VTTBR, PATTERN(i, 7));

		commands[0] = (struct l2_command) { .op = OP_READ, .reg = REG_TPIDR };
		l1_enter_mmu_off(l2);
		GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
		GUEST_ASSERT_EQ(commands[0].value, PATTERN(1, REG_TPIDR));

		commands[0] = (struct l2_command) { OP_WRITE, REG_VTTBR, PATTERN(i, 8) };
		l1_enter_mmu_off(l2);
		GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
		GUEST_ASSERT_EQ(*l1_reg(PAGE_A, REG_VTTBR), PATTERN(i, 7));
		GUEST_ASSERT_EQ(*l1_reg(PAGE_B, REG_VTTBR), PATTERN(i, 8));
	}
	GUEST_DONE();
}

static void l1_flat_fault(u64 n)
{
	const struct vncr_row *row = &rows[n];
	struct l2_vcpu *l2 = l1_begin(row, 0);
	u64 val = PATTERN(7, 7), pc;

	write_sysreg_s(row->va, SYS_VNCR_EL2);
	isb();
	commands[0] = (struct l2_command) {
		row->write ? OP_WRITE : OP_READ, REG_VTTBR, val,
	};
	l1_enter_mmu_off(l2);
	l1_check_abort(row, &l2->exit);
	pc = l2->pc;
	l1_enter_mmu_off(l2);
	l1_check_abort(row, &l2->exit);
	GUEST_ASSERT_EQ(l2->pc, pc);

	/* There is a page at this address while the MMU is on. */
	write_sysreg_s(vncr_va, SYS_VNCR_EL2);
	isb();
	l2_enter(l2);
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
	if (row->write)
		GUEST_ASSERT_EQ(*l1_reg(PAGE_A, REG_VTTBR), val);
	else
		GUEST_ASSERT_EQ(commands[0].value, PATTERN(0, REG_VTTBR));
	GUEST_DONE();
}

static bool l1_has_hint(void)
{
	return SYS_FIELD_GET(ID_AA64MMFR2_EL1, TTL, read_sysreg_s(SYS_ID_AA64MMFR2_EL1));
}

/* @hint: say which level the leaf has. */
static void l1_tlbi_op(const struct tlbi_op *op, enum tlbi_form form, u64 va, u64 asid, bool hint)
{
	u64 tg = (geo.page_shift - 10) / 2, val = 0;
	/* In units of 64K, with FEAT_LPA2: as many pages as there may be up to @va, and two. */
	bool ds = read_sysreg_s(SYS_TCR_EL1) & TCR_DS;

	if (op->operand == BY_VA || op->operand == BY_ASID)
		val = asid << 48;
	hint &= l1_has_hint();
	if (op->range)
		val |= tg << 46 | (ds ? 8UL : 0) << 39 | (hint ? leaf : 0UL) << 37 |
		       ((va >> (ds ? 16 : geo.page_shift)) & GENMASK(36, 0));
	else if (op->operand == BY_VA || op->operand == BY_VAA)
		val |= (hint ? tg << 2 | leaf : 0UL) << 44 | FIELD_GET(GENMASK(55, 12), va);

	dsb(ish);
	op->fn(form, val);
	dsb(ish);
	isb();
}

static bool row_has_op(const struct vncr_row *row, const struct tlbi_op *op)
{
	if (op->range != row->range)
		return false;

	return !row->distance || op->operand == BY_VA || op->operand == BY_VAA;
}

/* Break, TLBI; make. In the second round, a range begins one page before what it is about. */
static void l1_break(const struct vncr_row *row, const struct tlbi_op *op, unsigned int round)
{
	u64 va = vncr_va ^ row->distance;

	if (op->range && round)
		va -= BIT(geo.page_shift);
	WRITE_ONCE(*l1_desc(leaf), 0);
	l1_tlbi_op(op, row->form, va, l1_asid(row), round);
}

static void l1_make(gpa_t page)
{
	WRITE_ONCE(*l1_desc(leaf), l1_leaf(page));
	dsb(ish);
	isb();
}

/* Another vCPU's part in l1_tlbi(). */
static void l1_break_for_other(u64 n, u64 write, u64 after_use, u64 range)
{
	struct vncr_row copy = rows[n], *row = &copy;
	unsigned int i;

	row->range = range;
	l1_map(row, l2s[1]);
	GUEST_SYNC(SYNC_L1);
	for (i = 0; i < 2 * ARRAY_SIZE(tlbi_ops); i++) {
		if (!row_has_op(row, &tlbi_ops[i / 2]))
			continue;
		l1_break(row, &tlbi_ops[i / 2], i & 1);
		GUEST_SYNC(SYNC_L1);
	}
}

/* Page A is global, page B is not; but there is one block only. */
static void l1_tlbi_round(const struct vncr_row *row, const struct tlbi_op *op,
			  unsigned int round)
{
	u64 esr = ESR_ELx_EC_DABT_CUR << ESR_ELx_EC_SHIFT | ESR_ELx_IL | ESR_ELx_VNCR |
		  ESR_ELx_WNR | ESR_ELx_FSC_FAULT_L(leaf);
	gpa_t page = round && leaf == 3 ? PAGE_B : PAGE_A;
	gpa_t other = leaf == 3 ? PAGE_A + PAGE_B - page : page;
	struct l2_vcpu *l2 = l2s[0];
	u64 val = PATTERN(7, 7);

	not_global = round || op->operand == BY_ASID;
	WRITE_ONCE(*l1_desc(leaf), 0);
	l1_flush();
	l1_make(page);
	GUEST_ASSERT_EQ(l1_read(l2, 0, REG_TPIDR), PATTERN(page == PAGE_B, REG_TPIDR));
	l1_write(l2, 0, REG_VTTBR, val);
	GUEST_ASSERT_EQ(*l1_reg(page, REG_VTTBR), val);

	if (row->host)
		GUEST_SYNC(SYNC_L1);
	else
		l1_break(row, op, round);
	l1_command(l2, 0, OP_WRITE, REG_VTTBR, val + 1);
	__GUEST_ASSERT(l2->exit.esr == esr, "TLBI %s%s, round %u: ESR_EL2 0x%lx", op->name,
		       form_names[row->form], round, l2->exit.esr);
	GUEST_ASSERT_EQ(*l1_reg(page, REG_VTTBR), val);

	l1_make(other);
	l2_enter(l2);
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
	GUEST_ASSERT_EQ(*l1_reg(other, REG_VTTBR), val + 1);
	GUEST_ASSERT_EQ(*l1_reg(page, REG_VTTBR), val + (other == page));
}

static void l1_tlbi(u64 n, u64 write, u64 after_use, u64 range)
{
	struct vncr_row copy = rows[n], *row = &copy;
	unsigned int i;

	row->range = range;
	l1_begin(row, 0);
	for (i = 0; i < 2 * ARRAY_SIZE(tlbi_ops); i++)
		if (row_has_op(row, &tlbi_ops[i / 2]))
			l1_tlbi_round(row, &tlbi_ops[i / 2], i & 1);
	GUEST_DONE();
}

/* An entry may go, or stay, when others are named: L2 does not notice. */
static void l1_tlbi_others(u64 n, u64 write, u64 after_use, u64 range)
{
	static const struct {
		u64 va_flip;
		u64 asid_flip;
	} others[] = {
		{ SZ_64K, 0 }, { BIT(40), 0 }, { BIT(55), 0 }, { 0, 1 }, { 0, 0x1000 },
		{ GENMASK(55, 12), GENMASK(15, 0) },
	};
	struct vncr_row copy = rows[n], *row = &copy;
	struct l2_vcpu *l2;
	unsigned int i, j;

	row->range = range;
	l2 = l1_begin(row, 0);
	not_global = true;
	WRITE_ONCE(*l1_desc(leaf), 0);
	l1_flush();
	l1_make(PAGE_A);
	for (i = 0; i < ARRAY_SIZE(tlbi_ops); i++) {
		for (j = 0; row_has_op(row, &tlbi_ops[i]) && j < ARRAY_SIZE(others); j++) {
			l1_write(l2, 0, REG_VTTBR, PATTERN(i, j));
			l1_tlbi_op(&tlbi_ops[i], row->form, vncr_va ^ others[j].va_flip,
				   ASID ^ others[j].asid_flip, j & 1);
			GUEST_ASSERT_EQ(l1_read(l2, 0, REG_VTTBR), PATTERN(i, j));
			GUEST_ASSERT_EQ(*l1_reg(PAGE_A, REG_VTTBR), PATTERN(i, j));
		}
	}
	GUEST_DONE();
}

/*
 * Nothing has been valid for the new ASID but page B. What is kept of page A is for the old one:
 * no TLBI is needed.
 */
static void l1_change_asid(u64 n)
{
	const struct vncr_row *row = &rows[n];
	struct l2_vcpu *l2 = l1_begin(row, 0);

	not_global = true;
	WRITE_ONCE(*l1_desc(leaf), 0);
	l1_flush();
	l1_make(PAGE_A);
	GUEST_ASSERT_EQ(l1_read(l2, 0, REG_TPIDR), PATTERN(0, REG_TPIDR));

	WRITE_ONCE(*l1_desc(leaf), 0);
	dsb(ish);
	l1_set_ttbrs(row, ASID + 1);
	isb();
	l1_make(PAGE_B);
	GUEST_ASSERT_EQ(l1_read(l2, 0, REG_TPIDR), PATTERN(1, REG_TPIDR));
	GUEST_DONE();
}

/* Rounds of use, with a ucall of L2 in each for the host side to do its thing. */
#define ROUNDS		8

static void l1_count(u64 n)
{
	struct l2_vcpu *l2 = l1_begin(&rows[n], 0);
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		l1_write(l2, 0, REG_VTTBR, PATTERN(i, 1));
		l1_command(l2, 0, OP_SYNC, 0, 0);
		GUEST_ASSERT_EQ(l1_read(l2, 0, REG_VTTBR), PATTERN(i, 1));
		GUEST_ASSERT_EQ(*l1_reg(PAGE_A, REG_VTTBR), PATTERN(i, 1));
	}
	GUEST_DONE();
}

/* The second vCPU, with a page and tables that differ by what TTBR1_EL2 says. */
static void l1_count_second(u64 n)
{
	struct l2_vcpu *l2 = l2s[1];
	unsigned int i;

	l1_map(&rows[n], l2);
	write_sysreg_s((u64)nested_va(&vncr_mem, PAGE_B), SYS_VNCR_EL2);
	isb();
	l2->regs[0] = 1;
	l2_enter(l2);
	for (i = 0; i < ROUNDS; i++) {
		l1_write(l2, 1, REG_VTTBR, PATTERN(i, 2));
		l1_command(l2, 1, OP_SYNC, 0, 0);
		GUEST_ASSERT_EQ(l1_read(l2, 1, REG_VTTBR), PATTERN(i, 2));
		GUEST_ASSERT_EQ(*l1_reg(PAGE_B, REG_VTTBR), PATTERN(i, 2));
	}
	GUEST_DONE();
}

/* The host side turns L1's MMU off for L2's read between two ucalls: VNCR_EL2 is a GPA then. */
static void l1_mmu_off(u64 n)
{
	struct l2_vcpu *l2 = l1_begin(&rows[n], 0);
	unsigned int i;

	/* As a VA, it is page A; as a GPA page B. */
	write_sysreg_s(PAGE_B, SYS_VNCR_EL2);
	isb();
	for (i = 0; i < ROUNDS; i++) {
		GUEST_ASSERT_EQ(l1_read(l2, 0, REG_VTTBR), PATTERN(0, REG_VTTBR));
		l1_command(l2, 0, OP_SYNC_READ, REG_VTTBR, 0);
		GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
		GUEST_ASSERT_EQ(commands[0].value, PATTERN(1, REG_VTTBR));
	}
	GUEST_DONE();
}

/* The other side of the race: L2 of vCPU 0 writes ascending numbers to whatever page it has. */
static void l1_race_writer(u64 n)
{
	struct l2_vcpu *l2 = l1_begin(&rows[n], 0);

	l1_command(l2, 0, OP_COUNT, 0, 0);
	while (!l2_exit_is_hvc(&l2->exit, L2_HVC_CALL)) {
		GUEST_ASSERT_EQ(l2->exit.esr, ESR_ELx_EC_DABT_CUR << ESR_ELx_EC_SHIFT |
				ESR_ELx_IL | ESR_ELx_VNCR | ESR_ELx_WNR | ESR_ELx_FSC_FAULT_L(3));
		l2_enter(l2);
	}
	GUEST_DONE();
}

static void race_wait(void)
{
	u64 count = READ_ONCE(race_count);

	while (READ_ONCE(race_count) < count + 2 && !READ_ONCE(race_stop))
		cpu_relax();
}

static void l1_race_replacer(u64 n)
{
	/* By VA, all of both kinds, and by VA for any ASID. */
	static const struct tlbi_op * const ops[] = {
		&tlbi_ops[0], &tlbi_ops[2], &tlbi_ops[3], &tlbi_ops[6],
	};
	struct vncr_row row = { .form = IS };
	gpa_t page = PAGE_A, other;
	unsigned int i;
	u64 old;

	race_wait();
	for (i = 0; i < 60 && !READ_ONCE(race_stop); i++, page = other) {
		other = PAGE_A + PAGE_B - page;
		l1_break(&row, ops[i % ARRAY_SIZE(ops)], 0);
		old = READ_ONCE(*l1_reg(page, REG_VTTBR));
		l1_make(other);
		race_wait();
		GUEST_ASSERT_EQ(READ_ONCE(*l1_reg(page, REG_VTTBR)), old);
		GUEST_ASSERT(READ_ONCE(*l1_reg(other, REG_VTTBR)) > old);
	}
	WRITE_ONCE(race_stop, 1);
	GUEST_DONE();
}

/* Host */

struct vncr_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	struct nested_env env;
	enum log_mode mode;
	unsigned long log[VNCR_MEM_SIZE / SZ_4K / BITS_PER_LONG];
	u32 fetch;		/* entries of the ring that have been collected */
};

static void vncr_enable_log(struct vncr_vm *v)
{
	if (v->mode == LOG_RING)
		vm_enable_dirty_ring(v->vm, LOG_RING_SIZE);
	else if (v->mode == LOG_INITIALLY_SET)
		vm_enable_cap(v->vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
			      KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
}

static void vncr_vm_create(struct vncr_vm *v, unsigned int n, void *l1_second)
{
	unsigned int i, nr = l1_second ? 2 : 1;
	gva_t l2;

	v->mode = flat[n].mode;
	v->fetch = 0;
	v->vm = vm_create(nr);
	vncr_enable_log(v);
	nested_vm_add_vcpus(v->vm, nr, rows[flat[n].index].l1, v->vcpus);
	if (l1_second)
		vcpu_arch_set_entry_point(v->vcpus[1], l1_second);
	nested_mem_create(v->vm, &vncr_mem, VNCR_SLOT, 0);
	nested_mem_sync(v->vm, &vncr_mem, (gva_t)&vncr_mem);
	nested_mem_create(v->vm, &ro_mem, RO_SLOT, 0);
	nested_mem_sync(v->vm, &ro_mem, (gva_t)&ro_mem);

	/* VAs that are somebody's GPA: page B's, which is page A, and the code's, which is it. */
	virt_map(v->vm, REGION_64K(PAGE_B), REGION_64K(PAGE_A), SZ_64K / v->vm->page_size);
	virt_map(v->vm, IDMAP_GPA, IDMAP_GPA, SZ_64K / v->vm->page_size);

	nested_env_create(&v->env, v->vm, NULL);
	for (i = 0; i < nr; i++) {
		l2 = nested_env_add_l2(&v->env, l2_main);
		*(gva_t *)addr_gva2hva(v->vm, (gva_t)&l2s[i]) = l2;
		vcpu_args_set(v->vcpus[i], 4, (u64)flat[n].index, (u64)flat[n].write,
			      (u64)flat[n].after_use, (u64)flat[n].range);
	}
	nested_env_finish(&v->env);
}

/* Run to the next ucall of the test's. */
static int run_to_sync(struct kvm_vcpu *vcpu, const char **reason)
{
	struct ucall uc;

	return nested_run_vcpu(vcpu, &uc, reason);
}

/* @prot for what the row is about; then what it was. */
static void protect(struct kvm_vm *vm, const struct vncr_row *row, int prot)
{
	TEST_ASSERT(!mprotect(addr_gpa2hva(vm, row->protect), SZ_64K, prot), "mprotect(), errno %d",
		    errno);
}

static int run_single(unsigned int n, const char **reason)
{
	const struct vncr_row *row = &rows[flat[n].index];
	struct vncr_vm v;
	int ret;

	vncr_vm_create(&v, n, NULL);
	ret = run_to_sync(v.vcpus[0], reason);
	if (ret == NESTED_SYNC) {
		if (row->place == READ_ONLY) {
			memslot2region(v.vm, RO_SLOT)->region.flags |= KVM_MEM_READONLY;
			vm_mem_region_reload(v.vm, RO_SLOT);
		}
		if (row->protect)
			protect(v.vm, row, row->prot);
		ret = run_to_sync(v.vcpus[0], reason);
	}
	if (ret == NESTED_SYNC && row->protect) {
		protect(v.vm, row, PROT_READ | PROT_WRITE);
		ret = run_to_sync(v.vcpus[0], reason);
	}
	kvm_vm_free(v.vm);

	return ret;
}

/* vCPU 0 uses the page, vCPU 1 does break and TLBI whenever vCPU 0 has used it. */
static int run_remote(unsigned int n, const char **reason)
{
	struct vncr_vm v;
	int ret;

	vncr_vm_create(&v, n, l1_break_for_other);
	ret = run_to_sync(v.vcpus[0], reason);
	if (ret == NESTED_SYNC)
		TEST_ASSERT_EQ(run_to_sync(v.vcpus[1], reason), NESTED_SYNC);
	while (ret == NESTED_SYNC) {
		TEST_ASSERT_EQ(run_to_sync(v.vcpus[1], reason), NESTED_SYNC);
		ret = run_to_sync(v.vcpus[0], reason);
	}
	kvm_vm_free(v.vm);

	return ret;
}

struct race_thread {
	struct kvm_vcpu *vcpu;
	const char *reason;
	int ret;
};

static void *race_thread(void *arg)
{
	struct race_thread *t = arg;
	u64 stop = 1;

	t->ret = run_to_sync(t->vcpu, &t->reason);
	/* The other one would wait for it. */
	if (t->ret != NESTED_PASS)
		write_guest_global(t->vcpu->vm, race_stop, stop);
	return NULL;
}

static int run_race(unsigned int n, const char **reason)
{
	struct race_thread t[2] = {};
	pthread_t threads[2];
	struct vncr_vm v;
	unsigned int i;

	vncr_vm_create(&v, n, l1_race_replacer);
	vcpu_arch_set_entry_point(v.vcpus[0], l1_race_writer);
	/* L1's regime is the same on both vCPUs; the second one's tables are the first one's. */
	for (i = 0; i < 2; i++) {
		t[i].vcpu = v.vcpus[i];
		pthread_create(&threads[i], NULL, race_thread, &t[i]);
	}
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	kvm_vm_free(v.vm);
	*reason = t[0].reason;

	return t[0].ret != NESTED_PASS ? t[0].ret : t[1].ret;
}

static int run_migrate(unsigned int n, const char **reason)
{
	unsigned int cpu = 0;
	struct vncr_vm v;
	int ret;

	if (nested_nr_cpus() < 2) {
		*reason = "one CPU";
		return NESTED_SKIP;
	}

	vncr_vm_create(&v, n, NULL);
	while ((ret = run_to_sync(v.vcpus[0], reason)) == NESTED_SYNC)
		nested_pin_self(cpu++);
	kvm_vm_free(v.vm);

	return ret;
}

/* New memory with the same contents: the old page must not be used any more. */
static void replace_memory(struct kvm_vm *vm, gpa_t page)
{
	void *hva = addr_gpa2hva(vm, REGION_64K(page)), *copy = malloc(SZ_64K);

	memcpy(copy, hva, SZ_64K);
	TEST_ASSERT(!madvise(hva, SZ_64K, MADV_DONTNEED), "madvise(), errno %d", errno);
	memcpy(hva, copy, SZ_64K);
	free(copy);
}

static int run_two_vcpus(unsigned int n, const char **reason)
{
	int ret, second = NESTED_SYNC;
	struct vncr_vm v;

	nested_pin_self(0);
	vncr_vm_create(&v, n, l1_count_second);
	while ((ret = run_to_sync(v.vcpus[0], reason)) == NESTED_SYNC && second == NESTED_SYNC) {
		second = run_to_sync(v.vcpus[1], reason);
		if (!rows[flat[n].index].replace)
			continue;
		replace_memory(v.vm, PAGE_A);
		replace_memory(v.vm, PAGE_B);
	}
	if (ret == NESTED_PASS && second == NESTED_SYNC)
		ret = run_to_sync(v.vcpus[1], reason);
	kvm_vm_free(v.vm);

	return ret == NESTED_SYNC ? second : ret;
}

static int run_madvise(unsigned int n, const char **reason)
{
	struct vncr_vm v;
	int ret;

	vncr_vm_create(&v, n, NULL);
	while ((ret = run_to_sync(v.vcpus[0], reason)) == NESTED_SYNC)
		replace_memory(v.vm, PAGE_A);
	kvm_vm_free(v.vm);

	return ret;
}

/* L2's ucalls come in pairs. */
static int run_mmu_off(unsigned int n, const char **reason)
{
	struct vncr_vm v;
	u64 sctlr;
	int ret;

	vncr_vm_create(&v, n, NULL);
	while ((ret = run_to_sync(v.vcpus[0], reason)) == NESTED_SYNC) {
		sctlr = vcpu_get_reg(v.vcpus[0], KVM_ARM64_SYS_REG(SYS_SCTLR_EL2));
		vcpu_set_reg(v.vcpus[0], KVM_ARM64_SYS_REG(SYS_SCTLR_EL2), sctlr ^ SCTLR_ELx_M);
	}
	kvm_vm_free(v.vm);

	return ret;
}

static unsigned int log_page(gpa_t gpa)
{
	return (gpa - VNCR_GPA) / getpagesize();
}

static void collect_ring(struct vncr_vm *v)
{
	struct kvm_dirty_gfn *ring = vcpu_map_dirty_ring(v->vcpus[0]), *entry;
	u32 first = v->fetch;

	for (;; v->fetch++) {
		entry = &ring[v->fetch % v->vcpus[0]->dirty_gfns_count];
		/* Pairs with the release when KVM fills the entry. */
		if (smp_load_acquire(&entry->flags) != KVM_DIRTY_GFN_F_DIRTY)
			break;
		TEST_ASSERT(entry->slot == VNCR_SLOT &&
			    entry->offset < log_page(VNCR_GPA + VNCR_MEM_SIZE),
			    "Ring entry: slot %u, page %lu", entry->slot, (long)entry->offset);
		__set_bit(entry->offset, v->log);
		/* Pairs with the acquire when KVM resets the entry. */
		smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_RESET);
	}
	TEST_ASSERT_EQ(kvm_vm_reset_dirty_ring(v->vm), v->fetch - first);
}

static void collect_log(struct vncr_vm *v)
{
	unsigned int pages = log_page(VNCR_GPA + VNCR_MEM_SIZE);

	bitmap_zero(v->log, pages);
	if (v->mode == LOG_RING) {
		collect_ring(v);
		return;
	}

	kvm_vm_get_dirty_log(v->vm, VNCR_SLOT, v->log);
	if (v->mode == LOG_INITIALLY_SET)
		kvm_vm_clear_dirty_log(v->vm, VNCR_SLOT, v->log, 0, pages);
}

/* Does the log have what @step says? */
static bool log_is(struct vncr_vm *v, enum log_step step)
{
	unsigned int n, page = log_page(PAGE_A), table = log_page(TABLE_GPA(3));
	bool want, ok = true;

	collect_log(v);
	for (n = 0; n < log_page(VNCR_GPA + VNCR_MEM_SIZE); n++) {
		want = (n == page && step != STEP_NONE) || (n == table && step == STEP_TABLE);
		if (test_bit(n, v->log) == want)
			continue;
		ksft_print_msg("page %u is %sin the log\n", n, want ? "not " : "");
		ok = false;
	}

	return ok;
}

static void log_switch(struct vncr_vm *v, bool on)
{
	unsigned int n;

	vm_mem_region_set_flags(v->vm, VNCR_SLOT, on ? KVM_MEM_LOG_DIRTY_PAGES : 0);
	if (!on || v->mode != LOG_INITIALLY_SET)
		return;

	collect_log(v);
	for (n = 0; n < log_page(VNCR_GPA + VNCR_MEM_SIZE); n++)
		TEST_ASSERT(test_bit(n, v->log), "Page %u is not set initially", n);
}

static const char *log_mode_missing(enum log_mode mode)
{
	if (mode == LOG_RING && !kvm_has_cap(KVM_CAP_DIRTY_LOG_RING_ACQ_REL))
		return "no dirty ring (KVM_CAP_DIRTY_LOG_RING_ACQ_REL)";
	if (mode == LOG_INITIALLY_SET &&
	    !(kvm_check_cap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) & KVM_DIRTY_LOG_INITIALLY_SET))
		return "no such log (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2)";

	return NULL;
}

/* Take the steps. L1 waits for one, always, but after a failure. */
static int run_logged(unsigned int n, const char **reason)
{
	const char *step = rows[flat[n].index].steps;
	struct vncr_vm v;
	u64 access;
	int ret;

	*reason = log_mode_missing(flat[n].mode);
	if (*reason)
		return NESTED_SKIP;

	vncr_vm_create(&v, n, NULL);
	ret = run_to_sync(v.vcpus[0], reason);
	for (; *step && ret == NESTED_SYNC; step++) {
		access = *step;
		switch (access) {
		case STEP_ON:
		case STEP_OFF:
			log_switch(&v, access == STEP_ON);
			break;
		case STEP_READ:
		case STEP_WRITE:
			write_guest_global(v.vm, log_access, access);
			ret = run_to_sync(v.vcpus[0], reason);
			break;
		default:
			if (!log_is(&v, access))
				ret = NESTED_FAIL;
		}
		if (ret == NESTED_FAIL)
			ksft_print_msg("steps from there: %s\n", step);
	}
	if (ret == NESTED_SYNC) {
		access = 0;
		write_guest_global(v.vm, log_access, access);
		ret = run_to_sync(v.vcpus[0], reason);
	}
	kvm_vm_free(v.vm);

	return ret;
}

static int run_row(unsigned int n, const char **reason)
{
	const struct vncr_row *row = &rows[flat[n].index];

	return row->host ? row->host(n, reason) : run_single(n, reason);
}

static void flatten_row(unsigned int index, bool write, bool after_use, bool range,
			enum log_mode mode)
{
	struct flat_row *row = &flat[nr_flat++];
	const char *variant = range ? ", of a range" : "";

	if (rows[index].each_way)
		variant = after_use ? ": write, after use" : write ? ": write" : ": read";
	row->index = index;
	row->write = write;
	row->after_use = after_use;
	row->range = range;
	row->mode = mode;
	TEST_ASSERT(asprintf(&row->desc, "%s%s%s%s", rows[index].desc, variant, mode ? ", " : "",
			     log_mode_names[mode]) > 0, "asprintf() failed");
}

int main(int argc, char *argv[])
{
	struct nested_suite suite = {
		.name = "nested_vncr",
		.rows = flat, .row_size = sizeof(flat[0]),
		.run = run_row, .timeout_s = 30,
	};
	enum log_mode mode;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].steps) {
			for (mode = LOG_NONE + 1; mode < NR_LOG_MODES; mode++)
				flatten_row(i, false, false, false, mode);
			continue;
		}
		flatten_row(i, rows[i].write, rows[i].after_use, false, LOG_NONE);
		if (rows[i].ranges)
			flatten_row(i, false, false, true, LOG_NONE);
		if (rows[i].each_way) {
			flatten_row(i, true, false, false, LOG_NONE);
			flatten_row(i, true, true, false, LOG_NONE);
		}
	}
	suite.nr_rows = nr_flat;

	return nested_main(argc, argv, &suite);
}
