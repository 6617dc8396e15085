#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: kunit.sh [SUITE-GLOB [KERNEL-ARGUMENT]...]
#
# Build and run our KUnit suites with the kernel's own kunit.py, which boots
# them under QEMU; KTAP in out/results/kunit.ktap. The suites are those that
# arch/arm64/kvm/nested/tests/.kunitconfig enables. To repeat random tests:
#	kunit.sh kvm_nested_oracle oracle_kunit.seed=N
# With DEBUG=1 they are those in the kernel that checks itself, which has them
# built in and asleep.

. "$(dirname "$0")/lib.sh"

case ${1:-} in
-h|--help) usage 0 ;;
esac

src=$(src_of ours)
dir=arch/arm64/kvm/nested/tests
build=$OUT/build/kunit
arguments=()
result=$OUT/results/kunit.ktap
bad='WARNING:|BUG:|Oops|Unable to handle|INFO: (task|rcu|lockdep)|KASAN|UBSAN'

build()
{
	mkdir -p "$build"
	cd "$src"
	"$src/tools/testing/kunit/kunit.py" build --arch=arm64 --cross_compile="$CROSS" \
		--kunitconfig="$dir" --build_dir="$build" --jobs="$JOBS"
}

# As .kunitconfig would have it, but for the rest of the kernel.
build_debug()
{
	if grep '^[^#]' "$src/$dir/.kunitconfig" | grep -vxFf "$build/.config"; then
		echo "of what .kunitconfig asks for, this kernel does not have the above"
		return 1
	fi
	kernel_make "$src" "$build" -s Image.gz
}

run()
{
	cd "$src"
	"$src/tools/testing/kunit/kunit.py" exec --arch=arm64 --cross_compile="$CROSS" \
		--build_dir="$build" --timeout=600 --raw_output=kunit "$@" >"$result"
}

only_one kunit
mkdir -p "$OUT/results" "$OUT/logs"
rm -f "$result"
[ -e "$src/$dir/.kunitconfig" ] || {
	echo "ok 1 kunit # SKIP there are no suites in $dir" | tee "$result"
	exit 0
}
case $CONFIG in
'')
	step "build: kunit" "$OUT/logs/kunit-build.log" build
	;;
debug)
	"$TOP/scripts/build.sh" ours
	build=$(build_of ours)
	arguments=(kunit.autorun=1)
	step "build: kunit" "$OUT/logs/kunit-build.log" build_debug
	;;
*)
	die "there are no KUnit suites for CONFIG='$CONFIG'" "there are for DEBUG=1, and without"
	;;
esac
arguments+=("${@:2}")
step "run: kunit" "$OUT/logs/kunit-run.log" run "${arguments[@]/#/--kernel_args=}" ${1:+"$1"}
# The suites' own KTAP alone; the kernel's log is part of the verdict.
sed -i '/^ *\(KTAP\|1\.\.\|ok\|not ok\|#\)/!d' "$result"
if grep -aE "$bad" "$build/test.log" >"$OUT/logs/kunit-bad.log"; then
	sed 's/^/# /' "$OUT/logs/kunit-bad.log" >>"$result"
	echo "not ok $(($(grep -cE '^(not )?ok' "$result") + 1)) kernel-log" >>"$result"
fi
"$TOP/scripts/ktap.py" --known "$TOP/tests/nested.tests" "kunit=$result"
