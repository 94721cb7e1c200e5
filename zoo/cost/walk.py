# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What an optimised HLO program does on one device: its operations in their order, loops with how often they run.

Loops count as often as they run, by the compiler's `known_trip_count` or by their condition; of a conditional, the
branch with the most products. Bytes are those that cross the edges of fusions in the main memory: what lies in a TPU's
VMEM costs none, a slice costs what it takes, and an update in place what it writes. Where a TPU's compiler cuts an
exchange into parts that it weaves into other fusions, it is counted once, from its start to its end. What is not
understood is an error: an unknown operation, custom call, or number of repetitions.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

from zoo.cost import collectives, hlo
from zoo.cost.collectives import Collective
from zoo.cost.hlo import Computation, Instruction, Module
from zoo.cost.products import Product, product
from zoo.errors import InputError

_NOTHING = frozenset(
    "parameter constant tuple get-tuple-element bitcast partition-id replica-id after-all add-dependency "
    "opt-barrier optimization-barrier domain".split()
)
# Operations on whole arrays: they read their operands and write their result.
_PLAIN = frozenset(
    (
        "abs add and atan2 broadcast cbrt ceil clamp clz compare complex concatenate convert copy cosine "
        "count-leading-zeros divide erf exponential exponential-minus-one floor imag iota is-finite log "
        "log-plus-one logistic map maximum minimum multiply negate not or pad popcnt power real reduce "
        "reduce-precision reduce-window remainder reshape reverse rng rng-bit-generator "
        "rng-get-and-update-state round-nearest-afz round-nearest-even rsqrt select select-and-scatter "
        "shift-left shift-right-arithmetic shift-right-logical sign sine sort sqrt stochastic-convert "
        "subtract tan tanh topk transpose tuple-select xor fft cholesky triangular-solve bitcast-convert "
        "set-dimension-size get-dimension-size"
    ).split()
)
_SLICES = frozenset(("slice", "dynamic-slice", "gather"))
_UPDATES = {"dynamic-update-slice": 1, "scatter": 2}  # the operand that is written
_FREE_CALLS = frozenset(
    "AllocateBuffer ConcatBitcast AssumeGatherIndicesInBound AsyncCollectiveStart AsyncCollectiveDone Sharding "
    "SPMDFullToShardShape SPMDShardToFullShape GlobalSum X64Combine X64SplitLow X64SplitHigh annotate_device_placement "
    "MoveToDevice MoveToHost PinToHost PrepareAsyncCallStart PrepareAsyncCallDone "
    "GatherScatterIndicesBitpacked".split()
)
_PLAIN_CALLS = frozenset(("TopK", "ApproxTopK", "PartialReduce", "SliceToDynamic", "PadToStatic", "HostExecute"))
_KERNEL = "tpu_custom_call"
_TARGET = re.compile(r'custom_call_target="([^"]*)"')
_TRIPS = re.compile(r'"known_trip_count":\{"n":"?(\d+)"?\}')
_FLOPS = re.compile(r'"cost_estimate":\{[^}]*"flops":"?(\d+)"?')
_CYCLES = re.compile(r'"estimated_cycles":"?(-?\d+)"?')
_CHAIN = re.compile(r'chain_id="(\w+)"')
_BEGUN, _GOES_ON, _ENDED = "start", "update", "done"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel of our own. Attributes: flops: as its cost estimate says. shapes: of its operands."""

    name: str
    flops: int
    shapes: tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Op:
    """One operation that takes time, a whole fusion being one.

    Attributes:
      source: its place in the traced program.
      read_bytes, written_bytes: in the main memory.
      begins, ends: the name of a transfer that goes on while what follows runs: `begins` it, or waits for its end.
      cycles: what the TPU's compiler takes it to last; None where it does not say.
    """

    name: str
    opcode: str
    source: str = ""
    products: tuple[Product, ...] = ()
    kernels: tuple[Kernel, ...] = ()
    collective: Collective | None = None
    read_bytes: int = 0
    written_bytes: int = 0
    begins: str | None = None
    ends: str | None = None
    cycles: int | None = None

    @property
    def flops(self) -> int:
        """Of products, and of kernels as they say."""
        return sum(product.flops for product in self.products) + sum(kernel.flops for kernel in self.kernels)

    @property
    def bytes(self) -> int:
        return self.read_bytes + self.written_bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loop:
    """Steps that run `times` times."""

    name: str
    times: int
    steps: "tuple[Op | Loop, ...]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """What one of `devices` devices does."""

    steps: tuple[Op | Loop, ...]
    devices: int

    def executed(self) -> Iterator[tuple[int, Op]]:
        """Every operation, with how often it runs."""
        return _executed(self.steps, 1)

    def total(self, of: Callable[[Op], int]) -> int:
        """The sum over all that is executed."""
        return sum(times * of(op) for times, op in self.executed())

    @property
    def flops(self) -> int:
        """Of one device."""
        return self.total(lambda op: op.flops)

    @property
    def kernel_flops(self) -> int:
        """Of those, what kernels of our own say they compute."""
        return self.total(lambda op: sum(kernel.flops for kernel in op.kernels))

    @property
    def bytes(self) -> int:
        """Read and written in one device's main memory."""
        return self.total(lambda op: op.bytes)

    def exchanges(self) -> Iterator[tuple[int, Op, Collective]]:
        """Every exchange once, where it begins, with how often."""
        return ((times, op, op.collective) for times, op in self.executed() if op.collective is not None)


def walk(text: str) -> Program:
    """Reads `compiled.as_text()`.

    Raises:
      InputError: for a text, an operation or a loop that is not understood.
    """
    module = hlo.parse(text)
    return Program(steps=_Walker(module).steps(module.entry), devices=module.partitions)


def _executed(steps: tuple[Op | Loop, ...], times: int) -> Iterator[tuple[int, Op]]:
    for step in steps:
        if isinstance(step, Loop):
            yield from _executed(step.steps, times * step.times)
        else:
            yield times, step


class _Walker:
    def __init__(self, module: Module):
        self.module = module
        self._known: dict[str, tuple[Op | Loop, ...]] = {}

    def steps(self, computation: Computation) -> tuple[Op | Loop, ...]:
        if computation.name not in self._known:
            found: list[Op | Loop] = []
            for instruction in computation.instructions.values():
                found += self._steps(instruction, computation)
            self._known[computation.name] = tuple(found)
        return self._known[computation.name]

    def _steps(self, instruction: Instruction, computation: Computation) -> tuple[Op | Loop, ...]:
        opcode = instruction.opcode
        if opcode in _NOTHING:
            return ()
        if opcode == "while":
            times = _trips(self.module, instruction, computation)
            inside = (*self.steps(self.module.called(instruction, "condition")),
                      *self.steps(self.module.called(instruction, "body")))  # fmt: skip
            return (Loop(name=instruction.name, times=times, steps=inside),)
        if opcode == "call":
            return self.steps(self.module.called(instruction, "to_apply"))
        if opcode == "conditional":
            return max(map(self.steps, self._branches(instruction)), key=_work)
        if opcode == "fusion":
            return (self._fusion(instruction, computation),)
        base, _, phase = opcode.rpartition("-")
        if phase in (_BEGUN, _GOES_ON, _ENDED) and base:
            return self._asynchronous(base, phase, instruction, computation)
        return (self._single(opcode, instruction, computation),)

    def _branches(self, instruction: Instruction) -> list[Computation]:
        found = re.search(r"branch_computations=\{([^}]*)\}", instruction.attributes)
        if found:
            return [self.module.computations[name] for name in re.findall(r"%([\w.\-]+)", found[1])]
        return [self.module.called(instruction, f"{side}_computation") for side in ("true", "false")]

    def _op(self, instruction: Instruction, **fields: Any) -> Op:
        cycles = _CYCLES.search(instruction.attributes)
        known = int(cycles[1]) if cycles and int(cycles[1]) >= 0 else None
        return Op(name=instruction.name, opcode=instruction.opcode, source=instruction.source, cycles=known, **fields)

    def _single(self, opcode: str, instruction: Instruction, computation: Computation) -> Op:
        operands = computation.operands(instruction)
        written = sum(shape.main_bytes for shape in instruction.shapes)
        read = sum(shape.main_bytes for operand in operands for shape in operand.shapes)
        if opcode in collectives.KINDS:
            found = collectives.collective(opcode, instruction, computation, self.module.partitions)
            return self._op(instruction, collective=found, read_bytes=read, written_bytes=written)
        if opcode in ("dot", "convolution"):
            products = (product(instruction, computation),)
            return self._op(instruction, products=products, read_bytes=read, written_bytes=written)
        if opcode in _SLICES:
            taken = sum(shape.stored_bytes for shape in instruction.shapes) if operands[0].shapes[0].space == 0 else 0
            return self._op(instruction, read_bytes=min(taken, read), written_bytes=written)
        if opcode in _UPDATES:
            update = operands[_UPDATES[opcode]].shapes[0]
            return self._op(instruction, read_bytes=update.main_bytes, written_bytes=min(update.stored_bytes, written))
        if opcode == "custom-call":
            kernels, is_free = _custom_call(instruction, operands)
            if is_free:
                return self._op(instruction)
            return self._op(instruction, kernels=kernels, read_bytes=read, written_bytes=written)
        if opcode not in _PLAIN:
            raise InputError(f"The HLO operation {opcode!r} ({instruction.name}) is unknown; add it to {__name__}.")
        return self._op(instruction, read_bytes=read, written_bytes=written)

    def _asynchronous(
        self, base: str, phase: str, instruction: Instruction, computation: Computation
    ) -> tuple[Op | Loop, ...]:
        if phase == _ENDED:
            return (self._op(instruction, ends=_begun(instruction, computation)),)
        if phase == _GOES_ON:
            return ()
        begins = instruction.name
        if base == "copy":
            source, target = computation.operands(instruction)[0].shapes[0], instruction.shapes[0]
            return (
                self._op(instruction, read_bytes=source.main_bytes, written_bytes=target.main_bytes, begins=begins),
            )
        if base in _SLICES or base in _UPDATES:
            operands = [shape for operand in computation.operands(instruction) for shape in operand.shapes]
            target = instruction.shapes[len(operands)]
            part = operands[_UPDATES[base]] if base in _UPDATES else target
            read, written = (part.stored_bytes * (not shape.space) for shape in (operands[0], target))
            return (self._op(instruction, read_bytes=read, written_bytes=written, begins=begins),)
        if base in collectives.KINDS:
            return (dataclasses.replace(self._single(base, instruction, computation), begins=begins),)
        if base in ("async", "call", "fusion"):
            key = "calls" if instruction.attribute("calls") else "to_apply"
            inside = self.steps(self.module.called(instruction, key))
            if len(inside) == 1 and isinstance(inside[0], Op):
                return (dataclasses.replace(inside[0], begins=begins),)
        raise InputError(f"The asynchronous operation {instruction.opcode!r} ({instruction.name}) is unknown.")

    def _fusion(self, instruction: Instruction, computation: Computation) -> Op:
        fused = self.module.called(instruction, "calls")
        parts = _Parts(self.module)
        parts.add(fused)
        operands = computation.operands(instruction)
        read = sum(self._read(fused, index, operand) for index, operand in enumerate(operands))
        return self._op(
            instruction,
            products=tuple(parts.products),
            kernels=tuple(parts.kernels),
            collective=parts.collective,
            read_bytes=read,
            written_bytes=self._written(fused, instruction),
            begins=parts.begins and f"{computation.name} {parts.begins}",
            ends=parts.ends and f"{computation.name} {parts.ends}",
        )

    def _read(self, fused: Computation, index: int, operand: Instruction) -> int:
        """Bytes of an operand that a fusion reads in the main memory."""
        shape = operand.shapes[0]
        if shape.space or len(operand.shapes) > 1:
            return sum(shape.main_bytes for shape in operand.shapes)
        return min(shape.stored_bytes, self._taken(fused, fused.parameters[index].name, shape.stored_bytes))

    def _taken(self, fused: Computation, name: str, whole: int) -> int:
        """How much of an array the users of `name` take."""
        total = 0
        for user in fused.users[name]:
            is_first = user.operands[0] == name
            if user.opcode == "bitcast":
                total += self._taken(fused, user.name, whole)
            elif user.opcode in _SLICES and is_first:
                total += user.shapes[0].stored_bytes
            elif user.opcode == "fusion":
                inner = self.module.called(user, "calls")
                places = [place for place, operand in enumerate(user.operands) if operand == name]
                total += sum(self._taken(inner, inner.parameters[place].name, whole) for place in places)
            elif not (user.opcode == "tuple" or (user.opcode in _UPDATES and is_first) or _is_exchange(user)):
                return whole
        return total

    def _written(self, fused: Computation, instruction: Instruction) -> int:
        """Bytes that a fusion writes in the main memory: of an update in place, those of the update."""
        root = fused.root
        parts = fused.operands(root) if root.opcode == "tuple" else [root]
        if len(parts) != len(instruction.shapes):
            return sum(shape.main_bytes for shape in instruction.shapes)
        return sum(
            min(shape.main_bytes, _new(fused, part)) for shape, part in zip(instruction.shapes, parts, strict=True)
        )


class _Parts:
    """What is inside a fusion, and the fusions in it."""

    def __init__(self, module: Module):
        self.module = module
        self.products: list[Product] = []
        self.kernels: list[Kernel] = []
        self.collective: Collective | None = None
        self.begins: str | None = None
        self.ends: str | None = None

    def add(self, fused: Computation) -> None:
        targets = [_target(one) for one in fused.instructions.values() if one.opcode == "custom-call"]
        for instruction in fused.instructions.values():
            opcode = instruction.opcode
            if opcode == "fusion":
                self.add(self.module.called(instruction, "calls"))
            elif opcode in ("dot", "convolution"):
                self.products.append(product(instruction, fused))
            elif opcode == "custom-call":
                self.kernels += _custom_call(instruction, fused.operands(instruction))[0]
            elif opcode in collectives.KINDS:
                self._exchange(instruction, fused, targets)
            elif opcode in ("while", "call", "conditional") or not (
                opcode in _NOTHING or opcode in _PLAIN or opcode in _SLICES or opcode in _UPDATES
            ):
                raise InputError(f"The HLO operation {opcode!r} ({instruction.name}) is unknown inside a fusion.")

    def _exchange(self, instruction: Instruction, fused: Computation, targets: list[str]) -> None:
        chain = _CHAIN.search(instruction.attributes)
        name = f"chain {chain[1]}" if chain else f"channel {instruction.attribute('channel_id')}"
        if "AsyncCollectiveDone" in targets:
            self.ends = name
        elif "AsyncCollectiveStart" in targets or fused.name.partition(".")[0] != "async_collective_fusion":
            self.begins = name if "AsyncCollectiveStart" in targets else None
            kind = instruction.opcode
            if kind == "all-reduce" and any(user.opcode == "dynamic-slice" for user in fused.users[instruction.name]):
                kind = "reduce-scatter"  # how a TPU's compiler fuses one
            self.collective = collectives.collective(kind, instruction, fused, self.module.partitions)


def _new(fused: Computation, part: Instruction) -> int:
    """Bytes of a fusion's result that it does not merely hand on."""
    while part.opcode == "bitcast":
        part = fused.operands(part)[0]
    if part.opcode == "parameter" or _is_exchange(part):
        return 0
    if part.opcode in _UPDATES:
        return fused.operands(part)[_UPDATES[part.opcode]].shapes[0].stored_bytes
    return sum(shape.stored_bytes for shape in part.shapes)


def _is_exchange(instruction: Instruction) -> bool:
    """Whether it is an exchange, or the mark of its start or end: its bytes are not those of the fusion around it."""
    return instruction.opcode in collectives.KINDS or (
        instruction.opcode == "custom-call" and _target(instruction) in _FREE_CALLS
    )


def _target(instruction: Instruction) -> str:
    found = _TARGET.search(instruction.attributes)
    return found[1] if found else ""


def _custom_call(instruction: Instruction, operands: list[Instruction]) -> tuple[tuple[Kernel, ...], bool]:
    """The kernel that a call runs, if any, and whether the call costs nothing."""
    target = _target(instruction)
    if target in _FREE_CALLS:
        return (), True
    if target in _PLAIN_CALLS:
        return (), False
    path = instruction.source.split("/")
    name = path[-2] if path[-1] == "pallas_call" and len(path) > 1 else instruction.name.partition(".")[0]
    flops = _FLOPS.search(instruction.attributes)
    if target != _KERNEL:
        raise InputError(
            f"What the custom call {target!r} ({instruction.name}) costs is unknown; add it to {__name__}."
        )
    if flops is None:
        raise InputError(f"The kernel {name!r} does not say what it costs; give its pallas_call a cost_estimate.")
    shapes = tuple(shape.dims for operand in operands for shape in operand.shapes)
    return (Kernel(name=name, flops=int(flops[1]), shapes=shapes),), False


def _begun(instruction: Instruction, computation: Computation) -> str:
    """The name of the operation that began what this one ends; where that lies outside, of what brings it in."""
    while instruction.operands and not instruction.opcode.endswith(f"-{_BEGUN}"):
        instruction = computation.operands(instruction)[0]
    return instruction.name


def _work(steps: tuple[Op | Loop, ...]) -> tuple[int, int]:
    program = Program(steps=steps, devices=1)
    return program.flops, program.bytes


def _trips(module: Module, loop: Instruction, computation: Computation) -> int:
    """How often a loop runs: as the compiler says, or counted from its condition, its start and its step."""
    if known := _TRIPS.search(loop.attributes):
        return int(known[1])
    condition, body = (module.called(loop, key) for key in ("condition", "body"))
    test = _value(module, condition, condition.root, {})
    start = None
    if isinstance(test, tuple) and test[0] == "compare" and isinstance(test[2], tuple) and isinstance(test[3], int):
        (_, slot, shift), bound = test[2], test[3]
        carried = computation.operands(loop)[0]
        if carried.opcode == "tuple":
            start = _value(module, computation, computation.operands(carried)[slot], {})
        step = _value(module, body, body.operands(body.root)[slot], {}) if body.root.opcode == "tuple" else None
        if isinstance(start, int) and isinstance(step, tuple) and step[:2] == ("slot", slot) and step[2] > 0:
            bound += {"LT": 0, "LE": 1}.get(test[1], 0) - shift
            if test[1] in ("LT", "LE"):
                return max(0, -(-(bound - start) // step[2]))
    raise InputError(
        f"The loop {loop.name} runs an unknown number of times; a program can be counted if its loops are scans."
    )


def _value(module: Module, computation: Computation, instruction: Instruction, bound: dict[int, Any]) -> Any:
    """A number; `("slot", i, n)`, what the loop carries at `i` plus n; `("compare", how, left, right)`; or None."""
    value = functools.partial(_value, module, computation, bound=bound)
    operands = computation.operands(instruction)
    if instruction.opcode == "constant":
        return int(instruction.literal) if re.fullmatch(r"-?\d+", instruction.literal) else None
    if instruction.opcode == "parameter":
        return bound.get(int(instruction.literal))
    if instruction.opcode == "get-tuple-element" and operands[0].opcode == "parameter" and not bound:
        return ("slot", int(instruction.attribute("index") or 0), 0)
    if instruction.opcode in ("copy", "bitcast", "convert", "reshape", "broadcast"):
        return value(operands[0])
    if instruction.opcode == "add":
        left, right = (value(operand) for operand in operands)
        if isinstance(left, int) and isinstance(right, tuple):
            left, right = right, left
        if isinstance(left, tuple) and left[0] == "slot" and isinstance(right, int):
            return (*left[:2], left[2] + right)
        return left + right if isinstance(left, int) and isinstance(right, int) else None
    if instruction.opcode == "compare":
        return ("compare", instruction.attribute("direction"), *(value(operand) for operand in operands))
    if instruction.opcode in ("fusion", "call"):
        inner = module.called(instruction, "calls" if instruction.opcode == "fusion" else "to_apply")
        return _value(module, inner, inner.root, {place: value(operand) for place, operand in enumerate(operands)})
    return None
