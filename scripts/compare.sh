#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: compare.sh [TEST…]
#
# Run the selftests named nested_*, or those given, on our kernel and on the
# unmodified base, and print a line for each row: what both made of it. The
# table stays in out/results/compare.txt. Exit status 0: there is a table.
#
# A row that hangs costs its limit, which is a twentieth of the usual one here. A
# test has more time (SLACK=), as many rows may hang: all takes an hour or two.

. "$(dirname "$0")/lib.sh"
. "$TOP/scripts/selftest-list.sh"

case ${1:-} in
-h|--help) usage 0 ;;
esac
[ $# -gt 0 ] || set -- 'nested_*'
export SLACK=${SLACK:-3}
export NESTED_HASTE=$((20 * SLACK))

# A test that fails is a result; a kernel without results is none.
run()
{
	"$TOP/scripts/selftest.sh" "$@" 2>&1 >"$OUT/logs/compare-$1.log" | sed -u "s/^ */$1: /" >&2
	[ -s "$OUT/results/selftest-$(name_of "$1").ktap" ] ||
		die "the selftests left no results on $1" "see what they said above"
}

only_one compare
mkdir -p "$OUT/logs"
rm -f "$OUT/results/selftest-$(name_of ours).ktap" "$OUT/results/selftest-$(name_of peer).ktap"
"$TOP/scripts/selftest-pack.sh" build
# Side by side: L0 mostly has one CPU, and the machine two.
run peer "$@" & peer=$!
run ours "$@"
wait $peer
"$TOP/scripts/compare.py" "ours=$OUT/results/selftest-$(name_of ours).ktap" \
	"peer=$OUT/results/selftest-$(name_of peer).ktap" | tee "$OUT/results/compare.txt"
