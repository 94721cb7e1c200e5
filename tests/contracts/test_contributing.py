# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""CONTRIBUTING.md: its table of packages is the tests' own, and its examples run as written."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.test_packages import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def packages(text: str) -> dict[str, set[str]]:
    """The table of packages: what each may import."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:3] == "| `"]
    return {row[0].strip("`"): set(filter(None, row[2].split(", "))) for row in rows}


def test_the_table_of_packages_is_the_one_that_is_checked():
    assert packages(section("Packages")) == PACKAGES


def follow(checkout: Path, text: str) -> list[list[str]]:
    """Does what a section says: writes its files, enters its rows, and returns its commands."""
    commands = []
    for language, code in FENCE.findall(text):
        if not language:
            commands += [shlex.split(line) for line in code.replace("\\\n", " ").splitlines()]
            continue
        name, _, body = code.partition("\n")
        path = checkout / name.removeprefix("# ")
        if path.exists() and len(entry := body.splitlines()) == 2:
            enter(path, *entry)
        else:  # which a reader may have left in the tree
            path.write_text(body, encoding="utf-8")
    return commands


def enter(path: Path, line: str, row: str) -> None:
    """Adds an import beside the others, and a row to the file's one table."""
    text = path.read_text(encoding="utf-8")
    text, imports = re.subn(r"(?m)^(?=from zoo\.)", lambda _: f"{line}\n", text, count=1)
    text, tables = re.subn(r"(?m)^([A-Z]+: dict.* = \{)$", lambda match: f"{match[0]}\n{row}", text, count=1)
    assert (imports, tables) == (1, 1), path
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def checkout(tmp_path):
    for folder in ("zoo", "launch", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize(
    ("title", "evaluator", "metric"),
    [
        ("A new objective", "validation", "loss"),
        ("A new evaluator", "top5", "top_5_accuracy"),
        ("A new dataset", "metrics", "accuracy"),
    ],
)
def test_a_section_works_as_written(checkout, title, evaluator, metric):
    (command,) = follow(checkout, section(title))
    run(checkout, command)
    workdir = checkout / command[-1].removeprefix("--workdir=/tmp/")
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert any(line["split"] == evaluator and metric in line for line in lines), lines
    assert (workdir / "model" / "model.safetensors").exists()


def run(checkout: Path, command: list[str]) -> None:
    """A command of the document, with its workdir within the checkout."""
    assert command[:3] == ["python", "-m", "launch.train"] and command[-1].startswith("--workdir=/tmp/")
    workdir = command[-1].replace("/tmp", str(checkout))
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "XLA_FLAGS")}
    result = subprocess.run(
        [sys.executable, *command[1:-1], workdir], cwd=checkout, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
