// SPDX-License-Identifier: GPL-2.0-only
/*
 * What only a real host has. The tests refer to it; rows that would call it are
 * skipped where NESTED_BARE is set, so a call is the end.
 *
 * No prototypes are included, as these would not agree.
 */
#include "bare.h"

#define NO_HOST(name)		void name(void) { bare_no_host(#name); }

/* Memslots */
NO_HOST(vm_mem_region_reload)
NO_HOST(exit_reason_str)

/* Memory of the host */
NO_HOST(aligned_alloc)
NO_HOST(mmap)
NO_HOST(mprotect)
NO_HOST(munmap)
NO_HOST(read)
NO_HOST(syscall)

/* Several vCPUs */
NO_HOST(atoi_paranoid)
NO_HOST(guest_random_u32)
NO_HOST(new_guest_random_state)
NO_HOST(nested_pin_self)
NO_HOST(pthread_create)
NO_HOST(pthread_join)
NO_HOST(sched_yield)

/* Advice is called, and not taken. */
int madvise(void *addr, unsigned long len, int advice)
{
	return -1;
}
