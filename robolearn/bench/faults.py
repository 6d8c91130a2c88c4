"""Faults on purpose, on a clock that is made: whatever clients and networks do, the twin stays within its limits, stops in time and says why.

A schedule is drawn from its seed: how the client commands (any mode, far beyond all limits), the one thing that goes wrong and when, and, for every
second schedule, a bad network besides. The server's reception, its desks, the supervisor and the simulated arm are the real ones; only sockets and the
passing of time are not.
"""

import logging
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from robolearn.bench.commander import Commander
from robolearn.bench.watch import Limits, Watch
from robolearn.core.geometry import Pose
from robolearn.envs.assets.panda import PANDA
from robolearn.envs.remote import Twin, make_twin
from robolearn.envs.sim.kinematics import Kinematics
from robolearn.envs.tasks.base import ARM, turned_down
from robolearn.envs.tasks.reach import ReachConfig
from robolearn.hardware.bridge.chaos import ChaosConfig, Scrambler
from robolearn.hardware.bridge.desk import DeskConfig
from robolearn.hardware.bridge.reception import Reception
from robolearn.safety import SafetyLimits
from robolearn.wire.codec import MAX_MESSAGE, encode
from robolearn.wire.messages import (
    PROTOCOL,
    Acquire,
    ArmState,
    ClearFaults,
    Command,
    Granted,
    Hello,
    Ping,
    States,
    Stop,
)

TICK_NS = 10_000_000
PERIOD_TICKS = 10
"""Ticks between two commands."""
BEGIN, END, SILENCE, LENGTH = 30, 150, 220, 300
"""Ticks: something goes wrong between the first two, the client says no more after the third, and a schedule has so many."""
US, THEM = b"us", b"them"
DEADLINE_S = 0.1
BAD_NETWORK = {"drop": 0.1, "duplicate": 0.1, "corrupt": 0.05, "reorder": 0.1, "jitter_s": 0.05}
LIMITS = SafetyLimits(
    workspace_low=(0.3, -0.35, 0.1),
    workspace_high=(0.65, 0.35, 0.6),
    speed=0.5,
    acceleration=5.0,
    angular_speed=0.8,
    angular_acceleration=10.0,
    joint_speed_fraction=0.6,
    joint_acceleration_fraction=0.6,
    tilt_max=0.6,
    position_error=0.05,
    rotation_error=0.2,
)
"""As careful as with a real arm, and nowhere near where it is stretched out."""
START = (0.5, 0.0, 0.35)
"""m."""
FAULTS = {
    "killed": "watchdog",
    "frozen": "watchdog",
    "hung": "watchdog",
    "clock_jump": "watchdog",
    "restarted": "session",
    "foreign": "session",
    "second": "lease",
    "duplicated": "seq",
    "reordered": "seq",
    "late": "late",
    "early": "early",
    "nan": "non_finite",
    "infinite": "non_finite",
    "shape": "shape",
    "oversized": "damaged",
    "garbage": "damaged",
    "stopped": "asked",
}
"""What goes wrong, and what state and log must then say."""


@dataclass(slots=True, frozen=True)
class Outcome:
    """What a schedule showed."""

    seed: int
    fault: str
    named: bool
    """Whether state and log say what happened, after it has and before the client is silent anyway; only judged where the network was good."""
    watch: Watch


class Log(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.lines.append(record.getMessage())


def bench_faults(schedules: int = 5_000) -> dict[str, object]:
    """Run so many schedules on all cores.

    Returns:
        `schedules`, `broken` (how many exceeded anything), `unnamed`, `examples` of both; `by_fault`; and over all of them the worst of what `Watch`
        looks at.
    """
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores) as pool:
        parts = pool.map(run_schedules, [range(first, schedules, cores) for first in range(cores)])
        outcomes = [outcome for part in parts for outcome in part]
    broken = [o for o in outcomes if o.watch.broken]
    unnamed = [o for o in outcomes if not o.named]
    return {
        "schedules": len(outcomes),
        "broken": len(broken),
        "unnamed": len(unnamed),
        "examples": [
            f"{o.seed} {o.fault}: {', '.join(sorted(o.watch.broken)) or 'unnamed'}" for o in (broken + unnamed)[:5]
        ],
        "by_fault": dict(Counter(o.fault for o in outcomes)),
        **Watch.worst([o.watch for o in outcomes]),
    }


def run_schedules(seeds: range, *, harm: bool = True) -> list[Outcome]:
    """Run the schedules of some seeds on one twin; without `harm`, what should go wrong does not."""
    rig = Rig()
    return [Schedule(rig, seed, harm=harm).run() for seed in seeds]


class Rig:
    """A twin on a clock that only `pass_` moves."""

    def __init__(self) -> None:
        self.now_ns = 0
        cfg = ReachConfig(observation="state", safety=LIMITS)
        self.twin: Twin = make_twin(cfg, 30.0, lambda: self.now_ns)
        self.limits = Limits.of(self.twin.arms[ARM].spec, LIMITS)
        self.start = Kinematics(PANDA).solve(Pose(np.array(START), turned_down(0.0)))

    def receive(self) -> Reception:
        """Return a reception as of a server that has just started; its arm is at rest where it was."""
        self.twin.arms[ARM].stop()
        return Reception(self.twin.arms, self.twin.clock, DeskConfig(), self.twin.scene)


@dataclass(slots=True)
class Client:
    """Who commands."""

    commander: Commander
    session: int
    lease: int
    seq: int = 0
    alive: bool = True
    asleep_until: int = 0
    """Tick before which it does nothing."""
    hung: bool = False
    """It says that it is there, and does not command."""


class Schedule:
    """One seed.

    Args:
        rig: Put back to where it starts.
        seed: Of everything.
        harm: Whether something goes wrong when its time has come.
    """

    def __init__(self, rig: Rig, seed: int, *, harm: bool = True) -> None:
        self._rig, self._seed, self._harm = rig, seed, harm
        self._rng = np.random.default_rng([seed, 1])
        self._fault = list(FAULTS)[seed % len(FAULTS)]
        self._bad = seed // len(FAULTS) % 2 == 1
        self._at = int(self._rng.integers(BEGIN, END))
        robot = rig.twin.arms[ARM]
        robot.reset_faults()
        robot.reset(rig.start)
        rig.twin.scene.advance()
        self._reception = rig.receive()
        self._network = Scrambler(ChaosConfig(seed=seed, **(BAD_NETWORK if self._bad else {})))
        self._direct: list[tuple[bytes, bytes]] = []
        """What reaches the server whatever the network does."""
        self._client = self._greet(Commander(robot.spec, self._rng))
        self._broken = False
        self._log = Log()
        self._before: Counter[str] = Counter()
        """What the state said when it happened."""
        self._seen: set[str] = set()
        """What it has said since, and not before."""

    def run(self) -> Outcome:
        """Play it."""
        named, logger = False, logging.getLogger("robolearn")
        logger.addHandler(self._log)
        propagates, logger.propagate = logger.propagate, False
        watch = Watch(self._rig.limits, self._client.commander.mode)
        try:
            for tick in range(LENGTH):
                if tick == SILENCE:
                    named = self._named()
                watch.look(self._tick(tick))
        finally:
            logger.removeHandler(self._log)
            logger.propagate = propagates
        return Outcome(seed=self._seed, fault=self._fault, named=named or self._bad, watch=watch)

    def _named(self) -> bool:
        """Return whether state and log have called by its name what happened."""
        name = FAULTS[self._fault]
        return name in self._seen and any(_WORDS.get(name, name) in line for line in self._log.lines)

    def _tick(self, tick: int) -> ArmState:
        """Let a tick pass; return the state after it."""
        rig = self._rig
        rig.now_ns += TICK_NS
        faults = self._rig.twin.arms[ARM].faults
        between = tick % PERIOD_TICKS == PERIOD_TICKS // 2
        if tick >= self._at and between and not self._broken and not faults:
            self._broken = True
            self._log.lines.clear()
            if self._harm:
                self._break(tick)
        if tick % PERIOD_TICKS == 0 and tick < SILENCE:
            self._speak(tick)
        passed = [(US, message) for message in self._network.pop(rig.now_ns)]
        self._reception.take([*passed, *self._direct])
        self._direct.clear()
        self._reception.tick()
        states = self._reception.states(0)
        self._note(states)
        return states.arms[ARM]

    def _note(self, states: States) -> None:
        """Note what a state says that none said before it happened."""
        arm = states.arms[ARM]
        said = Counter({**arm.rejected, "damaged": states.damaged}) + Counter([arm.stopped_by, *arm.faults])
        if self._broken:
            self._seen |= set(said - self._before)
        else:
            self._before = said

    def _greet(self, commander: Commander) -> Client:
        hello, acquire = (
            Hello(id=1, protocol=PROTOCOL, client="commander"),
            Acquire(id=2, session=self._reception.session, arm=ARM),
        )
        answers, _ = self._reception.take([(US, encode(hello)), (US, encode(acquire))])
        granted = answers[-1][1]
        assert isinstance(granted, Granted)
        return Client(commander, self._reception.session, granted.lease)

    def _speak(self, tick: int) -> None:
        """Have the client do what it does in every period."""
        client = self._client
        if not client.alive or tick < client.asleep_until:
            return
        if client.hung:
            self._send(encode(Ping(id=3)))
            return
        if self._reception.states(0).arms[ARM].faults:
            self._send(encode(ClearFaults(id=5, session=client.session, arm=ARM, lease=client.lease)))
        self._send(encode(self._command()))

    def _command(self) -> Command:
        client = self._client
        client.seq += 1
        return Command(
            session=client.session,
            arm=ARM,
            lease=client.lease,
            seq=client.seq,
            sent_ns=self._rig.now_ns,
            deadline_s=DEADLINE_S,
            mode=client.commander.mode,
            target=client.commander.draw(self._reception.states(0).arms[ARM]).tolist(),
            valid_for_s=client.commander.valid_for_s,
        )

    def _send(self, message: bytes) -> None:
        self._network.push(message, self._rig.now_ns)

    def _break(self, tick: int) -> None:
        """Let happen what this schedule is about."""
        client, rig = self._client, self._rig
        match self._fault:
            case "killed":
                client.alive = False
            case "frozen":
                client.asleep_until = tick + round(1e2 * client.commander.valid_for_s) + int(self._rng.integers(15, 60))
            case "hung":
                client.hung = True
            case "clock_jump":
                rig.now_ns += round(self._rng.uniform(1.0, 5.0) * 1e9)
            case "restarted":
                self._reception = rig.receive()
            case "oversized":
                self._direct.append((US, encode(self._command()) + bytes(MAX_MESSAGE)))
            case "garbage":
                self._direct.append((US, self._rng.bytes(int(self._rng.integers(1, 200)))))
            case "stopped":
                self._direct.append((THEM, encode(Stop(id=4, arm=ARM))))
            case _:
                self._misbehave()

    def _misbehave(self) -> None:
        """Have commands come that should not."""
        good, now_ns = self._command(), self._rig.now_ns
        match self._fault:
            case "foreign":
                self._say(replace(good, session=good.session ^ 1))
            case "second":
                self._say(good, THEM)
            case "duplicated":
                self._say(good)
                self._say(good)
            case "reordered":
                self._say(self._command())
                self._say(good)
            case "late":
                self._say(replace(good, sent_ns=now_ns - 1_000_000_000))
            case "early":
                self._say(replace(good, sent_ns=now_ns + 1_000_000_000))
            case "nan" | "infinite":
                bad = np.nan if self._fault == "nan" else -np.inf
                self._say(replace(good, target=[*good.target[1:], bad]))
            case _:
                self._say(replace(good, target=[*good.target, 0.0]))

    def _say(self, command: Command, client: bytes = US) -> None:
        self._direct.append((client, encode(command)))


_WORDS = {"watchdog": "no command in time", "damaged": "message from a client"}
"""How the log puts it, where not as the state does."""
