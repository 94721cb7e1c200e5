# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Registry names are fetched by the Hub's own client, here from a server on this machine that answers as it does."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import zoo
from zoo.errors import ConfigError

COMMIT = "c0ffee" + 34 * "0"
REPOSITORY = "google/bert_uncased_L-2_H-128_A-2"
WANTED = {"config.json", "vocab.txt", "model.safetensors.index.json"}
LOAD = "import zoo; print(zoo.load('bert-tiny').config.vocab_size, zoo.tokenizer('bert-tiny').vocab_size)"


class _Hub(http.server.BaseHTTPRequestHandler):
    """One repository of the Hub: what is in its `server.folder`."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, files = self.path.split("?")[0], sorted(self.server.folder.iterdir())
        if path == f"/api/models/{REPOSITORY}/revision/main":
            siblings = [{"rfilename": file.name} for file in files]
            self._answer(json.dumps({"id": REPOSITORY, "sha": COMMIT, "siblings": siblings}).encode())
        elif path == f"/api/models/{REPOSITORY}/tree/{COMMIT}":
            tree = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": _digest(f)} for f in files]
            self._answer(json.dumps(tree).encode())
        elif path.startswith(f"/{REPOSITORY}/resolve/{COMMIT}/"):
            file = self.server.folder / path.rsplit("/", 1)[1]
            self.server.fetched.add(file.name)
            self._answer(file.read_bytes(), ETag=f'"{_digest(file)}"', **{"X-Repo-Commit": COMMIT})
        else:
            self.send_error(404)

    def _answer(self, body: bytes, **headers: str) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


def _digest(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()


@pytest.fixture
def hub(tmp_path):
    """A server with a small BERT, in shards, beside files that nobody should want."""
    folder = tmp_path / "repository"
    model = zoo.create(zoo.config("bert-tiny", vocab_size=8, num_layers=1), head="masked_lm")
    zoo.save(model, folder, max_shard_bytes=200_000)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abc"]))
    for name in ("pytorch_model.bin", "tf_model.h5", "modeling_bert.py", "README.md"):
        (folder / name).write_text("never to be fetched")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as server:
        server.folder, server.fetched = folder, set()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess:
    """A new process, since the Hub's client reads its settings when it is imported."""
    environ = {**os.environ, "HF_HOME": str(tmp_path / "cache"), **environment}
    root = Path(__file__).resolve().parents[2]
    return subprocess.run([sys.executable, "-c", LOAD], env=environ, cwd=root, capture_output=True, text=True)


def test_a_name_is_fetched_once_and_only_what_is_needed(hub, tmp_path):
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    first = run(tmp_path, HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0")
    assert (first.returncode, first.stdout) == (0, "8 8\n"), first.stderr
    shards = {path.name for path in hub.folder.glob("model-*-of-*.safetensors")}
    assert len(shards) > 1 and hub.fetched == WANTED | shards
    hub.fetched.clear()
    again = run(tmp_path, HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="1")
    assert (again.returncode, again.stdout) == (0, "8 8\n"), again.stderr
    assert not hub.fetched


def test_without_a_network_the_message_says_how_to_fix_it(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"openai-community/gpt2 on the Hub, .* pass its folder instead of the name"):
        zoo.load("gpt2")
