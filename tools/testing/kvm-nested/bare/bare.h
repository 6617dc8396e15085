/* SPDX-License-Identifier: GPL-2.0-only */
/* What bare.c, start.S and bare.lds have of each other. */
#ifndef __KVM_NESTED_BARE_H
#define __KVM_NESTED_BARE_H

#include <linux/types.h>

extern char bare_image[], bare_image_end[];
extern const char bare_l1_first[];
extern char bare_stack[];

void bare_switch(u64 *save_sp, u64 sp);
void bare_start(void);
void bare_l1_returned(void);
int main(int argc, char *argv[]);

#endif
