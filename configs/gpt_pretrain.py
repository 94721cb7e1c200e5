# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""GPT pretraining from scratch on books, or on Shakespeare in a few minutes.

Paper      Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", section 4.1: contiguous
           sequences of 512 tokens of the BooksCorpus, 64 a step, 100 epochs; Adam of 2.5e-4 with 2,000 steps of warm-up
           and a cosine to 0; decay of 0.01 on all but biases and gains; dropout 0.1; a BPE vocabulary of 40,000 merges,
           lower-cased. Betas, epsilon and clipping, which it does not give, are those of the released fine-tuning code
           (github.com/openai/finetune-transformer-lm, train.py).
           Differs: books of your own, since the BooksCorpus (7,000 of them) is no longer distributed.
Command    python -m launch.prepare --config=configs/gpt_pretrain.py --data_dir=DATA
           python -m launch.train --config=configs/gpt_pretrain.py --data_dir=DATA --workdir=DIR
           where the folder `books` holds text files, one book each.
Hardware   8 GPUs for a month, 0.96 petaflop/s-days (OpenAI's announcement of the paper).
Expected   A perplexity of 18.4 a token on the BooksCorpus (section 4.1). Not yet run with this code.

The same experiment on a CPU, with the text that comes with the package:
           python -m launch.train --config=configs/gpt_pretrain.py:tiny --workdir=DIR
"""

import ml_collections

from configs import common

SIZES = {"base": "openai-gpt", "tiny": "openai-gpt"}


def get_config(variant: str = "base") -> ml_collections.ConfigDict:
    """The one size; `tiny` also shrinks the model, the data and the run, for a CPU."""
    config = common.experiment(
        objective=dict(type="clm"),
        model=common.model(common.choose(SIZES, variant), dropout=0.1),
        data=common.text(
            "books",
            dict(kind="byte_bpe", vocab_size=40478, lower_case=False, path="openai-gpt"),
            document="file",
            validation_fraction=0.005,
            seq_len=512,
            segments="sequence",
        ),
        batch_size=64,
        num_epochs=100.0,
        num_steps=0,
        optimizer=common.adamw(2.5e-4, warmup_steps=2000, schedule="cosine"),
        eval_every=10_000,
        checkpoint_every=10_000,
    )
    if variant == "tiny":
        common.on_cpu(config, batch_size=16, num_epochs=0.0, num_steps=1000, eval_every=200)
        config.model.update(width=128, num_layers=2, num_heads=2, mlp_width=512)
        config.model.update(embed_dropout=0.0, hidden_dropout=0.0, attention_dropout=0.0)  # slow on a CPU
        config.optimizer.update(learning_rate=1e-3, warmup_steps=100)
    return config.lock()
