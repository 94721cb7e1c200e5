# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A folder of a small BERT."""

import pytest

import zoo
from tests.hub.folders import make


@pytest.fixture
def bert(tmp_path):
    """A folder with the body, pooler and both pretraining heads."""
    zoo.save(make("bert", "pretraining"), tmp_path)
    return tmp_path
