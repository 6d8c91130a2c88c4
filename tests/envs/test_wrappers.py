import math

import numpy as np
import pytest
from fakes import DOWN, FakeArm, FakeCamera, FakeTask, ManualClock
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from robolearn.core.errors import ConfigError, SpecError
from robolearn.core.geometry import quat_from_rotvec, quat_multiply, rotation_error
from robolearn.core.protocols import Intervention
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, Frame
from robolearn.core.types import Action
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.wrappers import ActionTransform, InterventionWrapper, RelativeFrame, ScriptedSource
from robolearn.safety import SafetyLimits, SupervisedRobot

PROPRIO = ("position", "quat_wxyz", "twist", "wrench", "gripper", "setpoint_error")


def make(frame: Frame = Frame.BASE, **limits: object) -> tuple[RobotEnv, FakeArm, FakeTask]:
    clock = ManualClock(0.1)
    fake = FakeArm(clock)
    clock.parts.append(fake.advance)
    wide = {"workspace_low": (-2.0, -2.0, -2.0), "workspace_high": (2.0, 2.0, 2.0), **limits}
    task = FakeTask()
    env = RobotEnv(
        arms={"arm": SupervisedRobot(fake, SafetyLimits(**wide), clock)},
        cameras={"front": FakeCamera(clock, fake)},
        task=task,
        action=ActionSpec(
            parts=(
                ActionPart(arm="arm", kind=ActionKind.TRANSLATION_DELTA, size=3, frame=frame, scale=0.03),
                ActionPart(arm="arm", kind=ActionKind.ROTATION_DELTA, size=3, frame=frame, scale=0.1),
                ActionPart(arm="arm", kind=ActionKind.GRIPPER, size=1),
            )
        ),
        clock=clock,
        max_steps=50,
        proprio=PROPRIO,
    )
    return env, fake, task


class Halve(ActionTransform[None]):
    """A unit transform: outer actions count half."""

    @override
    def context(self) -> None:
        return None

    @override
    def inward(self, action: Action, context: None) -> Action:
        return 0.5 * action

    @override
    def outward(self, action: Action, context: None) -> Action:
        return 2.0 * action


actions = st.lists(
    st.lists(st.floats(-0.5, 0.5, width=32), min_size=7, max_size=7).map(lambda a: np.array(a, np.float32)),
    min_size=1,
    max_size=8,
)


@given(actions)
@settings(max_examples=25)
def test_relative_frame_does_what_tool_parts_do(sequence):
    wrapped, tool = RelativeFrame(make()[0]), make(Frame.TOOL)[0]
    wrapped.reset(seed=0)
    tool.reset(seed=0)
    assert wrapped.env_spec.action == tool.env_spec.action
    for action in sequence:
        *_, info = wrapped.step(action)
        tool.step(action)
        assert info["executed_action"] == pytest.approx(action, abs=2e-6)
        assert info["executed_clipped"] is False
        one, other = wrapped.unwrapped.setpoints["arm"].target, tool.setpoints["arm"].target
        assert one == pytest.approx(other, abs=1e-6)


@given(actions)
@settings(max_examples=25)
def test_what_the_supervisor_executes_comes_back_in_the_outer_frame(sequence):
    env = RelativeFrame(make(speed=0.1, angular_speed=0.3)[0])
    tool = make(Frame.TOOL, speed=0.1, angular_speed=0.3)[0]
    env.reset(seed=0)
    tool.reset(seed=0)
    for action in sequence:
        mine, its = env.step(action)[-1], tool.step(action)[-1]
        assert mine["executed_action"] == pytest.approx(its["executed_action"], abs=5e-6)
        assert mine["limits"] == its["limits"]


def test_relative_frame_observes_from_the_reset_pose():
    env, fake, _ = make()
    wrapped = RelativeFrame(env)
    obs, _ = wrapped.reset(seed=0)
    assert obs["proprio/arm.position"] == pytest.approx([0.0, 0.0, 0.0])
    assert obs["proprio/arm.quat_wxyz"] == pytest.approx([1.0, 0.0, 0.0, 0.0], abs=1e-7)
    fake.wrench = np.array([1.0, 2.0, 3.0, 0.1, 0.2, 0.3])
    obs, *_ = wrapped.step(np.array([1, 1, 0, 0, 0, 0, 1], np.float32))
    # The tool points down: its y and z axes are the base's, reversed. Moving along tool y shows as tool y.
    assert obs["proprio/arm.position"] == pytest.approx([0.03, 0.03, 0.0], abs=1e-6)
    assert fake.q == pytest.approx([0.53, -0.03, 0.4])
    assert obs["proprio/arm.twist"] == pytest.approx([0.3, 0.3, 0.0, 0.0, 0.0, 0.0], abs=1e-5)
    assert obs["proprio/arm.wrench"] == pytest.approx([1.0, -2.0, -3.0, 0.1, -0.2, -0.3], abs=1e-6)
    assert wrapped.observation_space.contains(obs)
    obs, *_ = wrapped.step(np.array([0, 0, 0, 0, 0, 1, 1], np.float32))
    turned = quat_multiply(DOWN, quat_from_rotvec(np.array([0.0, 0.0, 0.1])))
    assert rotation_error(fake.quat_wxyz, turned) == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)
    expected = [math.cos(0.05), 0.0, 0.0, math.sin(0.05)]
    assert obs["proprio/arm.quat_wxyz"] == pytest.approx(expected, abs=1e-6)


def test_an_inverse_beyond_the_range_is_clipped_and_said_to_be():
    env = Halve(make()[0])
    env.reset(seed=0)
    *_, info = env.step(np.array([0.8, 0, 0, 0, 0, 0, 0], np.float32))
    assert info["executed_action"][0] == pytest.approx(0.8)
    assert info["executed_clipped"] is False

    source = ScriptedSource(lambda obs: np.ones(7, np.float32), lambda obs: True, size=7)
    env = Halve(InterventionWrapper(make()[0], source))
    env.reset(seed=0)
    *_, info = env.step(np.zeros(7, np.float32))
    assert np.array_equal(info["executed_action"], np.ones(7))  # 2.0 in these units
    assert info["executed_clipped"] is True
    assert info["intervened"] is True


@pytest.mark.parametrize("wrap", [Halve, RelativeFrame])
def test_transforms_refuse_what_the_env_would(wrap):
    env = wrap(make()[0])
    env.reset(seed=0)
    with pytest.raises(SpecError, match="shape"):
        env.step(np.zeros(3, np.float32))
    with pytest.raises(SpecError, match="finite"):
        env.step(np.full(7, math.nan, np.float32))


def test_relative_frame_wants_something_to_turn_and_no_absolute_heading():
    with pytest.raises(ConfigError, match="base frame"):
        RelativeFrame(make(Frame.TOOL)[0])
    clock = ManualClock()
    arm = SupervisedRobot(FakeArm(clock), SafetyLimits(), clock)
    part = ActionPart(arm="arm", kind=ActionKind.TRANSLATION_DELTA, size=3, scale=0.1)
    action = ActionSpec(parts=(part,))
    env = RobotEnv(arms={"arm": arm}, cameras={}, task=FakeTask(), action=action, clock=clock, max_steps=5)
    with pytest.raises(ConfigError, match="quat_wxyz"):
        RelativeFrame(env)


def test_masked_entries_are_the_humans_and_the_flag_says_so():
    env, *_ = make()
    mask = np.array([True, False, False, False, False, False, False])
    source = ScriptedSource(
        lambda obs: np.full(7, 0.9, np.float32),
        lambda obs: obs["proprio/arm.position"][0] < 0.52,
        size=7,
        hold_steps=1,
        mask=mask,
        device="test",
    )
    wrapped = InterventionWrapper(env, source)
    wrapped.reset(seed=0)
    policy = np.full(7, 0.1, np.float32)
    flags = []
    for _ in range(4):
        *_, info = wrapped.step(policy)
        flags.append(info["intervened"])
        expected = np.where(mask & info["intervened"], np.float32(0.9), policy)
        assert info["executed_action"] == pytest.approx(expected, abs=1e-6)
    # at 0.50 it steps in, at 0.527 the trigger is off and it holds on for one more step, then lets go
    assert flags == [True, True, False, False]
    assert np.array_equal(policy, np.full(7, 0.1, np.float32))  # the caller's array is left alone


def test_the_flag_passes_every_wrapper_in_any_order():
    def source() -> ScriptedSource:
        return ScriptedSource(lambda obs: np.array([0, 0.4, 0, 0, 0, 0, 0], np.float32), lambda obs: True, size=7)

    inside = RelativeFrame(InterventionWrapper(make()[0], source()))
    outside = InterventionWrapper(RelativeFrame(make()[0]), source())
    for env, sign in ((inside, -1.0), (outside, 1.0)):
        env.reset(seed=0)
        *_, info = env.step(np.zeros(7, np.float32))
        assert info["intervened"] is True
        # The human speaks base coordinates in the first, tool coordinates in the second; the report is tool's in both.
        assert info["executed_action"][:3] == pytest.approx([0.0, 0.4 * sign, 0.0], abs=1e-6)


def test_an_empty_mask_or_silence_is_no_intervention():
    for trigger, mask in ((True, np.zeros(7, np.bool_)), (False, None)):
        source = ScriptedSource(
            lambda obs: np.ones(7, np.float32), lambda obs, on=trigger: on, size=7, mask=mask, hold_steps=0
        )
        env = InterventionWrapper(make()[0], source)
        env.reset(seed=0)
        *_, info = env.step(np.zeros(7, np.float32))
        assert info["intervened"] is False
        assert np.array_equal(info["executed_action"], np.zeros(7))


def test_events_reach_the_task_in_the_step_and_old_ones_do_not():
    env, _, task = make()
    source = ScriptedSource(lambda obs: np.zeros(7, np.float32), lambda obs: False, size=7, device="pedal")
    wrapped = InterventionWrapper(env, source)
    source.signal("failure")
    wrapped.reset(seed=0)
    assert wrapped.step(np.zeros(7, np.float32))[2] is False
    source.signal("success")
    _, reward, terminated, _, info = wrapped.step(np.zeros(7, np.float32))
    assert (reward, terminated, info["success"]) == (1.0, True, True)
    assert [(event.name, event.device) for event in task.events] == [("success", "pedal")]


def test_a_device_of_another_shape_is_named():
    class Wrong(ScriptedSource):
        @override
        def poll(self, obs: dict) -> Intervention:
            return Intervention(action=np.zeros(6, np.float32), mask=np.ones(6, bool), stamp_ns=0, device="mouse")

    env = InterventionWrapper(make()[0], Wrong(lambda obs: np.zeros(6), lambda obs: True, size=6))
    env.reset(seed=0)
    with pytest.raises(SpecError, match="mouse"):
        env.step(np.zeros(7, np.float32))


def test_a_device_that_sends_nan_moves_nothing():
    env, fake, _ = make()
    source = ScriptedSource(lambda obs: np.full(7, math.nan, np.float32), lambda obs: True, size=7)
    wrapped = InterventionWrapper(env, source)
    wrapped.reset(seed=0)
    with pytest.raises(SpecError, match="finite"):
        wrapped.step(np.zeros(7, np.float32))
    assert fake.commands == []


def test_snapshots_pass_through_wrappers():
    env = RelativeFrame(make()[0])
    env.reset(seed=0)
    env.step(np.full(7, 0.3, np.float32))
    saved = env.get_wrapper_attr("save")()
    first = env.step(np.full(7, 0.5, np.float32))
    env.set_wrapper_attr("snapshot", saved)
    second = env.step(np.full(7, 0.5, np.float32))
    for key, value in first[0].items():
        assert np.array_equal(value, second[0][key])
    assert np.array_equal(first[-1]["executed_action"], second[-1]["executed_action"])
