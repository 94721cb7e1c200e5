# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The n-gram language model: probabilities of texts, the next token's distribution, sampling, files."""

import dataclasses
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64, Integer

from zoo.errors import ConfigError, InputError
from zoo.models.ngram import files
from zoo.models.ngram.counts import SHARD_TOKENS, blocks, check, count
from zoo.models.ngram.estimates import Estimate, places
from zoo.models.ngram.smoothing import ModifiedKneserNey, Smoothing
from zoo.models.ngram.vocabulary import NgramVocabulary, Symbols, read_corpus

_BLOCK = 2**18  # tokens scored at a time


class Score(NamedTuple):
    """How probable a text is.

    Attributes:
      log_prob: of all tokens, nats.
      tokens: predicted ones, `</s>` and unknown words among them.
      known_log_prob: of those that are not unknown words.
      known: how many of the tokens these are.
    """

    log_prob: float
    tokens: int
    known_log_prob: float
    known: int

    @property
    def unknown(self) -> int:
        """How many of the tokens are unknown words."""
        return self.tokens - self.known

    @property
    def perplexity(self) -> float:
        """Over all tokens, as kenlm's "Perplexity including OOVs"."""
        return _perplexity(self.log_prob, self.tokens)

    @property
    def known_perplexity(self) -> float:
        """Over the tokens that are not unknown words, as kenlm's "Perplexity excluding OOVs"."""
        return _perplexity(self.known_log_prob, self.known)


@dataclasses.dataclass(frozen=True)
class NgramModel:
    """An n-gram language model with backoff: `p(w | h)` is in a table, or `backoff(h) p(w | h[1:])`.

    Token ids are those of `vocabulary`. A document begins after `<s>`, which is context and never predicted, and ends
    where `ends` says: its `</s>`, if it has one, is a token of it that is predicted and counted like any other. So is
    `<unk>`, for which the words of a text that the model does not know are taken: each counts as one token, with the
    probability of `<unk>`.

    Attributes:
      vocabulary: what the ids stand for.
      estimates: the probabilities and backoff weights of the orders 1, 2 and so on.
      unseen_log_backoff: the backoff weight of contexts that never occurred; not 0 for stupid backoff alone.
    """

    vocabulary: NgramVocabulary
    estimates: tuple[Estimate, ...]
    unseen_log_backoff: float = 0.0

    @classmethod
    def fit(
        cls,
        tokens: Integer[np.ndarray, "N"],
        ends: Integer[np.ndarray, "B"],
        vocabulary: NgramVocabulary,
        *,
        order: int = 5,
        smoothing: Smoothing | None = None,
        shard_tokens: int = SHARD_TOKENS,
        threads: int = 2,
    ) -> "NgramModel":
        """Counts documents and estimates the probabilities.

        Args:
          tokens: ids of all documents, one after the other; each document ends with its `</s>`, if there is one.
          ends: where each document ends in `tokens`.
          smoothing: by default `ModifiedKneserNey()`.
          shard_tokens: tokens counted at a time, at most.
          threads: shards counted at the same time.

        Raises:
          ConfigError: an order that cannot be. InputError: no tokens, ids outside of the vocabulary, or too few
            n-grams for the discounts of Kneser-Ney.
        """
        smoothing = smoothing or ModifiedKneserNey()
        size = vocabulary.size
        counts = count(tokens, ends, order=order, vocab_size=size, shard_tokens=shard_tokens, threads=threads)
        return cls(vocabulary, smoothing.estimate(counts), smoothing.unseen_log_backoff)

    @classmethod
    def fit_lines(
        cls,
        lines: Iterable[str],
        *,
        order: int = 5,
        smoothing: Smoothing | None = None,
        symbols: Symbols = "error",
    ) -> "NgramModel":
        """A model of the words of lines, each a document: what lmplz estimates from a file of these lines.

        Args:
          symbols: see `zoo.models.ngram.vocabulary.read_corpus`.

        Raises:
          InputError: also for `<s>`, `</s>` or `<unk>` among the words.
        """
        vocabulary, tokens, ends = read_corpus(lines, symbols=symbols)
        return cls.fit(tokens, ends, vocabulary, order=order, smoothing=smoothing)

    @property
    def order(self) -> int:
        """Tokens of the longest n-grams."""
        return len(self.estimates)

    @property
    def num_ngrams(self) -> tuple[int, ...]:
        """How many n-grams there are of each order; the unigrams include `<s>`."""
        return tuple(len(estimate.keys) for estimate in self.estimates)

    def log_probs(self, tokens: Integer[np.ndarray, "N"], ends: Integer[np.ndarray, "B"]) -> Float64[np.ndarray, "N"]:
        """Of each token, given the ones before it in its document: natural logarithms, stupid backoff's of its scores.

        Raises:
          InputError: an id outside of the vocabulary, or ends that do not belong to the tokens.
        """
        check(tokens, ends, self.vocabulary.size)
        bos = self.vocabulary.bos_id
        shards = blocks(tokens, ends, order=self.order, bos=bos, size=_BLOCK)
        found = [self._log_probs(ids)[context:][ids[context:] != bos] for ids, context in shards]
        return np.concatenate(found) if found else np.zeros(0)

    def _log_probs(self, ids: Int64[np.ndarray, "T"]) -> Float64[np.ndarray, "T"]:
        # How many tokens of its document, or of the block that begins inside it, each one comes after, `<s>` included.
        since = np.arange(len(ids))
        since -= np.maximum.accumulate(np.where(ids == self.vocabulary.bos_id, since, 0))
        result, below = self.estimates[0].log_probs[ids], ids
        for order, (lower, upper) in enumerate(zip(self.estimates, self.estimates[1:], strict=False), start=2):
            context = np.append(-1, below[:-1])
            result = np.where(since >= order - 1, self._log_backoffs(lower, context) + result, result)
            below = upper.find(context * (self.vocabulary.size + 1) + ids)
            seen = np.flatnonzero(below >= 0)
            result[seen] = upper.log_probs[below[seen]]
        return result

    def _log_backoffs(self, estimate: Estimate, places: Int64[np.ndarray, "T"]) -> Float64[np.ndarray, "T"]:
        found, seen = np.full(len(places), self.unseen_log_backoff), np.flatnonzero(places >= 0)
        found[seen] = estimate.log_backoffs[places[seen]]
        return found

    def score(self, tokens: Integer[np.ndarray, "N"], ends: Integer[np.ndarray, "B"]) -> Score:
        """The probability of documents; see `log_probs`."""
        found, unk = self.log_probs(tokens, ends), self.vocabulary.unk_id
        known = found if unk is None else found[np.asarray(tokens) != unk]
        return Score(math.fsum(found), len(found), math.fsum(known), len(known))

    def score_lines(self, lines: Iterable[str]) -> Score:
        """The probability of lines of words, each a document that ends with `</s>`."""
        return self.score(*self.vocabulary.encode(lines))

    def perplexity(self, tokens: Integer[np.ndarray, "N"], ends: Integer[np.ndarray, "B"]) -> float:
        """The exponential of the mean surprisal of a token; `</s>` and unknown words count."""
        return self.score(tokens, ends).perplexity

    def next_log_probs(self, context: Sequence[int] | Integer[np.ndarray, "T"]) -> Float64[np.ndarray, "V"]:
        """The distribution of the token after a context, natural logarithms.

        Args:
          context: ids, of which the last order-1 matter. `[vocabulary.bos_id]` is the start of a document, and `[]`
            nothing at all: the unigrams.

        Raises:
          InputError: an id that is none.
        """
        size, ids = self.vocabulary.size, [int(token) for token in context]
        if ids and not (0 <= min(ids) and max(ids) <= size):
            raise InputError(f"context must hold ids from 0 to {size} (which is <s>); found {min(ids)} to {max(ids)}.")
        result = self.estimates[0].log_probs[:size].copy()
        for length in range(1, min(len(ids), self.order - 1) + 1):
            lower, upper = self.estimates[length - 1 : length + 1]
            place = places(self.estimates[:length], list(np.array(ids[-length:])[:, None]))
            result += self._log_backoffs(lower, place)
            if place[0] >= 0:
                first, last = np.searchsorted(upper.keys, [place[0] * (size + 1), (place[0] + 1) * (size + 1)])
                result[upper.keys[first:last] % (size + 1)] = upper.log_probs[first:last]
        return result

    def sample(
        self,
        num_samples: int = 1,
        *,
        max_new_tokens: int,
        prompt: Sequence[int] = (),
        temperature: float = 1.0,
        suppress_tokens: Sequence[int] = (),
        seed: int = 0,
    ) -> list[Int64[np.ndarray, "_"]]:
        """Continues the start of a document, token by token, up to and with `</s>`.

        Args:
          num_samples: how many; a sample depends on the seed and its own number alone.
          prompt: ids that the document begins with, which the samples leave out.
          temperature: log probabilities are divided by it; 0 takes the likeliest token.
          suppress_tokens: ids that are never drawn, such as `<unk>`.

        Raises:
          ConfigError: a temperature or a number that cannot be, or no token left to draw.
        """
        if num_samples < 0 or max_new_tokens < 0 or not (math.isfinite(temperature) and temperature >= 0):
            raise ConfigError(
                "num_samples and max_new_tokens must be at least 0, and temperature a number from 0 on; found "
                f"{num_samples!r}, {max_new_tokens!r} and {temperature!r}."
            )
        allowed = np.ones(self.vocabulary.size, bool)
        if any(not 0 <= token < len(allowed) for token in suppress_tokens):
            raise ConfigError(f"suppress_tokens must be ids from 0 to {len(allowed) - 1}; found {[*suppress_tokens]}.")
        allowed[list(suppress_tokens)] = False
        if not allowed.any():
            raise ConfigError("suppress_tokens leaves no token to draw; name fewer ids.")
        return [
            np.fromiter(self._draw(prompt, draws, temperature, allowed), np.int64)
            for draws in (np.random.default_rng([seed, i]).random(max_new_tokens) for i in range(num_samples))
        ]

    def _draw(
        self,
        prompt: Sequence[int],
        draws: Float64[np.ndarray, "T"],
        temperature: float,
        allowed: Bool[np.ndarray, "V"],
    ) -> Iterator[int]:
        context = [self.vocabulary.bos_id, *prompt]
        for draw in draws:
            logits = np.where(allowed, self.next_log_probs(context), -np.inf)
            token = int(np.argmax(logits))
            if logits[token] == -np.inf:
                raise ConfigError("Every token that may be drawn has probability 0; name fewer suppress_tokens.")
            if temperature > 0:
                summed = np.cumsum(np.exp((logits - logits[token]) / temperature))
                below = np.nextafter(summed[-1], 0)  # the product may round up
                token = int(np.searchsorted(summed, min(draw * summed[-1], below), side="right"))
            yield token
            if token == self.vocabulary.eos_id:
                return
            context = [*context[1 - self.order :], token] if self.order > 1 else []

    def save(self, folder: str | os.PathLike) -> None:
        """Writes config.json and model.safetensors; ConfigError for a folder that cannot be written."""
        files.save(Path(folder), self.vocabulary, self.estimates, self.unseen_log_backoff)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "NgramModel":
        """Reads what `save` wrote; FormatError for files that are damaged, or another model's."""
        return cls(*files.load(Path(folder)))


def _perplexity(log_prob: float, tokens: int) -> float:
    if not tokens:
        raise InputError("A text without tokens has no perplexity; give at least one.")
    mean = -log_prob / tokens
    return math.exp(mean) if mean < 700 else math.inf  # a float holds e ** 709
