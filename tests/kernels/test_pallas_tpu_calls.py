# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What calls the TPU's attention kernels: XLNet with its relative terms, the choice of a kernel, and meshes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

import zoo
from tests.kernels.tpu import for_tpu, on_tpu
from tests.kernels.tpu_cases import KEY, Case
from zoo.errors import InputError
from zoo.kernels.attention import AttentionMask, Call, Relative, attention, pallas_tpu, reference
from zoo.kernels.attention.pallas_tpu import call
from zoo.kernels.attention.pallas_tpu.spec import Blocks
from zoo.sharding import mesh as meshes
from zoo.sharding.rules import partitioned

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
        ("fsdp_cp", "data:2,fsdp:2,context:2", dict(order="prefix")),
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
