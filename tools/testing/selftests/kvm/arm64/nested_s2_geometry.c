// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_s2_geometry - every shape that an L1 hypervisor may give its stage 2, and those it may not
 *
 * A row is a VM: one granule, and one physical address size, which userspace lowers; or it takes
 * FEAT_TTST, or the granule's FEAT_LPA2, from the VM. In it, L1 goes through all 4 x 64 values of
 * VTCR_EL2.{SL0, T0SZ}. Where the architecture has such a translation, L2 loads and stores at the
 * top of the input range, and faults just above it; else L2's first fetch takes a translation fault
 * at level 0, although the tables would translate it.
 *
 * starts[] is the Arm ARM's table of start levels: it says from and up to how many bits of input
 * address a walk can begin there, concatenated tables included. T0SZ below its minimum is a fault
 * with FEAT_LPA. Without it, and above the maximum always, it is IMPLEMENTATION DEFINED whether
 * that is a fault or the limit is used instead; both are accepted. Above the maximum, L2's code is
 * where T0SZ as it is would let it run, and its data where only the limit does: T0SZ as it is would
 * be seen. VTCR_EL2.DS is RES0 without FEAT_LPA2.
 *
 * Seen to fail with: 32 concatenated tables let through; a start level that resolves no bit let
 * through; the minimum of T0SZ taken from 48 bits instead of the VM's PARange; level 0 for 4K
 * allowed for any PARange; the index into the start table cut to one table; FEAT_TTST and FEAT_LPA2
 * not taken from the VM's ID registers.
 *
 * No locking: one vCPU.
 */
#include "guest_modes.h"
#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall.h"

#include <asm/sysreg.h>

/* L1 memory: code, the arena for its tables, and the data at the end; any granule can map them. */
#define L1_GPA			SZ_2G
#define L1_GVA			0x4000000000UL
#define L1_SIZE			SZ_16M
#define L1_SLOT			1
#define CODE_GPA		L1_GPA
#define ARENA_OFFSET		SZ_1M
#define DATA_OFFSET		0xfd0000
#define DATA_GPA		(L1_GPA + DATA_OFFSET)

/* L2's code is at the end of its first 2 GB, or of the whole if that is less. */
#define CODE_IPA_END		SZ_2G
#define OFFSET			0x128

/* + SL0 and T0SZ */
#define LOAD_VALUE		0x10ad10ad10ad0000UL
#define STORE_VALUE		0x5703570357030000UL

#define VMID			5
#define NR_SL0			4
#define NR_T0SZ			64

/**
 * struct start - an encoding of the start level
 * @page_shift: 12, 14 or 16
 * @sl2: VTCR_EL2.SL2, which counts with DS only
 * @sl0: VTCR_EL2.SL0
 * @level: start level
 * @min: least input size, bits
 * @max: largest
 * @pa_min: physical address size that it needs
 * @ds: it needs 52-bit descriptors (VTCR_EL2.DS)
 * @ttst: it needs FEAT_TTST
 */
struct start {
	u8 page_shift;
	u8 sl2;
	u8 sl0;
	s8 level;
	u8 min;
	u8 max;
	u8 pa_min;
	bool ds;
	bool ttst;
};

/* All other encodings are reserved. */
static const struct start starts[] = {
	/* 4K */
	{ 12, 0, 3,  3, 13, 25,  0, .ttst = true },
	{ 12, 0, 0,  2, 22, 34 },
	{ 12, 0, 1,  1, 31, 43 },
	{ 12, 0, 2,  0, 40, 52, 44 },
	{ 12, 1, 0, -1, 49, 52, 52, .ds = true },
	/* 16K */
	{ 14, 0, 0,  3, 15, 29 },
	{ 14, 0, 1,  2, 26, 40 },
	{ 14, 0, 2,  1, 37, 51, 42 },
	{ 14, 0, 3,  0, 48, 52, 52, .ds = true },
	/* 64K */
	{ 16, 0, 0,  3, 17, 33 },
	{ 16, 0, 1,  2, 30, 46 },
	{ 16, 0, 2,  1, 43, 52, 44 },
};

/* Sizes that userspace lowers PARange to, as the field has them. */
static const struct {
	u8 bits;
	u8 field;
} paranges[] = {
	{  0 },			/* what the VM has */
	{ 48, ID_AA64MMFR0_EL1_PARANGE_48 },
	{ 44, ID_AA64MMFR0_EL1_PARANGE_44 },
	{ 42, ID_AA64MMFR0_EL1_PARANGE_42 },
	{ 40, ID_AA64MMFR0_EL1_PARANGE_40 },
	{ 36, ID_AA64MMFR0_EL1_PARANGE_36 },
	{ 32, ID_AA64MMFR0_EL1_PARANGE_32 },
};

/* VTCR_EL2.{SL2, DS}: with the VM's own PARange all of them, else none. */
static const struct {
	u8 page_shift;
	u8 sl2;
	u8 ds;
} bits[] = {
	{ 12, 0, 0 }, { 14, 0, 0 }, { 16, 0, 0 },
	{ 12, 0, 1 }, { 12, 1, 0 }, { 12, 1, 1 }, { 14, 0, 1 }, { 16, 0, 1 },
};

/* Rows with the VM's own PARange and without a feature that it has. */
static const struct without {
	u8 page_shift;
	u8 sl2;
	u8 ds;
	bool ttst;		/* ID_AA64MMFR2_EL1.ST */
	bool lpa2;		/* ID_AA64MMFR0_EL1.TGRANx_2 */
} withouts[] = {
	{ 12, .ttst = true }, { 14, .ttst = true }, { 16, .ttst = true },
	{ 12, 0, 1, .lpa2 = true }, { 12, 1, 1, .lpa2 = true }, { 14, 0, 1, .lpa2 = true },
};

#define NR_GRANULES	3
#define NR_OWN		ARRAY_SIZE(bits)
#define NR_LOWERED	((ARRAY_SIZE(paranges) - 1) * NR_GRANULES)
#define NR_WITHOUT	ARRAY_SIZE(withouts)

struct row {
	u8 page_shift;
	u8 sl2;
	u8 ds;
	bool no_ttst;
	bool no_lpa2;
	u8 pa_bits;		/* 0: as it is */
	u8 parange;
	u8 sl0;			/* these two are gone through */
	u8 t0sz;
};

static struct row get_row(unsigned int n)
{
	unsigned int lowered = 0, b = n;
	const struct without *w;

	if (n >= NR_OWN + NR_LOWERED) {
		w = &withouts[n - NR_OWN - NR_LOWERED];
		return (struct row) {
			.page_shift = w->page_shift, .sl2 = w->sl2, .ds = w->ds,
			.no_ttst = w->ttst, .no_lpa2 = w->lpa2,
		};
	}

	if (n >= NR_OWN) {
		b = (n - NR_OWN) % NR_GRANULES;
		lowered = 1 + (n - NR_OWN) / NR_GRANULES;
	}

	return (struct row) {
		.page_shift = bits[b].page_shift, .sl2 = bits[b].sl2, .ds = bits[b].ds,
		.pa_bits = paranges[lowered].bits, .parange = paranges[lowered].field,
	};
}

/* What the VM has, from L1's ID registers; and what L1 saw with each SL0 and T0SZ. */
static struct report {
	u8 pa_bits;
	bool ttst;
	bool lpa2;		/* with the row's granule */
	struct outcome {
		struct l2_exit exit;
		struct l2_exit above;	/* of an access just above the input range */
		u64 loaded;
		u64 stored;
	} outcome[NR_SL0][NR_T0SZ];
} report;

static struct nested_mem l1_mem = { .gva = L1_GVA, .gpa = L1_GPA, .size = L1_SIZE };
static u8 vm_pa_bits;		/* before userspace lowers it */

/* The architecture, for L1 and the host side */

static bool row_ds(const struct row *row)
{
	return row->ds && report.lpa2 && row->page_shift != 16;
}

static const struct start *row_start(const struct row *row)
{
	u8 sl2 = row->sl2 && row_ds(row);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(starts); i++) {
		const struct start *s = &starts[i];

		if (s->page_shift == row->page_shift && s->sl2 == sl2 && s->sl0 == row->sl0)
			return s;
	}

	return NULL;
}

static unsigned int row_ia(const struct row *row)
{
	return 64 - row->t0sz;
}

static u64 row_number(const struct row *row)
{
	return row->sl0 << 8 | row->t0sz;
}

/* The limits of T0SZ, as input sizes. */
static unsigned int row_ia_max(const struct row *row)
{
	unsigned int format = row->page_shift == 16 || row_ds(row) ? 52 : 48;

	return min_t(unsigned int, report.pa_bits, format);
}

static unsigned int row_ia_min(const struct row *row)
{
	if (!report.ttst)
		return 64 - 39;

	return row->page_shift == 16 ? 64 - 47 : 64 - 48;
}

static unsigned int row_clamp(const struct row *row, unsigned int ia)
{
	return min(max(ia, row_ia_min(row)), row_ia_max(row));
}

/* For an input size within T0SZ's limits. */
static bool row_translates(const struct row *row, unsigned int ia)
{
	const struct start *s = row_start(row);

	return s && ia >= s->min && ia <= s->max && report.pa_bits >= s->pa_min &&
	       (!s->ds || row_ds(row)) && (!s->ttst || report.ttst);
}

static bool row_may_fault(const struct row *row)
{
	unsigned int ia = row_ia(row);

	return row_clamp(row, ia) != ia || !row_translates(row, ia);
}

static bool row_may_work(const struct row *row)
{
	unsigned int ia = row_ia(row);

	if (ia > row_ia_max(row) && report.pa_bits >= 52)	/* FEAT_LPA */
		return false;

	return row_translates(row, row_clamp(row, ia));
}

/* Tables that fit as well as possible where the row's shape is invalid. */
static struct s2_geometry row_geo(const struct row *row)
{
	const struct start *s = row_start(row);
	struct s2_geometry geo = {
		.page_shift = row->page_shift,
		.start = s ? s->level : row_ds(row) ? -1 : 1,
		.large = row_ds(row) || (row->page_shift == 16 && report.pa_bits >= 52),
	};
	unsigned int bits = max(row_clamp(row, row_ia(row)), s2_level_shift(&geo, geo.start) + 1);
	unsigned int most = geo.large ? 52 : 48;

	if (s && s->max < most)
		most = s->max;
	geo.ia_bits = min(bits, most);

	return geo;
}

/* Two pages that are within the input range, and within T0SZ as it is if that is smaller. */
static u64 code_ipa(const struct row *row, const struct s2_geometry *geo)
{
	unsigned int bits = geo->ia_bits;

	if (row_ia(row) > geo->page_shift && row_ia(row) < bits)
		bits = row_ia(row);

	return min_t(u64, BIT(bits), CODE_IPA_END) - 2 * BIT(geo->page_shift);
}

/* Of the access in the topmost page. */
static u64 data_ipa(const struct s2_geometry *geo)
{
	return BIT(geo->ia_bits) - BIT(geo->page_shift) + OFFSET;
}

static u64 above_ipa(const struct s2_geometry *geo)
{
	return BIT(geo->ia_bits) + OFFSET;
}

/* L2's MMU is off: an address beyond the CPU's PA size never gets to stage 2. */
static bool above_reaches_s2(const struct s2_geometry *geo)
{
	return geo->ia_bits < vm_pa_bits;
}

/* L1 */

static void l1_build_s2(const struct row *row, const struct s2_geometry *geo, struct s2_mmu *s2)
{
	/* The tables of the last one are not needed any more. */
	l1_mem.used = ARENA_OFFSET;
	s2_init(s2, &l1_mem, geo, VMID);
	s2_map(s2, code_ipa(row, geo), CODE_GPA, 1, 3, S2_ATTR_DEFAULT);
	s2_map(s2, data_ipa(geo), DATA_GPA + OFFSET, 1, 3, S2_ATTR_DEFAULT);

	s2->vtcr &= ~(VTCR_EL2_T0SZ | VTCR_EL2_SL0 | VTCR_EL2_SL2 | VTCR_EL2_DS);
	s2->vtcr |= FIELD_PREP(VTCR_EL2_T0SZ, row->t0sz) | FIELD_PREP(VTCR_EL2_SL0, row->sl0) |
		    FIELD_PREP(VTCR_EL2_SL2, row->sl2) | FIELD_PREP(VTCR_EL2_DS, row->ds);
	s2_tlbi_vmalls12e1is(s2);
}

static void l1_try(const struct row *row, struct outcome *o)
{
	struct s2_geometry geo = row_geo(row);
	u64 *data = nested_va(&l1_mem, DATA_GPA + OFFSET);
	struct l2_vcpu l2;
	struct s2_mmu s2;

	l1_build_s2(row, &geo, &s2);
	*data = LOAD_VALUE + row_number(row);
	nested_sync_cache(data, sizeof(*data));

	l2_init(&l2, &s2, code_ipa(row, &geo));
	l2.pc = code_ipa(row, &geo) + l2_stub_offset(L2_STUB_LOAD_STORE);
	l2.regs[0] = data_ipa(&geo);
	l2.regs[2] = STORE_VALUE + row_number(row);
	l2_enter(&l2);
	o->exit = l2.exit;
	o->loaded = l2.regs[1];
	nested_sync_cache(data, sizeof(*data));
	o->stored = *data;
	if (!l2_exit_is_hvc(&l2.exit, L2_HVC_DONE) || !above_reaches_s2(&geo))
		return;

	l2.pc = code_ipa(row, &geo) + l2_stub_offset(L2_STUB_LOAD);
	l2.regs[0] = above_ipa(&geo);
	l2_enter(&l2);
	o->above = l2.exit;
}

static void l1_main(u64 index)
{
	struct row row = get_row(index);

	GUEST_ASSERT_EQ(get_current_el(), 2);
	report.pa_bits = nested_pa_bits();
	report.ttst = SYS_FIELD_GET(ID_AA64MMFR2_EL1, ST, read_sysreg_s(SYS_ID_AA64MMFR2_EL1));
	report.lpa2 = s2_granule_large(row.page_shift);
	if (!s2_granule_supported(row.page_shift))
		NESTED_GUEST_SKIP("the VM has no such stage-2 granule (ID_AA64MMFR0_EL1.TGRANx_2)");

	l2_stubs_install(nested_va(&l1_mem, CODE_GPA), SZ_64K);
	for (row.sl0 = 0; row.sl0 < NR_SL0; row.sl0++)
		for (row.t0sz = 0; row.t0sz < NR_T0SZ; row.t0sz++)
			l1_try(&row, &report.outcome[row.sl0][row.t0sz]);
	GUEST_ASSERT(l1_mem.used <= DATA_OFFSET);
	GUEST_DONE();
}

/* Host */

#define ESR_HVC		(ESR_ELx_EC_HVC64 << ESR_ELx_EC_SHIFT | ESR_ELx_IL | L2_HVC_DONE)
#define ESR_FETCH	(ESR_ELx_EC_IABT_LOW << ESR_ELx_EC_SHIFT | ESR_ELx_IL |		\
			 ESR_ELx_FSC_FAULT_L(0))
#define ESR_LOAD	(ESR_ELx_EC_DABT_LOW << ESR_ELx_EC_SHIFT | ESR_ELx_IL |		\
			 ESR_ELx_ISV | ESR_ELx_SAS | 1UL << ESR_ELx_SRT_SHIFT |		\
			 ESR_ELx_SF | ESR_ELx_FSC_FAULT_L(0))

static bool check_abort(const struct l2_exit *exit, u64 esr, u64 pc, u64 addr)
{
	bool ok;

	ok = nested_check("vector", exit->vector, VECTOR_SYNC_LOWER_64, ~0UL);
	ok &= nested_check("ESR_EL2", exit->esr, esr, ~0UL);
	ok &= nested_check("FAR_EL2", exit->far, addr, ~0UL);
	ok &= nested_check("HPFAR_EL2", exit->hpfar, FIELD_PREP(HPFAR_EL2_FIPA, addr >> 12), ~0UL);
	ok &= nested_check("ELR_EL2", exit->elr, pc, ~0UL);

	return ok;
}

static bool check_works(const struct row *row, const struct outcome *o)
{
	struct s2_geometry geo = row_geo(row);
	u64 pc = code_ipa(row, &geo) + l2_stub_offset(L2_STUB_LOAD);
	bool ok;

	ok = nested_check("value loaded by L2", o->loaded, LOAD_VALUE + row_number(row), ~0UL);
	ok &= nested_check("value in memory", o->stored, STORE_VALUE + row_number(row), ~0UL);
	if (above_reaches_s2(&geo))
		ok &= check_abort(&o->above, ESR_LOAD, pc, above_ipa(&geo));

	return ok;
}

static bool check_fault(const struct row *row, const struct outcome *o)
{
	struct s2_geometry geo = row_geo(row);
	u64 pc = code_ipa(row, &geo) + l2_stub_offset(L2_STUB_LOAD_STORE);
	bool ok;

	ok = check_abort(&o->exit, ESR_FETCH, pc, pc);
	ok &= nested_check("value in memory", o->stored, LOAD_VALUE + row_number(row), ~0UL);

	return ok;
}

/* Adds to @works if L2 ran. */
static bool check_shape(const struct row *row, unsigned int *works)
{
	const struct outcome *o = &report.outcome[row->sl0][row->t0sz];
	bool ran = l2_exit_is_hvc(&o->exit, L2_HVC_DONE);
	bool ok;

	*works += ran;
	if (ran)
		ok = row_may_work(row) && check_works(row, o);
	else
		ok = row_may_fault(row) && check_fault(row, o);
	if (!ok)
		ksft_print_msg("SL0 %u, T0SZ %u (%u bits): %s, ESR_EL2 0x%lx; it may %s%s%s\n",
			       row->sl0, row->t0sz, row_ia(row), ran ? "translates" : "faults",
			       o->exit.esr, row_may_work(row) ? "translate" : "",
			       row_may_work(row) && row_may_fault(row) ? " or " : "",
			       row_may_fault(row) ? "fault" : "");

	return ok;
}

static int check_report(struct row *row)
{
	unsigned int works[NR_SL0] = { };
	bool ok = true;

	if (row->no_ttst)
		ok &= nested_check("L1's ID_AA64MMFR2_EL1.ST", report.ttst, false, ~0UL);
	if (row->no_lpa2)
		ok &= nested_check("L1 has FEAT_LPA2", report.lpa2, false, ~0UL);
	for (row->sl0 = 0; row->sl0 < NR_SL0; row->sl0++)
		for (row->t0sz = 0; row->t0sz < NR_T0SZ; row->t0sz++)
			ok &= check_shape(row, &works[row->sl0]);
	ksft_print_msg("%u bits of PA: %u, %u, %u, %u input sizes translate with SL0 0..3\n",
		       report.pa_bits, works[0], works[1], works[2], works[3]);

	return ok ? NESTED_PASS : NESTED_FAIL;
}

/* Fields of ID registers as the row wants them. */
static const char *lower_parange(u64 *mmfr0, const struct row *row)
{
	/* It is run on CPUs of several sizes then. */
	if (NESTED_BARE)
		return "there is no host side that could lower PARange";
	if (SYS_FIELD_GET(ID_AA64MMFR0_EL1, PARANGE, *mmfr0) <= row->parange)
		return "the VM's PARange is not above that";

	*mmfr0 &= ~ID_AA64MMFR0_EL1_PARANGE;
	*mmfr0 |= FIELD_PREP(ID_AA64MMFR0_EL1_PARANGE, row->parange);

	return NULL;
}

static const char *lower_lpa2(u64 *mmfr0, const struct row *row)
{
	u64 field = row->page_shift == 12 ? ID_AA64MMFR0_EL1_TGRAN4_2 :
					    ID_AA64MMFR0_EL1_TGRAN16_2;
	u64 imp = row->page_shift == 12 ?
		  SYS_FIELD_PREP_ENUM(ID_AA64MMFR0_EL1, TGRAN4_2, IMP) :
		  SYS_FIELD_PREP_ENUM(ID_AA64MMFR0_EL1, TGRAN16_2, IMP);

	if (!s2_granule_large(row->page_shift))
		return "the VM has no FEAT_LPA2 for this granule's stage 2";

	*mmfr0 = (*mmfr0 & ~field) | imp;

	return NULL;
}

static const char *lower_ttst(u64 *mmfr2)
{
	if (!SYS_FIELD_GET(ID_AA64MMFR2_EL1, ST, *mmfr2))
		return "the VM has no FEAT_TTST";

	*mmfr2 &= ~ID_AA64MMFR2_EL1_ST;

	return NULL;
}

static const char *lower_ids(struct kvm_vcpu *vcpu, const struct row *row)
{
	u64 id0 = KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR0_EL1);
	u64 id2 = KVM_ARM64_SYS_REG(SYS_ID_AA64MMFR2_EL1);
	u64 mmfr0 = vcpu_get_reg(vcpu, id0), mmfr2 = vcpu_get_reg(vcpu, id2);
	const char *reason = NULL;

	if (NESTED_BARE && (row->no_lpa2 || row->no_ttst))
		return "there is no host side that could take a feature away";
	if (row->pa_bits)
		reason = lower_parange(&mmfr0, row);
	else if (row->no_lpa2)
		reason = lower_lpa2(&mmfr0, row);
	else if (row->no_ttst)
		reason = lower_ttst(&mmfr2);
	if (reason)
		return reason;

	if (mmfr0 != vcpu_get_reg(vcpu, id0) && __vcpu_set_reg(vcpu, id0, mmfr0))
		return "the kernel does not let userspace lower ID_AA64MMFR0_EL1";
	if (mmfr2 != vcpu_get_reg(vcpu, id2) && __vcpu_set_reg(vcpu, id2, mmfr2))
		return "the kernel does not let userspace lower ID_AA64MMFR2_EL1";

	return NULL;
}

static int run_row(unsigned int n, const char **reason)
{
	struct row row = get_row(n);
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct ucall uc;
	int ret;

	vm = nested_vm_create(1, l1_main, &vcpu);
	vcpu_args_set(vcpu, 1, (u64)n);
	vm_pa_bits = nested_pa_bits();
	sync_global_to_guest(vm, vm_pa_bits);
	*reason = lower_ids(vcpu, &row);
	if (*reason)
		return NESTED_SKIP;
	nested_mem_create(vm, &l1_mem, L1_SLOT, 0);
	nested_mem_sync(vm, &l1_mem, (gva_t)&l1_mem);

	ret = nested_run_vcpu(vcpu, &uc, reason);
	if (ret == NESTED_PASS) {
		sync_global_from_guest(vm, report);
		ret = check_report(&row);
	}

	kvm_vm_free(vm);
	return ret;
}

static const char *row_desc(unsigned int n)
{
	struct row row = get_row(n);
	static char desc[80];
	char pa[24] = "";

	if (row.pa_bits)
		snprintf(pa, sizeof(pa), ", PARange %u bits", row.pa_bits);
	snprintf(desc, sizeof(desc), "%uK%s%s%s%s%s: each SL0 and T0SZ",
		 1 << (row.page_shift - 10), row.sl2 ? ", SL2" : "", row.ds ? ", DS" : "", pa,
		 row.no_ttst ? ", without TTST" : "", row.no_lpa2 ? ", without LPA2" : "");

	return desc;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_s2_geometry",
		.nr_rows = NR_OWN + NR_LOWERED + NR_WITHOUT, .desc = row_desc, .run = run_row,
		.timeout_s = 30,
	};

	return nested_main(argc, argv, &suite);
}
