#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: bare.sh [TEST[@CPU]…]
#
# A second opinion about what the selftests expect: run the tests named, or all
# that can, with their L1 at EL2 of the emulated machine itself and no KVM in
# between (see tools/testing/kvm-nested/bare). KTAP in out/results/bare.ktap.
# CPU is options for QEMU's -cpu max, or another model; in the environment, for all
# tests that have none.

. "$(dirname "$0")/lib.sh"

case ${1:-} in
-h|--help) usage 0 ;;
esac

# Tests whose host side, or that of most rows, does nothing but run L1. Most rows
# run on a CPU with FEAT_LPA2. What shapes a stage 2 may have depends on that, on
# FEAT_TTST (n1 and a76 have none), and on the size of addresses: 48 bits (n1, n2),
# 40 bits.
runs=("$@")
[ $# -gt 0 ] || runs=(nested_s2_geometry nested_s2_fault nested_s2_matrix nested_s2_attr
	nested_s2_52bit nested_tlbi nested_at nested_hw_update
	nested_s2_geometry@{lpa2=off,neoverse-n2,cortex-a76,cortex-a710}
	nested_s2_fault@neoverse-n1)
bare=$TOP/tools/testing/kvm-nested/bare
src=$(src_of ours)
build=$OUT/build/bare
result=$OUT/results/bare.ktap

bare_make()
{
	make -s -C "$bare" O="$build" KSRC="$src" SELFTESTS="$build/headers" "$@"
}

build()
{
	kernel_make "$src" "$build/headers" -s -j"$JOBS" headers_install
	bare_make -j"$JOBS" TESTS="$(printf '%s\n' "${runs[@]%%@*}" | sort -u | tr '\n' ' ')" all
}

only_one bare
mkdir -p "$OUT/results" "$build/headers"
step "build: bare" "$OUT/logs/bare-build.log" build
: >"$result"
for run in "${runs[@]}"; do
	test=${run%%@*} cpu=${CPU:-lpa2=on} status=ok start=$SECONDS
	[ "$run" = "$test" ] || cpu=${run#*@}
	log=$OUT/logs/bare-$run.log
	bare_make CPU="$cpu" TESTS="$test" "run-$test" >"$log" 2>&1 || status='not ok'
	sed 's/^/  /' "$log" >>"$result"
	echo "$status $test ($cpu)" >>"$result"
	say "  $status $test, $cpu ($((SECONDS - start)) s)"
done
"$TOP/scripts/ktap.py" --known "$TOP/tests/nested.tests" "bare=$result"
