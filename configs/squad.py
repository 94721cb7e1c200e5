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
           Another recipe: --config=configs/squad.py:v1,electra. There are `roberta` (arXiv:1907.11692, table 10),
           `electra` (arXiv:2003.10555, table 7, base), `albert` (arXiv:1909.11942, table 14) and `xlnet`
           (arXiv:1906.08237, its code for large).
           python -m launch.predict --model=DIR/model --input=questions.jsonl --output=answers.jsonl
Hardware   One accelerator of 16 GB or more.
Expected   SQuAD 1.1 dev, exact match and F1: BERT-base 80.8 and 88.5, BERT-large 84.1 and 90.9 (table 2 of the paper).

Questions that come with the package, from a tiny random BERT, in a minute on a CPU, to an F1 above 0.9:
           python -m launch.train --config=configs/squad.py:tiny --workdir=DIR
"""

import ml_collections

from configs import common


def get_config(variant: str = "v1") -> ml_collections.ConfigDict:
    """`v1` has an answer to each question, `v2` may have none, with a recipe behind a comma; `tiny` is random."""
    version, *recipes = variant.split(",")
    unanswerable = common.choose({"v1": "refused", "v2": "allowed", "tiny": "refused"}, version)
    columns = dict(id="id", question="question", context="context", answers="answers")
    windows = dict(seq_len=384, stride=128, max_question_tokens=64, unanswerable=unanswerable)
    data = dict(type="questions", source="train-v1.1.json", **columns, **windows)
    config = common.fine_tuning("question_answering", data, "question_answering", keep_best="metrics/f1", log_every=100)
    config.optimizer.learning_rate = 5e-5
    for recipe in recipes:
        _apply(config, recipe, version)
    if version == "tiny":
        common.tiny_fine_tuning(config, seq_len=96, stride=16, max_question_tokens=24)
        config.num_steps = 200
    return config.lock()


def _apply(config: ml_collections.ConfigDict, recipe: str, version: str) -> None:
    albert = dict(v1=(5e-5, 3649, 365), v2=(3e-5, 8144, 814))
    rate, steps, warmup = albert.get(version, albert["v1"])
    optimizer, run = common.choose(
        {
            "roberta": (
                dict(learning_rate=1.5e-5, warmup_fraction=0.06, b2=0.98, clip_norm=0.0),
                dict(batch_size=48, num_epochs=2.0),
            ),
            "electra": (dict(learning_rate=1e-4, layer_decay=0.8, weight_decay=0.0), dict(num_epochs=2.0)),
            "albert": (dict(learning_rate=rate, warmup_steps=warmup), dict(batch_size=48, num_steps=steps)),
            "xlnet": (
                dict(learning_rate=3e-5, layer_decay=0.75, warmup_steps=1000, weight_decay=0.0),
                dict(batch_size=48, num_steps=8000),
            ),
        },
        recipe,
    )
    config.optimizer.update(optimizer)
    config.update(run)
    if recipe == "albert":
        config.model = common.model("", dropout=0.0, dtype="float32", classifier_dropout=0.1)
    if recipe == "xlnet":
        config.data.seq_len = 512
