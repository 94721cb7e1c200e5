# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads what libtpu dumps of a kernel: the instruction bundles it issues, one a cycle at most, and simulated cycles.

A kernel is one loop over its grid. In `*-final_bundles.txt` a bundle has a line, `: >` marks those in the loop and
`: >>` those in a loop inside it; `sbr.rel (predicate) target = $regionN` jumps to where region N begins.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

_BUNDLE = re.compile(r"\s*0x[0-9a-f]+ +(\w*) *: +(>*)")
_JUMP = re.compile(r"sbr\.rel \(.*?\) target = \$region(\d+)")
_START = re.compile(r"Start(?:/End empty)? region (\d+)")
_DELAY = 4  # bundles behind a jump that run either way
_SMALL = 8  # a region of fewer bundles starts or awaits a copy


@dataclasses.dataclass(frozen=True)
class Body:
    """The loop over the grid.

    Attributes:
      size: bundles in it. regions: sizes of the regions that a predicate may skip, in order; those of a few bundles,
        and those around others or around a loop, count as always run. loops: sizes of the loops inside, in order.
    """

    size: int
    regions: tuple[int, ...]
    loops: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Runs:
    """How often the parts of a body must run for one head.

    Attributes:
      steps: of the grid. edges: regions that begin or end a sum. tiles: the largest region, which computes a tile of
        scores; None where no predicate guards it. trips: of each loop inside.
    """

    steps: float
    edges: float
    tiles: float | None = None
    trips: tuple[float, ...] = ()


def body(text: str) -> Body:
    """The loop of a `*-final_bundles.txt`."""
    marks: list[tuple[str, int]] = []  # label and depth of each bundle; an empty one has no depth
    jumps: list[tuple[int, str]] = []
    starts: dict[str, int] = {}
    for line in text.splitlines():
        bundle = _BUNDLE.match(line)
        if bundle:
            marks.append((bundle[1], len(bundle[2])))
        if marks:  # a bundle may take several lines
            jumps += [(len(marks) - 1, target) for target in _JUMP.findall(line)]
            starts |= {region: len(marks) - 1 for region in _START.findall(line)}
    begins = [at for at, (label, _) in enumerate(marks) if label == "LB"]
    inner = [(at, _end(marks, at)) for at in begins if marks[at][1] > 1]
    size = max((at for at, (_, depth) in enumerate(marks) if depth), default=-1) + 1 - min(begins, default=0)
    spans = [(at + 1 + _DELAY, starts[target]) for at, target in jumps if starts.get(target, 0) > at]
    spans = [(begin, end) for begin, end in spans if end - begin >= _SMALL]
    guard = max(
        (end - begin for begin, end in spans), default=0
    )  # skips the first or last step, which computes nothing
    spans = [(begin, end) for begin, end in spans if 2 * (end - begin) < size or end - begin < guard]
    busy = spans + inner
    leaves = [a for a in spans if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in busy)]
    return Body(size, tuple(end - begin for begin, end in sorted(leaves)), tuple(end - begin for begin, end in inner))


def _end(marks: Sequence[tuple[str, int]], begin: int) -> int:
    """Where the loop that begins at a bundle ends: at the first label less deep."""
    depth = marks[begin][1]
    return next(at for at in range(begin + 1, len(marks)) if marks[at][0] and marks[at][1] < depth)


def executed(found: Body, runs: Runs) -> float:
    """Bundles that must run for one head.

    Raises:
      ValueError: there are loops whose trips are not known.
    """
    if len(found.loops) != len(runs.trips):
        raise ValueError(f"{len(found.loops)} loops inside a step, and trips of {len(runs.trips)} are known")
    regions = list(found.regions)
    total = (found.size - sum(regions) - sum(found.loops)) * runs.steps
    if runs.tiles is not None and regions:
        regions.remove(max(regions))
        total += max(found.regions) * runs.tiles
    total += sum(regions) * runs.edges
    return total + sum(size * trips for size, trips in zip(found.loops, runs.trips, strict=True))


def spills(text: str) -> int:
    """Stores of registers that did not suffice, in a `*-final_hlo-static-per-bundle-utilization.txt`."""
    head, _, rows = text.partition("UTILIZATION:")
    names = next((line.split(",") for line in head.splitlines() if "VSTORE:SPILL" in line), [])
    place = [name.strip() for name in names].index("VSTORE:SPILL") if names else None
    values = [row.split() for row in rows.splitlines()]
    return sum(int(row[place]) for row in values if place is not None and len(row) == len(names))


def cycles(text: str) -> int | None:
    """Simulated cycles of one operation's static profile; None where it has none."""
    found = re.search(r"estimated_cycles: (\d+)", text)
    return int(found[1]) if found else None


def believable(simulated: float, must_run: float, cores: int) -> bool:
    """Whether simulated cycles can be true: a core issues a bundle a cycle, but a branch on data is not simulated."""
    return simulated * cores >= must_run > 0


def newest(folder: Path, kernel: str, ending: str) -> str | None:
    """The text of a kernel's dump; None where there is none."""
    found = sorted(path for path in folder.glob(f"*{kernel}*{ending}") if "schedule-analysis" not in path.name)
    return found[-1].read_text(errors="replace") if found else None
