#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: check.sh
#
# Read what is ours without running it: the manifest, checkpatch --strict,
# kernel-doc, a compilation with W=1 and sparse (with the KUnit suites in),
# the shell scripts, and originality where ../shared has the tool. KTAP in
# out/results/check.ktap, the findings in out/logs/check-*.log.

. "$(dirname "$0")/lib.sh"

case ${1:-} in
-h|--help) usage 0 ;;
esac

src=$(src_of ours)
result=$OUT/results/check.ktap
number=0
kernel_dirs=(arch Documentation include tools virt)
mkdir -p "$OUT/results" "$OUT/logs"
cd "$TOP"

mapfile -t ours < <(awk '!/^#/ && NF { print $1 }' overlay.manifest)
mapfile -t code < <(printf '%s\n' "${ours[@]}" | grep -E '\.[chS]$')
mapfile -t patches < <(sed 's/[[:space:]]*#.*//; /^$/d; s|^|patches/|' patches/series)

# check NAME FUNCTION: what it prints are findings, its status is ignored.
check()
{
	local log=$OUT/logs/check-$1.log

	number=$((number + 1))
	("$2") >"$log" 2>&1 </dev/null || true
	if [ ! -s "$log" ]; then
		echo "ok $number $1"
	elif grep -q '^SKIP ' "$log"; then
		echo "ok $number $1 # $(head -n 1 "$log")"
	else
		head -n 40 "$log" | sed 's/^/# /'
		echo "not ok $number $1 # $(wc -l <"$log") lines in ${log#"$TOP/"}"
	fi | tee -a "$result"
}

manifest()
{
	local dirs=() d

	for d in "${kernel_dirs[@]}"; do [ ! -d "$d" ] || dirs+=("$d"); done
	diff <(printf '%s\n' "${ours[@]}" | sort) \
	     <(find "${dirs[@]}" -type f -not -name '*.o' -not -path '*/__pycache__/*' | sort) |
		sed -n 's/^< \(.*\)/\1: in overlay.manifest, not in the tree/p
			s/^> \(.*\)/\1: in the tree, not in overlay.manifest/p'
}

# Names of the architecture (nTLBPA) and of the base (sys_reg_CRm) are not ours
# to change.
but_given_names()
{
	local line name

	while IFS= read -r line; do
		name=$(sed -n 's/.*:CAMELCASE:.*<\(.*\)>$/\1/p' <<<"$line")
		if [ -n "$name" ] && {
		   grep -qwE "${name##*_}|$(cut -d_ -f1,2 <<<"$name")" \
			"$src/arch/arm64/tools/sysreg" ||
		   grep -rqw --exclude=kvm_nested.h "$name" "$src/arch/arm64/include/asm"; }; then
			continue
		fi
		echo "${line#"$TOP/"}"
	done
}

checkpatch()
{
	local file options

	cd "$OUT"	# it leaves a cache where it runs
	for file in "${ours[@]}"; do
		options=()
		case $file in
		# User space has no __printf() and no ARRAY_SIZE() to prefer.
		tools/testing/kvm-nested/*)
			options=(--ignore "ARRAY_SIZE,PREFER_DEFINED_ATTRIBUTE_MACRO") ;;
		# Labels of a test's assembly have no header; macros fill tables.
		tools/testing/selftests/*)
			options=(--ignore "AVOID_EXTERNS,MACRO_ARG_REUSE") ;;
		esac
		"$src/scripts/checkpatch.pl" --root="$src" --strict --terse --no-summary \
			--show-types "${options[@]}" -f "$TOP/$file"
	done 2>/dev/null | but_given_names
	for file in "${patches[@]}"; do
		"$src/scripts/checkpatch.pl" --root="$src" --strict --terse --no-summary \
			--show-types --no-signoff "$TOP/$file"
	done 2>/dev/null | but_given_names
}

kerneldoc()
{
	[ ${#code[@]} -eq 0 ] || "$src/scripts/kernel-doc" -none -Wall "${code[@]}"
}

# Ours compiled with W=1 and sparse, in a build directory where the KUnit
# suites are enabled; only what is said of our files counts.
compile()
{
	local build=$OUT/build/ours-check objects log=$OUT/logs/check-build.log

	mapfile -t objects < <(printf '%s\n' "${ours[@]}" | sed -n 's|^\(arch/.*\)\.c$|\1.o|p')
	mkdir -p "$build"
	{
		kernel_make "$src" "$build" -s allnoconfig
		ARCH=arm64 "$src/scripts/kconfig/merge_config.sh" -m -O "$build" "$build/.config" \
			"$TOP"/configs/{base,nested,kunit}.config
		kernel_make "$src" "$build" -s olddefconfig
	} >"$log" 2>&1
	(cd "$build" && rm -f "${objects[@]}")
	kernel_make "$src" "$build" -s -k -j"$JOBS" W=1 C=1 \
		CHECK="sparse -D__typeof_unqual__=__typeof__" "${objects[@]}" >>"$log" 2>&1 ||
		echo "ours do not compile: $log"
	# Older sparse stumbles over what module_param() expands to.
	grep -E "(warning|error):" "$log" | grep -v "oracle_kunit.*bad constant expression" |
		grep -F "$(printf '%s\n' "${ours[@]}")"
}

shell()
{
	shellcheck -x -P scripts scripts/*.sh scripts/init .ci/run
	wc -l scripts/* | awk '$1 >= 150 && $2 != "total" && $2 ~ /sh$/ {
		print $2 ": " $1 " lines; split it" }'
}

originality()
{
	local tool=../shared/originality/originality.py dirs=() d

	[ -e "$tool" ] || { echo "SKIP $tool is not here"; return; }
	for d in arch tools Documentation; do [ ! -d "$d" ] || dirs+=("$d"); done
	"$tool" "${dirs[@]}" >"$OUT/logs/originality.log" 2>&1 || cat "$OUT/logs/originality.log"
}

echo "1..6" >"$result"
check manifest manifest
check checkpatch checkpatch
check kernel-doc kerneldoc
check W1-sparse compile
check shellcheck shell
check originality originality
! grep -q '^not ok' "$result"
