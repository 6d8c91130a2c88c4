"""Nonsense to every socket: random bytes, and messages that were good before something happened to them.

Servers must stay up, keep answering others, and move nothing; what clients read must be refused with a `WireError` or be a message.
"""

import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import numpy as np
from msgspec.structs import replace

from robolearn.bench.processes import BINDS, VERBS, Process
from robolearn.core.errors import RobolearnError, WireError
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import Source, Step
from robolearn.hardware.bridge.client import BridgeClient, ClientConfig, RemoteRobot
from robolearn.hardware.cameras.client import RemoteCamera, RemoteCameraConfig
from robolearn.replay import Replay
from robolearn.run.inbox import ACTORS, COLUMNS, NUMBER, Inbox, InboxConfig
from robolearn.run.link import LinkConfig, inquire
from robolearn.wire.codec import MAX_ARRAYS, Decoder, encode, pack
from robolearn.wire.messages import (
    PROTOCOL,
    Acquire,
    Begin,
    ClearFaults,
    Command,
    FrameInfo,
    FromServer,
    Hello,
    Message,
    Ping,
    Pong,
    Release,
    Reset,
    States,
    Stop,
)
from robolearn.wire.sockets import Sockets, bound_to, received, sent, take_newest, wait_for_any
from robolearn.wire.training import TRAINING, Deliver, FromActor, Inquire, Join, Weights, encode_step, fingerprint

ARM = "arm"
ANY = "tcp://127.0.0.1:*"
CONFIG = "agent: sac\n"
ANSWER_S = 10.0
CALM = 1e-6
"""rad by which a joint may seem to have moved."""
WIRES = 500
"""Connections that do not even speak ZeroMQ, to each port."""
LONGEST = 300
JOIN_EVERY = 100
PER_WIRE = 1_000
"""Subscriptions of one connection: a publisher keeps them as long as that lasts, and then stands still until it has forgotten them."""
STRANGE = 987_654_321
"""A version that nobody speaks, whose refusal names it."""
HEARD_S = 120.0
"""Within this a server has heard what waits for it."""
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(52, b"\0")
READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
SUBSCRIBE, COMMAND, LONG = b"\x01", 4, 2
"""How ZMTP 3.0 begins and asks, and its flags of frames."""
SHORTEST = 4
"""Bytes of a subscription to which no message answers by chance."""
SPEC = EnvSpec(
    obs={"proprio/arm.q": ArraySpec((3,), "float32")},
    action=ActionSpec(parts=(ActionPart(arm=ARM, kind=ActionKind.JOINT_DELTA, size=3),)),
    rate_hz=10.0,
    max_steps=50,
)


class Mutator:
    """Makes nonsense.

    Args:
        good: Messages to begin with.
        rng: Of everything.
    """

    def __init__(self, good: list[bytes], rng: np.random.Generator) -> None:
        self._good, self._rng = good, rng

    def __call__(self) -> bytes:
        """Return random bytes, or a good message with bytes changed, cut out, put in, or joined to another."""
        rng = self._rng
        if rng.random() < 0.2:
            return rng.bytes(int(rng.integers(LONGEST)))
        raw = bytearray(self._pick())
        for _ in range(int(rng.integers(1, 4))):
            at, many = int(rng.integers(len(raw) + 1)), int(rng.integers(1, 9))
            match int(rng.integers(5)):
                case 0:
                    raw[at : at + 1] = rng.bytes(1)
                case 1:
                    del raw[at : at + many]
                case 2:
                    raw[at:at] = rng.bytes(many)
                case 3:
                    raw[at:] = self._pick()[at:]
                case _:
                    raw[at:at] = raw[:many] * int(rng.integers(1, 20))
        return bytes(raw)

    def _pick(self) -> bytes:
        return self._good[int(self._rng.integers(len(self._good)))]


def bench_fuzz(messages: int = 200_000) -> dict[str, object]:
    """Send so much nonsense to each of the sockets that hear, and have as much read by clients.

    Returns:
        `messages`: all of it that has arrived. Of a robot server whose arm somebody holds, `alive` (it still answers), `moved` (rad), `refused`, `late_ticks`; of a
        learner, from strangers `stored` (steps of nobody), from an actor that has joined, whose steps are damaged, `stored_of_actor`, and `alive`; of the publishers of states,
        weights and pictures, which hear subscriptions, `alive`; of `clients`, by what they read, how many messages were refused by name.
        `passed`: whether nothing crashed, hung or moved, and some of the actor's steps were heard.
    """
    rng = np.random.default_rng(0)
    robot, learner = _fuzz_robot(messages, rng), _fuzz_learner(messages, rng)
    camera, clients = _fuzz_camera(messages, rng), _fuzz_clients(messages, rng)
    alive = bool(robot["alive"] and learner["alive"] and camera["alive"])
    heard = learner["stored"] == 0 and learner["stored_of_actor"] > 0 and min(clients.values()) > messages // 10
    total = sum(int(found.pop("messages")) for found in (robot, learner, camera)) + len(clients) * messages
    found = {"robot": robot, "learner": learner, "camera": camera, "clients": clients}
    return {"messages": total, **found, "passed": alive and robot["moved"] < CALM and heard}


def _fuzz_robot(messages: int, rng: np.random.Generator) -> dict[str, float]:
    with Process((*VERBS, "robot_server", "robot=mock", *BINDS)) as server:
        commands, states = server.address.split()
        client = BridgeClient(ClientConfig(commands=commands, states=states, name="holder"))
        with closing(client), RemoteRobot(client, ARM) as robot:
            before = client.wait_for_states().arms[ARM].q
            good = robot.message(RobotCommand(mode=CommandMode.JOINT_VELOCITY, target=np.ones(7), seq=1))
            last = Hello(id=9, protocol=STRANGE, client="fuzz")
            heard = _flood(commands, Mutator(_requests(client.welcome.session, good), rng), messages, last)
            heard += _subscribe(states, messages, rng)
            for endpoint in (commands, states):
                _plug_in(endpoint, rng)
            alive = _answers(client.hello)
            time.sleep(0.5)
            after = client.wait_for_states()
    moved = float(np.abs(np.subtract(after.arms[ARM].q, before)).max())
    refused = after.damaged + sum(after.arms[ARM].rejected.values())
    return {"messages": heard, "alive": alive, "moved": moved, "refused": refused, "late_ticks": after.missed}


def _fuzz_learner(messages: int, rng: np.random.Generator) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="robolearn-fuzz-") as folder, _learner(Path(folder)) as learner:
        inbox, replay, settle = learner
        steps, weights = inbox.endpoints
        last = Inquire(version=STRANGE)
        heard = _flood(steps, Mutator(_deliveries("none", 1), rng), messages, last)
        settle()
        stored = len(replay)
        front = partial(_said_before, inbox.session, replay)
        heard += _flood(steps, Mutator([_step()], rng), messages, last, front)
        settle()
        of_actor = len(replay) - stored
        heard += _subscribe(weights, messages, rng)
        for endpoint in inbox.endpoints:
            _plug_in(endpoint, rng)
        end = time.monotonic() + ANSWER_S
        answer = inquire(LinkConfig(steps=steps, weights=weights), lambda: time.monotonic() > end)
        return {"messages": heard, "alive": answer == CONFIG, "stored": stored, "stored_of_actor": of_actor}


@contextmanager
def _learner(folder: Path) -> Iterator[tuple[Inbox, Replay, Callable[[], None]]]:
    """Yield the inbox of a learner, the replay that it fills all the time, and what waits until all that it has heard is in there."""
    replay = Replay(SPEC, 1_000, extra=COLUMNS, directory=folder / "replay")
    weights = {"w": np.zeros(3, np.float32)}
    inbox = Inbox(
        InboxConfig(steps=ANY, weights=ANY, publish_s=0.0), CONFIG, SPEC, replay, lambda: weights, folder / ACTORS
    )
    ended, idle = threading.Event(), threading.Event()

    def work() -> None:
        version = 0
        while not ended.is_set():
            version += 1  # a publisher hears subscriptions when it publishes
            come = inbox.step(version).steps
            for stream, rows in come.items():
                replay.put(rows, stream)
            if not come:
                idle.set()

    def settle() -> None:
        idle.clear()
        if not idle.wait(HEARD_S):
            raise RobolearnError("learner", expected=f"all stored within {HEARD_S:.0f} s", got="more to store")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield inbox, replay, settle
    finally:
        ended.set()
        thread.join()
        inbox.close()
        replay.close()


def _fuzz_camera(messages: int, rng: np.random.Generator) -> dict[str, float]:
    words = (
        "camera=synthetic",
        "camera.name=front",
        "camera.height=48",
        "camera.width=64",
        "server.endpoint=tcp://127.0.0.1:*",
    )
    with Process((*VERBS, "camera_server", *words)) as server:
        heard = _subscribe(server.address, messages, rng)
        _plug_in(server.address, rng)
        cfg = RemoteCameraConfig(name="front", endpoint=server.address, height=48, width=64, tolerate=["slow"])
        with RemoteCamera(cfg) as camera:
            return {"messages": heard, "alive": _answers(lambda: camera.latest(1.0))}


def _answers(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except RobolearnError:
        return False
    return True


def _fuzz_clients(messages: int, rng: np.random.Generator) -> dict[str, float]:
    """Return how many messages each reader of ours refused."""
    picture = FrameInfo(camera="front", seq=1, stamp_ns=1, clock_id="monotonic", faults=[])
    states = States(session=1, seq=1, clock_id="monotonic", arms={}, episode=0, success=False, missed=0, damaged=0)
    readers: dict[str, tuple[bytes, Callable[[memoryview], object]]] = {
        "answers": (encode(Pong(id=1, now_ns=1, session=1)), Decoder(FromServer, "answer")),
        "states": (encode(states), Decoder(States, "states")),
        "pictures": (
            pack(picture, {"pixels": np.zeros((4, 4, 3), np.uint8)}),
            Decoder(FrameInfo, "picture").with_arrays,
        ),
        "weights": (
            pack(Weights(session=1, version=1), {"w": np.zeros(3, np.float32)}),
            Decoder(Weights, "weights").with_arrays,
        ),
    }
    return {name: _refused(Mutator([good], rng), read, messages) for name, (good, read) in readers.items()}


def _refused(mutate: Mutator, read: Callable[[memoryview], object], messages: int) -> float:
    """Publish nonsense one by one until so much of it was read; return how much of that was refused."""
    refused = seen = 0
    with Sockets() as sockets:
        tell = sockets.publish(ANY)
        listen = sockets.newest(bound_to(tell))
        while seen < messages:
            sent(tell, mutate())
            wait_for_any([listen], 0.01)
            heard = take_newest(listen)
            if heard is None:
                continue
            seen += 1
            try:
                read(heard)
            except WireError:
                refused += 1
    return float(refused)


def _requests(session: int, command: Command) -> list[bytes]:
    """Return one of everything that a client of a robot server may say, with a session and a lease that are right, but somebody else's."""
    lease = command.lease
    said: list[Message] = [
        Hello(id=1, protocol=PROTOCOL, client="fuzz"),
        Ping(id=2),
        Release(id=3, session=session, arm=ARM, lease=lease),
        Reset(id=4, session=session, arm=ARM, lease=lease, q=[0.5] * 7),
        ClearFaults(id=5, session=session, arm=ARM, lease=lease),
        Stop(id=6, arm=ARM),
        Begin(id=7, session=session, seed=1),
        Acquire(id=8, session=session, arm=ARM),
        replace(command, deadline_s=60.0, valid_for_s=60.0),
    ]
    return [encode(message) for message in said]


def _step() -> bytes:
    step = Step(
        obs={"proprio/arm.q": np.zeros(3, np.float32)},
        action=np.zeros(3, np.float32),
        rewards={"task": 0.0},
        is_first=True,
        success=False,
        source=Source.ONLINE,
    )
    return encode_step(step)


def _deliveries(config: str, session: int) -> list[bytes]:
    """Return one of everything that an actor may say."""
    join = Join(version=TRAINING, actor="fuzz", log="log", config=config, spec=SPEC)
    said: list[Message] = [Inquire(version=TRAINING), join, Deliver(session=session, first=0)]
    return [*(encode(message) for message in said), _step()]


def _said_before(session: int, replay: Replay, number: int) -> list[bytes]:
    """Return what an actor says in front of steps that are damaged: that it joins, now and then, or that the next ones follow."""
    if number % JOIN_EVERY == 0:
        return _deliveries(fingerprint(CONFIG), session)[1:2]
    newest = replay.newest(range(1))
    return [encode(Deliver(session=session, first=0 if newest is None else 1 + int(newest.extra[NUMBER])))]


def _flood(
    endpoint: str,
    mutate: Mutator,
    messages: int,
    last: Message | FromActor,
    front: Callable[[int], list[bytes]] = lambda _: [],
) -> int:
    """Send nonsense, in one to three frames, as fast as it is taken; return how much of it was heard, which is all.

    Args:
        endpoint: Of whoever hears it.
        mutate: Makes it.
        messages: How many.
        last: What is asked in the end, of a version that is `STRANGE`.
        front: Gives what goes before the nonsense of a message, as it is.

    Raises:
        RobolearnError: If nobody takes any more, or answers what was asked in the end.
    """
    with Sockets() as sockets:
        ask = sockets.ask(endpoint, MAX_ARRAYS)
        for number in range(messages):
            frames = [*front(number), *(mutate() for _ in range(1 + number % 3))]
            end = time.monotonic() + ANSWER_S
            while not sent(ask, *frames):
                if time.monotonic() > end:
                    raise RobolearnError(endpoint, expected="somebody who hears", got=f"none after {number} messages")
                time.sleep(1e-3)
        end = time.monotonic() + HEARD_S
        while time.monotonic() < end:
            sent(ask, encode(last))
            wait_for_any([ask], 0.1)
            while (answer := received(ask)) is not None:
                if str(STRANGE).encode() in answer[-1]:
                    return messages
        raise RobolearnError(endpoint, expected=f"to have heard all within {HEARD_S:.0f} s", got="no answer")


def _subscribe(endpoint: str, messages: int, rng: np.random.Generator) -> int:
    """Ask a publisher for nonsense, without a socket of ours, which would leave some of it out; return how much was heard, which is all.

    Raises:
        RobolearnError: If the publisher hangs up.
        TimeoutError: If it says nothing for `ANSWER_S`.
    """
    address = urlsplit(endpoint)
    for first in range(0, messages, PER_WIRE):
        where = address.hostname, address.port
        with socket.create_connection(where, timeout=ANSWER_S) as wire, wire.makefile("rb") as answers:
            wire.sendall(GREETING)
            answers.read(len(GREETING))
            wire.sendall(_framed(READY, COMMAND))
            for _ in range(first, min(first + PER_WIRE, messages)):
                wire.sendall(_framed(SUBSCRIBE + rng.bytes(int(rng.integers(SHORTEST, LONGEST)))))
            wire.sendall(_framed(SUBSCRIBE))  # to everything: what comes then shows that all before was heard
            _wait_for_message(answers, endpoint)
    return messages


def _wait_for_message(wire: BinaryIO, endpoint: str) -> None:
    """Read frames until one is no command."""
    while flags := wire.read(1):
        size = wire.read(8 if flags[0] & LONG else 1)
        wire.read(int.from_bytes(size, "big"))
        if not flags[0] & COMMAND:
            return
    raise RobolearnError(endpoint, expected="a publisher that stays", got="an end")


def _framed(body: bytes, flags: int = 0) -> bytes:
    return struct.pack(">BQ", flags | LONG, len(body)) + body


def _plug_in(endpoint: str, rng: np.random.Generator) -> None:
    """Connect without ZeroMQ, and say anything."""
    address = urlsplit(endpoint)
    for _ in range(WIRES):
        with socket.create_connection((address.hostname, address.port), timeout=2.0) as wire:
            wire.sendall(rng.bytes(int(rng.integers(1, LONGEST))))
