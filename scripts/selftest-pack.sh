#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: selftest-pack.sh build               the selftests, statically linked
#        selftest-pack.sh image FILE TEST…    an initramfs that runs them
#        selftest-pack.sh tarball             out/kvm-nested-selftests.tar.gz
#
# The selftests are the base's and ours, for every kernel that they run on: they
# ask for the page size when they run. In the initramfs and in the tarball they
# are in kvm/, with selftest-run.sh as run.sh and the list that it reads.

. "$(dirname "$0")/lib.sh"
. "$TOP/scripts/selftest-list.sh"

S=$OUT/build/selftests
TARBALL=$OUT/kvm-nested-selftests.tar.gz

build()
{
	local src

	src=$(src_of ours)
	kernel_make "$src" "$S" -s -j"$JOBS" headers_install
	LDFLAGS=-static kernel_make "$src/tools/testing/selftests" "$S" \
		-s -j"$JOBS" TARGETS=kvm
}

# populate DIR FLAGS TEST…: the tests, the list, and what runs it. FLAGS says
# whether tests that are slow, or known to fail, run by name alone.
populate()
{
	local dir=$1 by_name=$2 id command file flag
	shift 2
	mkdir -p "$dir/arm64"
	install -m 755 "$TOP/scripts/selftest-run.sh" "$dir/run.sh"
	for id in "$@"; do
		command=$(command_of "$id") flag=-
		file=${command%%,*}
		[ -x "$S/kselftest/kvm/$file" ] ||
			die "there is no selftest $file" "see $LIST and $S/kselftest/kvm"
		[ -e "$dir/$file" ] || "${CROSS}strip" -o "$dir/$file" "$S/kselftest/kvm/$file"
		[ -z "$by_name" ] || [ "$(field "$id" 4 pass)" = pass ] || flag=$(field "$id" 4 pass)
		echo "$id $(limit_of "$id") $flag ${command//,/ }"
	done >"$dir/list"
}

# image FILE TEST…
image()
{
	local file=$1 dir=$1.d
	shift
	rm -rf "$dir"
	mkdir -p "$dir"/{bin,dev,proc,sys,tmp,hugetlbfs}
	cp "$OUT/guest/root/usr/bin/busybox" "$dir/bin/"
	ln -s busybox "$dir/bin/sh"
	install -m 755 "$TOP/scripts/init" "$dir/init"
	populate "$dir/kvm" '' "$@"
	(cd "$dir" && find . | cpio -o -H newc -R 0:0 --quiet) >"$file"
	truncate -s %4096 "$file"
	rm -rf "$dir"
}

tarball()
{
	local name=kvm-nested-selftests dir=$OUT/build/tarball tests

	mapfile -t tests < <(tests_of l0)
	rm -rf "$dir"
	populate "$dir/$name" by_name "${tests[@]}"
	cat >"$dir/$name/README" <<-END
		KVM selftests for arm64, with those for nested virtualization. For Linux on an
		arm64 CPU with FEAT_NV2, booted with kvm-arm.mode=nested; statically linked.
		As root:

		  ./run.sh               all but those that -l marks; -s 3: three times the limits
		  ./run.sh nested_tlbi   this one
		  ./run.sh -l            what there is
		  arm64/nested_s2_fault -h    tests of rows run one row too

		What comes out is KTAP, and the exit status is 0 where nothing failed. Where
		root may read it, the kernel log is part of each verdict.
	END
	tar -C "$dir" --owner=0 --group=0 --sort=name -czf "$TARBALL.new" "$name"
	mv "$TARBALL.new" "$TARBALL"
	rm -rf "$dir"
	say "$TARBALL, $(du -m "$TARBALL" | cut -f1) MB, ${#tests[@]} tests"
}

case ${1:-} in
build|tarball)
	only_one selftest-build
	mkdir -p "$S"
	step "build: selftests" "$OUT/logs/selftest-build.log" build
	[ "$1" = build ] || tarball ;;
image)
	[ $# -ge 3 ] || usage 2 >&2
	image "${@:2}" ;;
-h|--help) usage 0 ;;
*) usage 2 >&2 ;;
esac
