# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Where the sentences of a document begin: at its lines, or by a rule for punctuation.

The rule is for text of any language that ends sentences with marks and, in cased scripts, begins them with a capital;
it knows a few English abbreviations, and no model. Text that was split with more care is given a sentence a line.
"""

import re
from typing import Literal

Rule = Literal["line", "punctuation"]

_LINE = re.compile(r"\s*\S[^\n]*(?:\s*\Z)?")
_OPENING, _CLOSING = r"\"'\u201c\u2018\u00ab(\[", r"\"'\u201d\u2019\u00bb)\]"  # quotes and brackets
_WIDE = "\u3002\uff01\uff1f"  # the marks of Chinese and Japanese
_END = re.compile(rf"[.!?\u2026]+[{_CLOSING}]*(?=\s)|[{_WIDE}]+[\u201d\u2019\u300d\u300f\uff09]*|\n\s*\n")
_NEXT = re.compile(rf"\s*[{_OPENING}]*(\S?)")
_WORD = re.compile(rf"[^\s{_OPENING}\u2013\u2014-]+\Z")
_LETTERS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # initials: J, U.S, e.g
_LONGEST = 12  # characters that are searched for an abbreviation
_TITLES = frozenset(
    "mr mrs ms messrs dr prof rev hon gen col capt lt sgt gov sen rep st mt jr vs cf viz approx ph.d".split()
)
_BEFORE_NUMBERS = frozenset("no nos fig figs vol vols art sec ch eq ed p pp".split())


def split_sentences(text: str, rule: Rule) -> list[str]:
    """The sentences of a text, each with the spaces before it: joined, they are the text, and none is blank.

    Args:
      rule: `line` has a sentence a line. `punctuation` ends one at a blank line, and at `.`, `!`, `?` or `…` before a
        space unless a lower-case letter follows, or the period is that of an abbreviation or of initials; the marks of
        Chinese and Japanese need no space.
    """
    if rule == "line":
        return _LINE.findall(text)
    found, begin = [], 0
    for match in _END.finditer(text):
        cut = match.start() if match[0].isspace() else match.end()
        if _is_end(text, match) and text[begin:cut].strip() and text[cut:].strip():
            found.append(text[begin:cut])
            begin = cut
    return [*found, text[begin:]] if text.strip() else []


def _is_end(text: str, match: re.Match) -> bool:
    if match[0].isspace() or match[0][0] in _WIDE:
        return True
    following = _NEXT.match(text, match.end())
    after = "" if following is None else following[1]
    if after.islower():
        return False
    word = _WORD.search(text[max(match.start() - _LONGEST, 0) : match.start()]) if match[0][0] == "." else None
    if word is None or match[0].startswith(".."):
        return True
    name = word[0].lower()
    return not (name in _TITLES or _LETTERS.fullmatch(word[0]) or (name in _BEFORE_NUMBERS and after.isdigit()))
