# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The optimizers: each its own group of a config, with the defaults of its paper.

A new one is a subclass of `OptimizerConfig`, and a row in `OPTIMIZERS`.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import optax
from optax import contrib

from zoo.errors import ConfigError
from zoo.optim import by_layer
from zoo.optim.parameters import Axes, Parameter, Select, decay_mask, map_parameters, mask

Config = TypeVar("Config", bound="OptimizerConfig")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig(abc.ABC):
    """What all of them have: the learning rate, its schedule, and what surrounds the optimizer's own rule.

    Attributes:
      learning_rate: the highest, reached after `warmup_steps`.
      warmup_fraction: of the run's steps, where `warmup_steps` is 0.
      warmup: `linear` from 0, or `constant` at the highest rate, after which alone a schedule moves (T5).
      schedule: from there on. `linear` and `cosine` fall to `end_fraction` of it at the last step; `inverse_sqrt` is
        `sqrt(warmup_steps / step)` of it; `wsd` stays, and falls to `end_fraction` during the run's last steps.
      decay_steps: those last steps of `wsd`; 0 is `decay_fraction` of the run's. decay_shape: `sqrt` is
        `1 - sqrt(t)` (arXiv:2405.18392).
      weight_decay: times the learning rate, of the parameters that `zoo.optim.parameters` lists.
      clip_norm: largest global norm of a gradient; 0 clips nothing.
      layer_decay: factor on the learning rate from each layer to the one below it (`zoo.optim.layer_decay`); 1 is none.
      ema_decay: of the average of the parameters that is evaluated and exported (`zoo.optim.average`); 0 is none.
    """

    learning_rate: float
    warmup_steps: int = 0
    warmup_fraction: float = 0.0
    warmup: Literal["linear", "constant"] = "linear"
    schedule: Literal["linear", "cosine", "constant", "inverse_sqrt", "wsd"] = "linear"
    end_fraction: float = 0.0
    decay_steps: int = 0
    decay_fraction: float = 0.1
    decay_shape: Literal["sqrt", "linear"] = "sqrt"
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    layer_decay: float = 1.0
    ema_decay: float = 0.0

    def __post_init__(self):
        for name in ("warmup_steps", "decay_steps"):
            if getattr(self, name) < 0:
                raise ConfigError(f"optimizer.{name} must be 0 or more; found {getattr(self, name)}.")
        for name in ("warmup_fraction", "end_fraction", "decay_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"optimizer.{name} must be between 0 and 1; found {getattr(self, name)!r}.")
        for name in ("learning_rate", "weight_decay", "clip_norm"):
            if getattr(self, name) < 0:
                raise ConfigError(f"optimizer.{name} must be 0 or more; found {getattr(self, name)!r}.")
        if self.decay_steps and self.schedule != "wsd":
            raise ConfigError(
                f"optimizer.decay_steps is {self.decay_steps}, which the schedule {self.schedule!r} does not have; set "
                "schedule to 'wsd', or decay_steps to 0."
            )
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"optimizer.layer_decay must be above 0 and at most 1; found {self.layer_decay!r}.")
        self._check_fractions("ema_decay")

    def in_steps(self: Config, num_steps: int) -> Config:
        """The same for a run of so many steps, with its warm-up in steps."""
        if self.warmup_steps or not self.warmup_fraction:
            return self
        return dataclasses.replace(self, warmup_steps=round(self.warmup_fraction * num_steps))

    def decay_length(self, num_steps: int) -> int:
        """The steps of the decay of `wsd` in a run of so many."""
        return self.decay_steps or round(self.decay_fraction * num_steps)

    @abc.abstractmethod
    def steps(self, axes: Axes) -> tuple[optax.GradientTransformation, ...]:
        """From gradients to what the learning rate multiplies, weight decay included.

        Args:
          axes: the logical axes of the parameters, needed by rules that go by matrix or by layer.
        """

    def rules(self) -> Mapping[str, Select]:
        """What it does with some parameters and not with others, by a name for it."""
        return {f"weight decay {self.weight_decay:g}": _decays} if self.weight_decay else {}

    @property
    def decay(self) -> optax.GradientTransformation:
        """Adds the weight decay."""
        return optax.add_decayed_weights(self.weight_decay, decay_mask)

    def _check_fractions(self, *names: str) -> None:
        for name in names:
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"optimizer.{name} must be at least 0 and below 1; found {getattr(self, name)!r}.")

    def _check_positive(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) <= 0:
                raise ConfigError(f"optimizer.{name} must be above 0; found {getattr(self, name)!r}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamW(OptimizerConfig):
    """Adam with decoupled weight decay (arXiv:1711.05101)."""

    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self):
        super().__post_init__()
        self._check_positive("eps")
        self._check_fractions("b1", "b2")

    def steps(self, axes: Axes) -> tuple[optax.GradientTransformation, ...]:
        """See `OptimizerConfig.steps`."""
        del axes
        return optax.scale_by_adam(self.b1, self.b2, self.eps), self.decay


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lamb(AdamW):
    """AdamW's update, scaled for each layer and parameter to the norm of the parameter (arXiv:1904.00962).

    Parameters without weight decay are not scaled either, as in ALBERT's code, whose `eps` and `weight_decay` these
    are. Its moments lack the correction for their start at 0, which the paper's algorithm 2 and this one have.
    """

    eps: float = 1e-6

    def steps(self, axes: Axes) -> tuple[optax.GradientTransformation, ...]:
        """See `OptimizerConfig.steps`."""
        return *super().steps(axes), by_layer.scale_by_trust_ratio(axes, _decays)

    def rules(self) -> Mapping[str, Select]:
        """See `OptimizerConfig.rules`."""
        return {**super().rules(), "trust ratio": _decays}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adafactor(OptimizerConfig):
    """Second moments as rows and columns, and steps relative to the parameter (arXiv:1804.04235), as T5 uses it.

    T5 (arXiv:1910.10683) pretrains with a rate of 0.01, `warmup_steps` of 10,000, `warmup` "constant" and `schedule`
    "inverse_sqrt", which is `1 / sqrt(max(step, 10_000))`, and fine-tunes with a constant 0.001. There is no momentum.

    Attributes:
      decay_exponent: at step t the second moment forgets `1 - t ** -decay_exponent` of what it was.
      clip_update: largest root mean square of an update before the learning rate.
      min_size_to_factor: rows and columns of the smallest matrix whose second moment is factored.
      relative: whether updates are scaled by the root mean square of the parameter, or `min_scale` if that is larger.
      eps: added to squared gradients.
    """

    weight_decay: float = 0.0
    clip_norm: float = 0.0
    decay_exponent: float = 0.8
    clip_update: float = 1.0
    min_size_to_factor: int = 128
    relative: bool = True
    min_scale: float = 1e-3
    eps: float = 1e-30

    def __post_init__(self):
        super().__post_init__()
        self._check_positive("decay_exponent", "clip_update", "min_size_to_factor", "min_scale", "eps")

    def steps(self, axes: Axes) -> tuple[optax.GradientTransformation, ...]:
        """See `OptimizerConfig.steps`."""
        scaled = by_layer.scale_by_factored_rms(
            axes, self._is_factored, decay_exponent=self.decay_exponent, eps=self.eps
        )
        relative = [by_layer.scale_by_parameter(axes, self.min_scale)] if self.relative else []
        return scaled, by_layer.clip_by_root_mean_square(axes, self.clip_update), *relative, self.decay

    def rules(self) -> Mapping[str, Select]:
        """See `OptimizerConfig.rules`."""
        return {**super().rules(), "factored second moment": self._is_factored}

    def _is_factored(self, parameter: Parameter) -> bool:
        return parameter.matrix is not None and min(parameter.matrix_shape) >= self.min_size_to_factor


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lion(OptimizerConfig):
    """The sign of a momentum (arXiv:2302.06675).

    Against AdamW the learning rate is to be 3 to 10 times lower and the weight decay as much higher (section 5).
    """

    weight_decay: float = 0.1
    b1: float = 0.9
    b2: float = 0.99

    def __post_init__(self):
        super().__post_init__()
        self._check_fractions("b1", "b2")

    def steps(self, axes: Axes) -> tuple[optax.GradientTransformation, ...]:
        """See `OptimizerConfig.steps`."""
        del axes
        return optax.scale_by_lion(self.b1, self.b2), self.decay


@dataclasses.dataclass(frozen=True, kw_only=True)
class Muon(OptimizerConfig):
    """An orthogonalized momentum for the matrices between hidden vectors, Adam for all else.

    Keller Jordan, kellerjordan.github.io/posts/muon: Nesterov momentum and five steps of a Newton-Schulz iteration. A
    matrix's updates are scaled to a root mean square of about `update_rms` (arXiv:2502.16982, section 2.2), with which
    learning rate and weight decay are those of AdamW. Heads of attention are one matrix.

    Attributes:
      momentum: of matrices. b1, b2, eps: of all else.
      update_rms: 0 scales by `sqrt(max(1, columns / rows))` instead.
    """

    weight_decay: float = 0.1
    momentum: float = 0.95
    update_rms: float = 0.2
    b1: float = 0.9
    b2: float = 0.95
    eps: float = 1e-8

    def __post_init__(self):
        super().__post_init__()
        self._check_positive("eps")
        self._check_fractions("momentum", "b1", "b2", "update_rms")

    def steps(self, axes: Axes) -> tuple[optax.GradientTransformation, ...]:
        """See `OptimizerConfig.steps`."""

        def dimensions(updates: Any) -> Any:
            return map_parameters(lambda each, _: contrib.MuonDimensionNumbers(*each.matrix or ()), axes, updates)

        matrices = optax.chain(
            contrib.scale_by_muon(beta=self.momentum, weight_dimension_numbers=dimensions),
            by_layer.scale_by_size(axes, self.update_rms),
        )
        adam = optax.scale_by_adam(self.b1, self.b2, self.eps)
        return (
            optax.masked(matrices, mask(_is_hidden_matrix, axes)),
            optax.masked(adam, mask(lambda each: not _is_hidden_matrix(each), axes)),
            self.decay,
        )

    def rules(self) -> Mapping[str, Select]:
        """See `OptimizerConfig.rules`."""
        return {
            **super().rules(),
            "orthogonalized": _is_hidden_matrix,
            "Adam": lambda each: not _is_hidden_matrix(each),
        }


OPTIMIZERS: dict[str, type[OptimizerConfig]] = {
    "adafactor": Adafactor,
    "adamw": AdamW,
    "lamb": Lamb,
    "lion": Lion,
    "muon": Muon,
}


def _decays(parameter: Parameter) -> bool:
    return parameter.decays


def _is_hidden_matrix(parameter: Parameter) -> bool:
    return parameter.is_hidden_matrix
