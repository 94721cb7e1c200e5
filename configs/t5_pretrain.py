# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""T5 pretraining with span corruption on C4, or on Shakespeare in a few minutes.

Paper      Raffel et al. 2020, arXiv 1910.10683: the baseline of section 3.1 with the spans of section 3.3.4. An
           encoder of 512 tokens, which takes 568 of text, 128 a step, 2^19 steps; 15 % of the tokens in spans of 3;
           dropout 0.1, and none in version 1.1 (released_checkpoints.md of the authors' code). Adafactor with a
           learning rate of 1 / sqrt(max(step, 10^4)).
           Differs: an end token after each document, where the paper's code puts nothing between them.
           UL2 (Tay et al. 2022, arXiv 2205.05131, table 1): seven denoisers, each as often as the others, of texts of
           512 tokens. Differs: no mode tokens, which T5's vocabulary lacks, and one length of text for all.
Command    python -m launch.prepare --config=configs/t5_pretrain.py --data_dir=DATA
           python -m launch.train --config=configs/t5_pretrain.py --data_dir=DATA --workdir=DIR
           Other sizes: configs/t5_pretrain.py:small, :large, :3b, :11b, and version 1.1 as :v1_1-small to :v1_1-xxl.
           With UL2's denoisers: :base,ul2.
Hardware   0.15 seconds a step on 32 cores of TPU v2 for base (Shazeer 2020, arXiv 2002.05202, section 3.2).
Expected   Held-out loss 1.677 for base after all steps, 1.997 after 65,536; 1.633 and 1.942 with the gated GELU of
           version 1.1 (there, table 1: the same text, lengths and batch, without dropout). Not yet run with this
           code.

The same experiment on a CPU, with the text that comes with the package:
           python -m launch.train --config=configs/t5_pretrain.py:tiny --workdir=DIR
"""

from typing import Any

import ml_collections

from configs import common

SIZES = {
    **{size: f"t5-{size}" for size in ("small", "base", "large", "3b", "11b")},
    **{f"v1_1-{size}": f"t5-v1_1-{size}" for size in ("small", "base", "large", "xl", "xxl")},
    "tiny": "t5-small",
}
_RATES = ("embed_dropout", "hidden_dropout", "attention_dropout", "mlp_dropout", "output_dropout")
UL2 = {
    "r3": dict(type="spans", rate=0.15, mean_span=3.0),
    "r8": dict(type="spans", rate=0.15, mean_span=8.0),
    "s": dict(type="suffix", rate=0.25),
    "x3": dict(type="spans", rate=0.5, mean_span=3.0),
    "x8": dict(type="spans", rate=0.5, mean_span=8.0),
    "x64": dict(type="spans", rate=0.15, mean_span=64.0),
    "x64_half": dict(type="spans", rate=0.5, mean_span=64.0),
}


def get_config(variant: str = "base") -> ml_collections.ConfigDict:
    """`SIZE` or `SIZE,ul2`; the size `tiny` also shrinks the model, the data and the run, for a CPU."""
    size, *options = variant.split(",")
    mixed = any([common.choose({"ul2": True}, option) for option in options])
    config = common.experiment(
        objective=_objective(mixed, inputs_length=512),
        model=common.model(common.choose(SIZES, size), vocab_size=32128),  # as released: it can be sharded
        data=common.text(
            "tfds:c4/en",
            dict(kind="byte_bpe", vocab_size=32100, lower_case=False, path="t5-small"),
            document="file",
            validation_fraction=0.001,
            seq_len=512 if mixed else 568,
            segments="sequence",
        ),
        batch_size=128,
        num_steps=2**19,
        optimizer=_optimizer(),
        eval_every=10_000,
        checkpoint_every=10_000,
    )
    if size.startswith("v1_1"):
        config.model.update(dict.fromkeys(_RATES, 0.0))
    if size == "tiny":
        common.on_cpu(config, batch_size=32, num_steps=1000, eval_every=200)
        config.objective = _objective(mixed, inputs_length=128)
        config.data.seq_len = 128 if mixed else 141
        config.model.update(width=128, kv_width=32, num_layers=2, decoder_layers=2, num_heads=4, mlp_width=512)
        config.model.update(vocab_size=2048, **dict.fromkeys(_RATES, 0.0))  # dropout is slow on a CPU
        config.optimizer.warmup_steps = 100
    return config.lock()


def _objective(mixed: bool, inputs_length: int) -> dict[str, Any]:
    if mixed:
        return dict(type="span_corruption", inputs_length=inputs_length, denoisers=UL2)
    return dict(type="span_corruption", inputs_length=inputs_length, noise_rate=0.15, mean_span=3.0)


def _optimizer() -> dict[str, Any]:
    """1 / sqrt(step) after 10,000 steps of 0.01, relative to the size of each parameter."""
    rates = dict(learning_rate=0.01, warmup="constant", warmup_steps=10_000, warmup_fraction=0.0)
    return dict(type="adafactor", schedule="inverse_sqrt", **rates)
