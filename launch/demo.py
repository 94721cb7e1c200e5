# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The whole way in a few minutes on a CPU: text, a tiny GPT-2, its perplexity, a Hub folder, and a passage from it.

python -m launch.demo --workdir=demo
"""

from pathlib import Path

from absl import flags

from launch import app

_WORKDIR = flags.DEFINE_string("workdir", "demo", "Folder for everything that the demo makes.")
_STEPS = flags.DEFINE_integer("steps", None, "Training steps; None is the config's.")


def main(argv: list[str]) -> None:
    del argv
    import zoo
    from configs import gpt2_pretrain
    from zoo.train import RunConfig, evaluate_workdir, train

    workdir = Path(_WORKDIR.value)
    config = gpt2_pretrain.get_config("tiny")
    if _STEPS.value is not None:
        config.num_steps = _STEPS.value
    config = RunConfig.from_dict(config)

    _say(f"1. Training a tiny GPT-2 on Shakespeare in {workdir}/ (the text is prepared first)")
    train(config, workdir)
    _say("2. Evaluating it on the held-out text")
    print(f"   perplexity {evaluate_workdir(workdir)['perplexity']:.1f} a token")
    _say(f"3. Loading it back from the Hub folder {workdir}/model")
    model, tokenizer = zoo.load(workdir / "model"), zoo.tokenizer(workdir / "model")
    _say("4. Writing a passage")
    prompts = ["ROMEO:\n", "JULIET:\n", "KING RICHARD III:\n"]
    out = zoo.generate(model, prompts, max_new_tokens=80, temperature=0.8, top_k=50, seed=1, tokenizer=tokenizer)
    for prompt, text in zip(prompts, out.texts or [], strict=True):
        print(f"{prompt}{text.strip()}\n")
    _say("What lies where")
    print(f"   loss curve        {workdir}/loss.png")
    print(f"   TensorBoard logs  {workdir}/tensorboard   (pip install tensorboard)")
    print(f"   metrics           {workdir}/metrics.jsonl")
    print(f"   the model         {workdir}/model         (for zoo.load, or from_pretrained of Transformers)")


def _say(line: str) -> None:
    print(f"\n{line}", flush=True)


if __name__ == "__main__":
    app.run(main)
