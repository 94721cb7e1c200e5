# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The trace of some steps."""

import jax.numpy as jnp
import pytest

from zoo.errors import ConfigError
from zoo.train.profile import FOLDER, Profile, Span


def traced(workdir) -> bool:
    return any((workdir / FOLDER).rglob("*.xplane.pb"))


def run(workdir, span, steps):
    with Profile(workdir, span) as profile:
        for number in range(1, steps + 1):
            profile.before(number)
            profile.after(number, jnp.ones(2) + number)


def test_the_requested_steps_are_traced(tmp_path):
    run(tmp_path / "whole", Span(2, 2), 4)
    run(tmp_path / "cut", Span(2, 9), 3)  # the run ends first
    run(tmp_path / "late", Span(9, 1), 3)
    run(tmp_path / "none", None, 3)
    assert [traced(tmp_path / name) for name in ("whole", "cut", "late", "none")] == [True, True, False, False]


def test_flags():
    assert Span.parse("10:3") == Span(10, 3) and Span.parse("") is None
    for text in ("10", "0:3", "3:0", "a:b", "1:2:3", "-1:2"):
        with pytest.raises(ConfigError, match="FIRST:COUNT"):
            Span.parse(text)
