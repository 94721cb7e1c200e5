# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on which of several options is right: SWAG, RACE, COPA, or your own.

Paper      Zellers et al. 2018, arXiv:1808.05326 (SWAG). The recipe is that of Devlin et al. 2018, arXiv:1810.04805,
           section 4.4: 3 epochs of 16 rows, learning rate 2e-5.
Command    python -m launch.train --config=configs/choice.py --config.init_from=bert-base-uncased \\
             --config.data.source=train.csv --config.data.validation=val.csv --workdir=DIR
           These are the columns of SWAG's own files: `sent1`, `sent2` before each ending, `ending0` to `ending3`,
           `label`.
           RACE as JSON lines: --config.data.text=article --config.data.question=question --config.data.options=options
           --config.data.label=answer --config.data.labels=A,B,C,D
           python -m launch.predict --model=DIR/model --input=new.csv --output=chosen.csv
Hardware   One accelerator of 16 GB or more: a row is as many sequences as it has options.
Expected   SWAG dev, accuracy: BERT-base 81.6, BERT-large 86.6 (table 4 of the paper).

Endings that come with the package, from a tiny random BERT, in a minute on a CPU, to an accuracy above 0.95:
           python -m launch.train --config=configs/choice.py:tiny --workdir=DIR
"""

import ml_collections

from configs import common


def get_config(variant: str = "swag") -> ml_collections.ConfigDict:
    """`swag` has the columns of its files; `tiny` starts from random weights."""
    tiny = common.choose({"swag": False, "tiny": True}, variant)
    options = tuple(f"ending{index}" for index in range(4))
    data = dict(type="choices", source="train.csv", text="sent1", question="sent2", options=options, label="label")
    config = common.fine_tuning("multiple_choice", data, "", keep_best="validation/accuracy", batch_size=16)
    return (common.tiny_fine_tuning(config, text="text", question="") if tiny else config).lock()
