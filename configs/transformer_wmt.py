# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The Transformer trained to translate your own pairs of sentences, or numbers from English to French in minutes.

Paper      Vaswani et al. 2017, arXiv:1706.03762, section 5: WMT 2014 English to German, 4.5 million pairs, 37,000 byte
           pairs in one vocabulary; about 25,000 source and 25,000 target tokens a step, of pairs of like lengths; Adam
           with betas 0.9 and 0.98 and eps 1e-9, a warm-up of 4,000 steps to width**-0.5 * 4000**-0.5 and then the
           inverse square root; dropout 0.1 (big 0.3), label smoothing 0.1; 100,000 steps (big 300,000). Beam search
           with 4 beams and a length penalty of 0.6, of a mean of the last 5 or 20 checkpoints.
           Differs: a step has 1,024 pairs, which is that many tokens on average; the final model is the last
           checkpoint; scores of hypotheses are divided by length**0.6 rather than ((5 + length) / 6)**0.6.
Command    python -m launch.train --config=configs/transformer_wmt.py --config.data.source=train.tsv \\
             --config.data.validation=newstest2013.tsv --workdir=DIR
           The files have the columns `source` and `target`, or others (--config.data.text=en --config.data.target=de).
           The big model: configs/transformer_wmt.py:big. With BLEU and chrF by beam search at each evaluation, which
           needs the extra `translation`: :base,bleu.
Hardware   8 P100: 12 hours for base, 3.5 days for big (section 5.2).
Expected   BLEU on newstest2014: 27.3 for base and 28.4 for big (table 2). Not yet run with this code.

The same experiment on a CPU, with number words that come with the package, saved as a Marian translator:
           python -m launch.train --config=configs/transformer_wmt.py:tiny --workdir=DIR
           With BLEU: configs/transformer_wmt.py:tiny,bleu.
"""

import ml_collections

from configs import common

SIZES = {"base": ("transformer-base", 512), "big": ("transformer-big", 1024), "tiny": ("opus-mt-en-de", 64)}


def get_config(variant: str = "base") -> ml_collections.ConfigDict:
    """`SIZE` or `SIZE,bleu`; the size `tiny` also shrinks the data and the run, for a CPU."""
    size, *options = variant.split(",")
    scored = any([common.choose({"bleu": True}, option) for option in options])
    name, width = common.choose(SIZES, size)
    config = common.experiment(
        objective=dict(type="seq2seq", label_smoothing=0.1),
        model=common.model(name, decoder_start_id=0),  # padding, as is usual
        data=dict(
            type="translation",
            source="train.tsv",
            validation="",
            validation_fraction=0.001,
            text="source",
            target="target",
            seq_len=256,
            bucket_batches=64,
            tokenizer=dict(kind="byte_bpe", vocab_size=37000, lower_case=False, special="t5", path=""),
        ),
        batch_size=1024,
        num_steps=300_000 if size == "big" else 100_000,
        optimizer=common.adamw(
            width**-0.5 * 4000**-0.5, b2=0.98, eps=1e-9, schedule="inverse_sqrt", warmup_steps=4000, weight_decay=0.0,
            clip_norm=0.0,
        ),
    )  # fmt: skip
    if scored:
        config.evals.translation = dict(type="translation", num_beams=4, length_penalty=0.6)
    if size == "tiny":
        rates = dict.fromkeys(("embed_dropout", "hidden_dropout", "attention_dropout"), 0.0)  # dropout is slow on a CPU
        config.model = common.model(
            name, dtype="float32", stack="loop", decoder_start_id=0, width=width, num_layers=2, decoder_layers=2,
            num_heads=4, mlp_width=4 * width, init_std=0.05, **rates,
        )  # fmt: skip
        config.data.update(source="embedded", validation_fraction=0.1, seq_len=64, bucket_batches=8)
        config.data.tokenizer.vocab_size = 512
        config.optimizer.update(learning_rate=3e-3, warmup_steps=100, clip_norm=1.0)
        config.update(batch_size=64, num_steps=1000, eval_every=200, checkpoint_every=500, log_every=50)
    return config.lock()
