# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Objectives: how examples are corrupted or arranged, what is trained, and its loss. None of them knows a family.

A new objective is a file with a subclass of `Objective`, and a row in `OBJECTIVES`.
"""

from zoo.objectives.causal_lm import CausalLM
from zoo.objectives.masked_lm import MaskedLM
from zoo.objectives.multiple_choice import MultipleChoice
from zoo.objectives.objective import Batch, Objective, Sums
from zoo.objectives.permutation_lm import PermutationLM
from zoo.objectives.prefix_lm import PrefixLM
from zoo.objectives.question_answering import QuestionAnswering
from zoo.objectives.replace_mlm import AllTokensMLM, ReplaceMLM
from zoo.objectives.replaced_token_detection import ReplacedTokenDetection
from zoo.objectives.sentence_pairs import NextSentence, SentenceOrder
from zoo.objectives.seq2seq import Seq2Seq
from zoo.objectives.sequence_classification import SequenceClassification
from zoo.objectives.span_corruption import SpanCorruption
from zoo.objectives.token_classification import TokenClassification

OBJECTIVES: dict[str, type[Objective]] = {
    "all_tokens_mlm": AllTokensMLM,
    "clm": CausalLM,
    "mlm": MaskedLM,
    "mlm_nsp": NextSentence,
    "mlm_sop": SentenceOrder,
    "multiple_choice": MultipleChoice,
    "prefix_lm": PrefixLM,
    "plm": PermutationLM,
    "question_answering": QuestionAnswering,
    "replace_mlm": ReplaceMLM,
    "rtd": ReplacedTokenDetection,
    "seq2seq": Seq2Seq,
    "sequence_classification": SequenceClassification,
    "span_corruption": SpanCorruption,
    "token_classification": TokenClassification,
}

__all__ = [
    "OBJECTIVES",
    "AllTokensMLM",
    "Batch",
    "CausalLM",
    "MaskedLM",
    "MultipleChoice",
    "NextSentence",
    "Objective",
    "PermutationLM",
    "PrefixLM",
    "QuestionAnswering",
    "ReplaceMLM",
    "ReplacedTokenDetection",
    "SentenceOrder",
    "Seq2Seq",
    "SequenceClassification",
    "SpanCorruption",
    "Sums",
    "TokenClassification",
]
