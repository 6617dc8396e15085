#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Put KTAP results side by side.

usage: compare.py NAME=FILE[,FILE...] NAME=FILE[,FILE...]...

A line for each row (the leaves of the reports, as ktap.py counts them), with
what became of it in each file: 'time' where it was still running at its limit,
which does not tell a row that hangs from one that is slow, and '-' where a file
does not have it.
"""
import sys

from ktap import parse

# What ktap.parse() adds where a report breaks off.
OURS = ("plan", "unfinished")
SHOWN = {"pass": "ok", "fail": "FAIL", "skip": "skip", "time": "time"}


def leaves(node, key):
    """(key, name, outcome) of what counts; names below a test may be missing."""
    below = [leaf for place, child in enumerate(node.children, 1)
             for leaf in leaves(child, key + (child.name if child.name in OURS else place,))]
    told = any(outcome in ("fail", "time") for _, _, outcome in below)
    if not below or (node.outcome == "fail" and not told):
        # A skipped row has its description where others have it, or in the reason.
        name = node.reason if node.name.startswith("#") else node.name
        late = node.outcome == "fail" and node.reason.startswith("TIMEOUT")
        below.append((key, name, "time" if late else node.outcome))
    return below


def read(paths):
    """key -> (row, outcome), in order."""
    nodes = []
    for path in paths.split(","):
        with open(path, encoding="utf-8", errors="replace") as file:
            nodes += parse(file.read().splitlines())
    return {key: (name if len(key) == 1 else f"{key[0]}/{name}", outcome)
            for node in nodes for key, name, outcome in leaves(node, (node.name,))}


def main():
    if len(sys.argv) < 3 or not all("=" in arg for arg in sys.argv[1:]):
        sys.exit(__doc__)
    names = [arg.partition("=")[0] for arg in sys.argv[1:]]
    results = [read(arg.partition("=")[2]) for arg in sys.argv[1:]]
    # A test that broke off has fewer rows; where one skips a row and another
    # does not, the latter knows its name.
    rows = {}
    for result in results:
        for key, (row, outcome) in result.items():
            if key not in rows or outcome != "skip":
                rows[key] = row
    width = max([len("row")] + [len(row) for row in rows.values()])
    print(f"{'row':<{width}}" + "".join(f"{name:>8}" for name in names))
    differ = 0
    for key, row in rows.items():
        outcomes = [SHOWN[result[key][1]] if key in result else "-" for result in results]
        differ += len(set(outcomes)) > 1
        print(f"{row:<{width}}" + "".join(f"{outcome:>8}" for outcome in outcomes))
    print(f"\n{len(rows)} rows, {differ} of them differ")


if __name__ == "__main__":
    main()
