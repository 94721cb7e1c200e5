# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on a task of SuperGLUE that chooses among classes or options: boolq, cb, copa, rte, wic.

Paper      Wang et al. 2019, arXiv:1905.00537; the recipe is that of its BERT baseline in its code (nyu-mll/jiant,
           superglue_bert.conf): 10 epochs of batches of 4, learning rate 1e-5; the best by the development set is kept.
Command    python -m launch.train --config=configs/superglue.py:rte --config.init_from=bert-base-uncased \\
             --config.data.source=RTE/train.jsonl --config.data.validation=RTE/val.jsonl --workdir=DIR
           The files are those of super.gluebenchmark.com, one JSON object a line.
           python -m launch.predict --model=DIR/model --input=RTE/test.jsonl --output=RTE.jsonl
Hardware   One accelerator of 16 GB.
Expected   BERT-large on the test sets (table 3): boolq 77.4, cb F1 75.7 and accuracy 83.6, copa 70.6, rte 71.6, wic
           69.5. The paper's classifier of wic also reads the vectors of the word; here the word stands before the first
           sentence.
"""

from typing import Any

import ml_collections

from configs import common

_TRUTH = ("false", "true")
_TASKS: dict[str, dict[str, Any]] = {
    "boolq": dict(text="passage", text_pair="question", labels=_TRUTH, seq_len=256),
    "cb": dict(text="premise", text_pair="hypothesis", labels=("entailment", "contradiction", "neutral"), seq_len=256),
    "copa": dict(type="choices", text="premise", question="question", options=("choice1", "choice2"), seq_len=64),
    "rte": dict(text="premise", text_pair="hypothesis", labels=("entailment", "not_entailment"), seq_len=256),
    "wic": dict(text="sentence1", text_pair="sentence2", prefix="word", labels=_TRUTH),
}
_BEST = {"cb": "f1_macro"}


def get_config(variant: str = "boolq") -> ml_collections.ConfigDict:
    """The variant is the task."""
    columns = common.choose(_TASKS, variant)
    data = dict(type="table", source="train.jsonl", validation="val.jsonl", label="label") | columns
    objective = "multiple_choice" if data["type"] == "choices" else "sequence_classification"
    best = f"metrics/{_BEST.get(variant, 'accuracy')}"
    config = common.fine_tuning(objective, data, "glue", keep_best=best, batch_size=4, num_epochs=10.0)
    config.evals.metrics.task = variant
    config.optimizer.learning_rate = 1e-5
    return config.lock()
