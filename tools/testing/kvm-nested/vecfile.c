// SPDX-License-Identifier: GPL-2.0-only
/*
 * Conformance vectors: from JSON lines, compressed or not, to struct vector.
 *
 * What a vector does not say has a default that changes nothing: EL1, a read,
 * stage 2 on, all granules, no feature. A name that nobody here knows is not
 * passed over in silence: the vector is judged without it, since its outcomes
 * say what is right, and the name is reported when the file is closed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include <zlib.h>

#include "vectors.h"

#define MAX_UNKNOWN	64

struct unknown {
	char name[64];
	unsigned int count;
};

struct vecfile {
	void *gz;		/* zlib's handle */
	char name[32];
	char *text;
	size_t size;
	unsigned int line, nunknown;
	bool damaged;
	struct unknown unknown[MAX_UNKNOWN];
};

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

#define COPY(to, from)	copy(to, sizeof(to), from)

/* A number, or a string that is one; integers of JSON end at 63 bits. */
static u64 num(const json_t *item)
{
	if (json_is_string(item))
		return strtoull(json_string_value(item), NULL, 0);
	return json_is_true(item) ? 1 : json_integer_value(item);
}

static s64 num_or(const json_t *item, s64 otherwise)
{
	return item && !json_is_null(item) ? (s64)num(item) : otherwise;
}

static const char *str(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void unknown(struct vecfile *file, const char *what, const char *name)
{
	char both[64];
	unsigned int i;

	snprintf(both, sizeof(both), "%s %s", what, name);
	for (i = 0; i < file->nunknown; i++)
		if (!strcmp(file->unknown[i].name, both))
			break;
	if (i == MAX_UNKNOWN)
		return;
	if (i == file->nunknown)
		COPY(file->unknown[file->nunknown++].name, both);
	file->unknown[i].count++;
}

/* Names that say nothing about a translation, or nothing that has a choice. */
static const char *const harmless[] = {
	/* of vectors */
	"id", "expect", "cfg", "choices", "comment", "seed", "source",
	/* of features: what is always there, or has no say in a walk */
	"FEAT_LPA", "FEAT_VHE", "FEAT_TTL", "FEAT_TTCNP", "FEAT_VMID16",
	"FEAT_CSV2", "FEAT_RAS", "FEAT_PAN", "FEAT_PAN2", "FEAT_ASID16",
	"FEAT_NV", "FEAT_NV2", "FEAT_LSE", "FEAT_XS", "FEAT_HPDS2",
	"FEAT_BBM", "FEAT_AA32EL0", "FEAT_UAO", "FEAT_EVT", "FEAT_FGT",
	/* of ID register fields */
	"ASIDBits", "VMIDBits", "CnP", "TTL", "HCX", "VH", "BigEnd", "NV",
};

static bool is_harmless(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (!strcmp(harmless[i], name))
			return true;
	return false;
}

struct id_field {
	const char *name;
	unsigned int *field;
	unsigned int value;
};

static bool set_field(const struct id_field *map, size_t n, const char *name,
		      const json_t *value)
{
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		if (!strcmp(map[i].name, name)) {
			*map[i].field = value ? num(value) : map[i].value;
			found = true;
		}
	}
	return found;
}

static bool set_idreg(struct vector_ids *ids, const char *name,
		      const json_t *value)
{
	const struct id_field map[] = {
		{ "PARange", &ids->parange },	{ "ST", &ids->st },
		{ "TGran4", &ids->gran[0] },	{ "TGran4_2", &ids->gran_2[0] },
		{ "TGran16", &ids->gran[1] },	{ "TGran16_2", &ids->gran_2[1] },
		{ "TGran64", &ids->gran[2] },	{ "TGran64_2", &ids->gran_2[2] },
		{ "HAFDBS", &ids->hafdbs },	{ "XNX", &ids->xnx },
		{ "FWB", &ids->fwb },		{ "BBM", &ids->bbm },
		{ "VARange", &ids->varange },	{ "HPDS", &ids->hpds },
		{ "PAN", &ids->pan },		{ "E0PD", &ids->e0pd },
	};

	return set_field(map, ARRAY_SIZE(map), name, value) || is_harmless(name);
}

/* FEAT_* to the ID register fields that say the same; some are in two. */
static bool set_feature(struct vector_ids *ids, const char *name)
{
	const struct id_field map[] = {
		{ "FEAT_TTST", &ids->st, 1 },	{ "FEAT_XNX", &ids->xnx, 1 },
		{ "FEAT_HAFDBS", &ids->hafdbs, 2 },
		{ "FEAT_HPDS", &ids->hpds, 1 },	{ "FEAT_PAN3", &ids->pan, 3 },
		{ "FEAT_S2FWB", &ids->fwb, 1 },	{ "FEAT_LVA", &ids->varange, 1 },
		{ "FEAT_E0PD", &ids->e0pd, 1 },	{ "FEAT_PAuth", &ids->pauth, 1 },
		{ "FEAT_LPA2", &ids->gran[0], 1 },
		{ "FEAT_LPA2", &ids->gran[1], 2 },
	};

	return set_field(map, ARRAY_SIZE(map), name, NULL) || is_harmless(name);
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

/*
 * Choices. The granule of a bad TG0 or TG1 is a parameter of the core; all
 * others have been made, and the outcomes say what is permitted.
 */
static void set_choice(struct vector *v, const char *name, u64 val)
{
	static const u8 tg0[4] = { 12, 16, 14 }, tg1[4] = { 0, 14, 12, 16 };

	if (!strcmp(name, "TG0 encoded granule size"))
		v->bad_tg[0] = tg0[val & 3];
	else if (!strcmp(name, "TG1 encoded granule size"))
		v->bad_tg[1] = tg1[val & 3];
}

static bool set_pamax(struct vector_ids *ids, u64 bits)
{
	for (ids->parange = 0; ids->parange <= 6; ids->parange++)
		if (kvm_pt_decode_pa_bits(ids->parange) == bits)
			return true;
	return false;
}

/* Tags that say how a vector came about, not what it is about. */
static const char *const quiet_tags[] = {
	"corner", "choice", "choice_attr_only",
};

/* Where parts and editions may differ: groups of their own. */
static const char *const care_tags[] = {
	"edition_dependent", "contig_inconsistent", "hi52_small_ps", "ps7",
};

static bool among(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

/* The class that a vector counts for. */
static void set_group(struct vector *v, const json_t *tags, const json_t *cfg)
{
	const char *name, *care = NULL;
	size_t i;
	json_t *tag;
	FILE *f = fmemopen(v->group, sizeof(v->group), "w");
	FILE *all = fmemopen(v->tags, sizeof(v->tags), "w");

	json_array_foreach(tags, i, tag) {
		name = json_string_value(tag);
		if (!name)
			continue;
		fprintf(all, "%s ", name);
		if (!care && among(care_tags, ARRAY_SIZE(care_tags), name))
			care = name;
		if (!among(quiet_tags, ARRAY_SIZE(quiet_tags), name))
			fprintf(f, "%s%s", ftell(f) ? "+" : "", name);
	}
	fclose(f);
	fclose(all);
	if (care)
		COPY(v->group, care);
	if (v->group[0])
		return;
	name = str(cfg, "granule");
	COPY(v->group, name ? name : v->access);
}

static bool set_memory(struct vector *v, const json_t *mem, const json_t *ro)
{
	struct word *word;
	json_t *item;
	size_t i;

	json_array_foreach(mem, i, item) {
		if (v->mem.nwords == MEM_WORDS)
			return false;
		mem_set(&v->mem, num(json_array_get(item, 0)),
			num(json_array_get(item, 1)));
	}
	json_array_foreach(ro, i, item) {
		word = mem_find(&v->mem, num(item));
		if (word)
			word->ro = true;
	}
	return true;
}

static bool set_traffic(struct outcome *o, const json_t *reads,
			const json_t *writes)
{
	json_t *item, *word;
	bool abort;
	size_t i;

	o->has_reads = reads;
	o->has_writes = writes;
	if (json_array_size(reads) > MEM_LOG || json_array_size(writes) > MEM_LOG)
		return false;

	json_array_foreach(reads, i, item) {
		word = json_array_get(item, 1);
		abort = json_is_string(word) &&
			!strcmp(json_string_value(word), "abort");
		o->reads[o->nreads++] = (struct log_read) {
			.pa = num(json_array_get(item, 0)),
			.val = abort ? 0 : num(word), .abort = abort,
		};
	}
	json_array_foreach(writes, i, item)
		o->writes[o->nwrites++] = (struct log_write) {
			.pa = num(json_array_get(item, 0)),
			.old = num(json_array_get(item, 1)),
			.new = num(json_array_get(item, 2)),
			.abort = json_array_size(item) > 3,
		};
	return true;
}

static void set_leaf(struct outcome *o, const json_t *leaf)
{
	o->has_leaf = leaf;
	if (!leaf)
		return;
	o->leaf = (struct leaf) {
		.desc	= num(json_object_get(leaf, "desc")),
		.level	= num(json_object_get(leaf, "level")),
		.size	= num(json_object_get(leaf, "size_log2")),
		.span	= num(json_object_get(leaf, "span_log2")),
		.r	= num(json_object_get(leaf, "r")),
		.w	= num(json_object_get(leaf, "w")),
		.x1	= num(json_object_get(leaf, "x_el1")),
		.x0	= num(json_object_get(leaf, "x_el0")),
	};
}

static bool add_outcome(struct vector *v, const json_t *out)
{
	const char *fault = str(out, "fault");
	struct outcome *o = &v->out[v->nout];
	json_t *attr = json_object_get(out, "attr"), *addr;
	const char *type = str(attr, "type");

	if (!fault || v->nout == MAX_OUTCOMES)
		return false;

	addr = json_object_get(out, strcmp(fault, "none") ? "fault_ipa" : "pa");
	v->nout++;
	*o = (struct outcome) {
		.level = num_or(json_object_get(out, "level"), NOT_SAID),
		.stage = num_or(json_object_get(out, "stage"), NOT_SAID),
		.s1ptw = num_or(json_object_get(out, "s2fs1walk"), NOT_SAID),
		.write = num_or(json_object_get(out, "fault_write"), NOT_SAID),
		.addr = num(addr),
		.has_addr = addr && !json_is_null(addr),
	};
	COPY(o->fault, fault);
	if (type) {
		COPY(o->type, strcmp(type, "device") ? type : str(attr, "device"));
		COPY(o->inner, str(attr, "inner"));
		COPY(o->outer, str(attr, "outer"));
		COPY(o->sh, str(attr, "sh"));
	}
	set_leaf(o, json_object_get(out, "leaf"));
	return set_traffic(o, json_object_get(out, "reads"),
			   json_object_get(out, "writes"));
}

static bool set_outcomes(struct vector *v, const json_t *expect)
{
	json_t *out;
	size_t i;

	if (!add_outcome(v, expect))
		return false;
	json_array_foreach(json_object_get(expect, "outcomes"), i, out)
		if (!add_outcome(v, out))
			return false;
	return true;
}

static void set_names(struct vecfile *file, struct vector *v, json_t *root)
{
	json_t *item;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(root, "features"), i, item) {
		name = json_string_value(item);
		if (!name || !set_feature(&v->ids, name))
			unknown(file, "feature", name ? name : "without a name");
	}
	json_object_foreach(json_object_get(root, "idregs"), name, item)
		if (!set_idreg(&v->ids, name, item))
			unknown(file, "ID register field", name);
	json_object_foreach(json_object_get(root, "regs"), name, item)
		if (!set_register(v, name, num(item)))
			unknown(file, "register", name);
	json_object_foreach(json_object_get(root, "impdef"), name, item)
		set_choice(v, name, num(item));
}

static void check_keys(struct vecfile *file, json_t *root)
{
	static const char *const known[] = {
		"mode", "regs", "idregs", "pamax", "features", "mem", "ro",
		"ipa", "va", "access", "el", "pan", "unaligned", "s1attr",
		"impdef", "tags",
	};
	const char *key;
	json_t *item;

	json_object_foreach(root, key, item)
		if (!among(known, ARRAY_SIZE(known), key) && !is_harmless(key))
			unknown(file, "field", key);
}

/* NULL, or what cannot be made sense of. */
static const char *set_vector(struct vecfile *file, struct vector *v,
			      json_t *root)
{
	json_t *pamax = json_object_get(root, "pamax");
	json_t *va = json_object_get(root, "va");
	const char *mode = str(root, "mode");

	memset(v, 0, offsetof(struct vector, out));
	v->hcr = BIT(0);
	v->ids.parange = 5;
	v->ids.gran[1] = 1;
	COPY(v->id, str(root, "id"));
	COPY(v->access, str(root, "access") ?: "read");
	COPY(v->s1attr, str(root, "s1attr"));
	v->full = mode ? !strcmp(mode, "full") : !!va;
	v->addr = num(v->full ? va : json_object_get(root, "ipa"));
	v->el0 = !num_or(json_object_get(root, "el"), 1);
	v->pan = num(json_object_get(root, "pan"));
	v->unaligned = num(json_object_get(root, "unaligned"));

	check_keys(file, root);
	if (mode && !v->full && strcmp(mode, "s2"))
		return "mode";
	if (pamax && !set_pamax(&v->ids, num(pamax)))
		return "pamax";
	set_names(file, v, root);
	set_group(v, json_object_get(root, "tags"), json_object_get(root, "cfg"));
	if (!set_memory(v, json_object_get(root, "mem"),
			json_object_get(root, "ro")))
		return "mem: too many words";
	if (!set_outcomes(v, json_object_get(root, "expect")))
		return "expect";
	return NULL;
}

struct vecfile *vecfile_open(const char *path)
{
	struct vecfile *file = calloc(1, sizeof(*file));

	if (!file)
		abort();
	vector_file_name(path, file->name, sizeof(file->name));
	/* reads what is not compressed just as well */
	file->gz = gzopen(path, "r");
	if (file->gz) {
		gzbuffer(file->gz, 1 << 17);
		return file;
	}
	ktap_diag("%s: cannot be opened", path);
	free(file);
	return NULL;
}

/* A line, without its end, whatever its length; NULL at the end. */
static char *next_line(struct vecfile *file)
{
	size_t len = 0;

	for (;;) {
		if (file->size < len + 4096) {
			file->size = 2 * file->size + 8192;
			file->text = realloc(file->text, file->size);
			if (!file->text)
				abort();
		}
		if (!gzgets(file->gz, file->text + len, file->size - len))
			break;
		len += strlen(file->text + len);
		if (len && file->text[len - 1] == '\n')
			break;
	}
	if (!len)
		return NULL;
	file->line++;
	file->text[len - (file->text[len - 1] == '\n')] = '\0';
	return file->text;
}

static int parse(struct vecfile *file, const char *text, struct vector *v)
{
	const char *what;
	json_error_t error;
	json_t *root = json_loads(text, 0, &error);

	if (!root) {
		ktap_diag("%s:%u:%d: not JSON: %s", file->name, file->line,
			  error.column, error.text);
		return -1;
	}
	what = json_is_object(root) ? set_vector(file, v, root) : "not an object";
	json_decref(root);
	if (!what)
		return 1;
	ktap_diag("%s:%u: %s: not understood: %s", file->name, file->line,
		  v->id, what);
	return -1;
}

int vecfile_read(struct vecfile *file, struct vector *v)
{
	int error;
	char *text;

	do
		text = next_line(file);
	while (text && !text[strspn(text, " \t\r")]);
	if (text)
		return parse(file, text, v);

	gzerror(file->gz, &error);
	if (error == Z_OK || error == Z_STREAM_END)
		return 0;
	ktap_diag("%s:%u: the file is damaged", file->name, file->line);
	file->damaged = true;
	return 0;
}

int vecfile_find(struct vecfile *file, const char *id, struct vector *v)
{
	char *text;

	while ((text = next_line(file)) != NULL) {
		if (!strstr(text, id) || parse(file, text, v) < 0)
			continue;
		if (!strcmp(v->id, id))
			return 1;
	}
	return 0;
}

unsigned int vecfile_close(struct vecfile *file)
{
	unsigned int i, n = file->nunknown + file->damaged;

	for (i = 0; i < file->nunknown; i++)
		ktap_diag("%s: %s: not known, and judged without (%u times)",
			  file->name, file->unknown[i].name,
			  file->unknown[i].count);
	gzclose(file->gz);
	free(file->text);
	free(file);
	return n;
}
