"""An actor's connection to its learner: steps go there exactly once, weights come from there, and neither ever holds the robot up."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from robolearn.core.errors import ConfigError
from robolearn.core.protocols import WeightSource
from robolearn.core.types import Array, Step
from robolearn.run.steplog import StepLog
from robolearn.wire.codec import Decoder, encode
from robolearn.wire.sockets import HandshakeWatch, SecurityConfig, Sockets, received, sent, take_newest, wait_for_any
from robolearn.wire.training import (
    TRAINING,
    Configured,
    Deliver,
    FromLearner,
    Inquire,
    Join,
    Joined,
    Leave,
    Over,
    Rejoin,
    Safe,
    Unwelcome,
    Want,
    Weights,
    encode_step,
)

BATCH = 16
"""Most steps in a message."""
MOST_S = 0.2
"""Longest wait without a look at whether to stop."""


@dataclass(kw_only=True, slots=True)
class LinkConfig:
    """Where a learner is."""

    steps: str = "tcp://127.0.0.1:5660"
    weights: str = "tcp://127.0.0.1:5661"
    retry_s: float = 1.0
    """How long to wait for an answer before asking again."""
    window: int = 256
    """Most steps on their way at once; the others wait in the log."""
    security: SecurityConfig = field(default_factory=SecurityConfig)

    def __post_init__(self) -> None:
        if self.retry_s <= 0.0 or self.window < BATCH:
            raise ConfigError("learner", expected=f"retry_s above 0, window of at least {BATCH}", got=self)


class LearnerLink(WeightSource):
    """Sends what is in a log, as far as the learner does not have it; belongs to the thread that made it.

    Nothing here blocks: without a learner, steps wait in the log.

    Args:
        cfg: Where.
        log: Of the actor.
        hello: What it says of itself; its `log` is that of `log`.
        now_ns: Monotonic time.
    """

    def __init__(
        self, cfg: LinkConfig, log: StepLog, hello: Join, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._cfg, self._log, self._hello, self._now_ns = cfg, log, hello, now_ns
        self._sockets = Sockets(cfg.security)
        self._ask = self._sockets.ask(cfg.steps)
        self._watch = HandshakeWatch(self._ask, cfg.steps)
        self._listen = self._sockets.newest(cfg.weights)
        self._decode: Decoder[FromLearner] = Decoder(FromLearner, f"answer of {cfg.steps}")
        self._decode_weights: Decoder[Weights] = Decoder(Weights, f"weights of {cfg.weights}")
        self._session: int | None = None
        """Of the learner; None while it does not know this actor."""
        self._safe = -1
        self._next = 0
        self._asked_ns = self._heard_ns = 0
        self.version = -1
        """Of the newest weights; -1 for none yet."""
        self.over = False
        """Whether the learner has finished."""
        self.joins = 0
        """How often the learner has answered to this actor's `Join`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def unsafe(self) -> int:
        """Return how many steps in the log the learner has not confirmed."""
        return len(self._log) - 1 - self._safe

    def put(self, steps: Sequence[Step]) -> None:
        """Log the next steps, then send what can be sent.

        Raises:
            DataError: If the disk is full.
        """
        for step in steps:
            self._log.append(encode_step(step))
        self.pump()

    def latest(self) -> tuple[int, Mapping[str, Array]] | None:
        """Return the newest weights not yet returned, or None.

        Raises:
            WireError: If what came is no message of this protocol.
        """
        newest = take_newest(self._listen)
        if newest is None:
            return None
        header, arrays = self._decode_weights.with_arrays(newest)
        if header.session != self._session or header.version == self.version:
            return None
        self.version = header.version
        return header.version, arrays

    def pump(self) -> None:
        """Hear the learner, and send what it lacks.

        Raises:
            ConfigError: If the learner refuses this actor for good.
            WireError: If it refuses its keys, or answers nonsense.
        """
        self._watch.check()
        while (frames := received(self._ask)) is not None:
            self._hear(self._decode(frames[-1]))
        now_ns, patience_ns = self._now_ns(), round(1e9 * self._cfg.retry_s)
        waiting = self.unsafe > 0 or self.version < 0
        if self._session is not None and waiting and now_ns - self._heard_ns > 2 * patience_ns:
            self._session = None
        if now_ns - self._asked_ns > patience_ns:
            self._ask_again(now_ns)
        self._deliver()

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._sockets.close()

    def _ask_again(self, now_ns: int) -> None:
        if self._session is None:
            self._asked_ns = now_ns
            sent(self._ask, encode(self._hello))
        elif self.version < 0:
            self._asked_ns = now_ns
            sent(self._ask, encode(Want(session=self._session)))

    def _hear(self, message: FromLearner) -> None:
        self._heard_ns = self._now_ns()
        match message:
            case Joined():
                if message.last >= len(self._log):
                    raise ConfigError(
                        f"log {self._log.path}",
                        expected=f"the steps that the learner has of it, {message.last + 1}",
                        got=len(self._log),
                        fix="a log must not be put back to an earlier state; delete it to begin a new one",
                    )
                self._session, self._safe, self._next = message.session, message.last, message.last + 1
                self.version = -1  # of another start of the learner, the same number may stand for other weights
                self.joins += 1
            case Safe():
                if message.session == self._session:
                    self._safe = max(self._safe, message.last)
            case Rejoin():
                self._session, self._asked_ns = None, 0
            case Unwelcome():
                raise ConfigError(f"learner {self._cfg.steps}", expected="to be let in", got=message.reason)
            case Over():
                self.over = True
                if self._session is not None:
                    sent(self._ask, encode(Leave(session=self._session)))
            case Configured():
                return

    def _deliver(self) -> None:
        if self._session is None:
            return
        while self._next < len(self._log) and self._next - self._safe <= self._cfg.window:
            stop = min(self._next + BATCH, len(self._log))
            records = [self._log[number] for number in range(self._next, stop)]
            if not sent(self._ask, encode(Deliver(session=self._session, first=self._next)), *records):
                return
            self._next = stop


def inquire(cfg: LinkConfig, stop: Callable[[], bool]) -> str | None:
    """Return the configuration of a learner's run, waiting for the learner; None if `stop` came first, or it has finished.

    Raises:
        ConfigError: If the learner is of another version.
        WireError: If it refuses this actor's keys, or answers nonsense.
    """
    decode: Decoder[FromLearner] = Decoder(FromLearner, f"answer of {cfg.steps}")
    with Sockets(cfg.security) as sockets:
        socket = sockets.ask(cfg.steps)
        watch = HandshakeWatch(socket, cfg.steps)
        while not stop():
            watch.check()
            sent(socket, encode(Inquire(version=TRAINING)))
            wait_for_any([socket], min(cfg.retry_s, MOST_S))
            while (frames := received(socket)) is not None:
                answer = decode(frames[-1])
                if isinstance(answer, Configured):
                    return answer.config
                if isinstance(answer, Unwelcome):
                    raise ConfigError(f"learner {cfg.steps}", expected="to be let in", got=answer.reason)
                if isinstance(answer, Over):
                    return None
    return None
