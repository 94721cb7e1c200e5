# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The reader of HLO text, and forms of groups of devices, on lines that compilers have written."""

import pytest

from zoo.cost import collectives, hlo
from zoo.errors import InputError

MODULE = """HloModule jit_f, is_scheduled=true, num_partitions=4

FileNames
1 "a.py"

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}

ENTRY %main (x: f32[3,5], y: bf16[4,1024,12,64]) -> (f32[3,5], bf16[4,1024,12,64]) {
  %x = f32[3,5]{1,0:T(4,128)} parameter(0)
  %y = bf16[4,1024,12,64]{1,3,2,0:T(8,128)(2,1)S(1)} parameter(1), metadata={op_name="batch['y']"}
  %all-reduce.1 = f32[3,5]{1,0} all-reduce(%x), channel_id=1, GROUPS, use_global_device_ids=true, to_apply=%add
  ROOT %out = (f32[3,5]{1,0}, /*index=1*/bf16[4,1024,12,64]{1,3,2,0:T(8,128)(2,1)}) tuple(%all-reduce.1, %y)
}
"""


def parsed(groups: str = "replica_groups={{0,1},{2,3}}") -> hlo.Module:
    return hlo.parse(MODULE.replace("GROUPS", groups))


def test_shapes_layouts_and_memory_spaces():
    entry = parsed().entry
    x, y = entry.instructions["x"].shapes[0], entry.instructions["y"].shapes[0]
    assert (x.dims, x.bytes, x.stored_bytes, x.main_bytes) == ((3, 5), 60, 4 * 128 * 4, 4 * 128 * 4)
    assert (y.space, y.bytes, y.stored_bytes, y.main_bytes) == (1, 2 * 4 * 1024 * 12 * 64, y.bytes, 0)
    assert [shape.dtype for shape in entry.root.shapes] == ["f32", "bf16"]


def test_what_an_instruction_names():
    module = parsed()
    reduce = module.entry.instructions["all-reduce.1"]
    assert module.called(reduce, "to_apply").root.name == "sum"
    assert reduce.operands == ("x",) and module.entry.users["x"] == [reduce]
    assert module.entry.instructions["y"].source == "batch['y']"
    with pytest.raises(InputError, match=r"all-reduce.1 .* body="):
        module.called(reduce, "body")


@pytest.mark.parametrize(
    "old, new",
    [
        ("  %b = f32[] parameter(1)", "  %b = f32[] parameter(1"),
        ("  %b = f32[] parameter(1)", "  something else"),
        ("%add (a: f32[], b: f32[]) -> f32[] {", "%add (a: f32[], b: f32[]) -> f32[]"),
        ("ENTRY ", ""),
    ],
)
def test_nothing_is_skipped(old, new):
    with pytest.raises(InputError, match="HLO text"):
        hlo.parse(MODULE.replace(old, new))


@pytest.mark.parametrize(
    "text, groups",
    [
        ("replica_groups={{0,1},{2,3}}", {(0, 1), (2, 3)}),
        ("replica_groups={}", {(0, 1, 2, 3)}),
        ("replica_groups=[2,2]<=[4]", {(0, 1), (2, 3)}),
        ("replica_groups=[2,2]<=[2,2]T(1,0)", {(0, 2), (1, 3)}),
        ("replica_groups=mesh['a'=2,'b'=2] {'a'}", {(0, 2), (1, 3)}),
        ("replica_groups=mesh['a'=2,'b'=1,'c'=2] {'a','c'}", {(0, 1, 2, 3)}),
        ("replica_groups=mesh['a'=2,'b'=2], device_ids=([2,2]T(1,0)) {'a'}", {(0, 1), (2, 3)}),
        ("replica_groups=mesh['a'=4] {'a':(2)2}", {(0, 1), (2, 3)}),
        ("replica_groups=mesh['a'=4] {'a':(1)2}", {(0, 2), (1, 3)}),
        ("source_target_pairs={{0,2},{1,3}}", {(0, 2), (1, 3)}),
    ],
)
def test_groups_of_devices(text, groups):
    entry = parsed(text).entry
    found = collectives.collective("all-reduce", entry.instructions["all-reduce.1"], entry, 4)
    assert set(found.groups) == groups


def test_groups_in_an_unknown_form_are_refused():
    entry = parsed("replica_groups=strange(4)").entry
    with pytest.raises(InputError, match="not understood"):
        collectives.collective("all-reduce", entry.instructions["all-reduce.1"], entry, 4)


@pytest.mark.parametrize(
    "groups, axes",
    [
        (((0, 1), (2, 3), (4, 5), (6, 7)), ("part of tensor",)),
        (((0, 1, 2, 3), (4, 5, 6, 7)), ("tensor",)),
        (((0, 4), (1, 5), (2, 6), (3, 7)), ("data",)),
        ((tuple(range(8)),), ("data", "tensor")),
    ],
)
def test_axes_of_a_mesh(groups, axes):
    found = collectives.Collective(kind="all-gather", operand_bytes=8, groups=groups)
    assert found.axes({"data": 2, "tensor": 4}) == axes


@pytest.mark.parametrize(
    "kind, result, sent",
    [("all-gather", 400, 300), ("all-reduce", 100, 150), ("reduce-scatter", 25, 75), ("all-to-all", 100, 75)],
)
def test_bytes_of_a_collective(kind, result, sent):
    found = collectives.Collective(kind=kind, operand_bytes=100, groups=((0, 1, 2, 3),))
    assert (found.result_bytes, found.sent_bytes) == (result, sent)
