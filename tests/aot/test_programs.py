# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Each config's program stays what it was: peak memory, operations and bytes sent within 2 % of what is recorded."""

import pytest

from tests.aot import programs

TOLERANCE = 1.02


def check(name: str, case: programs.Case) -> None:
    before, found = programs.recorded()[name], programs.measure(case)
    if before["versions"] != found["versions"]:
        pytest.skip(f"recorded with {before['versions']}, not {found['versions']}")
    changed = {
        key: (before[key], found[key])
        for key in programs.FIGURES
        if not before[key] / TOLERANCE
        <= found[key]
        <= TOLERANCE * before[key]  # less may be a count that misses something
    }
    assert not changed, "if this is meant, record it again: python -m tests.aot.programs"


@pytest.mark.usefixtures("tpu_compiler")
@pytest.mark.parametrize("name", programs.QUICK)
def test_a_short_model(name):
    check(name, programs.QUICK[name])


@pytest.mark.slow
@pytest.mark.usefixtures("tpu_compiler")
@pytest.mark.parametrize("name", programs.SLOW)
def test_the_others(name):
    check(name, programs.SLOW[name])


def test_every_config_is_recorded():
    assert programs.recorded().keys() == (programs.QUICK | programs.SLOW).keys()
    configs = {case.config.partition(":")[0] for case in (programs.QUICK | programs.SLOW).values()}
    assert configs == {"bert", "gpt2", "gpt3"}
