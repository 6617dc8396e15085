// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization, tests: descriptors that change under a walk.
 *
 * A write that sets the Access flag and the dirty state of stage 1, alone and
 * with its tables behind a stage 2 that is updated as well. Another CPU of L1
 * stores to a descriptor between its fetch and the compare-and-swap. The walk
 * of that stage starts again, from what is there now, a bounded number of
 * times; then it is a lost race for the stage before, which starts again just
 * as often. Races of stage 2 alone are in s2_leaf_kunit.c.
 *
 * Seen to fail: with one try more in kvm_s2_walk().
 */
#include <kunit/test.h>

#include <asm/sysreg.h>

#include "nested/s1walk.h"
#include "fake_mem.h"

/* 4K, 39 bits, and a block of 1 GB at level 1, in either stage. */
#define VA_IN			0x80604abcULL
#define TTBR			0x80000000ULL
#define S1_IPA			(TTBR + 2 * 8)
#define S2_BASE			0x40000000ULL
#define S2_PA			(S2_BASE + 2 * 8)
/* The block in which stage 2 puts the tables of stage 1. */
#define TABLES			0x140000000ULL

#define AF			BIT_ULL(10)
#define DBM			BIT_ULL(51)
#define S1_RO			BIT_ULL(7)
#define S2_W			BIT_ULL(7)

#define S1_BLOCK		(0xc0000000ULL | 1)
#define PA_OUT			0xc0604abcULL
#define S1_OLD			(S1_BLOCK | DBM | S1_RO)
#define S1_CLEAN		(S1_OLD | AF)
#define S1_DIRTY		(S1_BLOCK | DBM | AF)

/* Normal memory, readable; writes make it dirty. */
#define S2_OLD			(TABLES | DBM | 0xfULL << 2 | BIT_ULL(6) | 1)
#define S2_CLEAN		(S2_OLD | AF)
#define S2_DIRTY		(S2_OLD | AF | S2_W)

/* Invalid, and not the 0 that stands for a software bit. */
#define GONE			BIT_ULL(63)
/* A block above the 40 bits of either output. */
#define TOO_FAR			(BIT_ULL(41) | AF | 1)

#define TRIES			KVM_WALK_MAX_RETRIES
#define ALWAYS			~0U

enum race_stage { IN_S1, IN_S2 };

/**
 * struct race_row - a write, and who interferes
 * @desc: says what the row is about
 * @s2: descriptor of stage 2; 0: stage 2 is off
 * @s1: descriptor of stage 1
 * @stage: whose descriptor changes
 * @races: how many updates of it lose
 * @winner: what it is then; 0: it flips FAKE_SW_BIT
 * @ret: result of the walk
 * @fault: the fault
 * @pa: output address of stage 1
 * @reads: number of descriptors fetched
 * @updates: number of compare-and-swaps
 * @s2_after: descriptor of stage 2, afterwards
 * @s1_after: descriptor of stage 1, afterwards
 */
struct race_row {
	const char *desc;
	u64 s2;
	u64 s1;
	enum race_stage stage;
	unsigned int races;
	u64 winner;

	int ret;
	struct kvm_walk_fault fault;
	u64 pa;
	unsigned int reads;
	unsigned int updates;
	u64 s2_after;
	u64 s1_after;
};

#define S1_FAULT(k, l)							\
	.ret = KVM_WALK_FAULT,						\
	.fault = { KVM_FAULT_##k, .stage = 1, .level = l, .write = true }
/* Of a stage-1 walk, at level 1 */
#define S2_FAULT(k, w)							\
	.ret = KVM_WALK_FAULT,						\
	.fault = { KVM_FAULT_##k, .stage = 2, .level = 1, .s1ptw = true,	\
		   .write = w, .ipa = S1_IPA }

static const struct race_row s1_rows[] = {
	/* One fetch and one update, each time. */
	{
		.desc = "nobody else", .s1 = S1_OLD,
		.pa = PA_OUT, .reads = 1, .updates = 1, .s1_after = S1_DIRTY,
	}, {
		.desc = "lost once", .s1 = S1_OLD, .races = 1,
		.pa = PA_OUT, .reads = 2, .updates = 2,
		.s1_after = S1_DIRTY | FAKE_SW_BIT,
	}, {
		.desc = "won at the last try", .s1 = S1_OLD, .races = TRIES - 1,
		.pa = PA_OUT, .reads = TRIES, .updates = TRIES,
		.s1_after = S1_DIRTY | FAKE_SW_BIT,
	}, {
		.desc = "lost at each try", .s1 = S1_OLD, .races = TRIES,
		.ret = -EAGAIN, .reads = TRIES, .updates = TRIES,
		.s1_after = S1_OLD,
	}, {
		.desc = "lost for ever", .s1 = S1_OLD, .races = ALWAYS,
		.ret = -EAGAIN, .reads = TRIES, .updates = TRIES,
		.s1_after = S1_OLD,
	}, {
		.desc = "lost for ever, AF alone", .s1 = S1_DIRTY & ~AF,
		.races = ALWAYS,
		.ret = -EAGAIN, .reads = TRIES, .updates = TRIES,
		.s1_after = S1_DIRTY & ~AF,
	},

	/* What the other one has written is what counts. */
	{
		.desc = "both set meanwhile", .s1 = S1_OLD,
		.races = 1, .winner = S1_DIRTY,
		.pa = PA_OUT, .reads = 2, .updates = 1, .s1_after = S1_DIRTY,
	}, {
		.desc = "AF set meanwhile", .s1 = S1_OLD,
		.races = 1, .winner = S1_CLEAN,
		.pa = PA_OUT, .reads = 2, .updates = 2, .s1_after = S1_DIRTY,
	}, {
		.desc = "unmapped meanwhile", .s1 = S1_OLD,
		.races = 1, .winner = GONE,
		S1_FAULT(TRANSLATION, 1), .reads = 2, .updates = 1,
		.s1_after = GONE,
	}, {
		.desc = "made read-only meanwhile", .s1 = S1_OLD,
		.races = 1, .winner = S1_OLD & ~DBM,
		S1_FAULT(PERMISSION, 1), .reads = 2, .updates = 1,
		.s1_after = S1_OLD & ~DBM,
	}, {
		.desc = "moved meanwhile", .s1 = S1_OLD,
		.races = 1, .winner = S1_OLD ^ 0x40000000,
		.pa = PA_OUT ^ 0x40000000, .reads = 2, .updates = 2,
		.s1_after = S1_DIRTY ^ 0x40000000,
	}, {
		.desc = "moved out of reach meanwhile", .s1 = S1_OLD,
		.races = 1, .winner = TOO_FAR,
		S1_FAULT(ADDRESS_SIZE, 1), .reads = 2, .updates = 1,
		.s1_after = TOO_FAR,
	}, {
		/* Whose memory aborts: the third fetch is of level 2. */
		.desc = "split into a table meanwhile", .s1 = S1_OLD,
		.races = 1, .winner = 0x90000000 | 3,
		S1_FAULT(SEA_TTW, 2), .reads = 3, .updates = 1,
		.s1_after = 0x90000000 | 3,
	},
};

KUNIT_ARRAY_PARAM_DESC(s1, s1_rows, desc);

static const struct race_row two_rows[] = {
	/*
	 * Without a race: stage 2 (AF), stage 1; and again for the update, stage
	 * 2 (dirty), stage 1.
	 */
	{
		.desc = "nobody else", .s2 = S2_OLD, .s1 = S1_OLD,
		.pa = PA_OUT, .reads = 3, .updates = 3,
		.s2_after = S2_DIRTY, .s1_after = S1_DIRTY,
	}, {
		.desc = "nothing to update", .s2 = S2_CLEAN, .s1 = S1_DIRTY,
		.races = ALWAYS,
		.pa = PA_OUT, .reads = 2, .updates = 0,
		.s2_after = S2_CLEAN, .s1_after = S1_DIRTY,
	},

	/* Stage 2 loses: stage 1 need not know, unless it loses for good. */
	{
		.desc = "AF of stage 2, lost once", .s2 = S2_OLD, .s1 = S1_OLD,
		.stage = IN_S2, .races = 1,
		.pa = PA_OUT, .reads = 4, .updates = 4,
		.s2_after = S2_DIRTY | FAKE_SW_BIT, .s1_after = S1_DIRTY,
	}, {
		.desc = "AF of stage 2, won at the last try of all",
		.s2 = S2_OLD, .s1 = S1_DIRTY,
		.stage = IN_S2, .races = TRIES * TRIES - 1,
		.pa = PA_OUT, .reads = TRIES * TRIES + 1, .updates = TRIES * TRIES,
		.s2_after = S2_CLEAN | FAKE_SW_BIT, .s1_after = S1_DIRTY,
	}, {
		.desc = "AF of stage 2, lost for ever: nothing of stage 1 is read",
		.s2 = S2_OLD, .s1 = S1_OLD,
		.stage = IN_S2, .races = ALWAYS,
		.ret = -EAGAIN, .reads = TRIES * TRIES, .updates = TRIES * TRIES,
		.s2_after = S2_OLD, .s1_after = S1_OLD,
	}, {
		.desc = "dirty state of stage 2, lost once",
		.s2 = S2_CLEAN, .s1 = S1_OLD,
		.stage = IN_S2, .races = 1,
		.pa = PA_OUT, .reads = 4, .updates = 3,
		.s2_after = S2_DIRTY | FAKE_SW_BIT, .s1_after = S1_DIRTY,
	}, {
		.desc = "dirty state of stage 2, lost for ever",
		.s2 = S2_CLEAN, .s1 = S1_OLD,
		.stage = IN_S2, .races = ALWAYS,
		.ret = -EAGAIN, .reads = TRIES * (2 + TRIES), .updates = TRIES * TRIES,
		.s2_after = S2_CLEAN, .s1_after = S1_OLD,
	},

	/* Stage 1 loses: all of it again, stage 2 included. */
	{
		.desc = "stage 1, lost once", .s2 = S2_DIRTY, .s1 = S1_OLD,
		.races = 1,
		.pa = PA_OUT, .reads = 6, .updates = 2,
		.s2_after = S2_DIRTY, .s1_after = S1_DIRTY | FAKE_SW_BIT,
	}, {
		.desc = "stage 1, lost for ever; stage 2 stays updated",
		.s2 = S2_OLD, .s1 = S1_OLD,
		.races = ALWAYS,
		.ret = -EAGAIN, .reads = 3 * TRIES, .updates = 2 + TRIES,
		.s2_after = S2_DIRTY, .s1_after = S1_OLD,
	},

	/* What the other one has written is what counts. */
	{
		.desc = "stage 2, AF set meanwhile", .s2 = S2_OLD, .s1 = S1_DIRTY,
		.stage = IN_S2, .races = 1, .winner = S2_CLEAN,
		.pa = PA_OUT, .reads = 3, .updates = 1,
		.s2_after = S2_CLEAN, .s1_after = S1_DIRTY,
	}, {
		.desc = "stage 2, made dirty meanwhile",
		.s2 = S2_CLEAN, .s1 = S1_OLD,
		.stage = IN_S2, .races = 1, .winner = S2_DIRTY,
		.pa = PA_OUT, .reads = 4, .updates = 2,
		.s2_after = S2_DIRTY, .s1_after = S1_DIRTY,
	}, {
		.desc = "stage 2, unmapped during the fetch",
		.s2 = S2_OLD, .s1 = S1_OLD,
		.stage = IN_S2, .races = 1, .winner = GONE,
		S2_FAULT(TRANSLATION, false), .reads = 2, .updates = 1,
		.s2_after = GONE, .s1_after = S1_OLD,
	}, {
		.desc = "stage 2, unmapped during the update",
		.s2 = S2_CLEAN, .s1 = S1_OLD,
		.stage = IN_S2, .races = 1, .winner = GONE,
		S2_FAULT(TRANSLATION, true), .reads = 4, .updates = 1,
		.s2_after = GONE, .s1_after = S1_OLD,
	}, {
		.desc = "stage 2, made read-only during the update",
		.s2 = S2_CLEAN, .s1 = S1_OLD,
		.stage = IN_S2, .races = 1, .winner = S2_CLEAN & ~DBM,
		S2_FAULT(PERMISSION, true), .reads = 4, .updates = 1,
		.s2_after = S2_CLEAN & ~DBM, .s1_after = S1_OLD,
	}, {
		.desc = "stage 2, moved out of reach during the fetch",
		.s2 = S2_OLD, .s1 = S1_OLD,
		.stage = IN_S2, .races = 1, .winner = TOO_FAR,
		S2_FAULT(ADDRESS_SIZE, false), .reads = 2, .updates = 1,
		.s2_after = TOO_FAR, .s1_after = S1_OLD,
	}, {
		/* Where there is nothing: the third fetch is of stage 1. */
		.desc = "stage 2, moved during the fetch",
		.s2 = S2_OLD, .s1 = S1_OLD,
		.stage = IN_S2, .races = 1, .winner = S2_DIRTY ^ 0x80000000,
		S1_FAULT(SEA_TTW, 1), .reads = 3, .updates = 1,
		.s2_after = S2_DIRTY ^ 0x80000000, .s1_after = S1_OLD,
	}, {
		.desc = "stage 1, unmapped meanwhile",
		.s2 = S2_DIRTY, .s1 = S1_OLD,
		.races = 1, .winner = GONE,
		S1_FAULT(TRANSLATION, 1), .reads = 5, .updates = 1,
		.s2_after = S2_DIRTY, .s1_after = GONE,
	}, {
		.desc = "stage 1, made read-only meanwhile",
		.s2 = S2_DIRTY, .s1 = S1_OLD,
		.races = 1, .winner = S1_OLD & ~DBM,
		S1_FAULT(PERMISSION, 1), .reads = 5, .updates = 1,
		.s2_after = S2_DIRTY, .s1_after = S1_OLD & ~DBM,
	},
};

KUNIT_ARRAY_PARAM_DESC(two, two_rows, desc);

static void race_s1_config(struct kvm_s1_config *cfg)
{
	const struct kvm_s1_features feat = {
		.pa_bits = 40,
		.gran	 = BIT(12),
		.haf	 = true,
		.hdbs	 = true,
	};
	const struct kvm_s1_regs regs = {
		.regime	= KVM_REGIME_EL10,
		/* HD, HA; IPS: 40 bits; TG1: 4K; T1SZ and T0SZ: 25 */
		.tcr	= BIT_ULL(40) | BIT_ULL(39) | 2ULL << 32 | 2ULL << 30 |
			  25 << 16 | 25,
		/* I, C, M */
		.sctlr	= BIT_ULL(12) | BIT_ULL(2) | BIT_ULL(0),
		.ttbr	= { TTBR, TTBR },
		.mair	= 0xff,
	};

	kvm_s1_configure(&regs, &feat, cfg);
}

static void race_s2_config(bool off, struct kvm_s2_config *cfg)
{
	const struct kvm_s2_features feat = {
		.pa_bits = 40,
		.gran	 = BIT(12),
		.haf	 = true,
		.hdbs	 = true,
	};
	const struct kvm_s2_regs regs = {
		/* HD, HA; PS: 40 bits; SL0: level 1; T0SZ: 25 */
		.vtcr	= BIT_ULL(22) | BIT_ULL(21) | 2 << 16 | 1 << 6 | 25,
		.vttbr	= S2_BASE,
		.off	= off,
	};

	kvm_s2_configure(&regs, &feat, cfg);
}

static void race_run(struct kunit *test)
{
	const struct race_row *row = test->param_value;
	const u64 s1_pa = row->s2 ? S1_IPA - TTBR + TABLES : S1_IPA;
	const struct fake_desc desc[FAKE_DESCS] = {
		{ S2_PA, row->s2 }, { s1_pa, row->s1 },
	};
	struct fake_mem *mem = fake_mem_new(test, desc);
	const struct kvm_access acc = { .type = KVM_ACC_WRITE };
	struct kvm_walk_fault fault;
	struct kvm_s1_result res;
	struct kvm_s1_config s1;
	struct kvm_s1_mem s1_mem = { .phys = { &fake_mem_ops, mem } };
	const struct kvm_walk_mem wmem = { &kvm_s1_mem_ops, &s1_mem };
	int ret;

	mem->races = row->races;
	mem->race_pa = row->stage == IN_S2 ? S2_PA : s1_pa;
	mem->race_raw = row->winner;

	race_s1_config(&s1);
	race_s2_config(!row->s2, &s1_mem.s2);
	ret = kvm_s1_walk(&s1, &wmem, VA_IN, &acc, &res, &fault);

	KUNIT_EXPECT_EQ(test, ret, row->ret);
	if (!ret)
		KUNIT_EXPECT_EQ(test, res.pa, row->pa);
	if (ret == KVM_WALK_FAULT)
		fake_fault_check(test, &fault, &row->fault);
	else
		KUNIT_EXPECT_EQ(test, fault.kind, KVM_FAULT_NONE);
	KUNIT_EXPECT_EQ(test, mem->reads, row->reads);
	KUNIT_EXPECT_EQ(test, mem->updates, row->updates);
	KUNIT_EXPECT_EQ(test, mem->desc[0].raw, row->s2_after);
	KUNIT_EXPECT_EQ(test, mem->desc[1].raw, row->s1_after);
}

static struct kunit_case race_cases[] = {
	{ .run_case = race_run, .name = "stage_1",
	  .generate_params = s1_gen_params },
	{ .run_case = race_run, .name = "stage_1_behind_stage_2",
	  .generate_params = two_gen_params },
	{}
};

static struct kunit_suite race_suite = {
	.name		= "kvm_nested_race",
	.test_cases	= race_cases,
};

kunit_test_suite(race_suite);
