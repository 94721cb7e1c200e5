# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""BERT pretraining with masked language modelling on English Wikipedia, or on Shakespeare in a few minutes.

Paper      Devlin et al. 2018, arXiv 1810.04805, section 3.1 and appendix A.2: 256 rows a step, a million steps, Adam of
           1e-4 with decay 0.01, 10,000 steps of warm-up and a linear fall, dropout 0.1; 80/10/10 on 15 % of the tokens.
           Differs: no next-sentence task (the paper's own ablation, table 5: MNLI 83.9 instead of 84.4); a row is
           masked anew at every visit; rows of 128 tokens throughout, where the paper ends with a tenth of the steps at
           512 (--config.data.seq_len=512); Wikipedia without the BooksCorpus, which is no longer distributed.
Command    python -m launch.prepare --config=configs/bert_pretrain.py --data_dir=DATA
           python -m launch.train --config=configs/bert_pretrain.py --data_dir=DATA --workdir=DIR
           Other sizes: configs/bert_pretrain.py:mini, :small, :medium, :large.
Hardware   The paper: 4 days on 16 TPU chips for base, on 64 for large (appendix A.2).
Expected   Held-out masked-LM perplexity 3.99 for base (table 6, 12 layers of 768), on the paper's text. Not yet
           run with this code.

The same experiment on a CPU, with the text that comes with the package:
           python -m launch.train --config=configs/bert_pretrain.py:tiny --workdir=DIR
"""

import ml_collections

from configs import common

SIZES = {
    "base": "bert-base-uncased",
    "large": "bert-large-uncased",
    "medium": "bert-medium",
    "small": "bert-small",
    "mini": "bert-mini",
    "tiny": "bert-tiny",
}


def get_config(variant: str = "base") -> ml_collections.ConfigDict:
    """The experiment at one size; `tiny` also shrinks the data and the run, for a CPU."""
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.task = dict(name="mlm", mask_rate=0.15)
    config.model = common.model(common.choose(SIZES, variant), dropout=0.1)

    config.data = dict(
        source="tfds:wikipedia/20230601.en",
        document="paragraph",
        text_field="text",
        validation_fraction=0.001,
        tokenizer=dict(kind="wordpiece", vocab_size=30522, lower_case=True, path="bert-base-uncased"),
        seq_len=128,
        whole_row_segment=False,
    )

    config.batch_size = 256
    config.grad_accum_steps = 1
    config.num_steps = 1_000_000
    config.optimizer = dict(
        learning_rate=1e-4,
        warmup_steps=10_000,
        schedule="linear",
        end_fraction=0.0,
        b1=0.9,
        b2=0.999,
        eps=1e-6,
        weight_decay=0.01,
        clip_norm=1.0,
    )

    config.log_every = 100
    config.eval_every = 10_000
    config.eval_batches = 0
    config.checkpoint_every = 10_000
    config.keep_checkpoints = 2
    config.max_skipped = 20
    config.mesh = "data:-1"
    config.rules = "dp"
    config.xla_options = ""
    if variant == "tiny":
        _shrink(config)
    return config.lock()


def _shrink(config: ml_collections.ConfigDict) -> None:
    """A few minutes on 2 CPU cores. A loop over layers trains faster than a scan there, and dropout is slow."""
    config.model = common.model("bert-tiny", dropout=0.0, dtype="float32")
    config.model.stack = "loop"
    config.data.update(source="embedded", validation_fraction=0.05)
    config.data.tokenizer.update(vocab_size=2048, path="")
    config.batch_size, config.num_steps = 32, 1000
    config.optimizer.update(learning_rate=2e-3, warmup_steps=100)
    config.log_every, config.eval_every, config.checkpoint_every = 10, 200, 200
