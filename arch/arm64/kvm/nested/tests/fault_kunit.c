// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization, tests: fault records become syndromes.
 *
 * Every value is written out as the guest reads it, so that a mistake in the
 * names of the bits is not repeated here.
 */
#include <kunit/test.h>

#include "nested/fault.h"
#include "nested/s1walk.h"

/**
 * struct fsc_row - fault status codes of one kind of fault
 * @desc: says what the row is about
 * @kind: the kind
 * @first: the first level that it exists at
 * @fsc: the codes, from @first to level 3
 */
struct fsc_row {
	const char *desc;
	enum kvm_fault_kind kind;
	s8 first;
	u8 fsc[5];
};

static const struct fsc_row fsc_rows[] = {
	{ "Translation", KVM_FAULT_TRANSLATION, -1,
	  { 0x2b, 0x04, 0x05, 0x06, 0x07 } },
	{ "Address size", KVM_FAULT_ADDRESS_SIZE, -1,
	  { 0x29, 0x00, 0x01, 0x02, 0x03 } },
	{ "Access flag", KVM_FAULT_ACCESS_FLAG, 0, { 0x08, 0x09, 0x0a, 0x0b } },
	{ "Permission", KVM_FAULT_PERMISSION, 0, { 0x0c, 0x0d, 0x0e, 0x0f } },
	{ "External abort on the walk", KVM_FAULT_SEA_TTW, -1,
	  { 0x13, 0x14, 0x15, 0x16, 0x17 } },
	/* Has no level. */
	{ "Alignment", KVM_FAULT_ALIGNMENT, -1,
	  { 0x21, 0x21, 0x21, 0x21, 0x21 } },
};

KUNIT_ARRAY_PARAM_DESC(fsc, fsc_rows, desc);

static void fault_fsc(struct kunit *test)
{
	const struct fsc_row *row = test->param_value;
	struct kvm_walk_fault fault = { .kind = row->kind };
	s8 level;

	/* The stage is not part of it. */
	for (level = row->first; level <= KVM_PT_LAST_LEVEL; level++) {
		fault.level = level;
		fault.stage = 1 + (level & 1);
		KUNIT_EXPECT_EQ_MSG(test, kvm_fault_fsc(&fault),
				    row->fsc[level - row->first],
				    "level %d", level);
	}
}

/**
 * struct esr_row - the syndrome of an L2 abort, as L1 gets it
 * @desc: says what the row is about
 * @kind: kind of fault
 * @level: its level
 * @hw_esr: syndrome that hardware gave
 * @esr: syndrome for L1
 */
struct esr_row {
	const char *desc;
	enum kvm_fault_kind kind;
	s8 level;
	u64 hw_esr;
	u64 esr;
};

/*
 * Data Abort from a lower EL, IL: 0x92000000; Instruction Abort: 0x82000000.
 * ISV, SAS=2, SRT=5, SF: 0x01858000; WnR 0x40; S1PTW 0x80; CM 0x100;
 * EA 0x200; FnV 0x400.
 */
static const struct esr_row esr_rows[] = {
	{ "data read, translation", KVM_FAULT_TRANSLATION, 1,
	  0x92000007, 0x92000005 },
	{ "data write keeps WnR", KVM_FAULT_PERMISSION, 3,
	  0x92000047, 0x9200004f },
	{ "16-bit instruction keeps IL", KVM_FAULT_TRANSLATION, 3,
	  0x90000006, 0x90000007 },
	{ "the instruction's syndrome is kept", KVM_FAULT_TRANSLATION, 2,
	  0x93858047, 0x93858046 },
	{ "stage-1 walk keeps S1PTW", KVM_FAULT_TRANSLATION, 2,
	  0x92000087, 0x92000086 },
	{ "cache maintenance keeps CM and WnR", KVM_FAULT_ACCESS_FLAG, 2,
	  0x92000147, 0x9200014a },
	{ "instruction fetch", KVM_FAULT_PERMISSION, 1,
	  0x82000007, 0x8200000d },
	{ "instruction fetch, stage-1 walk", KVM_FAULT_ADDRESS_SIZE, 0,
	  0x82000087, 0x82000080 },
	{ "address size, level 0, is code 0", KVM_FAULT_ADDRESS_SIZE, 0,
	  0x9200007f, 0x92000040 },
	{ "alignment", KVM_FAULT_ALIGNMENT, 2,
	  0x92000007, 0x92000021 },
	{ "level -1", KVM_FAULT_TRANSLATION, -1,
	  0x92000007, 0x9200002b },
	{ "ISS2 is kept", KVM_FAULT_TRANSLATION, 2,
	  0x2092000007, 0x2092000006 },

	/* An External abort has no instruction syndrome, and its FAR is valid. */
	{ "data write, External abort, ISV", KVM_FAULT_SEA_TTW, 2,
	  0x93858047, 0x92000056 },
	{ "data read, External abort, no ISV", KVM_FAULT_SEA_TTW, 0,
	  0x92000007, 0x92000014 },
	{ "stage-1 walk, External abort", KVM_FAULT_SEA_TTW, 3,
	  0x92000087, 0x92000097 },
	{ "External abort, EA and FnV of hardware", KVM_FAULT_SEA_TTW, 1,
	  0x92000607, 0x92000015 },
	{ "instruction fetch, External abort", KVM_FAULT_SEA_TTW, 1,
	  0x82000607, 0x82000015 },
	{ "External abort, level -1", KVM_FAULT_SEA_TTW, -1,
	  0x92000047, 0x92000053 },
};

KUNIT_ARRAY_PARAM_DESC(esr, esr_rows, desc);

static void fault_esr(struct kunit *test)
{
	const struct esr_row *row = test->param_value;
	const struct kvm_walk_fault fault = {
		.kind	= row->kind,
		.stage	= 2,
		.level	= row->level,
	};

	KUNIT_EXPECT_EQ(test, kvm_fault_esr(&fault, row->hw_esr), row->esr);
}

/**
 * struct hpfar_row - HPFAR_EL2
 * @desc: says what the row is about
 * @ipa: the IPA
 * @hpfar: the value
 */
struct hpfar_row {
	const char *desc;
	u64 ipa;
	u64 hpfar;
};

static const struct hpfar_row hpfar_rows[] = {
	{ "0", 0, 0 },
	{ "the offset is not in it", 0xfff, 0 },
	{ "first page", 0x1000, 0x10 },
	{ "48 bits", 0x123456789abc, 0x1234567890 },
	{ "52 bits", 0xfedcba9876543, 0xfedcba98760 },
	{ "all of 52 bits", 0xfffffffffffff, 0xffffffffff0 },
	/* Bit 63 is NS, [47:44] are for larger addresses: not used. */
	{ "beyond 52 bits", ~0ULL, 0xffffffffff0 },
};

KUNIT_ARRAY_PARAM_DESC(hpfar, hpfar_rows, desc);

static void fault_hpfar(struct kunit *test)
{
	const struct hpfar_row *row = test->param_value;

	KUNIT_EXPECT_EQ(test, kvm_fault_hpfar(row->ipa), row->hpfar);
}

/**
 * struct par_row - PAR_EL1 of a translation that failed
 * @desc: says what the row is about
 * @fault: the fault
 * @par: the value
 */
struct par_row {
	const char *desc;
	struct kvm_walk_fault fault;
	u64 par;
};

/* F 0x1, FST from bit 1, PTW 0x100, S 0x200, RES1 0x800. */
static const struct par_row par_rows[] = {
	{ "stage 1, translation, level 0",
	  { KVM_FAULT_TRANSLATION, .stage = 1, .level = 0 }, 0x809 },
	{ "stage 1, translation, level -1",
	  { KVM_FAULT_TRANSLATION, .stage = 1, .level = -1 }, 0x857 },
	{ "stage 1, permission, level 3",
	  { KVM_FAULT_PERMISSION, .stage = 1, .level = 3, .write = true },
	  0x81f },
	{ "stage 1, address size, level 0",
	  { KVM_FAULT_ADDRESS_SIZE, .stage = 1, .level = 0 }, 0x801 },
	{ "stage 1, External abort, level 1",
	  { KVM_FAULT_SEA_TTW, .stage = 1, .level = 1 }, 0x82b },
	{ "stage 2, translation, level 2",
	  { KVM_FAULT_TRANSLATION, .stage = 2, .level = 2, .ipa = ~0ULL },
	  0xa0d },
	{ "stage 2, access flag, level 3",
	  { KVM_FAULT_ACCESS_FLAG, .stage = 2, .level = 3 }, 0xa17 },
	{ "stage 2 for stage 1, translation, level 2",
	  { KVM_FAULT_TRANSLATION, .stage = 2, .level = 2, .s1ptw = true },
	  0xb0d },
	{ "stage 2 for stage 1, permission, level 1",
	  { KVM_FAULT_PERMISSION, .stage = 2, .level = 1, .s1ptw = true },
	  0xb1b },
	{ "stage 2 for stage 1, External abort, level 3",
	  { KVM_FAULT_SEA_TTW, .stage = 2, .level = 3, .s1ptw = true },
	  0xb2f },
};

KUNIT_ARRAY_PARAM_DESC(par, par_rows, desc);

static void fault_par(struct kunit *test)
{
	const struct par_row *row = test->param_value;

	KUNIT_EXPECT_EQ(test, kvm_fault_par(&row->fault), row->par);
}

/**
 * struct par_ok_row - PAR_EL1 of a translation that succeeded
 * @desc: says what the row is about
 * @pa: output address
 * @attr: memory type
 * @par: the value
 */
struct par_ok_row {
	const char *desc;
	u64 pa;
	struct kvm_mem_attr attr;
	u64 par;
};

/* NS 0x200, RES1 0x800, SH from bit 7, ATTR from bit 56. */
static const struct par_ok_row par_ok_rows[] = {
	{ "Device", 0x80005abc, { 0x04, 2 }, 0x0400000080005b00 },
	{ "Normal, inner shareable", 0x80005abc, { 0xff, 3 },
	  0xff00000080005b80 },
	{ "Normal, not shareable", 0x80005fff, { 0xbb, 0 },
	  0xbb00000080005a00 },
	{ "52 bits", 0xfedcba9876543, { 0x44, 2 }, 0x440fedcba9876b00 },
};

KUNIT_ARRAY_PARAM_DESC(par_ok, par_ok_rows, desc);

static void fault_par_success(struct kunit *test)
{
	const struct par_ok_row *row = test->param_value;

	KUNIT_EXPECT_EQ(test, kvm_par_success(row->pa, &row->attr), row->par);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE_PARAM(fault_fsc, fsc_gen_params),
	KUNIT_CASE_PARAM(fault_esr, esr_gen_params),
	KUNIT_CASE_PARAM(fault_hpfar, hpfar_gen_params),
	KUNIT_CASE_PARAM(fault_par, par_gen_params),
	KUNIT_CASE_PARAM(fault_par_success, par_ok_gen_params),
	{}
};

static struct kunit_suite fault_suite = {
	.name		= "kvm_nested_fault",
	.test_cases	= fault_cases,
};

kunit_test_suite(fault_suite);
