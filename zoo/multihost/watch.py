# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds a process of the job that has died or hangs, names it, and ends the others with the exit code 75.

The others would wait for it in a collective: JAX alone does so for 100 s, and then aborts without a name. Here each
process holds a connection to process 0, which closes with it, and says over it several times a second that it lives
and how far it is. `heartbeat` says how far: as all run the same program, they pass the same marks, and one that
stays behind while another has gone on hangs, even if its threads live. Compiling and saving take what they take: such
marks are `patient`. When all wait at the same mark, as in a collective over a dead network, nobody is behind or blamed.

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

LOST = 75  # exit code, EX_TEMPFAIL of sysexits.h: the same command may well succeed
USER_ERROR = 2  # exit code of a ZooError, which a second try would meet again

GREETING = 3  # timeouts, in which a process must have said its first word
_LONGEST = 500  # characters of an error that is passed on
_TICK = 0.25  # seconds between two words of each process
_LINGER = 1.0  # seconds in which the others hear the verdict, before process 0 and JAX's service on it are gone
_T = TypeVar("_T")


class Verdict(NamedTuple):
    """Attributes: what the process did, to go after its name. code: its own exit code, if it had the time."""

    rank: int
    host: str
    what: str
    code: int | None = None


class _Peer:
    """What is known of one process."""

    def __init__(self, rank: int, host: str):
        self.rank, self.host = rank, host
        self.marks, self.label, self.patient = 0, "the start", True
        self.heard = self.moved = time.monotonic()
        self.left = False

    def take(self, message: dict[str, Any]) -> None:
        self.heard = time.monotonic()
        if message["marks"] != self.marks:
            self.moved = self.heard
        self.marks, self.label, self.patient = message["marks"], message["label"], message["patient"]
        self.left = message["left"]

    def accuse(self, what: str) -> Verdict:
        return Verdict(self.rank, self.host, what)


class _Link:
    """Lines of JSON over a socket."""

    def __init__(self, connection: socket.socket):
        self.socket, self._rest = connection, b""
        connection.setblocking(False)

    def send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # a peer that is gone, or does not read, is found by what it does not say
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
            return None  # whoever this is, it is no process of ours
        return found if data and all(isinstance(one, dict) for one in found) else None


class _Watch(threading.Thread):
    """The thread of one process: `step` looks at the sockets, and returns a verdict or None."""

    def __init__(self, rank: int, timeout: float):
        super().__init__(name="watch", daemon=True)
        self.timeout = timeout
        self.me = _Peer(rank, socket.gethostname())
        self.ending: Verdict | None = None  # on this process, by its main thread
        self.verdict: Verdict | None = None
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()

    def heartbeat(self, label: str, patient: bool) -> None:
        with self._lock:
            self.me.marks, self.me.label, self.me.patient = self.me.marks + 1, label, patient
            self.me.moved = time.monotonic()

    def status(self) -> dict[str, Any]:
        with self._lock:
            return {"marks": self.me.marks, "label": self.me.label, "patient": self.me.patient, "left": self.me.left}

    def run(self) -> None:
        while self.verdict is None:
            self.verdict = self.ending or self.step()
        self.tell(self.verdict)
        if self.verdict is self.ending:
            return  # the main thread ends the process
        if self.verdict.rank == self.me.rank:
            faulthandler.dump_traceback(sys.stderr, all_threads=True)
        _say(_describe(self.verdict, self.me))
        if self.me.rank == 0:
            time.sleep(_LINGER)
        os._exit(USER_ERROR if self.verdict.code == USER_ERROR else LOST)

    def step(self) -> Verdict | None:
        raise NotImplementedError

    def tell(self, verdict: Verdict) -> None:
        raise NotImplementedError


class _Leader(_Watch):
    """Process 0's: hears all, judges, and tells all."""

    def __init__(self, count: int, timeout: float):
        super().__init__(0, timeout)
        self.token = secrets.token_hex(16)
        self._peers: dict[_Link, _Peer] = {}
        self._missing = set(range(1, count))
        self._listener = listen(0, backlog=count)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.port = self._listener.getsockname()[1]
        self._began = self._told = time.monotonic()

    def step(self) -> Verdict | None:
        for key, _ in self._selector.select(_TICK):
            if key.fileobj is self._listener:
                self._accept()
            elif verdict := self._hear(key.data):
                return verdict
        self._beat()
        return self._silent() or self._behind()

    def tell(self, verdict: Verdict) -> None:
        for link in self._peers:
            link.send({"verdict": list(verdict)})

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it may be gone again
            link = _Link(self._listener.accept()[0])
            self._selector.register(link.socket, selectors.EVENT_READ, link)

    def _hear(self, link: _Link) -> Verdict | None:
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
        return None if peer is None or peer.left or self.me.left else peer.accuse("died: its connection closed")

    def _beat(self) -> None:
        if time.monotonic() - self._told >= _TICK:
            self._told = time.monotonic()
            for link in self._peers:
                link.send({"host": self.me.host})

    def _silent(self) -> Verdict | None:
        now = time.monotonic()
        for peer in self._peers.values():
            if now - peer.heard > self.timeout and not peer.left:
                return peer.accuse(_silence(self.timeout))
        if self._missing and now - self._began > GREETING * self.timeout:
            return Verdict(min(self._missing), "an unknown host", "died before it had said a word")
        return None

    def _behind(self) -> Verdict | None:
        everyone = [peer for peer in (self.me, *self._peers.values()) if not peer.left]
        last = min(everyone, key=lambda peer: peer.marks, default=self.me)
        stuck = time.monotonic() - last.moved > self.timeout and not last.patient
        if not stuck or all(peer.marks == last.marks for peer in everyone):
            return None
        return last.accuse(f"hangs: at {last.label} for {self.timeout:g} s, while others have gone on")


class _Follower(_Watch):
    """Every other process's: tells process 0, and listens to its verdict."""

    def __init__(self, rank: int, host: str, port: int, token: str, timeout: float):
        super().__init__(rank, timeout)
        self._link = _Link(socket.create_connection((host, port), timeout=timeout))
        self._link.send({"token": token, "rank": rank, "host": self.me.host})
        self._selector.register(self._link.socket, selectors.EVENT_READ)
        self._leader = _Peer(0, host)
        self._told = 0.0

    def step(self) -> Verdict | None:
        if self._selector.select(_TICK):
            messages = self._link.receive()
            if messages is None:
                return self._closed()
            self._leader.heard = time.monotonic()
            for message in messages:
                if "verdict" in message:
                    return Verdict(*message["verdict"])
                self._leader.host = message["host"]
        if time.monotonic() - self._told >= _TICK:
            self._told = time.monotonic()
            self._link.send(self.status())
        silent = time.monotonic() - self._leader.heard > self.timeout
        return self._leader.accuse(_silence(self.timeout)) if silent else None

    def tell(self, verdict: Verdict) -> None:
        if verdict.rank == self.me.rank:
            self._link.send({**self.status(), "failed": list(verdict)})

    def _closed(self) -> Verdict | None:
        if not self.me.left:
            return self._leader.accuse("died: its connection closed")
        time.sleep(_TICK)  # both are ending
        return None


_watch: _Watch | None = None


def lead(count: int, timeout: float) -> tuple[int, str]:
    """Starts process 0's thread; returns the port and the token that `follow` needs.

    Args:
      timeout: seconds of silence, or of staying behind, after which a process is lost.
    """
    global _watch
    _watch = leader = _Leader(count, timeout)
    leader.start()
    return leader.port, leader.token


def follow(rank: int, host: str, port: int, token: str, timeout: float) -> None:
    """Starts the thread of another process."""
    global _watch
    _watch = _Follower(rank, host, port, token, timeout)
    _watch.start()


def heartbeat(label: str, patient: bool = False) -> None:
    """Says how far this process is; every process must pass the same marks. A patient one may last."""
    if _watch:
        _watch.heartbeat(label, patient)


def marked(items: Iterable[_T], label: str) -> Iterator[_T]:
    """The items, with a mark before each; the first two, behind which things start and compile, are patient."""
    iterator = iter(items)
    for number in range(sys.maxsize):
        heartbeat(f"{label} {number}", patient=number < 2)
        try:
            item = next(iterator)
        except StopIteration:
            return
        yield item


def await_verdict() -> None:
    """Waits as long as a lost peer may take to be found, which then ends this process: the error may be its echo."""
    if _watch:
        _watch.join(_watch.timeout + 4 * _LINGER)


def leave() -> None:
    """Says that this process will end well: it is no longer missed."""
    if _watch:
        _watch.me.left = True
        time.sleep(2 * _TICK)


def fail(what: str, code: int) -> None:
    """Tells the others that this process is ending with an exit code, before it does."""
    if _watch:
        _watch.ending = Verdict(_watch.me.rank, _watch.me.host, what[:_LONGEST], code)
        _watch.join(4 * _LINGER)  # of another process, perhaps, which then ends this one
        if _watch.me.rank == 0:
            time.sleep(_LINGER)


def end(message: str) -> None:
    """Ends this process at once with the exit code `LOST`, whatever its main thread does."""
    _say(message)
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
    """At all addresses of the machine, IPv4 and IPv6; port 0 is any that is free. OSError if it is not."""
    if not socket.has_dualstack_ipv6() or not os.path.exists("/proc/net/if_inet6"):
        return socket.create_server(("", port), backlog=backlog)
    return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog)


def _silence(timeout: float) -> str:
    return f"has been silent for {timeout:g} s: stopped, or cut off from the network"


def _describe(verdict: Verdict, me: _Peer) -> str:
    if verdict.rank == me.rank:
        return f"process {me.rank} on {me.host} {verdict.what}; where each thread is stands above."
    ends = "" if verdict.code == USER_ERROR else "; the same command goes on from the latest checkpoint"
    return f"process {me.rank} on {me.host} ends: process {verdict.rank} on {verdict.host} {verdict.what}{ends}."


def _say(message: str) -> None:
    """On standard error, past all buffers and locks that a hung thread may hold."""
    os.write(2, f"\nLostPeer: {message}\n".encode())  # a progress bar may stand in the line
