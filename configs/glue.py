# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on a task of GLUE: cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli.

Paper      Wang et al. 2018, arXiv:1804.07461 (the tasks and their metrics). The recipes:
           `bert`     Devlin et al. 2018, arXiv:1810.04805, section 4.1; of its learning rates the lowest.
           `roberta`  Liu et al. 2019, arXiv:1907.11692, table 10; the values of each task are those of its code
                      (fairseq, examples/roberta), which keeps the best checkpoint and has none for wnli.
           `electra`  Clark et al. 2020, arXiv:2003.10555, table 7, base; small has a learning rate of 3e-4, and large
                      5e-5 with --config.optimizer.layer_decay=0.9.
           `albert`   Lan et al. 2019, arXiv:1909.11942, table 14, for the models of version 1.
Command    python -m launch.train --config=configs/glue.py:sst2 --config.init_from=bert-base-uncased --workdir=DIR
           Another recipe: --config=configs/glue.py:sst2,electra. Several seeds: --seeds=5. Sentences that share a row:
           --config.data.packing=8.
           From the benchmark's own files in place of TensorFlow Datasets, whose columns have other names:
           --config=configs/glue.py:cola,files --config.data.source=CoLA/train.tsv
             --config.data.validation=CoLA/dev.tsv, and for mnli --config.data.splits=mismatched=MNLI/dev_mismatched.tsv
           Behind ,files,test also the test set: --config.data.splits=test=CoLA/test.tsv, and for mnli mismatched=,
           test_matched=, test_mismatched= and ax=, with commas between.
           DIR/report has the metrics, their plots, the worst errors, and the predictions of the test set (for mnli also
           those of the diagnostic set AX) as the benchmark's site takes them.
Hardware   One accelerator; BERT-base fits in 8 GB at 32 x 128.
Expected   On the development sets, medians over seeds: BERT-base mnli 84.6, qnli 88.4 to 91.8, sst2 92.7, mrpc 86.7 to
           88.6; RoBERTa-large mnli 90.2, qnli 94.7, qqp 92.2, rte 86.6, sst2 96.4, mrpc 90.9, cola 68.0, stsb 92.4;
           ELECTRA-base 85.0 on average. rte, cola and stsb vary by several points between seeds.
"""

from typing import Any

import ml_collections

from configs import common

# The columns and classes of TensorFlow Datasets, and how the columns of the benchmark's own files differ from them.
_PAIR = dict(text="sentence1", text_pair="sentence2")
_TASKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cola": (
        dict(text="sentence", labels=("unacceptable", "acceptable")),
        dict(column_names=("source", "label", "original_label", "sentence")),
    ),
    "sst2": (dict(text="sentence", labels=("negative", "positive")), {}),
    "mrpc": (
        dict(_PAIR, labels=("not_equivalent", "equivalent")),
        dict(text="#1 String", text_pair="#2 String", label="Quality"),
    ),
    "stsb": (dict(_PAIR, label_type="float", label_range=(0.0, 5.0)), dict(label="score")),
    "qqp": (
        dict(text="question1", text_pair="question2", labels=("not_duplicate", "duplicate")),
        dict(label="is_duplicate"),
    ),
    "mnli": (
        dict(text="premise", text_pair="hypothesis", labels=("entailment", "neutral", "contradiction")),
        dict(_PAIR, label="gold_label"),
    ),
    "qnli": (dict(text="question", text_pair="sentence", labels=("entailment", "not_entailment")), {}),
    "rte": (dict(_PAIR, labels=("entailment", "not_entailment")), {}),
    "wnli": (dict(_PAIR, labels=("not_entailment", "entailment")), {}),
}
_SMALL = ("cola", "mrpc", "stsb", "rte", "wnli")

# RoBERTa's learning rates and batches; ALBERT's learning rate, batch, steps, warm-up steps and dropout.
_ROBERTA_RATES = dict.fromkeys(_TASKS, 1e-5) | dict(rte=2e-5, stsb=2e-5)
_ALBERT = {
    "cola": (1e-5, 16, 5336, 320, 0.0),
    "sst2": (1e-5, 32, 20935, 1256, 0.0),
    "mrpc": (2e-5, 32, 800, 200, 0.0),
    "stsb": (2e-5, 16, 3598, 214, 0.0),
    "qqp": (5e-5, 128, 14000, 1000, 0.1),
    "mnli": (3e-5, 128, 10000, 1000, 0.0),
    "qnli": (1e-5, 32, 33112, 1986, 0.0),
    "rte": (3e-5, 32, 800, 200, 0.1),
    "wnli": (2e-5, 16, 2000, 250, 0.1),
}


def get_config(variant: str = "sst2") -> ml_collections.ConfigDict:
    """`TASK`, `TASK,RECIPE`, and behind these `,files`, the columns of the benchmark's own files, or `,files,test`."""
    task, *options = variant.split(",")
    columns, in_files = common.choose(_TASKS, task)
    recipes = dict(bert=_bert, roberta=_roberta, electra=_electra, albert=_albert)
    chosen = [common.choose({**recipes, "files": None, "test": None}, option) for option in options]
    if len([*filter(None, chosen)]) > 1:
        raise ValueError(f"{variant!r} has more than one recipe; choose one of {', '.join(recipes)}.")
    if "test" in options and "files" not in options:
        raise ValueError(f"{variant!r}: TensorFlow Datasets has the test sets in any case; 'test' goes with 'files'.")
    data = dict(type="table", text_pair="", label="label", label_type="class", **_sources(task)) | columns
    if "files" in options:
        data.update(source="train.tsv", validation="dev.tsv", **_files(task, with_test="test" in options), **in_files)
    config = common.fine_tuning("sequence_classification", data, "glue")
    config.evals.metrics.task = task
    if task == "mnli":
        config.evals.mismatched = {"type": "glue", "task": task, "split": "mismatched"}
    for name in _tests(data["splits"]):
        config.evals[name] = {"type": "glue_submission", "task": "ax" if name == "ax" else task, "split": name}
    for recipe in filter(None, chosen):
        recipe(config, task)
    return config.lock()


def _sources(task: str) -> dict[str, Any]:
    """The splits of TensorFlow Datasets."""
    name = f"tfds:glue/{task}"
    if task != "mnli":
        return dict(source=f"{name}#train", validation=f"{name}#validation", splits=(f"test={name}#test",), id="idx")
    others = dict(mismatched="validation_mismatched", test_matched="test_matched", test_mismatched="test_mismatched")
    splits = (*(f"{split}={name}#{others[split]}" for split in others), "ax=tfds:glue/ax#test")
    return dict(source=f"{name}#train", validation=f"{name}#validation_matched", splits=splits, id="idx")


def _tests(splits: tuple[str, ...]) -> list[str]:
    """The names of the splits whose labels are secret."""
    return [name for name in (split.partition("=")[0] for split in splits) if name.startswith("test") or name == "ax"]


def _files(task: str, *, with_test: bool) -> dict[str, Any]:
    """The further sets of the benchmark's own files; those for testing alone have numbers for each task."""
    splits = ("mismatched=dev_mismatched.tsv",) if task == "mnli" else ()
    if not with_test:
        return dict(splits=splits, id="")
    tests = ("test_matched=test_matched.tsv", "test_mismatched=test_mismatched.tsv", "ax=diagnostic.tsv")
    splits += tests if task == "mnli" else ("test=test.tsv",)
    return dict(splits=splits, id="id" if task == "qqp" else "index")


def _bert(config: ml_collections.ConfigDict, task: str) -> None:
    """The recipe as it stands."""


def _roberta(config: ml_collections.ConfigDict, task: str) -> None:
    rates = dict(learning_rate=_ROBERTA_RATES[task], warmup_fraction=0.25 if task == "qqp" else 0.06)
    config.optimizer.update(weight_decay=0.1, b2=0.98, clip_norm=0.0, **rates)
    config.update(num_epochs=10.0, batch_size=16 if task in _SMALL else 32)
    config.keep_best = "validation/loss" if task == "stsb" else "validation/accuracy"


def _electra(config: ml_collections.ConfigDict, task: str) -> None:
    config.optimizer.update(learning_rate=1e-4, layer_decay=0.8, weight_decay=0.0)
    config.num_epochs = 10.0 if task in ("rte", "stsb") else 3.0


def _albert(config: ml_collections.ConfigDict, task: str) -> None:
    rate, batch_size, num_steps, warmup_steps, dropout = _ALBERT[task]
    config.model = common.model("", dropout=dropout, dtype="float32", classifier_dropout=0.1)
    config.data.seq_len = 512
    config.optimizer.update(learning_rate=rate, warmup_steps=warmup_steps, warmup_fraction=0.0)
    every = max(1, num_steps // 10)
    config.update(batch_size=batch_size, num_steps=num_steps, num_epochs=0.0, eval_every=every, checkpoint_every=every)
