# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes requirements.lock: what the newest releases resolve to on each supported Python, merged with markers.

Usage: `python .ci/lock.py python3.11 python3.12` (names or paths of the two interpreters), from the repository's root.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

_BUILD = "setuptools"  # builds the editable install, without pip fetching one of its own
_OLD, _NEW = 'python_version < "3.12"', 'python_version >= "3.12"'
_HEADER = """\
# Exact versions of everything that `make install` installs. Made by `make lock`; do not edit.
"""


def resolve(python: str) -> dict[str, str]:
    """Version by package name of the package, its `test` extra and all that they need, as `python` resolves them."""
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder)
        subprocess.run([python, "-m", "venv", venv], check=True)
        pip = [venv / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--upgrade", "pip", _BUILD], check=True)
        report = venv / "report.json"
        subprocess.run(
            [*pip, "install", "--dry-run", "--ignore-installed", "--report", report, _BUILD, ".[test]"], check=True
        )
        found = json.loads(report.read_text())["install"]
    pins = {item["metadata"]["name"].lower().replace("_", "-"): item["metadata"]["version"] for item in found}
    del pins["zoo"]
    return pins


def merge(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Requirement lines for both Pythons; a marker where they differ."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) == new.get(name):
            lines.append(f"{name}=={old[name]}")
            continue
        lines += [f"{name}=={pins[name]}; {marker}" for pins, marker in ((old, _OLD), (new, _NEW)) if name in pins]
    return lines


def main(old_python: str = "python3.11", new_python: str = "python3.12") -> None:
    lines = merge(resolve(old_python), resolve(new_python))
    Path("requirements.lock").write_text(_HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"requirements.lock: {len(lines)} lines")


if __name__ == "__main__":
    main(*sys.argv[1:])
