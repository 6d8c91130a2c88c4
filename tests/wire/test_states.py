"""States and commands as messages, and an arm as it was a while ago."""

import numpy as np
import pytest

from robolearn.core.geometry import Pose, quat_from_rotvec, rotation_error
from robolearn.core.robot import Applied, CommandMode, RobotState
from robolearn.wire.codec import Decoder, encode
from robolearn.wire.messages import ArmState
from robolearn.wire.states import at, from_message, to_message, to_past

MS = 1_000_000


def state(ms: int, x: float) -> RobotState:
    quat = quat_from_rotvec(np.array([0.0, 0.0, x]))
    return RobotState(
        stamp_ns=ms * MS,
        clock_id="monotonic",
        q=np.array([x, 2.0 * x]),
        dq=np.zeros(2),
        pose_tool_in_base=Pose(np.array([x, 0.0, 0.0]), quat),
        gripper=x,
        applied=Applied(
            seq=3,
            mode=CommandMode.JOINT_POSITION,
            target=np.array([x, x]),
            gripper=None,
            valid_for_s=0.5,
            clipped=("speed",),
        ),
    )


def test_a_state_survives_the_way_and_comes_on_the_clock_of_here():
    desk = {
        "holder": "me",
        "lease": 7,
        "faults": ["asked"],
        "stopped_by": "",
        "command_seq": 3,
        "command_age_s": 0.1,
        "accepted": 4,
        "rejected": {"late": 1},
    }
    message = to_message(state(100, 0.5), **desk, past=[to_past(state(90, 0.4))])
    decode: Decoder[ArmState] = Decoder(ArmState, "state")
    back = from_message(decode(encode(message)), "monotonic", offset_ns=30 * MS)
    assert back.stamp_ns == 70 * MS
    assert back.faults == ("asked",)
    assert np.array_equal(back.q, [0.5, 1.0])
    assert (back.applied.seq, back.applied.valid_for_s, back.applied.clipped) == (3, 0.5, ("speed",))


@pytest.mark.parametrize(
    ("ms", "x", "seen_ms"),
    [(100, 0.5, 100), (95, 0.45, 95), (84, 0.34, 84), (80, 0.3, 80), (20, 0.3, 80), (130, 0.5, 100)],
)
def test_an_arm_is_where_it_was_between_two_known_places(ms, x, seen_ms):
    past = [to_past(state(80 + 1_000, 0.3)), to_past(state(90 + 1_000, 0.4))]
    then = at(state(100, 0.5), past, ms * MS, offset_ns=1_000 * MS)
    assert then.stamp_ns == seen_ms * MS
    np.testing.assert_allclose(then.q, [x, 2.0 * x])
    np.testing.assert_allclose(then.pose_tool_in_base.position, [x, 0.0, 0.0])
    turned = rotation_error(then.pose_tool_in_base.quat_wxyz, np.array([1.0, 0.0, 0.0, 0.0]))
    np.testing.assert_allclose(turned, [0.0, 0.0, x], atol=1e-12)
    assert then.gripper == pytest.approx(x)
    assert then.applied.seq == 3
