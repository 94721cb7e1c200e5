# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Hugging Face's Trainer on the run that `benchmarks.finetune` describes in a JSON file; run by it, with torch.

python benchmarks/finetune_peer.py RUN.json
"""

import csv
import json
import sys
import tempfile
import time

import numpy as np
import torch
import transformers


class Rows(torch.utils.data.Dataset):
    """Encoded sentences and labels of a table, all padded to one length."""

    def __init__(self, path, tokenizer, length):
        with open(path, newline="") as file:
            rows = [*csv.DictReader(file)]
        texts = [row["text"] for row in rows]
        self.inputs = tokenizer(texts, truncation=True, max_length=length, padding="max_length")
        self.labels = [int(row["label"]) for row in rows]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return {name: values[index] for name, values in self.inputs.items()} | {"labels": self.labels[index]}


class Clock(transformers.TrainerCallback):
    """Seconds of each step."""

    def __init__(self):
        self.begin, self.seconds = 0.0, []

    def on_step_begin(self, *_, **__):
        self.begin = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.seconds.append(time.perf_counter() - self.begin)


def scores(predicted, labels):
    """Accuracy, and the Matthews correlation, which is Pearson's of two classes."""
    matthews = np.corrcoef(predicted, labels)[0, 1] if len({*predicted}) > 1 else 0.0
    return {"accuracy": float((predicted == labels).mean()), "matthews_correlation": float(matthews)}


def main(path: str) -> None:
    with open(path) as file:
        run = json.load(file)
    transformers.set_seed(run["seed"])
    torch.set_num_threads(run["threads"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(run["model"])
    model = transformers.AutoModelForSequenceClassification.from_pretrained(run["model"], num_labels=2)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            folder,
            per_device_train_batch_size=run["batch_size"],
            per_device_eval_batch_size=run["batch_size"],
            learning_rate=run["learning_rate"],
            max_steps=run["steps"],
            warmup_steps=run["warmup"],
            weight_decay=0.01,
            adam_epsilon=1e-6,
            lr_scheduler_type="linear",
            max_grad_norm=1.0,
            seed=run["seed"],
            use_cpu=True,
            dataloader_drop_last=True,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = transformers.Trainer(
            model,
            arguments,
            train_dataset=Rows(run["train"], tokenizer, run["length"]),
            eval_dataset=Rows(run["dev"], tokenizer, run["length"]),
            callbacks=[clock],
            compute_metrics=lambda p: scores(p.predictions.argmax(-1), p.label_ids),
        )
        trainer.train()
        arguments.dataloader_drop_last = False  # it would leave out the last rows of the dev set as well
        found = trainer.evaluate()
    scored = {"metric": found[f"eval_{run['metric']}"], "loss": found["eval_loss"]}
    print(json.dumps({**scored, "seconds": float(np.median(clock.seconds[3:]))}))


if __name__ == "__main__":
    main(sys.argv[1])
