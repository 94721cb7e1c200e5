# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes `tests/golden/sentences/*`: small folders of sentence-transformers with random weights, and their vectors.

    pip install torch transformers numpy safetensors
    python tests/golden/make_sentence_folders.py

Made with torch 2.14.1 and transformers 5.24.0. The hidden states are those of Transformers; pooling, dense layers and
norm are written out in NumPy below, by the formulas of sentence-transformers 5. Where that library is installed the
script also compares its own vectors with these. `expected.npz` holds the vectors of TEXTS, without and with a prompt.
"""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import BertConfig, BertModel, BertTokenizer, DistilBertConfig, DistilBertModel

FOLDER = Path(__file__).parent / "sentences"
TEXTS = [
    "the cat sat on the mat",
    "a dog",
    "The Cat sat on a mat , the dog sat on the cat , a cat sat on the dog and the mat",
    "mat",
    "",
    "unknown words , the dog",
]
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the a cat dog mat sat on and , query : ##s".split()
SIZES = dict(vocab_size=len(WORDS), num_hidden_layers=2, max_position_embeddings=23)


def main() -> None:
    torch.manual_seed(0)
    shutil.rmtree(FOLDER, ignore_errors=True)
    expected = {}
    for name, make in {"mean": mean, "cls": cls, "mixed": mixed, "weighted": weighted, "last": last}.items():
        expected |= make(FOLDER / name)
    np.savez(FOLDER / "expected.npz", **expected)


def mean(folder: Path) -> dict[str, np.ndarray]:
    """As all-MiniLM-L6-v2: mean, normalised, cut to 11 tokens."""
    model = bert(folder, width=15, heads=3)
    modules(folder, ["mean_tokens"], 15, normalize=True, max_length=11)
    return vectors(folder, model, ["mean"], max_length=11, normalize=True)


def cls(folder: Path) -> dict[str, np.ndarray]:
    """The Transformer in a folder of its own, as early releases have it; no norm."""
    model = bert(folder / "0_Transformer", width=21, heads=7)
    modules(folder, ["cls_token"], 21, place="0_Transformer", max_length=23)
    return vectors(folder, model, ["cls"], max_length=23)


def mixed(folder: Path) -> dict[str, np.ndarray]:
    """Three poolings in one, a dense layer with tanh, a norm; DistilBERT."""
    config = DistilBertConfig(**SIZES, dim=18, n_layers=2, n_heads=3, hidden_dim=29)
    model = save(DistilBertModel(config), folder)
    rng = np.random.default_rng(1)
    dense = {"linear.weight": rng.normal(size=(13, 54)), "linear.bias": rng.normal(size=13)}
    dense = {name: array.astype(np.float32) for name, array in dense.items()}
    names = ["mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]  # the order in the vector is max, mean, sqrt
    modules(folder, names, 18, normalize=True, max_length=None, dense=dense)
    return vectors(folder, model, ["max", "mean", "mean_sqrt_len"], max_length=23, dense=dense, normalize=True)


def weighted(folder: Path) -> dict[str, np.ndarray]:
    """The weighted mean; a prompt that is not pooled."""
    model = bert(folder, width=15, heads=3)
    modules(folder, ["weightedmean_tokens"], 15, max_length=17, include_prompt=False, prompts={"query": "query : "})
    return vectors(folder, model, ["weightedmean"], max_length=17, prompt="query : ", include_prompt=False)


def last(folder: Path) -> dict[str, np.ndarray]:
    """The last token; a prompt by default, which is pooled like the text."""
    model = bert(folder, width=12, heads=2)
    prompts = {"query": "query : ", "none": ""}
    modules(folder, ["lasttoken"], 12, normalize=True, max_length=19, prompts=prompts, default="query")
    return vectors(folder, model, ["lasttoken"], max_length=19, normalize=True, prompt="query : ")


def bert(folder: Path, width: int, heads: int):
    config = BertConfig(**SIZES, hidden_size=width, num_attention_heads=heads, intermediate_size=2 * width + 1)
    return save(BertModel(config), folder)


def save(model, folder: Path):
    """The model with larger values than its initializer's, and its vocabulary."""
    with torch.no_grad():
        for param in model.parameters():
            param.add_(0.3 * torch.randn_like(param))
    model.eval().save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    write(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    return model


def modules(
    folder, names, width, *, place="", normalize=False, max_length, dense=None, prompts=None, default=None, **more
):
    """The files of sentence-transformers beside a model."""
    kinds = [(place, "Transformer"), ("1_Pooling", "Pooling")]
    kinds += [] if dense is None else [("2_Dense", "Dense")]
    kinds += [(f"{len(kinds)}_Normalize", "Normalize")] if normalize else []
    types = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds)
    ]
    write(folder / "modules.json", types)
    known = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
    flags = {f"pooling_mode_{name}": name in names for name in known}
    write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": width, **flags, **more})
    write(folder / place / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})
    write(folder / "config_sentence_transformers.json", {"prompts": prompts or {}, "default_prompt_name": default})
    if dense is not None:
        sizes = {"in_features": dense["linear.weight"].shape[1], "out_features": dense["linear.weight"].shape[0]}
        tanh = "torch.nn.modules.activation.Tanh"
        write(folder / "2_Dense" / "config.json", {**sizes, "bias": True, "activation_function": tanh})
        save_file(dense, folder / "2_Dense" / "model.safetensors")


def vectors(folder: Path, model, modes, *, max_length, dense=None, normalize=False, prompt="", include_prompt=True):
    """The texts one by one, so that no padding is at hand: without the prompt, and with it where there is one."""
    tokenizer = BertTokenizer(str(next(folder.rglob("vocab.txt"))), do_lower_case=True)
    found = {}
    for key, start in {"plain": "", "prompt": prompt}.items():
        if start or key == "plain":
            skip = 0 if include_prompt or not start else len(tokenizer(start)["input_ids"]) - 1
            rows = [one(model, tokenizer, start + text, modes, max_length, dense, normalize, skip) for text in TEXTS]
            found[f"{folder.name}/{key}"] = np.stack(rows).astype(np.float32)
    compare(folder, found, prompt)
    return found


def one(model, tokenizer, text, modes, max_length, dense, normalize, skip) -> np.ndarray:
    ids = tokenizer(text, truncation=True, max_length=max_length)["input_ids"]
    with torch.no_grad():
        hidden = model(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.long))[0][0].double().numpy()
    kept, places = hidden[skip:], np.arange(skip + 1, len(ids) + 1)[:, None]
    pooled = {
        "cls": hidden[0],
        "max": kept.max(0),
        "mean": kept.mean(0),
        "mean_sqrt_len": kept.sum(0) / np.sqrt(len(kept)),
        "weightedmean": (kept * places).sum(0) / places.sum(),
        "lasttoken": kept[-1],
    }
    vector = np.concatenate([pooled[mode] for mode in modes])
    if dense is not None:
        vector = np.tanh(dense["linear.weight"] @ vector + dense["linear.bias"])
    return vector / np.linalg.norm(vector) if normalize else vector


def compare(folder: Path, found, prompt: str) -> None:
    """Prints how far sentence-transformers itself is away, if it is there."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        return
    theirs = SentenceTransformer(str(folder), device="cpu")
    for key, start in {"plain": "", "prompt": prompt}.items():
        if f"{folder.name}/{key}" in found:
            worst = np.abs(theirs.encode(TEXTS, prompt=start) - found[f"{folder.name}/{key}"]).max()
            print(f"{folder.name} {key}: {worst:.1e} from sentence-transformers")


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
