# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""That bundles are counted as they run: a literal dump in the compiler's words, with each part of another size."""

import dataclasses

import pytest

from benchmarks import bundles, tpu_compile
from benchmarks.bundles import Body, Runs
from zoo.kernels.attention.pallas_tpu.spec import Blocks
from zoo.kernels.attention.specs import case


def dump(*parts: tuple[str, int]) -> str:
    """A listing: `jump N`, `start N`, `>>` where a loop begins, `.>>` where one goes on; bundles behind it."""
    lines, depth, label, note = [], "", "  ", ""

    def bundle(work: str, more: str = "") -> None:
        nonlocal label, note
        lines.append(f"{len(lines):#7x} {label}: {depth} {{ {work} }}{more}{note}")
        label, note = "  ", ""

    for part, count in parts:
        word, _, region = part.partition(" ")
        if word == "jump":
            bundle(
                f"%9 = sbr.rel (%p3_p1) target = $region{region}", "\nsecond_minor_factor: 1 */ } /* End region 1 */"
            )
            for _ in range(4):  # these run either way
                bundle("")
        elif word == "start":
            label, note = "PF", f" /* Start/End empty region {region} :: Start region 77 */"
        else:
            depth, label = word.strip("."), "PF" if word.startswith(".") else "LB"
        for _ in range(count):
            bundle("%v1 = vadd.f32 %v2, %v3")
    return "\n".join(["LB: loop body", *lines, ""])


LISTING = dump(
    (".", 3), (">", 5),
    ("jump 50", 1),  # around all that computes
    ("jump 20", 10), ("start 20", 2),  # an edge
    ("jump 30", 40), ("start 30", 1),  # a tile
    ("jump 40", 12), ("start 40", 1),  # an edge
    ("jump 45", 3), ("start 45", 1),  # too small: a copy
    ("start 50", 4), (".", 6),
)  # fmt: skip


def test_body_of_a_listing():
    found = bundles.body(LISTING)
    assert found == Body(5 + 5 * 5 + 1 + 10 + 2 + 40 + 1 + 12 + 1 + 3 + 1 + 4, (10, 40, 12), ())


def test_body_that_always_runs():
    listing = dump((".", 3), (">", 5), ("jump 50", 100), ("start 50", 2), (".", 6))
    assert bundles.body(listing) == Body(5 + 5 + 100 + 2, (), ())


def test_loops_inside():
    listing = dump(
        (".", 3), (">", 5), ("jump 50", 1),
        ("jump 60", 9), (">>", 20), (".>>", 3), (".>", 4), ("start 60", 2),  # a loop whose trips may be none
        (">>", 30), (".>", 2), ("start 50", 2), (".", 6),
    )  # fmt: skip
    assert bundles.body(listing) == Body(5 + 6 + 14 + 23 + 4 + 2 + 30 + 2 + 2, (), (23, 30))


def test_each_part_counts_as_often_as_it_runs():
    body = Body(100, (10, 40, 12), ())
    assert bundles.executed(body, Runs(steps=4, edges=2, tiles=3)) == 38 * 4 + 22 * 2 + 40 * 3
    assert bundles.executed(body, Runs(steps=4, edges=2)) == 38 * 4 + 62 * 2
    looped = dataclasses.replace(body, regions=(), loops=(20, 30))
    assert bundles.executed(looped, Runs(steps=0.5, edges=1, trips=(3.0, 5.0))) == 50 * 0.5 + 20 * 3 + 30 * 5
    with pytest.raises(ValueError, match="2 loops inside a step, and trips of 0"):
        bundles.executed(looped, Runs(steps=1, edges=1))


def test_cycles_that_cannot_be_true():
    assert bundles.believable(1000, 1000, cores=1)
    assert not bundles.believable(999, 1000, cores=1)
    assert bundles.believable(500, 1000, cores=2)
    assert not bundles.believable(0, 0, cores=1)


def test_spills_and_cycles():
    head = "== CAPACTIY:\nMXU, VSTORE, VSTORE:SPILL, SALU\n    4     1     1     2\n== UTILIZATION:\n"
    assert bundles.spills(head + "0 1 1 0\n2 1 0 0\n0 1 1 1\n") == 2
    assert bundles.spills("") == 0
    assert bundles.cycles("name: x\n  estimated_cycles: 1234\n") == 1234
    assert bundles.cycles("name: x\n") is None


def test_trips_of_our_loops():
    row = case("gpt3-125m-2048")
    runs = tpu_compile.our_runs(row, Blocks(2, 1, 512, 256, 512))
    assert runs == Runs(4 / 2, 1 / 2, None, ((1 + 2 + 3 + 4) / 2, (1 + 2 + 3 + 4) / 2))
    assert tpu_compile.our_runs(case("bert-base-512"), Blocks(4, 1, 512, 256, 512)) == Runs(1 / 4, 1 / 4)


def test_splash_runs_the_tiles_of_its_mask():
    runs = tpu_compile.splash(case("gpt2-1024"), "v5e", [256, 512, 512, "fused", "HEAD_DIM_MINOR"]).kernels
    assert runs["forward"] == {"splash_mha_fwd": Runs(8, 4, 6)}
    assert runs["backward"] == {"splash_mha_dkv": Runs(8, 2, 6)}
