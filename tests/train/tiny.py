# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A tiny run of every objective, for tests that go through all of them."""

from collections.abc import Callable

from configs import gpt2_pretrain
from tests.train import (
    test_heads,
    test_permutation_lm,
    test_prefix_lm,
    test_replaced_token_detection,
    test_sentence_pairs,
    test_seq2seq,
    test_span_corruption,
)
from zoo.train.config import RunConfig


def causal() -> RunConfig:
    found = gpt2_pretrain.get_config("tiny").unlock()
    found.model.update(width=32, num_layers=1, mlp_width=64, max_length=64, hidden_dropout=0.1)
    found.data.tokenizer.update(vocab_size=400, path="")
    found.data.seq_len = 32
    found.optimizer.update(warmup_steps=4, learning_rate=1e-2)
    found.evals.validation.num_batches = 2
    found.update(batch_size=16, grad_accum_steps=2, num_steps=20, log_every=1, eval_every=10, checkpoint_every=10)
    return RunConfig.from_dict(found)


def sentence_pairs(name: str) -> Callable[[], RunConfig]:
    return lambda: test_sentence_pairs.config(name)


def generated(name: str) -> Callable[[], RunConfig]:
    return lambda: test_replaced_token_detection.config(type=name, main_weight=1.0)


def fine_tuning(name: str) -> Callable[[], RunConfig]:
    return lambda: RunConfig.from_dict(test_heads.config(name))


PRETRAINING: dict[str, Callable[[], RunConfig]] = {
    "clm": causal,
    "mlm": sentence_pairs("roberta"),
    "mlm_nsp": sentence_pairs("bert"),
    "mlm_sop": sentence_pairs("albert"),
    "plm": test_permutation_lm.config,
    "prefix_lm": test_prefix_lm.config,
    "rtd": test_replaced_token_detection.config,
    "seq2seq": test_seq2seq.config,
    "span_corruption": test_span_corruption.config,
}
RUNS = PRETRAINING | {
    "all_tokens_mlm": generated("all_tokens_mlm"),
    "mlm_nsp, packed": sentence_pairs("packed"),
    "multiple_choice": fine_tuning("choice"),
    "question_answering": fine_tuning("squad"),
    "replace_mlm": generated("replace_mlm"),
    "sequence_classification": fine_tuning("finetune"),
    "span_corruption, UL2": lambda: test_span_corruption.config("tiny,ul2"),
    "token_classification": fine_tuning("tagging"),
}
