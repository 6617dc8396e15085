// SPDX-License-Identifier: GPL-2.0-only
/*
 * Conformance vectors: reading the text that vec2txt.py makes. Anything that is
 * not understood is an error: a vector half read would prove nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "vectors.h"

#define MAX_WORDS	10
#define WORD_END	"\n "

struct line {
	char *w[MAX_WORDS];
	int n;
};

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", strcmp(from, "-") ? from : "");
}

static u64 num(const char *word)
{
	return strtoull(word, NULL, 0);
}

static int num_or_none(const char *word)
{
	return strcmp(word, "-") ? (int)strtol(word, NULL, 0) : -1;
}

static bool set_idreg(struct vector *v, const char *name, unsigned int val)
{
	unsigned int ignored;
	const struct { const char *name; unsigned int *field; } map[] = {
		{ "PARange", &v->id_parange },	{ "ST", &v->id_st },
		{ "TGran4", &v->id_gran[0] },	{ "TGran4_2", &v->id_gran_2[0] },
		{ "TGran16", &v->id_gran[1] },	{ "TGran16_2", &v->id_gran_2[1] },
		{ "TGran64", &v->id_gran[2] },	{ "TGran64_2", &v->id_gran_2[2] },
		{ "HAFDBS", &v->id_hafdbs },	{ "XNX", &v->id_xnx },
		{ "FWB", &v->id_fwb },
		/* no say in a stage-2 walk that never faults for nT */
		{ "BBM", &ignored },		{ "VARange", &ignored },
	};

	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		if (!strcmp(map[i].name, name)) {
			*map[i].field = val;
			return true;
		}
	}
	return false;
}

/* FEAT_* to the ID register fields that say the same. */
static bool set_feature(struct vector *v, const char *name)
{
	if (!strcmp(name, "FEAT_TTST"))
		v->id_st = 1;
	else if (!strcmp(name, "FEAT_XNX"))
		v->id_xnx = 1;
	else if (!strcmp(name, "FEAT_HAFDBS"))
		v->id_hafdbs = 2;
	else if (!strcmp(name, "FEAT_HPDS"))
		v->hpds = true;
	else if (!strcmp(name, "FEAT_PAN3"))
		v->epan = true;
	else
		return false;
	return true;
}

static bool set_pamax(struct vector *v, unsigned int bits)
{
	for (v->id_parange = 0; v->id_parange <= 6; v->id_parange++)
		if (kvm_pt_decode_pa_bits(v->id_parange) == bits)
			break;
	/* 4K, 16K and 64K, none in the format with 52-bit addresses */
	v->id_gran[1] = 1;
	return v->id_parange <= 6;
}

static bool set_register(struct vector *v, const char *name, u64 val)
{
	const struct { const char *name; u64 *reg; } map[] = {
		{ "VTCR_EL2", &v->vtcr },	{ "VTTBR_EL2", &v->vttbr },
		{ "HCR_EL2", &v->hcr },		{ "SCTLR_EL2", &v->sctlr_el2 },
		{ "TCR_EL1", &v->tcr },		{ "SCTLR_EL1", &v->sctlr },
		{ "TTBR0_EL1", &v->ttbr[0] },	{ "TTBR1_EL1", &v->ttbr[1] },
		{ "MAIR_EL1", &v->mair },
	};

	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		if (!strcmp(map[i].name, name)) {
			*map[i].reg = val;
			return true;
		}
	}
	return false;
}

static bool add_outcome(struct vector *v, const struct line *l)
{
	struct outcome *o;

	if (l->n != 8 || v->nout == MAX_OUTCOMES)
		return false;
	o = &v->out[v->nout++];
	memset(o, 0, sizeof(*o));
	copy(o->fault, sizeof(o->fault), l->w[1]);
	/* level -1 is a level, so "-" is not */
	o->level = strcmp(l->w[2], "-") ? atoi(l->w[2]) : 0;
	o->stage = num_or_none(l->w[3]);
	o->s1ptw = num_or_none(l->w[4]);
	o->has_ipa = strcmp(l->w[5], "-");
	o->addr = num(l->w[5]);
	o->write = num_or_none(l->w[6]);
	o->off = atoi(l->w[7]);
	return true;
}

static bool add_to_outcome(struct vector *v, const struct line *l)
{
	struct outcome *o = v->nout ? &v->out[v->nout - 1] : NULL;
	bool abort;

	if (!o)
		return false;

	switch (l->w[0][0]) {
	case 'r':
		if (l->n != 3 || o->nreads == MEM_LOG)
			return false;
		abort = !strcmp(l->w[2], "abort");
		o->reads[o->nreads++] = (struct log_read) {
			num(l->w[1]), abort ? 0 : num(l->w[2]), abort,
		};
		return true;
	case 'w':
		if (l->n != 5 || o->nwrites == MEM_LOG)
			return false;
		o->writes[o->nwrites++] = (struct log_write) {
			num(l->w[1]), num(l->w[2]), num(l->w[3]), num(l->w[4]),
		};
		return true;
	case 'L':
		o->has_leaf = l->n == 9;
		if (o->has_leaf)
			o->leaf = (struct leaf) {
				num(l->w[1]), num_or_none(l->w[2]),
				num(l->w[3]), num(l->w[4]), num(l->w[5]),
				num(l->w[6]), num(l->w[7]), num(l->w[8]),
			};
		return o->has_leaf;
	case 'T':
		if (l->n != 5)
			return false;
		copy(o->type, sizeof(o->type), l->w[1]);
		copy(o->inner, sizeof(o->inner), l->w[2]);
		copy(o->outer, sizeof(o->outer), l->w[3]);
		copy(o->sh, sizeof(o->sh), l->w[4]);
		return true;
	default:
		return false;
	}
}

static bool set_access(struct vector *v, const struct line *l)
{
	if (l->n != 5)
		return false;
	copy(v->access, sizeof(v->access), l->w[1]);
	v->el0 = !num(l->w[2]);
	v->pan = num(l->w[3]);
	v->unaligned = num(l->w[4]);
	return true;
}

static bool add_memory(struct vector *v, const struct line *l)
{
	struct word *word;

	if (l->w[0][0] == 'M') {
		if (l->n != 3)
			return false;
		mem_set(&v->mem, num(l->w[1]), num(l->w[2]));
		return true;
	}

	word = l->n == 2 ? mem_find(&v->mem, num(l->w[1])) : NULL;
	if (word)
		word->ro = true;
	return word;
}

static void begin(struct vector *v, const struct line *l)
{
	/* outcomes are cleared one by one, as they are used */
	memset(v, 0, offsetof(struct vector, out));
	/* s2cfg says nothing of HCR_EL2: stage 2 is on */
	v->hcr = BIT(0);
	copy(v->id, sizeof(v->id), l->w[1]);
	copy(v->group, sizeof(v->group), l->w[2]);
}

static bool parse(struct vector *v, const struct line *l)
{
	switch (l->w[0][0]) {
	case 'V':
		if (l->n != 3)
			return false;
		begin(v, l);
		return true;
	case 'I':
		return l->n == 3 && set_idreg(v, l->w[1], num(l->w[2]));
	case 'F':
		return l->n == 2 && set_feature(v, l->w[1]);
	case 'P':
		return l->n == 2 && set_pamax(v, num(l->w[1]));
	case 'R':
		return l->n == 3 && set_register(v, l->w[1], num(l->w[2]));
	case 'X':
		if (l->n != 3)
			return false;
		v->full = !strcmp(l->w[1], "full");
		v->addr = num(l->w[2]);
		return true;
	case 'A':
		return set_access(v, l);
	case 'G':
		v->granule = l->n == 2 ? num(l->w[1]) : 0;
		return v->granule;
	case 'S':
		if (l->n == 2)
			copy(v->s1attr, sizeof(v->s1attr), l->w[1]);
		return l->n == 2;
	case 'M':
	case 'O':
		return add_memory(v, l);
	case 'E':
		return add_outcome(v, l);
	default:
		return add_to_outcome(v, l);
	}
}

static void split(char *text, struct line *l)
{
	char *save = NULL, *word = strtok_r(text, WORD_END, &save);

	for (l->n = 0; word && l->n < MAX_WORDS; l->n++) {
		l->w[l->n] = word;
		word = strtok_r(NULL, WORD_END, &save);
	}
}

int vector_read(FILE *f, const char *path, unsigned int *line,
		struct vector *v)
{
	char text[256], shown[256];
	struct line l;

	while (fgets(text, sizeof(text), f)) {
		++*line;
		memcpy(shown, text, sizeof(shown));
		split(text, &l);
		if (l.n == 1 && !strcmp(l.w[0], "."))
			return 1;
		if (!l.n || !parse(v, &l)) {
			ktap_diag("%s:%u: not understood: %.*s", path, *line,
				  (int)strcspn(shown, "\n"), shown);
			return -1;
		}
	}
	return 0;
}
