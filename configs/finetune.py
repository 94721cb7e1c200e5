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
           a tenth of the rows is held out. Set the number of steps: rows / batch_size is one epoch.
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
    config = common.experiment(
        objective=dict(type="sequence_classification"),
        model=common.model("", dtype="float32"),
        data=dict(
            type="table",
            source="train.csv",
            validation="",
            validation_fraction=0.1,
            text="text",
            text_pair="",
            label="label",
            label_type="class",
            seq_len=128,
            tokenizer=dict(kind="wordpiece", vocab_size=8192, lower_case=True, path=""),  # without init_from
        ),
        batch_size=32,
        num_steps=1000,
        optimizer=common.adamw(2e-5, warmup_steps=100, eps=1e-6),
        evals={"validation": {"type": "loss"}, "metrics": {"type": "sequence_classification"}},
        eval_every=200,
        checkpoint_every=200,
        log_every=20,
    )
    if tiny:
        config.model = common.model("bert-tiny", dropout=0.0, dtype="float32", stack="loop")
        config.data.update(source="embedded", seq_len=32)
        config.data.tokenizer.vocab_size = 512
        config.optimizer.update(learning_rate=1e-3, warmup_steps=20)
        config.update(num_steps=100, eval_every=50, checkpoint_every=50, log_every=10, keep_best="metrics/accuracy")
    return config.lock()
