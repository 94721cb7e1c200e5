# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The HLO operations and custom calls whose costs are known. One that is missing here is an error where it is met."""

import re

from zoo.cost import collectives
from zoo.cost.hlo import Instruction
from zoo.cost.program import Kernel
from zoo.errors import InputError

FREE = frozenset(
    "parameter constant tuple get-tuple-element bitcast partition-id replica-id after-all add-dependency "
    "opt-barrier optimization-barrier domain".split()
)
# Operations on whole arrays: they read their operands and write their result.
WHOLE_ARRAY = frozenset(
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
SLICES = frozenset(("slice", "dynamic-slice", "gather"))
UPDATES = {"dynamic-update-slice": 1, "scatter": 2}  # the operand that is written
PRODUCTS = ("dot", "convolution")

_FREE_CALLS = frozenset(
    "AllocateBuffer ConcatBitcast AssumeGatherIndicesInBound AsyncCollectiveStart AsyncCollectiveDone Sharding "
    "SPMDFullToShardShape SPMDShardToFullShape GlobalSum X64Combine X64SplitLow X64SplitHigh annotate_device_placement "
    "MoveToDevice MoveToHost PinToHost PrepareAsyncCallStart PrepareAsyncCallDone "
    "GatherScatterIndicesBitpacked".split()
)
_WHOLE_ARRAY_CALLS = frozenset(("TopK", "ApproxTopK", "PartialReduce", "SliceToDynamic", "PadToStatic", "HostExecute"))
_KERNEL = "tpu_custom_call"
_TARGET = re.compile(r'custom_call_target="([^"]*)"')
_FLOPS = re.compile(r'"cost_estimate":\{[^}]*"flops":"?(\d+)"?')


def target(instruction: Instruction) -> str:
    """The target of a custom call."""
    found = _TARGET.search(instruction.attributes)
    return found[1] if found else ""


def is_collective(instruction: Instruction) -> bool:
    """Whether it is a collective, or marks the start or end of one: its bytes are not those of the fusion around it."""
    return instruction.opcode in collectives.KINDS or (
        instruction.opcode == "custom-call" and target(instruction) in _FREE_CALLS
    )


def custom_call(instruction: Instruction, operands: list[Instruction]) -> tuple[tuple[Kernel, ...], bool]:
    """The kernel that a call runs, if any, and whether the call costs nothing.

    Raises:
      InputError: an unknown call, or a kernel without a cost estimate.
    """
    called = target(instruction)
    if called in _FREE_CALLS:
        return (), True
    if called in _WHOLE_ARRAY_CALLS:
        return (), False
    path = instruction.source.split("/")
    name = path[-2] if path[-1] == "pallas_call" and len(path) > 1 else instruction.name.partition(".")[0]
    flops = _FLOPS.search(instruction.attributes)
    if called != _KERNEL:
        raise InputError(
            f"The cost of the custom call {called!r} ({instruction.name}) is unknown; add it to {__name__}."
        )
    if flops is None:
        raise InputError(f"The kernel {name!r} has no cost estimate; give its pallas_call a cost_estimate.")
    shapes = tuple(shape.dims for operand in operands for shape in operand.shapes)
    return (Kernel(name=name, flops=int(flops[1]), shapes=shapes),), False
