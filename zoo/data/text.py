# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Plain text, prepared once as tokens; as sequences of one length, it is what language models are trained on."""

import abc
import dataclasses
import hashlib
import logging
from pathlib import Path
from typing import Any, ClassVar, Literal

from zoo.checks import check_fields
from zoo.data.config import TokenizerConfig
from zoo.data.packed import Frame, PackedText
from zoo.data.prepare import (
    SPLITS,
    differing,
    fingerprint,
    prepared_tokenizer,
    read_manifest,
    ready_tokenizer,
    trained_settings,
    write_prepared,
)
from zoo.data.schema import (
    BACKWARD,
    CONTINUES,
    DataInfo,
    Dataset,
    DatasetConfig,
    Directions,
    Examples,
    Feature,
    Order,
    Schema,
    Segments,
    SplitSummary,
    Vocabulary,
)
from zoo.data.segment_pairs import FRAME, LEAST, SegmentPairs
from zoo.data.source import open_source
from zoo.data.streams import StreamedExamples
from zoo.data.tokens import TokenFiles
from zoo.errors import ConfigError
from zoo.text.tokenizer import Tokenizer

_log = logging.getLogger(__name__)


def token_schema(*, word_starts: bool) -> Schema:
    """The fields of a sequence of tokens without a label."""
    names = ("tokens", "segments", "positions", *(("word_starts",) if word_starts else ()))
    return {name: Feature(kind="tokens") for name in names}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreparedText(DatasetConfig, abc.ABC):
    """What text is read and tokenized into a folder; subclasses make examples of it.

    Attributes:
      text_settings: the fields that decide what the folder holds.
      source: `embedded` (the text in the package); a text file, a folder of them, or a glob; or `tfds:NAME`.
      document: what one document of a text file is. A row of JSON lines, CSV, TSV or Parquet is a document always.
      text_field: the field of such a row, or of a TFDS record, that holds the text.
      validation_fraction: fraction of the documents held out, where the source has no split of its own.
      seq_len: T, tokens in a sequence.
      word_starts: whether examples say where words begin (`Tokenizer.encode_words`), which masks of whole words need.
    """

    text_settings: ClassVar[tuple[str, ...]] = ("source", "document", "text_field", "validation_fraction")
    source: str = "embedded"
    document: Literal["paragraph", "line", "file"] = "paragraph"
    text_field: str = "text"
    validation_fraction: float = 0.05
    word_starts: bool = False

    def __post_init__(self):
        check_fields(self)
        if self.seq_len < 2:
            raise ConfigError(f"data.seq_len must be 2 tokens or more; found {self.seq_len}.")
        if not 0 < self.validation_fraction < 1:
            raise ConfigError(
                f"data.validation_fraction must be above 0 and below 1; found {self.validation_fraction!r}."
            )

    def outline(self, vocabulary: Vocabulary) -> DataInfo:
        """What is known of the data without opening them."""
        return DataInfo(vocabulary=vocabulary, schema=self.schema, seq_len=self.seq_len, **self.layout)

    @property
    @abc.abstractmethod
    def schema(self) -> Schema:
        """The fields of an example."""

    @property
    @abc.abstractmethod
    def layout(self) -> dict[str, Any]:
        """The fields of `Dataset`, and of `DataInfo`, that say how sequences are laid out."""

    @abc.abstractmethod
    def examples(self, files: TokenFiles, split: str, tokenizer: Tokenizer) -> Examples:
        """The examples of a split."""

    def summary(self, examples: Any) -> SplitSummary:
        """What a log and a report say of a split; of what `examples` made."""
        return SplitSummary(f"{len(examples):,} sequences of {self.seq_len} tokens")

    @property
    def separator(self) -> Literal["", "sep"]:
        """The role of the special token that follows each document where `Frame.of` has none; "" is none."""
        return ""

    def frame(self, tokenizer: Tokenizer) -> Frame:
        """The special tokens of sequences, of which the separator is written with the text."""
        frame = Frame.of(tokenizer)
        if self.separator and frame.separator is None:
            return frame._replace(separator=tokenizer.sep_id)
        return frame

    def check_tokenizer(self, tokenizer: Tokenizer) -> None:
        """ConfigError for a tokenizer that these examples cannot be made with."""

    def prepare(self, folder: str | Path, *, tokenizer: str = "") -> Path:
        """Tokenizes the source into the folder, or leaves it alone if it holds this very preparation; returns it.

        All is written to a staging directory next to it and moved there at the end: what is refused or interrupted
        leaves nothing behind.

        Args:
          tokenizer: the registry name or folder whose tokenizer is used unless the config names one; "" trains one.

        Raises:
          ConfigError: the folder holds something else, cannot be written, or another process is preparing it.
          InputError: too little text. FormatError: a file that is not UTF-8 text, or that changes while it is read.
        """
        source = open_source(
            self.source,
            document=self.document,
            text_field=self.text_field,
            validation_fraction=self.validation_fraction,
        )
        name = self.tokenizer.path or tokenizer
        ready = ready_tokenizer(name) if name else self.tokenizer
        settings = {
            **self._text_settings(),
            "tokenizer": _tokenizer_settings(ready),
            "text": hashlib.sha256("\n".join(source.identity).encode()).hexdigest(),
        }
        folder = Path(folder).expanduser().absolute()
        return write_prepared(folder, source, settings, ready, frame=self.frame, check=self.check_tokenizer)

    def open(self, *, cache_dir: Path, data_dir: Path | None = None, tokenizer: str = "") -> Dataset:
        """The prepared `data_dir`; without one, the text in the package, prepared in `cache_dir`.

        Raises:
          ConfigError: nothing is prepared there, or something else than the config describes.
          IntegrityError: the prepared folder is damaged, or of an older format.
        """
        folder = self.prepare(cache_dir, tokenizer=tokenizer) if data_dir is None and self._is_small() else data_dir
        if folder is None:
            raise ConfigError(
                f"data.source is {self.source!r}, which has to be prepared once: run python -m launch.prepare with the "
                "same --config and a --data_dir, then give that --data_dir here too."
            )
        manifest = read_manifest(folder)
        ready = prepared_tokenizer(Path(folder), manifest)
        self._check(manifest["settings"], folder, ready, tokenizer)
        splits = {split: self.examples(_files(folder, split, manifest), split, ready) for split in SPLITS}
        summaries = {split: self.summary(examples) for split, examples in splits.items()}
        for split, found in summaries.items():
            _log.info("%s: %s", split, found.size)
        return Dataset(
            tokenizer=ready,
            schema=self.schema,
            splits=splits,
            summaries=summaries,
            seq_len=self.seq_len,
            manifest=manifest,
            bytes_per_token=manifest["validation"]["bytes"] / manifest["validation"]["tokens"],
            **self.layout,
        )

    def _is_small(self) -> bool:
        return self.source == "embedded"

    def _text_settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.text_settings} | {"separator": self.separator}

    def _check(self, there: dict[str, Any], folder: Path, tokenizer: Tokenizer, name: str) -> None:
        """ConfigError if the folder was prepared with other settings than the config's."""
        asked = self._text_settings()
        if not self.tokenizer.path and not name:
            asked["tokenizer"] = _tokenizer_settings(self.tokenizer)
        elif not self.tokenizer.path and fingerprint(ready_tokenizer(name)) != fingerprint(tokenizer):
            raise ConfigError(
                f"{folder} was prepared with another tokenizer than that of {name}, which the run starts from; prepare "
                f"another --data_dir with --config.init_from={name}."
            )
        if changed := differing(there, asked):
            lines = "".join(f"\n  data.{line}" for line in changed)
            raise ConfigError(
                f"{folder} was prepared with other settings:{lines}\nPrepare another --data_dir, or set these."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig(PreparedText):
    """Text as sequences, cut from the documents one behind another.

    Attributes:
      segments: `documents` makes each document in a sequence a segment of its own, `sequence` makes it all one, so that
        attention crosses documents as GPT-2's does. `pair` is what XLNet was trained on: a sequence is `stride`
        tokens of text, a segment A that follows them, and a segment B that follows A or, in half of the sequences, is
        from elsewhere (`zoo.data.segment_pairs`).
      sentences: what a sentence is (`zoo.data.sentences`). The segments of a `pair` end with one; other sequences hold
        as many as fit, with a separator behind each document: RoBERTa's FULL-SENTENCES (arXiv:1907.11692, section 4.2).
        "" cuts anywhere.
      stride: tokens of the text from the beginning of one sequence to that of the next, where sequences overlap; 0 is
        as many as a sequence holds.
      order: `shuffled`, or `stream`, in which each row of a batch follows the same row of the batch before, for models
        with memory.
      directions: `both` also reads the text backwards, every sequence once forwards and once backwards in a pass; of a
        batch in the order `stream`, every second row (`bi_data` of XLNet's code).
    """

    segments: Segments = "documents"
    sentences: Literal["", "line", "punctuation"] = ""
    stride: int = 0
    order: Order = "shuffled"
    directions: Directions = "forward"

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.stride <= self.seq_len:
            raise ConfigError(
                f"data.stride must be from 1 to data.seq_len, {self.seq_len}, or 0 for sequences that do not overlap; "
                f"found {self.stride}."
            )
        if self.segments == "pair":
            self._check_pair()
        elif self.sentences and (self.stride or self.directions == "both"):
            name, value = ("stride", 0) if self.stride else ("directions", "forward")
            raise ConfigError(
                f"data.{name} is {getattr(self, name)!r}, and sequences of whole sentences neither overlap nor "
                f"are read backwards; set data.{name}={value!r}, or data.sentences=''."
            )

    def _check_pair(self) -> None:
        if not self.sentences:
            raise ConfigError(
                "data.segments is 'pair', whose segments end where sentences do; set data.sentences to 'line' or "
                "'punctuation'."
            )
        if self.seq_len < (least := 1 + FRAME + LEAST):
            raise ConfigError(
                f"data.seq_len is {self.seq_len}, and a sequence with a pair of segments takes 3 special tokens, and "
                f"one or more of the text and of each segment; set it to {least} or more."
            )
        most = self.seq_len - FRAME - LEAST
        if not 1 <= self.stride <= most:
            raise ConfigError(
                f"data.stride is {self.stride}; where data.segments is 'pair' it is the tokens of running text with "
                f"which a sequence begins, and must be from 1 to {most}, such as {min(self.seq_len // 2, most)}."
            )

    @property
    def separator(self) -> Literal["", "sep"]:
        return "sep" if self.sentences and self.segments != "pair" else ""

    def _text_settings(self) -> dict[str, Any]:
        return super()._text_settings() | ({"sentences": self.sentences} if self.sentences else {})

    @property
    def schema(self) -> Schema:
        found = token_schema(word_starts=self.word_starts)
        of_rows = {CONTINUES: self.order == "stream", BACKWARD: self.directions == "both"}
        return {**found, **{name: Feature(kind="float") for name, there in of_rows.items() if there}}

    @property
    def layout(self) -> dict[str, Any]:
        return dict(segments=self.segments, stride=self.stride)

    def check_tokenizer(self, tokenizer: Tokenizer) -> None:
        if self.segments == "pair" and len(Frame.of(tokenizer).suffix) != 2:
            raise ConfigError(
                "A sequence with a pair of segments ends with a separator and a classifying token, and this tokenizer "
                "has them elsewhere, or lacks them; use XLNet's (data.tokenizer.path=xlnet-base-cased), or train one "
                "with its tokens (data.tokenizer.special=xlnet)."
            )

    def examples(self, files: TokenFiles, split: str, tokenizer: Tokenizer) -> Examples:
        self.check_tokenizer(tokenizer)  # a prepared folder may be of other data
        frame = self.frame(tokenizer)
        options: dict[str, Any] = dict(
            vocab_size=tokenizer.vocab_size,
            word_starts=self.word_starts,
            stride=self.stride,
            directions=self.directions,
        )
        if self.segments == "pair":
            text = SegmentPairs(files, self.seq_len, frame, **options)
        else:
            options |= dict(segments=self.segments, bounds=files.bounds if self.sentences else None)
            text = PackedText(files, self.seq_len, frame, **options)
        return StreamedExamples(text, 2 if self.directions == "both" else 1) if self.order == "stream" else text


def _files(folder: Path, split: str, manifest: dict[str, Any]) -> TokenFiles:
    return TokenFiles(folder, split, manifest[split]["files"])


def _tokenizer_settings(tokenizer: Tokenizer | TokenizerConfig) -> dict[str, Any]:
    if isinstance(tokenizer, TokenizerConfig):
        return trained_settings(tokenizer)
    return {"sha256": fingerprint(tokenizer)}
