// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization, tests: what Arm's specification makes of a walk.
 *
 * The rows in vector_rows.h are conformance vectors: registers, features,
 * memory and an access, made up at random, and what the executed specification
 * permits to come of them. Whichever of a row's outcomes the walk has, fault,
 * level, stage, address, reads in their order and the update have to be those
 * of that one outcome.
 *
 * Seen to fail: with the index of the first table as wide as any other in
 * pt_index_offset(), OA[50:48] for OA[51:48] with FEAT_LPA, BADDR from bit 5.
 */
#include <kunit/test.h>
#include <linux/hex.h>

#include <asm/sysreg.h>

#include "nested/s1walk.h"
#include "fake_mem.h"

/* Granules are at their shifts. */
#define G4K			BIT(12)
#define G16K			BIT(14)
#define G64K			BIT(16)
#define GRANULES		(G4K | G16K | G64K)

enum vector_flags {
	LPA2_4K		= BIT(0),
	LPA2_16K	= BIT(1),
	TTST		= BIT(2),
	XNX		= BIT(3),
	HAF		= BIT(4),
	HDBS		= BIT(5),
	FWB		= BIT(6),
	HPDS		= BIT(7),
	EPAN		= BIT(8),
	/* The access: by EL0, with PSTATE.PAN, not aligned */
	EL0		= BIT(9),
	WITH_PAN	= BIT(10),
	UNALIGNED	= BIT(11),
};

/**
 * enum outcome_flags - what is said of a fault
 * @S1PTW: it is on a stage-1 walk
 * @AS_READ: it is reported as a read
 * @AS_WRITE: it is reported as a write; if neither, the vector does not say
 */
enum outcome_flags {
	S1PTW		= BIT(0),
	AS_READ		= BIT(1),
	AS_WRITE	= BIT(2),
};

/* The address of a fault of stage 1 is no part of the record. */
#define ANY			(~0ULL)

/**
 * struct vector_outcome - an outcome that is permitted
 * @kind: kind of fault, or none
 * @level: its level
 * @stage: its stage
 * @flags: enum outcome_flags
 * @addr: the output address; of a fault of stage 2, its IPA
 * @reads: the words that are read, in order: a hexadecimal digit for each, its
 *	   place in the row's memory; NULL ends a list
 * @update: 1 + the place of the word that is updated; 0 if none is
 * @word: what the update writes, unless it aborts
 */
struct vector_outcome {
	enum kvm_fault_kind kind;
	s8 level;
	u8 stage;
	u8 flags;
	u64 addr;
	const char *reads;
	u8 update;
	u64 word;
};

#define VECTOR_OUTCOMES		6
#define VECTOR_WORDS		FAKE_DESCS

/**
 * struct vector_row - a conformance vector
 * @desc: its name, granule (of stage 1 on that of stage 2), access, outcome
 * @pa_bits: PA size of the VM
 * @flags: granules and enum vector_flags
 * @type: the access
 * @addr: the IPA, or the VA if there are registers of stage 1
 * @s2: registers of stage 2
 * @mem: all the memory that there is
 * @out: the outcomes
 * @s1: registers of stage 1; both TTBRs have the same value
 */
struct vector_row {
	const char *desc;
	u8 pa_bits;
	u32 flags;
	enum kvm_access_type type;
	u64 addr;
	struct {
		u64 vtcr;
		u64 vttbr;
		u64 hcr;
		u64 sctlr;
	} s2;
	struct fake_desc mem[VECTOR_WORDS];
	struct vector_outcome out[VECTOR_OUTCOMES];
	struct {
		u64 tcr;
		u64 sctlr;
		u64 ttbr;
		u64 mair;
	} s1;
};

#define ACC(t)			KVM_ACC_##t
#define DONE			.kind = KVM_FAULT_NONE, .stage = 0
#define FAULT(k, l, s)		.kind = KVM_FAULT_##k, .level = l, .stage = s
#define UPDATE(place)		((place) + 1)
#define RO			FAKE_RO
#define ABORTS			FAKE_ABORTS

#include "vector_rows.h"

KUNIT_ARRAY_PARAM_DESC(vector, vector_rows, desc);

/**
 * struct vector_walk - what a walk has come to
 * @ret: its result
 * @fault: the fault, if it is one
 * @addr: the output address, if it is none
 */
struct vector_walk {
	int ret;
	struct kvm_walk_fault fault;
	u64 addr;
};

static void vector_s2_config(const struct vector_row *row,
			     struct kvm_s2_config *cfg)
{
	const struct kvm_s2_features feat = {
		.pa_bits = row->pa_bits,
		.gran	 = row->flags & GRANULES,
		.lpa2	 = (row->flags & LPA2_4K ? G4K : 0) |
			   (row->flags & LPA2_16K ? G16K : 0),
		.ttst	 = row->flags & TTST,
		.xnx	 = row->flags & XNX,
		.haf	 = row->flags & HAF,
		.hdbs	 = row->flags & HDBS,
	};
	const struct kvm_s2_regs regs = {
		.vtcr	    = row->s2.vtcr,
		.vttbr	    = row->s2.vttbr,
		.big_endian = row->s2.sctlr & SCTLR_ELx_EE,
		.ptw	    = row->s2.hcr & HCR_EL2_PTW,
		.fwb	    = (row->flags & FWB) && (row->s2.hcr & HCR_EL2_FWB),
		.off	    = !(row->s2.hcr & (HCR_EL2_VM | HCR_EL2_DC)),
	};

	kvm_s2_configure(&regs, &feat, cfg);
}

static void vector_s1_config(const struct vector_row *row,
			     struct kvm_s1_config *cfg)
{
	const struct kvm_s1_features feat = {
		.pa_bits = row->pa_bits,
		.gran	 = row->flags & GRANULES,
		.ttst	 = row->flags & TTST,
		.haf	 = row->flags & HAF,
		.hdbs	 = row->flags & HDBS,
		.hpds	 = row->flags & HPDS,
		.pan	 = true,
		.epan	 = row->flags & EPAN,
		.asid16	 = true,
	};
	const struct kvm_s1_regs regs = {
		.regime	= KVM_REGIME_EL10,
		.tcr	= row->s1.tcr,
		.sctlr	= row->s1.sctlr,
		.ttbr	= { row->s1.ttbr, row->s1.ttbr },
		.mair	= row->s1.mair,
		.hcr	= row->s2.hcr,
	};

	kvm_s1_configure(&regs, &feat, cfg);
}

/* From the VA if there are registers of stage 1, or from the IPA. */
static void vector_walk(const struct vector_row *row, struct fake_mem *mem,
			const struct kvm_access *acc, struct vector_walk *got)
{
	struct kvm_s1_mem s1_mem = { .phys = { &fake_mem_ops, mem } };
	struct kvm_s12_result res;
	struct kvm_s1_config s1;

	vector_s2_config(row, &s1_mem.s2);
	if (row->s1.tcr) {
		vector_s1_config(row, &s1);
		got->ret = kvm_s12_walk(&s1, &s1_mem, row->addr, acc, &res,
					&got->fault);
	} else {
		got->ret = kvm_s2_walk(&s1_mem.s2, &s1_mem.phys, row->addr, acc,
				       &res.s2, &got->fault);
	}
	if (!got->ret)
		got->addr = res.s2.oa;
}

static bool vector_same_fault(const struct vector_outcome *out,
			      const struct kvm_walk_fault *fault)
{
	if (out->level != fault->level || out->stage != fault->stage)
		return false;
	if (fault->s1ptw != !!(out->flags & S1PTW))
		return false;
	if (out->flags & (AS_READ | AS_WRITE) &&
	    fault->write != !!(out->flags & AS_WRITE))
		return false;
	return out->addr == ANY || out->addr == fault->ipa;
}

static bool vector_same_reads(const struct vector_row *row,
			      const struct vector_outcome *out,
			      const struct fake_mem *mem)
{
	unsigned int i;

	if (mem->reads != strlen(out->reads))
		return false;
	for (i = 0; i < mem->reads; i++)
		if (mem->read_pa[i] != row->mem[hex_to_bin(out->reads[i])].pa)
			return false;
	return true;
}

static bool vector_same_update(const struct vector_row *row,
			       const struct vector_outcome *out,
			       const struct fake_mem *mem)
{
	unsigned int i, n = fake_count(row->mem);
	u64 want;

	if (mem->updates != !!out->update)
		return false;
	if (out->update && mem->update_pa != row->mem[out->update - 1].pa)
		return false;

	for (i = 0; i < n; i++) {
		want = row->mem[i].raw;
		if (out->update == i + 1 && !(row->mem[i].flags & FAKE_RO))
			want = out->word;
		if (mem->desc[i].raw != want)
			return false;
	}
	return true;
}

/* NULL, or what differs. */
static const char *vector_differs(const struct vector_row *row,
				  const struct vector_outcome *out,
				  const struct vector_walk *got,
				  const struct fake_mem *mem)
{
	if (got->ret != (out->kind ? KVM_WALK_FAULT : 0))
		return "result";
	if (got->ret && out->kind != got->fault.kind)
		return "kind of fault";
	if (got->ret && !vector_same_fault(out, &got->fault))
		return "fault";
	if (!got->ret && out->addr != got->addr)
		return "output address";
	if (!vector_same_reads(row, out, mem))
		return "reads";
	if (!vector_same_update(row, out, mem))
		return "update";
	return NULL;
}

static void vector_run(struct kunit *test)
{
	const struct vector_row *row = test->param_value;
	const struct kvm_access acc = {
		.type	   = row->type,
		.el0	   = row->flags & EL0,
		.pan	   = row->flags & WITH_PAN,
		.unaligned = row->flags & UNALIGNED,
	};
	struct fake_mem *mem = fake_mem_new(test, row->mem);
	const struct vector_outcome *out = row->out;
	struct vector_walk got = {};
	const char *what = NULL;

	vector_walk(row, mem, &acc, &got);
	for (; out < row->out + VECTOR_OUTCOMES && out->reads; out++) {
		what = vector_differs(row, out, &got, mem);
		if (!what)
			return;
	}
	KUNIT_FAIL(test,
		   "%s differs: result %d, kind %d, stage %d, level %d, s1ptw %d, write %d, ipa %#llx, output %#llx, %u reads, %u updates",
		   what, got.ret, got.fault.kind, got.fault.stage,
		   got.fault.level, got.fault.s1ptw, got.fault.write,
		   got.fault.ipa, got.addr, mem->reads, mem->updates);
}

static struct kunit_case vector_cases[] = {
	KUNIT_CASE_PARAM(vector_run, vector_gen_params),
	{}
};

static struct kunit_suite vector_suite = {
	.name		= "kvm_nested_vectors",
	.test_cases	= vector_cases,
};

kunit_test_suite(vector_suite);
