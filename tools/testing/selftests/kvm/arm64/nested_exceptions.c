// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_exceptions - SErrors and External aborts from userspace, and what else crosses L2's state
 *
 * Where an exception that userspace injects goes (KVM_SET_VCPU_EVENTS), when, and that nothing is
 * lost on the way; External aborts for what is beyond the VM's physical addresses; bits of HCR_EL2
 * and VMPIDR_EL2 that L1 may set; what becomes of shadow entries when L1 is reset, and how much
 * memory their tables take.
 *
 * The guest tells the host side what to inject: by a ucall or, for an exception in the middle of an
 * access, by a load from a hole. What L2 has at a nested IPA, L1 has at another GPA; something else
 * is at the GPA that equals the nested IPA.
 *
 * HCR_EL2.{CD,ID}: an emulator has no caches, so that these rows can fail on hardware alone. Not
 * here: SCTLR2_EL2.EASE, which QEMU has not, and KVM_EXIT_ARM_SEA, for which the host needs an
 * External abort of its own.
 *
 * Seen to fail: with an SError looked at after an exit instead of before the next entry; with VSE
 * taken along from L1 to L2, and with no look at PSTATE.A; with WFI not told of a pending SError;
 * with each SError, each External abort, or no External abort for L1; with put and load of a vCPU
 * that is not loaded, and with the access that an exception has ended completed; with IMO alone
 * warned of; with shadow entries kept over a reset; with no limit of IPAs and none of tables; with
 * no level for a walk, nested IPAs for userspace, and VMPIDR_EL2.{U,MT} reserved; with the IPA in
 * FAR_EL2 (the load by L1). The WFI of an L1 with E2H = 1 ends without an exit on an emulator. Not
 * seen to fail: FMO without IMO, since the warning comes once a boot; a table of L2's stage 1
 * beyond the VM's addresses, to L2.
 *
 * No locking: one vCPU runs at a time.
 */
#include <linux/psci.h>

#include "kselftest.h"
#include "kvm_util.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall.h"

#include <asm/sysreg.h>

/* The probe: L2 has it at a nested IPA that L1 has memory at, too. */
#define PROBE_GPA		0xb8000000UL
#define PROBE_GVA		0x5000000000UL
#define PROBE_SLOT		1
#define PROBE_IPA		0xb0000000UL
#define DECOY_GPA		PROBE_IPA
#define DECOY_GVA		0x5800000000UL
#define DECOY_SLOT		2
#define PROBE_VA		0x7000000000UL
#define STUB_OFFSET		SZ_64K		/* in the probe's memory, and of the nested IPA */
#define SECOND_OFFSET		(2 * SZ_64K)	/* in the probe's memory: another page */
#define MEM_SIZE		(4 * SZ_64K)

/* Other nested IPAs; the unmapped one has a table of last level, which it shares with the probe. */
#define UNMAPPED_IPA		(PROBE_IPA + 3 * SZ_64K)
#define UNMAPPED_VA		(PROBE_VA + 3 * SZ_64K)
#define HOLE_GPA		0xf0000000UL
#define HOLE_IPA		0x48000000UL
#define HOLE_VA			0x7100000000UL
#define BEYOND_IPA		0x58000000UL
#define BEYOND_GPA		BIT(41)		/* of a VM with 40 bits */
#define ALIAS_IPA		BIT(38)
#define GMEM_GPA		0xc0000000UL
#define GMEM_SLOT		3
#define GMEM_IPA		0x68000000UL
#define GMEM_VA			0x7200000000UL
/* A VA whose last table of L2's stage 1 is beyond the VM's addresses. */
#define WALK_VA			0x7300000000UL
/* L1's own, of BEYOND_GPA. */
#define OWN_VA			0x7400000000UL

#define RIGHT			0x600d600d00000000UL
#define WRONG			0xbadbadbad0000000UL

/* Of an SError, implementation defined. */
#define SERROR_ISS		(ESR_ELx_ISV | 0x1d1edUL)

/* What the guest asks for. */
#define SYNC_INJECT		2	/* args[2]: INJECT_* */
#define SYNC_EVENTS		3	/* args[2]: is an SError pending? */
#define SYNC_EXIT		4	/* no more than an exit */
#define SYNC_RESET		5
#define SYNC_MEASURE		6
#define SYNC_VMPIDR		7	/* args[2]: VMPIDR_EL2 for userspace */

#define INJECT_SERROR		BIT(0)
#define INJECT_SEA		BIT(1)
#define INJECT_AT_ACCESS	BIT(2)	/* in the middle of a load from the hole */
#define INJECT_OTHER		BIT(3)	/* after another vCPU has run */

/* Where it has to go. */
enum target {
	TO_L1,
	TO_L2,
};

/* An instruction that KVM emulates. */
enum trapped {
	TRAPPED_MRS,
	TRAPPED_SMC,
	TRAPPED_SGI,
};

struct exc_row {
	const char *desc;
	void *l1;
	void *l2;
	u64 inject;
	u64 hcr_set;
	u64 hcr_clear;
	u64 pstate;		/* PSTATE.A of whoever gets the exception */
	enum target target;
	unsigned int arg;	/* enum trapped, enum l2_stub */
	bool ipa_40;		/* a VM with 40 bits of physical address */
	bool e2h0;		/* a VM with HCR_EL2.E2H = 0 */
};

static void l1_masked(struct l2_vcpu *l2, const struct exc_row *row);
static void l1_in_l2(struct l2_vcpu *l2, const struct exc_row *row);
static void l1_at_trap(struct l2_vcpu *l2, const struct exc_row *row);
static void l1_wfi(struct l2_vcpu *l2, const struct exc_row *row);
static void l1_data(struct l2_vcpu *l2, const struct exc_row *row);
static void l1_reset(struct l2_vcpu *l2, const struct exc_row *row);
static void l1_beyond(struct l2_vcpu *env_l2, const struct exc_row *row);
static void l1_own_beyond(struct l2_vcpu *l2, const struct exc_row *row);
static void l1_walk(struct l2_vcpu *l2, const struct exc_row *row);
static void l1_gmem(struct l2_vcpu *l2, const struct exc_row *row);
static void l1_tables(struct l2_vcpu *env_l2, const struct exc_row *row);
static void l1_vmpidr(struct l2_vcpu *l2, const struct exc_row *row);
static void l2_store_unmapped(void);
static void l2_injected(const struct exc_row *row);
static void l2_own_state(const struct exc_row *row);
static void l2_data(void);
static void l2_walk(void);
static void l2_gmem(void);
static void l2_read_probe(void);
static void l2_read_mpidr(void);

static const struct exc_row rows[] = {
	/* Pending at virtual EL2 and masked there; L2 is entered with PSTATE.A = 0. */
	{ .desc = "SError masked in L1, taken on entry to L2: TGE = 1",
	  .l1 = l1_masked, .l2 = l2_store_unmapped, .inject = INJECT_SERROR },
	{ .desc = "SError masked in L1, taken on entry to L2: TGE = 0, AMO = 1",
	  .l1 = l1_masked, .l2 = l2_store_unmapped, .inject = INJECT_SERROR,
	  .hcr_set = HCR_EL2_AMO, .hcr_clear = HCR_EL2_TGE },
	{ .desc = "SError masked in L1, taken on entry to L2: TGE = 0, AMO = 0",
	  .l1 = l1_masked, .l2 = l2_store_unmapped, .inject = INJECT_SERROR,
	  .hcr_clear = HCR_EL2_TGE },

	/* While L2 runs. */
	{ .desc = "SError in L2, AMO = 1, A = 0: to L1",
	  .l1 = l1_in_l2, .l2 = l2_injected, .inject = INJECT_SERROR },
	{ .desc = "SError in L2, AMO = 1, A = 1: to L1",
	  .l1 = l1_in_l2, .l2 = l2_injected, .inject = INJECT_SERROR, .pstate = PSR_A_BIT },
	{ .desc = "SError in L2, AMO = 0, A = 0: to L2",
	  .l1 = l1_in_l2, .l2 = l2_injected, .inject = INJECT_SERROR, .hcr_clear = HCR_EL2_AMO,
	  .target = TO_L2 },
	{ .desc = "SError in L2, AMO = 0, A = 1: to L2, once it is unmasked",
	  .l1 = l1_in_l2, .l2 = l2_injected, .inject = INJECT_SERROR, .hcr_clear = HCR_EL2_AMO,
	  .target = TO_L2, .pstate = PSR_A_BIT },
	{ .desc = "SError in L2 at an access to a device, AMO = 1: to L1",
	  .l1 = l1_in_l2, .l2 = l2_injected, .inject = INJECT_SERROR | INJECT_AT_ACCESS },
	{ .desc = "External abort in L2 for an access to a device, TEA = 1: to L1",
	  .l1 = l1_in_l2, .l2 = l2_injected, .inject = INJECT_SEA | INJECT_AT_ACCESS,
	  .hcr_set = HCR_EL2_TEA },
	{ .desc = "External abort in L2 for an access to a device, TEA = 0: to L2",
	  .l1 = l1_in_l2, .l2 = l2_injected, .inject = INJECT_SEA | INJECT_AT_ACCESS,
	  .target = TO_L2 },

	/*
	 * At virtual EL2 with E2H = 0: nowhere to go until L1 writes HCR_EL2, which does not trap.
	 * With E2H = 1 and TGE = 0, AMO may be taken for 1 there.
	 */
	{ .desc = "SError in L1, E2H = 0, AMO set later: MRS of an ID register",
	  .l1 = l1_at_trap, .inject = INJECT_SERROR, .arg = TRAPPED_MRS, .e2h0 = true },
	{ .desc = "SError in L1, E2H = 0, AMO set later: SMC",
	  .l1 = l1_at_trap, .inject = INJECT_SERROR, .arg = TRAPPED_SMC, .e2h0 = true },
	{ .desc = "SError in L1, E2H = 0, AMO set later: MSR ICC_SGI1R_EL1",
	  .l1 = l1_at_trap, .inject = INJECT_SERROR, .arg = TRAPPED_SGI, .e2h0 = true },
	{ .desc = "SError in L1, E2H = 0, A = 1, AMO set later: ends WFI",
	  .l1 = l1_wfi, .inject = INJECT_SERROR, .e2h0 = true },
	{ .desc = "SError in L1, A = 1, TGE = 0, AMO set later: ends WFI",
	  .l1 = l1_wfi, .inject = INJECT_SERROR, .hcr_clear = HCR_EL2_TGE },
	{ .desc = "SError in L1, A = 1, TGE = 0, AMO = 1: ends WFI",
	  .l1 = l1_wfi, .inject = INJECT_SERROR, .hcr_set = HCR_EL2_AMO,
	  .hcr_clear = HCR_EL2_TGE },
	{ .desc = "SError in L1, A = 1, TGE = 1: ends WFI",
	  .l1 = l1_wfi, .inject = INJECT_SERROR },

	/* The CPU's registers are another vCPU's when the exception is injected. */
	{ .desc = "SError in L2 after another vCPU has run: L2's state stays",
	  .l1 = l1_in_l2, .l2 = l2_own_state, .inject = INJECT_SERROR | INJECT_OTHER },
	{ .desc = "External abort in L2 after another vCPU has run: L2's state stays",
	  .l1 = l1_in_l2, .l2 = l2_own_state, .inject = INJECT_SEA | INJECT_OTHER,
	  .hcr_set = HCR_EL2_TEA },

	/* Controls of L1 that are not to reach the hardware as they are. */
	{ .desc = "HCR_EL2.IMO = 1, FMO = 0 (the host warns once a boot)",
	  .l1 = l1_data, .l2 = l2_data, .hcr_clear = HCR_EL2_FMO },
	{ .desc = "HCR_EL2.IMO = 0, FMO = 1 (the host warns once a boot)",
	  .l1 = l1_data, .l2 = l2_data, .hcr_clear = HCR_EL2_IMO },
	{ .desc = "HCR_EL2.CD = 1", .l1 = l1_data, .l2 = l2_data, .hcr_set = HCR_EL2_CD },
	{ .desc = "HCR_EL2.ID = 1", .l1 = l1_data, .l2 = l2_data, .hcr_set = HCR_EL2_ID },
	{ .desc = "HCR_EL2.CD = 1, ID = 1",
	  .l1 = l1_data, .l2 = l2_data, .hcr_set = HCR_EL2_CD | HCR_EL2_ID },

	{ .desc = "a reset leaves no translation of L2", .l1 = l1_reset, .l2 = l2_read_probe },

	{ .desc = "beyond the VM's addresses: load by L1", .l1 = l1_own_beyond, .ipa_40 = true },

	/* Stage 2 leads beyond the VM's physical addresses, or is off. */
	{ .desc = "beyond the VM's addresses: load, to L2",
	  .l1 = l1_beyond, .arg = L2_STUB_LOAD, .target = TO_L2, .ipa_40 = true },
	{ .desc = "beyond the VM's addresses: store, to L2",
	  .l1 = l1_beyond, .arg = L2_STUB_STORE, .target = TO_L2, .ipa_40 = true },
	{ .desc = "beyond the VM's addresses: fetch, to L2",
	  .l1 = l1_beyond, .arg = L2_STUB_EXEC, .target = TO_L2, .ipa_40 = true },
	{ .desc = "beyond the VM's addresses: load, TEA = 1, to L1",
	  .l1 = l1_beyond, .arg = L2_STUB_LOAD, .hcr_set = HCR_EL2_TEA, .ipa_40 = true },
	{ .desc = "beyond the VM's addresses: fetch, TEA = 1, to L1",
	  .l1 = l1_beyond, .arg = L2_STUB_EXEC, .hcr_set = HCR_EL2_TEA, .ipa_40 = true },
	{ .desc = "beyond the VM's addresses: load, VM = 0, to L2",
	  .l1 = l1_beyond, .arg = L2_STUB_LOAD, .hcr_clear = HCR_EL2_VM, .target = TO_L2,
	  .ipa_40 = true },
	{ .desc = "beyond the VM's addresses: store, VM = 0, to L2",
	  .l1 = l1_beyond, .arg = L2_STUB_STORE, .hcr_clear = HCR_EL2_VM, .target = TO_L2,
	  .ipa_40 = true },
	{ .desc = "beyond the VM's addresses: load, VM = 0, TEA = 1, to L1",
	  .l1 = l1_beyond, .arg = L2_STUB_LOAD, .hcr_set = HCR_EL2_TEA,
	  .hcr_clear = HCR_EL2_VM, .ipa_40 = true },

	{ .desc = "beyond the VM's addresses: table of L2's stage 1, to L2",
	  .l1 = l1_walk, .l2 = l2_walk, .target = TO_L2, .ipa_40 = true },
	{ .desc = "beyond the VM's addresses: table of L2's stage 1, TEA = 1, to L1",
	  .l1 = l1_walk, .l2 = l2_walk, .hcr_set = HCR_EL2_TEA, .ipa_40 = true },

	{ .desc = "a page of guest_memfd is gone: userspace is told the GPA",
	  .l1 = l1_gmem, .l2 = l2_gmem },
	{ .desc = "one page all over L2's addresses: the host's tables are bounded",
	  .l1 = l1_tables },
	{ .desc = "VMPIDR_EL2.{U,MT} are L1's to set", .l1 = l1_vmpidr, .l2 = l2_read_mpidr },
};

static struct nested_mem probe_mem = {
	.gva = PROBE_GVA, .gpa = PROBE_GPA, .size = MEM_SIZE,
};

static struct nested_mem decoy_mem = {
	.gva = DECOY_GVA, .gpa = DECOY_GPA, .size = MEM_SIZE,
};

/* Written by the host side when it injects something. */
static struct {
	u64 pc;
	u64 esr;
	u64 esr_mask;
} stop;

/* Exceptions from an exception level to itself, L1's or L2's: at any time, so READ_ONCE(). */
static struct {
	u64 count;
	u64 el;
	u64 esr;
	u64 elr;
	u64 far;
} taken;

#define TAKEN(field)		READ_ONCE(taken.field)

/* How far L2 has come. */
static u64 l2_steps;

static void l2_step(void)
{
	WRITE_ONCE(l2_steps, READ_ONCE(l2_steps) + 1);
}

static void record(struct ex_regs *regs)
{
	taken.count++;
	taken.el = get_current_el();
	/* Of EL2 there, with HCR_EL2.E2H. */
	taken.esr = read_sysreg(esr_el1);
	taken.far = read_sysreg(far_el1);
	taken.elr = regs->pc;
}

static void abort_handler(struct ex_regs *regs)
{
	record(regs);
	regs->pc += 4;
}

/* L2 */

extern const char access_insn[], unmask_after[], unmask_end[];

/* The destination register keeps its value if the load does not happen. */
static noinline u64 l2_access(void)
{
	u64 value = RIGHT;

	asm volatile("	.global	access_insn\n"
		     "access_insn:\n"
		     "	ldr	%0, [%1]\n"
		     : "+r" (value) : "r" (HOLE_VA) : "memory");
	return value;
}

static noinline void unmask_serror(void)
{
	asm volatile("	.global	unmask_after\n"
		     "	.global	unmask_end\n"
		     "	msr	daifclr, #4\n"
		     "unmask_after:\n"
		     "	isb\n"
		     "unmask_end:\n"
		     "	nop\n" : : : "memory");
}

static void l2_store_unmapped(void)
{
	l2_step();
	WRITE_ONCE(*(u64 *)UNMAPPED_VA, WRONG);
	l2_step();
}

/* What has to be seen of an exception that L2 takes to its own EL1. */
static void l2_check_taken(const struct exc_row *row)
{
	bool masked = row->pstate & PSR_A_BIT;

	GUEST_ASSERT_EQ(TAKEN(count), 1);
	GUEST_ASSERT_EQ(TAKEN(el), 1);
	GUEST_ASSERT_EQ(TAKEN(esr) & stop.esr_mask, stop.esr);
	if (masked)
		GUEST_ASSERT(TAKEN(elr) == (u64)unmask_after || TAKEN(elr) == (u64)unmask_end);
	else
		GUEST_ASSERT_EQ(TAKEN(elr), stop.pc);
	if (row->inject & INJECT_SEA)
		GUEST_ASSERT_EQ(TAKEN(far), HOLE_VA);
}

static void l2_injected(const struct exc_row *row)
{
	l2_step();
	if (row->inject & INJECT_AT_ACCESS)
		GUEST_ASSERT_EQ(l2_access(), RIGHT);
	else
		GUEST_SYNC_ARGS(SYNC_INJECT, row->inject, 0, 0, 0);
	l2_step();

	if (row->target == TO_L1)
		return;
	if (row->pstate & PSR_A_BIT) {
		GUEST_ASSERT_EQ(TAKEN(count), 0);
		GUEST_SYNC_ARGS(SYNC_EVENTS, 1, 0, 0, 0);
		GUEST_ASSERT_EQ(TAKEN(count), 0);
		unmask_serror();
	}
	l2_check_taken(row);
	GUEST_SYNC_ARGS(SYNC_EVENTS, 0, 0, 0, 0);
	GUEST_ASSERT_EQ(TAKEN(count), 1);
}

#define L2_TPIDR_EL0		0xe0000000001UL
#define L2_TPIDRRO_EL0		0xe0000000002UL
#define L2_TPIDR_EL1		0xe0000000003UL
#define L2_CONTEXTIDR_EL1	0x0e04UL
#define L2_VBAR			0xffff0e0500000000UL
#define L2_ELR_EL1		0xe0000000006UL

/* It takes no exception itself. */
static void l2_own_state(const struct exc_row *row)
{
	l2_step();
	write_sysreg(L2_TPIDR_EL0, tpidr_el0);
	write_sysreg(L2_TPIDRRO_EL0, tpidrro_el0);
	write_sysreg(L2_TPIDR_EL1, tpidr_el1);
	write_sysreg(L2_CONTEXTIDR_EL1, contextidr_el1);
	write_sysreg(L2_VBAR, vbar_el1);
	write_sysreg(L2_ELR_EL1, elr_el1);
	isb();
	GUEST_SYNC_ARGS(SYNC_INJECT, row->inject, 0, 0, 0);
	l2_step();
	GUEST_ASSERT_EQ(read_sysreg(tpidr_el0), L2_TPIDR_EL0);
	GUEST_ASSERT_EQ(read_sysreg(tpidrro_el0), L2_TPIDRRO_EL0);
	GUEST_ASSERT_EQ(read_sysreg(tpidr_el1), L2_TPIDR_EL1);
	GUEST_ASSERT_EQ(read_sysreg(contextidr_el1), L2_CONTEXTIDR_EL1);
	GUEST_ASSERT_EQ(read_sysreg(vbar_el1), L2_VBAR);
	GUEST_ASSERT_EQ(read_sysreg(elr_el1), L2_ELR_EL1);
}

/* No stack: what L1 has made coherent is all that it uses. */
static noinline void l2_data(void)
{
	u64 *probe = (u64 *)PROBE_VA;

	WRITE_ONCE(probe[1], READ_ONCE(probe[0]) + 1);
	l2_hvc(READ_ONCE(probe[1]));
}

static void l2_walk(void)
{
	READ_ONCE(*(u64 *)WALK_VA);
}

static void l2_gmem(void)
{
	READ_ONCE(*(u64 *)GMEM_VA);
}

static void l2_read_probe(void)
{
	l2_hvc(READ_ONCE(*(u64 *)PROBE_VA));
}

static void l2_read_mpidr(void)
{
	l2_hvc(read_sysreg(mpidr_el1));
}

/* L1 */

static u64 *l1_probe(void)
{
	return nested_va(&probe_mem, PROBE_GPA);
}

static void l1_prepare(void)
{
	u64 *decoy = nested_va(&decoy_mem, DECOY_GPA);

	GUEST_ASSERT_EQ(get_current_el(), 2);
	l1_probe()[0] = RIGHT;
	decoy[0] = WRONG;
}

static void l1_set_hcr(u64 hcr)
{
	write_sysreg(hcr, hcr_el2);
	isb();
}

static void l1_need_ras(const struct exc_row *row)
{
	if ((row->hcr_set & HCR_EL2_TEA) &&
	    !SYS_FIELD_GET(ID_AA64PFR0_EL1, RAS, read_sysreg_s(SYS_ID_AA64PFR0_EL1)))
		NESTED_GUEST_SKIP("the VM has no FEAT_RAS (HCR_EL2.TEA)");
}

/* An SError of L2's, at @elr with @pstate. */
static void l1_check_serror(const struct l2_vcpu *l2, u64 elr, u64 pstate)
{
	const u64 mask = PSR_MODE_MASK | PSR_D_BIT | PSR_A_BIT | PSR_I_BIT | PSR_F_BIT;

	GUEST_ASSERT_EQ(l2->exit.vector, VECTOR_ERROR_LOWER_64);
	GUEST_ASSERT_EQ(l2->exit.esr & stop.esr_mask, stop.esr);
	GUEST_ASSERT_EQ(l2->exit.elr, elr);
	GUEST_ASSERT_EQ(l2->exit.spsr & mask, pstate & mask);
}

static void l1_masked(struct l2_vcpu *l2, const struct exc_row *row)
{
	u64 hcr = read_sysreg(hcr_el2);
	struct l2_abort abort;
	u64 entry = l2->pc;

	l1_set_hcr((hcr | row->hcr_set) & ~row->hcr_clear);
	GUEST_SYNC_ARGS(SYNC_INJECT, row->inject, 0, 0, 0);
	GUEST_SYNC_ARGS(SYNC_EVENTS, 1, 0, 0, 0);
	GUEST_ASSERT_EQ(TAKEN(count), 0);
	l1_set_hcr(hcr);

	l2->pstate &= ~PSR_A_BIT;
	l2_enter(l2);
	l1_check_serror(l2, entry, L2_PSTATE & ~PSR_A_BIT);
	GUEST_ASSERT_EQ(READ_ONCE(l2_steps), 0);

	l2_enter(l2);
	GUEST_ASSERT(l2_decode_abort(&l2->exit, &abort));
	GUEST_ASSERT_EQ(abort.fsc, ESR_ELx_FSC_FAULT_L(3));
	GUEST_ASSERT(abort.write && !abort.s1ptw && !abort.insn);
	GUEST_ASSERT_EQ(abort.va, UNMAPPED_VA);
	GUEST_ASSERT_EQ(abort.ipa, UNMAPPED_IPA);
	GUEST_ASSERT_EQ(READ_ONCE(l2_steps), 1);
	GUEST_SYNC_ARGS(SYNC_EVENTS, 0, 0, 0, 0);
	GUEST_ASSERT_EQ(TAKEN(count), 0);
	GUEST_DONE();
}

/* What of L2's state is not in struct l2_vcpu. */
static void l1_check_own_state(const struct l2_vcpu *l2, const struct l2_vcpu *before)
{
	GUEST_ASSERT_EQ(read_sysreg(tpidr_el0), L2_TPIDR_EL0);
	GUEST_ASSERT_EQ(read_sysreg(tpidrro_el0), L2_TPIDRRO_EL0);
	GUEST_ASSERT_EQ(read_sysreg(tpidr_el1), L2_TPIDR_EL1);
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_CONTEXTIDR_EL12), L2_CONTEXTIDR_EL1);
	GUEST_ASSERT_EQ(l2->vbar, L2_VBAR);
	GUEST_ASSERT_EQ(l2->elr_el1, L2_ELR_EL1);
	GUEST_ASSERT_EQ(l2->ttbr0, before->ttbr0);
	GUEST_ASSERT_EQ(l2->tcr, before->tcr);
	GUEST_ASSERT_EQ(l2->mair, before->mair);
	GUEST_ASSERT_EQ(l2->sctlr, before->sctlr);
	GUEST_ASSERT_EQ(l2->cpacr, before->cpacr);
	/* It has pushed something since. */
	GUEST_ASSERT(l2->sp <= before->sp && l2->sp > before->sp - SZ_8K);
	GUEST_ASSERT_EQ(l2->sp_el0, before->sp_el0);
}

static void l1_check_injected(const struct l2_vcpu *l2, const struct exc_row *row)
{
	GUEST_ASSERT_EQ(READ_ONCE(l2_steps), 1);
	if (row->inject & INJECT_SERROR) {
		l1_check_serror(l2, stop.pc, l2->pstate);
		return;
	}
	GUEST_ASSERT_EQ(l2->exit.vector, VECTOR_SYNC_LOWER_64);
	GUEST_ASSERT_EQ(l2->exit.esr & stop.esr_mask, stop.esr);
	GUEST_ASSERT_EQ(l2->exit.elr, stop.pc);
	if (row->inject & INJECT_AT_ACCESS)
		GUEST_ASSERT_EQ(l2->exit.far, HOLE_VA);
}

static void l1_in_l2(struct l2_vcpu *l2, const struct exc_row *row)
{
	struct l2_vcpu before;

	l1_need_ras(row);
	l2->hcr = (l2->hcr | row->hcr_set) & ~row->hcr_clear;
	l2->pstate = (l2->pstate & ~PSR_A_BIT) | row->pstate;
	l2->sp_el0 = RIGHT;
	l2->regs[0] = (u64)row;
	before = *l2;
	l2_enter(l2);
	if (row->target == TO_L1) {
		l1_check_injected(l2, row);
		GUEST_ASSERT_EQ((l2->pstate ^ before.pstate) & PSR_A_BIT, 0);
		if (row->inject & INJECT_OTHER)
			l1_check_own_state(l2, &before);
		/* The access is not to be done again. */
		if (row->inject & INJECT_AT_ACCESS)
			l2->pc += 4;
		l2_enter(l2);
		GUEST_ASSERT_EQ(TAKEN(count), 0);
	}
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_DONE));
	GUEST_ASSERT_EQ(READ_ONCE(l2_steps), 2);
	GUEST_SYNC_ARGS(SYNC_EVENTS, 0, 0, 0, 0);
	GUEST_DONE();
}

/* vCPU 1: it leaves other values in the CPU's registers. */
static void l1_other(void)
{
	for (;;) {
		write_sysreg(WRONG + 1, tpidr_el0);
		write_sysreg(WRONG + 2, tpidrro_el0);
		write_sysreg(WRONG + 3, tpidr_el1);
		write_sysreg_s(0xbad, SYS_CONTEXTIDR_EL12);
		write_sysreg(WRONG + 4, sp_el0);
		isb();
		GUEST_SYNC(SYNC_EXIT);
	}
}

/*
 * Set HCR_EL2 and execute something that KVM emulates. The SError may be taken before or after it,
 * or later; @from and @to are the first and the last address that it can return to in here.
 */
#define SET_HCR_AND(insn)					\
	"	adr	%[from], 1f\n"				\
	"	adr	%[to], 2f\n"				\
	"	msr	hcr_el2, %[hcr]\n"			\
	"1:	isb\n"						\
	"	" insn "\n"					\
	"	add	%[n], %[n], #1\n"			\
	"	add	%[n], %[n], #1\n"			\
	"	add	%[n], %[n], #1\n"			\
	"2:	add	%[n], %[n], #1\n"

#define SET_HCR_STEPS	4

struct trap_result {
	u64 from;
	u64 to;
	u64 value;
	u64 steps;
};

static noinline void l1_set_hcr_and_trap(u64 hcr, unsigned int what, struct trap_result *res)
{
	register u64 x0 asm("x0") = PSCI_0_2_FN_PSCI_VERSION;
	u64 from = 0, to = 0, n = 0;

	switch (what) {
	case TRAPPED_MRS:
		asm volatile(SET_HCR_AND("mrs	%[x0], id_aa64pfr0_el1")
			     : [from] "=&r" (from), [to] "=&r" (to), [n] "+&r" (n), [x0] "+&r" (x0)
			     : [hcr] "r" (hcr) : "memory");
		break;
	case TRAPPED_SMC:
		/* PSCI_VERSION; a second time it would be a call with the result of the first. */
		asm volatile(SET_HCR_AND("smc	#0")
			     : [from] "=&r" (from), [to] "=&r" (to), [n] "+&r" (n), [x0] "+&r" (x0)
			     : [hcr] "r" (hcr)
			     : "memory", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9",
			       "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17");
		break;
	case TRAPPED_SGI:
		/* ICC_SGI1R_EL1, to no CPU. */
		asm volatile(SET_HCR_AND("msr	s3_0_c12_c11_5, xzr")
			     : [from] "=&r" (from), [to] "=&r" (to), [n] "+&r" (n), [x0] "+&r" (x0)
			     : [hcr] "r" (hcr) : "memory");
		break;
	}
	*res = (struct trap_result) { .from = from, .to = to, .value = x0, .steps = n };
}

/*
 * Vectors of an L1 with E2H = 0, for which the library's handlers have EL1's registers. An SError
 * is noted in struct taken, which TPIDR_EL2 points to; anything else ends in a loop, and the row
 * with its time limit.
 */
extern const char e2h0_vectors[];

asm("	.pushsection .text, \"ax\"\n"
"	.balign	2048\n"
"	.global	e2h0_vectors\n"
"e2h0_vectors:\n"
"	.rept	7\n"
"	.balign	128\n"
"	b	.\n"
"	.endr\n"
"	.balign	128\n"
"	stp	x0, x1, [sp, #-16]!\n"
"	mrs	x0, tpidr_el2\n"
"	ldr	x1, [x0, #8 * 0]\n"
"	add	x1, x1, #1\n"
"	str	x1, [x0, #8 * 0]\n"
"	mrs	x1, currentel\n"
"	lsr	x1, x1, #2\n"
"	str	x1, [x0, #8 * 1]\n"
"	mrs	x1, esr_el2\n"
"	str	x1, [x0, #8 * 2]\n"
"	mrs	x1, elr_el2\n"
"	str	x1, [x0, #8 * 3]\n"
"	ldp	x0, x1, [sp], #16\n"
"	eret\n"
"	.rept	8\n"
"	.balign	128\n"
"	b	.\n"
"	.endr\n"
"	.popsection\n");

static void l1_init(const struct exc_row *row)
{
	if (!row->e2h0)
		return;

	GUEST_ASSERT_EQ(read_sysreg(hcr_el2) & (HCR_EL2_E2H | HCR_EL2_TGE), 0);
	write_sysreg(&taken, tpidr_el2);
	write_sysreg(e2h0_vectors, vbar_el2);
	isb();
}

static void l1_check_taken(void)
{
	GUEST_ASSERT_EQ(TAKEN(count), 1);
	GUEST_ASSERT_EQ(TAKEN(el), 2);
	GUEST_ASSERT_EQ(TAKEN(esr) & stop.esr_mask, stop.esr);
}

static void l1_at_trap(struct l2_vcpu *l2, const struct exc_row *row)
{
	u64 hcr = read_sysreg(hcr_el2) & ~(HCR_EL2_TGE | HCR_EL2_AMO);
	struct trap_result res, want;

	l1_init(row);
	/* Without an SError, for comparison. */
	l1_set_hcr_and_trap(hcr, row->arg, &want);
	GUEST_ASSERT_EQ(want.steps, SET_HCR_STEPS);

	asm volatile("msr daifclr, #4" : : : "memory");
	GUEST_SYNC_ARGS(SYNC_INJECT, row->inject, 0, 0, 0);
	GUEST_SYNC_ARGS(SYNC_EVENTS, 1, 0, 0, 0);
	GUEST_ASSERT_EQ(TAKEN(count), 0);

	l1_set_hcr_and_trap(hcr | HCR_EL2_AMO, row->arg, &res);
	if (TAKEN(count)) {
		GUEST_ASSERT(TAKEN(elr) >= res.from);
		GUEST_ASSERT(TAKEN(elr) <= res.to);
	}
	GUEST_ASSERT_EQ(res.value, want.value);
	GUEST_ASSERT_EQ(res.steps, SET_HCR_STEPS);

	GUEST_SYNC_ARGS(SYNC_EVENTS, 0, 0, 0, 0);
	l1_check_taken();
	GUEST_DONE();
}

static void l1_wfi(struct l2_vcpu *l2, const struct exc_row *row)
{
	u64 hcr = read_sysreg(hcr_el2);

	l1_init(row);
	l1_set_hcr((hcr | row->hcr_set) & ~row->hcr_clear);
	GUEST_SYNC_ARGS(SYNC_INJECT, row->inject, 0, 0, 0);
	GUEST_SYNC_ARGS(SYNC_EVENTS, 1, 0, 0, 0);
	l1_set_hcr((hcr | HCR_EL2_AMO) & ~row->hcr_clear);

	/* It may end for nothing, too; here it has to. */
	asm volatile("wfi" : : : "memory");
	GUEST_ASSERT_EQ(TAKEN(count), 0);
	unmask_serror();
	GUEST_SYNC_ARGS(SYNC_EVENTS, 0, 0, 0, 0);
	l1_check_taken();
	GUEST_DONE();
}

/* With HCR_EL2.{CD,ID} L2's accesses, walks and fetches are Non-cacheable to the architecture. */
static void l1_data(struct l2_vcpu *l2, const struct exc_row *row)
{
	const struct nested_mem *mem = l2->s2->mem;

	l1_prepare();
	nested_sync_cache(l1_probe(), 2 * sizeof(u64));
	nested_sync_cache((void *)mem->gva, mem->used);
	nested_sync_cache((void *)l2->pc, SZ_1K);
	l2->hcr = (l2->hcr | row->hcr_set) & ~row->hcr_clear;
	l2_enter(l2);
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
	GUEST_ASSERT_EQ(l2->regs[0], RIGHT + 1);
	nested_sync_cache(l1_probe(), 2 * sizeof(u64));
	GUEST_ASSERT_EQ(l1_probe()[1], RIGHT + 1);
	GUEST_DONE();
}

/*
 * What a TLB holds after a reset is implementation defined. KVM's is empty: a VM that is reset has
 * nothing of what ran in it before.
 */
static u64 l1_boots;

static void l1_reset(struct l2_vcpu *l2, const struct exc_row *row)
{
	u64 *second = nested_va(&probe_mem, PROBE_GPA + SECOND_OFFSET);

	if (!l1_boots++) {
		l1_prepare();
		*second = RIGHT + 1;
		l2_enter(l2);
		GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
		GUEST_ASSERT_EQ(l2->regs[0], RIGHT);
		GUEST_SYNC(SYNC_RESET);
		GUEST_FAIL("the vCPU was not reset");
	}
	l2_enter(l2);
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
	GUEST_ASSERT_EQ(l2->regs[0], RIGHT + 1);
	GUEST_DONE();
}

/* WnR and the implementation defined EA are not looked at. */
static void l1_check_beyond(const struct l2_vcpu *l2, const struct exc_row *row, u64 addr)
{
	const u64 mask = ESR_ELx_EC_MASK | ESR_ELx_IL | ESR_ELx_FSC | ESR_ELx_FnV;
	bool insn = row->arg == L2_STUB_EXEC;
	u64 ec, far, esr;

	if (row->target == TO_L1) {
		GUEST_ASSERT_EQ(l2->exit.vector, VECTOR_SYNC_LOWER_64);
		ec = insn ? ESR_ELx_EC_IABT_LOW : ESR_ELx_EC_DABT_LOW;
		esr = l2->exit.esr;
		far = l2->exit.far;
	} else {
		/* Its vector 4: synchronous, from EL1 with SP_EL1. */
		GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_VECTOR + 4));
		ec = insn ? ESR_ELx_EC_IABT_CUR : ESR_ELx_EC_DABT_CUR;
		esr = l2->esr_el1;
		far = l2->far_el1;
	}
	GUEST_ASSERT_EQ(esr & mask, ec << ESR_ELx_EC_SHIFT | ESR_ELx_IL | ESR_ELx_FSC_EXTABT);
	GUEST_ASSERT_EQ(far, addr);
}

static void l1_beyond(struct l2_vcpu *env_l2, const struct exc_row *row)
{
	bool s2 = !(row->hcr_clear & HCR_EL2_VM);
	u64 addr = s2 ? BEYOND_IPA : BEYOND_GPA;
	struct l2_vcpu l2;

	l1_need_ras(row);
	if (nested_pa_bits() < 42)
		NESTED_GUEST_SKIP("an address beyond the VM's is above PARange");

	l1_prepare();
	l2_stubs_install(nested_va(&probe_mem, PROBE_GPA + STUB_OFFSET), SZ_64K);
	l2_init(&l2, env_l2->s2, (s2 ? PROBE_IPA : PROBE_GPA) + STUB_OFFSET);
	l2.pc += l2_stub_offset(row->arg);
	l2.regs[0] = addr;
	l2.regs[2] = WRONG;
	l2.hcr = (l2.hcr | row->hcr_set) & ~row->hcr_clear;
	l2_enter(&l2);
	l1_check_beyond(&l2, row, addr);
	GUEST_DONE();
}

/* FAR_EL2 has the address that L1 used, and not where its stage 1 leads. */
static void l1_own_beyond(struct l2_vcpu *l2, const struct exc_row *row)
{
	const u64 mask = ESR_ELx_EC_MASK | ESR_ELx_IL | ESR_ELx_FSC | ESR_ELx_FnV;
	u64 esr = (u64)ESR_ELx_EC_DABT_CUR << ESR_ELx_EC_SHIFT | ESR_ELx_IL | ESR_ELx_FSC_EXTABT;

	if (nested_pa_bits() < 42)
		NESTED_GUEST_SKIP("an address beyond the VM's is above PARange");

	/* Its output size is that of the VM so far; this is all that the CPU has. */
	write_sysreg((read_sysreg(tcr_el1) & ~TCR_IPS_MASK) | TCR_IPS_48_BITS, tcr_el1);
	isb();
	READ_ONCE(*(u64 *)(OWN_VA + 8));
	GUEST_ASSERT_EQ(TAKEN(count), 1);
	GUEST_ASSERT_EQ(TAKEN(esr) & mask, esr);
	GUEST_ASSERT_EQ(TAKEN(far), OWN_VA + 8);
	GUEST_DONE();
}

/* The walk's fault, at the level of the table. */
static void l1_walk(struct l2_vcpu *l2, const struct exc_row *row)
{
	const u64 mask = ESR_ELx_EC_MASK | ESR_ELx_IL | ESR_ELx_FSC | ESR_ELx_FnV;
	u64 esr = ESR_ELx_IL | ESR_ELx_FSC_SEA_TTW(3);

	l1_need_ras(row);
	l2->hcr |= row->hcr_set;
	l2_enter(l2);
	if (row->target == TO_L1) {
		esr |= (u64)ESR_ELx_EC_DABT_LOW << ESR_ELx_EC_SHIFT;
		GUEST_ASSERT_EQ(l2->exit.vector, VECTOR_SYNC_LOWER_64);
		GUEST_ASSERT_EQ(l2->exit.esr & mask, esr);
		GUEST_ASSERT_EQ(l2->exit.far, WALK_VA);
		GUEST_ASSERT_EQ(TAKEN(count), 0);
	} else {
		esr |= (u64)ESR_ELx_EC_DABT_CUR << ESR_ELx_EC_SHIFT;
		GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_DONE));
		GUEST_ASSERT_EQ(TAKEN(count), 1);
		GUEST_ASSERT_EQ(TAKEN(el), 1);
		GUEST_ASSERT_EQ(TAKEN(esr) & mask, esr);
		GUEST_ASSERT_EQ(TAKEN(far), WALK_VA);
	}
	GUEST_DONE();
}

static void l1_gmem(struct l2_vcpu *l2, const struct exc_row *row)
{
	l2_enter(l2);
	GUEST_FAIL("L2 has come back");
}

/* L2: add one to what is at x0; x3 times, x2 apart. Position independent. */
extern const char l2_touch[], l2_touch_end[];

asm("	.pushsection .text, \"ax\"\n"
"	.global	l2_touch\n"
"l2_touch:\n"
"	ldr	x1, [x0]\n"
"	add	x1, x1, #1\n"
"	str	x1, [x0]\n"
"	add	x0, x0, x2\n"
"	subs	x3, x3, #1\n"
"	b.ne	l2_touch\n"
"	hvc	#" __stringify(L2_HVC_DONE) "\n"
"	.global	l2_touch_end\n"
"l2_touch_end:\n"
"	.popsection\n");

/* One place for each table of last level. */
#define TOUCH_ROUNDS		6
#define TOUCH_PLACES		250

static void l1_tables(struct l2_vcpu *env_l2, const struct exc_row *row)
{
	void *code = nested_va(&probe_mem, PROBE_GPA + STUB_OFFSET);
	struct l2_vcpu l2;
	unsigned int i;

	l1_prepare();
	l2_init(&l2, env_l2->s2, PROBE_IPA + STUB_OFFSET);
	memcpy(code, l2_touch, l2_touch_end - l2_touch);
	nested_sync_cache(code, l2_touch_end - l2_touch);
	nested_sync_cache(l1_probe(), sizeof(u64));
	l2.regs[0] = ALIAS_IPA;
	for (i = 0; i < TOUCH_ROUNDS; i++) {
		l2.pc = PROBE_IPA + STUB_OFFSET;
		l2.regs[2] = BIT(s2_level_shift(&l2.s2->geo, 2));
		l2.regs[3] = TOUCH_PLACES;
		l2_enter(&l2);
		GUEST_ASSERT(l2_exit_is_hvc(&l2.exit, L2_HVC_DONE));
		GUEST_SYNC(SYNC_MEASURE);
	}
	nested_sync_cache(l1_probe(), sizeof(u64));
	GUEST_ASSERT_EQ(l1_probe()[0], RIGHT + TOUCH_ROUNDS * TOUCH_PLACES);
	GUEST_DONE();
}

#define VMPIDR_MT		BIT(24)
#define VMPIDR_U		BIT(30)
#define VMPIDR_RES1		BIT(31)

static void l1_vmpidr(struct l2_vcpu *l2, const struct exc_row *row)
{
	static const u64 fields[] = { VMPIDR_MT, VMPIDR_U, VMPIDR_MT | VMPIDR_U, 0 };
	u64 entry = l2->pc, val;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		val = VMPIDR_RES1 | fields[i] | 0x1200345607UL;
		write_sysreg(val, vmpidr_el2);
		isb();
		GUEST_ASSERT_EQ(read_sysreg(vmpidr_el2), val);
		GUEST_SYNC_ARGS(SYNC_VMPIDR, val, 0, 0, 0);
		l2->pc = entry;
		l2_enter(l2);
		GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_CALL));
		GUEST_ASSERT_EQ(l2->regs[0], val);
	}
	GUEST_DONE();
}

/* Host */

#define MAX_VCPUS	2

struct exc_vm {
	const struct exc_row *row;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	struct kvm_vcpu *vcpu;
	struct nested_env env;
	gva_t l2;
	struct l2_vcpu l2_fresh;
	u64 *probe_desc;
	u64 tables_kb;
	u64 tables_most_kb;
};

/* L2's registers that another vCPU has in the CPU. */
static const struct {
	const char *name;
	u64 id;
} l2_regs[] = {
	{ "TTBR0_EL1", KVM_ARM64_SYS_REG(SYS_TTBR0_EL1) },
	{ "TTBR1_EL1", KVM_ARM64_SYS_REG(SYS_TTBR1_EL1) },
	{ "TCR_EL1", KVM_ARM64_SYS_REG(SYS_TCR_EL1) },
	{ "MAIR_EL1", KVM_ARM64_SYS_REG(SYS_MAIR_EL1) },
	{ "AMAIR_EL1", KVM_ARM64_SYS_REG(SYS_AMAIR_EL1) },
	{ "SCTLR_EL1", KVM_ARM64_SYS_REG(SYS_SCTLR_EL1) },
	{ "CPACR_EL1", KVM_ARM64_SYS_REG(SYS_CPACR_EL1) },
	{ "VBAR_EL1", KVM_ARM64_SYS_REG(SYS_VBAR_EL1) },
	{ "ESR_EL1", KVM_ARM64_SYS_REG(SYS_ESR_EL1) },
	{ "FAR_EL1", KVM_ARM64_SYS_REG(SYS_FAR_EL1) },
	{ "PAR_EL1", KVM_ARM64_SYS_REG(SYS_PAR_EL1) },
	{ "TPIDR_EL0", KVM_ARM64_SYS_REG(SYS_TPIDR_EL0) },
	{ "TPIDRRO_EL0", KVM_ARM64_SYS_REG(SYS_TPIDRRO_EL0) },
	{ "TPIDR_EL1", KVM_ARM64_SYS_REG(SYS_TPIDR_EL1) },
	{ "CONTEXTIDR_EL1", KVM_ARM64_SYS_REG(SYS_CONTEXTIDR_EL1) },
	{ "CNTKCTL_EL1", KVM_ARM64_SYS_REG(SYS_CNTKCTL_EL1) },
	{ "SP_EL0", ARM64_CORE_REG(regs.sp) },
	{ "SP_EL1", ARM64_CORE_REG(sp_el1) },
	{ "ELR_EL1", ARM64_CORE_REG(elr_el1) },
	{ "SPSR_EL1", ARM64_CORE_REG(spsr[0]) },
};

/* Offsets of lower-EL exceptions in a vector table. */
#define VECTOR_OFFSET_SYNC	0x400
#define VECTOR_OFFSET_SERROR	0x580

/* Another vCPU, on the same CPU, with the same thread. */
static int run_other(struct exc_vm *v, const char **reason)
{
	struct ucall uc;
	int ret = nested_run_vcpu(v->vcpus[1], &uc, reason);

	return ret == NESTED_SYNC ? NESTED_PASS : NESTED_FAIL;
}

static void set_events(struct exc_vm *v, u64 what)
{
	bool esr = kvm_check_cap(KVM_CAP_ARM_INJECT_SERROR_ESR);
	struct kvm_vcpu_events events = {};
	bool l1 = v->row->target == TO_L1;

	stop.pc = vcpu_get_reg(v->vcpu, ARM64_CORE_REG(regs.pc));
	if (what & INJECT_SERROR) {
		events.exception.serror_pending = 1;
		events.exception.serror_has_esr = esr;
		events.exception.serror_esr = esr ? SERROR_ISS : 0;
		stop.esr = (u64)ESR_ELx_EC_SERROR << ESR_ELx_EC_SHIFT | ESR_ELx_IL |
			   (esr ? SERROR_ISS : 0);
		stop.esr_mask = esr ? ~0UL : ESR_ELx_EC_MASK | ESR_ELx_IL;
	} else {
		events.exception.ext_dabt_pending = 1;
		stop.esr = (u64)(l1 ? ESR_ELx_EC_DABT_LOW : ESR_ELx_EC_DABT_CUR) <<
			   ESR_ELx_EC_SHIFT | ESR_ELx_IL | ESR_ELx_FSC_EXTABT;
		stop.esr_mask = ESR_ELx_EC_MASK | ESR_ELx_IL | ESR_ELx_FSC | ESR_ELx_FnV;
	}
	sync_global_to_guest(v->vm, stop);
	vcpu_events_set(v->vcpu, &events);
}

/* The exception has been taken, by a vCPU that is not loaded. */
static bool check_vcpu_in_vector(struct exc_vm *v, u64 what)
{
	u64 offset = what & INJECT_SERROR ? VECTOR_OFFSET_SERROR : VECTOR_OFFSET_SYNC;
	u64 vbar = vcpu_get_reg(v->vcpu, KVM_ARM64_SYS_REG(SYS_VBAR_EL2));
	bool ok = true;

	ok &= nested_check("PC", vcpu_get_reg(v->vcpu, ARM64_CORE_REG(regs.pc)), vbar + offset,
			   ~0UL);
	ok &= nested_check("PSTATE.M", vcpu_get_reg(v->vcpu, ARM64_CORE_REG(regs.pstate)),
			   PSR_MODE_EL2h, PSR_MODE_MASK);
	ok &= nested_check("ELR_EL2", vcpu_get_reg(v->vcpu, KVM_ARM64_SYS_REG(SYS_ELR_EL2)),
			   stop.pc, ~0UL);
	ok &= nested_check("ESR_EL2", vcpu_get_reg(v->vcpu, KVM_ARM64_SYS_REG(SYS_ESR_EL2)),
			   stop.esr, stop.esr_mask);
	return ok;
}

static int inject(struct exc_vm *v, u64 what, const char **reason)
{
	bool in_l2 = (vcpu_get_reg(v->vcpu, ARM64_CORE_REG(regs.pstate)) & PSR_MODE_MASK) ==
		     PSR_MODE_EL1h;
	u64 before[ARRAY_SIZE(l2_regs)];
	unsigned int i;
	bool ok = true;

	if ((what & INJECT_SEA) && !kvm_check_cap(KVM_CAP_ARM_INJECT_EXT_DABT)) {
		*reason = "no KVM_CAP_ARM_INJECT_EXT_DABT";
		return NESTED_SKIP;
	}
	for (i = 0; i < ARRAY_SIZE(l2_regs); i++)
		before[i] = vcpu_get_reg(v->vcpu, l2_regs[i].id);
	if ((what & INJECT_OTHER) && run_other(v, reason) != NESTED_PASS)
		return NESTED_FAIL;

	set_events(v, what);
	if (!in_l2 || v->row->target == TO_L2)
		return NESTED_PASS;

	ok &= check_vcpu_in_vector(v, what);
	for (i = 0; i < ARRAY_SIZE(l2_regs); i++)
		ok &= nested_check(l2_regs[i].name, vcpu_get_reg(v->vcpu, l2_regs[i].id),
				   before[i], ~0UL);
	return ok ? NESTED_PASS : NESTED_FAIL;
}

static int check_events(struct exc_vm *v, bool pending)
{
	struct kvm_vcpu_events events = {};
	bool ok;

	vcpu_events_get(v->vcpu, &events);
	ok = nested_check("serror_pending", events.exception.serror_pending, pending, ~0UL);
	if (ok && pending && events.exception.serror_has_esr)
		ok = nested_check("serror_esr", events.exception.serror_esr, SERROR_ISS, ~0UL);
	return ok ? NESTED_PASS : NESTED_FAIL;
}

/* As userspace resets a vCPU; L1's stage 2 is another one when it is back. */
static int reset(struct exc_vm *v)
{
	struct kvm_vcpu_init init = v->vcpu->init;
	u64 sp_id = ctxt_reg_alias(v->vcpu, SYS_SP_EL1);
	u64 sp = vcpu_get_reg(v->vcpu, sp_id);
	u64 vbar = vcpu_get_reg(v->vcpu, KVM_ARM64_SYS_REG(SYS_VBAR_EL2));

	aarch64_vcpu_setup(v->vcpu, &init);
	vcpu_set_reg(v->vcpu, sp_id, sp);
	vcpu_set_reg(v->vcpu, KVM_ARM64_SYS_REG(SYS_VBAR_EL2), vbar);
	vcpu_arch_set_entry_point(v->vcpu, v->row->l1);
	vcpu_args_set(v->vcpu, 2, v->l2, (u64)v->row);

	*(struct l2_vcpu *)addr_gva2hva(v->vm, v->l2) = v->l2_fresh;
	*v->probe_desc += s2_pa_desc(&v->env.s2->geo, SECOND_OFFSET);
	return NESTED_PASS;
}

/* What KVM's page tables take, of all VMs. */
static bool page_tables_kb(u64 *kb)
{
	FILE *f = fopen("/proc/meminfo", "r");
	bool found = false;
	char line[128];

	while (!found && f && fgets(line, sizeof(line), f))
		found = sscanf(line, "SecPageTables: %lu", kb) == 1;
	if (f)
		fclose(f);
	return found;
}

/* Documented: twice what maps the VM's memory in pages, and some. The rest is for L1 itself. */
static int check_tables(struct exc_vm *v)
{
	static const u32 slots[] = { 0, PROBE_SLOT, DECOY_SLOT, NESTED_ENV_SLOT };
	u64 page = getpagesize(), pages = 0, most, margin = 64, grown = 0, now = 0;
	unsigned int i;

	page_tables_kb(&now);
	for (i = 0; i < ARRAY_SIZE(slots); i++)
		pages += memslot2region(v->vm, slots[i])->region.memory_size / page;
	most = 512 + 2 * (pages / (page / sizeof(u64))) + margin;
	if (now > v->tables_kb)
		grown = (now - v->tables_kb) * SZ_1K / page;
	v->tables_most_kb = max(v->tables_most_kb, now);
	if (grown <= most)
		return NESTED_PASS;

	ksft_print_msg("page tables: %lu pages more, expected at most %lu\n", grown, most);
	return NESTED_FAIL;
}

/* What userspace saves. */
static int check_vmpidr(struct exc_vm *v, u64 want)
{
	u64 val = vcpu_get_reg(v->vcpu, KVM_ARM64_SYS_REG(SYS_VMPIDR_EL2));

	return nested_check("VMPIDR_EL2", val, want, ~0UL) ? NESTED_PASS : NESTED_FAIL;
}

static int serve(struct exc_vm *v, const struct ucall *uc, const char **reason)
{
	switch (uc->args[1]) {
	case SYNC_INJECT:
		return inject(v, uc->args[2], reason);
	case SYNC_EVENTS:
		return check_events(v, uc->args[2]);
	case SYNC_EXIT:
		return NESTED_PASS;
	case SYNC_RESET:
		return reset(v);
	case SYNC_MEASURE:
		return check_tables(v);
	case SYNC_VMPIDR:
		return check_vmpidr(v, uc->args[2]);
	default:
		ksft_print_msg("unknown ucall %lu\n", uc->args[1]);
		return NESTED_FAIL;
	}
}

/* L2's load from the hole, the value of which must not arrive. */
static int serve_exit(struct exc_vm *v, const char **reason)
{
	struct kvm_run *run = v->vcpu->run;
	u64 value = WRONG;

	if (run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr == HOLE_GPA &&
	    !run->mmio.is_write && (v->row->inject & INJECT_AT_ACCESS)) {
		memcpy(run->mmio.data, &value, sizeof(value));
		return inject(v, v->row->inject, reason);
	}
	ksft_print_msg("unexpected exit to userspace: %s, 0x%llx\n",
		       exit_reason_str(run->exit_reason),
		       run->exit_reason == KVM_EXIT_MMIO ? run->mmio.phys_addr : 0);
	return NESTED_FAIL;
}

static enum vm_guest_mode mode_40_bits(void)
{
	switch (getpagesize()) {
	case SZ_4K:
		return VM_MODE_P40V48_4K;
	case SZ_16K:
		return VM_MODE_P40V48_16K;
	default:
		return VM_MODE_P40V48_64K;
	}
}

/* The probe's page again and again, with one table per level for all of it. */
static void map_everywhere(struct nested_env *env, u64 places)
{
	u64 desc = s2_pa_desc(&env->s2->geo, PROBE_GPA) | S2_ATTR_DEFAULT | S2_DESC_PAGE |
		   S2_DESC_VALID;
	u64 page = BIT(env->s2->geo.page_shift), ipa = ALIAS_IPA, *table;
	int level, start = env->s2->geo.start;
	u64 i, span = places << s2_level_shift(&env->s2->geo, 2);

	for (level = 3; level > start; level--) {
		table = nested_alloc(&env->mem, page, page);
		for (i = 0; i < page / sizeof(u64); i++)
			table[i] = desc;
		desc = s2_pa_desc(&env->s2->geo, nested_pa(&env->mem, table)) | S2_DESC_TABLE |
		       S2_DESC_VALID;
	}
	for (; ipa < ALIAS_IPA + span; ipa += BIT(s2_level_shift(&env->s2->geo, start)))
		s2_write(env->s2, s2_desc(env->s2, ipa, start), desc);
}

/*
 * A VM with HCR_EL2.E2H = 0. The library has set up EL2&0; but for TCR_EL2, EL2 alone can have the
 * same values, with physical addresses below 4 GB. There is no L2.
 */
#define TCR_EL2_E2H0_SAME	GENMASK(15, 0)
#define TCR_EL2_E2H0_RES1	(BIT(31) | BIT(23))

static void exc_vm_create_e2h0(struct exc_vm *v, const struct exc_row *row)
{
	struct kvm_vcpu_init init;
	u64 tcr;

	*v = (struct exc_vm) { .row = row };
	v->vm = vm_create(1);
	kvm_get_default_vcpu_target(v->vm, &init);
	init.features[0] |= BIT(KVM_ARM_VCPU_HAS_EL2) | BIT(KVM_ARM_VCPU_HAS_EL2_E2H0);
	v->vcpu = aarch64_vcpu_add(v->vm, 0, &init, row->l1);
	kvm_arch_vm_finalize_vcpus(v->vm);

	tcr = vcpu_get_reg(v->vcpu, KVM_ARM64_SYS_REG(SYS_TCR_EL2));
	vcpu_set_reg(v->vcpu, KVM_ARM64_SYS_REG(SYS_TCR_EL2),
		     (tcr & TCR_EL2_E2H0_SAME) | TCR_EL2_E2H0_RES1);
	vcpu_set_reg(v->vcpu, KVM_ARM64_SYS_REG(SYS_CPTR_EL2), 0);
	vcpu_set_reg(v->vcpu, KVM_ARM64_SYS_REG(SYS_HCR_EL2), HCR_EL2_RW);
	vcpu_args_set(v->vcpu, 2, 0, (u64)row);
}

/* Move the last table of a VA beyond the VM's addresses, in L2's stage 1. */
static void walk_beyond(struct nested_env *env, gva_t va)
{
	u64 page = env->vm->page_size, shift = env->vm->page_shift, *desc;
	gva_t last = nested_env_s1_desc(env, va) - env->mem.gva + env->mem.gpa;
	u64 table = (last & ~(page - 1)) + NESTED_IPA_OFFSET;

	/* It is the one descriptor that leads there. */
	for (desc = env->mem.va; desc < (u64 *)(env->mem.va + env->mem.used); desc++) {
		if ((*desc & GENMASK(47, shift)) == table && (*desc & 3) == 3) {
			*desc ^= table ^ BEYOND_IPA;
			return;
		}
	}
	TEST_FAIL("no table for VA 0x%lx", (unsigned long)va);
}

/* A slot of guest_memfd, of which the file is closed: it has no pages any more. */
static const char *add_gmem(struct exc_vm *v)
{
	u64 size = getpagesize();
	void *hva;
	int fd;

	if (!(kvm_check_cap(KVM_CAP_GUEST_MEMFD_FLAGS) & GUEST_MEMFD_FLAG_MMAP))
		return "no guest_memfd that can be mapped (KVM_CAP_GUEST_MEMFD_FLAGS)";

	hva = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(hva != MAP_FAILED, __KVM_SYSCALL_ERROR("mmap", -1));
	fd = vm_create_guest_memfd(v->vm, size,
				   GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
	vm_set_user_memory_region2(v->vm, GMEM_SLOT, KVM_MEM_GUEST_MEMFD, GMEM_GPA, size, hva,
				   fd, 0);
	close(fd);
	return NULL;
}

static int run_gmem(struct exc_vm *v, const char **reason)
{
	struct kvm_run *run = v->vcpu->run;
	bool ok = true;
	int ret;

	*reason = add_gmem(v);
	if (*reason)
		return NESTED_SKIP;

	ret = _vcpu_run(v->vcpu);
	ok &= nested_check("KVM_RUN", ret, -1, ~0U);
	ok &= nested_check("errno", errno, EFAULT, ~0U);
	ok &= nested_check("exit", run->exit_reason, KVM_EXIT_MEMORY_FAULT, ~0U);
	if (ok) {
		ok &= nested_check("gpa", run->memory_fault.gpa, GMEM_GPA, ~0UL);
		ok &= nested_check("size", run->memory_fault.size, getpagesize(), ~0UL);
	}
	return ok ? NESTED_PASS : NESTED_FAIL;
}

/* virt_map() would not have an address that is not the VM's. */
static void map_own_beyond(struct kvm_vm *vm)
{
	virt_map(vm, OWN_VA, PROBE_GPA, 1);
	*virt_get_pte_hva(vm, OWN_VA) ^= PROBE_GPA ^ BEYOND_GPA;
}

static void exc_vm_create(struct exc_vm *v, const struct exc_row *row)
{
	unsigned int nr = row->inject & INJECT_OTHER ? 2 : 1;
	u64 page = getpagesize();

	*v = (struct exc_vm) { .row = row };
	v->vm = row->ipa_40 ? nested_vm_create_mode(mode_40_bits(), nr, row->l1, v->vcpus) :
		nested_vm_create(nr, row->l1, v->vcpus);
	v->vcpu = v->vcpus[0];
	if (nr > 1)
		vcpu_arch_set_entry_point(v->vcpus[1], l1_other);
	vm_install_exception_handler(v->vm, VECTOR_ERROR_CURRENT, record);
	vm_install_sync_handler(v->vm, VECTOR_SYNC_CURRENT, ESR_ELx_EC_DABT_CUR, abort_handler);
	nested_mem_create(v->vm, &probe_mem, PROBE_SLOT, 0);
	nested_mem_sync(v->vm, &probe_mem, (gva_t)&probe_mem);
	nested_mem_create(v->vm, &decoy_mem, DECOY_SLOT, 0);
	nested_mem_sync(v->vm, &decoy_mem, (gva_t)&decoy_mem);

	nested_env_create(&v->env, v->vm, NULL);
	v->l2 = nested_env_add_l2(&v->env, row->l2);
	vcpu_args_set(v->vcpu, 2, v->l2, (u64)row);
	nested_env_map_s1(&v->env, PROBE_VA, PROBE_IPA, page, 0);
	nested_env_map_s1(&v->env, UNMAPPED_VA, UNMAPPED_IPA, page, 0);
	nested_env_map_s1(&v->env, HOLE_VA, HOLE_IPA, page, 0);
	s2_map(v->env.s2, PROBE_IPA, PROBE_GPA, 2 * SZ_64K, 3, S2_ATTR_DEFAULT);
	s2_map(v->env.s2, HOLE_IPA, HOLE_GPA, page, 3, S2_ATTR_DEFAULT);
	s2_map(v->env.s2, BEYOND_IPA, BEYOND_GPA, page, 3, S2_ATTR_DEFAULT);
	nested_env_map_s1(&v->env, GMEM_VA, GMEM_IPA, page, 0);
	s2_map(v->env.s2, GMEM_IPA, GMEM_GPA, page, 3, S2_ATTR_DEFAULT);
	nested_env_map_s1(&v->env, WALK_VA, PROBE_IPA, page, 0);
	walk_beyond(&v->env, WALK_VA);
	if (row->ipa_40)
		map_own_beyond(v->vm);
	if (row->l1 == l1_tables)
		map_everywhere(&v->env, TOUCH_ROUNDS * TOUCH_PLACES);
	v->probe_desc = s2_desc(v->env.s2, PROBE_IPA, 3);
	nested_env_finish(&v->env);
	v->l2_fresh = *(struct l2_vcpu *)addr_gva2hva(v->vm, v->l2);
}

static int run_row(unsigned int n, const char **reason)
{
	const struct exc_row *row = &rows[n];
	struct exc_vm v;
	struct ucall uc;
	int ret;

	if (row->ipa_40 && (unsigned int)kvm_check_cap(KVM_CAP_ARM_VM_IPA_SIZE) <= 41) {
		*reason = "the host has no addresses beyond 41 bits";
		return NESTED_SKIP;
	}
	if (row->e2h0 && !kvm_check_cap(KVM_CAP_ARM_EL2_E2H0)) {
		*reason = "the host has no VMs with E2H = 0 (KVM_CAP_ARM_EL2_E2H0)";
		return NESTED_SKIP;
	}
	if (row->e2h0)
		exc_vm_create_e2h0(&v, row);
	else
		exc_vm_create(&v, row);
	if (row->l1 == l1_tables && !page_tables_kb(&v.tables_kb)) {
		*reason = "no SecPageTables in /proc/meminfo";
		return NESTED_SKIP;
	}
	if (row->l1 == l1_gmem)
		return run_gmem(&v, reason);
	do {
		ret = nested_run_vcpu(v.vcpu, &uc, reason);
		if (ret == NESTED_EXIT)
			ret = serve_exit(&v, reason);
		else if (ret == NESTED_SYNC)
			ret = serve(&v, &uc, reason);
		else
			break;
	} while (ret == NESTED_PASS);

	if (v.tables_most_kb)
		ksft_print_msg("page tables: %lu kB at first, %lu kB at most\n", v.tables_kb,
			       v.tables_most_kb);
	kvm_vm_free(v.vm);
	return ret;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_exceptions",
		.rows = rows, .nr_rows = ARRAY_SIZE(rows), .row_size = sizeof(rows[0]),
		.run = run_row,
	};

	return nested_main(argc, argv, &suite);
}
