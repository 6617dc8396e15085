// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization, tests: what L1 is told about its CPU.
 *
 * Limits on ID registers follow from the VM's features alone, so a VM that was
 * never created is enough. A row gives one field as it would be without
 * nesting, in a register that is 0 otherwise.
 *
 * Seen to fail with: 52_BIT kept without a 52-bit PARange; HAFDBS not capped.
 */
#include <kunit/test.h>
#include <linux/cpufeature.h>
#include <linux/kvm_host.h>

#include <asm/kvm_nested.h>
#include <asm/sysreg.h>

/**
 * struct id_row - an ID register, before and after
 * @desc: says what the row is about
 * @reg: encoding of the register
 * @e2h0: the VM asked for HCR_EL2.E2H=0
 * @shift: the field, which is four bits wide
 * @val: its value before
 * @want: and after
 * @rest: other bits of the register, before
 * @want_52: @want where the host's own stage 2 has 52 bits; 0 if the same
 */
struct id_row {
	const char *desc;
	u32 reg;
	bool e2h0;
	u8 shift;
	u64 val;
	u64 want;
	u64 rest;
	u64 want_52;
};

/* A stage-2 granule smaller than the host's page is not there. */
#define IF_PAGES(max, tgran2)	(PAGE_SIZE <= (max) ? (tgran2) : 1)

static const struct id_row id_rows[] = {
	/* Addresses of L1, and of L2, are those of the host's stage 2. */
	{ "PARange of 56 bits", SYS_ID_AA64MMFR0_EL1, false, 0, 7, 5,
	  .want_52 = 6 },
	{ "PARange of 52 bits", SYS_ID_AA64MMFR0_EL1, false, 0, 6, 5,
	  .want_52 = 6 },
	{ "PARange of 48 bits", SYS_ID_AA64MMFR0_EL1, false, 0, 5, 5 },
	{ "PARange of 40 bits", SYS_ID_AA64MMFR0_EL1, false, 0, 2, 2 },
	{ "stage-1 granules pass", SYS_ID_AA64MMFR0_EL1, false, 20, 1, 1 },

	/* Granules of stage 2: never as stage 1; 52 bits with 52-bit PARange. */
	{ "TGran4_2, implemented", SYS_ID_AA64MMFR0_EL1, false, 40, 2,
	  IF_PAGES(SZ_4K, 2), .rest = 6 },
	{ "TGran4_2, 52 bits", SYS_ID_AA64MMFR0_EL1, false, 40, 3,
	  IF_PAGES(SZ_4K, 2), .rest = 6, .want_52 = IF_PAGES(SZ_4K, 3) },
	{ "TGran4_2, 52 bits, and PARange of 48", SYS_ID_AA64MMFR0_EL1, false,
	  40, 3, IF_PAGES(SZ_4K, 2), .rest = 5 },
	{ "TGran4_2, as stage 1 with 52 bits", SYS_ID_AA64MMFR0_EL1, false,
	  40, 0, IF_PAGES(SZ_4K, 2), .rest = BIT(28) | 6,
	  .want_52 = IF_PAGES(SZ_4K, 3) },
	{ "TGran4_2, implemented, stage 1 with 52 bits", SYS_ID_AA64MMFR0_EL1,
	  false, 40, 2, IF_PAGES(SZ_4K, 2), .rest = BIT(28) | 6 },
	{ "TGran4_2, not implemented", SYS_ID_AA64MMFR0_EL1, false, 40, 1, 1 },
	/* The rest of the register is 0: TGran4 there, TGran16 not, TGran64 there */
	{ "TGran4_2, as stage 1", SYS_ID_AA64MMFR0_EL1, false, 40, 0,
	  IF_PAGES(SZ_4K, 2) },
	{ "TGran16_2, implemented", SYS_ID_AA64MMFR0_EL1, false, 32, 2,
	  IF_PAGES(SZ_16K, 2) },
	{ "TGran16_2, 52 bits", SYS_ID_AA64MMFR0_EL1, false, 32, 3,
	  IF_PAGES(SZ_16K, 2), .rest = 6, .want_52 = IF_PAGES(SZ_16K, 3) },
	{ "TGran16_2, as stage 1 with 52 bits", SYS_ID_AA64MMFR0_EL1, false,
	  32, 0, IF_PAGES(SZ_16K, 2), .rest = BIT(21) | 6,
	  .want_52 = IF_PAGES(SZ_16K, 3) },
	{ "TGran16_2, as stage 1", SYS_ID_AA64MMFR0_EL1, false, 32, 0, 1 },
	{ "TGran64_2, implemented", SYS_ID_AA64MMFR0_EL1, false, 36, 2, 2 },
	{ "TGran64_2, as stage 1", SYS_ID_AA64MMFR0_EL1, false, 36, 0, 2 },
	{ "TGran64_2, not implemented", SYS_ID_AA64MMFR0_EL1, false, 36, 1, 1 },

	/* What software does when it walks L1's tables, and what it does not. */
	{ "HAFDBS, Access flag", SYS_ID_AA64MMFR1_EL1, false, 0, 1, 1 },
	{ "HAFDBS, dirty state", SYS_ID_AA64MMFR1_EL1, false, 0, 2, 2 },
	{ "HAFDBS, table descriptors", SYS_ID_AA64MMFR1_EL1, false, 0, 3, 2 },
	{ "HAFDBS, dirty state structures", SYS_ID_AA64MMFR1_EL1, false, 0, 4, 2 },
	{ "ST passes", SYS_ID_AA64MMFR2_EL1, false, 28, 1, 1 },
	{ "VARange of 52 bits passes", SYS_ID_AA64MMFR2_EL1, false, 16, 1, 1 },
	{ "VARange of 56 bits", SYS_ID_AA64MMFR2_EL1, false, 16, 2, 1 },

	/* EL2 state that there is not. */
	{ "MTE", SYS_ID_AA64PFR1_EL1, false, 8, 3, 0 },
	{ "SME", SYS_ID_AA64PFR1_EL1, false, 24, 2, 0 },
	{ "GCS", SYS_ID_AA64PFR1_EL1, false, 44, 1, 0 },
	{ "BT passes", SYS_ID_AA64PFR1_EL1, false, 0, 1, 1 },
	{ "MPAM", SYS_ID_AA64PFR0_EL1, false, 40, 1, 0 },
	{ "AArch32 at EL0", SYS_ID_AA64PFR0_EL1, false, 0, 2, 1 },
	{ "SVE passes", SYS_ID_AA64PFR0_EL1, false, 32, 1, 1 },
	{ "BBM", SYS_ID_AA64MMFR2_EL1, false, 52, 2, 0 },
	{ "TTL is always there", SYS_ID_AA64MMFR2_EL1, false, 48, 0, 1 },
	{ "SPE", SYS_ID_AA64DFR0_EL1, false, 32, 4, 0 },
	{ "PMU passes", SYS_ID_AA64DFR0_EL1, false, 8, 6, 6 },

	/* E2H: one or the other, and further nesting with E2H=1 alone. */
	{ "VH", SYS_ID_AA64MMFR1_EL1, false, 8, 1, 1 },
	{ "VH, E2H=0", SYS_ID_AA64MMFR1_EL1, true, 8, 1, 0 },
	{ "MMFR4.NV_frac says NV2 alone", SYS_ID_AA64MMFR4_EL1, false, 20, 0, 1 },
	{ "MMFR4.E2H0 says no", SYS_ID_AA64MMFR4_EL1, false, 24, 0, 14 },
	{ "MMFR4.NV_frac, E2H=0", SYS_ID_AA64MMFR4_EL1, true, 20, 1, 0 },
	{ "MMFR4.E2H0, E2H=0", SYS_ID_AA64MMFR4_EL1, true, 24, 14, 0 },

	/* Not a register with limits. */
	{ "another register", SYS_ID_AA64ZFR0_EL1, false, 0, 1, 1 },
};

KUNIT_ARRAY_PARAM_DESC(id, id_rows, desc);

static bool host_has_52_bits(void)
{
	if (IS_ENABLED(CONFIG_ARM64_64K_PAGES))
		return IS_ENABLED(CONFIG_ARM64_PA_BITS_52);
	return system_supports_lpa2();
}

static void features_id_reg(struct kunit *test)
{
	const struct id_row *row = test->param_value;
	u64 want = row->want;
	struct kvm *kvm;
	u64 val;

	if (row->want_52 && host_has_52_bits())
		want = row->want_52;

	kvm = kunit_kzalloc(test, sizeof(*kvm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, kvm);
	set_bit(KVM_ARM_VCPU_HAS_EL2, kvm->arch.vcpu_features);
	if (row->e2h0)
		set_bit(KVM_ARM_VCPU_HAS_EL2_E2H0, kvm->arch.vcpu_features);

	val = limit_nv_id_reg(kvm, row->reg,
			      row->val << row->shift | row->rest);
	KUNIT_EXPECT_EQ(test, val >> row->shift & 0xf, want);
	/* A limit is a limit: applied again it changes nothing. */
	KUNIT_EXPECT_EQ(test, limit_nv_id_reg(kvm, row->reg, val), val);
}

static struct kunit_case features_cases[] = {
	KUNIT_CASE_PARAM(features_id_reg, id_gen_params),
	{}
};

static struct kunit_suite features_suite = {
	.name		= "kvm_nested_features",
	.test_cases	= features_cases,
};

kunit_test_suite(features_suite);
