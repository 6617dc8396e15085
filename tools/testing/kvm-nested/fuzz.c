// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer's way into the walkers: the bytes become registers, features, an
 * address, and what the walk finds in memory; the properties of props.c hold
 * for all of them, and the sanitizers have a look.
 */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

/* The name that libFuzzer calls is not one of ours. */
int fuzz_one_input(const u8 *data, size_t size) asm("LLVMFuzzerTestOneInput");

int fuzz_one_input(const u8 *data, size_t size)
{
	char why[128];

	if (property_round(data, size, size, why, sizeof(why)))
		return 0;
	fprintf(stderr, "violated: %s\n", why);
	abort();
}
