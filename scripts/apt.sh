#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: apt.sh mirror                the mirror that is used
#        apt.sh update SUITES…        read the suites' lists
#        apt.sh find PATTERN          names of packages that match
#        apt.sh versions PACKAGE      versions that the suites carry
#        apt.sh download DIR PACKAGE… those packages alone
#        apt.sh closure DIR PACKAGE…  those and all they depend on
#
# An apt of our own under out/apt, for arm64 packages of other suites than the
# machine's. Its sources are made from the mirror that the machine itself uses
# (or DEBIAN_MIRROR=URI). The machine's apt, its sources and its state are
# neither used nor changed, but for its settings (a proxy, say).

. "$(dirname "$0")/lib.sh"

APT=$OUT/apt

# The URI from which this machine gets Debian; apt prints it whatever the
# syntax of its sources is.
mirror()
{
	local codename uri

	[ -z "${DEBIAN_MIRROR:-}" ] || { echo "$DEBIAN_MIRROR"; return; }
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	uri=$(apt-get update --print-uris 2>/dev/null |
		sed -n "s|^'\(.*\)/dists/$codename/InRelease'.*|\1|p" | head -n 1)
	[ -n "$uri" ] ||
		die "no Debian mirror among this machine's apt sources" \
		    "say which: make … DEBIAN_MIRROR=URI," \
		    "or use a tree of your own: BASE_TREE=dir or BASE_TARBALL=file"
	echo "$uri"
}

configure()
{
	local uri suite

	uri=$(mirror)
	mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial" "$APT/state"
	touch "$APT/state/status"
	for suite in "$@"; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main"
	done >"$APT/sources.list"
	cat >"$APT/apt.conf" <<-END
		#clear APT::Architectures;
		APT::Architecture "arm64";
		APT::Architectures { "arm64"; };
		APT::Default-Release "$1";
		APT::Install-Recommends "false";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::Retries "3";
		Dir::Etc::SourceList "$APT/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
		Dir::State "$APT/state";
		Dir::State::Lists "$APT/lists";
		Dir::State::Status "$APT/state/status";
		Dir::Cache "$APT/cache";
		Dir::Log "$APT/state";
	END
}

case ${1:-} in
-h|--help)
	usage 0 ;;
mirror)
	mirror ;;
update)
	shift
	command -v apt-get >/dev/null ||
		die "there is no apt-get on this machine" \
		    "use a tree of your own: BASE_TREE=dir or BASE_TARBALL=file"
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ||
		die "Debian's keyring is not here" "apt-get install debian-archive-keyring"
	configure "$@"
	export APT_CONFIG=$APT/apt.conf
	apt-get update -o APT::Update::Error-Mode=any >"$APT/update.log" 2>&1 || {
		grep -m 4 '^[EW]:' "$APT/update.log" >&2 || true
		die "the lists of $* could not be read from the mirror" \
		    "is there a network? is the suite there? (the log: $APT/update.log)"
	} ;;
find)
	export APT_CONFIG=$APT/apt.conf
	apt-cache pkgnames | grep -E "$2" | sort -V ;;
versions)
	export APT_CONFIG=$APT/apt.conf
	apt-cache madison "$2" | awk '{ print $3 }' | sort -uV ;;
download)
	export APT_CONFIG=$APT/apt.conf
	mkdir -p "$2"
	cd "$2"
	shift 2
	apt-get -q download "$@" ;;
closure)
	export APT_CONFIG=$APT/apt.conf
	mkdir -p "$2/partial"
	dir=$2
	shift 2
	apt-get -qy -o Dir::Cache::Archives="$dir" --download-only install "$@" ;;
*)
	usage 2 >&2 ;;
esac
