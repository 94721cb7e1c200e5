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
Hardware   8 accelerators of 40 GB for the 124M model (12 sequences each in 5 micro-batches).
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
    config = common.experiment(
        objective=dict(type="clm"),
        model=common.model(name, dropout=0.0),  # GPT-2 sees no text twice; nanoGPT pretrains without dropout too
        data=common.text(
            "openwebtext",
            dict(kind="byte_bpe", vocab_size=50257, lower_case=False, path="gpt2"),
            document="file",
            validation_fraction=0.0005,
            seq_len=1024,
            segments="sequence",
        ),
        batch_size=480,
        grad_accum_steps=5,
        num_steps=600_000,
        optimizer=common.adamw(
            learning_rate, warmup_steps=2000, schedule="cosine", end_fraction=0.1, b2=0.95, weight_decay=0.1
        ),
    )
    if tiny:
        common.on_cpu(config, batch_size=16, num_steps=500, eval_every=100)
        config.model.update(width=128, num_layers=4, num_heads=4, mlp_width=512, max_length=256)
        config.optimizer.update(learning_rate=3e-3, warmup_steps=60)
    return config.lock()
