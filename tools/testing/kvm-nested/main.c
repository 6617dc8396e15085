// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space tests of the nested-virtualization walkers.
 *
 * usage: kvm-nested [-x] [-o KTAP] [-f FUZZER -c CORPUS -s SECONDS] VECTORS...
 *        kvm-nested -e ID VECTORS...
 *
 * Runs the vectors, then the tests that need none, and FUZZER from CORPUS for
 * SECONDS; with -x, up to the first of these that fails. KTAP on standard
 * output, or in a file, which leaves the former to a summary for people; the
 * exit status is the verdict. With -e, a vector's walk is shown step by step.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

#define PROPERTY_ROUNDS	400000
#define SEED		0x6e65737465645632ull

static const char usage[] =
	"usage: kvm-nested [-x] [-o KTAP] [-f FUZZER -c CORPUS -s SECONDS] VECTORS...\n"
	"       kvm-nested -e ID VECTORS...\n";

struct options {
	const char *fuzzer, *corpus, *id, *ktap;
	unsigned int seconds;
	bool stop;		/* at the first part that fails */
};

static void run_fuzzer(const char *fuzzer, const char *corpus,
		       unsigned int seconds)
{
	char cmd[2048];
	int ret;

	snprintf(cmd, sizeof(cmd),
		 "mkdir -p '%s.new' && '%s' -seed=1 -max_total_time=%u -artifact_prefix='%s.' '%s.new' '%s' >'%s.log' 2>&1",
		 fuzzer, fuzzer, seconds, fuzzer, fuzzer, corpus, fuzzer);
	ret = system(cmd);
	if (ret)
		ktap_diag("%s.log says what happened", fuzzer);
	ktap_ok(!ret, "fuzz: both stages (%u s)", seconds);
	say("fuzz: %u s%s", seconds, ret ? ": FAILED, see its log" : "");
}

static void run_rounds(void)
{
	run_properties(PROPERTY_ROUNDS, SEED);
}

static void run_all(const struct options *o, char *const *vectors)
{
	static void (*const parts[])(void) = {
		run_rows, run_races, run_faults, run_oracle, run_rounds,
	};

	if (!*vectors)
		ktap_skip("no file given (VECTORS=)", "vectors");
	for (; *vectors && !(o->stop && ktap_failed()); vectors++)
		run_vectors(*vectors);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!(o->stop && ktap_failed()))
			parts[i]();
	if (o->fuzzer && o->seconds)
		run_fuzzer(o->fuzzer, o->corpus, o->seconds);
}

static bool get_options(struct options *o, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "c:e:f:o:s:x")) != -1) {
		switch (opt) {
		case 'c':
			o->corpus = optarg;
			break;
		case 'e':
			o->id = optarg;
			break;
		case 'f':
			o->fuzzer = optarg;
			break;
		case 'o':
			o->ktap = optarg;
			break;
		case 's':
			o->seconds = strtoul(optarg, NULL, 10);
			break;
		case 'x':
			o->stop = true;
			break;
		default:
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options o = { .corpus = "" };

	if (!get_options(&o, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}

	human = o.ktap ? stdout : stderr;
	if (o.id)
		return explain(o.id, argv + optind);
	run_all(&o, argv + optind);
	return ktap_finish(o.ktap);
}
