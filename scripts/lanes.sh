# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Jobs side by side, no more than LANES of them at a time, with a line a minute
# on what runs. Sourced by scripts/test.sh, never run.

# An L0 may come to use all of its 3 GB.
memory=$(awk '/^MemAvailable/ { print int($2 / 3500000) }' /proc/meminfo)
cores=$(nproc)
LANES=${LANES:-$((memory < cores ? memory : cores))}
declare -A lanes=()
lanes_told=0

# A job has a process group of its own: what it started ends with it.
set -m
trap 'for job in "${!lanes[@]}" ${aside:+"$aside"}; do kill -- "-$job"; done 2>/dev/null || true' EXIT

# lanes_wait LIMIT: wait until less than LIMIT jobs run.
lanes_wait()
{
	local job

	while :; do
		for job in "${!lanes[@]}"; do
			kill -0 "$job" 2>/dev/null || unset "lanes[$job]"
		done
		[ ${#lanes[@]} -gt 0 ] && [ ${#lanes[@]} -ge "$1" ] || return 0
		sleep 1
		[ $((SECONDS - lanes_told)) -lt 60 ] || {
			lanes_told=$SECONDS
			say "== $((SECONDS / 60)) min, running: ${lanes[*]}"
		}
	done
}

# in_lane NAME COMMAND…: as soon as there is a lane for it. What it says gets its
# name in front, and is in out/logs/test-NAME.log; the seconds that it took are
# in out/logs/test-NAME.seconds.
in_lane()
{
	local name=$1 start
	shift
	lanes_wait "$LANES"
	start=$SECONDS
	say "== $((SECONDS / 60)) min, begins: $name"
	{
		("$@") 2>&1 | tee "$OUT/logs/test-$name.log" | sed -u "s/^/$name: /" >&2 || true
		echo $((SECONDS - start)) >"$OUT/logs/test-$name.seconds"
	} &
	lanes[$!]=$name
}

# beside COMMAND…: one more, that is not waited for and takes no lane.
beside()
{
	"$@" </dev/null 2>&1 | sed -u 's/^/ahead: /' >&2 &
	aside=$(jobs -p %%)
}
