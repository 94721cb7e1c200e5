# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every optimizer against its paper in NumPy, layer by layer."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from zoo.errors import ConfigError
from zoo.optim.chain import make_optimizer
from zoo.optim.optimizers import OPTIMIZERS, Adafactor, AdamW, Lamb, Lion, Muon
from zoo.optim.parameters import decay_mask

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
