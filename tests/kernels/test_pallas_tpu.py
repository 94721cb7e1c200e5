# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The TPU's attention kernels on JAX's interpreter of a TPU, with races looked for, against float64 NumPy."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

import zoo
from tests.kernels.tpu import for_tpu, on_tpu
from zoo.errors import InputError
from zoo.kernels import dropout
from zoo.kernels.attention import AttentionMask, Call, Relative, attention, pallas_tpu, reference
from zoo.kernels.attention.pallas_tpu import blocks as tuning
from zoo.kernels.attention.pallas_tpu import call, tile
from zoo.kernels.attention.pallas_tpu.spec import Blocks
from zoo.sharding import mesh as meshes
from zoo.sharding.rules import partitioned


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One call; `bias` is (rows, heads) of its shape, `documents` how many a row holds before its padding."""

    queries: int
    keys: int | None = None
    heads: int = 2
    key_heads: int | None = None
    width: int = 16
    causal: bool = False
    window: int | None = None
    documents: int = 0
    allowed: int = 0
    ordered: bool = False
    bias: tuple[int, int] | None = None
    rate: float = 0.0
    offset: int = 0
    dtype: str = "float32"
    blocks: Blocks | None = None
    rows: int = 2

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        keys, key_heads = self.keys or self.queries, self.key_heads or self.heads
        shapes = {
            "query": (self.rows, self.queries, self.heads, self.width),
            "key": (self.rows, keys, key_heads, self.width),
            "value": (self.rows, keys, key_heads, self.width),
            "dout": (self.rows, self.queries, self.heads, self.width),
        }
        if self.bias is not None:
            shapes["bias"] = (*self.bias, self.queries, keys)
        rng = np.random.default_rng(self.queries + keys)
        made = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        return {name: np.asarray(jnp.asarray(x, self.dtype).astype(jnp.float32)) for name, x in made.items()}

    def mask(self) -> AttentionMask:
        keys = self.keys or self.queries
        rng = np.random.default_rng(1)
        segments = [None, None]
        if self.documents:
            for side, length in enumerate((self.queries, keys)):
                drawn = np.sort(rng.integers(1, self.documents + 1, (self.rows, length)), axis=1)
                drawn[0, length - length // 4 :] = 0
                segments[side] = jnp.asarray(drawn, jnp.int32)
        order = [None, None]
        if self.ordered:
            drawn = rng.integers(0, keys, (2, self.rows, keys))
            order = [jnp.asarray(drawn[0, :, : self.queries] - 1, jnp.int32), jnp.asarray(drawn[1], jnp.int32)]
        allowed = rng.random((self.allowed, self.queries, keys)) < 0.7 if self.allowed else None
        return AttentionMask(
            causal=self.causal,
            window=self.window,
            query_segments=segments[0],
            key_segments=segments[1],
            query_order=order[0],
            key_order=order[1],
            allowed=None if allowed is None else jnp.asarray(allowed),
            query_offset=self.offset,
        )


KEY = jax.random.key(5)


def expected(case: Case) -> dict[str, np.ndarray]:
    """The output and all gradients, in float64, from the formulas."""
    arrays = {name: x.astype(np.float64) for name, x in case.arrays.items()}
    query, dout = (arrays[name].transpose(0, 2, 1, 3) for name in ("query", "dout"))
    group = case.heads // (case.key_heads or case.heads)
    key, value = (np.repeat(arrays[name].transpose(0, 2, 1, 3), group, axis=1) for name in ("key", "value"))
    scale = case.width**-0.5
    scores = query @ key.swapaxes(2, 3) * scale + arrays.get("bias", 0.0)
    dense = case.mask().dense(query.shape[2], key.shape[2])
    seen = np.broadcast_to(True if dense is None else np.asarray(dense), scores.shape)
    highest = np.max(np.where(seen, scores, -np.inf), axis=-1, keepdims=True)
    weights = np.where(seen, np.exp(scores - np.where(np.isfinite(highest), highest, 0.0)), 0.0)
    total = weights.sum(-1, keepdims=True)
    probs = weights / np.where(total > 0, total, 1.0)
    factor = np.ones_like(probs)
    if case.rate:
        factor = np.asarray(dropout.keep(KEY, probs.shape, case.rate)) / (1.0 - case.rate)
    out = (probs * factor) @ value
    dprobs = factor * (dout @ value.swapaxes(2, 3))
    dscores = probs * (dprobs - np.sum(dout * out, axis=-1, keepdims=True))

    def shared(x):
        return x.reshape(case.rows, -1, group, *x.shape[2:]).sum(2)

    found = {
        "out": out,
        "query": dscores @ key * scale,
        "key": shared(dscores.swapaxes(2, 3) @ query * scale),
        "value": shared((probs * factor).swapaxes(2, 3) @ dout),
    }
    found = {name: x.transpose(0, 2, 1, 3) for name, x in found.items()}
    if case.bias is not None:
        axes = tuple(axis for axis, size in enumerate(case.bias) if size == 1)
        found["bias"] = dscores.sum(axes, keepdims=True)
    return found


def computed(case: Case) -> dict[str, np.ndarray]:
    arrays = {name: jnp.asarray(x, case.dtype) for name, x in case.arrays.items()}
    dout, names = arrays.pop("dout"), list(arrays)

    def attend(*args):
        given = dict(zip(names, args, strict=True))
        call = Call(
            given["query"],
            given["key"],
            given["value"],
            mask=case.mask(),
            bias=given.get("bias"),
            dropout_rate=case.rate,
            dropout_key=KEY if case.rate else None,
            scale=case.width**-0.5,
        )
        return pallas_tpu.attention(
            call,
            blocks=case.blocks and (case.blocks, case.blocks),
        )

    with on_tpu():
        out, back = jax.vjp(attend, *arrays.values())
        gradients = back(dout)
    found = {"out": out} | dict(zip(names, gradients, strict=True))
    return {name: np.asarray(x.astype(jnp.float32)) for name, x in found.items()}


def compare(found, wanted, tolerance):
    for name, want in wanted.items():
        scale = max(np.abs(want).max(), 1e-3)
        error = np.abs(found[name] - want).max() / scale
        assert error < tolerance, f"{name}: relative error {error:.2e}"


SMALL = Blocks(1, 1, 128, 128, 128)  # several steps of queries
WHOLE = Blocks(2, 2, 384, 128, 128)  # one step, several tiles
CASES = {
    "one token": Case(queries=1, heads=1),
    "seven of 64": Case(queries=7, heads=3, width=64),
    "127 of 80": Case(queries=127, heads=1, width=80, documents=2),
    "128": Case(queries=128, width=64, documents=3, heads=12, rows=1),
    "129 causal": Case(queries=129, heads=3, causal=True, width=128),
    "511": Case(queries=511, heads=1, width=64, documents=2, rows=1),
    "1000 causal": Case(queries=1000, heads=1, width=64, causal=True, rows=1),
    "more keys": Case(queries=130, keys=300, heads=3),
    "fewer keys": Case(queries=300, keys=7, documents=1),
    "window": Case(queries=300, window=90),
    "causal window": Case(queries=300, window=130, causal=True, documents=2, blocks=WHOLE),
    "window in steps": Case(queries=300, window=90, blocks=SMALL),
    "segments in steps": Case(queries=300, documents=4, blocks=SMALL),
    "causal segments in steps": Case(queries=300, documents=3, causal=True, blocks=SMALL, rate=0.2),
    "allowed": Case(queries=140, allowed=2),
    "allowed shared": Case(queries=300, allowed=1, documents=2, blocks=SMALL),
    "order": Case(queries=140, ordered=True, rate=0.1),
    "order in steps": Case(queries=300, keys=320, ordered=True, documents=2, blocks=SMALL),
    "bias shared by rows": Case(queries=140, bias=(1, 2)),
    "bias shared by heads": Case(queries=140, bias=(2, 1), documents=2),
    "bias shared by all": Case(queries=300, bias=(1, 1), blocks=WHOLE, rate=0.1),
    "bias of its own": Case(queries=140, bias=(2, 2), causal=True),
    "dropout": Case(queries=200, rate=0.3),
    "grouped": Case(queries=140, heads=6, key_heads=2, rate=0.1, causal=True),
    "one key head": Case(queries=140, heads=3, key_heads=1, blocks=SMALL),
    "offset": Case(queries=30, keys=200, causal=True, offset=170),
}


@pytest.mark.parametrize("name", CASES)
def test_matches_float64(name):
    compare(computed(CASES[name]), expected(CASES[name]), 1e-5)


@pytest.mark.parametrize("name", ["128", "129 causal", "bias shared by rows", "causal segments in steps", "grouped"])
def test_bfloat16_matches_float64(name):
    case = dataclasses.replace(CASES[name], dtype="bfloat16")
    compare(computed(case), expected(case), 1e-2)


def test_a_bias_of_minus_infinity_hides_keys():
    """All of one query's, too."""
    case = CASES["bias shared by rows"]
    arrays = {name: jnp.asarray(x) for name, x in case.arrays.items()}
    hides = jnp.zeros(arrays["bias"].shape).at[:, :, 3].set(-jnp.inf).at[..., 5].set(-jnp.inf)

    def total(attend, query, key, value):
        out = attend(Call(query, key, value, mask=AttentionMask(), bias=hides, scale=1.0))
        return jnp.sum(jnp.sin(out)), out

    run, args = jax.grad(total, argnums=(1, 2, 3), has_aux=True), [arrays[name] for name in ("query", "key", "value")]
    with on_tpu():
        found = run(pallas_tpu.attention, *args)
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(run(reference.attention, *args)), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5 * max(1.0, float(jnp.abs(want).max())))


def test_long_rows_go_in_steps():
    case = Case(queries=1100, heads=1, causal=True, documents=3, rows=1)
    compare(computed(case), expected(case), 1e-5)


def test_long_rows_with_a_bias_go_by_parts():
    case = Case(queries=1100, heads=1, bias=(1, 1), rate=0.1, rows=1, causal=True)
    compare(computed(case), expected(case), 1e-5)


@pytest.mark.parametrize("blocks", [None, SMALL], ids=["whole", "steps"])
def test_queries_that_see_nothing_are_zero_with_zero_gradients(blocks):
    case = Case(queries=200, documents=2, blocks=blocks)
    found, segments = computed(case), np.asarray(case.mask().query_segments)
    assert (segments == 0).any()
    for name in ("out", "query", "key", "value"):
        np.testing.assert_array_equal(found[name][segments == 0], 0.0)


@pytest.mark.parametrize("documents", [0, 2])
def test_offset_known_on_the_device_only(documents):
    """As where a cache is filled: `zoo.generate` with a long prompt."""
    case = Case(queries=130, keys=400, causal=True, window=100, offset=200, documents=documents)
    arrays = {name: jnp.asarray(x) for name, x in case.arrays.items()}

    @jax.jit
    def attend(offset):
        mask = dataclasses.replace(case.mask(), query_offset=offset)
        return attention(arrays["query"], arrays["key"], arrays["value"], mask=mask, implementation="pallas_tpu")

    with on_tpu():
        np.testing.assert_allclose(attend(jnp.int32(200)), expected(case)["out"], atol=1e-5)


def test_bias_that_nothing_learns_costs_no_gradient(monkeypatch):
    case = CASES["bias shared by rows"]
    arrays, asked, run = {name: jnp.asarray(x) for name, x in case.arrays.items()}, [], call.backward
    monkeypatch.setattr(call, "backward", lambda spec, inputs: asked.append(spec.bias_gradient) or run(spec, inputs))

    def total(query, bias):
        return attention(
            query, arrays["key"], arrays["value"], mask=case.mask(), bias=bias, implementation="pallas_tpu"
        ).sum()

    with on_tpu():
        jax.make_jaxpr(jax.grad(total, argnums=(0, 1)))(arrays["query"], arrays["bias"])
        jax.make_jaxpr(jax.grad(total))(arrays["query"], arrays["bias"])
    assert asked == [True, False]


@pytest.fixture
def hardware_bits(monkeypatch):
    """The interpreter's generator gives zeros: a hash of the tile's seed and number stands in for it."""

    def bits(seed, tile_number, size):
        rows, columns = (jax.lax.broadcasted_iota(jnp.uint32, size, axis) for axis in (0, 1))
        tile_seed = seed.astype(jnp.uint32) ^ dropout.mix(jnp.asarray(tile_number, jnp.uint32) + jnp.uint32(1))
        return dropout.mix(dropout.mix(rows ^ tile_seed) ^ (columns * jnp.uint32(0x9E3779B9)))

    monkeypatch.setattr(tile, "random_bits", bits)


def dropped_means(value, *, rate, blocks=None, bias=None, key=KEY):
    """Means of the values [B, S, N, H] that are left of them, for 256 or more queries, which have equal weights."""
    query = jnp.zeros((value.shape[0], max(256, value.shape[1]), *value.shape[2:]))
    call = Call(
        query,
        jnp.zeros_like(value),
        value,
        mask=AttentionMask(),
        bias=bias,
        dropout_rate=rate,
        dropout_key=key,
        scale=1.0,
    )
    return pallas_tpu.attention(call, generator="hardware", blocks=blocks)


@pytest.mark.parametrize("blocks", [SMALL, WHOLE], ids=["a head a step", "two heads a step"])
def test_hardware_bits_are_replayed(blocks, hardware_bits):
    rate, keys = 0.25, 300
    value = jnp.asarray(np.random.default_rng(0).standard_normal((2, keys, 2, 16)), jnp.float32)
    attend = functools.partial(dropped_means, rate=rate, blocks=(blocks, blocks))
    with on_tpu():
        out, back = jax.vjp(attend, value)
        (gradient,) = back(jnp.ones_like(out))
        other = attend(value, key=jax.random.key(6))
    # Linear in the values: were other bits drawn in the backward pass, these would differ.
    np.testing.assert_allclose(jnp.sum(gradient * value), jnp.sum(out), rtol=1e-4)
    assert float(jnp.abs(out - other).max()) > 1e-2
    # By columns of ones, how many of the weights were kept; every head, row and tile drew its own.
    with on_tpu():
        kept = attend(jnp.ones_like(value))[..., 0] * (1 - rate) * keys
    spread = np.sqrt(keys * rate * (1 - rate))
    assert np.abs(kept.mean() / keys - (1 - rate)) < 5 * spread / keys / np.sqrt(kept.size)
    assert 0.8 * spread < kept.std() < 1.2 * spread
    assert len(np.unique(np.asarray(kept[:, :, 0]).reshape(2, -1), axis=0)) == 2
    assert np.abs(kept[:, :, 0] - kept[:, :, 1]).max() > 1 and np.abs(kept[:, :128] - kept[:, 128:256]).max() > 1


def test_every_part_of_a_row_draws_its_own_hardware_bits(hardware_bits, monkeypatch):
    monkeypatch.setattr(tuning, "_PLANE", 128 * 128)  # so that 128 queries with a bias are taken at a time
    with on_tpu():
        out = dropped_means(jnp.ones((1, 128, 1, 16)), rate=0.5, bias=jnp.zeros((1, 1, 256, 128)))
    assert np.abs(out[:, :128] - out[:, 128:]).max() > 0.1


RELATIVE = {
    "memory, in tiles": dict(queries=130, keys=200, blocks=(Blocks(1, 1, 256, 128, 128),) * 2),
    "no segments": dict(queries=20, keys=20, segments=False),
}


@pytest.mark.parametrize("name", ["memory, in tiles", pytest.param("no segments", marks=pytest.mark.slow)])
def test_relative_terms_are_made_in_the_kernel(name):
    """Against the same terms as a bias, and their gradients; the two rows share the distances."""
    options = dict(segments=True, blocks=None) | RELATIVE[name]
    queries, keys = options["queries"], options["keys"]
    rng = np.random.default_rng(3)

    def draw(*shape):
        return jnp.asarray(rng.standard_normal(shape), jnp.float32)

    args = [draw(2, queries, 2, 16), draw(2, keys, 2, 16), draw(2, keys, 2, 16), draw(2, queries, 2, 16)]
    args += [draw(queries + keys, 2, 16), draw(2, queries, 2, 2)]
    differs, allowed = draw(2, queries, keys) > 0, draw(1, queries, keys) > -1

    def total(as_bias, query, key, value, met, distances, kinds):
        relative = Relative(
            query=met,
            distances=distances,
            kinds=kinds if options["segments"] else None,
            differs=differs if options["segments"] else None,
        )
        common = dict(mask=AttentionMask(allowed=allowed), dropout_rate=0.2, dropout_key=KEY, scale=0.25)
        if as_bias:
            out = reference.attention(Call(query, key, value, bias=relative.bias(keys) * 0.25, **common))
        else:
            out = pallas_tpu.attention(Call(query, key, value, relative=relative, **common), blocks=options["blocks"])
        return jnp.sum(jnp.sin(out)), out

    run = jax.grad(total, argnums=range(1, 7), has_aux=True)
    with on_tpu():
        found = run(False, *args)
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(run(True, *args)), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5 * max(1.0, float(jnp.abs(want).max())))


def test_xlnet_runs_on_the_kernel():
    """Both streams, with memory, as on a CPU."""
    config = zoo.config("xlnet-base-cased", num_layers=1, width=32, num_heads=2, mlp_width=64, vocab_size=50)
    config = config.replace(kv_width=16, stack="loop", attention_kernel="pallas_tpu")
    model = zoo.create(config, head="permutation_lm", seed=0)
    rng = np.random.default_rng(0)
    tokens = rng.integers(5, 50, (2, 70))
    types = np.repeat([[0] * 30 + [1] * 40], 2, axis=0)
    memory = tuple(jnp.asarray(rng.standard_normal((6, 2, 32)), jnp.float32) for _ in range(1))
    given = dict(
        token_types=types,
        permutation_mask=jnp.asarray(rng.random((2, 70, 70)) < 0.5, jnp.float32),
        target_mapping=jax.nn.one_hot(jnp.asarray([[3, 9], [60, 2]]), 70, dtype=jnp.float32),
        memory=memory,
    )
    elsewhere = config.replace(attention_kernel="reference")
    want = zoo.create(elsewhere, head="permutation_lm", seed=0)(tokens, **given).logits
    with on_tpu():
        found = model(tokens, **given).logits
    np.testing.assert_allclose(found, want, atol=2e-5)


def test_is_chosen_on_a_tpu_and_refused_elsewhere(unchecked_types):
    query = jnp.zeros((1, 256, 2, 16))
    with pytest.raises(InputError, match=r"for TPUs, not for 'cpu'. Use reference, xla, or None"):
        attention(query, query, query, mask=AttentionMask(), implementation="pallas_tpu")
    halves = query.astype(jnp.float16)
    with on_tpu():
        with pytest.raises(InputError, match="bfloat16 or float32"):
            attention(halves, halves, halves, mask=AttentionMask(), implementation="pallas_tpu")
        assert runs_kernel(query)
        assert not runs_kernel(query[:, :128])  # the compiler's own is as fast there
        assert not runs_kernel(halves)
        assert not runs_kernel(jnp.zeros((1, 2**17, 1, 128)))


def runs_kernel(query) -> bool:
    traced = jax.make_jaxpr(lambda query: attention(query, query, query, mask=AttentionMask()))(query)
    return "attention_forward" in str(traced)


@pytest.mark.parametrize(
    ("preset", "axes", "changes"),
    [
        ("tp", "data:2,fsdp:2,tensor:2", dict(bias=(1, 4))),
        ("fsdp_cp", "data:2,fsdp:2,context:2", dict(bias=(1, 4))),
        ("fsdp_cp", "data:1,fsdp:2,context:4", dict(causal=True)),
        ("fsdp_cp", "data:2,fsdp:2,context:2", dict(causal=True, window=50)),
    ],
)
def test_runs_under_shard_map_on_a_mesh(monkeypatch, preset, axes, changes):
    """Rows with heads or tokens over 8 devices give what one device gives, with dropout, also in a scan with remat."""
    monkeypatch.setattr(call, "INTERPRET", True)  # the interpreter of a TPU has effects, which remat refuses
    case = Case(queries=140, heads=4, rows=4, documents=2, rate=0.2, **changes)
    arrays = {name: jnp.asarray(x) for name, x in case.arrays.items()}
    mesh = meshes.make_mesh(axes)

    def total(query, key, value, bias=None):
        def layer(query, _):
            out = attention(
                query,
                key,
                value,
                mask=case.mask(),
                bias=bias,
                dropout_rate=case.rate,
                dropout_key=KEY,
                implementation=implementation,
            )
            return query + out, None

        return jnp.sum(jax.lax.scan(jax.checkpoint(layer), query, None, length=2)[0] * arrays["dout"])

    args = [arrays[name] for name in ("query", "key", "value", "bias") if name in arrays]
    run = jax.value_and_grad(total, argnums=tuple(range(len(args))))
    implementation = "xla"
    want = jax.jit(run)(*args)
    implementation = "pallas_tpu"
    by_row = jax.NamedSharding(mesh, PartitionSpec(("data", "fsdp")))
    spread = [*(jax.device_put(x, by_row) for x in args[:3]), *args[3:]]
    with partitioned(mesh, preset), for_tpu(mesh):
        found = jax.jit(run)(*spread)
    for got, expected in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-4, rtol=1e-4)


def test_sizes_that_are_not_divisible_by_the_mesh_are_refused():
    query = jnp.zeros((2, 256, 3, 16))
    mesh = meshes.make_mesh("data:2,fsdp:2,tensor:2")
    with partitioned(mesh, "tp"), for_tpu(mesh), pytest.raises(InputError, match="batch 2 is not divisible by the 4"):
        attention(query, query, query, mask=AttentionMask(), implementation="pallas_tpu")
    with for_tpu(mesh):
        assert not runs_kernel(query)
