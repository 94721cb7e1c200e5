# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Packing loses and changes nothing of an example, fills rows well, and is the same in all processes."""

import itertools
import json

import numpy as np
import pytest

from zoo.data.choices import ChoicesConfig
from zoo.data.config import TokenizerConfig
from zoo.data.packing import WEIGHTS, PackedExamples, first_fit_decreasing
from zoo.data.pipeline import Shard, train_batches
from zoo.data.questions import QuestionsConfig
from zoo.data.schema import Dataset
from zoo.data.table import TableConfig
from zoo.data.tagging import TaggingConfig
from zoo.data.training import training_examples
from zoo.errors import ConfigError, InputError

EMBEDDED = dict(
    source="embedded", packing=5, tokenizer=TokenizerConfig(kind="wordpiece", vocab_size=300, lower_case=True)
)
DATA = {
    "table": TableConfig(seq_len=48, **EMBEDDED),
    "tagging": TaggingConfig(seq_len=48, **EMBEDDED),
    "questions": QuestionsConfig(seq_len=96, stride=8, max_question_tokens=16, **EMBEDDED),
    "choices": ChoicesConfig(seq_len=48, options=tuple(f"ending{i}" for i in range(4)), **EMBEDDED),
}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {name: config.open(cache_dir=folder) for name, config in DATA.items()}


def plain_first_fit(lengths, capacity, most):
    """The definition, an item at a time."""
    rows, found = [], np.zeros(len(lengths), int)
    for item in np.argsort(-lengths, kind="stable"):
        fits = (row for row, held in enumerate(rows) if len(held) < most and sum(held) + lengths[item] <= capacity)
        row = next(fits, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append(lengths[item])
        found[item] = row
    return found


def test_rows_are_those_of_first_fit_decreasing():
    rng = np.random.default_rng(0)
    for _ in range(200):
        lengths = rng.integers(1, rng.integers(2, 33), rng.integers(1, 60))
        most = int(rng.integers(1, 9))
        np.testing.assert_array_equal(first_fit_decreasing(lengths, 32, most), plain_first_fit(lengths, 32, most))


class Lengths:
    """Examples of which only the lengths are known."""

    def __init__(self, lengths):
        self.lengths = lengths

    def __len__(self):
        return len(self.lengths)

    def num_tokens(self, indices):
        return self.lengths[indices]

    def read(self, indices, *, batch=None):
        raise NotImplementedError


@pytest.mark.parametrize("multiple", [1, 3, 8])
def test_a_layout_has_every_example_once_in_rows_that_hold_them(multiple):
    rng = np.random.default_rng(multiple)
    for _ in range(50):
        examples = PackedExamples(Lengths(rng.integers(1, 30, 200)), {}, 32, int(rng.integers(1, 9)))
        indices = rng.permutation(200)[: rng.integers(1, 24) * multiple]
        rows = examples.layout(indices, multiple=multiple)
        assert sorted(rows[rows >= 0]) == sorted(indices)
        lengths = np.where(rows < 0, 0, examples.examples.num_tokens(rows))
        assert lengths.sum(axis=1).max() <= 32 and rows.shape[1] == examples.most
        filled = (rows >= 0).any(axis=1)
        assert len(rows) % multiple == 0 and len(rows) <= len(indices)
        assert filled.sum() == len(rows) or not filled[-1]
        # As few as first-fit-decreasing needs, but for what makes few shapes of many.
        needed = plain_first_fit(examples.examples.lengths[indices], 32, examples.most).max() + 1
        assert filled.sum() == needed and len(rows) < needed * 9 / 8 + multiple
        np.testing.assert_array_equal(rows, examples.layout(indices.copy(), multiple=multiple))


def test_few_shapes_are_compiled():
    rng = np.random.default_rng(0)
    examples = PackedExamples(Lengths(rng.integers(5, 45, 5000)), {}, 128, 16)
    shapes = {len(examples.layout(rng.permutation(5000)[:128])) for _ in range(200)}
    assert len(shapes) <= 4


@pytest.mark.parametrize("name", DATA)
def test_each_example_is_in_its_row_as_it_is_alone(datasets, name):
    data = datasets[name]
    padded, packed = data.split("train"), training_examples(data)
    indices = np.random.default_rng(1).permutation(len(padded))[:24]
    rows = packed.layout(indices, multiple=5)
    batch = packed.read(rows)
    assert batch.keys() == data.schema.keys() | {"positions", WEIGHTS}
    np.testing.assert_array_equal(batch[WEIGHTS], rows >= 0)
    assert batch["segments"].shape[-1] == data.seq_len and len(rows) < len(indices)
    assert (batch[WEIGHTS].sum(axis=1) > 1).any() and not (batch["segments"][-1] > 0).any()
    for row, place in np.argwhere(rows >= 0):
        alone = {field: values[0] for field, values in padded.read(rows[row, place][None]).items()}
        mine, there = batch["segments"][row] == place + 1, alone["segments"] > 0
        for field in alone.keys() - {"segments", "label", "span"}:
            np.testing.assert_array_equal(batch[field][row][mine], alone[field][there], err_msg=field)
            assert not batch[field][row][batch["segments"][row] == 0].any()
        np.testing.assert_array_equal(batch["positions"][row][mine], np.nonzero(there)[-1])
        if "label" in alone:
            assert batch["label"][row, place] == alone["label"]
        if "span" in alone:
            np.testing.assert_array_equal(batch["span"][row, place], np.flatnonzero(mine)[alone["span"]])


def taken(examples, count, blocks, micro_batches=1):
    batches = train_batches(
        examples, lambda batch, key: {**batch, "row": key.rows}, batch_size=16, seed=3,
        shard=Shard(blocks=blocks, count=count), micro_batches=micro_batches,
    )  # fmt: skip
    return [*itertools.islice(iter(batches), 4)]


@pytest.mark.parametrize("name", ["table", "choices"])
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_the_same_global_batches(datasets, name, processes):
    examples, each = training_examples(datasets[name]), 4 // processes
    whole = taken(examples, 4, (0, 1, 2, 3), micro_batches=2)
    parts = [taken(examples, 4, tuple(range(i * each, (i + 1) * each)), micro_batches=2) for i in range(processes)]
    for step, batch in enumerate(whole):
        assert len(batch["tokens"]) % 8 == 0
        for field, values in batch.items():
            np.testing.assert_array_equal(np.concatenate([part[step][field] for part in parts]), values)


def test_more_devices_only_add_rows_without_an_example(datasets):
    examples = training_examples(datasets["table"])
    for one, four in zip(taken(examples, 1, (0,)), taken(examples, 4, (0, 1, 2, 3)), strict=True):
        filled = (one[WEIGHTS] > 0).any(axis=1).sum()
        for field in one.keys() - {"row"}:
            np.testing.assert_array_equal(one[field][:filled], four[field][:filled])
            assert not four[field][filled:].any()


def test_a_packed_batch_holds_the_examples_of_a_padded_one(datasets):
    """The recipe stays: as many steps make an epoch, over the same examples in the same steps."""
    data = datasets["table"]
    for padded, packed in zip(
        taken(data.split("train"), 1, (0,)), taken(training_examples(data), 1, (0,)), strict=True
    ):
        one = sorted(row[row > 0].tolist() for row in padded["tokens"] * padded["segments"])
        other = sorted(
            tokens[segments == place].tolist()
            for tokens, segments in zip(packed["tokens"], packed["segments"], strict=True)
            for place in range(1, segments.max() + 1)
        )
        assert len(one) == 16 and one == other


def test_an_iterator_goes_on_where_it_was_saved(datasets):
    def begin():
        examples = training_examples(datasets["table"])
        return iter(train_batches(examples, lambda batch, key: batch, batch_size=16, seed=3))

    whole = [*itertools.islice(begin(), 6)]
    first = begin()
    for _ in range(4):
        next(first)
    again = begin()
    again.set_state(json.loads(json.dumps(first.get_state())))
    for expected, found in zip(whole[4:], again, strict=False):
        for field, values in expected.items():
            np.testing.assert_array_equal(found[field], values)


def test_splits_stay_padded_for_evaluation(datasets):
    batch = datasets["table"].split("train").read(np.arange(4))
    assert batch["tokens"].shape[0] == 4 and batch["segments"].max() == 1 and WEIGHTS not in batch


def test_refusals(datasets, tmp_path):
    with pytest.raises(ConfigError, match=r"data.packing must be 0 or more; found -1"):
        TableConfig(seq_len=48, source="embedded", packing=-1)
    with pytest.raises(ConfigError, match=r"data.packing is 5: .* set data.packing=0"):
        DATA["table"].outline(datasets["table"].tokenizer)
    data = datasets["table"]

    class Silent:
        def __len__(self):
            return 4

        def read(self, indices, *, batch=None):
            return {}

    other = Dataset(
        tokenizer=data.tokenizer, schema=data.schema, splits={"train": Silent()}, seq_len=48, manifest={}, packing=2
    )
    with pytest.raises(ConfigError, match=r"data\.packing is 2 .* these data cannot be packed"):
        training_examples(other)
    with pytest.raises(InputError, match="only"):
        next(iter(train_batches(training_examples(data), lambda batch, key: batch, batch_size=10**5, seed=0)))
