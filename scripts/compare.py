#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Put KTAP results side by side.

usage: compare.py NAME=FILE NAME=FILE...

A line for each row (the leaves of the reports, as ktap.py counts them), with
what became of it in each file; '-' where a file does not have it.
"""
import sys

from ktap import parse

SHOWN = {"pass": "ok", "fail": "FAIL", "skip": "skip"}


def read(path):
    """(row, outcome) in order; a row that occurs again gets a number."""
    seen = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for node in parse(file.read().splitlines()):
            for row, outcome, _ in node.leaves():
                seen[row] = seen.get(row, 0) + 1
                yield (row if seen[row] == 1 else f"{row} ({seen[row]})"), outcome


def main():
    if len(sys.argv) < 3 or not all("=" in arg for arg in sys.argv[1:]):
        sys.exit(__doc__)
    names, results, rows = [], [], {}
    for arg in sys.argv[1:]:
        name, _, path = arg.partition("=")
        names.append(name)
        results.append(dict(read(path)))
        # A test that broke off early has fewer rows, not others.
        rows.update(dict.fromkeys(results[-1]))
    width = max([len("row")] + [len(row) for row in rows])
    print(f"{'row':<{width}}" + "".join(f"{name:>8}" for name in names))
    differ = 0
    for row in rows:
        outcomes = [SHOWN.get(result.get(row), "-") for result in results]
        differ += len(set(outcomes)) > 1
        print(f"{row:<{width}}" + "".join(f"{outcome:>8}" for outcome in outcomes))
    print(f"\n{len(rows)} rows, {differ} of them differ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
