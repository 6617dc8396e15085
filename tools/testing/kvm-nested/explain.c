// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vector for people: what its walk decided, fetched and changed, step by
 * step, and what it should have come to. The decisions are shown as the core
 * has made them, beside what the table of rules (oracle.c) says.
 */
#include <string.h>
#include <linux/bitfield.h>

#include <asm/sysreg.h>

#include "oracle.h"
#include "vectors.h"

/* What came out, and what should have */

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

static void show_leaf(FILE *f, int level, int size, int span, bool r, bool w,
		      bool x1, bool x0)
{
	fprintf(f, " leaf: level %d, 2^%d", level, size);
	if (span != size)
		fprintf(f, " in a run of 2^%d", span);
	fprintf(f, ", %s%s%s%s", r ? "r" : "-", w ? "w" : "-",
		x1 ? "x" : "-", x0 ? "x" : "-");
}

static void show_got(FILE *f, const struct verdict *got)
{
	const struct kvm_s2_result *s2 = &got->res.s2;

	fprintf(f, "%s", result_name(got->ret, &got->fault));
	if (got->ret)
		fprintf(f, ", level %d, stage %d%s, %s, ipa %#lx",
			got->fault.level, got->fault.stage,
			got->fault.s1ptw ? " of a stage-1 walk" : "",
			got->fault.write ? "write" : "read", got->fault.ipa);
	else
		fprintf(f, ", pa %#lx, mair %#x, sh %d", s2->oa,
			got->res.attr.mair, got->res.attr.sh);
	if (has_leaf(got))
		show_leaf(f, s2->leaf.level, s2->leaf.shift,
			  s2->leaf.contig_shift, s2->readable,
			  s2->writable || s2->dirty_managed, s2->exec_el1,
			  s2->exec_el0);
}

static void show_outcome(FILE *f, const struct outcome *o)
{
	fprintf(f, "%s", o->fault);
	if (o->level != NOT_SAID)
		fprintf(f, ", level %d", o->level);
	if (o->stage != NOT_SAID)
		fprintf(f, ", stage %d%s", o->stage,
			o->s1ptw == 1 ? " of a stage-1 walk" : "");
	if (o->write != NOT_SAID)
		fprintf(f, ", %s", o->write ? "write" : "read");
	if (o->has_addr)
		fprintf(f, ", %s %#lx", strcmp(o->fault, "none") ? "ipa" : "pa",
			o->addr);
	if (o->type[0])
		fprintf(f, ", %s %s %s %s", o->type, o->inner, o->outer, o->sh);
	if (o->has_leaf)
		show_leaf(f, o->leaf.level, o->leaf.size, o->leaf.span,
			  o->leaf.r, o->leaf.w, o->leaf.x1, o->leaf.x0);
}

void show_verdict(FILE *f, const struct vector *v, const struct verdict *got)
{
	const struct mem *m = &v->mem;

	fprintf(f, "%s: %s differs: %s at EL%d%s of %#lx\n", v->id,
		got->differs, v->access, !v->el0,
		v->unaligned ? ", unaligned," : "", v->addr);
	fputs("  got  ", f);
	show_got(f, got);
	show_traffic(f, m->nreads, m->reads, m->nwrites, m->writes);
	fputs("  want ", f);
	show_outcome(f, &v->out[0]);
	show_traffic(f, v->out[0].nreads, v->out[0].reads, v->out[0].nwrites,
		     v->out[0].writes);
	if (v->nout > 1)
		fprintf(f, "  or one of %u other outcomes\n", v->nout - 1);
}

/* Step by step */

static void explain_question(FILE *f, const struct vector *v)
{
	fprintf(f, "vector   %s  %s\n", v->id, v->tags);
	fprintf(f, "access   %s at EL%d%s%s, %s %#lx\n", v->access, !v->el0,
		v->unaligned ? ", unaligned" : "", v->pan ? ", PAN" : "",
		v->full ? "both stages, VA" : "stage 2, IPA", v->addr);
	if (v->s1attr[0])
		fprintf(f, "         stage 1 has given %s\n", v->s1attr);
	fprintf(f, "stage 2  HCR_EL2 %#lx, VTCR_EL2 %#lx, VTTBR_EL2 %#lx\n",
		v->hcr, v->vtcr, v->vttbr);
	fprintf(f, "         SCTLR_EL2 %#lx\n", v->sctlr_el2);
	if (!v->full)
		return;
	fprintf(f, "stage 1  TCR_EL1 %#lx, TTBR0_EL1 %#lx, TTBR1_EL1 %#lx\n",
		v->tcr, v->ttbr[0], v->ttbr[1]);
	fprintf(f, "         SCTLR_EL1 %#lx, MAIR_EL1 %#lx\n", v->sctlr, v->mair);
}

static void explain_features(FILE *f, const struct verdict *got)
{
	const struct kvm_s2_features *feat = &got->s2_feat;

	fprintf(f, "VM       %u-bit PA, stage-2 granules", feat->pa_bits);
	for (unsigned int shift = 12; shift <= 16; shift += 2)
		if (feat->gran & BIT(shift))
			fprintf(f, " %uK%s", 1 << (shift - 10),
				feat->lpa2 & BIT(shift) ? " (LPA2)" : "");
	fprintf(f, "%s%s%s%s\n", feat->ttst ? ", TTST" : "",
		feat->xnx ? ", XNX" : "", feat->haf ? ", hardware AF" : "",
		feat->hdbs ? " and dirty state" : "");
}

static void explain_geom(FILE *f, const struct kvm_pt_geom *geom)
{
	fprintf(f, "  granule %uK%s%s, input %u bits, output %u bits\n",
		1 << (geom->pgshift - 10), geom->ds ? ", DS" : "",
		geom->big_endian ? ", big-endian" : "", geom->ia_bits,
		geom->oa_bits);
	fprintf(f, "  first lookup at level %d, table at %#lx\n",
		geom->start_level, geom->base);
}

static void explain_s2_config(FILE *f, const struct verdict *got)
{
	const struct kvm_s2_config *cfg = &got->s2_cfg;
	u64 vtcr = got->s2_regs.vtcr;
	struct oracle_verdict want;

	fputs("configuration of stage 2\n", f);
	if (cfg->off) {
		fputs("  off: HCR_EL2.VM and HCR_EL2.DC are 0; the output is the input\n", f);
		return;
	}
	oracle_s2(&got->s2_regs, &got->s2_feat, &want);
	fprintf(f, "  TG0 %lu, DS %lu: granule %uK%s\n",
		FIELD_GET(VTCR_EL2_TG0_MASK, vtcr), FIELD_GET(VTCR_EL2_DS, vtcr),
		1 << (want.pgshift - 10), want.ds ? " in the 52-bit format" : "");
	fprintf(f, "  T0SZ %lu: permitted %u..%u\n",
		FIELD_GET(VTCR_EL2_T0SZ_MASK, vtcr), want.t0sz_min, want.t0sz_max);
	fprintf(f, "  SL0 %lu, SL2 %lu: %s\n", FIELD_GET(VTCR_EL2_SL0_MASK, vtcr),
		FIELD_GET(VTCR_EL2_SL2, vtcr), want.why);
	fprintf(f, "  PS %lu%s%s%s%s%s\n", FIELD_GET(VTCR_EL2_PS_MASK, vtcr),
		cfg->ha ? ", AF by hardware" : "",
		cfg->hd ? ", dirty state by hardware" : "",
		cfg->xnx ? ", XNX" : "", cfg->ptw ? ", PTW" : "",
		cfg->fwb ? ", FWB" : "");
	if (cfg->bad)
		fputs("  not usable: every walk is a Translation fault, level 0\n", f);
	else
		explain_geom(f, &cfg->geom);
}

static void explain_s1_config(FILE *f, const struct vector *v,
			      const struct verdict *got)
{
	const struct kvm_s1_config *cfg = &got->s1_cfg;
	const struct kvm_s1_range *range = &cfg->range[v->addr >> 55 & 1];

	fputs("configuration of stage 1\n", f);
	if (cfg->off) {
		fprintf(f, "  off%s\n", cfg->dc ? ", HCR_EL2.DC: Normal memory" : "");
		return;
	}
	fprintf(f, "  VA[55] %lu: TTBR%lu_EL1%s%s%s%s%s%s\n", v->addr >> 55 & 1,
		v->addr >> 55 & 1, range->epd ? ", EPD" : "",
		range->tbi ? ", TBI" : "", range->hpd ? ", HPD" : "",
		range->e0pd ? ", E0PD" : "", cfg->ha ? ", AF by hardware" : "",
		cfg->hd ? ", dirty state by hardware" : "");
	if (range->bad)
		fputs("  TxSZ out of its limits: every walk is a Translation fault, level 0\n", f);
	else
		explain_geom(f, &range->geom);
}

static void explain_leaf(FILE *f, u8 stage, u64 desc)
{
	if (stage == 2)
		fprintf(f, ", S2AP %lu, XN %lu, MemAttr %#lx, SH %lu",
			desc >> 6 & 3, desc >> 53 & 3, desc >> 2 & 15,
			desc >> 8 & 3);
	else
		fprintf(f, ", AP %lu, UXN %lu, PXN %lu, AttrIndx %lu, SH %lu, nG %lu",
			desc >> 6 & 3, desc >> 54 & 1, desc >> 53 & 1,
			desc >> 2 & 7, desc >> 8 & 3, desc >> 11 & 1);
	fprintf(f, ", AF %lu, DBM %lu, contiguous %lu\n", desc >> 10 & 1,
		desc >> 51 & 1, desc >> 52 & 1);
}

static void explain_read(FILE *f, const struct kvm_pt_geom *geom,
			 const struct log_read *r)
{
	u64 desc = geom->big_endian ? __builtin_bswap64(r->val) : r->val;
	const char *indent = r->stage == 2 ? "    " : "  ";
	u64 addr = kvm_pt_desc_addr(geom, desc);

	fprintf(f, "%sstage %u level %2d: [%#lx] = ", indent, r->stage, r->level,
		r->pa);
	if (r->abort) {
		fputs("External abort\n", f);
		return;
	}
	fprintf(f, "%#lx: ", desc);
	if (!(desc & 1)) {
		fputs("invalid\n", f);
	} else if (!(desc & 2) && r->level == 3) {
		fputs("reserved at level 3\n", f);
	} else if (!(desc & 2) || r->level == 3) {
		fprintf(f, "%s, address %#lx", desc & 2 ? "page" : "block", addr);
		explain_leaf(f, r->stage, desc);
	} else {
		fprintf(f, "table at %#lx\n", addr);
	}
}

static void explain_walk(FILE *f, const struct vector *v,
			 const struct verdict *got)
{
	const struct kvm_pt_geom *s1 =
		&got->s1_cfg.range[v->addr >> 55 & 1].geom;
	const struct kvm_pt_geom *s2 = &got->s2_cfg.geom;
	const struct mem *m = &v->mem;
	unsigned int r = 0, w = 0, when;

	fputs("walk\n", f);
	if (!m->nreads && !m->nwrites)
		fputs("  nothing is read\n", f);
	for (when = 0; when < m->nreads + m->nwrites; when++) {
		if (r < m->nreads && r < MEM_LOG && m->reads[r].when == when) {
			explain_read(f, m->reads[r].stage == 2 ? s2 : s1,
				     &m->reads[r]);
			r++;
		} else if (w < m->nwrites && w < MEM_LOG) {
			fprintf(f, "  stage %u level %2d: [%#lx] %#lx -> %#lx%s\n",
				m->writes[w].stage, m->writes[w].level,
				m->writes[w].pa, m->writes[w].old,
				m->writes[w].new,
				m->writes[w].abort ? ": External abort" : "");
			w++;
		}
	}
}

static void explain_s1_result(FILE *f, const struct vector *v,
			      const struct verdict *got)
{
	const struct kvm_s1_result *s1 = &got->res.s1;

	if (v->full && !got->s1_cfg.off && s1->leaf.desc)
		fprintf(f, "  stage 1: EL1 %s%s%s, EL0 %s%s%s, output %#lx\n",
			s1->priv.r ? "r" : "-", s1->priv.w ? "w" : "-",
			s1->priv.x ? "x" : "-", s1->unpriv.r ? "r" : "-",
			s1->unpriv.w ? "w" : "-", s1->unpriv.x ? "x" : "-",
			s1->pa);
}

void explain_vector(FILE *f, const struct vector *v,
		    const struct verdict *got)
{
	explain_question(f, v);
	explain_features(f, got);
	if (v->full)
		explain_s1_config(f, v, got);
	explain_s2_config(f, got);
	explain_walk(f, v, got);
	explain_s1_result(f, v, got);
	fputs("result   ", f);
	show_got(f, got);
	for (unsigned int i = 0; i < v->nout; i++) {
		fprintf(f, "\n%s ", i ? "or      " : "expected");
		show_outcome(f, &v->out[i]);
		if (!got->differs && i == got->outcome)
			fputs("  <- this", f);
	}
	fprintf(f, "\nverdict  %s%s\n", got->differs ? "differs: " : "right",
		got->differs ? got->differs : "");
}

int explain(const char *id, char *const *paths)
{
	static struct vector v;
	struct vecfile *file;
	struct verdict got;
	int found;

	for (; *paths; paths++) {
		file = vecfile_open(*paths);
		found = file && vecfile_find(file, id, &v);
		if (file)
			vecfile_close(file);
		if (!found)
			continue;
		judge_vector(&v, &got);
		explain_vector(stdout, &v, &got);
		return !!got.differs;
	}
	fprintf(stderr, "%s: no file has a vector of this name\n", id);
	return 2;
}
