#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Break a copy of the walkers in one way after another; the tests have to see
# each. The list is in the file "mutations". Printed are the first tests that
# failed, or what the mutant died of; exit status 0: none survived. An argument
# is a pattern: only those whose description it matches.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
out=${OUT:-$top/out/build/unit}/mutate
pattern=${1:-.}
n=0
survived=0

# Without the fuzzer; warnings are no verdict on a mutant. The limit is of CPU
# time, which a busy machine does not use up for nothing.
harness()
{
	ulimit -St 30
	make -s -C "$here" OUT="$out" CORE="$out/core" WARN=-w \
		STOP=y "$1"
}

# What a mutant failed, or died of.
why()
{
	local failed died

	failed=$(sed -n 's/^not ok [0-9]* //p' "$out/run.ktap" | head -n 3 | paste -sd ';')
	died=$(grep -m 1 -oE 'runtime error.*|AddressSanitizer: [a-z-]*|CPU time limit.*|Killed' \
		"$out/run.log" || true)
	echo "${failed:-${died:-did not end}}"
}

missed()
{
	echo "$1 $2"
	survived=$((survived + 1))
}

mkdir -p "$out/core/nested"
cp "$top"/arch/arm64/kvm/nested.c "$out/core/"
cp "$top"/arch/arm64/kvm/nested/*.[ch] "$out/core/nested/"
harness run >"$out/run.ktap" 2>"$out/run.log" || {
	echo "the tests fail without any mutation: see 'make run'" >&2
	exit 1
}
while IFS='^' read -r file expression description; do
	[[ $description =~ $pattern ]] || continue
	n=$((n + 1))
	sed "$expression" "$top/arch/arm64/kvm/$file" >"$out/core/$file"
	if cmp -s "$out/core/$file" "$top/arch/arm64/kvm/$file"; then
		missed "STALE    " "$description: the expression fits nothing in $file"
	elif ! harness all >"$out/build.log" 2>&1; then
		missed "STALE    " "$description: does not build, see $out/build.log"
	elif harness run >"$out/run.ktap" 2>"$out/run.log"; then
		missed "SURVIVED " "$description"
	else
		echo "caught    $description: $(why)"
	fi
	cp "$top/arch/arm64/kvm/$file" "$out/core/$file"
done < <(grep -v '^#' "$here/mutations")

echo "$n mutants, $survived not caught"
[ "$survived" -eq 0 ] && [ "$n" -gt 0 ]
