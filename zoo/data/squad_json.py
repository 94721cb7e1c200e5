# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""SQuAD's own JSON, of both versions: articles of paragraphs, each a context with its questions (arXiv:1606.05250)."""

from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from zoo.errors import FormatError
from zoo.files import parse_json

COLUMNS = ("id", "title", "context", "question", "answers")


def read_squad(path: Path, file: BufferedReader) -> Iterator[dict[str, Any]]:
    """One record a question, with `COLUMNS`; the answers are a list of {text, answer_start}.

    Raises:
      FormatError: a file that is not JSON, or not of this form.
    """
    articles = parse_json(file.read(), str(path)).get("data")
    for number, article in enumerate(_list(articles, path, "data")):
        where = f"data[{number}]"
        for position, paragraph in enumerate(_list(_object(article, path, where).get("paragraphs"), path, where)):
            inner = f"{where}.paragraphs[{position}]"
            context = _object(paragraph, path, inner).get("context")
            for index, question in enumerate(_list(paragraph.get("qas"), path, inner)):
                found = _object(question, path, f"{inner}.qas[{index}]")
                answers = [] if found.get("is_impossible") else found.get("answers")
                title = article.get("title", "")
                values = (found.get("id"), title, context, found.get("question"), answers)
                yield dict(zip(COLUMNS, values, strict=True))


def _list(value: Any, path: Path, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise FormatError(
            f"{path}, {where}: expected SQuAD's JSON (data, paragraphs, qas); found {type(value).__name__}. Write "
            "other data as JSON lines (.jsonl)."
        )
    return value


def _object(value: Any, path: Path, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormatError(f"{path}, {where}: expected an object; found {type(value).__name__}. Correct the file.")
    return value
