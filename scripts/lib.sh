# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What all scripts share: where things are, how to speak, how to fail.
# Sourced, never run.

set -eu

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OUT=$TOP/out
CROSS=aarch64-linux-gnu-
JOBS=${JOBS:-$(nproc)}
# shellcheck source=../BASE
. "$TOP/BASE"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
# PAGES=16k|64k and DEBUG=1 are short for fragments of configs/. CONFIG has them
# all, in one order, so that a build directory has one name.
case ${PAGES:-4k} in
4k) PAGES= ;;
16k|64k) ;;
*) echo "error: PAGES=$PAGES is not known; PAGES is 4k, 16k or 64k" >&2; exit 1 ;;
esac
[ "${DEBUG:-0}" = 0 ] || DEBUG=debug
[ "${DEBUG:-0}" != 0 ] || DEBUG=
# shellcheck disable=SC2086
CONFIG=$(printf '%s\n' $PAGES $DEBUG ${CONFIG:-} | awk 'NF && !seen[$0]++' | paste -sd' ')
unset PAGES DEBUG
export CONFIG
# A caller's make options (-n, -B, a jobserver) are not meant for what we run.
unset MAKEFLAGS MFLAGS MAKELEVEL

say()
{
	printf '%s\n' "$*" >&2
}

# The first line says what is wrong, the others what to do.
die()
{
	printf 'error: %s\n' "$1" >&2
	shift
	[ $# -eq 0 ] || printf '       %s\n' "$@" >&2
	exit 1
}

# Print the comment block at the head of the running script, for -h.
usage()
{
	sed -n '3,/^$/s/^# \{0,1\}//p' "$0"
	exit "${1:-0}"
}

# step DESCRIPTION LOG COMMAND…: run a long command with its output in LOG, a
# dot every five seconds, and the end of LOG should it fail.
step()
{
	local what=$1 log=$2 start=$SECONDS pid
	shift 2
	mkdir -p "$(dirname "$log")"
	printf '%-58s' "$what" >&2
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		sleep 0.2
		[ $(((SECONDS - start) % 5)) -ne 4 ] || { printf . >&2; sleep 0.8; }
	done
	if wait $pid; then
		printf ' %ds\n' $((SECONDS - start)) >&2
	else
		printf ' failed\n' >&2
		tail -n 25 "$log" >&2
		die "$what failed" "the whole log: $log"
	fi
}

# only_one WHAT: wait for another run in this clone that is at the same.
only_one()
{
	mkdir -p "$OUT"
	exec 9>"$OUT/$1.lock"
	flock -n 9 || {
		say "waiting for another $1 in $OUT to end"
		flock 9
	}
}

# need_space DIR GIGABYTES
need_space()
{
	local have

	have=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1048576) }')
	[ "$have" -ge "$2" ] ||
		die "$1 has $have GB free, and $2 GB are needed" \
		    "make room there, or put the clone on a bigger disk"
}

kernel_make()
{
	local src=$1 build=$2
	shift 2
	make -C "$src" O="$build" ARCH=arm64 CROSS_COMPILE="$CROSS" "$@"
}

# src_of, build_of KERNEL: the source and the build directory of ours or peer.
src_of()
{
	case $1 in
	ours) echo "$OUT/linux" ;;
	peer) echo "$OUT/peer" ;;
	*) die "KERNEL=$1 is not known" "KERNEL is ours or peer" ;;
	esac
}

build_of()
{
	echo "$OUT/build/$1${CONFIG:+-${CONFIG// /-}}"
}
