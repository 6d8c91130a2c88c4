"""Faults on purpose among real processes: a twin in real time, a client that commands it wildly, and signals and messages that do harm.

Nothing here is in one process with the twin: what it does is seen by its states alone, as by any other listener.
"""

import json
import math
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Self, TypeVar

from robolearn.bench.commander import ARM, CAMERA, CAMERA_SIZE, Orders
from robolearn.bench.faults import LIMITS
from robolearn.bench.processes import VERBS, Process, free_addresses
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
SIGNALS = ("client_killed", "client_frozen", "server_killed", "server_frozen", "camera_frozen")
PLAYS = {**dict.fromkeys(FAULTS, 2), **dict.fromkeys(SIGNALS, 10)}
"""How often each is played: those that a signal brings about more often."""
OWN = ("nan", "infinite", "shape", "oversized", "late", "foreign", "duplicated", "reordered")
"""What a client does by itself."""
AFTER_S, FREEZE_S, WATCH_S = 1.0, 1.5, 3.5
"""Until something goes wrong; how long what is frozen stays so; how long a round is looked at."""
LEAST = 20
"""Samples of a round that must have been judged."""
LEASE_S = DeskConfig().lease_s + 0.3
"""After this, somebody else may command an arm whose client died."""
ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class Round:
    """What a round showed."""

    fault: str
    watch: Watch
    said: set[str] = field(default_factory=set[str])
    """By states, and by the client."""
    logged: list[str] = field(default_factory=list[str])
    before: Counter[str] | None = None
    """What the arm's server had refused when the round began."""
    session: int = 0

    @property
    def named(self) -> bool:
        """Return whether what happened is called by its name."""
        name = FAULTS[self.fault]
        return name in self.said or any(name in line for line in self.logged)


def bench_signals() -> dict[str, object]:
    """Let things go wrong, each as often as `PLAYS` says.

    Returns:
        `rounds`, `broken`, `unnamed`, `unwatched` (in which less than `LEAST` samples could be judged), `examples`, `by_fault`, and the worst of what
        `Watch` looks at.
    """
    order = [fault for turn in range(max(PLAYS.values())) for fault, times in PLAYS.items() if turn < times]
    with Bench() as bench:
        done = [bench.play(fault, seed) for seed, fault in enumerate(order)]
    bad = {
        "broken": [r for r in done if r.watch.broken],
        "unnamed": [r for r in done if not r.named],
        "unwatched": [r for r in done if r.watch.judged < LEAST],
    }
    return {
        "rounds": len(done),
        **{name: len(rounds) for name, rounds in bad.items()},
        "examples": [
            f"{name}: {r.fault} {sorted(r.watch.broken)} {sorted(r.said)} {r.watch.judged}"
            for name, rounds in bad.items()
            for r in rounds[:3]
        ],
        "by_fault": dict(Counter(r.fault for r in done)),
        **Watch.worst([r.watch for r in done]),
    }


class Bench:
    """A twin, a camera, and a listener."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._where = free_addresses()

    def __enter__(self) -> Self:
        size = (f"camera.height={CAMERA_SIZE[0]}", f"camera.width={CAMERA_SIZE[1]}")
        words = ("camera=synthetic", f"camera.name={CAMERA}", *size, "server.endpoint=tcp://127.0.0.1:*")
        with ExitStack() as stack:
            self._camera = stack.enter_context(Process((*VERBS, "camera_server", *words)))
            self._server = self._start_server()
            stack.callback(self._end_server)
            self._listener = BridgeClient(ClientConfig(commands=self._where[0], states=self._where[1], name="listener"))
            stack.callback(self._listener.close)
            self._stack = stack.pop_all()
        self._limits = Limits.of(self._listener.welcome.arms[ARM], LIMITS)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def play(self, fault: str, seed: int) -> Round:
        """Have a client command, let something go wrong, and look on."""
        own = "hung" if fault == "client_hung" else fault if fault in OWN else ""
        camera = self._camera.address if fault == "camera_frozen" else ""
        orders = Orders(
            commands=self._where[0], states=self._where[1], seed=seed, fault=own, after_s=AFTER_S, camera=camera
        )
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
                return lambda: self._kill_server(played), _nothing
            case "second_client":
                return lambda: self._meanwhile(played, lambda: self._intrude(played)), _nothing
            case _:
                return _nothing, _nothing

    def _kill_server(self, played: Round) -> None:
        self._server.signal(signal.SIGKILL)
        self._server.end()
        self._server = self._meanwhile(played, self._start_server)

    def _intrude(self, played: Round) -> None:
        """Try to command beside the client."""
        orders = Orders(commands=self._where[0], states=self._where[1])
        try:
            Process(("-m", "robolearn.bench.commander", json.dumps(asdict(orders)))).end()
        except RobolearnError as error:
            played.logged += str(error).splitlines()

    def _meanwhile(self, played: Round, work: Callable[[], ResultT]) -> ResultT:
        """Look at every state that comes while other processes start, or end; return what that has given."""
        with ThreadPoolExecutor(1) as pool:
            result = pool.submit(work)
            self._look(played, done=result.done)
        return result.result()

    def _look(self, played: Round, seconds: float = math.inf, done: Callable[[], bool] = lambda: False) -> None:
        """Look at every state that comes for so long, or until it is done."""
        end, seq = time.monotonic() + seconds, -1
        while time.monotonic() < end and not done():
            states = self._listener.states()
            if states is not None and states.seq != seq:
                seq = states.seq
                self._note(played, states)
            time.sleep(2e-3)

    def _note(self, played: Round, states: States) -> None:
        arm = states.arms[ARM]
        if played.before is None or played.session != states.session:
            played.before, played.session = Counter(arm.rejected), states.session
        played.said |= {arm.stopped_by, *arm.faults, *(Counter(arm.rejected) - played.before)}
        played.watch.look(arm)

    def _end_server(self) -> None:
        self._server.end()

    def _start_server(self) -> Process:
        binds = (f"server.commands={self._where[0]}", f"server.states={self._where[1]}")
        limits = [f"env.safety.{name}={_word(value)}" for name, value in asdict(LIMITS).items()]
        return Process((*VERBS, "robot_server", "robot=twin", "env=reach", "env.observation=state", *limits, *binds))


def _nothing() -> None:
    """Do no harm."""


def _word(value: object) -> str:
    """Return a value as a command line has it."""
    return "null" if value is None else str(value).replace("(", "[").replace(")", "]").replace(" ", "")
