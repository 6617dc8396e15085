#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: selftest.sh ours|peer [TEST…]
#
# Run KVM selftests, those of a set in tests/nested.tests or those named (or
# matched by a pattern), with KTAP in out/results/selftest-KERNEL….ktap. Tests
# that want as many CPUs share a boot; one that exceeds its limit, or takes L0
# with it, fails, and the others go on in the next boot. Exit status 0: each did
# as the list says. The environment:
#
#   SET=l0      the set; l1 where LEVEL=1
#   LEVEL=1     in L1, a plain host with the same kernel: every VM is an L2 there
#   SMP=N       CPUs of L0, whatever the list says
#   CPU=, PAGES=, DEBUG=, CONFIG=    see make help
#   SHARD=I/N   every Nth test from the Ith on, to run N such side by side
#   SLACK=N     times the limits
#   NESTED_SECONDS=, NESTED_RACE_MS=    for nested_stress, and for rows that race

. "$(dirname "$0")/lib.sh"
. "$TOP/scripts/selftest-list.sh"

case ${1:-} in
ours|peer) kernel=$1 ;;
-h|--help) usage 0 ;;
*) usage 2 >&2 ;;
esac
shift

LEVEL=${LEVEL:-0}
case $LEVEL in
0) job=selftest ;;
1) job=level1 ;;
*) die "LEVEL=$LEVEL is not known" "LEVEL is 0 or 1" ;;
esac
name=$(name_of "$kernel")
LOGS=$OUT/logs/selftest-$name
RESULT=$OUT/results/selftest-$name.ktap
INITRD=$LOGS/initrd.img

# Emulation runs a checking kernel at a fraction of the speed, and an L2 too.
slack=${SLACK:-1}
[[ " $CONFIG " != *' debug '* ]] || slack=$((slack * 4))
[ "$LEVEL" = 0 ] || slack=$((slack * 5))

# start CPUS: boot, in the background, what runs $todo.
start()
{
	local images=("$INITRD") haste='' given=() var

	"$TOP/scripts/selftest-pack.sh" image "$INITRD" "${todo[@]}"
	[ "$LEVEL" = 0 ] || images=("$OUT/guest/minimal-$kernel.img" "$INITRD")
	# Where time is counted in instructions, it is the same on a busy machine.
	[ "$1" != 1 ] || haste=${NESTED_HASTE:-}
	for var in NESTED_SECONDS NESTED_RACE_MS; do
		[ -z "${!var:-}" ] || given+=("$var=${!var}")
	done
	LOGS=$LOGS SMP=$1 "$TOP/scripts/boot.sh" -m 3072 "$kernel" "${images[@]}" -- \
		LEVEL=0 JOB=$job SLACK="$slack" "${given[@]}" \
		${haste:+"NESTED_HASTE=$haste"} >"$LOGS/qemu.log" 2>&1 9>&- &
	pid=$!
}

# verdict WORD TEXT: of the first of $todo.
verdict()
{
	number=$((number + 1))
	! l0_splats >>"$RESULT" || set -- 'not ok' "${2%% *} # kernel log of L0"
	echo "$1 $number $2" >>"$RESULT"
	echo "# time ${2%% *} $((SECONDS - since)) s" >>"$RESULT"
	say "  $1 $2 ($((SECONDS - since)) s)"
	todo=("${todo[@]:1}")
	running='' since=$SECONDS
}

# One boot; follows the report. Leaves the tests that were not reached in $todo.
boot()
{
	local report=$LOGS/report.log line running='' since=0 lines=0 stop='' limit

	rm -f "$LOGS"/*.log
	log_seen=0
	start "$1"
	since=$SECONDS
	while [ -z "$stop" ]; do
		kill -0 $pid 2>/dev/null || stop="L0 ended"
		sleep 0.5
		[ -e "$report" ] || continue
		while IFS= read -r line; do
			lines=$((lines + 1))
			case $line in
			'# run '*) running=${line#\# run } since=$SECONDS ;;
			'# done') stop='the end' ;;
			'KTAP '*|1..*) ;;
			'ok '*) verdict ok "${line#ok * }" ;;
			'not ok '*) verdict 'not ok' "${line#not ok * }" ;;
			*) echo "$line" >>"$RESULT" ;;
			esac
		done < <(tail -n "+$((lines + 1))" "$report")
		# run.sh kills what exceeds its limit, by L0's own clock. This is
		# for an L0 that does not get there, on a machine that may be busy.
		limit=$(($(limit_of "$running") * slack * 3 + 60))
		[ $((SECONDS - since)) -le $limit ] || stop="no end after $limit s"
	done
	kill $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
	pid=''
	[ ${#todo[@]} -gt 0 ] || ! l0_splats >>"$RESULT" ||
		echo "not ok $((number += 1)) L0 # kernel log, after the last test" >>"$RESULT"
	if [ ${#todo[@]} -gt 0 ]; then
		running=${running:-${todo[0]}}
		for line in L0 l1; do
			tail -n 20 "$LOGS/$line.log" | tr -d '\0\r' | sed "s/^/  # $line: /"
			cp "$LOGS/$line.log" "$LOGS/$line-$running.txt"
		done 2>/dev/null | tee -a "$RESULT" >&2
		verdict 'not ok' "$running # $stop"
	fi
}

pid=''
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true' EXIT
only_one "selftest-$name"
mkdir -p "$LOGS" "$OUT/results"
rm -f "$LOGS"/*.txt
"$TOP/scripts/guest.sh" packages
if [ "$LEVEL" = 1 ]; then
	[ -z "$CONFIG" ] || CONFIG='' "$TOP/scripts/build.sh" "$kernel"
	"$TOP/scripts/guest.sh" minimal "$kernel"
fi
"$TOP/scripts/selftest-pack.sh" build
mapfile -t tests < <(tests_of "${SET:-l$LEVEL}" "$@" | shard)
[ ${#tests[@]} -gt 0 ] || die "there are no such tests" "see $LIST"
printf 'KTAP version 1\n1..%d\n' ${#tests[@]} >"$RESULT"
number=0 wide=()
for id in "${tests[@]}"; do
	if [ $# -eq 0 ] && slow "$id"; then
		number=$((number + 1))
		echo "ok $number $id # SKIP slow: $(reason_of "$id")" >>"$RESULT"
	else
		wide+=("${SMP:-$(smp_of "$id")} $id")
	fi
done
for cpus in $(printf '%s\n' "${wide[@]}" | cut -d' ' -f1 | sort -nu); do
	mapfile -t todo < <(printf '%s\n' "${wide[@]}" | sed -n "s/^$cpus //p")
	while [ ${#todo[@]} -gt 0 ]; do
		boot "$cpus"
	done
done
"$TOP/scripts/ktap.py" --known "$LIST" "selftest=$RESULT"
