# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The notebook runs from top to bottom, and is what its paired script says."""

from pathlib import Path

import jupytext
import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "colabs" / "tour.ipynb"


def test_notebook_and_script_agree():
    script, notebook = jupytext.read(NOTEBOOK.with_suffix(".py")), jupytext.read(NOTEBOOK)
    assert [(c.cell_type, c.source) for c in script.cells] == [(c.cell_type, c.source) for c in notebook.cells]
    assert not any(cell.get("outputs") for cell in notebook.cells), "commit the notebook without its outputs"


# The kernel's client leaves sockets to the garbage collector.
@pytest.mark.filterwarnings("default")
def test_notebook_runs(monkeypatch):
    monkeypatch.setenv("TOUR_STEPS", "3")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for strictness in ("JAX_NUMPY_DTYPE_PROMOTION", "JAX_NUMPY_RANK_PROMOTION"):
        monkeypatch.delenv(strictness)  # a user's session has neither
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    last = notebook.cells[-1].outputs[-1]
    assert "Array" in last["data"]["text/plain"]
