"""Reception of a robot server, on a clock that is made: what waits is answered, whatever ends it, and stops go first."""

import numpy as np
import pytest
from fakes import FakeArm, ManualClock

from robolearn.core.rng import EVAL_SEEDS
from robolearn.core.robot import CommandMode
from robolearn.envs.build import build_env
from robolearn.envs.remote import make_twin
from robolearn.envs.tasks.base import ARM
from robolearn.envs.tasks.pick_cube import PickCubeConfig
from robolearn.envs.tasks.reach import ReachConfig
from robolearn.hardware.bridge.desk import DeskConfig
from robolearn.hardware.bridge.reception import Reception
from robolearn.safety import SafetyLimits, SupervisedRobot
from robolearn.wire.codec import encode
from robolearn.wire.messages import (
    PROTOCOL,
    Acquire,
    Begin,
    ClearFaults,
    Command,
    Done,
    Granted,
    Hello,
    Refused,
    Release,
    Reset,
    Stop,
)

ME, YOU = b"me", b"you"


class Rig:
    """A reception whose clients and time are a test's."""

    def __init__(self, reception: Reception, advance, step=0.01) -> None:
        self.reception, self._advance, self._step, self._ids = reception, advance, step, 0

    def say(self, *said):
        """Send messages that arrive at once, each (client, kind, fields); return the answers."""
        messages = []
        for client, kind, fields in said:
            self._ids += 1
            session = {} if kind in (Hello, Stop) else {"session": self.reception.session}
            number = {} if kind is Command else {"id": self._ids}
            messages.append((client, encode(kind(**number, **session, **fields))))
        return [answer for _, answer in self.reception.take(messages)[0]]

    def acquire(self, client, arm, name="somebody"):
        self.say((client, Hello, {"protocol": PROTOCOL, "client": name}))
        (answer,) = self.say((client, Acquire, {"arm": arm}))
        return answer.lease if isinstance(answer, Granted) else answer

    def pass_time(self, seconds):
        """Let time pass; return the answers that it brings."""
        answers = []
        for _ in range(round(seconds / self._step)):
            self._advance(self._step)
            answers += [answer for _, answer in self.reception.tick()]
        return answers

    def arm(self, name):
        return self.reception.states(0).arms[name]


def make_twin_rig(**safety):
    return rig_of(ReachConfig(observation="state", safety=SafetyLimits(**safety)))[0]


def rig_of(cfg):
    """Return the reception of a twin, and the task in it."""
    now = [0]
    made = make_twin(cfg, 30.0, lambda: now[0])

    def advance(seconds):
        now[0] += round(seconds * 1e9)

    for robot in made.arms.values():
        robot.__enter__()
    return Rig(Reception(made.arms, made.clock, DeskConfig(), made.scene), advance), made.scene._task


@pytest.fixture
def twin():
    return make_twin_rig()


@pytest.fixture
def pair():
    """Return a reception with two arms and no scene."""
    clock = ManualClock(0.1)
    arms = {name: FakeArm(clock, name=name) for name in ("left", "right")}
    clock.parts += [arm.advance for arm in arms.values()]
    limits = SafetyLimits(workspace_low=(-2.0, -2.0, -2.0), workspace_high=(2.0, 2.0, 2.0))
    robots = {name: SupervisedRobot(arm, limits, clock) for name, arm in arms.items()}
    for robot in robots.values():
        robot.__enter__()
    return Rig(Reception(robots, clock, DeskConfig()), clock.advance, step=0.1)


def velocity(arm, lease, seq):
    joints = 7 if arm == ARM else 3
    fields = {"sent_ns": 0, "deadline_s": 60.0, "mode": CommandMode.JOINT_VELOCITY, "valid_for_s": 0.5}
    return {"arm": arm, "lease": lease, "seq": seq, "target": [0.1] * joints, **fields}


def pose(lease, seq, target):
    fields = {"sent_ns": 0, "deadline_s": 60.0, "mode": CommandMode.POSE, "valid_for_s": 0.5}
    return {"arm": ARM, "lease": lease, "seq": seq, "target": target, **fields}


def test_a_stop_undoes_what_was_sent_before_it_and_nothing_else(pair):
    left, right = pair.acquire(ME, "left"), pair.acquire(ME, "right")
    answers = pair.say(
        (ME, Command, velocity("left", left, 1)),
        (ME, Command, velocity("right", right, 1)),
        (ME, Reset, {"arm": "left", "lease": left}),
        (YOU, Stop, {"arm": "left"}),
    )
    assert [type(answer) for answer in answers] == [Done, Refused]
    assert answers[1].reason == "stopped"
    pair.pass_time(0.1)
    state = pair.arm("left")
    assert (state.accepted, state.rejected, state.stopped_by, state.dq) == (0, {"stopped": 1}, "asked", [0.0] * 3)
    assert pair.arm("right").accepted == 1
    assert pair.say((YOU, Stop, {"arm": "left"}), (ME, Command, velocity("left", left, 1)))
    assert pair.arm("left").rejected == {"stopped": 1, "seq": 1}, "it had come before"
    assert isinstance(*pair.say((ME, ClearFaults, {"arm": "left", "lease": left})), Done)
    pair.say((ME, Stop, {"arm": "left"}), (ME, Command, velocity("left", left, 2)))
    assert (pair.arm("left").accepted, pair.arm("left").stopped_by) == (1, "")


def test_an_arm_that_a_bystander_has_stopped_rests_until_somebody_clears_that(pair):
    lease = pair.acquire(ME, "left")
    pair.say((ME, Command, velocity("left", lease, 1)))
    pair.say((YOU, Stop, {"arm": "left"}))
    rest = pair.arm("left").q
    for seq in range(2, 6):
        pair.say((ME, Command, velocity("left", lease, seq)))
        pair.pass_time(0.1)
    state = pair.arm("left")
    assert (state.faults, state.stopped_by, state.rejected, state.q) == (["asked"], "asked", {"asked": 4}, rest)
    assert pair.arm("right").faults == []
    (refused,) = pair.say((ME, Reset, {"arm": "left", "lease": lease}))
    assert "asked" in refused.detail
    assert "robolearn clear" in refused.detail
    pair.say((ME, Stop, {"arm": "left"}))
    assert pair.arm("left").faults == ["asked"], "its holder may stop it all the same"
    assert isinstance(*pair.say((ME, ClearFaults, {"arm": "left", "lease": lease})), Done)
    pair.say((ME, Command, velocity("left", lease, 6)))
    assert (pair.arm("left").faults, pair.arm("left").accepted) == ([], 2)


def test_an_arm_that_nobody_holds_is_stopped_for_whoever_comes(pair):
    pair.say((YOU, Stop, {"arm": "left"}))
    pair.say((YOU, Stop, {"arm": "right"}))
    lease = pair.acquire(ME, "left")
    pair.say((ME, Command, velocity("left", lease, 1)))
    assert (pair.arm("left").accepted, pair.arm("left").rejected) == (0, {"asked": 1})


def test_a_new_episode_of_a_twin_clears_what_a_bystander_has_stopped(twin):
    lease = twin.acquire(ME, ARM)
    twin.say((YOU, Stop, {"arm": ARM}))
    assert twin.arm(ARM).faults == ["asked"]
    assert twin.say((ME, Begin, {"seed": 3})) == []
    assert [type(answer) for answer in twin.pass_time(10.0)] == [Done]
    twin.say((ME, Command, velocity(ARM, lease, 1)))
    assert (twin.arm(ARM).faults, twin.arm(ARM).accepted) == ([], 1)


def test_whoever_knows_a_lease_may_command_as_little_as_before(pair):
    """States say it, so that its holder learns when it has another one."""
    lease = pair.acquire(ME, "left")
    assert pair.arm("left").lease == lease
    assert pair.arm("right").lease is None
    pair.say((YOU, Command, velocity("left", lease, 1)))
    assert pair.arm("left").rejected == {"lease": 1}
    for kind in (Reset, ClearFaults, Release):
        (refused,) = pair.say((YOU, kind, {"arm": "left", "lease": lease}))
        assert "present holder" in refused.detail


def test_a_reset_that_a_stop_has_ended_is_refused_whatever_comes_with_the_stop(pair):
    lease = pair.acquire(ME, "left")
    assert pair.say((ME, Reset, {"arm": "left", "lease": lease, "q": [1.0, 0.0, 0.4]})) == []
    pair.pass_time(0.1)
    done, refused = pair.say((YOU, Stop, {"arm": "left"}), (ME, Command, velocity("left", lease, 1)))
    assert isinstance(done, Done)
    assert (type(refused), refused.reason) == (Refused, "asked")


def test_a_client_that_waits_for_a_reset_keeps_all_of_its_arms(pair):
    lease = pair.acquire(ME, "left", "alice")
    pair.acquire(ME, "right", "alice")
    pair.say((ME, Reset, {"arm": "left", "lease": lease, "q": [1.9, 0.0, 0.4]}))
    assert pair.pass_time(2.5) == []
    for arm in ("left", "right"):
        assert "alice" in pair.acquire(YOU, arm).detail
    assert [type(answer) for answer in pair.pass_time(2.0)] == [Done]
    assert "alice" in pair.acquire(YOU, "right").detail


def test_an_episode_is_set_up_and_counted(twin):
    lease = twin.acquire(ME, ARM)
    assert twin.say((ME, Begin, {"seed": 3})) == []
    (refused,) = twin.say((ME, Begin, {"seed": 4}))
    assert "under way" in refused.detail
    assert [type(answer) for answer in twin.pass_time(10.0)] == [Done]
    assert twin.reception.states(0).episode == 1
    assert twin.say((ME, ClearFaults, {"arm": ARM, "lease": lease}))


def test_the_episode_of_a_seed_is_the_one_that_the_seed_has_in_simulation():
    cfg = PickCubeConfig(observation="state")
    twin, task = rig_of(cfg)
    env = build_env(cfg)
    for seed in (EVAL_SEEDS[7], EVAL_SEEDS[42]):
        obs, _ = env.reset(seed=seed)
        assert twin.say((ME, Begin, {"seed": seed})) == []
        assert [type(answer) for answer in twin.pass_time(10.0)] == [Done]
        np.testing.assert_allclose(task.privileged()["cube_position"], obs["state/cube_position"], atol=2e-3)
        np.testing.assert_allclose(twin.arm(ARM).pose[:3], obs["proprio/arm.position"], atol=5e-3)
    env.close()


def test_nobody_sets_a_scene_up_with_the_arm_of_another_or_takes_an_arm_meanwhile(twin):
    twin.acquire(ME, ARM, "alice")
    (refused,) = twin.say((YOU, Begin, {"seed": 3}))
    assert "alice" in refused.detail
    twin.pass_time(2.1)
    assert twin.say((YOU, Begin, {"seed": 3})) == []
    assert isinstance(twin.acquire(ME, ARM, "alice"), Refused)
    assert [type(answer) for answer in twin.pass_time(10.0)] == [Done]


@pytest.mark.parametrize("after_s", [0.0, 0.5])
def test_an_episode_whose_arm_is_stopped_is_refused_and_the_next_one_begins(twin, after_s):
    lease = twin.acquire(ME, ARM)
    assert twin.say((ME, Begin, {"seed": 3})) == []
    assert twin.pass_time(after_s) == []
    done, refused = twin.say((YOU, Stop, {"arm": ARM}), (ME, Command, velocity(ARM, lease, 1)))
    assert (type(done), type(refused)) == (Done, Refused)
    assert "asked" in refused.detail
    assert twin.pass_time(1.0) == []
    assert twin.reception.states(0).episode == 0
    assert twin.say((ME, Begin, {"seed": 3})) == []
    assert [type(answer) for answer in twin.pass_time(10.0)] == [Done]


def test_an_episode_whose_arm_cannot_get_there_is_refused():
    """Joints that may move by some mrad/s only are given up long before they arrive."""
    twin = make_twin_rig(joint_speed_fraction=0.001)
    assert twin.say((ME, Begin, {"seed": 3})) == []
    (refused,) = twin.pass_time(10.0)
    assert (type(refused), refused.reason) == (Refused, "DriverError")


def test_an_arm_that_presses_on_the_table_gets_to_its_start_all_the_same():
    twin = make_twin_rig(wrench_max=(15.0, 30.0))
    lease = twin.acquire(ME, ARM)
    for seq in range(60):
        x, y, z, *turn = twin.arm(ARM).pose
        twin.say((ME, Command, pose(lease, seq, [x, y, max(z - 0.05, 0.0), *turn])))
        twin.pass_time(0.1)
        if twin.arm(ARM).faults:
            break
    assert twin.arm(ARM).faults == ["force"]
    assert twin.say((ME, Begin, {"seed": 3})) == []
    assert [type(answer) for answer in twin.pass_time(10.0)] == [Done]
    assert twin.arm(ARM).faults == []


def test_an_episode_that_a_stop_has_overtaken_does_not_begin(twin):
    answers = twin.say((ME, Begin, {"seed": 3}), (YOU, Stop, {"arm": ARM}))
    assert [type(answer) for answer in answers] == [Done, Refused]
    assert twin.pass_time(1.0) == []
    assert twin.arm(ARM).stopped_by == "asked"
