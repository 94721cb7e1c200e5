# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What compiled programs do, against theory: products, loops, bytes, collectives, and a TPU's asynchronous fusions."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import zoo
from zoo.cost import flops, walk
from zoo.cost.program import Loop, Op, Program
from zoo.errors import InputError
from zoo.models import registry
from zoo.objectives import CausalLM, MaskedLM
from zoo.sharding.mesh import make_mesh
from zoo.train.state import TrainState
from zoo.train.step import make_train_step

B, T, M = 2, 64, 10
PROGRAMS = Path(__file__).with_name("programs")


def compiled(function, *args) -> str:
    return jax.jit(function).lower(*args).compile().as_text()


def walked(function, *args) -> Program:
    return walk.walk(compiled(function, *args))


def array(*shape: int, dtype=jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def train_step(name: str, stack: str, **changes):
    """A train step of a small model, and its arguments as shapes."""
    sizes = dict(width=64, num_heads=4, mlp_width=256, vocab_size=500, num_layers=3, dtype="float32")
    config = zoo.config(name, stack=stack, **(sizes | changes))
    head, objective = "causal_lm", CausalLM()
    batch = {key: array(B, T, dtype=jnp.int32) for key in ("tokens", "segments", "positions")}
    if name.startswith("bert"):
        head = "masked_lm"
        objective = MaskedLM(max_predictions=M)
        batch |= {f"mask_{key}": array(B, M, dtype=jnp.int32) for key in ("positions", "targets")}
        batch["mask_weights"] = array(B, M)
    graphdef, params = nnx.split(registry.family_of(config).abstract(config, head=head))
    optimizer = optax.sgd(0.1)
    state = jax.eval_shape(lambda p: TrainState.create(p, {}, optimizer, 0), nnx.to_pure_dict(params))
    return make_train_step(graphdef, objective, optimizer), state, batch


@pytest.mark.parametrize("name, stack", [("gpt2", "scan"), ("gpt2", "loop"), ("bert-base-uncased", "scan")])
def test_products_of_a_train_step(name, stack):
    step, *args = train_step(name, stack)
    program = walk.walk(step.lower(*args).compile().as_text())
    assert program.flops == pytest.approx(flops.count(step, *args), rel=0.01)
    assert any(isinstance(part, Loop) and part.times == 3 for part in program.steps) == (stack == "scan")


def test_recomputation_shows():
    step, *args = train_step("gpt2", "scan", remat="full")
    plain, *_ = train_step("gpt2", "scan")
    found = walk.walk(step.lower(*args).compile().as_text()).flops
    assert found > 1.15 * flops.count(plain, *args)


def test_a_loop_without_a_known_trip_count_is_counted_by_its_condition():
    def run(x):
        return jax.lax.scan(lambda x, _: (jnp.tanh(x @ x), None), x, None, length=7)[0]

    text = compiled(run, array(16, 16))
    assert '"known_trip_count":{"n":"7"}' in text
    for program in (text, text.replace("known_trip_count", "nothing")):
        assert walk.walk(program).flops == 7 * 2 * 16**3


def test_a_loop_of_unknown_length_is_refused():
    text = compiled(lambda x: jax.lax.while_loop(lambda x: jnp.any(x > 0), lambda x: x @ x, x), array(16, 16))
    with pytest.raises(InputError, match="unknown number of times"):
        walk.walk(text)


def test_bytes_of_one_product():
    program = walked(lambda x, y: x @ y, array(32, 64), array(64, 128))
    assert (program.flops, program.bytes) == (2 * 32 * 64 * 128, 4 * (32 * 64 + 64 * 128 + 32 * 128))


def test_a_slice_costs_what_it_reads():
    def run(x, index):
        return jax.lax.dynamic_index_in_dim(x, index, keepdims=False) * 2.0

    assert walked(run, array(100, 64, 64), array(dtype=jnp.int32)).bytes <= 2 * 64 * 64 * 4 + 64


def test_an_unknown_operation_is_refused():
    text = compiled(lambda x: jnp.sin(x) @ x, array(16, 16))
    with pytest.raises(InputError, match="'new-thing'"):
        walk.walk(text.replace(" dot(", " new-thing("))


MESH = {"data": 2, "tensor": 4}


def collectives(function, spec: P, *shape: int, out: P | None = None) -> list[tuple]:
    mesh = make_mesh("data:2,tensor:4")
    mapped = jax.shard_map(function, mesh=mesh, in_specs=spec, out_specs=spec if out is None else out, check_vma=False)
    x = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=NamedSharding(mesh, spec))
    program = walked(mapped, x)
    sizes = dict(mesh.shape)
    assert program.devices == 8
    return [(found.kind, times, found.sent_bytes, found.axes(sizes)) for times, _, found in program.collectives()]


def test_all_reduce():
    found = collectives(lambda x: jax.lax.psum(x, "tensor"), P("data", None), 64, 32)
    assert found == [("all-reduce", 1, 2 * (32 * 32 * 4) * 3 / 4, ("tensor",))]


def test_all_gather():
    found = collectives(lambda x: jax.lax.all_gather(x, "tensor", tiled=True), P("tensor"), 64, 32, out=P())
    assert found == [("all-gather", 1, 64 * 32 * 4 * 3 / 4, ("tensor",))]


def test_reduce_scatter():
    found = collectives(lambda x: jax.lax.psum_scatter(x, "data", tiled=True), P(), 64, 32, out=P("data"))
    assert found == [("reduce-scatter", 1, 64 * 32 * 4 / 2, ("data",))]


def test_all_to_all():
    run = functools.partial(jax.lax.all_to_all, axis_name="tensor", split_axis=1, concat_axis=0, tiled=True)
    found = collectives(run, P("tensor"), 64, 32, out=P(None, "tensor"))
    assert found == [("all-to-all", 1, 16 * 32 * 4 * 3 / 4, ("tensor",))]


def test_permutation_in_a_loop():
    ring = [(device, (device + 1) % 4) for device in range(4)]

    def run(x):
        return jax.lax.scan(lambda x, _: (jax.lax.ppermute(x * 2.0, "tensor", ring), None), x, None, length=3)[0]

    assert collectives(run, P("tensor"), 64, 32) == [("collective-permute", 3, 16 * 32 * 4, ("tensor",))]


def test_both_axes_at_once():
    found = collectives(lambda x: jax.lax.psum(x, ("data", "tensor")), P(), 8, 8)
    assert found == [("all-reduce", 1, 2 * 8 * 8 * 4 * 7 / 8, ("data", "tensor"))]


# As libtpu writes a gather that goes on while a fusion multiplies: started, fused in, finished; and a copy to VMEM.
TPU = (PROGRAMS / "gather_while_multiplying.hlo").read_text()


def test_a_fused_collective_counts_once():
    program = walk.walk(TPU)
    ops = {op.name: op for _, op in program.executed()}
    assert [(found.kind, found.sent_bytes) for _, _, found in program.collectives()] == [("all-gather", 128 * 256 * 2)]
    assert ops["start"].begins == ops["done"].ends is not None
    assert ops["f"].collective is None and ops["f"].cycles == 1234
    assert program.flops == 2 * (2 * 512 * 256 * 256)


def test_vmem_costs_no_bandwidth():
    ops = {op.name: op for _, op in walk.walk(TPU).executed()}
    square, rows = 256 * 256 * 2, 512 * 256 * 2
    assert (ops["copy-start"].read_bytes, ops["copy-start"].written_bytes) == (square, 0)
    assert ops["copy-done"].ends == "copy-start" and ops["copy-done"].bytes == 0
    assert (ops["f"].read_bytes, ops["f"].written_bytes) == (rows, rows)
    assert ops["g"].bytes == square + 2 * rows


KERNEL = (PROGRAMS / "kernel.hlo").read_text()


def test_kernels_have_cost_estimates():
    (op,) = walk.walk(KERNEL).steps
    assert isinstance(op, Op) and op.flops == 99
    assert (op.kernels[0].name, op.kernels[0].shapes) == ("mine", ((512, 256),))
    with pytest.raises(InputError, match="cost_estimate"):
        walk.walk(KERNEL.replace('"cost_estimate"', '"nothing"'))


def test_a_convolution_that_is_a_product_of_heads():
    """A TPU's compiler folds heads into a window that slides over padding, where nothing is multiplied."""
    (op,) = walk.walk((PROGRAMS / "heads.hlo").read_text()).steps
    assert isinstance(op, Op)
    (found,) = op.products
    assert (found.batch, found.rows, found.columns, found.depth) == (1, 4 * 1024, 12 * 64, 768)


def test_products_of_convolutions_are_xlas():
    def convolve(x, w):
        return jax.lax.conv_general_dilated(x, w, (2, 1), [(1, 2), (0, 3)], lhs_dilation=(1, 2), rhs_dilation=(2, 1))

    x, w = np.ones((2, 3, 10, 9), np.float32), np.ones((4, 3, 3, 2), np.float32)
    once = np.asarray(convolve(jnp.asarray(x), jnp.asarray(w)))
    text = jax.jit(convolve).lower(x, w).compile().as_text()
    total = walk.walk(text).flops
    assert total == 2 * once.sum()  # of ones, every sum is the number of its terms
