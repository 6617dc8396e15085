/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of this directory have of each other. */
#ifndef __KVM_NESTED_BARE_H
#define __KVM_NESTED_BARE_H

#include <linux/sizes.h>
#include <linux/types.h>

/* What the Makefile tells QEMU to have, from 1 GB. */
#define BARE_RAM_END	(7UL * SZ_1G)

/* bare.lds: the whole image, and the test's own variables in it. */
extern char bare_image[], bare_image_end[];
extern char bare_test_data[], bare_test_data_end[];

/* start.S */
extern const char bare_l1_first[];
void bare_switch(u64 *save_sp, u64 sp);

/* bare.c */
#define BARE_L1_ARGS	4
extern u64 bare_l1_args[BARE_L1_ARGS];
extern char bare_stack[];
void bare_start(void);
void bare_l1_returned(void);
void bare_l1_prepare(void *entry);

/* vm.c */
void bare_mmu_init(void);

/* rows.c */
void bare_no_host(const char *what);

/* The test's. */
int main(int argc, char *argv[]);

#endif
