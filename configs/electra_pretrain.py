# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""ELECTRA pretraining with replaced-token detection on OpenWebText, or on Shakespeare in a few minutes.

Paper      Clark et al. 2020, arXiv 2003.10555, table 6 and section 3; github.com/google-research/electra. Small:
           sequences of 128 tokens, 128 a step, a million steps, Adam of 5e-4 (eps 1e-6, decay 0.01), 10,000 steps of
           warm-up and a linear decay, a generator of a quarter, the discriminator's loss times 50. Base: 512 tokens,
           256 a step, 766,000 steps of 2e-4, a generator of a third. Large: 2,048 a step, 400,000 steps of 2e-4, 25 %
           of the tokens, a quarter.
           Differs: small trains on OpenWebText, as the authors' public recipe does, and not on Wikipedia and
           BooksCorpus.
Command    python -m launch.prepare --config=configs/electra_pretrain.py --data_dir=DATA
           python -m launch.train --config=configs/electra_pretrain.py --data_dir=DATA --workdir=DIR
           Other sizes: :base, :large. The paper's ablations: --config.objective.over=hidden (ELECTRA 15 %),
           :small,replace_mlm (Replace MLM) and :small,all_tokens_mlm (All-Tokens MLM).
Hardware   The paper: small 4 days on one V100; base 4 days on 16 TPU v3 chips.
Expected   Small on OpenWebText, fine-tuned: MNLI 78.9, SST-2 88.3, CoLA 56.8 (the code's README, dev sets). Base: a
           GLUE dev average of 85.0, beside 84.3 for All-Tokens MLM and 82.4 for the other two ablations (table 5).
           Not yet run with this code.

The same experiment on a CPU, with the text that comes with the package:
           python -m launch.train --config=configs/electra_pretrain.py:tiny --workdir=DIR
"""

from typing import NamedTuple

import ml_collections

from configs import common


class Recipe(NamedTuple):
    """What differs between the sizes."""

    model: str
    seq_len: int
    batch_size: int
    num_steps: int
    learning_rate: float
    mask_rate: float
    generator_size: float


_SMALL = Recipe("electra-small-discriminator", 128, 128, 1_000_000, 5e-4, 0.15, 0.25)
SIZES = {
    "small": _SMALL,
    "base": Recipe("electra-base-discriminator", 512, 256, 766_000, 2e-4, 0.15, 1 / 3),
    "large": Recipe("electra-large-discriminator", 512, 2048, 400_000, 2e-4, 0.25, 0.25),
    "tiny": _SMALL,
}


def get_config(variant: str = "small") -> ml_collections.ConfigDict:
    """`SIZE`, `SIZE,replace_mlm` or `SIZE,all_tokens_mlm`; `tiny` also shrinks the model, the data and the run."""
    size, *options = variant.split(",")
    recipe = common.choose(SIZES, size)
    ablations = {name: dict(type=name, main_weight=1.0) for name in ("replace_mlm", "all_tokens_mlm")}
    chosen = [common.choose(ablations, option) for option in options]
    config = common.experiment(
        objective=dict(
            mask_rate=recipe.mask_rate,
            generator_size=recipe.generator_size,
            sharing="embeddings",
            **(chosen[0] if chosen else dict(type="rtd", main_weight=50.0)),
        ),
        model=common.model(recipe.model, dropout=0.1),
        data=common.text(
            "tfds:openwebtext",
            dict(kind="wordpiece", vocab_size=30522, lower_case=True, path="bert-base-uncased"),
            document="paragraph",
            validation_fraction=0.001,
            seq_len=recipe.seq_len,
            segments="documents",
        ),
        batch_size=recipe.batch_size,
        num_steps=recipe.num_steps,
        optimizer=common.adamw(recipe.learning_rate, warmup_steps=10_000, eps=1e-6),
        eval_every=10_000,
        checkpoint_every=10_000,
    )
    if size == "tiny":
        common.on_cpu(config, batch_size=32, num_steps=1000, eval_every=200)
        config.model.update(width=128, num_layers=2, num_heads=2, mlp_width=512, embed_width=None)
        config.model.update(embed_dropout=0.0, hidden_dropout=0.0, attention_dropout=0.0)  # slow on a CPU
        config.objective.generator_size = 0.5
        config.optimizer.update(learning_rate=2e-3, warmup_steps=100)
    return config.lock()
