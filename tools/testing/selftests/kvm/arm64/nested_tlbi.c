// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_tlbi - TLB maintenance by an L1 hypervisor, and by its L2
 *
 * A row is one TLBI instruction in one form (local, IS, OS, and the same with nXS), or one shape of
 * mapping and operand. An L2 reads pages through VAs of its own, so that everything on the way is
 * cached; then descriptors of L1's stage 2, of L2's stage 1, or of L1's own tables are made
 * invalid, and the TLBI and a DSB follow: from then on what the descriptors mapped must not be
 * reached any more, by the same vCPU or, for IS and OS, by another one that is running L2 all the
 * time. A TLBI may remove more than it names, so of the neighbours that it does not name it is
 * asked that L2 still reads what is theirs. Then the descriptors get new outputs. That is done
 * twice: the first time L2 looks at the invalid state as well, the second time it does not.
 *
 * TLBI IPAS2* need not remove what combines both stages: TLBI VMALLE1* follows it, as hypervisors
 * have to do.
 *
 * The control rows leave the TLBI out and tell if the old translation is seen then, i.e. if the
 * other rows can fail on this machine. QEMU forgets stage-1 translations at each change between L1
 * and L2; only another vCPU that stays in L2 has them.
 *
 * A fill must not overtake a TLBI. Some rows make sure of the order: the host page that L2's fault
 * needs, L2's own or that of L1's table, is missing (userfaultfd) until L1 has changed the
 * descriptor and the TLBI and the DSB are done. The race rows leave it to chance: a vCPU in L2 uses
 * a page all the time while L1, on another vCPU, takes it away and uses it for something else. They
 * need two CPUs that have nothing else to do. NESTED_RACE_MS=N in the environment: for N
 * milliseconds each, and with one CPU, too.
 *
 * Where userspace takes FEAT_TTL, FEAT_TLBIRANGE, FEAT_TLBIOS or FEAT_XS away from the VM, L1 is
 * held to that: a hint is none, and the instructions are UNDEFINED, with TGE set and clear.
 *
 * Seen to fail: with kvm_nested_s2_map() not comparing the sequence number, and with the number
 * read after the walk; with TLBI by IPA not heeding the size of L1's leaf, a TTL taken as level 3,
 * ranges not extended to L1's leaves, NUM without the + 1, SCALE taken as 0; with 16-bit VMIDs
 * whatever VTCR_EL2.VS is, and only VTTBR_EL2's own tables invalidated; with VMALLS12E1, ALLE1, the
 * local form of IPAS2E1, the nXS forms of RIPAS2E1, or EL2 TLBIs, ignored; with a TTL heeded, range
 * or nXS forms executed, without the feature; with a permission fault that adds its permission to
 * whatever the shadow entry maps.
 * Without KVM (tools/testing/kvm-nested/bare): with no TLBI at all, each row but those about other
 * VMIDs, for which QEMU forgets more than it has to. There is one CPU then: rows that need two are
 * skipped, the others tell of the one that executes the TLBI.
 * The race rows, on two CPUs and within 6 seconds for all: with the sequence number not compared,
 * those by IPA; VMALLS12E1 with more time (NESTED_RACE_MS). Not on a busy machine.
 * Not seen to fail: in KVM, the rows about L2's stage 1, with these TLBIs ignored, under QEMU; the
 * race rows of ALLE1, and of VMALLS12E1 when write permission goes. No rows: two vCPUs whose fills
 * of one page meet while L1's leaf changes; a page that becomes a block without break-before-make,
 * where the architecture lets the old entry survive a TLBI of another page.
 *
 * Locking: vCPU 0's L1 changes descriptors and asks. vCPU 1 answers, in L2 where it can; its
 * mailbox (struct observer) is handed over by acquire and release.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch_timer.h"
#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"

#include <asm/barrier.h>
#include <asm/sysreg.h>
#include <linux/userfaultfd.h>

/* L1 memory that the tables under test point to. */
#define DATA_GPA		0x100000000UL
#define DATA_GVA		0x5000000000UL
#define DATA_SLOT		1
#define DATA_PAGES		16

/* Where L2 has it; at L1's EL2, where L1 has it. */
#define PROBE_VA		0x6000000000UL
#define DATA_IPA		BIT(37)
#define DATA_IPA_52		(BIT(51) | BIT(48) | BIT(37))
#define S1_IPA			(DATA_IPA + BIT(34))	/* behind the stage-1 rows */
#define CODE_IPA		(DATA_IPA + BIT(35))	/* of L2 with its MMU off */
#define L1_PTE_GVA		0x7000000000UL

#define ASID			0x55UL
#define PTE_NG			BIT(11)

#define MAGIC			0x7e57da7a00000000UL
#define POISON			0xdeadUL
#define FAULT_S1		1
#define FAULT_S2		2

/* Forms of an instruction; SHARED: other vCPUs are concerned. */
#define LOCAL			0
#define IS			1
#define OS			2
#define SHARED			3
#define NXS			4
#define NR_FORMS		7
#define ALL_FORMS		8	/* one after the other */

static const char * const form_name[] = {
	[LOCAL] = "local", [IS] = "IS", [OS] = "OS",
	[LOCAL | NXS] = "nXS", [IS | NXS] = "ISnXS", [OS | NXS] = "OSnXS",
};

enum operand {
	ALL,			/* none */
	BY_IPA,			/* one for each probe with NAMES */
	BY_IPA_RANGE,
	BY_VA,
	BY_VA_RANGE,
	BY_ASID,
};

enum target {
	S2,			/* L1's stage 2 */
	S1,			/* L2's stage 1, changed by L1 */
	S1_BY_L2,		/* L2's stage 1, changed by L2 */
	EL2,			/* L1's EL2&0, with EL2 and with EL1 instructions */
	CONTROL_S2,		/* no TLBI */
	CONTROL_S1,
	RACE_READ,
	RACE_WRITE,
	UNDEFINED,		/* in the forms that the VM lacks */
	OTHER_PAGE,		/* a leaf changes without a TLBI, and L2 writes */
};

/* What userspace takes from the VM: ID register fields are lowered. */
enum without {
	WITH_ALL,
	NO_TTL,
	NO_RANGE,
	NO_RANGE_NO_OS,
	NO_XS,
};

/* What the host takes away with userfaultfd, and gives back after the TLBI. */
enum late {
	NOT_LATE,
	LATE_DATA,		/* the page that L2 reads */
	LATE_TABLE,		/* the table with its descriptor */
};

#define CHANGES			BIT(0)	/* its descriptor is changed */
#define NAMES			BIT(1)	/* its address is an operand */
#define BOTH			(CHANGES | NAMES)

/*
 * An address that L2 reads. At level 3: page number @n. At level 2: in block @n, @at eighths of it
 * from the start; 8 is its last page.
 */
struct place {
	u32 n;
	u8 at;
	u8 flags;
};

#define MAX_PLACES		6

/* @start and @len in pages at level 3, in eighths of a block at level 2 */
struct range {
	u32 start;
	u32 len;
};

/* An instruction, by form; its operands are of one kind. */
struct op {
	void (*exec[NR_FORMS])(u64 operand);
	enum operand operand;
};

struct row {
	const char *desc;
	const struct op *op;
	enum target target;
	u8 form;

	/* Zeros: the default geometry; pages 0 to 3, of which 1 and 2 change and are named */
	struct s2_geometry geo;
	struct place places[MAX_PLACES];
	struct range range;
	u8 level;		/* of the descriptors that change */
	u8 leaf_a;		/* L1's leaves, if not at that level: before, */
	u8 leaf_b;		/* and after */
	bool ttl;		/* with the level as a hint */
	u8 ttl_level;		/* if it is not that of the descriptors */
	enum without without;
	bool thp;		/* on huge pages of the host, if it has any */
	bool read_only;		/* instead of invalid; then L2 stores */
	bool ipa52;		/* L2 has its MMU off and uses IPAs above 48 bits */
	bool vs;		/* VTCR_EL2.VS */
	enum late late;		/* L2's fault waits for memory meanwhile */
	bool second_root;	/* vCPU 1 has another start table, with the same VMID */
	u16 vmid;		/* L2's */
	u16 tlbi_vmid;		/* in VTTBR_EL2 for the TLBI */
	u64 more[3];		/* more operands: IPAs */
};

/* A function for each instruction, since its encoding has to be a constant. */

/* What has no operand has to have XZR. */
#define EXEC(name, what)						\
static void exec_##name(u64 operand)					\
{									\
	write_sysreg_s((what) == ALL ? 0 : operand, OP_TLBI_##name);	\
}

#define OP(name, what)							\
EXEC(name, what)							\
EXEC(name##IS, what)							\
EXEC(name##OS, what)							\
EXEC(name##NXS, what)							\
EXEC(name##ISNXS, what)							\
EXEC(name##OSNXS, what)							\
static const struct op op_##name = {					\
	.operand = (what),						\
	.exec = {							\
		[LOCAL]		= exec_##name,				\
		[IS]		= exec_##name##IS,			\
		[OS]		= exec_##name##OS,			\
		[LOCAL | NXS]	= exec_##name##NXS,			\
		[IS | NXS]	= exec_##name##ISNXS,			\
		[OS | NXS]	= exec_##name##OSNXS,			\
	},								\
}

OP(VMALLS12E1, ALL);
OP(ALLE1, ALL);
OP(IPAS2E1, BY_IPA);
OP(IPAS2LE1, BY_IPA);
OP(RIPAS2E1, BY_IPA_RANGE);
OP(RIPAS2LE1, BY_IPA_RANGE);
OP(VMALLE1, ALL);
OP(VAE1, BY_VA);
OP(VAAE1, BY_VA);
OP(VALE1, BY_VA);
OP(VAALE1, BY_VA);
OP(ASIDE1, BY_ASID);
OP(RVAE1, BY_VA_RANGE);
OP(RVAAE1, BY_VA_RANGE);
OP(RVALE1, BY_VA_RANGE);
OP(RVAALE1, BY_VA_RANGE);
OP(ALLE2, ALL);
OP(VAE2, BY_VA);
OP(VALE2, BY_VA);
OP(RVAE2, BY_VA_RANGE);
OP(RVALE2, BY_VA_RANGE);

#define FORMS_ROW(name, _target, whose)					\
	{ .desc = #name ", each form: " whose, .target = (_target),	\
	  .op = &op_##name, .form = ALL_FORMS }
#define STAGE2_ROW(name)	FORMS_ROW(name, S2, "L1's stage 2")
#define STAGE1_ROW(name)	FORMS_ROW(name, S1, "L2's stage 1, by L1")
#define STAGE1_BY_L2_ROW(name)	FORMS_ROW(name, S1_BY_L2, "L2's stage 1, by L2")
#define EL2_ROW(name)		FORMS_ROW(name, EL2, "L1's own stage 1")

#define IS_ROW(name, _target)						\
	.op = &op_##name, .form = IS, .target = _target
#define BLOCK_ROW(name)		IS_ROW(name, S2), .level = 2
#define RANGE_ROW		IS_ROW(RIPAS2E1, S2)
#define IPA_ROW			IS_ROW(IPAS2E1, S2)
#define UNDEF_ROW(name, feat, _without)					\
	{ .desc = #name " without " feat ", each form", .target = UNDEFINED,	\
	  .op = &op_##name, .form = ALL_FORMS, .without = (_without) }
#define NO_RANGE_ROW(name)	UNDEF_ROW(name, "FEAT_TLBIRANGE", NO_RANGE)
#define NO_OS_ROW(name)		UNDEF_ROW(name, "FEAT_TLBIOS", NO_RANGE_NO_OS)
#define NO_XS_ROW(name)		UNDEF_ROW(name, "FEAT_XS", NO_XS)
#define DS_GEO	{ .page_shift = 12, .ia_bits = 52, .start = -1, .large = true }

/* The first, middle and last page of a block, of which one is the operand; and the next block. */
#define BLOCK_NAMED_BY(eighth)						\
	.places = { { 0, 0, (eighth) == 0 ? BOTH : CHANGES },		\
		    { 0, 4, (eighth) == 4 ? BOTH : CHANGES },		\
		    { 0, 8, (eighth) == 8 ? BOTH : CHANGES }, { 1, 0 } }
#define BLOCK	BLOCK_NAMED_BY(9)

/* A range and its neighbours, L2 has few pages of it. */
#define RANGE_OF(pages)							\
	.range = { 16, pages },						\
	.places = { { 15 }, { 16, 0, CHANGES }, { 16 + (pages) / 2, 0, CHANGES },	\
		    { 16 + (pages) - 1, 0, CHANGES }, { 16 + (pages) } }

static const struct row rows[] = {
	{ .desc = "control: no TLBI after a change of stage 2", .target = CONTROL_S2 },
	{ .desc = "control: no TLBI after a change of L2's stage 1", .target = CONTROL_S1 },

	STAGE2_ROW(VMALLS12E1),
	STAGE2_ROW(ALLE1),
	STAGE2_ROW(IPAS2E1),
	STAGE2_ROW(IPAS2LE1),
	STAGE2_ROW(RIPAS2E1),
	STAGE2_ROW(RIPAS2LE1),

	STAGE1_ROW(VMALLE1),
	STAGE1_ROW(VAE1),
	STAGE1_ROW(VAAE1),
	STAGE1_ROW(VALE1),
	STAGE1_ROW(VAALE1),
	STAGE1_ROW(ASIDE1),
	STAGE1_ROW(RVAE1),
	STAGE1_ROW(RVAAE1),
	STAGE1_ROW(RVALE1),
	STAGE1_ROW(RVAALE1),

	STAGE1_BY_L2_ROW(VMALLE1),
	STAGE1_BY_L2_ROW(VAE1),
	STAGE1_BY_L2_ROW(VAAE1),
	STAGE1_BY_L2_ROW(VALE1),
	STAGE1_BY_L2_ROW(VAALE1),
	STAGE1_BY_L2_ROW(ASIDE1),
	STAGE1_BY_L2_ROW(RVAE1),
	STAGE1_BY_L2_ROW(RVAAE1),
	STAGE1_BY_L2_ROW(RVALE1),
	STAGE1_BY_L2_ROW(RVAALE1),

	EL2_ROW(ALLE2),
	EL2_ROW(VAE2),
	EL2_ROW(VALE2),
	EL2_ROW(RVAE2),
	EL2_ROW(RVALE2),
	EL2_ROW(VMALLE1),
	EL2_ROW(VAE1),
	EL2_ROW(VAAE1),
	EL2_ROW(VALE1),
	EL2_ROW(VAALE1),
	EL2_ROW(ASIDE1),
	EL2_ROW(RVAE1),
	EL2_ROW(RVAAE1),
	EL2_ROW(RVALE1),
	EL2_ROW(RVAALE1),

	/* An L1 block that L0 maps with pages, or (THP) with a block */
	{ .desc = "a block by its first page",
	  BLOCK_ROW(IPAS2E1), BLOCK_NAMED_BY(0) },
	{ .desc = "a block by a page in the middle",
	  BLOCK_ROW(IPAS2E1), BLOCK_NAMED_BY(4) },
	{ .desc = "a block by its last page",
	  BLOCK_ROW(IPAS2LE1), BLOCK_NAMED_BY(8) },
	{ .desc = "a block by a page of which L2 had none",
	  BLOCK_ROW(IPAS2E1), .more = { DATA_IPA + SZ_64K },
	  .places = { { 0, 4, CHANGES }, { 0, 8, CHANGES }, { 1, 0 } } },
	{ .desc = "a block by its first page, with TTL",
	  BLOCK_ROW(IPAS2E1), BLOCK_NAMED_BY(0), .ttl = true },
	{ .desc = "a block by a page in the middle, with TTL",
	  BLOCK_ROW(IPAS2LE1), BLOCK_NAMED_BY(4), .ttl = true },
	{ .desc = "THP: a block by its first page",
	  BLOCK_ROW(IPAS2E1), BLOCK_NAMED_BY(0), .thp = true },
	{ .desc = "THP: a block by its last page",
	  BLOCK_ROW(IPAS2E1), BLOCK_NAMED_BY(8), .thp = true },
	{ .desc = "THP: a block by a page in the middle, with TTL",
	  BLOCK_ROW(IPAS2E1), BLOCK_NAMED_BY(4), .ttl = true, .thp = true },

	{ .desc = "range: the second half of a block",
	  BLOCK_ROW(RIPAS2E1), BLOCK, .range = { 4, 4 } },
	{ .desc = "range: the first half of a block",
	  BLOCK_ROW(RIPAS2LE1), BLOCK, .range = { 0, 4 } },
	{ .desc = "range: the second half of a block, with TTL",
	  BLOCK_ROW(RIPAS2E1), BLOCK, .range = { 4, 4 }, .ttl = true },
	{ .desc = "range: from the middle of a block to the middle of the next",
	  BLOCK_ROW(RIPAS2E1), .range = { 4, 8 },
	  .places = { { 0, 0, CHANGES }, { 0, 4, CHANGES }, { 0, 8, CHANGES },
		      { 1, 0, CHANGES }, { 1, 4, CHANGES }, { 1, 8, CHANGES } } },
	{ .desc = "THP: range: the second half of a block",
	  BLOCK_ROW(RIPAS2E1), BLOCK, .range = { 4, 4 }, .thp = true },

	/* Changes of level */
	{ .desc = "a table is replaced, all of it by a range",
	  BLOCK_ROW(RIPAS2E1), BLOCK, .range = { 0, 8 },
	  .leaf_a = 3, .leaf_b = 3 },
	{ .desc = "a table is replaced, VMALLS12E1IS",
	  BLOCK_ROW(VMALLS12E1), BLOCK, .leaf_a = 3, .leaf_b = 3 },
	{ .desc = "a block becomes a table, by IPA",
	  BLOCK_ROW(IPAS2E1), .leaf_b = 3,
	  .places = { { 0, 0, BOTH }, { 0, 4, BOTH }, { 0, 8, BOTH }, { 1, 0 } } },
	{ .desc = "a table becomes a block, by a range",
	  BLOCK_ROW(RIPAS2E1), BLOCK, .range = { 0, 8 }, .leaf_a = 3 },

	/* SCALE and NUM from end to end */
	{ .desc = "range: 2 pages (SCALE 0, NUM 0)", RANGE_ROW,
	  .range = { 16, 2 },
	  .places = { { 15 }, { 16, 0, CHANGES }, { 17, 0, CHANGES }, { 18 } } },
	{ .desc = "range: 64 pages (SCALE 0, NUM 31)", RANGE_ROW, RANGE_OF(64) },
	{ .desc = "range: 128 pages (SCALE 1, NUM 1)", RANGE_ROW, RANGE_OF(128) },
	{ .desc = "range: 2048 pages (SCALE 1, NUM 31)", RANGE_ROW, RANGE_OF(2048) },
	{ .desc = "range: 4096 pages (SCALE 2, NUM 1)", RANGE_ROW, RANGE_OF(4096) },
	{ .desc = "range: 65536 pages (SCALE 2, NUM 31)", RANGE_ROW, RANGE_OF(65536) },
	{ .desc = "range: 131072 pages (SCALE 3, NUM 1)", RANGE_ROW, RANGE_OF(131072) },
	{ .desc = "range: 524288 pages (SCALE 3, NUM 7)", RANGE_ROW, RANGE_OF(524288) },
	{ .desc = "range: 64 pages, with TTL", RANGE_ROW, RANGE_OF(64), .ttl = true },
	{ .desc = "a page, with TTL", IPA_ROW, .ttl = true },

	/* Addresses that 36 or 48 bits do not hold */
	{ .desc = "DS: a page", IPA_ROW, .geo = DS_GEO },
	{ .desc = "DS: range, in units of 64K", RANGE_ROW, .geo = DS_GEO, RANGE_OF(64) },
	{ .desc = "DS: a page above 48 bits", IPA_ROW, .geo = DS_GEO, .ipa52 = true },
	{ .desc = "DS: range above 48 bits",
	  RANGE_ROW, .geo = DS_GEO, RANGE_OF(64), .ipa52 = true },
	{ .desc = "64K: a page above 48 bits", IPA_ROW, .ipa52 = true,
	  .geo = { .page_shift = 16, .ia_bits = 52, .start = 1, .large = true } },

	/* Operands that name nothing */
	{ .desc = "an IPA beyond the input size", IPA_ROW,
	  .more = { BIT(41), BIT(47) | DATA_IPA, GENMASK(47, 12) } },
	{ .desc = "an IPA beyond 48 bits", IPA_ROW,
	  .more = { BIT(48), BIT(51) | DATA_IPA, GENMASK(51, 12) } },

	/* VMIDs */
	{ .desc = "VMIDs of 8 bits: the upper byte is ignored, by IPA", IPA_ROW,
	  .vmid = 0x0105, .tlbi_vmid = 0xff05 },
	{ .desc = "VMIDs of 8 bits: the upper byte is ignored, all",
	  IS_ROW(VMALLS12E1, S2), .vmid = 0x0005, .tlbi_vmid = 0x8005 },
	{ .desc = "VMIDs of 8 bits: the upper byte is ignored, stage 1",
	  IS_ROW(VMALLE1, S1), .vmid = 0xa505, .tlbi_vmid = 0x0005 },
	{ .desc = "VMIDs of 16 bits", IPA_ROW, .vs = true, .vmid = 0x0105, .tlbi_vmid = 0x0105 },
	{ .desc = "another VMID, by IPA", IPA_ROW, .tlbi_vmid = 7,
	  .places = { { 0, 0, NAMES }, { 1, 0, NAMES } } },
	{ .desc = "another VMID, all",
	  IS_ROW(VMALLS12E1, S2), .tlbi_vmid = 7, .places = { { 0 }, { 1 } } },
	{ .desc = "another VMID of 16 bits, all",
	  IS_ROW(VMALLS12E1, S2), .vs = true, .vmid = 0x0105,
	  .tlbi_vmid = 0x0205, .places = { { 0 }, { 1 } } },
	{ .desc = "two start tables under one VMID, by IPA", IPA_ROW, .second_root = true },
	{ .desc = "two start tables under one VMID, by range", RANGE_ROW, .second_root = true },
	{ .desc = "two start tables under one VMID, all",
	  IS_ROW(VMALLS12E1, S2), .second_root = true },
	{ .desc = "two start tables under one VMID, stage 1",
	  IS_ROW(VAE1, S1), .second_root = true },
	{ .desc = "ALLE1IS is about all VMIDs",
	  IS_ROW(ALLE1, S2), .tlbi_vmid = 7 },

	/* Permissions: no break-before-make is needed */
	{ .desc = "write permission goes, by IPA", IPA_ROW, .read_only = true },
	{ .desc = "write permission goes, by range", RANGE_ROW, .read_only = true },
	{ .desc = "write permission goes, all",
	  IS_ROW(VMALLS12E1, S2), .read_only = true },
	{ .desc = "write permission of a block goes, by IPA",
	  BLOCK_ROW(IPAS2E1), BLOCK_NAMED_BY(0), .read_only = true },
	{ .desc = "a read-only page becomes another one, which is writable",
	  IS_ROW(IPAS2E1, OTHER_PAGE), .places = { { 1, 0, BOTH } } },

	/* Bits [47:44] are RES0 then, and ignored. */
	{ .desc = "without FEAT_TTL: a block by a page, with level 3 where TTL would be",
	  BLOCK_ROW(IPAS2E1), BLOCK_NAMED_BY(4), .ttl = true, .ttl_level = 3, .without = NO_TTL },

	/* Instructions that the VM does not have */
	NO_RANGE_ROW(RIPAS2E1),
	NO_RANGE_ROW(RIPAS2LE1),
	NO_RANGE_ROW(RVAE1),
	NO_RANGE_ROW(RVAE2),
	NO_OS_ROW(VMALLS12E1),
	NO_OS_ROW(ALLE1),
	NO_OS_ROW(IPAS2E1),
	NO_OS_ROW(VAE1),
	NO_OS_ROW(RVAE1),
	NO_OS_ROW(VAE2),
	NO_XS_ROW(VMALLS12E1),
	NO_XS_ROW(IPAS2E1),
	NO_XS_ROW(RIPAS2E1),
	NO_XS_ROW(VAE1),
	NO_XS_ROW(VAE2),
	NO_XS_ROW(RVAE2),

	/*
	 * A fill against a TLBI. With userfaultfd the host is in the middle of handling L2's fault:
	 * after the walk, or after the descriptor that changes, of which it has the old value.
	 */
	{ .desc = "L2's fault waits for its page meanwhile, IPAS2E1IS",
	  IPA_ROW, .late = LATE_DATA, .places = { { 1, 0, BOTH } } },
	{ .desc = "L2's fault waits for its page meanwhile, RIPAS2E1IS",
	  RANGE_ROW, .late = LATE_DATA, .places = { { 1, 0, BOTH } } },
	{ .desc = "L2's fault waits for its page meanwhile, VMALLS12E1IS",
	  IS_ROW(VMALLS12E1, S2), .late = LATE_DATA, .places = { { 1, 0, BOTH } } },
	{ .desc = "L2's fault waits for its page meanwhile, ALLE1IS",
	  IS_ROW(ALLE1, S2), .late = LATE_DATA, .places = { { 1, 0, BOTH } } },
	{ .desc = "L2's fault waits for L1's table meanwhile, IPAS2E1IS",
	  BLOCK_ROW(IPAS2E1), .leaf_a = 3, .leaf_b = 3, .late = LATE_TABLE,
	  .places = { { 0, 4, BOTH } } },
	{ .desc = "L2's fault waits for L1's table meanwhile, RIPAS2E1IS",
	  BLOCK_ROW(RIPAS2E1), .leaf_a = 3, .leaf_b = 3, .late = LATE_TABLE, .range = { 0, 8 },
	  .places = { { 0, 4, BOTH } } },
	{ .desc = "L2's fault waits for L1's table meanwhile, VMALLS12E1IS",
	  BLOCK_ROW(VMALLS12E1), .leaf_a = 3, .leaf_b = 3, .late = LATE_TABLE,
	  .places = { { 0, 4, BOTH } } },
	{ .desc = "L2's fault waits for L1's table meanwhile, ALLE1IS",
	  BLOCK_ROW(ALLE1), .leaf_a = 3, .leaf_b = 3, .late = LATE_TABLE,
	  .places = { { 0, 4, BOTH } } },
	{ .desc = "race: L2 reads, IPAS2E1IS", IS_ROW(IPAS2E1, RACE_READ) },
	{ .desc = "race: L2 reads, RIPAS2E1IS",
	  IS_ROW(RIPAS2E1, RACE_READ) },
	{ .desc = "race: L2 reads, VMALLS12E1IS", IS_ROW(VMALLS12E1, RACE_READ) },
	{ .desc = "race: L2 reads, ALLE1IS", IS_ROW(ALLE1, RACE_READ) },
	{ .desc = "race: L2 writes, IPAS2E1IS", IS_ROW(IPAS2E1, RACE_WRITE) },
	{ .desc = "race: L2 writes, write permission goes, IPAS2E1IS",
	  IS_ROW(IPAS2E1, RACE_WRITE), .read_only = true },
	{ .desc = "race: L2 writes, write permission goes, VMALLS12E1IS",
	  IS_ROW(VMALLS12E1, RACE_WRITE), .read_only = true },
};

/* Guest and host share these; the host side writes them before the vCPUs run. */

enum state { STATE_A, STATE_INVALID, STATE_B };

struct probe {
	u64 va;
	u64 ipa;
	u64 *desc;		/* the same for L1 and L2 */
	u64 descs[3];		/* by enum state */
	u64 value_a;
	u64 value_b;
	u8 flags;
};

static struct probe probes[MAX_PLACES];

/* Of the instruction, now. */
static u64 form;

static struct config {
	u64 nr_probes;
	u64 row;
	u64 va_page_shift;	/* of L1's and L2's stage 1 */
	u64 range_start;	/* VA or IPA, in bytes */
	u64 range_size;
	u64 race_ms;
	u64 single_cpu;		/* waiting means to give the CPU away */
	void *code;		/* room for that of an L2 with its MMU off */
} cfg;

/* vCPU 1's mailbox. Its answer to a request follows it by release. */
static struct observer {
	u64 started;
	u64 req;
	u64 ack;
	u64 va;
	u64 value;
	u64 stop;
	u64 loads;
	u64 poisoned;		/* the round */
	u64 ready;		/* L2 is, for a round */
	u64 go;			/* it has begun */
	u64 done;		/* it is at its end */
	u64 in_time;		/* L2's first access worked */
} obs;

#define SYNC_YIELD		1
#define SYNC_WAIT_FAULT		2	/* until the other vCPU's fault waits */
#define SYNC_RESOLVE		3	/* let it go on */
#define CMD_CHANGE		0	/* no VA */
#define CMD_STORE		1	/* nor this */
#define STORED			(MAGIC + BIT(48))
#define SPINS			100000

/*
 * x0 = [x0]; [x0] = x1. A handler of a fault puts FAULT_* into x2 and skips the access.
 */
u64 probe_load(u64 va);
u64 probe_store(u64 va, u64 value);
extern const char probe_load_insn[];
extern const char probe_store_insn[];

asm("	.pushsection .text, \"ax\"\n"
"probe_load:\n"
"	mov	x2, xzr\n"
"probe_load_insn:\n"
"	ldr	x0, [x0]\n"
"	cmp	x2, xzr\n"
"	csel	x0, x0, x2, eq\n"
"	ret\n"
"probe_store:\n"
"	mov	x2, xzr\n"
"probe_store_insn:\n"
"	str	x1, [x0]\n"
"	mov	x0, x2\n"
"	ret\n"
"	.popsection\n");

static const struct row *this_row(void)
{
	return &rows[cfg.row];
}

static bool is_race(const struct row *row)
{
	return row->target == RACE_READ || row->target == RACE_WRITE;
}

/* What the row wants of an address: to read it, or to write what is there. */
static u64 probe(u64 va)
{
	u64 value = probe_load(va);

	if (!this_row()->read_only)
		return value;
	return probe_store(va, value) ?: value;
}

/* Are the descriptors L1's stage 2? */
static bool is_stage2(const struct row *row)
{
	return row->target == S2 || row->target == CONTROL_S2 || row->target == OTHER_PAGE ||
	       is_race(row);
}

static bool pc_is_probe(u64 pc)
{
	return pc == (u64)probe_load_insn || pc == (u64)probe_store_insn;
}

/* L2's EL1, and L1 where the row is about EL2&0. */
static void stage1_fault_handler(struct ex_regs *regs)
{
	GUEST_ASSERT(pc_is_probe(regs->pc));
	regs->regs[2] = FAULT_S1;
	regs->pc += 4;
}

/* L1: enter L2 until it calls; its faults on a probe are skipped. Returns its argument. */
static u64 l1_run_l2(struct l2_vcpu *l2)
{
	struct l2_abort abort;
	bool fault;

	for (;;) {
		l2_enter(l2);
		if (l2_exit_is_hvc(&l2->exit, L2_HVC_CALL) ||
		    l2_exit_is_hvc(&l2->exit, L2_HVC_DONE))
			return l2->regs[0];
		fault = l2_decode_abort(&l2->exit, &abort) && !abort.s1ptw &&
			pc_is_probe(l2->exit.elr);
		__GUEST_ASSERT(fault, "L2 came back with ESR 0x%lx FAR 0x%lx HPFAR 0x%lx",
			       l2->exit.esr, l2->exit.far, l2->exit.hpfar);
		GUEST_ASSERT((abort.fsc & ESR_ELx_FSC_TYPE) == ESR_ELx_FSC_FAULT ||
			     ((abort.fsc & ESR_ELx_FSC_TYPE) == ESR_ELx_FSC_PERM && abort.write));
		l2->regs[2] = FAULT_S2;
		l2->pc += 4;
	}
}

/* Change descriptors and do the maintenance: in L1, or in L2 if the row says so. */

static void set_state(enum state state)
{
	unsigned int i;

	for (i = 0; i < cfg.nr_probes; i++)
		if (probes[i].flags & CHANGES)
			WRITE_ONCE(*probes[i].desc, probes[i].descs[state]);
	dsb(ish);
}

static u64 operand_of(const struct row *row, const struct s2_mmu *s2, u64 addr)
{
	u64 ttl;

	if (row->op->operand == BY_IPA) {
		ttl = row->ttl ? s2_tlbi_ttl(&s2->geo, row->ttl_level ?: row->level ?: 3) : 0;
		return s2_tlbi_ipa(addr, ttl);
	}
	return ASID << 48 | FIELD_GET(GENMASK(55, 12), addr);
}

static u64 range_operand(const struct row *row, const struct s2_mmu *s2)
{
	struct s2_geometry va_geo = { .page_shift = cfg.va_page_shift };
	bool va = row->op->operand == BY_VA_RANGE;
	const struct s2_geometry *geo = va ? &va_geo : &s2->geo;
	u64 pages = cfg.range_size >> geo->page_shift;

	return s2_tlbi_range(geo, cfg.range_start, pages, row->ttl ? row->level ?: 3 : 0) |
	       (va ? ASID << 48 : 0);
}

/* All TLBIs of the row, without barriers. */
static void exec_tlbis(const struct row *row, const struct s2_mmu *s2)
{
	bool range = row->op->operand == BY_IPA_RANGE || row->op->operand == BY_VA_RANGE;
	void (*exec)(u64 operand) = row->op->exec[form];
	unsigned int i;

	if (row->op->operand == ALL || row->op->operand == BY_ASID)
		exec(ASID << 48);
	else if (range)
		exec(range_operand(row, s2));

	for (i = 0; !range && i < cfg.nr_probes; i++)
		if (probes[i].flags & NAMES)
			exec(operand_of(row, s2, row->op->operand == BY_IPA ? probes[i].ipa :
									      probes[i].va));
	for (i = 0; i < ARRAY_SIZE(row->more); i++)
		if (row->more[i])
			exec(s2_tlbi_ipa(row->more[i], 0));
}

static void l1_tlbi_for_l2(const struct row *row, struct s2_mmu *s2)
{
	struct s2_mmu tlbi_s2 = *s2;
	u64 hcr;

	if (row->tlbi_vmid)
		tlbi_s2.vttbr = (s2->vttbr & ~VTTBR_EL2_VMID_MASK) |
				FIELD_PREP(VTTBR_EL2_VMID_MASK, row->tlbi_vmid);

	hcr = s2_tlbi_begin(&tlbi_s2);
	exec_tlbis(row, s2);
	dsb(sy);
	if (row->op->operand == BY_IPA || row->op->operand == BY_IPA_RANGE) {
		op_VMALLE1.exec[form](0);
		dsb(sy);
	}
	s2_tlbi_end(hcr);
}

/* Own stage 1, of L1 or of L2. */
static void tlbi_own(const struct row *row)
{
	dsb(ishst);
	exec_tlbis(row, NULL);
	dsb(sy);
	isb();
}

/* vCPU 0's L2: does what it is told. */
static void l2_server(void)
{
	u64 arg, value = 0;

	for (;;) {
		arg = l2_hvc(value);
		if (arg == CMD_CHANGE) {
			set_state(STATE_INVALID);
			tlbi_own(this_row());
		} else if (arg == CMD_STORE) {
			value = probe_store(probes[0].va, STORED);
		} else {
			value = probe(arg);
		}
	}
}

/* vCPU 1: answers, and keeps its translations warm while it waits. In L2, or in L1 for EL2&0. */
static void observe(void)
{
	u64 req, va, value, last = 0;
	unsigned int idle = 0;

	/* Pairs with the acquire in l1_main(). */
	smp_store_release(&obs.started, 1);
	while (!READ_ONCE(obs.stop)) {
		/* Pairs with the release in l1_post_request(). */
		req = smp_load_acquire(&obs.req);
		va = READ_ONCE(obs.va);
		if (!va)
			continue;
		value = probe(va);
		if (req != last) {
			obs.value = value;
			/* Pairs with the acquire in l1_wait_for_answer(). */
			smp_store_release(&obs.ack, req);
			last = req;
			idle = 0;
		} else if (cfg.single_cpu && ++idle > 2) {
			GUEST_SYNC(SYNC_YIELD);
		}
	}
}

static void yield_after(unsigned int *spins)
{
	if (cfg.single_cpu || ++*spins > SPINS) {
		*spins = 0;
		GUEST_SYNC(SYNC_YIELD);
	}
}

static void l1_post_request(u64 va)
{
	obs.va = va;
	/* Pairs with the acquire in observe(). */
	smp_store_release(&obs.req, obs.req + 1);
}

static u64 l1_wait_for_answer(void)
{
	unsigned int spins = 0;

	/* Pairs with the release in observe(). */
	while (smp_load_acquire(&obs.ack) != obs.req)
		yield_after(&spins);

	return obs.value;
}

static u64 l1_ask_observer(u64 va)
{
	l1_post_request(va);
	return l1_wait_for_answer();
}

/* The load on this vCPU, by whoever the row is about. */
static u64 l1_load_here(const struct row *row, struct l2_vcpu *l2, const struct probe *probe)
{
	if (row->target == EL2)
		return probe_load(probe->va);
	if (!row->ipa52) {
		l2->regs[0] = probe->va;
		return l1_run_l2(l2);
	}

	l2->pc = CODE_IPA + l2_stub_offset(L2_STUB_LOAD);
	l2->regs[0] = probe->ipa;
	l2_enter(l2);
	if (l2_exit_is_hvc(&l2->exit, L2_HVC_DONE))
		return l2->regs[1];
	__GUEST_ASSERT(ESR_ELx_EC(l2->exit.esr) == ESR_ELx_EC_DABT_LOW &&
		       (l2->exit.esr & ESR_ELx_FSC_TYPE) == ESR_ELx_FSC_FAULT,
		       "L2 came back with ESR 0x%lx", l2->exit.esr);
	return FAULT_S2;
}

static bool needs_observer(const struct row *row)
{
	return row->target == CONTROL_S2 || row->target == CONTROL_S1 || is_race(row) ||
	       row->late || row->second_root;
}

static bool has_observer(const struct row *row)
{
	return !NESTED_BARE && (form & SHARED) && !row->ipa52;
}

static u64 value_of(const struct row *row, const struct probe *probe, enum state state)
{
	if (!(probe->flags & CHANGES) || state == STATE_A)
		return probe->value_a;
	if (state == STATE_B)
		return probe->value_b;

	return is_stage2(row) ? FAULT_S2 : FAULT_S1;
}

static void l1_expect(const struct row *row, struct l2_vcpu *l2, enum state state, const char *when)
{
	unsigned int i;
	u64 got, want;

	for (i = 0; i < cfg.nr_probes; i++) {
		want = value_of(row, &probes[i], state);
		got = l1_load_here(row, l2, &probes[i]);
		__GUEST_ASSERT(got == want, "form %s, %s, probe %u: got 0x%lx, expected 0x%lx",
			       form_name[form], when, i, got, want);
		if (!has_observer(row))
			continue;
		got = l1_ask_observer(probes[i].va);
		__GUEST_ASSERT(got == want,
			       "form %s, %s, probe %u, other vCPU: got 0x%lx, expected 0x%lx",
			       form_name[form], when, i, got, want);
	}
}

/* Make the descriptors invalid (or read-only) and do what is under test. */
static void l1_invalidate(const struct row *row, struct l2_vcpu *l2)
{
	if (row->target == S1_BY_L2) {
		l2->regs[0] = CMD_CHANGE;
		l1_run_l2(l2);
		return;
	}

	set_state(STATE_INVALID);
	if (row->target == EL2)
		tlbi_own(row);
	else
		l1_tlbi_for_l2(row, l2->s2);
}

static void l1_check_tlbi(const struct row *row, struct l2_vcpu *l2)
{
	l1_expect(row, l2, STATE_A, "before");
	l1_invalidate(row, l2);
	l1_expect(row, l2, STATE_INVALID, "without a translation");
	set_state(STATE_B);
	/* An invalid descriptor is not cached; one without permission may be. */
	if (row->read_only)
		l1_tlbi_for_l2(row, l2->s2);
	l1_expect(row, l2, STATE_B, "with another translation");

	l1_invalidate(row, l2);
	set_state(STATE_A);
	if (row->read_only)
		l1_tlbi_for_l2(row, l2->s2);
	l1_expect(row, l2, STATE_A, "with the first one again");
}

/* The whole of a change while vCPU 1 is in the middle of a fault on what changes. */
static void l1_check_late(const struct row *row, struct l2_vcpu *l2)
{
	u64 got, i;

	l1_post_request(probes[0].va);
	GUEST_SYNC(SYNC_WAIT_FAULT);
	l1_invalidate(row, l2);
	set_state(STATE_B);
	GUEST_SYNC(SYNC_RESOLVE);
	for (i = 0; i < 2; i++) {
		got = i ? l1_ask_observer(probes[0].va) : l1_wait_for_answer();
		__GUEST_ASSERT(got == probes[0].value_b, "time %lu: got 0x%lx, expected 0x%lx",
			       i, got, probes[0].value_b);
	}
}

/* Without the TLBI both outcomes are right. */
static void l1_control(const struct row *row, struct l2_vcpu *l2)
{
	const struct probe *probe = &probes[1];
	u64 here, there;

	l1_expect(row, l2, STATE_A, "before");
	l1_ask_observer(probe->va);
	set_state(STATE_INVALID);
	there = l1_ask_observer(probe->va);
	here = l1_load_here(row, l2, probe);
	GUEST_PRINTF("without a TLBI the old translation is %s by the same vCPU, %s by another\n",
		     here == probe->value_a ? "still used" : "not used any more",
		     there == probe->value_a ? "still used" : "not used any more");
	s2_tlbi_vmalls12e1is(l2->s2);
	l1_expect(row, l2, STATE_INVALID, "without a translation");
}

/* Data says where it was at first. */
static u64 *l1_page_of(u64 value)
{
	return (u64 *)(DATA_GVA + value - MAGIC);
}

/*
 * L2 has read a page that L1's leaf did not let it write to. Without a TLBI a leaf that lets it
 * write, to another page, may be used or not; the write goes to that one or nowhere. Permission for
 * the one page does not come with the address of the other.
 */
static void l1_check_other_page(const struct row *row, struct l2_vcpu *l2)
{
	const struct probe *p = &probes[0];
	u64 *a = l1_page_of(p->value_a), *b = l1_page_of(p->value_b), got;

	WRITE_ONCE(*p->desc, p->descs[STATE_A] & ~S2_DESC_S2AP_W);
	l1_tlbi_for_l2(row, l2->s2);
	got = l1_load_here(row, l2, p);
	__GUEST_ASSERT(got == p->value_a, "before: got 0x%lx", got);

	set_state(STATE_B);
	l2->regs[0] = CMD_STORE;
	got = l1_run_l2(l2);
	GUEST_PRINTF("without a TLBI the write %s\n", got ? "faults" : "works");
	__GUEST_ASSERT(READ_ONCE(*a) == p->value_a, "the write went to the first page");
	__GUEST_ASSERT(READ_ONCE(*b) == (got ? p->value_b : STORED),
		       "other page: found 0x%lx", READ_ONCE(*b));

	l1_tlbi_for_l2(row, l2->s2);
	l2->regs[0] = CMD_STORE;
	got = l1_run_l2(l2);
	__GUEST_ASSERT(!got && READ_ONCE(*b) == STORED, "after the TLBI: got 0x%lx", got);
}

/*
 * Races. In each round L2's page has no shadow entry at first, then both sides start at the same
 * time: L2 to use it, L1 to take it away. L1 lets L2 have a head start, longer or shorter from
 * round to round so that L2's fault finds the descriptor valid in about half of them: then L1's
 * change comes while the fault is handled. L2 goes on until L1 has finished the round.
 */

#define HEAD_START_MAX		BIT(22)

static void race_pause(struct guest_random_state *rng, u64 head_start)
{
	u64 i, n = head_start / 2 + guest_random_u64(rng) % (head_start + 1);

	for (i = 0; i < n; i++)
		asm volatile("" : : : "memory");
}

static bool race_wait(u64 *counter, u64 n)
{
	unsigned int spins = 0;

	/* Pairs with the releases of the other side. */
	while (smp_load_acquire(counter) < n) {
		if (READ_ONCE(obs.stop))
			return false;
		yield_after(&spins);
	}

	return true;
}

/* Returns whether L2 used the page before it was taken away. */
static bool l2_race_access(const struct row *row, u64 n)
{
	u64 value, loads = obs.loads + 1;

	if (row->target == RACE_WRITE) {
		value = probe_store(probes[0].va, MAGIC + loads);
		WRITE_ONCE(obs.loads, loads);
		return !value;
	}

	value = probe_load(probes[0].va);
	if (value == POISON)
		WRITE_ONCE(obs.poisoned, n);
	WRITE_ONCE(obs.loads, loads);

	return value == MAGIC + n - 1;
}

static void l2_race(void)
{
	const struct row *row = this_row();
	u64 n;

	for (n = 1; ; n++) {
		/* L1 waits for that. */
		smp_store_release(&obs.ready, n);
		if (!race_wait(&obs.go, n))
			return;
		obs.in_time = l2_race_access(row, n);
		/* Pairs with the release at the end of the round. */
		while (smp_load_acquire(&obs.done) < n && !READ_ONCE(obs.stop))
			l2_race_access(row, n);
		/* What is stale now stays so. */
		l2_race_access(row, n);
	}
}

/* After the TLBI the old page is free for something else. */
static void l1_race_read(const struct row *row, struct l2_vcpu *l2, u64 n)
{
	u64 *a = l1_page_of(probes[0].value_a), *b = l1_page_of(probes[0].value_b);

	WRITE_ONCE(*(n & 1 ? b : a), MAGIC + n);
	set_state(STATE_INVALID);
	l1_tlbi_for_l2(row, l2->s2);
	WRITE_ONCE(*(n & 1 ? a : b), POISON);
	set_state(n & 1 ? STATE_B : STATE_A);
}

/* After the TLBI the page does not change any more. */
static void l1_race_write(const struct row *row, struct l2_vcpu *l2, u64 n)
{
	u64 *page = l1_page_of(probes[0].value_a), value, loads;
	unsigned int spins = 0;

	set_state(STATE_INVALID);
	l1_tlbi_for_l2(row, l2->s2);
	value = READ_ONCE(*page);
	loads = READ_ONCE(obs.loads);
	while (READ_ONCE(obs.loads) - loads < 2)
		yield_after(&spins);
	__GUEST_ASSERT(READ_ONCE(*page) == value, "L2 still writes, in round %lu", n);
	set_state(STATE_A);
	l1_tlbi_for_l2(row, l2->s2);
}

static void l1_race(const struct row *row, struct l2_vcpu *l2)
{
	/* Drops the page and nothing else, whatever the row's TLBI is. */
	static const struct row drop = { .op = &op_IPAS2E1 };
	struct guest_random_state rng = new_guest_random_state(1);
	u64 n, end, in_time = 0, head_start = 4096;

	end = timer_get_cntct(VIRTUAL) + msec_to_cycles(cfg.race_ms);
	for (n = 1; timer_get_cntct(VIRTUAL) < end; n++) {
		race_wait(&obs.ready, n);
		__GUEST_ASSERT(!READ_ONCE(obs.poisoned), "L2 read what is not its, in round %lu",
			       obs.poisoned);
		in_time += obs.in_time;
		if (n > 1 && obs.in_time)
			head_start -= head_start / 4;
		else
			head_start = min_t(u64, head_start + head_start / 2, HEAD_START_MAX);
		l1_tlbi_for_l2(&drop, l2->s2);
		/* L2 waits for that. */
		smp_store_release(&obs.go, n);
		race_pause(&rng, head_start);
		if (row->target == RACE_READ)
			l1_race_read(row, l2, n);
		else
			l1_race_write(row, l2, n);
		/* And for that. */
		smp_store_release(&obs.done, n);
	}
	GUEST_PRINTF("%lu rounds, head start %lu, L2 was in time in %lu, %lu accesses\n",
		     n - 1, head_start, in_time, READ_ONCE(obs.loads));
}

/* What the VM lacks for the instruction in a form. */
static const char *l1_op_missing(const struct row *row, u64 form)
{
	u64 isar0 = read_sysreg_s(SYS_ID_AA64ISAR0_EL1);
	u64 isar1 = read_sysreg_s(SYS_ID_AA64ISAR1_EL1);
	u64 tlb = SYS_FIELD_GET(ID_AA64ISAR0_EL1, TLB, isar0);
	bool range = row->op->operand == BY_IPA_RANGE || row->op->operand == BY_VA_RANGE;

	if (range && tlb < ID_AA64ISAR0_EL1_TLB_RANGE)
		return "the VM has no FEAT_TLBIRANGE";
	if ((form & SHARED) == OS && tlb < ID_AA64ISAR0_EL1_TLB_OS)
		return "the VM has no FEAT_TLBIOS";
	if ((form & NXS) && !SYS_FIELD_GET(ID_AA64ISAR1_EL1, XS, isar1))
		return "the VM has no FEAT_XS";

	return NULL;
}

static const char *l1_skip_reason(const struct row *row)
{
	u64 mmfr1 = read_sysreg_s(SYS_ID_AA64MMFR1_EL1);
	u64 mmfr2 = read_sysreg_s(SYS_ID_AA64MMFR2_EL1);

	if (row->ttl && row->without != NO_TTL && !SYS_FIELD_GET(ID_AA64MMFR2_EL1, TTL, mmfr2))
		return "the VM has no FEAT_TTL";
	if (row->vs && SYS_FIELD_GET(ID_AA64MMFR1_EL1, VMIDBits, mmfr1) !=
		       ID_AA64MMFR1_EL1_VMIDBits_16)
		return "the VM has no 16-bit VMIDs";

	if (row->target == UNDEFINED)
		return NULL;

	return row->op ? l1_op_missing(row, row->form == ALL_FORMS ? LOCAL : row->form) : NULL;
}

/* An L2 with its MMU off instead of the one that runs C code. */
static void l1_init_stub_l2(struct l2_vcpu *l2)
{
	struct s2_mmu *s2 = l2->s2;
	unsigned int i;

	l2_stubs_install(cfg.code, SZ_4K);
	l2_init(l2, s2, CODE_IPA);
	for (i = 0; i < DATA_PAGES; i++)
		nested_sync_cache((void *)DATA_GVA + i * SZ_64K, sizeof(u64));
}

static void l1_check_forms(const struct row *row, struct l2_vcpu *l2)
{
	const char *missing;
	u64 f;

	for (f = 0; f < NR_FORMS; f++) {
		if (!row->op->exec[f] || (row->form != ALL_FORMS && row->form != f))
			continue;
		missing = l1_op_missing(row, f);
		if (missing) {
			GUEST_PRINTF("form %s: %s\n", form_name[f], missing);
			continue;
		}
		WRITE_ONCE(form, f);
		l1_check_tlbi(row, l2);
	}
}

/* An undefined instruction that was skipped. */
static u64 undef_pc, undef_esr;

static void undef_handler(struct ex_regs *regs)
{
	undef_pc = regs->pc;
	undef_esr = read_sysreg(esr_el2);
	regs->pc += 4;
}

/* SYS with CRn == 8, or 9 for nXS; @exec has no other one. */
static bool is_tlbi_of(const void *exec, u64 pc)
{
	u32 insn = *(u32 *)pc;
	u32 crn = FIELD_GET(GENMASK(15, 12), insn);

	return pc - (u64)exec < 64 && FIELD_GET(GENMASK(31, 19), insn) == 0x1aa1 &&
	       (crn == 8 || crn == 9);
}

/* @hcr: with and without TGE, which makes EL1's instructions those of EL2&0. */
static void l1_check_undefined(const struct row *row, struct l2_vcpu *l2, u64 f, u64 hcr)
{
	const char *missing = l1_op_missing(row, f);
	bool tge = hcr & HCR_EL2_TGE;
	u64 old;

	undef_pc = 0;
	old = s2_tlbi_begin(l2->s2);
	write_sysreg(hcr, hcr_el2);
	isb();
	/* Page 0, or a range without a granule: where it is defined it does no harm. */
	row->op->exec[f](0);
	s2_tlbi_end(old);

	if (!missing) {
		__GUEST_ASSERT(!undef_pc, "form %s, TGE %d: is undefined", form_name[f], tge);
		return;
	}
	__GUEST_ASSERT(undef_pc, "form %s, TGE %d: works, but %s", form_name[f], tge, missing);
	__GUEST_ASSERT(undef_esr == ESR_ELx_IL && is_tlbi_of(row->op->exec[f], undef_pc),
		       "form %s, TGE %d: ESR_EL2 0x%lx, ELR_EL2 0x%lx", form_name[f], tge,
		       undef_esr, undef_pc);
}

static void l1_check_undefined_forms(const struct row *row, struct l2_vcpu *l2)
{
	u64 hcr = read_sysreg(hcr_el2), f;
	unsigned int nr_missing = 0;

	for (f = 0; f < NR_FORMS; f++) {
		if (!row->op->exec[f])
			continue;
		nr_missing += !!l1_op_missing(row, f);
		l1_check_undefined(row, l2, f, hcr | HCR_EL2_TGE);
		l1_check_undefined(row, l2, f, hcr & ~HCR_EL2_TGE);
	}
	__GUEST_ASSERT(nr_missing, "the VM has all forms");
}

/* vCPU 0 */
static void l1_main(struct l2_vcpu *l2)
{
	const struct row *row = this_row();
	const char *skip = l1_skip_reason(row);
	unsigned int spins = 0;

	if (skip)
		NESTED_GUEST_SKIP(skip);

	if (row->target == UNDEFINED) {
		l1_check_undefined_forms(row, l2);
		GUEST_DONE();
	}

	if (row->ipa52)
		l1_init_stub_l2(l2);
	else if (row->target != EL2 && !is_race(row))
		l1_run_l2(l2);

	form = row->form;
	/* Pairs with the release in observe(). */
	while (!NESTED_BARE && !row->ipa52 && !is_race(row) && !smp_load_acquire(&obs.started))
		yield_after(&spins);

	if (is_race(row))
		l1_race(row, l2);
	else if (row->late)
		l1_check_late(row, l2);
	else if (row->target == CONTROL_S1 || row->target == CONTROL_S2)
		l1_control(row, l2);
	else if (row->target == OTHER_PAGE)
		l1_check_other_page(row, l2);
	else
		l1_check_forms(row, l2);

	WRITE_ONCE(obs.stop, 1);
	GUEST_DONE();
}

/* vCPU 1: L2's code is one of observe() and l2_race_*() */
static void l1_observer_main(struct l2_vcpu *l2)
{
	if (this_row()->target == EL2)
		observe();
	else
		l1_run_l2(l2);
	GUEST_DONE();
}

/* Host */

static const struct place default_places[MAX_PLACES] = {
	{ 0 }, { 1, 0, BOTH }, { 2, 0, BOTH }, { 3 },
};

/* Those of the row that runs. */
static struct place places[MAX_PLACES];

static const struct place race_places[MAX_PLACES] = { { 1, 0, BOTH } };

static u64 row_step(const struct nested_env *env)
{
	return max_t(u64, env->vm->page_size, BIT(env->s2->geo.page_shift));
}

static u8 row_level(const struct row *row)
{
	return row->level ?: 3;
}

static u64 row_ipa_base(const struct row *row)
{
	return row->ipa52 ? DATA_IPA_52 : DATA_IPA;
}

/* Where a place is, from the start of what the row maps. */
static u64 place_offset(const struct nested_env *env, const struct row *row, const struct place *p)
{
	u64 block = BIT(s2_level_shift(&env->s2->geo, 2)), step = row_step(env);

	if (row_level(row) == 3)
		return p->n * step;
	return p->n * block + (p->at == 8 ? block - step : block / 8 * p->at);
}

/* What it is mapped to in STATE_A (@b is 0) and STATE_B (1), from the start of the data. */
static u64 data_offset(const struct nested_env *env, const struct row *row, unsigned int i, int b)
{
	u64 block = BIT(s2_level_shift(&env->s2->geo, 2));

	if (row_level(row) == 3)
		return (2 * i + b) * SZ_64K;
	return (2 * places[i].n + b) * block + (place_offset(env, row, &places[i]) & (block - 1));
}

static u64 *desc_to_guest(const struct nested_env *env, const u64 *desc)
{
	return (u64 *)(nested_pa(&env->mem, desc) - env->mem.gpa + env->mem.gva);
}

/* Map the data in stage 2 as it is before, then as it is after; leave it as before. */
static void map_stage2_rows(struct nested_env *env, const struct row *row)
{
	u8 level = row_level(row), leaf[2] = { row->leaf_a ?: level, row->leaf_b ?: level };
	u64 *desc[MAX_PLACES];
	unsigned int i;
	int b;

	for (b = 0; b < 2; b++) {
		for (i = 0; i < cfg.nr_probes; i++)
			if (!b || (probes[i].flags & CHANGES))
				s2_map(env->s2, probes[i].ipa,
				       DATA_GPA + data_offset(env, row, i, b), 1, leaf[b],
				       S2_ATTR_DEFAULT);
		for (i = 0; i < cfg.nr_probes; i++) {
			desc[i] = s2_desc(env->s2, probes[i].ipa, level);
			probes[i].desc = desc_to_guest(env, desc[i]);
			probes[i].descs[b ? STATE_B : STATE_A] = *desc[i];
		}
		for (i = 0; i < cfg.nr_probes; i++)
			if (probes[i].flags & CHANGES)
				*desc[i] = b ? probes[i].descs[STATE_A] : 0;
	}

	for (i = 0; row->read_only && i < cfg.nr_probes; i++) {
		probes[i].descs[STATE_INVALID] = probes[i].descs[STATE_A] & ~S2_DESC_S2AP_W;
		probes[i].descs[STATE_B] = probes[i].descs[STATE_A];
		probes[i].value_b = probes[i].value_a;
	}
}

/* L2's stage 1 points to other nested IPAs; stage 2 maps both. */
static void map_stage1_row(struct nested_env *env, const struct row *row, unsigned int i)
{
	u64 attrs = PTE_ATTRINDX(MT_NORMAL) | PTE_SHARED | PTE_AF | PTE_NG;
	struct probe *p = &probes[i];
	u64 offset, *desc;
	int b;

	p->desc = (u64 *)nested_env_s1_desc(env, p->va);
	desc = nested_va(&env->mem, env->mem.gpa + ((u64)p->desc - env->mem.gva));
	for (b = 1; b >= 0; b--) {
		offset = data_offset(env, row, i, b);
		s2_map(env->s2, S1_IPA + offset, DATA_GPA + offset, row_step(env), 3,
		       S2_ATTR_DEFAULT);
		nested_env_map_s1(env, p->va, S1_IPA + offset, env->vm->page_size, attrs);
		p->descs[b ? STATE_B : STATE_A] = *desc;
	}
}

/* L1's own tables, which L1 cannot reach unless they are mapped for it. */
static void map_el2_row(struct nested_env *env, const struct row *row, unsigned int i)
{
	struct kvm_vm *vm = env->vm;
	struct probe *p = &probes[i];
	gpa_t pte_gpa;
	u64 *pte;

	virt_map(vm, p->va, DATA_GPA + data_offset(env, row, i, 0), 1);
	pte = virt_get_pte_hva(vm, p->va);
	*pte |= PTE_NG;
	p->descs[STATE_A] = *pte;
	p->descs[STATE_B] = *pte + data_offset(env, row, i, 1) - data_offset(env, row, i, 0);

	pte_gpa = addr_hva2gpa(vm, pte);
	if (!i)
		virt_map(vm, L1_PTE_GVA, pte_gpa & ~(vm->page_size - 1UL), 1);
	p->desc = (u64 *)(L1_PTE_GVA + (pte_gpa & (vm->page_size - 1)));
}

/* Data that tells where it is. */
static u64 put_value(struct kvm_vm *vm, u64 offset)
{
	u64 *data = addr_gpa2hva(vm, DATA_GPA + offset);

	*data = MAGIC + offset;
	return *data;
}

static bool place_is_set(const struct place *p)
{
	return p->n || p->at || p->flags;
}

static void init_probes(struct nested_env *env, const struct row *row)
{
	u64 step = row_step(env), unit;
	unsigned int i;

	/* Only the first one can be all zeros. */
	memcpy(places, is_race(row) ? race_places :
		       place_is_set(&row->places[0]) || place_is_set(&row->places[1]) ?
		       row->places : default_places, sizeof(places));
	for (i = 1; i < MAX_PLACES && place_is_set(&places[i]); i++)
		;
	cfg.nr_probes = i;

	for (i = 0; i < cfg.nr_probes; i++) {
		probes[i] = (struct probe) {
			.flags = places[i].flags,
			.ipa = row_ipa_base(row) + place_offset(env, row, &places[i]),
			.va = PROBE_VA + i * env->vm->page_size,
			.value_a = put_value(env->vm, data_offset(env, row, i, 0)),
			.value_b = put_value(env->vm, data_offset(env, row, i, 1)),
		};
	}

	unit = row_level(row) == 3 ? step : BIT(s2_level_shift(&env->s2->geo, 2)) / 8;
	cfg.range_start = row_ipa_base(row) + (row->range.len ? row->range.start : 1) * unit;
	cfg.range_size = (row->range.len ?: 2) * unit;
	if (row->op && row->op->operand == BY_VA_RANGE) {
		cfg.range_start = probes[1].va;
		cfg.range_size = 2 * env->vm->page_size;
	}
}

static struct s2_mmu second_s2;

/* vCPU 1's own start table. It is a copy, so what is below is shared. */
static void add_second_root(struct nested_env *env, struct l2_vcpu *l2)
{
	u64 size = s2_root_size(&env->s2->geo);
	void *root = nested_alloc(&env->mem, size, size);
	u64 vmid = FIELD_GET(VTTBR_EL2_VMID_MASK, env->s2->vttbr);

	memcpy(root, nested_va(&env->mem, env->s2->root), size);
	second_s2 = *env->s2;
	second_s2.root = nested_pa(&env->mem, root);
	second_s2.vttbr = s2_vttbr(&second_s2.geo, second_s2.root, vmid);
	sync_global_to_guest(env->vm, second_s2);
	l2->s2 = &second_s2;
}

static void create_data(struct kvm_vm *vm, struct nested_env *env, const struct row *row)
{
	u64 size = row_level(row) == 3 ? SZ_1M : 4 * BIT(s2_level_shift(&env->s2->geo, 2));
	bool thp = row->thp && thp_configured();

	vm_userspace_mem_region_add(vm, thp ? VM_MEM_SRC_ANONYMOUS_THP : VM_MEM_SRC_ANONYMOUS,
				    DATA_GPA, DATA_SLOT, size / vm->page_size, 0);
	virt_map(vm, DATA_GVA, DATA_GPA, SZ_1M / vm->page_size);
}

/* Everything that this row's L1 and L2 find in memory. */
static void build_row(struct kvm_vm *vm, struct nested_env *env, const struct row *row,
		      struct kvm_vcpu *vcpus[])
{
	gva_t server = nested_env_add_l2(env, l2_server);
	gva_t observer = nested_env_add_l2(env, is_race(row) ? l2_race : observe);
	struct l2_vcpu *l2s[] = { addr_gva2hva(vm, server), addr_gva2hva(vm, observer) };
	unsigned int i;

	vcpu_args_set(vcpus[0], 1, server);
	vcpu_args_set(vcpus[1], 1, observer);
	for (i = 0; i < ARRAY_SIZE(l2s); i++)
		l2s[i]->ttbr0 |= ASID << 48;

	env->s2->vtcr |= row->vs ? VTCR_EL2_VS : 0;
	if (row->vmid)
		env->s2->vttbr = s2_vttbr(&env->s2->geo, env->s2->root, row->vmid);

	create_data(vm, env, row);
	init_probes(env, row);
	for (i = 0; is_stage2(row) && !row->ipa52 && i < cfg.nr_probes; i++)
		nested_env_map_s1(env, probes[i].va, probes[i].ipa, vm->page_size, 0);
	if (is_stage2(row))
		map_stage2_rows(env, row);
	for (i = 0; !is_stage2(row) && row->target != EL2 && i < cfg.nr_probes; i++)
		map_stage1_row(env, row, i);
	if (row->ipa52) {
		void *page = nested_alloc(&env->mem, SZ_64K, SZ_64K);

		cfg.code = desc_to_guest(env, page);
		s2_map(env->s2, CODE_IPA, nested_pa(&env->mem, page), SZ_64K, 3, S2_ATTR_DEFAULT);
	}
	nested_env_finish(env);
	if (row->second_root)
		add_second_root(env, l2s[1]);
	for (i = 0; row->target == EL2 && i < cfg.nr_probes; i++)
		map_el2_row(env, row, i);
}

/* Host memory that is missing until somebody asks for it. */
static struct late_page {
	int uffd;
	void *hva;
	void *content;
} late;

static const char *remove_late_page(struct kvm_vm *vm, const struct row *row,
				    const struct nested_env *env)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	u64 size = getpagesize();
	gpa_t gpa = s2_desc_pa(&env->s2->geo, probes[0].descs[STATE_A]);

	late.uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (late.uffd < 0 || ioctl(late.uffd, UFFDIO_API, &api))
		return "there is no userfaultfd";

	late.hva = addr_gpa2hva(vm, gpa);
	late.content = aligned_alloc(size, size);
	TEST_ASSERT(late.content, "aligned_alloc() failed");
	memcpy(late.content, late.hva, size);
	/* By then it is somebody else's. */
	if (row->late == LATE_DATA)
		*(u64 *)late.content = POISON;

	TEST_ASSERT(!madvise(late.hva, size, MADV_DONTNEED), "madvise() failed, errno %d", errno);
	reg.range.start = (u64)late.hva;
	reg.range.len = size;
	TEST_ASSERT(!ioctl(late.uffd, UFFDIO_REGISTER, &reg),
		    "UFFDIO_REGISTER failed, errno %d", errno);

	return NULL;
}

static void wait_for_late_fault(void)
{
	struct uffd_msg msg;

	TEST_ASSERT(read(late.uffd, &msg, sizeof(msg)) == sizeof(msg) &&
		    msg.event == UFFD_EVENT_PAGEFAULT, "no page fault, errno %d", errno);
}

static void resolve_late_fault(void)
{
	struct uffdio_copy copy = {
		.dst = (u64)late.hva, .src = (u64)late.content, .len = getpagesize(),
	};

	TEST_ASSERT(!ioctl(late.uffd, UFFDIO_COPY, &copy), "UFFDIO_COPY failed, errno %d", errno);
}

static struct kvm_vcpu *observer_vcpu;
static bool observer_failed;

static void *observer_thread(void *unused)
{
	const char *reason;
	struct ucall uc;
	int ret;

	nested_pin_self(1);
	while ((ret = nested_run_vcpu(observer_vcpu, &uc, &reason)) == NESTED_SYNC)
		sched_yield();
	if (ret != NESTED_PASS) {
		ksft_print_msg("that was the other vCPU\n");
		__atomic_store_n(&observer_failed, true, __ATOMIC_RELEASE);
	}

	return NULL;
}

/* vCPU 0. The other one is left alone if this one fails: it ends with the process. */
static int run_vcpus(struct kvm_vcpu *vcpus[], const char **reason)
{
	pthread_t thread;
	struct ucall uc;
	int ret;

	if (NESTED_BARE || this_row()->target == UNDEFINED)
		return nested_run_vcpu(vcpus[0], &uc, reason);

	observer_vcpu = vcpus[1];
	TEST_ASSERT(!pthread_create(&thread, NULL, observer_thread, NULL),
		    "pthread_create() failed");
	nested_pin_self(0);
	while ((ret = nested_run_vcpu(vcpus[0], &uc, reason)) == NESTED_SYNC) {
		if (__atomic_load_n(&observer_failed, __ATOMIC_ACQUIRE))
			return NESTED_FAIL;
		if (uc.args[1] == SYNC_WAIT_FAULT)
			wait_for_late_fault();
		else if (uc.args[1] == SYNC_RESOLVE)
			resolve_late_fault();
		else
			sched_yield();
	}
	if (ret != NESTED_PASS)
		return ret;

	pthread_join(thread, NULL);
	return observer_failed ? NESTED_FAIL : NESTED_PASS;
}

/* Before the first run. Returns a reason if userspace is not allowed to. */
static const char *lower_features(struct kvm_vcpu *vcpu, enum without without)
{
	static const struct {
		u32 reg;
		u8 shift;
		u8 most;
	} fields[] = {
		[NO_TTL] = { SYS_ID_AA64MMFR2_EL1, ID_AA64MMFR2_EL1_TTL_SHIFT,
			     ID_AA64MMFR2_EL1_TTL_NI },
		[NO_RANGE] = { SYS_ID_AA64ISAR0_EL1, ID_AA64ISAR0_EL1_TLB_SHIFT,
			       ID_AA64ISAR0_EL1_TLB_OS },
		[NO_RANGE_NO_OS] = { SYS_ID_AA64ISAR0_EL1, ID_AA64ISAR0_EL1_TLB_SHIFT,
				     ID_AA64ISAR0_EL1_TLB_NI },
		[NO_XS] = { SYS_ID_AA64ISAR1_EL1, ID_AA64ISAR1_EL1_XS_SHIFT,
			    ID_AA64ISAR1_EL1_XS_NI },
	};
	u64 id = KVM_ARM64_SYS_REG(fields[without].reg), val = vcpu_get_reg(vcpu, id);
	u8 shift = fields[without].shift;
	u64 value = min_t(u64, (val >> shift) & 0xf, fields[without].most);

	val = (val & ~(0xfUL << shift)) | value << shift;
	return __vcpu_set_reg(vcpu, id, val) ? "userspace cannot take the feature away" : NULL;
}

static int run_row(unsigned int n, const char **reason)
{
	const struct row *row = &rows[n];
	const struct s2_geometry *geo = row->geo.page_shift ? &row->geo : NULL;
	const char *race_ms = getenv("NESTED_RACE_MS");
	struct kvm_vcpu *vcpus[2];
	struct nested_env env;
	struct kvm_vm *vm;
	int ret;

	if (NESTED_BARE && row->without) {
		*reason = "all features of the machine are there";
		return NESTED_SKIP;
	}
	if (NESTED_BARE && needs_observer(row)) {
		*reason = "there is one CPU";
		return NESTED_SKIP;
	}
	cfg.row = n;
	cfg.single_cpu = nested_nr_cpus() == 1;
	cfg.race_ms = race_ms ? atoi_positive("NESTED_RACE_MS", race_ms) :
		      1000;
	if (is_race(row) && cfg.single_cpu && !race_ms) {
		*reason = "with one CPU nothing is at the same time (NESTED_RACE_MS=N: do it)";
		return NESTED_SKIP;
	}

	vm = nested_vm_create(2, l1_main, vcpus);
	vcpu_arch_set_entry_point(vcpus[1], l1_observer_main);
	*reason = geo ? s2_geometry_missing(geo) : NULL;
	if (!*reason && row->without)
		*reason = lower_features(vcpus[0], row->without);
	if (*reason)
		return NESTED_SKIP;
	if (row->thp && !thp_configured())
		ksft_print_msg("there are no huge pages: on pages\n");

	vm_install_sync_handler(vm, VECTOR_SYNC_CURRENT, ESR_ELx_EC_DABT_CUR,
				stage1_fault_handler);
	vm_install_sync_handler(vm, VECTOR_SYNC_CURRENT, ESR_ELx_EC_UNKNOWN, undef_handler);
	nested_env_create(&env, vm, geo);
	cfg.va_page_shift = vm->page_shift;
	build_row(vm, &env, row, vcpus);
	*reason = row->late ? remove_late_page(vm, row, &env) : NULL;
	if (*reason)
		return NESTED_SKIP;
	sync_global_to_guest(vm, cfg);
	sync_global_to_guest(vm, probes);

	ret = run_vcpus(vcpus, reason);
	if (ret == NESTED_PASS)
		kvm_vm_free(vm);
	return ret;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_tlbi",
		.rows = rows, .nr_rows = ARRAY_SIZE(rows), .row_size = sizeof(rows[0]),
		.run = run_row,
	};

	return nested_main(argc, argv, &suite);
}
