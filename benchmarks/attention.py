# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Attention timed on the device that is present: ours beside XLA, cuDNN on a GPU, and JAX's own kernels on a TPU.

    python -m benchmarks.attention [--rows=...] [--implementations=...] [--batch=N] [--repeats=20]
        [--calls=10] [--out=FILE.md]

Prints milliseconds of the median of runs that take turns, so that a machine that slows down slows all of them, and how
many times as long XLA takes. A run on an accelerator is several calls, one dispatched while another computes. What
cannot run is listed with its reason.
"""

import dataclasses
import functools
import importlib.metadata
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from tqdm import tqdm

from zoo.errors import ConfigError, ZooError
from zoo.kernels.attention import AttentionMask, Relative, attention
from zoo.kernels.attention.specs import CASES, AttentionCase, case

IMPLEMENTATIONS = ("xla", "pallas_tpu", "pallas_gpu", "cudnn", "splash", "flash", "reference")
ROWS = flags.DEFINE_list("rows", [row.name for row in CASES], "names in zoo/kernels/attention/specs.py")
WANTED = flags.DEFINE_list("implementations", list(IMPLEMENTATIONS), "of these")
BATCH = flags.DEFINE_integer("batch", None, "rows in a batch; None is the table's, and 1 on a CPU", lower_bound=1)
REPEATS = flags.DEFINE_integer("repeats", 20, "runs of each; 3 on a CPU, unless given", lower_bound=1)
CALLS = flags.DEFINE_integer("calls", 10, "calls in a run; 1 on a CPU, unless given", lower_bound=1)
OUT = flags.DEFINE_string("out", None, "where the table goes, too")

Arrays = dict[str, Any]


class Unfit(Exception):
    """Why an implementation cannot compute a row here."""


def inputs(row: AttentionCase) -> Arrays:
    """Normal numbers; rows of three documents where there are segments."""
    draw = np.random.default_rng(0)

    def normal(*shape: int, dtype: Any = row.dtype) -> jax.Array:
        return jnp.asarray(draw.standard_normal(shape, np.float32), dtype)

    found: Arrays = {
        "query": normal(row.B, row.T, row.N, row.H),
        "key": normal(row.B, row.keys, row.key_heads, row.H),
        "value": normal(row.B, row.keys, row.key_heads, row.H),
        "bias": None if row.bias_shape is None else normal(*row.bias_shape, dtype=jnp.float32),
        "segments": None,
    }
    for name, field in (row.relative_shapes or {}).items():
        whether = field.dtype == jnp.bool
        found[f"relative.{name}"] = jnp.asarray(draw.random(field.shape) < 0.5) if whether else normal(*field.shape)
    if row.segments:
        cuts = np.sort(draw.integers(1, row.T, (row.B, 2)), axis=1)
        places = np.arange(row.T)[None, None]
        found["segments"] = jnp.asarray(1 + np.sum(places >= cuts[:, :, None], axis=1), jnp.int32)
    return found


def ours(row: AttentionCase, name: str, arrays: Arrays) -> jax.Array:
    segments = arrays["segments"]
    mask = AttentionMask(causal=row.causal, window=row.window, query_segments=segments, key_segments=segments)
    key = jax.random.key(0) if row.dropout else None
    relative = row.relative_shapes and Relative(**{field: arrays[f"relative.{field}"] for field in row.relative_shapes})
    return attention(
        arrays["query"], arrays["key"], arrays["value"],
        mask=mask, bias=arrays["bias"], relative=relative, dropout_rate=row.dropout, dropout_key=key,
        dropout_bits=row.dropout_bits, implementation=name,
    )  # fmt: skip


def splash(row: AttentionCase, _: str, arrays: Arrays) -> jax.Array:
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as kernels
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    if row.bias or row.dropout:
        raise Unfit("splash has neither bias nor dropout")
    if row.T != row.keys or row.N != row.key_heads:
        raise Unfit("not written here for other keys than queries")
    block = next(size for size in (512, 384, 128) if row.T % size == 0)
    names = ("block_q", "block_kv", "block_kv_compute", "block_q_dkv", "block_kv_dkv", "block_kv_dkv_compute")
    sizes = kernels.BlockSizes(**dict.fromkeys(names, block), use_fused_bwd_kernel=True)
    shape = (row.T, row.T)
    mask = masks.CausalMask(shape) if row.causal else masks.FullMask(shape)
    if row.window:
        mask = mask & masks.LocalMask(shape, (row.window - 1, row.window - 1), 0)
    kernel = kernels.make_splash_mha_single_device(masks.MultiHeadMask([mask] * row.N), block_sizes=sizes)
    query, key, value = (arrays[name].swapaxes(1, 2) for name in ("query", "key", "value"))
    segments = arrays["segments"]
    ids = None if segments is None else kernels.SegmentIds(segments, segments)
    query = query * jnp.asarray(row.H**-0.5, query.dtype)
    return jax.vmap(kernel, in_axes=(0, 0, 0, None if ids is None else 0))(query, key, value, ids).swapaxes(1, 2)


def flash(row: AttentionCase, _: str, arrays: Arrays) -> jax.Array:
    from jax.experimental.pallas.ops.tpu import flash_attention as kernels

    if row.dropout or row.window or row.bias == "relative":
        raise Unfit("flash_attention has no dropout, windows or relative terms")
    block = next(size for size in (512, 384, 128) if row.T % size == 0)
    names = [field.name for field in dataclasses.fields(kernels.BlockSizes)]
    sizes = kernels.BlockSizes(**dict.fromkeys(names, block) | {"block_b": 1})
    query, key, value = (arrays[name].swapaxes(1, 2) for name in ("query", "key", "value"))
    bias = None if arrays["bias"] is None else jnp.broadcast_to(arrays["bias"], (*query.shape[:3], row.keys))
    ids = None if arrays["segments"] is None else kernels.SegmentIds(arrays["segments"], arrays["segments"])
    out = kernels.flash_attention(
        query, key, value, bias, ids, causal=row.causal, sm_scale=row.H**-0.5, block_sizes=sizes
    )
    return out.swapaxes(1, 2)


PLATFORMS = {"pallas_tpu": "tpu", "splash": "tpu", "flash": "tpu", "pallas_gpu": "gpu", "cudnn": "gpu"}
OTHERS: dict[str, Callable[..., jax.Array]] = {"splash": splash, "flash": flash}


def passes(row: AttentionCase, name: str, arrays: Arrays) -> dict[str, Callable[[], Any]]:
    """Compiled calls of the forward pass, and of it with the backward one.

    Raises:
      Unfit: the implementation cannot do this here.
    """
    wanted = PLATFORMS.get(name, jax.default_backend())
    if wanted != jax.default_backend():
        raise Unfit(f"needs a {wanted.upper()}")
    fixed = {key: array for key, array in arrays.items() if key in ("segments", "relative.differs")}
    floats = {key: array for key, array in arrays.items() if key not in fixed}
    change = arrays["query"]
    run = functools.partial(OTHERS.get(name, ours), row, name)

    def forward(floats: Arrays, fixed: Arrays) -> jax.Array:
        return run(floats | fixed)

    def both(floats: Arrays, fixed: Arrays, change: jax.Array) -> Any:
        out, pull = jax.vjp(lambda floats: forward(floats, fixed), floats)
        return out, pull(change)

    try:
        first = jax.jit(forward).lower(floats, fixed).compile()
        second = jax.jit(both).lower(floats, fixed, change).compile()
        calls = {"forward": lambda: first(floats, fixed), "both": lambda: second(floats, fixed, change)}
        for call in calls.values():
            jax.block_until_ready(call())
    except ZooError as error:
        raise Unfit(str(error)) from error
    except Exception as error:  # a kernel says in many ways what it lacks
        raise Unfit(f"{type(error).__name__}: {str(error).splitlines()[0][:150]}") from error
    return calls


def medians(runs: dict[str, Callable[[], Any]], repeats: int, calls: int) -> dict[str, float]:
    """Milliseconds of a call of each; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, call in runs.items():
            start = time.perf_counter()
            jax.block_until_ready([call() for _ in range(calls)][-1])
            times[name].append(1e3 * (time.perf_counter() - start) / calls)
    return {name: statistics.median(found) for name, found in times.items()}


def compare(row: AttentionCase, names: list[str], repeats: int, calls: int) -> list[list[str]]:
    """A line of cells for each implementation: milliseconds, or why there are none."""
    arrays, ready, unfit = inputs(row), {}, {}
    for name in names:
        try:
            ready[name] = passes(row, name, arrays)
        except Unfit as reason:
            unfit[name] = str(reason)
    found = {
        which: medians({name: made[which] for name, made in ready.items()}, repeats, calls)
        for which in ("forward", "both")
    }
    lines = []
    for name in names:
        shape = f"{row.B} x {row.T}"
        if name in unfit:
            lines.append([row.name, shape, name, "", "", "", "", unfit[name]])
            continue
        cells = []
        for times in found.values():
            cells += [f"{times[name]:.3f}", f"{times['xla'] / times[name]:.2f}" if "xla" in times else ""]
        lines.append([row.name, shape, name, *cells, ""])
    return lines


HEADINGS = ["row", "tokens", "implementation", "forward ms", "XLA / it", "with backward ms", "XLA / it", "not run"]


def main(_: Any) -> None:
    known = {"rows": {row.name for row in CASES}, "implementations": set(IMPLEMENTATIONS)}
    wrong = [
        f"--{flag}={name}" for flag, names in known.items() for name in flags.FLAGS[flag].value if name not in names
    ]
    if wrong:
        raise ConfigError(f"Unknown {', '.join(wrong)}; there are {', '.join(sorted(set().union(*known.values())))}.")
    cpu = jax.default_backend() == "cpu"
    repeats = 3 if cpu and not flags.FLAGS["repeats"].present else REPEATS.value
    calls = 1 if cpu and not flags.FLAGS["calls"].present else CALLS.value
    lines = [HEADINGS, ["---"] * len(HEADINGS)]
    for name in tqdm(ROWS.value, unit=" rows", disable=None):
        row = case(name)
        batch = BATCH.value or (1 if cpu else row.B)
        lines += compare(dataclasses.replace(row, B=batch), WANTED.value, repeats, calls)
    version = importlib.metadata.version("jax")
    text = f"{jax.devices()[0].device_kind}, jax {version}, medians of {repeats} runs of {calls} calls\n\n"
    text += "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
    print(text)
    if OUT.value:
        Path(OUT.value).write_text(text)


if __name__ == "__main__":
    app.run(main)
