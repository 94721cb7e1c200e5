# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""RoBERTa pretraining with dynamic masks on OpenWebText, or on Shakespeare in a few minutes.

Paper      Liu et al. 2019, arXiv 1907.11692, sections 4 and 5 and table 9: sequences of up to 512 tokens that
           cross documents (FULL-SENTENCES), without next sentences; a new mask at every visit; a byte-level vocabulary;
           8,192 sequences a step, 500,000 steps; Adam of 6e-4 for base and 4e-4 for large (beta2 0.98, eps 1e-6, decay
           0.01, no clipping), 24,000 and 30,000 steps of warm-up and a linear decay, dropout 0.1.
           FULL-SENTENCES (section 4.2) is data.sentences: as many whole sentences as fit into 512 tokens, of one
           document after another, with a further </s> behind each document.
           Differs: OpenWebText, the largest part of the paper's text that is still distributed, 38 of 160 GB; its
           sentences by a rule for punctuation (zoo/data/sentences.py), and one that is longer than a sequence is cut.
Command    python -m launch.prepare --config=configs/roberta_pretrain.py --data_dir=DATA
           python -m launch.train --config=configs/roberta_pretrain.py --data_dir=DATA --workdir=DIR
           The larger model: configs/roberta_pretrain.py:large.
Hardware   The paper: 1,024 V100 for a day, for 100,000 steps of large (section 5).
Expected   Large, of all 160 GB: 90.2 on MNLI, 96.4 on SST-2 (table 4). Of base with 256 sequences a step on BERT's 16
           GB, for a million steps: a held-out masked-LM perplexity of 3.99 (table 3). Not yet run with this code.

The same experiment on a CPU, with the text that comes with the package:
           python -m launch.train --config=configs/roberta_pretrain.py:tiny --workdir=DIR
"""

from typing import NamedTuple

import ml_collections

from configs import common


class Recipe(NamedTuple):
    """What differs between the sizes."""

    model: str
    learning_rate: float
    warmup_steps: int


_BASE = Recipe("roberta-base", 6e-4, 24_000)
SIZES = {"base": _BASE, "large": Recipe("roberta-large", 4e-4, 30_000), "tiny": _BASE}


def get_config(variant: str = "base") -> ml_collections.ConfigDict:
    """The size `tiny` also shrinks the model, the data and the run, for a CPU."""
    recipe = common.choose(SIZES, variant)
    adam = dict(warmup_steps=recipe.warmup_steps, b2=0.98, eps=1e-6, weight_decay=0.01, clip_norm=0.0)
    config = common.experiment(
        objective=dict(type="mlm", mask_rate=0.15),
        model=common.model(recipe.model, dropout=0.1),
        data=common.text(
            "tfds:openwebtext",
            dict(kind="byte_bpe", vocab_size=50265, lower_case=False, path="roberta-base"),
            document="paragraph",
            validation_fraction=0.001,
            seq_len=512,
            sentences="punctuation",
            segments="sequence",
        ),
        batch_size=8192,
        num_steps=500_000,
        optimizer=common.adamw(recipe.learning_rate, **adam),
        eval_every=5000,
        checkpoint_every=5000,
    )
    if variant == "tiny":
        common.on_cpu(config, batch_size=32, num_steps=1000, eval_every=200)
        config.data.sentences = "line"  # of verse; many a speech is one sentence
        config.model.update(width=128, num_layers=2, num_heads=2, mlp_width=512)
        config.model.update(embed_dropout=0.0, hidden_dropout=0.0, attention_dropout=0.0)  # slow on a CPU
        config.optimizer.update(learning_rate=2e-3, warmup_steps=100)
    return config.lock()
