# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The documents name only what exists: modules, flags, fields of configs, make targets, files; and each is found."""

import re
from pathlib import Path

import pytest

import zoo
from launch import config_flags
from zoo import checks
from zoo.errors import ConfigError
from zoo.models import registry
from zoo.train.config import RunConfig

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
MODELS = ROOT / "docs" / "models.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
DOCUMENTS = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *PAGES]
LIMIT = 8192  # bytes of a README that is read to its end
EXAMPLES = ("configs/top_k.py", "configs/records.py")  # which CONTRIBUTING has its reader write
CONFIG_FILES = [path for path in sorted((ROOT / "configs").glob("*.py")) if path.stem not in ("__init__", "common")]
CONFIGS = [config_flags.load(str(path)) for path in CONFIG_FILES]


def missing(text: str, folder: Path) -> list[str]:
    """What `text`, a document in `folder`, names and the checkout lacks."""
    modules = re.findall(r"python3? -m ((?:zoo|launch|benchmarks|configs)[\w.]*)", text)
    scripts = re.findall(r"python3? ([\w./-]+\.py)\b", text)
    configs = set(re.findall(r"--config=([\w./]+\.py)", text)) - set(EXAMPLES)
    links = [
        link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link and not link.startswith("mailto:")
    ]
    paths = re.findall(r"`((?:zoo|launch|configs|tests|colabs|benchmarks)/[\w./-]*\w)`", text)
    targets = re.findall(r"\bmake ([a-z][a-z-]*)(?=[`\s]*(?:\n|#|$|`))", text)
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    return [
        *(f"module {name}" for name in modules if not module_file(name)),
        *(f"file {name}" for name in {*scripts, *configs, *paths} if not is_file(name)),
        *(f"link {name}" for name in links if not (folder / name).exists()),
        *(f"--{name}" for name in sorted(set(re.findall(r"--(config\.[\w.]+)=", text))) if not is_field(name)),
        *(f"{module} --{flag}" for module, flag in flags(text) if flag not in flags_of(module)),
        *(f"make {name}" for name in targets if name not in known),
    ]


def module_file(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def is_file(name: str) -> bool:
    """Whether the checkout has it; a name in capitals is a placeholder."""
    return (ROOT / name).exists() or (name.startswith("colabs/") and Path(name).stem.isupper())


def is_field(name: str) -> bool:
    """Whether a config has such a field, `config.a.b`, in one of the files of configs/."""
    if name == "config.objective.rate" or name.rpartition(".")[2].isupper():
        return True  # of the example in CONTRIBUTING; a placeholder
    return any(_has_field(values, name.split(".")[1:]) for values in CONFIGS)


def _has_field(values: dict, names: list[str]) -> bool:
    try:
        checks.field_type(RunConfig, values, names, "config")
    except ConfigError:
        return False
    return True


def flags(text: str) -> list[tuple[str, str]]:
    """The flags of the commands of launchers in the document, with their launcher."""
    commands = re.findall(r"python3? -m (launch\.\w+)((?:\\\n|[^\n`])*)", text)
    found = ((module, flag) for module, rest in commands for flag in re.findall(r" --(\w+)(?=[= \n]|$)", rest))
    return [(module, flag) for module, flag in found if flag not in ("config", "help")]


def flags_of(module: str) -> set[str]:
    """The flags that a launcher defines, itself or by what it shares with others."""
    if not module_file(module):
        return set()
    names = {module.removeprefix("launch."), "ahead", "hosts"}
    texts = [(ROOT / "launch" / f"{name}.py").read_text(encoding="utf-8") for name in names]
    return {flag for text in texts for flag in re.findall(r"DEFINE_\w+\(\s*\"(\w+)\"", text)}


def test_the_readme_is_short():
    assert len(README.read_bytes()) <= LIMIT


def test_the_readme_counts_the_sizes_of_each_family():
    """Of each row, the second column gives the numbers of sizes, in the order of its families."""
    names = {"XLM-R": "xlm-roberta", "GPT": "gpt", "GPT-2": "gpt2", "GPT-3": "gpt3", "GPT-Neo": "gpt-neo"}
    table = README.read_text(encoding="utf-8").partition("\n| family |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    pairs = [pair for row in rows for pair in zip(row[0].split(", "), row[1].split(", "), strict=True)]
    counts = {names.get(family, family.lower()): int(count) for family, count in pairs}
    assert counts == {name: len(family.sizes) for name, family in registry.FAMILIES.items()}


def test_every_page_is_in_the_index_and_the_readme():
    listed = re.findall(r"^[a-z_]+$", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == [page.stem for page in PAGES if page.stem != "index"]
    linked = re.findall(r"\]\(docs/(\w+)\.md\)", README.read_text(encoding="utf-8"))
    assert {*linked, "contributing", "index"} == {page.stem for page in PAGES}


def test_the_api_page_has_every_public_function():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").partition("\n## ")[0]
    assert sorted(re.findall(r"autofunction:: (\w+)", text)) == sorted(zoo.__all__)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_everything_named_exists(document):
    assert not missing(document.read_text(encoding="utf-8"), document.parent)


def test_the_family_table_has_every_golden_and_every_size():
    """A cell for each golden of a head; the numbers are `make parity`'s."""
    text = MODELS.read_text(encoding="utf-8").partition("<!-- parity -->")[2].partition("<!-- /parity -->")[0]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line]
    head, families = rows[0][0], rows[0][1:]
    assert head == "head"
    cells = ((row[0], family, cell) for row in rows[2:] for family, cell in zip(families, row[1:], strict=False))
    filled = {f"{family}_{name}" for name, family, cell in cells if re.fullmatch(r"\de-\d\d", cell)}
    goldens = {path.stem for path in (ROOT / "tests" / "golden").glob("*_*.npz")}
    kinds = {f"{family}_{kind}" for family in families for kind in ("hidden layers", "gradients")}
    assert filled - kinds == {name for name in goldens if "_variant" not in name and "generation_" not in name}
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
        "python -m launch.train --worksdir=x",
        "python -m launch.train --workdir=x \\\n  --dat_dir=x",
        "--config.model.norm_epsilon=1",
        "--config.data.sorce=x",
    ],
)
def test_the_check_sees(text):
    assert missing(text, ROOT)
