# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Masked language modelling together with the label of a pair of texts: next-sentence prediction (BERT,
arXiv:1810.04805, section 3.1) and sentence-order prediction (ALBERT, arXiv:1909.11942, section 3.1).

The pairs are those of `zoo.data.sentence_pairs`; the tokens of both texts are hidden as by `mlm`. Of pairs that are
packed into rows, the budget of hidden tokens is the row's.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import jax.numpy as jnp
from jaxtyping import Array

from zoo.data.pairs import Kind
from zoo.data.schema import DataInfo
from zoo.data.sentence_pairs import CLASSES
from zoo.errors import ConfigError
from zoo.objectives.head_logits import is_example, num_places
from zoo.objectives.loss import (
    TOKEN_SUMS,
    cross_entropy,
    loss_options,
    mean_nll,
    perplexity,
    reciprocal,
    token_sums,
    weighted_sums,
)
from zoo.objectives.masked_lm import MaskedLM
from zoo.objectives.objective import Batch, Sums

Bound = TypeVar("Bound", bound="PairObjective")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairObjective(MaskedLM, abc.ABC):
    """The mean loss of the hidden tokens, and the mean cross-entropy of the label from the pooled first token.

    Both count alike, whatever the number of hidden tokens in a batch. The fields are those of `MaskedLM`.

    Attributes:
      kind: of the pairs (`data.pairs`).
    """

    head: ClassVar[str] = "pretraining"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "positions", "token_types", "label"})
    sums: ClassVar[tuple[str, ...]] = (*(*TOKEN_SUMS, "mlm_loss", "pair_loss", "pair_weight", "pair_correct"),)
    reads_packed: ClassVar[bool] = True
    kind: ClassVar[Kind]

    def bind(self: Bound, info: DataInfo) -> Bound:
        """See `Objective.bind`.

        Raises:
          ConfigError: data without pairs, or with pairs of another kind.
        """
        label = info.schema.get("label")
        if label is None or "token_types" not in info.schema or label.classes != CLASSES[self.kind]:
            raise ConfigError(
                f"{type(self).__name__} reads pairs of texts labelled {' or '.join(CLASSES[self.kind])}, and the data "
                f"have {_found(info)}; set data.type='sentence_pairs' with data.pairs={self.kind!r}, and "
                "data.sentences to what a sentence of the text is ('line' or 'punctuation')."
            )
        return super().bind(info)

    def scales(self, batch: Batch) -> Mapping[str, Array]:
        """Hidden tokens for each pair: what brings two means under one denominator."""
        pairs = jnp.sum(is_example(batch).astype(jnp.float32))
        return {"pair": jnp.sum(batch["mask_weights"]) * reciprocal(pairs)}

    def loss(self, module: Any, batch: Batch, *, dropout_key=None, scales: Mapping[str, Array] | None = None) -> Sums:
        out = module(
            batch["tokens"],
            token_types=batch["token_types"] if module.config.num_token_types > 1 else None,
            segments=batch["segments"],
            positions=batch["positions"],
            dropout_key=dropout_key,
            logits_at=batch["mask_positions"],
            targets=batch["mask_targets"],
            loss_options=loss_options(self.z_loss),
            num_segments=num_places(batch),
        )
        mlm = token_sums(out, batch["mask_targets"], batch["mask_weights"])
        logits, label = out.pair_logits.astype(jnp.float32), batch["label"]
        is_pair = is_example(batch).astype(jnp.float32)
        pair = weighted_sums(cross_entropy(logits, label), jnp.argmax(logits, axis=-1) == label, is_pair)
        scales = scales or self.scales(batch)
        return {
            **mlm,
            "loss": mlm["loss"] + scales["pair"] * pair["loss"],
            "mlm_loss": mlm["loss"],
            **{f"pair_{name}": value for name, value in pair.items()},
        }

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        hidden, pairs = (float(sums[name]) or 1.0 for name in ("weight", "pair_weight"))
        mlm, pair = float(sums["mlm_loss"]) / hidden, float(sums["pair_loss"]) / pairs
        return {
            "loss": mlm + pair,
            "mlm_loss": mlm,
            "accuracy": float(sums["correct"]) / hidden,
            "perplexity": perplexity(mean_nll(sums)),
            "pair_loss": pair,
            "pair_accuracy": float(sums["pair_correct"]) / pairs,
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class NextSentence(PairObjective):
    """Masked tokens, and whether the second text follows the first (0) or is a random one (1)."""

    kind: ClassVar[Kind] = "next"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SentenceOrder(PairObjective):
    """Masked tokens, and whether two consecutive texts are in order (0) or swapped (1)."""

    kind: ClassVar[Kind] = "order"


def _found(info: DataInfo) -> str:
    label = info.schema.get("label")
    if label is None:
        return f"no label (their fields are {', '.join(info.schema)})"
    return f"the label {' or '.join(label.classes) or label.kind}" if "token_types" in info.schema else "single texts"
