# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Predictions for the rows of a table, written next to the table's columns in the order of its rows."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tqdm
from flax import nnx

import zoo
from zoo.data.choices import OPTION
from zoo.data.column_writer import check_output, write_table
from zoo.data.inputs import Inputs
from zoo.data.rows import collect
from zoo.data.schema import Examples
from zoo.data.tables import open_table
from zoo.errors import ConfigError
from zoo.evals.evaluator import one_ahead
from zoo.hub.load import head_name
from zoo.nn.config import TransformerConfig
from zoo.nn.transformer import Transformer
from zoo.objectives.head_logits import head_logits
from zoo.predict.answers import Answers
from zoo.predict.choices import Choices
from zoo.predict.labels import Labels
from zoo.predict.predictor import Predictor
from zoo.predict.tags import Tags

_CHUNK = 1024  # rows in memory at a time
PREDICTORS: dict[str, type[Predictor]] = {kind.head: kind for kind in (Answers, Choices, Labels, Tags)}


def predict(
    source: str | Path,
    table: str | Path,
    output: str | Path,
    *,
    columns: dict[str, str] | None = None,
    column_names: Sequence[str] = (),
    seq_len: int | None = None,
    no_answer_threshold: float | None = None,
    batch_size: int = 32,
    dtype: Any = "float32",
    overwrite: bool = False,
) -> int:
    """Writes the table's rows with what the model predicts of each; returns how many rows.

    Classifiers add `prediction` and a probability for each class, taggers the tags of the words, models that answer
    questions the answer and where it stands in the context, those that choose the option: see `PREDICTORS`.

    Args:
      source: a Hub folder or registry name of a model with one of the heads of `PREDICTORS`.
      table, output: .csv, .tsv, .jsonl or .parquet files; of questions also SQuAD's .json, of words also .conll. The
        table may be `tfds:NAME#SPLIT` as well.
      columns: names of the table's columns by what they hold (`text`, `text_pair`, `words`, `question`, `context`);
        those that it lacks are as the model was trained, else called what they hold.
      column_names: of a .csv or .tsv table whose first line does not name its columns; the output's first line does.
      seq_len: longest sequence in tokens, None as trained, else what the model takes at most (512).
      no_answer_threshold: of the no-answer score, above which the answer to a question is empty; a report has the best
        one of a validation set. None is 0 for a model that was trained on questions without an answer, and otherwise
        gives every question an answer.
      batch_size: sequences at a time.
      overwrite: whether an existing output is replaced.

    Raises:
      ConfigError: another head, columns that the table lacks, or an output that exists or cannot be written.
      FormatError, InputError: a damaged model or table.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size must be 1 or more; found {batch_size}.")
    head = head_name(source)
    if head not in PREDICTORS:
        raise ConfigError(
            f"{source} has {'no head' if head is None else f'a {head} head'}, and rows are predicted by "
            f"{', '.join(sorted(PREDICTORS))}; fine-tune it first (configs/finetune.py)."
        )
    config, tokenizer = zoo.config(source), zoo.tokenizer(source)
    kind = PREDICTORS[head]
    inputs = _inputs(Path(source), config, kind, columns or {}, seq_len)
    if no_answer_threshold is not None:
        inputs = _with_threshold(inputs, head, no_answer_threshold)
    predictor = kind(config, tokenizer, inputs)
    rows = open_table(table, required=[*predictor.inputs.columns.values()], names=column_names)
    check_output(output, rows, predictor.columns, overwrite=overwrite)
    logits = _logits(zoo.load(source, head=head, head_init="required", dtype=dtype))
    count = 0
    with (
        write_table(output, rows, predictor.columns, overwrite=overwrite) as write,
        tqdm.tqdm(desc="predicting", unit=" rows", disable=None) as bar,
    ):
        remaining = iter(rows)
        while chunk := [*itertools.islice(remaining, _CHUNK)]:
            part = collect(rows, chunk, predictor.inputs.columns, texts=predictor.texts)
            examples, lengths = predictor.encode(part)
            write(chunk, predictor.values(part, examples, _run(logits, examples, lengths, batch_size)))
            count += len(chunk)
            bar.update(len(chunk))
    return count


def _inputs(
    source: Path, config: TransformerConfig, kind: type[Predictor], columns: dict[str, str], seq_len: int | None
) -> Inputs:
    """What is read: as requested, else as trained, else what the columns hold."""
    for role in columns:
        if role not in kind.roles:
            raise ConfigError(
                f"A model with a {kind.head} head reads no {role!r}; its columns hold {', '.join(kind.roles)}."
            )
    length = seq_len or min(512, config.max_length)
    found = Inputs.load(source) if source.is_dir() else None
    found = found or Inputs(columns={role: role for role in kind.required}, seq_len=length, stride=length // 3)
    options = [name for role, name in found.columns.items() if role.startswith(OPTION)]
    named = {role: name for role, name in found.columns.items() if not role.startswith(OPTION)}
    named |= {"options": ",".join(options)} if options else {}
    named = {role: name for role, name in {**named, **columns}.items() if name}
    if missing := [role for role in kind.required if role not in named]:
        raise ConfigError(f"A model with a {kind.head} head needs a column that holds {missing[0]!r}; name it.")
    each = enumerate(named.pop("options", "").split(","))
    named |= {f"{OPTION}{index}": name for index, name in each if name}
    return dataclasses.replace(found, columns=named, seq_len=seq_len or found.seq_len)


def _with_threshold(inputs: Inputs, head: str, threshold: float) -> Inputs:
    if head != Answers.head:
        raise ConfigError(f"no_answer_threshold is for models that answer questions; this one has a {head} head.")
    if not np.isfinite(threshold):
        raise ConfigError(f"no_answer_threshold must be a finite number; found {threshold}.")
    return dataclasses.replace(inputs, unanswerable="allowed", no_answer_threshold=threshold)


def _run(
    logits: Callable[[Any], jax.Array], examples: Examples, lengths: np.ndarray, batch_size: int
) -> list[np.ndarray]:
    """The logits of each example, in their order, from batches of similar lengths [N]; the last one is filled up."""
    order = np.argsort(lengths, kind="stable")[::-1]  # the longest first: what runs out of memory does so at once
    indices = np.append(order, np.full(-len(order) % batch_size, -1)).reshape(-1, batch_size)
    found: dict[int, np.ndarray] = {}
    for rows, values in zip(indices, one_ahead(logits, map(examples.read, indices)), strict=True):
        found |= dict(zip(rows.tolist(), values, strict=True))
    return [found[index] for index in range(len(order))]


def _logits(model: Transformer) -> Callable[[Any], jax.Array]:
    """The head's logits of a batch, compiled for each length."""
    graphdef, params = nnx.split(model)
    compiled = jax.jit(lambda params, batch: head_logits(nnx.merge(graphdef, params), batch))
    return lambda batch: compiled(params, batch)
