#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: apply.sh
#
# Lay our files and patches over out/linux. Only what changed is written, so
# that make rebuilds no more than it has to; running it again does nothing, and
# when a patch does not fit, the tree stays as it was.
#
# The patches are applied (by quilt) in a small tree of their own, made of the
# base's files that they touch, which are kept in out/apply/pristine.

. "$(dirname "$0")/lib.sh"

MANIFEST=$TOP/overlay.manifest
TREE=$OUT/linux
A=$OUT/apply

case ${1:-} in
-h|--help) usage 0 ;;
'') ;;
*) usage 2 >&2 ;;
esac

# put FROM TO: copy a file unless it is there already.
put()
{
	cmp -s "$1" "$2" && return
	mkdir -p "$(dirname "$2")"
	cp "$1" "$2"
	echo "  ${2#"$TREE/"}" >&2
}

files()
{
	sed '/^#/d; /^[[:space:]]*$/d' "$MANIFEST"
}

# Everything is looked at before anything is written.
verify()
{
	local path kind hash have problems=''

	while read -r path kind hash; do
		[ -e "$TOP/$path" ] || problems+="$path: in overlay.manifest, not in the tree"$'\n'
		case $kind in
		new)
			[ ! -e "$TREE/$path" ] || grep -qxF "$path" "$A/installed" 2>/dev/null ||
				problems+="$path: new in overlay.manifest, but the base has it"$'\n' ;;
		replace)
			have=$(awk -v p="$path" '$2 == p { print $1 }' "$OUT/base.sha256")
			if [ -z "$have" ]; then
				problems+="$path: to be replaced, but the base has no such file"$'\n'
			elif [ "$have" != "$hash" ]; then
				say "warning: the base's $path is not the one that ours was written for" \
				    "(Linux $version; see BASE): look for fixes that ours may lack"
			fi ;;
		*)	problems+="$path: '$kind' in overlay.manifest is neither new nor replace"$'\n' ;;
		esac
	done < <(files)
	[ -z "$problems" ] || die "our files do not fit Linux $version" "${problems%$'\n'}"
}

overlay()
{
	local path old

	files | awk '{ print $1 }' | sort >"$A/files"
	if [ -e "$A/installed" ]; then
		comm -13 "$A/files" "$A/installed" | while read -r old; do
			rm -f "$TREE/$old"
			say "  $old (gone)"
		done
	fi
	while read -r path; do
		put "$TOP/$path" "$TREE/$path"
	done <"$A/files"
	cp "$A/files" "$A/installed"
}

touched()
{
	local patch

	sed 's/[[:space:]]*#.*//; /^$/d' "$TOP/patches/series" | while read -r patch; do
		[ -e "$TOP/patches/$patch" ] || die "patches/series names $patch, which is not there"
		sed -n 's|^[-+][-+][-+] [ab]/\([^[:space:]]*\).*|\1|p' "$TOP/patches/$patch"
	done | sort -u
}

patches()
{
	local path log=$OUT/logs/apply.log

	rm -rf "$A/tree"
	mkdir -p "$A/tree" "$A/pristine" "$OUT/logs"
	touched >"$A/touched"
	while read -r path; do
		if [ ! -e "$A/pristine/$path" ] && [ -e "$TREE/$path" ]; then
			! grep -qxF "$path" "$A/files" ||
				die "a patch edits $path, which is ours" "edit the file itself"
			mkdir -p "$(dirname "$A/pristine/$path")"
			cp -p "$TREE/$path" "$A/pristine/$path"
		fi
		[ ! -e "$A/pristine/$path" ] || (cd "$A/pristine" && cp -p --parents "$path" "$A/tree/")
	done <"$A/touched"
	if [ -s "$A/touched" ]; then
		(cd "$A/tree" && QUILT_PATCHES="$TOP/patches" quilt --quiltrc=- push -a --fuzz=0) \
			>"$log" 2>&1 || {
			grep -vE '^$|^Applying|^Now at' "$log" | head -n 20 >&2
			die "$(sed -n 's/^Applying patch //p' "$log" | tail -n 1) does not fit Linux $version" \
			    "refresh it against that version (the log: $log)"
		}
	fi
	# Back to the base what no patch touches any more, then the rest.
	(cd "$A/pristine" && find . -type f -printf '%P\n') | while read -r path; do
		[ -e "$A/tree/$path" ] || put "$A/pristine/$path" "$TREE/$path"
	done
	cat "$A/touched" "$A/touched.before" 2>/dev/null | sort -u | while read -r path; do
		if [ -e "$A/tree/$path" ]; then
			put "$A/tree/$path" "$TREE/$path"
		elif [ ! -e "$A/pristine/$path" ] || grep -qxF "$path" "$A/touched"; then
			rm -f "$TREE/$path"
		fi
	done
	cp "$A/touched" "$A/touched.before"
}

only_one apply
[ -e "$TREE/Makefile" ] || die "$TREE is not there" "scripts/fetch.sh ours first"
version=$(head -n 1 "$OUT/base")
mkdir -p "$A"
verify
overlay
[ ! -e "$TOP/patches/series" ] || patches
