// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization: shadow stage-2 MMUs.
 *
 * A shadow MMU caches, for one context of L1 ({VTTBR_EL2, VTCR_EL2, stage 2 on
 * or off}), the translations from nested IPA to host PA that its L2s have used.
 * To L1 it is a TLB: entries appear on aborts and go away with L1's TLBIs, or
 * whenever L0 takes the memory behind them away.
 *
 * The pool has two MMUs for each vCPU, so that a vCPU which is loaded always
 * finds one, even if all others hold theirs. A vCPU in nested context holds a
 * reference from load to put; one with no reference may be recycled for
 * another context. It then has the former owner's entries and is marked with
 * pending_unmap: whoever loads it raises KVM_REQ_NESTED_S2_UNMAP for itself and
 * does not enter the guest before the MMU was scrubbed.
 *
 * Never stale. A fill samples the MMU's nested_inv_seq before it reads L1's
 * tables (kvm_walk_nested_s2()) and compares it when it installs the entry,
 * under mmu_lock. An invalidation bumps it, under mmu_lock for writing, before
 * it removes the first entry. So an entry is either there to be removed, or its
 * fill starts again.
 *
 * Cost. Ranges are visited from one mapped entry to the next, so what is
 * not mapped costs nothing beyond the tables that exist. What an MMU may contain
 * is summed up in nested_content, so one that maps nothing is not visited at all,
 * nor one without writable entries for write protection; nested_end bounds the
 * visit of a top level that has an entry for each part of the address space.
 *
 * Memory. The tables of the canonical MMU are bounded by the VM's memory, these
 * are not: L1 can map one page as often as there are nested IPAs. So table pages
 * are counted, and an MMU with more of them than the VM's memory gives reason for
 * is emptied like one with a new owner.
 *
 * pKVM has no nested virtualization, so the page-table functions of the normal
 * host are called without a detour.
 *
 * Locks: nested.h has the table. Making an entry and finding an MMU take mmu_lock
 * for reading, all else for writing. Loading a vCPU takes it with preemption off,
 * as the rest of KVM lets it.
 */
#include <linux/kvm_host.h>

#include <asm/kvm_emulate.h>
#include <asm/kvm_mmu.h>
#include <asm/kvm_nested.h>
#include <asm/kvm_pgtable.h>

#include "nested.h"

#define NESTED_MMUS_PER_VCPU	2

/* kvm_s2_mmu.nested_content: bits 0..3, levels of L1's leaves; and the rest */
#define SHADOW_HAS_LEVEL(level)	((level) & KVM_PT_LAST_LEVEL)
#define SHADOW_HAS_WRITABLE	4

/* Table pages of a shadow MMU that no memory of the VM is needed for */
#define SHADOW_MIN_TABLES	512

/* Entries looked at between two looks at the lock */
#define SHADOW_FIND_BUDGET	SZ_16K

/* How much is unmapped, protected or flushed between two looks at the lock. */
#define SHADOW_CHUNK_SIZE	kvm_granule_size(KVM_PGTABLE_MIN_BLOCK_LEVEL)

/**
 * kvm_nested_vmid() - the VMID that a pair of registers gives
 * @vttbr: VTTBR_EL2
 * @vtcr: VTCR_EL2
 *
 * With VTCR_EL2.VS == 0 the upper eight bits are ignored, "and treated as if
 * they are all zeros", for every purpose but reading the register.
 *
 * Return: the VMID.
 * Context: any.
 */
u16 kvm_nested_vmid(u64 vttbr, u64 vtcr)
{
	u16 vmid = FIELD_GET(VTTBR_VMID_MASK(16), vttbr);

	return vtcr & VTCR_EL2_VS ? vmid : vmid & GENMASK(7, 0);
}

u16 kvm_nested_current_vmid(struct kvm_vcpu *vcpu)
{
	return kvm_nested_vmid(__vcpu_sys_reg(vcpu, VTTBR_EL2),
			       __vcpu_sys_reg(vcpu, VTCR_EL2));
}

/* Ranges of a shadow MMU */

struct shadow_find_data {
	kvm_pte_t mask;
	kvm_pte_t value;
	u64 addr;
	unsigned int budget;
};

/* Outcomes of a search; an errno is none of them. */
#define SHADOW_NONE	0
#define SHADOW_FOUND	1
#define SHADOW_MORE	2

static int shadow_find_cb(const struct kvm_pgtable_visit_ctx *ctx,
			  enum kvm_pgtable_walk_flags visit)
{
	u64 size = kvm_granule_size(ctx->level);
	struct shadow_find_data *find = ctx->arg;

	find->addr = ctx->addr;
	if ((ctx->old & find->mask) == find->value)
		return SHADOW_FOUND;
	if (--find->budget)
		return SHADOW_NONE;

	find->addr = ALIGN_DOWN(ctx->addr, size) + size;
	return SHADOW_MORE;
}

/*
 * Find the first leaf in [*addr, end) whose bits under @mask are @value. Only
 * the tables that exist are visited. The write side keeps them in place.
 *
 * Return: SHADOW_FOUND with the leaf in *@addr, SHADOW_MORE to go on from there,
 * SHADOW_NONE.
 */
static int shadow_find(struct kvm_s2_mmu *mmu, u64 *addr, u64 end,
		       kvm_pte_t mask, kvm_pte_t value)
{
	struct shadow_find_data find = {
		.mask	= mask,
		.value	= value,
		.budget	= SHADOW_FIND_BUDGET,
	};
	struct kvm_pgtable_walker walker = {
		.cb	= shadow_find_cb,
		.arg	= &find,
		.flags	= KVM_PGTABLE_WALK_LEAF,
	};
	int ret;

	lockdep_assert_held_write(&kvm_s2_mmu_to_kvm(mmu)->mmu_lock);

	if (!mmu->pgt || !mmu->nested_content || *addr >= end)
		return SHADOW_NONE;

	ret = kvm_pgtable_walk(mmu->pgt, *addr, end - *addr, &walker);
	if (ret > 0)
		*addr = find.addr;
	return max(ret, SHADOW_NONE);
}

typedef int (*shadow_range_fn)(struct kvm_pgtable *pgt, u64 addr, u64 size);

/*
 * Apply @fn to all of [addr, end) that has a leaf matching {mask, value}. If
 * @may_block the lock may be dropped between chunks; the MMU can then be in
 * other hands, which is fine for what @fn does: it is unmapping (over-
 * invalidation, and a new owner scrubs it), write protection or cleaning.
 *
 * Return: true if there was anything to do.
 */
static bool shadow_apply_to_range(struct kvm_s2_mmu *mmu, u64 addr, u64 end,
				  kvm_pte_t mask, kvm_pte_t value,
				  shadow_range_fn fn, bool may_block)
{
	struct kvm *kvm = kvm_s2_mmu_to_kvm(mmu);
	bool any = false;
	u64 next;
	int ret;

	lockdep_assert_held_write(&kvm->mmu_lock);

	while ((ret = shadow_find(mmu, &addr, end, mask, value))) {
		if (ret == SHADOW_FOUND) {
			next = min(end, ALIGN_DOWN(addr, SHADOW_CHUNK_SIZE) +
					SHADOW_CHUNK_SIZE);
			addr = ALIGN_DOWN(addr, PAGE_SIZE);
			/* What is mapped is in range; no errno to expect. */
			fn(mmu->pgt, addr, next - addr);
			addr = next;
			any = true;
		}
		if (may_block)
			cond_resched_rwlock_write(&kvm->mmu_lock);
	}

	return any;
}

static void shadow_unmap_range(struct kvm_s2_mmu *mmu, u64 start, u64 size,
			       bool may_block)
{
	u64 end;

	if (start >= mmu->nested_end)
		return;

	end = start + min(size, mmu->nested_end - start);

	/* An L1 range may be finer than a host page, which has to go then. */
	start = ALIGN_DOWN(start, PAGE_SIZE);
	end = ALIGN(end, PAGE_SIZE);
	shadow_apply_to_range(mmu, start, end, KVM_PTE_VALID, KVM_PTE_VALID,
			      kvm_pgtable_stage2_unmap, may_block);
}

/*
 * Drop everything. The lock may have been dropped on the way and a fill may
 * have made an entry behind the cursor, after it saw the new sequence: then
 * the MMU stays marked as mapping something, which costs a visit next time. Its
 * tables are counted, as the count is 0 from the start.
 */
static void shadow_unmap_all(struct kvm_s2_mmu *mmu, bool may_block)
{
	u64 addr = 0;

	if (!mmu->pgt || !mmu->nested_content)
		return;

	atomic_set(&mmu->nested_tables, 0);
	shadow_unmap_range(mmu, 0, mmu->nested_end, may_block);
	if (mmu->pgt && shadow_find(mmu, &addr, mmu->nested_end, KVM_PTE_VALID,
				    KVM_PTE_VALID) == SHADOW_NONE) {
		mmu->nested_content = 0;
		mmu->nested_end = 0;
	}
}

/**
 * kvm_nested_mmu_unmap() - drop shadow entries of a range of nested IPAs
 * @mmu: the shadow MMU
 * @start: first nested IPA, in bytes
 * @size: size in bytes; what lies beyond the MMU's entries is ignored
 * @may_block: mmu_lock may be dropped and taken again
 *
 * Context: mmu_lock held for writing: entries are being made under the read
 * side. The TLB entries of the MMU's VMID go with the shadow entries.
 */
void kvm_nested_mmu_unmap(struct kvm_s2_mmu *mmu, u64 start, u64 size,
			  bool may_block)
{
	lockdep_assert_held_write(&kvm_s2_mmu_to_kvm(mmu)->mmu_lock);

	if (!mmu->pgt || !mmu->nested_content)
		return;

	if (!start && size >= mmu->nested_end)
		shadow_unmap_all(mmu, may_block);
	else
		shadow_unmap_range(mmu, start, size, may_block);
}

/**
 * kvm_nested_mmu_invalidate_begin() - make fills in flight start again
 * @mmu: the shadow MMU that is about to lose entries on behalf of L1
 *
 * Context: mmu_lock held for writing, until the entries are gone or the lock
 * is dropped between two of them.
 */
void kvm_nested_mmu_invalidate_begin(struct kvm_s2_mmu *mmu)
{
	lockdep_assert_held_write(&kvm_s2_mmu_to_kvm(mmu)->mmu_lock);

	/*
	 * A fill that sees the new number has to see L1's tables as they are
	 * now. Pairs with the smp_rmb() in kvm_walk_nested_s2().
	 */
	smp_wmb();
	WRITE_ONCE(mmu->nested_inv_seq, mmu->nested_inv_seq + 1);
}

/**
 * kvm_nested_mmu_leaf_size() - size of the L1 leaf behind a nested IPA
 * @mmu: the shadow MMU
 * @ipa: nested IPA, in bytes
 * @pgshift: log2 of L1's stage-2 granule
 *
 * Each shadow entry records the level of the L1 leaf that it was made from. If
 * there is none at @ipa, an entry that is part of the same leaf may still be
 * anywhere in it, so the candidates are tried from the largest down. One that
 * takes long to look through is taken for the leaf: to drop more than is named
 * is allowed, and the lock is not held for as long as L1 likes.
 *
 * Return: size in bytes; that of a page if nothing of the leaf is mapped.
 * Context: mmu_lock held for writing, which keeps the shadow tables in place.
 */
u64 kvm_nested_mmu_leaf_size(struct kvm_s2_mmu *mmu, u64 ipa, u8 pgshift)
{
	const kvm_pte_t mask = KVM_PTE_VALID | KVM_NV_GUEST_MAP_SZ;
	u64 size, addr, end, limit;
	kvm_pte_t pte;
	s8 level;

	lockdep_assert_held_write(&kvm_s2_mmu_to_kvm(mmu)->mmu_lock);

	/* Without a stage 2 of L1 there are no leaves. */
	if (!mmu->pgt || !mmu->nested_stage2_enabled)
		return BIT_ULL(pgshift);

	limit = mmu->nested_end;
	if (ipa < limit && !kvm_pgtable_get_leaf(mmu->pgt, ipa, &pte, &level) &&
	    kvm_pte_valid(pte)) {
		level = FIELD_GET(KVM_NV_GUEST_MAP_SZ, pte);
		return BIT_ULL(kvm_pt_level_shift(pgshift, level));
	}

	for (level = 0; level < KVM_PT_LAST_LEVEL; level++) {
		if (!test_bit(SHADOW_HAS_LEVEL(level), &mmu->nested_content))
			continue;
		size = BIT_ULL(kvm_pt_level_shift(pgshift, level));
		addr = ALIGN_DOWN(ipa, size);
		end = min(addr + size, limit);
		if (shadow_find(mmu, &addr, end, mask, KVM_PTE_VALID |
				FIELD_PREP(KVM_NV_GUEST_MAP_SZ, level)))
			return size;
	}

	return BIT_ULL(pgshift);
}

/* The funnel for new entries */

struct shadow_relax_data {
	u64 phys;
	u64 size;
	kvm_pte_t sw;
	kvm_pte_t set;
	kvm_pte_t clear;
	s8 level;
};

static bool shadow_pte_exec(kvm_pte_t pte)
{
	return FIELD_GET(KVM_PTE_LEAF_ATTR_HI_S2_XN, pte) != 0b10;
}

static int shadow_relax_cb(const struct kvm_pgtable_visit_ctx *ctx,
			   enum kvm_pgtable_walk_flags visit)
{
	struct shadow_relax_data *relax = ctx->arg;
	u64 leaf_size = kvm_granule_size(ctx->level);
	u64 offset = ctx->addr & (leaf_size - 1);
	kvm_pte_t new;

	/* Other memory: the permissions being added were not checked for it. */
	if (!kvm_pte_valid(ctx->old) || leaf_size > relax->size ||
	    (ctx->old & KVM_NV_GUEST_MAP_SZ) != relax->sw ||
	    kvm_pte_to_phys(ctx->old) + offset != relax->phys)
		return -EAGAIN;

	relax->level = ctx->level;
	new = (ctx->old & ~relax->clear) | relax->set;
	if (new == ctx->old)
		return 0;

	if (ctx->mm_ops->icache_inval_pou &&
	    shadow_pte_exec(new) && !shadow_pte_exec(ctx->old))
		ctx->mm_ops->icache_inval_pou(__va(kvm_pte_to_phys(new)),
					      leaf_size);

	/* Others may change the entry under the read side; then start again. */
	if (cmpxchg(ctx->ptep, ctx->old, new) != ctx->old)
		return -EAGAIN;
	return 0;
}

/*
 * Add permissions to the leaf at @ipa, provided that it maps @phys: what L1
 * maps there now need not be what the shadow entry was made from, and only the
 * page that has just been faulted in is known to be writable.
 */
static int shadow_relax_perms(struct kvm_s2_mmu *mmu, u64 ipa, u64 size,
			      u64 phys, enum kvm_pgtable_prot prot)
{
	struct shadow_relax_data relax = {
		.phys	= phys,
		.size	= size,
		.sw	= prot & KVM_NV_GUEST_MAP_SZ,
	};
	struct kvm_pgtable_walker walker = {
		.cb	= shadow_relax_cb,
		.arg	= &relax,
		.flags	= KVM_PGTABLE_WALK_LEAF | KVM_PGTABLE_WALK_SHARED,
	};
	bool px = prot & KVM_PGTABLE_PROT_PX;
	bool ux = prot & KVM_PGTABLE_PROT_UX;
	u8 xn = px ? (ux ? 0b00 : 0b11) : 0b01;
	int ret;

	if (prot & KVM_PGTABLE_PROT_R)
		relax.set |= KVM_PTE_LEAF_ATTR_LO_S2_S2AP_R;
	if (prot & KVM_PGTABLE_PROT_W)
		relax.set |= KVM_PTE_LEAF_ATTR_LO_S2_S2AP_W;
	if (px || ux) {
		relax.clear = KVM_PTE_LEAF_ATTR_HI_S2_XN;
		relax.set |= FIELD_PREP(KVM_PTE_LEAF_ATTR_HI_S2_XN, xn);
	}

	ret = kvm_pgtable_walk(mmu->pgt, ipa, 1, &walker);
	if (!ret || ret == -EAGAIN)
		kvm_call_hyp(__kvm_tlb_flush_vmid_ipa_nsh, mmu, ipa,
			     ret ? TLBI_TTL_UNKNOWN : relax.level);
	return ret;
}

/* Shared by all fills, as the next one: written only to say something new. */
static void shadow_has(struct kvm_s2_mmu *mmu, int what)
{
	if (!test_bit(what, &mmu->nested_content))
		set_bit(what, &mmu->nested_content);
}

static void shadow_reaches(struct kvm_s2_mmu *mmu, u64 end)
{
	u64 old = READ_ONCE(mmu->nested_end);

	while (old < end && !try_cmpxchg(&mmu->nested_end, &old, end))
		;
}

/* Tables for all memory of the VM, scattered a bit, with page-sized entries */
static bool shadow_is_too_large(struct kvm_s2_mmu *mmu)
{
	struct kvm *kvm = kvm_s2_mmu_to_kvm(mmu);

	return atomic_read(&mmu->nested_tables) > SHADOW_MIN_TABLES +
	       2 * (READ_ONCE(kvm->nr_memslot_pages) / PTRS_PER_PTE);
}

/*
 * The one place where shadow entries are made. The read side is enough, since
 * invalidations hold the write side, and concurrent fills arbitrate by
 * compare-and-swap on the entry.
 */
int kvm_nested_s2_map(struct kvm_vcpu *vcpu, const struct kvm_s2_trans *nested,
		      u64 ipa, u64 size, u64 phys, enum kvm_pgtable_prot prot,
		      void *memcache)
{
	struct kvm_s2_mmu *mmu = vcpu->arch.hw_mmu;
	struct kvm_mmu_memory_cache *cache = memcache;
	int ret, pages = cache->nobjs;

	lockdep_assert_held_read(&vcpu->kvm->mmu_lock);

	/* HPFAR_EL2 counts in 4K whatever a host page is. */
	ipa = ALIGN_DOWN(ipa, size);

	/* Sampled before the walk, by kvm_walk_nested_s2(). */
	if (nested && (nested->inv_seq != READ_ONCE(mmu->nested_inv_seq) ||
		       mmu_invalidate_retry(vcpu->kvm, nested->mmu_seq)))
		return -EAGAIN;

	/* Before the entry: cleared under the write side only. */
	shadow_reaches(mmu, ipa + size);
	shadow_has(mmu, SHADOW_HAS_LEVEL(nested ? nested->level : 0));
	if (prot & KVM_PGTABLE_PROT_W)
		shadow_has(mmu, SHADOW_HAS_WRITABLE);

	ret = kvm_pgtable_stage2_map(mmu->pgt, ipa, size, phys, prot, memcache,
				     KVM_PGTABLE_WALK_SHARED);
	pages -= cache->nobjs;
	if (pages) {
		atomic_add(pages, &mmu->nested_tables);
		if (shadow_is_too_large(mmu))
			kvm_make_request(KVM_REQ_NESTED_S2_UNMAP, vcpu);
	}

	/* Nothing but the permissions differs, or the entry has moved on. */
	if (ret == -EAGAIN)
		ret = shadow_relax_perms(mmu, ipa, size, phys, prot);
	return ret;
}

/* What L0 does to all shadow MMUs */

void kvm_nested_s2_unmap(struct kvm *kvm, bool may_block)
{
	struct kvm_s2_mmu *mmu;
	size_t i;

	lockdep_assert_held_write(&kvm->mmu_lock);

	for (i = 0; (mmu = kvm_nested_mmu_at(kvm, i)); i++) {
		if (!kvm_s2_mmu_valid(mmu))
			continue;
		kvm_nested_mmu_invalidate_begin(mmu);
		shadow_unmap_all(mmu, may_block);
		if (may_block)
			cond_resched_rwlock_write(&kvm->mmu_lock);
	}

	kvm_vncr_invalidate_all(kvm);
}

/*
 * Write-protect one MMU. A fill may have made a writable entry behind the cursor
 * while the lock was dropped, as it may for the canonical MMU: it is then marked
 * as dirty after that. So "no writable entries" holds only if none is found.
 */
static void shadow_wp(struct kvm_s2_mmu *mmu)
{
	const kvm_pte_t writable = KVM_PTE_VALID | KVM_PTE_LEAF_ATTR_LO_S2_S2AP_W;
	u64 addr = 0;

	if (!mmu->pgt || !test_bit(SHADOW_HAS_WRITABLE, &mmu->nested_content))
		return;

	if (shadow_apply_to_range(mmu, 0, mmu->nested_end, writable, writable,
				  kvm_pgtable_stage2_wrprotect, true))
		kvm_call_hyp(__kvm_tlb_flush_vmid, mmu);

	if (shadow_find(mmu, &addr, mmu->nested_end, writable,
			writable) == SHADOW_NONE)
		clear_bit(SHADOW_HAS_WRITABLE, &mmu->nested_content);
}

/*
 * The callers know of the canonical VMID only, so the TLB maintenance for the
 * shadow VMIDs is done here.
 */
void kvm_nested_s2_wp(struct kvm *kvm)
{
	struct kvm_s2_mmu *mmu;
	size_t i;

	lockdep_assert_held_write(&kvm->mmu_lock);

	for (i = 0; (mmu = kvm_nested_mmu_at(kvm, i)); i++) {
		if (!kvm_s2_mmu_valid(mmu))
			continue;
		shadow_wp(mmu);
		cond_resched_rwlock_write(&kvm->mmu_lock);
	}

	kvm_vncr_invalidate_all(kvm);
}

void kvm_nested_s2_flush(struct kvm *kvm)
{
	struct kvm_s2_mmu *mmu;
	size_t i;

	lockdep_assert_held_write(&kvm->mmu_lock);

	/* Cacheable whatever the guest says: nothing to maintain. */
	if (cpus_have_final_cap(ARM64_HAS_STAGE2_FWB))
		return;

	for (i = 0; (mmu = kvm_nested_mmu_at(kvm, i)); i++) {
		if (!kvm_s2_mmu_valid(mmu) || !mmu->pgt)
			continue;
		shadow_apply_to_range(mmu, 0, mmu->nested_end, KVM_PTE_VALID,
				      KVM_PTE_VALID, kvm_pgtable_stage2_flush,
				      true);
	}
}

/* The pool */

/* What L1's registers select. */
struct shadow_key {
	u64 vttbr;
	u64 vtcr;
	bool enabled;
};

static struct shadow_key shadow_key(struct kvm_vcpu *vcpu)
{
	/* CnP says where a translation may be shared, not which one it is. */
	return (struct shadow_key) {
		.vttbr	 = __vcpu_sys_reg(vcpu, VTTBR_EL2) & ~VTTBR_CNP_BIT,
		.vtcr	 = __vcpu_sys_reg(vcpu, VTCR_EL2),
		.enabled = kvm_nested_s2_enabled(vcpu),
	};
}

/* With stage 2 off only the VMID that tags stage-1 entries matters. */
static bool shadow_key_matches(const struct kvm_s2_mmu *mmu,
			       const struct shadow_key *key)
{
	if (mmu->nested_stage2_enabled != key->enabled)
		return false;
	if (!key->enabled)
		return kvm_nested_vmid(mmu->tlb_vttbr, mmu->tlb_vtcr) ==
		       kvm_nested_vmid(key->vttbr, key->vtcr);
	return mmu->tlb_vttbr == key->vttbr && mmu->tlb_vtcr == key->vtcr;
}

static struct kvm_s2_mmu *shadow_lookup(struct kvm *kvm,
					const struct shadow_key *key)
{
	struct kvm_s2_mmu *mmu;
	size_t i;

	lockdep_assert_held(&kvm->mmu_lock);

	for (i = 0; (mmu = kvm_nested_mmu_at(kvm, i)); i++)
		if (kvm_s2_mmu_valid(mmu) && shadow_key_matches(mmu, key))
			return mmu;
	return NULL;
}

/*
 * Give an unused MMU to a new context, in turn. There is one: no vCPU but the
 * one that asks can be without a reference and need one at the same time, and
 * there are more MMUs than vCPUs.
 */
static struct kvm_s2_mmu *shadow_recycle(struct kvm *kvm,
					 const struct shadow_key *key)
{
	struct kvm_s2_mmu *mmu;
	size_t n;

	lockdep_assert_held_write(&kvm->mmu_lock);

	for (n = 0; n < kvm->arch.nested_mmus_size; n++) {
		kvm->arch.nested_mmus_next %= kvm->arch.nested_mmus_size;
		mmu = kvm->arch.nested_mmus[kvm->arch.nested_mmus_next++];
		/* The last user is done; pairs with the releases below. */
		if (!atomic_read_acquire(&mmu->refcnt))
			break;
		mmu = NULL;
	}
	if (KVM_BUG_ON(!mmu, kvm))
		return NULL;

	kvm_nested_mmu_invalidate_begin(mmu);
	mmu->pending_unmap = true;
	mmu->tlb_vttbr = key->vttbr;
	mmu->tlb_vtcr = key->vtcr;
	mmu->nested_stage2_enabled = key->enabled;
	return mmu;
}

/*
 * Find the MMU of a vCPU's nested context and take a reference to it. The read
 * side is enough for one that exists: keys change, and references are found to
 * be absent, under the write side only.
 */
static struct kvm_s2_mmu *shadow_get(struct kvm_vcpu *vcpu)
{
	struct shadow_key key = shadow_key(vcpu);
	struct kvm *kvm = vcpu->kvm;
	struct kvm_s2_mmu *mmu;

	scoped_guard(read_lock, &kvm->mmu_lock) {
		mmu = shadow_lookup(kvm, &key);
		if (mmu) {
			atomic_inc(&mmu->refcnt);
			return mmu;
		}
	}

	guard(write_lock)(&kvm->mmu_lock);
	mmu = shadow_lookup(kvm, &key);
	if (!mmu)
		mmu = shadow_recycle(kvm, &key);
	if (mmu)
		atomic_inc(&mmu->refcnt);
	return mmu;
}

/*
 * The canonical MMU in hyp context, the shadow MMU of the current context
 * otherwise. A vCPU that was preempted still has its own. What hw_mmu was set
 * to when the vCPU was created is not a choice for a nested context.
 */
void kvm_vcpu_load_hw_mmu(struct kvm_vcpu *vcpu)
{
	struct kvm_s2_mmu *canonical = &vcpu->kvm->arch.mmu;
	struct kvm_s2_mmu *mmu = vcpu->arch.hw_mmu;

	if (is_hyp_ctxt(vcpu)) {
		/*
		 * A vCPU changes its context between put and load only.
		 * Pairs with the acquire in shadow_recycle().
		 */
		if (mmu && mmu != canonical)
			atomic_dec_return_release(&mmu->refcnt);
		vcpu->arch.hw_mmu = canonical;
		return;
	}

	if (!mmu || mmu == canonical) {
		mmu = shadow_get(vcpu);
		/* The VM is dead then, and does not enter the guest again. */
		vcpu->arch.hw_mmu = mmu ?: canonical;
		if (!mmu)
			return;
	}

	if (READ_ONCE(mmu->pending_unmap))
		kvm_make_request(KVM_REQ_NESTED_S2_UNMAP, vcpu);

	kvm_vncr_load(vcpu);
}

/*
 * A preempted vCPU comes back to the same context and keeps its reference,
 * unless it sleeps in WFI, which can take as long as it likes.
 */
void kvm_vcpu_put_hw_mmu(struct kvm_vcpu *vcpu)
{
	struct kvm_s2_mmu *mmu = vcpu->arch.hw_mmu;

	kvm_vncr_put(vcpu);

	if (!mmu || !kvm_is_nested_s2_mmu(vcpu->kvm, mmu)) {
		vcpu->arch.hw_mmu = NULL;
		return;
	}

	if (vcpu->scheduled_out && !vcpu_get_flag(vcpu, IN_WFI))
		return;

	vcpu->arch.hw_mmu = NULL;
	/* Pairs with the acquire in shadow_recycle(). */
	atomic_dec_return_release(&mmu->refcnt);
}

/*
 * Scrub a recycled MMU for its new owner, or one that has grown too large.
 * Several vCPUs may have been told to; the first one does it, and while it has
 * dropped the lock the others may do it as well, which does no harm. debugfs
 * sleeps, hence after the lock.
 */
static void shadow_scrub(struct kvm_vcpu *vcpu)
{
	struct kvm_s2_mmu *mmu = vcpu->arch.hw_mmu;
	struct kvm *kvm = vcpu->kvm;
	bool scrubbed = false;

	/* The context may have changed since the request was made. */
	if (!mmu || !kvm_is_nested_s2_mmu(kvm, mmu))
		return;

	scoped_guard(write_lock, &kvm->mmu_lock) {
		if (mmu->pending_unmap || shadow_is_too_large(mmu)) {
			shadow_unmap_all(mmu, true);
			/* Stage-1 entries have the VMID, but no shadow entry. */
			if (mmu->pgt)
				kvm_call_hyp(__kvm_tlb_flush_vmid, mmu);
			scrubbed = mmu->pending_unmap;
			WRITE_ONCE(mmu->pending_unmap, false);
		}
	}

	if (scrubbed) {
		kvm_nested_s2_ptdump_remove_debugfs(mmu);
		kvm_nested_s2_ptdump_create_debugfs(mmu);
	}
}

/*
 * The interrupt is last: it changes the context that the others are about.
 */
void check_nested_vcpu_requests(struct kvm_vcpu *vcpu)
{
	if (kvm_check_request(KVM_REQ_NESTED_S2_UNMAP, vcpu))
		shadow_scrub(vcpu);

	if (kvm_check_request(KVM_REQ_MAP_L1_VNCR_EL2, vcpu))
		kvm_vncr_handle_request(vcpu);

	/* Userspace may have given it another context since. */
	if (kvm_check_request(KVM_REQ_GUEST_HYP_IRQ_PENDING, vcpu) &&
	    is_nested_ctxt(vcpu))
		kvm_inject_nested_irq(vcpu);
}

/* Life cycle */

/*
 * VTTBR_EL2 with CnP set is never a key, so it is what "invalid" looks like.
 */
void kvm_init_nested_s2_mmu(struct kvm_s2_mmu *mmu)
{
	mmu->tlb_vttbr = VTTBR_CNP_BIT;
	mmu->tlb_vtcr = 0;
	mmu->nested_stage2_enabled = false;
	mmu->pending_unmap = false;
	mmu->nested_content = 0;
	mmu->nested_end = 0;
	atomic_set(&mmu->nested_tables, 0);
	atomic_set(&mmu->refcnt, 0);
}

int kvm_init_nested(struct kvm *kvm)
{
	kvm->arch.nested_mmus = NULL;
	kvm->arch.nested_mmus_size = 0;
	kvm->arch.nested_mmus_next = 0;
	atomic_set(&kvm->arch.nested_vncr_count, 0);
	return 0;
}

static struct kvm_s2_mmu *shadow_alloc(struct kvm *kvm)
{
	struct kvm_s2_mmu *mmu = kzalloc_obj(*mmu, GFP_KERNEL_ACCOUNT);

	if (!mmu)
		return NULL;
	if (kvm_init_stage2_mmu(kvm, mmu, kvm_get_pa_bits(kvm))) {
		kfree(mmu);
		return NULL;
	}
	return mmu;
}

static void shadow_free(struct kvm_s2_mmu *mmu)
{
	kvm_free_stage2_pgd(mmu);
	kfree(mmu);
}

/* Grow the pool by one MMU. Others may look at it: publish under the lock. */
static int shadow_pool_add(struct kvm *kvm)
{
	size_t size = kvm->arch.nested_mmus_size;
	struct kvm_s2_mmu **mmus, **old = NULL;
	struct kvm_s2_mmu *mmu;

	lockdep_assert_held(&kvm->arch.config_lock);

	mmus = kvmalloc_array(size + 1, sizeof(*mmus), GFP_KERNEL_ACCOUNT);
	mmu = shadow_alloc(kvm);
	if (!mmus || !mmu) {
		kvfree(mmus);
		if (mmu)
			shadow_free(mmu);
		return -ENOMEM;
	}

	scoped_guard(write_lock, &kvm->mmu_lock) {
		old = kvm->arch.nested_mmus;
		if (size)
			memcpy(mmus, old, size * sizeof(*mmus));
		mmus[size] = mmu;
		kvm->arch.nested_mmus = mmus;
		kvm->arch.nested_mmus_size = size + 1;
	}

	kvfree(old);
	return 0;
}

/* The page that NV2 redirects the vCPU's register accesses to. */
static int vcpu_alloc_vncr_page(struct kvm_vcpu *vcpu)
{
	unsigned long page;

	if (vcpu->arch.ctxt.vncr_array)
		return 0;

	page = get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->arch.ctxt.vncr_array = (u64 *)page;
	return page ? 0 : -ENOMEM;
}

/*
 * Can be called again for the same vCPU, also after a failure: what is there
 * already is kept.
 */
int kvm_vcpu_init_nested(struct kvm_vcpu *vcpu)
{
	bool e2h0 = test_bit(KVM_ARM_VCPU_HAS_EL2_E2H0,
			     vcpu->kvm->arch.vcpu_features);
	struct kvm *kvm = vcpu->kvm;
	size_t want;
	int ret;

	/* Of the VM, not of the vCPU: the pool is everybody's. */
	lockdep_assert_held(&kvm->arch.config_lock);

	if (e2h0 && !cpus_have_final_cap(ARM64_HAS_HCR_NV1))
		return -EINVAL;

	want = atomic_read(&kvm->online_vcpus) * NESTED_MMUS_PER_VCPU;
	ret = vcpu_alloc_vncr_page(vcpu);
	while (!ret && kvm->arch.nested_mmus_size < want)
		ret = shadow_pool_add(kvm);
	return ret;
}

/**
 * kvm_arch_flush_shadow_all() - free all stage-2 tables of a dying VM
 * @kvm: the VM
 *
 * Context: kvm->srcu held, mmu_lock not held, no vCPU runs; may sleep.
 */
void kvm_arch_flush_shadow_all(struct kvm *kvm)
{
	struct kvm_s2_mmu *mmu;
	size_t i;

	for (i = 0; (mmu = kvm_nested_mmu_at(kvm, i)); i++) {
		WARN_ON_ONCE(atomic_read(&mmu->refcnt));
		kvm_free_stage2_pgd(mmu);
	}
	kvm_uninit_stage2_mmu(kvm);
}

void kvm_destroy_nested(struct kvm *kvm)
{
	struct kvm_s2_mmu *mmu;
	size_t i;

	for (i = 0; (mmu = kvm_nested_mmu_at(kvm, i)); i++)
		shadow_free(mmu);
	kvfree(kvm->arch.nested_mmus);
	kvm->arch.nested_mmus = NULL;
	kvm->arch.nested_mmus_size = 0;
}
