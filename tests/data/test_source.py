# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Documents come out whole, once, in order, and on one side of the split."""

import re

import numpy as np
import pytest

from zoo.data.source import EMBEDDED, held_out, open_source, read_files
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
    assert list(read_files(sorted(tmp_path.iterdir()), unit)) == documents


def test_embedded_text_loses_nothing_but_blank_lines():
    speeches = list(read_files([EMBEDDED], "paragraph"))
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
    with pytest.raises(FormatError, match=r"a\.txt is not UTF-8 at byte 7"):
        list(open_source(str(tmp_path), **OPTIONS).train)


def test_no_such_source(tmp_path):
    with pytest.raises(ConfigError, match="names no text"):
        open_source(str(tmp_path), **OPTIONS)
    with pytest.raises(ConfigError, match="'word' is unknown"):
        open_source("embedded", **{**OPTIONS, "document": "word"})


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
