# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every optimizer against its paper in NumPy, layer by layer, and which parameters its rules touch in every family."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from tests.objectives.fakes import info
from tests.optim.test_layer_decay import by_name, small
from zoo.errors import ConfigError
from zoo.models import registry
from zoo.objectives import CausalLM
from zoo.optim.chain import describe_rules, make_optimizer
from zoo.optim.optimizers import OPTIMIZERS, Adafactor, AdamW, Lamb, Lion, Muon
from zoo.optim.parameters import decay_mask, list_parameters, logical_axes
from zoo.train.config import RunConfig
from zoo.train.learner import Learner
from zoo.train.run_spec import RunSpec

STEPS, LAYERS, RATE = 4, 3, 0.05
COMMON = {"learning_rate": RATE, "schedule": "constant", "clip_norm": 0.0, "weight_decay": 0.1}
CONFIGS = {name: kind(**COMMON) for name, kind in OPTIMIZERS.items()} | {
    "adafactor": Adafactor(**COMMON, min_size_to_factor=4)
}
AXES = {
    ("blocks", "query", "kernel"): ("layers", "embed", "heads", "kv"),
    ("blocks", "out", "kernel"): ("layers", "heads", "kv", "embed"),
    ("blocks", "query", "bias"): ("layers", "heads", "kv"),
    ("embed", "embedding"): ("vocab", "embed"),
    ("norm", "scale"): ("width",),
    ("classifier", "kernel"): ("embed", "classes"),
}
SHAPES = {
    ("blocks", "query", "kernel"): (LAYERS, 6, 2, 4),
    ("blocks", "out", "kernel"): (LAYERS, 2, 4, 6),
    ("blocks", "query", "bias"): (LAYERS, 2, 4),
    ("embed", "embedding"): (7, 6),
    ("norm", "scale"): (6,),
    ("classifier", "kernel"): (6, 3),
}


def nest(flat):
    tree = {}
    for path, value in flat.items():
        functools.reduce(lambda inner, name: inner.setdefault(name, {}), path[:-1], tree)[path[-1]] = value
    return tree


def draw(seed):
    rng = np.random.default_rng(seed)
    return {path: rng.normal(size=shape).astype(np.float32) for path, shape in SHAPES.items()}


def matrices(path, array):
    """One matrix or vector for each layer, heads and their width as one axis."""
    layers = array if AXES[path][0] == "layers" else array[None]
    if path[-2:] == ("query", "kernel"):
        return layers.reshape(len(layers), layers.shape[1], -1)
    if path[-2:] == ("out", "kernel"):
        return layers.reshape(len(layers), -1, layers.shape[-1])
    return layers.reshape(len(layers), -1) if path[-1] in ("bias", "scale") else layers


def after_steps(config):
    """The parameters after each step, by path."""
    optimizer = make_optimizer(config, STEPS, axes=AXES)
    params = nest({path: jnp.asarray(array) for path, array in draw(0).items()})
    state, found = optimizer.init(params), []
    step = jax.jit(optimizer.update)
    for index in range(STEPS):
        grads = nest({path: jnp.asarray(array) for path, array in draw(index + 1).items()})
        updates, state = step(grads, state, params)
        params = optax.apply_updates(params, updates)
        found.append({path: functools.reduce(dict.get, path, params) for path in SHAPES})
    return found


def rms(x):
    return np.sqrt(np.mean(np.square(x)))


class NumPyAdam:
    def __init__(self, config):
        self.b1, self.b2, self.eps, self.m, self.v = config.b1, config.b2, config.eps, 0.0, 0.0

    def __call__(self, grad, step):
        self.m = self.b1 * self.m + (1 - self.b1) * grad
        self.v = self.b2 * self.v + (1 - self.b2) * grad**2
        return self.m / (1 - self.b1**step) / (np.sqrt(self.v / (1 - self.b2**step)) + self.eps)


class NumPyAdamW:
    def __init__(self, config, path):
        self.adam, self.decay = NumPyAdam(config), config.weight_decay * (path[-1] in ("kernel", "embedding"))

    def __call__(self, grad, param, step):
        return self.adam(grad, step) + self.decay * param


class NumPyLamb(NumPyAdamW):
    def __call__(self, grad, param, step):
        update = super().__call__(grad, param, step)
        return update * np.linalg.norm(param) / np.linalg.norm(update) if self.decay else update


class NumPyAdafactor:
    """Algorithms 4 and 5, with sums as the paper has them."""

    def __init__(self, config, path):
        self.config, self.decay = config, config.weight_decay * (path[-1] in ("kernel", "embedding"))
        self.rows, self.columns, self.v = 0.0, 0.0, 0.0

    def __call__(self, grad, param, step):
        beta = 1 - step**-0.8
        squares = grad**2 + 1e-30
        if grad.ndim == 2 and min(grad.shape) >= self.config.min_size_to_factor:
            self.rows = beta * self.rows + (1 - beta) * squares.sum(1)
            self.columns = beta * self.columns + (1 - beta) * squares.sum(0)
            v = np.outer(self.rows, self.columns) / self.rows.sum()
        else:
            v = self.v = beta * self.v + (1 - beta) * squares
        update = grad / np.sqrt(v)
        update = update / max(1.0, rms(update))
        return max(1e-3, rms(param)) * update + self.decay * param


class NumPyLion:
    def __init__(self, config, path):
        self.config, self.decay = config, config.weight_decay * (path[-1] in ("kernel", "embedding"))
        self.m = 0.0

    def __call__(self, grad, param, step):
        update = np.sign(self.config.b1 * self.m + (1 - self.config.b1) * grad)
        self.m = self.config.b2 * self.m + (1 - self.config.b2) * grad
        return update + self.decay * param


class NumPyMuon(NumPyAdamW):
    def __init__(self, config, path):
        super().__init__(config, path)
        self.config, self.hidden, self.m = config, path[0] == "blocks" and path[-1] == "kernel", 0.0

    def __call__(self, grad, param, step):
        if not self.hidden:
            return super().__call__(grad, param, step)
        beta = self.config.momentum
        self.m = beta * self.m + (1 - beta) * grad
        # Nesterov: the momentum that a second look at this gradient would give, each corrected for its start at 0.
        x = beta * self.m / (1 - beta ** (step + 1)) + (1 - beta) * grad / (1 - beta**step)
        x = x / np.linalg.norm(x)
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
        return 0.2 * np.sqrt(max(grad.shape)) * x + self.decay * param


REFERENCES = {
    "adafactor": NumPyAdafactor,
    "adamw": NumPyAdamW,
    "lamb": NumPyLamb,
    "lion": NumPyLion,
    "muon": NumPyMuon,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_the_papers_for_each_layer(name):
    found, start = after_steps(CONFIGS[name]), draw(0)
    for path in SHAPES:
        layers = [layer.astype(np.float64) for layer in matrices(path, start[path])]
        rules = [REFERENCES[name](CONFIGS[name], path) for _ in layers]
        for step, params in enumerate(found, start=1):
            grads = matrices(path, draw(step)[path])
            layers = [
                param - RATE * rule(grad.astype(np.float64), param, step)
                for param, rule, grad in zip(layers, rules, grads, strict=True)
            ]
            ours = matrices(path, np.asarray(params[path]))
            np.testing.assert_allclose(ours, np.stack(layers), rtol=2e-5, atol=1e-6, err_msg=f"{path} {step}")


def test_adamw_is_optax_adamw_bit_for_bit_and_its_state_has_the_same_places():
    config = AdamW(learning_rate=RATE, warmup_steps=2, weight_decay=0.1, b2=0.98, eps=1e-6)
    ours = make_optimizer(config, 10, axes=AXES)
    rate = optax.join_schedules([optax.linear_schedule(0.0, RATE, 2), optax.linear_schedule(RATE, 0.0, 8)], [2])
    plain = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(rate, 0.9, 0.98, 1e-6, weight_decay=0.1, mask=decay_mask)
    )

    def run(optimizer):
        params = nest({path: jnp.asarray(array) for path, array in draw(0).items()})
        state = optimizer.init(params)
        for index in range(STEPS):
            grads = nest({path: jnp.asarray(array) for path, array in draw(index + 1).items()})
            with jax.numpy_dtype_promotion("standard"):
                updates, state = jax.jit(optimizer.update)(grads, state, params)
            params = optax.apply_updates(params, updates)
        return params, state

    found, expected = run(ours), run(plain)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_lamb_leaves_an_update_alone_where_a_norm_is_zero():
    params = {"kernel": jnp.zeros((2, 3, 4)).at[1].set(2.0)}
    axes = {("kernel",): ("layers", "embed", "mlp")}
    optimizer = make_optimizer(dataclasses.replace(CONFIGS["lamb"], weight_decay=0.0), 10, axes=axes)
    updates, _ = optimizer.update({"kernel": jnp.ones((2, 3, 4))}, optimizer.init(params), params)
    np.testing.assert_allclose(updates["kernel"][0], -RATE, rtol=1e-4)  # the layer of zeros moves as in Adam
    np.testing.assert_allclose(updates["kernel"][1], -2 * RATE, rtol=1e-4)
    updates, _ = optimizer.update({"kernel": jnp.zeros((2, 3, 4))}, optimizer.init(params), params)
    assert not np.any(updates["kernel"])


def test_an_optimizer_by_layer_without_axes_is_refused():
    optimizer = make_optimizer(CONFIGS["adafactor"], 10)
    with pytest.raises(ConfigError, match="logical axes of kernel"):
        optimizer.init({"kernel": jnp.ones((2, 3))})


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (AdamW, {"eps": 0.0}, "eps must be above 0"),
        (Lamb, {"b1": 1.0}, "b1 must be at least 0 and below 1"),
        (Adafactor, {"clip_update": 0.0}, "clip_update must be above 0"),
        (Lion, {"b2": -0.1}, "b2 must be"),
        (Muon, {"momentum": 1.0}, "momentum must be"),
        (AdamW, {"ema_decay": 1.0}, "ema_decay must be"),
        (AdamW, {"decay_steps": 5}, "schedule to 'wsd'"),
        (AdamW, {"decay_fraction": 1.5}, "decay_fraction must be"),
        (AdamW, {"warmup_steps": -1}, "warmup_steps must be 0 or more"),
        (AdamW, {"layer_decay": 0.0}, "layer_decay must be"),
        (AdamW, {"clip_norm": -1.0}, "clip_norm must be"),
    ],
)
def test_impossible_values_are_refused(kind, change, message):
    with pytest.raises(ConfigError, match=message):
        kind(learning_rate=1.0, **change)


# Layers that are scanned, looped, or arrays of their own.


@functools.cache
def gradient(stack):
    """The gradient of the mean loss of a batch by the small model's parameters, compiled once for all optimizers."""
    graphdef, _ = nnx.split(small(stack))
    places = np.broadcast_to(np.arange(8, dtype=np.int32), (4, 8))
    tokens = np.random.default_rng(0).integers(0, 31, (4, 8)).astype(np.int32)
    batch = {"tokens": tokens, "segments": np.ones_like(places), "positions": places}

    def loss(params):
        sums = CausalLM().loss(nnx.merge(graphdef, params), batch)
        return sums["loss"] / sums["weight"]

    return jax.jit(jax.grad(loss))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_scanned_and_looped_layers_are_trained_alike(name):
    config, after = CONFIGS[name], {}
    if hasattr(config, "b2") and name != "lion":
        config = dataclasses.replace(config, eps=0.1)  # so that nothing depends on the sign of a rounding error
    for stack in ("scan", "loop"):
        state = nnx.state(small(stack))
        params, optimizer = nnx.to_pure_dict(state), make_optimizer(config, 10, axes=logical_axes(state))
        opt_state = optimizer.init(params)
        for _ in range(2):
            updates, opt_state = jax.jit(optimizer.update)(gradient(stack)(params), opt_state, params)
            params = optax.apply_updates(params, updates)
        after[stack] = by_name(params)
    for parameter, scanned in after["scan"].items():
        # A bias of keys has no gradient but for rounding: a softmax does not see what all scores have in common.
        if not parameter.endswith("key.bias"):
            np.testing.assert_allclose(scanned, after["loop"][parameter], rtol=1e-4, atol=2e-5, err_msg=parameter)


def stacked_name(name):
    """The name of a layer's parameter where layers are stacked, and the layer's index there."""
    before, blocks, after = name.partition(".blocks.")
    layer, _, rest = after.partition(".")
    return (f"{before}{blocks}{rest}", int(layer)) if blocks else (name, slice(None))


def updates_of(name, model, gradient):
    state = nnx.state(model)
    params = nnx.to_pure_dict(state)
    optimizer = make_optimizer(CONFIGS[name], 10, axes=logical_axes(state))
    named = jax.tree.map_with_path(
        lambda path, leaf: gradient(jax.tree_util.keystr(path, simple=True, separator="."), leaf), params
    )
    return by_name(jax.jit(optimizer.update)(named, optimizer.init(params), params)[0])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_layers_with_arrays_of_their_own_are_updated_as_stacked_ones(name):
    rng, gradients = np.random.default_rng(1), {}

    def draw_gradient(parameter, leaf):
        gradients[parameter] = rng.normal(size=leaf.shape).astype(np.float32)
        return gradients[parameter]

    def same_gradient(parameter, _):
        stacked, layer = stacked_name(parameter)
        return gradients[stacked][layer]

    stacked = updates_of(name, small("scan"), draw_gradient)
    model = nnx.clone(small("scan"))
    model.stack.unstack()
    alone = updates_of(name, model, same_gradient)
    assert len(alone) > len(stacked)
    for parameter, update in alone.items():
        where, layer = stacked_name(parameter)
        np.testing.assert_allclose(update, stacked[where][layer], rtol=2e-4, atol=1e-6, err_msg=parameter)


# Which parameters each rule touches, by name.


def parameters_of(family, head):
    config = next(iter(family.sizes.values()))
    state = nnx.state(family.abstract(family.suit(config, head) if head else config, head=head))
    return nnx.to_pure_dict(state), logical_axes(state)


def touched(config, params, axes):
    return {
        rule: {each.name for each in list_parameters(params, axes) if select(each)}
        for rule, select in config.rules().items()
    }


VECTORS = {"bias", "scale", "content_bias", "position_bias", "segment_bias"}
# What no hidden vector multiplies, or what gives no hidden vector.
NOT_HIDDEN = {"embedding", "segment", "unknown"}
OUTPUT = {"head.classifier.kernel", "head.pair.kernel", "head.score.kernel", "head.output.kernel"}
NARROW = {"embed.token_type.embedding", "stack.bias.embedding", "decoder.bias.embedding", "unknown"}


@pytest.mark.parametrize("name", registry.FAMILIES)
def test_the_rules_of_every_family(name):
    family = registry.FAMILIES[name]
    for head in (None, *family.heads):
        params, axes = parameters_of(family, head)
        names = {each.name for each in list_parameters(params, axes)}
        decayed = {each for each in names if each.split(".")[-1] not in VECTORS}
        hidden = {each for each in decayed if each.split(".")[-1] not in NOT_HIDDEN and each not in OUTPUT}
        assert touched(CONFIGS["adamw"], params, axes) == {"weight decay 0.1": decayed}
        assert touched(CONFIGS["lion"], params, axes) == {"weight decay 0.1": decayed}
        assert touched(CONFIGS["lamb"], params, axes) == {"weight decay 0.1": decayed, "trust ratio": decayed}
        muon = touched(CONFIGS["muon"], params, axes)
        assert muon == {"weight decay 0.1": decayed, "orthogonalized": hidden, "Adam": names - hidden}
        factored = touched(Adafactor(learning_rate=1.0), params, axes)
        wide = {each for each in decayed - NARROW - OUTPUT if not each.endswith(".segment")}
        assert factored == {"factored second moment": wide}


@pytest.mark.parametrize(
    ("family", "head", "rule", "expected"),
    [
        ("bert", "sequence_classification", "orthogonalized", {
            "pooler.kernel", *(f"stack.blocks.attention.{each}.kernel" for each in ("query", "key", "value", "out")),
            "stack.blocks.mlp.up.kernel", "stack.blocks.mlp.down.kernel",
        }),
        ("t5", None, "factored second moment", {
            "embed.token.embedding",
            *(f"{stack}.blocks.{part}.{each}.kernel" for stack, part in
              (("stack", "attention"), ("decoder", "attention"), ("decoder", "cross"))
              for each in ("query", "key", "value", "out")),
            *(f"{stack}.blocks.mlp.{each}.kernel" for stack in ("stack", "decoder") for each in ("up", "down")),
        }),
    ],
)  # fmt: skip
def test_the_rules_of_a_family_in_full(family, head, rule, expected):
    config = {"orthogonalized": CONFIGS["muon"]}.get(rule, Adafactor(learning_rate=1.0))
    assert touched(config, *parameters_of(registry.FAMILIES[family], head))[rule] == expected


def test_what_a_run_prints():
    params, axes = parameters_of(registry.FAMILIES["gpt2"], None)
    config = Muon(learning_rate=1.0, layer_decay=0.5, ema_decay=0.99)
    lines = describe_rules(config, params, axes).splitlines()
    tables, modules = "embed.{position, token}.embedding", "{key, out, query, value}"
    assert lines[0] == "optimizer muon trains 124,439,808 parameters in 20 arrays:"
    kernels = f"stack.attention.{modules}.kernel, stack.mlp.{{down, up}}.kernel"
    assert lines[1:3] == [
        f"  weight decay 0.1: 124,318,464 in 8: {tables}, {kernels}", f"  orthogonalized: 84,934,656 in 6: {kernels}"
    ]  # fmt: skip
    assert lines[3].startswith(
        f"  Adam: 39,505,152 in 14: {tables}, final_norm.bias, final_norm.scale, stack.attention."
    )
    assert lines[4] == f"  learning rate x 6.1e-05: 39,383,808 in 2: {tables}"
    assert lines[5].startswith("  learning rate x 0.000122 to 0.25: 85,054,464 in 16: stack.attention.")
    assert lines[6:] == [
        "  learning rate x 0.5: 1,536 in 2: final_norm.bias, final_norm.scale",
        "  averaged, 0.99: 124,439,808 in 20: all",
    ]


# On a mesh.


def learner(**changes):
    values = {
        "objective": {"type": "clm"},
        "data": {"type": "text", "seq_len": 16, "tokenizer": {"kind": "byte_bpe", "vocab_size": 320}},
        "model": {
            "name": "gpt2", "width": 16, "num_layers": 2, "stack": "loop", "num_heads": 2, "mlp_width": 32,
            "max_length": 16,
        },
        "optimizer": {"learning_rate": 1e-2, "min_size_to_factor": 8, "type": "adafactor"},
        "batch_size": 16, "num_steps": 6, "mesh": "data:2,fsdp:2,tensor:2", "rules": "fsdp_tp",
    }  # fmt: skip
    return Learner.create(RunSpec.create(RunConfig.from_dict(values | changes), info(vocab_size=320)))


def test_rows_and_columns_are_sharded_as_the_axes_that_they_keep():
    found = {
        jax.tree_util.keystr(path, simple=True, separator="."): (leaf.shape, tuple(leaf.sharding.spec))
        for path, leaf in jax.tree.leaves_with_path(learner().abstract.opt_state)
    }
    kernel = "0.0.moments.stack.blocks.attention.query.kernel"
    assert found[f"{kernel}.rows"] == ((2, 16, 1, 1), (None, "fsdp", None, None))
    assert found[f"{kernel}.columns"] == ((2, 1, 2, 8), (None, None, "tensor", None))
    assert found["0.0.moments.embed.token.embedding.rows"] == ((320, 1), ("tensor", None))
    assert found["0.0.moments.stack.blocks.mlp.up.bias"] == ((2, 32), (None, "tensor"))
    assert found["0.0.count"] == ((), ())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_update_on_a_mesh_is_that_of_one_device(name):
    optimizer = {"learning_rate": 1e-2, "type": name, "ema_decay": 0.9}
    optimizer |= {"min_size_to_factor": 8} if name == "adafactor" else {}
    found = learner(optimizer=optimizer)
    rng = np.random.default_rng(0)
    params, grads = (
        jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), found.abstract.params)
        for _ in range(2)
    )

    def update(params, grads):
        return found.optimizer.update(grads, found.optimizer.init(params), params)

    places = found.shardings.params, found.shardings.opt_state
    sharded = jax.jit(update, in_shardings=(places[0], places[0]), out_shardings=places)(params, grads)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), sharded, jax.jit(update)(params, grads)
    )


# In a run's config.


def test_a_config_without_a_type_is_adamw_and_the_same_experiment():
    values = learner().spec.config.to_dict() | {"optimizer": {"learning_rate": 1e-2, "b2": 0.98}}
    plain = RunConfig.from_dict(values)
    assert plain.optimizer == AdamW(learning_rate=1e-2, b2=0.98)
    named = RunConfig.from_dict(values | {"optimizer": {"type": "adamw", "learning_rate": 1e-2, "b2": 0.98}})
    assert plain.identity() == named.identity() and RunConfig.from_dict(plain.to_dict()) == plain


def test_a_type_has_its_own_fields():
    values = learner().spec.config.to_dict()
    with pytest.raises(ConfigError, match=r"config\.optimizer has no field 'eps'"):
        RunConfig.from_dict(values | {"optimizer": {"type": "lion", "learning_rate": 1e-2, "eps": 1e-6}})
    with pytest.raises(ConfigError, match=r"config\.optimizer\.type is 'adam'.* did you mean"):
        RunConfig.from_dict(values | {"optimizer": {"type": "adam", "learning_rate": 1e-2}})
