# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Documents come out whole, once, in order, and on one side of the split."""

import bz2
import gzip
import json
import lzma
import re

import numpy as np
import pytest

from zoo.data import tfds_source
from zoo.data.source import EMBEDDED, held_out, open_source, read_files
from zoo.data.text_file import TextFile
from zoo.errors import ConfigError, FormatError

OPTIONS = dict(document="paragraph", text_field="text", validation_fraction=0.25)


@pytest.mark.parametrize(
    ("unit", "documents"),
    [
        ("paragraph", ["one\ntwo", "three", "four"]),
        ("line", ["one", "two", "three", "four"]),
        ("file", ["one\ntwo\n\n \nthree", "four"]),
    ],
)
def test_documents(tmp_path, unit, documents):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\n\n \nthree\n")
    (tmp_path / "b.txt").write_text("\n\nfour")
    (tmp_path / "c.txt").write_text("")
    assert list(read_files(map(TextFile, sorted(tmp_path.iterdir())), unit)) == documents


def test_embedded_text_loses_nothing_but_blank_lines():
    speeches = list(read_files([TextFile(EMBEDDED)], "paragraph"))
    assert len(speeches) == 7222
    assert "\n\n".join(speeches) + "\n" == re.sub("\n{3,}", "\n\n", EMBEDDED.read_text())


def test_split_is_even_and_stable(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("\n\n".join(map(str, range(10))))
    source = open_source(str(tmp_path), **OPTIONS)
    assert list(source.validation) == ["3", "7"]
    assert list(source.train) == list(source.train) == ["0", "1", "2", "4", "5", "6", "8", "9"]
    assert sum(held_out(i, 0.05) for i in range(1000)) == 50
    glob = open_source(str(tmp_path / "**" / "*.txt"), **OPTIONS)
    assert list(glob.train) == list(source.train)


def test_bad_byte_is_named(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"fine\nna\xefve\n")
    with pytest.raises(FormatError, match=r"a\.txt, line 2: not UTF-8: found 0xEF at byte 7"):
        list(open_source(str(tmp_path), **OPTIONS).train)


def test_no_such_source(tmp_path):
    with pytest.raises(ConfigError, match="is not text"):
        open_source(str(tmp_path), **OPTIONS)
    with pytest.raises(ConfigError, match="openwebtext' does not exist"):
        open_source("openwebtext", **OPTIONS)
    with pytest.raises(ConfigError, match="'word' is unknown"):
        open_source("embedded", **{**OPTIONS, "document": "word"})


def documents(path, **options):
    source = open_source(str(path), **{**OPTIONS, **options})
    kept = dict(enumerate(source.train.read()))
    assert sorted([*source.train, *source.validation]) == sorted(kept.values())
    return [*kept.values()]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_line_ends(tmp_path, end):
    (tmp_path / "a.txt").write_bytes(end.join(["one", "two", "", "three"]).encode())
    assert documents(tmp_path / "a.txt", document="line") == ["one", "two", "three"]
    assert documents(tmp_path / "a.txt", document="file") == ["one\ntwo\n\nthree"]
    assert documents(tmp_path / "a.txt") == ["one\ntwo", "three"]


@pytest.mark.parametrize(("suffix", "module"), [("gz", gzip), ("bz2", bz2), ("xz", lzma)])
def test_compressed_text(tmp_path, suffix, module):
    path = tmp_path / f"a.txt.{suffix}"
    path.write_bytes(module.compress(b"one\r\ntwo\n" * 1000))
    assert documents(path, document="line") == ["one", "two"] * 1000
    assert documents(tmp_path, document="line") == ["one", "two"] * 1000
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FormatError, match=rf"a\.txt\.{suffix} is not a whole"):
        documents(path, document="line")
    rows = tmp_path / f"b.jsonl.{suffix}"
    rows.write_bytes(module.compress(b'{"text": "one"}\n{"text": "two"}\n'))
    assert documents(rows) == ["one", "two"]
    path.with_suffix("").write_bytes(module.compress(b"one"))
    with pytest.raises(FormatError, match=rf"compressed with .*: add \.{suffix} to its name"):
        documents(path.with_suffix(""))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.txt.zst", "compressed in a way"),
        ("a.tar.gz", "compressed archive; unpack"),
        ("A.ZIP", "compressed archive"),
        ("a.json", "one object per line"),
        ("a.arrow", r"write it as \.parquet"),
        ("a.pdf", "not plain text"),
    ],
)
def test_files_that_are_not_text_are_refused(tmp_path, name, words):
    (tmp_path / name).write_text('{"text": "one"}')
    for source in (tmp_path / name, tmp_path / "*"):
        with pytest.raises(ConfigError, match=words):
            documents(source)


def test_json_lines_are_read_by_their_field(tmp_path):
    rows = [{"id": i, "body": f"text {i}\n\nand more"} for i in range(8)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = open_source(str(tmp_path), **{**OPTIONS, "text_field": "body"})
    assert list(source.train) == [rows[i]["body"] for i in (0, 1, 2, 4, 5, 6)]
    assert list(source.validation) == [rows[i]["body"] for i in (3, 7)]
    with pytest.raises(ConfigError, match=r"a\.jsonl.*column 'text'.*'id', 'body'"):
        open_source(str(tmp_path), **OPTIONS)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"text": 5}', "line 2, column 'text': expected text; found 5"),
        ('{"body": "x"}', "line 2, column 'text': expected text; found None"),
        ("just text", "line 2: not JSON"),
        ('["text"]', "line 2: expected a JSON object"),
        ('{"text": "\\ud800"}', "line 2: the lone surrogate"),
    ],
)
def test_bad_json_lines_are_named(tmp_path, line, words):
    (tmp_path / "a.jsonl").write_text(f'{{"text": "fine"}}\n{line}\n')
    with pytest.raises(FormatError, match=rf"a\.jsonl, {words}"):
        documents(tmp_path / "a.jsonl")


def test_tables_are_read_by_their_column(tmp_path):
    (tmp_path / "a.csv").write_text('id,text\n1,"one\ntwo"\n2,three\n')
    assert documents(tmp_path / "a.csv") == ["one\ntwo", "three"]


def test_a_file_that_changes_while_it_is_read(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one\ntwo\n")
    source = open_source(str(path), **{**OPTIONS, "document": "line"})
    reading = iter(source.train)
    next(reading)
    path.write_text("one\ntwo\nthree\n")
    with pytest.raises(FormatError, match=r"a\.txt changed while it was read"):
        list(reading)
    with pytest.raises(FormatError, match="changed"):
        list(source.validation)
    path.unlink()
    with pytest.raises(FormatError, match="changed"):
        list(source.train)


@pytest.mark.parametrize("name", ["lm1b", "pg19", "blimp/adjunct_island", "super_glue/boolq"])
def test_tfds_datasets_that_need_tensorflow(name, monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds_source.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(tfds, "builder", lambda *_, **__: pytest.fail("it would download first"))
    instead = r"configs/superglue\.py" if name.startswith("super_glue") else "imdb_reviews.*jsonl"
    with pytest.raises(ConfigError, match=rf"needs TensorFlow.*{instead}"):
        open_source(f"tfds:{name}", **OPTIONS)


def test_tfds_finds_builders_in_modules_of_their_own(monkeypatch):
    import tensorflow_datasets as tfds

    def prepare(builder, **_):
        raise OSError(f"{builder.info.full_name} was found")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", prepare)
    with pytest.raises(ConfigError, match=r"cannot prepare 'glue/cola/.*' \(OSError: glue/cola/.* was found"):
        open_source("tfds:glue/cola", **OPTIONS)
    with pytest.raises(ConfigError, match=r"no dataset 'glue/colaa'; of glue it has cola, sst2, mrpc"):
        open_source("tfds:glue/colaa", **OPTIONS)
    with pytest.raises(ConfigError, match="no dataset 'glue_and_scissors'"):
        open_source("tfds:glue_and_scissors", **OPTIONS)


def test_tfds_dataset(tmp_path):
    import tensorflow_datasets as tfds

    class SmallText(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict({"text": tfds.features.Text(), "label": np.int64})
            return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples("train"), "validation": self._generate_examples("held")}

        def _generate_examples(self, word):
            for index in range(3):
                yield index, {"text": f"{word} é {index}", "label": index}

    builder = SmallText(data_dir=tmp_path, file_format="array_record")
    builder.download_and_prepare()
    source = open_source(f"tfds:{builder.data_dir}", **OPTIONS)
    assert list(source.train) == ["train é 0", "train é 1", "train é 2"]
    assert list(source.validation) == ["held é 0", "held é 1", "held é 2"]
    with pytest.raises(ConfigError, match="'words'"):
        open_source(f"tfds:{builder.data_dir}", **{**OPTIONS, "text_field": "words"})
    with pytest.raises(FormatError, match=r"record 0 .* not UTF-8 text"):
        list(open_source(f"tfds:{builder.data_dir}", **{**OPTIONS, "text_field": "label"}).train)
