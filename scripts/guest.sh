#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: guest.sh stock|minimal|packages [ours|peer]
#
# Make out/guest/NAME.img: the user space that L0 and L1 boot into, with the
# kernel that they give to their guests. One uncompressed cpio archive is the
# initramfs of both: L0 gets it also as a disk, and hands that on to L1 as is.
#
#   /init                          scripts/init
#   /bin/busybox                   Debian's, static
#   /bin/qemu-system-aarch64, /lib Debian's VMM and the libraries it needs
#   /boot/Image                    stock: Debian's cloud kernel, unmodified;
#                                  minimal: the kernel under test itself
#   /boot/l2.img                   L2's initramfs: busybox and /init

. "$(dirname "$0")/lib.sh"

G=$OUT/guest

fetch()
{
	local debs=$OUT/dl/guest kernel

	[ ! -e "$G/packages" ] || return 0
	need_space "$OUT" 1
	# shellcheck disable=SC2086
	"$TOP/scripts/apt.sh" update ${SUITES_FOUND:-$("$TOP/scripts/fetch.sh" suites)}
	kernel=$("$TOP/scripts/apt.sh" find "$GUEST_KERNEL" | tail -n 1)
	[ -n "$kernel" ] || die "the suite has no package like $GUEST_KERNEL" "see BASE"
	rm -rf "$debs" "$G/root"
	step "guest: packages" "$OUT/logs/guest-packages.log" \
		"$TOP/scripts/apt.sh" closure "$debs" "$GUEST_VMM" "$GUEST_SHELL" "$kernel"
	mkdir -p "$G/root"
	for deb in "$debs"/*.deb; do
		dpkg-deb -x "$deb" "$G/root"
	done
	(cd "$debs" && printf '%s\n' *.deb) >"$G/packages.tmp"
	mv "$G/packages.tmp" "$G/packages"
}

# The libraries that the programs named need, with all that those need.
needed()
{
	local todo=("$@") seen=" " file lib

	while [ ${#todo[@]} -gt 0 ]; do
		file=${todo[0]}
		todo=("${todo[@]:1}")
		for lib in $("${CROSS}readelf" -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
			[[ $seen != *" $lib "* ]] || continue
			seen+="$lib "
			file=$(find "$G/root" -name "$lib" \( -type f -o -type l \) | head -n 1)
			[ -n "$file" ] || die "no package in the closure has $lib"
			echo "$file"
			todo+=("$file")
		done
	done
}

# Put FILE into DIR, without its symbols.
add()
{
	mkdir -p "$2"
	cp -L "$1" "$2/"
	"${CROSS}strip" "$2/$(basename "$1")"
}

archive()
{
	(cd "$1" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet)
}

tree()
{
	local root=$G/root vmm=$G/root/usr/bin/qemu-system-aarch64 lib

	rm -rf "$G/l1" "$G/l2"
	for dir in "$G/l1" "$G/l2"; do
		mkdir -p "$dir"/{bin,dev,proc,sys,tmp,boot}
		add "$root/usr/bin/busybox" "$dir/bin"
		ln -s busybox "$dir/bin/sh"
		install -m 755 "$TOP/scripts/init" "$dir/init"
	done
	add "$vmm" "$G/l1/bin"
	needed "$vmm" >"$G/libraries"
	while read -r lib; do
		add "$lib" "$G/l1/lib"
	done <"$G/libraries"
	archive "$G/l2" >"$G/l1/boot/l2.img"
}

case ${1:-} in
stock|minimal|packages) ;;
-h|--help) usage 0 ;;
*) usage 2 >&2 ;;
esac

only_one guest
mkdir -p "$G"
fetch
[ "$1" != packages ] || exit 0
image=$G/$1.img
case $1 in
stock)
	kernel=$(find "$G/root" -name 'vmlinuz*' -size +1M | head -n 1)
	;;
minimal)
	kernel=$(CONFIG='' build_of "${2:-ours}")/arch/arm64/boot/Image
	image=$G/$1-${2:-ours}.img
	[ -e "$kernel" ] || die "$kernel is not there" "make build (or make peer) first"
	;;
esac
if [ ! -e "$image" ] || [ "$TOP/scripts/init" -nt "$image" ] ||
   [ "$kernel" -nt "$image" ] || [ "$G/packages" -nt "$image" ]; then
	tree
	cp -L "$kernel" "$G/l1/boot/Image"
	archive "$G/l1" >"$image.tmp"
	truncate -s %4096 "$image.tmp"
	mv "$image.tmp" "$image"
	rm -rf "$G/l1" "$G/l2"
	say "guest image: $image, $(du -m "$image" | cut -f1) MB"
fi
