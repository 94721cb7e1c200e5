# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""n-gram models of WikiText-2's words: tokens a second of reading, counting, estimating and scoring, and perplexities.

    python -m benchmarks.ngram --data=FOLDER [--orders=2,3,4,5] [--rounds=3] [--threads=2] [--arpa]

FOLDER has wiki.train.raw and wiki.test.raw. Each figure is the best of the rounds, by the clock and, in parentheses, by
the processor time of all threads, which other programs on the machine disturb less.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app, flags

from zoo.models.ngram import ModifiedKneserNey, NgramModel, read_arpa, read_corpus, read_lines, write_arpa
from zoo.models.ngram.counts import count

_DATA = flags.DEFINE_string("data", None, "Folder of WikiText-2.", required=True)
_ORDERS = flags.DEFINE_list("orders", ["2", "3", "4", "5"], "Orders of the models.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each.")
_THREADS = flags.DEFINE_integer("threads", 2, "Shards counted at the same time.")
_ARPA = flags.DEFINE_bool("arpa", False, "Whether ARPA files are written and read, too.")


def main(_) -> None:
    folder = Path(_DATA.value)
    print(f"load average {os.getloadavg()[0]:.1f}, best of {_ROUNDS.value}, {_THREADS.value} threads", flush=True)
    vocabulary, tokens, ends = _timed("reading", 0, lambda: read_corpus(read_lines(folder / "wiki.train.raw")))
    print(f"training: {len(tokens):,} tokens, {vocabulary.size:,} words", flush=True)
    text = vocabulary.encode(read_lines(folder / "wiki.test.raw"))
    for order in map(int, _ORDERS.value):

        def counted(order: int = order):
            return count(tokens, ends, order=order, vocab_size=vocabulary.size, threads=_THREADS.value)

        counts = _timed(f"order {order}, counting", len(tokens), counted)
        estimates = _timed(f"order {order}, estimating", len(tokens), lambda c=counts: ModifiedKneserNey().estimate(c))
        model = NgramModel(vocabulary, estimates)
        score = _timed(f"order {order}, scoring", len(text[0]), lambda m=model: m.score(*text))
        print(
            f"order {order}: {sum(model.num_ngrams):,} n-grams; test perplexity {score.perplexity:.4f}, "
            f"{score.known_perplexity:.4f} without {score.unknown:,} unknown words of {score.tokens:,} tokens",
            flush=True,
        )
        if _ARPA.value:
            with tempfile.TemporaryDirectory() as made:
                path = Path(made) / "model.arpa"
                _timed(f"order {order}, writing ARPA", 0, lambda m=model, p=path: write_arpa(m, p))
                _timed(f"order {order}, reading ARPA", 0, lambda p=path: read_arpa(p))


def _timed(name: str, tokens: int, work: Callable[[], Any]) -> Any:
    clock, processor, result = [], [], None
    for _ in range(_ROUNDS.value):
        began = time.perf_counter(), time.process_time()
        result = work()
        clock.append(time.perf_counter() - began[0])
        processor.append(time.process_time() - began[1])
    rate = f", {tokens / min(clock) / 1e6:.2f} M tokens/s ({tokens / min(processor) / 1e6:.2f})" if tokens else ""
    print(f"{name}: {min(clock):.2f} s ({min(processor):.2f}){rate}", flush=True)
    return result


if __name__ == "__main__":
    app.run(main)
