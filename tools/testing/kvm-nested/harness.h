/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space tests of the nested-virtualization walkers: what they share.
 *
 * The pure core (walk.h, s1walk.h, fault.h) is compiled as it is. A test gives
 * it a configuration, and memory by way of struct kvm_walk_ops; this file has
 * the memory that remembers what was done to it, and the way to report.
 * Single-threaded: what another CPU does to the tables happens inside of the
 * operations.
 */
#ifndef __KVM_NESTED_TEST_HARNESS_H
#define __KVM_NESTED_TEST_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/types.h>

#include "nested/walk.h"
#include "nested/s1walk.h"

#define ALL_GRANULES	(BIT(12) | BIT(14) | BIT(16))

/* At most this many descriptors are fetched by a walk of one stage. */
#define MAX_LEVELS	5

/* KTAP: results are kept until ktap_finish(), which prints the plan first. */
__printf(2, 3) void ktap_ok(bool ok, const char *fmt, ...);
__printf(2, 3) void ktap_skip(const char *reason, const char *fmt, ...);
__printf(1, 2) void ktap_diag(const char *fmt, ...);
bool ktap_failed(void);
int ktap_finish(const char *path);
/* For people: a summary, to where the KTAP does not go. */
extern FILE *human;
__printf(1, 2) void say(const char *fmt, ...);

const char *kind_name(enum kvm_fault_kind kind);
const char *result_name(int ret, const struct kvm_walk_fault *fault);

/* Small memory; what is not in it aborts. */
struct word {
	u64 pa;
	u64 val;
	bool ro;		/* updates abort */
};

/* @stage, @level: of the descriptor; @when: order among reads and writes. */
struct log_read {
	u64 pa;
	u64 val;
	bool abort;
	u8 stage;
	s8 level;
	unsigned int when;
};

struct log_write {
	u64 pa;
	u64 old;
	u64 new;
	bool abort;
	u8 stage;
	s8 level;
	unsigned int when;
};

#define MEM_WORDS	512
#define MEM_LOG		64

struct mem {
	struct word words[MEM_WORDS];
	struct log_read reads[MEM_LOG];
	struct log_write writes[MEM_LOG];
	unsigned int nwords, nreads, nwrites;
	unsigned int ncas;	/* attempts, lost races as well */
	/* Called before each compare-and-swap: what another CPU does. */
	void (*race)(struct mem *mem, unsigned int ncas, u64 pa);
};

extern const struct kvm_walk_ops mem_ops;

void mem_set(struct mem *mem, u64 pa, u64 val);
struct word *mem_find(struct mem *mem, u64 pa);

/*
 * Small tables, for tests that are not about their shape: 4K granule, 39-bit
 * input, from level 1, 40-bit output. SMALL_INPUT has index 0, 9, 0x34.
 */
#define SMALL_L1	0x80000000ull
#define SMALL_L2	0x80001000ull
#define SMALL_L3	0x80002000ull
#define SMALL_INPUT	0x1234567ull
#define SMALL_L2_ENTRY	(SMALL_L2 + 9 * 8)
#define SMALL_LEAF	(SMALL_L3 + 0x34 * 8)

extern const struct kvm_s2_regs small_s2_regs;
extern const struct kvm_s2_features small_s2_feat;
extern const struct kvm_s1_regs small_s1_regs;
extern const struct kvm_s1_features small_s1_feat;

void small_tables(struct mem *mem, u64 leaf);

/* The tests, each reports for itself. */
void run_vectors(const char *path);
/* 0: right; 1: wrong; 2: there is none */
int explain(const char *id, char *const *paths);
void run_properties(unsigned int rounds, u64 seed);
void run_races(void);
void run_rows(void);
void run_oracle(void);
void run_faults(void);

/* One round of a property test, driven by bytes; false and a reason. */
bool property_round(const u8 *data, size_t size, char *why, size_t why_size);

#endif
