# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""`zoo.generate`: arguments to settings, prompts to arrays, and what was found to lists."""

import dataclasses
import weakref
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Int

from zoo.checks import suggest_arguments
from zoo.errors import ConfigError, InputError
from zoo.generation import prompts as ids_of
from zoo.generation.beam import search
from zoo.generation.sample import Found, sample
from zoo.generation.settings import (
    Settings,
    Values,
    check_declared,
    check_search,
    check_settings,
    end_tokens,
    search_config,
    tokens_of,
)
from zoo.hub.generation_config import GenerationConfig, SearchConfig
from zoo.nn.transformer import Transformer

_COLDEST = 1e-30  # below this temperature a logit's quotient may overflow float32
_MAX_NEW_TOKENS = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generation:
    """What was generated: `num_return_sequences` list items a prompt, the first prompt's before the next one's.

    Attributes:
      tokens: the new ids, the end token included. texts: decoded, if a tokenizer was given.
      finish: `eos` if the end token came, `length` if `max_new_tokens` or the model's positions ran out.
      scores: of a beam search, in which a prompt's texts come best first: the log probability of the new tokens,
        under the penalties, divided by their number to the power `length_penalty`. Where fewer texts than were asked
        for are possible at all, the rest are empty with a score of -inf.
    """

    tokens: list[list[int]]
    finish: list[Literal["eos", "length"]]
    texts: list[str] | None = None
    scores: list[float] | None = None


@suggest_arguments(
    max_length="max_new_tokens",
    do_sample="temperature, which above 0 samples",
    eos_token_id="eos_id",
    input_ids="prompts",
    inputs="prompts",
    generation_config="model.generation_config",
)
def generate(
    model: Transformer,
    prompts: Sequence[str] | Sequence[Sequence[int]] | Int[Array, "B T"],
    *,
    max_new_tokens: int | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    eos_id: int | Sequence[int] | None = None,
    num_beams: int | None = None,
    length_penalty: float | None = None,
    early_stopping: bool | Literal["never"] | None = None,
    num_return_sequences: int | None = None,
    no_repeat_ngram_size: int | None = None,
    repetition_penalty: float | None = None,
    min_new_tokens: int | None = None,
    prefix: bool = False,
    tokenizer: Any = None,
    ignore: Sequence[str] = (),
) -> Generation:
    """Continues prompts of any lengths, or answers them if the model has a decoder of its own.

    A second call with like shapes compiles nothing. Of the checkpoint's generation_config.json (without one, of its
    config.json) the end tokens, also a forced one, the decoder's first token, suppressed tokens, `max_new_tokens`,
    `max_length` and all that is named like an argument from `num_beams` to `min_new_tokens` are honoured, with
    `do_sample` its temperature, and whenever tokens are sampled its top_k and top_p; arguments go before them.

    Args:
      model: with a `causal_lm` or a `seq2seq_lm` head.
      prompts: texts (with a `tokenizer`) or lists of ids.
      max_new_tokens: most tokens to add to each prompt, fewer if the model's positions run out; None is what the
        checkpoint declares, else 64.
      temperature: divides the logits before sampling; 0 takes the most likely token, as None does without `do_sample`.
      top_k: sample among so many of the most likely tokens. top_p: among the likeliest that hold this much probability.
      eos_id: token or tokens that end a text; None is the checkpoint's, -1 is none.
      num_beams: texts that are followed at once, for a beam search; 1 follows one, the likeliest token or a sample.
      length_penalty, early_stopping: of a beam search, 1.0 and False unless declared; see `zoo.generation.beam`.
      num_return_sequences: texts for each prompt, as many as there are beams at most, or any number of samples.
      no_repeat_ngram_size: never so many tokens in a row twice; 0 is no limit. repetition_penalty: factor by which
        scores of tokens that came before are worse; 1 changes none. Both look at a prompt too, or at a decoder's first
        token, never at padding.
      min_new_tokens: no end token before so many others.
      prefix: lets a decoder read each prompt in both directions, as the prefix of a model trained with `prefix_lm`.
      ignore: names of options in generation_config.json to be left out, also of those that are not supported.

    Raises:
      InputError: an empty prompt, one longer than the positions, an id outside the vocabulary.
      ConfigError: a setting out of range, a model without such a head, or one whose attention is bidirectional.
    """
    declared: GenerationConfig = model.generation_config or GenerationConfig()
    if temperature is None:
        temperature = declared.temperature if declared.do_sample else 0.0
    if temperature != 0.0:
        limit = None if declared.top_k is None else min(declared.top_k, model.config.vocab_size)
        top_k, top_p = limit if top_k is None else top_k, declared.top_p if top_p is None else top_p
    max_length = declared.max_length if max_new_tokens is None and declared.max_new_tokens is None else None
    if max_new_tokens is None:
        max_new_tokens = declared.max_new_tokens or max_length or _MAX_NEW_TOKENS
    check_declared(declared, ignore, is_sampling=temperature != 0.0)
    start = model.config.decoder_start_id if declared.decoder_start_id is None else declared.decoder_start_id
    check_settings(model, start, max_new_tokens, temperature, top_k, top_p, prefix)
    options = search_config(
        declared,
        ignore,
        num_beams=num_beams,
        length_penalty=length_penalty,
        early_stopping=early_stopping,
        num_return_sequences=num_return_sequences,
        no_repeat_ngram_size=no_repeat_ngram_size,
        repetition_penalty=repetition_penalty,
        min_new_tokens=min_new_tokens,
    )
    check_search(options, model.config.vocab_size, max_new_tokens, temperature)
    if temperature < _COLDEST:  # the quotient of a logit would not be finite: the limit is the most likely token
        temperature = 0.0
    if tokenizer is not None and tokenizer.vocab_size > model.config.vocab_size:
        raise ConfigError(
            f"The tokenizer has {tokenizer.vocab_size} tokens and the model {model.config.vocab_size}; they do not "
            "belong together. Take both from one folder."
        )
    ids = ids_of.encode(prompts, tokenizer)
    if max_length is not None:
        ids_of.check_lengths(model, ids, max_length)
    longest = ids_of.longest_text(model)
    forced = () if "forced_eos_token_id" in ignore else declared.forced_eos_ids
    settings = Settings(
        max_new=max_new_tokens,
        longest=longest if max_length is None else min(max_length - 1, longest),
        num_return=options.num_return_sequences,
        greedy=temperature == 0.0,
        top_k=None if temperature == 0.0 else top_k,
        use_top_p=top_p is not None and temperature != 0.0,
        num_beams=options.num_beams,
        early_stopping=options.early_stopping,
        no_repeat_ngram_size=options.no_repeat_ngram_size,
        penalizes=options.repetition_penalty != 1.0,
        eos_ids=end_tokens(model, eos_id, declared),
        forced_eos_ids=tokens_of(model, forced, "forced_eos_token_id"),
        banned=tokens_of(model, (*model.config.suppress_tokens, *declared.suppress_tokens), "suppress_tokens"),
        decoder_start_id=start,
        prefix=prefix,
    )
    values = _values(options, temperature or 1.0, 1.0 if top_p is None else top_p)
    found = _find(model, *ids_of.pad(model, ids), seed, values, settings)
    rows = [row[:count].tolist() for row, count in zip(np.asarray(found.new), np.asarray(found.counts), strict=True)]
    return Generation(
        tokens=rows,
        finish=["eos" if end else "length" for end in np.asarray(found.ended)],
        texts=None if tokenizer is None else _decode_texts(model, tokenizer, rows),
        scores=None if found.scores is None else np.asarray(found.scores).tolist(),
    )


def _values(options: SearchConfig, temperature: float, top_p: float) -> Values:
    return Values(
        temperature=jnp.float32(temperature),
        top_p=jnp.float32(top_p),
        length_penalty=jnp.float32(options.length_penalty),
        repetition_penalty=jnp.float32(options.repetition_penalty),
        min_new_tokens=jnp.int32(options.min_new_tokens),
    )


def _find(model: Transformer, tokens, segments, seed: int, values: Values, settings: Settings) -> Found:
    graphdef, params = _laid_out(model)
    if settings.num_beams > 1:
        return search(graphdef, params, tokens, segments, values, settings=settings)
    return sample(graphdef, params, tokens, segments, jax.random.key(seed), values, settings=settings)


class _LaidOut(NamedTuple):
    """A model's parts laid out for inference, and the arrays that they were made from."""

    sources: list[weakref.ref]
    graphdef: nnx.GraphDef
    params: nnx.State


_LAID_OUT: weakref.WeakKeyDictionary[Transformer, _LaidOut] = weakref.WeakKeyDictionary()


def _laid_out(model: Transformer) -> tuple[nnx.GraphDef, nnx.State]:
    """The model laid out for inference, split into graph and parameters.

    Done once, and remembered until the model goes or its parameters change; they are held twice meanwhile.
    """
    leaves = jax.tree.leaves(nnx.state(model))
    known = _LAID_OUT.get(model)
    if known is None or any(ref() is not leaf for ref, leaf in zip(known.sources, leaves, strict=True)):
        known = _LaidOut([weakref.ref(leaf) for leaf in leaves], *nnx.split(model.for_inference()))
        _LAID_OUT[model] = known
    return known.graphdef, known.params


def _decode_texts(model: Transformer, tokenizer, rows: list[list[int]]) -> list[str]:
    try:
        return [tokenizer.decode(row) for row in rows]
    except InputError as error:  # a vocabulary may be padded, but a trained model does not make such tokens
        raise InputError(
            f"The model made a token that the tokenizer lacks ({error}) Their vocabularies have "
            f"{model.config.vocab_size} and {tokenizer.vocab_size} tokens: do they belong together?"
        ) from error
