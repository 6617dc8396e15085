// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space tests of the nested-virtualization walkers.
 *
 * usage: kvm-nested [-f FUZZER] [-s SECONDS] [VECTORS.txt]...
 *
 * Runs the vectors, then the tests that need none, and FUZZER for SECONDS if
 * there is one. KTAP on standard output; the exit status is the verdict.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

#define PROPERTY_ROUNDS	400000
#define SEED		0x6e65737465645632ull

static void run_fuzzer(const char *fuzzer, unsigned int seconds)
{
	char cmd[1024];
	int ret;

	if (!fuzzer) {
		ktap_skip("clang with its libFuzzer run time is not there",
			  "fuzz: both stages");
		return;
	}

	snprintf(cmd, sizeof(cmd),
		 "'%s' -seed=1 -max_total_time=%u >'%s.log' 2>&1", fuzzer,
		 seconds, fuzzer);
	ret = system(cmd);
	if (ret)
		ktap_diag("%s.log says what happened", fuzzer);
	ktap_ok(!ret, "fuzz: both stages (%u s)", seconds);
}

int main(int argc, char **argv)
{
	const char *fuzzer = NULL;
	unsigned int seconds = 0;
	int opt;

	while ((opt = getopt(argc, argv, "f:s:")) != -1) {
		if (opt == 'f') {
			fuzzer = optarg;
		} else if (opt == 's') {
			seconds = strtoul(optarg, NULL, 10);
		} else {
			fprintf(stderr,
				"usage: kvm-nested [-f FUZZER] [-s SECONDS] [VECTORS.txt]...\n");
			return 2;
		}
	}

	for (; optind < argc; optind++)
		run_vectors(argv[optind]);
	run_properties(PROPERTY_ROUNDS, SEED);
	run_races();
	run_faults();
	if (seconds)
		run_fuzzer(fuzzer, seconds);

	return ktap_finish();
}
