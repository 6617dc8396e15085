/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The architecture's rules about translation tables' configuration, a second
 * time: as a table that reads like the one in the Arm ARM, slow, and written
 * without a look at how the core computes them.
 */
#ifndef __KVM_NESTED_TEST_ORACLE_H
#define __KVM_NESTED_TEST_ORACLE_H

#include "harness.h"

/**
 * struct oracle_verdict - what the rules make of a configuration
 * @bad: not usable: a Translation fault, level 0
 * @why: the rule that decided
 * @ds: 52-bit descriptors
 * @pgshift: log2 of the granule
 * @ia_bits: input size
 * @oa_bits: output size
 * @t0sz_min: smallest T0SZ permitted
 * @t0sz_max: largest
 * @start_level: of the first lookup
 * @base: first table
 */
struct oracle_verdict {
	bool bad;
	const char *why;
	bool ds;
	u8 pgshift, ia_bits, oa_bits, t0sz_min, t0sz_max;
	s8 start_level;
	u64 base;
};

void oracle_s2(const struct kvm_s2_regs *regs,
	       const struct kvm_s2_features *feat, struct oracle_verdict *v);
/* Of the lower or the upper VA range. */
void oracle_s1(const struct kvm_s1_regs *regs,
	       const struct kvm_s1_features *feat, bool upper,
	       struct oracle_verdict *v);

/* NULL, or what the core has decided otherwise. */
const char *oracle_differs(const struct oracle_verdict *v, bool bad,
			   const struct kvm_pt_geom *geom);

#endif
