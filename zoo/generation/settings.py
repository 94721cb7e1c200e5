# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What a call may be told: its arguments, what the checkpoint declares, and whether they fit the model."""

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

from zoo.errors import ConfigError
from zoo.hub.fetch import CONFIG
from zoo.hub.generation_config import NAME, GenerationConfig, SearchConfig
from zoo.nn.config import TransformerConfig
from zoo.nn.encoder_decoder import EncoderDecoder
from zoo.nn.transformer import Transformer

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What the compiled program depends on.

    Attributes:
      max_new: most tokens to add. longest: most tokens of a text, with its prompt or its decoder's first token.
      num_return: texts of each prompt. penalizes: whether there is a repetition penalty.
      banned: tokens that are never generated. forced_eos_ids: of which one is the last where no more fit.
      prefix: whether prompts are read in both directions.
    """

    max_new: int
    longest: int
    num_return: int
    greedy: bool
    top_k: int | None
    use_top_p: bool
    num_beams: int
    early_stopping: bool | Literal["never"]
    no_repeat_ngram_size: int
    penalizes: bool
    eos_ids: tuple[int, ...]
    forced_eos_ids: tuple[int, ...]
    banned: tuple[int, ...]
    decoder_start_id: int | None
    prefix: bool = False


class Values(NamedTuple):
    """What may change without another program."""

    temperature: Float[Array, ""]
    top_p: Float[Array, ""]
    length_penalty: Float[Array, ""]
    repetition_penalty: Float[Array, ""]
    min_new_tokens: Int[Array, ""]


def check_declared(declared: GenerationConfig, ignore: Sequence[str], *, is_sampling: bool) -> None:
    """Refuses what the checkpoint sets, is not supported and would change the result, unless it is ignored."""
    if isinstance(ignore, str):
        raise ConfigError(f"ignore must be a list of names; found {ignore!r:.80}. Wrap it in brackets.")
    options = declared.unsupported + (declared.unsupported_in_sampling if is_sampling else ())
    if left := {name: value for name, value in options if name not in ignore}:
        raise ConfigError(
            f"{NAME if declared.text else CONFIG} sets {', '.join(f'{name}={left[name]}' for name in left)}, which is "
            f"not supported and would change the text. To generate without: ignore={[*left]}."
        )


def check_settings(model, start, max_new_tokens, temperature, top_k, top_p, prefix) -> None:
    if model.head_name not in ("causal_lm", "seq2seq_lm"):
        raise ConfigError(
            f"Generation needs a causal_lm or seq2seq_lm head; this model has {model.head_name!r}. Load it with one."
        )
    if isinstance(model, EncoderDecoder) and start is None:
        raise ConfigError("This model has no decoder_start_id, with which a decoder begins; set it in its config.")
    if start is not None and not 0 <= start < model.config.vocab_size:
        raise ConfigError(
            f"decoder_start_id {start} is outside the vocabulary of {model.config.vocab_size}; correct the config."
        )
    if model.head_name == "causal_lm":
        check_is_causal(model.config)
    if type(prefix) is not bool:
        raise ConfigError(f"prefix must be True, to read prompts in both directions, or False; found {prefix!r:.60}.")
    if prefix and isinstance(model, EncoderDecoder):
        raise ConfigError(
            "prefix=True lets a decoder read its prompt in both directions; this model's encoder does so without. "
            "Leave prefix out."
        )
    if type(max_new_tokens) is not int or max_new_tokens < 1:
        raise ConfigError(f"max_new_tokens must be a whole number, 1 or more; found {max_new_tokens!r}.")
    if not 0.0 <= temperature < float("inf"):
        raise ConfigError(f"temperature must be 0 or more, and finite; found {temperature}.")
    if temperature == 0.0 and (top_k is not None or top_p is not None):
        _log.warning("temperature is 0, so decoding is greedy: top_k and top_p change nothing.")
    if top_k is not None and not 1 <= top_k <= model.config.vocab_size:
        raise ConfigError(f"top_k must be between 1 and the vocabulary's {model.config.vocab_size}; found {top_k}.")
    if top_p is not None and not 0.0 < top_p <= 1.0:
        raise ConfigError(f"top_p must be above 0 and at most 1; found {top_p}.")


def search_config(declared: GenerationConfig, ignore: Sequence[str], **arguments: Any) -> SearchConfig:
    """What the checkpoint declares and is not ignored, with the arguments that are not None in its place.

    Raises:
      ConfigError: an argument out of range.
    """
    usual = {field.name: field.default for field in dataclasses.fields(SearchConfig) if field.name in ignore}
    given = {name: value for name, value in arguments.items() if value is not None}
    options = dataclasses.replace(declared.search, **(usual | given))
    if options.num_beams == 1 and (unused := {"length_penalty", "early_stopping"} & given.keys()):
        _log.warning("num_beams is 1, so there is no beam search; without effect: %s.", ", ".join(sorted(unused)))
    return options


def check_search(options: SearchConfig, vocab_size: int, max_new_tokens: int, temperature: float) -> None:
    """Refuses options that do not fit the model, or one another."""
    beams, texts = options.num_beams, options.num_return_sequences
    if beams > vocab_size:
        raise ConfigError(f"num_beams is {beams}, beyond the vocabulary of {vocab_size} tokens; give {vocab_size}.")
    if beams > 1 and temperature > 0.0:
        raise ConfigError(
            f"num_beams is {beams} and temperature {temperature}: a beam search takes the likeliest tokens, and beams "
            "of samples are not supported. Give temperature=0 to search, or num_beams=1 to sample."
        )
    if texts > beams and temperature == 0.0:
        raise ConfigError(
            f"num_return_sequences is {texts} and num_beams {beams}; a search finds as many texts as it has beams. "
            f"Give num_return_sequences={beams}, num_beams={texts}, or a temperature above 0 to sample."
        )
    if options.min_new_tokens > max_new_tokens:
        raise ConfigError(
            f"min_new_tokens is {options.min_new_tokens} and max_new_tokens {max_new_tokens}; give "
            f"min_new_tokens={max_new_tokens}, or a larger max_new_tokens."
        )


def check_is_causal(config: TransformerConfig) -> None:
    """Refuses a model without a decoder of its own whose attention is bidirectional."""
    if config.decoder_layers is None and not config.attention.causal:
        raise ConfigError(
            "This model's attention is bidirectional, so it cannot generate text: its config.json has 'is_decoder': "
            "false. If it was trained causally, set that to true."
        )


def tokens_of(model: Transformer, ids: Sequence[int], name: str) -> tuple[int, ...]:
    """The ids, each once; ConfigError for one outside the vocabulary."""
    for token in ids:
        if not 0 <= token < model.config.vocab_size:
            raise ConfigError(f"{name} has {token}; expected 0 to {model.config.vocab_size - 1}. Correct it.")
    return tuple(dict.fromkeys(ids))


def end_tokens(model: Transformer, eos_id: int | Sequence[int] | None, declared: GenerationConfig) -> tuple[int, ...]:
    """The tokens that end a text: the argument's, else generation_config.json's, else config.json's."""
    if eos_id is None:
        eos_id = model.config.eos_id if declared.eos_ids is None else declared.eos_ids
    if eos_id is None or (isinstance(eos_id, int) and eos_id == -1):
        return ()
    ids = tuple(eos_id) if isinstance(eos_id, Sequence | np.ndarray) else (eos_id,)
    for token in ids:
        if not isinstance(token, int | np.integer) or isinstance(token, bool):
            raise ConfigError(f"eos_id must be a token id, or a list of them; found {eos_id!r:.80}.")
        if not 0 <= token < model.config.vocab_size:
            raise ConfigError(f"eos_id has {token}; expected 0 to {model.config.vocab_size - 1}, or -1 for none.")
    return tuple(dict.fromkeys(int(token) for token in ids))
