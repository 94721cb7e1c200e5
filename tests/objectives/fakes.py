# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What a model answers to targets, from logits given by hand; data that were never read."""

import dataclasses
from types import SimpleNamespace

import jax.numpy as jnp

from zoo.data.schema import DataInfo, Feature
from zoo.kernels.softmax_xent import softmax_xent

PACKED = {name: Feature(kind="tokens") for name in ("tokens", "segments", "positions")}


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """A tokenizer's ids."""

    vocab_size: int = 997
    special_ids: frozenset = frozenset()
    pad_id: int | None = None
    bos_id: int | None = None
    eos_id: int | None = None
    mask_id: int | None = None
    cls_id: int | None = None
    sep_id: int | None = None
    sentinels: int = 0
    others: dict = dataclasses.field(default_factory=dict)

    def token_to_id(self, token):
        """Sentinels are the last ids, number 0 the highest; `others` are of any name."""
        names = [f"<extra_id_{number}>" for number in range(self.sentinels)]
        return self.vocab_size - 1 - names.index(token) if token in names else self.others.get(token)


def info(seq_len=16, schema=PACKED, bytes_per_token=None, **vocabulary):
    """Of data of such a schema and vocabulary."""
    return DataInfo(
        vocabulary=Vocabulary(**vocabulary), schema=schema, seq_len=seq_len, bytes_per_token=bytes_per_token
    )


def answer(logits, targets, loss_options):
    """What a head of these logits answers: that of an output projection which changes nothing."""
    options = dataclasses.asdict(loss_options)
    found = softmax_xent(logits.astype(jnp.float32), jnp.eye(logits.shape[-1]), targets, **options)
    return SimpleNamespace(losses=found.loss, predicted=found.predicted, nll=found.nll)


def constant_model(logits):
    """Has these logits whatever it reads."""
    return lambda tokens, *, targets, loss_options, **_: answer(logits, targets, loss_options)
