# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The labels of new rows of a table, by a fine-tuned classifier or regressor, written next to the table's columns."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tqdm
from flax import nnx
from jaxtyping import Float

import zoo
from zoo.data.column_writer import check_output, prediction_columns, write_table
from zoo.data.inputs import Inputs
from zoo.data.new_rows import NewRows, read_for_prediction
from zoo.data.schema import Feature
from zoo.errors import ConfigError
from zoo.nn.config import TransformerConfig
from zoo.nn.transformer import Transformer
from zoo.objectives import SequenceClassification

_DIGITS = 6  # of a probability or number in the output


def predict(
    source: str | Path,
    table: str | Path,
    output: str | Path,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    seq_len: int | None = None,
    batch_size: int = 32,
    dtype: Any = "float32",
    overwrite: bool = False,
) -> int:
    """Writes the table's rows with a `prediction`, and a probability for each class; returns how many rows.

    Args:
      source: a Hub folder or registry name of a model with a `sequence_classification` head.
      table, output: .csv, .tsv, .jsonl or .parquet files.
      text, text_pair: names of columns; None is what the model was trained on, else `text` and no pair.
      seq_len: longest sequence in tokens, None as trained, else what the model takes at most (512).
      overwrite: whether an existing output is replaced.

    Raises:
      ConfigError: another head, columns that the table lacks, or an output that exists or cannot be written.
      FormatError, InputError: a damaged model or table.
    """
    config, tokenizer = zoo.config(source), zoo.tokenizer(source)
    chosen = _inputs(Path(source), config, text=text, text_pair=text_pair, seq_len=seq_len)
    rows = read_for_prediction(
        table,
        text=chosen.text,
        text_pair=chosen.text_pair,
        tokenizer=tokenizer,
        seq_len=chosen.seq_len,
        batch_size=batch_size,
    )
    columns = _columns(config)
    check_output(output, rows.table, columns, overwrite=overwrite)
    model = zoo.load(source, dtype=dtype)
    if model.head_name != SequenceClassification.head:
        raise ConfigError(
            f"{source} has a {model.head_name} head, and labels are predicted by {SequenceClassification.head}; "
            "fine-tune it first (configs/finetune.py)."
        )
    count = 0
    with (
        write_table(output, rows.table, columns, overwrite=overwrite) as write,
        tqdm.tqdm(desc="predicting", unit=" rows", disable=None) as bar,
    ):
        for part, logits in _logits(model, rows):
            write(part, _values(config, logits))
            count += len(part)
            bar.update(len(part))
    return count


def label_names(config: TransformerConfig) -> tuple[str, ...]:
    """The names of a classifier's classes; LABEL_0 and so on where its config has none, as in Transformers."""
    return config.label_names or tuple(f"LABEL_{index}" for index in range(config.num_labels))


def _inputs(source: Path, config: TransformerConfig, **given: Any) -> Inputs:
    """What is read: as asked, else as trained, else the defaults."""
    trained = Inputs.load(source) if source.is_dir() else None
    found = trained or Inputs(seq_len=min(512, config.max_length))
    changes = {name: value for name, value in given.items() if value is not None}
    return Inputs(**{"text": found.text, "text_pair": found.text_pair, "seq_len": found.seq_len, **changes})


def _columns(config: TransformerConfig) -> dict[str, type]:
    if config.num_labels == 1:
        return prediction_columns(Feature(kind="float"))
    return prediction_columns(Feature(kind="class", classes=label_names(config)))


def _logits(model: Transformer, rows: NewRows) -> Iterator[tuple[Sequence[Any], Float[np.ndarray, "B C"]]]:
    """Rows and their logits; one batch is read while the next one runs."""
    graphdef, params = nnx.split(model)
    run = jax.jit(lambda params, batch: SequenceClassification().logits(nnx.merge(graphdef, params), batch))
    pending: tuple[Sequence[Any], Any] | None = None
    for part, batch in rows:
        dispatched = (part, run(params, batch))
        if pending is not None:
            yield pending[0], np.asarray(pending[1])[: len(pending[0])]
        pending = dispatched
    if pending is not None:
        yield pending[0], np.asarray(pending[1])[: len(pending[0])]


def _values(config: TransformerConfig, logits: Float[np.ndarray, "B C"]) -> dict[str, list[Any]]:
    prediction, *classes = _columns(config)
    if not classes:
        return {prediction: [round(float(value), _DIGITS) for value in logits[:, 0]]}
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    each = zip(classes, probabilities.T, strict=True)
    rounded = {name: [round(float(value), _DIGITS) for value in column] for name, column in each}
    names = label_names(config)
    return {prediction: [names[index] for index in logits.argmax(axis=1)], **rounded}
