# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The Hopper kernels in JAX's GPU interpreter, races looked for, against attention and its gradients in float64 NumPy.

The interpreter knows nothing of registers or the size of shared memory: `benchmarks/gpu_static.py` compiles for a chip.
"""

import dataclasses
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh

from zoo.errors import InputError
from zoo.kernels import dropout
from zoo.kernels.attention import AttentionMask, Call, pallas_gpu
from zoo.kernels.attention.pallas_gpu import tiles

HOPPER = "NVIDIA H100 80GB HBM3"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """Lengths, heads and width; the mask's parts by name; the first axes of the bias."""

    batch: int = 1
    queries: int = 7
    keys: int = 7
    heads: int = 1
    shared: int = 1
    width: int = 16
    causal: bool = False
    window: int | None = None
    offset: int = 0
    segments: tuple[int, ...] | None = None  # tokens of each document, then padding
    allowed: bool = False
    ordered: bool = False
    bias: tuple[int, int] | None = None
    rate: float = 0.0
    dtype: str = "bfloat16"

    def mask(self) -> AttentionMask:
        query_segments, key_segments = (self._segments(length) for length in (self.queries, self.keys))
        shape = (self.batch, self.queries, self.keys)
        allowed = np.random.default_rng(7).random(shape) < 0.5 if self.allowed else None
        if allowed is not None:
            allowed[:, -2] = False  # one query that sees nothing
        return AttentionMask(
            causal=self.causal,
            window=self.window,
            query_offset=self.offset,
            query_segments=query_segments,
            key_segments=key_segments,
            query_order=self._order(self.queries),
            key_order=self._order(self.keys),
            allowed=None if allowed is None else jnp.asarray(allowed),
        )

    def _segments(self, length: int):
        if self.segments is None:
            return None
        ids = np.repeat(np.arange(1, len(self.segments) + 1), self.segments)[:length]
        return jnp.tile(jnp.asarray(np.pad(ids, (0, length - len(ids))), jnp.int32), (self.batch, 1))

    def _order(self, length: int):
        if not self.ordered:
            return None
        return jnp.asarray(np.random.default_rng(length).integers(0, length, (self.batch, length)), jnp.int32)

    def draw(self) -> list[np.ndarray]:
        """Query, key, value and the gradient of the output."""
        rng = np.random.default_rng(0)
        query = (self.batch, self.queries, self.heads, self.width)
        key = (self.batch, self.keys, self.heads // self.shared, self.width)
        return [np.asarray(jnp.asarray(rng.standard_normal(shape), self.dtype)) for shape in (query, key, key, query)]

    def draw_bias(self) -> np.ndarray | None:
        if self.bias is None:
            return None
        bias = np.random.default_rng(1).standard_normal((*self.bias, self.queries, self.keys)).astype(np.float32)
        bias[:, :, -1, :-1] = np.finfo(np.float32).min  # masks as some write them: of some keys,
        bias[:, :, 0] = np.finfo(np.float32).min  # and of all, which hides none: the softmax is that of a constant
        return bias


QUICK = {
    "causal_grouped": Case(causal=True, heads=2, shared=2),
    "padded_dropout": Case(queries=129, keys=129, segments=(60, 40), rate=0.3),
    "bias_window_offset": Case(batch=3, window=3, offset=2, bias=(1, 1), width=80),
    "allowed": Case(allowed=True, dtype="float16"),
    "ordered": Case(ordered=True, allowed=True),
}
SLOW = {
    "one": Case(queries=1, keys=1),
    "heads": Case(queries=127, keys=127, heads=3, width=64),
    "wide": Case(queries=129, keys=200, heads=3, width=128, causal=True, offset=71),
    "grouped_dropout": Case(batch=2, queries=200, keys=129, heads=2, shared=2, width=80, causal=True, rate=0.1),
    "packed": Case(queries=200, keys=200, segments=(3, 140, 20), causal=True, width=64, bias=(1, 1)),
    "window": Case(batch=2, queries=200, keys=200, heads=2, window=10, bias=(1, 2), width=64),
    "full_bias": Case(batch=2, queries=129, keys=7, heads=2, bias=(2, 2), rate=0.2, width=96),
    "batch_bias": Case(batch=2, queries=7, keys=129, heads=2, bias=(2, 1), allowed=True),
    "far": Case(queries=129, keys=300, causal=True, window=40, offset=170, width=64),
}


def expected(case: Case) -> list[np.ndarray]:
    """Output and gradients of query, key, value (and bias)."""
    query, key, value, gradient = (x.astype(np.float64) for x in case.draw())
    key, value = (x.repeat(case.shared, axis=2) for x in (key, value))
    scale = case.width**-0.5
    scores = np.einsum("btnh,bsnh->bnts", query, key) * scale
    bias = case.draw_bias()
    scores += 0 if bias is None else bias
    dense = case.mask().dense(case.queries, case.keys)
    seen = np.broadcast_to(True if dense is None else np.asarray(dense), scores.shape)
    highest = np.where(seen, scores, -np.inf).max(-1, keepdims=True)
    weights = np.where(seen, np.exp(np.minimum(scores - np.maximum(highest, np.finfo(np.float64).min), 0)), 0)
    weights /= np.maximum(weights.sum(-1, keepdims=True), 1e-300)
    kept = np.ones(scores.shape)
    if case.rate:
        kept = np.asarray(dropout.keep(jax.random.key(3), scores.shape, case.rate)) / (1 - case.rate)
    out = np.einsum("bnts,bsnh->btnh", weights * kept, value)
    d_weights = np.einsum("btnh,bsnh->bnts", gradient, value) * kept
    d_scores = weights * (d_weights - np.sum(weights * d_weights, -1, keepdims=True))
    d_query = np.einsum("bnts,bsnh->btnh", d_scores, key) * scale
    d_key = np.einsum("bnts,btnh->bsnh", d_scores, query) * scale
    d_value = np.einsum("bnts,btnh->bsnh", weights * kept, gradient)
    d_key, d_value = (x.reshape(case.batch, case.keys, -1, case.shared, case.width).sum(3) for x in (d_key, d_value))
    results = [out, d_query, d_key, d_value]
    if bias is not None:
        axes = tuple(axis for axis in (0, 1) if bias.shape[axis] == 1)
        results.append(d_scores.sum(axes, keepdims=True))
    return results


def found(case: Case, params) -> list[np.ndarray]:
    query, key, value, gradient = map(jnp.asarray, case.draw())
    bias = case.draw_bias()

    def attend(query, key, value, bias):
        call = Call(
            query,
            key,
            value,
            mask=case.mask(),
            bias=bias,
            dropout_rate=case.rate,
            dropout_key=jax.random.key(3) if case.rate else None,
            scale=case.width**-0.5,
        )
        return pallas_gpu.attention(call)

    from jax.experimental.pallas import mosaic_gpu

    with mosaic_gpu.force_gpu_interpret_mode(params):
        out, vjp = jax.vjp(attend, query, key, value, None if bias is None else jnp.asarray(bias))
        results = [out, *vjp(gradient)]
        return [np.asarray(x, np.float64) for x in results if x is not None]


@pytest.fixture
def params(monkeypatch):
    """The interpreter's settings, with the one product it lacks in place."""
    mosaic_gpu = pytest.importorskip("jax.experimental.pallas.mosaic_gpu")
    if not hasattr(mosaic_gpu, "InterpretGPUParams"):
        pytest.skip(f"jax {jax.__version__} has no interpreter for GPU kernels; 0.12 has")

    def accumulate(total, a, b):
        total = total + jnp.dot(a, b[...], preferred_element_type=jnp.float32)
        mosaic_gpu.commit_smem()  # wgmma reads where copies write; an ordinary read must be put in order with them
        return total

    monkeypatch.setattr(tiles, "accumulate", accumulate)
    return mosaic_gpu.InterpretGPUParams(detect_races=True, on_race="raise")


def check(case: Case, params) -> None:
    names = ("out", "query", "key", "value", "bias")
    for name, got, want in zip(names, found(case, params), expected(case), strict=False):
        assert got.shape == want.shape, name
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-2 * max(np.abs(want).max(), 1e-9), err_msg=name)


@pytest.mark.parametrize("name", QUICK)
def test_matches_float64(name, params):
    check(QUICK[name], params)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_matches_float64_at_odd_shapes(name, params):
    check(SLOW[name], params)


def test_a_query_that_sees_nothing_is_zero_and_so_are_its_gradients(params):
    """A whole block of queries is padding, which no key block is loaded for, and so is part of another."""
    case = Case(queries=200, keys=20, segments=(10,))
    out, query, key, value = found(case, params)
    for name, x in {"out": out, "query": query, "key": key, "value": value}.items():
        assert np.abs(x[:, :10]).min() > 0, name
        assert not np.any(x[:, 10:]), name


def test_a_remat_policy_that_saves_the_output_of_attention_does_not_recompute_it(monkeypatch):
    def forward(spec, given, columns):
        del spec, columns
        out = jax.lax.cummax(given["query"], axis=1)
        return out, out[..., 0].swapaxes(1, 2), out[..., 1].swapaxes(1, 2)

    monkeypatch.setattr(pallas_gpu, "forward", forward)
    monkeypatch.setattr(pallas_gpu, "query_gradient", lambda _, given: given["query"] * given["highest"].max())
    monkeypatch.setattr(pallas_gpu, "key_gradients", lambda _, given: (given["key"], given["value"]))
    x = jnp.ones((1, 128, 1, 64), jnp.bfloat16)
    kept = jax.checkpoint_policies.save_only_these_names("query", "key", "value", "attended", "normalizer")
    attend = jax.checkpoint(
        lambda query: pallas_gpu.attention(Call(query, x, x, mask=AttentionMask(), scale=1.0)).sum(), policy=kept
    )
    assert str(jax.make_jaxpr(jax.grad(attend))(x)).count("cummax") == 1


@pytest.mark.parametrize("offset", [0, 63, 65])  # the last two put corners of blocks on the edges
@pytest.mark.parametrize("window", [None, 1, 30, 90])
@pytest.mark.parametrize("causal", [False, True])
def test_blocks_by_position_are_those_with_anything_to_see(causal, window, offset):
    mask = AttentionMask(causal=causal, window=window, query_offset=offset)
    spec = pallas_gpu.Spec(scale=1.0, keys=384, causal=causal, window=window, rate=0.0, bias_gradient=False)
    blocks = pallas_gpu._blocks(spec, pallas_gpu._mask_arrays(mask), (2, 256, 384), 128, 64)
    if not causal and window is None:
        assert blocks is None
        return
    want = np.asarray(mask.dense(256, 384)).reshape(2, 128, 6, 64).any((1, 3))
    np.testing.assert_array_equal(blocks, np.broadcast_to(want, (2, 2, 6)))


def test_blocks_by_segment_leave_no_pair_out():
    rng = np.random.default_rng(0)
    lengths = [64, 1, 62, 90, 30, 9]  # sums to 256
    ids = np.repeat(np.arange(1, 7), lengths)
    rows = np.stack([ids, rng.permutation(ids), np.where(ids > 3, 0, ids), np.zeros(256, int)])
    segments = jnp.asarray(rows, jnp.int32)
    mask = AttentionMask(query_segments=segments, key_segments=segments)
    spec = pallas_gpu.Spec(scale=1.0, keys=256, causal=False, window=None, rate=0.0, bias_gradient=False)
    blocks = pallas_gpu._blocks(spec, pallas_gpu._mask_arrays(mask), (4, 256, 256), 64, 64)
    want = np.asarray(mask.dense(256, 256)).reshape(4, 4, 64, 4, 64).any((2, 4))
    np.testing.assert_array_equal(np.asarray(blocks)[[0, 2, 3]], want[[0, 2, 3]])  # in order: exactly
    assert np.all(np.asarray(blocks) >= want)


def test_ranges_run_from_the_first_to_the_last_block():
    seen = jnp.array([[[0, 1, 0, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1]]], bool)
    np.testing.assert_array_equal(pallas_gpu._ranges(seen), [[[1, 4], [0, 5], [0, 0], [4, 5]]])


def lacks(shape=(1, 7, 2, 64), dtype=jnp.bfloat16, kind=HOPPER, **other) -> str | None:
    query = jax.ShapeDtypeStruct(shape, dtype)
    key = other.pop("key", query)
    device = AbstractDevice(device_kind=kind, num_cores=None, platform="gpu")
    with jax.sharding.use_abstract_mesh(AbstractMesh((), (), abstract_device=device)):
        return pallas_gpu.lacks(Call(query, key, key, mask=AttentionMask(), scale=1.0))


@pytest.mark.parametrize("kind", [HOPPER, "NVIDIA H200", "NVIDIA GH200 480GB", "NVIDIA H20-3e"])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_lacks_nothing_on_hopper(kind, dtype, monkeypatch):
    monkeypatch.setattr(pallas_gpu, "_lacks_in_jax", lambda: None)
    assert lacks(kind=kind, dtype=dtype) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "NVIDIA A100-SXM4-80GB"}, "A100"),
        ({"kind": "NVIDIA B200"}, "B200"),
        ({"kind": "NVIDIA RTX H1000"}, "Hopper"),
        ({"kind": "TPU v5e"}, "TPU v5e"),
        ({"kind": "cpu"}, "cpu"),
        ({"dtype": jnp.float32}, "float32"),
        ({"key": jax.ShapeDtypeStruct((1, 7, 2, 64), jnp.float16)}, "float16"),
        ({"shape": (1, 7, 2, 256)}, "256"),
        ({"shape": (1, 0, 2, 64)}, "empty"),
    ],
)
def test_lacks_names_what_is_wrong(change, says, monkeypatch):
    monkeypatch.setattr(pallas_gpu, "_lacks_in_jax", lambda: None)
    sentence = lacks(**change)
    assert sentence is not None and says in sentence


def test_lacks_looks_at_the_installed_jax():
    sentence = lacks()
    if jax.__version_info__ >= (0, 12):
        assert sentence is None
    else:
        assert sentence is not None and "JAX 0.12" in sentence and jax.__version__ in sentence


@pytest.mark.parametrize(
    ("backend", "broken"),
    [
        ({"cuda_version": 12080}, True),
        ({"cuda_version": 12090}, True),
        ({"cuda_version": 13000}, False),
        ({"platform_version": "PJRT C API\ncuda 12080"}, True),
        ({"platform_version": "PJRT C API\ncuda 12060"}, False),
    ],
)
def test_lacks_a_compiler_that_gets_masks_right(backend, broken, monkeypatch):
    monkeypatch.setattr(pallas_gpu, "_lacks_in_jax", lambda: None)
    monkeypatch.setattr(jax.extend.backend, "get_backend", lambda: types.SimpleNamespace(**backend))
    assert ("CUDA" in (lacks() or "")) is broken


def test_dtypes_must_agree():
    query, key, value, _ = map(jnp.asarray, Case().draw())
    with pytest.raises(InputError, match="float32"):
        pallas_gpu.attention(Call(query, key, value.astype(jnp.float32), mask=AttentionMask(), scale=1.0))


def test_importing_is_silent_and_leaves_mosaic_gpu_alone():
    code = "import sys, zoo.kernels.attention.pallas_gpu; print('jax.experimental.pallas.mosaic_gpu' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("False", "")
