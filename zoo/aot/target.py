# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A config laid out on the devices of a topology, and its steps compiled for them."""

import collections
import dataclasses
import hashlib
import importlib.metadata
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import jax
import numpy as np

from zoo.aot import topology
from zoo.aot.advice import advise, overflowing
from zoo.aot.inference import Inference
from zoo.aot.report import CollectiveTraffic, Memory, Overflow, Report, StepReport
from zoo.cost import flops, roofline, walk
from zoo.cost.chips import Chip, lookup
from zoo.cost.operations import operations
from zoo.cost.torus import Torus
from zoo.errors import ConfigError, InputError
from zoo.models import registry
from zoo.sharding.rules import batch_sharding
from zoo.train.build import Machine, Plan, check_names
from zoo.train.config import RunConfig

Step = Literal["train", "eval", "prefill", "decode"]
STEPS: tuple[str, ...] = get_args(Step)
_GENERATING = ("causal_lm", "seq2seq_lm")  # heads


class Vocabulary(NamedTuple):
    """What stands in for a tokenizer: as many tokens as the config allows, the special ids of the registry's model.

    The mask token's number is nothing that a program depends on; a byte-level vocabulary has none.
    """

    vocab_size: int
    pad_id: int | None
    bos_id: int | None
    eos_id: int | None
    mask_id: int | None

    @classmethod
    def create(cls, config: RunConfig) -> "Vocabulary":
        """That which the config's tokenizer would have at most."""
        base, tokenizer = registry.config(config.model["name"]), config.data.tokenizer
        last = tokenizer.vocab_size - 1
        pad, bos, eos = (
            None if found is None else min(found, last) for found in (base.pad_id, base.bos_id, base.eos_id)
        )
        return cls(tokenizer.vocab_size, pad, bos, eos, last if tokenizer.kind == "wordpiece" else None)

    @property
    def special_ids(self) -> set[int]:
        """Those that mark something."""
        return {found for found in self[1:] if found is not None}

    @property
    def ordinary_id(self) -> int:
        """The first that does not."""
        return next(token for token in range(self.vocab_size) if token not in self.special_ids)


class _Lowered(NamedTuple):
    """What can be compiled. Attributes: lower: traces. model_flops: of the whole step."""

    lower: Callable[[], jax.stages.Lowered]
    model_flops: int
    rows: int
    tokens: int


@dataclasses.dataclass(frozen=True)
class Target:
    """A config laid out on the devices of a topology, every check behind it; `compile` may then take minutes.

    Attributes:
      chip: None on CPUs, for which nothing is predicted. batch: of a train step, as shapes.
    """

    plan: Plan
    machine: Machine
    topology: str
    chip: Chip | None
    batch: Mapping[str, jax.ShapeDtypeStruct]

    @classmethod
    def create(cls, config: RunConfig, name: str, steps: Sequence[str] = ("train",)) -> "Target":
        """Lays a config out on the topology `name`, to compile `steps`.

        Raises:
          ConfigError: an unknown topology or step; a mesh, batch or preset that does not fit the devices or the model.
        """
        check_names(config)
        plan = Plan.create(config, Vocabulary.create(config))
        _check_steps(steps, plan.task.head)
        devices = topology.devices(name)
        machine = Machine.create(plan, devices)
        chip = lookup(devices[0].device_kind) if devices[0].platform == "tpu" else None
        return cls(plan, machine, name, chip, _batch(plan, machine))

    def lower(self, step: str) -> jax.stages.Lowered:
        """One step traced for the devices."""
        return _LOWERED[step](self).lower()

    def compile(self, step: str) -> StepReport:
        """Compiles one step; that it does not fit is an answer, not an error."""
        found = _LOWERED[step](self)
        begin = time.monotonic()
        described: dict[str, Any]
        try:
            compiled = found.lower().compile()
            described = {"compile_seconds": time.monotonic() - begin}
            described |= self._described(compiled, found.model_flops)
        except jax.errors.JaxRuntimeError as error:
            sizes = overflowing(str(error))
            if sizes is None:
                raise
            advice = tuple(advise(self.plan, self.machine, self.topology, step, *sizes))
            overflow = Overflow(needed=sizes[0], allowed=sizes[1], advice=advice)
            described = {"compile_seconds": time.monotonic() - begin, "overflow": overflow}
        return StepReport(step=step, rows=found.rows, tokens=found.tokens, model_flops=found.model_flops, **described)

    def report(self, steps: Sequence[StepReport]) -> Report:
        """Compiled steps together with what they were compiled for."""
        config, mesh = self.plan.config, self.machine.mesh
        return Report(
            model=config.model["name"],
            task=config.task["name"],
            parameters=sum(leaf.size for leaf in jax.tree.leaves(self.machine.abstract.params)),
            topology=self.topology,
            chip=None if self.chip is None else self.chip.name,
            chips=mesh.size // (1 if self.chip is None else self.chip.devices),
            devices=mesh.size,
            mesh=dict(mesh.shape),
            rules=config.rules,
            grad_accum_steps=config.grad_accum_steps,
            remat=self.plan.model.remat,
            versions=_versions(self.chip),
            options=dict(self.machine.options),
            steps=tuple(steps),
        )

    def _described(self, compiled: jax.stages.Compiled, model_flops: int) -> dict[str, Any]:
        text, memory = compiled.as_text() or "", _memory(compiled, self.chip)
        found: dict[str, Any] = {
            "memory": memory,
            "program_bytes": memory.code or len(text),
            "fingerprint": hashlib.sha256(text.encode()).hexdigest(),
        }
        try:
            program = walk.walk(text)
        except (InputError, KeyError, ValueError) as error:  # a compiler's new words must not lose what took minutes
            return found | {"not_read": f"{type(error).__name__}: {error}"}
        devices = list(self.machine.mesh.devices.flat)
        return found | {
            "program_flops": program.flops * len(devices),
            "kernel_flops": program.kernel_flops * len(devices),
            "main_memory_bytes": program.bytes,
            "exchanges": tuple(self._exchanges(program)),
            "prediction": self.chip and roofline.predict(program, self.chip, devices, model_flops),
            "operations": tuple(operations(program, self.chip)) if self.chip else (),
        }

    def _exchanges(self, program: walk.Program) -> list[CollectiveTraffic]:
        """By kind and axes, those that send most first."""
        mesh = self.machine.mesh
        torus = self.chip and Torus.create(self.chip, list(mesh.devices.flat))
        alike: dict[tuple, list[tuple]] = collections.defaultdict(list)
        for times, op, found in program.exchanges():
            alike[found.kind, found.axes(mesh.shape), found.size].append((times, op, found))
        exchanges = [
            CollectiveTraffic(
                kind=kind,
                axes=axes,
                devices=size,
                count=sum(times for times, _, _ in group),
                sent_bytes=round(sum(times * found.sent_bytes for times, _, found in group)),
                asynchronous_bytes=round(sum(times * found.sent_bytes for times, op, found in group if op.begins)),
                seconds=math.fsum(times * torus.seconds(found) for times, _, found in group) if torus else None,
            )
            for (kind, axes, size), group in alike.items()
        ]
        return sorted(exchanges, key=lambda found: -found.sent_bytes)


def _check_steps(steps: Sequence[str], head: str) -> None:
    if not steps:
        raise ConfigError(f"No step to compile; choose of {', '.join(STEPS)}.")
    for step in steps:
        if step not in STEPS:
            raise ConfigError(f"No step {step!r}; choose of {', '.join(STEPS)}.")
        if step in ("prefill", "decode") and head not in _GENERATING:
            raise ConfigError(f"A model with a {head} head generates no text, so that it has no {step} step; drop it.")


def _batch(plan: Plan, machine: Machine) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of a batch: what the task makes of a row of ordinary tokens."""
    config = plan.config
    length = config.data.seq_len
    row = {
        "tokens": np.full(length, Vocabulary.create(config).ordinary_id, np.int32),
        "segments": np.ones(length, np.int32),
        "positions": np.arange(length, dtype=np.int32),
    }
    example = plan.task.transform(row, np.random.default_rng(0))
    spread = batch_sharding(machine.mesh)
    return {
        name: jax.ShapeDtypeStruct((config.batch_size, *array.shape), array.dtype, sharding=spread)
        for name, array in example.items()
    }


def _train(target: Target) -> _Lowered:
    plan, machine, config = target.plan, target.machine, target.plan.config
    step: Any = machine.train_step(plan)
    rows, length = config.batch_size, config.data.seq_len
    model_flops = flops.TRAINING * plan.forward_flops(rows)
    return _Lowered(lambda: step.lower(machine.abstract, target.batch), model_flops, rows, rows * length)


def _eval(target: Target) -> _Lowered:
    plan, machine = target.plan, target.machine
    step: Any = machine.eval_step(plan)
    rows, length = plan.config.batch_size, plan.config.data.seq_len
    model_flops = plan.forward_flops(rows)
    return _Lowered(lambda: step.lower(machine.abstract.params, target.batch), model_flops, rows, rows * length)


def _prefill(target: Target) -> _Lowered:
    found, plain = Inference.on(target.plan, target.machine), Inference.plain(target.plan)
    model_flops = flops.count(plain.prefill, *plain.prefill_arguments)
    rows, length = found.tokens.shape
    return _Lowered(lambda: jax.jit(found.prefill).lower(*found.prefill_arguments), model_flops, rows, rows * length)


def _decode(target: Target) -> _Lowered:
    found, plain = Inference.on(target.plan, target.machine), Inference.plain(target.plan)
    model_flops = flops.count(plain.decode, *plain.decode_arguments)
    rows = found.tokens.shape[0]
    step = jax.jit(found.decode, donate_argnums=2)
    return _Lowered(lambda: step.lower(*found.decode_arguments), model_flops, rows, rows)


_LOWERED: dict[str, Callable[[Target], _Lowered]] = {
    "train": _train,
    "eval": _eval,
    "prefill": _prefill,
    "decode": _decode,
}


def _memory(compiled: jax.stages.Compiled, chip: Chip | None) -> Memory:
    found: Any = compiled.memory_analysis()
    kinds = {"arguments": "argument", "outputs": "output", "aliased": "alias", "temporaries": "temp",
             "code": "generated_code"}  # fmt: skip
    sizes = {name: getattr(found, f"{kind}_size_in_bytes") for name, kind in kinds.items()}
    held = sizes["arguments"] + sizes["outputs"] - sizes["aliased"] + sizes["temporaries"]
    return Memory(
        **sizes,
        peak=getattr(found, "peak_memory_in_bytes", 0) or held,
        capacity=None if chip is None else chip.hbm_bytes // chip.devices,
    )


def _versions(chip: Chip | None) -> dict[str, str]:
    found = {"jax": importlib.metadata.version("jax")}
    if chip is not None:
        folder = topology.library().parent.parent
        names = [path.name.removesuffix(".dist-info") for path in folder.glob("libtpu-*.dist-info")]
        found["libtpu"] = names[0].removeprefix("libtpu-") if names else "of unknown version"
    return found
