# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Converts a model to a Hub folder, for torch or Flax, or to an Orbax checkpoint, with the tokenizer's files.

python -m launch.convert --source=DIR_OR_NAME --target=DIR --format=safetensors
"""

from absl import flags

from launch import app

_SOURCE = flags.DEFINE_string("source", None, "Hub folder, file of weights, or registry name.", required=True)
_TARGET = flags.DEFINE_string("target", None, "Folder to write; must be empty or absent.", required=True)
_FORMAT = flags.DEFINE_enum("format", "safetensors", ["safetensors", "orbax", "msgpack"], "Format of the weights.")
_MAX_SHARD = flags.DEFINE_integer("max_shard_bytes", 5_000_000_000, "Larger weights are split over several files.")


def main(argv: list[str]) -> None:
    del argv
    from zoo.hub.convert import convert

    convert(_SOURCE.value, _TARGET.value, form=_FORMAT.value, max_shard_bytes=_MAX_SHARD.value)
    print(f"{_SOURCE.value} -> {_TARGET.value} ({_FORMAT.value})")


if __name__ == "__main__":
    app.run(main)
