# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The documents name only what exists: modules, make targets, configs, files."""

import re
from pathlib import Path

import pytest

from zoo.models import registry

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
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


def test_the_family_table_has_every_golden_and_every_size():
    """A cell for each golden of a head; the numbers are `make parity`'s."""
    text = README.read_text(encoding="utf-8").partition("<!-- parity -->")[2].partition("<!-- /parity -->")[0]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line]
    head, families = rows[0][0], rows[0][1:]
    assert head == "head"
    cells = ((row[0], family, cell) for row in rows[2:] for family, cell in zip(families, row[1:], strict=False))
    filled = {f"{family}_{name}" for name, family, cell in cells if re.fullmatch(r"\de-\d\d", cell)}
    goldens = {path.stem for path in (ROOT / "tests" / "golden").glob("*_*.npz")}
    kinds = {f"{family}_{kind}" for family in families for kind in ("hidden layers", "gradients")}
    assert filled - kinds == {name for name in goldens if "_variant" not in name}
    assert kinds <= filled
    sizes = {size.strip(" `") for row in rows if row[0] in registry.FAMILIES for size in row[1].split(",")}
    assert sizes == set(registry.ENTRIES)


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
