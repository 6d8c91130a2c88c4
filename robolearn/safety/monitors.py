"""What is checked of every command that comes in and of every state that is measured; each finding has a name."""

import math

import numpy as np

from robolearn.core.geometry import Vector, rotation_error
from robolearn.core.robot import Applied, CommandMode, RobotCommand, RobotSpec, RobotState
from robolearn.safety.limits import SafetyLimits

_QUAT_TOLERANCE = 1e-3
_JOINT_MODES = (CommandMode.JOINT_POSITION, CommandMode.JOINT_VELOCITY)
_WORKSPACE_SLACK_M = 1e-3
"""Noise of a pose at rest is no motion."""


def command_faults(command: RobotCommand, spec: RobotSpec) -> tuple[str, ...]:
    """Return the names of what makes a command unusable: `non_finite`, `shape`, `quaternion`, `valid_for`.

    Finiteness comes first, because no comparison or clamp means anything on NaN.
    """
    target, gripper = command.target, command.gripper
    if not all(map(math.isfinite, target.ravel().tolist())) or (gripper is not None and not math.isfinite(gripper)):
        return ("non_finite",)
    if target.shape != target_shape(command.mode, spec):
        return ("shape",)
    if not command.valid_for_s > 0.0:
        return ("valid_for",)
    if command.mode is CommandMode.POSE:
        w, x, y, z = target.tolist()[3:]
        if abs(math.hypot(w, x, y, z) - 1.0) > _QUAT_TOLERANCE:
            return ("quaternion",)
    return ()


def target_shape(mode: CommandMode, spec: RobotSpec) -> tuple[int]:
    """Return the shape that a target of this mode has."""
    match mode:
        case CommandMode.POSE:
            return (7,)
        case CommandMode.TWIST:
            return (6,)
        case CommandMode.JOINT_POSITION | CommandMode.JOINT_VELOCITY:
            return (len(spec.joint_names),)


class StateMonitor:
    """Names what is wrong with a measured state."""

    def __init__(self, limits: SafetyLimits, spec: RobotSpec, period_s: float) -> None:
        self._period_s, self._kept = period_s, bool(spec.links)
        self._low, self._high = np.array(limits.workspace_low), np.array(limits.workspace_high)
        self._ddq_max = limits.joint_acceleration_fraction * np.array(spec.ddq_max)
        self._names = spec.joint_names
        self._q_low = [low - limits.joint_overrun for low in spec.q_min]
        self._q_high = [high + limits.joint_overrun for high in spec.q_max]
        self._dq_max = [limits.joint_speed_fault * dq for dq in spec.dq_max]
        self._wrench_max = limits.wrench_max
        self._tracking = limits.tracking_fault

    def faults(self, state: RobotState, applied: Applied | None) -> list[str]:
        """Return the names of the faults of one state; empty if all is well.

        Names: `state_non_finite`, `joint_limit:<joint>`, `joint_speed:<joint>`, `force`, `torque`,
        `tracking_position`, `tracking_rotation`, `workspace` (in joint modes of an arm whose links are not known, so that
        set-points cannot be kept in the box), and `driver:<name>` for what the driver itself reports.
        """
        found = [f"driver:{name}" for name in state.faults]
        q, dq = state.q.tolist(), state.dq.tolist()
        if not all(map(math.isfinite, (*q, *dq))):
            found.append("state_non_finite")
            return found
        for name, low, at, high in zip(self._names, self._q_low, q, self._q_high, strict=True):
            if not low <= at <= high:
                found.append(f"joint_limit:{name}")
        for name, speed, top in zip(self._names, dq, self._dq_max, strict=True):
            if abs(speed) > top:
                found.append(f"joint_speed:{name}")
        if self._wrench_max is not None and state.wrench is not None:
            found += _wrench_faults(state.wrench.tolist(), self._wrench_max)
        if self._tracking is not None and applied is not None and applied.mode is CommandMode.POSE:
            found += _tracking_faults(state, applied, self._tracking)
        unkept = not self._kept and applied is not None and applied.mode in _JOINT_MODES
        if unkept and self._leaves_workspace(state):
            found.append("workspace")
        return found

    def _leaves_workspace(self, state: RobotState) -> bool:
        """Return whether the tool, if it were braked a period from now, would come to rest (further) outside of the box."""
        pose, twist = state.pose_tool_in_base, state.twist
        if pose is None or twist is None:
            return False
        braking_s = float((np.abs(state.dq) / self._ddq_max).max())
        rest = pose.position + (self._period_s + 0.5 * braking_s) * twist[:3]
        return self._outside(rest) > self._outside(pose.position) + _WORKSPACE_SLACK_M

    def _outside(self, position: Vector) -> float:
        return float(np.maximum(self._low - position, position - self._high).max(initial=0.0))


def _wrench_faults(wrench: list[float], limit: tuple[float, float]) -> list[str]:
    force, torque = math.hypot(*wrench[:3]), math.hypot(*wrench[3:])
    # Written so that NaN, which compares false with everything, counts as too much.
    return [name for name, ok in (("force", force <= limit[0]), ("torque", torque <= limit[1])) if not ok]


def _tracking_faults(state: RobotState, applied: Applied, limit: tuple[float, float]) -> list[str]:
    pose = state.pose_tool_in_base
    if pose is None:
        return []
    lag = math.dist(applied.target[:3].tolist(), pose.position.tolist())
    turn = rotation_error(applied.target[3:], pose.quat_wxyz)
    angle = math.hypot(*turn.tolist())
    return [
        name
        for name, ok in (("tracking_position", lag <= limit[0]), ("tracking_rotation", angle <= limit[1]))
        if not ok
    ]
