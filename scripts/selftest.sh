#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: selftest.sh ours|peer [TEST…]
#
# Run KVM selftests in L0, all that tests/nested.tests lists or those named,
# with KTAP in out/results/selftest-KERNEL.ktap. Tests share a boot; one that
# exceeds its limit, or takes L0 with it, fails, and the others go on in the
# next boot. Exit status 0: each did as the list says.

. "$(dirname "$0")/lib.sh"

case ${1:-} in
ours|peer) kernel=$1 ;;
-h|--help) usage 0 ;;
*) usage 2 >&2 ;;
esac
shift

S=$OUT/build/selftests
LOGS=$OUT/logs/selftest-$kernel
RESULT=$OUT/results/selftest-$kernel.ktap
LIST=$TOP/tests/nested.tests

build()
{
	local src

	src=$(src_of ours)
	kernel_make "$src" "$S" -s -j"$JOBS" headers_install
	LDFLAGS=-static kernel_make "$src/tools/testing/selftests" "$S" \
		-s -j"$JOBS" TARGETS=kvm
}

# field TEST COLUMN DEFAULT: from the list.
field()
{
	awk -v id="$1" -v column="$2" -v value="$3" \
		'NF && $1 == id { value = $column } END { print value }' "$LIST"
}

# image TEST…: L0's initramfs, with the list of what to run.
image()
{
	local dir=$S/initrd id command

	rm -rf "$dir"
	mkdir -p "$dir"/{bin,dev,proc,sys,tmp,hugetlbfs,kvm/arm64}
	cp "$OUT/guest/root/usr/bin/busybox" "$dir/bin/"
	ln -s busybox "$dir/bin/sh"
	install -m 755 "$TOP/scripts/init" "$dir/init"
	for id in "$@"; do
		command=$(field "$id" 6 "arm64/$id")
		[ -x "$S/kselftest/kvm/${command%%,*}" ] ||
			die "there is no selftest ${command%%,*}" "see $LIST and $S/kselftest/kvm"
		"${CROSS}strip" -o "$dir/kvm/${command%%,*}" "$S/kselftest/kvm/${command%%,*}"
		echo "$id ${command//,/ }"
	done >"$dir/kvm/list"
	(cd "$dir" && find . | cpio -o -H newc -R 0:0 --quiet) >"$S/initrd.img"
}

# One boot; follows the report. Appends finished tests' KTAP to $RESULT and
# leaves the tests that were not reached in $todo.
boot()
{
	local report=$LOGS/report.log line running='' since=0 lines=0 stop=''

	rm -f "$LOGS"/*.log
	image "${todo[@]}"
	LOGS=$LOGS "$TOP/scripts/boot.sh" -m 3072 "$kernel" "$S/initrd.img" -- \
		LEVEL=0 JOB=selftest >"$LOGS/qemu.log" 2>&1 9>&- &
	pid=$!
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
			'ok '*|'not ok '*)
				todo=("${todo[@]:1}")
				echo "$line" >>"$RESULT"
				echo "# time $running $((SECONDS - since)) s" >>"$RESULT"
				say "  $line ($((SECONDS - since)) s)"
				running='' since=$SECONDS ;;
			*) echo "$line" >>"$RESULT" ;;
			esac
		done < <(tail -n "+$((lines + 1))" "$report")
		[ $((SECONDS - since)) -le $(($(field "$running" 3 120) * ${SLACK:-1})) ] || stop="no end after its limit"
	done
	kill $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
	pid=''
	if [ "$stop" != 'the end' ] && [ ${#todo[@]} -gt 0 ]; then
		running=${running:-${todo[0]}}
		tail -n 20 "$LOGS/L0.log" | sed 's/^/  # console: /' | tee -a "$RESULT" >&2
		echo "not ok $running # $stop, $((SECONDS - since)) s" >>"$RESULT"
		say "  not ok $running: $stop ($((SECONDS - since)) s)"
		cp "$LOGS/L0.log" "$LOGS/L0-$running.txt"
		todo=("${todo[@]:1}")
	fi
}

pid=''
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true' EXIT
only_one selftest
mkdir -p "$LOGS" "$OUT/results" "$S"
"$TOP/scripts/guest.sh" packages
step "build: selftests" "$OUT/logs/selftest-build.log" build
tests=("$@")
[ $# -gt 0 ] || mapfile -t tests < <(awk '$2 == "l0" { print $1 }' "$LIST")
: >"$RESULT"
todo=()
for id in "${tests[@]}"; do
	if [ $# -eq 0 ] && [ "$(field "$id" 4 pass)" = slow ]; then
		echo "ok $id # SKIP slow: $(sed -n "s/^$id\t.*# //p" "$LIST")" >>"$RESULT"
	else
		todo+=("$id")
	fi
done
while [ ${#todo[@]} -gt 0 ]; do
	boot
done
"$TOP/scripts/ktap.py" --known "$LIST" "selftest=$RESULT"
