#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: build.sh ours|peer
#
# Build the kernel from out/linux or out/peer in out/build/KERNEL. Its
# configuration is allnoconfig with configs/base.config and nested.config, then
# those that CONFIG names ('16k debug': the build directory is KERNEL-16k-debug
# then). The last to ask for an option has it; what is asked for has to be in
# the result. Builds of different kernels can run at the same time.

. "$(dirname "$0")/lib.sh"

case ${1:-} in
ours|peer) kernel=$1 ;;
-h|--help) usage 0 ;;
*) usage 2 >&2 ;;
esac

src=$(src_of "$kernel")
build=$(build_of "$kernel")
name=${build##*/}
log=$OUT/logs/build-$name.log
fragments=("$TOP/configs/base.config" "$TOP/configs/nested.config")
for fragment in $CONFIG; do
	[ -e "$TOP/configs/$fragment.config" ] ||
		die "CONFIG=$fragment is not known" "there are: $(cd "$TOP/configs" && echo *.config)"
	fragments+=("$TOP/configs/$fragment.config")
done

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
	done | awk -F = '/^CONFIG_/ { last[$1] = $0; if (!seen[$1]++) order[++n] = $1 }
		END { for (i = 1; i <= n; i++) print last[order[i]] }'
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
	local line option lost=''

	while read -r line; do
		case $line in
		CONFIG_*=n) line="# ${line%=n} is not set" ;;
		CONFIG_*) ;;
		*) continue ;;
		esac
		grep -qxF "$line" "$build/.config" && continue
		option=$(echo "$line" | grep -o 'CONFIG_[A-Z0-9_]*')
		# An option that is not even known is as good as not set.
		[[ $line != '#'* ]] || grep -q "^$option=" "$build/.config" || continue
		lost+="$line "
	done < <(requested)
	[ -z "$lost" ] || {
		rm -f "$build/fragments"
		die "these options did not survive in $build/.config: $lost" \
		    "their dependencies are not met: see configs/, and menuconfig's search"
	}
}

only_one "build-$name"
[ -e "$src/Makefile" ] || die "$src is not there" "scripts/fetch.sh $kernel first"
mkdir -p "$build"
[ -e "$build/vmlinux" ] || need_space "$OUT" 2
step "configure: $name" "$OUT/logs/config-$name.log" configure
survived
step "build: $name" "$log" kernel_make "$src" "$build" -s -j"$JOBS" Image
grep -E '^(\.\./|[a-z]).*(warning|error):' "$log" >&2 || true
