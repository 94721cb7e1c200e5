# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The table of a search's results: as text, and as JSON."""

import dataclasses
from typing import Any

from zoo.aot.search import Choice, SearchResult
from zoo.cost.chips import Chip
from zoo.train.config import RunConfig

_SHOWN = 10
_GIB = 2**30


def describe(found: SearchResult, config: RunConfig, topology: str, chip: Chip) -> str:
    """A ranked table, and the flags of its first row. Times are marked as estimated or predicted."""
    best = found.choices[0]
    lines = [
        f"{config.model_name}, {config.batch_size:,} sequences of {config.data.seq_len:,} tokens on {topology}: "
        f"{found.considered:,} layouts, of which {found.fitting:,} should fit; {_verified(found)} compiled",
        "",
        f"{'':>3} {'rules':<8}{'mesh':<28}{'seqs':>5}{'accum':>6} {'remat':<6}{'GiB est.':>9}{'compiled':>9}"
        f"{'ms est.':>9}{'predicted':>10}{'MFU':>7}",
    ]
    lines += [_row(rank, choice) for rank, choice in enumerate(found.choices[:_SHOWN], 1)]
    capacity = chip.hbm_bytes / chip.devices / _GIB
    lines += [
        "",
        f"seqs: sequences per device and micro-batch. A device has {capacity:.2f} GiB. Estimates are from sizes alone;",
        "compiled memory is the compiler's, and times and MFU are predicted from its program. Nothing was run.",
        "",
        "The first row, for launch.train and launch.compile:",
        "  " + " ".join(best.overrides()),
    ]
    return "\n".join(lines)


def to_dict(found: SearchResult, topology: str) -> dict[str, Any]:
    """Plain values, for JSON: all choices, the best first."""
    return {
        "topology": topology,
        "considered": found.considered,
        "fitting": found.fitting,
        "choices": [
            {
                **choice.layout._asdict(),
                "mesh": dict(choice.layout.mesh),
                "estimate": dataclasses.asdict(choice.estimate),
                "compiled": None if choice.compiled is None else dataclasses.asdict(choice.compiled),
                "overrides": choice.overrides(),
            }
            for choice in found.choices
        ],
    }


def _verified(found: SearchResult) -> int:
    return sum(choice.compiled is not None for choice in found.choices)


def _row(rank: int, choice: Choice) -> str:
    layout, estimate, compiled = choice.layout, choice.estimate, choice.compiled
    mesh = ",".join(f"{axis}:{size}" for axis, size in layout.mesh.items() if size > 1) or "one device"
    memory = time = mfu = ""
    if compiled is not None and compiled.memory is not None:
        memory = f"{compiled.memory.peak / _GIB:.2f}"
    elif compiled is not None:
        memory = "too much"
    if compiled is not None and compiled.prediction is not None:
        time, mfu = f"{compiled.prediction.seconds * 1e3:,.1f}", f"{compiled.prediction.mfu:.1%}"
    return (
        f"{rank:>3} {layout.rules:<8}{mesh:<28}{layout.sequences:>5}{layout.grad_accum_steps:>6} {layout.remat:<6}"
        f"{estimate.memory / _GIB:>9.2f}{memory:>9}{estimate.seconds * 1e3:>9,.1f}{time:>10}{mfu:>7}"
    )
