// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization, tests: fault records become syndromes.
 *
 * Every value is written out as the guest reads it, so that a mistake in the
 * names of the bits is not repeated here.
 *
 * Seen to fail: with the code of a Permission fault for an Access flag fault,
 * FnV kept with an External abort, S instead of PTW in kvm_fault_par(), and
 * FIPA of 36 bits.
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

/*
 * Round trip. This is the table that a guest's handler has: fault status codes
 * as the Arm ARM lists them for DFSC in ESR_ELx.
 */

/**
 * struct code_row - what a fault status code means
 * @desc: what the Arm ARM calls it
 * @fsc: the code
 * @kind: kind of the walk's fault
 * @level: its level
 */
struct code_row {
	const char *desc;
	u8 fsc;
	enum kvm_fault_kind kind;
	s8 level;
};

static const struct code_row code_rows[] = {
	{ "Address size fault, level 0", 0b000000, KVM_FAULT_ADDRESS_SIZE, 0 },
	{ "Address size fault, level 1", 0b000001, KVM_FAULT_ADDRESS_SIZE, 1 },
	{ "Address size fault, level 2", 0b000010, KVM_FAULT_ADDRESS_SIZE, 2 },
	{ "Address size fault, level 3", 0b000011, KVM_FAULT_ADDRESS_SIZE, 3 },
	{ "Translation fault, level 0", 0b000100, KVM_FAULT_TRANSLATION, 0 },
	{ "Translation fault, level 1", 0b000101, KVM_FAULT_TRANSLATION, 1 },
	{ "Translation fault, level 2", 0b000110, KVM_FAULT_TRANSLATION, 2 },
	{ "Translation fault, level 3", 0b000111, KVM_FAULT_TRANSLATION, 3 },
	{ "Access flag fault, level 0", 0b001000, KVM_FAULT_ACCESS_FLAG, 0 },
	{ "Access flag fault, level 1", 0b001001, KVM_FAULT_ACCESS_FLAG, 1 },
	{ "Access flag fault, level 2", 0b001010, KVM_FAULT_ACCESS_FLAG, 2 },
	{ "Access flag fault, level 3", 0b001011, KVM_FAULT_ACCESS_FLAG, 3 },
	{ "Permission fault, level 0", 0b001100, KVM_FAULT_PERMISSION, 0 },
	{ "Permission fault, level 1", 0b001101, KVM_FAULT_PERMISSION, 1 },
	{ "Permission fault, level 2", 0b001110, KVM_FAULT_PERMISSION, 2 },
	{ "Permission fault, level 3", 0b001111, KVM_FAULT_PERMISSION, 3 },
	{ "External abort on a walk, level -1", 0b010011,
	  KVM_FAULT_SEA_TTW, -1 },
	{ "External abort on a walk, level 0", 0b010100, KVM_FAULT_SEA_TTW, 0 },
	{ "External abort on a walk, level 1", 0b010101, KVM_FAULT_SEA_TTW, 1 },
	{ "External abort on a walk, level 2", 0b010110, KVM_FAULT_SEA_TTW, 2 },
	{ "External abort on a walk, level 3", 0b010111, KVM_FAULT_SEA_TTW, 3 },
	{ "Alignment fault", 0b100001, KVM_FAULT_ALIGNMENT },
	{ "Address size fault, level -1", 0b101001,
	  KVM_FAULT_ADDRESS_SIZE, -1 },
	{ "Translation fault, level -1", 0b101011, KVM_FAULT_TRANSLATION, -1 },
};

KUNIT_ARRAY_PARAM_DESC(code, code_rows, desc);

/* Codes that no walk of a guest's tables gives */
static const struct code_row other_rows[] = {
	{ "External abort, not on a walk", 0b010000 },
	{ "Tag Check Fault", 0b010001 },
	{ "parity or ECC error, not on a walk", 0b011000 },
	{ "parity or ECC error on a walk, level -1", 0b011011 },
	{ "parity or ECC error on a walk, level 0", 0b011100 },
	{ "parity or ECC error on a walk, level 3", 0b011111 },
	{ "Granule Protection Fault on a walk, level -1", 0b100011 },
	{ "Granule Protection Fault on a walk, level 0", 0b100100 },
	{ "Granule Protection Fault, not on a walk", 0b101000 },
	{ "TLB conflict abort", 0b110000 },
	{ "Unsupported atomic hardware update fault", 0b110001 },
	{ "IMPLEMENTATION DEFINED fault, lockdown", 0b110100 },
	{ "Unsupported Exclusive or Atomic access", 0b110101 },
};

KUNIT_ARRAY_PARAM_DESC(other, other_rows, desc);

/* The one record that is given this code, or none. */
static void fault_code(struct kunit *test)
{
	const struct code_row *row = test->param_value, *record;
	struct kvm_walk_fault fault = { };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(code_rows); i++) {
		record = &code_rows[i];
		fault.kind = record->kind;
		fault.level = record->level;
		KUNIT_EXPECT_EQ_MSG(test, kvm_fault_fsc(&fault) == row->fsc,
				    record == row, "%s", record->desc);
	}
}

/* ISS of an abort, without its status code */
#define ISS_WNR		BIT_ULL(6)
#define ISS_S1PTW	BIT_ULL(7)
#define ISS_CM		BIT_ULL(8)
#define ISS_EA		BIT_ULL(9)
#define ISS_FNV		BIT_ULL(10)
#define ISS_SET		GENMASK_ULL(12, 11)
#define ISS_INSN	GENMASK_ULL(24, 14)
#define ESR_IL		BIT_ULL(25)
#define ESR_ISS2	GENMASK_ULL(36, 32)

/* What hardware may have said in any combination, for either class. */
static const u64 data_bits[] = {
	ISS_WNR, ISS_S1PTW, ISS_CM, ISS_EA, ISS_FNV, ISS_SET, ISS_INSN, ESR_IL,
	ESR_ISS2,
};

static const u64 insn_bits[] = {
	ISS_S1PTW, ISS_EA, ISS_FNV, ISS_SET, ESR_IL,
};

static void fault_esr_trip(struct kunit *test, const struct code_row *row,
			   u64 class, const u64 *bits, unsigned int n)
{
	const struct kvm_walk_fault fault = {
		.kind	= row->kind,
		.stage	= 2,
		.level	= row->level,
	};
	u64 hw, want, gone = 0;
	unsigned int set, i;

	/* An External abort on a walk: FAR is valid, no instruction syndrome. */
	if (row->kind == KVM_FAULT_SEA_TTW)
		gone = ISS_EA | ISS_FNV | ISS_INSN;

	for (set = 0; set < BIT(n); set++) {
		hw = class << 26;
		for (i = 0; i < n; i++)
			if (set & BIT(i))
				hw |= bits[i];
		want = (hw & ~gone) | row->fsc;
		/* Hardware's own status, all zeroes and all ones, is gone. */
		KUNIT_EXPECT_EQ(test, kvm_fault_esr(&fault, hw), want);
		KUNIT_EXPECT_EQ(test, kvm_fault_esr(&fault, hw | 0x3f), want);
	}
}

static void fault_esr_of_code(struct kunit *test)
{
	const struct code_row *row = test->param_value;

	fault_esr_trip(test, row, 0x24, data_bits, ARRAY_SIZE(data_bits));
	fault_esr_trip(test, row, 0x20, insn_bits, ARRAY_SIZE(insn_bits));
}

/* From PAR_EL1 back to the record, and nothing more than the record in it. */
static void fault_par_of_code(struct kunit *test)
{
	const struct code_row *row = test->param_value;
	struct kvm_walk_fault fault = {
		.kind	= row->kind,
		.level	= row->level,
	};
	unsigned int i;
	u64 par;

	for (i = 0; i < 8; i++) {
		fault.stage = i & 1 ? 2 : 1;
		fault.s1ptw = fault.stage == 2 && i & 2;
		/* Neither is in PAR_EL1. */
		fault.write = i & 4;
		fault.ipa = i & 4 ? ~0ULL : 0;
		par = kvm_fault_par(&fault);

		KUNIT_EXPECT_EQ(test, par & 1, 1);
		KUNIT_EXPECT_EQ(test, par >> 1 & 0x3f, row->fsc);
		KUNIT_EXPECT_EQ(test, par >> 8 & 1, fault.s1ptw);
		KUNIT_EXPECT_EQ(test, par >> 9 & 1, fault.stage == 2);
		KUNIT_EXPECT_EQ(test, par & ~0x37fULL, 0x800);
	}
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

/* HPFAR_EL2 back to the IPA: bit n of a page's address is bit n - 8. */
static void fault_hpfar_bits(struct kunit *test)
{
	unsigned int bit;
	u64 want;

	for (bit = 0; bit < 64; bit++) {
		want = bit >= 12 && bit < 52 ? 1ULL << (bit - 8) : 0;
		KUNIT_EXPECT_EQ_MSG(test, kvm_fault_hpfar(1ULL << bit), want,
				    "IPA bit %u", bit);
	}
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
	KUNIT_CASE_PARAM(fault_code, code_gen_params),
	{ .run_case = fault_code, .name = "fault_other_code",
	  .generate_params = other_gen_params },
	KUNIT_CASE_PARAM(fault_esr_of_code, code_gen_params),
	KUNIT_CASE_PARAM(fault_par_of_code, code_gen_params),
	KUNIT_CASE_PARAM(fault_hpfar, hpfar_gen_params),
	KUNIT_CASE(fault_hpfar_bits),
	KUNIT_CASE_PARAM(fault_par, par_gen_params),
	KUNIT_CASE_PARAM(fault_par_success, par_ok_gen_params),
	{}
};

static struct kunit_suite fault_suite = {
	.name		= "kvm_nested_fault",
	.test_cases	= fault_cases,
};

kunit_test_suite(fault_suite);
