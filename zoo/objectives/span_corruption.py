# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Span corruption (T5, arXiv:1910.10683, sections 3.1.4 and 3.3.4) and mixtures of denoisers (UL2, arXiv:2205.05131,
section 3.1.2).

As in the authors' code, documents one behind another are cut into rows of one length, and spans cross their borders.
Differs: the end token that follows each document in the data stays in a row, where theirs puts nothing between
documents; all denoisers of a mixture read rows of the same length, where UL2's code cuts each its own; a short last row
is padded.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from zoo import checks
from zoo.data.random import Key
from zoo.data.schema import DataInfo
from zoo.errors import ConfigError
from zoo.nn.config import TransformerConfig
from zoo.nn.encoder_decoder import check_start, shift_right
from zoo.objectives.loss import TOKEN_SUMS, loss_options, mean_nll, perplexity, token_sums
from zoo.objectives.objective import Batch, Objective, Sums
from zoo.objectives.spans import DENOISERS, Denoiser, Lengths, Spans, Tokens, corrupt, draw_noise

SENTINEL = "<extra_id_{}>"  # in T5's vocabularies the last ids, of which number 0 is the highest
_DEFAULT = Spans()
_T5 = "use T5's (data.tokenizer.path=t5-small), or train one with its tokens (data.tokenizer.special=t5)."


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpanCorruption(Objective):
    """An encoder reads a text with spans replaced by sentinels; a decoder writes the sentinels and what was there.

    `data.seq_len` is the length of the text. Those of encoder and decoder follow from it, end tokens included; with the
    default rates an encoder of 512 tokens takes a text of 568, and the decoder has 114.

    Attributes:
      noise_rate: the fraction of the tokens that is hidden. mean_span: tokens of a span on average.
      denoisers: a mixture by name, each of a type of `zoo.objectives.spans.DENOISERS` with its fields, in place of
        these two. A row has one of them, and encoder and decoder the length of the longest.
      inputs_length: tokens of the encoder, for which `data.seq_len` has to be the longest text that fits; 0 is what
        that text takes.
      targets_length: tokens of the decoder, where padding should bring them to a round number; 0 is what they take.
      z_loss: as of `CausalLM`.
    """

    head: ClassVar[str] = "seq2seq_lm"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments"})
    sums: ClassVar[tuple[str, ...]] = TOKEN_SUMS
    noise_rate: float = _DEFAULT.rate
    mean_span: float = _DEFAULT.mean_span
    denoisers: dict[str, Denoiser] = dataclasses.field(
        default_factory=dict, metadata=checks.types(lambda: DENOISERS), hash=False
    )
    inputs_length: int = 0
    targets_length: int = 0
    z_loss: float = 0.0

    def __post_init__(self):
        loss_options(self.z_loss)
        if self.denoisers and (self.noise_rate, self.mean_span) != (_DEFAULT.rate, _DEFAULT.mean_span):
            raise ConfigError(
                f"objective.denoisers has rates and spans of its own, so that noise_rate {self.noise_rate!r} and "
                f"mean_span {self.mean_span!r} have no effect; leave them out."
            )
        if not 0.0 < self.noise_rate < 1.0:
            raise ConfigError(
                f"objective.noise_rate must be above 0 and below 1, such as 0.15; found {self.noise_rate!r}."
            )
        for where, denoiser in self.mixture.items():
            denoiser.check(where)
        for name in ("inputs_length", "targets_length"):
            if getattr(self, name) < 0:
                raise ConfigError(f"objective.{name} must be 0 (automatic) or more; found {getattr(self, name)}.")

    @functools.cached_property
    def mixture(self) -> dict[str, Denoiser]:
        """The denoisers by the names of their groups; one where no mixture is given."""
        named = {f"objective.denoisers.{name}": denoiser for name, denoiser in self.denoisers.items()}
        return named or {"objective": Spans(rate=self.noise_rate, mean_span=self.mean_span)}

    def lengths(self, seq_len: int) -> tuple[int, int, int]:
        """Of texts of at most so many tokens: the tokens of encoder and decoder, and sentinels, at most."""
        found = self._longest(seq_len)
        return int(found.inputs[-1]), int(found.targets[-1]), int(found.sentinels[-1])

    def raw_length(self, inputs_length: int) -> int:
        """The longest text that an encoder of so many tokens takes (`random_spans_helper`); 1 if it takes none."""
        kept = 1 - min(denoiser.rate for denoiser in self.mixture.values())
        found = self._longest(math.ceil(inputs_length / kept) + 2)
        return max(int(np.searchsorted(found.inputs, inputs_length, side="right")), 1)

    def _longest(self, seq_len: int) -> Lengths:
        """For texts of at most 1, 2, ... `seq_len` tokens, what the longest take with any of the denoisers."""
        found = [denoiser.lengths(np.arange(1, seq_len + 1)) for denoiser in self.mixture.values()]
        return Lengths(*(np.maximum.accumulate(np.max(each, axis=0)) for each in zip(*found, strict=True)))

    def bind(self, info: DataInfo) -> "SpanCorruption":
        if info.segments == "documents":
            raise ConfigError(
                "data.segments is 'documents', and span corruption reads across documents as T5 does; set "
                "data.segments='sequence'."
            )
        for where, denoiser in self.mixture.items():
            denoiser.check_length(info.seq_len, where)
        self._check_lengths(info.seq_len)
        self._special(info)
        return super().bind(info)

    def configure(self, config: TransformerConfig) -> TransformerConfig:
        config = super().configure(config)
        check_start(config)
        return config

    @property
    def predictions(self) -> int:
        return self._sizes[1]

    @property
    def sequence_lengths(self) -> Mapping[str, int]:
        return dict(zip(("objective.inputs_length", "objective.targets_length"), self._sizes, strict=True))

    def arrange(self, batch: dict[str, np.ndarray], key: Key) -> dict[str, np.ndarray]:
        """`tokens` and `segments` of the encoder, `targets` and `target_weights` of the decoder; see `corrupt`."""
        lengths = (batch["segments"] > 0).sum(axis=1)
        (inputs, targets), denoisers = self._sizes, [*self.mixture.values()]
        noise, chosen = draw_noise(lengths, denoisers, key, length=batch["tokens"].shape[1])
        sizes = dict(inputs_length=inputs, targets_length=targets)
        return corrupt(batch["tokens"], lengths, noise, chosen, denoisers, self._tokens, **sizes)

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        targets = batch["targets"]
        out = module(
            batch["tokens"],
            segments=batch["segments"],
            decoder_tokens=shift_right(module.config, targets),
            targets=targets,
            loss_options=loss_options(self.z_loss),
            dropout_key=dropout_key,
        )
        return token_sums(out, targets, batch["target_weights"])

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        return super().metrics(sums) | {"perplexity": perplexity(mean_nll(sums))}

    # What the data decide.

    @functools.cached_property
    def _sizes(self) -> tuple[int, int]:
        inputs, targets, _ = self.lengths(self.data.seq_len)
        return inputs, self.targets_length or targets

    @functools.cached_property
    def _tokens(self) -> Tokens:
        return self._special(self.data)

    def _special(self, info: DataInfo) -> Tokens:
        """ConfigError for a vocabulary without an end token, a mode token, or as many sentinels as a row needs."""
        vocabulary, needed = info.vocabulary, self.lengths(info.seq_len)[2]
        eos = vocabulary.eos_id
        if eos is None:
            raise ConfigError(f"Inputs and targets end with an end token, which the tokenizer lacks; {_T5}")
        sentinels = [vocabulary.token_to_id(SENTINEL.format(number)) for number in range(needed)]
        if None in sentinels:
            raise ConfigError(self._too_few(sentinels.index(None), needed, info.seq_len))
        names = [denoiser.mode for denoiser in self.mixture.values()]
        modes = [vocabulary.token_to_id(name) if name else -1 for name in names]
        if None in modes:
            raise ConfigError(
                f"The tokenizer has no token {names[modes.index(None)]!r}, which a denoiser of objective.denoisers has "
                "as its mode; add it to the tokenizer, or set mode=''."
            )
        pad = eos if vocabulary.pad_id is None else vocabulary.pad_id
        return Tokens(sentinels=np.array(sentinels, np.int32), modes=np.array(modes, np.int32), eos=eos, pad=pad)

    def _too_few(self, present: int, needed: int, seq_len: int) -> str:
        what = (
            f"A row of {seq_len} tokens has up to {needed} spans, which need the sentinels {SENTINEL.format(0)} to "
            f"{SENTINEL.format(needed - 1)}, and the tokenizer has {present} of them; "
        )
        fitting = int(np.searchsorted(self._longest(seq_len).sentinels, present, side="right"))
        return what + (f"set data.seq_len to {fitting}, a lower rate or longer spans." if fitting > 1 else _T5)

    def _check_lengths(self, seq_len: int) -> None:
        """ConfigError for lengths of encoder and decoder that are not those of the text."""
        inputs, targets, _ = self.lengths(seq_len)
        if self.inputs_length and inputs != self.inputs_length:
            raise ConfigError(self._other_length(seq_len, inputs))
        if self.targets_length and self.targets_length < targets:
            raise ConfigError(
                f"objective.targets_length is {self.targets_length}, and texts of {seq_len} tokens (data.seq_len) take "
                f"{targets}; set it to {targets} or more, or to 0."
            )

    def _other_length(self, seq_len: int, inputs: int) -> str:
        raw = self.raw_length(self.inputs_length)
        whole = self.lengths(raw)[0]
        what = f"Texts of {seq_len} tokens (data.seq_len) take {inputs} in the encoder, and objective.inputs_length is "
        if raw > 1 and whole == self.inputs_length:
            return f"{what}{self.inputs_length}; set data.seq_len to {raw}, or objective.inputs_length to {inputs}."
        return f"{what}{self.inputs_length}, which no text takes; set objective.inputs_length to {inputs}, or to 0."
