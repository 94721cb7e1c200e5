# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The notebooks run from top to bottom, in any folder, and are what their paired scripts contain."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("tour", "finetune", "objectives")


@pytest.mark.parametrize("name", NAMES)
def test_notebook_and_script_agree(name):
    script, notebook = (jupytext.read(ROOT / "colabs" / f"{name}.{suffix}") for suffix in ("py", "ipynb"))
    assert [(c.cell_type, c.source) for c in script.cells] == [(c.cell_type, c.source) for c in notebook.cells]
    assert not any(cell.get("outputs") for cell in notebook.cells), "commit the notebook without its outputs"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package as `pip install` puts it there; the checkout is nowhere on the path."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("zoo", "launch", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    flags = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target), str(source)]
    subprocess.run([*pip, *flags], check=True)
    return target


@pytest.fixture
def session(monkeypatch, installed):
    """The environment of a user's session, with the installed package alone."""
    monkeypatch.setenv("PYTHONPATH", str(installed))
    monkeypatch.setenv("TOUR_STEPS", "3")
    monkeypatch.setenv("FINETUNE_STEPS", "30")
    monkeypatch.setenv("OBJECTIVES_STEPS", "2")
    for strictness in ("JAX_NUMPY_DTYPE_PROMOTION", "JAX_NUMPY_RANK_PROMOTION"):
        monkeypatch.delenv(strictness)  # a user's session has neither


# The kernel's client leaves sockets to the garbage collector.
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("name", "shown"), [("tour", "Array"), ("finetune", "who "), ("objectives", "[SEP]: 0.")])
@pytest.mark.usefixtures("session")
def test_notebook_runs(name, shown, tmp_path):
    notebook = nbformat.read(ROOT / "colabs" / f"{name}.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    last = notebook.cells[-1].outputs[-1]
    assert shown in "".join(last["data"].values())


@pytest.mark.usefixtures("session")
def test_the_configs_are_installed_too(installed, tmp_path):
    code = "import configs.finetune, zoo, launch; print(configs.__file__, zoo.__file__, launch.__file__)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=True
    )
    assert all(Path(path).is_relative_to(installed) for path in result.stdout.split())
