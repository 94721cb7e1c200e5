# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes tokenizers.json: ids that the torch library's tokenizers give. Run by hand; needs `transformers`.

python tests/golden/make_tokenizer_golden.py ASSETS/tokenizers
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from tokenizers.models import BPE, WordPiece
from transformers import (
    AlbertTokenizer,
    BertTokenizer,
    GPT2Tokenizer,
    OpenAIGPTTokenizer,
    RobertaTokenizer,
    T5Tokenizer,
    XLNetTokenizer,
)

TEXTS = [
    "Hello, world! It's 3.14 o'clock.",
    "naïve café résumé Ångström Ünïcödé",
    "e\u0301 combining, \u1e9b\u0323 long s",
    "中文字符 and English 日本語 한국어",
    "family 👩\u200d👩\u200d👧\u200d👦 flag 🇫🇷 thumbs 👍🏽",
    "control \x01\x02 tab\tnew\nline\r\nreturn \x7f bell\x07",
    "nul \x00 and replacement \ufffd",
    "   \t\n  ",
    "",
    "مرحبا بالعالم \u200fשלום\u200e עולם",  # noqa: RUF001
    "a" * 300,
    "flood a" + "\u0301" * 60 + "\u0323" * 60 + " end",
    "unaffable ##ing [CLS] [MASK] [SEP] [PAD] <|endoftext|>",
    "one <mask> two <mask>. <pad> <s></s> <extra_id_3> <sep><cls> <eop>",
    "non\u00a0breaking\u2003spaces \u2028 line separator",
    "İstanbul ẞtraße ΑΒΓ ЖЗИ",
    "  two  spaces   inside and at the end  ",
    "x=f(y)**2; // $100% #tag @me a_b-c/d\\e",
]
PAIRS = [("How are you?", "Fine, thanks."), ("", "empty first"), ("中", "é")]


def make(assets: Path) -> dict:
    bert = {
        "bert-base-uncased": _bert(assets / "bert-base-uncased", lower_case=True),
        "bert-base-cased": _bert(assets / "bert-base-cased", lower_case=False),
    }
    gpt2 = assets / "gpt2"
    vocab = json.loads((gpt2 / "encoder.json").read_text(encoding="utf-8"))
    merges = BPE.read_file(str(gpt2 / "encoder.json"), str(gpt2 / "vocab.bpe"))[1]
    everyone = {**bert, "gpt2": GPT2Tokenizer(vocab=vocab, merges=merges)}
    with tempfile.TemporaryDirectory() as folder:
        everyone |= {name: _from_files(assets, name, Path(folder) / name) for name in FROM_FILES}
    return {
        "texts": TEXTS,
        "pairs": PAIRS,
        "ids": {name: [tokenizer(text)["input_ids"] for text in TEXTS] for name, tokenizer in everyone.items()},
        "pair_ids": {name: [tokenizer(*pair)["input_ids"] for pair in PAIRS] for name, tokenizer in everyone.items()},
        "pair_types": {
            name: [tokenizer(*pair, return_token_type_ids=True)["token_type_ids"] for pair in PAIRS]
            for name, tokenizer in everyone.items()
            if name.startswith(("bert", "albert", "xlnet"))
        },
        "decoded": {
            name: [tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) for text in TEXTS]
            for name, tokenizer in everyone.items()
        },
    }


# Class of the library, and the files that it is made from, under the names that it expects.
FROM_FILES = {
    "roberta-base": (RobertaTokenizer, {"vocab.json": "vocab.json", "merges.txt": "merges.txt"}),
    "openai-gpt": (
        OpenAIGPTTokenizer,
        {"encoder_bpe_40000.json": "vocab.json", "vocab_40000.bpe": "merges.txt"},
    ),
    "albert-base-v2": (AlbertTokenizer, {"spiece.model": "spiece.model"}),
    "t5": (T5Tokenizer, {"spiece.model": "spiece.model"}),
    "xlnet-base-cased": (XLNetTokenizer, {"spiece.model": "spiece.model"}),
}


def _from_files(assets: Path, name: str, folder: Path):
    kind, files = FROM_FILES[name]
    folder.mkdir()
    for source, target in files.items():
        shutil.copyfile(assets / name / source, folder / target)
    return kind.from_pretrained(folder)


def _bert(folder: Path, *, lower_case: bool) -> BertTokenizer:
    return BertTokenizer(vocab=WordPiece.read_file(str(folder / "vocab.txt")), do_lower_case=lower_case)


if __name__ == "__main__":
    target = Path(__file__).with_name("tokenizers.json")
    target.write_text(json.dumps(make(Path(sys.argv[1]))) + "\n", encoding="utf-8")
    print(f"wrote {target}")
