# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What a folder declares about its tokenizer: tokenizer_config.json, special_tokens_map.json, added_tokens.json."""

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tokenizers

from zoo.errors import FormatError
from zoo.files import read_json
from zoo.text.classes import TokenizerClass

ROLES = ("pad", "cls", "sep", "mask", "unk", "bos", "eos")

_LOGGER = logging.getLogger(__name__)
_CONFIG, _MAP, _ADDED = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
_LISTS = ("additional_special_tokens", "extra_special_tokens")
_FLAGS = ("lstrip", "rstrip", "single_word", "normalized", "special")
_BOOLS = (
    "do_lower_case strip_accents tokenize_chinese_chars keep_accents add_prefix_space add_bos_token add_eos_token "
    "split_special_tokens clean_up_tokenization_spaces separate_vocabs trim_offsets"
).split()
# Options that would change the ids; where a class has none of the kind, Transformers drops them.
_OF_ALGORITHM = (
    "do_lower_case strip_accents tokenize_chinese_chars keep_accents add_prefix_space add_bos_token add_eos_token "
    "extra_ids"
).split()
# Options that once said how texts become ids, at which Transformers 5 does not look either, with their usual values.
_WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {
    "do_basic_tokenize": (True,),
    "never_split": ([],),
    "wordpieces_prefix": ("##",),
    "remove_space": (True,),
    "sp_model_kwargs": ({},),
    "errors": ("replace",),
    "trim_offsets": (True,),
    "bpe_dropout": (0.0,),
    "auto_map": (),
}
_MAX_EXTRA_IDS = 100_000
_NO_LIMIT = 10**9  # Transformers writes 1e30 where a tokenizer has no longest text


@dataclasses.dataclass(frozen=True)
class Declared:
    """What the files next to a vocabulary declare.

    Attributes:
      folder: the folder that they are in.
      options: tokenizer_config.json, without what is null.
      model_type, tokenizer_class: the names declared, or None.
      roles: role (see `ROLES`) to token.
      added: id to token, for tokens whose id is declared.
      additional: special tokens without a role. lists_additional: whether a list of them is declared, which then takes
        the place of those that a class or a SentencePiece file has of its own.
    """

    folder: Path
    options: Mapping[str, Any]
    model_type: str | None
    tokenizer_class: str | None
    roles: Mapping[str, tokenizers.AddedToken]
    added: Mapping[int, tokenizers.AddedToken]
    additional: tuple[tokenizers.AddedToken, ...] | None
    lists_additional: bool

    @property
    def has_json(self) -> bool:
        """Whether the folder has a tokenizer.json."""
        return (self.folder / "tokenizer.json").is_file()

    def text(self, name: str) -> str | None:
        """An option that is a string."""
        return _expect(self.folder / _CONFIG, name, self.options.get(name), str)


def read_declared(folder: Path) -> Declared:
    """Reads the files of a folder, with the same precedence as Transformers.

    Raises:
      FormatError: an option of a wrong type, or a token that is none.
    """
    path = folder / _CONFIG
    options = {name: value for name, value in read_json(path, default={}).items() if value is not None}
    for name in _BOOLS:
        _expect(path, name, options.get(name), bool)
    if "max_len" in options:  # what `model_max_length` was called until 2020
        length = options.pop("max_len")
        options.setdefault("model_max_length", length)
    _check_options(path, options)
    model = read_json(folder / "config.json", default={})
    special_map = {} if "added_tokens_decoder" in options else read_json(folder / _MAP, default={})
    special = {**options, **{name: value for name, value in special_map.items() if value is not None}}
    roles = {
        role: _token(folder, f"{role}_token", special[f"{role}_token"])
        for role in ROLES
        if special.get(f"{role}_token")
    }
    additional = _additional(folder, [options, special_map])
    named = {token.content for token in (*roles.values(), *(additional or ()))}
    return Declared(
        folder=folder,
        options=options,
        model_type=model.get("model_type") if isinstance(model.get("model_type"), str) else None,
        tokenizer_class=_expect(path, "tokenizer_class", options.get("tokenizer_class"), str)
        or _expect(folder / "config.json", "tokenizer_class", model.get("tokenizer_class"), str),
        roles=roles,
        added=_added(folder, options, named),
        additional=additional,
        lists_additional=any(source.get(name) is not None for source in (options, special_map) for name in _LISTS),
    )


def _check_options(path: Path, options: Mapping[str, Any]) -> None:
    for name in ("padding_side", "truncation_side"):
        if options.get(name, "right") not in ("left", "right"):
            raise FormatError(f"{path}: {name} must be 'left' or 'right'; found {options[name]!r:.80}. Correct it.")
    count = options.get("extra_ids", 0)
    if type(count) is not int or not 0 <= count <= _MAX_EXTRA_IDS:
        raise FormatError(f"{path}: extra_ids must be an int from 0 to {_MAX_EXTRA_IDS}; found {count!r:.80}.")
    length = options.get("model_max_length", 1)
    if isinstance(length, bool) or not isinstance(length, int | float) or length < 1:
        raise FormatError(f"{path}: model_max_length must be 1 token or more; found {length!r:.80}.")
    words, pieces = options.get("word_tokenizer_type", "basic"), options.get("subword_tokenizer_type", "wordpiece")
    if words != "basic" or pieces != "wordpiece":
        raise FormatError(
            f"{path} declares word_tokenizer_type {words!r} and subword_tokenizer_type {pieces!r}; only 'basic' with "
            "'wordpiece' is supported. Split the texts beforehand, or take a model with another tokenizer."
        )


def max_length(options: Mapping[str, Any]) -> int | None:
    """The longest text in tokens that is declared, if any."""
    length = options.get("model_max_length", _NO_LIMIT)
    return int(length) if length < _NO_LIMIT else None


def report_unused(declared: Declared, kind: TokenizerClass | None) -> None:
    """Refuses an option that cannot be honoured, and logs those that Transformers drops for the class as well."""
    options = declared.options
    if kind is not None and kind.algorithm == "xlnet" and options.get("keep_accents"):
        raise FormatError(
            f"{declared.folder / _CONFIG}: keep_accents is not supported for XLNet, whose tokenizer in Transformers "
            "strips accents all the same. Remove it, or set it to false."
        )
    known = frozenset() if kind is None else kind.options
    unused = [name for name in _OF_ALGORITHM if options.get(name) not in (None, False) and name not in known]
    unused += [
        name
        for name, usual in _WITHOUT_EFFECT.items()
        if name in options and name not in known and options[name] not in usual
    ]
    if unused:
        _LOGGER.warning(
            "%s: %s changes nothing for this tokenizer class, as in Transformers.",
            declared.folder / _CONFIG,
            ", ".join(f"{name}={options[name]!r}" for name in unused),
        )


def report_lower_case(declared: Declared, file: str) -> None:
    """Logs that texts are lower-cased by default although a file keeps case."""
    _LOGGER.warning(
        "%s does not declare do_lower_case: texts are lower-cased, as in Transformers, although %s keeps case. To keep "
        "it, declare do_lower_case: false.",
        declared.folder / _CONFIG,
        file,
    )


def add_declared(
    backend: tokenizers.Tokenizer, declared: Declared, special: Mapping[str, str], kind: TokenizerClass | None
) -> None:
    """Adds the tokens that a folder declares to its vocabulary, each with its declared id and treatment of spaces.

    Raises:
      FormatError: a token would get another id than the declared one.
    """
    named = {*special.values()}
    own = {token.content: token for token in declared.added.values()}
    for content in named & own.keys():
        own[content].special = True
    _add_with_ids(backend, declared)
    known = {token.content: token for token in backend.get_added_tokens_decoder().values()}
    by_role = {token.content: token for token in declared.roles.values()}
    lstrip = special.get("mask") if kind is not None and kind.mask_lstrip else None
    for content in dict.fromkeys(special.values()):
        token = own.get(content) or known.get(content) or by_role.get(content)
        token = token or tokenizers.AddedToken(content, normalized=False, special=True, lstrip=content == lstrip)
        token.special = True
        backend.add_special_tokens([token])
    backend.add_special_tokens([*_without_role(backend, declared, kind, own)])


def _without_role(backend: tokenizers.Tokenizer, declared: Declared, kind, own) -> Iterator[tokenizers.AddedToken]:
    if declared.additional is not None:
        for token in declared.additional:
            yield own.get(token.content, token)
    elif kind is not None:
        known = {token.content for token in backend.get_added_tokens_decoder().values()}
        for content in kind.additional:
            # One that a SentencePiece file defines itself, like XLNet's <eop>, is not special in Transformers.
            if backend.token_to_id(content) is not None and content not in known:
                yield tokenizers.AddedToken(content, normalized=False, special=True)


def _add_with_ids(backend: tokenizers.Tokenizer, declared: Declared) -> None:
    tokens = sorted(declared.added.items())
    backend.add_tokens([token for _, token in tokens])
    for index, token in tokens:
        if (found := backend.token_to_id(token.content)) != index:
            raise FormatError(
                f"{declared.folder} declares the added token {token.content!r} with id {index}, but its vocabulary "
                f"gives it {found}; the files do not belong together. Download them again from one model."
            )


def role_tokens(declared: Declared, usual: Mapping[str, str], vocab: Mapping[str, int]) -> dict[str, str]:
    """Role to token: the usual ones that the vocabulary has, and the declared ones.

    Raises:
      FormatError: the vocabulary lacks a declared token.
    """
    added = {token.content for token in declared.added.values()}
    for role, token in declared.roles.items():
        if token.content not in vocab and token.content not in added:
            raise FormatError(
                f"{declared.folder} declares {role}_token {token.content!r}, which its vocabulary lacks; add it to "
                "tokenizer.json or added_tokens.json, or remove it from tokenizer_config.json and "
                "special_tokens_map.json."
            )
    found = {role: token for role, token in usual.items() if token in vocab or token in added}
    return {**found, **{role: token.content for role, token in declared.roles.items()}}


def _additional(folder: Path, sources: Iterable[Mapping[str, Any]]) -> tuple[tokenizers.AddedToken, ...] | None:
    found, is_declared = {}, False
    for source in sources:
        for name in _LISTS:
            if (value := source.get(name)) is None:
                continue
            is_declared = True
            for entry in value.values() if isinstance(value, dict) else _expect(folder, name, value, list) or []:
                token = _token(folder, name, entry)
                found[token.content] = token
        for name, value in source.items():  # such as `query_token`, which some models have
            if name.endswith("_token") and name.removesuffix("_token") not in ROLES and isinstance(value, str):
                found[value] = _token(folder, name, value)
    return tuple(found.values()) if found or is_declared else None


def _added(folder: Path, options: Mapping[str, Any], named: set[str]) -> dict[int, tokenizers.AddedToken]:
    """Id to token; a token of added_tokens.json is special if it is named as such elsewhere."""
    if "added_tokens_decoder" in options:
        decoder = _expect(folder / _CONFIG, "added_tokens_decoder", options["added_tokens_decoder"], dict) or {}
        return {
            _id(folder / _CONFIG, index): _token(folder, index, token, special=False)
            for index, token in decoder.items()
        }
    found = {}
    for content, index in read_json(folder / _ADDED, default={}).items():
        special = content in named
        token = tokenizers.AddedToken(content, normalized=not special, special=special)
        if (index := _id(folder / _ADDED, index)) in found:
            raise FormatError(f"{folder / _ADDED}: {content!r} and {found[index].content!r} have the same id {index}.")
        found[index] = token
    return found


def _id(path: Path, value: Any) -> int:
    number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 12 else value
    if type(number) is not int or number < 0:
        raise FormatError(f"{path}: the id of an added token must be 0 or more; found {value!r:.80}.")
    return number


def _token(folder: Path, name: str, value: Any, *, special: bool = True) -> tokenizers.AddedToken:
    """A token with its flags; one that is only named is special, and matched literally."""
    flags = value if isinstance(value, dict) else {}
    content = flags.get("content") if isinstance(value, dict) else value
    if not isinstance(content, str) or not content:
        raise FormatError(f"{folder} declares {name} {content!r:.80}, which is not a token; write it as a string.")
    for flag in _FLAGS:
        _expect(folder, f"{name}.{flag}", flags.get(flag), bool)
    given = {flag: flags[flag] for flag in _FLAGS if flags.get(flag) is not None}
    return tokenizers.AddedToken(content, **{"special": special, "normalized": False, **given})


def _expect(where: Path, name: str, value: Any, kind: type) -> Any:
    if value is not None and type(value) is not kind:
        raise FormatError(f"{where}: {name} must be a {kind.__name__}; found {value!r:.80}. Correct it.")
    return value
