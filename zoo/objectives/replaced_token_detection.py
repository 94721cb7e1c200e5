# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Replaced-token detection (ELECTRA, arXiv:2003.10555): a small generator fills in masked tokens, and a discriminator
says of every token whether it is the original; with the paper's ablations (section 3.4).

As the authors' code does it: 85 % of the chosen tokens are masked, 15 % stay and none is random; the discriminator's
loss is over all tokens that are not padding, special ones included; a sample that equals the original is an original.
Unlike there, positions are drawn without replacement (there, the samples of a position drawn twice become the id of an
unrelated token), and the fraction is of the tokens that may be masked.
"""

import dataclasses
import functools
import logging
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

import zoo
from zoo.data.random import Key
from zoo.data.schema import DataInfo
from zoo.errors import ConfigError
from zoo.kernels.dropout import bits_at, mix
from zoo.models import registry
from zoo.nn.config import TransformerConfig
from zoo.nn.transformer import Transformer
from zoo.objectives.loss import cross_entropy, perplexity, reciprocal, weighted_sum, weighted_sums
from zoo.objectives.masked_lm import check_shares, mask_id, ordinary_ids
from zoo.objectives.masking import Masking, mask_tokens
from zoo.objectives.objective import Batch, Objective, Sums

GENERATOR = "generator"  # the folder of the second model
_SEEDS = 16  # purpose of random numbers
_log = logging.getLogger(__name__)


class GeneratorPair(nnx.Module):
    """A generator with a `masked_lm` head, and the model that is trained on what it fills in, which is kept."""

    def __init__(self, main: Transformer, generator: Transformer):
        self.main, self.generator = main, generator


class Filled(NamedTuple):
    """What a generator makes of a batch.

    Attributes:
      tokens: with samples in place of the hidden tokens. replaced: where they are not the original.
      hidden: whether a token was chosen to be filled in.
      sums: of the generator's own loss, over the hidden tokens (`weighted_sums`).
    """

    tokens: Int[Array, "B T"]
    replaced: Bool[Array, "B T"]
    hidden: Bool[Array, "B T"]
    sums: Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorObjective(Objective):
    """What the objectives with a generator share.

    The loss is the mean over the hidden tokens of the generator's, and `main_weight` times the mean of the other one.

    Attributes:
      mask_rate: fraction of the ordinary tokens of a sequence that the generator fills in; ELECTRA's large has 0.25.
      max_predictions: M, the most of them in a sequence; 0 is the fraction of a full one.
      shares: of these, those that the generator sees masked, as a random token, and as they are.
      generator_size: the generator's width, heads and inner width as a fraction of the other model's (section 3.2).
      sharing: what both have in common: `embeddings` (of tokens, positions and types, and their norm), `none`, or
        `all`, one stack with two heads.
      generator_from: registry name or folder of the generator's weights, where the run starts from a checkpoint.
      main_weight: of the loss that is not the generator's.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "positions"})
    sums: ClassVar[tuple[str, ...]] = (
        *("loss", "weight", "correct", "main_loss", "generator_loss", "generator_correct", "generator_weight"),
    )
    mask_rate: float = 0.15
    max_predictions: int = 0
    shares: tuple[float, ...] = (0.85, 0.0, 0.15)
    generator_size: float = 0.25
    sharing: Literal["embeddings", "none", "all"] = "embeddings"
    generator_from: str = ""
    main_weight: float = 1.0

    def __post_init__(self):
        if not 0.0 < self.mask_rate < 1.0:
            raise ConfigError(f"objective.mask_rate must be above 0 and below 1; found {self.mask_rate!r}.")
        if self.max_predictions < 0:
            raise ConfigError(f"objective.max_predictions must be 0 (automatic) or more; found {self.max_predictions}.")
        if self.generator_size <= 0:
            raise ConfigError(f"objective.generator_size must be above 0, such as 0.25; found {self.generator_size!r}.")
        check_shares(self.shares)

    def bind(self, info: DataInfo) -> "GeneratorObjective":
        mask_id(info.vocabulary)
        return super().bind(info)

    @property
    def predictions(self) -> int:
        return self.max_predictions or max(1, round(self.mask_rate * self.data.seq_len))

    @functools.cached_property
    def _masking(self) -> Masking:
        vocabulary = self.data.vocabulary
        shares = (self.shares[0], self.shares[1])
        return Masking(mask_id=mask_id(vocabulary), ordinary_ids=ordinary_ids(vocabulary), shares=shares)

    def arrange(self, batch: dict[str, np.ndarray], key: Key) -> dict[str, np.ndarray]:
        """Hides tokens as masked language modelling does, and adds `sample_seeds`, int32 [B, M]."""
        masked = mask_tokens(batch, key, self._masking, rate=self.mask_rate, max_predictions=self.predictions)
        return {**masked, "sample_seeds": key.bits(self.predictions, _SEEDS).view(np.int32)}

    # What is trained.

    def configure(self, config: TransformerConfig) -> TransformerConfig:
        config = super().configure(config)
        self.generator_config(config)
        return config

    def generator_config(self, config: TransformerConfig) -> TransformerConfig:
        """The generator's: as deep as the other model, and narrower.

        Raises:
          ConfigError: a family without generators, a width that heads do not divide, or one above the other model's
            with shared embeddings.
        """
        if self.sharing == "all":
            return config
        narrow = registry.family_of(config).generator
        if narrow is None:
            raise ConfigError(f"{config.family} has no generators of its own size; set objective.sharing='all'.")
        if self.generator_size > 1 and self.sharing == "embeddings":
            raise ConfigError(
                f"objective.generator_size is {self.generator_size}: a generator that shares its embeddings is no "
                "wider than the other model; set it to 1 or less, or objective.sharing='none'."
            )
        return narrow(config, self.generator_size)

    def build(self, config: TransformerConfig, *, rngs: nnx.Rngs) -> nnx.Module:
        main: Any = super().build(config, rngs=rngs)
        smaller = self.generator_config(config)
        return self._pair(main, registry.family_of(smaller).build(smaller, head="masked_lm", rngs=rngs))

    def load(self, source, config, *, mesh, rules, seed, head_init="checkpoint") -> nnx.Module:
        """The kept model from a checkpoint; the generator from `generator_from`, or with random parameters.

        See `Objective.load`.
        """
        main: Any = super().load(source, config, mesh=mesh, rules=rules, seed=seed, head_init=head_init)
        if self.generator_from:
            generator = zoo.load(
                self.generator_from,
                head="masked_lm",
                dtype=config.execution.dtype,
                param_dtype=config.execution.param_dtype,
                mesh=mesh,
                rules=None if mesh is None else rules,
            )
            return self._pair(main, generator)
        if head_init == "required":
            raise ConfigError(
                f"{source} holds no generator, whose loss is evaluated too; name its folder in "
                "objective.generator_from."
            )
        _log.warning("%s holds no generator; it is initialised at random (objective.generator_from names one)", source)
        generator = registry.create(self.generator_config(main.config), head="masked_lm", seed=seed)
        graphdef, state = nnx.split(generator)
        return self._pair(main, nnx.merge(graphdef, jax.tree.map(np.asarray, state)))  # alike in every process

    def _pair(self, main: Transformer, generator: Transformer) -> GeneratorPair:
        if self.sharing == "all":
            generator.embed, generator.stack = main.embed, main.stack
        if self.sharing == "embeddings":
            for name in ("token", "position", "token_type", "norm"):
                setattr(generator.embed, name, getattr(main.embed, name))
        return GeneratorPair(main, generator)

    def export(self, module: GeneratorPair) -> Transformer:
        return module.main

    def companions(self, module: GeneratorPair) -> Mapping[str, Transformer]:
        return {GENERATOR: module.generator}

    # Its loss.

    def fill(self, module: GeneratorPair, batch: Batch, dropout_key: Array | None) -> Filled:
        """What the generator makes of a batch. No gradient flows through the samples, which are ids."""
        positions, weights = batch["mask_positions"], batch["mask_weights"]
        generator: Any = module.generator
        out = generator(
            batch["tokens"],
            segments=batch["segments"],
            positions=batch["positions"],
            dropout_key=dropout_key,
            logits_at=positions,
        )
        logits, targets = out.logits.astype(jnp.float32), batch["mask_targets"]
        sampled = sample(logits, batch["sample_seeds"])
        length = batch["tokens"].shape[1]
        places = jnp.where(weights > 0, positions, length)  # what fills up a row goes past its end, where it is dropped
        rows = jnp.arange(len(positions))[:, None]
        original, tokens = (batch["tokens"].at[rows, places].set(ids, mode="drop") for ids in (targets, sampled))
        hidden = jnp.zeros(tokens.shape, bool).at[rows, places].set(True, mode="drop")
        return Filled(
            tokens=tokens,
            replaced=tokens != original,
            hidden=hidden,
            sums=weighted_sums(cross_entropy(logits, targets), jnp.argmax(logits, axis=-1) == targets, weights),
        )

    def scales(self, batch: Batch) -> Mapping[str, Array]:
        """Tokens of the other loss for each hidden token: what brings two means under one denominator."""
        hidden = jnp.sum(batch["mask_weights"])
        return {"generator": jnp.sum(self.main_weights(batch)) * reciprocal(hidden)}

    def main_weights(self, batch: Batch) -> Float[Array, "..."]:
        """The weights of what the loss that is not the generator's is a mean of."""
        return (batch["segments"] > 0).astype(jnp.float32)

    def joined(self, generator: Sums, main: Sums, batch: Batch, scales: Mapping[str, Array] | None) -> Sums:
        """The sums of both losses, of which each is given as `weighted_sums`."""
        scales = scales or self.scales(batch)
        return {
            **main,
            "loss": self.main_weight * main["loss"] + scales["generator"] * generator["loss"],
            "main_loss": main["loss"],
            **{f"generator_{name}": value for name, value in generator.items()},
        }

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        weight, hidden = (float(sums[name]) or 1.0 for name in ("weight", "generator_weight"))
        main, generator = float(sums["main_loss"]) / weight, float(sums["generator_loss"]) / hidden
        return {
            "loss": self.main_weight * main + generator,
            "accuracy": float(sums["correct"]) / weight,
            "main_loss": main,
            "generator_loss": generator,
            "generator_accuracy": float(sums["generator_correct"]) / hidden,
            "generator_perplexity": perplexity(generator),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReplacedTokenDetection(GeneratorObjective):
    """Whether each token is the original: ELECTRA.

    Attributes:
      over: the tokens that the discriminator's loss is over: `all`, or those that were hidden, the paper's ablation
        ELECTRA 15 %.
    """

    head: ClassVar[str] = "replaced_token_detection"
    sums: ClassVar[tuple[str, ...]] = (*GeneratorObjective.sums, "replaced", "flagged", "found")
    main_weight: float = 50.0
    over: Literal["all", "hidden"] = "all"

    def main_weights(self, batch: Batch) -> Float[Array, "..."]:
        return super().main_weights(batch) if self.over == "all" else batch["mask_weights"]

    def loss(self, module: Any, batch: Batch, *, dropout_key=None, scales: Mapping[str, Array] | None = None) -> Sums:
        keys = (None, None) if dropout_key is None else jax.random.split(dropout_key)
        filled = self.fill(module, batch, keys[0])
        out = module.main(filled.tokens, segments=batch["segments"], positions=batch["positions"], dropout_key=keys[1])
        logits, truth = out.logits.astype(jnp.float32), filled.replaced
        counted = (batch["segments"] > 0) if self.over == "all" else filled.hidden
        weights = counted.astype(jnp.float32)
        losses = optax.sigmoid_binary_cross_entropy(logits, truth.astype(jnp.float32))
        flagged = logits > 0
        counts = {
            name: weighted_sum(which.astype(jnp.float32), weights)
            for name, which in (("replaced", truth), ("flagged", flagged), ("found", flagged & truth))
        }
        main = weighted_sums(losses, flagged == truth, weights)
        return self.joined(filled.sums, main, batch, scales) | counts

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        replaced, flagged, found = (float(sums[name]) for name in ("replaced", "flagged", "found"))
        return super().metrics(sums) | {
            "precision": found / flagged if flagged else 0.0,
            "recall": found / replaced if replaced else 0.0,
            "replaced": replaced / (float(sums["weight"]) or 1.0),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReplaceMLM(GeneratorObjective):
    """Masked language modelling in which a generator's samples stand in place of mask tokens: the ablation Replace MLM.

    The model that is kept never sees a mask token, and predicts the hidden tokens alone.
    """

    head: ClassVar[str] = "masked_lm"

    def main_weights(self, batch: Batch) -> Float[Array, "..."]:
        return batch["mask_weights"]

    def loss(self, module: Any, batch: Batch, *, dropout_key=None, scales: Mapping[str, Array] | None = None) -> Sums:
        keys = (None, None) if dropout_key is None else jax.random.split(dropout_key)
        filled = self.fill(module, batch, keys[0])
        targets, weights = batch["mask_targets"], batch["mask_weights"]
        out = module.main(
            filled.tokens,
            segments=batch["segments"],
            positions=batch["positions"],
            dropout_key=keys[1],
            logits_at=batch["mask_positions"],
            targets=targets,
        )
        main = weighted_sums(out.losses, out.predicted == targets, weights)
        return self.joined(filled.sums, main, batch, scales)


def sample(logits: Float[Array, "B M V"], seeds: Int[Array, "B M"]) -> Int[Array, "B M"]:
    """A token of each distribution, by the Gumbel trick at temperature 1; the noise is a hash of seed and token."""
    columns = jnp.arange(logits.shape[-1], dtype=jnp.uint32)[None, None]
    bits = bits_at(mix(jax.lax.bitcast_convert_type(seeds, jnp.uint32))[..., None], columns)
    uniform = ((bits >> 8).astype(jnp.float32) + 0.5) * 2.0**-24
    return jnp.argmax(logits - jnp.log(-jnp.log(uniform)), axis=-1).astype(jnp.int32)
