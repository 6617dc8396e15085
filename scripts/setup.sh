#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: setup.sh
#
# Install what the other scripts need and this machine lacks. Root's business:
# for anybody else, print the line to run as root. QEMU comes from the suite's
# backports where the suite's own is too old to have FEAT_NV2.

. "$(dirname "$0")/lib.sh"

QEMU_NEEDED=9.0

# What is looked for (a command, or a pattern of files), and the package that
# brings it.
needs='
gcc gcc
make make
/usr/include/stdio.h libc6-dev
/usr/include/jansson.h libjansson-dev
/usr/include/zlib.h zlib1g-dev
clang clang
/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a libclang-rt-dev
flex flex
bison bison
bc bc
perl perl
python3 python3
cpio cpio
xz xz-utils
rsync rsync
git git
quilt quilt
sparse sparse
shellcheck shellcheck
/usr/include/openssl/ssl.h libssl-dev
/usr/include/gelf.h libelf-dev
/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
/usr/aarch64-linux-gnu/lib/libc.a libc6-dev-arm64-cross
qemu-system-aarch64 qemu-system-arm
'

qemu_version()
{
	qemu-system-aarch64 --version 2>/dev/null |
		sed -n 's/.*version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1
}

# at_least VERSION MINIMUM
at_least()
{
	[ -n "$1" ] && [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

missing()
{
	local probe package

	while read -r probe package; do
		case $probe in
		'') ;;
		/*) compgen -G "$probe" >/dev/null || echo "$package" ;;
		*) command -v "$probe" >/dev/null || echo "$package" ;;
		esac
	done <<<"$needs"
	if command -v qemu-system-aarch64 >/dev/null &&
	   ! at_least "$(qemu_version)" "$QEMU_NEEDED"; then
		echo qemu-system-arm
	fi
}

candidate()
{
	apt-cache "${apt[@]}" policy "$1" | sed -n 's/ *Candidate: \([0-9]*:\)\?//p' | grep -v none
}

# Where the suite alone will not do: look in its backports too, through a copy of
# the machine's sources, so that /etc/apt stays as it is.
add_backports()
{
	local parts=$OUT/apt-host codename
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

	say "setup: looking in $codename-backports too"
	rm -rf "$parts"
	mkdir -p "$parts"
	cp /etc/apt/sources.list.d/* "$parts/" 2>/dev/null || true
	printf 'deb [signed-by=%s] %s %s-backports main\n' \
		/usr/share/keyrings/debian-archive-keyring.gpg \
		"$("$TOP/scripts/apt.sh" mirror)" "$codename" >"$parts/backports.list"
	apt+=(-o "Dir::Etc::SourceParts=$parts")
	update
	suite=(-t "$codename-backports")
}

update()
{
	step "setup: apt-get update" "$OUT/logs/setup-update.log" apt-get "${apt[@]}" -q update
}

install()
{
	step "setup: apt-get install" "$OUT/logs/setup-install.log" \
		apt-get "${apt[@]}" -qy --no-install-recommends "$@"
}

case ${1:-} in
-h|--help) usage 0 ;;
esac

packages=$(missing | sort -u | paste -sd' ')
if [ -n "$packages" ]; then
	command -v apt-get >/dev/null ||
		die "this machine lacks: $packages" \
		    "and has no apt-get; install them (the names are Debian's), QEMU $QEMU_NEEDED or newer"
	[ "$(id -u)" = 0 ] ||
		die "this machine lacks: $packages" "run once as root:  $TOP/scripts/setup.sh"
	say "setup: installing $packages"
	apt=(-o APT::Sandbox::User=root) suite=()
	update
	others=${packages/qemu-system-arm/}
	if [ -n "${others// /}" ]; then
		# A library that came from backports wants its headers from there.
		# shellcheck disable=SC2086
		apt-get "${apt[@]}" -s install $others >/dev/null 2>&1 || add_backports
		# shellcheck disable=SC2086
		install "${suite[@]}" install $others
	fi
	# QEMU last: backports move some of its libraries on, and with them
	# their development packages.
	if [ "$others" != "$packages" ]; then
		at_least "$(candidate qemu-system-arm || true)" "$QEMU_NEEDED" ||
			[ -n "${suite[*]}" ] || add_backports
		install "${suite[@]}" install qemu-system-arm
	fi
fi
at_least "$(qemu_version)" "$QEMU_NEEDED" ||
	die "QEMU is $(qemu_version), and FEAT_NV2 came in $QEMU_NEEDED" \
	    "put a newer qemu-system-aarch64 first in PATH, or remove the old one and run this again"
