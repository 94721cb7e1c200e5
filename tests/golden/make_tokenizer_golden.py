# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes tokenizers.json and tokenizer_options.json: ids that Transformers' tokenizers give. Run by hand; needs
`transformers`.

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
    AutoTokenizer,
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


BERT_WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] hello world < user > new".split()
HERBERT_WORDS = "<s> <pad> </s> <unk> <mask> K o t</w> k Kot</w> Ko kot</w> ko ot</w>".split()
HERBERT = {
    "vocab.json": {token: index for index, token in enumerate(HERBERT_WORDS)},
    "merges.txt": "#version: 0.2\nK o\nKo t</w>\nk o\nko t</w>\n",
}
MASK = {"content": "<mask>", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False}
USER = {"content": "<user>", "lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
ALBERT, XLNET, T5 = ("albert-base-v2/spiece.model", "xlnet-base-cased/spiece.model", "t5/spiece.model")
CASED, ROBERTA = "bert-base-cased/tokenizer.json", "roberta-base/tokenizer.json"


def option_cases() -> list[dict]:
    """Folders to read: files copied from the assets (`copy`) and files written (`write`)."""
    words = {"vocab.txt": "\n".join(BERT_WORDS) + "\n"}
    added = {"11": {**USER, "special": True}, "12": {**USER, "content": "covid", "normalized": True, "special": False}}
    gpt2 = {"gpt2/encoder.json": "vocab.json", "gpt2/vocab.bpe": "merges.txt"}
    roberta = {"roberta-base/vocab.json": "vocab.json", "roberta-base/merges.txt": "merges.txt"}
    cases = [
        _case(
            "bert",
            words,
            {"additional_special_tokens": ["<user>"]},
            **{"added_tokens.json": {"<user>": 11, "covid": 12}},
        ),
        _case("bert", words, {"added_tokens_decoder": added}),
        _case("bert", words, {"added_tokens_decoder": added, "split_special_tokens": True}),
        _case("bert", HERBERT, {"tokenizer_class": "HerbertTokenizer"}),
        _case("bert", HERBERT, {"tokenizer_class": "HerbertTokenizerFast"}),
        _case("roberta", roberta, {"mask_token": {**MASK, "__type": "AddedToken"}}),
        _case("roberta", roberta, {}, **{"special_tokens_map.json": {"mask_token": MASK}}),
    ]
    options: list[tuple[str, dict, list[dict]]] = [
        (
            "bert",
            {CASED: "tokenizer.json"},
            [
                {"do_lower_case": True},
                {"do_lower_case": True, "strip_accents": False},
                {"do_lower_case": False, "strip_accents": True},
                {"do_lower_case": False, "tokenize_chinese_chars": False},
                {"do_lower_case": False, "cls_token": "[MASK]"},
                {"tokenizer_class": "BertTokenizerFast"},
                {"tokenizer_class": "ElectraTokenizer", "do_lower_case": False},
                {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True},
                {"strip_accents": True},
                {"additional_special_tokens": ["<user>"]},
            ],
        ),
        ("roberta", {ROBERTA: "tokenizer.json"}, [{"add_prefix_space": True}, {"do_lower_case": True}]),
        (
            "albert",
            {ALBERT: "spiece.model"},
            [{"keep_accents": True}, {"do_lower_case": False}, {"add_prefix_space": False}],
        ),
        (
            "albert",
            {ALBERT: "spiece.model"},
            [{"additional_special_tokens": ["<user>"]}, {"add_bos_token": True}, {"add_eos_token": False}],
        ),
        (
            "xlnet",
            {XLNET: "spiece.model"},
            [
                {"additional_special_tokens": ["<eop>", "<eod>"], "mask_token": {**MASK, "__type": "AddedToken"}},
                {"extra_special_tokens": []},
            ],
        ),
        ("t5", {T5: "spiece.model"}, [{"additional_special_tokens": ["<user>"]}]),
        ("xlnet", {XLNET: "spiece.model"}, [{"do_lower_case": True}, {"add_prefix_space": False}]),
        (
            "xlnet",
            {"xlnet-base-cased/tokenizer.json": "tokenizer.json"},
            [{"do_lower_case": True}, {"padding_side": "right"}],
        ),
        ("t5", {T5: "spiece.model"}, [{"extra_ids": 0}, {"extra_ids": 3}, {"extra_ids": 105, "legacy": False}]),
        ("t5", {T5: "spiece.model"}, [{"clean_up_tokenization_spaces": True}, {"add_prefix_space": False}]),
        ("t5", {"t5/tokenizer.json": "tokenizer.json"}, [{"extra_ids": 3}, {"extra_ids": 105}]),
        ("gpt2", gpt2, [{"add_eos_token": True}, {"add_bos_token": True, "add_eos_token": True}]),
        ("gpt2", gpt2, [{"add_prefix_space": True}, {"pad_token": "!"}]),
    ]
    return [*cases, *(_case(family, files, each) for family, files, choices in options for each in choices)]


def _case(model_type: str, files: dict, config: dict, **others) -> dict:
    copied = {name: target for name, target in files.items() if "/" in name}
    written = {name: content for name, content in files.items() if name not in copied}
    written |= {**others, "config.json": {"model_type": model_type}, "tokenizer_config.json": config}
    return {"copy": copied, "write": written}


OPTION_TEXTS = [
    "hello <user> covid world",
    "Kot kot <mask>",
    "The capital is <mask>.",
    "Hello Caf\u00e9 Gr\u00fc\u00dfe na\u00efve \u4e2d\u6587x [SEP] <eod>",
    "a , do n't . <extra_id_0> <extra_id_104>",
]


def make_options(assets: Path) -> list[dict]:
    """The cases with what Transformers makes of the texts."""
    return [{**case, **_encoded(assets, case)} for case in option_cases()]


def _encoded(assets: Path, case: dict) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        for source, target in case["copy"].items():
            shutil.copyfile(assets / source, Path(folder) / target)
        for name, content in case["write"].items():
            text = content if isinstance(content, str) else json.dumps(content)
            (Path(folder) / name).write_text(text, encoding="utf-8")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        batch = tokenizer(OPTION_TEXTS[:2], padding=True) if tokenizer.pad_token else None
        ids = [tokenizer(text)["input_ids"] for text in OPTION_TEXTS]
        return {
            "size": len(tokenizer),
            "ids": ids,
            "pair": tokenizer(*OPTION_TEXTS[:2])["input_ids"],
            "batch": None if batch is None else batch["input_ids"],
            "decoded": [tokenizer.decode(row, skip_special_tokens=True) for row in ids],
        }


def write(name: str, value) -> None:
    target = Path(__file__).with_name(name)
    target.write_text(json.dumps(value) + "\n", encoding="utf-8")
    print(f"wrote {target}")


if __name__ == "__main__":
    write("tokenizers.json", make(Path(sys.argv[1])))
    write("tokenizer_options.json", {"texts": OPTION_TEXTS, "cases": make_options(Path(sys.argv[1]))})
