# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""How a launcher starts."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from launch import app

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def started(monkeypatch, tmp_path):
    """The commands that took the place of this one, where Linux gives huge pages on request."""
    pages, commands = tmp_path / "enabled", []
    pages.write_text("always [madvise] never\n")
    monkeypatch.setattr(app, "_HUGE_PAGES", pages)
    monkeypatch.setattr(os, "execv", lambda program, command: commands.append((program, command)))
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "launch.train", "--workdir=a b"])
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__spec__=SimpleNamespace(name="launch.train")))
    monkeypatch.setenv("GLIBC_TUNABLES", "")  # so that what a test sets is undone
    del os.environ["GLIBC_TUNABLES"]
    return commands


def test_it_starts_again_with_huge_pages_once(started):
    for _ in range(2):
        app.use_huge_pages()
    assert started == [(sys.executable, [sys.executable, "-m", "launch.train", "--workdir=a b"])]
    assert os.environ["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=1"


@pytest.mark.parametrize("pages", ["[always] madvise never", "always madvise [never]", None])
def test_not_where_they_are_always_or_never_there(started, pages):
    app._HUGE_PAGES.unlink() if pages is None else app._HUGE_PAGES.write_text(pages)
    app.use_huge_pages()
    assert not started and "GLIBC_TUNABLES" not in os.environ


def test_not_against_the_users_own_settings(started):
    os.environ["GLIBC_TUNABLES"] = ""
    app.use_huge_pages()
    assert not started


@pytest.mark.parametrize("command", [["python", "train.py"], ["python", "-"], ["python", "-m", "pytest"]])
def test_not_in_a_program_that_only_calls_it(started, monkeypatch, command):
    monkeypatch.setattr(sys, "orig_argv", command)
    app.use_huge_pages()
    assert not started


def test_a_real_start_keeps_its_flags_and_exit_code(tmp_path):
    """With spaces in a flag, whatever this machine has."""
    flags = ["--config=configs/gpt2_pretrain.py:tiny", f"--workdir={tmp_path / 'a b'}", "--config.num_steps=0"]
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "launch.train", *flags]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 2 and "num_steps" in result.stderr, result.stderr
