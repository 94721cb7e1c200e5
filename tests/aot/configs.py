# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Configs of models that compile in a second."""

from configs import bert_pretrain, gpt3_pretrain, t5_pretrain
from zoo.train.config import RunConfig

SIZES = dict(width=64, num_layers=2, num_heads=4, mlp_width=128)


CONFIGS = {"clm": gpt3_pretrain, "mlm": bert_pretrain, "span_corruption": t5_pretrain}


def tiny(objective: str = "clm", model: dict | None = None, **changes) -> RunConfig:
    """A GPT-3 or, by the objective, a BERT or a T5, with rows of 32 tokens of 512 words."""
    config = CONFIGS[objective].get_config("tiny").unlock()
    config.model.update({**SIZES, "max_length": 64, "stack": "scan", **(model or {})})
    config.data.seq_len = 32
    config.data.tokenizer.vocab_size = 512
    if objective == "span_corruption":
        config.model.vocab_size = 512
        config.objective.inputs_length = 0
    config.update({"batch_size": 16, "mesh": "data:8", **changes})
    return RunConfig.from_dict(config)
