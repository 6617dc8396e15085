# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How scripts/selftest*.sh read tests/nested.tests, which says what its columns
# are, and L0's log. Sourced, never run.

LIST=$TOP/tests/nested.tests

# name_of KERNEL: what a run on it is called, in file names.
name_of()
{
	local name=$1${CONFIG:+-${CONFIG// /-}}${CPU:+-${CPU//[^a-z0-9]/_}}

	[ "${LEVEL:-0}" = 0 ] || name+=-l$LEVEL
	[ -z "${SHARD:-}" ] || name+=-${SHARD/\//of}
	echo "$name"
}

# field TEST COLUMN DEFAULT. A test that the list does not have runs with
# defaults.
field()
{
	awk -v id="$1" -v column="$2" -v value="$3" \
		'NF && $1 == id { value = $column } END { print value }' "$LIST"
}

limit_of() { field "$1" 3 120; }
smp_of() { field "$1" 6 1; }
command_of() { field "$1" 7 "arm64/$1"; }
slow() { [ "$(field "$1" 4 pass)" = slow ]; }
reason_of() { sed -n "s/^$1\t.*# //p" "$LIST"; }

# shard: SHARD=1/2 is every second line from the first on, 2/2 the others.
shard()
{
	awk -v shard="${SHARD:-1/1}" 'BEGIN { split(shard, s, "/") } (NR - s[1]) % s[2] == 0'
}

# tests_of SET [NAME…]: what the list has for the set, or of the names given,
# which may be patterns, whatever set they are in.
tests_of()
{
	local set=$1 name id all
	shift
	mapfile -t all < <(awk -F '\t' '!/^#/ && NF { print $1 }' "$LIST")
	if [ $# -eq 0 ]; then
		awk -F '\t' -v set="$set" '!/^#/ && ("," $2 ",") ~ ("," set ",") { print $1 }' "$LIST"
	fi
	for name in "$@"; do
		case $name in
		*[*?[]*)
			for id in "${all[@]}"; do
				# shellcheck disable=SC2053 # a pattern
				[[ $id != $name ]] || slow "$id" || echo "$id"
			done ;;
		*)	echo "$name" ;;
		esac
	done
}

# l0_splats: what L0's kernel complained of since the last call. In L0, run.sh
# sees to that; tests in L1 know of L1's log alone.
l0_splats()
{
	local log=$LOGS/L0.log bad from=$log_seen

	[ "$LEVEL" = 1 ] && [ -e "$log" ] || return 1
	bad=$(sed -n "s/^bad='\(.*\)'$/\1/p" "$TOP/scripts/selftest-run.sh")
	log_seen=$(stat -c %s "$log")
	tail -c "+$((from + 1))" "$log" | head -c $((log_seen - from)) | tr -d '\0\r' |
		grep -aE "$bad" | sed 's/^/  # L0: /' | grep .
}
