// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested virtualization: descriptors in canonical memory.
 *
 * The walkers' view of what L1 calls physical memory: memslots. An address
 * may be anything that L1 could write into a table: a hole, a device, a
 * read-only slot, memory that userspace has unmapped or protected, an address
 * beyond the VM's physical address size. All of these are what a bus would
 * answer with an abort, so all of them are KVM_WALK_FAULT, never an errno.
 *
 * Locks: kvm->srcu is held by the caller, as memslots are used. Accesses go
 * through the user mapping of the slot and may sleep. A notifier that changes
 * this mapping meanwhile does no harm: the contents stay the VM's own, and who
 * caches the outcome of a walk checks kvm->mmu_invalidate_seq.
 */
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/highmem.h>
#include <linux/uaccess.h>

#include "nested.h"

static struct kvm_memory_slot *guest_mem_slot(struct kvm *kvm, u64 pa)
{
	lockdep_assert(srcu_read_lock_held(&kvm->srcu));

	/* The format of a table does not allow a misaligned descriptor. */
	if (pa & (sizeof(u64) - 1))
		return NULL;
	return gfn_to_memslot(kvm, gpa_to_gfn(pa));
}

/* Userspace is about to replace the slot: there is no telling by what. */
static bool guest_mem_moving(const struct kvm_memory_slot *slot)
{
	return slot && (slot->flags & KVM_MEMSLOT_INVALID);
}

static int guest_mem_read(void *ctx, u64 pa, u64 *raw,
			  struct kvm_walk_fault *fault)
{
	struct kvm_memory_slot *slot = guest_mem_slot(ctx, pa);
	unsigned long hva;
	__le64 word;

	if (guest_mem_moving(slot))
		return -EAGAIN;
	hva = gfn_to_hva_memslot_prot(slot, gpa_to_gfn(pa), NULL);
	if (kvm_is_error_hva(hva))
		return KVM_WALK_FAULT;

	/* One aligned 64-bit load, hence single-copy atomic. */
	if (get_user(word, (__le64 __user *)(hva + offset_in_page(pa))))
		return KVM_WALK_FAULT;

	*raw = le64_to_cpu(word);
	return 0;
}

/*
 * The page is pinned and updated through the linear map, which is coherent
 * with the user mapping and with the VM's (cacheable) accesses. Memory without
 * a struct page cannot be updated this way; a bus that does not support atomic
 * updates at an address aborts them, too.
 */
static int guest_mem_cas(void *ctx, u64 pa, u64 old, u64 new,
			 struct kvm_walk_fault *fault)
{
	struct kvm_memory_slot *slot = guest_mem_slot(ctx, pa);
	u64 want = (__force u64)cpu_to_le64(new);
	u64 have = (__force u64)cpu_to_le64(old);
	struct kvm *kvm = ctx;
	bool writable, swapped;
	struct page *page;
	unsigned long hva;
	void *base;

	if (guest_mem_moving(slot))
		return -EAGAIN;
	hva = gfn_to_hva_memslot_prot(slot, gpa_to_gfn(pa), &writable);
	if (kvm_is_error_hva(hva) || !writable)
		return KVM_WALK_FAULT;

	if (pin_user_pages_fast(hva, 1, FOLL_WRITE, &page) != 1)
		return KVM_WALK_FAULT;

	base = kmap_local_page(page);
	swapped = try_cmpxchg64((u64 *)(base + offset_in_page(pa)), &have, want);
	kunmap_local(base);
	unpin_user_pages_dirty_lock(&page, 1, swapped);

	if (!swapped)
		return -EAGAIN;

	mark_page_dirty_in_slot(kvm, slot, gpa_to_gfn(pa));
	return 0;
}

const struct kvm_walk_ops kvm_nested_mem_ops = {
	.read	= guest_mem_read,
	.cas	= guest_mem_cas,
};
