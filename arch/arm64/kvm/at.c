// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stage-1 translation for vCPUs, and the AT instructions of virtual EL2.
 *
 * A thin shell: the registers and ID registers of a vCPU become a snapshot,
 * nested/s1walk.c walks it, and what it finds becomes PAR_EL1 or an exception.
 * Everything is done in software, from guest memory. Borrowing the MMU instead
 * would mean to swap the EL1&0 context and stage 2 under the vCPU with
 * interrupts off, on a shadow table that need not be complete, and to fall back
 * to the walk anyway; one path gives one answer.
 *
 * An AT always ends: an architectural outcome is in PAR_EL1 or is taken as a
 * Data Abort, a failure of the host is given to the guest as an External abort,
 * and only a lost race (-EAGAIN) executes the instruction again.
 *
 * Locks: tables are read with kvm->srcu held. The instructions and
 * __kvm_find_s1_desc_level() take it, kvm_s1_translate() wants it held. No
 * other lock; user memory is accessed, so all of it may sleep.
 */
#include <linux/kvm_host.h>

#include <asm/esr.h>
#include <asm/kvm_asm.h>
#include <asm/kvm_emulate.h>
#include <asm/kvm_mmu.h>
#include <asm/kvm_nested.h>

#include "nested/nested.h"

/*
 * The snapshot
 */

static u32 s1_granules(struct kvm *kvm)
{
	u32 gran = 0;

	if (kvm_has_feat(kvm, ID_AA64MMFR0_EL1, TGRAN4, IMP))
		gran |= BIT(12);
	if (kvm_has_feat(kvm, ID_AA64MMFR0_EL1, TGRAN16, IMP))
		gran |= BIT(14);
	if (kvm_has_feat(kvm, ID_AA64MMFR0_EL1, TGRAN64, IMP))
		gran |= BIT(16);
	return gran;
}

static u32 s1_lpa2_granules(struct kvm *kvm)
{
	u32 lpa2 = 0;

	if (kvm_has_feat(kvm, ID_AA64MMFR0_EL1, TGRAN4, 52_BIT))
		lpa2 |= BIT(12);
	if (kvm_has_feat(kvm, ID_AA64MMFR0_EL1, TGRAN16, 52_BIT))
		lpa2 |= BIT(14);
	return lpa2;
}

static void s1_vm_features(struct kvm *kvm, struct kvm_s1_features *feat)
{
	u64 mmfr0 = kvm_read_vm_id_reg(kvm, SYS_ID_AA64MMFR0_EL1);
	u8 parange = SYS_FIELD_GET(ID_AA64MMFR0_EL1, PARANGE, mmfr0);

	*feat = (struct kvm_s1_features) {
		.pa_bits = min(kvm_pt_decode_pa_bits(parange),
			       KVM_PT_PA_BITS_LARGE),
		.gran	= s1_granules(kvm),
		.lpa2	= s1_lpa2_granules(kvm),
		.lva	= kvm_has_feat(kvm, ID_AA64MMFR2_EL1, VARange, 52),
		.ttst	= kvm_has_feat_enum(kvm, ID_AA64MMFR2_EL1, ST, 48_47),
		.haf	= kvm_has_feat(kvm, ID_AA64MMFR1_EL1, HAFDBS, AF),
		.hdbs	= kvm_has_feat(kvm, ID_AA64MMFR1_EL1, HAFDBS, DBM),
		.hpds	= kvm_has_feat(kvm, ID_AA64MMFR1_EL1, HPDS, IMP),
		.pan	= kvm_has_feat(kvm, ID_AA64MMFR1_EL1, PAN, IMP),
		.epan	= kvm_has_feat(kvm, ID_AA64MMFR1_EL1, PAN, PAN3),
		.e0pd	= kvm_has_feat(kvm, ID_AA64MMFR2_EL1, E0PD, IMP),
		.tbid	= kvm_has_pauth(kvm, PAuth),
		.asid16	= kvm_has_feat_enum(kvm, ID_AA64MMFR0_EL1, ASIDBITS, 16),
		.tcrx	= kvm_has_tcr2(kvm),
		.s1pie	= kvm_has_s1pie(kvm),
		.s1poe	= kvm_has_s1poe(kvm),
	};
}

/*
 * Which copy of a register is current depends on the context that the vCPU is
 * in, and on whether it is loaded; vcpu_read_sys_reg() knows. Registers that
 * the VM does not have are not read: the CPU may not have them either.
 */
static void s1_regs_el1(struct kvm_vcpu *vcpu, struct kvm_s1_regs *regs)
{
	struct kvm *kvm = vcpu->kvm;

	regs->tcr = vcpu_read_sys_reg(vcpu, TCR_EL1);
	regs->sctlr = vcpu_read_sys_reg(vcpu, SCTLR_EL1);
	regs->ttbr[0] = vcpu_read_sys_reg(vcpu, TTBR0_EL1);
	regs->ttbr[1] = vcpu_read_sys_reg(vcpu, TTBR1_EL1);
	regs->mair = vcpu_read_sys_reg(vcpu, MAIR_EL1);
	if (kvm_has_tcr2(kvm))
		regs->tcr2 = vcpu_read_sys_reg(vcpu, TCR2_EL1);
	if (kvm_has_s1pie(kvm)) {
		regs->pir = vcpu_read_sys_reg(vcpu, PIR_EL1);
		regs->pire0 = vcpu_read_sys_reg(vcpu, PIRE0_EL1);
	}
	if (kvm_has_s1poe(kvm))
		regs->por = vcpu_read_sys_reg(vcpu, POR_EL1);

	/* Nothing above EL1 has a say if there is nothing above EL1. */
	regs->hcrx = ~0ULL;
	if (vcpu_has_nv(vcpu)) {
		regs->hcr = __vcpu_sys_reg(vcpu, HCR_EL2);
		regs->hcrx = __vcpu_sys_reg(vcpu, HCRX_EL2);
	}
}

static void s1_regs_el2(struct kvm_vcpu *vcpu, struct kvm_s1_regs *regs)
{
	struct kvm *kvm = vcpu->kvm;

	regs->tcr = vcpu_read_sys_reg(vcpu, TCR_EL2);
	regs->sctlr = vcpu_read_sys_reg(vcpu, SCTLR_EL2);
	regs->ttbr[0] = vcpu_read_sys_reg(vcpu, TTBR0_EL2);
	regs->ttbr[1] = vcpu_read_sys_reg(vcpu, TTBR1_EL2);
	regs->mair = vcpu_read_sys_reg(vcpu, MAIR_EL2);
	if (kvm_has_tcr2(kvm))
		regs->tcr2 = vcpu_read_sys_reg(vcpu, TCR2_EL2);
	if (kvm_has_s1pie(kvm)) {
		regs->pir = vcpu_read_sys_reg(vcpu, PIR_EL2);
		regs->pire0 = vcpu_read_sys_reg(vcpu, PIRE0_EL2);
	}
	if (kvm_has_s1poe(kvm))
		regs->por = vcpu_read_sys_reg(vcpu, POR_EL2);
}

static void s1_config(struct kvm_vcpu *vcpu, enum kvm_s1_regime regime,
		      struct kvm_s1_config *cfg)
{
	struct kvm_s1_regs regs = { .regime = regime };
	struct kvm_s1_features feat;

	if (regime == KVM_REGIME_EL10)
		s1_regs_el1(vcpu, &regs);
	else
		s1_regs_el2(vcpu, &regs);

	/* Saved on each exit, whatever the context. */
	if (kvm_has_s1poe(vcpu->kvm))
		regs.por_el0 = __vcpu_sys_reg(vcpu, POR_EL0);

	s1_vm_features(vcpu->kvm, &feat);
	kvm_s1_configure(&regs, &feat, cfg);
}

/* Only EL1&0 has a stage 2 behind it, and that may be off. */
static void s1_mem_init(struct kvm_s1_mem *mem, struct kvm_vcpu *vcpu,
			enum kvm_s1_regime regime)
{
	*mem = (struct kvm_s1_mem) {
		.s2.off	= true,
		.phys	= { .ops = &kvm_nested_mem_ops, .ctx = vcpu->kvm },
	};

	if (regime == KVM_REGIME_EL10 && vcpu_has_nv(vcpu))
		kvm_nested_s2_config(vcpu, &mem->s2);
}

/*
 * The walks
 */

/**
 * kvm_s1_translate() - walk stage 1 of a vCPU
 * @vcpu: the vCPU, loaded or not
 * @regime: the translation regime
 * @va: the address
 * @acc: the access
 * @res: the translation; its @pa is a nested IPA if L1's stage 2 is behind it
 * @fault: the fault, of stage 2 if that refused a descriptor
 *
 * Return: 0, KVM_WALK_FAULT, -EAGAIN or another host errno; with the last,
 * @fault is not valid.
 * Context: vCPU thread, kvm->srcu held; may sleep.
 */
int kvm_s1_translate(struct kvm_vcpu *vcpu, enum kvm_s1_regime regime, u64 va,
		     const struct kvm_access *acc, struct kvm_s1_result *res,
		     struct kvm_walk_fault *fault)
{
	struct kvm_s1_config cfg;
	struct kvm_s1_mem mem;
	const struct kvm_walk_mem tables = {
		.ops	= &kvm_s1_mem_ops,
		.ctx	= &mem,
	};

	/* Memslots are used; the tables need no lock, see guest_mem.c. */
	lockdep_assert(srcu_read_lock_held(&vcpu->kvm->srcu));

	s1_config(vcpu, regime, &cfg);
	s1_mem_init(&mem, vcpu, regime);
	return kvm_s1_walk(&cfg, &tables, va, acc, res, fault);
}

/* The same through L1's stage 2 as well, as far as that is behind the regime. */
static int s12_translate(struct kvm_vcpu *vcpu, enum kvm_s1_regime regime,
			 u64 va, const struct kvm_access *acc,
			 struct kvm_s12_result *res,
			 struct kvm_walk_fault *fault)
{
	struct kvm_s1_config cfg;
	struct kvm_s1_mem mem;

	lockdep_assert(srcu_read_lock_held(&vcpu->kvm->srcu));

	s1_config(vcpu, regime, &cfg);
	s1_mem_init(&mem, vcpu, regime);
	return kvm_s12_walk(&cfg, &mem, va, acc, res, fault);
}

/*
 * AT instructions
 */

static enum kvm_s1_regime el2_regime(struct kvm_vcpu *vcpu)
{
	return vcpu_el2_e2h_is_set(vcpu) ? KVM_REGIME_EL20 : KVM_REGIME_EL2;
}

/* With HCR_EL2.{E2H,TGE} = {1,1}, what names EL1 or EL0 is about EL2&0. */
static enum kvm_s1_regime el1_regime(struct kvm_vcpu *vcpu)
{
	return vcpu_el2_e2h_is_set(vcpu) && vcpu_el2_tge_is_set(vcpu) ?
	       KVM_REGIME_EL20 : KVM_REGIME_EL10;
}

/*
 * An External abort on a descriptor is not for PAR_EL1: AArch64.AT() takes it,
 * from virtual EL2 to virtual EL2, as a Data Abort of an address translation
 * (CM and WnR set). L1's handler decides whether to execute the AT again.
 */
static void at_inject_abort(struct kvm_vcpu *vcpu, u64 va,
			    const struct kvm_walk_fault *fault)
{
	u64 esr = FIELD_PREP(ESR_ELx_EC_MASK, ESR_ELx_EC_DABT_CUR) |
		  ESR_ELx_IL | ESR_ELx_CM | ESR_ELx_WNR |
		  kvm_fault_fsc(fault);

	if (fault->s1ptw)
		esr |= ESR_ELx_S1PTW;
	if (fault->stage == 2)
		vcpu_write_sys_reg(vcpu, kvm_fault_hpfar(fault->ipa), HPFAR_EL2);
	vcpu_write_sys_reg(vcpu, va, FAR_EL2);
	kvm_inject_nested_sync(vcpu, esr);
}

/**
 * struct at_insn - one AT instruction
 * @acc: the access that it asks about
 * @regime: the regime that it asks about
 * @s12: stage 2 is part of the question
 */
struct at_insn {
	struct kvm_access acc;
	enum kvm_s1_regime regime;
	bool s12;
};

static int at_walk(struct kvm_vcpu *vcpu, const struct at_insn *insn, u64 va,
		   struct kvm_s12_result *res, struct kvm_walk_fault *fault)
{
	int idx, ret;

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	if (insn->s12)
		ret = s12_translate(vcpu, insn->regime, va, &insn->acc, res,
				    fault);
	else
		ret = kvm_s1_translate(vcpu, insn->regime, va, &insn->acc,
				       &res->s1, fault);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);

	return ret;
}

static int at_execute(struct kvm_vcpu *vcpu, const struct at_insn *insn, u64 va)
{
	struct kvm_walk_fault fault;
	struct kvm_s12_result res;
	u64 par;
	int ret;

	ret = at_walk(vcpu, insn, va, &res, &fault);
	if (ret == -EAGAIN)
		return ret;

	/*
	 * The host could not do it, and is not going to: memory that cannot be
	 * had is memory that aborts.
	 */
	if (ret < 0)
		ret = kvm_walk_set_fault(&fault, KVM_FAULT_SEA_TTW, 1, 0);

	if (ret && fault.kind == KVM_FAULT_SEA_TTW) {
		at_inject_abort(vcpu, va, &fault);
		return ret;
	}

	if (ret)
		par = kvm_fault_par(&fault) |
		      kvm_par_s1_fault_bits(&res.s1, &fault);
	else if (insn->s12)
		par = kvm_par_success(res.s2.oa, &res.attr);
	else
		par = kvm_par_success(res.s1.pa, &res.s1.attr);

	vcpu_write_sys_reg(vcpu, par, PAR_EL1);
	return 0;
}

/**
 * __kvm_at_s1e01() - emulate AT S1E0* and AT S1E1*
 * @vcpu: the vCPU, at virtual EL2
 * @op: encoding of the instruction
 * @vaddr: its operand
 *
 * Return: 0 with the outcome in PAR_EL1; otherwise the PC must not advance, as
 * an exception is pending or the instruction is to be executed again.
 * Context: vCPU thread, vCPU loaded, kvm->srcu not needed; may sleep.
 */
int __kvm_at_s1e01(struct kvm_vcpu *vcpu, u32 op, u64 vaddr)
{
	struct at_insn insn = { .regime = el1_regime(vcpu) };

	switch (op) {
	case OP_AT_S1E1RP:
		insn.acc.pan = *vcpu_cpsr(vcpu) & PSR_PAN_BIT;
		fallthrough;
	case OP_AT_S1E1R:
		insn.acc.type = KVM_ACC_AT_READ;
		break;
	case OP_AT_S1E1WP:
		insn.acc.pan = *vcpu_cpsr(vcpu) & PSR_PAN_BIT;
		fallthrough;
	case OP_AT_S1E1W:
		insn.acc.type = KVM_ACC_AT_WRITE;
		break;
	case OP_AT_S1E0R:
		insn.acc.type = KVM_ACC_AT_READ;
		insn.acc.el0 = true;
		break;
	case OP_AT_S1E0W:
		insn.acc.type = KVM_ACC_AT_WRITE;
		insn.acc.el0 = true;
		break;
	default:
		/* OP_AT_S1E1A, the only one left that is routed here */
		insn.acc.type = KVM_ACC_AT_ANY;
	}

	return at_execute(vcpu, &insn, vaddr);
}

/**
 * __kvm_at_s1e2() - emulate AT S1E2*
 * @vcpu: the vCPU, at virtual EL2
 * @op: encoding of the instruction
 * @vaddr: its operand
 *
 * Return: as __kvm_at_s1e01().
 * Context: as __kvm_at_s1e01().
 */
int __kvm_at_s1e2(struct kvm_vcpu *vcpu, u32 op, u64 vaddr)
{
	struct at_insn insn = { .regime = el2_regime(vcpu) };

	switch (op) {
	case OP_AT_S1E2R:
		insn.acc.type = KVM_ACC_AT_READ;
		break;
	case OP_AT_S1E2W:
		insn.acc.type = KVM_ACC_AT_WRITE;
		break;
	default:
		/* OP_AT_S1E2A, the only one left that is routed here */
		insn.acc.type = KVM_ACC_AT_ANY;
	}

	return at_execute(vcpu, &insn, vaddr);
}

/**
 * __kvm_at_s12() - emulate AT S12E0* and AT S12E1*
 * @vcpu: the vCPU, at virtual EL2
 * @op: encoding of the instruction
 * @vaddr: its operand
 *
 * Return: as __kvm_at_s1e01().
 * Context: as __kvm_at_s1e01().
 */
int __kvm_at_s12(struct kvm_vcpu *vcpu, u32 op, u64 vaddr)
{
	struct at_insn insn = {
		.regime	= el1_regime(vcpu),
		.s12	= true,
		.acc	= {
			.type	= KVM_ACC_AT_READ,
			.el0	= op == OP_AT_S12E0R || op == OP_AT_S12E0W,
		},
	};

	if (op == OP_AT_S12E0W || op == OP_AT_S12E1W)
		insn.acc.type = KVM_ACC_AT_WRITE;

	return at_execute(vcpu, &insn, vaddr);
}

/*
 * The level of an aborting descriptor
 */

/**
 * struct s1_find - context of the descriptor operations of the search
 * @mem: the memory that stage 1 knows
 * @ipa: page that is looked for
 * @level: level of the last descriptor that was asked for
 */
struct s1_find {
	struct kvm_s1_mem mem;
	u64 ipa;
	s8 level;
};

static int s1_find_read(void *ctx, u64 ipa, u64 *raw,
			struct kvm_walk_fault *fault)
{
	struct s1_find *find = ctx;

	/* The record comes in with the level of the descriptor. */
	find->level = fault->level;
	if (!((ipa ^ find->ipa) & GENMASK_ULL(51, 12)))
		return KVM_WALK_FAULT;

	return kvm_s1_mem_ops.read(&find->mem, ipa, raw, fault);
}

static int s1_find_cas(void *ctx, u64 ipa, u64 old, u64 new,
		       struct kvm_walk_fault *fault)
{
	/* Looking for a descriptor changes none: hardware updates are off. */
	return KVM_WALK_FAULT;
}

/*
 * Stage 2 goes on as if it had set the Access flag, or the search would end
 * there. It must not set it: there may be no vCPU running on this thread.
 */
static int s1_find_s2_read(void *ctx, u64 pa, u64 *raw,
			   struct kvm_walk_fault *fault)
{
	return kvm_nested_mem_ops.read(ctx, pa, raw, fault);
}

static int s1_find_s2_cas(void *ctx, u64 pa, u64 old, u64 new,
			  struct kvm_walk_fault *fault)
{
	return 0;
}

static const struct kvm_walk_ops s1_find_s2_ops = {
	.read	= s1_find_s2_read,
	.cas	= s1_find_s2_cas,
};

static const struct kvm_walk_ops s1_find_ops = {
	.read	= s1_find_read,
	.cas	= s1_find_cas,
};

/*
 * The abort has happened, so there is an answer. If the tables don't lead to
 * @ipa (they have changed since, or the CPU remembers an older version of them)
 * it is the level that the walk gets to: an SEA with a doubtful level is more
 * use than an access that is repeated for ever.
 */
int __kvm_find_s1_desc_level(struct kvm_vcpu *vcpu, u64 va, u64 ipa, int *level)
{
	const struct kvm_access acc = { .type = KVM_ACC_AT_ANY };
	enum kvm_s1_regime regime = KVM_REGIME_EL10;
	struct kvm_walk_fault fault;
	struct kvm_s1_config cfg;
	struct kvm_s1_result res;
	struct s1_find find = { .ipa = ipa };
	const struct kvm_walk_mem mem = {
		.ops	= &s1_find_ops,
		.ctx	= &find,
	};
	int idx, ret;

	if (is_hyp_ctxt(vcpu))
		regime = el2_regime(vcpu);

	s1_config(vcpu, regime, &cfg);
	cfg.ha = false;
	cfg.hd = false;

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	s1_mem_init(&find.mem, vcpu, regime);
	find.mem.phys.ops = &s1_find_s2_ops;
	ret = kvm_s1_walk(&cfg, &mem, va, &acc, &res, &fault);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);

	*level = find.level;
	return ret == -EAGAIN ? ret : 0;
}
