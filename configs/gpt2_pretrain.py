# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""GPT-2 pretraining from scratch on OpenWebText, or on Shakespeare in a few minutes.

Paper      Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2. It gives the context
           (1024), the batch (512) and the vocabulary (50,257), but neither optimizer nor schedule. Those are GPT-3's
           (arXiv 2005.14165, table 2.1 and appendix B), with nanoGPT's length of run (600,000 steps, decay to a tenth).
Command    python -m launch.prepare --config=configs/gpt2_pretrain.py --data_dir=DATA
           python -m launch.train --config=configs/gpt2_pretrain.py --data_dir=DATA --workdir=DIR
           where the folder `openwebtext` holds the corpus as text files, one document each.
           Other sizes: configs/gpt2_pretrain.py:medium, :large, :xl.
Hardware   8 accelerators of 40 GB for the 124M model (12 rows each in 5 micro-batches).
Expected   Validation loss about 2.85 on OpenWebText after some 4 days on 8 A100-40GB (nanoGPT's README, of its 124M
           run; it gives 3.12 for the released weights on the same text). Not yet run with this code.

The same experiment on a CPU, with the text that comes with the package:
           python -m launch.train --config=configs/gpt2_pretrain.py:tiny --workdir=DIR
"""

import ml_collections

from configs import common

# Registry name and peak learning rate; the rates are GPT-3's for models of these sizes (table 2.1).
SIZES = {
    "small": ("gpt2", 6e-4),
    "medium": ("gpt2-medium", 3e-4),
    "large": ("gpt2-large", 2.5e-4),
    "xl": ("gpt2-xl", 2e-4),
}


def get_config(variant: str = "small") -> ml_collections.ConfigDict:
    """The experiment at one size; `tiny` is the one for a CPU."""
    tiny = variant == "tiny"
    name, learning_rate = common.choose({**SIZES, "tiny": SIZES["small"]}, variant)
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.task = dict(name="clm")
    config.model = common.model(name, dropout=0.0)  # GPT-2 sees no text twice; nanoGPT pretrains without dropout too

    config.data = dict(
        source="openwebtext",
        document="file",
        text_field="text",
        validation_fraction=0.0005,
        tokenizer=dict(kind="byte_bpe", vocab_size=50257, lower_case=False, path="gpt2"),
        seq_len=1024,
        whole_row_segment=True,
    )

    config.batch_size = 480
    config.grad_accum_steps = 5
    config.num_steps = 600_000
    config.optimizer = dict(
        learning_rate=learning_rate,
        warmup_steps=2000,
        schedule="cosine",
        end_fraction=0.1,
        b1=0.9,
        b2=0.95,
        eps=1e-8,
        weight_decay=0.1,
        clip_norm=1.0,
    )

    config.log_every = 100
    config.eval_every = 1000
    config.eval_batches = 0
    config.checkpoint_every = 1000
    config.keep_checkpoints = 2
    config.max_skipped = 20
    config.mesh = "data:-1"
    config.rules = "dp"
    config.xla_options = ""
    if tiny:
        _shrink(config)
    return config.lock()


def _shrink(config: ml_collections.ConfigDict) -> None:
    """About four minutes on 2 CPU cores. A loop over layers trains faster than a scan there."""
    config.model = common.model(
        "gpt2",
        dropout=0.0,
        dtype="float32",
        width=128,
        num_layers=4,
        num_heads=4,
        mlp_width=512,
        max_length=256,
    )
    config.model.stack = "loop"
    config.data.update(source="embedded", document="paragraph", validation_fraction=0.05, seq_len=128)
    config.data.tokenizer.update(vocab_size=2048, path="")
    config.batch_size, config.grad_accum_steps, config.num_steps = 16, 1, 500
    config.optimizer.update(learning_rate=3e-3, warmup_steps=60)
    config.log_every, config.eval_every, config.checkpoint_every = 10, 100, 200
