"""Nonsense to every socket: random bytes, and messages that were good before something happened to them.

Servers must stay up, keep answering others, and move nothing; what clients read must be refused with a `WireError` or be a message.
"""

import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from robolearn.bench.bridge import BINDS
from robolearn.bench.processes import VERBS, Process
from robolearn.core.errors import WireError
from robolearn.core.robot import CommandMode
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import Source, Step
from robolearn.hardware.bridge.client import BridgeClient, ClientConfig
from robolearn.replay import Replay
from robolearn.run.inbox import COLUMNS, Inbox, InboxConfig
from robolearn.run.link import LinkConfig, inquire
from robolearn.wire.codec import Decoder, encode, pack
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
from robolearn.wire.sockets import Sockets, bound_to, sent, take_newest, wait_for_any
from robolearn.wire.training import TRAINING, Deliver, Inquire, Join, Weights, encode_step

ARM = "arm"
ANY = "tcp://127.0.0.1:*"
CONFIG = "agent: sac\n"
ANSWER_S = 10.0
CALM = 1e-6
"""rad by which a joint may seem to have moved."""
WIRES = 500
"""Connections that do not even speak ZeroMQ, to each port."""
LONGEST = 300
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


def bench_fuzz(messages: int = 50_000) -> dict[str, object]:
    """Send so much nonsense to each of the sockets that hear, and have as much read by clients.

    Returns:
        `messages`: all of it; by socket, of a robot server, a camera server and a learner, of their clients, `refused` (how many were named as
        nonsense), and for servers `alive` (they still answer), `moved` (rad) and `stored` (steps of nobody). `passed`: whether nothing crashed, hung or moved.
    """
    rng = np.random.default_rng(0)
    robot, learner = _fuzz_robot(messages, rng), _fuzz_learner(messages, rng)
    clients = _fuzz_clients(messages, rng)
    passed = robot["alive"] and robot["moved"] < CALM and learner["alive"] and learner["stored"] == 0
    total = 2 * messages + len(clients) * messages
    return {"messages": total, "robot": robot, "learner": learner, "clients": clients, "passed": passed}


def _fuzz_robot(messages: int, rng: np.random.Generator) -> dict[str, float]:
    with Process((*VERBS, "robot_server", "robot=mock", *BINDS)) as server:
        commands, states = server.address.split()
        client = BridgeClient(ClientConfig(commands=commands, states=states, name="listener"))
        before = client.wait_for_states().arms[ARM].q
        _flood(commands, Mutator(_requests(client.welcome.session), rng), messages)
        for endpoint in (commands, states):
            _plug_in(endpoint, rng)
        client.hello()
        time.sleep(0.5)
        after = client.wait_for_states()
        client.close()
    moved = float(np.abs(np.subtract(after.arms[ARM].q, before)).max())
    refused = after.damaged + sum(after.arms[ARM].rejected.values())
    return {"alive": True, "moved": moved, "refused": refused, "late_ticks": after.missed}


def _fuzz_learner(messages: int, rng: np.random.Generator) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="robolearn-fuzz-") as folder, _learner(Path(folder)) as (replay, endpoints):
        steps, weights = endpoints
        _flood(steps, Mutator(_deliveries(), rng), messages)
        for endpoint in endpoints:
            _plug_in(endpoint, rng)
        end = time.monotonic() + ANSWER_S
        answer = inquire(LinkConfig(steps=steps, weights=weights), lambda: time.monotonic() > end)
        return {"alive": answer == CONFIG, "stored": len(replay)}


@contextmanager
def _learner(folder: Path) -> Iterator[tuple[Replay, tuple[str, str]]]:
    """Yield a replay, and the addresses of the inbox that fills it all the time."""
    replay = Replay(SPEC, 1_000, extra=COLUMNS, directory=folder / "replay")
    weights = {"w": np.zeros(3, np.float32)}
    inbox = Inbox(InboxConfig(steps=ANY, weights=ANY), CONFIG, SPEC, replay, lambda: weights, folder / "actors.json")
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            for stream, rows in inbox.step().steps.items():
                replay.put(rows, stream)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield replay, inbox.endpoints
    finally:
        ended.set()
        thread.join()
        inbox.close()
        replay.close()


def _fuzz_clients(messages: int, rng: np.random.Generator) -> dict[str, float]:
    """Return how many messages each reader of ours refused."""
    picture = FrameInfo(camera="front", seq=1, stamp_ns=1, sent_ns=1, clock_id="monotonic", rate_hz=30.0, faults=[])
    states = States(session=1, seq=1, clock_id="monotonic", arms={}, episode=0, success=False, missed=0, damaged=0)
    readers: dict[str, tuple[bytes, Callable[[memoryview], object]]] = {
        "answers": (encode(Pong(id=1, now_ns=1, clock_id="monotonic")), Decoder(FromServer, "answer")),
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
    """Publish nonsense one by one, and have it read; return how much of it was refused."""
    refused = 0
    with Sockets() as sockets:
        tell = sockets.publish(ANY)
        listen = sockets.newest(bound_to(tell))
        for _ in range(messages):
            sent(tell, mutate())
            wait_for_any([listen], 0.01)
            heard = take_newest(listen)
            try:
                if heard is not None:
                    read(heard)
            except WireError:
                refused += 1
    return float(refused)


def _requests(session: int) -> list[bytes]:
    """Return one of everything that a client of a robot server may say, with a session that is right and a lease that is not."""
    command = Command(
        session=session,
        arm=ARM,
        lease=1,
        seq=1,
        sent_ns=time.monotonic_ns(),
        deadline_s=60.0,
        mode=CommandMode.JOINT_VELOCITY,
        target=[1.0] * 7,
        valid_for_s=60.0,
    )
    said: list[Message] = [
        Hello(id=1, protocol=PROTOCOL, client="fuzz"),
        Ping(id=2),
        Release(id=3, session=session, arm=ARM, lease=1),
        Reset(id=4, session=session, arm=ARM, lease=1, q=[0.5] * 7),
        ClearFaults(id=5, session=session, arm=ARM, lease=1),
        Stop(id=6, arm=ARM),
        Begin(id=7, session=session, seed=1),
        Acquire(id=8, session=session ^ 1, arm=ARM),
        command,
    ]
    return [encode(message) for message in said]


def _deliveries() -> list[bytes]:
    """Return one of everything that an actor may say."""
    step = Step(
        obs={"proprio/arm.q": np.zeros(3, np.float32)},
        action=np.zeros(3, np.float32),
        rewards={"task": 0.0},
        is_first=True,
        success=False,
        source=Source.ONLINE,
    )
    join = Join(version=TRAINING, actor="fuzz", log="log", config="none", spec=SPEC)
    said: list[Message] = [Inquire(version=TRAINING), join, Deliver(session=1, first=0)]
    return [*(encode(message) for message in said), encode_step(step, 0)]


def _flood(endpoint: str, mutate: Mutator, messages: int) -> None:
    """Send nonsense, in one to three frames, as fast as it is taken."""
    with Sockets() as sockets:
        ask = sockets.ask(endpoint)
        for number in range(messages):
            frames = [mutate() for _ in range(1 + number % 7 // 5)]
            while not sent(ask, *frames):
                time.sleep(1e-3)


def _plug_in(endpoint: str, rng: np.random.Generator) -> None:
    """Connect without ZeroMQ, and say anything."""
    address = urlsplit(endpoint)
    for _ in range(WIRES):
        with socket.create_connection((address.hostname, address.port), timeout=2.0) as wire:
            wire.sendall(rng.bytes(int(rng.integers(1, LONGEST))))
