"""Robot states and commands as messages, and back."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from robolearn.core.geometry import Pose, Vector, quat_slerp
from robolearn.core.robot import Applied, RobotCommand, RobotState
from robolearn.wire.messages import AppliedSetPoint, ArmState, Command, Past


def to_message(
    state: RobotState,
    *,
    holder: str,
    stopped_by: str,
    command_seq: int,
    command_age_s: float,
    accepted: int,
    rejected: dict[str, int],
    past: Sequence[Past],
    lease: int | None,
    faults: Sequence[str],
) -> ArmState:
    """Return a state with what the server knows beside it; `faults` are all that are latched, the state's own among them."""
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
        faults=list(faults),
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
        lease=lease,
        stopped_by=stopped_by,
        command_seq=command_seq,
        command_age_s=command_age_s,
        accepted=accepted,
        rejected=rejected,
        past=list(past),
    )


def from_message(message: ArmState, clock_id: str, offset_ns: int = 0) -> RobotState:
    """Return the state that a message carries, from a clock that is ahead by `offset_ns`."""
    applied = message.applied
    return RobotState(
        stamp_ns=message.stamp_ns - offset_ns,
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


def to_past(state: RobotState) -> Past:
    """Return what is remembered of a state."""
    pose = state.pose_tool_in_base
    return Past(state.stamp_ns, state.q.tolist(), None if pose is None else pose.to_array().tolist(), state.gripper)


def at(state: RobotState, past: Sequence[Past], stamp_ns: int, offset_ns: int = 0) -> RobotState:
    """Return `state` with joints, pose and gripper as they were at a time, evenly between the two known places around it.

    Args:
        state: The newest, on the clock of `stamp_ns`.
        past: Where the arm was before, the oldest first.
        stamp_ns: When.
        offset_ns: By how much the clock of `past` is ahead.
    """
    known = [*(replace(p, stamp_ns=p.stamp_ns - offset_ns) for p in past), to_past(state)]
    later = next((p for p in known if p.stamp_ns >= stamp_ns), known[-1])
    before = next((p for p in reversed(known) if p.stamp_ns <= stamp_ns), known[0])
    apart_ns = later.stamp_ns - before.stamp_ns
    share = 0.0 if apart_ns <= 0 else (stamp_ns - before.stamp_ns) / apart_ns
    q, then = np.array(before.q), np.array(later.q)
    pose = None
    if before.pose is not None and later.pose is not None:
        start, end = Pose.from_array(np.array(before.pose)), Pose.from_array(np.array(later.pose))
        turned = quat_slerp(start.quat_wxyz, end.quat_wxyz, share)
        pose = Pose(start.position + share * (end.position - start.position), turned)
    gripper = before.gripper
    if gripper is not None and later.gripper is not None:
        gripper += share * (later.gripper - gripper)
    seen_ns = min(max(stamp_ns, known[0].stamp_ns), known[-1].stamp_ns)
    return replace(state, stamp_ns=seen_ns, q=q + share * (then - q), pose_tool_in_base=pose, gripper=gripper)


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
