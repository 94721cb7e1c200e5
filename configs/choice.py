# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on which of several options is right: SWAG, RACE, COPA, or your own.

Paper      Zellers et al. 2018, arXiv:1808.05326 (SWAG); Lai et al. 2017, arXiv:1704.04683 (RACE). The recipe is that of
           Devlin et al. 2018, arXiv:1810.04805, section 4.4: 3 epochs of 16 rows, learning rate 2e-5; for RACE that of
           XLNet's code (arXiv:1906.08237): 12,000 steps of 32 rows.
Command    python -m launch.train --config=configs/choice.py --config.init_from=bert-base-uncased \\
             --config.data.source=train.csv --config.data.validation=val.csv --workdir=DIR
           These are the columns of SWAG's own files: `sent1`, `sent2` before each ending, `ending0` to `ending3`,
           `label`.
           RACE: --config=configs/choice.py:race, with its files as JSON lines, an article in each, or
           --config.data.source=tfds:race/high.
           python -m launch.predict --model=DIR/model --input=new.csv --output=chosen.csv
Hardware   One accelerator of 16 GB or more: a row is as many sequences as it has options.
Expected   SWAG dev, accuracy: BERT-base 81.6, BERT-large 86.6 (table 4 of the paper). RACE test: XLNet-large 81.75.

Endings that come with the package, from a tiny random BERT, in a minute on a CPU, to an accuracy above 0.95:
           python -m launch.train --config=configs/choice.py:tiny --workdir=DIR
"""

import ml_collections

from configs import common


def get_config(variant: str = "swag") -> ml_collections.ConfigDict:
    """`swag` and `race` have the columns of their files; `tiny` starts from random weights."""
    endings = tuple(f"ending{index}" for index in range(4))
    swag = dict(source="train.csv", text="sent1", question="sent2", options=endings, label="label", labels=())
    race = dict(source="train.jsonl", text="article", question="questions", options=("options",), label="answers")
    race |= dict(labels=("A", "B", "C", "D"), seq_len=512)
    data = common.choose({"swag": swag, "race": race, "tiny": swag}, variant)
    best = dict(keep_best="metrics/accuracy", batch_size=16)
    config = common.fine_tuning("multiple_choice", dict(type="choices", **data), "sequence_classification", **best)
    if variant == "race":
        config.optimizer.update(warmup_steps=1000, weight_decay=0.0)
        config.update(batch_size=32, num_steps=12_000, eval_every=1000, checkpoint_every=1000)
    return (common.tiny_fine_tuning(config, text="text", question="") if variant == "tiny" else config).lock()
