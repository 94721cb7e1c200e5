# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Prepares a run's data once: tokenizes the text into a folder, with the tokenizer, trained if the config names none.

python -m launch.prepare --config=configs/gpt2_pretrain.py:tiny --data_dir=DIR
"""

from absl import flags

from launch import app, config_flags

_CONFIG = config_flags.define()
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder to make; an existing one is reused.", required=True)


def main(argv: list[str]) -> None:
    del argv
    from zoo.data.prepare import SPLITS, read_manifest
    from zoo.train.config import RunConfig
    from zoo.train.run_spec import source_of

    config = RunConfig.from_dict(_CONFIG.value)
    folder = config.data.prepare(_DATA_DIR.value, tokenizer=source_of(config.init_from))
    for split in SPLITS:
        counts = read_manifest(folder)[split]
        print(f"{split}: {counts['documents']:,} documents, {counts['tokens']:,} tokens, {counts['bytes']:,} bytes")
    print(f"prepared {folder}")


if __name__ == "__main__":
    app.run(main)
