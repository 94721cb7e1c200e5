# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""SentencePiece files (`spiece.model`, arXiv:1808.06226) as tokenizers of the Rust library, as each family has them.

Of a file three things are read: the pieces with their scores, the kind of model, and the compiled map of the
normalizer. What stands around a text, and what is done to it before, is the family's, and not in the file.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import tokenizers
from google.protobuf.message import DecodeError
from sentencepiece.sentencepiece_model_pb2 import (
    ModelProto,  # pyright: ignore[reportAttributeAccessIssue]
    TrainerSpec,  # pyright: ignore[reportAttributeAccessIssue]
)
from tokenizers import decoders, models, normalizers, pre_tokenizers

from zoo.errors import FormatError
from zoo.files import open_regular
from zoo.text.template import Template, classify, classify_last, enclose, end_each, frame

_MAX_BYTES = 64 * 2**20
Family = Literal["albert", "xlnet", "t5", "xlm-roberta", "camembert"]
FAMILIES: tuple[Family, ...] = get_args(Family)
SPACE = "\u2581"  # how a piece spells the space before it


@dataclasses.dataclass(frozen=True)
class SentencePieces:
    """The contents of a file.

    Attributes:
      vocab: pieces with their scores. unk_id: the id of the unknown one.
      control: pieces that stand for no text. user_defined: pieces that are never split.
      charsmap: the compiled map of the normalizer.
    """

    vocab: list[tuple[str, float]]
    unk_id: int
    control: list[str]
    user_defined: list[str]
    charsmap: bytes

    def __contains__(self, piece: str) -> bool:
        return any(piece == known for known, _ in self.vocab)


def read_model(path: Path) -> tuple[bytes, ModelProto]:
    """A file's bytes, and the parsed model.

    Raises:
      FormatError: the file is damaged, or ends early.
    """
    with open_regular(path) as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise FormatError(f"{path} is larger than {_MAX_BYTES} bytes; it is not a SentencePiece model.")
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise FormatError(f"{path} is damaged, or not a SentencePiece model ({error}). Download it again.") from error
    if not (model.HasField("trainer_spec") and model.HasField("normalizer_spec")):  # they follow the pieces
        raise FormatError(f"{path} is damaged: it ends after {len(model.pieces)} pieces. Download it again.")
    _check([(piece.piece, piece.score) for piece in model.pieces], path)
    return data, model


def read_pieces(path: Path) -> SentencePieces:
    """Reads a file.

    Raises:
      FormatError: the file is damaged, or of another kind than unigram.
    """
    _, model = read_model(path)
    unknown = [index for index, piece in enumerate(model.pieces) if piece.type == ModelProto.SentencePiece.UNKNOWN]
    if len(unknown) != 1:
        raise FormatError(f"{path} is damaged: it has {len(unknown)} unknown pieces, not one. Download it again.")
    if model.trainer_spec.model_type != TrainerSpec.UNIGRAM:
        kind = TrainerSpec.ModelType.Name(model.trainer_spec.model_type)
        raise FormatError(f"{path} is a SentencePiece model of kind {kind}; only UNIGRAM is supported.")
    kinds = ModelProto.SentencePiece
    control = [piece.piece for piece in model.pieces if piece.type == kinds.CONTROL]
    user_defined = [piece.piece for piece in model.pieces if piece.type == kinds.USER_DEFINED]
    vocab = [(piece.piece, piece.score) for piece in model.pieces]
    return SentencePieces(vocab, unknown[0], control, user_defined, model.normalizer_spec.precompiled_charsmap)


def _check(vocab: list[tuple[str, float]], path: Path) -> None:
    seen = set()
    for index, (piece, score) in enumerate(vocab):
        if not piece or piece in seen or not math.isfinite(score):
            raise FormatError(
                f"{path}: piece {index} must have a name, which no other has, and a finite score; found {piece!r} with "
                f"{score}. Download it again."
            )
        seen.add(piece)


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnigramOptions:
    """The options of a tokenizer_config.json that a family of SentencePiece models may have.

    Attributes:
      lower_case: None is the family's own.
      whole_pieces: whether special and user-defined pieces of the file, and the sentinels, are kept whole in any text.
      extra_ids: T5's sentinels, behind the file's pieces.
    """

    lower_case: bool | None = None
    keep_accents: bool = False
    add_prefix_space: bool = True
    extra_ids: int = 100
    whole_pieces: bool = True


_LOWER_CASE = {"albert": True, "xlnet": False}


def normalizer(family: str, charsmap: bytes, options: UnigramOptions) -> normalizers.Normalizer:
    """The normalizer of a family, and then the file's own."""
    stages = []
    if family in _LOWER_CASE:
        stages += [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
        if not options.keep_accents:
            stages += [normalizers.NFKD(), normalizers.StripAccents()]
        if _LOWER_CASE[family] if options.lower_case is None else options.lower_case:
            stages.append(normalizers.Lowercase())
    return normalizers.Sequence([*stages, *([normalizers.Precompiled(charsmap)] if charsmap else [])])


def split_words(backend: tokenizers.Tokenizer, *, add_prefix_space: bool) -> None:
    """Splits texts at spaces, and marks each word by one before it."""
    scheme = "always" if add_prefix_space else "never"
    spaces = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme=scheme)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), spaces])
    backend.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme=scheme)


def template(family: str, special: Mapping[str, str]) -> Template:
    """The special tokens around a text of the family."""
    if family == "albert":
        return classify(special["cls"], special["sep"])
    if family == "xlnet":
        return classify_last(special["sep"], special["cls"])
    return end_each(special["eos"]) if family == "t5" else enclose(special["bos"], special["eos"])


def unigram(
    family: str, pieces: SentencePieces, special: Mapping[str, str], options: UnigramOptions
) -> tokenizers.Tokenizer:
    """A family's tokenizer from a SentencePiece file.

    Raises:
      ValueError: the vocabulary lacks a special token.
    """
    extra = [f"<extra_id_{number}>" for number in reversed(range(options.extra_ids))] if family == "t5" else []
    vocab, unk_id = _vocab(family, pieces, special, extra)
    backend = tokenizers.Tokenizer(models.Unigram(vocab, unk_id=unk_id, byte_fallback=False))
    backend.normalizer = normalizer(family, pieces.charsmap, options)
    split_words(backend, add_prefix_space=options.add_prefix_space)
    if options.whole_pieces:
        # As in Transformers: what follows such a piece then begins with a space, which SentencePiece does not add.
        whole = [tokenizers.AddedToken(piece, normalized=False, special=False) for piece in pieces.user_defined]
        backend.add_tokens(whole)
        control = [piece for piece in pieces.control if backend.token_to_id(piece) is not None]
        backend.add_special_tokens([*control, *extra])
    return frame(backend, *template(family, special))


def _vocab(
    family: str, pieces: SentencePieces, special: Mapping[str, str], extra: list[str]
) -> tuple[list[tuple[str, float]], int]:
    """The pieces with what fairseq or T5 puts before and behind them, and the id of the unknown one."""
    if family == "xlm-roberta":  # fairseq's four special tokens replace the file's three
        first, rest = [special[role] for role in ("bos", "pad", "eos", "unk")], pieces.vocab[3:]
    elif family == "camembert":  # fairseq's tokens come before the file's pieces, of which the first is dropped
        unused = "<s>NOTUSED", special["pad"], "</s>NOTUSED", special["unk"], "<unk>NOTUSED"
        first, rest = [*unused], pieces.vocab[1:]
    else:
        return [*pieces.vocab, *((name, 0.0) for name in extra)], pieces.unk_id
    return [*((name, 0.0) for name in first), *rest, (special["mask"], 0.0)], 3


def guess_family(pieces: SentencePieces, file: str) -> Family:
    """The family of a file without a config, by its special pieces and its name."""
    if "[CLS]" in pieces:
        return "albert"
    if "<cls>" in pieces:
        return "xlnet"
    return "t5" if file == "spiece.model" else "xlm-roberta"
