# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The site of the documentation: `make docs` builds it, with warnings as errors."""

import os
import sys
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"  # reading signatures needs no accelerator
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

project = "zoo"
author = "The zoo authors"
copyright = "2026, The zoo authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "sphinx_book_theme"
html_title = "zoo"
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "__init__, __new__"}
napoleon_google_docstring = True
napoleon_use_ivar = True
suppress_warnings = ["misc.highlighting_failure"]  # a row of a table in an example is not a program by itself
