# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""ALBERT pretraining with masked n-grams and sentence order on English Wikipedia, or on Shakespeare in a few minutes.

Paper      Lan et al. 2019, arXiv 1909.11942, sections 3.1 and 4.1; github.com/google-research/albert: pairs of up to
           512 tokens, 10 % of them shorter, 4,096 a step, 125,000 steps; n-grams of up to three words; LAMB of 0.00176
           with decay 0.01, 3,125 steps of warm-up (the command in the code's README) and a linear decay.
           Chunks of one sentence get a random second text, as in that code; the paper's rule, two consecutive texts
           always, is --config.data.one_sentence=skipped.
           Differs: Wikipedia without the BooksCorpus, which is no longer distributed; sentences by a rule for
           punctuation (zoo/data/sentences.py), since the authors' splitter is not known.
Command    python -m launch.prepare --config=configs/albert_pretrain.py --data_dir=DATA
           python -m launch.train --config=configs/albert_pretrain.py --data_dir=DATA --workdir=DIR
           Other sizes: configs/albert_pretrain.py:large, :xlarge, :xxlarge. Next sentences in place of the order (table
           5): --config.objective.type=mlm_nsp --config.data.pairs=next.
Hardware   The paper: 64 to 512 TPU v3, by size (section 4.1).
Expected   The released base of version 1, fine-tuned: MNLI 81.6, SST-2 90.3, RACE 64.0 (the code's README). Not yet
           run with this code.

The same experiment on a CPU, with the text that comes with the package:
           python -m launch.train --config=configs/albert_pretrain.py:tiny --workdir=DIR
"""

import ml_collections

from configs import common

SIZES = {
    "base": "albert-base-v1",
    "large": "albert-large-v1",
    "xlarge": "albert-xlarge-v1",
    "xxlarge": "albert-xxlarge-v1",
    "tiny": "albert-base-v1",
}


def get_config(variant: str = "base") -> ml_collections.ConfigDict:
    """The size `tiny` also shrinks the model, the data and the run, for a CPU."""
    config = common.experiment(
        objective=dict(type="mlm_sop", mask_rate=0.15, unit="ngram"),
        model=common.model(common.choose(SIZES, variant)),
        data=common.sentence_pairs(
            "tfds:wikipedia/20230601.en",
            dict(kind="wordpiece", vocab_size=30000, lower_case=True, path="albert-base-v1"),
            document="paragraph",
            validation_fraction=0.001,
            seq_len=512,
            pairs="order",
            word_starts=True,
        ),
        batch_size=4096,
        num_steps=125_000,
        optimizer=common.adamw(1.76e-3, type="lamb", warmup_steps=3125, eps=1e-6),
        eval_every=2500,
        checkpoint_every=2500,
    )
    if variant == "tiny":
        common.on_cpu(config, batch_size=32, num_steps=1000, eval_every=200)
        config.model.update(width=128, embed_width=64, num_layers=2, num_heads=2, mlp_width=512)
        config.model.update(embed_dropout=0.0, hidden_dropout=0.0, attention_dropout=0.0)  # slow on a CPU
        config.data.sentences = "line"  # of verse; many a speech is one sentence
        config.optimizer.update(learning_rate=5e-3, warmup_steps=100)
    return config.lock()
