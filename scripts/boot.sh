#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: boot.sh [-t SECONDS] [-m MEGABYTES] KERNEL INITRD [DISK] -- APPEND…
#
# Run L0: the kernel image KERNEL (or ours, or peer) at EL2 under QEMU. The
# console is standard input and output, or $LOGS/L0.log where LOGS is set; then
# the ports report, l1 and l2 of a virtio-serial device go to files there too.
# Exits with QEMU's status, 124 when SECONDS have passed. SMP=N gives it N CPUs.

. "$(dirname "$0")/lib.sh"

limit=0 memory=2048
while getopts t:m:h opt; do
	case $opt in
	t) limit=$OPTARG ;;
	m) memory=$OPTARG ;;
	h) usage ;;
	*) usage 2 >&2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 3 ] || usage 2 >&2
kernel=$1 initrd=$2 disk=
shift 2
[ "$1" = -- ] || { disk=$1; shift; }
[ "${1:-}" = -- ] || usage 2 >&2
shift
case $kernel in
ours|peer) kernel=$(build_of "$kernel")/arch/arm64/boot/Image ;;
esac
for file in "$kernel" "$initrd" ${disk:+"$disk"}; do
	[ -e "$file" ] || die "$file is not there" "make build (or make peer) first"
done

# One CPU on a clock of instructions: runs repeat, and under TCG it is faster
# than one thread for each CPU. Several CPUs are for what needs them to race.
cpus=${SMP:-1}
if [ "$cpus" = 1 ]; then
	clock=(-accel tcg -icount "shift=0,sleep=off" -rtc "base=2026-01-01,clock=vm")
else
	clock=(-accel "tcg,thread=multi")
fi
qemu=(qemu-system-aarch64
	-M "virt,virtualization=on,gic-version=3,dtb-randomness=off"
	-cpu "max,pauth-impdef=on,sme=off,${CPU:-lpa2=off}"
	-smp "$cpus" -m "$memory" "${clock[@]}" -seed 1
	-nodefaults -no-reboot -display none
	-kernel "$kernel" -initrd "$initrd"
	-append "console=ttyAMA0 kvm-arm.mode=nested $*")
# shellcheck disable=SC2054 # a comma within an option of QEMU
[ -z "$disk" ] || qemu+=(-drive "file=$disk,if=none,id=d,format=raw,readonly=on"
	-device virtio-blk-device,drive=d)
if [ -n "${LOGS:-}" ]; then
	mkdir -p "$LOGS"
	qemu+=(-serial "file:$LOGS/L0.log" -device virtio-serial-device
		-global virtio-mmio.ioeventfd=off)
	for port in report l1 l2; do
		qemu+=(-chardev "file,id=$port,path=$LOGS/$port.log"
			-device "virtserialport,chardev=$port,name=$port")
	done
	exec timeout --foreground "$limit" "${qemu[@]}" </dev/null
fi
exec timeout --foreground "$limit" "${qemu[@]}" -serial mon:stdio
