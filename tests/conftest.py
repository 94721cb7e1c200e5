# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The strict session that every test runs in: CPU with 8 virtual devices, strict promotion, checked shapes, no network.

Settings go through the environment, before JAX is imported, so that the launchers which tests start inherit them.
"""

import gc
import ipaddress
import os
import socket
import sys
from pathlib import Path

import jaxtyping  # imports no JAX
import pytest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zoo" / "jax"

os.environ.update(
    JAX_PLATFORMS="cpu",
    JAX_NUMPY_DTYPE_PROMOTION="strict",
    JAX_NUMPY_RANK_PROMOTION="raise",
    JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
    JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES="-1",
    HF_HUB_OFFLINE="1",
    MPLBACKEND="agg",
    TOKENIZERS_PARALLELISM="false",
)
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

# Shapes and dtypes in signatures are checked while tests run, and only then.
jaxtyping.install_import_hook("zoo", "beartype.beartype")


@pytest.fixture(scope="session")
def assets() -> Path:
    """Folder of real weights, tokenizers and texts: $ZOO_ASSETS, or `shared/assets` beside the checkout."""
    default = Path(__file__).resolve().parents[2] / "shared" / "assets"
    folder = Path(os.environ.get("ZOO_ASSETS", default))
    if not folder.is_dir():
        pytest.skip(f"no real weights: ZOO_ASSETS is not set and {default} does not exist")
    return folder


@pytest.fixture(scope="session")
def tpu_compiler() -> None:
    """Skips tests that compile for a TPU where libtpu is not installed."""
    from zoo.aot import topology
    from zoo.errors import ConfigError

    try:
        topology.library()
    except ConfigError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module", autouse=True)
def _release_programs():
    """Drops what JAX compiled once there is much of it: a worker would hold several GiB of programs of past modules."""
    yield
    jax = sys.modules.get("jax")
    if jax and _resident_bytes() > 1.5 * 2**30:
        jax.clear_caches()
        gc.collect()


def _resident_bytes() -> float:
    """Memory of this process; infinite where the system does not tell as Linux does."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return float("inf")
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def unchecked_types():
    """Turns the checks of signatures off: what a user gets wrong must be found by the package itself."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def _no_network(request, monkeypatch):
    """Fails a test that connects to another machine, unless it is marked `network`."""
    if request.node.get_closest_marker("network"):
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        return
    connect = socket.socket.connect

    def guarded(self, address):
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            pytest.fail(f"the test connects to {address}; tests run offline (mark it `network` if it must not)")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name that is not an address
        return False
