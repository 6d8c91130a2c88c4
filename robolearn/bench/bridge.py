"""What the bridge costs: a command there and its state back, against the bare sockets; pictures, against JSON; and what keys add.

Everything runs on loopback in processes of its own, under one load: a robot server (states at 100 Hz), three cameras of 640 x 480 raw pixels at
30 Hz, and a client that looks at all of them at 50 Hz. Things that are compared are measured in turns.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
from numpy.typing import NDArray

from robolearn.bench import host
from robolearn.bench.processes import BINDS, VERBS, Process
from robolearn.core.clock import WallClock
from robolearn.core.errors import CommandTimeoutError
from robolearn.core.memory import keep_freed_memory, spare_what_stays
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.hardware.bridge.client import BridgeClient, ClientConfig, RemoteRobot
from robolearn.hardware.bridge.server import ServerConfig
from robolearn.hardware.cameras.client import RemoteCamera, RemoteCameraConfig
from robolearn.wire.codec import MAX_ARRAYS
from robolearn.wire.keys import make_keys
from robolearn.wire.sockets import SecurityConfig, Socket, Sockets, sent, viewed, wait_for_any

RATE_HZ = 50.0
"""At which the client commands and looks."""
EARLY = (f"rate_hz={1.2 * RATE_HZ}", "server.desk.apart=0.5")
"""So that commands need not wait for their time: the client measures, rather than keep a pace."""
ARM = "arm"
SWING = 0.05
"""rad that the arm moves to and fro."""
TICK_S = 1.0 / ServerConfig().rate_hz
"""Of a server; a turn begins at any moment of one, since whoever keeps a pace of his own meets all turns of a run at the same."""
IDLE_PINGS = 500
OBSERVATIONS = 60
ANSWER_S = 2.0
QUESTION = b"x" * 200
"""About as long as a command."""


@dataclass(slots=True)
class Trips:
    """Round trips, s, and ages of pictures at use, s."""

    ours: list[float] = field(default_factory=list[float])
    keyed: list[float] = field(default_factory=list[float])
    raw: list[float] = field(default_factory=list[float])
    ages: list[float] = field(default_factory=list[float])
    late: int = 0
    """Turns that the client itself began late."""


def bench_bridge(seconds: float = 120.0) -> dict[str, float]:
    """Measure the bridge for so long.

    Returns:
        `rtt_p50_ms`, `rtt_p99_ms`: from sending a command to the state that says it was accepted. `raw_loaded_p50_ms`, `raw_loaded_p99_ms`: a
        message of the same size to a process that sends it back, in turns with it; `raw_idle_p50_ms` before there is any load;
        `rtt_vs_raw_p50`, `rtt_vs_raw_p99` their ratios. `curve_rtt_p50_ms`, `curve_rtt_p99_ms`: with keys, in the same turns.
        `camera_age_p50_ms`, `camera_age_p95_ms`: of pictures when they are used. `observation_ms`, `json_base64_ms`, `curve_observation_ms`: from
        asking for three pictures to having them as arrays, median, while the servers run but this process gets no pictures beside, and
        `vs_json_base64` the ratio of the second and the first.
        `late`, `turns`: how often the client itself was late, of how many times.
    """
    keep_freed_memory()  # as our programs do
    spare_what_stays()
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="robolearn-keys-") as folder:
        serving, asking = _keys(Path(folder))
        echo = stack.enter_context(Process(("-m", "robolearn.bench.host")))
        keyed_host = stack.enter_context(Process(("-m", "robolearn.bench.host", json.dumps(asdict(serving)))))
        idle = _idle(echo.address)
        plain = stack.enter_context(_robot(SecurityConfig(), SecurityConfig()))
        served = [stack.enter_context(_camera(name)) for name in host.CAMERAS]
        with _robot(serving, asking) as keyed, ExitStack() as looking:
            cameras = [looking.enter_context(RemoteCamera(cfg)) for cfg in served]
            trips = _turns([plain, keyed], cameras, echo.address, seconds)
        observations = _observations(echo.address, keyed_host.address, asking)
    return {**_summary(trips, idle), **observations}


def _summary(trips: Trips, idle: list[float]) -> dict[str, float]:
    rtt, raw, keyed = (np.percentile(times, [50, 99]) * 1e3 for times in (trips.ours, trips.raw, trips.keyed))
    ages = np.percentile(trips.ages, [50, 95]) * 1e3
    return {
        "rtt_p50_ms": float(rtt[0]),
        "rtt_p99_ms": float(rtt[1]),
        "raw_loaded_p50_ms": float(raw[0]),
        "raw_loaded_p99_ms": float(raw[1]),
        "raw_idle_p50_ms": 1e3 * float(np.median(idle)),
        "rtt_vs_raw_p50": float(rtt[0] / raw[0]),
        "rtt_vs_raw_p99": float(rtt[1] / raw[1]),
        "curve_rtt_p50_ms": float(keyed[0]),
        "curve_rtt_p99_ms": float(keyed[1]),
        "camera_age_p50_ms": float(ages[0]),
        "camera_age_p95_ms": float(ages[1]),
        "turns": len(trips.ours),
        "late": trips.late,
    }


def _keys(folder: Path) -> tuple[SecurityConfig, SecurityConfig]:
    """Make keys for a server and one client; return what each of them is told."""
    server, server_secret = make_keys(folder, "server")
    _, client_secret = make_keys(folder / "clients", "client")
    serving = SecurityConfig(server_key=str(server_secret), allow=str(folder / "clients"))
    return serving, SecurityConfig(server_key=str(server), client_key=str(client_secret))


@contextmanager
def _robot(serving: SecurityConfig, asking: SecurityConfig) -> Iterator[RemoteRobot]:
    """Start the server of an arm that is not there, and yield its client."""
    keys = [f"server.security.{key}={value}" for key, value in asdict(serving).items() if value]
    with Process((*VERBS, "robot_server", "robot=mock", *EARLY, *BINDS, *keys)) as server:
        commands, states = server.address.split()
        client = BridgeClient(ClientConfig(commands=commands, states=states, name="bench", security=asking))
        with closing(client), RemoteRobot(client, ARM) as robot:
            yield robot


@contextmanager
def _camera(name: str) -> Iterator[RemoteCameraConfig]:
    """Start the server of a camera, and yield how to look at it."""
    words = ("camera=synthetic", f"camera.name={name}", "server.endpoint=tcp://127.0.0.1:*")
    height, width, _ = host.SIZE
    with Process((*VERBS, "camera_server", *words)) as server:
        yield RemoteCameraConfig(name=name, endpoint=server.address, height=height, width=width)


def _idle(echo: str) -> list[float]:
    with Sockets() as sockets:
        socket = sockets.ask(echo)
        return [_answer(socket, QUESTION)[0] for _ in range(IDLE_PINGS)]


def _turns(robots: list[RemoteRobot], cameras: list[RemoteCamera], echo: str, seconds: float) -> Trips:
    trips, pace, end = Trips(), WallClock(1.0 / RATE_HZ), perf_counter() + seconds
    rng, seq = np.random.default_rng(0), 0
    with Sockets() as sockets:
        socket = sockets.ask(echo)
        _answer(socket, b"x")
        measured: list[Callable[[int], None]] = [
            lambda seq: trips.ours.append(_trip(robots[0], seq)),
            lambda seq: trips.keyed.append(_trip(robots[1], seq)),
            lambda _: trips.raw.append(_answer(socket, QUESTION)[0]),
        ]
        while perf_counter() < end:
            seq += 1
            sleep(rng.uniform(0.0, TICK_S))
            for turn in range(3):  # who comes first after a pause pays for it
                measured[(seq + turn) % 3](seq)
            for camera in cameras:
                frame = camera.latest(1.0)
                trips.ages.append((pace.now_ns() - frame.stamp_ns) * 1e-9)
            trips.late += pace.wait() > 0.0
    return trips


def _trip(robot: RemoteRobot, seq: int) -> float:
    """Send a command; return how long its echo took, s."""
    target = np.array(robot.spec.q_home)
    target[0] += SWING * np.sin(0.05 * seq)
    start = perf_counter()
    robot.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=target, valid_for_s=0.5, seq=seq))
    robot.wait_for_command(seq)
    return perf_counter() - start


def _answer(socket: Socket, question: bytes) -> tuple[float, list[memoryview]]:
    """Ask; return how long the answer took, s, and the answer.

    Raises:
        CommandTimeoutError: If there is none.
    """
    end = perf_counter() + ANSWER_S
    while True:
        start = perf_counter()
        if sent(socket, question):
            break
        if start > end:
            raise CommandTimeoutError("host", expected="a connection", got="none")
        sleep(1e-3)
    wait_for_any([socket], ANSWER_S)
    answer = viewed(socket)
    if answer is None:
        raise CommandTimeoutError("host", expected=f"an answer in {ANSWER_S} s", got="none")
    return perf_counter() - start, answer


def _observations(plain: str, keyed: str, asking: SecurityConfig) -> dict[str, float]:
    """Return how long it takes to have three pictures, in either form, and in ours with keys, ms."""
    times: dict[str, list[float]] = {"observation_ms": [], "json_base64_ms": [], "curve_observation_ms": []}
    with Sockets() as open_, Sockets(asking) as secret:
        ask, ask_keyed = open_.ask(plain, MAX_ARRAYS), secret.ask(keyed, MAX_ARRAYS)
        forms: dict[str, tuple[Socket, bytes, Callable[[Sequence[memoryview]], dict[str, NDArray[np.uint8]]]]] = {
            "observation_ms": (ask, host.OURS, host.from_ours),
            "json_base64_ms": (ask, host.JSON, host.from_json),
            "curve_observation_ms": (ask_keyed, host.OURS, host.from_ours),
        }
        for _ in range(OBSERVATIONS):
            for name, (socket, question, decode) in forms.items():
                start = perf_counter()
                decode(_answer(socket, question)[1])
                times[name].append(1e3 * (perf_counter() - start))
    medians = {name: float(np.median(values[3:])) for name, values in times.items()}
    return {**medians, "vs_json_base64": medians["json_base64_ms"] / medians["observation_ms"]}
