# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes zoo/data/pairs.csv: numbers below a million in English and in French words, a small real translation.

    python tests/golden/make_pairs.py

French counts by twenties from 60 on (soixante-douze, quatre-vingt-dix), and marks a plural only at the end of a number
(deux cents, but deux cent un), so that words do not translate one by one. The spelling is that before 1990.
"""

import csv
import random
from pathlib import Path

TARGET = Path(__file__).resolve().parents[2] / "zoo" / "data" / "pairs.csv"
NUM_PAIRS = 1500
ENGLISH = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
ENGLISH_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
FRENCH = "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize".split()
FRENCH_TENS = "vingt trente quarante cinquante soixante".split()


def english(number: int) -> str:
    if number < 20:
        return ENGLISH[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return ENGLISH_TENS[tens - 2] + (f"-{ENGLISH[rest]}" if rest else "")
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return f"{ENGLISH[hundreds]} hundred" + (f" and {english(rest)}" if rest else "")
    thousands, rest = divmod(number, 1000)
    link = " and " if 0 < rest < 100 else " "
    return f"{english(thousands)} thousand" + (link + english(rest) if rest else "")


def french(number: int, *, is_last: bool = True) -> str:
    """`is_last` is whether no "mille" follows, before which there is no plural."""
    if number < 17:
        return FRENCH[number]
    if number < 20:
        return f"dix-{FRENCH[number - 10]}"
    if number < 100:
        return _below_hundred(number, is_last)
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        head = "cent" if hundreds == 1 else f"{FRENCH[hundreds]} cent"
        return f"{head} {french(rest, is_last=is_last)}" if rest else head + "s" * (hundreds > 1 and is_last)
    thousands, rest = divmod(number, 1000)
    head = "mille" if thousands == 1 else f"{french(thousands, is_last=False)} mille"
    return f"{head} {french(rest)}" if rest else head


def _below_hundred(number: int, is_last: bool) -> str:
    if number == 80:
        return "quatre-vingts" if is_last else "quatre-vingt"
    if number > 80:
        return f"quatre-vingt-{french(number - 80)}"
    tens = min(number // 10, 6)
    head, rest = FRENCH_TENS[tens - 2], number - 10 * tens
    if rest in (1, 11):
        return f"{head} et {FRENCH[rest]}"
    return f"{head}-{french(rest)}" if rest else head


def main() -> None:
    draw = random.Random(0)
    numbers = {draw.randrange(10 ** draw.randint(3, 6)) for _ in range(2 * NUM_PAIRS)}
    chosen = draw.sample(sorted(numbers), NUM_PAIRS)
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["source", "target"])
        rows.writerows((english(number), french(number)) for number in chosen)


if __name__ == "__main__":
    main()
