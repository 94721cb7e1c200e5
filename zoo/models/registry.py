# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Every name that `zoo.load`, `zoo.config` and `zoo.tokenizer` know: its family, config, Hub repository and licence."""

import dataclasses
import difflib

import jax
from flax import nnx

from zoo.errors import ConfigError
from zoo.models import albert, bert, distilbert, electra, gpt, gpt2, gpt3, roberta, t5, transformer, xlnet
from zoo.models.family import Family
from zoo.nn.config import TransformerConfig
from zoo.nn.transformer import Transformer

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        bert.FAMILY,
        roberta.FAMILY,
        roberta.XLM_ROBERTA,
        roberta.CAMEMBERT,
        albert.FAMILY,
        electra.FAMILY,
        distilbert.FAMILY,
        xlnet.FAMILY,
        transformer.FAMILY,
        transformer.MARIAN,
        t5.FAMILY,
        gpt.FAMILY,
        gpt2.FAMILY,
        gpt3.FAMILY,
        gpt3.NEO,
    )
}

# Where a family's models are on the Hub, under the registry's names but for these, and by which licence.
_ORGANISATIONS = {
    "bert": ("google-bert", "Apache-2.0"),
    "roberta": ("FacebookAI", "MIT"),
    "xlm-roberta": ("FacebookAI", "MIT"),
    "camembert": ("almanach", "MIT"),
    "albert": ("albert", "Apache-2.0"),
    "electra": ("google", "Apache-2.0"),
    "distilbert": ("distilbert", "Apache-2.0"),
    "xlnet": ("xlnet", "MIT"),
    "marian": ("Helsinki-NLP", "Apache-2.0"),
    "t5": ("google", "Apache-2.0"),
    "gpt": ("openai-community", "MIT"),
    "gpt2": ("openai-community", "MIT"),
    "gpt-neo": ("EleutherAI", "MIT"),
}
_REPOSITORIES = {
    "bert-tiny": ("google/bert_uncased_L-2_H-128_A-2", "Apache-2.0"),
    "bert-mini": ("google/bert_uncased_L-4_H-256_A-4", "Apache-2.0"),
    "bert-small": ("google/bert_uncased_L-4_H-512_A-8", "Apache-2.0"),
    "bert-medium": ("google/bert_uncased_L-8_H-512_A-8", "Apache-2.0"),
    **{f"t5-{size}": (f"google-t5/t5-{size}", "Apache-2.0") for size in ("small", "base", "large", "3b", "11b")},
    "distilroberta-base": ("distilbert/distilroberta-base", "Apache-2.0"),
    "distilgpt2": ("distilbert/distilgpt2", "Apache-2.0"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One published model; repository and licence are None if its weights were never released."""

    name: str
    family: Family
    config: TransformerConfig
    repository: str | None
    licence: str | None


def _entry(name: str, family: Family) -> Entry:
    organisation, licence = _ORGANISATIONS.get(family.name, (None, None))
    usual = (f"{organisation}/{name}", licence) if organisation else (None, None)
    repository, licence = _REPOSITORIES.get(name, usual)
    return Entry(name=name, family=family, config=family.sizes[name], repository=repository, licence=licence)


ENTRIES: dict[str, Entry] = {name: _entry(name, family) for family in FAMILIES.values() for name in family.sizes}


def lookup(name: str) -> Entry:
    """The entry of a registry name; an unknown one is a ConfigError that lists the nearest."""
    if name in ENTRIES:
        return ENTRIES[name]
    near = difflib.get_close_matches(name, ENTRIES, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(ENTRIES)}."
    raise ConfigError(f"No model is called {name!r} and no such folder exists; {hint}")


def family_of(config: TransformerConfig) -> Family:
    """The family that a config belongs to."""
    if config.family not in FAMILIES:
        raise ConfigError(f"No family is called {config.family!r}; known are {', '.join(FAMILIES)}.")
    return FAMILIES[config.family]


def config(name: str, **changes) -> TransformerConfig:
    """The published config of a registry name, with some fields changed."""
    return lookup(name).config.replace(**changes)


def create(config: TransformerConfig, *, head: str | None = None, seed: int = 0) -> Transformer:
    """A model with random parameters drawn by the family's own initializer.

    Raises:
      ConfigError: for a family or head that does not exist.
    """
    if not isinstance(config, TransformerConfig):
        raise ConfigError(f"zoo.create takes a config, as zoo.config(name) gives; found {config!r:.80}.")
    # Graph and parameters are made under jit: the initializers of a large model run fused and in parallel.
    family = family_of(config)
    config = family.suit(config, head)
    abstract = family.abstract(config, head=head)
    graphdef, _ = nnx.split(abstract)
    init = jax.jit(lambda key: nnx.state(family.build(config, head=head, rngs=nnx.Rngs(key))))
    return nnx.merge(graphdef, init(jax.random.key(seed)))
