"""Robot states and commands as messages, and back."""

import numpy as np

from robolearn.core.geometry import Pose, Vector
from robolearn.core.robot import Applied, RobotCommand, RobotState
from robolearn.wire.messages import AppliedSetPoint, ArmState, Command


def to_message(
    state: RobotState,
    *,
    holder: str,
    stopped_by: str,
    command_seq: int,
    command_age_s: float,
    accepted: int,
    rejected: dict[str, int],
) -> ArmState:
    """Return a state with what the server knows beside it."""
    applied, pose = state.applied, state.pose_tool_in_base
    return ArmState(
        stamp_ns=state.stamp_ns,
        q=state.q.tolist(),
        dq=state.dq.tolist(),
        pose=None if pose is None else pose.to_array().tolist(),
        twist=_listed(state.twist),
        wrench=_listed(state.wrench),
        gripper=state.gripper,
        gripper_speed=state.gripper_speed,
        faults=list(state.faults),
        applied=None
        if applied is None
        else AppliedSetPoint(
            seq=applied.seq,
            mode=applied.mode,
            target=applied.target.tolist(),
            gripper=applied.gripper,
            valid_for_s=applied.valid_for_s,
            clipped=list(applied.clipped),
        ),
        holder=holder,
        stopped_by=stopped_by,
        command_seq=command_seq,
        command_age_s=command_age_s,
        accepted=accepted,
        rejected=rejected,
    )


def from_message(message: ArmState, clock_id: str) -> RobotState:
    """Return the state that a message carries."""
    applied = message.applied
    return RobotState(
        stamp_ns=message.stamp_ns,
        clock_id=clock_id,
        q=np.array(message.q),
        dq=np.array(message.dq),
        pose_tool_in_base=None if message.pose is None else Pose.from_array(np.array(message.pose)),
        twist=_vector(message.twist),
        wrench=_vector(message.wrench),
        gripper=message.gripper,
        gripper_speed=message.gripper_speed,
        faults=tuple(message.faults),
        applied=None
        if applied is None
        else Applied(
            seq=applied.seq,
            mode=applied.mode,
            target=np.array(applied.target),
            gripper=applied.gripper,
            valid_for_s=applied.valid_for_s,
            clipped=tuple(applied.clipped),
        ),
    )


def to_command(message: Command) -> RobotCommand:
    """Return the command that a message carries; nothing in it has been checked but its types."""
    return RobotCommand(
        mode=message.mode,
        target=np.array(message.target),
        gripper=message.gripper,
        valid_for_s=message.valid_for_s,
        seq=message.seq,
    )


def _listed(vector: Vector | None) -> list[float] | None:
    return None if vector is None else vector.tolist()


def _vector(values: list[float] | None) -> Vector | None:
    return None if values is None else np.array(values)
