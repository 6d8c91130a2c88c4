import math

import numpy as np
import pytest
from fakes import DOWN, FakeArm, ManualClock
from hypothesis import given
from hypothesis import strategies as st

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import quat_from_rotvec, quat_multiply, quat_normalize, rotation_error
from robolearn.core.robot import CommandMode
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, Frame
from robolearn.envs.action import ActionCodec, SetPoint

ROBOT = FakeArm(ManualClock()).spec
unit = st.floats(-1.0, 1.0, width=32)


def part(kind: ActionKind, size: int, frame: Frame = Frame.BASE, scale: float = 1.0, arm: str = "arm") -> ActionPart:
    return ActionPart(arm=arm, kind=kind, size=size, frame=frame, scale=scale)


def codec(*parts: ActionPart, **arms: object) -> ActionCodec:
    return ActionCodec(ActionSpec(parts=parts), arms or {"arm": ROBOT})


def at(quat_wxyz: np.ndarray, position: tuple[float, float, float] = (0.5, 0.1, 0.3)) -> SetPoint:
    return SetPoint(mode=CommandMode.POSE, target=np.array([*position, *quat_wxyz]), gripper=1.0)


quats = st.tuples(*[st.floats(-1.0, 1.0)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)


@given(quats, st.lists(unit, min_size=7, max_size=7), st.sampled_from(Frame), st.floats(0.001, 0.5))
def test_pose_actions_survive_the_round_trip(quat, values, frame, scale):
    pose = codec(
        part(ActionKind.TRANSLATION_DELTA, 3, frame, 0.1),
        part(ActionKind.ROTATION_DELTA, 3, frame, scale),
        part(ActionKind.GRIPPER, 1),
    )
    references = {"arm": at(quat_normalize(np.array(quat)))}
    action = np.array(values, np.float32)
    assert pose.encode(pose.decode(action, references), references) == pytest.approx(action, abs=1e-6)


@given(quats, st.lists(unit, min_size=4, max_size=4), st.floats(0.01, 3.0))
def test_yaw_actions_survive_the_round_trip(quat, values, scale):
    yaw = codec(part(ActionKind.TRANSLATION_DELTA, 3, Frame.TOOL, 0.05), part(ActionKind.YAW_DELTA, 1, scale=scale))
    references = {"arm": at(quat_normalize(np.array(quat)))}
    action = np.array(values, np.float32)
    assert yaw.encode(yaw.decode(action, references), references) == pytest.approx(action, abs=1e-6)


@given(st.lists(unit, min_size=4, max_size=4))
def test_joint_actions_survive_the_round_trip(values):
    joint = codec(part(ActionKind.JOINT_DELTA, 3, scale=0.2), part(ActionKind.GRIPPER, 1))
    references = {"arm": SetPoint(mode=CommandMode.JOINT_POSITION, target=np.array([0.1, -0.2, 0.3]), gripper=0.0)}
    action = np.array(values, np.float32)
    assert joint.encode(joint.decode(action, references), references) == pytest.approx(action, abs=1e-6)


def test_zero_deltas_hold_the_setpoint_exactly():
    pose = codec(part(ActionKind.TRANSLATION_DELTA, 3, Frame.TOOL, 0.1), part(ActionKind.YAW_DELTA, 1, scale=0.3))
    reference = at(quat_from_rotvec(np.array([0.3, 2.0, 0.1])))
    assert np.array_equal(pose.decode(np.zeros(4, np.float32), {"arm": reference})["arm"].target, reference.target)


def test_base_and_tool_translation_by_hand():
    delta = np.array([1.0, 0.5, -1.0], np.float32)
    base = codec(part(ActionKind.TRANSLATION_DELTA, 3, Frame.BASE, 0.1))
    moved = base.decode(delta, {"arm": at(DOWN)})["arm"].target
    assert moved[:3] == pytest.approx([0.6, 0.15, 0.2])
    # A tool that points down (half a turn about the base's x): its y and z axes are the base's, reversed.
    tool = codec(part(ActionKind.TRANSLATION_DELTA, 3, Frame.TOOL, 0.1))
    moved = tool.decode(delta, {"arm": at(DOWN)})["arm"].target
    assert moved[:3] == pytest.approx([0.6, 0.05, 0.4])


def test_tool_translation_does_not_depend_on_where_the_tool_is():
    # The adjoint of a twist would mix p x R into it; a position delta is rotated and nothing else.
    spec = codec(
        part(ActionKind.TRANSLATION_DELTA, 3, Frame.TOOL, 0.1), part(ActionKind.ROTATION_DELTA, 3, Frame.TOOL, 0.2)
    )
    action = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], np.float32)
    near, far = at(DOWN, (0.0, 0.0, 0.0)), at(DOWN, (0.7, -0.4, 0.5))
    steps = [spec.decode(action, {"arm": p})["arm"].target - p.target for p in (near, far)]
    assert steps[0] == pytest.approx(steps[1])


def test_base_and_tool_rotation_by_hand():
    action = np.array([0.0, 0.0, 1.0], np.float32)
    turned = codec(part(ActionKind.ROTATION_DELTA, 3, Frame.BASE, 0.2)).decode(action, {"arm": at(DOWN)})["arm"]
    assert rotation_error(turned.target[3:], DOWN) == pytest.approx([0.0, 0.0, 0.2])
    turned = codec(part(ActionKind.ROTATION_DELTA, 3, Frame.TOOL, 0.2)).decode(action, {"arm": at(DOWN)})["arm"]
    assert rotation_error(turned.target[3:], DOWN) == pytest.approx([0.0, 0.0, -0.2])
    turned = codec(part(ActionKind.YAW_DELTA, 1, scale=0.2)).decode(action[2:], {"arm": at(DOWN)})["arm"]
    assert rotation_error(turned.target[3:], DOWN) == pytest.approx([0.0, 0.0, 0.2])


def test_yaw_is_the_turn_about_the_base_z_even_if_the_setpoint_tilted():
    yaw = codec(part(ActionKind.YAW_DELTA, 1, scale=0.2))
    tilted = quat_multiply(
        quat_from_rotvec(np.array([0.0, 0.0, 0.1])), quat_multiply(quat_from_rotvec(np.array([0.05, 0.0, 0.0])), DOWN)
    )
    assert yaw.encode({"arm": at(tilted)}, {"arm": at(DOWN)}) == pytest.approx([0.5], abs=1e-9)


def test_gripper_is_absolute():
    gripper = codec(part(ActionKind.TRANSLATION_DELTA, 3), part(ActionKind.GRIPPER, 1))
    for value, opening in ((-1.0, 0.0), (0.0, 0.5), (1.0, 1.0)):
        action = np.array([0, 0, 0, value], np.float32)
        assert gripper.decode(action, {"arm": at(DOWN)})["arm"].gripper == opening


def test_two_arms_are_one_action():
    both = codec(
        part(ActionKind.TRANSLATION_DELTA, 3, scale=0.1, arm="left"),
        part(ActionKind.JOINT_DELTA, 3, scale=0.2, arm="right"),
        left=ROBOT,
        right=ROBOT,
    )
    assert both.modes == {"left": CommandMode.POSE, "right": CommandMode.JOINT_POSITION}
    references = {"left": at(DOWN), "right": SetPoint(mode=CommandMode.JOINT_POSITION, target=np.zeros(3))}
    wanted = both.decode(np.array([1, 0, 0, 0, 1, 0], np.float32), references)
    assert wanted["left"].target[0] == pytest.approx(0.6)
    assert wanted["right"].target == pytest.approx([0.0, 0.2, 0.0])
    assert wanted["right"].gripper is None


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([part(ActionKind.TRANSLATION_DELTA, 3, arm="amr")], "did you mean arm"),
        ([part(ActionKind.TRANSLATION_DELTA, 2)], "size 3"),
        ([part(ActionKind.JOINT_DELTA, 7)], "size 3"),
        ([part(ActionKind.TRANSLATION_DELTA, 3, scale=0.0)], "scale"),
        ([part(ActionKind.TRANSLATION_DELTA, 3, scale=math.nan)], "scale"),
        ([part(ActionKind.GRIPPER, 1, scale=2.0)], "scale 1"),
        ([part(ActionKind.YAW_DELTA, 1, Frame.TOOL)], "frame base"),
        ([part(ActionKind.YAW_DELTA, 1), part(ActionKind.ROTATION_DELTA, 3)], "twice"),
        ([part(ActionKind.TRANSLATION_DELTA, 3), part(ActionKind.JOINT_DELTA, 3)], "twice"),
        ([part(ActionKind.YAW_DELTA, 1), part(ActionKind.YAW_DELTA, 1)], "each part once"),
    ],
)
def test_an_action_that_makes_no_sense_is_named(parts, message):
    with pytest.raises(ConfigError, match=message):
        codec(*parts)


def test_an_arm_must_take_what_the_action_asks():
    joints_only = FakeArm(ManualClock(), modes=(CommandMode.JOINT_POSITION,)).spec
    with pytest.raises(ConfigError, match="pose"):
        codec(part(ActionKind.TRANSLATION_DELTA, 3), arm=joints_only)
    assert codec(part(ActionKind.GRIPPER, 1), arm=joints_only).modes == {"arm": CommandMode.JOINT_POSITION}
