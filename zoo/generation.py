# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Text from a language model: one prefill, then one compiled loop over a cache of keys and values."""

import dataclasses
import functools
import logging
import weakref
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from zoo.checks import suggest_arguments
from zoo.errors import ConfigError, InputError
from zoo.hub.fetch import CONFIG
from zoo.hub.generation_config import NAME, GenerationConfig
from zoo.nn.cache import Cache
from zoo.nn.check import check_inputs
from zoo.nn.config import TransformerConfig
from zoo.nn.encoder_decoder import EncoderDecoder
from zoo.nn.transformer import Output, Transformer

_log = logging.getLogger(__name__)

_COLDEST = 1e-30  # below this temperature a logit's quotient may overflow float32
_MAX_NEW_TOKENS = 64
_BUCKET = 32  # prompts are padded to multiples of this many tokens, so that nearby lengths share a compiled program


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generation:
    """What was generated, a list item a prompt.

    Attributes:
      tokens: the new ids, the end token included. texts: decoded, if a tokenizer was given.
      finish: `eos` if the end token came, `length` if `max_new_tokens` or the model's positions ran out.
    """

    tokens: list[list[int]]
    finish: list[Literal["eos", "length"]]
    texts: list[str] | None = None


@dataclasses.dataclass(frozen=True)
class _Settings:
    """What the compiled program depends on.

    Attributes:
      max_new: most tokens to add. longest: most tokens of a text, with its prompt or its decoder's first token.
    """

    max_new: int
    longest: int
    greedy: bool
    top_k: int | None
    use_top_p: bool
    eos_ids: tuple[int, ...]
    banned: tuple[int, ...]
    decoder_start_id: int | None


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
    tokenizer: Any = None,
    ignore: Sequence[str] = (),
) -> Generation:
    """Continues prompts of any lengths, or answers them if the model has a decoder of its own.

    A second call with like shapes compiles nothing. Of the checkpoint's generation_config.json (without one, of its
    config.json) the end tokens, the decoder's first token, suppressed tokens, `max_new_tokens` and `max_length` are
    honoured, with `do_sample` its temperature, and whenever tokens are sampled its top_k and top_p; arguments go before
    them.

    Args:
      model: with a `causal_lm` or a `seq2seq_lm` head.
      prompts: texts (with a `tokenizer`) or lists of ids.
      max_new_tokens: most tokens to add to each prompt, fewer if the model's positions run out; None is what the
        checkpoint declares, else 64.
      temperature: divides the logits before sampling; 0 takes the most likely token, as None does without `do_sample`.
      top_k: sample among so many of the most likely tokens. top_p: among the likeliest that hold this much probability.
      eos_id: token or tokens that end a text; None is the checkpoint's, -1 is none.
      ignore: names of options in generation_config.json that are not supported and may be left out (`num_beams`).

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
    _check_declared(declared, ignore, is_sampling=temperature != 0.0)
    start = model.config.decoder_start_id if declared.decoder_start_id is None else declared.decoder_start_id
    _check_settings(model, start, max_new_tokens, temperature, top_k, top_p)
    if temperature < _COLDEST:  # the quotient of a logit would not be finite: the limit is the most likely token
        temperature = 0.0
    if tokenizer is not None and tokenizer.vocab_size > model.config.vocab_size:
        raise ConfigError(
            f"The tokenizer has {tokenizer.vocab_size} tokens and the model {model.config.vocab_size}; they do not "
            "belong together. Take both from one folder."
        )
    ids = _encode(prompts, tokenizer)
    if max_length is not None:
        _check_prompt_lengths(model, ids, max_length)
    tokens, segments = _pad(model, ids)
    settings = _Settings(
        max_new=max_new_tokens,
        longest=_longest(model) if max_length is None else min(max_length - 1, _longest(model)),
        greedy=temperature == 0.0,
        top_k=None if temperature == 0.0 else top_k,
        use_top_p=top_p is not None and temperature != 0.0,
        eos_ids=_end_tokens(model, eos_id, declared),
        banned=_suppressed(model, declared),
        decoder_start_id=start,
    )
    graphdef, params = _laid_out(model)
    new, counts, ended = _decode(
        graphdef,
        params,
        tokens,
        segments,
        jax.random.key(seed),
        jnp.float32(temperature or 1.0),
        jnp.float32(1.0 if top_p is None else top_p),
        settings=settings,
    )
    rows = [row[:count].tolist() for row, count in zip(np.asarray(new), np.asarray(counts), strict=True)]
    return Generation(
        tokens=rows,
        finish=["eos" if end else "length" for end in np.asarray(ended)],
        texts=None if tokenizer is None else _decode_texts(model, tokenizer, rows),
    )


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


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class _State:
    """The loop's state: the token chosen last, and the position of the one to choose next."""

    step: Int[Array, ""]
    token: Int[Array, "B"]
    position: Int[Array, "B"]
    new: Int[Array, "B M"]
    counts: Int[Array, "B"]
    ended: Bool[Array, "B"]
    cache: Cache


@functools.partial(jax.jit, static_argnames=("graphdef", "settings"))
def _decode(graphdef, params, tokens, segments, key, temperature, top_p, *, settings: _Settings):
    model = nnx.merge(graphdef, params)
    batch, max_new, longest = tokens.shape[0], settings.max_new, settings.longest
    choose = functools.partial(_choose, temperature=temperature, top_p=top_p, settings=settings)

    def live(state: _State):
        # The token after a full sequence can still be chosen; it is never fed back.
        return ~state.ended & (state.position <= longest) & (state.counts < max_new)

    def record(state: _State, logits, cache) -> _State:
        """Chooses the next tokens and stores them in the rows that are not finished."""
        token = choose(logits, jax.random.fold_in(key, state.step))
        is_live = live(state)
        kept = jnp.where(is_live, token, state.new[:, state.step])
        return _State(
            step=state.step + 1,
            token=token,
            position=state.position + 1,
            new=state.new.at[:, state.step].set(kept),
            counts=state.counts + is_live.astype(jnp.int32),
            ended=state.ended | (is_live & _is_any(token, settings.eos_ids)),
            cache=cache,
        )

    begun = prefill(model, tokens, segments, max_new, settings.decoder_start_id)

    def step(state: _State) -> _State:
        return record(state, *_last(advance(model, state.token, state.position, state.cache, begun.source)))

    start = _State(
        step=jnp.int32(0),
        token=tokens[:, -1],
        position=begun.position,
        new=jnp.zeros((batch, max_new), jnp.int32),
        counts=jnp.zeros((batch,), jnp.int32),
        ended=jnp.zeros((batch,), bool),
        cache=begun.cache,
    )
    start = record(start, begun.logits, begun.cache)
    final = jax.lax.while_loop(lambda state: jnp.any(live(state)), step, start)
    return final.new, final.counts, final.ended


class Prefilled(NamedTuple):
    """A model's state after its prompts.

    Attributes:
      logits: of the token that comes next. position: that token's position.
      source: what the encoder made of the prompts, if the model has one.
    """

    logits: Float[Array, "B V"]
    cache: Cache
    position: Int[Array, "B"]
    source: Any = None


def prefill(
    model: Transformer,
    tokens: Int[Array, "B T"],
    segments: Int[Array, "B T"],
    max_new: int,
    decoder_start_id: int | None = None,
) -> Prefilled:
    """Reads the prompts; the cache then has room for `max_new` tokens more."""
    batch, length = tokens.shape
    if isinstance(model, EncoderDecoder):
        source = model.encode(tokens, segments)
        cache = Cache.empty(model.config.decoder, batch, 1 + max_new, layers="apart")
        start = model.config.decoder_start_id if decoder_start_id is None else decoder_start_id
        first = jnp.full((batch, 1), cast(int, start), jnp.int32)
        out = model.decode(first, source, cache=cache)
        return Prefilled(*_last(out), jnp.ones((batch,), jnp.int32), source)
    positions = jnp.maximum(jnp.cumsum(segments, axis=1) - 1, 0)
    cache = Cache.empty(model.config, batch, length + max_new, layers="apart")
    last = jnp.full((batch, 1), length - 1, jnp.int32)
    out = model(tokens, segments=segments, positions=positions, cache=cache, logits_at=last)
    return Prefilled(*_last(out), positions[:, -1] + 1)


def advance(
    model: Transformer, token: Int[Array, "B"], position: Int[Array, "B"], cache: Cache, source: Any = None
) -> Output:
    """Reads one token more of each row; `position` is that of the one to come, `source` as of `prefill`."""
    if isinstance(model, EncoderDecoder):
        return model.decode(token[:, None], source, cache=cache)
    return model(token[:, None], positions=position[:, None] - 1, cache=cache)


def _last(out: Output) -> tuple[Float[Array, "B V"], Cache]:
    """The logits after the last token, and the updated cache."""
    return cast(Array, out.logits)[:, -1], cast(Cache, out.cache)


def _longest(model: Transformer) -> int:
    """The longest text that the positions allow, in tokens."""
    unlimited = model.config.positions not in ("learned", "sinusoidal")
    return np.iinfo(np.int32).max - 1 if unlimited else model.config.max_length


def _choose(logits: Float[Array, "B V"], key, *, temperature, top_p, settings: _Settings) -> Int[Array, "B"]:
    logits = logits.at[:, list(settings.banned)].set(-jnp.inf) if settings.banned else logits
    if settings.greedy:
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)
    logits = logits.astype(jnp.float32) / temperature
    if settings.top_k is None and not settings.use_top_p:
        return jax.random.categorical(key, logits).astype(jnp.int32)
    values, ids = jax.lax.top_k(logits, settings.top_k or logits.shape[-1])
    if settings.use_top_p:
        probs = jax.nn.softmax(values, axis=-1)
        before = jnp.cumsum(probs, axis=-1) - probs  # the most likely token is always kept
        values = jnp.where(before < top_p, values, -jnp.inf)
    index = jax.random.categorical(key, values)
    return jnp.take_along_axis(ids, index[:, None], axis=-1).squeeze(1).astype(jnp.int32)


def _check_settings(model, start, max_new_tokens, temperature, top_k, top_p) -> None:
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


def _check_prompt_lengths(model: Transformer, ids: list[np.ndarray], max_length: int) -> None:
    """Refuses prompts that are as long as the declared `max_length` already."""
    lengths = [1] if isinstance(model, EncoderDecoder) else [row.size for row in ids]
    if max(lengths) >= max_length:
        raise ConfigError(
            f"The checkpoint declares max_length={max_length}, which counts prompts, and prompt "
            f"{int(np.argmax(lengths))} has {max(lengths)} tokens. Give max_new_tokens."
        )


def check_is_causal(config: TransformerConfig) -> None:
    """Refuses a model without a decoder of its own whose attention is bidirectional."""
    if config.decoder_layers is None and not config.attention.causal:
        raise ConfigError(
            "This model's attention is bidirectional, so it cannot generate text: its config.json has 'is_decoder': "
            "false. If it was trained causally, set that to true."
        )


def _encode(prompts, tokenizer) -> list[np.ndarray]:
    if isinstance(prompts, str):
        raise InputError("prompts must be a list; wrap the one text in brackets.")
    if any(isinstance(prompt, str) for prompt in prompts):
        if tokenizer is None:
            raise InputError("Prompts that are texts need tokenizer=zoo.tokenizer(...); or pass lists of token ids.")
        prompts = [tokenizer.encode(prompt) for prompt in prompts]
    ids = [np.asarray(prompt) for prompt in prompts]
    if not ids:
        raise InputError("prompts is empty; give at least one.")
    for index, row in enumerate(ids):
        if row.size == 0:
            raise InputError(f"Prompt {index} is empty; start with at least one token, such as the end-of-text token.")
        if row.ndim != 1:
            raise InputError(f"Prompt {index} must be a list of ids; found shape {row.shape}.")
    return ids


def _pad(model: Transformer, ids: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one length, and 1 where they hold a token; they end together, or for an encoder begin together."""
    longest = max(row.size for row in ids)
    length = max(longest, min(-(-longest // _BUCKET) * _BUCKET, _longest(model)))
    tokens, segments = np.zeros((2, len(ids), length), np.int64)
    for index, row in enumerate(ids):
        columns = slice(0, row.size) if isinstance(model, EncoderDecoder) else slice(length - row.size, length)
        tokens[index, columns] = row
        segments[index, columns] = 1
    check_inputs(model.config, tokens, None, segments, None)
    return tokens.astype(np.int32), segments.astype(np.int32)


def _decode_texts(model: Transformer, tokenizer, rows: list[list[int]]) -> list[str]:
    try:
        return [tokenizer.decode(row) for row in rows]
    except InputError as error:  # a vocabulary may be padded, but a trained model does not make such tokens
        raise InputError(
            f"The model made a token that the tokenizer lacks ({error}) Their vocabularies have "
            f"{model.config.vocab_size} and {tokenizer.vocab_size} tokens: do they belong together?"
        ) from error


def _check_declared(declared: GenerationConfig, ignore: Sequence[str], *, is_sampling: bool) -> None:
    """Refuses what the checkpoint sets, is not supported and would change the result, unless it is ignored."""
    if isinstance(ignore, str):
        raise ConfigError(f"ignore must be a list of names; found {ignore!r:.80}. Wrap it in brackets.")
    options = declared.unsupported + (declared.unsupported_in_sampling if is_sampling else ())
    if left := {name: value for name, value in options if name not in ignore}:
        raise ConfigError(
            f"{NAME if declared.text else CONFIG} sets {', '.join(f'{name}={left[name]}' for name in left)}, which is "
            f"not supported and would change the text. To generate without: ignore={[*left]}."
        )


def _suppressed(model: Transformer, declared: GenerationConfig) -> tuple[int, ...]:
    ids = tuple(dict.fromkeys((*model.config.suppress_tokens, *declared.suppress_tokens)))
    for token in ids:
        if not 0 <= token < model.config.vocab_size:
            raise ConfigError(f"suppress_tokens has {token}; expected 0 to {model.config.vocab_size - 1}. Correct it.")
    return ids


def _end_tokens(model: Transformer, eos_id: int | Sequence[int] | None, declared: GenerationConfig) -> tuple[int, ...]:
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
    return tuple(int(token) for token in ids)


def _is_any(token: Int[Array, "B"], ids: tuple[int, ...]) -> Bool[Array, "B"]:
    return jnp.isin(token, jnp.asarray(ids, jnp.int32))
