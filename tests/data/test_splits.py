# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Splits with and without labels, files without a header, and splits of TensorFlow Datasets, as the benchmarks come."""

import importlib
import json

import numpy as np
import pytest

from tests.data.test_table import ROWS, SMALL, open_rows, write
from zoo.data.choices import ChoicesConfig
from zoo.data.questions import QuestionsConfig
from zoo.data.table import TableConfig
from zoo.data.tables import open_table
from zoo.data.tagging import TaggingConfig
from zoo.data.tfds_source import find_builder
from zoo.data.tfds_table import open_split
from zoo.errors import ConfigError, FormatError, InputError

TEST = [("a good film", ""), ("a bad plot", "")]


def labels_of(examples):
    return examples.read(np.arange(len(examples)))["label"].tolist()


def test_files_without_a_header(tmp_path):
    (tmp_path / "train.tsv").write_text("".join(f"gj04\t{i % 2}\t\ta film {i}\n" for i in range(20)))
    names = ("source", "label", "star", "sentence")
    config = TableConfig(
        source=str(tmp_path / "train.tsv"), column_names=names, text="sentence", seq_len=16, tokenizer=SMALL
    )
    data = config.open(cache_dir=tmp_path)
    assert len(data.split("train")) + len(data.split("validation")) == 20 and data.inputs.columns == {
        "text": "sentence"
    }
    table = open_table(tmp_path / "train.tsv", names=names)
    first = next(iter(table))
    assert (first.line, first.values) == (1, dict(source="gj04", label="0", star="", sentence="a film 0"))
    assert next(iter(open_table(write(tmp_path / "a.csv", [("x", 1)]), names=("a", "b")))).values == {
        "a": "text",
        "b": "label",
    }
    with pytest.raises(FormatError, match=r"line 1: expected 3 columns .* found 4"):
        list(open_table(tmp_path / "train.tsv", names=names[:3]))
    with pytest.raises(ConfigError, match=r"jsonl file are named in the file itself"):
        open_table(write(tmp_path / "a.jsonl", ROWS), names=names)
    with pytest.raises(ConfigError, match=r"data\.column_names, or in --column_names"):
        open_table(tmp_path / "train.tsv", required=["sentence"])
    for required in ([], ["label"]):  # the first line names them, which is no row
        (row,) = open_table(tmp_path / "a.csv", required=required, names=("text", "label"))
        assert (row.line, row.values) == (2, {"text": "x", "label": "1"})


def test_other_splits(tmp_path):
    more = write(tmp_path / "more.csv", ROWS[:5])
    hidden = write(tmp_path / "test.csv", [(text,) for text, _ in TEST], columns=("text",))
    data = open_rows(tmp_path, splits=(f"more={more}", f"test={hidden}"))
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 36,
        "validation": 4,
        "more": 5,
        "test": 2,
    }
    assert data.unlabelled == ("test",) and labels_of(data.split("test")) == [-1, -1]
    assert labels_of(data.split("more")) == [0, 1, 1, 0, 1]
    assert data.info.splits["more"] == 5 and data.manifest["files"]["test"]["name"] == "test.csv"


@pytest.mark.parametrize(
    ("rows", "expected"), [(TEST, True), ([(text, -1) for text, _ in TEST], True), (ROWS[:3], False)]
)
def test_labels_that_are_kept_secret(tmp_path, rows, expected):
    data = open_rows(tmp_path, splits=(f"test={write(tmp_path / 'test.csv', rows)}",))
    assert (data.unlabelled == ("test",)) == expected


def test_some_labels_of_a_split_may_not_be_missing(tmp_path):
    hidden = write(tmp_path / "test.csv", [*ROWS[:3], TEST[0]])
    with pytest.raises(InputError, match=r"test\.csv, line 5, column 'label': the label is missing"):
        open_rows(tmp_path, splits=(f"test={hidden}",))


def test_a_split_of_one_class_is_said(tmp_path, caplog):
    more = write(tmp_path / "more.csv", [(text, "pos") for text, _ in ROWS[:4]])
    with caplog.at_level("WARNING"):
        open_rows(tmp_path, splits=(f"more={more}",))
    assert [record.getMessage() for record in caplog.records] == [
        "more: all 4 labels are 'pos', so that metrics which compare several, such as correlations, say nothing"
    ]


def test_numbers_may_be_missing_in_a_test_split_alone(tmp_path):
    rows = [(text, index % 6) for index, (text, _) in enumerate(ROWS)]
    hidden = write(tmp_path / "test.csv", TEST)
    data = open_rows(tmp_path, rows, splits=(f"test={hidden}",), label_type="float")
    assert data.unlabelled == ("test",) and np.isnan(labels_of(data.split("test"))).all()
    with pytest.raises(InputError, match=r"test\.csv, line 2.*the label is missing"):
        open_rows(tmp_path, rows, validation=hidden, label_type="float")
    with pytest.raises(InputError, match=r"train\.csv, line 2.*the label is missing"):
        open_rows(tmp_path, TEST * 10, label_type="float")


def test_options_without_the_right_one(tmp_path):
    columns = ("text", "a", "b", "label")
    rows = [("a film", "good", "bad", index % 2) for index in range(20)]
    hidden = write(tmp_path / "test.csv", [row[:3] for row in rows[:3]], columns[:3])
    source = write(tmp_path / "train.csv", rows, columns)
    config = ChoicesConfig(
        source=source, options=("a", "b"), seq_len=16, tokenizer=SMALL, splits=(f"test={hidden}",), column_names=()
    )
    data = config.open(cache_dir=tmp_path)
    assert data.unlabelled == ("test",) and labels_of(data.split("test")) == [-1] * 3


def test_labels_by_their_index(tmp_path):
    rows = [(text, 1 if label == "pos" else 0) for text, label in ROWS]
    more = write(tmp_path / "more.csv", ROWS[:4])
    data = open_rows(tmp_path, rows, labels=("neg", "pos"), splits=(f"more={more}",))
    assert data.schema["label"].classes == ("neg", "pos")
    assert labels_of(data.split("more")) == [0, 1, 1, 0]
    named = open_rows(tmp_path, ROWS, labels=("neg", "pos"))
    assert labels_of(named.split("train")) == labels_of(data.split("train"))
    with pytest.raises(InputError, match=r"data\.labels lacks the label '0' .*'2'"):
        open_rows(tmp_path, [*rows, ("a", 2)], labels=("neg", "pos"))
    with pytest.raises(InputError, match=r"data\.labels lacks the label '0'"):
        open_rows(tmp_path, rows, labels=("1", "2"))


def test_a_prefix(tmp_path):
    rows = [(text, "film", label) for text, label in ROWS]
    data = open_rows(tmp_path, rows, ("text", "word", "label"), prefix="word")
    plain = open_rows(tmp_path, [(f"film: {text}", label) for text, label in ROWS])
    a, b = (each.split("train").read(np.arange(5))["tokens"] for each in (data, plain))
    assert [data.tokenizer.decode(row.tolist()) for row in a] == [plain.tokenizer.decode(row.tolist()) for row in b]
    assert data.inputs.columns == {"text": "text", "prefix": "word"}


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"splits": ("test",)}, "must be NAME=SOURCE each"),
        ({"splits": ("train=a.csv",)}, "there is a split of this name"),
        ({"splits": ("a=a.csv", "a=b.csv")}, "there is a split of this name"),
        ({"splits": ("a=missing.csv",)}, r"data\.splits a missing\.csv does not exist"),
        ({"validation": "dev.csv"}, r"data\.validation dev\.csv does not exist"),
        ({"text": "txet"}, r"expected a column 'txet'\. Found .*\. Did you mean 'text'\? Name one"),
        ({"text": "txet", "label": "lable"}, r"expected the columns 'txet', 'lable'"),
        ({"label_range": (0.0, 5.0)}, "for labels that are numbers"),
        ({"label_range": (5.0, 0.0), "label_type": "float"}, "the least and the largest"),
    ],
)
def test_bad_fields(tmp_path, fields, match):
    with pytest.raises(ConfigError, match=match):
        open_rows(tmp_path, **fields)


def test_numbers_out_of_range(tmp_path):
    rows = [(text, index % 6) for index, (text, _) in enumerate(ROWS)]
    assert len(open_rows(tmp_path, rows, label_type="float", label_range=(0.0, 5.0)).split("train")) == 36
    for value in (5.2, -0.1):
        rows[7] = (rows[7][0], value)
        message = rf"train\.csv, line 9, column 'label': expected a number from 0 to 5 .*found {value}"
        with pytest.raises(InputError, match=message):
            open_rows(tmp_path, rows, label_type="float", label_range=(0.0, 5.0))


@pytest.fixture(scope="module")
def tfds_folder(tmp_path_factory):
    """A dataset with the features of the benchmarks' builders: classes, lists, answers, and labels kept secret."""
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp("tfds")

    class Tiny(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            text, classes = tfds.features.Text(), tfds.features.ClassLabel(names=["neg", "pos"])
            answers = tfds.features.Sequence({"text": text, "answer_start": np.int32})
            features = {
                "idx": np.int32,
                "sentence": text,
                "label": classes,
                "words": tfds.features.Sequence(text),
                "tags": tfds.features.Sequence(classes),
                "score": np.float32,
                "answers": answers,
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
            )

        def _split_generators(self, dl_manager):
            return {"train": self._rows(20), "validation": self._rows(6), "test": self._rows(4, secret=True)}

        def _generate_examples(self):
            raise NotImplementedError

        def _rows(self, count, secret=False):
            for index in range(count):
                text = f"é film {index}"
                yield (
                    index,
                    {
                        "idx": index,
                        "sentence": text,
                        "label": -1 if secret else index % 2,
                        "words": text.split(),
                        "tags": [0, 1, index % 2],
                        "score": index / 4,
                        "answers": {"text": ["film"], "answer_start": [2]},
                    },
                )

    builder = Tiny(data_dir=folder, file_format="array_record")
    builder.download_and_prepare()
    return f"tfds:{builder.data_dir}"


def test_a_split_of_tfds_is_a_table(tfds_folder):
    table = open_split(tfds_folder + "#train")
    rows = [*table]
    assert table.columns == ("answers", "idx", "label", "score", "sentence", "tags", "words") and len(rows) == 20
    assert rows[1].line == 2 and rows[1].values == {
        "idx": 1,
        "sentence": "é film 1",
        "label": "pos",
        "words": ["é", "film", "1"],
        "tags": ["neg", "pos", "pos"],
        "score": 0.25,
        "answers": {"text": ["film"], "answer_start": [2]},
    }
    json.dumps(rows[1].values)  # Python's own types throughout
    assert str(table) == "tfds:tiny/1.0.0#train" and table.location(2) == "tfds:tiny/1.0.0#train, record 2"
    assert {row.values["label"] for row in open_split(tfds_folder + "#test")} == {None}
    assert [*open_split(tfds_folder)] == rows
    assert table.sha256() != open_split(tfds_folder + "#validation").sha256()
    with pytest.raises(ConfigError, match=r"no such split; .* has .*train.*validation"):
        open_split(tfds_folder + "#dev")
    with pytest.raises(ConfigError, match=r"expected a column 'text'\. Found .*'sentence'"):
        open_split(tfds_folder, required=["text"])
    with pytest.raises(ConfigError, match="names its columns itself"):
        open_table(tfds_folder, names=["a"])


def test_tfds_in_every_type_of_data(tmp_path, tfds_folder):
    common = dict(source=tfds_folder, seq_len=32, tokenizer=SMALL)
    hidden = (f"test={tfds_folder}#test",)
    data = TableConfig(**common, text="sentence", splits=hidden).open(cache_dir=tmp_path)
    assert [len(split) for split in data.splits.values()] == [20, 6, 4] and data.unlabelled == ("test",)
    assert labels_of(data.split("validation")) == [0, 1, 0, 1, 0, 1]
    numbers = TableConfig(**common, text="sentence", label="score", label_type="float").open(cache_dir=tmp_path)
    assert labels_of(numbers.split("validation")) == [index / 4 for index in range(6)]
    tagged = TaggingConfig(**common).open(cache_dir=tmp_path)
    assert tagged.schema["tags"].classes == ("neg", "pos") and len(tagged.split("validation")) == 6
    fields = dict(id="", question="label", context="sentence", stride=2, max_question_tokens=8)
    questions = QuestionsConfig(**common, **fields).open(cache_dir=tmp_path)
    assert len(questions.split("validation")) == 6
    named = TableConfig(**{**common, "source": tfds_folder + "#test"}, text="sentence")
    with pytest.raises(InputError, match=r"tfds:tiny/1\.0\.0#test, record 1, column 'label': the label is missing"):
        named.open(cache_dir=tmp_path)


def fields_of(module, variant):
    return importlib.import_module(f"configs.{module}").get_config(variant).data.to_dict()


@pytest.mark.parametrize("task", ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"])
def test_the_builders_of_glue_have_the_columns_and_classes_of_the_config(task):
    data = fields_of("glue", task)
    sources = [data["source"], data["validation"], *(split.partition("=")[2] for split in data["splits"])]
    for name in {source.removeprefix("tfds:").partition("#")[0] for source in sources}:
        features = find_builder(name).info.features
        assert {*filter(None, (data["text"], data["text_pair"], data["id"], data["label"]))} == {*features}
        assert tuple(getattr(features["label"], "names", ())) == data.get("labels", ())


def test_the_builders_of_other_tasks_have_the_columns_that_the_documents_name():
    questions, race = fields_of("squad", "v2"), fields_of("choice", "race")
    wanted = {
        "squad/v2.0": [questions[name] for name in ("id", "question", "context", "answers")],
        "race/high": [race["text"], race["question"], *race["options"], race["label"]],
        "conll2003": ["tokens", "ner"],
    }
    for name, columns in wanted.items():
        assert {*columns} <= {*find_builder(name).info.features}, name
