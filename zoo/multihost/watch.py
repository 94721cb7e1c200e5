# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds a process of the job that has died or hangs, names it, and ends the others with the exit code 75.

The others would wait for it in a collective: JAX alone does so for 100 s, and then aborts without naming it. Here each
process holds a connection to process 0, which closes when it dies, and over which it reports its progress several times
a second. `heartbeat` counts the progress: as all run the same program, they have the same heartbeats, and a process
that stays behind while another goes on is hung, even if its threads live. Compiling and saving may take any time: their
heartbeats start a grace period, which lasts until the next one. When all wait at the same heartbeat, as in a collective
over a dead network, no process is behind and none is blamed.

A job of one process starts none of this.
"""

import contextlib
import ctypes
import faulthandler
import json
import logging
import os
import secrets
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

_log = logging.getLogger(__name__)

LOST = 75  # exit code, EX_TEMPFAIL of sysexits.h: the same command may succeed
USER_ERROR = 2  # exit code of a ZooError, which a restart would meet again

CONNECT_TIMEOUTS = 3  # timeouts within which a process must have sent its first message
_MAX_CHARACTERS = 500  # of an error that is sent to the others
_TICK = 0.25  # seconds between two messages of each process
_LINGER = 1.0  # seconds in which the others receive the verdict before process 0 and its JAX service are gone
_T = TypeVar("_T")


class Verdict(NamedTuple):
    """Which process is lost, and how.

    Attributes:
      what: it did, as the rest of a sentence that begins with its name. code: its exit code, if it could send one.
    """

    rank: int
    host: str
    what: str
    code: int | None = None


class _Peer:
    """What is known about one process."""

    def __init__(self, rank: int, host: str):
        self.rank, self.host = rank, host
        self.heartbeats, self.label, self.grace_period = 0, "the start", True
        self.heard = self.moved = time.monotonic()
        self.left = False

    def take(self, message: dict[str, Any]) -> None:
        self.heard = time.monotonic()
        if message["heartbeats"] != self.heartbeats:
            self.moved = self.heard
        self.heartbeats, self.label = message["heartbeats"], message["label"]
        self.grace_period, self.left = message["grace_period"], message["left"]

    def verdict(self, what: str) -> Verdict:
        return Verdict(self.rank, self.host, what)


class _Link:
    """Lines of JSON over a socket."""

    def __init__(self, connection: socket.socket):
        self.socket, self._rest = connection, b""
        connection.setblocking(False)

    def send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # a peer that is gone or does not read is found by its silence
            self.socket.send(json.dumps(message).encode() + b"\n")

    def receive(self) -> list[dict[str, Any]] | None:
        """Whole lines; None when the other end is closed."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        try:
            found = [json.loads(line) for line in lines]
        except ValueError:
            return None  # whatever this is, it is not a process of the job
        return found if data and all(isinstance(one, dict) for one in found) else None


class _Watch(threading.Thread):
    """The thread of one process: `step` reads the sockets, and returns a verdict or None."""

    def __init__(self, rank: int, timeout: float):
        super().__init__(name="watch", daemon=True)
        self.timeout = timeout
        self.me = _Peer(rank, socket.gethostname())
        self.ending: Verdict | None = None  # about this process, from its main thread
        self.verdict: Verdict | None = None
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()

    def heartbeat(self, label: str, grace_period: bool) -> None:
        with self._lock:
            self.me.heartbeats += 1
            self.me.label, self.me.grace_period = label, grace_period
            self.me.moved = time.monotonic()

    def status(self) -> dict[str, Any]:
        with self._lock:
            return {
                "heartbeats": self.me.heartbeats,
                "label": self.me.label,
                "grace_period": self.me.grace_period,
                "left": self.me.left,
            }

    def run(self) -> None:
        while self.verdict is None:
            self.verdict = self.ending or self.step()
        self.send(self.verdict)
        if self.verdict is self.ending:
            return  # the main thread ends the process
        if self.verdict.rank == self.me.rank:
            faulthandler.dump_traceback(sys.stderr, all_threads=True)
        _print(_describe(self.verdict, self.me))
        if self.me.rank == 0:
            time.sleep(_LINGER)
        os._exit(USER_ERROR if self.verdict.code == USER_ERROR else LOST)

    def step(self) -> Verdict | None:
        raise NotImplementedError

    def send(self, verdict: Verdict) -> None:
        raise NotImplementedError


class _Primary(_Watch):
    """Process 0's: receives every heartbeat, decides on a verdict, and sends it to all."""

    def __init__(self, count: int, timeout: float):
        super().__init__(0, timeout)
        self.token = secrets.token_hex(16)
        self._peers: dict[_Link, _Peer] = {}
        self._missing = set(range(1, count))
        self._listener = listen(0, backlog=count)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.port = self._listener.getsockname()[1]
        self._began = self._sent = time.monotonic()

    def step(self) -> Verdict | None:
        for key, _ in self._selector.select(_TICK):
            if key.fileobj is self._listener:
                self._accept()
            elif verdict := self._receive(key.data):
                return verdict
        self._beat()
        return self._silent() or self._behind()

    def send(self, verdict: Verdict) -> None:
        for link in self._peers:
            link.send({"verdict": list(verdict)})

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it may have disconnected
            link = _Link(self._listener.accept()[0])
            self._selector.register(link.socket, selectors.EVENT_READ, link)

    def _receive(self, link: _Link) -> Verdict | None:
        messages = link.receive()
        for message in messages or ():
            if link in self._peers:
                self._peers[link].take(message)
                if "failed" in message:
                    return Verdict(*message["failed"])
            elif message.get("token") == self.token:
                self._peers[link] = _Peer(message["rank"], message["host"])
                self._missing.discard(message["rank"])
        if messages is not None:
            return None
        self._selector.unregister(link.socket)
        link.socket.close()
        peer = self._peers.pop(link, None)
        return None if peer is None or peer.left or self.me.left else peer.verdict("died: its connection closed")

    def _beat(self) -> None:
        if time.monotonic() - self._sent >= _TICK:
            self._sent = time.monotonic()
            for link in self._peers:
                link.send({"host": self.me.host})

    def _silent(self) -> Verdict | None:
        now = time.monotonic()
        for peer in self._peers.values():
            if now - peer.heard > self.timeout and not peer.left:
                return peer.verdict(_silence(self.timeout))
        if self._missing and now - self._began > CONNECT_TIMEOUTS * self.timeout:
            return Verdict(min(self._missing), "an unknown host", "died before it had sent a message")
        return None

    def _behind(self) -> Verdict | None:
        everyone = [peer for peer in (self.me, *self._peers.values()) if not peer.left]
        last = min(everyone, key=lambda peer: peer.heartbeats, default=self.me)
        stuck = time.monotonic() - last.moved > self.timeout and not last.grace_period
        if not stuck or all(peer.heartbeats == last.heartbeats for peer in everyone):
            return None
        return last.verdict(f"hangs: at {last.label} for {self.timeout:g} s, while others have gone on")


class _Secondary(_Watch):
    """Every other process's: sends its heartbeats to process 0, and receives the verdict."""

    def __init__(self, rank: int, host: str, port: int, token: str, timeout: float):
        super().__init__(rank, timeout)
        self._link = _Link(socket.create_connection((host, port), timeout=timeout))
        self._link.send({"token": token, "rank": rank, "host": self.me.host})
        self._selector.register(self._link.socket, selectors.EVENT_READ)
        self._primary = _Peer(0, host)
        self._sent = 0.0

    def step(self) -> Verdict | None:
        if self._selector.select(_TICK):
            messages = self._link.receive()
            if messages is None:
                return self._closed()
            self._primary.heard = time.monotonic()
            for message in messages:
                if "verdict" in message:
                    return Verdict(*message["verdict"])
                self._primary.host = message["host"]
        if time.monotonic() - self._sent >= _TICK:
            self._sent = time.monotonic()
            self._link.send(self.status())
        silent = time.monotonic() - self._primary.heard > self.timeout
        return self._primary.verdict(_silence(self.timeout)) if silent else None

    def send(self, verdict: Verdict) -> None:
        if verdict.rank == self.me.rank:
            self._link.send({**self.status(), "failed": list(verdict)})

    def _closed(self) -> Verdict | None:
        if not self.me.left:
            return self._primary.verdict("died: its connection closed")
        time.sleep(_TICK)  # both are ending
        return None


_watch: _Watch | None = None


def start_primary(count: int, timeout: float) -> tuple[int, str]:
    """Starts process 0's thread; returns the port and the token that `start_secondary` needs.

    Args:
      timeout: seconds of silence, or of staying behind, after which a process is lost.
    """
    global _watch
    _watch = primary = _Primary(count, timeout)
    primary.start()
    return primary.port, primary.token


def start_secondary(rank: int, host: str, port: int, token: str, timeout: float) -> None:
    """Starts the thread of another process."""
    global _watch
    _watch = _Secondary(rank, host, port, token, timeout)
    _watch.start()


def heartbeat(label: str, grace_period: bool = False) -> None:
    """Reports this process's progress; every process must have the same heartbeats in the same order.

    Args:
      grace_period: whether the time until the next heartbeat is unlimited.
    """
    if _watch:
        _watch.heartbeat(label, grace_period)


def with_heartbeats(items: Iterable[_T], label: str) -> Iterator[_T]:
    """The items, with a heartbeat before each; the first two, after which steps compile, start a grace period."""
    iterator = iter(items)
    for number in range(sys.maxsize):
        heartbeat(f"{label} {number}", grace_period=number < 2)
        try:
            item = next(iterator)
        except StopIteration:
            return
        yield item


def await_verdict() -> None:
    """Waits as long as finding a lost peer may take, which then ends this process: the error may be its consequence."""
    if _watch:
        _watch.join(_watch.timeout + 4 * _LINGER)


def leave() -> None:
    """Announces that this process ends normally, so that it is not taken for lost."""
    if _watch:
        _watch.me.left = True
        time.sleep(2 * _TICK)


def fail(what: str, code: int) -> None:
    """Tells the others that this process is ending with an exit code, before it does."""
    if _watch:
        _watch.ending = Verdict(_watch.me.rank, _watch.me.host, what[:_MAX_CHARACTERS], code)
        _watch.join(4 * _LINGER)  # perhaps for a verdict on another process, which then ends this one
        if _watch.me.rank == 0:
            time.sleep(_LINGER)


def end(message: str) -> None:
    """Ends this process at once with the exit code `LOST`, whatever its main thread does."""
    _print(message)
    os._exit(LOST)


def delay_abort() -> None:
    """Lets `abort()` take effect six seconds later, so that the lost process can still be named.

    When process 0 dies, JAX's client in every other process aborts within microseconds. The C function `sleep` becomes
    the handler of SIGABRT: called with the signal's number, 6, it sleeps 6 s in the thread that aborts.
    """
    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    libc.signal(int(signal.SIGABRT), ctypes.cast(libc.sleep, ctypes.c_void_p))


def listen(port: int, backlog: int = 1) -> socket.socket:
    """Listens at all addresses of the machine, IPv4 and IPv6; port 0 is any free one. OSError if the port is in use."""
    if not socket.has_dualstack_ipv6() or not os.path.exists("/proc/net/if_inet6"):
        return socket.create_server(("", port), backlog=backlog)
    return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog)


def _silence(timeout: float) -> str:
    return f"has been silent for {timeout:g} s: stopped, or cut off from the network"


def _describe(verdict: Verdict, me: _Peer) -> str:
    if verdict.rank == me.rank:
        return f"process {me.rank} on {me.host} {verdict.what}; the stack of each thread is printed above."
    ends = "" if verdict.code == USER_ERROR else "; the same command continues from the latest checkpoint"
    return f"process {me.rank} on {me.host} ends: process {verdict.rank} on {verdict.host} {verdict.what}{ends}."


def _print(message: str) -> None:
    """Writes to standard error, past all buffers and locks that a hung thread may hold."""
    os.write(2, f"\nLostPeer: {message}\n".encode())  # a progress bar may be on the line
