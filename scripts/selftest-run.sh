#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# usage: run.sh [-l] [-s FACTOR] [TEST…]
#
# Run the KVM selftests that lie beside this script: all that the file list has,
# or those named; -l prints their names. KTAP goes to standard output. What a
# test prints is nested two spaces deep where it is KTAP, and commentary where
# it is not. A test that exceeds its limit (times FACTOR) is killed. The kernel
# log is part of the verdict where it can be read. Exit status 0: none failed.
#
# The list has a line for each test: name, seconds, why it is run by name alone
# (slow, known to fail) or '-', and its command, below this directory.
#
# Nothing but a POSIX shell, its utilities and mktemp is needed.

# Everything in the kernel log that a good run does not have.
bad='WARNING:|BUG:|Oops|Unable to handle|INFO: (task|rcu|lockdep)|Call trace|possible (circular|recursive)|inconsistent lock|rcu:.*stall|kernel BUG|KASAN|UBSAN|KFENCE|suspicious RCU'

# killer PID LIMIT: kill the session (or at least the process) after LIMIT.
# shellcheck disable=SC2317 # it is called
killer()
{
	trap 'kill $nap; exit' TERM
	sleep "$2" &
	nap=$!
	wait $nap
	echo "killed after $2 s" >"$tmp/killed"
	kill -9 "-$1" || kill -9 "$1"
}

# run LIMIT COMMAND [ARGUMENT…]: leaves the exit status in $tmp/status.
run()
{
	limit=$1
	shift
	$session "$@" 2>&1 </dev/null &
	pid=$!
	killer "$pid" "$limit" >/dev/null 2>&1 &
	killer=$!
	{ wait "$pid"; } 2>/dev/null
	echo $? >"$tmp/status"
	kill "$killer" 2>/dev/null
	# What the test left behind would keep our output open.
	[ -z "$session" ] || kill -9 "-$pid" 2>/dev/null
}

# Nest the output of a test. Its last line, or the one that says why it was
# skipped, goes to $tmp/last.
nest()
{
	awk -v last="$tmp/last" '
		{ line = $0 }
		/SKIP/ { skip = $0 }
		NR > 4000 && !/^(ok|not ok) / { cut++; next }
		/^(TAP|KTAP) version|^1\.\.|^ok |^not ok |^#/ { print "  " $0; fflush(); next }
		{ print "  # " $0; fflush() }
		END {
			if (cut)
				print "  # " cut " lines more"
			print (skip ? skip : line) >last
		}'
}

# The kernel log since the mark; nothing where there is none.
kernel_log()
{
	[ -n "$mark" ] && dmesg 2>/dev/null | awk -v mark="$mark" '
		index($0, mark) { n = 0; next }
		{ line[n++] = $0 }
		END { for (i = 0; i < n; i++) print line[i] }'
}

# test_case NUMBER ID LIMIT COMMAND [ARGUMENT…]
test_case()
{
	number=$1 id=$2
	shift 2
	echo "# run $id"
	rm -f "$tmp/killed"
	mark="kvm selftest $$: $id"
	{ echo "$mark" >/dev/kmsg && dmesg >/dev/null; } 2>/dev/null || mark=''
	run "$@" | nest
	status=$(cat "$tmp/status")
	if kernel_log | grep -E "$bad" >"$tmp/bad"; then
		sed 's/^/  # kernel: /' "$tmp/bad"
		result="not ok $number $id # kernel log"
	elif [ -e "$tmp/killed" ]; then
		result="not ok $number $id # $(cat "$tmp/killed")"
	elif [ "$status" = 0 ]; then
		result="ok $number $id"
	elif [ "$status" = 4 ]; then
		result="ok $number $id # SKIP $(sed 's/.*SKIP *-* *//' "$tmp/last")"
	else
		result="not ok $number $id # exit $status"
	fi
	echo "$result"
	case $result in not*) failed=1 ;; esac
}

# wanted ID FLAG [NAME…]
wanted()
{
	id=$1 flag=$2
	shift 2
	[ $# -gt 0 ] || { [ "$flag" = - ]; return; }
	case " $* " in
	*" $id "*) ;;
	*) return 1 ;;
	esac
}

usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "${0##*/}"; }

cd "$(dirname "$0")" || exit 2
factor=1
while getopts ls:h option; do
	case $option in
	l)	awk '{ print $1 ($3 != "-" ? "\t(" $3 ")" : "") }' list; exit ;;
	s)	factor=$OPTARG ;;
	h)	usage; exit ;;
	*)	usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
for name in "$@"; do
	awk -v name="$name" '$1 == name { found = 1 } END { exit !found }' list || {
		echo "there is no test $name; run.sh -l lists them" >&2
		exit 2
	}
done
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
session='' failed=0 count=0
export NESTED_SLACK="$factor"
[ -z "$(command -v setsid)" ] || session=setsid
while read -r id limit flag command; do
	wanted "$id" "$flag" "$@" && echo "$id $((limit * factor)) ./$command"
done <list >"$tmp/todo"
echo "KTAP version 1"
{ : >/dev/kmsg && dmesg >/dev/null; } 2>/dev/null ||
	echo "# the kernel log cannot be read: it is no part of the verdicts"
echo "1..$(awk 'END { print NR }' "$tmp/todo")"
while read -r line; do
	count=$((count + 1))
	# shellcheck disable=SC2086 # a command with its arguments
	test_case $count $line
done <"$tmp/todo"
exit $failed
