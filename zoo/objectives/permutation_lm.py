# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Permutation language modelling (XLNet, arXiv:1906.08237, sections 2.2 to 2.5): tokens predicted in a random order.

As in the authors' code (`data_utils.py`), in which <eod> and <eop> are predicted like ordinary tokens, for rows of
running text as well as for theirs (`zoo.data.segment_pairs`), and for rows that are read backwards. Differs: special
tokens do not count as predictions.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from zoo.data.random import Key
from zoo.data.schema import BACKWARD, CONTINUES, DataInfo, Vocabulary
from zoo.errors import ConfigError
from zoo.nn.config import TransformerConfig
from zoo.objectives.loss import TOKEN_SUMS, loss_options, mean_nll, perplexity, token_sums
from zoo.objectives.masking import listed
from zoo.objectives.objective import Batch, Objective, Sums
from zoo.objectives.permutation import SpanUnit, choose_spans, draw_order

_MEMORY = "memory"  # of what is carried: [B, L, S, D]
_ORDINARY = ("<eod>", "<eop>")  # special by name alone: the authors' code predicts them like any other token


@dataclasses.dataclass(frozen=True, kw_only=True)
class PermutationLM(Objective):
    """Predicts spans of tokens in a random order, each from the tokens before it in that order and its position.

    A second stream of activations, without knowledge of the token, exists for the predicted positions alone.

    Attributes:
      k: K of the paper (section 2.3, partial prediction): one token in K is predicted, each span in a context of K
        times its length (`mask_alpha` / `mask_beta` of the code).
      num_predict: M, the tokens that are predicted of a row, those of its two parts in proportion to their lengths; 0
        is 1 in K.
      unit: of a span, of which it has 1 to 5. `token` is the paper's (section 3.1) and the released code's, `word` what
        that code means to do: its test for the end of a word reads the token at the span's beginning.
      reuse_len: tokens of a row's first part, which sees nothing of the second one; 0 is half of `data.seq_len`. Of
        rows with a pair of segments it is the running text, `data.stride`.
      mem_len: tokens of the memory that each row hands to the same row of the next batch: the inputs of every layer at
        its first part and, as far as they fit, at the first parts before it (384 in the README). It is part of a
        run's state. Data have to be in the order `stream` with `reuse_len` as their stride. A stream begins with zeros,
        which are attended to as in the authors' code.
      perm_size: tokens of a block, which is permuted on its own and comes after the blocks before it; 0 is the shorter
        part.
      z_loss: as of `CausalLM`.
    """

    head: ClassVar[str] = "permutation_lm"
    needs: ClassVar[frozenset[str]] = frozenset({"tokens", "segments", "word_starts"})
    reads_rearranged: ClassVar[bool] = True
    sums: ClassVar[tuple[str, ...]] = TOKEN_SUMS
    k: float = 6.0
    num_predict: int = 0
    unit: SpanUnit = "token"
    reuse_len: int = 0
    perm_size: int = 0
    mem_len: int = 0
    z_loss: float = 0.0

    def __post_init__(self):
        loss_options(self.z_loss)
        if not 1.0 <= self.k < math.inf:
            raise ConfigError(
                f"objective.k is K, in which one token is predicted, and must be 1 or more, such as 6.0; found "
                f"{self.k!r}."
            )
        for name in ("num_predict", "reuse_len", "perm_size", "mem_len"):
            if getattr(self, name) < 0:
                zero = "no memory" if name == "mem_len" else "automatic"
                raise ConfigError(f"objective.{name} must be 0 ({zero}) or more; found {getattr(self, name)}.")

    def bind(self, info: DataInfo) -> "PermutationLM":
        if "word_starts" not in info.schema:
            raise ConfigError(
                "Permutation language modelling needs to know where words begin, where its spans do; set "
                "data.word_starts=True, on data of type 'text'."
            )
        _check_special(info.vocabulary)
        bound = super().bind(info)
        bound._check_sizes()
        bound._check_pair()
        bound._check_stream()
        return bound

    def configure(self, config: TransformerConfig) -> TransformerConfig:
        config = super().configure(config)
        if self.mem_len and config.memory_length:
            raise ConfigError(
                f"model.memory_length is {config.memory_length}, which cuts the memory before objective.mem_len does; "
                "set model.memory_length=0."
            )
        return config

    @property
    def predictions(self) -> int:
        return self.num_predict or max(1, int(self.data.seq_len / self.k))

    @property
    def parts(self) -> tuple[int, int]:
        """Tokens of the two parts of a row."""
        first = self.reuse_len or self.data.seq_len // 2
        return first, self.data.seq_len - first

    @property
    def block(self) -> int:
        """Tokens of a block."""
        return self.perm_size or min(self.parts)

    def arrange(self, batch: dict[str, np.ndarray], key: Key) -> dict[str, np.ndarray]:
        """What the model is given and is to predict.

        `tokens`, `token_types` and `order` are int32 [B, T], `target_positions` and `targets` int32 [B, M] and
        `target_weights` float32 [B, M]; of a row with fewer than M predictions the last ones have position T.
        """
        tokens, segments = batch["tokens"], batch["segments"]
        there = segments > 0
        functional = there & self._functional[tokens]
        backward = batch.get(BACKWARD, np.zeros(len(tokens))) > 0
        predicted = self._predicted(there & ~functional, there & (batch["word_starts"] > 0), backward, key)
        positions, chosen = listed(predicted, self.predictions)
        targets = np.where(chosen, np.take_along_axis(tokens, positions, axis=1), 0)
        kept = {CONTINUES: batch[CONTINUES]} if self.mem_len else {}
        return kept | {
            "tokens": tokens,
            # Only equality counts. The memory has type 0, as the first document, and the classifying token its own.
            "token_types": np.where(tokens == self._cls_id, -1, np.maximum(segments - 1, 0)).astype(np.int32),
            "order": draw_order(predicted | functional, there, key, reuse_len=self.parts[0], perm_size=self.block),
            "target_positions": np.where(chosen, positions, tokens.shape[1]).astype(np.int32),
            "targets": targets.astype(np.int32),
            "target_weights": chosen.astype(np.float32),
        }

    def _predicted(
        self,
        candidates: Bool[np.ndarray, "B T"],
        starts: Bool[np.ndarray, "B T"],
        backward: Bool[np.ndarray, "B"],
        key: Key,
    ) -> Bool[np.ndarray, "B T"]:
        """Spans are of the text as it was written, in backward rows too."""
        first, rest = self.parts
        second = max(0, min(self.predictions * rest // (first + rest), rest - self._frame))
        goals, places = (self.predictions - second, second), (slice(first), slice(first, None))
        chosen = []
        for part, (place, goal) in enumerate(zip(places, goals, strict=True)):
            free, begins = (_turned(each[:, place], backward) for each in (candidates, starts))
            found = choose_spans(free, begins, goal, key, unit=self.unit, k=self.k, part=part)
            chosen.append(_turned(found, backward))
        return np.concatenate(chosen, axis=1)

    def loss(self, module: Any, batch: Batch, *, dropout_key=None) -> Sums:
        """Sums over the predictions, of rows that follow nothing."""
        empty = self.carry(module.config, batch["tokens"].shape[0])
        carry = {name: jnp.zeros(each.shape, each.dtype) for name, each in empty.items()}
        return self.loss_and_carry(module, batch, carry, dropout_key=dropout_key)[0]

    def carry(self, config: TransformerConfig, rows: int) -> Mapping[str, jax.ShapeDtypeStruct]:
        if not self.mem_len:
            return {}
        shape = (rows, config.num_layers, self.mem_len, config.width)
        return {_MEMORY: jax.ShapeDtypeStruct(shape, jnp.dtype(config.execution.dtype))}

    def loss_and_carry(
        self, module: Any, batch: Batch, carry: Mapping[str, Array], *, dropout_key=None, **options
    ) -> tuple[Sums, Mapping[str, Array]]:
        del options
        inputs = {name: batch[name] for name in ("token_types", "order", "target_positions", "targets")}
        if self.mem_len:
            follows = batch[CONTINUES][:, None, None, None] > 0
            inputs["memory"] = jnp.where(follows, carry[_MEMORY], 0).transpose(1, 2, 0, 3)  # layers, tokens, rows
        out = module(batch["tokens"], **inputs, loss_options=loss_options(self.z_loss), dropout_key=dropout_key)
        if self.mem_len:
            # Of the memory and the row the model gives all; the last of the memory and the first part are kept.
            first = self.parts[0]
            kept = [layer[first : first + self.mem_len].swapaxes(0, 1) for layer in out.memory]
            carry = {_MEMORY: jnp.stack(kept, axis=1).astype(carry[_MEMORY].dtype)}
        return token_sums(out, batch["targets"], batch["target_weights"]), carry

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        return super().metrics(sums) | {"perplexity": perplexity(mean_nll(sums))}

    # What the data decide.

    @functools.cached_property
    def _functional(self) -> np.ndarray:
        """Of each id whether it is special: never predicted, and seen by those after it alone."""
        vocabulary = self.data.vocabulary
        table = np.zeros(vocabulary.vocab_size, bool)
        table[sorted(set(vocabulary.special_ids) - {vocabulary.token_to_id(name) for name in _ORDINARY})] = True
        return table

    @property
    def _cls_id(self) -> int | None:
        return self.data.vocabulary.cls_id

    @property
    def _frame(self) -> int:
        """Special tokens of a row: a separator, or two, and a classifying token."""
        return 3 if self.data.segments == "pair" else 2

    def _check_pair(self) -> None:
        """ConfigError for a first part that is not the running text of rows with a pair of segments."""
        first = self.parts[0]
        if self.data.segments == "pair" and self.data.stride != first:
            raise ConfigError(
                f"data.segments is 'pair', whose rows begin with {self.data.stride} tokens of text (data.stride), and "
                f"objective.reuse_len is {first}; set data.stride to {first}, or objective.reuse_len to "
                f"{self.data.stride}."
            )

    def _check_stream(self) -> None:
        """ConfigError for a memory where rows do not follow one another, or know what they are to predict."""
        if not self.mem_len:
            return
        first = self.parts[0]
        if CONTINUES not in self.data.schema:
            raise ConfigError(
                f"objective.mem_len is {self.mem_len}, and a memory needs rows that follow one another; set "
                f"data.order='stream' and data.stride={first}, or mem_len=0."
            )
        if self.data.stride != first:
            raise ConfigError(
                f"objective.mem_len is {self.mem_len}, and the memory of a row ends with its first part, of {first} "
                f"tokens (objective.reuse_len), behind which the next row has to begin; set data.stride to {first} "
                f"(it is {self.data.stride})."
            )

    def _check_sizes(self) -> None:
        """ConfigError for a row that cannot be split into these parts and blocks, or holds too few tokens."""
        length, (first, second) = self.data.seq_len, self.parts
        if not 0 < first < length:
            raise ConfigError(
                f"objective.reuse_len must be fewer tokens than data.seq_len, {length}; found {first}. The paper's is "
                f"half of them, {length // 2}."
            )
        if first % self.block or second % self.block:
            whole = math.gcd(first, second)
            nearest = min((size for size in range(1, whole + 1) if not whole % size), key=lambda x: abs(x - self.block))
            raise ConfigError(
                f"objective.perm_size {self.block} does not divide both parts of a row, of {first} and {second} tokens "
                f"(objective.reuse_len, and the rest of data.seq_len); set it to {nearest}"
                + (f", or data.seq_len to {length + length % 2}." if not self.reuse_len and length % 2 else ".")
            )
        if self.predictions > (most := length - self._frame):
            raise ConfigError(
                f"objective.num_predict is {self.predictions}, and a row has {most} tokens that can be predicted "
                f"(data.seq_len {length} without the special tokens at its end); set it to {most} or less."
            )


def _turned(values: Bool[np.ndarray, "B P"], backward: Bool[np.ndarray, "B"]) -> Bool[np.ndarray, "B P"]:
    """The values with some rows in reverse; the same again is as before."""
    return np.where(backward[:, None], values[:, ::-1], values)


def _check_special(vocabulary: Vocabulary) -> None:
    """ConfigError for a tokenizer without the tokens that end a row."""
    lacking = [
        name
        for name, index in (("separator", vocabulary.sep_id), ("classifying token", vocabulary.cls_id))
        if index is None
    ]
    if lacking:
        raise ConfigError(
            "A row of permutation language modelling has a separator and a classifying token, and the tokenizer has no "
            f"{' and no '.join(lacking)}; use XLNet's (data.tokenizer.path=xlnet-base-cased), or train one with its "
            "tokens (data.tokenizer.special=xlnet)."
        )
