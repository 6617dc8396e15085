// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lost races: another CPU of L1 changes the leaf descriptor between the fetch
 * and the update of its Access flag or dirty state.
 *
 * The tables are small_tables(); the walk under test is a write that has to set
 * AF and the dirty state.
 */
#include <string.h>
#include <linux/errno.h>

#include <asm/sysreg.h>

#include "harness.h"

#define OFFSET		(SMALL_INPUT & 0xfff)
#define LEVELS		3

#define DESC_AF		BIT_ULL(10)
#define DESC_DBM	BIT_ULL(51)
#define OUTPUT		0x90000000ull
#define OTHER_OUTPUT	0xa0000000ull

/* Stage 2: Normal memory, readable, clean. Stage 1: the same, kernel. */
#define S2_LEAF		(OUTPUT | DESC_DBM | 0xf << 2 | BIT(6) | 3)
#define S1_LEAF		(OUTPUT | DESC_DBM | BIT(7) | 3)

struct race_case {
	const char *name;
	unsigned int lost;	/* the first so many updates lose */
	u64 leaf;		/* what is there then; 0: one that varies */
	int ret;
	enum kvm_fault_kind kind;
	unsigned int walks;	/* how often the tables are descended */
	unsigned int writes;
	u64 output;
};

static const struct race_case *current;
static u64 original;

static void race(struct mem *mem, unsigned int ncas, u64 pa)
{
	struct word *word = mem_find(mem, pa);

	if (ncas >= current->lost)
		return;
	/* A bit that is ignored, so that each time it is another one. */
	word->val = current->leaf ?: original ^ BIT_ULL(55 + ncas % 4);
}

static void set_tables(struct mem *mem, u64 leaf)
{
	small_tables(mem, leaf);
	mem->race = race;
	original = leaf;
}

static void judge(const struct race_case *c, const char *stage,
		  const struct mem *mem, int ret,
		  const struct kvm_walk_fault *fault, u64 output)
{
	bool ok = ret == c->ret && mem->nreads == c->walks * LEVELS &&
		  mem->nwrites == c->writes;

	if (ret == KVM_WALK_FAULT)
		ok = ok && fault->kind == c->kind && fault->level == 3;
	else if (!ret)
		ok = ok && output == (c->output | OFFSET);
	if (!ok)
		ktap_diag("got %s, %u fetches, %u updates of %u tried, output %#lx",
			  result_name(ret, fault), mem->nreads, mem->nwrites,
			  mem->ncas, ret ? 0 : output);
	ktap_ok(ok, "races: %s: %s", stage, c->name);
}

static void race_s2(const struct race_case *c)
{
	struct kvm_s2_regs regs = small_s2_regs;
	const struct kvm_access acc = { .type = KVM_ACC_WRITE };
	struct kvm_s2_config cfg;
	struct kvm_s2_result res;
	struct kvm_walk_fault fault;
	struct mem mem;
	const struct kvm_walk_mem ops = { &mem_ops, &mem };
	int ret;

	set_tables(&mem, S2_LEAF);
	regs.vtcr |= VTCR_EL2_HA | VTCR_EL2_HD;
	kvm_s2_configure(&regs, &small_s2_feat, &cfg);
	ret = kvm_s2_walk(&cfg, &ops, SMALL_INPUT, &acc, &res, &fault);
	judge(c, "stage 2", &mem, ret, &fault, res.oa);
}

static void race_s1(const struct race_case *c)
{
	struct kvm_s1_regs regs = small_s1_regs;
	const struct kvm_access acc = { .type = KVM_ACC_WRITE };
	struct kvm_s1_config cfg;
	struct kvm_s1_result res;
	struct kvm_walk_fault fault;
	struct mem mem;
	const struct kvm_walk_mem ops = { &mem_ops, &mem };
	int ret;

	set_tables(&mem, S1_LEAF);
	regs.tcr |= TCR_EL1_HA | TCR_EL1_HD;
	kvm_s1_configure(&regs, &small_s1_feat, &cfg);
	ret = kvm_s1_walk(&cfg, &ops, SMALL_INPUT, &acc, &res, &fault);
	judge(c, "stage 1", &mem, ret, &fault, res.pa);
}

#define DONE(out, n, w) .output = (out), .walks = (n), .writes = (w)
#define FAULT(k, n) .ret = KVM_WALK_FAULT, .kind = KVM_FAULT_##k, .walks = (n)

static const struct race_case common[] = {
	{ "nobody else", DONE(OUTPUT, 1, 1) },
	{ "lost once", 1, DONE(OUTPUT, 2, 1) },
	{ "won at the last try", KVM_WALK_MAX_RETRIES - 1,
	  DONE(OUTPUT, KVM_WALK_MAX_RETRIES, 1) },
	{ "lost at each try", KVM_WALK_MAX_RETRIES, .ret = -EAGAIN,
	  .walks = KVM_WALK_MAX_RETRIES },
	{ "lost forever", ~0u, .ret = -EAGAIN, .walks = KVM_WALK_MAX_RETRIES },
	{ "page unmapped meanwhile", 1, BIT_ULL(63), FAULT(TRANSLATION, 2) },
	{ "page out of reach meanwhile", 1, BIT_ULL(41) | DESC_AF | 3,
	  FAULT(ADDRESS_SIZE, 2) },
};

static const struct race_case s2_cases[] = {
	{ "updated by somebody else", 1, S2_LEAF | DESC_AF | BIT(7),
	  DONE(OUTPUT, 2, 0) },
	{ "Access flag set by somebody else", 1, S2_LEAF | DESC_AF,
	  DONE(OUTPUT, 2, 1) },
	{ "permission revoked meanwhile", 1, S2_LEAF & ~DESC_DBM,
	  FAULT(PERMISSION, 2) },
	{ "remapped meanwhile", 1, (S2_LEAF ^ OUTPUT) | OTHER_OUTPUT,
	  DONE(OTHER_OUTPUT, 2, 1) },
};

static const struct race_case s1_cases[] = {
	{ "updated by somebody else", 1, (S1_LEAF | DESC_AF) & ~BIT(7),
	  DONE(OUTPUT, 2, 0) },
	{ "Access flag set by somebody else", 1, S1_LEAF | DESC_AF,
	  DONE(OUTPUT, 2, 1) },
	{ "permission revoked meanwhile", 1, S1_LEAF & ~DESC_DBM,
	  FAULT(PERMISSION, 2) },
	{ "remapped meanwhile", 1, (S1_LEAF ^ OUTPUT) | OTHER_OUTPUT,
	  DONE(OTHER_OUTPUT, 2, 1) },
};

static void run_table(const struct race_case *cases, size_t n,
		      void (*run)(const struct race_case *c))
{
	for (size_t i = 0; i < n; i++) {
		current = &cases[i];
		run(current);
	}
}

void run_races(void)
{
	run_table(common, ARRAY_SIZE(common), race_s2);
	run_table(s2_cases, ARRAY_SIZE(s2_cases), race_s2);
	run_table(common, ARRAY_SIZE(common), race_s1);
	run_table(s1_cases, ARRAY_SIZE(s1_cases), race_s1);
}
