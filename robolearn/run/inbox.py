"""A learner's connection to its actors: their steps come in as if an env of its own had been stepped, its weights go out."""

import json
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from robolearn.core.errors import ConfigError, SpecError, WireError
from robolearn.core.mirror import Mirror
from robolearn.core.specs import ArraySpec, EnvSpec
from robolearn.core.types import Array, Source, Step
from robolearn.replay import Replay
from robolearn.run.directory import write_json
from robolearn.run.rollout import EpisodeEnd, Tick
from robolearn.wire.codec import MAX_ARRAYS, Decoder, encode, pack
from robolearn.wire.sockets import SecurityConfig, Sockets, bound_to, received, sent, wait_for_any
from robolearn.wire.training import (
    TRAINING,
    Configured,
    Deliver,
    FromActor,
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
    decode_step,
    fingerprint,
)

NUMBER = "number"
"""The column of replay that holds the numbers of actors' steps."""
COLUMNS = {NUMBER: ArraySpec((), "int64")}
"""Columns that replay needs beside those of training in one process."""
ACTORS = "actors.json"
"""Name of the file that remembers actors."""
MOST, MESSAGES = 64, 256
"""Steps that wait here for the loop at most, and messages that are heard at a time: whoever sends more must wait."""
LONGEST = 4_000
"""Characters of a reason."""
REPEAT_S = 0.2
"""Between two times of saying that it is over."""
ASKING_S = 1.0
"""How long that is said to whoever asks, even if nobody is here."""


@dataclass(kw_only=True, slots=True)
class InboxConfig:
    """Where actors find a learner."""

    steps: str = "tcp://127.0.0.1:5660"
    weights: str = "tcp://127.0.0.1:5661"
    publish_s: float = 0.5
    """Least time between two publications of weights."""
    remember_s: float = 1.0
    """Least time between two writings of the file that remembers actors."""
    idle_s: float = 0.05
    """How long to wait for steps before looking whether there is something else to do."""
    quiet_s: float = 2.0
    """An actor that was heard of within this time is not replaced by another of its name."""
    farewell_s: float = 30.0
    """How long a learner that has finished stays at most until each of its actors knows; one may be busy with a reset."""
    security: SecurityConfig = field(default_factory=SecurityConfig)

    def __post_init__(self) -> None:
        if min(self.publish_s, self.remember_s, self.idle_s, self.quiet_s, self.farewell_s) < 0.0:
            raise ConfigError("listen", expected="times of 0 s or more", got=self)


@dataclass(slots=True)
class ActorRecord:
    """What a learner knows of one log of one actor."""

    stream: int
    """Of its steps in replay."""
    come: int = -1
    """Number of the newest step that has come."""
    taken: int = -1
    """Number of the newest step that was handed on."""
    safe: int = -1
    """Number of the newest step that is on disk."""
    client: bytes = b""
    heard_ns: int = 0


class Inbox:
    """Collects by waiting for actors; stands where a `Rollout` stands in a loop.

    Args:
        cfg: Addresses.
        config: YAML of the run, from which actors build env and agent.
        spec: Of the envs, which actors must share.
        replay: Where the loop stores what is collected; says after a restart what is there already. Has `COLUMNS`.
        weights: Gives the policy's weights.
        path: Of the file that remembers which actor has which streams.
        now_ns: Monotonic time.

    Raises:
        ConfigError: If an address cannot be bound to.
    """

    size = 1

    def __init__(
        self,
        cfg: InboxConfig,
        config: str,
        spec: EnvSpec,
        replay: Replay,
        weights: Callable[[], Mapping[str, Array]],
        path: Path,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._cfg, self._config, self._spec = cfg, config, spec
        self._replay, self._weights, self._path, self._now_ns = replay, weights, path, now_ns
        self.session = secrets.randbits(62)
        self._actors = self._remembered()
        self._clients: dict[bytes, str] = {}
        self._backlog: deque[tuple[ActorRecord, int, Step]] = deque()
        """Steps with their numbers that have come and were not handed on yet."""
        self._finished = False
        self._tallies: dict[int, EpisodeEnd] = {}
        self._version = -1
        self._published_ns: int | None = None
        self._written_ns = 0
        self._decode: Decoder[FromActor] = Decoder(FromActor, "message from an actor")
        self._sockets = Sockets(cfg.security)
        self._ear = self._sockets.answer(cfg.steps, MAX_ARRAYS)
        self._mouth = self._sockets.publish(cfg.weights)

    @property
    def endpoints(self) -> tuple[str, str]:
        """Return where steps go and where weights come from, with the ports that were taken."""
        return bound_to(self._ear), bound_to(self._mouth)

    def step(self, policy_version: int = 0) -> Tick:
        """Confirm what the loop has stored since the last call, publish weights, and return the next step, if there is one."""
        self._confirm()
        self._publish(policy_version)
        if not self._backlog:
            wait_for_any([self._ear], self._cfg.idle_s)
        self._hear_all()
        tick = Tick(steps={}, ended=[])
        if self._backlog:
            self._hand_on(tick)
            if self._backlog and self._backlog[0][2].is_last:  # no step by itself: what is seen at an episode's end
                self._hand_on(tick)
        return tick

    def finish(self) -> None:
        """Confirm, and tell actors that it is over."""
        self._confirm()
        self._finished = True
        for client in self._clients:
            self._send(client, Over())

    def save(self) -> dict[str, object]:
        """Return nothing: what is to be remembered is in replay."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Refuse: the steps of a robot cannot be taken back."""
        del state
        raise ConfigError("resume_mode", expected="keep, for a learner", got="exact")

    def restart(self, state: Mapping[str, Any]) -> None:
        """Go on; actors find back by themselves."""

    def close(self) -> None:
        """Hang up; after the end of training, not before its actors know of it. May be called twice."""
        try:
            if self._finished and not self._sockets.context.closed:
                self._part()
        finally:
            self._sockets.close()

    def _part(self) -> None:
        """Tell actors that it is over until each has heard it, or has gone: what one has not read when the connection ends is lost to it."""
        begun_ns = self._now_ns()
        enough_ns, most_ns = (round(1e9 * min(s, self._cfg.farewell_s)) for s in (ASKING_S, self._cfg.farewell_s))
        while (past_ns := self._now_ns() - begun_ns) < enough_ns or (self._clients and past_ns < most_ns):
            self._clients = {client: key for client, key in self._clients.items() if self._send(client, Over())}
            wait_for_any([self._ear], REPEAT_S)
            while (frames := received(self._ear)) is not None:
                self._dismiss(frames)

    def _dismiss(self, frames: Sequence[bytes]) -> None:
        """Let go of a client that knows that it is over; tell any other."""
        try:
            knows = isinstance(self._decode(frames[-1]), Leave)
        except WireError:
            knows = False
        if knows:
            self._clients.pop(frames[0], None)
        else:
            self._send(frames[0], Over())

    def _hear_all(self) -> None:
        for _ in range(MESSAGES):
            if len(self._backlog) >= MOST or (frames := received(self._ear)) is None:
                return
            try:
                self._take(frames)
            except WireError as error:
                self._send(frames[0], Rejoin(reason=str(error)[:LONGEST]))
            except SpecError as error:
                self._send(frames[0], Unwelcome(reason=str(error)[:LONGEST]))

    def _hand_on(self, tick: Tick) -> None:
        actor, number, step = self._backlog.popleft()
        actor.taken = number
        tick.steps.setdefault(actor.stream, []).append(step)
        self._tally(actor.stream, step, tick)

    def _confirm(self) -> None:
        """Bring to disk what was handed on, then say so."""
        fresh = [actor for actor in self._actors.values() if actor.taken > actor.safe]
        if not fresh:
            return
        self._replay.flush()
        for actor in fresh:
            actor.safe = actor.taken
            self._send(actor.client, Safe(session=self.session, last=actor.safe))
        if self._now_ns() - self._written_ns > 1e9 * self._cfg.remember_s:
            self._remember()

    def _publish(self, version: int) -> None:
        now_ns = self._now_ns()
        fresh = self._published_ns is None or now_ns - self._published_ns >= 1e9 * self._cfg.publish_s
        if version != self._version and fresh:
            header = Weights(session=self.session, version=version)
            sent(self._mouth, pack(header, self._weights()))
            self._version, self._published_ns = version, now_ns

    def _take(self, frames: Sequence[bytes]) -> None:
        """Take one message."""
        client, *rest = frames
        if not rest:
            raise WireError("message from an actor", expected="a frame", got="none")
        message = self._decode(rest[0])
        if isinstance(message, Inquire | Join):
            self._meet(client, message)
            return
        key = self._clients.get(client)
        if key is None or message.session != self.session:
            raise WireError("actor", expected="one that has joined this learner", got="another")
        actor = self._actors[key]
        actor.heard_ns = self._now_ns()
        match message:
            case Want():
                self._version = -1
            case Deliver():
                self._enter(actor, message.first, rest[1:])

    def _meet(self, client: bytes, message: Inquire | Join) -> None:
        try:
            if message.version != TRAINING:
                fix = "update the older side"
                raise ConfigError("training protocol", expected=f"version {TRAINING}", got=message.version, fix=fix)
            if isinstance(message, Inquire):
                self._send(client, Configured(config=self._config))
            else:
                self._join(client, message)
        except (SpecError, ConfigError) as error:
            self._send(client, Unwelcome(reason=str(error)[:LONGEST]))

    def _join(self, client: bytes, message: Join) -> None:
        """Take an actor in.

        Raises:
            ConfigError: If it was built from another configuration.
            SpecError: If its env differs.
        """
        if message.config != fingerprint(self._config):
            expected, fix = "the configuration of this learner", "start the actor again"
            raise ConfigError("actor", expected=expected, got="another", fix=fix)
        self._spec.require_same(message.spec, "env of the learner")
        key = f"{message.actor}/{message.log}"
        actor = self._actors.setdefault(key, ActorRecord(stream=len(self._actors)))
        now_ns = self._now_ns()
        if actor.client not in (b"", client) and now_ns - actor.heard_ns < 1e9 * self._cfg.quiet_s:
            return  # it asks again; whoever has the log now keeps it as long as it speaks
        self._clients.pop(actor.client, None)
        actor.client, actor.heard_ns = client, now_ns
        self._clients[client] = key
        self._remember()
        self._version = -1
        self._send(client, Joined(session=self.session, last=actor.safe))

    def _enter(self, actor: ActorRecord, first: int, records: Sequence[bytes]) -> None:
        if first > actor.come + 1:
            raise WireError("steps", expected=f"number {actor.come + 1}", got=first)
        for number, record in enumerate(records, first):
            if number <= actor.come:
                continue
            step = decode_step(record)
            if step.source is Source.DEMO:
                raise SpecError("step of an actor", expected="one of its own", got="a demonstration")
            numbered = replace(step, extra={**step.extra, NUMBER: np.array(number, np.int64)})
            self._replay.check(numbered)
            self._backlog.append((actor, number, numbered))
            actor.come = number

    def _tally(self, stream: int, step: Step, tick: Tick) -> None:
        """Note a step of an episode, and its end."""
        blank = EpisodeEnd(row=stream, episode=0, seed=-1, success=False, length=0, total=0.0, intervened=0)
        before = self._tallies.get(stream, blank)
        if step.is_last:
            tick.ended.append(before)
            self._tallies[stream] = replace(blank, episode=before.episode + 1)
            return
        if step.is_first:
            before = replace(blank, episode=before.episode)
        self._tallies[stream] = replace(
            before,
            success=step.success,
            length=before.length + 1,
            total=before.total + step.rewards["task"],
            intervened=before.intervened + step.intervened,
        )

    def _remember(self) -> None:
        self._written_ns = self._now_ns()
        known = {key: {"stream": actor.stream, "safe": actor.safe} for key, actor in self._actors.items()}
        write_json(self._path, known)

    def _remembered(self) -> dict[str, ActorRecord]:
        """Return the actors of an earlier start, each with the number of its newest step that is on disk.

        Replay knows the newest ones; where it has none of an actor's any more, they are older than the file.
        """
        if not self._path.is_file():
            return {}
        records: dict[str, ActorRecord] = {}
        for key, known in json.loads(self._path.read_text()).items():
            newest = self._replay.newest(range(known["stream"], known["stream"] + 1))
            number = max(known["safe"], -1 if newest is None else int(newest.extra[NUMBER]))
            records[key] = ActorRecord(stream=known["stream"], come=number, taken=number, safe=number)
        return records

    def _send(self, client: bytes, message: FromLearner) -> bool:
        return sent(self._ear, client, encode(message))


def complete_mirror(replay: Replay, mirror: Mirror, offset: int) -> None:
    """Add the mirror images that are missing beside the newest steps of each stream, after a learner was killed between the two.

    Args:
        replay: As it was found on disk.
        mirror: Gives the images.
        offset: What is added to the number of a stream for that of its images; streams from it on are images.
    """
    for stream in (known for known in replay.streams() if known < offset):
        image = replay.newest(range(stream + offset, stream + offset + 1))
        number = -1 if image is None else int(image.extra[NUMBER])
        missing = [step for step in replay.of_stream(stream) if int(step.extra[NUMBER]) > number]
        replay.put(mirror.steps(missing), stream + offset)
