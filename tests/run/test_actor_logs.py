"""The log of an actor belongs to one run of a learner, however often either is started."""

import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from robolearn import checkpoint, config
from robolearn.assembly.acting import act_for
from robolearn.bench.actors import LEARNING, same_step
from robolearn.cli.main import main
from robolearn.core.errors import ConfigError
from robolearn.core.specs import ArraySpec
from robolearn.core.types import INTENDED
from robolearn.replay import Replay
from robolearn.run.inbox import COLUMNS, NUMBER
from robolearn.run.steplog import StepLog
from robolearn.wire.training import decode_step

TASK = ("env=reach", "env.observation=state", "env.max_steps=30")
ACTOR = ("name=left", "learner.retry_s=0.1", "pace.ahead_steps=20")
PATIENCE_S = 60.0


class Rig:
    """A folder with the runs of learners, and the logs of an actor that acts for them."""

    def __init__(self, root) -> None:
        self.root = root
        with socket.socket() as one, socket.socket() as other:
            for either in (one, other):
                either.bind(("127.0.0.1", 0))
            ports = {"steps": one.getsockname()[1], "weights": other.getsockname()[1]}
        where = [f"{name}=tcp://127.0.0.1:{port}" for name, port in ports.items()]
        self.learner = [
            "learner",
            *TASK,
            *LEARNING,
            "evaluation.videos=0",
            f"root={root / 'runs'}",
            *(f"listen.{word}" for word in where),
        ]
        words = [*ACTOR, f"root={root / 'actors'}", *(f"learner.{word}" for word in where)]
        self._actor = config.compose("actor", words)

    def start_actor(self):
        """Start the actor; return its thread, and where what it returns or is refused with will be."""
        told = []

        def work() -> None:
            try:
                told.append(act_for(self._actor, lambda: False))
            except ConfigError as error:
                told.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread, told

    def log(self, run):
        """Return where the actor logs what it does for a run."""
        return self.root / "actors" / "left" / config.run_id((run / "config.yaml").read_text()) / "steps.log"

    def logged(self, run):
        with StepLog(self.log(run)) as log:
            return [decode_step(log[number]) for number in range(len(log))]

    def assert_exactly_once(self, run, told) -> None:
        """Assert that replay holds what is in the only log of a run, less what was not confirmed."""
        assert len(json.loads((run / "actors.json").read_text())) == 1
        spec = checkpoint.load_bundle(run / "policy").spec
        extra = {INTENDED: ArraySpec((spec.action.size,), "float32"), **COLUMNS}
        replay = Replay.open(run / "replay", spec, 100_000, extra=extra)
        stored, logged = list(replay.of_stream(0)), self.logged(run)
        replay.close()
        assert [int(step.extra[NUMBER]) for step in stored] == list(range(len(stored)))
        assert len(logged) - told["unsafe"] <= len(stored) <= len(logged)
        assert all(map(same_step, stored, logged))


@pytest.mark.slow
def test_another_run_gets_none_of_the_steps_of_the_first_one(tmp_path):
    rig, runs = Rig(tmp_path), [tmp_path / "runs" / name for name in ("first", "second")]
    for run in runs:
        thread, told = rig.start_actor()
        assert main([*rig.learner, f"name={run.name}", "max_env_steps=40"]) == 0
        thread.join(PATIENCE_S)
        rig.assert_exactly_once(run, told[0])
        assert told[0]["steps"] == len(rig.logged(run))
        assert (rig.log(run).parent / "config.yaml").read_text() == (run / "config.yaml").read_text()
    assert not any(map(same_step, *map(rig.logged, runs)))


@pytest.mark.slow
def test_what_a_learner_lost_before_its_first_checkpoint_is_sent_again(tmp_path):
    rig, run = Rig(tmp_path), tmp_path / "runs" / "killed"
    words = [*rig.learner, "demos.count=0", "agent.bc.updates=0", "checkpoint_every=0", "max_env_steps=80"]
    thread, told = rig.start_actor()
    learner = subprocess.Popen([sys.executable, "-m", "robolearn.cli.main", *words, f"name={run.name}"])
    deadline = time.monotonic() + PATIENCE_S
    while not (run / "actors.json").is_file() or not rig.log(run).is_file() or rig.log(run).stat().st_size < 12_000:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    learner.kill()
    learner.wait()
    assert not list(run.glob("checkpoints/*/DONE"))
    assert main(["learner", f"resume={run}"]) == 0
    thread.join(PATIENCE_S)
    rig.assert_exactly_once(run, told[0])
    assert told[0]["joins"] >= 2
