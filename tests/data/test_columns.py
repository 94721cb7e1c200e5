# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Tables come back as they were written, in every format, and every fault is reported with its position."""

import bz2
import gzip
import json
import lzma
import os

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.data import column_writer
from zoo.data.column_writer import prediction_columns, write_table
from zoo.data.formats import Row
from zoo.data.schema import Feature
from zoo.data.tables import open_table
from zoo.errors import ConfigError, FormatError, InputError

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
ONE_LINE = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\t\r\n\ufeff"), max_size=8)
NAME = st.text(st.characters(categories=("L", "N"), include_characters=',"; '), min_size=1, max_size=6)
SETTINGS = settings(
    deadline=None, max_examples=30, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def table_of(cell):
    names = st.lists(NAME.filter(str.strip), min_size=1, max_size=4, unique=True).filter(
        lambda names: "new" not in names
    )
    return names.flatmap(lambda names: st.tuples(st.just(names), st.lists(st.tuples(*[cell] * len(names)), max_size=5)))


def rewrite(folder, table, suffix):
    """The rows of a JSON lines file, through a file of that suffix."""
    names, rows = table
    source, target = folder / "in.jsonl", folder / f"out{suffix}"
    rows = [dict(zip(names, row, strict=True)) for row in rows] or [dict.fromkeys(names, "")]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    like = open_table(source)
    with write_table(target, like, {"new": int}, overwrite=True) as write:
        for row in like:
            write([row], {"new": [row.line]})
    read = open_table(target)
    assert read.columns == (*names, "new")
    return rows, [row.values for row in read]


@SETTINGS
@given(table=table_of(TEXT))
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.bz2", ".jsonl", ".jsonl.xz", ".parquet"])
def test_round_trip(tmp_path, table, suffix):
    rows, found = rewrite(tmp_path, table, suffix)
    number = str if suffix.startswith(".csv") else int
    assert found == [{**row, "new": number(line)} for line, row in enumerate(rows, 1)]


@SETTINGS
@given(table=table_of(ONE_LINE))
def test_round_trip_tsv(tmp_path, table):
    rows, found = rewrite(tmp_path, table, ".tsv")
    assert found == [{**row, "new": str(line)} for line, row in enumerate(rows, 1)]


@SETTINGS
@given(table=table_of(st.none() | st.booleans() | st.integers() | TEXT | st.lists(st.floats(-1, 1))))
def test_round_trip_of_json_values(tmp_path, table):
    rows, found = rewrite(tmp_path, table, ".jsonl")
    assert found == [{**row, "new": line} for line, row in enumerate(rows, 1)]


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(path):
    return [(row.line, *row.values.values()) for row in open_table(path)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark(tmp_path, end, mark):
    text = mark + end.join(["text,label", "a,1", "", '"b, ""c"" \U0001f600",2', 'd "e" f,3', ""])
    path = write(tmp_path / "a.csv", text)
    assert open_table(path).columns == ("text", "label")
    assert rows(path) == [(2, "a", "1"), (4, 'b, "c" \U0001f600', "2"), (5, 'd "e" f', "3")]


def test_records_of_several_lines_are_where_they_begin(tmp_path):
    path = write(tmp_path / "a.csv", 'text,label\n"one\r\n\ntwo",1\nthree,2\n"a,b\nc\n')
    found = iter(open_table(path))
    assert next(found) == Row(2, {"text": "one\r\n\ntwo", "label": "1"})
    assert next(found).line == 5
    with pytest.raises(FormatError, match=r"a\.csv, line 6: not a CSV record .*unexpected end of data"):
        next(found)


def test_quotes_within_tsv_are_text(tmp_path):
    path = write(tmp_path / "a.tsv", 'text\tlabel\n"so it goes\t1\n\t\n a ""b"\t"\n')
    assert rows(path) == [(2, '"so it goes', "1"), (3, "", ""), (4, ' a ""b"', '"')]


def test_one_column_may_lack_a_name(tmp_path):
    """As the index in SWAG's files; what is read keeps it."""
    path = write(tmp_path / "a.csv", ",text,label\n0,a,b\n")
    assert rows(path) == [(2, "0", "a", "b")]
    copy(path, tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text().startswith(",text,label,prediction\n0,a,b,")


def test_long_fields(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\n" + "a" * 200_000 + ",1\n")
    assert len(rows(path)[0][1]) == 200_000


@pytest.mark.parametrize(("suffix", "module"), [("gz", gzip), ("BZ2", bz2), ("xz", lzma)])
def test_compressed(tmp_path, suffix, module):
    content = b'{"text": "a"}\n\n{"text": "b"}'
    path = write(tmp_path / f"a.JSONL.{suffix}", module.compress(content))
    assert rows(path) == [(1, "a"), (3, "b")]
    with pytest.raises(ConfigError, match=rf"is a folder.*a\.JSONL\.{suffix}"):
        open_table(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FormatError, match=rf"a\.JSONL\.{suffix} is not a whole"):
        rows(path)
    written = tmp_path / f"b.csv.{suffix}"
    source = write(tmp_path / "b.jsonl", content)
    copy(source, written)
    assert module.decompress(written.read_bytes()).startswith(b"text,prediction\n")


CSV = "text,label\n"
BAD = {
    "a.csv": [
        ("", FormatError, r"a\.csv is empty"),
        ("\ufeff", FormatError, r"a\.csv is empty"),
        (
            "good film,1\nbad film,0\n",
            ConfigError,
            r"a\.csv, line 1: expected the columns 'text', 'label'.*'good film', '1'.*look like data",
        ),
        (
            "Text,label\na,b\n",
            ConfigError,
            r"line 1: .* a column 'text'\. Found the columns 'Text', 'label'\. Did you mean 'Text'\? Name",
        ),
        (
            "text;label\na;b\n",
            ConfigError,
            "expected the columns .*'text;label'. A .csv file must be separated by commas",
        ),
        (",text,,label\n0,a,,b\n", FormatError, "line 1: the columns 1, 3 have no name"),
        ("text,label,text\na,b,c\n", FormatError, "line 1: the column 'text' appears twice"),
        (
            CSV + "a,1\nb, c,2\n",
            FormatError,
            r"line 3: expected 2 columns \(text, label\); found 3, .*'b'.*quotes around",
        ),
        (CSV + "a,1\nb\n", FormatError, r"line 3: expected 2 columns \(text, label\); found 1"),
        (CSV + '"a"b,1\n', FormatError, "line 2: not a CSV record.*doubled"),
        (CSV + "a,1\na\0b,2\n", FormatError, "line 3: a NUL byte at character 2"),
        (CSV.encode() + b"a,1\nna\xefve,1\n", FormatError, "line 3: not UTF-8: found 0xEF at byte 17.*latin1"),
        (CSV.encode() + b"a,1\nb,\xe2\x82", FormatError, "line 3: not UTF-8: found a character cut short at byte 17"),
        (CSV.encode("utf-16"), FormatError, "line 1: not UTF-8: found 0xFF at byte 0. It is UTF-16"),
        (gzip.compress(CSV.encode(), mtime=0), FormatError, r"not UTF-8: found 0x8B at byte 1. .*add \.gz"),
    ],
    "a.csv.gz": [
        (CSV, FormatError, "not a whole gzip file"),
        (gzip.compress((CSV + "a,1\n" * 999).encode(), mtime=0)[:-9], FormatError, "not a whole gzip file"),
        (gzip.compress(CSV.encode() + b"\xff", mtime=0), FormatError, "line 2: not UTF-8: found 0xFF at byte 11"),
    ],
    "a.tsv": [
        ("text,label\na,b\n", ConfigError, "expected the columns 'text', 'label'.*'text,label'.*by tabs"),
        ("text\tlabel\na\tb\tc\n", FormatError, r"line 2: expected 2 columns \(text, label\); found 3"),
    ],
    "a.jsonl": [
        ("\n", FormatError, r"a\.jsonl is empty"),
        ('[\n{"text": "a"}\n]', FormatError, "line 1: not JSON"),
        ('{"text": "a", "label": 1}\n{"text": "a"\n', FormatError, "line 2: not JSON.*one object a line"),
        ('{"text": "a", "label": 1}\n[1]\n', FormatError, "line 2: expected a JSON object; found list"),
        ('{"text": "a", "label": 1}\n{"text": 1, "text": 2}\n', FormatError, "line 2: .*appears twice"),
        ('{"text": "a", "label": NaN}\n', FormatError, "line 1: .*NaN is not a JSON number"),
        ('{"text": "\\ud800", "label": 1}\n', FormatError, "line 1: the lone surrogate"),
        ('{"text": "a"}\n', ConfigError, "first record: expected a column 'label'. Found the columns 'text'. Name"),
        ("[" * 100_000, FormatError, "line 1: not JSON"),
    ],
    "a.parquet": [
        ("", FormatError, "not a Parquet file"),
        (b"PAR1" + b"x" * 40 + b"PAR1", FormatError, "not a Parquet file"),
    ],
    "a.xlsx": [("", ConfigError, r"not a supported table: expected a file that ends in \.csv")],
    "a.parquet.gz": [("", ConfigError, "not a supported table")],
    "a.parquet.xz": [("", ConfigError, "not a supported table")],
    "a.csv.zst": [("", ConfigError, r"not a supported table.*with \.gz or \.bz2 or \.xz")],
}


@pytest.mark.parametrize("name, content, error, match", [(name, *case) for name in BAD for case in BAD[name]])
def test_bad_files(tmp_path, name, content, error, match):
    path = write(tmp_path / name, content)
    with pytest.raises(error, match=f"(?s){match}"):
        list(open_table(path, required=("text", "label")))


def test_no_such_file(tmp_path):
    write(tmp_path / "b.csv", CSV)
    with pytest.raises(ConfigError, match=r"a\.csv does not exist"):
        open_table(tmp_path / "a.csv")
    (tmp_path / "c.csv").mkdir()
    write(tmp_path / "c.csv" / "d.csv", CSV)
    with pytest.raises(ConfigError, match=r"c\.csv is a folder; name one table \(in it are: d\.csv\)"):
        open_table(tmp_path / "c.csv")
    os.mkfifo(tmp_path / "e.csv")
    with pytest.raises(FormatError, match="not a regular file"):
        open_table(tmp_path / "e.csv")


@pytest.mark.parametrize("change", ["append", "touch", "replace", "remove", "cut"])
def test_a_file_that_changes(tmp_path, change):
    path = write(tmp_path / "a.csv", CSV + "a,1\n" * 5_000)
    found = iter(open_table(path))
    next(found)
    if change == "append":
        path.write_text(CSV)
    elif change == "touch":
        os.utime(path, ns=(1, 1))
    elif change == "replace":
        write(tmp_path / "b.csv", path.read_bytes()).replace(path)
    elif change == "remove":
        path.unlink()
    else:
        os.truncate(path, 10_001)
    with pytest.raises(FormatError, match=r"a\.csv changed while it was read"):
        list(found)


def test_a_file_that_changes_between_passes(tmp_path):
    table = open_table(write(tmp_path / "a.csv", CSV + "a,1\n"))
    assert len(list(table)) == len(list(table)) == 1
    assert len(table.sha256()) == 64
    write(table.path, CSV + "ab,1\n")
    with pytest.raises(FormatError, match="changed"):
        list(table)
    with pytest.raises(FormatError, match="changed"):
        table.sha256()


def copy(source, target, new=None, values=None, **options):
    like = open_table(source)
    found = list(like)
    with write_table(target, like, new or {"prediction": str}, **options) as append:
        append(found, values or {"prediction": ["x"] * len(found)})


def test_output_is_refused(tmp_path):
    source, target = write(tmp_path / "a.csv", CSV + "a,1\n"), tmp_path / "b.csv"
    for path, options, match in [
        (source, {"overwrite": True}, "is the input itself"),
        (tmp_path / "no" / "b.csv", {}, "there is no folder"),
        (tmp_path / "b.txt", {}, "not a supported table"),
        (target, {"new": {"label": str}, "values": {"label": ["x"]}}, "has a column 'label' already"),
    ]:
        with pytest.raises(ConfigError, match=match):
            copy(source, path, **options)
    write(target, "kept")
    with pytest.raises(ConfigError, match="already exists"):
        copy(source, target)
    assert target.read_text() == "kept"
    copy(source, target, overwrite=True)
    assert target.read_text() == "text,label,prediction\na,1,x\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_predictions_have_columns_of_their_own(tmp_path):
    source, target = write(tmp_path / "a.csv", CSV + "a,1\nb,0\n"), tmp_path / "b.jsonl"
    new = prediction_columns(Feature(kind="class", classes=("neg", "pos")))
    chances = np.array([[0.1, 0.9], [0.7, 0.3]], np.float32)
    copy(source, target, new, {"prediction": ["pos", "neg"], **dict(zip([*new][1:], chances.T, strict=True))})
    assert [row.values for row in open_table(target)] == [
        {"text": "a", "label": "1", "prediction": "pos", "probability:neg": 0.1, "probability:pos": 0.9},
        {"text": "b", "label": "0", "prediction": "neg", "probability:neg": 0.7, "probability:pos": 0.3},
    ]
    assert prediction_columns(Feature(kind="float")) == {"prediction": float}
    with pytest.raises(ConfigError, match=r"b\.jsonl has a column 'prediction' already"):
        copy(target, tmp_path / "c.csv", prediction_columns(Feature(kind="float")), {"prediction": np.zeros(2)})


@pytest.mark.parametrize("text", ["", "a\rb", "a\nb", '"', "a,b", "\ufeff"])
def test_what_looks_like_the_marks_of_a_format(tmp_path, text):
    source = write(tmp_path / "a.jsonl", json.dumps({"\ufefftext": text}) + "\n")
    for suffix in (".csv", ".jsonl", ".parquet"):
        like, target = open_table(source), tmp_path / f"b{suffix}"
        with write_table(target, like, {}) as append:
            append(list(like), {})
        assert [row.values for row in open_table(target)] == [{"\ufefftext": text}]


@pytest.mark.parametrize("column, match", [("\ufefftext", "line 1: .*cannot be"), ("text", "line 1: '' cannot be")])
def test_what_cannot_begin_a_tsv_line(tmp_path, column, match):
    like = open_table(write(tmp_path / "a.jsonl", json.dumps({column: ""}) + "\n"))
    with pytest.raises(FormatError, match=match), write_table(tmp_path / "a.tsv", like, {}) as append:
        append(list(like), {})


def test_parquet_is_written_in_groups_of_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(column_writer, "_ROW_GROUP", 2)
    like = open_table(write(tmp_path / "a.csv", CSV + "a,1\nb,2\nc,3\n"))
    with write_table(tmp_path / "b.parquet", like, {}) as append:
        for row in like:
            append([row], {})
    assert rows(tmp_path / "b.parquet") == [(1, "a", "1"), (2, "b", "2"), (3, "c", "3")]
    assert pyarrow.parquet.ParquetFile(tmp_path / "b.parquet").num_row_groups == 2


def test_a_bad_byte_far_into_a_file(tmp_path):
    path = write(tmp_path / "a.csv", CSV.encode() + ("\u20ac" * 6000 + ",1\n").encode() * 100 + b"a\xff,1\n")
    with pytest.raises(FormatError, match=f"line 102: not UTF-8: found 0xFF at byte {len(CSV) + 100 * 18003 + 1}"):
        list(open_table(path))


def test_nothing_is_left_of_a_failure(tmp_path):
    source = write(tmp_path / "a.csv", CSV + "a,1\n")
    for suffix in (".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".tsv", ".jsonl", ".parquet"):
        for values, error in (({"prediction": ["x", "y"]}, InputError), ({"prediction": [Interrupt()]}, Interrupt)):
            with pytest.raises(error):
                copy(source, tmp_path / f"b{suffix}", values=values)
    assert os.listdir(tmp_path) == ["a.csv"]


class Interrupt(Exception):
    def __str__(self):
        raise self


@pytest.mark.parametrize(
    "name, content, output, match",
    [
        ("a.csv", CSV + '"a\nb",1\n', "b.tsv", r"a\.csv, line 2, column 'text': '\\n' cannot be written"),
        ("a.jsonl", '{"text": "a"}\n{"text": [1]}\n', "b.csv", r"line 2, column 'text': a list cannot be one field"),
        ("a.jsonl", '{"text": "a"}\n{"text": "b", "more": 1}\n', "b.csv", "line 2: a column 'more', which the first"),
        ("a.jsonl", '{"text": "a"}\n{"text": 1}\n', "b.parquet", "values of one column differ in type"),
        ("a.jsonl", '{"text": "a"}\n{"text": "b", "prediction": 1}\n', "b.jsonl", "line 2, column 'prediction' has"),
        ("a.jsonl", '{"text": "\\u0000"}\n', "b.csv", r"line 1, column 'text': '\\x00' cannot be written"),
    ],
)
def test_what_an_output_cannot_hold(tmp_path, name, content, output, match):
    with pytest.raises(FormatError, match=match):
        copy(write(tmp_path / name, content), tmp_path / output)
    assert os.listdir(tmp_path) == [name]


def test_parquet_keeps_its_types(tmp_path):
    columns = {
        "text": pyarrow.array(["a", None], pyarrow.large_string()),
        "label": pyarrow.array([1, 2], pyarrow.int8()),
        "day": pyarrow.array([0, 1], pyarrow.date32()),
        "list": pyarrow.array([[1.5], []], pyarrow.list_(pyarrow.float32())),
        "kind": pyarrow.array(["x", "x"]).dictionary_encode(),
    }
    source, target = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), source)
    copy(source, target)
    before, after = pyarrow.parquet.read_table(source), pyarrow.parquet.read_table(target)
    assert after.drop_columns(["prediction"]).equals(before)
    assert after["prediction"].to_pylist() == ["x", "x"]
    with pytest.raises(FormatError, match=r"row 1, column 'list': a list"):
        copy(source, tmp_path / "b.csv")
    for name, values in (("day", columns["day"]), ("number", [float("nan"), 1.0])):
        pyarrow.parquet.write_table(pyarrow.table({name: values}), source)
        with pytest.raises(FormatError, match="row 1: a value that JSON cannot hold"):
            copy(source, tmp_path / "b.jsonl")
