/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested virtualization, tests: rows that describe a stage-2 walk.
 *
 * A row names a set of registers, the descriptors that the walk should fetch,
 * an access and the exact outcome: result, fault record, what was read in
 * which order, and what memory holds afterwards. Registers go through
 * kvm_s2_configure(), so rows say nothing about how the code represents them.
 *
 * Nested IPAs have a different index at each level and are never equal to
 * their output.
 */
#ifndef __ARM64_KVM_NESTED_TESTS_S2_ROWS_H
#define __ARM64_KVM_NESTED_TESTS_S2_ROWS_H

#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/bits.h>

#include <asm/sysreg.h>

#include "fake_mem.h"
#include "nested/walk.h"

/* VTCR_EL2 */
#define TG_4K			0
#define TG_64K			1
#define TG_16K			2
#define VTCR_RES1		BIT_ULL(31)
#define VTCR_DS			BIT_ULL(32)
#define VTCR_SL2		BIT_ULL(33)
#define VTCR_HA			BIT_ULL(21)
#define VTCR_HD			BIT_ULL(22)

/* Arguments are fields. */
#define VTCR(tg, sl0, t0sz, ps)						\
	(VTCR_RES1 | (u64)(ps) << 16 | (u64)(tg) << 14 |		\
	 (u64)(sl0) << 6 | (u64)(t0sz))

#define PS_32			0
#define PS_36			1
#define PS_40			2
#define PS_42			3
#define PS_44			4
#define PS_48			5
#define PS_52			6
#define PS_56			7

#define ALL_GRANULES		(BIT(12) | BIT(14) | BIT(16))
#define LPA2_GRANULES		(BIT(12) | BIT(14))

/* Descriptors */
#define TABLE(pa)		((pa) | 3ULL)
#define S2_AF			BIT_ULL(10)
#define S2_R			BIT_ULL(6)
#define S2_W			BIT_ULL(7)
#define S2_RW			(S2_R | S2_W)
#define S2_SH			(3ULL << 8)
#define S2_NORMAL		(0xfULL << 2)
#define S2_DEVICE		BIT_ULL(2)	/* nGnRE, with FWB as well */
#define S2_DBM			BIT_ULL(51)
#define S2_CONT			BIT_ULL(52)
#define S2_XN(xn)		((u64)(xn) << 53)
#define S2_ATTRS		(S2_AF | S2_SH | S2_RW | S2_NORMAL)
#define PAGE(pa)		((pa) | S2_ATTRS | 3ULL)
#define BLOCK(pa)		((pa) | S2_ATTRS | 1ULL)
/* With DS bits [9:8] are OA[51:50], and SH comes from VTCR_EL2. */
#define PAGE_DS(pa, oa_51_50)						\
	((pa) | (u64)(oa_51_50) << 8 | (S2_ATTRS & ~S2_SH) | 3ULL)
#define BLOCK_DS(pa, oa_51_50)						\
	((pa) | (u64)(oa_51_50) << 8 | (S2_ATTRS & ~S2_SH) | 1ULL)
#define TABLE_DS(pa, oa_51_50)	((pa) | (u64)(oa_51_50) << 8 | 3ULL)

/* Nested IPAs by their indices, with an offset into the page. */
#define IPA4K(l0, l1, l2, l3)						\
	((u64)(l0) << 39 | (u64)(l1) << 30 | (u64)(l2) << 21 |		\
	 (u64)(l3) << 12 | 0xabc)
#define IPA16K(l0, l1, l2, l3)						\
	((u64)(l0) << 47 | (u64)(l1) << 36 | (u64)(l2) << 25 |		\
	 (u64)(l3) << 14 | 0x2abc)
#define IPA64K(l1, l2, l3)						\
	((u64)(l1) << 42 | (u64)(l2) << 29 | (u64)(l3) << 16 | 0xdabc)

/**
 * struct s2_setup - registers and VM that a row starts from
 * @vtcr: VTCR_EL2
 * @pa_bits: PA size of the VM; 52 comes with FEAT_LPA2
 */
struct s2_setup {
	u64 vtcr;
	u8 pa_bits;
};

/* Where VTTBR_EL2 points, if a row doesn't say. */
#define S2_BASE			0x40000000ULL

/* By granule and start level; as many address bits as one table resolves. */
static const struct s2_setup __maybe_unused s4k_l3 = {
	VTCR(TG_4K, 3, 43, PS_48), 48 };
static const struct s2_setup __maybe_unused s4k_l2 = {
	VTCR(TG_4K, 0, 34, PS_48), 48 };
static const struct s2_setup __maybe_unused s4k_l1 = {
	VTCR(TG_4K, 1, 25, PS_48), 48 };
static const struct s2_setup __maybe_unused s4k_l0 = {
	VTCR(TG_4K, 2, 16, PS_48), 48 };
static const struct s2_setup __maybe_unused s4k_ds_l0 = {
	VTCR(TG_4K, 2, 16, PS_52) | VTCR_DS, 52 };
static const struct s2_setup __maybe_unused s4k_ds_lm1 = {
	VTCR(TG_4K, 0, 12, PS_52) | VTCR_DS | VTCR_SL2, 52 };
static const struct s2_setup __maybe_unused s16k_l3 = {
	VTCR(TG_16K, 0, 39, PS_48), 48 };
static const struct s2_setup __maybe_unused s16k_l2 = {
	VTCR(TG_16K, 1, 28, PS_48), 48 };
static const struct s2_setup __maybe_unused s16k_l1 = {
	VTCR(TG_16K, 2, 17, PS_48), 48 };
static const struct s2_setup __maybe_unused s16k_ds_l1 = {
	VTCR(TG_16K, 2, 17, PS_52) | VTCR_DS, 52 };
static const struct s2_setup __maybe_unused s16k_ds_l0 = {
	VTCR(TG_16K, 3, 12, PS_52) | VTCR_DS, 52 };
static const struct s2_setup __maybe_unused s64k_l3 = {
	VTCR(TG_64K, 0, 35, PS_48), 48 };
static const struct s2_setup __maybe_unused s64k_l2 = {
	VTCR(TG_64K, 1, 22, PS_48), 48 };
static const struct s2_setup __maybe_unused s64k_l1 = {
	VTCR(TG_64K, 2, 16, PS_48), 48 };
static const struct s2_setup __maybe_unused s64k_lpa_l1 = {
	VTCR(TG_64K, 2, 12, PS_52), 52 };

/* Two start tables, four, eight and sixteen. */
static const struct s2_setup __maybe_unused s4k_l1_x16 = {
	VTCR(TG_4K, 1, 21, PS_48), 48 };
static const struct s2_setup __maybe_unused s16k_l1_x2 = {
	VTCR(TG_16K, 2, 16, PS_48), 48 };
static const struct s2_setup __maybe_unused s64k_l2_x4 = {
	VTCR(TG_64K, 1, 20, PS_48), 48 };
static const struct s2_setup __maybe_unused s4k_l2_x8 = {
	VTCR(TG_4K, 0, 31, PS_48), 48 };

/* Output sizes below the input size. */
static const struct s2_setup __maybe_unused s4k_l1_ps32 = {
	VTCR(TG_4K, 1, 25, PS_32), 48 };
static const struct s2_setup __maybe_unused s4k_l1_ps36 = {
	VTCR(TG_4K, 1, 25, PS_36), 48 };
static const struct s2_setup __maybe_unused s4k_l1_pa40 = {
	VTCR(TG_4K, 1, 25, PS_48), 40 };
static const struct s2_setup __maybe_unused s4k_l0_ps40 = {
	VTCR(TG_4K, 2, 16, PS_40), 48 };
static const struct s2_setup __maybe_unused s4k_ds_l0_ps36 = {
	VTCR(TG_4K, 2, 16, PS_36) | VTCR_DS, 52 };
static const struct s2_setup __maybe_unused s4k_ds_lm1_ps48 = {
	VTCR(TG_4K, 0, 12, PS_48) | VTCR_DS | VTCR_SL2, 52 };
static const struct s2_setup __maybe_unused s16k_l2_ps32 = {
	VTCR(TG_16K, 1, 28, PS_32), 48 };
static const struct s2_setup __maybe_unused s16k_ds_l1_ps48 = {
	VTCR(TG_16K, 2, 17, PS_48) | VTCR_DS, 52 };
static const struct s2_setup __maybe_unused s64k_l2_ps36 = {
	VTCR(TG_64K, 1, 22, PS_36), 48 };
static const struct s2_setup __maybe_unused s64k_lpa_l1_ps48 = {
	VTCR(TG_64K, 2, 12, PS_48), 52 };

/* What else can be different about registers and VM. */
enum s2_env {
	S2_BIG_ENDIAN	= BIT(0),
	S2_PTW		= BIT(1),
	S2_FWB		= BIT(2),
	S2_NO_HAF	= BIT(3),
	S2_NO_HDBS	= BIT(4),
};

/**
 * struct s2_row - a stage-2 walk and what has to come of it
 * @desc: says what the row is about
 * @setup: registers and VM
 * @vtcr: bits set in VTCR_EL2, in addition
 * @vttbr: VTTBR_EL2; 0 stands for S2_BASE
 * @env: enum s2_env
 * @mem: descriptors, in the order in which they are fetched
 * @unread: so many of them, from the end, are not
 * @ipa: nested IPA
 * @acc: the access; a read if it is not set
 * @races: how many updates lose a race
 * @race_raw: see struct fake_mem
 * @walks: how often the tables are walked; 0 stands for once
 * @ret: result of the walk
 * @kind: kind of fault
 * @level: its level
 * @write: it is reported as a write
 * @oa: output address
 * @shift: log2 of the size of the leaf; 0 for any
 * @span: log2 of the size of the contiguous run; 0 if it is that of the leaf
 * @updates: number of compare-and-swaps
 * @after: what the last descriptor in @mem is afterwards; 0 for no change
 */
struct s2_row {
	const char *desc;
	const struct s2_setup *setup;
	u64 vtcr;
	u64 vttbr;
	enum s2_env env;
	struct fake_desc mem[FAKE_DESCS];
	u8 unread;
	u64 ipa;
	struct kvm_access acc;
	u8 races;
	u64 race_raw;
	u8 walks;

	int ret;
	enum kvm_fault_kind kind;
	s8 level;
	bool write;
	u64 oa;
	u8 shift;
	u8 span;
	u8 updates;
	u64 after;
};

/* The outcome of a row that faults. */
#define FAULTS(k, l)							\
	.ret = KVM_WALK_FAULT, .kind = KVM_FAULT_##k, .level = l

static inline void s2_row_configure(const struct s2_row *row,
				    struct kvm_s2_config *cfg)
{
	bool pa52 = row->setup->pa_bits == 52;
	struct kvm_s2_features feat = {
		.pa_bits = row->setup->pa_bits,
		.gran	 = ALL_GRANULES,
		.lpa2	 = pa52 ? LPA2_GRANULES : 0,
		.ttst	 = true,
		.xnx	 = true,
		.haf	 = !(row->env & S2_NO_HAF),
		.hdbs	 = !(row->env & (S2_NO_HAF | S2_NO_HDBS)),
	};
	struct kvm_s2_regs regs = {
		.vtcr	    = row->setup->vtcr | row->vtcr,
		.vttbr	    = row->vttbr ?: S2_BASE,
		.big_endian = row->env & S2_BIG_ENDIAN,
		.ptw	    = row->env & S2_PTW,
		.fwb	    = row->env & S2_FWB,
	};

	kvm_s2_configure(&regs, &feat, cfg);
}

static inline void s2_row_run(struct kunit *test, const struct s2_row *row)
{
	struct kvm_walk_fault fault = { .kind = KVM_FAULT_ALIGNMENT };
	struct kvm_s2_result res = {};
	struct fake_mem *mem = fake_mem_new(test, row->mem);
	const struct kvm_walk_mem wmem = { &fake_mem_ops, mem };
	struct kvm_s2_config cfg;
	int ret;

	mem->races = row->races;
	mem->race_raw = row->race_raw;

	s2_row_configure(row, &cfg);
	ret = kvm_s2_walk(&cfg, &wmem, row->ipa, &row->acc, &res, &fault);

	KUNIT_EXPECT_EQ(test, ret, row->ret);
	if (ret == KVM_WALK_FAULT) {
		fake_fault_check(test, &fault, &(struct kvm_walk_fault) {
			.kind	= row->kind,
			.stage	= 2,
			.level	= row->level,
			.s1ptw	= row->acc.type == KVM_ACC_TTW ||
				  row->acc.type == KVM_ACC_TTW_UPDATE,
			.write	= row->write,
			.ipa	= row->ipa,
		});
	} else {
		KUNIT_EXPECT_EQ(test, fault.kind, KVM_FAULT_NONE);
	}
	if (!ret) {
		KUNIT_EXPECT_EQ(test, res.oa, row->oa);
		KUNIT_EXPECT_NE(test, res.oa, row->ipa);
		if (row->shift) {
			KUNIT_EXPECT_EQ(test, res.leaf.shift, row->shift);
			KUNIT_EXPECT_EQ(test, res.leaf.contig_shift,
					row->span ?: row->shift);
		}
	}
	fake_mem_check(test, mem, &(struct fake_check) {
		.desc	 = row->mem,
		.unread	 = row->unread,
		.walks	 = row->walks,
		.updates = row->updates,
		.after	 = row->after,
	});
}

#endif /* __ARM64_KVM_NESTED_TESTS_S2_ROWS_H */
