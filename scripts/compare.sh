#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: compare.sh [TEST…]
#
# Run what make selftest runs, or the tests given, on our kernel and on the
# unmodified base, and print a line for each row: what both made of it. The
# table stays in out/results/compare.txt. Exit status 0: there is a table.
#
# A row that hangs costs its limit, half a minute for each second of it, so limits
# are a quarter of the usual here: 2.5 s mostly, where none of ours takes 0.5 s. A
# row that has not ended by then is 'time' in the table: make selftest KERNEL=peer
# TEST=… gives it all its time. All tests take two CPUs an hour or more. The
# environment:
#
#   JOBS=N      emulators for the unmodified base; as many as there are CPUs

. "$(dirname "$0")/lib.sh"
. "$TOP/scripts/selftest-list.sh"

case ${1:-} in
-h|--help) usage 0 ;;
esac
# A test has more time than usual, as many of its rows may hang.
export SLACK=4 NESTED_HASTE=16
mapfile -t tests < <(tests_of l0 "$@")
shards=$((JOBS < ${#tests[@]} ? JOBS : ${#tests[@]}))

result_of()
{
	echo "$OUT/results/selftest-$(name_of "$1").ktap"
}

# A test that fails is a result; a kernel without results is none.
run()
{
	rm -f "$(result_of "$1")"
	"$TOP/scripts/selftest.sh" "$@" 2>&1 >"$OUT/logs/compare-$(name_of "$1").log" |
		sed -u "s/^ */$1: /" >&2
	[ -s "$(result_of "$1")" ] ||
		die "the selftests left no results on $1" "see what they said above"
}

only_one compare
mkdir -p "$OUT/logs" "$OUT/results"
"$TOP/scripts/selftest-pack.sh" build
# A job has a process group of its own: what it started ends with it.
set -m
jobs=() peers=''
trap 'for job in "${jobs[@]}"; do kill -- "-$job"; done 2>/dev/null || true' EXIT
for ((n = 1; n <= shards; n++)); do
	export SHARD=$n/$shards
	run peer "$@" &
	jobs+=($!)
	peers+=${peers:+,}$(result_of peer)
done
unset SHARD
run ours "$@" &
jobs+=($!)
for job in "${jobs[@]}"; do wait "$job"; done
jobs=()
"$TOP/scripts/compare.py" "ours=$(result_of ours)" "peer=$peers" | tee "$OUT/results/compare.txt"
