# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The names that `zoo.load`, `zoo.config` and `zoo.tokenizer` know, each with its family, config and Hub repository."""

import dataclasses
import difflib
from pathlib import Path

import jax
from flax import nnx

from zoo.checks import suggest_arguments
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One published model; repository and licence are None if its weights were never released."""

    name: str
    family: Family
    config: TransformerConfig
    repository: str | None
    licence: str | None


def _entry(name: str, family: Family) -> Entry:
    repository, licence = family.release(name) or (None, None)
    return Entry(name=name, family=family, config=family.sizes[name], repository=repository, licence=licence)


ENTRIES: dict[str, Entry] = {name: _entry(name, family) for family in FAMILIES.values() for name in family.sizes}


def lookup(name: str) -> Entry:
    """The entry of a registry name; a path or an unknown name is a ConfigError that says so or lists the nearest."""
    if name in ENTRIES:
        return ENTRIES[name]
    if name and Path(name).expanduser().exists():
        raise ConfigError(
            f"{name!r} is a path, not a name in the registry; zoo.load opens it, and a run starts from it by init_from."
        )
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


@suggest_arguments(
    rngs="seed", key="seed", num_labels="zoo.config(name, num_labels=...)", dtype="zoo.config(name, dtype=...)"
)
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
