"""Actor and learner as processes of their own, through the command line, either of which is killed on the way."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from robolearn import checkpoint
from robolearn.core.specs import ArraySpec
from robolearn.core.types import INTENDED
from robolearn.replay import Replay
from robolearn.run.inbox import COLUMNS, NUMBER
from robolearn.run.steplog import StepLog
from robolearn.wire.training import decode_step

STEPS = 160
SMALL = [
    "env=reach",
    "env.observation=state",
    "env.max_steps=30",
    "mirror=false",
    "demos.count=2",
    f"max_env_steps={STEPS}",
    "threads=1",
    "log_every=10",
    "checkpoint_every=30",
    "evaluation.check_every=0",
    "evaluation.episodes=2",
    "evaluation.envs=2",
    "evaluation.videos=1",
    "agent.batch=16",
    "agent.bc.updates=20",
    "agent.bc.batch=16",
    "agent.warmup_steps=20",
    "agent.updates_per_step=1",
]
PATIENCE_S = 90.0


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


class Pair:
    """A learner and an actor, which can be killed and started again."""

    def __init__(self, root: Path) -> None:
        steps, weights = free_ports()
        self.root, self.run = root, root / "runs" / "split"
        self.log = root / "actors" / "left" / "steps.log"
        where = [f"steps=tcp://127.0.0.1:{steps}", f"weights=tcp://127.0.0.1:{weights}"]
        self._listen = [f"listen.{word}" for word in where]
        self._learner = [f"learner.{word}" for word in where]
        self.learner = self.actor = None

    def start_learner(self) -> None:
        fresh = not any(self.run.glob("checkpoints/*/DONE"))
        words = [*SMALL, f"root={self.run.parent}", "name=split"] if fresh else [f"resume={self.run}"]
        self.learner = self._start("learner", *words, *self._listen)

    def start_actor(self) -> None:
        words = ["name=left", f"root={self.root / 'actors'}", "learner.retry_s=0.1", "pace.ahead_steps=20"]
        self.actor = self._start("actor", *words, *self._learner)

    def _start(self, verb: str, *words: str) -> subprocess.Popen:
        with (self.root / f"{verb}.txt").open("ab") as output:
            command = [sys.executable, "-m", "robolearn.cli.main", verb, *words]
            return subprocess.Popen(command, stdout=output, stderr=output)

    def wait_for(self, bytes_of_log: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.log.is_file() or self.log.stat().st_size < bytes_of_log:
            assert time.monotonic() < deadline, self.said()
            assert self.learner.poll() is None, self.said()
            assert self.actor.poll() is None, self.said()
            time.sleep(0.01)

    def said(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.root.glob("*.txt")))


@pytest.fixture
def pair(tmp_path):
    pair = Pair(tmp_path)
    yield pair
    for process in (pair.learner, pair.actor):
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()


def logged(path: Path) -> list:
    with StepLog(path) as log:
        return [decode_step(log[number])[0] for number in range(len(log))]


def stored(run: Path) -> list:
    spec = checkpoint.load_bundle(run / "policy").spec
    extra = {INTENDED: ArraySpec((spec.action.size,), "float32"), **COLUMNS}
    replay = Replay.open(run / "replay", spec, 100_000, extra=extra)
    steps = list(replay.of_stream(0))
    replay.close()
    return steps


@pytest.mark.parametrize("killed", [(), ("learner", "actor", "learner")])
def test_what_is_learned_from_is_what_was_done_whoever_was_killed(killed, pair):
    pair.start_learner()
    pair.start_actor()
    for number, who in enumerate(killed, 1):
        pair.wait_for(number * 12_000)
        process = getattr(pair, who)
        process.send_signal(signal.SIGKILL)
        process.wait()
        getattr(pair, f"start_{who}")()
    assert pair.learner.wait(PATIENCE_S) == 0, pair.said()
    assert pair.actor.wait(PATIENCE_S) == 0, pair.said()
    steps, log = stored(pair.run), logged(pair.log)
    assert [int(step.extra[NUMBER]) for step in steps] == list(range(len(steps)))
    assert len(log) >= len(steps)
    for step, other in zip(steps, log, strict=False):
        assert np.array_equal(step.action, other.action)
        assert all(np.array_equal(step.obs[key], other.obs[key]) for key in step.obs)
        assert (step.is_first, step.is_last, step.rewards["task"]) == (
            other.is_first,
            other.is_last,
            other.rewards["task"],
        )
    result = json.loads((pair.run / "result.json").read_text())
    assert sum(not step.is_last for step in steps) >= STEPS
    assert result["env_steps"] >= STEPS
    assert result["updates"] > 20
    assert len({step.policy_version for step in steps}) > 1
    summary = json.loads((pair.root / "actor.txt").read_text().strip().splitlines()[-1])
    assert summary["joins"] >= 1 + (killed[-1:] == ("learner",))
