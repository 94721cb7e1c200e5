# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The report of compiled steps: as numbers, and as text."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from zoo.cost.operations import Operations
from zoo.cost.roofline import Prediction

_GIB = 2**30
WIDTH = 16  # of labels


@dataclasses.dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of one device's main memory, by XLA's analysis.

    Attributes:
      aliased: donated arguments whose memory the outputs reuse.
      temporaries: XLA's sum, which may count more than is live at one time. peak: the most that is live at one time.
      capacity: what a program may use on the device; None if that is not known.
    """

    arguments: int
    outputs: int
    aliased: int
    temporaries: int
    code: int
    peak: int
    capacity: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overflow:
    """The compiler's verdict that a program does not fit, in bytes. Attributes: advice: what to change, in order."""

    needed: int
    allowed: int
    advice: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CollectiveTraffic:
    """The collectives of one kind along the same axes of the mesh, in one step of one device.

    Attributes:
      devices: in one group. count: how often they run.
      asynchronous_bytes: the part of `sent_bytes` that overlaps with other operations.
      seconds: predicted, one after another; None for a chip without figures.
    """

    kind: str
    axes: tuple[str, ...]
    devices: int
    count: int
    sent_bytes: int
    asynchronous_bytes: int
    seconds: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepReport:
    """The report of one compiled step; fields that need a compiled program are None if it does not fit.

    Attributes:
      model_flops: by `zoo.cost.flops`, of the whole step on all devices.
      program_flops: as compiled, including what is recomputed, without attention tiles that a mask hides.
      kernel_flops: the part of `program_flops` in our own kernels.
      main_memory_bytes: read and written in one device's memory.
      operations: where the predicted time goes, ordered by how long the matrix units are idle.
      program_bytes: of the machine code, or of the text where XLA does not give that. fingerprint: SHA-256 of the text.
      not_analysed: why the program's operations could not be counted.
    """

    step: str
    sequences: int
    tokens: int
    compile_seconds: float
    model_flops: int
    overflow: Overflow | None = None
    memory: Memory | None = None
    program_flops: int | None = None
    kernel_flops: int | None = None
    main_memory_bytes: int | None = None
    collectives: tuple[CollectiveTraffic, ...] = ()
    prediction: Prediction | None = None
    operations: tuple[Operations, ...] = ()
    program_bytes: int | None = None
    fingerprint: str | None = None
    not_analysed: str | None = None

    @property
    def fits(self) -> bool:
        """Whether the program fits the memory, by the compiler's verdict."""
        return self.overflow is None

    def lines(self, top: int = 0) -> Iterator[str]:
        """As text, with the `top` operations during which the matrix units are idle for longest."""
        sizes = f"{self.sequences:,} sequences, {self.tokens:,} tokens"
        yield f"{self.step}: {sizes}; compiled in {self.compile_seconds:.0f} s"
        if self.overflow is not None:
            yield from _overflow_lines(self.overflow)
            return
        if self.memory is not None:
            yield from _memory_lines(self.memory)
        if self.not_analysed is not None:
            yield _line("not analysed", self.not_analysed)
        else:
            yield from self._analysis_lines()
            yield from _operation_lines(self.operations[:top])
        size, fingerprint = (self.program_bytes or 0) / 2**20, (self.fingerprint or "")[:16]
        yield _line("program", f"{size:.1f} MiB, fingerprint {fingerprint}")

    def _analysis_lines(self) -> Iterator[str]:
        program, kernels = self.program_flops or 0, self.kernel_flops or 0
        ratios = f"({program / max(self.model_flops, 1):.2f}x; {kernels / max(program, 1):.0%} in kernels)"
        yield _line("operations", f"model {_flops(self.model_flops)}, program {_flops(program)} {ratios}")
        yield from (_line("" if number else "collectives", line) for number, line in enumerate(self._collectives()))
        if self.prediction is not None:
            yield from _prediction_lines(self.prediction, self.tokens)

    def _collectives(self) -> Iterator[str]:
        for found in self.collectives:
            overlapped = found.asynchronous_bytes / max(found.sent_bytes, 1)
            seconds = "" if found.seconds is None else f", predicted {found.seconds * 1e3:.2f} ms"
            yield (
                f"{found.count:>5} {found.kind} over {'+'.join(found.axes)} ({found.devices}): "
                f"{found.sent_bytes / 2**20:,.1f} MiB sent per device, {overlapped:.0%} overlapped{seconds}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Compiled steps, and what they were compiled for.

    Attributes:
      chip: its name in `zoo.cost.chips`; None on CPUs. versions: of JAX and the compiler. options: the compiler's, for
        train and eval.
    """

    model: str
    objective: str
    parameters: int
    topology: str
    chip: str | None
    chips: int
    devices: int
    mesh: dict[str, int]
    rules: str
    grad_accum_steps: int
    remat: str
    versions: dict[str, str]
    options: dict[str, bool | int | str]
    steps: tuple[StepReport, ...]

    @property
    def fits(self) -> bool:
        return all(step.fits for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        found = dataclasses.asdict(self)
        for step, plain in zip(self.steps, found["steps"], strict=True):
            plain["fits"] = step.fits
        return found | {"fits": self.fits}

    def text(self, top: int = 0) -> str:
        """As text, with the `top` operations during which the matrix units idle longest; all times are predictions."""
        mesh = ",".join(f"{axis}:{size}" for axis, size in self.mesh.items() if size > 1) or "one device"
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        if self.options and any(step.step in ("train", "eval") for step in self.steps):
            versions += f", {len(self.options)} XLA options"
        chips = f"{self.chips} chips" + (f", {self.devices} devices" if self.devices != self.chips else "")
        head = [
            f"{self.model} ({self.parameters:,} parameters), {self.objective}, on {self.topology} ({chips})",
            f"mesh {mesh}, rules {self.rules}, grad_accum_steps {self.grad_accum_steps}, remat {self.remat}",
            versions,
        ]
        return "\n".join([*head, *(line for step in self.steps for line in ("", *step.lines(top)))])


def _line(label: str, text: str) -> str:
    return f"  {label:<{WIDTH}}{text}"


def _overflow_lines(overflow: Overflow) -> Iterator[str]:
    yield _line("DOES NOT FIT", f"needs {_gib(overflow.needed)} per device, which has {_gib(overflow.allowed)}")
    yield from (_line("try" if not i else "", f"{i + 1}. {line}") for i, line in enumerate(overflow.advice))


def _memory_lines(memory: Memory) -> Iterator[str]:
    of = "" if memory.capacity is None else f" of {_gib(memory.capacity)} ({memory.peak / memory.capacity:.0%})"
    yield _line("memory", f"peak {_gib(memory.peak)}{of} per device")
    parts = {name: getattr(memory, name) for name in ("arguments", "outputs", "aliased", "temporaries", "code")}
    yield _line("", ", ".join(f"{name} {_gib(size)}" for name, size in parts.items()))


def _prediction_lines(prediction: Prediction, tokens: int) -> Iterator[str]:
    seconds = prediction.seconds
    yield _line(
        "predicted",
        f"{seconds * 1e3:.2f} ms per step, MFU {prediction.mfu:.1%}, {tokens / seconds:,.0f} tokens/s",
    )
    yield _line(
        "",
        f"without the compiler's cycle counts {prediction.roofline_seconds * 1e3:.2f} ms, MFU "
        f"{prediction.roofline_mfu:.1%}; lower bound {prediction.bound_seconds * 1e3:.2f} ms",
    )
    for name, spent in prediction.by_category.items():
        yield _line("", f"{spent / seconds:>6.1%} {spent * 1e3:>9.2f} ms  {name}")
    overlapped = max(prediction.collective_seconds - prediction.by_category["exposed collectives"], 0)
    yield _line(
        "",
        f"collectives take {prediction.collective_seconds * 1e3:.2f} ms, of which {overlapped * 1e3:.2f} ms overlapped",
    )


def _operation_lines(operations: Sequence[Operations]) -> Iterator[str]:
    """Time in which the matrix units are idle, all time, the time that the bytes need, runs, and the name."""
    if not operations:
        return
    yield _line("top operations", f"{'ms idle':>9} {'ms total':>9} {'memory':>9} {'runs':>6}")
    for one in operations:
        times = (one.idle_seconds, one.seconds, one.memory_seconds)
        spent = " ".join(f"{seconds * 1e3:>9.2f}" for seconds in times)
        yield _line("", f"{spent} {one.count:>6}  {one.category}, {one.phase}: {one.name}")


def _gib(size: int) -> str:
    return f"{size / _GIB:.2f} GiB"


def _flops(count: int) -> str:
    for unit, name in ((1e15, "P"), (1e12, "T"), (1e9, "G")):
        if count >= unit:
            return f"{count / unit:.2f} {name}FLOP"
    return f"{count / 1e6:.2f} MFLOP"
