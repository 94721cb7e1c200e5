# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Text to token records: trains the tokenizer, if the config names none, and writes both into a folder.

python -m launch.prepare --config=configs/gpt2_pretrain.py:tiny --data_dir=DIR
"""

from absl import flags

from launch import app, config_flags

_CONFIG = config_flags.define()
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder to make; one prepared already is left.", required=True)


def main(argv: list[str]) -> None:
    del argv
    from zoo.data.prepare import prepare, read_recipe
    from zoo.train.config import RunConfig

    folder = prepare(RunConfig.from_dict(_CONFIG.value).data, _DATA_DIR.value)
    for split in ("train", "validation"):
        counts = read_recipe(folder)[split]
        print(f"{split}: {counts['documents']:,} documents, {counts['tokens']:,} tokens, {counts['bytes']:,} bytes")
    print(f"prepared {folder}")


if __name__ == "__main__":
    app.run(main)
