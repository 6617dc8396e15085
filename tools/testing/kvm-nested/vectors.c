// SPDX-License-Identifier: GPL-2.0-only
/*
 * Conformance vectors: each is walked, and judged by what the architecture
 * permits for it: fault, level, stage, address, the descriptors fetched and
 * updated, in their order, and with a translation the leaf and memory type.
 */
#include <stdlib.h>
#include <string.h>
#include <linux/bitfield.h>
#include <linux/errno.h>

#include <asm/sysreg.h>

#include "vectors.h"

#define MAX_GROUPS	128
#define MAX_SHOWN	20	/* failures in detail, per group */

struct verdict {
	int ret;
	struct kvm_walk_fault fault;
	u64 pa;
	struct kvm_s2_result s2;
	bool has_s2;
	struct kvm_mem_attr attr;
};

struct group {
	char name[64];
	unsigned int run, failed, granule, off, stage1;
	char *details;
	size_t details_size;
	FILE *f;
};

/* Vector to arguments */

static void s2_features(const struct vector *v, struct kvm_s2_features *feat)
{
	/* ID_AA64MMFR0_EL1.TGran{4,16,64}: implemented, and with LPA2 */
	static const unsigned int s1_has[3] = { 0, 1, 0 };
	static const unsigned int s1_lpa2[3] = { 1, 2, 16 };

	*feat = (struct kvm_s2_features) {
		.pa_bits = kvm_pt_decode_pa_bits(v->id_parange),
		.ttst	 = v->id_st,
		.xnx	 = v->id_xnx,
		.haf	 = v->id_hafdbs >= 1,
		.hdbs	 = v->id_hafdbs >= 2,
	};

	for (unsigned int i = 0; i < 3; i++) {
		u32 bit = BIT(12 + 2 * i);

		switch (v->id_gran_2[i]) {
		case 0:		/* as stage 1 */
			if (v->id_gran[i] == s1_has[i] ||
			    v->id_gran[i] == s1_lpa2[i])
				feat->gran |= bit;
			if (v->id_gran[i] == s1_lpa2[i])
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

/*
 * FEAT_LPA2 is one feature to the specification. The vectors have it if the
 * granule that TG0 asks for has it, also where another one takes its place.
 */
static void s2_features_of_tg0(const struct vector *v,
			       struct kvm_s2_features *feat)
{
	static const u8 shift[4] = { 12, 16, 14, 0 };
	u8 asked = shift[FIELD_GET(VTCR_EL2_TG0_MASK, v->vtcr)];

	if (asked && asked != kvm_s2_granule(v->vtcr, feat) &&
	    !(feat->lpa2 & BIT(asked)))
		feat->lpa2 = 0;
}

/*
 * With FEAT_S2FWB, the specification's check of alignment in stage 2 sees the
 * type from both stages; but stage 1 has refused what it finds in its own.
 */
static bool stage1_refuses(const struct vector *v,
			   const struct kvm_mem_attr *s1)
{
	return v->unaligned && v->id_fwb && (v->hcr & HCR_EL2_FWB) &&
	       !(s1->mair >> 4) && strcmp(v->access, "exec");
}

static void s2_regs(const struct vector *v, struct kvm_s2_regs *regs)
{
	*regs = (struct kvm_s2_regs) {
		.vtcr	    = v->vtcr,
		.vttbr	    = v->vttbr,
		.big_endian = v->sctlr_el2 & SCTLR_ELx_EE,
		.ptw	    = v->hcr & HCR_EL2_PTW,
		.fwb	    = v->id_fwb && (v->hcr & HCR_EL2_FWB),
	};
}

static void s1_configure(const struct vector *v, struct kvm_s1_config *cfg)
{
	const struct kvm_s1_regs regs = {
		.regime	= KVM_REGIME_EL10,
		.tcr	= v->tcr,
		.sctlr	= v->sctlr,
		.ttbr	= { v->ttbr[0], v->ttbr[1] },
		.mair	= v->mair,
		.hcr	= v->hcr,
	};
	const struct kvm_s1_features feat = {
		.pa_bits = kvm_pt_decode_pa_bits(v->id_parange),
		.gran	 = ALL_GRANULES,
		.ttst	 = v->id_st,
		.haf	 = v->id_hafdbs >= 1,
		.hdbs	 = v->id_hafdbs >= 2,
		.hpds	 = v->hpds,
		.pan	 = true,
		.epan	 = v->epan,
		.asid16	 = true,
	};

	kvm_s1_configure(&regs, &feat, cfg);
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

static void walk_s2(struct vector *v, const struct kvm_s2_config *cfg, u64 ipa,
		    const struct kvm_access *acc, struct verdict *got)
{
	const struct kvm_walk_mem mem = { &mem_ops, &v->mem };
	const struct kvm_s2_attr_regs regs = {
		.sh = FIELD_GET(VTCR_EL2_SH0_MASK, v->vtcr),
		.cd = v->hcr & HCR_EL2_CD,
	};

	got->ret = kvm_s2_walk(cfg, &mem, ipa, acc, &got->s2, &got->fault);
	if (got->ret)
		return;
	got->pa = got->s2.oa;
	got->has_s2 = true;
	kvm_s2_combine_attr(cfg, &regs, got->s2.leaf.desc, &got->attr);
}

static void walk_full(struct vector *v, const struct kvm_s2_config *s2,
		      const struct kvm_access *acc, struct verdict *got)
{
	struct s1_mem ctx = { .s2 = s2, .phys = { &mem_ops, &v->mem } };
	const struct kvm_walk_mem mem = { &s1_mem_ops, &ctx };
	struct kvm_s1_config cfg;
	struct kvm_s1_result res;

	s1_configure(v, &cfg);
	got->ret = kvm_s1_walk(&cfg, &mem, v->addr, acc, &res, &got->fault);
	if (got->ret)
		return;
	got->pa = res.pa;
	got->attr = res.attr;
	if (s2)
		walk_s2(v, s2, res.pa, acc, got);
}

/* Verdict */

static bool same_reads(const struct mem *mem, const struct outcome *o)
{
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

	if (o->write < 0 || o->s1ptw)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(program); i++)
		if (!strcmp(program[i], v->access))
			return o->write == fault->write;
	return true;
}

/* NULL, or what differs. */
static const char *differs(const struct vector *v, const struct outcome *o,
			   const struct verdict *got)
{
	if (strcmp(o->fault, result_name(got->ret, &got->fault)))
		return "fault";
	if (got->ret) {
		if (o->level != got->fault.level)
			return "level";
		if (o->stage != got->fault.stage)
			return "stage";
		if (o->s1ptw != got->fault.s1ptw)
			return "s1ptw";
		if (o->stage == 2 && o->has_ipa && o->addr != got->fault.ipa)
			return "fault ipa";
		if (!same_write(v, o, &got->fault))
			return "fault write";
	} else if (o->addr != got->pa) {
		return "pa";
	}
	if (!same_writes(&v->mem, o))
		return "writes";
	if (!same_reads(&v->mem, o))
		return "reads";
	if (!got->ret && !same_attr(v, o, &got->attr))
		return "memory type";
	if (!got->ret && got->has_s2 && !same_leaf(v, o, &got->s2))
		return "leaf";
	return NULL;
}

static void show_traffic(FILE *f, unsigned int nreads,
			 const struct log_read *reads, unsigned int nwrites,
			 const struct log_write *writes)
{
	for (unsigned int i = 0; i < nreads && i < MEM_LOG; i++)
		fprintf(f, " r %#lx=%#lx%s", reads[i].pa,
			reads[i].val, reads[i].abort ? " abort" : "");
	for (unsigned int i = 0; i < nwrites && i < MEM_LOG; i++)
		fprintf(f, " w %#lx=%#lx%s", writes[i].pa,
			writes[i].new, writes[i].abort ? " abort" : "");
	fputc('\n', f);
}

static void show_failure(FILE *f, const struct vector *v,
			 const struct verdict *got, const char *what)
{
	const struct outcome *o = &v->out[0];
	const struct mem *m = &v->mem;

	fprintf(f, "# %s: %s differs: %s el%d%s of %#lx\n", v->id, what,
		v->access, !v->el0, v->unaligned ? " unaligned" : "", v->addr);
	fprintf(f, "#   got  %s", result_name(got->ret, &got->fault));
	if (got->ret)
		fprintf(f, " level %d stage %d s1ptw %d write %d ipa %#lx",
			got->fault.level, got->fault.stage, got->fault.s1ptw,
			got->fault.write, got->fault.ipa);
	else
		fprintf(f, " pa %#lx mair %#x sh %d", got->pa,
			got->attr.mair, got->attr.sh);
	if (got->has_s2)
		fprintf(f, " leaf %d/%d/%d %s%s%s%s", got->s2.leaf.level,
			got->s2.leaf.shift, got->s2.leaf.contig_shift,
			got->s2.readable ? "r" : "-",
			got->s2.writable ? "w" : "-",
			got->s2.exec_el1 ? "x" : "-",
			got->s2.exec_el0 ? "x" : "-");
	show_traffic(f, m->nreads, m->reads, m->nwrites, m->writes);

	fprintf(f, "#   want %s level %d stage %d s1ptw %d write %d addr %#lx",
		o->fault, o->level, o->stage, o->s1ptw, o->write, o->addr);
	fprintf(f, " %s %s %s %s", o->type, o->inner, o->outer, o->sh);
	if (o->has_leaf)
		fprintf(f, " leaf %d/%d/%d %s%s%s%s", o->leaf.level,
			o->leaf.size, o->leaf.span, o->leaf.r ? "r" : "-",
			o->leaf.w ? "w" : "-", o->leaf.x1 ? "x" : "-",
			o->leaf.x0 ? "x" : "-");
	show_traffic(f, o->nreads, o->reads, o->nwrites, o->writes);
	if (v->nout > 1)
		fprintf(f, "#   or one of %u other outcomes\n", v->nout - 1);
}

static void run_vector(struct vector *v, struct group *group)
{
	struct kvm_s2_features feat;
	struct kvm_s2_config cfg;
	struct kvm_s2_regs regs;
	struct kvm_access acc;
	struct verdict got = { };
	const char *what = "nothing";
	bool s2_on = v->hcr & (HCR_EL2_VM | HCR_EL2_DC);

	s2_features(v, &feat);
	s2_features_of_tg0(v, &feat);
	if (!v->full && !s2_on) {
		group->off++;
		return;
	}
	if (v->granule && v->granule != kvm_s2_granule(v->vtcr, &feat)) {
		group->granule++;
		return;
	}

	if (s1_attr(v, &got.attr) && stage1_refuses(v, &got.attr)) {
		group->stage1++;
		return;
	}

	group->run++;
	if (!make_access(v, &acc) || !s1_attr(v, &got.attr)) {
		what = "vocabulary";
	} else {
		s2_regs(v, &regs);
		kvm_s2_configure(&regs, &feat, &cfg);
		if (v->full)
			walk_full(v, s2_on ? &cfg : NULL, &acc, &got);
		else
			walk_s2(v, &cfg, v->addr, &acc, &got);

		/* Any permitted outcome will do; the first is shown if none. */
		for (unsigned int i = v->nout; i--;) {
			what = differs(v, &v->out[i], &got);
			if (!what)
				return;
		}
	}

	if (group->failed++ < MAX_SHOWN)
		show_failure(group->f, v, &got, what);
}

/* Report */

static struct group *group_of(struct group *groups, const struct vector *v)
{
	struct group *g;

	for (g = groups; g < groups + MAX_GROUPS; g++) {
		if (!g->f) {
			memcpy(g->name, v->group, sizeof(g->name));
			g->f = open_memstream(&g->details, &g->details_size);
		}
		if (!strcmp(g->name, v->group))
			return g;
	}
	abort();
}

static void report_group(const char *file, struct group *g)
{
	fclose(g->f);
	/* Each line of the details begins with its own '#'. */
	for (char *save = NULL, *line = strtok_r(g->details, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		ktap_diag("%s", line + 2);
	free(g->details);

	if (g->failed)
		ktap_diag("%u of %u vectors failed", g->failed, g->run);
	if (g->run)
		ktap_ok(!g->failed, "%s: %s (%u vectors)", file, g->name,
			g->run);
	if (g->granule)
		ktap_skip("bad TG0: IMPLEMENTATION DEFINED granule, not the one that we choose",
			  "%s: %s, other choices (%u vectors)", file, g->name,
			  g->granule);
	if (g->stage1)
		ktap_skip("unaligned access to Device memory of stage 1, which refuses it",
			  "%s: %s, refused before (%u vectors)", file, g->name,
			  g->stage1);
	if (g->off)
		ktap_skip("stage 2 is off: the walker is not called",
			  "%s: %s, stage 2 off (%u vectors)", file, g->name,
			  g->off);
}

void run_vectors(const char *path)
{
	static struct group groups[MAX_GROUPS];
	static struct vector v;
	const char *slash = strrchr(path, '/');
	unsigned int line = 0, total = 0;
	char name[32];
	FILE *f = fopen(path, "r");
	int ret = -1;

	snprintf(name, sizeof(name), "%s", slash ? slash + 1 : path);
	name[strcspn(name, ".")] = '\0';

	memset(groups, 0, sizeof(groups));
	if (f) {
		while ((ret = vector_read(f, path, &line, &v)) > 0) {
			run_vector(&v, group_of(groups, &v));
			total++;
		}
		fclose(f);
	}

	for (struct group *g = groups; g < groups + MAX_GROUPS && g->f; g++)
		report_group(name, g);
	ktap_ok(!ret && total, "%s: all of the file was read (%u vectors)", name,
		total);
}
