/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested virtualization, tests: a memory of a few descriptors.
 *
 * A test lists the words that a walk should fetch, in that order; any other
 * address aborts. Every access is counted and the addresses of reads are kept,
 * so that a test can tell "was refused" from "was never looked at".
 *
 * A race is a store by somebody else between the fetch of a descriptor and its
 * update: it is made by the compare-and-swap itself, which then loses.
 */
#ifndef __ARM64_KVM_NESTED_TESTS_FAKE_MEM_H
#define __ARM64_KVM_NESTED_TESTS_FAKE_MEM_H

#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/types.h>

#include "nested/walk.h"

#define FAKE_DESCS	12
#define FAKE_READS	64U

/* Bit 55 of a descriptor is software's: a race that changes nothing else. */
#define FAKE_SW_BIT	BIT_ULL(55)

enum fake_flags {
	FAKE_RO		= BIT(0),	/* updates abort */
	FAKE_ABORTS	= BIT(1),	/* reads abort, too */
	FAKE_ERRNO	= BIT(2),	/* reads fail for a reason of the host's */
	FAKE_S2		= BIT(3),	/* the stage behind refuses access */
};

/**
 * struct fake_desc - a word in memory
 * @pa: its address
 * @raw: its value, read little-endian
 * @flags: what is wrong with it
 *
 * One of zeroes ends a list.
 */
struct fake_desc {
	u64 pa;
	u64 raw;
	enum fake_flags flags;
};

/**
 * struct fake_mem - the context of fake_mem_ops
 * @desc: words that are there, up to one of zeroes
 * @reads: number of reads, those that abort included
 * @read_pa: their addresses
 * @updates: number of compare-and-swaps, whatever their outcome
 * @update_pa: address of the last one
 * @races: how many of them lose
 * @race_pa: those of this word, 0: of any
 * @race_raw: what the winner writes; 0: it flips FAKE_SW_BIT
 */
struct fake_mem {
	struct fake_desc desc[FAKE_DESCS];
	unsigned int reads;
	u64 read_pa[FAKE_READS];
	unsigned int updates;
	u64 update_pa;
	unsigned int races;
	u64 race_pa;
	u64 race_raw;
};

static inline bool fake_is_end(const struct fake_desc *desc)
{
	return !desc->pa && !desc->raw && !desc->flags;
}

/* The number of words in a list. */
static inline unsigned int fake_count(const struct fake_desc *desc)
{
	unsigned int n = 0;

	while (n < FAKE_DESCS && !fake_is_end(&desc[n]))
		n++;
	return n;
}

/* A memory that lives as long as the test, with these words in it. */
static inline struct fake_mem *fake_mem_new(struct kunit *test,
					    const struct fake_desc *desc)
{
	struct fake_mem *mem = kunit_kzalloc(test, sizeof(*mem), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	memcpy(mem->desc, desc, sizeof(mem->desc));
	return mem;
}

static inline struct fake_desc *fake_find(struct fake_mem *mem, u64 pa)
{
	unsigned int i, n = fake_count(mem->desc);

	for (i = 0; i < n; i++)
		if (mem->desc[i].pa == pa)
			return &mem->desc[i];
	return NULL;
}

/* The fault of a stage 2 behind these tables, as FAKE_S2 has it. */
static inline int fake_s2_refuses(u64 pa, struct kvm_walk_fault *fault)
{
	*fault = (struct kvm_walk_fault) {
		.kind	= KVM_FAULT_TRANSLATION,
		.stage	= 2,
		.level	= 2,
		.s1ptw	= true,
		.ipa	= pa,
	};
	return KVM_WALK_FAULT;
}

static inline int fake_read(void *ctx, u64 pa, u64 *raw,
			    struct kvm_walk_fault *fault)
{
	struct fake_mem *mem = ctx;
	struct fake_desc *desc = fake_find(mem, pa);

	if (mem->reads < FAKE_READS)
		mem->read_pa[mem->reads] = pa;
	mem->reads++;

	if (!desc || (desc->flags & FAKE_ABORTS))
		return KVM_WALK_FAULT;
	if (desc->flags & FAKE_S2)
		return fake_s2_refuses(pa, fault);
	if (desc->flags & FAKE_ERRNO)
		return -EIO;

	*raw = desc->raw;
	return 0;
}

static inline int fake_cas(void *ctx, u64 pa, u64 old, u64 new,
			   struct kvm_walk_fault *fault)
{
	struct fake_mem *mem = ctx;
	struct fake_desc *desc = fake_find(mem, pa);

	mem->updates++;
	mem->update_pa = pa;
	if (!desc || (desc->flags & (FAKE_RO | FAKE_ABORTS)))
		return KVM_WALK_FAULT;

	if (mem->races && (!mem->race_pa || mem->race_pa == pa)) {
		mem->races--;
		desc->raw = mem->race_raw ?: desc->raw ^ FAKE_SW_BIT;
	}
	if (desc->raw != old)
		return -EAGAIN;

	desc->raw = new;
	return 0;
}

static const struct kvm_walk_ops fake_mem_ops = {
	.read	= fake_read,
	.cas	= fake_cas,
};

/**
 * struct fake_check - what has to become of a memory
 * @desc: the words at the beginning, in the order of their reads
 * @unread: so many of them, from the end, are not read
 * @walks: how often they are all read; 0 stands for once
 * @updates: number of compare-and-swaps
 * @after: what the last word is afterwards; 0 for no change
 */
struct fake_check {
	const struct fake_desc *desc;
	unsigned int unread;
	unsigned int walks;
	unsigned int updates;
	u64 after;
};

/* What was read, in order, and what memory is now: nothing but as listed. */
static inline void fake_mem_check(struct kunit *test,
				  const struct fake_mem *mem,
				  const struct fake_check *check)
{
	unsigned int listed = fake_count(check->desc), i;
	unsigned int reads = listed - check->unread, walks = check->walks ?: 1;
	u64 want;

	KUNIT_EXPECT_EQ(test, mem->reads, reads * walks);
	for (i = 0; i < min(mem->reads, FAKE_READS) && i < reads * walks; i++)
		KUNIT_EXPECT_EQ(test, mem->read_pa[i], check->desc[i % reads].pa);

	KUNIT_EXPECT_EQ(test, mem->updates, check->updates);
	if (mem->updates)
		KUNIT_EXPECT_EQ(test, mem->update_pa, check->desc[listed - 1].pa);
	for (i = 0; i < listed; i++) {
		want = check->desc[i].raw;
		if (i == listed - 1 && check->after)
			want = check->after;
		KUNIT_EXPECT_EQ(test, mem->desc[i].raw, want);
	}
}

/* A fault record, each field of it. */
static inline void fake_fault_check(struct kunit *test,
				    const struct kvm_walk_fault *fault,
				    const struct kvm_walk_fault *want)
{
	KUNIT_EXPECT_EQ(test, fault->kind, want->kind);
	KUNIT_EXPECT_EQ(test, fault->stage, want->stage);
	KUNIT_EXPECT_EQ(test, fault->level, want->level);
	KUNIT_EXPECT_EQ(test, fault->s1ptw, want->s1ptw);
	KUNIT_EXPECT_EQ(test, fault->write, want->write);
	KUNIT_EXPECT_EQ(test, fault->ipa, want->ipa);
}

#endif /* __ARM64_KVM_NESTED_TESTS_FAKE_MEM_H */
