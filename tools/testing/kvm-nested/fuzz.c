// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer's way into the walkers. The bytes are, in this order: the kind of
 * walk; how hostile its memory is; ID fields and registers; the access; the
 * address; and, a stream that goes on as long as the walk does, what it finds in
 * memory: descriptors, aborts, lost races. Where they end, numbers are made up
 * from a fixed seed, so that a short input is a walk, too.
 *
 * The properties of props.c hold for all of them, and the sanitizers have a
 * look. Under their own generator they were seen to fail with: a limit of the
 * output size that is one bit off, a retry too many, a software bit that grants
 * access (see "mutations").
 *
 * The corpus is what "make fuzz" has found, made small by "make corpus".
 */
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

/* The name that libFuzzer calls is not one of ours. */
int fuzz_one_input(const u8 *data, size_t size) asm("LLVMFuzzerTestOneInput");

int fuzz_one_input(const u8 *data, size_t size)
{
	char why[128];

	if (property_round(data, size, why, sizeof(why)))
		return 0;
	fprintf(stderr, "violated: %s\n", why);
	abort();
}
