# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning a classifier or a regressor on your own file: one text or a pair, and a label, in each row.

Paper      Devlin et al. 2018, arXiv:1810.04805, section 4.1 and appendix A.3: 2 to 4 epochs, batches of 16 or 32, Adam
           with a learning rate of 2e-5 to 5e-5, dropout 0.1. A tenth of the steps is warm-up, then the rate decays
           linearly, as in the original code (run_classifier.py).
Command    python -m launch.train --config=configs/finetune.py --config.init_from=bert-base-uncased \\
             --config.data.source=train.csv --config.data.text=text --config.data.label=label --workdir=DIR
           A pair: --config.data.text_pair=COLUMN. A number as label: --config.data.label_type=float. CSV, TSV, JSON
           lines and Parquet are read by their suffix. A validation file: --config.data.validation=dev.csv; without one,
           a tenth of the rows is held out. It trains 3 epochs; others by --config.num_epochs=, or
           --config.num_steps=.
           python -m launch.predict --model=DIR/model --input=new.csv --output=out.csv
Hardware   One accelerator; BERT-base fits in 8 GB at 32 x 128.
Expected   Depends on the data. The last model is exported, or the best one with --config.keep_best=metrics/accuracy.

A tiny random BERT on sentences that come with the package, in a minute on a CPU, to an accuracy above 0.95:
           python -m launch.train --config=configs/finetune.py:tiny --workdir=DIR
"""

import ml_collections

from configs import common


def get_config(variant: str = "base") -> ml_collections.ConfigDict:
    """`base` fine-tunes a checkpoint, which `init_from` names; `tiny` starts from random weights."""
    tiny = common.choose({"base": False, "tiny": True}, variant)
    columns = dict(text="text", text_pair="", label="label", label_type="class")
    data = dict(type="table", source="train.csv", **columns)
    config = common.fine_tuning("sequence_classification", data, "sequence_classification")
    if tiny:
        common.tiny_fine_tuning(config)
        config.optimizer.learning_rate = 1e-3
        config.keep_best = "metrics/accuracy"
    return config.lock()
