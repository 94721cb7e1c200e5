# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The record of a family: its published sizes, the heads that it can have, and where its weights are."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import jax
from flax import nnx

from zoo.errors import ConfigError
from zoo.nn.config import TransformerConfig
from zoo.nn.encoder_decoder import EncoderDecoder
from zoo.nn.heads import Head
from zoo.nn.transformer import Transformer


class Release(NamedTuple):
    """A repository on the Hub, and the licence of its weights."""

    repository: str
    licence: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """A family of models.

    Attributes:
      name: its key in the registry.
      sizes: the published configs by name.
      heads: the heads by the names of the public API.
      add_pooling_layer: whether a model without a head has a pooler.
      model: the class of its models, where it is not one of the two that others share.
      encoder_heads: heads that read the encoder, of a family with a decoder: their models have none.
      organisation, licence: where its models are on the Hub, under their own names, and under which licence; None if
        their weights were never released.
      releases: those that are elsewhere.
      generator: the config of the smaller model that fills in masked tokens for one of this config, by its size as a
        fraction of it; None if the family trains without one.
      special_tokens: whose special tokens a tokenizer trained for it gets; "" leaves it to the tokenizer's kind.
    """

    name: str
    sizes: Mapping[str, TransformerConfig]
    heads: Mapping[str, type[Head]]
    add_pooling_layer: bool = False
    model: type[Transformer] = Transformer
    encoder_heads: tuple[str, ...] = ()
    organisation: str | None = None
    licence: str | None = None
    releases: Mapping[str, Release] = dataclasses.field(default_factory=dict)
    generator: Callable[[TransformerConfig, float], TransformerConfig] | None = None
    special_tokens: Literal["", "bert", "roberta", "t5", "xlnet"] = ""

    def release(self, name: str) -> Release | None:
        """Where the model called `name` was published, or None."""
        if name in self.releases or self.organisation is None or self.licence is None:
            return self.releases.get(name)
        return Release(f"{self.organisation}/{name}", self.licence)

    def suit(self, config: TransformerConfig, head: str | None) -> TransformerConfig:
        """The config of a new model with that head: `causal_lm` makes the attention causal."""
        if head != "causal_lm":
            return config
        return config.replace(attention=dataclasses.replace(config.attention, causal=True))

    def build(self, config: TransformerConfig, *, head: str | None, rngs: nnx.Rngs) -> Transformer:
        """A model with random parameters, of this very config."""
        if head is not None and head not in self.heads:
            raise ConfigError(
                f"{self.name} has no head {head!r}; choose one of {', '.join(sorted(self.heads))} or None."
            )
        head_type = None if head is None else self.heads[head]
        if config.decoder_layers is not None and head not in self.encoder_heads:
            return EncoderDecoder(config, head_name=head, head_type=head_type, rngs=rngs)
        pooler = self.add_pooling_layer if head_type is None else head_type.needs_pooler
        return self.model(config, head_name=head, head_type=head_type, pooler=pooler, rngs=rngs)

    def abstract(self, config: TransformerConfig, *, head: str | None) -> Transformer:
        """The same model with shapes instead of parameters; nothing is allocated."""
        return nnx.eval_shape(lambda: self.build(config, head=head, rngs=nnx.Rngs(jax.random.key(0))))
