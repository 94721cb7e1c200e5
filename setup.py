# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Package metadata: what the zoo needs, and what its extras add. `requirements.lock` holds the exact versions."""

from pathlib import Path

from setuptools import find_packages, setup

COLAB = ["ipykernel", "jupytext", "nbclient", "nbformat"]
TRANSLATION = ["sacrebleu>=2.4"]

README = Path(__file__).with_name("README.md")

setup(
    name="zoo",
    version="0.1.0",
    description="BERT, GPT and their families in JAX and Flax NNX: load, train, generate, save.",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    author="The zoo authors",
    # A plain path: with an import hook, a clone's own folder `zoo` would hide the package from scripts next to it.
    options={"editable_wheel": {"mode": "compat"}},
    python_requires=">=3.11",
    # The launchers are public commands, and the configs come along for them and for the notebooks.
    packages=find_packages(include=["zoo", "zoo.*", "launch", "launch.*", "configs"]),
    package_data={"zoo": ["py.typed"], "zoo.data": ["*.csv", "*.jsonl", "*.txt"]},
    install_requires=[
        "absl-py",
        "array_record>=0.8",
        "etils[epath]",
        "flax>=0.12.8",
        "google-crc32c>=1.5",  # the checksums in TensorFlow's checkpoints
        "grain>=0.2.18",
        "huggingface_hub",
        "importlib_resources",  # tensorflow-datasets 4.9.10 imports it and does not say so
        "jax>=0.10.2",
        "jaxtyping",
        "matplotlib",
        "ml_collections>=1.1",
        "numpy>=2",
        "optax>=0.2.8",
        "orbax-checkpoint>=0.12.8",
        "pyarrow",
        "safetensors>=0.8",
        "scikit-learn",
        "scipy",
        "sentencepiece>=0.2.1",  # older ones read bad model files out of bounds (CVE-2026-1260)
        "tensorboardX",
        "tensorflow-datasets>=4.9.10",  # the first release that writes ArrayRecord without TensorFlow
        "tokenizers>=0.21",
        "tqdm",
    ],
    extras_require={
        "tpu": ["jax[tpu]>=0.10.2"],
        "gpu": ["jax[cuda13]>=0.10.2"],
        "colab": COLAB,
        "translation": TRANSLATION,
        "docs": ["myst-parser", "sphinx", "sphinx-book-theme"],
        "test": [
            *COLAB,
            *TRANSLATION,
            "beartype",
            "hypothesis",
            "pre-commit",
            "pyright[nodejs]",
            "pytest",
            "pytest-xdist",
            "ruff",
        ],
        "parity": ["torch", "transformers>=5"],
    },
)
