# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The documents name only what exists: modules, make targets, configs, files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [path for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md") if (path := ROOT / name).exists()]


def missing(text: str, folder: Path) -> list[str]:
    """What `text`, a document in `folder`, names and the checkout lacks."""
    modules = re.findall(r"python3? -m ((?:zoo|launch|benchmarks|configs)[\w.]*)", text)
    scripts = re.findall(r"python3? ([\w./-]+\.py)\b", text)
    configs = re.findall(r"--config=([\w./]+\.py)", text)
    links = [
        link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link and not link.startswith("mailto:")
    ]
    paths = re.findall(r"`((?:zoo|launch|configs|tests|colabs|benchmarks)/[\w./-]*\w)`", text)
    targets = re.findall(r"\bmake ([a-z][a-z-]*)(?=[`\s]*(?:\n|#|$|`))", text)
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    return [
        *(f"module {name}" for name in modules if not module_file(name)),
        *(f"file {name}" for name in {*scripts, *configs, *paths} if not (ROOT / name).exists()),
        *(f"link {name}" for name in links if not (folder / name).exists()),
        *(f"make {name}" for name in targets if name not in known),
    ]


def module_file(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__main__.py").exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_everything_named_exists(document):
    assert not missing(document.read_text(encoding="utf-8"), document.parent)


@pytest.mark.parametrize(
    "text",
    [
        "python -m launch.trane --workdir=x",
        "--config=configs/bart.py:tiny",
        "[guide](docs/guide.md)",
        "`make domo`",
        "make tset\n",
        "see `zoo/nn/blocks.py`",
        "python benchmarks/nothing.py",
    ],
)
def test_the_check_sees(text):
    assert missing(text, ROOT)
