# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""How every launcher starts and ends.

A launcher imports only `absl` and this package at its top, and the rest inside its main: a wrong flag is then refused
at once, and a launcher can set the environment that JAX reads.
"""

import logging
import os
import signal
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import absl.app
import absl.logging
from absl import flags

from launch import config_flags
from zoo.errors import ZooError

USER_ERROR, INTERRUPTED = 2, 130  # exit codes
_SWALLOWED = 0.05  # seconds after which an interrupt is sent again that a callback would have swallowed
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_TUNABLES = "GLIBC_TUNABLES"
_HELP = {"--help", "-help", "-h", "-?", "--helpshort", "--helpfull"}


def run(main: Callable[[list[str]], Any]) -> NoReturn:
    """Parses the flags and runs `main`; a `ZooError` is one message and exit code 2, Ctrl-C exit code 130."""
    use_huge_pages()
    use_compilation_cache()
    signal.signal(signal.SIGINT, _interrupt)
    try:
        absl.app.run(main, flags_parser=_parse)
    except ZooError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(0)


def _interrupt(number: int, frame: types.FrameType | None) -> None:
    """KeyboardInterrupt, though not inside JAX's callback of the garbage collector, where Python would drop it."""
    while frame is not None:
        if frame.f_code.co_name == "_xla_gc_callback":
            threading.Timer(_SWALLOWED, os.kill, (os.getpid(), number)).start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def use_huge_pages() -> None:
    """Starts `python -m launch.NAME` again with huge pages for malloc, where Linux gives them on request.

    On a CPU XLA takes new memory at every step, and in pages of 4 KiB a step of fine-tuning spends a sixth of its time
    on getting them (`benchmarks/records/finetune.md`). A GLIBC_TUNABLES in the environment, even empty, is left alone.
    """
    module = getattr(sys.modules["__main__"], "__spec__", None)
    if module is None or sys.orig_argv[1:3] != ["-m", module.name] or _TUNABLES in os.environ:
        return
    if not (_HUGE_PAGES.is_file() and "[madvise]" in _HUGE_PAGES.read_text()):
        return
    os.environ[_TUNABLES] = "glibc.malloc.hugetlb=1"  # read before the first line of Python; unknown before glibc 2.35
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def use_compilation_cache() -> None:
    """Keeps compiled programs in $JAX_COMPILATION_CACHE_DIR, else ~/.cache/zoo/jax: a second start is quick."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(caches / "zoo" / "jax"))
    if jax := sys.modules.get("jax"):  # it read the environment when it was imported
        jax.config.update("jax_compilation_cache_dir", folder)


def _parse(argv: list[str]) -> list[str]:
    """Parses the flags; shows what this package logs, and of its libraries only warnings (--verbosity=0 shows all)."""
    if asked := _HELP.intersection(argv[1:]):
        absl.app.usage(writeto_stdout=True, shorthelp="--helpfull" not in asked)
        sys.exit(0)
    rest = config_flags.parse(argv)
    if flags.FLAGS["verbosity"].using_default_value:
        flags.FLAGS.verbosity = absl.logging.WARNING  # set, so that absl does not raise it to INFO
    logging.getLogger("zoo").setLevel(logging.INFO)
    return rest
