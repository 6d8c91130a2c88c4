"""A bad network on purpose: between clients and a robot server, messages are lost, late, doubled, swapped and damaged, by a seed."""

import contextlib
import heapq
import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from robolearn.core.errors import ConfigError
from robolearn.wire.sockets import SecurityConfig, Socket, Sockets, bound_to, received, sent, wait_for_any

FORGET = 64
"""Clients that are remembered; the oldest makes room."""
HOLD_NS = 200_000_000
"""A message that is held back for the next one goes on without it after this."""


@dataclass(kw_only=True, slots=True)
class ChaosConfig:
    """How bad; each chance is for every message by itself."""

    drop: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    """A few bytes are changed."""
    reorder: float = 0.0
    """A message is held back until after the next one."""
    delay_s: float = 0.0
    """Every message, at least."""
    jitter_s: float = 0.0
    """And at most this much more."""
    freeze: float = 0.0
    """Chance of a freeze to begin, during which nothing passes and everything is kept."""
    freeze_s: float = 0.5
    """How long it lasts."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("drop", "duplicate", "corrupt", "reorder", "freeze"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"chaos.{name}", expected="a chance in [0, 1]", got=getattr(self, name))
        if min(self.delay_s, self.jitter_s, self.freeze_s) < 0.0:
            raise ConfigError("chaos", expected="times of 0 s or more", got=self)


@dataclass(slots=True)
class Tally:
    """What was done to the messages that came."""

    came: int = 0
    dropped: int = 0
    duplicated: int = 0
    corrupted: int = 0
    reordered: int = 0
    frozen: int = 0


class Scrambler:
    """One direction of a bad network; equal seeds and times give equal trouble.

    Args:
        cfg: How bad.
        stream: Which of several directions with one seed.
    """

    def __init__(self, cfg: ChaosConfig, stream: int = 0) -> None:
        self.tally = Tally()
        self._cfg = cfg
        self._rng = np.random.default_rng([cfg.seed, stream])
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, bytes]] = []
        self._held: tuple[int, bytes] | None = None
        self._thaws_ns = 0

    def push(self, message: bytes, now_ns: int) -> None:
        """Take a message that came."""
        cfg, tally, rng = self._cfg, self.tally, self._rng
        tally.came += 1
        dropped, doubled, damaged, swapped, frozen = rng.uniform(size=5) < (
            cfg.drop,
            cfg.duplicate,
            cfg.corrupt,
            cfg.reorder,
            cfg.freeze,
        )
        if frozen and now_ns >= self._thaws_ns:
            tally.frozen += 1
            self._thaws_ns = now_ns + round(cfg.freeze_s * 1e9)
        if dropped:
            tally.dropped += 1
            return
        if damaged:
            tally.corrupted += 1
            message = self._damaged(message)
        if swapped and self._held is None:
            tally.reordered += 1
            self._held = now_ns, message
            return
        self._schedule(message, now_ns)
        if doubled:
            tally.duplicated += 1
            self._schedule(message, now_ns)
        self._release(now_ns)

    def pop(self, now_ns: int) -> list[bytes]:
        """Return the messages that arrive by now, in order."""
        if self._held is not None and now_ns - self._held[0] > HOLD_NS:
            self._release(now_ns)
        arrived: list[bytes] = []
        while now_ns >= self._thaws_ns and self._waiting and self._waiting[0][0] <= now_ns:
            arrived.append(heapq.heappop(self._waiting)[2])
        return arrived

    def _release(self, now_ns: int) -> None:
        if self._held is not None:
            (_, message), self._held = self._held, None
            self._schedule(message, now_ns)

    def _schedule(self, message: bytes, now_ns: int) -> None:
        delay_s = self._cfg.delay_s + self._rng.uniform(0.0, 1.0) * self._cfg.jitter_s
        heapq.heappush(self._waiting, (now_ns + round(delay_s * 1e9), next(self._order), message))

    def _damaged(self, message: bytes) -> bytes:
        raw = bytearray(message)
        for _ in range(int(self._rng.integers(1, 5)) if raw else 0):
            raw[int(self._rng.integers(len(raw)))] = int(self._rng.integers(256))
        return bytes(raw)


@dataclass(kw_only=True, slots=True)
class ProxyConfig:
    """Between whom."""

    server_commands: str = "tcp://127.0.0.1:5650"
    server_states: str = "tcp://127.0.0.1:5651"
    commands: str = "tcp://127.0.0.1:5750"
    """Where clients ask and command instead."""
    states: str = "tcp://127.0.0.1:5751"
    """Where they get states instead."""
    to_server: ChaosConfig = field(default_factory=ChaosConfig)
    to_client: ChaosConfig = field(default_factory=ChaosConfig)
    security: SecurityConfig = field(default_factory=SecurityConfig)
    kill: int = 0
    """A process that is killed (SIGKILL) while the proxy runs, such as a server that something starts again; 0 for none."""
    kill_within_s: float = 60.0
    """When: at a moment that `to_server.seed` draws from this many seconds."""

    def __post_init__(self) -> None:
        if self.kill < 0 or self.kill == 1 or self.kill_within_s <= 0.0:
            raise ConfigError("chaos.kill", expected="the number of a process, within more than 0 s", got=self.kill)


class ChaosProxy:
    """Stands between clients and a robot server.

    Args:
        cfg: Between whom, and how bad.
        now_ns: Monotonic time.
    """

    def __init__(self, cfg: ProxyConfig, now_ns: Callable[[], int]) -> None:
        self._cfg, self._now_ns = cfg, now_ns
        self._sockets = Sockets(cfg.security)
        self._front, self._out = self._sockets.answer(cfg.commands), self._sockets.publish(cfg.states)
        self._in = self._sockets.newest(cfg.server_states)
        self._backs: dict[bytes, Socket] = {}
        self._there: dict[bytes, Scrambler] = {}
        self._back: dict[bytes, Scrambler] = {}
        self.states = Scrambler(cfg.to_client, 1)
        moment_s = np.random.default_rng([cfg.to_server.seed, 4]).uniform(0.0, cfg.kill_within_s)
        self._kills_ns = now_ns() + round(moment_s * 1e9) if cfg.kill else None

    @property
    def endpoints(self) -> tuple[str, str]:
        """Return where clients are to turn to."""
        return bound_to(self._front), bound_to(self._out)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, stop: Callable[[], bool]) -> None:
        """Pass messages on until `stop` says so."""
        while not stop():
            wait_for_any((self._front, self._in, *self._backs.values()), 0.001)
            self.step()

    def step(self) -> None:
        """Pass on what has come and is due."""
        now_ns = self._now_ns()
        if self._kills_ns is not None and now_ns >= self._kills_ns:
            self._kills_ns = None
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._cfg.kill, signal.SIGKILL)
        self._take_from_clients(now_ns)
        for client, back in self._backs.items():
            while (answer := received(back)) is not None:
                self._back[client].push(answer[-1], now_ns)
            for message in self._there[client].pop(now_ns):
                sent(back, message)
            for message in self._back[client].pop(now_ns):
                sent(self._front, client, message)
        while (state := received(self._in)) is not None:
            self.states.push(state[-1], now_ns)
        for message in self.states.pop(now_ns):
            sent(self._out, message)

    def tallies(self) -> dict[str, Tally]:
        """Return what was done in each direction: `commands`, `answers` (of the client that came last) and `states`."""
        last = next(reversed(self._there), None)
        found = {} if last is None else {"commands": self._there[last].tally, "answers": self._back[last].tally}
        return {**found, "states": self.states.tally}

    def close(self) -> None:
        """Close all sockets; may be called twice."""
        self._sockets.close()

    def _take_from_clients(self, now_ns: int) -> None:
        while (frames := received(self._front)) is not None:
            client = frames[0]
            if client not in self._backs:
                while len(self._backs) >= FORGET:
                    oldest = next(iter(self._backs))
                    self._backs.pop(oldest).close(linger=0)
                    del self._there[oldest], self._back[oldest]
                self._backs[client] = self._sockets.ask(self._cfg.server_commands)
                self._there[client] = Scrambler(self._cfg.to_server, 2)
                self._back[client] = Scrambler(self._cfg.to_client, 3)
            self._there[client].push(frames[-1], now_ns)
