/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that L1 keeps changing, and numbers to make it from.
 */
#ifndef __KVM_NESTED_TEST_HOSTILE_H
#define __KVM_NESTED_TEST_HOSTILE_H

#include "harness.h"

/* Numbers: from the fuzzer's bytes while there are any, then made up. */
struct source {
	const u8 *data;
	size_t left;
	u64 state;
};

u64 draw(struct source *src);
unsigned int below(struct source *src, unsigned int n);

#define MAX_KNOWN	64
#define MAX_LOG		512

/* One operation and how it ended; @value: what was read, or what changed. */
struct hostile_op {
	u64 pa, value;
	int ret;
};

struct hostile {
	struct source *src;
	/* What it was is what it stays: only updates are lost. */
	bool sticky;
	bool two_stages;
	unsigned int nknown;
	struct word known[MAX_KNOWN];
	u64 last_pa, last_raw;
	unsigned int reads, s1_reads, cas, lost;
	unsigned int limit_bits;	/* no access at or above */
	unsigned int contention;	/* of 8 updates, so many lose */
	bool big_endian;
	const char *wrong;
	/* What happened, to happen again. */
	unsigned int nlog;
	struct hostile_op log[MAX_LOG];
};

extern const struct kvm_walk_ops hostile_ops;

/*
 * The same again, but for bits of descriptors that have no say: @ignored tells
 * which, for a descriptor in CPU order; @junk is what they become.
 */
struct replay {
	const struct hostile *orig;
	unsigned int next;
	u64 junk;
	u64 (*ignored)(const void *ctx, u64 desc, u8 stage, s8 level);
	const void *ctx;
	const char *wrong;
};

extern const struct kvm_walk_ops replay_ops;

/* Did all happen again that happened? */
bool replay_complete(const struct replay *replay);

#endif
