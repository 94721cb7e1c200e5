# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What became of compiled steps: numbers for programs, and lines for people."""

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
      aliased: arguments whose memory the outputs take over.
      temporaries: by XLA's sum, which may count more than is held at one time. peak: the most that is held at one time.
      capacity: what the device lets a program have; None if that is not known.
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
    """Exchanges of one kind along the same axes of the mesh, in one step of one device.

    Attributes:
      devices: that exchange among themselves. count: how many exchanges.
      asynchronous_bytes: of what is sent, the part that goes on beside other work.
      seconds: predicted, one after another; None without a chip's figures.
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
    """What became of one step; fields that need a compiled program are None if it does not fit.

    Attributes:
      model_flops: by `zoo.cost.flops`, of the whole step on all devices.
      program_flops: as compiled, with what is computed again, without tiles of attention that a mask hides.
      kernel_flops: of those, in kernels of our own.
      main_memory_bytes: moved in one device's memory.
      operations: where the predicted time goes, those first in which the matrix units do nothing for longest.
      program_bytes: of the learner code, or where XLA does not say, of the text. fingerprint: SHA-256 of the text.
      not_read: what in the program was not understood, so that nothing is counted in it.
    """

    step: str
    rows: int
    tokens: int
    compile_seconds: float
    model_flops: int
    overflow: Overflow | None = None
    memory: Memory | None = None
    program_flops: int | None = None
    kernel_flops: int | None = None
    main_memory_bytes: int | None = None
    exchanges: tuple[CollectiveTraffic, ...] = ()
    prediction: Prediction | None = None
    operations: tuple[Operations, ...] = ()
    program_bytes: int | None = None
    fingerprint: str | None = None
    not_read: str | None = None

    @property
    def fits(self) -> bool:
        """Whether the compiler had room for it."""
        return self.overflow is None

    def lines(self, top: int = 0) -> Iterator[str]:
        """For people, with the `top` operations that lose most."""
        yield f"{self.step}: {self.rows:,} rows, {self.tokens:,} tokens; compiled in {self.compile_seconds:.0f} s"
        if self.overflow is not None:
            yield from _overflow_lines(self.overflow)
            return
        if self.memory is not None:
            yield from _memory_lines(self.memory)
        if self.not_read is not None:
            yield _line("not read", self.not_read)
        else:
            yield from self._read_lines()
            yield from _operation_lines(self.operations[:top])
        size, mark = (self.program_bytes or 0) / 2**20, (self.fingerprint or "")[:16]
        yield _line("program", f"{size:.1f} MiB, fingerprint {mark}")

    def _read_lines(self) -> Iterator[str]:
        program, kernels = self.program_flops or 0, self.kernel_flops or 0
        shares = f"({program / max(self.model_flops, 1):.2f}x; {kernels / max(program, 1):.0%} in kernels)"
        yield _line("operations", f"model {_flops(self.model_flops)}, program {_flops(program)} {shares}")
        yield from (_line("" if place else "exchanges", line) for place, line in enumerate(self._exchanges()))
        if self.prediction is not None:
            yield from _prediction_lines(self.prediction, self.tokens)

    def _exchanges(self) -> Iterator[str]:
        for found in self.exchanges:
            beside = found.asynchronous_bytes / max(found.sent_bytes, 1)
            lasts = "" if found.seconds is None else f", predicted {found.seconds * 1e3:.2f} ms"
            yield (
                f"{found.count:>5} {found.kind} over {'+'.join(found.axes)} ({found.devices}): "
                f"{found.sent_bytes / 2**20:,.1f} MiB sent a device, {beside:.0%} beside other work{lasts}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Compiled steps, and what they were compiled for.

    Attributes:
      chip: its name in `zoo.cost.chips`; None on CPUs. versions: of what compiled. options: it was given, for train
        and eval.
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
        """Plain, for JSON."""
        found = dataclasses.asdict(self)
        for step, plain in zip(self.steps, found["steps"], strict=True):
            plain["fits"] = step.fits
        return found | {"fits": self.fits}

    def text(self, top: int = 0) -> str:
        """For people, with the `top` operations that lose most; every time is a prediction and says so."""
        mesh = ",".join(f"{axis}:{size}" for axis, size in self.mesh.items() if size > 1) or "one device"
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        if self.options and any(step.step in ("train", "eval") for step in self.steps):
            versions += f", {len(self.options)} XLA options"
        chips = f"{self.chips} chips" + (f", {self.devices} devices" if self.devices != self.chips else "")
        head = [
            f"{self.model} ({self.parameters:,} parameters), {self.objective}, on {self.topology} ({chips})",
            f"mesh {mesh}, rules {self.rules}, accumulation {self.grad_accum_steps}, remat {self.remat}; {versions}",
        ]
        return "\n".join([*head, *(line for step in self.steps for line in ("", *step.lines(top)))])


def _line(label: str, text: str) -> str:
    return f"  {label:<{WIDTH}}{text}"


def _overflow_lines(overflow: Overflow) -> Iterator[str]:
    yield _line("DOES NOT FIT", f"needs {_gib(overflow.needed)} of the {_gib(overflow.allowed)} a device has")
    yield from (_line("try" if not place else "", f"{place + 1}. {line}") for place, line in enumerate(overflow.advice))


def _memory_lines(memory: Memory) -> Iterator[str]:
    of = "" if memory.capacity is None else f" of {_gib(memory.capacity)} ({memory.peak / memory.capacity:.0%})"
    yield _line("memory", f"peak {_gib(memory.peak)}{of} a device")
    parts = {name: getattr(memory, name) for name in ("arguments", "outputs", "aliased", "temporaries", "code")}
    yield _line("", ", ".join(f"{name} {_gib(size)}" for name, size in parts.items()))


def _prediction_lines(prediction: Prediction, tokens: int) -> Iterator[str]:
    seconds = prediction.seconds
    yield _line(
        "predicted",
        f"{seconds * 1e3:.2f} ms a step, MFU {prediction.mfu:.1%}, {tokens / seconds:,.0f} tokens/s",
    )
    yield _line(
        "",
        f"without the compiler's cycle counts {prediction.roofline_seconds * 1e3:.2f} ms, MFU "
        f"{prediction.roofline_mfu:.1%}; never below {prediction.bound_seconds * 1e3:.2f} ms",
    )
    for name, spent in prediction.by_category.items():
        yield _line("", f"{spent / seconds:>6.1%} {spent * 1e3:>9.2f} ms  {name}")
    hidden = prediction.exchange_seconds - prediction.by_category["collectives, exposed"]
    yield _line(
        "", f"exchanges take {prediction.exchange_seconds * 1e3:.2f} ms, {max(hidden, 0) * 1e3:.2f} of it hidden"
    )


def _operation_lines(operations: Sequence[Operations]) -> Iterator[str]:
    """Seconds in which the matrix units do nothing, seconds taken, those that the bytes need, runs, and the name."""
    if not operations:
        return
    yield _line("predicted loss", f"{'ms lost':>9} {'ms taken':>9} {'memory':>9} {'runs':>6}")
    for one in operations:
        times = (one.lost_seconds, one.seconds, one.memory_seconds)
        spent = " ".join(f"{seconds * 1e3:>9.2f}" for seconds in times)
        yield _line("", f"{spent} {one.count:>6}  {one.category}, {one.phase}: {one.name}")


def _gib(size: int) -> str:
    return f"{size / _GIB:.2f} GiB"


def _flops(count: int) -> str:
    for unit, name in ((1e15, "P"), (1e12, "T"), (1e9, "G")):
        if count >= unit:
            return f"{count / unit:.2f} {name}FLOP"
    return f"{count / 1e6:.2f} MFLOP"
