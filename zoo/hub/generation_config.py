# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""`generation_config.json`: what a checkpoint's authors set for generation, read together with the weights."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from zoo.errors import FormatError
from zoo.files import read_json
from zoo.hub.tensors import partial

NAME = "generation_config.json"

# Options that change what greedy decoding or sampling returns, with the values at which they change nothing.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "num_beams": (None, 1),
    "repetition_penalty": (None, 1, 1.0),
    "encoder_repetition_penalty": (None, 1, 1.0),
    "no_repeat_ngram_size": (None, 0),
    "encoder_no_repeat_ngram_size": (None, 0),
    "min_length": (None, 0),
    "min_new_tokens": (None, 0),
    "forced_bos_token_id": (None,),
    "forced_eos_token_id": (None,),
    "forced_decoder_ids": (None, []),
    "begin_suppress_tokens": (None, []),
    "exponential_decay_length_penalty": (None,),
    "sequence_bias": (None, []),
    "penalty_alpha": (None, 0, 0.0),
    "guidance_scale": (None, 1, 1.0),
}

# The same, of options that matter only to sampling.
_NEUTRAL_IN_SAMPLING: dict[str, tuple[Any, ...]] = {
    "typical_p": (None, 1, 1.0),
    "min_p": (None, 0, 0.0),
    "epsilon_cutoff": (None, 0, 0.0),
    "eta_cutoff": (None, 0, 0.0),
}
_TOP_K = 50  # what Transformers uses if the file does not set it


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerationConfig:
    """A checkpoint's settings for generation.

    Attributes:
      eos_ids: tokens that end a text; None if the file names none. decoder_start_id: first token of a decoder.
      suppress_tokens: tokens that are never generated. do_sample: whether tokens are drawn.
      temperature: of the drawing. top_k, top_p: as of `zoo.generate`; None does not limit.
      unsupported: options that change the result and are not supported, as `name=value`. text: the whole file.
    """

    eos_ids: tuple[int, ...] | None = None
    decoder_start_id: int | None = None
    suppress_tokens: tuple[int, ...] = ()
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    unsupported: tuple[str, ...] = ()
    text: str = ""


def attach(model: Any, path: Path) -> Any:
    """The model, with the settings of its folder as `model.generation_config`, if there are any."""
    found = read(path if path.is_dir() else path.parent)
    if found is not None:
        model.generation_config = found
    return model


def write(model: Any, folder: Path) -> list[Path]:
    """Writes the settings that came with a model next to their final name, which is returned, if there are any."""
    found = getattr(model, "generation_config", None)
    if found is None or not found.text:
        return []
    partial(folder / NAME).write_text(found.text, encoding="utf-8")
    return [folder / NAME]


def read(folder: str | os.PathLike) -> GenerationConfig | None:
    """The settings in a folder's `generation_config.json`, or None if there is no such file.

    Raises:
      FormatError: a damaged file, or tokens that are not whole numbers.
    """
    file = Path(folder, NAME)
    if not file.is_file():
        return None
    fields = read_json(file)
    if not isinstance(fields, dict):
        raise FormatError(f"{file} must hold an object; found {type(fields).__name__}. Correct or remove the file.")
    eos, start = fields.get("eos_token_id"), fields.get("decoder_start_token_id")
    words = fields.get("bad_words_ids") or []
    is_single = isinstance(words, list) and all(isinstance(word, list) and len(word) == 1 for word in words)
    do_sample = fields.get("do_sample") is True
    neutral = _NEUTRAL | (_NEUTRAL_IN_SAMPLING if do_sample else {})
    unsupported = [f"{name}={fields[name]!r:.40}" for name, same in neutral.items() if fields.get(name) not in same]
    if not is_single:
        unsupported.append(f"bad_words_ids={words!r:.40}")
    suppressed = [*(fields.get("suppress_tokens") or []), *(word[0] for word in words if is_single)]
    return GenerationConfig(
        eos_ids=None if eos is None else _ids(eos, "eos_token_id", file),
        decoder_start_id=None if start is None else _ids(start, "decoder_start_token_id", file)[0],
        suppress_tokens=_ids(suppressed, "suppress_tokens or bad_words_ids", file),
        do_sample=do_sample,
        unsupported=tuple(unsupported),
        text=file.read_text(encoding="utf-8"),
        **(_sampling(fields, file) if do_sample else {}),
    )


def _sampling(fields: dict[str, Any], file: Path) -> dict[str, Any]:
    """Temperature, top_k and top_p, where 0 and 1 for the last two mean no limit, as in Transformers."""
    found = {"temperature": 1.0, "top_k": _TOP_K, "top_p": None}
    found |= {name: fields[name] for name in found if fields.get(name) is not None}
    for name, value in found.items():
        if value is not None and type(value) not in ((int,) if name == "top_k" else (int, float)):
            raise FormatError(f"{file}: {name} must be a number; found {value!r:.80}. Correct it.")
    return found | {"top_k": found["top_k"] or None, "top_p": None if found["top_p"] == 1 else found["top_p"]}


def _ids(value: Any, name: str, file: Path) -> tuple[int, ...]:
    ids = value if isinstance(value, list) else [value]
    for found in ids:
        if type(found) is not int:
            raise FormatError(f"{file}: {name} must be a token id or a list of them; found {value!r:.80}. Correct it.")
    return tuple(ids)
