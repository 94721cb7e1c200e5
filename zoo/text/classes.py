# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Tokenizer classes of Transformers: which algorithm a declared `tokenizer_class` means, and its defaults."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from zoo.errors import FormatError

BERT = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
ROBERTA = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
ALBERT = {**BERT, "bos": "[CLS]", "eos": "[SEP]", "pad": "<pad>", "unk": "<unk>"}
XLNET = {"cls": "<cls>", "sep": "<sep>", "bos": "<s>", "eos": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
GPT2 = {"bos": "<|endoftext|>", "eos": "<|endoftext|>", "unk": "<|endoftext|>"}
T5 = {"eos": "</s>", "pad": "<pad>", "unk": "<unk>"}
HERBERT = {"cls": "<s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
OPENAI = {"unk": "<unk>"}
# The spellings to expect in a folder that declares neither class nor special tokens; the first that is complete.
SPELLINGS = (BERT, ALBERT, XLNET, ROBERTA, GPT2, T5, OPENAI)

Algorithm = Literal[
    "wordpiece", "roberta", "gpt2", "openai", "herbert", "albert", "xlnet", "t5", "xlm-roberta", "camembert", "marian"
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizerClass:
    """One tokenizer class of Transformers.

    Attributes:
      algorithm: what splits a text and which special tokens stand around it.
      special: role to token, unless declared otherwise.
      options: the options of tokenizer_config.json that change its ids.
      template: the roles whose tokens stand around a text.
      additional: tokens that are special although they have no role.
      mask_lstrip: whether the mask token absorbs the space before it, unless declared otherwise.
    """

    algorithm: Algorithm
    special: Mapping[str, str]
    options: frozenset[str] = frozenset()
    template: frozenset[str] = frozenset()
    additional: tuple[str, ...] = ()
    mask_lstrip: bool = False
    padding_side: Literal["left", "right"] = "right"
    has_token_types: bool = False


_CLS_SEP, _BOS_EOS = frozenset({"cls", "sep"}), frozenset({"bos", "eos"})
_PREFIX = frozenset({"add_prefix_space"})
_ENDS = frozenset({"add_bos_token", "add_eos_token"})

CLASSES: dict[Algorithm, TokenizerClass] = {
    "wordpiece": TokenizerClass(
        algorithm="wordpiece",
        special=BERT,
        options=frozenset({"do_lower_case", "strip_accents", "tokenize_chinese_chars"}),
        template=_CLS_SEP,
        has_token_types=True,
    ),
    "roberta": TokenizerClass(
        algorithm="roberta", special=ROBERTA, options=_PREFIX | frozenset({"trim_offsets"}), template=_CLS_SEP
    ),
    "gpt2": TokenizerClass(algorithm="gpt2", special=GPT2, options=_PREFIX | _ENDS),
    "openai": TokenizerClass(algorithm="openai", special=OPENAI),
    "herbert": TokenizerClass(algorithm="herbert", special=HERBERT, template=_CLS_SEP),
    "albert": TokenizerClass(
        algorithm="albert",
        special=ALBERT,
        options=_PREFIX | _ENDS | frozenset({"do_lower_case", "keep_accents"}),
        template=_CLS_SEP,
        has_token_types=True,
    ),
    "xlnet": TokenizerClass(
        algorithm="xlnet",
        special=XLNET,
        options=frozenset({"do_lower_case"}),
        template=_CLS_SEP,
        additional=("<eop>", "<eod>"),
        mask_lstrip=True,
        padding_side="left",
        has_token_types=True,
    ),
    "t5": TokenizerClass(algorithm="t5", special=T5, options=frozenset({"extra_ids"}), template=frozenset({"eos"})),
    "xlm-roberta": TokenizerClass(algorithm="xlm-roberta", special=ROBERTA, options=_PREFIX, template=_BOS_EOS),
    "camembert": TokenizerClass(
        algorithm="camembert",
        special=ROBERTA,
        options=_PREFIX,
        template=_BOS_EOS,
        additional=("<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"),
        mask_lstrip=True,
    ),
    "marian": TokenizerClass(algorithm="marian", special=T5),
}

# Without the suffix: Transformers gives `BertTokenizer` and `BertTokenizerFast` the same tokenizer.
_BY_NAME: dict[str, Algorithm] = {
    **dict.fromkeys(
        ("Bert", "DistilBert", "Electra", "ConvBert", "MobileBert", "SqueezeBert", "LayoutLM"), "wordpiece"
    ),
    **dict.fromkeys(("Lxmert", "DPRQuestionEncoder", "DPRContextEncoder", "DPRReader", "RetriBert"), "wordpiece"),
    **dict.fromkeys(("Roberta", "Longformer", "Bart", "LED"), "roberta"),
    "GPT2": "gpt2",
    "OpenAIGPT": "openai",
    "Herbert": "herbert",
    "Albert": "albert",
    "XLNet": "xlnet",
    "T5": "t5",
    "XLMRoberta": "xlm-roberta",
    "Camembert": "camembert",
    "Marian": "marian",
}
BY_MODEL_TYPE: dict[str, Algorithm] = {
    **dict.fromkeys(("bert", "distilbert", "electra", "convbert", "mobilebert"), "wordpiece"),
    **dict.fromkeys(("roberta", "longformer", "bart", "roberta-prelayernorm"), "roberta"),
    **dict.fromkeys(("gpt2", "gpt_neo", "gptj"), "gpt2"),
    "openai-gpt": "openai",
    "albert": "albert",
    "xlnet": "xlnet",
    **dict.fromkeys(("t5", "mt5", "switch_transformers"), "t5"),
    "xlm-roberta": "xlm-roberta",
    "camembert": "camembert",
    "marian": "marian",
}
# The models of these types have no second token type.
SINGLE_TYPE_MODELS = {
    "distilbert",
    "roberta",
    "gpt2",
    "gpt_neo",
    "openai-gpt",
    "t5",
    "mt5",
    "marian",
    "xlm-roberta",
} | {
    "camembert",
    "bart",
    "longformer",
}
GENERIC = ("PreTrainedTokenizerFast", "PreTrainedTokenizer", "TokenizersBackend")  # tokenizer.json alone decides
# Of these a tokenizer.json is complete, but their vocabulary files are not read.
_ONLY_JSON = frozenset(
    "MPNet Deberta DebertaV2 GPTNeoX CodeGen Llama BigBird Funnel MBart MBart50 RemBert Nllb Pegasus Splinter "
    "Blenderbot CLIP Whisper Gemma Qwen2 Cohere Bloom FNet Reformer RoFormer ModernBert".split()
)


def find_class(name: str | None, where: Path, *, has_json: bool) -> TokenizerClass | None:
    """The class of a declared name; None where nothing is declared, or where tokenizer.json alone decides.

    Raises:
      FormatError: the class is unknown, or not supported.
    """
    if name is None or (has_json and name in GENERIC):
        return None
    stem = name.removesuffix("Fast").removesuffix("Tokenizer")
    if stem in _BY_NAME:
        return CLASSES[_BY_NAME[stem]]
    if has_json and stem in _ONLY_JSON:
        return None
    known = ", ".join(f"{stem}Tokenizer" for stem in sorted(_BY_NAME))
    if name in GENERIC or stem in _ONLY_JSON:
        raise FormatError(
            f"{where} declares tokenizer_class {name!r}, which needs a tokenizer.json; add it to the folder."
        )
    raise FormatError(
        f"{where} declares tokenizer_class {name!r}, which is not supported; expected one of {known}. Use a tokenizer "
        "of these, or save this one as a tokenizer.json with tokenizer_class 'PreTrainedTokenizerFast'."
    )


def class_of_model(model_type: str | None) -> TokenizerClass | None:
    """The class that Transformers gives a model type whose folder declares none."""
    algorithm = BY_MODEL_TYPE.get(model_type) if model_type else None
    return CLASSES[algorithm] if algorithm else None
