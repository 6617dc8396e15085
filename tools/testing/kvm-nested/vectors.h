/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Conformance vectors in memory: read by vecfile.c, run and judged by
 * vectors.c. The text format is described in vec2txt.py.
 */
#ifndef __KVM_NESTED_TEST_VECTORS_H
#define __KVM_NESTED_TEST_VECTORS_H

#include <stdio.h>

#include "harness.h"

#define MAX_OUTCOMES	12

struct leaf {
	u64 desc;
	int level, size, span;
	bool r, w, x1, x0;
};

/* A permitted outcome; -1 is "does not say", "" a memory type not given. */
struct outcome {
	char fault[16];
	int level, stage, s1ptw, write, off;
	bool has_ipa, has_leaf;
	u64 addr;
	unsigned int nreads, nwrites;
	struct log_read reads[MEM_LOG];
	struct log_write writes[MEM_LOG];
	struct leaf leaf;
	char type[8], inner[4], outer[4], sh[4];
};

struct vector {
	char id[16], group[64];
	bool full;
	u64 addr;
	char access[16];
	bool el0, pan, unaligned;
	u8 granule;			/* what TG0 shall mean, or 0 */
	char s1attr[8];
	u64 vtcr, vttbr, hcr, sctlr_el2;
	u64 tcr, sctlr, ttbr[2], mair;
	unsigned int id_parange, id_gran[3], id_gran_2[3];	/* 4K 16K 64K */
	unsigned int id_st, id_hafdbs, id_xnx, id_fwb;
	bool hpds, epan;
	struct mem mem;
	unsigned int nout;
	struct outcome out[MAX_OUTCOMES];
};

/* 1: a vector; 0: end of the file; -1: an error, which has been reported */
int vector_read(FILE *f, const char *path, unsigned int *line,
		struct vector *v);

#endif
