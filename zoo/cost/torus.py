# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""How long a collective takes on a slice of TPUs: chips on a torus, with a link to each neighbour.

By the JAX scaling book ("Sharded matrices and how to multiply them"): a gather or a scatter moves `(n - 1) / n` of the
whole into each chip, over every link that its group can use, two per axis where the axis is a ring and one otherwise;
an all-reduce is a scatter and a gather; an all-to-all is limited by the middle of the longest axis; a permutation takes
one transfer per hop. Each hop adds a latency. Groups that share links share their bandwidth. Cores of one chip share
its coordinates. A collective across slices runs within each slice first; then each chip sends its part over the
network between them.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

from zoo.cost.chips import Chip
from zoo.cost.collectives import Collective

HOP_SECONDS = 1e-6  # "around 1 us" a hop (scaling book, "Rooflines of collectives")
_ON_CHIP = 6  # bandwidth between two cores of a chip, in links (Google Cloud's page on TPU7x)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Torus:
    """The devices of a slice, in the order of the flattened mesh.

    Attributes:
      coordinates: of each device's chip. slices: the slice that each device is in; empty means one slice.
    """

    chip: Chip
    coordinates: tuple[tuple[int, ...], ...]
    slices: tuple[int, ...] = ()

    @classmethod
    def create(cls, chip: Chip, devices: Sequence[Any]) -> "Torus":
        """Of `jax.Device`s with coordinates, in the order of the flattened mesh."""
        return cls(
            chip=chip,
            coordinates=tuple(tuple(int(n) for n in device.coords) for device in devices),
            slices=tuple(int(getattr(device, "slice_index", 0)) for device in devices),
        )

    @functools.cached_property
    def lengths(self) -> tuple[int, ...]:
        """Chips along each axis of the slice."""
        return tuple(max(axis) + 1 for axis in zip(*self.coordinates, strict=True))

    def seconds(self, collective: Collective) -> float:
        """How long one collective takes by itself."""
        if collective.kind == "collective-permute":
            return self._permutation(collective)
        found = [self._slice(device) for device in collective.groups[0]]
        within = [device for device in collective.groups[0] if self._slice(device) == found[0]]
        return self._within(collective, within) + self._between(collective, len(set(found)), len(within))

    def _slice(self, device: int) -> int:
        return self.slices[device] if self.slices else 0

    def _between(self, collective: Collective, slices: int, chips: int) -> float:
        """Over the network between slices, each of which has `chips` chips of the group."""
        whole = max(collective.operand_bytes, collective.result_bytes) / chips
        twice = 2 if collective.kind == "all-reduce" else 1
        return twice * whole * (slices - 1) / slices / self.chip.network_bytes_per_second

    def _within(self, collective: Collective, devices: Sequence[int]) -> float:
        group = [self.coordinates[device] for device in devices]
        chips = sorted(set(group))
        link = self.chip.link_bytes_per_second
        if len(chips) == 1:
            return collective.sent_bytes / (_ON_CHIP * link) + HOP_SECONDS
        spans = [_Span(axis, self.lengths, dim, self.chip) for dim, axis in enumerate(zip(*chips, strict=True))]
        used = [span for span in spans if span.count > 1]
        links = sum(span.links for span in used) if _is_box(chips, used) else min(span.links for span in used)
        sharing = self.chip.devices * len(chips) / len(group)  # groups of other cores, on the same links
        bandwidth = links * link / max(sharing, 1.0)
        hops = sum(span.hops for span in used)
        whole = max(collective.operand_bytes, collective.result_bytes)
        if collective.kind.endswith("all-to-all"):
            return whole * max(span.count for span in used) / 4 / bandwidth + hops * HOP_SECONDS
        twice = 2 if collective.kind == "all-reduce" else 1
        return twice * (whole * (len(chips) - 1) / len(chips) / bandwidth + hops * HOP_SECONDS)

    def _permutation(self, collective: Collective) -> float:
        if any(self._slice(source) != self._slice(target) for source, target in collective.groups):
            return collective.operand_bytes / self.chip.network_bytes_per_second
        hops = max(self._distance(*pair) for pair in collective.groups)
        if not hops:
            return collective.operand_bytes / (_ON_CHIP * self.chip.link_bytes_per_second) + HOP_SECONDS
        return hops * (collective.operand_bytes / self.chip.link_bytes_per_second + HOP_SECONDS)

    def _distance(self, source: int, target: int) -> int:
        total = 0
        for axis, (start, end) in enumerate(zip(self.coordinates[source], self.coordinates[target], strict=True)):
            apart = abs(start - end)
            total += min(apart, self.lengths[axis] - apart) if self.chip.closes(self.lengths, axis) else apart
        return total


class _Span:
    """The part of one axis that a group spans: `count` chips, `links` in whole links, `hops` to the farthest chip."""

    def __init__(self, coordinates: Sequence[int], lengths: Sequence[int], axis: int, chip: Chip):
        found = sorted(set(coordinates))
        self.count = len(found)
        stride = (found[-1] - found[0]) // max(self.count - 1, 1)
        is_ring = self.count > 2 and self.count * max(stride, 1) == lengths[axis] and chip.closes(lengths, axis)
        self.links = (2 if is_ring else 1) / max(stride, 1)
        self.hops = (self.count // 2 if is_ring else self.count - 1) * max(stride, 1)


def _is_box(chips: list[tuple[int, ...]], used: list[_Span]) -> bool:
    return len(chips) == math.prod(span.count for span in used)
