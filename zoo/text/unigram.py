# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""SentencePiece files (`spiece.model`, arXiv:1808.06226) as tokenizers of the Rust library, as each family has them.

Of a file three things are read: the pieces with their scores, the kind of model, and the compiled map of the
normalizer. What stands around a text, and what is done to it before, is the family's, and not in the file.
"""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import tokenizers
from google.protobuf.message import DecodeError
from sentencepiece.sentencepiece_model_pb2 import (
    ModelProto,  # pyright: ignore[reportAttributeAccessIssue]
    TrainerSpec,  # pyright: ignore[reportAttributeAccessIssue]
)
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from zoo.errors import FormatError
from zoo.files import open_regular

_MAX_BYTES = 64 * 2**20
SPACE = "\u2581"  # how a piece spells the space before it


@dataclasses.dataclass(frozen=True)
class SentencePieces:
    """What a file holds: pieces with their scores, the place of the unknown one, what is never split, the map."""

    vocab: list[tuple[str, float]]
    unk_id: int
    user_defined: list[str]
    charsmap: bytes

    def __contains__(self, piece: str) -> bool:
        return any(piece == known for known, _ in self.vocab)


def read_model(path: Path) -> tuple[bytes, ModelProto]:
    """A file's bytes, and what they say.

    Raises:
      FormatError: the file is damaged, or ends early.
    """
    with open_regular(path) as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise FormatError(f"{path} is larger than {_MAX_BYTES} bytes; it is no SentencePiece model.")
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise FormatError(f"{path} is damaged, or no SentencePiece model ({error}). Fetch it again.") from error
    if not (model.HasField("trainer_spec") and model.HasField("normalizer_spec")):  # they follow the pieces
        raise FormatError(f"{path} is damaged: it ends after {len(model.pieces)} pieces. Fetch it again.")
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
        raise FormatError(f"{path} is damaged: it has {len(unknown)} unknown pieces, not one. Fetch it again.")
    if model.trainer_spec.model_type != TrainerSpec.UNIGRAM:
        kind = TrainerSpec.ModelType.Name(model.trainer_spec.model_type)
        raise FormatError(f"{path} is a SentencePiece model of kind {kind}; only UNIGRAM is supported.")
    user_defined = [piece.piece for piece in model.pieces if piece.type == ModelProto.SentencePiece.USER_DEFINED]
    vocab = [(piece.piece, piece.score) for piece in model.pieces]
    return SentencePieces(vocab, unknown[0], user_defined, model.normalizer_spec.precompiled_charsmap)


def _check(vocab: list[tuple[str, float]], path: Path) -> None:
    seen = set()
    for index, (piece, score) in enumerate(vocab):
        if not piece or piece in seen or not math.isfinite(score):
            raise FormatError(
                f"{path}: piece {index} must have a name, which no other has, and a finite score; found {piece!r} with "
                f"{score}. Fetch it again."
            )
        seen.add(piece)


def _backend(pieces: SentencePieces, vocab: list[tuple[str, float]], unk_id: int, *before) -> tokenizers.Tokenizer:
    """Unigram pieces after some normalizers, and the file's own."""
    backend = tokenizers.Tokenizer(models.Unigram(vocab, unk_id=unk_id, byte_fallback=False))
    own = [normalizers.Precompiled(pieces.charsmap)] if pieces.charsmap else []
    backend.normalizer = normalizers.Sequence([*before, *own])
    spaces = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), spaces])
    backend.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    # As the torch library does: what follows such a piece then begins with a space, which SentencePiece does not add.
    whole = [tokenizers.AddedToken(piece, normalized=False, special=False) for piece in pieces.user_defined]
    backend.add_tokens(whole)
    return backend


def _frame(backend: tokenizers.Tokenizer, single: str, pair: str) -> tokenizers.Tokenizer:
    """Puts special tokens around one text and around a pair."""
    tokens = {word.partition(":")[0] for word in f"{single} {pair}".split() if not word.startswith("$")}
    known = [(token, backend.token_to_id(token)) for token in sorted(tokens)]
    if lacking := [token for token, index in known if index is None]:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    backend.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=known)
    return backend


_QUOTES = (normalizers.Replace("``", '"'), normalizers.Replace("''", '"'))
_PLAIN = (normalizers.NFKD(), normalizers.StripAccents())


def albert(pieces: SentencePieces, *, lower_case: bool = True) -> tokenizers.Tokenizer:
    """ALBERT's (arXiv:1909.11942, section 4.1): without accents, and in lower case unless told otherwise."""
    lower = (normalizers.Lowercase(),) if lower_case else ()
    backend = _backend(pieces, pieces.vocab, pieces.unk_id, *_QUOTES, *_PLAIN, *lower)
    return _frame(backend, "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")


def xlnet(pieces: SentencePieces, *, lower_case: bool = False) -> tokenizers.Tokenizer:
    """XLNet's (arXiv:1906.08237): the classifying token comes last, with a type of its own."""
    lower = (normalizers.Lowercase(),) if lower_case else ()
    backend = _backend(pieces, pieces.vocab, pieces.unk_id, *_QUOTES, *_PLAIN, *lower)
    return _frame(backend, "$A:0 <sep>:0 <cls>:2", "$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2")


def t5(pieces: SentencePieces, *, sentinels: int = 100) -> tokenizers.Tokenizer:
    """T5's (arXiv:1910.10683, section 2.2), with the sentinels of its masks behind the file's pieces."""
    extra = [(f"<extra_id_{number}>", 0.0) for number in reversed(range(sentinels))]
    backend = _backend(pieces, [*pieces.vocab, *extra], pieces.unk_id)
    backend.add_special_tokens([name for name, _ in extra])
    return _frame(backend, "$A </s>", "$A </s> $B </s>")


def xlm_roberta(pieces: SentencePieces) -> tokenizers.Tokenizer:
    """XLM-R's (arXiv:1911.02116): fairseq's four special tokens take the place of the file's three."""
    special = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    backend = _backend(pieces, [*special, *pieces.vocab[3:], ("<mask>", 0.0)], 3)
    return _frame(backend, "<s> $A </s>", "<s> $A </s> </s> $B </s>")


def camembert(pieces: SentencePieces) -> tokenizers.Tokenizer:
    """CamemBERT's (arXiv:1911.03894): fairseq's tokens before the file's pieces, of which the first is dropped."""
    names = ("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED")
    backend = _backend(pieces, [*((name, 0.0) for name in names), *pieces.vocab[1:], ("<mask>", 0.0)], 3)
    backend.add_special_tokens([tokenizers.AddedToken("<mask>", lstrip=True)])  # it takes the space before it along
    return _frame(backend, "<s> $A </s>", "<s> $A </s> </s> $B </s>")


BY_MODEL_TYPE: dict[str, Callable[..., tokenizers.Tokenizer]] = {
    "albert": albert,
    "xlnet": xlnet,
    "t5": t5,
    "xlm-roberta": xlm_roberta,
    "camembert": camembert,
}


def guess_model_type(pieces: SentencePieces, file: str) -> str:
    """The family of a file that no config.json stands beside, by its special pieces and its name."""
    if "[CLS]" in pieces:
        return "albert"
    if "<cls>" in pieces:
        return "xlnet"
    return "t5" if file == "spiece.model" else "xlm-roberta"
