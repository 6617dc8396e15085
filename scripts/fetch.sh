#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: fetch.sh ours|peer   the base's source into out/linux or out/peer
#        fetch.sh suites      the Debian suites that carry the base
#
# The base is Debian's package of the kernel's source (BASE names it), or
# BASE_TARBALL=file, or BASE_TREE=dir. out/linux is unpacked without the files
# that ours replace; their hashes are kept in out/base.sha256. out/peer is
# complete. out/base says what the base is.

. "$(dirname "$0")/lib.sh"

BASE_TREE=${BASE_TREE:-} BASE_TARBALL=${BASE_TARBALL:-}

replaced()
{
	[ ! -e "$TOP/overlay.manifest" ] ||
		awk '$2 == "replace" { print $1 }' "$TOP/overlay.manifest"
}

# Sets apt up for the first of BASE's suites that carries the base.
suites()
{
	local group seen='' found

	if [ -e "$OUT/apt/suites" ]; then
		cat "$OUT/apt/suites"
		return
	fi
	mkdir -p "$OUT/apt"
	for group in $SUITES; do
		# shellcheck disable=SC2086
		"$TOP/scripts/apt.sh" update ${group//,/ }
		if [ -n "$("$TOP/scripts/apt.sh" versions "$PACKAGE")" ]; then
			echo "${group//,/ }" | tee "$OUT/apt/suites"
			return
		fi
		found=$("$TOP/scripts/apt.sh" find '^linux-source-[0-9.]+$' || true)
		seen+="$group: ${found:-none}; "
	done
	die "no suite carries $PACKAGE any more" \
	    "what there is: ${seen//$'\n'/ }" \
	    "use a tree of your own (BASE_TREE=dir or BASE_TARBALL=file), or move BASE on"
}

# Leaves the tarball's name in $tarball and what it is in $id.
package()
{
	local deb

	tarball=$OUT/dl/$PACKAGE.tar.xz id=$OUT/dl/$PACKAGE.id
	if [ ! -e "$id" ]; then
		suites >/dev/null
		need_space "$OUT" 1
		rm -rf "$OUT/dl/source"
		step "fetch: $PACKAGE" "$OUT/logs/fetch.log" \
			"$TOP/scripts/apt.sh" download "$OUT/dl/source" "$PACKAGE"
		deb=$(echo "$OUT/dl/source/"*.deb)
		dpkg-deb --fsys-tarfile "$deb" | tar -xO --wildcards '*/linux-source-*.tar.*' >"$tarball"
		dpkg-deb -f "$deb" Package Version | sed 's/^[^:]*: //' | paste -sd' ' >"$id.tmp"
		rm -rf "$OUT/dl/source"
		mv "$id.tmp" "$id"
	fi
	id=$(cat "$id")
}

# What the base is made of: sets $id and one of $tarball, $tree.
source_of_base()
{
	tree='' tarball=''
	if [ -n "$BASE_TREE" ]; then
		tree=$(cd "$BASE_TREE" && pwd) || die "BASE_TREE=$BASE_TREE is no directory"
		[ -e "$tree/Kbuild" ] || die "BASE_TREE=$BASE_TREE is no kernel tree"
		id="tree $tree $(git -C "$tree" rev-parse -q --verify HEAD 2>/dev/null || echo)"
	elif [ -n "$BASE_TARBALL" ]; then
		[ -r "$BASE_TARBALL" ] || die "BASE_TARBALL=$BASE_TARBALL cannot be read"
		tarball=$(realpath "$BASE_TARBALL")
		id="tarball $tarball $(stat -c %s.%Y "$tarball")"
	else
		package
	fi
}

# unpack DIR EXCLUDED…
unpack()
{
	local dir=$1 exclude
	shift
	exclude=("${@/#/--exclude=*/}")
	mkdir -p "$dir"
	if [ -n "$tree" ]; then
		tar -C "$tree/.." --exclude-vcs "${exclude[@]}" --exclude='*.o' -c "${tree##*/}" |
			tar -C "$dir" --strip-components=1 -x
	else
		tar -C "$dir" --strip-components=1 "${exclude[@]}" -xf "$tarball"
	fi
	[ ! -e "$dir/.config" ] || make -s -C "$dir" ARCH=arm64 mrproper
}

# The hashes of the base's FILES, without their text touching the disk.
hashes()
{
	[ $# -gt 0 ] || return 0
	if [ -n "$tree" ]; then
		(cd "$tree" && sha256sum "$@" 2>/dev/null) || true
	else
		# shellcheck disable=SC2016
		tar -xf "$tarball" --wildcards "${@/#/*/}" \
			--to-command='echo "$(sha256sum | cut -d" " -f1)  ${TAR_FILENAME#*/}"'
	fi
}

version()
{
	sed -n 's/^VERSION = //p; s/^PATCHLEVEL = /./p; s/^SUBLEVEL = /./p' "$1/Makefile" |
		paste -sd '' | sed 's/\.$//'
}

case ${1:-} in
ours|peer) ;;
suites) suites; exit ;;
-h|--help) usage 0 ;;
*) usage 2 >&2 ;;
esac

only_one fetch
mkdir -p "$OUT/dl"
source_of_base
dir=$(src_of "$1") without=''
[ "$1" = peer ] || without=$(replaced)
state="$id without: ${without//$'\n'/ }"
[ "$(cat "$dir.base" 2>/dev/null)" != "$state" ] || exit 0

need_space "$OUT" 8
rm -rf "$dir" "$dir.new" "$dir.base"
# shellcheck disable=SC2086
step "unpack: ${id%% /*} -> ${dir#"$TOP/"}" "$OUT/logs/unpack.log" unpack "$dir.new" $without
[ "$(version "$dir.new" | cut -d. -f1,2)" = "$SERIES" ] ||
	die "the base is Linux $(version "$dir.new"), and our files are for $SERIES" \
	    "give a tree of $SERIES, or move BASE on"
if [ "$1" = ours ]; then
	# shellcheck disable=SC2086
	hashes $without >"$OUT/base.sha256"
	rm -rf "$OUT/apply"
fi
printf '%s\n%s\n' "$(version "$dir.new")" "$id" >"$OUT/base"
mv "$dir.new" "$dir"
echo "$state" >"$dir.base"
say "base: Linux $(version "$dir") ($id)"
