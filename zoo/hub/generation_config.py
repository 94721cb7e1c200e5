# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""`generation_config.json`: what a checkpoint's authors set for generation, read together with the weights."""

import dataclasses
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from zoo.errors import ConfigError, FormatError
from zoo.files import read_json
from zoo.hub.tensors import partial

NAME = "generation_config.json"

# Options that change what greedy decoding or sampling returns, with the values at which they change nothing.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "encoder_repetition_penalty": (None, 1, 1.0),
    "encoder_no_repeat_ngram_size": (None, 0),
    "min_length": (None, 0),
    "forced_bos_token_id": (None,),
    "forced_decoder_ids": (None, []),
    "force_words_ids": (None, []),
    "constraints": (None, []),
    "begin_suppress_tokens": (None, []),
    "exponential_decay_length_penalty": (None,),
    "sequence_bias": (None, []),
    "penalty_alpha": (None, 0, 0.0),
    "guidance_scale": (None, 1, 1.0),
    "dola_layers": (None,),
    "stop_strings": (None, []),
    "max_time": (None,),
    "token_healing": (None, False),
    "watermarking_config": (None,),
}

# The same, of options that matter only to sampling.
_NEUTRAL_IN_SAMPLING: dict[str, tuple[Any, ...]] = {
    "typical_p": (None, 1, 1.0),
    "min_p": (None, 0, 0.0),
    "epsilon_cutoff": (None, 0, 0.0),
    "eta_cutoff": (None, 0, 0.0),
    "top_h": (None,),
}
_WHOLE = ("top_k", "max_new_tokens", "max_length")
_TOP_K = 50  # what Transformers uses if the file does not set it


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How texts are searched for, and which tokens are kept from them; the names are those of Transformers.

    Attributes:
      num_beams: beginnings of a text that are followed at once; 1 follows the likeliest token, or a sample.
      length_penalty: a text's log probability is divided by its number of new tokens to this power, so that above 0
        longer texts are preferred. early_stopping: see `zoo.generation.beam`.
      num_return_sequences: texts for each prompt.
      no_repeat_ngram_size: no so many tokens in a row come twice, prompt included; 0 is no limit.
      repetition_penalty: scores of tokens that came before, prompt included, are worse by this factor; 1 changes none.
      min_new_tokens: no end token comes before so many others.
    """

    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False
    num_return_sequences: int = 1
    no_repeat_ngram_size: int = 0
    repetition_penalty: float = 1.0
    min_new_tokens: int = 0

    def __post_init__(self):
        least = {"num_beams": 1, "num_return_sequences": 1, "no_repeat_ngram_size": 0, "min_new_tokens": 0}
        for name, value in least.items():
            found = getattr(self, name)
            if type(found) is not int or found < value:
                raise ConfigError(f"{name} must be a whole number, {value} or more; found {found!r:.80}. Give {value}.")
        for name in ("length_penalty", "repetition_penalty"):
            found = getattr(self, name)
            if type(found) not in (int, float) or not math.isfinite(found):
                raise ConfigError(f"{name} must be a finite number; found {found!r:.80}. Give 1.0, which is usual.")
        if self.repetition_penalty <= 0:
            raise ConfigError(
                f"repetition_penalty must be above 0; found {self.repetition_penalty}. Give 1.0, which changes "
                "nothing, or more, which makes repetition less likely."
            )
        if type(self.early_stopping) is not bool and self.early_stopping != "never":
            raise ConfigError(f"early_stopping must be True, False or 'never'; found {self.early_stopping!r:.80}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerationConfig:
    """A checkpoint's settings for generation.

    Attributes:
      eos_ids: tokens that end a text; None if the file names none. decoder_start_id: first token of a decoder.
      suppress_tokens: tokens that are never generated. max_new_tokens, max_length: None if the file does not set
        them; the latter counts the prompt, or a decoder's first token.
      do_sample: whether tokens are drawn. temperature: of the drawing. top_k, top_p: as of `zoo.generate`; None does
        not limit.
      search: beams, penalties and the like. forced_eos_ids: the tokens of which one is the last of a text that has no
        room for more.
      unsupported: options that change the result and are not supported, by name, with their values.
      unsupported_in_sampling: those that change it only if tokens are drawn.
      text: the whole file, to be saved again; empty where all of it came from config.json.
    """

    eos_ids: tuple[int, ...] | None = None
    decoder_start_id: int | None = None
    suppress_tokens: tuple[int, ...] = ()
    max_new_tokens: int | None = None
    max_length: int | None = None
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    search: SearchConfig = SearchConfig()
    forced_eos_ids: tuple[int, ...] = ()
    unsupported: tuple[tuple[str, str], ...] = ()
    unsupported_in_sampling: tuple[tuple[str, str], ...] = ()
    text: str = ""


def write(model: Any, folder: Path) -> list[Path]:
    """Writes the settings that came with a model next to their final name, which is returned, if there are any."""
    if model.generation_config is None or not model.generation_config.text:
        return []
    partial(folder / NAME).write_text(model.generation_config.text, encoding="utf-8")
    return [folder / NAME]


def read(folder: str | os.PathLike) -> GenerationConfig | None:
    """The settings in a folder's `generation_config.json`; None if there is no such file.

    Raises:
      FormatError: a damaged file, or a setting of the wrong type.
    """
    file = Path(folder, NAME)
    return parse(read_json(file), file, file.read_text(encoding="utf-8")) if file.is_file() else None


def parse(fields: Mapping[str, Any], file: Path, text: str = "") -> GenerationConfig:
    """The settings among the keys of a file, whose text is to be saved again.

    Raises:
      FormatError: a setting of the wrong type.
    """
    eos, start = fields.get("eos_token_id"), fields.get("decoder_start_token_id")
    words, forced = fields.get("bad_words_ids") or [], fields.get("forced_eos_token_id")
    is_single = isinstance(words, list) and all(isinstance(word, list) and len(word) == 1 for word in words)
    several = [] if is_single else [("bad_words_ids", f"{words!r:.40}")]
    if isinstance(start, list) and len({*start}) > 1:  # one for each row of a batch
        several.append(("decoder_start_token_id", f"{start!r:.40}"))
    banned = [word[0] for word in words] if is_single else []
    return GenerationConfig(
        eos_ids=None if eos is None else _ids(eos, "eos_token_id", file),
        decoder_start_id=None if start in (None, []) else _ids(start, "decoder_start_token_id", file)[0],
        suppress_tokens=(
            *_ids(fields.get("suppress_tokens") or [], "suppress_tokens", file),
            *_ids(banned, "bad_words_ids", file),
        ),
        search=_search(fields, file),
        forced_eos_ids=() if forced is None else _ids(forced, "forced_eos_token_id", file),
        unsupported=(*_set(fields, _NEUTRAL), *several),
        unsupported_in_sampling=_set(fields, _NEUTRAL_IN_SAMPLING),
        text=text,
        **_sampling(fields, file),
    )


def _set(fields: Mapping[str, Any], neutral: Mapping[str, tuple[Any, ...]]) -> tuple[tuple[str, str], ...]:
    """The options that have another value than one that changes nothing."""
    return tuple((name, f"{fields[name]!r:.40}") for name, same in neutral.items() if fields.get(name) not in same)


def _search(fields: Mapping[str, Any], file: Path) -> SearchConfig:
    names = [field.name for field in dataclasses.fields(SearchConfig)]
    found = {name: fields[name] for name in names if fields.get(name) is not None}
    found |= {
        name: float(found[name]) for name in ("length_penalty", "repetition_penalty") if type(found.get(name)) is int
    }
    try:
        return SearchConfig(**found)
    except ConfigError as error:
        raise FormatError(f"{file}: {error}") from error


def _sampling(fields: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """How tokens are chosen, and how many; 0 and 1 for `top_k` and `top_p` mean no limit, as in Transformers."""
    do_sample = fields.get("do_sample") is True
    found = {"temperature": 1.0, "top_k": _TOP_K if do_sample else None, "top_p": None}
    found |= {"max_new_tokens": None, "max_length": None}
    found |= {name: fields[name] for name in found if fields.get(name) is not None}
    for name, value in found.items():
        if value is not None and type(value) not in ((int,) if name in _WHOLE else (int, float)):
            raise FormatError(f"{file}: {name} must be a number; found {value!r:.80}. Correct it.")
    limits = {"top_k": found["top_k"] or None, "top_p": None if found["top_p"] == 1 else found["top_p"]}
    return found | limits | {"do_sample": do_sample}


def _ids(value: Any, name: str, file: Path) -> tuple[int, ...]:
    ids = value if isinstance(value, list) else [value]
    for found in ids:
        if type(found) is not int:
            raise FormatError(f"{file}: {name} must be a token id or a list of them; found {value!r:.80}. Correct it.")
    return tuple(ids)
