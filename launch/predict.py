# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Labels the rows of a table with a fine-tuned classifier; the output has the input's columns and the predictions.

python -m launch.predict --model=DIR/model --input=new.csv --output=out.csv
"""

from absl import flags

from launch import app

_MODEL = flags.DEFINE_string("model", None, "Hub folder or registry name.", required=True)
_INPUT = flags.DEFINE_string("input", None, "Table to label: .csv, .tsv, .jsonl or .parquet.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "File to write; its suffix chooses the format.", required=True)
_TEXT = flags.DEFINE_string("text", None, "Column of the text; by default the one that the model was trained on.")
_TEXT_PAIR = flags.DEFINE_string("text_pair", None, "Column of the second text of a pair; by default as trained.")
_SEQ_LEN = flags.DEFINE_integer("seq_len", None, "Longest sequence in tokens; by default as trained.", lower_bound=4)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Rows at a time.", lower_bound=1)
_DTYPE = flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "Precision of the computation.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Whether an existing output is replaced.")


def main(argv: list[str]) -> None:
    del argv
    from zoo.predict import predict

    count = predict(
        _MODEL.value,
        _INPUT.value,
        _OUTPUT.value,
        text=_TEXT.value,
        text_pair=_TEXT_PAIR.value,
        seq_len=_SEQ_LEN.value,
        batch_size=_BATCH_SIZE.value,
        dtype=_DTYPE.value,
        overwrite=_OVERWRITE.value,
    )
    print(f"{count:,} rows -> {_OUTPUT.value}")


if __name__ == "__main__":
    app.run(main)
