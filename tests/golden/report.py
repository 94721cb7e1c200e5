# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of docs/models.md from what the golden tests measured: see `make parity`."""

import collections
import json
import os
import re
import sys
from pathlib import Path

from zoo.hub.tables import FAMILIES
from zoo.models import registry

MODELS = Path(__file__).resolve().parents[2] / "docs" / "models.md"
SIBLINGS = {"xlm-roberta": "roberta", "camembert": "roberta"}  # the same model under another name


def record(case: str, kind: str, error: float) -> None:
    """Notes an error of a case, if $ZOO_PARITY names a file to note it in."""
    if path := os.environ.get("ZOO_PARITY"):
        with open(path, "a") as file:
            file.write(json.dumps({"case": case, "kind": kind, "error": error}) + "\n")


def tables(errors: dict[tuple[str, str], dict[str, float]]) -> str:
    """One row a family: the worst error of each head's outputs, of all hidden layers and of all gradients."""
    heads = list(dict.fromkeys(head for hub in FAMILIES.values() for head in hub.weights.heads))
    families = [name for name in FAMILIES if any(family == name for family, _ in errors)]
    families = [name for name in families if name not in SIBLINGS]
    lines = [
        f"| head | {' | '.join(f'`{name}`' for name in families)} |",
        "|---|" + "---|" * len(families),
    ]
    for head in heads:
        found = [errors.get((name, head or "bare"), {}) for name in families]
        cells = [_cell(kinds.get("outputs", kinds.get("hidden layers"))) for kinds in found]
        if not any(cells):
            continue  # Transformers has it of no family
        lines.append(f"| {f'`{head}`' if head else 'bare'} | {' | '.join(cells)} |")
    for kind in ("hidden layers", "gradients"):
        worst = [max(found[kind] for (family, _), found in errors.items() if family == name) for name in families]
        lines.append(f"| {kind} | {' | '.join(map(_cell, worst))} |")
    sizes = [f"| `{name}` | {', '.join(f'`{size}`' for size in family.sizes)} |" for name, family in _families()]
    return "\n".join([*lines, "", "| family | registry names |", "|---|---|", *sizes])


def _families():
    return registry.FAMILIES.items()


def _cell(error: float | None) -> str:
    return "" if error is None else f"{error:.0e}"


def main(path: str) -> None:
    errors: dict[tuple[str, str], dict[str, float]] = collections.defaultdict(lambda: collections.defaultdict(float))
    for line in Path(path).read_text().splitlines():
        entry = json.loads(line)
        family, head = entry["case"].split("_", 1)
        found = errors[SIBLINGS.get(family, family), head]
        found[entry["kind"]] = max(found[entry["kind"]], entry["error"])
    text, count = re.subn(
        r"(?<=<!-- parity -->\n).*?(?=<!-- /parity -->)",
        lambda _: tables(errors) + "\n",
        MODELS.read_text(),
        flags=re.DOTALL,
    )
    if count != 1:
        raise SystemExit("docs/models.md lacks its two marks <!-- parity --> and <!-- /parity -->.")
    MODELS.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1])
