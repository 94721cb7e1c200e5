# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Which sharding preset, mesh, micro-batch and remat policy train a model fastest on given devices.

Every layout that the rules allow is estimated (`zoo.aot.estimate`), and the few that should be fastest are compiled,
which decides whether they fit and gives the predicted times by which they are ranked.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from zoo.aot.estimate import Estimate, Layout, SizeModel
from zoo.aot.report import StepReport
from zoo.aot.target import Target, TokenizerOutline
from zoo.cost.chips import Chip
from zoo.errors import ConfigError
from zoo.sharding.rules import PRESETS, ways
from zoo.train.config import RunConfig
from zoo.train.run_spec import RunSpec

REMATS = ("none", "cheap", "mlp", "full")
MEMORY_FRACTION = 0.97  # of the device's memory: a layout that is estimated to need more is not tried
_LEAST_TOKENS = 256  # of a sequence on a device; sequences are not split into shorter parts
_TENSOR_SIZES = (2, 4, 8, 16)


@dataclasses.dataclass(frozen=True)
class Choice:
    """A layout, its estimate, and the compiler's report, which is None if it was not compiled."""

    layout: Layout
    estimate: Estimate
    compiled: StepReport | None = None

    @property
    def seconds(self) -> float:
        """Of a step: predicted from the compiled program, else estimated."""
        found = self.compiled and self.compiled.prediction
        return found.seconds if found else self.estimate.seconds

    def overrides(self) -> tuple[str, ...]:
        """Flags for `launch.train` and `launch.compile`."""
        layout = self.layout
        mesh = ",".join(f"{axis}:{size}" for axis, size in layout.mesh.items() if size > 1) or "data:-1"
        return (
            f"--config.mesh={mesh}",
            f"--config.rules={layout.rules}",
            f"--config.grad_accum_steps={layout.grad_accum_steps}",
            f"--config.model.remat={layout.remat}",
        )


class SearchResult(NamedTuple):
    """The result of a search.

    Attributes:
      choices: the fastest first. considered, fitting: how many layouts.
    """

    choices: tuple[Choice, ...]
    considered: int
    fitting: int


def search(
    config: RunConfig,
    topology: str,
    chip: Chip,
    devices: int,
    *,
    slices: int = 1,
    compiled: int = 3,
    progress: Callable[[str], contextlib.AbstractContextManager] = contextlib.nullcontext,
) -> SearchResult:
    """Layouts of a config's global batch, the fastest first: those that fit by the compiler's verdict, then the others.

    Args:
      compiled: how many to verify. progress: makes a context from a label, in which one is compiled.

    Raises:
      ConfigError: no layout fits, with what the smallest one needs, or none of those that were compiled.
    """
    spec = RunSpec.create(config, config.data.outline(TokenizerOutline.create(config)))
    model = SizeModel.of(spec)
    capacity = chip.hbm_bytes // chip.devices
    found = layouts(model, config.batch_size, devices, slices)
    choices = [Choice(layout, model.estimate(layout, chip)) for layout in found]
    if not choices:
        raise ConfigError(
            f"No preset can shard {config.batch_size} sequences of {model.length} tokens over {devices} devices; "
            f"choose a batch_size that is a multiple of {devices}, or fewer chips."
        )
    fitting = [choice for choice in choices if choice.estimate.memory <= MEMORY_FRACTION * capacity]
    if not fitting:
        least = min(choices, key=lambda choice: choice.estimate.memory)
        raise ConfigError(
            f"{config.model_name} does not fit {topology}: in its smallest layout, {' '.join(least.overrides())}, a "
            f"device needs about {least.estimate.memory / 2**30:.1f} GiB and has {capacity / 2**30:.1f}. "
            "Use more chips."
        )
    fitting = [choice for choice in fitting if model.fills_lanes(choice.layout)] or fitting
    ranked = _distinct(sorted(fitting, key=lambda choice: choice.estimate.seconds))
    verified = list(_verified(config, topology, ranked, compiled, progress))
    fits = sorted((one for one in verified if one.compiled and one.compiled.fits), key=lambda choice: choice.seconds)
    misfits = [one for one in verified if one not in fits]
    if misfits and not fits:
        raise ConfigError(
            f"None of the {len(misfits)} best layouts fits {topology}, though they were estimated to; the smallest "
            f"of them is {' '.join(misfits[-1].overrides())}. Use more chips, or --compile more of them."
        )
    return SearchResult((*fits, *ranked[len(verified) :], *misfits), len(choices), len(fitting))


def layouts(model: SizeModel, batch: int, devices: int, slices: int = 1) -> Iterator[Layout]:
    """All layouts that the rules allow for a batch of so many sequences."""
    for rules in PRESETS:
        for mesh in _meshes(rules, model, devices):
            sequences, left = divmod(batch, ways(mesh, rules, "batch"))
            if left or not sequences or mesh["data"] % slices or not _divides(model, rules, mesh):
                continue
            for grad_accum_steps in (count for count in range(1, sequences + 1) if sequences % count == 0):
                for remat in REMATS:
                    yield Layout(rules, mesh, sequences // grad_accum_steps, grad_accum_steps, remat)


def with_layout(config: RunConfig, layout: Layout) -> RunConfig:
    """The config with this layout."""
    mesh = ",".join(f"{axis}:{size}" for axis, size in layout.mesh.items())
    return dataclasses.replace(
        config,
        mesh=mesh,
        rules=layout.rules,
        grad_accum_steps=layout.grad_accum_steps,
        model=config.model.replace(remat=layout.remat),
    )


def _verified(config: RunConfig, topology: str, ranked: Sequence[Choice], wanted: int, progress) -> Iterator[Choice]:
    """The first ones, compiled; for each that does not fit, another is tried."""
    fitted = tried = 0
    for choice in ranked:
        if fitted == wanted or tried == 2 * wanted:
            return
        with progress(f"compiling {' '.join(choice.overrides())}"):
            found = Target.create(with_layout(config, choice.layout), topology).compile("train")
        fitted, tried = fitted + found.fits, tried + 1
        yield dataclasses.replace(choice, compiled=found)


def _distinct(choices: Sequence[Choice]) -> list[Choice]:
    """The fastest of each preset and mesh first: an estimate can hardly tell the others from it."""
    best, others, seen = [], [], set()
    for choice in choices:
        key = (choice.layout.rules, *choice.layout.mesh.items())
        (others if key in seen else best).append(choice)
        seen.add(key)
    return [*best, *others]


def _meshes(rules: str, model: SizeModel, devices: int) -> Iterator[dict[str, int]]:
    table = PRESETS[rules]
    used = {axis for axes in table.values() for axis in axes}
    contexts = [n for n in (2, 4, 8, 16) if model.length % n == 0 and model.length // n >= _LEAST_TOKENS]
    for tensor in _TENSOR_SIZES if "tensor" in used else (1,):
        for context in contexts if "context" in used else (1,):
            left, rest = divmod(devices, tensor * context)
            if rest:
                continue
            for fsdp in _sizes(left) if table["embed"] else (1,):
                yield {"data": left // fsdp, "fsdp": fsdp, "tensor": tensor, "context": context}


def _sizes(count: int) -> list[int]:
    """Sizes of an axis that is used."""
    return [size for size in range(2, count + 1) if count % size == 0]


def _divides(model: SizeModel, rules: str, mesh: dict[str, int]) -> bool:
    try:
        for leaf in model.leaves:
            leaf.part(rules, mesh)
    except ConfigError:
        return False
    return True
