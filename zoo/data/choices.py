# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows with several options of which one is right, such as those of SWAG, RACE and COPA."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from zoo.data.columns import Table
from zoo.data.inputs import Inputs
from zoo.data.labels import check_classes, check_known, class_names
from zoo.data.ragged import SequenceExamples, check_tokens, encode, has_token_types
from zoo.data.rows import Rows, read_rows, without_labels
from zoo.data.schema import Batch, Feature, Schema, SplitSummary
from zoo.data.supervised import SupervisedConfig
from zoo.errors import ConfigError, InputError
from zoo.text.tokenizer import Tokenizer

EMBEDDED = Path(__file__).with_name("endings.csv")
_ADVICE = "Correct the label or remove its row, or say in data.labels what the labels call the options, in their order."
OPTION = "option "  # and its index: what the column of an option holds


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChoicesConfig(SupervisedConfig):
    """A table of texts with options; see `SupervisedConfig` for the other fields.

    An option is encoded as the second text of a pair whose first is `text`; where there is a `question` too, it stands
    before the option, as in Transformers' examples for SWAG and RACE.

    Attributes:
      text, question: names of columns; "" for none. Where a row's `question` is a list, its `options` and its `label`
        are lists of as many, as RACE has all questions about an article in one row.
      options: names of the columns of the options in order, or the one of a column with lists of them.
      label: name of the column that says which option is right.
      labels: what that column calls the options in order; () is 0, 1, 2 and so on.
    """

    embedded: ClassVar = EMBEDDED
    labels_in: ClassVar = ("label",)
    text: str = "text"
    question: str = ""
    options: tuple[str, ...] = ("options",)
    label: str = "label"
    labels: tuple[str, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        self._require("label")
        check_classes(self.labels)
        if not self.options or not all(self.options):
            raise ConfigError(f"data.options must name columns of data.source; found {self.options}.")

    @property
    def columns(self) -> dict[str, str]:
        options = {f"{OPTION}{index}": name for index, name in enumerate(self.options)}
        return {"text": self.text, "question": self.question, **options, "label": self.label}

    @property
    def outlined(self) -> Schema:
        count = len(self.options) if len(self.options) > 1 else len(self.labels) or 4
        return _schema(tuple(map(str, range(count))), ("tokens", "segments"))

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"type": "choices"}

    def read(self, tables: Mapping[str, Table]) -> tuple[Schema, dict[str, Rows]]:
        columns = self.used_columns
        texts = [role for role in option_texts(columns) if role != "question"]
        read = {split: read_rows(table, columns, texts=texts) for split, table in tables.items()}
        rows = {split: with_options(one_question_each(part, columns), columns) for split, part in read.items()}
        count = len(rows["train"]["options"][0])
        names = self.labels or tuple(map(str, range(count)))
        if len(names) != count:
            raise ConfigError(f"data.labels has {len(names)} names, and a row has {count} options; name each of them.")
        return _schema(names, ()), {
            split: self._index(split, check_count(part, count, columns), names) for split, part in rows.items()
        }

    def _index(self, split: str, rows: Rows, names: Sequence[str]) -> Rows:
        """The rows with the indices of the right options."""
        if without_labels(split, rows, "label", names):
            return rows.unlabelled(label=np.full(len(rows), -1, np.int32))
        found = class_names(rows.table, self.label, rows.lines, rows["label"])
        check_known(rows.table, self.label, rows.lines, found, names, "no option is called", _ADVICE)
        index = {name: number for number, name in enumerate(names)}
        return rows.replace(label=np.array([index[name] for name in found], np.int32))

    def inputs(self, features: Schema) -> Inputs:
        return dataclasses.replace(super().inputs(features), labels=features["label"].classes)

    def strata(self, rows: Rows) -> np.ndarray:
        return rows["label"]

    def texts(self, rows: Rows) -> list[str]:
        given = [text for role in ("text", "question") for text in rows.get(role) or ()]
        return [*given, *(option for options in rows["options"] for option in options)]

    def encode(
        self, tokenizer: Tokenizer, rows: Rows, features: Schema, split: str
    ) -> tuple["ChoiceExamples", SplitSummary]:
        examples = encode_options(tokenizer, rows, self.seq_len, self.pad_to_multiple_of)
        label = np.append(rows["label"], np.int32(0))
        examples = dataclasses.replace(examples, columns={"label": label}, rows=self.kept(rows, split))
        return examples, self.summary(rows, examples.sequences.sequences)


@dataclasses.dataclass(frozen=True, eq=False)
class ChoiceExamples:
    """Examples of C sequences each, `[B, C, T]`.

    Attributes:
      sequences: all sequences, those of one example behind one another. columns, rows: as of `SequenceExamples`.
    """

    sequences: SequenceExamples
    count: int
    columns: Mapping[str, np.ndarray]
    rows: Rows | None = None

    def __len__(self) -> int:
        return len(self.sequences) // self.count

    def read(self, indices: np.ndarray, *, batch: np.ndarray | None = None) -> Batch:
        """See `zoo.data.schema.Examples`."""
        indices = np.asarray(indices)
        found = self.sequences.read(self._each(indices), batch=None if batch is None else self._each(batch))
        shaped = {name: values.reshape(len(indices), self.count, values.shape[1]) for name, values in found.items()}
        return {**shaped, **{name: values[indices] for name, values in self.columns.items()}}

    def num_tokens(self, indices: np.ndarray) -> np.ndarray:
        """See `zoo.data.packing.Packable`."""
        return self.sequences.num_tokens(self._each(indices)).reshape(len(indices), self.count).max(axis=1)

    def _each(self, indices: np.ndarray) -> np.ndarray:
        """The indices of the sequences of some examples."""
        flat = np.asarray(indices)[:, None] * self.count + np.arange(self.count)
        return np.where(np.asarray(indices)[:, None] < 0, -1, flat).reshape(-1)


def option_texts(columns: Mapping[str, str]) -> list[str]:
    """Which columns of a table with options must be text."""
    options = [role for role in columns if role.startswith(OPTION)]
    return [role for role in columns if role in ("text", "question") or (role in options and len(options) > 1)]


def one_question_each(rows: Rows, columns: Mapping[str, str]) -> Rows:
    """The rows, of which one with a list of questions becomes a row for each of them.

    Raises:
      InputError: a question that is not text, or lists of different lengths.
    """
    if "question" not in columns:
        return rows
    chosen, places = [], []
    for index, value in enumerate(rows["question"]):
        questions = value if isinstance(value, list) else [value]
        if not questions or not all(isinstance(question, str) and question.strip() for question in questions):
            raise InputError(
                f"{rows.where(index, columns['question'])}: expected a question, or a list of them; found "
                f"{value!r:.80}. Correct or remove that row."
            )
        chosen += [index] * len(questions)
        places += [*range(len(questions))] if isinstance(value, list) else [None]
    if not any(place is not None for place in places):
        return rows
    split = ("question", "label", *(role for role in columns if role.startswith(OPTION)))
    found = {role: [] for role in rows.columns}
    for index, place in zip(chosen, places, strict=True):
        for role, values in rows.columns.items():
            value = values[index]
            if role in split and place is not None and value is not None:
                value = _at(rows, index, columns[role], value, place)
            found[role].append(value)
    return dataclasses.replace(rows, lines=[rows.lines[index] for index in chosen], columns=found)


def _at(rows: Rows, index: int, column: str, value: Any, place: int) -> Any:
    count = len(rows["question"][index])
    if not isinstance(value, list) or len(value) != count:
        raise InputError(
            f"{rows.where(index, column)}: expected a list of {count}, one for each question of that row; found "
            f"{value!r:.80}. Correct that row."
        )
    return value[place]


def with_options(rows: Rows, columns: Mapping[str, str]) -> Rows:
    """The rows, with the texts of each one's options in the column `options`.

    Raises:
      InputError: options that are no list of texts.
    """
    roles = [role for role in columns if role.startswith(OPTION)]
    if len(roles) > 1:
        return rows.replace(options=[list(row) for row in zip(*(rows[role] for role in roles), strict=True)])
    for index, row in enumerate(rows[roles[0]]):
        is_list = isinstance(row, list) and len(row) > 1
        if not is_list or not all(isinstance(option, str) and option.strip() for option in row):
            raise InputError(
                f"{rows.where(index, columns[roles[0]])}: expected a list of two texts or more; found {row!r:.80}. "
                "Correct or remove that row, or name the columns of the options in data.options."
            )
    return rows.replace(options=rows[roles[0]])


def check_count(rows: Rows, count: int, columns: Mapping[str, str]) -> Rows:
    """The rows, all of which have as many options; InputError for one that has not."""
    column = next((name for role, name in columns.items() if role.startswith(OPTION)), "")
    for index, options in enumerate(rows["options"]):
        if len(options) != count:
            raise InputError(
                f"{rows.where(index, column)}: expected {count} options, as in the first row; found {len(options)}. "
                "Correct or remove that row."
            )
    return rows


def encode_options(tokenizer: Tokenizer, rows: Rows, seq_len: int, multiple: int) -> ChoiceExamples:
    """The options of all rows, each behind its text."""
    count, questions = len(rows["options"][0]), rows.get("question")
    options = [option for row in rows["options"] for option in row]
    firsts = rows.get("text")
    if questions is not None and firsts is not None:
        options = [f"{questions[index // count]} {option}" for index, option in enumerate(options)]
    firsts = questions if firsts is None else firsts
    repeated = None if firsts is None else [text for text in firsts for _ in range(count)]
    pairs = None if repeated is None else options
    types = has_token_types(tokenizer, pairs=pairs is not None)
    sequences = encode(tokenizer, options if repeated is None else repeated, pairs, seq_len, token_types=types)
    lines = [line for line in rows.lines for _ in range(count)]
    check_tokens(sequences, tokenizer, pairs=pairs is not None, table=rows.table, lines=lines, column="")
    return ChoiceExamples(SequenceExamples(sequences, {}, seq_len, multiple, tokenizer.fill_id), count, {})


def _schema(labels: tuple[str, ...], tokens: Sequence[str]) -> Schema:
    choices = {name: Feature(kind="choices", num_choices=len(labels)) for name in tokens}
    return {**choices, "label": Feature(kind="class", classes=labels)}
