# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Short runs would spend half of their time on tokenizing the text that comes with the package."""

import json
import shutil

import pytest

from zoo.data import text
from zoo.data.prepare import TOKENIZER
from zoo.text.load import load_tokenizer


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory):
    """Prepares a folder as a copy of the session's first that has the same settings."""
    write, made = text.write_prepared, {}

    def copied(folder, source, settings, tokenizer, *, check, **options):
        if settings["source"] != "embedded" or folder.exists():
            return write(folder, source, settings, tokenizer, check=check, **options)
        key = json.dumps(settings, sort_keys=True)
        if key not in made:
            first = tmp_path_factory.mktemp("prepared") / "data"
            made[key] = write(first, source, settings, tokenizer, check=check, **options)
        check(load_tokenizer(made[key] / TOKENIZER))
        shutil.copytree(made[key], folder)
        return folder

    return copied


@pytest.fixture(scope="module", autouse=True)
def _prepared_once(_prepared):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "write_prepared", _prepared)
        yield
