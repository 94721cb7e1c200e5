# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""XLNet pretraining with permutation language modelling on Wikipedia, or on Shakespeare in a few minutes.

Paper      Yang et al. 2019, arXiv 1906.08237, section 3.1 and appendix A.4; github.com/zihangdai/xlnet. Sequences of
           512 tokens, 8,192 a step (2,048 in the README of the code), 500,000 steps, Adam of 4e-4 (eps 1e-6, decay
           0.01), 40,000 steps of warm-up and a linear decay; one token in 6 is predicted, 85 of a sequence, whose parts
           and blocks have 256 tokens, with a memory of 384 (README). Base: the paper gives no recipe of its own; this
           is large's.
           A sequence is running text and two segments, the second half the time from elsewhere, and half of the rows
           read the text backwards, as in that code (data_utils.py). Running text alone: --config.data.sentences=
           --config.data.segments=documents --config.data.directions=forward.
           Differs: Wikipedia alone, where the paper adds BooksCorpus, Giga5, ClueWeb and Common Crawl (32.9 billion
           tokens in all); sentences by a rule for punctuation (zoo/data/sentences.py), where the code takes lines.
Command    python -m launch.prepare --config=configs/xlnet_pretrain.py --data_dir=DATA
           python -m launch.train --config=configs/xlnet_pretrain.py --data_dir=DATA --workdir=DIR
           The other size: configs/xlnet_pretrain.py:large. Spans of whole words: --config.objective.unit=word.
Hardware   The paper, for large: 5.5 days on 512 chips of TPU v3.
Expected   The released models: MNLI 86.8 and SST-2 94.7 for base, 89.8 and 95.6 for large (README, dev sets). Not
           yet run with this code.

The same experiment on a CPU, with the text that comes with the package:
           python -m launch.train --config=configs/xlnet_pretrain.py:tiny --workdir=DIR
"""

import ml_collections

from configs import common

SIZES = {"base": "xlnet-base-cased", "large": "xlnet-large-cased", "tiny": "xlnet-base-cased"}
_RATES = ("embed_dropout", "hidden_dropout", "attention_dropout", "mlp_dropout", "output_dropout")


def get_config(variant: str = "base") -> ml_collections.ConfigDict:
    """The size; `tiny` also shrinks the model, the data and the run, for a CPU."""
    config = common.experiment(
        objective=dict(type="plm", k=6.0, num_predict=85, unit="token", reuse_len=256, perm_size=256, mem_len=384),
        model=common.model(common.choose(SIZES, variant)),
        data=common.text(
            "tfds:wikipedia/20230601.en",
            dict(kind="byte_bpe", vocab_size=32000, lower_case=False, path="xlnet-base-cased"),
            document="paragraph",
            validation_fraction=0.001,
            seq_len=512,
            segments="pair",
            sentences="punctuation",
            word_starts=True,
            order="stream",
            stride=256,  # objective.reuse_len
            directions="both",
        ),
        batch_size=8192,
        num_steps=500_000,
        optimizer=common.adamw(4e-4, warmup_steps=40_000, eps=1e-6),
        eval_every=10_000,
        checkpoint_every=10_000,
    )
    if variant == "tiny":
        common.on_cpu(config, batch_size=32, num_steps=1000, eval_every=200)
        config.objective.update(num_predict=21, reuse_len=64, perm_size=64, mem_len=96)
        config.data.update(stride=64, sentences="line")  # of verse; many a speech is one sentence
        config.model.update(width=128, num_layers=2, num_heads=2, mlp_width=512)
        config.model.update(dict.fromkeys(_RATES, 0.0))  # dropout is slow on a CPU
        config.optimizer.update(learning_rate=2e-3, warmup_steps=100)
    return config.lock()
