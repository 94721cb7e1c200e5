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

from zoo.aot import topology
from zoo.aot.advice import advise, overflowing
from zoo.aot.inference import Inference
from zoo.aot.report import CollectiveTraffic, Memory, Overflow, Report, StepReport
from zoo.cost import flops, roofline, walk
from zoo.cost.chips import Chip, lookup
from zoo.cost.operations import operations
from zoo.cost.program import Program
from zoo.cost.torus import Torus
from zoo.errors import ConfigError, InputError
from zoo.evals.loss import loss_sums
from zoo.models import registry
from zoo.sharding.rules import batch_sharding
from zoo.text.train import has_mask
from zoo.train.config import RunConfig
from zoo.train.learner import Learner
from zoo.train.run_spec import RunSpec, base_config, check_names

Step = Literal["train", "eval", "prefill", "decode"]
STEPS: tuple[str, ...] = get_args(Step)
_GENERATING = ("causal_lm", "seq2seq_lm")  # heads


class TokenizerOutline(NamedTuple):
    """Stands in for a tokenizer: as many tokens as the config allows, the special ids of the registry's model.

    No program depends on the id of the mask token, which GPT-2's tokenizers lack, or of any other token that a config
    names, such as sentinels: every such token is taken to exist.
    """

    vocab_size: int
    pad_id: int | None
    bos_id: int | None
    eos_id: int | None
    mask_id: int | None

    @classmethod
    def create(cls, config: RunConfig) -> "TokenizerOutline":
        """The most tokens that the config's tokenizer may have, or those of the checkpoint that the run starts from."""
        base, tokenizer = base_config(config), config.data.tokenizer
        size = base.vocab_size if config.init_from else tokenizer.vocab_size
        last = size - 1
        pad, bos, eos = (
            None if found is None else min(found, last) for found in (base.pad_id, base.bos_id, base.eos_id)
        )
        special = tokenizer.special
        if tokenizer.path or config.init_from:
            special = registry.family_of(base).special_tokens or special
        return cls(size, pad, bos, eos, last if has_mask(tokenizer.kind, special) else None)

    @property
    def cls_id(self) -> int:
        """An id of a classifying token."""
        return self.vocab_size - 1

    @property
    def sep_id(self) -> int:
        """An id of a separator."""
        return self.vocab_size - 1

    @property
    def special_ids(self) -> set[int]:
        """All special ids that the tokenizer has."""
        return {found for found in self[1:] if found is not None}

    def token_to_id(self, token: str) -> int | None:
        """An id of any token."""
        del token
        return self.vocab_size - 1


class _Lowered(NamedTuple):
    """A step that can be compiled. Attributes: lower: traces it. model_flops: of the whole step."""

    lower: Callable[[], jax.stages.Lowered]
    model_flops: int
    sequences: int
    tokens: int


@dataclasses.dataclass(frozen=True)
class Target:
    """A config laid out on the devices of a topology, with all checks done; `compile` may then take minutes.

    Attributes:
      chip: None on CPUs, for which nothing is predicted. batch: of a train step, as shapes.
    """

    spec: RunSpec
    learner: Learner
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
        spec = RunSpec.create(config, config.data.outline(TokenizerOutline.create(config)))
        _check_steps(steps, spec.objective.head)
        devices = topology.devices(name)
        learner = Learner.create(spec, devices)
        chip = lookup(devices[0].device_kind) if devices[0].platform == "tpu" else None
        return cls(spec, learner, name, chip, _batch(spec, learner))

    def lower(self, step: str) -> jax.stages.Lowered:
        """One step traced for the devices."""
        return _LOWERED[step](self).lower()

    def compile(self, step: str) -> StepReport:
        """Compiles one step; that it does not fit is a result, not an error."""
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
            advice = tuple(advise(self.spec, self.learner, self.topology, step, *sizes))
            overflow = Overflow(needed=sizes[0], allowed=sizes[1], advice=advice)
            described = {"compile_seconds": time.monotonic() - begin, "overflow": overflow}
        return StepReport(
            step=step, sequences=found.sequences, tokens=found.tokens, model_flops=found.model_flops, **described
        )

    def report(self, steps: Sequence[StepReport]) -> Report:
        """Compiled steps together with what they were compiled for."""
        config, mesh = self.spec.config, self.learner.mesh
        return Report(
            model=config.model_name,
            objective=type(self.spec.objective).__name__,
            parameters=sum(
                leaf.size for leaf in jax.tree.leaves([self.learner.abstract.params, self.learner.abstract.frozen])
            ),
            topology=self.topology,
            chip=None if self.chip is None else self.chip.name,
            chips=mesh.size // (1 if self.chip is None else self.chip.devices),
            devices=mesh.size,
            mesh=dict(mesh.shape),
            rules=config.rules,
            grad_accum_steps=config.grad_accum_steps,
            remat=self.spec.model.execution.remat,
            versions=_versions(self.chip),
            options=dict(self.learner.options),
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
        except (InputError, KeyError, ValueError) as error:  # a new compiler's output must not lose what took minutes
            return found | {"not_analysed": f"{type(error).__name__}: {error}"}
        devices = list(self.learner.mesh.devices.flat)
        return found | {
            "program_flops": program.flops * len(devices),
            "kernel_flops": program.kernel_flops * len(devices),
            "main_memory_bytes": program.bytes,
            "collectives": tuple(self._collectives(program)),
            "prediction": self.chip and roofline.predict(program, self.chip, devices, model_flops),
            "operations": tuple(operations(program, self.chip)) if self.chip else (),
        }

    def _collectives(self, program: Program) -> list[CollectiveTraffic]:
        """By kind and axes, those that send most first."""
        mesh = self.learner.mesh
        torus = self.chip and Torus.create(self.chip, list(mesh.devices.flat))
        alike: dict[tuple, list[tuple]] = collections.defaultdict(list)
        for times, op, found in program.collectives():
            alike[found.kind, found.axes(mesh.shape), found.size].append((times, op, found))
        traffic = [
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
        return sorted(traffic, key=lambda found: -found.sent_bytes)


def _check_steps(steps: Sequence[str], head: str) -> None:
    if not steps:
        raise ConfigError(f"No step to compile; choose from {', '.join(STEPS)}.")
    for step in steps:
        if step not in STEPS:
            raise ConfigError(f"No step {step!r}; choose from {', '.join(STEPS)}.")
        if step in ("prefill", "decode") and head not in _GENERATING:
            raise ConfigError(
                f"A model with a {head} head does not generate text and has no {step} step; leave it out."
            )


def _batch(spec: RunSpec, learner: Learner) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of a batch, as the objective arranges sequences of ordinary tokens."""
    sharding = batch_sharding(learner.mesh)
    shapes = spec.batch_shapes(spec.config.batch_size)
    return {name: jax.ShapeDtypeStruct(each.shape, each.dtype, sharding=sharding) for name, each in shapes.items()}


def _train(target: Target) -> _Lowered:
    spec, learner, config = target.spec, target.learner, target.spec.config
    step: Any = learner.train_step()
    batch, length = config.batch_size, config.data.seq_len
    model_flops = flops.TRAINING * spec.forward_flops(batch)
    return _Lowered(lambda: step.lower(learner.abstract, target.batch), model_flops, batch, batch * length)


def _eval(target: Target) -> _Lowered:
    spec, learner = target.spec, target.learner
    step: Any = learner.eval_step(loss_sums)
    batch, length = spec.config.batch_size, spec.config.data.seq_len
    model_flops = spec.forward_flops(batch)
    return _Lowered(lambda: step.lower(*learner.modules, target.batch), model_flops, batch, batch * length)


def _prefill(target: Target) -> _Lowered:
    found, plain = Inference.on(target.spec, target.learner), Inference.plain(target.spec)
    model_flops = flops.count(plain.prefill, *plain.prefill_arguments)
    batch, length = found.tokens.shape
    return _Lowered(lambda: jax.jit(found.prefill).lower(*found.prefill_arguments), model_flops, batch, batch * length)


def _decode(target: Target) -> _Lowered:
    found, plain = Inference.on(target.spec, target.learner), Inference.plain(target.spec)
    model_flops = flops.count(plain.decode, *plain.decode_arguments)
    batch = found.tokens.shape[0]
    step = jax.jit(found.decode, donate_argnums=2)
    return _Lowered(lambda: step.lower(*found.decode_arguments), model_flops, batch, batch)


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
    peak = getattr(found, "peak_memory_in_bytes", 0)
    return Memory(
        **sizes,
        peak=peak if chip is not None and peak else max(peak, held),  # a CPU's compiler leaves temporaries out
        capacity=None if chip is None else chip.hbm_bytes // chip.devices,
    )


def _versions(chip: Chip | None) -> dict[str, str]:
    found = {"jax": importlib.metadata.version("jax")}
    if chip is not None:
        folder = topology.library().parent.parent
        names = [path.name.removesuffix(".dist-info") for path in folder.glob("libtpu-*.dist-info")]
        found["libtpu"] = names[0].removeprefix("libtpu-") if names else "(unknown version)"
    return found
