# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""n-gram probabilities by dictionaries and loops, from the papers: slow, and short enough to be checked by eye."""

import collections
import functools
from collections.abc import Sequence

Gram = tuple[int, ...]


class Reference:
    """Probabilities of the tokens 0 to V-1 after a context, where `<s>` is V.

    Args:
      documents: token ids, each document with its own end.
      fallback: the discounts of orders that have none.
    """

    def __init__(self, documents: Sequence[Sequence[int]], order: int, vocab_size: int, fallback=None):
        self.order, self.vocab_size, self.fallback = order, vocab_size, fallback
        self.counts: collections.Counter[Gram] = collections.Counter()
        for document in documents:
            ids = [vocab_size, *document]
            for end in range(2, len(ids) + 1):
                for n in range(1, min(order, end) + 1):
                    self.counts[tuple(ids[end - n : end])] += 1
        self.discounts = functools.cache(self._discounts)
        self.left = collections.defaultdict(set)
        self.after = collections.defaultdict(set)
        for gram in self.counts:
            self.left[gram[1:]].add(gram[0])
            self.after[gram[:-1]].add(gram[-1])

    def adjusted(self, gram: Gram) -> int:
        """Heafield et al. 2013, section 3.2."""
        if len(gram) == self.order or gram[0] == self.vocab_size:
            return self.counts[gram]
        return len(self.left[gram])

    def _discounts(self, order: int) -> list[float]:
        """Of adjusted counts 0 to 3: Chen and Goodman 1998, equation 26."""
        n = collections.Counter(self.adjusted(gram) for gram in self.counts if len(gram) == order)
        try:
            y = n[1] / (n[1] + 2 * n[2])
            found = [0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
            if n[3] and all(0 <= found[i] <= i for i in range(4)):
                return found
        except ZeroDivisionError:
            pass
        if self.fallback is None:
            raise ValueError(order)
        return [0, *self.fallback]

    def kneser_ney(self, token: int, context: Gram) -> float:
        """Chen and Goodman 1998, section 3: interpolated modified Kneser-Ney."""
        lower = self.kneser_ney(token, context[1:]) if context else 1 / self.vocab_size
        follow = self.after[context]
        if not follow:
            return lower
        discounts = self.discounts(len(context) + 1)
        adjusted = {w: self.adjusted((*context, w)) for w in follow}
        left = sum(discounts[min(a, 3)] for a in adjusted.values())
        found = adjusted.get(token, 0)
        return (found - discounts[min(found, 3)] + left * lower) / sum(adjusted.values())

    def witten_bell(self, token: int, context: Gram) -> float:
        """Chen and Goodman 1998, section 2.5, interpolated."""
        lower = self.witten_bell(token, context[1:]) if context else 1 / self.vocab_size
        follow = self.after[context]
        total = sum(self.counts[(*context, w)] for w in follow)
        return (self.counts[(*context, token)] + len(follow) * lower) / (total + len(follow)) if follow else lower

    def stupid_backoff(self, token: int, context: Gram, factor: float = 0.4) -> float:
        """Brants et al. 2007, equation 5."""
        found = self.counts[(*context, token)]
        if found:
            return found / sum(self.counts[(*context, w)] for w in self.after[context])
        return factor * self.stupid_backoff(token, context[1:], factor) if context else 0.0
