# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on questions whose answers are spans of a context: SQuAD 1.1 and 2.0, or your own.

Paper      Rajpurkar et al. 2016, arXiv:1606.05250, and 2018, arXiv:1806.03822. The recipe is that of Devlin et al.
           2018, arXiv:1810.04805, section 4.2: 3 epochs of 32 windows, learning rate 5e-5; windows of 384 tokens that
           share 128 are those of Transformers' run_qa.py.
Command    python -m launch.train --config=configs/squad.py --config.init_from=bert-base-uncased \\
             --config.data.source=train-v1.1.json --config.data.validation=dev-v1.1.json --workdir=DIR
           SQuAD 2.0: --config=configs/squad.py:v2 and its files. Your own questions as .jsonl or .parquet have the
           columns `id`, `question`, `context` and `answers` (lists of text and answer_start).
           python -m launch.predict --model=DIR/model --input=questions.jsonl --output=answers.jsonl
Hardware   One accelerator of 16 GB or more.
Expected   SQuAD 1.1 dev, exact match and F1: BERT-base 80.8 and 88.5, BERT-large 84.1 and 90.9 (table 2 of the paper).

Questions that come with the package, from a tiny random BERT, in a minute on a CPU, to an F1 above 0.9:
           python -m launch.train --config=configs/squad.py:tiny --workdir=DIR
"""

import ml_collections

from configs import common


def get_config(variant: str = "v1") -> ml_collections.ConfigDict:
    """`v1` has an answer to each question, `v2` may have none; `tiny` starts from random weights."""
    unanswerable = common.choose({"v1": "refused", "v2": "allowed", "tiny": "refused"}, variant)
    columns = dict(id="id", question="question", context="context", answers="answers")
    windows = dict(seq_len=384, stride=128, max_question_tokens=64, unanswerable=unanswerable)
    data = dict(type="questions", source="train-v1.1.json", **columns, **windows)
    config = common.fine_tuning("question_answering", data, "question_answering", keep_best="metrics/f1", log_every=100)
    config.optimizer.learning_rate = 5e-5
    if variant == "tiny":
        common.tiny_fine_tuning(config, seq_len=96, stride=16, max_question_tokens=24)
        config.num_steps = 200
    return config.lock()
