// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space tests of the nested-virtualization walkers: memory and KTAP.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/errno.h>

#include <asm/sysreg.h>

#include "harness.h"

FILE *human;

static FILE *ktap;
static char *ktap_text;
static size_t ktap_size;
static unsigned int ktap_tests, ktap_failures;

static FILE *ktap_file(void)
{
	if (!ktap)
		ktap = open_memstream(&ktap_text, &ktap_size);
	if (!ktap)
		abort();
	return ktap;
}

void ktap_ok(bool ok, const char *fmt, ...)
{
	va_list ap;

	fprintf(ktap_file(), "%s %u ", ok ? "ok" : "not ok", ++ktap_tests);
	va_start(ap, fmt);
	vfprintf(ktap, fmt, ap);
	va_end(ap);
	fputc('\n', ktap);
	ktap_failures += !ok;
}

void ktap_skip(const char *reason, const char *fmt, ...)
{
	va_list ap;

	fprintf(ktap_file(), "ok %u ", ++ktap_tests);
	va_start(ap, fmt);
	vfprintf(ktap, fmt, ap);
	va_end(ap);
	fprintf(ktap, " # SKIP %s\n", reason);
}

void ktap_diag(const char *fmt, ...)
{
	va_list ap;

	fputs("# ", ktap_file());
	va_start(ap, fmt);
	vfprintf(ktap, fmt, ap);
	va_end(ap);
	fputc('\n', ktap);
}

bool ktap_failed(void)
{
	return ktap_failures;
}

int ktap_finish(const char *path)
{
	FILE *f = path ? fopen(path, "w") : stdout;

	fclose(ktap_file());
	if (!f || fprintf(f, "KTAP version 1\n1..%u\n%s", ktap_tests,
			  ktap_text) < 0 || fflush(f)) {
		perror(path ? path : "standard output");
		return 1;
	}
	free(ktap_text);
	say("%u tests, %u failed%s%s", ktap_tests, ktap_failures,
	    path ? ": " : "", path ? path : "");
	return ktap_failures || !ktap_tests;
}

void say(const char *fmt, ...)
{
	va_list ap;

	if (!human)
		return;
	va_start(ap, fmt);
	vfprintf(human, fmt, ap);
	va_end(ap);
	fputc('\n', human);
	fflush(human);
}

const char *kind_name(enum kvm_fault_kind kind)
{
	static const char *const names[] = {
		[KVM_FAULT_NONE]	 = "no_kind",
		[KVM_FAULT_TRANSLATION]	 = "translation",
		[KVM_FAULT_ADDRESS_SIZE] = "address_size",
		[KVM_FAULT_ACCESS_FLAG]	 = "access_flag",
		[KVM_FAULT_PERMISSION]	 = "permission",
		[KVM_FAULT_ALIGNMENT]	 = "alignment",
		[KVM_FAULT_SEA_TTW]	 = "sea_ttw",
	};

	return (size_t)kind < ARRAY_SIZE(names) ?
	       names[kind] : "bad_kind";
}

const char *result_name(int ret, const struct kvm_walk_fault *fault)
{
	if (!ret)
		return "none";
	if (ret == KVM_WALK_FAULT)
		return kind_name(fault->kind);
	return ret == -EAGAIN ? "-EAGAIN" : "bad_result";
}

struct word *mem_find(struct mem *mem, u64 pa)
{
	unsigned int i;

	for (i = 0; i < mem->nwords; i++)
		if (mem->words[i].pa == pa)
			return &mem->words[i];
	return NULL;
}

void mem_set(struct mem *mem, u64 pa, u64 val)
{
	struct word *word = mem_find(mem, pa);

	if (!word) {
		if (mem->nwords == MEM_WORDS)
			abort();
		word = &mem->words[mem->nwords++];
	}
	*word = (struct word) { .pa = pa, .val = val };
}

static int mem_read(void *ctx, u64 pa, u64 *raw, struct kvm_walk_fault *fault)
{
	struct mem *mem = ctx;
	struct word *word = mem_find(mem, pa);

	if (mem->nreads < MEM_LOG)
		mem->reads[mem->nreads] = (struct log_read) {
			.pa = pa, .val = word ? word->val : 0, .abort = !word,
			.stage = fault->stage, .level = fault->level,
			.when = mem->nreads + mem->nwrites,
		};
	mem->nreads++;
	if (!word)
		return KVM_WALK_FAULT;
	*raw = word->val;
	return 0;
}

static int mem_cas(void *ctx, u64 pa, u64 old, u64 new,
		   struct kvm_walk_fault *fault)
{
	struct mem *mem = ctx;
	struct word *word;
	bool abort;

	if (mem->race)
		mem->race(mem, mem->ncas, pa);
	mem->ncas++;

	word = mem_find(mem, pa);
	abort = !word || word->ro;
	if (!abort && word->val != old)
		return -EAGAIN;

	if (mem->nwrites < MEM_LOG)
		mem->writes[mem->nwrites] = (struct log_write) {
			.pa = pa, .old = old, .new = new, .abort = abort,
			.stage = fault->stage, .level = fault->level,
			.when = mem->nreads + mem->nwrites,
		};
	mem->nwrites++;
	if (abort)
		return KVM_WALK_FAULT;
	word->val = new;
	return 0;
}

const struct kvm_walk_ops mem_ops = { .read = mem_read, .cas = mem_cas };

const struct kvm_s2_regs small_s2_regs = {
	.vtcr = 25ull << VTCR_EL2_T0SZ_SHIFT | 1ull << VTCR_EL2_SL0_SHIFT |
		2ull << VTCR_EL2_PS_SHIFT,
	.vttbr = SMALL_L1,
};

const struct kvm_s2_features small_s2_feat = {
	.pa_bits = 40, .gran = ALL_GRANULES, .haf = true, .hdbs = true,
};

const struct kvm_s1_regs small_s1_regs = {
	.regime	= KVM_REGIME_EL10,
	.tcr	= 25ull << TCR_EL1_T0SZ_SHIFT | 25ull << TCR_EL1_T1SZ_SHIFT |
		  2ull << TCR_EL1_IPS_SHIFT,
	.sctlr	= SCTLR_ELx_M | SCTLR_ELx_C | SCTLR_ELx_I,
	.ttbr	= { SMALL_L1, 0 },
	.mair	= 0xff,
	.hcrx	= ~0ull,
};

const struct kvm_s1_features small_s1_feat = {
	.pa_bits = 40, .gran = ALL_GRANULES, .haf = true, .hdbs = true,
};

void small_tables(struct mem *mem, u64 leaf)
{
	memset(mem, 0, sizeof(*mem));
	mem_set(mem, SMALL_L1, SMALL_L2 | 3);
	mem_set(mem, SMALL_L2_ENTRY, SMALL_L3 | 3);
	mem_set(mem, SMALL_LEAF, leaf);
}
