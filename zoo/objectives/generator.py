# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A small generator that fills in masked tokens for a second model (ELECTRA, arXiv:2003.10555, section 2).

As the authors' code does it: 85 % of the chosen tokens are masked, 15 % stay and none is random. Unlike there,
positions are drawn without replacement (there, the samples of a position drawn twice become the id of an unrelated
token), and the fraction is of the tokens that may be masked.
"""

import abc
import dataclasses
import logging
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Shaped

import zoo
from zoo.data.random import Key
from zoo.errors import ConfigError
from zoo.kernels.dropout import bits_at, mix
from zoo.models import registry
from zoo.nn.config import TransformerConfig
from zoo.nn.transformer import Transformer
from zoo.objectives.loss import cross_entropy, perplexity, reciprocal, weighted_sums
from zoo.objectives.masked_objective import MaskedObjective
from zoo.objectives.masking import mask_tokens
from zoo.objectives.objective import Batch, Sums

GENERATOR = "generator"  # the folder of the second model
_SEEDS = 16  # purpose of random numbers
_log = logging.getLogger(__name__)


class GeneratorPair(nnx.Module):
    """A generator with a `masked_lm` head, and the model that is trained on what it fills in, which is kept.

    Attributes:
      extra: what else an objective trains, by name; it is not exported.
    """

    def __init__(self, main: Transformer, generator: Transformer, extra: Mapping[str, nnx.Module]):
        self.main, self.generator, self.extra = main, generator, nnx.Dict(extra)


class Filled(NamedTuple):
    """What a generator makes of a batch.

    Attributes:
      tokens: with samples in place of the hidden tokens. original: without. replaced: where these differ.
      hidden: whether a token was chosen to be filled in.
      sums: of the generator's own loss, over the hidden tokens (`weighted_sums`).
    """

    tokens: Int[Array, "B T"]
    original: Int[Array, "B T"]
    replaced: Bool[Array, "B T"]
    hidden: Bool[Array, "B T"]
    sums: Sums


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorObjective(MaskedObjective, abc.ABC):
    """What the objectives with a generator share.

    The loss is the mean over the hidden tokens of the generator's, and `main_weight` times the mean of the other one.

    Attributes:
      mask_rate, max_predictions, shares: of what the generator fills in, as of `MaskedObjective`; ELECTRA's large has a
        rate of 0.25.
      generator_size: the generator's width, heads and inner width as a fraction of the other model's (section 3.2).
      sharing: what both have in common: `embeddings` (of tokens, positions and types, and their norm), `none`, or
        `all`, one stack with two heads.
      generator_from: registry name or folder of the generator's weights, where the run starts from a checkpoint.
      main_weight: of the loss that is not the generator's.
    """

    sums: ClassVar[tuple[str, ...]] = (
        *("loss", "weight", "correct", "main_loss", "generator_loss", "generator_correct", "generator_weight"),
    )
    shares: tuple[float, ...] = (0.85, 0.0, 0.15)
    generator_size: float = 0.25
    sharing: Literal["embeddings", "none", "all"] = "embeddings"
    generator_from: str = ""
    main_weight: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        if self.generator_size <= 0:
            raise ConfigError(f"objective.generator_size must be above 0, such as 0.25; found {self.generator_size!r}.")

    def arrange(self, batch: dict[str, np.ndarray], key: Key) -> dict[str, np.ndarray]:
        """Hides tokens as masked language modelling does, and adds `sample_seeds`, int32 [B, M]."""
        masked = mask_tokens(batch, key, self.masking, rate=self.mask_rate, max_predictions=self.predictions)
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
        generator = registry.family_of(smaller).build(smaller, head="masked_lm", rngs=rngs)
        return self._pair(main, generator, self.extra(config, rngs=rngs))

    def load(self, source, config, *, mesh, rules, seed, head_init="checkpoint") -> nnx.Module:
        """The kept model from a checkpoint; the generator from `generator_from`, or with random parameters.

        See `Objective.load`.
        """
        main: Any = super().load(source, config, mesh=mesh, rules=rules, seed=seed, head_init=head_init)
        extra = {name: _on_host(each) for name, each in self.extra(config, rngs=nnx.Rngs(jax.random.key(seed))).items()}
        if self.generator_from:
            generator = zoo.load(
                self.generator_from,
                head="masked_lm",
                dtype=config.execution.dtype,
                param_dtype=config.execution.param_dtype,
                mesh=mesh,
                rules=None if mesh is None else rules,
            )
            self._check_shared(main, generator)
            return self._pair(main, generator, extra)
        if head_init == "required":
            raise ConfigError(
                f"{source} holds no generator, whose loss is evaluated too; name its folder in "
                "objective.generator_from."
            )
        _log.warning("%s holds no generator; it is initialised at random (objective.generator_from names one)", source)
        generator = registry.create(self.generator_config(main.config), head="masked_lm", seed=seed)
        return self._pair(main, _on_host(generator), extra)

    def _check_shared(self, main: Transformer, generator: Transformer) -> None:
        """ConfigError for a generator from a checkpoint that was not trained with the embeddings of the other model."""
        if self.sharing == "none":
            return
        if self.sharing == "all":
            raise ConfigError(
                f"objective.generator_from is {self.generator_from!r} and objective.sharing 'all': the generator's "
                "layers are then those of the model itself; leave generator_from empty."
            )
        ours, theirs = (each.embed.token.embedding[...] for each in (main, generator))
        if not jnp.array_equal(ours, theirs):
            raise ConfigError(
                f"{self.generator_from} has other token embeddings than the model, and objective.sharing is "
                "'embeddings', by which the model's take their place; set objective.sharing='none', or name the "
                "generator that was trained with this model."
            )

    def _pair(self, main: Transformer, generator: Transformer, extra: Mapping[str, nnx.Module]) -> GeneratorPair:
        if self.sharing == "all":
            generator.embed, generator.stack = main.embed, main.stack
        if self.sharing == "embeddings":
            for name in ("token", "position", "token_type", "norm"):
                setattr(generator.embed, name, getattr(main.embed, name))
        return GeneratorPair(main, generator, extra)

    def extra(self, config: TransformerConfig, *, rngs: nnx.Rngs) -> Mapping[str, nnx.Module]:
        """What is trained besides the two models, with random parameters."""
        del config, rngs
        return {}

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
        original, tokens = (_put(batch["tokens"], places, ids) for ids in (targets, sampled))
        hidden = _put(jnp.zeros(tokens.shape, bool), places, jnp.ones(places.shape, bool))
        return Filled(
            tokens=tokens,
            original=original,
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


@jax.vmap  # of one index into all rows, the partitioner gathers every device's
def _put(row: Shaped[Array, "T"], places: Int[Array, "M"], values: Shaped[Array, "M"]) -> Shaped[Array, "T"]:
    return row.at[places].set(values, mode="drop")


def sample(logits: Float[Array, "B M V"], seeds: Int[Array, "B M"]) -> Int[Array, "B M"]:
    """A token of each distribution, by the Gumbel trick at temperature 1; the noise is a hash of seed and token."""
    columns = jnp.arange(logits.shape[-1], dtype=jnp.uint32)[None, None]
    bits = bits_at(mix(jax.lax.bitcast_convert_type(seeds, jnp.uint32))[..., None], columns)
    uniform = ((bits >> 8).astype(jnp.float32) + 0.5) * 2.0**-24
    return jnp.argmax(logits - jnp.log(-jnp.log(uniform)), axis=-1).astype(jnp.int32)


def _on_host(module: Any) -> Any:
    """The module with its parameters as NumPy arrays, which are alike in every process."""
    graphdef, state = nnx.split(module)
    return nnx.merge(graphdef, jax.tree.map(np.asarray, state))
