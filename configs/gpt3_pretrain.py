# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""GPT-3 pretraining from scratch in its eight published sizes, or on Shakespeare in a few minutes.

Paper      Brown et al. 2020, "Language Models are Few-Shot Learners", arXiv 2005.14165. Table 2.1: sizes, batches in
           tokens (0.5M to 3.2M) and learning rates; sequences of 2,048 tokens. Appendix B: Adam with beta 0.9 and 0.95
           and epsilon 1e-8, weight decay 0.1, gradients clipped to 1.0, 375 million tokens of linear warm-up, cosine
           decay to a tenth, documents packed without masks between them. 300 billion tokens in all.
           Differs: the batch is whole from the start, where the paper's grows over the first 4 to 12 billion tokens
           (--config.grad_accum_steps=8 --config.batch_warmup_steps=10000 grows it in eight stages); the cosine ends
           with the run, where the paper's ends at 260 billion; batches are whole powers of two, or three times one
           (3.2M is 1,536 sequences). The text was never released; OpenWebText stands in.
Command    python -m launch.compile --config=configs/gpt3_pretrain.py:6_7b --topology=v5p:4x4x8
           python -m launch.prepare --config=configs/gpt3_pretrain.py --data_dir=DATA
           python -m launch.train --config=configs/gpt3_pretrain.py --data_dir=DATA --workdir=DIR
           where the folder `openwebtext` holds the corpus as text files, one document each.
           Sizes: 125m (small), 350m (medium), 760m (large), 1_3b (xl), 2_7b, 6_7b, 13b, 175b.
Hardware   The paper: a cluster of V100s, 3.64e3 petaflop/s-days for 175B (table D.1). The meshes below are for slices
           of v5p: 6.7B on 4x4x8 (128 chips), 175B on 8x8x8 (512). 13B's width of 5,140 divides by 4 and not by 8.
Expected   Validation loss 1.73 for 175B on the paper's text, by the fit of figure 3.1: 2.57 C^-0.048 for C
           petaflop/s-days. Not yet run with this code.

The same experiment on a CPU, with the text that comes with the package:
           python -m launch.train --config=configs/gpt3_pretrain.py:tiny --workdir=DIR
"""

from typing import NamedTuple

import ml_collections

from configs import common

SEQ_LEN = 2048
_TOKENS, _WARMUP_TOKENS = 300e9, 375e6
# GPT-2's 50,257 tokens, filled up so that a mesh can split them.
_SPLIT_VOCAB = 50304


class Size(NamedTuple):
    """A row of table 2.1, and its sharding. Attributes: sequences: of a step, of 2,048 tokens.

    `fsdp` leaves each device a multiple of 128 of the width, where possible: with less than a TPU's lanes, libtpu
    uses all-reduces in place of gathers and scatters, and sends twice the bytes.
    """

    name: str
    learning_rate: float
    sequences: int
    mesh: str = "data:-1"
    rules: str = "dp"
    remat: str = "full"


_SIZES = {
    "125m": Size("gpt3-125m", 6e-4, 256),
    "350m": Size("gpt3-350m", 3e-4, 256),
    "760m": Size("gpt3-760m", 2.5e-4, 256, "data:-1,fsdp:4", "fsdp"),
    "1_3b": Size("gpt3-1.3b", 2e-4, 512, "data:-1,fsdp:4", "fsdp"),
    "2_7b": Size("gpt3-2.7b", 1.6e-4, 512, "data:-1,fsdp:4", "fsdp"),
    "6_7b": Size("gpt3-6.7b", 1.2e-4, 1024, "data:-1,fsdp:32", "fsdp"),
    "13b": Size("gpt3-13b", 1e-4, 1024, "data:-1,fsdp:4", "fsdp"),
    "175b": Size("gpt3-175b", 0.6e-4, 1536, "data:-1,fsdp:32,tensor:8", "fsdp_tp"),
}
_NAMES = {"small": "125m", "medium": "350m", "large": "760m", "xl": "1_3b"}
SIZES = {**_SIZES, **{name: _SIZES[size] for name, size in _NAMES.items()}}


def get_config(variant: str = "small") -> ml_collections.ConfigDict:
    """The experiment at one size; `tiny` is the one for a CPU."""
    tiny = variant == "tiny"
    size = common.choose({**SIZES, "tiny": SIZES["small"]}, variant)
    tokens = size.sequences * SEQ_LEN
    config = common.experiment(
        objective=dict(type="clm"),
        model=common.model(size.name, dropout=0.0, remat=size.remat),
        data=common.text(
            "openwebtext",
            dict(kind="byte_bpe", vocab_size=50257, lower_case=False, path="gpt2"),
            document="file",
            validation_fraction=0.0005,
            seq_len=SEQ_LEN,
            segments="sequence",
        ),
        batch_size=size.sequences,
        num_steps=round(_TOKENS / tokens),
        optimizer=common.adamw(
            size.learning_rate,
            warmup_steps=round(_WARMUP_TOKENS / tokens),
            schedule="cosine",
            end_fraction=0.1,
            b2=0.95,
            weight_decay=0.1,
        ),
        mesh=size.mesh,
        rules=size.rules,
    )
    if size.rules == "fsdp_tp":
        config.model.vocab_size = _SPLIT_VOCAB
    if tiny:
        common.on_cpu(config, batch_size=16, num_steps=500, eval_every=100)
        config.model.update(width=128, num_layers=4, num_heads=4, mlp_width=512, max_length=256, remat="none")
        config.optimizer.update(learning_rate=3e-3, warmup_steps=60)
    return config.lock()
