// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested_restore - a VM is saved while a vCPU is in L2, and goes on as a new VM
 *
 * The host side stops the guest where the row says, reads all registers (KVM_GET_REG_LIST) and the
 * state of the GIC (KVM_DEV_ARM_VGIC_GRP_*), makes a new VM with a copy of the memory, sets the
 * registers in the order of the list, and the GIC's, and throws the old VM away. The guest goes on
 * there. This happens several times in a row.
 *
 * An L2 that is continued on the canonical table instead of its own stage 2 fetches from a hole;
 * what it reads as data has, at the same address of L1's physical memory, another value. Interrupts
 * are pending or active while the guest moves: those that L1 gives to L2 by its list registers, and
 * those of L1. Counters go on from where they were, with L1's CNTVOFF_EL2, and so do timers.
 *
 * The ITS, and LPIs, are not used.
 *
 * Seen to fail: with a vCPU that keeps the canonical table when it is first loaded in L2; with L1's
 * CNTVOFF_EL2 getting into the VM's counter (timers); with any of these left out of the copy: a
 * list register, ICH_{VMCR,HCR,AP1R0}_EL2, ICC_AP1R0_EL1, GICD_{ISENABLER,ISPENDR,ISACTIVER,
 * ICFGR,IPRIORITYR}, the levels of lines, TTBR1_EL1, PAR_EL1, TPIDR_ELx,
 * CONTEXTIDR_EL1.
 *
 * No locking: one vCPU runs at a time.
 */
#include <fcntl.h>
#include <unistd.h>

#include "kselftest.h"
#include "kvm_util.h"
#include "gic.h"
#include "gic_v3.h"
#include "nested.h"
#include "processor.h"
#include "test_util.h"
#include "ucall.h"
#include "vgic.h"

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
#define VNCR_OFFSET		(2 * SZ_64K)	/* in the probe's memory */
#define MEM_SIZE		(4 * SZ_64K)

#define HOLE_GPA		0xf0000000UL
#define MMIO_IPA		0x48000000UL
#define MMIO_VALUE		0x0123456789abcdefUL

#define RIGHT			0x600d600d00000000UL
#define WRONG			0xbadbadbad0000000UL
#define ROUNDS			4
#define VNCR_VTTBR_EL2		0x020

#define SYNC_STOP		2

/* Interrupts that L1 makes up for L2, and their priorities; the first one is the most urgent. */
#define VIRQ_A			40
#define VIRQ_B			41
#define PRIO_A			0x20UL
#define PRIO_B			0x40UL
#define LR_PENDING(virq, prio)	(BIT(62) | BIT(60) | (prio) << 48 | (virq))
#define LR_STATE		GENMASK(63, 62)
#define ICH_HCR_EN		BIT(0)
/* Those of L1. */
#define SPI_LEVEL		34
#define SPI_EDGE		36
#define PPI_VTIMER		27
#define NR_IRQS			64	/* of the library's GIC */

/* L2's virtual counter is so much ahead. */
#define VOFFSET			BIT(40)
#define FAR_CVAL		BIT(60)
#define TIMER_CTL		3	/* ENABLE, IMASK */
#define TIMER_ENABLE		1
#define TIMER_ISTATUS		BIT(2)
/* CNTHCTL_EL2 with E2H: EL1 and EL0 may do everything. */
#define CNTHCTL_ENABLES		(GENMASK(11, 8) | GENMASK(1, 0))
/* So much time has not passed; VOFFSET is more. */
#define COUNTER_SLACK_S		600

struct restore_row {
	const char *desc;
	void *l1;
	void *l1_second;	/* of vCPU 1, if there is one */
	u64 arg;
	bool gic;		/* is needed */
	void (*at_stop)(struct kvm_vm *vm, unsigned int stop);
};

static void l1_in_l2(struct l2_vcpu *l2, u64 arg);
static void l1_in_stub(struct l2_vcpu *l2, u64 pstate);
static void l1_itself(struct l2_vcpu *l2, u64 hcr_clear);
static void l1_vncr(struct l2_vcpu *l2, u64 arg);
static void l1_virqs(struct l2_vcpu *l2, u64 arg);
static void l1_spis(struct l2_vcpu *l2, u64 arg);
static void l1_timers(struct l2_vcpu *l2, u64 arg);
static void raise_spis(struct kvm_vm *vm, unsigned int stop);

static const struct restore_row rows[] = {
	{ .desc = "in L1", .l1 = l1_itself },
	{ .desc = "in L1, HCR_EL2.TGE = 0", .l1 = l1_itself, .arg = HCR_EL2_TGE },
	{ .desc = "in L2 at EL1", .l1 = l1_in_l2 },
	{ .desc = "in L2 at EL1, MMU off", .l1 = l1_in_stub, .arg = L2_PSTATE },
	{ .desc = "in L2 at EL0", .l1 = l1_in_stub, .arg = L2_PSTATE_EL0 },
	{ .desc = "in L2 with VNCR_EL2", .l1 = l1_vncr },
	{ .desc = "vCPU 0 in L2, vCPU 1 in L1", .l1 = l1_in_l2, .l1_second = l1_itself },
	{ .desc = "vCPU 0 in L1, vCPU 1 in L2", .l1 = l1_itself, .l1_second = l1_in_l2 },
	{ .desc = "in L2, interrupts in list registers", .l1 = l1_virqs, .gic = true },
	{ .desc = "in L2, then in L1, interrupts of L1", .l1 = l1_spis, .gic = true,
	  .at_stop = raise_spis },
	{ .desc = "in L2, timers of L1 and L2", .l1 = l1_timers, .gic = true },
};

static struct nested_mem probe_mem = {
	.gva = PROBE_GVA, .gpa = PROBE_GPA, .size = MEM_SIZE,
};

static struct nested_mem decoy_mem = {
	.gva = DECOY_GVA, .gpa = DECOY_GPA, .size = MEM_SIZE,
};

/* L2 */

/* Registers that L1 has another value in, or no use for. TTBR1_EL1 is not walked (EPD1). */
#define REG_ACCESSORS(reg)						\
	static u64 l2_get_##reg(void) { return read_sysreg_s(SYS_##reg); }	\
	static void l2_set_##reg(u64 val) { write_sysreg_s(val, SYS_##reg); }
REG_ACCESSORS(TTBR1_EL1)
REG_ACCESSORS(CONTEXTIDR_EL1)
REG_ACCESSORS(TPIDR_EL1)
REG_ACCESSORS(TPIDR_EL0)
REG_ACCESSORS(TPIDRRO_EL0)
REG_ACCESSORS(CNTKCTL_EL1)
REG_ACCESSORS(AFSR0_EL1)
REG_ACCESSORS(AMAIR_EL1)

#define REG(reg, b)							\
	{ .name = #reg, .base = b, .get = l2_get_##reg, .set = l2_set_##reg }

static const struct l2_reg {
	const char *name;
	u64 base;
	u64 (*get)(void);
	void (*set)(u64 val);
} l2_regs[] = {
	REG(TTBR1_EL1, 0x12345000),
	REG(CONTEXTIDR_EL1, 0x55aa0000),
	REG(TPIDR_EL1, ~0x1000UL),
	REG(TPIDR_EL0, ~0x2000UL),
	REG(TPIDRRO_EL0, ~0x3000UL),
	REG(CNTKCTL_EL1, 0),
	REG(AFSR0_EL1, 0),
	REG(AMAIR_EL1, 0),
};

/* Not all of them need to have all bits: keep what they have. */
static void l2_set_regs(u64 val, u64 *regs)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(l2_regs); i++)
		l2_regs[i].set(l2_regs[i].base + val);
	isb();
	for (i = 0; i < ARRAY_SIZE(l2_regs); i++)
		regs[i] = l2_regs[i].get();
}

static void l2_check_regs(const u64 *regs)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(l2_regs); i++)
		__GUEST_ASSERT(l2_regs[i].get() == regs[i], "%s: 0x%lx, not 0x%lx",
			       l2_regs[i].name, l2_regs[i].get(), regs[i]);
}

static u64 l2_at(const void *va)
{
	write_sysreg_s((u64)va, OP_AT_S1E1R);
	isb();
	return read_sysreg(par_el1);
}

static void l2_probe(u64 id)
{
	u64 *probe = (u64 *)PROBE_VA + id, regs[ARRAY_SIZE(l2_regs)], par, i;

	for (i = 0; i < ROUNDS; i++) {
		GUEST_ASSERT_EQ(READ_ONCE(*probe), RIGHT + i);
		l2_set_regs(16 * i + id, regs);
		par = l2_at(probe);
		GUEST_ASSERT_EQ(par & (SYS_PAR_EL1_PA | SYS_PAR_EL1_F), PROBE_IPA);
		GUEST_SYNC(SYNC_STOP);
		GUEST_ASSERT_EQ(read_sysreg(par_el1), par);
		l2_check_regs(regs);
		GUEST_ASSERT_EQ(READ_ONCE(*probe), RIGHT + i);
		WRITE_ONCE(*probe, RIGHT + i + 1);
	}
}

static bool l2_irq_is_pending(void)
{
	return read_sysreg(isr_el1) & BIT(7);
}

/* Two interrupts are pending, one is active and the other one pending, one is pending. */
static void l2_virqs(u64 arg)
{
	GUEST_SYNC(SYNC_STOP);
	GUEST_ASSERT(l2_irq_is_pending());
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_ICC_IAR1_EL1), VIRQ_A);
	dsb(sy);
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_ICC_RPR_EL1), PRIO_A);
	GUEST_SYNC(SYNC_STOP);
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_ICC_RPR_EL1), PRIO_A);
	GUEST_ASSERT(!l2_irq_is_pending());
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_ICC_IAR1_EL1), IAR_SPURIOUS);
	write_sysreg_s(VIRQ_A, SYS_ICC_EOIR1_EL1);
	isb();
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_ICC_RPR_EL1), 0xff);
	GUEST_SYNC(SYNC_STOP);
	GUEST_ASSERT(l2_irq_is_pending());
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_ICC_IAR1_EL1), VIRQ_B);
	write_sysreg_s(VIRQ_B, SYS_ICC_EOIR1_EL1);
	isb();
}

/* L1's interrupts are not L2's. */
static void l2_spis(u64 arg)
{
	GUEST_SYNC(SYNC_STOP);
	GUEST_ASSERT(!l2_irq_is_pending());
}

struct l2_time {
	u64 vct;
	u64 pct;
};

static struct l2_time l2_time(void)
{
	struct l2_time now;

	isb();
	now.vct = read_sysreg_s(SYS_CNTVCT_EL0);
	isb();
	now.pct = read_sysreg_s(SYS_CNTPCT_EL0);
	isb();
	return now;
}

/* Not backward, and not far. */
static void l2_check_time(const char *what, u64 from, u64 to)
{
	u64 slack = COUNTER_SLACK_S * read_sysreg(cntfrq_el0);

	__GUEST_ASSERT(to - from < slack, "%s: 0x%lx, then 0x%lx", what, from, to);
}

static void l2_timers(u64 arg)
{
	struct l2_time was, now;
	u64 i;

	write_sysreg_s(FAR_CVAL + 1, SYS_CNTV_CVAL_EL0);
	write_sysreg_s(TIMER_CTL, SYS_CNTV_CTL_EL0);
	write_sysreg_s(FAR_CVAL + 2, SYS_CNTP_CVAL_EL0);
	write_sysreg_s(TIMER_CTL, SYS_CNTP_CTL_EL0);
	for (i = 0; i < ROUNDS; i++) {
		was = l2_time();
		GUEST_SYNC(SYNC_STOP);
		now = l2_time();
		l2_check_time("CNTVCT_EL0", was.vct, now.vct);
		l2_check_time("CNTPCT_EL0", was.pct, now.pct);
		l2_check_time("CNTVOFF_EL2", now.vct - VOFFSET, now.pct);
		GUEST_ASSERT_EQ(read_sysreg_s(SYS_CNTV_CVAL_EL0), FAR_CVAL + 1);
		GUEST_ASSERT_EQ(read_sysreg_s(SYS_CNTP_CVAL_EL0), FAR_CVAL + 2);
		GUEST_ASSERT_EQ(read_sysreg_s(SYS_CNTV_CTL_EL0), TIMER_CTL);
		GUEST_ASSERT_EQ(read_sysreg_s(SYS_CNTP_CTL_EL0), TIMER_CTL);
	}

	/* It expires after the move, or before; L1 gets it in any case, and stops it. */
	write_sysreg_s(l2_time().vct + read_sysreg(cntfrq_el0) / 1000, SYS_CNTV_CVAL_EL0);
	write_sysreg_s(TIMER_ENABLE, SYS_CNTV_CTL_EL0);
	isb();
	GUEST_SYNC(SYNC_STOP);
	while (read_sysreg_s(SYS_CNTV_CTL_EL0) == TIMER_ENABLE ||
	       read_sysreg_s(SYS_CNTV_CTL_EL0) == (TIMER_ENABLE | TIMER_ISTATUS))
		;
}

/* It takes itself for a hypervisor. */
static void l2_hypervisor(u64 arg)
{
	u64 i;

	for (i = 0; i < ROUNDS; i++) {
		write_sysreg_s(RIGHT + i, SYS_VTTBR_EL2);
		GUEST_SYNC(SYNC_STOP);
		GUEST_ASSERT_EQ(read_sysreg_s(SYS_VTTBR_EL2), RIGHT + i);
	}
	GUEST_SYNC(SYNC_STOP);
	/* The first access is a write, this time. */
	write_sysreg_s(RIGHT + ROUNDS, SYS_VTTBR_EL2);
}

/* L1 */

static u64 *l1_probe(void)
{
	return nested_va(&probe_mem, PROBE_GPA);
}

/* Values for each vCPU, and others where the canonical table would lead to. */
static void l1_prepare(unsigned int id)
{
	u64 *decoy = nested_va(&decoy_mem, DECOY_GPA);

	GUEST_ASSERT_EQ(get_current_el(), 2);
	l1_probe()[id] = RIGHT;
	decoy[id] = WRONG;
}

static void l1_run_to_end(struct l2_vcpu *l2)
{
	l2_enter(l2);
	GUEST_ASSERT(l2_exit_is_hvc(&l2->exit, L2_HVC_DONE));
}

static void l1_in_l2(struct l2_vcpu *l2, u64 arg)
{
	unsigned int id = guest_get_vcpuid();

	l1_prepare(id);
	l2->regs[0] = id;
	l1_run_to_end(l2);
	GUEST_ASSERT_EQ(l1_probe()[id], RIGHT + ROUNDS);
	GUEST_DONE();
}

static void l1_itself(struct l2_vcpu *l2, u64 hcr_clear)
{
	unsigned int i, id = guest_get_vcpuid();
	u64 hcr = read_sysreg(hcr_el2);

	l1_prepare(id);
	write_sysreg(hcr & ~hcr_clear, hcr_el2);
	isb();
	for (i = 0; i < ROUNDS; i++) {
		GUEST_SYNC(SYNC_STOP);
		GUEST_ASSERT_EQ(get_current_el(), 2);
		GUEST_ASSERT_EQ(read_sysreg(hcr_el2), hcr & ~hcr_clear);
		GUEST_ASSERT_EQ(l1_probe()[id], RIGHT);
	}
	write_sysreg(hcr, hcr_el2);
	isb();

	/* And L2 runs after it. */
	l2->regs[0] = id;
	l1_run_to_end(l2);
	GUEST_ASSERT_EQ(l1_probe()[id], RIGHT + ROUNDS);
	GUEST_DONE();
}

/* An L2 without C code, that stops by access to what is not memory. */
static void l1_in_stub(struct l2_vcpu *env_l2, u64 pstate)
{
	u64 *stub = nested_va(&probe_mem, PROBE_GPA + STUB_OFFSET);
	u16 imm = pstate == L2_PSTATE ? L2_HVC_DONE : L2_HVC_VECTOR + 8;
	struct l2_vcpu l2;

	l1_prepare(0);
	l2_stubs_install(stub, SZ_64K);
	l2_init(&l2, env_l2->s2, PROBE_IPA + STUB_OFFSET);
	l2.pc += l2_stub_offset(L2_STUB_LOAD_BETWEEN);
	l2.pstate = pstate;
	l2.regs[0] = PROBE_IPA;
	l2.regs[4] = MMIO_IPA;
	nested_sync_cache(l1_probe(), sizeof(u64));
	l2_enter(&l2);
	GUEST_ASSERT(l2_exit_is_hvc(&l2.exit, imm));
	GUEST_ASSERT_EQ(l2.regs[1], RIGHT);
	GUEST_ASSERT_EQ(l2.regs[3], MMIO_VALUE);
	GUEST_DONE();
}

static void l1_vncr(struct l2_vcpu *l2, u64 arg)
{
	u64 *page = nested_va(&probe_mem, PROBE_GPA + VNCR_OFFSET);

	if (SYS_FIELD_GET(ID_AA64MMFR2_EL1, NV, read_sysreg_s(SYS_ID_AA64MMFR2_EL1)) <
	    ID_AA64MMFR2_EL1_NV_NV2 &&
	    !SYS_FIELD_GET(ID_AA64MMFR4_EL1, NV_frac, read_sysreg_s(SYS_ID_AA64MMFR4_EL1)))
		NESTED_GUEST_SKIP("the VM has no FEAT_NV2");

	l1_prepare(0);
	write_sysreg_s((u64)page, SYS_VNCR_EL2);
	isb();
	l2->pc = (u64)l2_hypervisor;
	l2->hcr |= HCR_EL2_NV | HCR_EL2_NV2;
	l1_run_to_end(l2);
	GUEST_ASSERT_EQ(page[VNCR_VTTBR_EL2 / 8], RIGHT + ROUNDS);
	GUEST_DONE();
}

/* L2 has interrupts that L1 makes up. */
static void l1_virqs(struct l2_vcpu *l2, u64 arg)
{
	gic_init(GIC_V3, 1);
	write_sysreg_s(LR_PENDING(VIRQ_A, PRIO_A), SYS_ICH_LR0_EL2);
	write_sysreg_s(LR_PENDING(VIRQ_B, PRIO_B), SYS_ICH_LR1_EL2);
	write_sysreg_s(ICH_VMCR_EL2_VPMR | ICH_VMCR_EL2_VENG1, SYS_ICH_VMCR_EL2);
	write_sysreg_s(ICH_HCR_EN, SYS_ICH_HCR_EL2);
	isb();
	l2->pc = (u64)l2_virqs;
	l1_run_to_end(l2);
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_ICH_LR0_EL2) & LR_STATE, 0);
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_ICH_LR1_EL2) & LR_STATE, 0);
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_ICH_AP1R0_EL2), 0);
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_ICH_HCR_EL2), ICH_HCR_EN);
	GUEST_DONE();
}

/* The next interrupt of L1; it is active then. */
static u32 l1_ack(void)
{
	u32 intid = gic_get_and_ack_irq();

	if (intid != IAR_SPURIOUS)
		GUEST_ASSERT(gic_irq_get_active(intid));
	return intid;
}

/* See raise_spis(). */
static void l1_spis(struct l2_vcpu *l2, u64 arg)
{
	gic_init(GIC_V3, 1);
	gic_irq_set_config(SPI_LEVEL, false);
	gic_irq_set_config(SPI_EDGE, true);
	gic_set_priority(SPI_LEVEL, PRIO_A);
	gic_set_priority(SPI_EDGE, PRIO_B);
	gic_irq_enable(SPI_LEVEL);
	gic_irq_enable(SPI_EDGE);
	l2->pc = (u64)l2_spis;
	l2_enter(l2);
	GUEST_ASSERT_EQ(l2->exit.vector, VECTOR_IRQ_LOWER_64);
	GUEST_ASSERT_EQ(l1_ack(), SPI_LEVEL);
	GUEST_SYNC(SYNC_STOP);
	GUEST_ASSERT(gic_irq_get_active(SPI_LEVEL));
	GUEST_ASSERT(gic_irq_get_pending(SPI_EDGE));
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_ICC_RPR_EL1), PRIO_A);
	GUEST_ASSERT_EQ(l1_ack(), IAR_SPURIOUS);
	gic_set_eoi(SPI_LEVEL);
	GUEST_ASSERT_EQ(l1_ack(), SPI_EDGE);
	gic_set_eoi(SPI_EDGE);
	GUEST_ASSERT_EQ(l1_ack(), IAR_SPURIOUS);
	l1_run_to_end(l2);
	GUEST_DONE();
}

/* L1 has all timers, too, with other values. */
static void l1_timers(struct l2_vcpu *l2, u64 arg)
{
	u64 cnthctl = read_sysreg(cnthctl_el2) | CNTHCTL_ENABLES;

	gic_init(GIC_V3, 1);
	gic_irq_enable(PPI_VTIMER);
	write_sysreg(-VOFFSET, cntvoff_el2);
	write_sysreg(cnthctl, cnthctl_el2);
	write_sysreg_s(FAR_CVAL + 3, SYS_CNTHP_CVAL_EL2);
	write_sysreg_s(TIMER_CTL, SYS_CNTHP_CTL_EL2);
	write_sysreg_s(FAR_CVAL + 4, SYS_CNTHV_CVAL_EL2);
	write_sysreg_s(TIMER_CTL, SYS_CNTHV_CTL_EL2);
	isb();
	l2->pc = (u64)l2_timers;
	l2_enter(l2);
	GUEST_ASSERT_EQ(l2->exit.vector, VECTOR_IRQ_LOWER_64);
	GUEST_ASSERT_EQ(l1_ack(), PPI_VTIMER);
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_CNTV_CTL_EL02), TIMER_ENABLE | TIMER_ISTATUS);
	write_sysreg_s(0, SYS_CNTV_CTL_EL02);
	isb();
	gic_set_eoi(PPI_VTIMER);
	l1_run_to_end(l2);
	GUEST_ASSERT_EQ(read_sysreg(cntvoff_el2), -VOFFSET);
	GUEST_ASSERT_EQ(read_sysreg(cnthctl_el2), cnthctl);
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_CNTHP_CVAL_EL2), FAR_CVAL + 3);
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_CNTHP_CTL_EL2), TIMER_CTL);
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_CNTHV_CVAL_EL2), FAR_CVAL + 4);
	GUEST_ASSERT_EQ(read_sysreg_s(SYS_CNTHV_CTL_EL2), TIMER_CTL);
	GUEST_DONE();
}

/* Host */

#define MAX_VCPUS	2

struct restore_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	unsigned int nr_vcpus;
};

/* The same each time, but for what the guest has done since. */
static void restore_vm_create(struct restore_vm *v, const struct restore_row *row)
{
	struct nested_env env;
	unsigned int i;

	v->nr_vcpus = row->l1_second ? 2 : 1;
	v->vm = nested_vm_create(v->nr_vcpus, row->l1, v->vcpus);
	if (row->l1_second)
		vcpu_arch_set_entry_point(v->vcpus[1], row->l1_second);
	nested_mem_create(v->vm, &probe_mem, PROBE_SLOT, 0);
	nested_mem_sync(v->vm, &probe_mem, (gva_t)&probe_mem);
	nested_mem_create(v->vm, &decoy_mem, DECOY_SLOT, 0);
	nested_mem_sync(v->vm, &decoy_mem, (gva_t)&decoy_mem);

	nested_env_create(&env, v->vm, NULL);
	for (i = 0; i < v->nr_vcpus; i++)
		vcpu_args_set(v->vcpus[i], 2, nested_env_add_l2(&env, l2_probe), row->arg);
	nested_env_map_s1(&env, PROBE_VA, PROBE_IPA, 1, 0);
	s2_map(env.s2, PROBE_IPA, PROBE_GPA, 2 * SZ_64K, 3, S2_ATTR_DEFAULT);
	s2_map(env.s2, MMIO_IPA, HOLE_GPA, 1, 3, S2_ATTR_DEFAULT);
	nested_env_finish(&env);
}

static void copy_registers(struct kvm_vcpu *to, struct kvm_vcpu *from)
{
	struct kvm_reg_list *list = vcpu_get_reg_list(from);
	u8 value[2048 / 8];
	struct kvm_one_reg reg = { .addr = (u64)value };
	u64 i;
	int ret;

	for (i = 0; i < list->n; i++) {
		reg.id = list->reg[i];
		TEST_ASSERT(BIT((reg.id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT) <=
			    sizeof(value), "register 0x%lx is too large", (u64)reg.id);
		vcpu_ioctl(from, KVM_GET_ONE_REG, &reg);
		ret = __vcpu_ioctl(to, KVM_SET_ONE_REG, &reg);
		TEST_ASSERT(!ret, "KVM_SET_ONE_REG of 0x%lx, errno %d", (u64)reg.id, errno);
	}
	free(list);
}

/* At the first stop nobody has seen them yet, at the second one L1 has acknowledged one. */
static void raise_spis(struct kvm_vm *vm, unsigned int stop)
{
	if (!stop) {
		kvm_arm_irq_line(vm, SPI_LEVEL, 1);
		kvm_arm_irq_line(vm, SPI_EDGE, 1);
		kvm_arm_irq_line(vm, SPI_EDGE, 0);
	} else {
		kvm_arm_irq_line(vm, SPI_LEVEL, 0);
	}
}

/* Registers of the GIC by their offsets, in an order that makes sense; see GICv3. */
struct gic_regs {
	u32 offset;
	u32 size;		/* bytes */
};

static const struct gic_regs gicd_regs[] = {
	{ GICD_CTLR, 4 },
	{ GICD_IGROUPR + 4, NR_IRQS / 8 - 4 },
	{ GICD_ICFGR + 8, NR_IRQS / 4 - 8 },
	{ GICD_IPRIORITYR + 32, NR_IRQS - 32 },
	{ GICD_IROUTER + 32 * 8, (NR_IRQS - 32) * 8 },
	{ GICD_ISENABLER + 4, NR_IRQS / 8 - 4 },
	{ GICD_ISPENDR + 4, NR_IRQS / 8 - 4 },
	{ GICD_ISACTIVER + 4, NR_IRQS / 8 - 4 },
};

static const struct gic_regs gicr_regs[] = {
	{ GICR_CTLR, 4 },
	{ GICR_WAKER, 4 },
	{ SZ_64K + GICR_IGROUPR0, 4 },
	{ SZ_64K + GICR_ICFGR0, 8 },
	{ SZ_64K + GICR_IPRIORITYR0, 32 },
	{ SZ_64K + GICR_ISENABLER0, 4 },
	{ SZ_64K + GICR_ISPENDR0, 4 },
	{ SZ_64K + GICR_ISACTIVER0, 4 },
};

/* The CPU interface: L1's own, and what it has for L2. */
static const u32 gicc_regs[] = {
	SYS_ICC_SRE_EL1, SYS_ICC_CTLR_EL1, SYS_ICC_PMR_EL1, SYS_ICC_BPR0_EL1, SYS_ICC_BPR1_EL1,
	SYS_ICC_IGRPEN0_EL1, SYS_ICC_IGRPEN1_EL1,
	SYS_ICC_AP0R0_EL1, SYS_ICC_AP0R1_EL1, SYS_ICC_AP0R2_EL1, SYS_ICC_AP0R3_EL1,
	SYS_ICC_AP1R0_EL1, SYS_ICC_AP1R1_EL1, SYS_ICC_AP1R2_EL1, SYS_ICC_AP1R3_EL1,
	SYS_ICC_SRE_EL2, SYS_ICH_VTR_EL2, SYS_ICH_HCR_EL2, SYS_ICH_VMCR_EL2,
	SYS_ICH_AP0R0_EL2, SYS_ICH_AP0R1_EL2, SYS_ICH_AP0R2_EL2, SYS_ICH_AP0R3_EL2,
	SYS_ICH_AP1R0_EL2, SYS_ICH_AP1R1_EL2, SYS_ICH_AP1R2_EL2, SYS_ICH_AP1R3_EL2,
	SYS_ICH_LR0_EL2, SYS_ICH_LR1_EL2, SYS_ICH_LR2_EL2, SYS_ICH_LR3_EL2,
	SYS_ICH_LR4_EL2, SYS_ICH_LR5_EL2, SYS_ICH_LR6_EL2, SYS_ICH_LR7_EL2,
	SYS_ICH_LR8_EL2, SYS_ICH_LR9_EL2, SYS_ICH_LR10_EL2, SYS_ICH_LR11_EL2,
	SYS_ICH_LR12_EL2, SYS_ICH_LR13_EL2, SYS_ICH_LR14_EL2, SYS_ICH_LR15_EL2,
};

static void copy_gic_regs(int to, int from, u32 group, u64 attr, const struct gic_regs *regs,
			  unsigned int nr)
{
	u32 offset, value;

	for (; nr; nr--, regs++) {
		for (offset = regs->offset; offset < regs->offset + regs->size; offset += 4) {
			kvm_device_attr_get(from, group, attr | offset, &value);
			kvm_device_attr_set(to, group, attr | offset, &value);
		}
	}
}

/* The affinity of a vCPU, as the attributes of the GIC have it. */
static u64 gic_cpu(struct kvm_vcpu *vcpu)
{
	u64 mpidr = vcpu_get_reg(vcpu, KVM_ARM64_SYS_REG(SYS_MPIDR_EL1));

	return (mpidr & GENMASK(23, 0)) << 32 | (mpidr & GENMASK(39, 32)) << 24;
}

static void copy_gic_cpu(int to, int from, u64 cpu)
{
	u64 level = (u64)VGIC_LEVEL_INFO_LINE_LEVEL << KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT;
	u64 value, instr;
	unsigned int i;
	u32 lines;

	copy_gic_regs(to, from, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, cpu, gicr_regs,
		      ARRAY_SIZE(gicr_regs));
	kvm_device_attr_get(from, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, cpu | level, &lines);
	kvm_device_attr_set(to, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, cpu | level, &lines);
	for (i = 0; i < ARRAY_SIZE(gicc_regs); i++) {
		/* Those of an active priority, or of a list register, that there is not. */
		instr = gicc_regs[i] >> 5;
		if (__kvm_device_attr_get(from, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, cpu | instr,
					  &value))
			continue;
		kvm_device_attr_set(to, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, cpu | instr, &value);
	}
}

static void copy_gic(struct restore_vm *new, const struct restore_vm *old)
{
	u64 level = (u64)VGIC_LEVEL_INFO_LINE_LEVEL << KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT;
	int to = new->vm->arch.gic_fd, from = old->vm->arch.gic_fd;
	u64 intid;
	unsigned int i;
	u32 lines;

	if (!old->vm->arch.has_gic)
		return;

	copy_gic_regs(to, from, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0, gicd_regs,
		      ARRAY_SIZE(gicd_regs));
	for (intid = 32; intid < NR_IRQS; intid += 32) {
		kvm_device_attr_get(from, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, level | intid, &lines);
		kvm_device_attr_set(to, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, level | intid, &lines);
	}
	for (i = 0; i < old->nr_vcpus; i++)
		copy_gic_cpu(to, from, gic_cpu(old->vcpus[i]));
}

/* Bits of an entry: the page is present, or swapped out; see pagemap.rst. */
#define PAGEMAP_USED		GENMASK(63, 62)

/* Which pages of a mapping have anything in them, without touching them. */
static u64 *read_pagemap(const void *addr, u64 nr)
{
	u64 *entries = calloc(nr, sizeof(*entries)), size = nr * sizeof(*entries);
	u64 start = (u64)addr / getpagesize() * sizeof(*entries);
	int fd = open("/proc/self/pagemap", O_RDONLY);

	TEST_ASSERT(fd >= 0 && entries, "/proc/self/pagemap, errno %d", errno);
	TEST_ASSERT(pread(fd, entries, size, start) == size, "pagemap, errno %d", errno);
	close(fd);
	return entries;
}

/* Pages that are the same on both sides are left alone, and those that nobody has touched. */
static void copy_memory(struct kvm_vm *to, struct kvm_vm *from, u32 slot)
{
	struct userspace_mem_region *src = memslot2region(from, slot);
	struct userspace_mem_region *dst = memslot2region(to, slot);
	u64 page = getpagesize(), offset, nr = src->region.memory_size / page;
	u64 *used_src = read_pagemap(src->host_mem, nr);
	u64 *used_dst = read_pagemap(dst->host_mem, nr);

	TEST_ASSERT_EQ(src->region.guest_phys_addr, dst->region.guest_phys_addr);
	TEST_ASSERT_EQ(src->region.memory_size, dst->region.memory_size);
	for (offset = 0; offset < src->region.memory_size; offset += page) {
		if (!((used_src[offset / page] | used_dst[offset / page]) & PAGEMAP_USED))
			continue;
		if (memcmp(dst->host_mem + offset, src->host_mem + offset, page))
			memcpy(dst->host_mem + offset, src->host_mem + offset, page);
	}
	free(used_src);
	free(used_dst);
}

/*
 * The library has put host addresses into the guest's memory, of the entries of its pool of ucalls.
 * They lead to the old VM's memory, and need not look like anything else of the guest's.
 */
static void relocate_ucalls(struct kvm_vm *to, struct kvm_vm *from)
{
	struct userspace_mem_region *src = memslot2region(from, 0);
	struct userspace_mem_region *dst = memslot2region(to, 0);
	u64 old = (u64)src->host_mem, new = (u64)dst->host_mem, n, i;
	u64 page = getpagesize(), nr = dst->region.memory_size / page;
	u64 *used = read_pagemap(dst->host_mem, nr), *words;

	for (n = 0; n < nr; n++) {
		words = dst->host_mem + n * page;
		for (i = 0; (used[n] & PAGEMAP_USED) && i < page / sizeof(u64); i++)
			if (words[i] - old < src->region.memory_size)
				words[i] += new - old;
	}
	free(used);
}

static void move_to_new_vm(struct restore_vm *v, const struct restore_row *row)
{
	static const u32 slots[] = { 0, PROBE_SLOT, DECOY_SLOT, NESTED_ENV_SLOT };
	struct restore_vm new;
	unsigned int i;

	restore_vm_create(&new, row);
	for (i = 0; i < ARRAY_SIZE(slots); i++)
		copy_memory(new.vm, v->vm, slots[i]);
	relocate_ucalls(new.vm, v->vm);
	for (i = 0; i < v->nr_vcpus; i++)
		copy_registers(new.vcpus[i], v->vcpus[i]);
	copy_gic(&new, v);
	kvm_vm_free(v->vm);
	*v = new;
}

/* Run a vCPU to its next stop, or to its end. */
static int run_to_stop(struct kvm_vcpu *vcpu, const char **reason)
{
	u64 value = MMIO_VALUE;
	struct ucall uc;
	int ret;

	ret = nested_run_vcpu(vcpu, &uc, reason);
	if (ret == NESTED_EXIT && vcpu->run->exit_reason == KVM_EXIT_MMIO &&
	    vcpu->run->mmio.phys_addr == HOLE_GPA && !vcpu->run->mmio.is_write) {
		memcpy(vcpu->run->mmio.data, &value, sizeof(value));
		ret = NESTED_SYNC;
	}
	if (ret == NESTED_EXIT)
		ksft_print_msg("unexpected exit to userspace: %s\n",
			       exit_reason_str(vcpu->run->exit_reason));
	/* The access that it has stopped in is not over before. */
	if (ret == NESTED_SYNC)
		vcpu_run_complete_io(vcpu);

	return ret;
}

static int run_row(unsigned int n, const char **reason)
{
	const struct restore_row *row = &rows[n];
	int ret[MAX_VCPUS] = { NESTED_SYNC, NESTED_SYNC };
	unsigned int i, moves = 0;
	struct restore_vm v;
	bool again;

	restore_vm_create(&v, row);
	if (row->gic && !v.vm->arch.has_gic) {
		*reason = "the host has no GICv3 for VMs";
		return NESTED_SKIP;
	}
	do {
		again = false;
		for (i = 0; i < v.nr_vcpus; i++) {
			if (ret[i] != NESTED_SYNC)
				continue;
			ret[i] = run_to_stop(v.vcpus[i], reason);
			if (ret[i] == NESTED_SYNC)
				again = true;
			else if (ret[i] != NESTED_PASS)
				return ret[i] == NESTED_SKIP ? NESTED_SKIP : NESTED_FAIL;
		}
		if (again) {
			if (row->at_stop)
				row->at_stop(v.vm, moves);
			move_to_new_vm(&v, row);
			moves++;
		}
	} while (again);
	kvm_vm_free(v.vm);

	ksft_print_msg("moved %u times\n", moves);
	return moves >= 2 ? NESTED_PASS : NESTED_FAIL;
}

int main(int argc, char *argv[])
{
	static const struct nested_suite suite = {
		.name = "nested_restore",
		.rows = rows, .nr_rows = ARRAY_SIZE(rows), .row_size = sizeof(rows[0]),
		.run = run_row, .timeout_s = 20,
	};

	return nested_main(argc, argv, &suite);
}
