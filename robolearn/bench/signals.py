"""Faults on purpose among real processes: a twin in real time, a client that commands it wildly, and signals and messages that do harm.

Nothing here is in one process with the twin: what it does is seen by its states alone, as by any other listener.
"""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Self

from robolearn.bench.commander import ARM, CAMERA, CAMERA_SIZE, Orders
from robolearn.bench.faults import LIMITS
from robolearn.bench.processes import VERBS, Process
from robolearn.bench.watch import Limits, Watch
from robolearn.core.errors import RobolearnError
from robolearn.core.robot import CommandMode
from robolearn.hardware.bridge.client import BridgeClient, ClientConfig
from robolearn.hardware.bridge.desk import DeskConfig
from robolearn.wire.messages import States

FAULTS = {
    "client_killed": "watchdog",
    "client_frozen": "watchdog",
    "client_hung": "watchdog",
    "server_killed": "driver:restarted",
    "server_frozen": "late",
    "second_client": "DriverError",
    "camera_frozen": "stale",
    "nan": "non_finite",
    "infinite": "non_finite",
    "shape": "shape",
    "oversized": "at most",
    "late": "late",
    "foreign": "session",
    "duplicated": "seq",
    "reordered": "seq",
}
"""What goes wrong, and what states, logs or the client then say."""
OWN = ("nan", "infinite", "shape", "oversized", "late", "foreign", "duplicated", "reordered")
"""What a client does by itself."""
AFTER_S, FREEZE_S, WATCH_S = 1.0, 1.5, 3.5
"""Until something goes wrong; how long what is frozen stays so; how long a round is looked at."""
LEASE_S = DeskConfig().lease_s + 0.3
"""After this, somebody else may command an arm whose client died."""
PORTS = ("tcp://127.0.0.1:5690", "tcp://127.0.0.1:5691")
"""Of the twin: a server that is started again is where its clients look for it."""


@dataclass(slots=True)
class Round:
    """What a round showed."""

    fault: str
    watch: Watch
    said: set[str] = field(default_factory=set[str])
    """By states, and by the client."""
    logged: list[str] = field(default_factory=list[str])

    @property
    def named(self) -> bool:
        """Return whether what happened is called by its name."""
        name = FAULTS[self.fault]
        return any(name in word for word in self.said) or any(name in line for line in self.logged)


def bench_signals(rounds: int = 60) -> dict[str, object]:
    """Let so many things go wrong, each kind in its turn.

    Returns:
        `rounds`, `broken`, `unnamed`, `examples`, `by_fault`, and the worst of what `Watch` looks at.
    """
    with Bench() as bench:
        done = [bench.play(list(FAULTS)[number % len(FAULTS)], number) for number in range(rounds)]
    broken, unnamed = [r for r in done if r.watch.broken], [r for r in done if not r.named]
    return {
        "rounds": len(done),
        "broken": len(broken),
        "unnamed": len(unnamed),
        "examples": [
            f"{r.fault}: {', '.join(sorted(r.watch.broken)) or sorted(r.said)}" for r in (broken + unnamed)[:5]
        ],
        "by_fault": dict(Counter(r.fault for r in done)),
        **Watch.worst([r.watch for r in done]),
    }


class Bench:
    """A twin, a camera, and a listener."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        size = (f"camera.height={CAMERA_SIZE[0]}", f"camera.width={CAMERA_SIZE[1]}")
        words = ("camera=synthetic", f"camera.name={CAMERA}", *size, "server.endpoint=tcp://127.0.0.1:*")
        self._camera = self._stack.enter_context(Process((*VERBS, "camera_server", *words)))
        self._server = self._start_server()
        self._listener = BridgeClient(ClientConfig(commands=PORTS[0], states=PORTS[1], name="listener"))
        self._stack.callback(self._listener.close)
        self._stack.callback(self._end_server)
        self._limits = Limits.of(self._listener.welcome.arms[ARM], LIMITS)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def play(self, fault: str, seed: int) -> Round:
        """Have a client command, let something go wrong, and look on."""
        own = "hung" if fault == "client_hung" else fault if fault in OWN else ""
        camera = self._camera.address if fault == "camera_frozen" else ""
        orders = Orders(commands=PORTS[0], states=PORTS[1], seed=seed, fault=own, after_s=AFTER_S, camera=camera)
        logged = len(self._server.log)
        with Process(("-m", "robolearn.bench.commander", json.dumps(asdict(orders)))) as client:
            played = Round(fault, Watch(self._limits, CommandMode(client.address)))
            harm, undo = self._harm(fault, client, played)
            self._look(played, AFTER_S)
            harm()
            self._look(played, FREEZE_S)
            undo()
            self._look(played, WATCH_S - AFTER_S - FREEZE_S)
            client.signal(signal.SIGKILL if fault == "client_hung" else signal.SIGTERM)
            last = client.rest()
        if fault in ("client_hung", "client_killed"):
            time.sleep(LEASE_S)
        played.said |= set(json.loads(last)) if last else set()
        played.logged += [*self._server.log[logged:], *client.log]
        return played

    def _harm(self, fault: str, client: Process, played: Round) -> tuple[Callable[[], None], Callable[[], None]]:
        """Return what does harm, and what undoes it."""
        freeze = {"client_frozen": client, "server_frozen": self._server, "camera_frozen": self._camera}
        if fault in freeze:
            process = freeze[fault]
            return lambda: process.signal(signal.SIGSTOP), lambda: process.signal(signal.SIGCONT)
        match fault:
            case "client_killed":
                return lambda: client.signal(signal.SIGKILL), _nothing
            case "server_killed":
                return self._kill_server, _nothing
            case "second_client":
                return lambda: self._intrude(played), _nothing
            case _:
                return _nothing, _nothing

    def _kill_server(self) -> None:
        self._server.signal(signal.SIGKILL)
        self._server.end()
        self._server = self._start_server()

    def _intrude(self, played: Round) -> None:
        """Try to command beside the client."""
        orders = Orders(commands=PORTS[0], states=PORTS[1])
        try:
            Process(("-m", "robolearn.bench.commander", json.dumps(asdict(orders)))).end()
        except RobolearnError as error:
            played.logged += str(error).splitlines()

    def _look(self, played: Round, seconds: float) -> None:
        """Look at every state that comes for so long."""
        end, seq = time.monotonic() + seconds, -1
        while time.monotonic() < end:
            states = self._listener.states()
            if states is not None and states.seq != seq:
                seq = states.seq
                self._note(played, states)
            time.sleep(2e-3)

    def _note(self, played: Round, states: States) -> None:
        arm = states.arms[ARM]
        played.said |= {arm.stopped_by, *arm.faults, *arm.rejected}
        played.watch.look(arm)

    def _end_server(self) -> None:
        self._server.end()

    def _start_server(self) -> Process:
        binds = (f"server.commands={PORTS[0]}", f"server.states={PORTS[1]}")
        limits = [f"env.safety.{name}={_word(value)}" for name, value in asdict(LIMITS).items()]
        return Process((*VERBS, "robot_server", "robot=twin", "env=reach", "env.observation=state", *limits, *binds))


def _nothing() -> None:
    """Do no harm."""


def _word(value: object) -> str:
    """Return a value as a command line has it."""
    return "null" if value is None else str(value).replace("(", "[").replace(")", "]").replace(" ", "")
