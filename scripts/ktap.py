#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Read KTAP, judge it by the list of known failures, merge and count it.

usage: ktap.py [--known FILE] [--merge FILE] SUITE=FILE[:SECONDS]...

Prints a table of the suites, then each failure and each skip with its reason,
and at last 'N passed, N failed, N skipped'. What is counted are the leaves:
a test that reports on its parts counts as these. Exit status 0: none failed.
"""
import argparse
import re
import sys

RESULT = re.compile(r"^( *)(ok|not ok)\b *(\d+)? *-? *([^#]*?) *(?:# *(.*))?$")
# What is no test's failure, but that of the kernel under it, or of what runs it.
NEVER_KNOWN = re.compile(r"kernel log|L0 ended|no end after|killed after")
PLAN = re.compile(r"^( *)1\.\.(\d+)")


class Node:
    def __init__(self, name, outcome, reason, children=()):
        self.name, self.outcome, self.reason = name, outcome, reason
        self.children = list(children)

    def leaves(self, path=""):
        """(path, outcome, reason) of what counts."""
        path = f"{path}/{self.name}" if path else self.name
        below = [leaf for c in self.children for leaf in c.leaves(path)]
        told = any(o == "fail" for _, o, _ in below)
        if not below or (self.outcome == "fail" and not told):
            below.append((path, self.outcome, self.reason))
        return below


def classify(word, directive):
    directive = directive or ""
    if re.match(r"skip", directive, re.I):
        return "skip", re.sub(r"^skip\w*:? *", "", directive, flags=re.I) or "no reason given"
    if word == "ok":
        return "pass", ""
    return "fail", re.sub(r"time \d+s", "", directive).strip()


def parse(lines):
    """The top-level nodes; a plan that is not met is a failure of its level."""
    open_nodes, plans = {}, {}

    def take(depth):
        """Close all levels deeper than depth and return their nodes."""
        nodes = []
        for d in sorted(k for k in set(open_nodes) | set(plans) if k > depth):
            level = open_nodes.pop(d, [])
            plan = plans.pop(d, None)
            if plan is not None and plan > len(level):
                level.append(Node("plan", "fail", f"{plan} planned, {len(level)} reported"))
            nodes += level
        return nodes

    for line in lines:
        line = line.rstrip("\r\n")
        m = PLAN.match(line)
        if m:
            plans[len(m.group(1))] = int(m.group(2))
            continue
        m = RESULT.match(line)
        if m:
            depth = len(m.group(1))
            name = m.group(4) or f"#{m.group(3)}"
            outcome, reason = classify(m.group(2), m.group(5))
            node = Node(name, outcome, reason, take(depth))
            open_nodes.setdefault(depth, []).append(node)
    nodes = open_nodes.get(0, [])
    if 0 in plans and plans[0] > len(nodes):
        nodes.append(Node("plan", "fail", f"{plans[0]} planned, {len(nodes)} reported"))
    open_nodes.pop(0, None)
    plans.pop(0, None)
    unfinished = take(0)
    if unfinished:
        nodes.append(Node("unfinished", "fail", "ended before its verdict", unfinished))
    return nodes


def known_failures(path):
    """id -> reason, from the lines of the list that expect a failure."""
    known = {}
    for line in open(path, encoding="utf-8"):
        fields, _, reason = line.partition("#")
        fields = fields.split()
        if len(fields) >= 5 and fields[3] == "known":
            known[fields[0]] = reason.strip()
    return known


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--known", metavar="FILE")
    ap.add_argument("--merge", metavar="FILE")
    ap.add_argument("suites", nargs="+", metavar="SUITE=FILE[:SECONDS]")
    args = ap.parse_args()
    known = known_failures(args.known) if args.known else {}
    total = {"pass": 0, "fail": 0, "skip": 0}
    details, merged = [], ["KTAP version 1", f"1..{len(args.suites)}"]

    print(f"{'suite':<12}{'passed':>8}{'failed':>8}{'skipped':>9}{'time':>8}")
    for number, suite in enumerate(args.suites, 1):
        name, _, rest = suite.partition("=")
        path, _, seconds = rest.partition(":")
        try:
            text = open(path, encoding="utf-8", errors="replace").read().splitlines()
        except OSError:
            text = [f"not ok {name} # left no results"]
        nodes = parse(text) or [Node(name, "fail", "reported nothing")]
        count = {"pass": 0, "fail": 0, "skip": 0}
        for node in nodes:
            for leaf, outcome, reason in node.leaves():
                if (outcome == "fail" and node.name.split()[0] in known and
                        not NEVER_KNOWN.search(node.reason)):
                    outcome, reason = "skip", "known: " + known[node.name.split()[0]]
                count[outcome] += 1
                if outcome != "pass":
                    details.append(f"{outcome}: {name}: {leaf}" + (f": {reason}" if reason else ""))
        print(f"{name:<12}{count['pass']:>8}{count['fail']:>8}{count['skip']:>9}"
              f"{(seconds + ' s') if seconds else '':>8}")
        for key, value in count.items():
            total[key] += value
        merged += ["  " + line for line in text]
        merged.append(f"{'not ok' if count['fail'] else 'ok'} {number} {name}")
    if args.merge:
        with open(args.merge, "w", encoding="utf-8") as out:
            out.write("\n".join(merged) + "\n")
    if details:
        print("\n" + "\n".join(sorted(details)))
    print(f"\n{total['pass']} passed, {total['fail']} failed, {total['skip']} skipped")
    return 1 if total["fail"] else 0


if __name__ == "__main__":
    sys.exit(main())
