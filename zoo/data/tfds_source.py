# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Texts of TensorFlow Datasets, prepared and read without TensorFlow, through ArrayRecord files."""

import importlib
import importlib.util
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, FormatError

_log = logging.getLogger(__name__)
_CATALOGUE = "its catalogue is at https://www.tensorflow.org/datasets/catalog/overview"

# A builder registers itself when its module is imported, and `import tensorflow_datasets` leaves these out.
_MODULES = ("text", "translate", "summarization", "question_answering")
# These read their downloads with TensorFlow, but fail only after downloading gigabytes.
_NEED_TENSORFLOW = ("lm1b", "pg19", "blimp", "super_glue")
_ALTERNATIVES = (
    "use a dataset that does not, such as tfds:imdb_reviews or tfds:ag_news_subset (data.text_field='description'), "
    "install tensorflow for the preparation, or give the text as .txt or .jsonl files"
)


def read_tfds(name: str, field: str) -> tuple[Mapping[str, Callable[[], Iterable[str]]], str]:
    """The texts of each split, to be read any number of times, and the dataset's full name.

    Args:
      name: in TFDS's catalogue, as in `glue/cola`, or a folder that TFDS prepared.
      field: of a record; it holds the text.

    Raises:
      ConfigError: no such dataset, field or train split, or a dataset that needs TensorFlow.
    """
    builder = prepared(name)
    fields, splits = [*(builder.info.features or {})], [*builder.info.splits]
    if field not in fields or "train" not in splits:
        raise ConfigError(
            f"TFDS dataset {name!r} has the fields {fields} and the splits {splits}; data.text_field must name a "
            f"field of text (it is {field!r}), and there must be a train split."
        )
    return {split: lambda split=split: _texts(builder, split, field) for split in splits}, builder.info.full_name


def prepared(name: str) -> Any:
    """The builder of a dataset, which is downloaded and prepared unless it is there; ConfigError as `find_builder`."""
    return prepare(find_builder(name))


def find_builder(name: str) -> Any:
    """The builder of a dataset, whose columns are known before it is prepared.

    Raises:
      ConfigError: there is no such dataset, or TFDS needs TensorFlow for it.
    """
    import tensorflow_datasets as tfds

    if (Path(name) / "dataset_info.json").is_file():
        return tfds.builder_from_directory(name)
    has_tensorflow = importlib.util.find_spec("tensorflow") is not None
    family = name.partition("/")[0].partition(":")[0]
    if not has_tensorflow and family in _NEED_TENSORFLOW:
        instead = (
            _ALTERNATIVES if family != "super_glue" else "train on the benchmark's own files (configs/superglue.py)"
        )
        raise ConfigError(f"TFDS needs TensorFlow to prepare {name!r}, and it is not installed; {instead}.")
    try:
        for module in _MODULES:
            importlib.import_module(f"tensorflow_datasets.{module}")
        return tfds.builder(name, file_format="array_record")
    except tfds.core.DatasetNotFoundError as error:
        raise ConfigError(f"TFDS has no dataset {name!r}; {_CATALOGUE}.") from error
    except ValueError as error:
        if "BuilderConfig" not in str(error):
            raise _unprepared(name, error) from error
        known = ", ".join([*tfds.builder_cls(family).builder_configs][:20])
        raise ConfigError(f"TFDS has no dataset {name!r}; of {family} it has {known}; {_CATALOGUE}.") from error
    except Exception as error:  # whatever the import of a builder raises
        raise _unprepared(name, error) from error


def prepare(builder: Any) -> Any:
    """The builder, downloaded and prepared unless it is; ConfigError if that fails."""
    if not builder.is_prepared():
        _log.info("TFDS downloads and prepares %s, once, into %s.", builder.info.full_name, builder.data_dir)
    try:
        builder.download_and_prepare(file_format="array_record")
    except Exception as error:  # whatever a builder, its download or its file system raises
        raise _unprepared(builder.info.full_name, error) from error
    return builder


def _unprepared(name: str, error: Exception) -> ConfigError:
    """What went wrong, as an error that the user can act on."""
    if not isinstance(error, ImportError):
        return ConfigError(
            f"TFDS cannot prepare {name!r} ({type(error).__name__}: {_first_line(error)}); see its page in the "
            "catalogue, and whether this machine reaches the network."
        )
    if "tensorflow" not in str(error).lower():
        return ConfigError(f"TFDS cannot prepare {name!r} ({_first_line(error)}); install what it lacks.")
    return ConfigError(f"TFDS needs TensorFlow to prepare {name!r}; {_ALTERNATIVES}.")


def _texts(builder: Any, split: str, field: str) -> Iterator[str]:
    for index, record in enumerate(builder.as_data_source(split=split)):
        try:
            yield record[field].decode("utf-8")
        except (AttributeError, UnicodeDecodeError) as error:
            raise FormatError(
                f"field {field!r} of record {index} of {builder.info.full_name}, split {split}, is not UTF-8 text "
                f"({_first_line(error)}); name a field of text in data.text_field."
            ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
