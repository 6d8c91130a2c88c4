"""Deployment accounts for what it has done, also where it cannot go on."""

import json
import logging

import numpy as np
import pytest
from rig_env import Bench, act

from robolearn.assembly import deploying
from robolearn.cli.main import main
from robolearn.core.errors import DriverError
from robolearn.core.types import Decision
from robolearn.run.deploy import deploy


class Pusher:
    """Moves the arm along x, until it hits something in its second episode."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._episodes = bench, 0

    def initial(self, batch_size):
        self._episodes += 1
        return

    def act(self, obs, carry, prev, mode, rng):
        if self._episodes == 2:
            self._bench.arm.wrench = np.full(6, 1e3)
        return Decision(action=act(x=0.5)[None], carry=None)


def push(seeds, break_first=False):
    bench, ends = Bench(max_steps=4), []
    if break_first:
        bench.arm.faults = ("lost_connection",)
        bench.env.arms["arm"].state()
    return deploy(Pusher(bench), bench.env, seeds, lambda end, _: ends.append(end)), ends


def test_a_reset_that_a_fault_refuses_ends_a_deployment_with_what_it_has_done(caplog):
    summary, ends = push(range(20, 25))
    assert [end.length for end in ends] == [4, 1]
    assert (summary["episodes"], summary["steps"], summary["faults"], summary["refused"]) == (2, 5.0, 1.0, 1.0)
    ended, said = [record.getMessage() for record in caplog.records if record.name == "robolearn.run.deploy"]
    assert ended == "episode 1 ended by a fault: arm.force, arm.torque"
    assert said.startswith("episode 2 and those after it were not run")
    assert "force" in said
    assert "robolearn clear" in said


def test_a_deployment_that_runs_to_its_end_says_that_nothing_was_refused():
    assert push([20])[0]["refused"] == 0.0


def test_a_deployment_that_cannot_begin_is_an_error(caplog):
    caplog.set_level(logging.CRITICAL)
    with pytest.raises(DriverError, match="lost_connection"):
        push([20], break_first=True)


def test_the_verb_prints_the_summary_and_then_says_that_it_failed(capsys, monkeypatch):
    monkeypatch.setattr(deploying, "deploy_run", lambda cfg, on_episode: push(range(20, 25))[0])
    assert main(["deploy", "run=somewhere"]) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["refused"] == 1.0
