#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: build.sh ours|peer
#
# Build the kernel from out/linux or out/peer in out/build/KERNEL. Its
# configuration is allnoconfig with configs/base.config and nested.config, then
# configs/$CONFIG.config where CONFIG is set (the build directory is KERNEL-CONFIG
# then); every option that they ask for has to be in the result.

. "$(dirname "$0")/lib.sh"

case ${1:-} in
ours|peer) kernel=$1 ;;
-h|--help) usage 0 ;;
*) usage 2 >&2 ;;
esac

src=$(src_of "$kernel")
build=$(build_of "$kernel")
log=$OUT/logs/build-$kernel.log
fragments=("$TOP/configs/base.config" "$TOP/configs/nested.config")
if [ -n "${CONFIG:-}" ]; then
	[ -e "$TOP/configs/$CONFIG.config" ] ||
		die "CONFIG=$CONFIG is not known" "there are: $(cd "$TOP/configs" && echo *.config)"
	fragments+=("$TOP/configs/$CONFIG.config")
fi

# What the base does not know is asked of our kernel alone.
requested()
{
	local file

	for file in "${fragments[@]}"; do
		if [ "$kernel" = peer ]; then
			sed '/^# ours only/,$d' "$file"
		else
			cat "$file"
		fi
	done
}

configure()
{
	requested >"$build/fragments.new"
	if cmp -s "$build/fragments.new" "$build/fragments" && [ -e "$build/.config" ]; then
		kernel_make "$src" "$build" -s olddefconfig
		return
	fi
	kernel_make "$src" "$build" -s allnoconfig
	ARCH=arm64 "$src/scripts/kconfig/merge_config.sh" -m -O "$build" \
		"$build/.config" "$build/fragments.new"
	kernel_make "$src" "$build" -s olddefconfig
	mv "$build/fragments.new" "$build/fragments"
}

survived()
{
	local line name lost=''

	while read -r line; do
		case $line in
		CONFIG_*=n) line="# ${line%=n} is not set" ;;
		CONFIG_*) ;;
		*) continue ;;
		esac
		grep -qxF "$line" "$build/.config" && continue
		name=$(echo "$line" | grep -o 'CONFIG_[A-Z0-9_]*')
		# An option that is not even known is as good as not set.
		[[ $line != '#'* ]] || grep -q "^$name=" "$build/.config" || continue
		lost+="$line "
	done < <(requested)
	[ -z "$lost" ] || {
		rm -f "$build/fragments"
		die "these options did not survive in $build/.config: $lost" \
		    "their dependencies are not met: see configs/, and menuconfig's search"
	}
}

only_one "build-$kernel"
[ -e "$src/Makefile" ] || die "$src is not there" "scripts/fetch.sh $kernel first"
mkdir -p "$build"
[ -e "$build/vmlinux" ] || need_space "$OUT" 2
step "configure: $kernel${CONFIG:+ ($CONFIG)}" "$OUT/logs/config-$kernel.log" configure
survived
step "build: $kernel${CONFIG:+ ($CONFIG)}" "$log" \
	kernel_make "$src" "$build" -s -j"$JOBS" Image
grep -E '^(\.\./|[a-z]).*(warning|error):' "$log" >&2 || true
