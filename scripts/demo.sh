#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: demo.sh ours|peer [stock|minimal]
#
# Boot three levels: L0 with the kernel named, L1 inside it, L2 inside that,
# both with Debian's stock kernel or with L0's own (minimal). A line per level
# as it comes up and goes down; the consoles are in out/logs/demo-…/. Exit
# status 0: all three came up and went down, with nothing bad in their logs.
# L2 shows no more of its log than warnings (it checks all of it); VERBOSE=1
# has it shown, at the price of a minute.

. "$(dirname "$0")/lib.sh"

case ${1:-} in
ours|peer) kernel=$1 ;;
-h|--help) usage 0 ;;
*) usage 2 >&2 ;;
esac
guest=${2:-stock}
case $guest in
stock) image=$OUT/guest/stock.img ;;
minimal) image=$OUT/guest/minimal-$kernel.img ;;
*) die "GUEST=$guest is not known" "GUEST is stock or minimal" ;;
esac

LOGS=$OUT/logs/demo-$kernel-$guest
# Seconds that a level may take to come up, and to go down again; about four
# times what they take on the machine that this was written on.
limit_up=(60 240 480) limit_down=(120 120 120)
slack=${SLACK:-1}

# What a good run's console does not have, and scripts/init may not have lived
# to find.
bad='WARNING:|BUG:|Oops|Unable to handle|INFO: (task|rcu|lockdep)|possible (circular|recursive)|rcu:.*stall|Kernel panic'

console()
{
	case $1 in
	0) echo "$LOGS/L0.log" ;;
	*) echo "$LOGS/l$1.log" ;;
	esac
}

# The lines of a level that are meant for us.
lines()
{
	local line

	# A line that has no end yet is left for the next time.
	{ [ "$1" != 0 ] || cat "$LOGS/report.log"; cat "$(console "$1")"; } 2>/dev/null |
		tr -d '\0\r' | while IFS= read -r line; do
			[[ $line != "L$1: "$2* ]] || echo "$line"
		done
}

fail()
{
	local level=$1
	shift
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	say "the last lines of L$level:"
	tail -n 20 "$(console "$level")" | sed 's/^/    /' >&2 || true
	die "L$level $*" "consoles: $LOGS"
}

# follow LEVEL EVENT LIMIT: wait for the level to say so.
follow()
{
	local level=$1 event=$2 limit=$(($3 * slack)) since=$SECONDS line

	while :; do
		line=$(lines "$level" "$event" | head -n 1)
		[ -z "$line" ] || break
		if ! kill -0 "$pid" 2>/dev/null; then
			sleep 1
			line=$(lines "$level" "$event" | head -n 1)
			[ -z "$line" ] || break
			fail "$level" "did not come $event: QEMU ended"
		fi
		[ $((SECONDS - since)) -lt "$limit" ] ||
			fail "$level" "did not come $event within $limit s"
		sleep 0.5
	done
	printf '%4d s  %s\n' $((SECONDS - start)) "$line"
}

only_one "demo-$kernel-$guest"
rm -rf "$LOGS"
mkdir -p "$LOGS"
say "L0 boots the kernel $kernel; L1 and L2 boot the $guest kernel"
start=$SECONDS
LOGS=$LOGS "$TOP/scripts/boot.sh" -m 2048 "$kernel" "$image" "$image" -- \
	LEVEL=0 JOB=demo ${VERBOSE:+L2LOG=8} >"$LOGS/qemu.log" 2>&1 9>&- &
pid=$!
trap 'kill $pid 2>/dev/null || true' EXIT

for level in 0 1 2; do
	follow $level up "${limit_up[$level]}"
done
for level in 2 1 0; do
	follow $level down "${limit_down[$level]}"
done
wait $pid || fail 0 "went down, but QEMU ended with $?"

for level in 0 1 2; do
	! grep -aE "$bad" "$(console $level)" >&2 || fail $level "has something bad in its log"
	[ -n "$(lines $level 'down, kernel log clean')" ] ||
		fail $level "has something bad in its log: $(lines $level down)"
done
for level in 0 1; do
	[ -n "$(lines $level 'the VMM of L? ended with 0')" ] ||
		fail $level "had trouble with its VMM"
	[ -n "$(lines $level 'up, *VHE+NV2 mode initialized successfully')" ] ||
		fail $level "did not come up with VHE and NV2"
done
say "three levels up and down in $((SECONDS - start)) s"
