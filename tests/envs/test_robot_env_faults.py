"""What a latched fault does to an episode."""

import numpy as np
import pytest
from fakes import FakeArm, FakeTask, ManualClock
from rig_env import ACTION, WIDE, Bench, act

from robolearn.core.errors import ConfigError, DriverError, SpecError
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec
from robolearn.envs import remote
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.reach import ReachConfig
from robolearn.safety import SafetyLimits, SupervisedRobot


def test_a_fault_of_motion_stops_all_arms_terminates_and_needs_a_person():
    two = ActionSpec(
        parts=tuple(
            ActionPart(arm=arm, kind=ActionKind.TRANSLATION_DELTA, size=3, scale=0.05) for arm in ("left", "right")
        )
    )
    bench = Bench(arms=("left", "right"), action=two)
    bench.env.reset(seed=0)
    bench.fakes["right"].wrench = np.array([0.0, 0.0, 150.0, 0.0, 0.0, 0.0])
    _, _, terminated, truncated, info = bench.env.step(np.full(6, 0.5, np.float32))
    assert (terminated, truncated) == (True, False)
    assert info["faults"] == ("right.force",)
    assert bench.fakes["left"].stops >= 1
    assert bench.fakes["right"].stops >= 1
    assert info["executed_clipped"] is True
    assert np.array_equal(info["executed_action"][3:], np.zeros(3))
    bench.fakes["right"].wrench = np.zeros(6)
    assert bench.env.step(np.full(6, 0.5, np.float32))[2]  # still refused, still terminal
    with pytest.raises(DriverError, match="force"):
        bench.env.reset(seed=0)
    bench.robots["right"].reset_faults()
    bench.env.reset(seed=0)
    assert not bench.env.step(np.full(6, 0.5, np.float32))[2]


def test_a_simulation_may_clear_faults_by_itself():
    bench = Bench(clear_faults=True)
    bench.env.reset(seed=0)
    bench.arm.wrench = np.full(6, 1e3)
    assert bench.env.step(act())[2]
    bench.arm.wrench = np.zeros(6)
    bench.env.reset(seed=0)
    assert not bench.env.step(act())[2]


def test_a_fault_of_a_device_truncates():
    bench = Bench()
    bench.env.reset(seed=0)
    bench.arm.faults = ("lost_connection",)
    _, _, terminated, truncated, info = bench.env.step(act())
    assert (terminated, truncated) == (False, True)
    assert info["faults"] == ("arm.driver:lost_connection",)


def test_what_an_older_command_has_led_to_was_not_executed_now(monkeypatch):
    bench = Bench()
    bench.env.reset(seed=0)
    bench.env.step(act(x=1.0))
    monkeypatch.setattr(bench.robots["arm"], "command", lambda _: None)  # lost on its way
    *_, info = bench.env.step(act(z=1.0))
    assert info["executed_action"] == pytest.approx(act(gripper=1.0))
    assert info["executed_clipped"]
    monkeypatch.undo()
    *_, info = bench.env.step(act(z=1.0))
    assert info["executed_action"] == pytest.approx(act(z=1.0))
    assert bench.env.setpoints["arm"].target[:3] == pytest.approx([0.55, 0.0, 0.45]), "from where it was led before"
    assert not info["executed_clipped"]


class Unwilling(FakeArm):
    """Cannot be entered."""

    def __enter__(self):
        raise DriverError("arm", expected="a device", got="none")


class Wordy(FakeTask):
    """Says what is no state."""

    def state(self):
        return {"goal": np.zeros(3)}


@pytest.mark.parametrize(("kind", "task", "error"), [(Unwilling, FakeTask, DriverError), (FakeArm, Wordy, SpecError)])
def test_an_env_that_does_not_come_about_leaves_no_driver_entered(kind, task, error):
    clock = ManualClock()
    fakes = {"arm": FakeArm(clock), "other": kind(clock, name="other")}
    robots = {name: SupervisedRobot(fake, SafetyLimits(**WIDE), clock) for name, fake in fakes.items()}
    with pytest.raises(error):
        RobotEnv(arms=robots, cameras={}, task=task(), action=ACTION, clock=clock, max_steps=5)
    assert [fake.entered for fake in fakes.values()] == [0, 0]


def test_an_env_whose_wrappers_do_not_fit_is_closed(monkeypatch):
    def refuse(*_):
        raise ConfigError("wrapper", expected="something", got="something else")

    left = []
    monkeypatch.setattr(remote, "wrapped", refuse)
    monkeypatch.setattr(SupervisedRobot, "__exit__", lambda self, *_: left.append(self))
    cfg = ReachConfig(observation="state")
    twin = remote.make_twin(cfg, 30.0, lambda: 0)
    more = {"max_frame_age_s": 0.5, "stale_frames": "stop", "align": False}
    with pytest.raises(ConfigError, match="wrapper"):
        remote.remote_env(cfg, twin.arms, {}, FakeTask(), twin.clock, **more)
    assert left == list(twin.arms.values())
