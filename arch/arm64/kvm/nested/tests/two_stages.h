/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested virtualization, tests: stage-1 tables in memory behind a stage 2.
 *
 * What at.c does for a vCPU, for a memory of few words: an access to a
 * descriptor of stage 1 is an access of stage 2, whose fault becomes that of
 * the walk.
 */
#ifndef __ARM64_KVM_NESTED_TESTS_TWO_STAGES_H
#define __ARM64_KVM_NESTED_TESTS_TWO_STAGES_H

#include "fake_mem.h"

/**
 * struct fake_s1_mem - the context of fake_s1_mem_ops
 * @s2: the stage 2; NULL if it is off
 * @mem: memory, with the descriptors of both stages
 */
struct fake_s1_mem {
	const struct kvm_s2_config *s2;
	struct fake_mem *mem;
};

static inline int fake_s1_locate(const struct fake_s1_mem *ctx, u64 ipa,
				 enum kvm_access_type type, u64 *pa,
				 struct kvm_walk_fault *fault)
{
	const struct kvm_walk_mem mem = { &fake_mem_ops, ctx->mem };
	const struct kvm_access acc = { .type = type };
	struct kvm_walk_fault s2_fault;
	struct kvm_s2_result res;
	int ret;

	*pa = ipa;
	if (!ctx->s2)
		return 0;

	ret = kvm_s2_walk(ctx->s2, &mem, ipa, &acc, &res, &s2_fault);
	if (ret > 0)
		*fault = s2_fault;
	else if (!ret)
		*pa = res.oa;
	return ret;
}

static inline int fake_s1_read(void *data, u64 ipa, u64 *raw,
			       struct kvm_walk_fault *fault)
{
	struct fake_s1_mem *ctx = data;
	u64 pa;
	int ret;

	ret = fake_s1_locate(ctx, ipa, KVM_ACC_TTW, &pa, fault);
	return ret ?: fake_read(ctx->mem, pa, raw, fault);
}

static inline int fake_s1_cas(void *data, u64 ipa, u64 old, u64 new,
			      struct kvm_walk_fault *fault)
{
	struct fake_s1_mem *ctx = data;
	u64 pa;
	int ret;

	ret = fake_s1_locate(ctx, ipa, KVM_ACC_TTW_UPDATE, &pa, fault);
	return ret ?: fake_cas(ctx->mem, pa, old, new, fault);
}

static const struct kvm_walk_ops fake_s1_mem_ops = {
	.read	= fake_s1_read,
	.cas	= fake_s1_cas,
};

#endif /* __ARM64_KVM_NESTED_TESTS_TWO_STAGES_H */
