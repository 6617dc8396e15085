#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: corpus.sh FUZZER FOUND CORPUS
#
# Make the corpus anew: of all inputs that fuzzing has found and those that are
# there, few and small ones that reach everything that all of them reach.

set -eu

fuzzer=$1 found=$2 corpus=$3
max=64

new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
"$fuzzer" -set_cover_merge=1 -use_counters=0 -use_cmp=0 -max_len=1024 \
	"$new" "$corpus" "$found" >"$(dirname "$fuzzer")/merge.log" 2>&1 || {
	tail -n 5 "$(dirname "$fuzzer")/merge.log" >&2
	echo "corpus: the merge failed" >&2
	exit 1
}
n=$(find "$new" -type f | wc -l)
[ "$n" -gt 0 ] || {
	echo "corpus: nothing was found yet: run 'make fuzz' first" >&2
	exit 1
}
[ "$n" -le "$max" ] || {
	echo "corpus: $n inputs, of which the $max smallest stay" >&2
	find "$new" -type f -printf '%s %p\n' | sort -n | tail -n "+$((max + 1))" |
		cut -d' ' -f2- | xargs rm -f
}
rm -f "$corpus"/*
cp "$new"/* "$corpus/"
echo "corpus: $(find "$corpus" -type f | wc -l) inputs, $(cat "$corpus"/* | wc -c) bytes"
