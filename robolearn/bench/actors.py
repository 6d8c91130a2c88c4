"""An actor on a twin and its learner, in processes of their own, either of which is killed again and again; and what acting costs learning.

After all of it the learner must have stored exactly what the actor's log says, and have gone on learning.
"""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from robolearn import checkpoint
from robolearn.bench.deploy import addresses
from robolearn.bench.processes import VERBS, Process
from robolearn.core.errors import RobolearnError
from robolearn.core.specs import ArraySpec
from robolearn.core.types import INTENDED, Step
from robolearn.replay import Replay
from robolearn.run.inbox import COLUMNS, NUMBER
from robolearn.run.steplog import StepLog
from robolearn.wire.training import decode_step

TASK = ("env=reach", "env.max_steps=30")
LEARNER = (
    "mirror=false",
    "demos.count=2",
    "threads=1",
    "log_every=10",
    "checkpoint_every=30",
    "evaluation.check_every=0",
    "evaluation.episodes=0",
    "agent.batch=16",
    "agent.bc.updates=20",
    "agent.bc.batch=16",
    "agent.warmup_steps=20",
    "agent.updates_per_step=1",
)
BINDS = ("server.commands=tcp://127.0.0.1:*", "server.states=tcp://127.0.0.1:*")
PATIENCE_S = 120.0
STEPS_BETWEEN = (5, 40)
"""Steps that the actor gets done between two kills."""
STEP_BYTES = 25_000
"""Of a step in the log, most of them pictures."""


class Pair:
    """A learner and an actor, which can be killed and started again.

    Args:
        root: Folder for everything.
        learner: Words for `robolearn learner`.
        actor: Words for `robolearn actor`.
    """

    def __init__(self, root: Path, learner: tuple[str, ...], actor: tuple[str, ...]) -> None:
        self.run, self.log = root / "runs" / "split", root / "actors" / "left" / "steps.log"
        self._root, self._words = root, {"learner": learner, "actor": actor}
        where = [
            f"{name}=tcp://127.0.0.1:{port}" for name, port in zip(("steps", "weights"), _free_ports(), strict=True)
        ]
        self._where = {
            "learner": [f"listen.{word}" for word in where],
            "actor": [f"learner.{word}" for word in where],
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for who in self.processes:
            self.kill(who)

    def start(self, who: str) -> int:
        """Start one of them, and return its process; a learner that has left a checkpoint goes on from there."""
        words = ["name=left", f"root={self._root / 'actors'}"]
        if who == "learner":
            begun = any(self.run.glob("checkpoints/*/DONE"))
            words = [f"resume={self.run}"] if begun else [f"root={self.run.parent}", "name=split"]
            words += [] if begun else self._words["learner"]
        else:
            words += self._words["actor"]
        with (self._root / f"{who}.txt").open("ab") as output:
            command = [sys.executable, *VERBS, who, *words, *self._where[who]]
            self.processes[who] = subprocess.Popen(command, stdout=output, stderr=output)
        return self.processes[who].pid

    def kill(self, who: str) -> None:
        """Kill one of them, if it is still there, and wait until it has gone."""
        process = self.processes[who]
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()

    def wait_for_log(self, size: int) -> None:
        """Wait until the actor's log has so many bytes.

        Raises:
            RobolearnError: If that takes too long, or one of them has ended.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not self.log.is_file() or self.log.stat().st_size < size:
            ended = [who for who, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise RobolearnError(
                    "actor and learner", expected=f"{size} bytes of log", got=f"ended: {ended}", fix=self.said()
                )
            time.sleep(0.01)

    def wait(self) -> None:
        """Wait until the learner has finished, and then the actor.

        Raises:
            RobolearnError: If that takes too long, or one of them fails.
        """
        for who in ("learner", "actor"):
            try:
                status = self.processes[who].wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                status = None
            if status != 0:
                raise RobolearnError(who, expected="exit status 0", got=status, fix=self.said())

    def said(self) -> str:
        """Return the end of what both have said."""
        return "\n".join(self.said_by(who)[-3000:] for who in self.processes)

    def said_by(self, who: str) -> str:
        """Return what one of them has said."""
        return (self._root / f"{who}.txt").read_text().strip()

    def logged(self) -> list[Step]:
        """Return the steps in the actor's log."""
        with StepLog(self.log) as log:
            return [decode_step(log[number])[0] for number in range(len(log))]

    def stored(self) -> list[Step]:
        """Return the steps in the learner's replay."""
        spec = checkpoint.load_bundle(self.run / "policy").spec
        extra = {INTENDED: ArraySpec((spec.action.size,), "float32"), **COLUMNS}
        replay = Replay.open(self.run / "replay", spec, 100_000, extra=extra)
        steps = list(replay.of_stream(0))
        replay.close()
        return steps

    def result(self) -> dict[str, float]:
        """Return result.json of the learner."""
        return json.loads((self.run / "result.json").read_text())


def exactly_once(stored: list[Step], logged: list[Step]) -> bool:
    """Return whether what is stored is the log's beginning: nothing lost, nothing twice, nothing changed."""
    numbered = [int(step.extra[NUMBER]) for step in stored] == list(range(len(stored)))
    return numbered and len(logged) >= len(stored) and all(map(_same, stored, logged))


def _same(step: Step, other: Step) -> bool:
    flags = ("is_first", "is_last", "is_terminal", "is_truncated", "success", "source", "policy_version")
    return (
        all(getattr(step, name) == getattr(other, name) for name in flags)
        and dict(step.rewards) == dict(other.rewards)
        and np.array_equal(step.action, other.action)
        and all(np.array_equal(step.obs[key], other.obs[key]) for key in step.obs)
    )


def bench_actors(kills: int = 20, seed: int = 0) -> dict[str, object]:
    """Kill a learner or its actor at so many random moments.

    Returns:
        `kills`; `logged` and `stored` steps, `exactly_once`; `updates`; `policies`: how many versions of the policy have acted; `seconds`.
    """
    rng = np.random.default_rng(seed)
    begun = time.monotonic()
    most = kills * STEPS_BETWEEN[1] + 100
    with (
        tempfile.TemporaryDirectory(prefix="robolearn-actors-") as folder,
        Process((*VERBS, "robot_server", "robot=twin", *TASK, *BINDS)) as twin,
        Pair(Path(folder), (*TASK, *LEARNER, f"max_env_steps={most}"), ("remote=true", *addresses(twin))) as pair,
    ):
        _kill_often(pair, kills, rng)
        pair.wait()
        stored, logged, result = pair.stored(), pair.logged(), pair.result()
    return {
        "kills": kills,
        "logged": len(logged),
        "stored": len(stored),
        "exactly_once": exactly_once(stored, logged),
        "updates": result["updates"],
        "policies": len({step.policy_version for step in stored}),
        "seconds": time.monotonic() - begun,
    }


def _kill_often(pair: Pair, kills: int, rng: np.random.Generator) -> None:
    for who in ("learner", "actor"):
        pair.start(who)
    pair.wait_for_log(1)
    for _ in range(kills):
        size = pair.log.stat().st_size
        pair.wait_for_log(size + STEP_BYTES * int(rng.integers(*STEPS_BETWEEN)))
        time.sleep(float(rng.uniform(0.0, 0.2)))
        who = ("learner", "actor")[int(rng.integers(2))]
        pair.kill(who)
        pair.start(who)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
