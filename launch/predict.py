# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Predicts labels, tags, answers or choices for the rows of a table; the output has its columns and the predictions.

python -m launch.predict --model=DIR/model --input=new.csv --output=out.csv
"""

from absl import flags

from launch import app

_MODEL = flags.DEFINE_string("model", None, "Hub folder or registry name.", required=True)
_INPUT = flags.DEFINE_string(
    "input", None, "Table: .csv, .tsv, .jsonl, .parquet, tfds:NAME#SPLIT, or as trained.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "File to write; its suffix chooses the format.", required=True)
_COLUMNS = {
    name: flags.DEFINE_string(name, None, f"{what}; by default as trained.")
    for name, what in {
        "text": "Column of the text",
        "text_pair": "Column of the second text of a pair",
        "prefix": "Column that is put before the text",
        "words": "Column of the words to tag, lists or texts with spaces between",
        "question": "Column of the question",
        "context": "Column of the text that answers a question",
        "options": "Columns of the options to choose from, with commas between, or one of lists",
    }.items()
}
_COLUMN_NAMES = flags.DEFINE_list("column_names", [], "Columns of a .csv or .tsv input without a line that names them.")
_SEQ_LEN = flags.DEFINE_integer("seq_len", None, "Longest sequence in tokens; by default as trained.", lower_bound=4)
_THRESHOLD = flags.DEFINE_float(
    "no_answer_threshold",
    None,
    "No-answer score above which the answer to a question is empty, such as the report's best_f1_threshold.",
)
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
        columns={name: flag.value for name, flag in _COLUMNS.items() if flag.value is not None},
        column_names=_COLUMN_NAMES.value,
        seq_len=_SEQ_LEN.value,
        no_answer_threshold=_THRESHOLD.value,
        batch_size=_BATCH_SIZE.value,
        dtype=_DTYPE.value,
        overwrite=_OVERWRITE.value,
    )
    print(f"{count:,} rows -> {_OUTPUT.value}")


if __name__ == "__main__":
    app.run(main)
