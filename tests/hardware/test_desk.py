"""The desk in front of an arm: who may command, what still counts, and what happens when nothing comes."""

import numpy as np
import pytest
from fakes import DOWN, FakeArm, ManualClock
from msgspec.structs import replace

from robolearn.core.errors import DriverError, SpecError
from robolearn.core.robot import CommandMode
from robolearn.hardware.bridge.desk import ASKED, FAULT, LET_GO, WATCHDOG, ArmDesk, DeskConfig
from robolearn.safety import SafetyLimits, SupervisedRobot
from robolearn.wire.messages import Command

SESSION = 11
ME, YOU = b"me", b"you"


class Rig:
    """A desk over a fake arm, with a clock that tests move."""

    def __init__(self, kind: type[FakeArm] = FakeArm, period_s: float = 0.1) -> None:
        self.clock = ManualClock(period_s)
        self.arm = kind(self.clock)
        self.clock.parts.append(self.arm.advance)
        limits = SafetyLimits(workspace_low=(-1.0, -1.0, -1.0), workspace_high=(1.0, 1.0, 1.0))
        self.robot = SupervisedRobot(self.arm, limits, self.clock)
        self.robot.__enter__()
        self.desk = ArmDesk(self.robot, self.clock, SESSION, DeskConfig())
        self.seq = 0

    def command(self, number: int, client: bytes = ME, **changes) -> str:
        self.seq += 1
        pose = self.robot.state().pose_tool_in_base
        target = [*np.add(pose.position, [0.01, 0.0, 0.0]).tolist(), *pose.quat_wxyz.tolist()]
        command = Command(
            session=SESSION,
            arm="arm",
            lease=number,
            seq=self.seq,
            sent_ns=self.clock.now_ns(),
            deadline_s=0.1,
            mode=CommandMode.POSE,
            target=target,
            gripper=None,
            valid_for_s=0.5,
        )
        return self.desk.command(client, replace(command, **changes))

    def pass_time(self, seconds: float, step: float = 0.01) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.desk.tick()


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_one_client_commands_and_the_state_echoes_it(rig):
    lease = rig.desk.acquire(ME, "alice")
    assert rig.command(lease) == ""
    state = rig.desk.state()
    assert (state.holder, state.command_seq, state.stopped_by) == ("alice", 1, "")
    assert state.applied.seq == 1
    rig.pass_time(0.2)
    assert rig.desk.state().command_age_s == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("session", {"session": SESSION + 1}),
        ("lease", {"lease": 5}),
        ("seq", {"seq": 1}),
        ("seq", {"seq": 0}),
        ("late", {"sent_ns": -(10**9)}),
        ("early", {"sent_ns": 10**9}),
        ("non_finite", {"target": [float("nan")] * 7}),
        ("non_finite", {"target": [float("inf"), 0.0, 0.0, *DOWN.tolist()]}),
        ("shape", {"target": [0.0] * 6}),
        ("quaternion", {"target": [0.0] * 7}),
    ],
)
def test_every_other_command_is_refused_counted_and_moves_nothing(rig, reason, changes):
    lease = rig.desk.acquire(ME, "alice")
    assert rig.command(lease) == ""
    rig.pass_time(0.1)
    before = rig.arm.state().q
    applied = rig.desk.state().applied
    assert rig.command(lease, **changes) == reason
    state = rig.desk.state()
    assert state.rejected == {reason: 1}
    latched = reason in {"non_finite", "shape", "quaternion"}
    assert (reason in state.faults) == latched
    assert state.applied == (None if latched else applied)
    np.testing.assert_allclose(rig.arm.state().q, before, atol=1e-12)


def test_nobody_takes_a_lease_from_a_client_that_is_alive(rig):
    lease = rig.desk.acquire(ME, "alice")
    with pytest.raises(DriverError, match="alice"):
        rig.desk.acquire(YOU, "bob")
    assert rig.command(lease, client=YOU) == "lease"
    rig.pass_time(2.1)
    theirs = rig.desk.acquire(YOU, "bob")
    assert rig.command(lease) == "lease"
    assert rig.command(theirs, client=YOU) == ""
    rig.desk.release(YOU, theirs)
    assert rig.desk.state().holder == ""


def test_an_arm_whose_commands_stop_coming_stops_and_says_so(rig):
    lease = rig.desk.acquire(ME, "alice")
    rig.command(lease)
    rig.pass_time(0.49)
    assert rig.desk.state().stopped_by == ""
    rig.pass_time(0.03)
    state = rig.desk.state()
    assert state.stopped_by == WATCHDOG
    assert state.applied is None
    before = rig.arm.state().q.copy()
    rig.pass_time(0.3)
    np.testing.assert_allclose(rig.arm.state().q, before, atol=1e-9)
    assert rig.command(lease) == ""
    assert rig.desk.state().stopped_by == ""


def test_anybody_may_stop_and_a_fault_stays_until_it_is_cleared(rig):
    lease = rig.desk.acquire(ME, "alice")
    rig.command(lease)
    rig.desk.stop(ASKED)
    assert rig.desk.state().stopped_by == ASKED
    rig.command(lease, target=[float("nan")] * 7)
    rig.pass_time(0.05)
    state = rig.desk.state()
    assert (state.stopped_by, "non_finite" in state.faults) == (FAULT, True)
    assert rig.command(lease) == "non_finite"
    with pytest.raises(DriverError, match="latched"):
        rig.desk.reset(None)
    rig.desk.clear_faults()
    assert rig.command(lease) == ""


def test_a_reset_is_driven_within_the_limits_and_refuses_commands_meanwhile(rig):
    lease = rig.desk.acquire(ME, "alice")
    goal = np.add(rig.robot.spec.q_home, [0.3, 0.0, 0.1])
    rig.desk.reset(goal)
    assert rig.desk.busy
    assert rig.command(lease) == "busy"
    speeds, before = [], rig.arm.state().q.copy()
    for _ in range(2000):
        rig.pass_time(0.1, step=0.1)
        now = rig.arm.state().q.copy()
        speeds.append(np.abs(now - before).max() / 0.1)
        before = now
        if not rig.desk.busy:
            break
    np.testing.assert_allclose(rig.arm.state().q, goal, atol=0.006)
    assert max(speeds) <= max(rig.robot.spec.dq_max)
    assert rig.desk.stopped_by == ""
    with pytest.raises(SpecError):
        rig.desk.reset(np.full(3, np.nan))
    rig.desk.reset(None)
    rig.desk.stop(ASKED)
    assert not rig.desk.busy


def test_a_command_that_comes_too_soon_waits_and_the_newest_of_several_counts(rig):
    lease = rig.desk.acquire(ME, "alice")
    rig.command(lease)
    rig.clock.advance(0.01)
    rig.command(lease)
    rig.clock.advance(0.01)
    rig.command(lease)
    state = rig.desk.state()
    assert (state.accepted, state.rejected, state.applied.seq, state.command_seq) == (1, {"replaced": 1}, 1, 1)
    rig.pass_time(0.07)
    state = rig.desk.state()
    assert (state.accepted, state.applied.seq, state.command_seq) == (2, 3, 3)
    rig.command(lease, target=[float("nan")] * 7)
    assert rig.desk.state().command_seq == 3


def test_a_command_that_waited_while_the_server_stood_still_is_late(rig):
    lease = rig.desk.acquire(ME, "alice")
    rig.command(lease)
    rig.clock.advance(0.01)
    rig.command(lease)
    rig.clock.advance(1.5)
    rig.desk.tick()
    state = rig.desk.state()
    assert (state.accepted, state.rejected, state.stopped_by) == (1, {"late": 1}, WATCHDOG)


def test_a_command_that_waited_for_its_time_and_a_tick_is_not_late():
    rig = Rig(period_s=0.02)
    lease = rig.desk.acquire(ME, "alice")
    rest = [0.5, 0.0, 0.4, *DOWN.tolist()]
    rig.command(lease, target=rest)
    rig.clock.advance(0.0005)
    rig.command(lease, target=rest)
    rig.clock.advance(0.001)
    rig.pass_time(0.03)
    state = rig.desk.state()
    assert (state.accepted, state.rejected) == (2, {})


@pytest.mark.parametrize(("end", "reason"), [("stop", "stopped"), ("release", "stopped"), ("reset", "replaced")])
def test_what_waits_does_not_outlive_a_stop_or_a_reset(rig, end, reason):
    lease = rig.desk.acquire(ME, "alice")
    rig.command(lease)
    rig.clock.advance(0.01)
    assert rig.command(lease) == ""
    ends = {
        "stop": lambda: rig.desk.stop(ASKED),
        "release": lambda: rig.desk.release(ME, lease),
        "reset": lambda: rig.desk.reset(np.add(rig.robot.spec.q_home, [0.2, 0.0, 0.0])),
    }
    ends[end]()
    rig.pass_time(3.0, step=0.1)
    state = rig.desk.state()
    assert (state.accepted, state.rejected) == (1, {reason: 1})
    assert state.stopped_by == {"stop": ASKED, "release": LET_GO, "reset": ""}[end]
    assert not rig.desk.busy


class Sagging(FakeArm):
    """Hangs 0.02 rad below where it should be."""

    def state(self):
        return replace(super().state(), q=self.q - [0.0, 0.0, 0.02])


class Swinging(FakeArm):
    """Swings by 0.004 rad about where it should be, until it is held."""

    held = False

    def state(self):
        swing = 0.0 if self.held else 0.004 * (-1.0) ** (self._clock.now_ns() // 100_000_000)
        return replace(super().state(), q=np.add(self.q, [0.0, 0.0, swing]))


@pytest.mark.parametrize(("tolerance", "ends"), [(0.005, FAULT), (0.05, "")])
def test_a_reset_is_over_within_the_tolerance_of_the_arm(monkeypatch, tolerance, ends):
    spec = replace(FakeArm(ManualClock()).spec, reset_tolerance=tolerance)
    monkeypatch.setattr(Sagging, "spec", spec)
    rig = Rig(Sagging)
    rig.desk.reset(np.add(spec.q_home, [0.2, 0.0, 0.0]))
    rig.pass_time(4.0, step=0.1)
    assert (rig.desk.busy, rig.desk.stopped_by) == (False, ends)


def test_a_reset_is_over_only_once_the_arm_rests():
    rig = Rig(Swinging)
    rig.desk.reset(None)
    rig.pass_time(1.0, step=0.1)
    assert rig.desk.busy
    rig.arm.held = True
    rig.pass_time(0.3, step=0.1)
    assert (rig.desk.busy, rig.desk.stopped_by) == (False, "")


def test_nobody_takes_an_arm_in_the_middle_of_a_reset_however_silent_its_holder(rig):
    rig.desk.acquire(ME, "alice")
    rig.desk.reset(np.add(rig.robot.spec.q_home, [-1.4, 0.0, 0.0]))
    rig.pass_time(2.5, step=0.1)
    assert rig.desk.busy
    with pytest.raises(DriverError, match="alice"):
        rig.desk.acquire(YOU, "bob")
    rig.pass_time(2.0, step=0.1)
    rig.desk.acquire(YOU, "bob")
