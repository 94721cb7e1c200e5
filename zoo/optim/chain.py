# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The optimizer of a run: clipping, the config's rule, the learning rate, its shares by layer, and the average."""

import collections
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import optax

from zoo.optim.average import average_parameters
from zoo.optim.layer_decay import layer_factors, scale_by_layer
from zoo.optim.optimizers import OPTIMIZERS, OptimizerConfig
from zoo.optim.parameters import Axes, Parameter, list_parameters
from zoo.optim.schedules import make_schedule


def make_optimizer(
    config: OptimizerConfig, num_steps: int, frozen: Any = None, axes: Axes | None = None
) -> optax.GradientTransformation:
    """Clipping by global norm, the config's rule, the learning rate, the layers' shares of it, the average.

    Args:
      frozen: parameters that do not train, whose layers count for the depth of those that do.
      axes: the logical axes of those that train; AdamW and Lion do without.
    """
    clipping = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    rate = optax.scale_by_learning_rate(make_schedule(config, num_steps))
    rule = optax.chain(*config.steps(axes or {}), rate)
    layers = [] if config.layer_decay == 1.0 else [scale_by_layer(config.layer_decay, frozen)]
    average = [average_parameters(config.ema_decay)] if config.ema_decay else []
    return _permissive(optax.chain(*clipping, rule, *layers, *average))


def describe_rules(config: OptimizerConfig, params: Any, axes: Axes, frozen: Any = None) -> str:
    """A line for each rule: how many parameters it touches, and their names without those of the layers.

    Args:
      params, frozen: as shapes; see `make_optimizer`.
    """
    kind = next(name for name, each in OPTIMIZERS.items() if each is type(config))
    parameters = list_parameters(params, axes)
    chosen = {name: [each for each in parameters if select(each)] for name, select in config.rules().items()}
    if config.layer_decay != 1.0:
        chosen |= _by_rate(parameters, layer_factors(params, config.layer_decay, frozen))
    if config.ema_decay:
        chosen[f"averaged, {config.ema_decay:g}"] = parameters
    lines = [f"optimizer {kind} trains {_total(parameters):,} parameters in {len(parameters)} arrays:"]
    for name, touched in chosen.items():
        names = "all" if touched == parameters else ", ".join(_names(touched)) or "none"
        lines.append(f"  {name}: {_total(touched):,} in {len(touched)}: {names}")
    return "\n".join(lines)


def _total(parameters: list[Parameter]) -> int:
    return sum(each.size for each in parameters)


def _names(parameters: list[Parameter]) -> Iterator[str]:
    """Those of sibling modules together: `stack.attention.{key, query}.kernel`."""
    siblings: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    for each in parameters:
        *parents, last = (str(name) for name in each.path if name != "blocks")
        siblings[".".join(parents[:-1]), last].append("".join(parents[-1:]))
    for (parent, last), modules in siblings.items():
        module = modules[0] if len(modules) == 1 else f"{{{', '.join(modules)}}}"
        yield ".".join(filter(None, (parent, module, last)))


def _by_rate(parameters: list[Parameter], factors: Any) -> dict[str, list[Parameter]]:
    """The parameters by the range of their layers' shares of the learning rate, lowest first."""
    found: dict[tuple[float, float], list[Parameter]] = collections.defaultdict(list)
    for each, factor in zip(parameters, jax.tree.leaves(factors), strict=True):
        found[float(np.min(factor)), float(np.max(factor))].append(each)
    return {
        f"learning rate x {low:.3g}" + (f" to {high:.3g}" if high > low else ""): found[low, high]
        for low, high in sorted(found)
    }


def _permissive(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """Adam's bias correction raises a Python float to an integer count, which strict dtype promotion refuses."""

    def update(updates, state, params=None):
        with jax.numpy_dtype_promotion("standard"):
            return optimizer.update(updates, state, params)

    return optax.GradientTransformation(optimizer.init, update)
