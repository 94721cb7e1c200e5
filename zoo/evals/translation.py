# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""BLEU (Papineni et al. 2002) and chrF (Popović 2015) of texts found by beam search, as sacrebleu counts them
(arXiv:1804.08771)."""

import dataclasses
import functools
import importlib.util
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo.data.rows import Rows
from zoo.data.schema import Schema
from zoo.data.translation import PairExamples
from zoo.errors import ConfigError
from zoo.evals.evaluator import Evaluated, Evaluator, Findings, Function, results
from zoo.evals.worst import write_worst
from zoo.generation.beam import search
from zoo.generation.settings import Settings, Values
from zoo.objectives import Objective, Seq2Seq


@dataclasses.dataclass(frozen=True, kw_only=True)
class Translation(Evaluator):
    """Translates the sources of a split and compares with its targets.

    Attributes:
      num_beams, length_penalty: of the search, as of `zoo.generate`; the defaults are those of arXiv:1706.03762,
        section 6.1.
      max_new_tokens: of a translation; 0 is `data.seq_len`.
    """

    evaluates: ClassVar = (Seq2Seq,)
    definitions: ClassVar = {
        "bleu": "sacrebleu's BLEU, from 0 to 100: word n-grams up to 4 that the targets have too.",
        "chrf": "sacrebleu's chrF2, from 0 to 100: the same of character n-grams up to 6, recall counting double.",
    }
    num_beams: int = 4
    length_penalty: float = 0.6
    max_new_tokens: int = 0

    def __post_init__(self):
        super().__post_init__()
        for name, least in (("num_beams", 2), ("max_new_tokens", 0)):
            if getattr(self, name) < least:
                found = getattr(self, name)
                raise ConfigError(f"{type(self).__name__}.{name} must be {least} or more; found {found}. Give {least}.")

    def check(self, objective: Objective, schema: Schema) -> None:
        super().check(objective, schema)
        if importlib.util.find_spec("sacrebleu") is None:
            raise ConfigError("The evaluator translation needs sacrebleu; install it: pip install 'zoo[translation]'.")
        if self.num_beams > (size := objective.data.vocabulary.vocab_size):
            raise ConfigError(f"num_beams is {self.num_beams}, beyond the vocabulary of {size} tokens; give {size}.")

    def metric_names(self, objective: Objective) -> tuple[str, ...]:
        del objective
        return tuple(self.definitions)

    def run(self, model: Evaluated) -> dict[str, float]:
        return self.examine(model).metrics

    def examine(self, model: Evaluated) -> "TranslationFindings":
        examples = model.examples(self.split)
        if not isinstance(examples, PairExamples) or examples.rows is None:
            raise ConfigError(f"The texts of the split {self.split!r} are not kept; evaluate another split.")
        texts: list[str] = []
        for new, counts in results(model, self._function, model.batches(self.split, self.num_batches)):
            texts += [examples.reader.decode(row[:count]) for row, count in zip(new, counts, strict=True)]
        targets = examples.rows["target"][: len(texts)]
        texts = texts[: len(targets)]  # the last batch is filled up
        return TranslationFindings(metrics=_scores(texts, targets), translations=texts, rows=examples.rows)

    @functools.cached_property
    def _function(self) -> Function:
        """One object, so that it is compiled once a run."""
        return functools.partial(_translate, self)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TranslationFindings(Findings):
    """The translations of a split, in its order; `rows` is where they come from."""

    translations: list[str]
    rows: Rows

    def write(self, folder: Path) -> str:
        targets = self.rows["target"][: len(self.translations)]
        pairs = zip(self.translations, targets, strict=True)
        bad = np.array([100.0 - _scores([text], [target])["chrf"] for text, target in pairs])
        values = {"translation": self.translations}
        return write_worst(folder, self.rows, ("text", "target"), values, chosen=bad > 0, badness=bad)


def _scores(texts: list[str], targets: list[str]) -> dict[str, float]:
    import sacrebleu

    bleu, chrf = sacrebleu.corpus_bleu(texts, [targets]), sacrebleu.corpus_chrf(texts, [targets])
    return {"bleu": float(bleu.score), "chrf": float(chrf.score)}


def _translate(evaluator: Translation, objective: Any, module: Any, batch: Any) -> Any:
    """The tokens of each source's best translation, and how many there are."""
    graphdef, params = nnx.split(module.for_inference())
    config = module.config
    longest = config.max_length if config.positions in ("learned", "sinusoidal") else np.iinfo(np.int32).max - 1
    settings = Settings(
        max_new=evaluator.max_new_tokens or objective.data.seq_len,
        longest=longest,
        num_return=1,
        greedy=True,
        top_k=None,
        use_top_p=False,
        num_beams=evaluator.num_beams,
        early_stopping=False,
        no_repeat_ngram_size=0,
        penalizes=False,
        eos_ids=() if config.eos_id is None else (config.eos_id,),
        forced_eos_ids=(),
        banned=tuple(config.suppress_tokens),
        decoder_start_id=config.decoder_start_id,
    )
    one = jnp.float32(1.0)
    values = Values(one, one, jnp.float32(evaluator.length_penalty), one, jnp.int32(0))
    found = search(graphdef, params, batch["tokens"], batch["segments"], values, settings=settings)
    return found.new, found.counts
