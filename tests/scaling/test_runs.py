# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs: what is refused, and with which words; files with their lines."""

import numpy as np
import pytest

from zoo.errors import ConfigError, FormatError, InputError
from zoo.scaling.runs import Runs, training_flops

GOOD = {"params": [1e8, 2e8], "tokens": [2e9, 4e9], "loss": [3.0, 2.8]}


def test_what_is_left_out_follows_from_the_rest():
    runs = Runs(**GOOD)
    assert runs.flops.tolist() == [6 * 1e8 * 2e9, 6 * 2e8 * 4e9]
    assert runs.unique_tokens.tolist() == GOOD["tokens"]
    assert runs.run.tolist() == [0, 1]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"loss": [3.0, np.nan]}, r"loss must be finite and above 0; found nan at index 1"),
        ({"loss": [-3.0, 2.8]}, r"loss .* found -3 at index 0"),
        ({"params": [0.0, 1e8]}, r"params .* found 0 at index 0"),
        ({"tokens": [np.inf, 1e9]}, r"tokens .* found inf at index 0"),
        ({"flops": [1e18, -1.0]}, r"flops .* found -1 at index 1"),
        ({"loss": [3.0]}, r"found .*'loss': 1"),
        ({"unique_tokens": [1e9, 5e9]}, r"unique_tokens must be at most tokens; found 5e\+09 of 4e\+09 at index 1"),
        ({"loss": [[3.0], [2.8]]}, r"one dimension; found shape \(2, 1\)"),
        ({"loss": ["low", "high"]}, r"loss must be an array of numbers; found \['low'"),
        ({"params": [], "tokens": [], "loss": []}, r"found none"),
        ({"params": [1e8, 2e8, 3e8]}, r"found .*'params': 3, 'tokens': 2"),
    ],
)
def test_bad_points_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        Runs(**{**GOOD, **change})


def test_the_highest_losses_are_dropped_in_place():
    runs = Runs(params=[1e8, 2e8, 3e8, 4e8], tokens=[1e9] * 4, loss=[3.0, 5.0, 2.0, 4.0])
    assert runs.drop_highest(2).params.tolist() == [1e8, 3e8]
    assert runs.drop_highest(0).loss.tolist() == runs.loss.tolist()
    with pytest.raises(ConfigError, match="must leave a point of 4; found 4"):
        runs.drop_highest(4)


def test_csv_and_jsonl_hold_the_same_runs(tmp_path):
    (tmp_path / "a.csv").write_text(
        '\ufeffsize,C,loss,epochs,"a, note"\r\n1e8,1.2e18,3.0,4,x\r\n\r\n2e8,4.8e18,2.8,0.5,y\r\n', newline=""
    )
    (tmp_path / "a.jsonl").write_text(
        '{"size": 1e8, "C": 1.2e18, "loss": 3.0, "epochs": 4}\n\n'
        '{"size": 2e8, "C": 4.8e18, "loss": 2.8, "epochs": 0.5}\n'
    )
    for name in ("a.csv", "a.jsonl"):
        runs = Runs.read(tmp_path / name, columns={"params": "size", "flops": "C"})
        np.testing.assert_allclose(runs.tokens, [2e9, 4e9])
        np.testing.assert_allclose(runs.unique_tokens, [5e8, 4e9])
        assert runs.loss.tolist() == [3.0, 2.8]


@pytest.mark.parametrize(
    "name, text, words",
    [
        (
            "a.csv",
            "params,tokens,loss\n1e8,1e9,3\n1e8,1e9,oops\n",
            r"a.csv, line 3: loss must be a number; found 'oops'",
        ),
        ("a.csv", "params,tokens,loss\n1e8,1e9,nan\n", r"line 2: loss must be finite and above 0; found nan"),
        ("a.csv", "params,tokens,loss\n1e8,1e9\n", r"line 2: expected 3 columns; found 2"),
        ("a.csv", 'params,tokens,loss\n"1e8,1e9,3\n', r"line 2: not a CSV record"),
        ("a.csv", "params,loss\n1e8,3\n", r"must have a column 'tokens'; found params, loss"),
        ("a.csv", "params,tokens,loss\n", r"holds no runs"),
        ("a.csv", b"params,tokens,loss\n1e8,\xff,3\n", r"UTF-8 text; found byte 0xff"),
        (
            "a.jsonl",
            '{"params": 1e8, "tokens": 1e9, "loss": 3}\n{"params": 1e8, "tokens": 1e9}\n',
            r"line 2: loss .* none",
        ),
        ("a.jsonl", '{"params": 1e8, "tokens": 1e9, "loss": 3}\n[1]\n', r"line 2 must hold a JSON object; found list"),
        ("a.jsonl", '{"params": 1e8, "tokens": 1e9, "loss": null}\n', r"line 1: loss must be a number; found None"),
    ],
)
def test_bad_files_are_refused_with_their_line(tmp_path, name, text, words):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FormatError, match=words):
        Runs.read(tmp_path / name)


def test_other_files_and_columns_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"must end in \.csv or \.jsonl"):
        Runs.read(tmp_path / "runs.txt")
    with pytest.raises(ConfigError, match=r"columns may name params, .*; found 'size'"):
        Runs.read(tmp_path / "runs.csv", columns={"size": "N"})
    with pytest.raises(FormatError, match="cannot be read"):
        Runs.read(tmp_path / "runs.csv")


def test_chip_hours_are_flops():
    assert training_flops(2.0, 197e12, 0.5) == 2 * 3600 * 197e12 * 0.5
    for arguments, words in (
        ((0.0, 1e12, 0.4), "chip_hours"),
        ((1.0, np.inf, 0.4), "flops_per_second"),
        ((1.0, 1e12, 40.0), "such as 0.4"),
    ):
        with pytest.raises(ConfigError, match=words):
            training_flops(*arguments)
