# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The rules of the project that a parser can check: imports, no execution of data, and where names may appear."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("zoo", "launch", "configs", "tests", "colabs", "benchmarks", ".ci", ".github")
HEADER = "# Copyright 2026 The zoo authors.\n# SPDX-License-Identifier: Apache-2.0\n"

# What each package may import besides itself and `BASE`; CONTRIBUTING has the same table. `api` is `zoo` itself.
BASE = {"errors", "checks", "files"}
PACKAGES: dict[str, set[str]] = {
    "errors": set(),
    "checks": set(),
    "files": set(),
    "kernels": set(),
    "sharding": {"kernels"},
    "multihost": set(),
    "nn": {"kernels", "sharding"},
    "models": {"nn"},
    "generation": {"models", "nn", "hub"},
    "text": set(),
    "hub": {"models", "nn", "text", "sharding", "multihost"},
    "data": {"text", "api"},
    "objectives": {"data", "models", "nn", "kernels", "api"},
    "evals": {"objectives", "data", "generation", "nn"},
    "predict": {"evals", "objectives", "data", "hub", "nn", "text", "api"},
    "cost": {"models", "nn"},
    "scaling": set(),
    "optim": set(),
    "train": {
        "optim",
        "objectives",
        "evals",
        "data",
        "models",
        "nn",
        "sharding",
        "multihost",
        "cost",
        "hub",
        "text",
        "api",
    },
    "aot": {
        "train",
        "optim",
        "text",
        "evals",
        "cost",
        "generation",
        "models",
        "sharding",
        "nn",
        "kernels",
        "api",
    },  # compiles what these trace
    "embedding": {"models", "nn", "text"},
    "masks": {"nn", "text"},
    "api": {"models", "generation", "embedding", "hub", "masks"},
}

CODE_RUNNERS = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"}
CALLS = {"eval", "exec", "yaml.load", "os.system", "os.popen", "tempfile.mktemp"}
FOREIGN = {"torch", "transformers"}
HUB_NAMES = re.compile(
    r"LayerNorm|attention\.self|\bc_(attn|proj|fc)\b|\bln_[12f]\b|\bw[tp]e\b|(word|position|token_type)_embeddings"
    r"|cls\.(predictions|seq_relationship)|\blm_head\b"
)
ALIASES = {ROOT / "zoo" / "nn" / "field_names.py"}  # what users may write by habit, to answer with our names
VAGUE = {"utils", "util", "helpers", "common", "misc"}


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every imported module with its line; `from zoo import data` counts as zoo.data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            packages = node.module == "zoo"
            yield from ((f"{node.module}.{a.name}" if packages else node.module, node.lineno) for a in node.names)


def package(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "api"


def may_import(source: str, target: str) -> bool:
    """Whether module `source` may import module `target`."""
    if target.split(".")[0] != "zoo":
        return target.split(".")[0] not in ("launch", "configs")
    return package(target) in {package(source), *BASE, *PACKAGES[package(source)]}


def runs_code(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Constructs that run what a file says, or that vanish under `python -O`."""
    for module, line in imports(tree):
        if module.split(".")[0] in CODE_RUNNERS:
            yield f"import {module}", line
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield "assert (raise a ZooError)", node.lineno
        if isinstance(node, ast.Call):
            if ast.unparse(node.func) in CALLS:
                yield f"{ast.unparse(node.func)}()", node.lineno
            for keyword in node.keywords:
                on = not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
                if keyword.arg in ("shell", "allow_pickle", "trust_remote_code") and on:
                    yield f"{keyword.arg}=", node.lineno


def foreign(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Imports of torch anywhere, and of TensorFlow where importing the module would already need it."""
    yield from ((name, line) for name, line in imports(tree) if name.split(".")[0] in FOREIGN)
    top = ast.Module([n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], [])
    yield from ((name, line) for name, line in imports(top) if name.split(".")[0] == "tensorflow")


def hub_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Strings, docstrings excepted, that hold a weight name of Transformers."""
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            if HUB_NAMES.search(node.value):
                yield repr(node.value), node.lineno


def report(check, paths: list[Path]) -> list[str]:
    return [f"{path.relative_to(ROOT)}:{line}: {what}" for path in paths for what, line in check(parse(path))]


def test_imports_form_the_dag():
    found = []
    for path in files("zoo"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found += [f"{module}:{line} {name}" for name, line in imports(parse(path)) if not may_import(module, name)]
    assert not found


def test_configs_import_only_config_dicts():
    allowed = {"ml_collections", "configs", "configs.common", *sys.stdlib_module_names}
    found = [
        f"{path.name}: {name}" for path in files("configs") for name, _ in imports(parse(path)) if name not in allowed
    ]
    assert not found


def test_nothing_runs_code_from_files():
    assert not report(runs_code, files("zoo", "launch", "configs"))


def test_no_other_framework_is_needed():
    assert not report(foreign, files("zoo", "launch", "configs"))


def test_hub_names_stay_in_hub():
    assert not report(
        hub_names, [path for path in files("zoo", "launch") if "hub" not in path.parts and path not in ALIASES]
    )


def test_every_file_has_its_licence():
    found = [str(path.relative_to(ROOT)) for path in [ROOT / "setup.py", *files(*FOLDERS)] if not licensed(path)]
    assert not found


def licensed(path: Path) -> bool:
    """A notebook's script may begin with its own header."""
    text = path.read_text(encoding="utf-8")
    return text.startswith(HEADER) or (path.parent.name == "colabs" and HEADER in text)


def test_no_file_has_a_vague_name():
    assert not [str(path) for path in files("zoo") if path.stem in VAGUE]


def test_every_folder_is_a_package():
    folders = {path.parent for path in files("zoo", "launch")}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").exists()]


@pytest.mark.parametrize(
    "check, source",
    [
        (runs_code, "assert x > 0"),
        (runs_code, "import pickle"),
        (runs_code, "from cloudpickle import loads"),
        (runs_code, "eval('1')"),
        (runs_code, "yaml.load(f)"),
        (runs_code, "subprocess.run(c, shell=True)"),
        (runs_code, "np.load(f, allow_pickle=flag)"),
        (foreign, "def f():\n  import torch"),
        (foreign, "from tensorflow import io"),
        (hub_names, "x = 'encoder.LayerNorm.weight'"),
        (hub_names, "x = f'h.{i}.attn.c_attn.weight'"),
    ],
)
def test_the_checks_see(check, source):
    assert list(check(ast.parse(source)))


@pytest.mark.parametrize(
    "source, target",
    [
        ("zoo.nn.block", "zoo.models.bert"),
        ("zoo.data.packed", "zoo.hub.load"),
        ("zoo.hub.fetch", "zoo.data.packed"),
        ("zoo.kernels.a", "zoo.nn"),
    ],
)
def test_the_dag_refuses(source, target):
    assert not may_import(source, target)
