# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""From counts to probabilities: interpolated modified Kneser-Ney, Witten-Bell, stupid backoff.

Each gives every n-gram the probability of its last token given the others, and every context the factor with which the
next shorter context is taken for a token that did not follow it: `p(w | h) = backoff(h) p(w | h[1:])`. That is the form
of ARPA files, interpolated probabilities included.
"""

import abc
import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int64

from zoo.errors import ConfigError, InputError
from zoo.models.ngram.counts import Counts
from zoo.models.ngram.estimates import Estimate

_Shares = Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Smoothing(abc.ABC):
    """How probabilities are estimated from counts."""

    @abc.abstractmethod
    def estimate(self, counts: Counts) -> tuple[Estimate, ...]:
        """The probabilities and backoff weights of all orders, from 1 on."""

    @property
    def unseen_log_backoff(self) -> float:
        """The backoff weight of a context that never occurred."""
        return 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModifiedKneserNey(Smoothing):
    """Interpolated modified Kneser-Ney (Chen and Goodman 1998, section 3), with the conventions of lmplz.

    The count of an n-gram below the highest order is the number of tokens that it occurs after, `<s>` among them, but
    for those that begin with `<s>`: these keep how often they occur (Heafield et al. 2013, section 3.2). Each order has
    its own discounts for counts of 1, 2 and more, by Chen and Goodman's equation 26 (with n_3 and n_4) from these
    counts. Unigrams are interpolated with the uniform distribution over all that can be predicted: `</s>` and `<unk>`
    are among it, `<s>` is not. So a token that never occurred, `<unk>` in most corpora, has what that distribution
    gives. `</s>` counts like any token. lmplz calculates in float32, and takes the number of occurrences of the n-grams
    that it happens to read last for their adjusted count when it calculates discounts; neither is copied.

    Attributes:
      discount_fallback: the discounts of counts 1, 2 and more for orders whose own cannot be calculated: a small or
        artificial corpus lacks n-grams that occur once, twice or three times. None makes that an error, as lmplz does;
        (0.5, 1.0, 1.5) is what its `--discount_fallback` takes.
    """

    discount_fallback: tuple[float, ...] | None = None

    def __post_init__(self):
        given = self.discount_fallback
        if given is not None and (len(given) != 3 or not all(0 <= d <= i for i, d in enumerate(given, start=1))):
            raise ConfigError(
                f"discount_fallback must be 3 discounts, from 0 to 1, 2 and 3; found {given!r}. Use (0.5, 1.0, 1.5)."
            )

    def estimate(self, counts: Counts) -> tuple[Estimate, ...]:
        """See `Smoothing.estimate`; InputError for a corpus that is too small for its discounts."""

        def shares(order: int, adjusted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            discount = self._discounts(order, adjusted)[np.minimum(adjusted, 3)]
            return adjusted - discount, discount

        return _interpolate(counts, _adjusted(counts), shares)

    def _discounts(self, order: int, adjusted: Int64[np.ndarray, "N"]) -> Float64[np.ndarray, "4"]:
        n = np.bincount(adjusted[adjusted < 5], minlength=5).astype(np.float64)
        problem = next((f"has none that count {i}" for i in (1, 2, 3) if not n[i]), "")
        discounts = np.zeros(4)
        if not problem:
            y = n[1] / (n[1] + 2 * n[2])
            discounts[1:] = [i - (i + 1) * y * n[i + 1] / n[i] for i in (1, 2, 3)]
            wrong = next((i for i in (1, 2, 3) if not 0 <= discounts[i] <= i), None)
            problem = wrong and f"gives those that count {wrong} a discount of {discounts[wrong]:.4g}"
        if not problem:
            return discounts
        if self.discount_fallback is None:
            raise InputError(
                f"Kneser-Ney discounts of {order}-grams cannot be calculated: the corpus {problem}. It is too small, "
                "or repeats itself. Give a larger corpus, a lower order, or discount_fallback=(0.5, 1.0, 1.5)."
            )
        return np.array([0.0, *self.discount_fallback])


@dataclasses.dataclass(frozen=True, kw_only=True)
class WittenBell(Smoothing):
    """Interpolated Witten-Bell smoothing (Witten and Bell 1991; Chen and Goodman 1998, section 2.5).

    A context h that occurs c(h) times, before t(h) different tokens, gives the shorter context t / (c + t). Counts are
    how often n-grams occur, in all orders; unigrams are interpolated with the uniform distribution as in
    `ModifiedKneserNey`.
    """

    def estimate(self, counts: Counts) -> tuple[Estimate, ...]:
        """See `Smoothing.estimate`."""
        occurring = [_predicted(counts), *(level.counts for level in counts.levels)]
        return _interpolate(counts, occurring, lambda _, found: (found.astype(np.float64), np.sign(found)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class StupidBackoff(Smoothing):
    """Stupid backoff (Brants et al. 2007, section 4): relative frequencies, not discounted.

    A token that did not follow a context has `factor` times the score given the next shorter one, whether the context
    itself ever occurred or not. Scores are no probabilities: they sum to more than 1, and a token that never occurred
    has a score of 0. An ARPA file cannot hold them, because contexts that never occurred have no line there.
    """

    factor: float = 0.4

    def __post_init__(self):
        if not 0.0 < self.factor <= 1.0:
            raise ConfigError(f"factor must be above 0 and at most 1; found {self.factor!r}. The paper's is 0.4.")

    @property
    def unseen_log_backoff(self) -> float:
        """The logarithm of the factor."""
        return float(np.log(self.factor))

    def estimate(self, counts: Counts) -> tuple[Estimate, ...]:
        """See `Smoothing.estimate`."""
        size, unigrams = len(counts.unigrams), _predicted(counts)
        keys = [np.arange(size), *(level.keys for level in counts.levels)]
        frequencies = [unigrams / unigrams.sum()]
        below = size
        for level in counts.levels:
            prefixes = level.keys // size
            frequencies.append(level.counts / np.bincount(prefixes, level.counts, minlength=below)[prefixes])
            below = len(level.keys)
        return tuple(
            Estimate(at, _log(found), np.full(len(at), 0.0 if order == counts.order else self.unseen_log_backoff))
            for order, (at, found) in enumerate(zip(keys, frequencies, strict=True), start=1)
        )


SMOOTHINGS: dict[str, type[Smoothing]] = {
    "modified_kneser_ney": ModifiedKneserNey,
    "witten_bell": WittenBell,
    "stupid_backoff": StupidBackoff,
}


def _predicted(counts: Counts) -> Int64[np.ndarray, "N1"]:
    """How often each token occurs; `<s>` is never predicted."""
    return np.append(counts.unigrams[:-1], 0)


def _adjusted(counts: Counts) -> list[Int64[np.ndarray, "N"]]:
    """By order, the counts of Kneser-Ney: see `ModifiedKneserNey`."""
    if not counts.levels:
        return [_predicted(counts)]
    size = len(counts.unigrams)
    from_bos = size - 1
    found = [np.bincount(counts.levels[0].suffixes, minlength=size)]
    for level, above in itertools.pairwise(counts.levels):
        adjusted = np.bincount(above.suffixes, minlength=len(level.keys))
        from_bos = int(np.searchsorted(level.keys, from_bos * size))
        # `<s>` has the highest id, so that the n-grams that begin with it are last.
        adjusted[from_bos:] = level.counts[from_bos:]
        found.append(adjusted)
    return [*found, counts.levels[-1].counts]


def _interpolate(counts: Counts, found: list[np.ndarray], shares: _Shares) -> tuple[Estimate, ...]:
    """p(w | h) = (what (h, w) keeps + what the n-grams after h leave over * p(w | h[1:])) / the sum of both over h.

    Args:
      found: the counts of each order.
      shares: of an order and its counts: what each n-gram keeps, and what it leaves over.
    """
    size = len(counts.unigrams)
    kept, left = shares(1, found[0])
    probs = (kept + left.sum() / counts.vocab_size) / (kept.sum() + left.sum())
    probs[-1] = 1.0  # `<s>`, as lmplz writes it
    estimates, keys = [], np.arange(size)
    for order, (level, adjusted) in enumerate(zip(counts.levels, found[1:], strict=True), start=2):
        prefixes = level.keys // size
        kept, left = shares(order, adjusted)
        total = np.bincount(prefixes, kept + left, minlength=len(keys))
        backoffs = np.bincount(prefixes, left, minlength=len(keys)) / np.where(total > 0, total, 1)
        estimates.append(Estimate(keys, _log(probs), _log(np.where(total > 0, backoffs, 1.0))))
        probs = kept / total[prefixes] + backoffs[prefixes] * probs[level.suffixes]
        keys = level.keys
    return (*estimates, Estimate(keys, _log(probs), np.zeros(len(keys))))


def _log(values: Float64[np.ndarray, "N"]) -> Float64[np.ndarray, "N"]:
    """Natural logarithm, of 0 too; never above 0."""
    with np.errstate(divide="ignore"):
        return np.minimum(np.log(values), 0.0)
