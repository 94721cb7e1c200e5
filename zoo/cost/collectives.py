# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The collectives of an HLO program: how many bytes, among which devices, and along which axes of a mesh."""

import dataclasses
import functools
import re
from collections.abc import Mapping

import numpy as np

from zoo.cost.hlo import Computation, Instruction
from zoo.errors import InputError

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute", "ragged-all-to-all")

_EXPLICIT = re.compile(r"replica_groups=\{(\{[\d,{} ]*\})?\}")
_IOTA = re.compile(r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?")
_MESH = re.compile(
    r"replica_groups=mesh\[(?P<axes>[^\]]*)\](?:, device_ids=\(\[(?P<ids>[\d,]+)\](?:T\((?P<order>[\d,]+)\))?\))? "
    r"\{(?P<over>[^}]*)\}"
)
_AXIS = re.compile(r"'([^']+)'(?:=(\d+)|:\((\d+)\)(\d+))?")
_PART = "part of "
_PAIRS = re.compile(r"source_target_pairs=\{([\d,{} ]*)\}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collective:
    """One collective, seen from each device that takes part.

    Attributes:
      operand_bytes: what a device puts in, without padding.
      groups: devices that communicate with each other, by their index in the flattened mesh; of a permutation, pairs
        of a sender and a receiver.
    """

    kind: str
    operand_bytes: int
    groups: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """Devices in one group; of a permutation 2."""
        return len(self.groups[0])

    @property
    def result_bytes(self) -> int:
        """What a device gets out."""
        if self.kind == "all-gather":
            return self.operand_bytes * self.size
        return self.operand_bytes // self.size if self.kind == "reduce-scatter" else self.operand_bytes

    @property
    def sent_bytes(self) -> float:
        """The least a device has to send: in a ring `(n - 1) / n` of the whole, and twice that for an all-reduce."""
        if self.kind == "collective-permute":
            return float(self.operand_bytes)
        whole = self.result_bytes if self.kind == "all-gather" else self.operand_bytes
        return (2 if self.kind == "all-reduce" else 1) * whole * (self.size - 1) / self.size

    def axes(self, mesh: Mapping[str, int]) -> tuple[str, ...]:
        """The axes of a mesh (sizes by name) that a group spans; `part of NAME` where it does not span all of one."""
        found = _axes(self.groups, tuple(mesh.items()))
        return tuple(axis.removeprefix(_PART) for axis in found) if self.kind == "collective-permute" else found


def collective(kind: str, instruction: Instruction, computation: Computation, devices: int) -> Collective:
    """The collective that an instruction performs.

    Raises:
      InputError: groups of devices in an unknown form.
    """
    operands = computation.operands(instruction)
    return Collective(
        kind=kind,
        operand_bytes=sum(shape.bytes for operand in operands for shape in operand.shapes),
        groups=_groups(_described(instruction), devices),
    )


def _described(instruction: Instruction) -> str:
    """The part of the attributes that names devices, which many instructions share."""
    for form in (_PAIRS, _MESH, _IOTA, _EXPLICIT):
        if found := form.search(instruction.attributes):
            return found[0]
    raise InputError(f"The devices of {instruction.name} are not understood: {instruction.attributes[:300]!r}.")


@functools.lru_cache(maxsize=512)
def _groups(text: str, devices: int) -> tuple[tuple[int, ...], ...]:
    if found := _MESH.match(text):
        return _mesh_groups(found)
    if found := _IOTA.match(text):
        return _tuples(_iota(found[2], found[3]).reshape(_numbers(found[1])))
    if _EXPLICIT.match(text) or _PAIRS.match(text):
        listed = re.findall(r"\{([\d, ]+)\}", text.partition("=")[2][1:-1])
        return tuple(_numbers(group) for group in listed) or (tuple(range(devices)),)
    raise InputError(f"Groups of devices in an unknown form: {text!r}.")


def _mesh_groups(found: re.Match) -> tuple[tuple[int, ...], ...]:
    """`mesh['a'=2,'b'=4], device_ids=([4,2]T(1,0)) {'a','b':(1)2}`: the last names axes, or a part of one."""
    sizes = {name: int(size) for name, size, _, _ in _AXIS.findall(found["axes"])}
    total = int(np.prod(list(sizes.values())))
    ids = _iota(found["ids"] or str(total), found["order"])
    split: list[tuple[int, bool]] = []
    over = {name: (int(before or 1), int(size or 0)) for name, _, before, size in _AXIS.findall(found["over"])}
    for name, size in sizes.items():
        before, part = over.get(name, (size, 1))
        part = part or size
        split += [(before, False), (part, name in over), (size // (before * part), False)]
    ids = ids.reshape([size for size, _ in split])
    kept = [axis for axis, (_, chosen) in enumerate(split) if not chosen]
    moved = [axis for axis, (_, chosen) in enumerate(split) if chosen]
    count = int(np.prod([split[axis][0] for axis in moved]))
    return _tuples(ids.transpose(kept + moved).reshape(-1, count))


def _iota(sizes: str, order: str | None) -> np.ndarray:
    shape = _numbers(sizes)
    found = np.arange(int(np.prod(shape))).reshape(shape)
    return found.transpose(_numbers(order)) if order else found


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.replace(" ", "").split(",") if number)


def _tuples(groups: np.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(device) for device in group) for group in groups)


@functools.lru_cache(maxsize=512)
def _axes(groups: tuple[tuple[int, ...], ...], mesh: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    sizes = [size for _, size in mesh]
    indices = np.stack(np.unravel_index(np.array(groups), sizes), axis=-1)  # [groups, members, axes]
    counts = [max(len(set(row)) for row in indices[:, :, axis].tolist()) for axis in range(len(sizes))]
    return tuple(
        name if count == size else f"{_PART}{name}"
        for (name, size), count in zip(mesh, counts, strict=True)
        if count > 1
    )
