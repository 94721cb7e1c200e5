# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Folders as people publish them: no family, labels that disagree, extra heads, adapters, working directories."""

import json
import logging
import re

import jax
import numpy as np
import optax
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

import zoo
from tests.hub.folders import assert_same, edit, edit_config, make
from zoo.errors import ConfigError, FormatError
from zoo.hub.convert import FORMS, convert
from zoo.models import registry
from zoo.nn.config import AttentionConfig


def test_the_family_by_class_by_tensors_or_by_argument(bert, caplog):
    model = zoo.load(bert)
    edit_config(bert, model_type=...)
    assert_same(zoo.load(bert), model)
    edit_config(bert, architectures=...)
    with caplog.at_level(logging.INFO):
        assert zoo.load(bert).config.family == "bert"
    assert "the tensors' names are those of bert" in caplog.text
    edit(bert, lambda t: {name.removeprefix("bert."): x for name, x in t.items() if name.startswith("bert.")})
    with pytest.raises(ConfigError, match=r"fit bert and roberta and electra.*family='bert'"):
        zoo.load(bert)
    assert zoo.load(bert, family="bert").config.family == "bert"
    assert zoo.config(bert, family="bert").width == 16
    with pytest.raises(ConfigError, match="No family 'bort'; choose one of bert"):
        zoo.load(bert, family="bort")
    edit_config(bert, model_type="bert")
    with pytest.raises(ConfigError, match="names the family bert; found family='gpt2'"):
        zoo.load(bert, family="gpt2")


@pytest.mark.parametrize(
    "family", ["albert", "electra", "distilbert", "roberta", "xlnet", "t5", "gpt", "gpt2", "gpt-neo"]
)
def test_tensors_tell_every_family(family, tmp_path):
    model = make(
        family, {"t5": "seq2seq_lm", "xlnet": "permutation_lm"}.get(family, "token_classification"), mlp_width=64
    )
    zoo.save(model, tmp_path)
    edit_config(tmp_path, model_type=..., architectures=...)
    assert zoo.config(tmp_path).family == family


def test_the_authors_config_next_to_converted_weights(bert):
    model = zoo.load(bert, head=None)
    (bert / "config.json").rename(bert / "bert_config.json")
    hub = json.loads((bert / "bert_config.json").read_text())
    kept = {key: value for key, value in hub.items() if key not in ("model_type", "architectures")}
    (bert / "bert_config.json").write_text(json.dumps(kept))
    assert_same(zoo.load(bert), model)


def test_an_adapter_and_a_working_directory_are_named(bert, tmp_path):
    adapter, run = tmp_path / "adapter", tmp_path / "run"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "gpt2", "peft_type": "LORA"}')
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"holds an adapter \(PEFT\) of 'gpt2'"):
        zoo.load(adapter)
    zoo.save(zoo.load(bert), run / "model")
    for content in (None, '{"task": "mlm"}'):
        if content is not None:
            (run / "config.json").write_text(content)
        with pytest.raises(ConfigError, match=re.escape(f"did you mean {run / 'model'}?")):
            zoo.load(run)


def test_a_run_without_a_model_yet_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"digest": "00", "config": {"seed": 0}}')
    with pytest.raises(ConfigError, match="is the workdir of a run that has not ended"):
        zoo.load(tmp_path)


def test_a_folder_is_no_registry_name(bert):
    with pytest.raises(ConfigError, match=f"'{bert}' is a path, not a name.*init_from"):
        registry.config(str(bert))


@pytest.mark.parametrize("source", ["./nothing", "nothing/", "../no/thing", "https://huggingface.co/owner/name"])
def test_a_path_is_not_looked_for_on_the_hub(source):
    with pytest.raises(ConfigError, match=f"{source} does not exist. Pass a folder"):
        zoo.load(source)


def labelled(folder, count: int, **changes):
    model = make("bert", "sequence_classification", num_labels=count)
    zoo.save(model, folder)
    edit_config(folder, **changes)
    return model


@pytest.mark.parametrize(("stored", "declared"), [(5, 5), (2, 5)])
def test_the_classifier_decides_between_two_numbers_of_labels(stored, declared, tmp_path, caplog):
    model = labelled(tmp_path, stored, num_labels=declared, id2label={"0": "no", "1": "yes"}, label2id=...)
    assert_same(zoo.load(tmp_path), model)
    assert caplog.text.count(f"'id2label' has 2 entries; the model has {stored}") == 1
    assert zoo.load(tmp_path).config.label_names == (("no", "yes") if stored == 2 else ())


@pytest.mark.parametrize("table", [{"0": "a", "2": "b"}, {"0": ["a"]}, [1], "abc", {"x": "a"}, {}])
def test_labels_that_no_head_reads_are_no_reason_to_refuse(table, bert, caplog):
    edit_config(bert, id2label=table)
    zoo.load(bert)
    assert "The head has no labels" in caplog.text


def test_numbers_as_names_of_labels(tmp_path):
    labelled(tmp_path, 2, id2label={"0": 0, "1": 1})
    assert zoo.load(tmp_path).config.label_names == ("0", "1")


def test_a_head_of_other_labels_is_initialised_at_random_if_requested(tmp_path, caplog, unchecked_types):
    model = labelled(tmp_path, 3)
    with pytest.raises(FormatError, match=r"expected \[5, 16\], found \[3, 16\](.|\n)*of 5 labels.*head_init='random'"):
        zoo.load(tmp_path, num_labels=5)
    new = zoo.load(tmp_path, num_labels=5, head_init="random")
    assert new.head.classifier.kernel.shape == (16, 5)
    np.testing.assert_array_equal(new.pooler.kernel[...], model.pooler.kernel[...])
    assert "is initialised at random; new parameters: head.classifier.kernel, head.classifier.bias" in caplog.text
    same = zoo.load(tmp_path, head_init="random")
    assert np.abs(same.head.classifier.kernel[...] - model.head.classifier.kernel[...]).max() > 0.1
    with pytest.raises(ConfigError, match="head_init must be 'checkpoint' or 'required' or 'random'; found 'new'"):
        zoo.load(tmp_path, head_init="new")


def test_a_pooler_that_the_checkpoint_lacks_is_initialised_with_the_new_head(tmp_path):
    """As of a masked language model, from which a classifier of three labels is fine-tuned."""
    sizes = dict(vocab_size=30, width=16, num_layers=1, num_heads=2, mlp_width=32)
    zoo.save(zoo.create(zoo.config("bert-base-uncased", **sizes), head="masked_lm"), tmp_path)
    model = zoo.load(tmp_path, head="sequence_classification", num_labels=3, head_init="random")
    assert model.head.classifier.kernel.shape == (16, 3) and model.pooler.kernel[...].std() > 0


@pytest.mark.parametrize(
    ("family", "head", "changes", "missing"),
    [
        ("gpt2", "causal_lm", {"tie_embeddings": False}, r"lm_head\.weight \[24, 16\]"),
        ("bert", "causal_lm", {"attention": AttentionConfig(causal=True)}, r"cls\.predictions\.transform"),
        (
            "t5",
            "seq2seq_lm",
            {"tie_embeddings": False, "logits_scale": "none", "decoder_layers": 2},
            r"lm_head\.weight",
        ),
    ],
)
def test_a_language_model_head_that_is_required_is_not_drawn(family, head, changes, missing, tmp_path, caplog):
    zoo.save(make(family, "sequence_classification", **changes), tmp_path)
    with pytest.raises(ConfigError, match=rf"has no {head} head: it lacks .*{missing}.*train them first"):
        zoo.load(tmp_path, head=head, head_init="required")
    assert "new random parameters" not in caplog.text
    zoo.load(tmp_path, head=head)
    assert f"has no {head} head; new random parameters" in caplog.text


@pytest.mark.parametrize(("family", "head"), [("gpt2", "causal_lm"), ("t5", "seq2seq_lm")])
def test_a_tied_language_model_head_is_part_of_any_checkpoint(family, head, tmp_path, caplog):
    """As in Transformers, whose `AutoModelForCausalLM` reads a classifier's folder then."""
    decoder = {"decoder_layers": 2} if family == "t5" else {}
    model = make(family, "sequence_classification", eos_id=1, **decoder)
    zoo.save(model, tmp_path)
    lm = zoo.load(tmp_path, head=head, head_init="required")
    np.testing.assert_array_equal(lm.embed.token.embedding[...], model.embed.token.embedding[...])
    assert zoo.generate(lm, [[5, 1]], max_new_tokens=2).tokens and "random" not in caplog.text


def test_extra_tensors_are_left_out_if_requested(bert, caplog):
    model = zoo.load(bert)
    edit(bert, lambda t: t | {"cls.chain.weight": np.zeros((3, 16), np.float32)})
    with pytest.raises(FormatError, match=r"cls\.chain\.weight \[3, 16\](.|\n)*unexpected='ignore'.*family=, head="):
        zoo.load(bert)
    assert_same(zoo.load(bert, unexpected="ignore"), model)
    assert "left out, because of unexpected='ignore': cls.chain.weight [3, 16]" in caplog.text
    edit(bert, lambda t: {name: x for name, x in t.items() if name != "bert.pooler.dense.bias"})
    with pytest.raises(FormatError, match=r"missing: bert\.pooler\.dense\.bias"):
        zoo.load(bert, unexpected="ignore")


def test_several_end_tokens(tmp_path):
    zoo.save(make("gpt2", "causal_lm"), tmp_path)
    edit_config(tmp_path, eos_token_id=[7, 3])
    assert zoo.load(tmp_path).config.eos_id == 7
    edit_config(tmp_path, eos_token_id=[7, "x"])
    with pytest.raises(ConfigError, match="'eos_token_id' must be an int or a list of them"):
        zoo.load(tmp_path)


@pytest.mark.parametrize(
    ("family", "changes", "key"),
    [
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ("distilbert", {"pruned_heads": {"0": [1]}}, "pruned_heads"),
        ("xlnet", {"add_cross_attention": True}, "add_cross_attention"),
        ("gpt", {"cross_attention_hidden_size": 16}, "cross_attention_hidden_size"),
        ("t5", {"tie_encoder_decoder": True}, "tie_encoder_decoder"),
        ("marian", {"encoder_layerdrop": 0.1}, "encoder_layerdrop"),
        ("marian", {"decoder_vocab_size": 25}, "decoder_vocab_size"),
    ],
)
def test_options_that_are_not_supported_are_refused_by_name(family, changes, key, tmp_path):
    zoo.save(make(family, mlp_width=64), tmp_path)
    edit_config(tmp_path, **changes)
    with pytest.raises(ConfigError, match=f"'{key}'"):
        zoo.config(tmp_path)


def test_gpt_neos_list_of_layers_wins(tmp_path):
    zoo.save(make("gpt-neo"), tmp_path)
    assert "attention_layers" not in json.loads((tmp_path / "config.json").read_text())
    edit_config(tmp_path, attention_layers=["local", "local"])
    assert zoo.config(tmp_path).attention.window == (256,)


def test_untied_biases_come_back_to_the_byte(tmp_path):
    zoo.save(make("bert", "masked_lm", tie_embeddings=False), tmp_path)
    edit(tmp_path, lambda t: t | {"cls.predictions.bias": t["cls.predictions.bias"] + 1})
    save_file(before := load_file(tmp_path / "model.safetensors"), tmp_path / "model.safetensors", {"format": "pt"})
    zoo.save(zoo.load(tmp_path), tmp_path / "again")
    after = load_file(tmp_path / "again" / "model.safetensors")
    assert {k: v.tobytes() for k, v in after.items()} == {k: v.tobytes() for k, v in before.items()}
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_a_loaded_model_is_compiled_once(bert):
    """Arrays committed to a device would make a training step compile again for its own outputs."""
    params = nnx.state(zoo.load(bert, head="token_classification"))
    assert not any(leaf._committed for leaf in jax.tree.leaves(params))
    optimizer, traced = optax.sgd(1e-3, momentum=0.9), []

    @jax.jit
    def step(params, state):
        traced.append(1)
        grads = jax.grad(_sum)(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for _ in range(3):
        params, state = step(params, state)
    assert step._cache_size() == 1 and len(traced) == 1


def _sum(params):
    return sum(leaf.sum() for leaf in jax.tree.leaves(params))


@pytest.fixture
def declaring(tmp_path):
    """A folder whose files say more than a config of ours holds."""
    source = tmp_path / "source"
    zoo.save(make("gpt2", "sequence_classification"), source)
    keys = {"problem_type": "multi_label_classification", "task_specific_params": {"a": 1}, "num_beams": 4}
    edit_config(source, eos_token_id=[7, 3], **keys)
    (source / "generation_config.json").write_text('{"eos_token_id": [7, 3], "top_k": 4}')
    return source, keys | {"eos_token_id": [7, 3]}


def declared(folder) -> tuple[dict, str]:
    return json.loads((folder / "config.json").read_text()), (folder / "generation_config.json").read_text()


def test_what_a_loaded_model_declares_is_saved_again(declaring, tmp_path):
    source, keys = declaring
    before = declared(source)
    model = zoo.load(source)
    zoo.save(model, tmp_path / "new")
    zoo.save(zoo.load(tmp_path / "new"), tmp_path / "again")
    for folder in (tmp_path / "new", tmp_path / "again"):
        assert declared(folder) == before and keys.items() <= before[0].items()
    zoo.save(zoo.load(source, num_labels=3, head_init="random"), tmp_path / "other")
    other, _ = declared(tmp_path / "other")
    assert "problem_type" not in other and other["eos_token_id"] == [7, 3] and len(other["id2label"]) == 3


@pytest.mark.parametrize("form", FORMS)
def test_every_form_carries_what_the_source_declares(form, declaring, tmp_path, caplog):
    source, _ = declaring
    (source / "README.md").write_text("# card")
    with caplog.at_level(logging.INFO):
        convert(source, tmp_path / "there", form=form)
    assert "left out README.md" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        convert(tmp_path / "there", tmp_path / "back")
    assert "left out" not in caplog.text
    assert declared(tmp_path / "there") == declared(tmp_path / "back") == declared(source)
    assert zoo.load(tmp_path / "there").generation_config == zoo.load(source).generation_config


def test_orbax_names_the_tensors_that_it_leaves_out(tmp_path, caplog):
    zoo.save(make("bert", "masked_lm", tie_embeddings=False), tmp_path / "source")
    edit(tmp_path / "source", lambda t: t | {"cls.predictions.bias": np.arange(24, dtype=np.float32)})
    with caplog.at_level(logging.INFO):
        convert(tmp_path / "source", tmp_path / "new", form="orbax")
    assert "left out the tensor cls.predictions.bias" in caplog.text


def test_settings_of_generation_in_config_json(tmp_path):
    """Where folders had them before there was generation_config.json."""
    zoo.save(make("gpt2", "causal_lm", eos_id=7), tmp_path)
    first = zoo.generate(zoo.load(tmp_path), [[1, 2]], max_new_tokens=5, eos_id=-1).tokens[0]
    edit_config(tmp_path, eos_token_id=[7, first[0]])
    assert zoo.generate(zoo.load(tmp_path), [[1, 2]], max_new_tokens=5).tokens == [first[:1]]
    edit_config(tmp_path, encoder_repetition_penalty=2.0)
    with pytest.raises(ConfigError, match=r"^config.json sets encoder_repetition_penalty=2.0.*ignore=\['encoder_rep"):
        zoo.generate(zoo.load(tmp_path), [[1, 2]])
    zoo.save(zoo.load(tmp_path), tmp_path / "again")
    assert not (tmp_path / "again" / "generation_config.json").exists()
    assert zoo.load(tmp_path / "again").generation_config == zoo.load(tmp_path).generation_config


def test_conversion_keeps_what_belongs_to_the_model(tmp_path, caplog):
    source = tmp_path / "source"
    zoo.save(make("gpt2", "sequence_classification"), source)
    edit_config(source, problem_type="multi_label_classification", eos_token_id=[7, 3], task_specific_params={"a": 1})
    (source / "encoder.json").write_text(json.dumps({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3}))
    (source / "vocab.bpe").write_text("#version: 0.2\na b\n")
    (source / "generation_config.json").write_text('{"eos_token_id": [7, 3]}')
    (source / "README.md").write_text("# card")
    with caplog.at_level(logging.INFO):
        convert(source, tmp_path / "new")
    new = json.loads((tmp_path / "new" / "config.json").read_text())
    assert new["problem_type"] == "multi_label_classification" and new["task_specific_params"] == {"a": 1}
    assert new["eos_token_id"] == [7, 3]
    assert (tmp_path / "new" / "generation_config.json").read_text() == '{"eos_token_id": [7, 3]}'
    assert (tmp_path / "new" / "vocab.json").exists() and (tmp_path / "new" / "merges.txt").exists()
    assert zoo.tokenizer(tmp_path / "new").encode("ab") == zoo.tokenizer(source).encode("ab") == [2]
    assert "left out README.md" in caplog.text


def test_a_hub_id_is_a_local_folder_first(tmp_path, monkeypatch):
    model = make("bert")
    zoo.save(model, tmp_path / "owner" / "name")
    monkeypatch.chdir(tmp_path)
    assert_same(zoo.load("owner/name"), model)
    with pytest.raises(ConfigError, match="has no revision 'main'; leave revision out"):
        zoo.load("owner/name", revision="main")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    for function in (zoo.load, zoo.config, zoo.tokenizer):
        with pytest.raises(ConfigError, match=r"cannot be reached .* no local folder of that name either"):
            function("owner/other")
