#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: test.sh [SUITE…]
#
# Run every test, or the suites named: check, unit, kunit, selftest, demo. Each
# leaves KTAP in out/results/; it is merged there as all.ktap, and counted. What
# a suite prints goes to out/logs/test-SUITE.log too. The exit status is the
# verdict.

. "$(dirname "$0")/lib.sh"

case ${1:-} in
-h|--help) usage 0 ;;
esac

suites=("$@")
[ $# -gt 0 ] || suites=(check unit kunit selftest demo)
merge=()
cd "$TOP"
rm -rf "$OUT/results"
mkdir -p "$OUT/results" "$OUT/logs"

# With the fuzzer for a while, from its corpus.
unit()
{
	make -s -C tools/testing/kvm-nested run OUT="$OUT/build/unit" \
		KTAP="$OUT/results/unit.ktap" FUZZ=20
}

# The demo as tests: with Debian's kernel in the guests, and with our own.
demo()
{
	local guest number=0 start

	echo "1..2" >"$OUT/results/demo.ktap"
	for guest in stock minimal; do
		number=$((number + 1)) start=$SECONDS
		"$TOP/scripts/guest.sh" "$guest" ours
		if "$TOP/scripts/demo.sh" ours "$guest" 2>&1 |
		   tee "$OUT/logs/test-demo-$guest.log"; then
			echo "ok $number three-levels-$guest # $((SECONDS - start)) s"
		else
			sed 's/^/# /' "$OUT/logs/test-demo-$guest.log"
			echo "not ok $number three-levels-$guest"
		fi >>"$OUT/results/demo.ktap"
	done
}

suite()
{
	case $1 in
	check|kunit) "$TOP/scripts/$1.sh" ;;
	selftest) "$TOP/scripts/selftest.sh" ours ;;
	*) "$1" ;;
	esac
}

prepare()
{
	"$TOP/scripts/fetch.sh" ours
	"$TOP/scripts/apply.sh"
	"$TOP/scripts/build.sh" ours
}

prepare || {
	say "the kernel could not be built, so nothing could be tested"
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
}
for name in "${suites[@]}"; do
	start=$SECONDS
	say "== $name"
	(set -o pipefail; suite "$name") 2>&1 | tee "$OUT/logs/test-$name.log" >&2 || true
	file=$OUT/results/$name.ktap
	[ "$name" != selftest ] || file=$OUT/results/selftest-ours.ktap
	merge+=("$name=$file:$((SECONDS - start))")
done
echo
"$TOP/scripts/ktap.py" --known tests/nested.tests --merge "$OUT/results/all.ktap" "${merge[@]}"
