#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: bare.sh [TEST…]
#
# A second opinion about what the selftests expect: run the tests named, or all
# that can, with their L1 at EL2 of the emulated machine itself and no KVM in
# between (see tools/testing/kvm-nested/bare). KTAP in out/results/bare.ktap.

. "$(dirname "$0")/lib.sh"

case ${1:-} in
-h|--help) usage 0 ;;
esac

# Tests whose host side does nothing but run L1.
tests=("$@")
[ $# -gt 0 ] || tests=(nested_s2_fault)
src=$(src_of ours)
build=$OUT/build/bare
result=$OUT/results/bare.ktap

build()
{
	kernel_make "$src" "$build/headers" -s -j"$JOBS" headers_install
	make -s -C "$TOP/tools/testing/kvm-nested/bare" O="$build" KSRC="$src" \
		SELFTESTS="$build/headers" TESTS="${tests[*]}" all
}

only_one bare
mkdir -p "$OUT/results" "$build/headers"
step "build: bare" "$OUT/logs/bare-build.log" build
: >"$result"
for test in "${tests[@]}"; do
	status=ok start=$SECONDS
	make -s -C "$TOP/tools/testing/kvm-nested/bare" O="$build" KSRC="$src" \
		SELFTESTS="$build/headers" "run-$test" >"$OUT/logs/bare-$test.log" 2>&1 ||
		status='not ok'
	sed 's/^/  /' "$OUT/logs/bare-$test.log" >>"$result"
	echo "$status $test" >>"$result"
	say "  $status $test ($((SECONDS - start)) s)"
done
"$TOP/scripts/ktap.py" --known "$TOP/tests/nested.tests" "bare=$result"
