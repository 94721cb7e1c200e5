# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes `ngram/*.arpa.gz`: what kenlm's lmplz estimates from the beginning of the package's text.

    python tests/golden/make_ngram_golden.py --lmplz=PATH

PATH is the program of github.com/kpu/kenlm (commit 4cb443e), which is built with cmake and boost. `fallback` is a text
too small for discounts, with --discount_fallback.
"""

import argparse
import gzip
import itertools
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "ngram"
TEXT = Path(__file__).resolve().parents[2] / "zoo" / "data" / "tinyshakespeare.txt"
LINES = 300
TINY = "a b c\na b\n\nc c a b\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lmplz", required=True)
    lmplz = parser.parse_args().lmplz
    with TEXT.open(encoding="utf-8") as file:
        text = "".join(itertools.islice(file, LINES))
    for name, given, flags in [("shakespeare", text, []), ("fallback", TINY, ["--discount_fallback"])]:
        command = [lmplz, "-o", "3", "-S", "500M", *flags]
        made = subprocess.run(command, input=given.encode(), capture_output=True, check=True).stdout
        (FOLDER / f"{name}.arpa.gz").write_bytes(gzip.compress(made, mtime=0))


if __name__ == "__main__":
    main()
