# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Plain text, prepared once as tokens and packed into sequences of one length: what language models are trained on."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any, Literal

from zoo.checks import check_fields
from zoo.data.config import TokenizerConfig
from zoo.data.packed import Frame, PackedText
from zoo.data.prepare import (
    SPLITS,
    TOKENIZER,
    differing,
    fingerprint,
    read_manifest,
    ready_tokenizer,
    trained_settings,
    write_prepared,
)
from zoo.data.schema import (
    CONTINUES,
    DataInfo,
    Dataset,
    DatasetConfig,
    Examples,
    Feature,
    Order,
    Schema,
    Segments,
    Vocabulary,
)
from zoo.data.source import open_source
from zoo.data.streams import StreamedExamples
from zoo.data.tokens import TokenFiles
from zoo.errors import ConfigError
from zoo.text.load import load_tokenizer
from zoo.text.tokenizer import Tokenizer

_SCHEMA: dict[str, Feature] = {name: Feature(kind="tokens") for name in ("tokens", "segments", "positions")}
_TEXT_FIELDS = ("source", "document", "text_field", "validation_fraction")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig(DatasetConfig):
    """What text is read, and how it becomes sequences.

    Attributes:
      source: `embedded` (the text in the package); a text file, a folder of them, or a glob; or `tfds:NAME`.
      document: what one document of a text file is. A row of JSON lines, CSV, TSV or Parquet is a document always.
      text_field: the field of such a row, or of a TFDS record, that holds the text.
      validation_fraction: fraction of the documents held out, where the source has no split of its own.
      seq_len: T, tokens in a sequence.
      segments: whether each document in a sequence is a segment of its own, or the sequence is one segment, so that
        attention crosses documents as GPT-2's does.
      stride: tokens of the text from the beginning of one sequence to that of the next, where sequences overlap; 0 is
        as many as a sequence holds.
      order: `shuffled`, or `stream`, in which each row of a batch follows the same row of the batch before, for models
        with memory.
      word_starts: whether examples say where words begin (`Tokenizer.encode_words`), which masks of whole words need.
    """

    source: str = "embedded"
    document: Literal["paragraph", "line", "file"] = "paragraph"
    text_field: str = "text"
    validation_fraction: float = 0.05
    segments: Segments = "documents"
    stride: int = 0
    order: Order = "shuffled"
    word_starts: bool = False

    def __post_init__(self):
        check_fields(self)
        if self.seq_len < 2:
            raise ConfigError(f"data.seq_len must be 2 tokens or more; found {self.seq_len}.")
        if not 0 <= self.stride <= self.seq_len:
            raise ConfigError(
                f"data.stride must be from 1 to data.seq_len, {self.seq_len}, or 0 for sequences that do not overlap; "
                f"found {self.stride}."
            )
        if not 0 < self.validation_fraction < 1:
            raise ConfigError(
                f"data.validation_fraction must be above 0 and below 1; found {self.validation_fraction!r}."
            )

    def outline(self, vocabulary: Vocabulary) -> DataInfo:
        """What is known of the data without opening them."""
        return DataInfo(
            vocabulary=vocabulary,
            schema=self._schema,
            seq_len=self.seq_len,
            segments=self.segments,
            stride=self.stride,
        )

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
        return write_prepared(Path(folder).expanduser().absolute(), source, settings, ready)

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
        ready = load_tokenizer(folder / TOKENIZER)
        self._check(manifest["settings"], folder, ready, tokenizer)
        return Dataset(
            tokenizer=ready,
            schema=self._schema,
            splits={split: self._split(folder, split, manifest, ready) for split in SPLITS},
            seq_len=self.seq_len,
            manifest=manifest,
            bytes_per_token=manifest["validation"]["bytes"] / manifest["validation"]["tokens"],
            segments=self.segments,
            stride=self.stride,
        )

    @property
    def _schema(self) -> Schema:
        found = _SCHEMA | ({"word_starts": Feature(kind="tokens")} if self.word_starts else {})
        return found | ({CONTINUES: Feature(kind="float")} if self.order == "stream" else {})

    def _is_small(self) -> bool:
        return self.source == "embedded"

    def _split(self, folder: Path, split: str, manifest: dict[str, Any], tokenizer: Tokenizer) -> Examples:
        files = TokenFiles(folder, split, manifest[split]["files"])
        options: dict[str, Any] = dict(
            segments=self.segments,
            vocab_size=tokenizer.vocab_size,
            word_starts=self.word_starts,
            stride=self.stride,
        )
        text = PackedText(files, self.seq_len, Frame.of(tokenizer), **options)
        return StreamedExamples(text) if self.order == "stream" else text

    def _text_settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _TEXT_FIELDS}

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


def _tokenizer_settings(tokenizer: Tokenizer | TokenizerConfig) -> dict[str, Any]:
    if isinstance(tokenizer, TokenizerConfig):
        return trained_settings(tokenizer)
    return {"sha256": fingerprint(tokenizer)}
