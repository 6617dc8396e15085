#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Choose conformance vectors for KUnit and write them as rows of C.

usage: gen-kunit-vectors.py [--check] [--list] VECTORS-DIRECTORY HEADER

--check writes nothing and fails if HEADER is not what would be written;
--list shows what is covered, and by how many of the vectors chosen.

The vectors (*.jsonl.gz) have been made by executing Arm's specification; all of
them run in user space. What runs in the kernel is a small part: each vector is
given the points that it covers (a kind of fault at a level with a granule, a
start level, an update of a descriptor, a feature in use ...), and the vector
with most points that are still open is taken until none is open. The same files
give the same rows.

A row has the descriptors that some permitted outcome reads, and no others: all
else aborts. It has all outcomes that the architecture permits, less what KUnit
does not compare (memory types, permissions).
"""
import argparse
import collections
import gzip
import heapq
import json
import os
import sys
import textwrap

FILES = ("s2.jsonl.gz", "s2cfg.jsonl.gz", "s1s2.jsonl.gz")
WIDTH = 80
GLUE = "~"			# a space that no line break parts
MAX_WORDS = 12			# VECTOR_WORDS
MAX_OUTCOMES = 6		# VECTOR_OUTCOMES

PA_BITS = (32, 36, 40, 42, 44, 48, 52)
GRANULES = ("4K", "16K", "64K")
S2_TG0 = {0: "4K", 1: "64K", 2: "16K"}
S1_TG1 = {1: "16K", 2: "4K", 3: "64K"}
PGSHIFT = {"4K": 12, "16K": 14, "64K": 16}
HCR_VM, HCR_PTW, HCR_DC, HCR_TGE, HCR_FWB = 1, 1 << 2, 1 << 12, 1 << 27, 1 << 46
VTCR_DS, VTCR_SL2, EE = 1 << 32, 1 << 33, 1 << 25
SCTLR_M, SCTLR_WXN, SCTLR_EPAN = 1, 1 << 19, 1 << 57
# EL1 and EL0; cache maintenance asks for other permissions at EL0.
ACCESS = {
    "read": ("READ", "READ"), "write": ("WRITE", "WRITE"),
    "rmw": ("RMW", "RMW"), "exec": ("EXEC", "EXEC"), "ttw": ("TTW", "TTW"),
    "ttw_update": ("TTW_UPDATE", "TTW_UPDATE"),
    "at_read": ("AT_READ", "AT_READ"), "at_write": ("AT_WRITE", "AT_WRITE"),
    "dc_civac": ("CMO", "CMO_READ"), "dc_ivac": ("CMO_WRITE", "CMO_WRITE"),
    "ic": ("CMO", "CMO"),
}
PROGRAM = ("read", "write", "rmw", "exec")


def num(text):
    return int(text, 0)


def field(value, high, low):
    return value >> low & (1 << high - low + 1) - 1


class Vector:
    """A vector: what it says, the outcomes it permits, the points it covers."""

    def __init__(self, vec):
        self.vec, self.name, self.access = vec, vec["id"], vec["access"]
        self.full = vec.get("mode") == "full"
        self.addr = num(vec["va" if self.full else "ipa"])
        self.el0 = not vec.get("el", 1)
        # AT S1E1R and its like, maintenance and fetches know no PAN.
        self.pan = bool(vec.get("pan")) and self.access in PROGRAM[:3]
        self.unaligned = bool(vec.get("unaligned", 0))
        self.regs = {k: num(v) for k, v in vec["regs"].items()}
        # s2cfg says nothing of HCR_EL2: stage 2 is on.
        self.hcr = self.regs.get("HCR_EL2", HCR_VM)
        self.vtcr = self.regs["VTCR_EL2"]
        self.sctlr_el2 = self.regs.get("SCTLR_EL2", 0)
        self.s2_on = bool(self.hcr & (HCR_VM | HCR_DC))
        self._features()
        self._memory()
        self.outcomes, self.updates = [], 0
        for out in vec["expect"].get("outcomes") or [vec["expect"]]:
            out = self._outcome(out)
            if out not in self.outcomes:
                self.outcomes.append(out)

    def _features(self):
        vec = self.vec
        if "pamax" in vec:
            self.pa_bits, feat = vec["pamax"], vec["features"]
            self.gran, self.lpa2 = list(GRANULES), []
            self.feat = [f for f, name in (
                ("TTST", "FEAT_TTST"), ("XNX", "FEAT_XNX"),
                ("HAF | HDBS", "FEAT_HAFDBS"), ("HPDS", "FEAT_HPDS"),
                ("EPAN", "FEAT_PAN3")) if name in feat]
            return
        ids = vec["idregs"]
        self.pa_bits = PA_BITS[ids["PARange"]]
        self.gran, self.lpa2 = [], []
        for size, has, large in (("4K", 0, 1), ("16K", 1, 2), ("64K", 0, 16)):
            s1, s2 = ids[f"TGran{size[:-1]}"], ids[f"TGran{size[:-1]}_2"]
            if s2 >= 2 or s2 == 0 and s1 in (has, large):
                self.gran.append(size)
            if s2 == 3 or s2 == 0 and s1 == large:
                self.lpa2.append(size)
        self.feat = [f for f, on in (
            ("TTST", ids["ST"]), ("XNX", ids["XNX"]),
            ("HAF", ids["HAFDBS"] >= 1), ("HDBS", ids["HAFDBS"] >= 2),
            ("FWB", ids.get("FWB", 0))) if on]

    def _memory(self):
        """The words that some outcome looks at: {address: (word, flag)}."""
        there = {num(a): num(w) for a, w in self.vec["mem"]}
        read_only = {num(a) for a in self.vec.get("ro", [])}
        self.words = {}
        expect = self.vec["expect"]
        for out in [expect] + expect.get("outcomes", []):
            for addr, word in out["reads"]:
                addr = num(addr)
                flag = "RO" if addr in read_only else ""
                if word == "abort":
                    flag = "ABORTS"
                self.words.setdefault(addr, (there.get(addr, 0), flag))

    def _index(self, addr):
        return list(self.words).index(num(addr))

    def _outcome(self, out):
        """What is compared: (kind, level, stage, flags, address, reads, write)."""
        flags, addr = [], None
        if out["fault"] == "none":
            kind, level, stage, addr = "NONE", 0, 0, num(out["pa"])
        else:
            kind, level = out["fault"].upper(), out.get("level") or 0
            stage = out["stage"]
            if stage == 2 and "fault_ipa" in out:
                addr = num(out["fault_ipa"])
            if out["s2fs1walk"]:
                flags.append("S1PTW")
            elif self.access in PROGRAM and "fault_write" in out:
                flags.append("AS_WRITE" if out["fault_write"] else "AS_READ")
        reads = "".join(f"{self._index(a):x}" for a, _ in out["reads"])
        self.updates = max(self.updates, len(out["writes"]))
        write = None
        for where, _, new, *_ in out["writes"]:
            write = (self._index(where), num(new))
        return kind, level, stage, " | ".join(flags), addr, reads, write

    @property
    def granule(self):
        """The granule of stage 2; None if it is a choice that is not ours."""
        asked = S2_TG0.get(field(self.vtcr, 15, 14))
        if asked in self.gran:
            return asked
        ours = next((g for g in GRANULES if g in self.gran), None)
        choice = self.vec.get("impdef", {}).get("TG0 encoded granule size", -1)
        # The vectors have FEAT_LPA2 as the granule asked for would have it.
        return ours if S2_TG0.get(choice) == ours and not self.lpa2 else None

    @property
    def ds(self):
        return bool(self.vtcr & VTCR_DS) and self.granule in self.lpa2

    @property
    def suits(self):
        """Do the walkers get it as it is, and is the choice in it ours?"""
        if (len(self.words) > MAX_WORDS or len(self.outcomes) > MAX_OUTCOMES or
                self.updates > 1):
            return False
        if self.s2_on and not self.granule:
            return False
        if self.words.get(0) == (0, ""):	# ends a list
            return False
        if self.full:
            return True
        # Stage 1 has refused an unaligned access to its Device memory before.
        refused = (self.unaligned and "FWB" in self.feat and
                   self.hcr & HCR_FWB and self.access != "exec" and
                   self.vec.get("s1attr") in ("GRE", "nGnRnE"))
        return self.s2_on and not refused

    # What is covered

    def start_level(self):
        sl0 = field(self.vtcr, 7, 6)
        if self.granule != "4K":
            return 3 - sl0
        if self.ds and self.vtcr & VTCR_SL2:
            return -1 if sl0 == 0 else "?"
        return (2, 1, 0, 3)[sl0]

    def concatenated(self):
        """log2 of the number of start tables; negative: part of one."""
        shift, level = PGSHIFT[self.granule], self.start_level()
        if level == "?":
            return "?"
        top = shift + (4 - level) * (shift - 3)
        return max(64 - field(self.vtcr, 5, 0) - top, -1)

    def s1_granule(self):
        tcr = self.regs["TCR_EL1"]
        if self.addr >> 55 & 1:
            return S1_TG1.get(field(tcr, 31, 30), "?")
        return S2_TG0.get(field(tcr, 15, 14), "?")

    def choices(self):
        return sorted({c for out in self.vec["expect"].get("outcomes", [])
                       for c in out["choices"]})

    def points_of_faults(self):
        kind, level, stage, flags, _, _, write = self.outcomes[0]
        gran = self.granule if self.s2_on else "off"
        if stage == 1 or (self.full and kind == "NONE"):
            gran = self.s1_granule()
        yield kind, level, stage, "S1PTW" in flags, self.full, gran
        if kind in ("PERMISSION", "ALIGNMENT", "NONE"):
            yield kind, stage, "S1PTW" in flags, self.full, self.access
        if kind == "SEA_TTW":
            yield "abort of an update", stage, level, bool(write)

    def points_of_s2(self):
        if not self.s2_on:
            yield "stage 2 is off", self.outcomes[0][0]
            return
        kind, level, _, _, _, reads, write = self.outcomes[0]
        yield "start", self.granule, self.ds, self.start_level(), bool(reads)
        yield "EE", self.granule, bool(self.sctlr_el2 & EE), bool(write)
        for tag in self.vec.get("tags", []):
            yield "tag", tag
        if not reads:
            return
        size = PA_BITS[min(field(self.vtcr, 18, 16), 6)]
        yield "tables", self.granule, self.concatenated()
        yield ("output", self.granule, min(size, self.pa_bits),
               kind == "ADDRESS_SIZE")
        if self.ds:
            yield "DS", self.granule, kind
            yield "DS", self.granule, level, kind == "NONE"
        elif self.granule == "64K" and self.pa_bits == 52:
            yield "LPA", kind, level

    def points_of_leaf(self):
        """What the leaf of a stage-2 walk says."""
        leaf = self.vec["expect"].get("leaf")
        if not leaf or self.full:
            return
        desc, kind = num(leaf["desc"]), self.outcomes[0][0]
        yield "leaf", self.granule, self.ds, leaf["level"], bool(leaf["contig"])
        if kind in ("PERMISSION", "NONE"):
            yield "S2AP", leaf["s2ap"], self.access in ("write", "rmw"), kind
        if self.access == "exec":
            yield "XN", leaf["xn"], "XNX" in self.feat, self.el0, kind
        if self.access.startswith("ttw") or self.unaligned:
            yield ("MemAttr", leaf["attr"]["type"], bool(self.hcr & HCR_FWB),
                   bool(self.hcr & HCR_PTW), self.unaligned, kind)
        if self.vtcr >> 21 & 3 or kind == "ACCESS_FLAG":
            clean = desc >> 51 & 1 and not desc >> 7 & 1
            if clean and "HDBS" in self.feat and kind == "NONE":
                yield "clean", field(self.vtcr, 22, 21), self.access
            writes = self.access in ("write", "rmw", "ttw_update")
            yield ("update", field(self.vtcr, 22, 21), desc >> 10 & 1,
                   desc >> 51 & 1, desc >> 7 & 1, writes, kind)

    def points_of_s1(self):
        if not self.full:
            return
        tcr, sctlr = self.regs["TCR_EL1"], self.regs["SCTLR_EL1"]
        kind, _, stage, _, _, _, write = self.outcomes[0]
        off = not sctlr & SCTLR_M or self.hcr & (HCR_DC | HCR_TGE)
        upper = self.addr >> 55 & 1
        yield "MMU", bool(off), self.s2_on, self.hcr & HCR_DC, self.hcr & HCR_TGE
        if off:
            return
        yield "range", upper, self.s1_granule(), self.granule, kind == "NONE"
        yield "S1 update", field(tcr, 40, 39), bool(write), kind == "NONE"
        yield "S1 EE", bool(sctlr & EE), bool(write)
        if stage == 1 and kind == "PERMISSION" or kind == "NONE":
            yield "HPD", tcr >> 41 + upper & 1, "HPDS" in self.feat, kind
            yield ("PAN", self.pan, bool(sctlr & SCTLR_EPAN),
                   "EPAN" in self.feat, kind)
            yield ("WXN", bool(sctlr & SCTLR_WXN), self.access == "exec",
                   self.el0, kind)

    def points(self):
        """A point counts where all outcomes agree on what KUnit compares."""
        if len(self.outcomes) > 1:
            return {("choice", self.full, c) for c in self.choices()}
        points = set()
        for source in (self.points_of_faults, self.points_of_s2,
                       self.points_of_leaf, self.points_of_s1):
            points.update(source())
        return points

    # Text

    def title(self):
        kind, level, stage, flags, *_ = self.outcomes[0]
        gran = self.granule if self.s2_on else "no stage 2"
        if self.full:
            gran = f"{self.s1_granule()} on {gran}"
        what = f"{self.name}, {gran}, {self.access}: "
        if kind == "NONE":
            return what + "done"
        what += f"{kind.lower()}, level {level}"
        if not self.full:
            return what
        return what + f", stage {stage}" + (" for 1" if "S1PTW" in flags else "")

    def outcome_text(self, out):
        kind, level, stage, flags, addr, reads, write = out
        items = ["DONE" if kind == "NONE" else GLUE.join((f"FAULT({kind},", f"{level},", f"{stage})")),
                 flags or "0", "ANY" if addr is None else f"{addr:#x}",
                 f'"{reads}"']
        if write:
            items += [f"UPDATE({write[0]})", f"{write[1]:#x}"]
        return items

    def s1_text(self):
        ttbr = "TTBR1_EL1" if "TTBR1_EL1" in self.regs else "TTBR0_EL1"
        return [f"{self.regs[r]:#x}"
                for r in ("TCR_EL1", "SCTLR_EL1", ttbr, "MAIR_EL1")]

    def row(self):
        gran = [f"G{g}" for g in self.gran]
        if len(gran) == 3:
            gran = ["GRANULES"]
        feat = gran + [f"LPA2_{g}" for g in self.lpa2] + self.feat
        if self.el0:
            feat.append("EL0")
        if self.pan:
            feat.append("WITH_PAN")
        if self.unaligned:
            feat.append("UNALIGNED")
        regs = [self.vtcr, self.regs["VTTBR_EL2"], self.hcr, self.sctlr_el2]
        atoms = [f"{self.pa_bits},", GLUE.join(" | ".join(feat).split()) + ",",
                 f"ACC({ACCESS[self.access][self.el0]}),", f"{self.addr:#x},",
                 braces([f"{r:#x}" for r in regs], ",")]
        atoms += nest([braces([f"{a:#x}", f"{w:#x}"] + ([f] if f else []))
                       for a, (w, f) in self.words.items()], ",")
        atoms += nest([braces(self.outcome_text(o)) for o in self.outcomes],
                      "," if self.full else "")
        if self.full:
            atoms.append(braces(self.s1_text()))
        return [f'\t{{ "{self.title()}",'] + fill(atoms)


def braces(items, end=""):
    """Initialisers in braces: one word, that no line break parts."""
    return "{" + GLUE + ("," + GLUE).join(items) + GLUE + "}" + end


def nest(groups, end=""):
    """A list of such words, in braces."""
    inside = ", ".join(groups) + GLUE if groups else ""
    return ["{" + GLUE + inside + "}" + end]


def fill(atoms):
    """Lines of at most WIDTH columns."""
    text = " ".join(atoms) + GLUE + "},"
    lines = textwrap.wrap(text, WIDTH - 10, break_long_words=False,
                          break_on_hyphens=False)
    return ["\t  " + line.replace(GLUE, " ") for line in lines]


def read(directory):
    for name in FILES:
        with gzip.open(os.path.join(directory, name), "rt",
                       encoding="ascii") as lines:
            for line in lines:
                vec = Vector(json.loads(line))
                if vec.suits:
                    yield vec


def choose(vectors):
    """Greedy cover: most open points for its length, then the first."""
    # Points are only ever closed: a score on the heap is no less than the true
    # one, and a vector whose score is still true has the highest.
    heap = []
    for place, vec in enumerate(vectors):
        points = vec.points()
        length = 4 + len(vec.words) + len(vec.outcomes)
        heap.append((-len(points) / length, place, length, points, vec))
    heapq.heapify(heap)
    still_open = set().union(*(points for *_, points, _ in heap))
    total, chosen = len(still_open), []
    while still_open:
        score, place, length, points, vec = heap[0]
        true = -len(points & still_open) / length
        if true != score:
            heapq.heapreplace(heap, (true, place, length, points, vec))
            continue
        heapq.heappop(heap)
        chosen.append(vec)
        still_open -= points
    return sorted(chosen, key=lambda v: v.name), total


HEADER = """\
/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Made by tools/testing/kvm-nested/gen-kunit-vectors.py: do not edit.
 *
 * {count} of {all} conformance vectors, which cover all of {points} points: kinds of
 * fault by level, stage and granule, start levels, formats, updates, features.
 * vectors_kunit.c has the meaning of a row, and includes this.
 */
"""


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("directory")
    parser.add_argument("header")
    args = parser.parse_args()

    vectors = list(read(args.directory))
    chosen, points = choose(vectors)
    lines = [HEADER.format(count=len(chosen), all=len(vectors), points=points) +
             "static const struct vector_row vector_rows[] = {"]
    for vec in chosen:
        lines += vec.row()
    text = "\n".join(lines + ["};"]) + "\n"

    if args.list:
        counts = collections.Counter(p for v in chosen for p in v.points())
        for point, count in sorted(counts.items(), key=repr):
            print(count, point)
    elif args.check:
        with open(args.header, encoding="ascii") as header:
            if header.read() != text:
                sys.exit(f"{args.header} is not what {sys.argv[0]} makes: run it")
    else:
        with open(args.header, "w", encoding="ascii") as header:
            header.write(text)


if __name__ == "__main__":
    main()
