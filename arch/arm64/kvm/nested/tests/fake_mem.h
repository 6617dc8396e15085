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
#include <linux/types.h>

#include "nested/walk.h"

#define FAKE_DESCS	6
#define FAKE_READS	64

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
 * @pa: its address; 0 ends a list
 * @raw: its value, read little-endian
 * @flags: what is wrong with it
 */
struct fake_desc {
	u64 pa;
	u64 raw;
	enum fake_flags flags;
};

/**
 * struct fake_mem - the context of fake_mem_ops
 * @desc: words that are there, up to the first whose address is 0
 * @reads: number of reads, those that abort included
 * @read_pa: their addresses
 * @updates: number of compare-and-swaps, whatever their outcome
 * @races: how many of them lose
 * @race_raw: what the winner writes; 0: it flips FAKE_SW_BIT
 */
struct fake_mem {
	struct fake_desc desc[FAKE_DESCS];
	unsigned int reads;
	u64 read_pa[FAKE_READS];
	unsigned int updates;
	unsigned int races;
	u64 race_raw;
};

static inline struct fake_desc *fake_find(struct fake_mem *mem, u64 pa)
{
	int i;

	for (i = 0; i < FAKE_DESCS && mem->desc[i].pa; i++)
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
	if (!desc || (desc->flags & (FAKE_RO | FAKE_ABORTS)))
		return KVM_WALK_FAULT;

	if (mem->races) {
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
	unsigned int listed = 0, reads, walks = check->walks ?: 1, i;
	u64 want;

	while (listed < FAKE_DESCS && check->desc[listed].pa)
		listed++;
	reads = listed - check->unread;

	KUNIT_EXPECT_EQ(test, mem->reads, reads * walks);
	for (i = 0; i < mem->reads && i < reads * walks; i++)
		KUNIT_EXPECT_EQ(test, mem->read_pa[i], check->desc[i % reads].pa);

	KUNIT_EXPECT_EQ(test, mem->updates, check->updates);
	for (i = 0; i < listed; i++) {
		want = check->desc[i].raw;
		if (i == listed - 1 && check->after)
			want = check->after;
		KUNIT_EXPECT_EQ(test, mem->desc[i].raw, want);
	}
}

#endif /* __ARM64_KVM_NESTED_TESTS_FAKE_MEM_H */
