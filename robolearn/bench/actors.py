"""A learner and its actors, in processes of their own, which are killed again and again.

After all of it the learner must have stored exactly what the actors' logs say, and have gone on learning.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from robolearn import checkpoint
from robolearn.bench.deploy import addresses
from robolearn.bench.processes import BINDS, VERBS, Process, free_addresses
from robolearn.core.errors import RobolearnError
from robolearn.core.mirror import Mirror
from robolearn.core.specs import ArraySpec
from robolearn.core.types import INTENDED, Step
from robolearn.replay import Replay
from robolearn.run.inbox import ACTORS, COLUMNS, NUMBER
from robolearn.run.steplog import StepLog
from robolearn.run.train import MIRRORED_STREAMS
from robolearn.wire.training import decode_step

CLONING, WARMUP = 20, 20
"""Updates on demonstrations, and env steps before any others."""
TASK = ("env=reach", "env.max_steps=30")
LEARNER = "learner"
LEARNING = (
    "mirror=true",
    "demos.count=2",
    "threads=1",
    "log_every=10",
    "checkpoint_every=30",
    "evaluation.check_every=0",
    "evaluation.episodes=0",
    "agent.batch=16",
    f"agent.bc.updates={CLONING}",
    "agent.bc.batch=16",
    f"agent.warmup_steps={WARMUP}",
    "agent.updates_per_step=1",
    "agent.encoder.refresh_at=[]",
)
PATIENCE_S, FINISH_S = 120.0, 600.0
"""For anything that goes on, and for a learner that has all its steps yet to learn from, on a machine that is slow today."""
STEPS_BETWEEN = (5, 40)
"""Steps that the actor gets done between two kills."""
STEPS_A_KILL = 500
"""That a learner is to take in: while one actor gets its steps done, the other, which is simulated, does many more on a fast machine."""
STEP_BYTES = 25_000
"""Of a step in the log, most of them pictures."""
PLAIN = (
    "is_first",
    "is_last",
    "is_terminal",
    "is_truncated",
    "intervened",
    "success",
    "source",
    "policy_version",
    "stamp_ns",
)
"""Fields of a step that are one value each."""


class Split:
    """A learner and its actors, which can be killed and started again.

    Args:
        root: Folder for everything.
        learner: Words for `robolearn learner`.
        actors: Words for `robolearn actor`, by name.
    """

    def __init__(self, root: Path, learner: tuple[str, ...], actors: Mapping[str, tuple[str, ...]]) -> None:
        self.run = root / "runs" / "split"
        self._root, self._learner, self._actors = root, learner, actors
        names = ("steps", "weights")
        self._where = [f"{name}={address}" for name, address in zip(names, free_addresses(), strict=True)]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for who in self.processes:
            self.kill(who)

    @property
    def names(self) -> tuple[str, ...]:
        """Return who there is: the learner, then its actors."""
        return LEARNER, *self._actors

    def start(self, who: str) -> int:
        """Start one of them, and return its process; a learner that has left a checkpoint goes on from there."""
        if who == LEARNER:
            begun = any(self.run.glob("checkpoints/*/DONE"))
            fresh = (f"root={self.run.parent}", "name=split", *self._learner)
            words = (LEARNER, *((f"resume={self.run}",) if begun else fresh), *(f"listen.{w}" for w in self._where))
        else:
            folder = self._root / "actors"
            where = (f"learner.{word}" for word in self._where)
            words = ("actor", f"name={who}", f"root={folder}", *self._actors[who], *where)
        with (self._root / f"{who}.txt").open("ab") as output:
            self.processes[who] = subprocess.Popen([sys.executable, *VERBS, *words], stdout=output, stderr=output)
        return self.processes[who].pid

    def log_of(self, actor: str) -> Path:
        """Return where an actor keeps its steps; where nothing is, as long as it has none."""
        folder = self._root / "actors" / actor
        return next(folder.rglob("steps.log"), folder / "steps.log")

    def kill(self, who: str) -> None:
        """Kill one of them, if it is still there, and wait until it has gone."""
        process = self.processes[who]
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()

    def wait_for_log(self, actor: str, size: int) -> None:
        """Wait until an actor's log has so many bytes.

        Raises:
            RobolearnError: If that takes too long, or one of them has ended.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not (log := self.log_of(actor)).is_file() or log.stat().st_size < size:
            ended = [who for who, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise RobolearnError(
                    "actors and learner", expected=f"{size} bytes of log", got=f"ended: {ended}", fix=self.said()
                )
            time.sleep(0.01)

    def wait(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until the learner has finished, and then the actors, each for `patience_s` at most.

        Raises:
            RobolearnError: If that takes too long, or one of them fails.
        """
        for who in self.names:
            try:
                status = self.processes[who].wait(patience_s)
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

    def summary(self, actor: str) -> dict[str, float]:
        """Return what an actor has said of itself in the end."""
        return json.loads(self.said_by(actor).splitlines()[-1])

    def logged(self, actor: str) -> list[Step]:
        """Return the steps in an actor's log."""
        with StepLog(self.log_of(actor)) as log:
            return [decode_step(log[number]) for number in range(len(log))]

    def stored(self, actor: str, offset: int = 0) -> list[Step]:
        """Return the steps of an actor in the learner's replay, or, with an `offset` of streams, what is kept beside them."""
        known = json.loads((self.run / ACTORS).read_text())
        stream = next(entry["stream"] for key, entry in known.items() if key.startswith(f"{actor}/"))
        spec = checkpoint.load_bundle(self.run / "policy").spec
        extra = {INTENDED: ArraySpec((spec.action.size,), "float32"), **COLUMNS}
        replay = Replay.open(self.run / "replay", spec, 100_000, extra=extra)
        steps = list(replay.of_stream(stream + offset))
        replay.close()
        return steps

    def exactly_once(self, actor: str) -> bool:
        """Return whether replay holds an actor's log, less what the learner has not confirmed: nothing lost, twice or changed."""
        stored, logged = self.stored(actor), self.logged(actor)
        confirmed = len(logged) - int(self.summary(actor)["unsafe"])
        numbered = [int(step.extra[NUMBER]) for step in stored] == list(range(len(stored)))
        return numbered and confirmed <= len(stored) <= len(logged) and all(map(same_step, stored, logged))

    def mirrored(self, actor: str) -> bool:
        """Return whether replay holds the mirror image of each stored step of an actor, in order: none missing, twice or of another step."""
        stored, images = self.stored(actor), self.stored(actor, MIRRORED_STREAMS)
        expected = Mirror(checkpoint.load_bundle(self.run / "policy").spec).steps(stored)
        return len(images) == len(expected) and all(map(same_row, images, expected))

    def result(self) -> dict[str, float]:
        """Return result.json of the learner."""
        return json.loads((self.run / "result.json").read_text())


def same_step(step: Step, other: Step) -> bool:
    """Return whether two steps say the same, their numbers apart."""
    return (
        all(getattr(step, name) == getattr(other, name) for name in PLAIN)
        and dict(step.rewards) == dict(other.rewards)
        and np.array_equal(step.action, other.action)
        and all(np.array_equal(step.obs[key], other.obs[key]) for key in step.obs)
    )


def same_row(step: Step, other: Step) -> bool:
    """Return whether two rows of replay say the same, their numbers too."""
    same_extra = all(np.array_equal(step.extra[name], other.extra[name]) for name in step.extra)
    return step.extra.keys() == other.extra.keys() and same_extra and same_step(step, other)


def promised_updates(env_steps: int) -> int:
    """Return how many updates a learner with `LEARNING` has made when it has taken in so many steps, its last ones, however often it was killed.

    It clones, and after each step but the last, which ends the run, makes the updates that were due before it: one for every step after warm-up. Those
    that went with a kill, being newer than the checkpoint, are made again, since the steps have stayed.
    """
    return CLONING + max(env_steps - 1 - WARMUP, 0)


def bench_actors(kills: int = 20, seed: int = 0) -> dict[str, object]:
    """Kill a learner or one of its two actors, one on a twin and one in simulation, at so many random moments.

    Returns:
        `kills`, by who; by actor `logged`, `stored` and `unsafe` steps, `exactly_once`, `mirrored` and `policies`: how many versions of the policy have
        acted; `env_steps` and `updates` of the learner, and how many were `promised`; `seconds`; and `passed`: whether all of it and its mirror images
        arrived exactly once, every update was made, and each actor got new policies.
    """
    rng, begun = np.random.default_rng(seed), time.monotonic()
    most = kills * STEPS_A_KILL + 100
    with (
        tempfile.TemporaryDirectory(prefix="robolearn-actors-") as folder,
        Process((*VERBS, "robot_server", "robot=twin", *TASK, *BINDS)) as twin,
        Split(
            Path(folder),
            (*TASK, *LEARNING, f"max_env_steps={most}"),
            {"left": ("remote=true", *addresses(twin)), "right": ("pace.ahead_steps=20",)},
        ) as split,
    ):
        killed = _kill_often(split, kills, rng)
        split.wait(FINISH_S)
        result = split.result()
        actors = {name: _of_actor(split, name) for name in split.names[1:]}
    promised = promised_updates(int(result["env_steps"]))
    arrived = all(actor["exactly_once"] and actor["mirrored"] and actor["policies"] > 1 for actor in actors.values())
    return {
        "kills": killed,
        **actors,
        "env_steps": result["env_steps"],
        "updates": result["updates"],
        "promised": promised,
        "seconds": time.monotonic() - begun,
        "passed": arrived and result["updates"] == promised and result["env_steps"] >= most,
    }


def _of_actor(split: Split, name: str) -> dict[str, float | bool]:
    stored = split.stored(name)
    return {
        "logged": len(split.logged(name)),
        "stored": len(stored),
        "unsafe": split.summary(name)["unsafe"],
        "exactly_once": split.exactly_once(name),
        "mirrored": split.mirrored(name),
        "policies": len({step.policy_version for step in stored}),
    }


def _kill_often(split: Split, kills: int, rng: np.random.Generator) -> dict[str, int]:
    """Kill one after the other; return how often each."""
    for who in split.names:
        split.start(who)
    for actor in split.names[1:]:
        split.wait_for_log(actor, 1)
    killed = dict.fromkeys(split.names, 0)
    for _ in range(kills):
        actor = split.names[1 + int(rng.integers(2))]
        size = split.log_of(actor).stat().st_size
        split.wait_for_log(actor, size + STEP_BYTES * int(rng.integers(*STEPS_BETWEEN)))
        time.sleep(float(rng.uniform(0.0, 0.2)))
        who = split.names[int(rng.integers(3))]
        split.kill(who)
        split.start(who)
        killed[who] += 1
    return killed
