// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fault records to syndromes: fault status codes as numbers, since the code
 * under test has them by name, and what goes with them in ESR_EL2, HPFAR_EL2
 * and PAR_EL1.
 */

#include "harness.h"
#include "nested/fault.h"

/* ESR_EL2 as hardware gives it for a data abort from a lower EL. */
#define HW_EC_DABT	(0x24ull << 26)
#define HW_EC_IABT	(0x20ull << 26)
#define HW_IL		BIT_ULL(25)
#define HW_ISV		BIT_ULL(24)
#define HW_SAS_SRT	GENMASK_ULL(23, 16)
#define HW_FNV		BIT_ULL(10)
#define HW_EA		BIT_ULL(9)
#define HW_CM		BIT_ULL(8)
#define HW_S1PTW	BIT_ULL(7)
#define HW_WNR		BIT_ULL(6)

static const struct {
	const char *name;
	enum kvm_fault_kind kind;
	s8 level;
	u8 fsc;
} fsc_cases[] = {
	{ "address size, level -1", KVM_FAULT_ADDRESS_SIZE, -1, 0x29 },
	{ "address size, level 0", KVM_FAULT_ADDRESS_SIZE, 0, 0x00 },
	{ "address size, level 1", KVM_FAULT_ADDRESS_SIZE, 1, 0x01 },
	{ "address size, level 3", KVM_FAULT_ADDRESS_SIZE, 3, 0x03 },
	{ "translation, level -1", KVM_FAULT_TRANSLATION, -1, 0x2b },
	{ "translation, level 0", KVM_FAULT_TRANSLATION, 0, 0x04 },
	{ "translation, level 2", KVM_FAULT_TRANSLATION, 2, 0x06 },
	{ "translation, level 3", KVM_FAULT_TRANSLATION, 3, 0x07 },
	{ "access flag, level 0", KVM_FAULT_ACCESS_FLAG, 0, 0x08 },
	{ "access flag, level 3", KVM_FAULT_ACCESS_FLAG, 3, 0x0b },
	{ "permission, level 0", KVM_FAULT_PERMISSION, 0, 0x0c },
	{ "permission, level 1", KVM_FAULT_PERMISSION, 1, 0x0d },
	{ "permission, level 3", KVM_FAULT_PERMISSION, 3, 0x0f },
	{ "external abort on walk, level -1", KVM_FAULT_SEA_TTW, -1, 0x13 },
	{ "external abort on walk, level 0", KVM_FAULT_SEA_TTW, 0, 0x14 },
	{ "external abort on walk, level 3", KVM_FAULT_SEA_TTW, 3, 0x17 },
	{ "alignment, level 3", KVM_FAULT_ALIGNMENT, 3, 0x21 },
};

static const struct {
	const char *name;
	struct kvm_walk_fault fault;
	u64 hw, want;
} esr_cases[] = {
	{ "data: all but the status is the hardware's",
	  { KVM_FAULT_PERMISSION, 2, 2 },
	  HW_EC_DABT | HW_IL | HW_ISV | HW_SAS_SRT | HW_WNR | 0x07,
	  HW_EC_DABT | HW_IL | HW_ISV | HW_SAS_SRT | HW_WNR | 0x0e },
	{ "data: of a stage-1 walk, cache maintenance",
	  { KVM_FAULT_TRANSLATION, 2, 0, .s1ptw = true },
	  HW_EC_DABT | HW_IL | HW_CM | HW_S1PTW | HW_WNR | 0x0f,
	  HW_EC_DABT | HW_IL | HW_CM | HW_S1PTW | HW_WNR | 0x04 },
	{ "data: address size at level 0 is a status, too",
	  { KVM_FAULT_ADDRESS_SIZE, 2, 0 },
	  HW_EC_DABT | HW_IL | 0x07, HW_EC_DABT | HW_IL },
	{ "data: external abort has no instruction syndrome",
	  { KVM_FAULT_SEA_TTW, 2, 1 },
	  HW_EC_DABT | HW_IL | HW_ISV | HW_SAS_SRT | HW_FNV | HW_EA | HW_WNR | 0x07,
	  HW_EC_DABT | HW_IL | HW_WNR | 0x15 },
	{ "instruction: external abort",
	  { KVM_FAULT_SEA_TTW, 2, 3 },
	  HW_EC_IABT | HW_IL | HW_FNV | HW_EA | HW_S1PTW | 0x07,
	  HW_EC_IABT | HW_IL | HW_S1PTW | 0x17 },
};

static const struct {
	const char *name;
	struct kvm_walk_fault fault;
	u64 want;
} par_cases[] = {
	{ "stage 1", { KVM_FAULT_TRANSLATION, 1, 2 }, 0x801 | 0x06 << 1 },
	{ "stage 2", { KVM_FAULT_PERMISSION, 2, 3 },
	  0x801 | 0x0f << 1 | BIT(9) },
	{ "stage 2 of a stage-1 walk",
	  { KVM_FAULT_ADDRESS_SIZE, 2, 0, .s1ptw = true },
	  0x801 | BIT(9) | BIT(8) },
	{ "external abort, level -1", { KVM_FAULT_SEA_TTW, 1, -1 },
	  0x801 | 0x13 << 1 },
};

static const struct {
	const char *name;
	u64 ipa, want;
} hpfar_cases[] = {
	{ "page number", 0x123456789abull, 0x123456780ull },
	{ "52 bits", 0xfffffffffffffull, 0xffffffffff0ull },
	{ "nothing above, NS neither", ~0ull, 0xffffffffff0ull },
};

static void report(const char *what, const char *name, u64 got, u64 want)
{
	if (got != want)
		ktap_diag("got %#lx, want %#lx", got, want);
	ktap_ok(got == want, "faults: %s: %s", what, name);
}

void run_faults(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(fsc_cases); i++) {
		const struct kvm_walk_fault fault = {
			.kind = fsc_cases[i].kind, .stage = 2,
			.level = fsc_cases[i].level,
		};

		report("status", fsc_cases[i].name, kvm_fault_fsc(&fault),
		       fsc_cases[i].fsc);
	}
	for (size_t i = 0; i < ARRAY_SIZE(esr_cases); i++)
		report("ESR_EL2", esr_cases[i].name,
		       kvm_fault_esr(&esr_cases[i].fault, esr_cases[i].hw),
		       esr_cases[i].want);
	for (size_t i = 0; i < ARRAY_SIZE(par_cases); i++)
		report("PAR_EL1", par_cases[i].name,
		       kvm_fault_par(&par_cases[i].fault), par_cases[i].want);
	for (size_t i = 0; i < ARRAY_SIZE(hpfar_cases); i++)
		report("HPFAR_EL2", hpfar_cases[i].name,
		       kvm_fault_hpfar(hpfar_cases[i].ipa),
		       hpfar_cases[i].want);
}
