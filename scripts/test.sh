#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: test.sh [SUITE…]
#
# Run the suites named, or all. Each leaves KTAP in out/results/; it is merged
# there as all.ktap, and counted. What a suite prints goes to out/logs/test-SUITE.log
# too. The exit status is the verdict.
#
#   check unit bare demo     as the make targets
#   kunit                    make kunit DEBUG=1
#   selftest                 make selftest
#   level1                   make selftest LEVEL=1
#   debug-1 debug-2          make selftest DEBUG=1 SET=debug, each one half
#   16k 64k                  make selftest PAGES=16k SET=pages
#
# An emulated CPU keeps one core busy: as many suites run at a time (LANES=) as
# there are cores, and memory for. The kernels that only the last suites need are
# built meanwhile, on what that leaves.

. "$(dirname "$0")/lib.sh"
. "$TOP/scripts/lanes.sh"

case ${1:-} in
-h|--help) usage 0 ;;
esac

suites=("$@")
[ $# -gt 0 ] || suites=(selftest check unit bare level1 demo debug-1 kunit debug-2 16k 64k)
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

# selftests CONFIG LEVEL SET [SHARD]
selftests()
{
	export CONFIG=$1 LEVEL=$2 SET=$3 SHARD=${4:-}
	"$TOP/scripts/build.sh" ours && "$TOP/scripts/selftest.sh" ours
}

suite()
{
	case $1 in
	check|bare) "$TOP/scripts/$1.sh" ;;
	kunit) CONFIG=debug "$TOP/scripts/kunit.sh" ;;
	selftest) selftests '' 0 l0 ;;
	level1) selftests '' 1 l1 ;;
	debug-?) selftests debug 0 debug "${1#*-}/2" ;;
	16k|64k) selftests "$1" 0 pages ;;
	*) "$1" ;;
	esac
}

result_of()
{
	case $1 in
	selftest) set -- selftest-ours ;;
	level1) set -- selftest-ours-l1 ;;
	debug-?) set -- "selftest-ours-$1of2" ;;
	16k|64k) set -- "selftest-ours-$1" ;;
	esac
	echo "$OUT/results/$1.ktap"
}

prepare()
{
	"$TOP/scripts/fetch.sh" ours
	"$TOP/scripts/apply.sh"
	CONFIG='' "$TOP/scripts/build.sh" ours
}

# The other kernels, out of the way of what is measured in seconds.
build_ahead()
{
	local name

	for name in "${suites[@]}"; do
		case $name in
		kunit|debug-*) CONFIG=debug ;;
		16k|64k) CONFIG=$name ;;
		*) continue ;;
		esac
		nice -n 19 "$TOP/scripts/build.sh" ours || return 0
	done
}

unset CPU SMP LEVEL SET SHARD
prepare || {
	say "the kernel could not be built, so nothing could be tested"
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
}
beside build_ahead
for name in "${suites[@]}"; do
	in_lane "$name" suite "$name"
done
lanes_wait 1
merge=()
for name in "${suites[@]}"; do
	merge+=("$name=$(result_of "$name"):$(cat "$OUT/logs/test-$name.seconds")")
done
echo
"$TOP/scripts/ktap.py" --known tests/nested.tests --merge "$OUT/results/all.ktap" "${merge[@]}"
