# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""One pass of one attention, compiled for a TPU that need not be there; a process of its own, which libtpu may abort.

    python -m benchmarks.tpu_compile '{"case": "bert-base-512", "chip": "v5e", "side": "flash", "which": "forward"}'

The last line is JSON. `setting` is the kernel's blocks; `simulate` asks for cycles in place of bundles: libtpu does
one or the other.
"""

import contextlib
import dataclasses
import functools
import importlib.metadata
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.pallas.ops.tpu import flash_attention as flash
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel, splash_attention_mask
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from benchmarks import bundles
from zoo.aot import topology
from zoo.kernels.attention import AttentionMask, Call, Relative, pallas_tpu, xla
from zoo.kernels.attention.pallas_tpu.spec import Blocks, Spec
from zoo.kernels.attention.specs import AttentionCase, case

CHIPS = {"v5e": "v5e:2x2", "v5p": "v5p:2x2x1", "v6e": "v6e:2x2", "tpu7x": "tpu7x:2x2x1"}
Setting = list[Any] | None


@dataclasses.dataclass(frozen=True)
class Side:
    """An attention to compile.

    Attributes:
      run: of query, key and value in the layout [B, N, H, T] or [B, N, T, H], segments, and a bias or `Relative`.
        minor: the last axis of that layout. kernels: how often the parts of each kernel run for one head of queries, by
        its name, by pass.
    """

    run: Callable[..., jax.Array]
    minor: str
    kernels: dict[str, dict[str, bundles.Runs]]


def ours(row: AttentionCase, chip: str, setting: Setting) -> Side:
    """`setting`: the five numbers of Blocks, for the pass that is looked at."""
    if setting is None:
        raise ValueError("our kernels need blocks")
    chosen = Blocks(*setting)

    def run(query, key, value, segments, bias):
        query, key, value = (x.transpose(0, 3, 1, 2) for x in (query, key, value))
        mask = AttentionMask(causal=row.causal, window=row.window, query_segments=segments, key_segments=segments)
        call = Call(
            query, key, value, mask=mask, dropout_rate=row.dropout, scale=row.H**-0.5,
            dropout_key=jax.random.key(0) if row.dropout else None,
            **{"relative" if isinstance(bias, Relative) else "bias": bias},
        )  # fmt: skip
        generator = "hardware" if row.dropout_bits == "fastest" else "hash"
        out = pallas_tpu.attention(call, generator=generator, blocks=(chosen, chosen))
        return out.transpose(0, 2, 3, 1)

    runs = our_runs(row, chosen)
    kernels = {which: {f"attention_{which}": runs} for which in ("forward", "backward")}
    return Side(run, "T", kernels)


def our_runs(row: AttentionCase, blocks: Blocks) -> bundles.Runs:
    queries, keys = (-(-n // size) * size for n, size in ((row.T, blocks.step), (row.keys, blocks.keys)))
    spec = Spec(
        causal=row.causal, window=row.window, scale=1.0, rate=0.0, generator="hash", group=1, offset=0, queries=queries,
        keys=keys, real_keys=keys, hides_padding=False, blocks=blocks, precision=None, bias_gradient=False,
    )  # fmt: skip
    heads, steps = blocks.heads * (row.N // row.key_heads), queries // blocks.step
    if steps == 1:
        return bundles.Runs(1 / heads, 1 / heads)
    trips = []
    for begin in range(0, blocks.step, blocks.queries):
        bands = [spec.band(step * blocks.step + begin) for step in range(steps)]
        trips.append(sum(high - low for low, high in bands) / heads)
    return bundles.Runs(steps / heads, 1 / heads, None, tuple(trips))


def splash(row: AttentionCase, chip: str, setting: Setting) -> Side:
    """`setting`: block_q, block_kv, block_kv_compute, fused or split backward, layout."""
    block_q, block_kv, compute, backward, layout = setting or [512, 512, 512, "fused", "HEAD_DIM_MINOR"]
    split = backward == "split"
    layout = splash_attention_kernel.QKVLayout[layout]
    sizes = splash_attention_kernel.BlockSizes(
        block_q=block_q, block_kv=block_kv, block_kv_compute=compute,
        block_q_dkv=block_q, block_kv_dkv=block_kv, block_kv_dkv_compute=compute,
        block_q_dq=block_q if split else None, block_kv_dq=block_kv if split else None,
        use_fused_bwd_kernel=not split, q_layout=layout, k_layout=layout, v_layout=layout,
    )  # fmt: skip
    shape = (row.T, row.keys)
    mask = splash_attention_mask.CausalMask(shape) if row.causal else splash_attention_mask.FullMask(shape)
    kernel = splash_attention_kernel.make_splash_mha_single_device(
        splash_attention_mask.MultiHeadMask([mask] * row.N), block_sizes=sizes
    )

    def run(query, key, value, segments, bias):
        ids = None if segments is None else splash_attention_kernel.SegmentIds(segments, segments)
        return jax.vmap(kernel, in_axes=(0, 0, 0, None if ids is None else 0))(query, key, value, ids)

    down, across = row.T // block_q, row.keys // block_kv
    runs = functools.partial(_splash_runs, steps=down * across)
    kernels = {
        "forward": {"splash_mha_fwd": runs(kernel.fwd_mask_info, edges=down)},
        "backward": {"splash_mha_dkv": runs(kernel.dkv_mask_info, edges=across)},
    }
    if split:
        kernels["backward"]["splash_mha_dq"] = runs(kernel.dq_mask_info, edges=down)
    return Side(run, "H", kernels)


def _splash_runs(info: Any, *, steps: int, edges: int) -> bundles.Runs:
    """A mask that hides whole blocks shortens the grid, and guards the tiles."""
    if info.block_mask is None:
        return bundles.Runs(steps, edges)
    blocks = np.asarray(info.block_mask)[0]
    return bundles.Runs(blocks.size, edges, int(np.sum(blocks > 0)))


def flash_attention(row: AttentionCase, chip: str, setting: Setting) -> Side:
    """`setting`: one size for all blocks."""
    (size,) = setting or [min(row.T, 512)]
    names = [field.name for field in dataclasses.fields(flash.BlockSizes)]
    sizes = flash.BlockSizes(**{name: 1 if name == "block_b" else size for name in names})

    def run(query, key, value, segments, bias):
        ids = None if segments is None else flash.SegmentIds(segments, segments)
        plane = None if bias is None else jnp.broadcast_to(bias, (*query.shape[:3], key.shape[2]))
        return flash.flash_attention(
            query, key, value, plane, ids, causal=row.causal, sm_scale=row.H**-0.5, block_sizes=sizes
        )

    count = row.T // size
    tiles = count * (count + 1) // 2 if row.causal else None
    runs = bundles.Runs(count * count, count, tiles)
    return Side(run, "H", {"forward": {"flash_attention": runs}, "backward": {"dkv": runs, "dq": runs}})


def plain(row: AttentionCase, chip: str, setting: Setting) -> Side:
    def run(query, key, value, segments, bias):
        query, key, value = (x.transpose(0, 2, 1, 3) for x in (query, key, value))
        mask = AttentionMask(causal=row.causal, window=row.window, query_segments=segments, key_segments=segments)
        key_ = jax.random.key(0) if row.dropout else None
        if isinstance(bias, Relative):
            bias = bias.bias(row.keys) * row.H**-0.5
        options = dict(bias=bias, dropout_rate=row.dropout, dropout_key=key_)
        out = xla.attention(Call(query, key, value, mask=mask, scale=row.H**-0.5, **options))
        return out.transpose(0, 2, 1, 3)

    return Side(run, "H", {"forward": {}, "backward": {}})


SIDES = {"ours": ours, "splash": splash, "flash": flash_attention, "xla": plain}


def compiled(row: AttentionCase, side: Side, which: str, device: jax.Device) -> jax.stages.Compiled:
    """One pass alone: the backward one begins at what the forward one saves."""
    mesh = Mesh(np.array([device]), ("device",))
    place = functools.partial(jax.ShapeDtypeStruct, sharding=NamedSharding(mesh, PartitionSpec()))

    def shape(heads: int, length: int) -> jax.ShapeDtypeStruct:
        sizes = (row.B, heads, row.H, length) if side.minor == "T" else (row.B, heads, length, row.H)
        return place(sizes, jnp.dtype(row.dtype))

    query, key = shape(row.N, row.T), shape(row.key_heads, row.keys)
    segments = place((row.B, row.T), jnp.int32) if row.segments else None
    bias = None if row.bias_shape is None else place(row.bias_shape, jnp.float32)
    if row.relative_shapes:
        bias = Relative(**{name: place(field.shape, field.dtype) for name, field in row.relative_shapes.items()})

    def forward(query, key, value, segments, bias):
        return side.run(query, key, value, segments, bias)

    def saved(query, key, value, segments, bias):
        return jax.vjp(lambda q, k, v, b: side.run(q, k, v, segments, b), query, key, value, bias)

    arguments = (query, key, key, segments, bias)
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        if which == "forward":
            return jax.jit(forward).lower(*arguments).compile()
        out, pull = jax.eval_shape(saved, *arguments)
        pull, out = jax.tree.map(lambda leaf: place(leaf.shape, leaf.dtype), (pull, out))
        return jax.jit(lambda pull, out: pull(out)).lower(pull, out).compile()


def counted(side: Side, which: str, folder: Path, text: str) -> dict[str, Any]:
    """Bundles for one head of queries, spilled registers, and bytes of VMEM, of each kernel."""
    found = {}
    for name, runs in side.kernels[which].items():
        dump = bundles.newest(folder, name, "-final_bundles.txt")
        if dump is None:
            raise FileNotFoundError(f"no bundles of {name}")
        body = bundles.body(dump)
        used = bundles.newest(folder, name, "final_hlo-static-per-bundle-utilization.txt") or ""
        found[name] = {
            "body": dataclasses.asdict(body),
            "runs": dataclasses.asdict(runs),
            "per_head": bundles.executed(body, runs),
            "spills": bundles.spills(used),
            "vmem": vmem(text, name),
        }
    return {"kernels": found, "per_head": sum(kernel["per_head"] for kernel in found.values())}


def vmem(text: str, kernel: str) -> int | None:
    """Bytes that a kernel takes of VMEM, in an executable's text."""
    for line in text.splitlines():
        if "custom-call(" in line and kernel in line.partition("=")[0]:
            found = re.search(r'"used_scoped_memory_configs":\[\{[^]]*"size":"(\d+)"', line)
            return int(found[1]) if found else None
    return None


def simulated(side: Side, which: str, folder: Path) -> dict[str, Any]:
    """Cycles by kernel; for XLA of all its operations, of which some may have none."""
    profiles = {path.name: bundles.cycles(path.read_text(errors="replace")) for path in sorted(folder.glob("*"))}
    if not side.kernels[which]:
        return {"cycles": {"all": sum(found or 0 for found in profiles.values())},
                "missing": sorted(name for name, found in profiles.items() if not found)}  # fmt: skip
    return {"cycles": {kernel: next((found for name, found in profiles.items() if kernel in name), None)
                       for kernel in side.kernels[which]}}  # fmt: skip


@contextlib.contextmanager
def dumping(simulate: bool) -> Iterator[Path]:
    """Has libtpu, which must not be loaded yet, dump into a folder."""
    with tempfile.TemporaryDirectory() as folder:
        dump = f"--xla_jf_dump_to={folder} --xla_jf_dump_llo_text=true --xla_jf_dump_llo_pass_label_regex=final.*"
        os.environ["LIBTPU_INIT_ARGS"] = f"--xla_jf_dump_static_llo_profile_to={folder}" if simulate else dump
        yield Path(folder)


def versions() -> str:
    """What the figures hold for."""
    library = next(iter(topology.library().parent.parent.glob("libtpu-*.dist-info")), None)
    found = library.name.removesuffix(".dist-info").removeprefix("libtpu-") if library else "of unknown version"
    return f"libtpu {found}, jax {importlib.metadata.version('jax')}"


def measure(request: dict[str, Any]) -> dict[str, Any]:
    row, which, simulate = case(request["case"]), request["which"], request.get("simulate", False)
    with dumping(simulate) as folder:
        device = topology.devices(CHIPS[request["chip"]])[0]
        side = SIDES[request["side"]](row, request["chip"], request.get("setting"))
        text = compiled(row, side, which, device).as_text()
        return simulated(side, which, folder) if simulate else counted(side, which, folder, text)


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
