// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that L1 keeps changing: each descriptor is invented when it is
 * fetched, fetches and updates abort, updates lose races; and all of what has
 * happened can happen again.
 */
#include <string.h>
#include <linux/errno.h>

#include "hostile.h"

/* Bits that the walkers may change: AF, S2AP[1] or AP[2]. */
#define DESC_AF		BIT_ULL(10)
#define DESC_BIT7	BIT_ULL(7)

u64 draw(struct source *src)
{
	u64 val = 0;

	if (src->left >= sizeof(val)) {
		memcpy(&val, src->data, sizeof(val));
		src->data += sizeof(val);
		src->left -= sizeof(val);
		return val;
	}

	/* xorshift64* */
	src->state ^= src->state >> 12;
	src->state ^= src->state << 25;
	src->state ^= src->state >> 27;
	return src->state * 0x2545f4914f6cdd1dull;
}

/* A byte will do, so that one of the fuzzer's decides. */
unsigned int below(struct source *src, unsigned int n)
{
	if (!src->left)
		return (draw(src) >> 32) % n;
	src->left--;
	return *src->data++ % n;
}

static u64 invent_descriptor(struct hostile *mem)
{
	u64 desc = draw(mem->src);
	unsigned int kind = below(mem->src, 16);

	/* most of the addresses in reach, so that walks get far */
	if (kind & 3)
		desc &= ~GENMASK_ULL(51, 30) & ~GENMASK_ULL(15, 12) &
			~GENMASK_ULL(9, 8);
	if (kind < 9)
		return desc | 3;
	if (kind < 14)
		return (desc & ~3ull) | 1 | (kind & 2) << 9;
	return desc;
}

static struct word *find_known(struct hostile *mem, u64 pa)
{
	unsigned int i;

	for (i = 0; mem->sticky && i < mem->nknown; i++)
		if (mem->known[i].pa == pa)
			return &mem->known[i];
	return NULL;
}

static u64 hostile_word(struct hostile *mem, u64 pa)
{
	struct word *known = find_known(mem, pa);
	u64 desc;

	if (known)
		return known->val;

	desc = invent_descriptor(mem);
	if (mem->big_endian)
		desc = __builtin_bswap64(desc);
	if (mem->sticky && mem->nknown < MAX_KNOWN)
		mem->known[mem->nknown++] = (struct word) { .pa = pa, .val = desc };
	return desc;
}

static int note(struct hostile *mem, u64 pa, u64 value, int ret)
{
	if (mem->nlog < MAX_LOG)
		mem->log[mem->nlog] = (struct hostile_op) { pa, value, ret };
	mem->nlog++;
	return ret;
}

static int hostile_read(void *ctx, u64 pa, u64 *raw,
			struct kvm_walk_fault *fault)
{
	struct hostile *mem = ctx;

	mem->reads++;
	mem->s1_reads += fault->stage == 1;
	if (pa & 7)
		mem->wrong = "a descriptor that is not aligned";
	if (pa >> mem->limit_bits)
		mem->wrong = "a descriptor above the output size";
	if (fault->kind != KVM_FAULT_SEA_TTW)
		mem->wrong = "a fetch without its fault prepared";
	if (!find_known(mem, pa) && !below(mem->src, 24))
		return note(mem, pa, 0, KVM_WALK_FAULT);

	*raw = hostile_word(mem, pa);
	mem->last_pa = pa;
	mem->last_raw = *raw;
	return note(mem, pa, *raw, 0);
}

static int hostile_cas(void *ctx, u64 pa, u64 old, u64 new,
		       struct kvm_walk_fault *fault)
{
	struct hostile *mem = ctx;
	struct word *known = find_known(mem, pa);
	u64 changed = old ^ new;

	if (mem->big_endian)
		changed = __builtin_bswap64(changed);

	mem->cas++;
	/* Behind stage 2, its own descriptors are read in between. */
	if (!mem->two_stages && (pa != mem->last_pa || old != mem->last_raw))
		mem->wrong = "an update of something that was not read";
	if (!changed || (changed & ~(DESC_AF | DESC_BIT7)))
		mem->wrong = "an update of other bits than AF and dirty";
	if (fault->kind != KVM_FAULT_SEA_TTW)
		mem->wrong = "an update without its fault prepared";

	if (below(mem->src, 8) < mem->contention) {
		mem->lost++;
		return note(mem, pa, changed, -EAGAIN);
	}
	if (!below(mem->src, 8))
		return note(mem, pa, changed, KVM_WALK_FAULT);
	if (known)
		known->val = new;
	/* What it was read as from now on is what it has become. */
	mem->last_raw = new;
	return note(mem, pa, changed, 0);
}

const struct kvm_walk_ops hostile_ops = {
	.read = hostile_read,
	.cas = hostile_cas,
};

static const struct hostile_op *replay_op(struct replay *replay, u64 pa)
{
	static const struct hostile_op end = { .ret = KVM_WALK_FAULT };
	const struct hostile_op *op = &replay->orig->log[replay->next];

	if (replay->next >= replay->orig->nlog) {
		replay->wrong = "more accesses because of bits that have no say";
		return &end;
	}
	replay->next++;
	if (op->pa != pa)
		replay->wrong = "another access because of bits that have no say";
	return op;
}

static int replay_read(void *ctx, u64 pa, u64 *raw,
		       struct kvm_walk_fault *fault)
{
	struct replay *replay = ctx;
	const struct hostile_op *op = replay_op(replay, pa);
	bool swap = replay->orig->big_endian;
	u64 desc = swap ? __builtin_bswap64(op->value) : op->value;

	desc ^= replay->junk & replay->ignored(replay->ctx, desc, fault->stage,
					       fault->level);
	*raw = swap ? __builtin_bswap64(desc) : desc;
	return op->ret;
}

static int replay_cas(void *ctx, u64 pa, u64 old, u64 new,
		      struct kvm_walk_fault *fault)
{
	struct replay *replay = ctx;
	const struct hostile_op *op = replay_op(replay, pa);
	u64 changed = old ^ new;

	if (replay->orig->big_endian)
		changed = __builtin_bswap64(changed);
	if (changed != op->value)
		replay->wrong = "another update because of bits that have no say";
	return op->ret;
}

const struct kvm_walk_ops replay_ops = {
	.read = replay_read,
	.cas = replay_cas,
};

bool replay_complete(const struct replay *replay)
{
	return replay->next == replay->orig->nlog;
}
