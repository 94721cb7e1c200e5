# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes `tests/golden/originals/*`: small models as the authors of each family released theirs, and what they compute.

    pip install tensorflow-cpu torch transformers==4.57.6
    python tests/golden/make_original_files.py

Made with tensorflow 2.21.0, torch 2.13.0 and transformers 4.57.6, the last line that read such files: its readers and
models are the referee. The names and shapes of the tensors are those of the released checkpoints.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import torch
import transformers
from transformers.models.albert.modeling_albert import load_tf_weights_in_albert
from transformers.models.bert.modeling_bert import load_tf_weights_in_bert
from transformers.models.electra.modeling_electra import load_tf_weights_in_electra
from transformers.models.gpt2.modeling_gpt2 import load_tf_weights_in_gpt2
from transformers.models.openai.modeling_openai import load_tf_weights_in_openai_gpt
from transformers.models.xlnet.modeling_xlnet import load_tf_weights_in_xlnet

FOLDER = Path(__file__).parent / "originals"
VOCAB, LENGTH, TYPES = 37, 19, 2
Shapes = dict[str, tuple[int, ...]]


def dense(name: str, *shape: int) -> Shapes:
    return {f"{name}/kernel": shape, f"{name}/bias": shape[-1:]}


def norm(name: str, width: int) -> Shapes:
    return {f"{name}/gamma": (width,), f"{name}/beta": (width,)}


def embeddings(scope: str, width: int) -> Shapes:
    sizes = {"word_embeddings": VOCAB, "position_embeddings": LENGTH, "token_type_embeddings": TYPES}
    tables = {f"{scope}/embeddings/{name}": (rows, width) for name, rows in sizes.items()}
    return {**tables, **norm(f"{scope}/embeddings/LayerNorm", width)}


def encoder(scope: str, layers: int, width: int, mlp: int) -> Shapes:
    shapes: Shapes = {}
    for layer in (f"{scope}/encoder/layer_{number}" for number in range(layers)):
        for name in ("query", "key", "value"):
            shapes |= dense(f"{layer}/attention/self/{name}", width, width)
        shapes |= dense(f"{layer}/attention/output/dense", width, width)
        shapes |= norm(f"{layer}/attention/output/LayerNorm", width)
        shapes |= dense(f"{layer}/intermediate/dense", width, mlp)
        shapes |= dense(f"{layer}/output/dense", mlp, width) | norm(f"{layer}/output/LayerNorm", width)
    return shapes


def pretraining(width: int, embed: int) -> Shapes:
    return {
        **dense("bert/pooler/dense", width, width),
        **dense("cls/predictions/transform/dense", width, embed),
        **norm("cls/predictions/transform/LayerNorm", embed),
        "cls/predictions/output_bias": (VOCAB,),
        "cls/seq_relationship/output_weights": (2, width),
        "cls/seq_relationship/output_bias": (2,),
    }


def bert() -> Shapes:
    return embeddings("bert", 24) | encoder("bert", 2, 24, 40) | pretraining(24, 24)


def albert() -> Shapes:
    shapes = embeddings("bert", 10) | dense("bert/encoder/embedding_hidden_mapping_in", 10, 24) | pretraining(24, 10)
    for group in (f"bert/encoder/transformer/group_{number}/inner_group_0" for number in range(2)):
        for name in ("query", "key", "value"):
            shapes |= dense(f"{group}/attention_1/self/{name}", 24, 24)
        shapes |= dense(f"{group}/attention_1/output/dense", 24, 24) | norm(f"{group}/LayerNorm", 24)
        shapes |= dense(f"{group}/ffn_1/intermediate/dense", 24, 40)
        shapes |= dense(f"{group}/ffn_1/intermediate/output/dense", 40, 24) | norm(f"{group}/LayerNorm_1", 24)
    return shapes


def electra() -> Shapes:
    return {
        **embeddings("electra", 10),
        **dense("electra/embeddings_project", 10, 64),
        **encoder("electra", 1, 64, 20),
        **dense("discriminator_predictions/dense", 64, 64),
        **dense("discriminator_predictions/dense_1", 64, 1),
        **dense("generator/embeddings_project", 10, 64),
        **encoder("generator", 2, 64, 20),
        **dense("generator_predictions/dense", 64, 10),
        **norm("generator_predictions/LayerNorm", 10),
        "generator_predictions/output_bias": (VOCAB,),
    }


def xlnet() -> Shapes:
    scope = "model/transformer"
    shapes: Shapes = {
        f"{scope}/word_embedding/lookup_table": (VOCAB, 24),
        f"{scope}/mask_emb/mask_emb": (1, 1, 24),
        f"{scope}/seg_embed": (2, 2, 3, 8),
        "model/lm_loss/bias": (VOCAB,),
        **{f"{scope}/{name}": (2, 3, 8) for name in ("r_w_bias", "r_r_bias", "r_s_bias")},
    }
    for layer in (f"{scope}/layer_{number}" for number in range(2)):
        shapes |= {f"{layer}/rel_attn/{name}/kernel": (24, 3, 8) for name in ("q", "k", "v", "r", "o")}
        shapes |= norm(f"{layer}/rel_attn/LayerNorm", 24) | norm(f"{layer}/ff/LayerNorm", 24)
        shapes |= dense(f"{layer}/ff/layer_1", 24, 40) | dense(f"{layer}/ff/layer_2", 40, 24)
    return shapes


def gpt_layers(layers: int, width: int) -> Shapes:
    """In the order of GPT's vector."""
    shapes: Shapes = {}
    for layer in (f"model/h{number}" for number in range(layers)):
        for name, wide in (("attn/c_attn", 3 * width), ("attn/c_proj", width)):
            shapes |= {f"{layer}/{name}/w": (1, width, wide), f"{layer}/{name}/b": (wide,)}
        shapes |= {f"{layer}/ln_1/g": (width,), f"{layer}/ln_1/b": (width,)}
        for name, narrow, wide in (("mlp/c_fc", width, 4 * width), ("mlp/c_proj", 4 * width, width)):
            shapes |= {f"{layer}/{name}/w": (1, narrow, wide), f"{layer}/{name}/b": (wide,)}
        shapes |= {f"{layer}/ln_2/g": (width,), f"{layer}/ln_2/b": (width,)}
    return shapes


def gpt2() -> Shapes:
    ends = {"model/wte": (VOCAB, 24), "model/wpe": (LENGTH, 24), "model/ln_f/g": (24,), "model/ln_f/b": (24,)}
    return ends | gpt_layers(2, 24)


def draw(shapes: Shapes, seed: int) -> dict[str, np.ndarray]:
    """Of a size that keeps the numbers of all layers apart; scales lie about 1."""
    rng = np.random.default_rng(seed)
    return {
        name: (0.3 * rng.standard_normal(shape) + name.endswith(("gamma", "/g"))).astype(np.float32)
        for name, shape in shapes.items()
    }


def of_training(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What an optimizer leaves beside the variables."""
    first = min(arrays)
    return {f"{first}/adam_m": arrays[first] * 0, f"{first}/adam_v": arrays[first] * 0, "global_step": np.int64(7)}


def save_tensorflow(arrays: dict[str, np.ndarray], prefix: Path) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, array in arrays.items():
            tf.compat.v1.get_variable(name, initializer=array)
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver()
        saver.save(session, str(prefix), write_meta_graph=False, write_state=False)


def save_npy(arrays: dict[str, np.ndarray], folder: Path) -> None:
    """In ten files, and the names for the reader of Transformers."""
    shapes = [list(array.shape) for array in arrays.values()]
    vector = np.concatenate([array.ravel() for array in arrays.values()])
    for number, part in enumerate(np.array_split(vector, 10)):
        np.save(folder / f"params_{number}.npy", part)
    (folder / "params_shapes.json").write_text(json.dumps(shapes))


@contextlib.contextmanager
def names_file(arrays: dict[str, np.ndarray], folder: Path) -> Iterator[None]:
    """The names that Transformers' reader wants, and that were never released."""
    path = folder / "parameters_names.json"
    path.write_text(json.dumps([f"{name}:0" for name in list(arrays)[1:]]))
    yield
    path.unlink()


def record(name: str, model: torch.nn.Module, read, *, into: torch.nn.Module | None = None, **arguments) -> None:
    """What Transformers computes with the weights that it read, into the model or a part of it."""
    rng = np.random.default_rng(1)
    tokens = rng.integers(3, VOCAB, (2, 11))
    types = rng.integers(0, TYPES, (2, 11)) if "gpt" not in name else None
    with contextlib.redirect_stdout(None):
        read(into or model, model.config, **arguments)
    inputs = {"input_ids": torch.tensor(tokens)} | ({} if types is None else {"token_type_ids": torch.tensor(types)})
    with torch.no_grad():
        out = model.eval()(**inputs)
    found = {"tokens": tokens} | ({} if types is None else {"token_types": types})
    ours = {"prediction_logits": "logits", "seq_relationship_logits": "pair_logits", "sop_logits": "pair_logits"}
    found |= {ours.get(key, key): out[key].numpy() for key in (*ours, "logits") if key in out}
    np.savez(FOLDER / f"{name}.npz", **found)


def main() -> None:
    torch.manual_seed(0)
    sizes = dict(vocab_size=VOCAB, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40)
    sizes |= dict(max_position_embeddings=LENGTH, type_vocab_size=TYPES)
    more = dict(hidden_act="gelu", initializer_range=0.02, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
    folders = {name: FOLDER / name for name in ("bert", "albert", "electra", "xlnet", "gpt2", "gpt")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, file: str, config: dict) -> None:
        (folders[name] / file).write_text(json.dumps(config, indent=2) + "\n")

    prefix = folders["bert"] / "bert_model.ckpt"
    arrays = draw(bert(), 1)
    save_tensorflow(arrays | of_training(arrays), prefix)
    write("bert", "bert_config.json", sizes | more)
    model = transformers.BertForPreTraining(transformers.BertConfig(**sizes))
    record("bert", model, load_tf_weights_in_bert, tf_checkpoint_path=str(prefix))

    prefix = folders["albert"] / "model.ckpt-best"
    arrays = draw(albert(), 2)
    save_tensorflow(arrays | of_training(arrays), prefix)
    groups = dict(embedding_size=10, num_hidden_layers=3, num_hidden_groups=2, inner_group_num=1, hidden_act="gelu")
    own = dict(net_structure_type=0, gap_size=0, num_memory_blocks=0, down_scale_factor=1)  # what nothing reads
    write("albert", "albert_config.json", sizes | more | groups | own)
    model = transformers.AlbertForPreTraining(transformers.AlbertConfig(**(sizes | groups)))
    record("albert", model, load_tf_weights_in_albert, tf_checkpoint_path=str(prefix))

    prefix = folders["electra"] / "electra"
    arrays = draw(electra(), 3)
    save_tensorflow(arrays | of_training(arrays), prefix)
    networks = (
        ("discriminator", transformers.ElectraForPreTraining, dict(hidden_size=64, num_hidden_layers=1)),
        ("generator", transformers.ElectraForMaskedLM, dict(hidden_size=64, num_hidden_layers=2)),
    )
    for kind, network, changes in networks:
        fields = sizes | changes | dict(embedding_size=10, intermediate_size=20)
        config = transformers.ElectraConfig(**(fields | dict(num_attention_heads=changes["hidden_size"] // 64)))
        arguments = dict(tf_checkpoint_path=str(prefix), discriminator_or_generator=kind)
        record(f"electra_{kind}", network(config), load_tf_weights_in_electra, **arguments)

    prefix = folders["xlnet"] / "xlnet_model.ckpt"
    arrays = draw(xlnet(), 4)
    save_tensorflow(arrays | of_training(arrays), prefix)
    own = dict(d_head=8, d_inner=40, d_model=24, ff_activation="gelu", n_head=3, n_layer=2, untie_r=True)
    write("xlnet", "xlnet_config.json", own | dict(n_token=VOCAB))
    model = transformers.XLNetLMHeadModel(transformers.XLNetConfig(vocab_size=VOCAB, **own))
    record("xlnet", model, load_tf_weights_in_xlnet, tf_path=str(prefix))

    prefix = folders["gpt2"] / "model.ckpt"
    save_tensorflow(draw(gpt2(), 5), prefix)
    own = dict(n_embd=24, n_head=3, n_layer=2)
    write("gpt2", "hparams.json", own | dict(n_vocab=VOCAB, n_ctx=LENGTH))
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=VOCAB, n_positions=LENGTH, **own))
    record("gpt2", model, load_tf_weights_in_gpt2, into=model.transformer, gpt2_checkpoint_path=str(prefix))

    arrays = draw({"model/wpe": (LENGTH, 64), "model/we": (VOCAB, 64)} | gpt_layers(1, 64), 6)
    save_npy(arrays, folders["gpt"])
    config = transformers.OpenAIGPTConfig(vocab_size=VOCAB, n_positions=LENGTH, n_embd=64, n_head=1, n_layer=1)
    model = transformers.OpenAIGPTLMHeadModel(config)
    with names_file(arrays, folders["gpt"]):
        path = str(folders["gpt"])
        record("gpt", model, load_tf_weights_in_openai_gpt, into=model.transformer, openai_checkpoint_folder_path=path)


if __name__ == "__main__":
    main()
