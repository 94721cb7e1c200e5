# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Configs of models that compile in a second."""

from configs import (
    albert_pretrain,
    bert_pretrain,
    electra_pretrain,
    gpt2_pretrain,
    gpt3_pretrain,
    t5_pretrain,
    transformer_wmt,
    xlnet_pretrain,
)
from zoo.train.config import RunConfig

SIZES = dict(width=64, num_layers=2, num_heads=4, mlp_width=128)


CONFIGS = {
    "clm": (gpt3_pretrain, "tiny"),
    "mlm": (bert_pretrain, "tiny"),
    "mlm_nsp": (bert_pretrain, "tiny,nsp"),
    "mlm_sop": (albert_pretrain, "tiny"),
    "plm": (xlnet_pretrain, "tiny"),
    "prefix_lm": (gpt2_pretrain, "tiny"),
    "rtd": (electra_pretrain, "tiny"),
    "seq2seq": (transformer_wmt, "tiny"),
    "span_corruption": (t5_pretrain, "tiny"),
}


def tiny(objective: str = "clm", model: dict | None = None, **changes) -> RunConfig:
    """A model of the first family that has the objective, GPT-3 by default, with rows of 32 tokens of 512 words."""
    module, variant = CONFIGS[objective]
    config = module.get_config(variant).unlock()
    config.model.update({**SIZES, "max_length": 64, "stack": "scan", **(model or {})})
    config.data.seq_len = 32
    config.data.tokenizer.vocab_size = 512
    if objective == "span_corruption":
        config.model.vocab_size = 512
        config.objective.inputs_length = 0
    if objective == "plm":
        config.objective.update(num_predict=8, reuse_len=16, perm_size=16, mem_len=24)
        config.data.stride = 16
    if objective == "prefix_lm":
        config.objective = dict(type="prefix_lm")
        config.data.segments = "documents"
    config.update({"batch_size": 16, "mesh": "data:8", **changes})
    return RunConfig.from_dict(config)
