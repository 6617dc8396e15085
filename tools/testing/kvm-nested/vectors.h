/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Conformance vectors in memory: read by vecfile.c, run and judged by
 * vectors.c, shown by explain.c. The format is described with the vectors, in
 * tests/vectors/README.md.
 */
#ifndef __KVM_NESTED_TEST_VECTORS_H
#define __KVM_NESTED_TEST_VECTORS_H

#include <stdio.h>

#include "harness.h"

#define MAX_OUTCOMES	128

struct leaf {
	u64 desc;
	int level, size, span;
	bool r, w, x1, x0;
};

/* What an outcome does not say is not compared. */
#define NOT_SAID	(-99)

struct outcome {
	char fault[16];
	int level, stage, s1ptw, write;
	bool has_addr, has_leaf, has_reads, has_writes;
	u64 addr;			/* PA, or the faulting IPA */
	unsigned int nreads, nwrites;
	struct log_read reads[MEM_LOG];
	struct log_write writes[MEM_LOG];
	struct leaf leaf;
	char type[8], inner[4], outer[4], sh[4];	/* "": not said */
};

/* ID register fields: their values, as in the registers. */
struct vector_ids {
	unsigned int parange;
	unsigned int gran[3], gran_2[3];		/* 4K 16K 64K */
	unsigned int st, hafdbs, xnx, fwb, bbm, varange;
	unsigned int hpds, pan, e0pd, pauth;
};

struct vector {
	char id[32], group[64], tags[128];
	bool full;			/* both stages, from a VA */
	u64 addr;
	char access[16];
	bool el0, pan, unaligned;
	u8 bad_tg[2];			/* what a bad TG0, TG1 shall mean, or 0 */
	char s1attr[8];
	u64 vtcr, vttbr, hcr, sctlr_el2;
	u64 tcr, sctlr, ttbr[2], mair;
	struct vector_ids ids;
	struct mem mem;
	unsigned int nout;
	struct outcome out[MAX_OUTCOMES];
};

/* What the core made of a vector. */
struct verdict {
	int ret;
	struct kvm_walk_fault fault;
	struct kvm_s12_result res;	/* of stage 2 alone, without @s1 */
	struct kvm_access acc;
	struct kvm_s1_config s1_cfg;
	struct kvm_s2_regs s2_regs;
	struct kvm_s2_features s2_feat;
	struct kvm_s2_config s2_cfg;
	const char *differs;		/* NULL: right */
	unsigned int outcome;		/* which it equals */
};

/* Is there a translation by stage 2 in it? */
static inline bool has_leaf(const struct verdict *got)
{
	return !got->ret && !got->s2_cfg.off;
}

/* vecfile.c */

struct vecfile;

struct vecfile *vecfile_open(const char *path);
/* 1: a vector; 0: end of the file; -1: a line that is none, reported */
int vecfile_read(struct vecfile *file, struct vector *v);
/* The same, but vectors of other names are passed by. */
int vecfile_find(struct vecfile *file, const char *id, struct vector *v);
/* How much was not understood; each name is reported, with its count. */
unsigned int vecfile_close(struct vecfile *file);

/* vectors.c */

void judge_vector(struct vector *v, struct verdict *got);
void vector_file_name(const char *path, char *name, size_t size);

/* explain.c */

/* What came out, and what should have. */
void show_verdict(FILE *f, const struct vector *v, const struct verdict *got);
/* All of a walk, step by step. */
void explain_vector(FILE *f, const struct vector *v,
		    const struct verdict *got);

#endif
