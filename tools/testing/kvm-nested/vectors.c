// SPDX-License-Identifier: GPL-2.0-only
/*
 * Conformance vectors: each is walked, and judged by what the architecture
 * permits for it: fault, level, stage, address, the descriptors fetched and
 * updated, in their order, and with a translation the leaf and memory type.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/bitfield.h>
#include <linux/errno.h>

#include <asm/sysreg.h>

#include "vectors.h"

#define MAX_GROUPS	256
#define MAX_SHOWN	5	/* failures in detail, per group */
#define MAX_KINDS	16	/* of difference, per group */

struct group {
	char name[64], first[32];	/* vector that differs */
	unsigned int run, failed, nkinds;
	struct { const char *name; unsigned int count; } kinds[MAX_KINDS];
	char *details;
	size_t details_size;
	FILE *f;
};

/* Vector to arguments */

/* ID_AA64MMFR0_EL1.TGran{4,16,64}: implemented, and with LPA2 */
static const unsigned int s1_has[3] = { 0, 1, 0 };
static const unsigned int s1_lpa2[3] = { 1, 2, 16 };

static bool s1_has_gran(const struct vector_ids *ids, unsigned int i)
{
	return ids->gran[i] == s1_has[i] || ids->gran[i] == s1_lpa2[i];
}

static void s1_features(const struct vector *v, struct kvm_s1_features *feat)
{
	const struct vector_ids *ids = &v->ids;

	*feat = (struct kvm_s1_features) {
		.pa_bits = kvm_pt_decode_pa_bits(ids->parange),
		/* only one of the two ranges is walked */
		.bad_tg	 = v->bad_tg[v->addr >> 55 & 1],
		.lva	 = ids->varange,
		.ttst	 = ids->st,
		.haf	 = ids->hafdbs >= 1,
		.hdbs	 = ids->hafdbs >= 2,
		.hpds	 = ids->hpds,
		.pan	 = true,
		.epan	 = ids->pan >= 3,
		.e0pd	 = ids->e0pd,
		.tbid	 = ids->pauth,
		.asid16	 = true,
	};

	for (unsigned int i = 0; i < 3; i++) {
		if (s1_has_gran(ids, i))
			feat->gran |= BIT(12 + 2 * i);
		if (ids->gran[i] == s1_lpa2[i])
			feat->lpa2 |= BIT(12 + 2 * i);
	}
}

static void s2_granules(const struct vector_ids *ids,
			struct kvm_s2_features *feat)
{
	for (unsigned int i = 0; i < 3; i++) {
		u32 bit = BIT(12 + 2 * i);

		switch (ids->gran_2[i]) {
		case 0:		/* as stage 1 */
			if (s1_has_gran(ids, i))
				feat->gran |= bit;
			if (ids->gran[i] == s1_lpa2[i])
				feat->lpa2 |= bit;
			break;
		case 1:		/* not at stage 2 */
			break;
		case 3:
			feat->lpa2 |= bit;
			feat->gran |= bit;
			break;
		default:
			feat->gran |= bit;
		}
	}
}

static void s2_features(const struct vector *v, struct kvm_s2_features *feat)
{
	static const u8 shift[4] = { 12, 16, 14, 0 };
	u8 asked = shift[FIELD_GET(VTCR_EL2_TG0_MASK, v->vtcr)];

	*feat = (struct kvm_s2_features) {
		.pa_bits = kvm_pt_decode_pa_bits(v->ids.parange),
		.bad_tg	 = v->bad_tg[0],
		.ttst	 = v->ids.st,
		.xnx	 = v->ids.xnx,
		.haf	 = v->ids.hafdbs >= 1,
		.hdbs	 = v->ids.hafdbs >= 2,
	};
	s2_granules(&v->ids, feat);

	/*
	 * FEAT_LPA2 is one feature to the specification. The vectors have it if
	 * the granule that TG0 asks for has it, also where another one takes
	 * its place; a reserved TG0 asks for none.
	 */
	if (!asked || !(feat->lpa2 & BIT(asked)))
		feat->lpa2 = 0;
}

static void configure(const struct vector *v, struct verdict *got)
{
	const struct kvm_s1_regs s1_regs = {
		.regime	= KVM_REGIME_EL10,
		.tcr	= v->tcr,
		.sctlr	= v->sctlr,
		.ttbr	= { v->ttbr[0], v->ttbr[1] },
		.mair	= v->mair,
		.hcr	= v->hcr,
	};
	struct kvm_s1_features s1_feat;

	s1_features(v, &s1_feat);
	kvm_s1_configure(&s1_regs, &s1_feat, &got->s1_cfg);

	got->s2_regs = (struct kvm_s2_regs) {
		.vtcr	    = v->vtcr,
		.vttbr	    = v->vttbr,
		.big_endian = v->sctlr_el2 & SCTLR_ELx_EE,
		.ptw	    = v->hcr & HCR_EL2_PTW,
		.fwb	    = v->ids.fwb && (v->hcr & HCR_EL2_FWB),
		.cd	    = v->hcr & HCR_EL2_CD,
		.off	    = !(v->hcr & (HCR_EL2_VM | HCR_EL2_DC)),
	};
	s2_features(v, &got->s2_feat);
	kvm_s2_configure(&got->s2_regs, &got->s2_feat, &got->s2_cfg);
}

static bool make_access(const struct vector *v, struct kvm_access *acc)
{
	static const struct {
		const char *name;
		enum kvm_access_type el1, el0;
		bool pan;		/* PSTATE.PAN applies */
	} map[] = {
		{ "read",	KVM_ACC_READ, KVM_ACC_READ, true },
		{ "write",	KVM_ACC_WRITE, KVM_ACC_WRITE, true },
		{ "rmw",	KVM_ACC_RMW, KVM_ACC_RMW, true },
		{ "exec",	KVM_ACC_EXEC, KVM_ACC_EXEC, false },
		{ "ttw",	KVM_ACC_TTW, KVM_ACC_TTW, false },
		{ "ttw_update",	KVM_ACC_TTW_UPDATE, KVM_ACC_TTW_UPDATE, false },
		{ "at_read",	KVM_ACC_AT_READ, KVM_ACC_AT_READ, false },
		{ "at_write",	KVM_ACC_AT_WRITE, KVM_ACC_AT_WRITE, false },
		{ "dc_civac",	KVM_ACC_CMO, KVM_ACC_CMO_READ, false },
		{ "dc_ivac",	KVM_ACC_CMO_WRITE, KVM_ACC_CMO_WRITE, false },
		{ "ic",		KVM_ACC_CMO, KVM_ACC_CMO, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		if (strcmp(map[i].name, v->access))
			continue;
		*acc = (struct kvm_access) {
			.type	   = v->el0 ? map[i].el0 : map[i].el1,
			.el0	   = v->el0,
			.pan	   = v->pan && map[i].pan,
			.unaligned = v->unaligned,
		};
		return true;
	}
	return false;
}

/* The type that stage 1 has given, for what stage 2 makes of it. */
static bool s1_attr(const struct vector *v, struct kvm_mem_attr *attr)
{
	static const struct { const char *name; u8 mair, sh; } map[] = {
		{ "", 0xff, 3 },	{ "nc", 0x44, 2 },
		{ "wt", 0xbb, 3 },	{ "GRE", 0x0c, 2 },
		{ "nGnRnE", 0x00, 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		if (!strcmp(map[i].name, v->s1attr)) {
			*attr = (struct kvm_mem_attr) { map[i].mair, map[i].sh };
			return true;
		}
	}
	return false;
}

/* Walk */

static void walk_s2(struct vector *v, struct verdict *got)
{
	const struct kvm_walk_mem mem = { &mem_ops, &v->mem };
	struct kvm_s12_result *res = &got->res;

	got->acc.s1_device = !(res->attr.mair >> 4);
	got->ret = kvm_s2_walk(&got->s2_cfg, &mem, v->addr, &got->acc, &res->s2,
			       &got->fault);
	if (!got->ret)
		kvm_s2_combine_attr(&got->s2_cfg, res->s2.leaf.desc, &res->attr);
}

static void walk_full(struct vector *v, struct verdict *got)
{
	struct kvm_s1_mem mem = {
		.s2 = got->s2_cfg, .phys = { &mem_ops, &v->mem },
	};

	got->ret = kvm_s12_walk(&got->s1_cfg, &mem, v->addr, &got->acc,
				&got->res, &got->fault);
}

/* Verdict */

static bool same_reads(const struct mem *mem, const struct outcome *o)
{
	if (!o->has_reads)
		return true;
	if (mem->nreads != o->nreads)
		return false;
	for (unsigned int i = 0; i < o->nreads; i++)
		if (mem->reads[i].pa != o->reads[i].pa ||
		    mem->reads[i].abort != o->reads[i].abort ||
		    mem->reads[i].val != o->reads[i].val)
			return false;
	return true;
}

static bool same_writes(const struct mem *mem, const struct outcome *o)
{
	if (!o->has_writes)
		return true;
	if (mem->nwrites != o->nwrites)
		return false;
	for (unsigned int i = 0; i < o->nwrites; i++)
		if (mem->writes[i].pa != o->writes[i].pa ||
		    mem->writes[i].abort != o->writes[i].abort ||
		    mem->writes[i].old != o->writes[i].old ||
		    mem->writes[i].new != o->writes[i].new)
			return false;
	return true;
}

static const char *nibble_name(u8 nibble)
{
	if (nibble == 4)
		return "NC";
	return nibble & 4 ? "WB" : "WT";
}

/* A fetch and a stage-1 walk are cached by other rules than data. */
static bool same_attr(const struct vector *v, const struct outcome *o,
		      const struct kvm_mem_attr *attr)
{
	static const char *const sh[] = { "NSH", "?", "OSH", "ISH" };
	static const char *const dev[] = { "nGnRnE", "nGnRE", "nGRE", "GRE" };

	if (!o->type[0] || !strcmp(v->access, "exec") ||
	    !strncmp(v->access, "ttw", 3))
		return true;
	if (strcmp(o->sh, sh[attr->sh & 3]))
		return false;
	if (!(attr->mair >> 4))
		return !strcmp(o->type, dev[(attr->mair >> 2) & 3]);
	return !strcmp(o->type, "normal") &&
	       !strcmp(o->outer, nibble_name(attr->mair >> 4)) &&
	       !strcmp(o->inner, nibble_name(attr->mair & 0xf));
}

/*
 * The vectors have the descriptor as it was fetched, the result has it as the
 * access leaves it; and to the vectors, what writes make dirty is writable.
 */
static bool same_leaf(const struct vector *v, const struct outcome *o,
		      const struct kvm_s2_result *res)
{
	const struct leaf *want = &o->leaf;
	u64 desc = want->desc;

	if (!o->has_leaf)
		return true;

	for (unsigned int i = 0; i < o->nwrites; i++) {
		if (o->writes[i].pa != res->leaf.desc_pa)
			continue;
		desc = o->writes[i].new;
		if (v->sctlr_el2 & SCTLR_ELx_EE)
			desc = __builtin_bswap64(desc);
	}

	return desc == res->leaf.desc &&
	       want->level == res->leaf.level &&
	       want->size == res->leaf.shift &&
	       want->span == res->leaf.contig_shift &&
	       want->r == res->readable &&
	       want->w == (res->writable || res->dirty_managed) &&
	       want->x1 == res->exec_el1 && want->x0 == res->exec_el0;
}

/*
 * Whether a fault is of a write is compared for accesses by the program alone:
 * ESR_ELx.WnR of maintenance and of AT is 1 in any case, and for a stage-1 walk
 * the vectors tell of the access behind the walk, the walker of the walk.
 */
static bool same_write(const struct vector *v, const struct outcome *o,
		       const struct kvm_walk_fault *fault)
{
	static const char *const program[] = { "read", "write", "rmw", "exec" };

	if (o->write == NOT_SAID || o->s1ptw == 1)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(program); i++)
		if (!strcmp(program[i], v->access))
			return o->write == fault->write;
	return true;
}

static const char *fault_differs(const struct vector *v,
				 const struct outcome *o,
				 const struct kvm_walk_fault *fault)
{
	if (o->level != NOT_SAID && o->level != fault->level)
		return "level";
	if (o->stage != NOT_SAID && o->stage != fault->stage)
		return "stage";
	if (o->s1ptw != NOT_SAID && o->s1ptw != fault->s1ptw)
		return "s1ptw";
	if (o->stage == 2 && o->has_addr && o->addr != fault->ipa)
		return "fault ipa";
	return same_write(v, o, fault) ? NULL : "fault write";
}

/* NULL, or what differs. */
static const char *differs(const struct vector *v, const struct outcome *o,
			   const struct verdict *got)
{
	const char *what;

	if (strcmp(o->fault, result_name(got->ret, &got->fault)))
		return "fault";
	if (got->ret) {
		what = fault_differs(v, o, &got->fault);
		if (what)
			return what;
	} else if (o->has_addr && o->addr != got->res.s2.oa) {
		return "pa";
	}
	if (!same_writes(&v->mem, o))
		return "writes";
	if (!same_reads(&v->mem, o))
		return "reads";
	if (!got->ret && !same_attr(v, o, &got->res.attr))
		return "memory type";
	if (has_leaf(got) && !same_leaf(v, o, &got->res.s2))
		return "leaf";
	return NULL;
}

void judge_vector(struct vector *v, struct verdict *got)
{
	const char *what;

	*got = (struct verdict) { .differs = "vocabulary: access" };
	if (!make_access(v, &got->acc))
		return;
	got->differs = "vocabulary: s1attr";
	if (!s1_attr(v, &got->res.attr))
		return;

	configure(v, got);
	if (v->full)
		walk_full(v, got);
	else
		walk_s2(v, got);

	/* Any permitted outcome will do; the first is what is shown if none. */
	for (unsigned int i = v->nout; i--;) {
		what = differs(v, &v->out[i], got);
		got->outcome = i;
		got->differs = what;
		if (!what)
			return;
	}
}

/* Report */

static void count_kind(struct group *g, const char *kind)
{
	unsigned int i;

	for (i = 0; i < g->nkinds; i++)
		if (!strcmp(g->kinds[i].name, kind))
			break;
	if (i == MAX_KINDS)
		return;
	if (i == g->nkinds)
		g->kinds[g->nkinds++].name = kind;
	g->kinds[i].count++;
}

static void run_vector(struct vector *v, struct group *g)
{
	struct verdict got;

	judge_vector(v, &got);
	g->run++;
	if (!got.differs)
		return;
	count_kind(g, got.differs);
	if (!g->failed)
		memcpy(g->first, v->id, sizeof(g->first));
	if (g->failed++ >= MAX_SHOWN)
		return;
	if (!g->f)
		g->f = open_memstream(&g->details, &g->details_size);
	if (!g->f)
		abort();
	show_verdict(g->f, v, &got);
}

static struct group *group_of(struct group *groups, const struct vector *v)
{
	struct group *g;

	for (g = groups; g < groups + MAX_GROUPS - 1; g++) {
		if (!g->name[0])
			memcpy(g->name, v->group, sizeof(g->name));
		if (!strcmp(g->name, v->group))
			return g;
	}
	/* more classes than anybody reads: the last takes the rest */
	snprintf(g->name, sizeof(g->name), "others");
	return g;
}

static void report_group(const char *file, struct group *g)
{
	if (g->f) {
		fclose(g->f);
		for (char *save, *line = strtok_r(g->details, "\n", &save);
		     line; line = strtok_r(NULL, "\n", &save))
			ktap_diag("%s", line);
		free(g->details);
	}
	if (g->failed) {
		say("  %s: %u of %u differ, see EXPLAIN=%s:", g->name,
		    g->failed, g->run, g->first);
		for (unsigned int i = 0; i < g->nkinds; i++)
			say("    %u in %s", g->kinds[i].count, g->kinds[i].name);
	}
	ktap_ok(!g->failed, "%s: %s (%u vectors)", file, g->name, g->run);
}

void vector_file_name(const char *path, char *name, size_t size)
{
	const char *slash = strrchr(path, '/');

	snprintf(name, size, "%s", slash ? slash + 1 : path);
	name[strcspn(name, ".")] = '\0';
}

/* Of CPU time: a busy machine is no slow walker. */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

void run_vectors(const char *path)
{
	static struct group groups[MAX_GROUPS];
	static struct vector v;
	struct vecfile *file = vecfile_open(path);
	unsigned int total = 0, bad = 0, right = 0;
	double start = seconds(), took;
	char name[32];
	int ret;

	vector_file_name(path, name, sizeof(name));
	memset(groups, 0, sizeof(groups));
	while (file && (ret = vecfile_read(file, &v)) != 0) {
		total++;
		if (ret > 0)
			run_vector(&v, group_of(groups, &v));
		else
			bad++;
	}
	took = seconds() - start;

	for (struct group *g = groups; g < groups + MAX_GROUPS; g++)
		right += g->run - g->failed;
	say("%s: %u of %u (%.1f s of CPU, %.0f a minute)", name, right, total, took,
	    60 * total / took);
	for (struct group *g = groups; g < groups + MAX_GROUPS; g++)
		if (g->run)
			report_group(name, g);
	if (bad)
		say("  %u lines are no vectors", bad);
	if (file && vecfile_close(file)) {
		say("  not all of it was understood, see the KTAP");
		bad++;
	}
	ktap_ok(!bad && total, "%s: all of the file was understood (%u vectors)",
		name, total);
}
