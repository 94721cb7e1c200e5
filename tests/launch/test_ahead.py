# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A report that could not be written is refused before anything is compiled."""

import pytest

from launch.ahead import check_json
from zoo.errors import ConfigError


def test_files_that_cannot_be_written(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        check_json(str(tmp_path / "none" / "report.json"))
    with pytest.raises(ConfigError, match="cannot be written"):
        check_json(str(tmp_path))


def test_an_existing_file_stays_until_it_is_replaced(tmp_path):
    (tmp_path / "report.json").write_text("{}")
    check_json(str(tmp_path / "report.json"))
    check_json(None)
    assert (tmp_path / "report.json").read_text() == "{}"


def test_no_empty_report_is_left_behind(tmp_path):
    check_json(str(tmp_path / "report.json"))
    assert not list(tmp_path.iterdir())
