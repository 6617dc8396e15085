/* SPDX-License-Identifier: GPL-2.0-only */
/* tools/include has these in linux/kernel.h, all but min3(). */
#ifndef __KVM_NESTED_TEST_MINMAX_H
#define __KVM_NESTED_TEST_MINMAX_H

#include <linux/kernel.h>

#ifndef min3
#define min3(x, y, z)	min((typeof(x))min(x, y), z)
#endif

#endif
