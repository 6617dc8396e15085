#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Turn conformance vectors (JSON lines, gzip) into lines that vectors.c reads.

The argument is the file of vectors; the lines go to standard output.

A line is a letter and words; "-" stands for what a vector does not say:

  V id group               begins a vector
  I field value            ID register field
  F feature, P pamax       the same, in the other style
  R register value
  X s2|full address        a stage-2 walk of an IPA, or both stages of a VA
  A access el pan unaligned
  G shift                  granule chosen by the vector for a bad TG0
  S attribute              memory type that stage 1 has given
  M address word           memory, all else aborts
  O address                its update aborts
  E fault level stage s1ptw address write off
                           a permitted outcome (address: PA, or faulting IPA),
                           and after it, what goes with it:
  r address word|abort     descriptor fetch
  w address old new abort  descriptor update
  L desc level size span r w x1 x0    leaf: sizes as log2, permissions
  T type inner outer sh    memory type
  .                        ends the vector
"""
import gzip
import json
import sys

# Tags that say how a vector came about, not what it is about.
QUIET_TAGS = ("corner", "choice", "choice_attr_only")
# Where parts and editions may differ: groups of their own, first match.
CARE_TAGS = ("edition_dependent", "contig_inconsistent", "hi52_small_ps", "ps7")
# The encoding of TG0 that stands for each granule.
TG0_SHIFT = {0: 12, 1: 16, 2: 14}


def group(vec):
    """The name of the test that the vector counts for."""
    tags = [t for t in vec.get("tags", []) if t not in QUIET_TAGS]
    for tag in CARE_TAGS:
        if tag in tags:
            return tag
    if tags:
        return "+".join(tags)
    if "cfg" in vec:
        return vec["cfg"]["granule"]
    return vec["access"]


def words(*items):
    return " ".join("-" if i is None else str(i) for i in items)


def outcome(out):
    is_fault = out["fault"] != "none"
    yield words("E", out["fault"], out.get("level"), out.get("stage"),
                out.get("s2fs1walk"),
                out.get("fault_ipa") if is_fault else out["pa"],
                out.get("fault_write"), int("stage2_off" in out))
    for addr, word in out["reads"]:
        yield words("r", addr, word)
    for addr, old, new, *abort in out["writes"]:
        yield words("w", addr, old, new, len(abort))
    leaf = out.get("leaf")
    if leaf:
        yield words("L", *(leaf[k] for k in (
            "desc", "level", "size_log2", "span_log2", "r", "w", "x_el1",
            "x_el0")))
    attr = out.get("attr")
    if attr:
        kind = attr["device"] if attr["type"] == "device" else "normal"
        yield words("T", kind, attr.get("inner"), attr.get("outer"), attr["sh"])


def record(vec):
    yield words("V", vec["id"], group(vec))
    for item in vec.get("idregs", {}).items():
        yield words("I", *item)
    for name in vec.get("features", []):
        yield words("F", name)
    if "pamax" in vec:
        yield words("P", vec["pamax"])
    for item in vec["regs"].items():
        yield words("R", *item)
    if vec.get("mode") == "full":
        yield words("X", "full", vec["va"])
    else:
        yield words("X", "s2", vec["ipa"])
    yield words("A", vec["access"], vec.get("el", 1), vec.get("pan", 0),
                vec.get("unaligned", 0))
    for name, value in vec.get("impdef", {}).items():
        if name != "TG0 encoded granule size":
            sys.exit(f"{vec['id']}: unknown choice: {name}")
        yield words("G", TG0_SHIFT[value])
    if "s1attr" in vec:
        yield words("S", vec["s1attr"])
    for addr, word in vec["mem"]:
        yield words("M", addr, word)
    for addr in vec.get("ro", []):
        yield words("O", addr)
    yield from outcome(vec["expect"])
    for out in vec["expect"].get("outcomes", []):
        yield from outcome(out)
    yield "."


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with gzip.open(sys.argv[1], "rt", encoding="ascii") as vectors:
        for line in vectors:
            print("\n".join(record(json.loads(line))))


if __name__ == "__main__":
    main()
