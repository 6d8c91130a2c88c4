"""The one place where actions in [-1, 1] become set-points in SI units, and set-points become actions again."""

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, nearest
from robolearn.core.geometry import (
    Vector,
    quat_conjugate,
    quat_from_rotvec,
    quat_multiply,
    quat_normalize,
    quat_rotate,
    rotvec_from_quat,
)
from robolearn.core.robot import CommandMode, RobotSpec
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, Frame
from robolearn.core.types import Action

_SIZES = {
    ActionKind.TRANSLATION_DELTA: 3,
    ActionKind.ROTATION_DELTA: 3,
    ActionKind.YAW_DELTA: 1,
    ActionKind.GRIPPER: 1,
}
_CARTESIAN = {ActionKind.TRANSLATION_DELTA, ActionKind.ROTATION_DELTA, ActionKind.YAW_DELTA}


class SetPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where one arm is told to be; the reference of the next delta."""

    mode: CommandMode
    target: Vector
    """(7,) pose or (n,) joint positions, as in `RobotCommand`."""
    gripper: float | None = None
    """Opening in [0, 1]; None where nothing was asked."""

    def same_as(self, other: "SetPoint") -> bool:
        """Return whether both are exactly the same set-point."""
        return self.gripper == other.gripper and np.array_equal(self.target, other.target)


class ActionCodec:
    """Translates between flat actions (A,) and one set-point per arm.

    Deltas are relative to the previous accepted set-point, so a zero delta holds. In the tool frame a translation is
    turned by the set-point's orientation and nothing else: it is the delta of a position, not a twist, so no adjoint.

    Args:
        spec: The action's parts.
        robots: The arms by name.

    Raises:
        ConfigError: If a part names an unknown arm, has the wrong size, or contradicts another or the arm.
    """

    def __init__(self, spec: ActionSpec, robots: Mapping[str, RobotSpec]) -> None:
        self.spec = spec
        self.modes: dict[str, CommandMode] = {}
        """How each arm is commanded; arms without a part are missing."""
        self._parts: dict[str, list[tuple[ActionPart, int, int]]] = {}
        for part, place in zip(spec.parts, spec.slices.values(), strict=False):
            if part.arm not in robots:
                raise ConfigError(
                    f"action part '{part.name}'",
                    expected="a known arm",
                    got=f"'{part.arm}'",
                    fix=nearest(part.arm, robots),
                )
            _check_part(part, robots[part.arm])
            self._parts.setdefault(part.arm, []).append((part, place.start, place.stop))
        if len(spec.slices) != len(spec.parts):
            raise ConfigError("action parts", expected="each part once", got=[part.name for part in spec.parts])
        for arm, placed in self._parts.items():
            self.modes[arm] = _mode_of({part.kind for part, _, _ in placed}, robots[arm])

    def decode(self, action: Action, references: Mapping[str, SetPoint]) -> dict[str, SetPoint]:
        """Turn an action (A,) in [-1, 1] into a set-point for each arm.

        Args:
            action: Finite.
            references: The previous accepted set-point of each arm, in the mode of `modes`.
        """
        values: list[float] = action.tolist()
        wanted: dict[str, SetPoint] = {}
        for arm, placed in self._parts.items():
            reference = references[arm]
            target, gripper = reference.target, None
            for part, start, stop in placed:
                if part.kind is ActionKind.GRIPPER:
                    gripper = 0.5 * (values[start] + 1.0)
                elif any(values[start:stop]):
                    delta = np.array(values[start:stop]) * part.scale
                    target = _apply(part, delta, target, reference.target)
            wanted[arm] = SetPoint(mode=reference.mode, target=target, gripper=gripper)
        return wanted

    def encode(self, targets: Mapping[str, SetPoint], references: Mapping[str, SetPoint]) -> NDArray[np.float64]:
        """Return the action (A,) that leads from `references` to `targets`; may leave [-1, 1].

        Motion that no part can express (a tilt under a yaw-only action) is left out.
        """
        action = np.zeros(self.spec.size)
        for arm, placed in self._parts.items():
            target, reference = targets[arm], references[arm]
            for part, start, stop in placed:
                if part.kind is ActionKind.GRIPPER:
                    opening = reference.gripper if target.gripper is None else target.gripper
                    action[start] = 0.0 if opening is None else 2.0 * opening - 1.0
                else:
                    action[start:stop] = _difference(part, target.target, reference.target) / part.scale
        return action


def _apply(part: ActionPart, delta: Vector, target: Vector, reference: Vector) -> Vector:
    """Return `target` moved by `delta` (m or rad), in the frame of the part at `reference`."""
    if part.kind is ActionKind.JOINT_DELTA:
        return target + delta
    quat_wxyz = reference[3:]
    moved = target.copy()
    if part.kind is ActionKind.TRANSLATION_DELTA:
        moved[:3] += delta if part.frame is Frame.BASE else quat_rotate(quat_wxyz, delta)
        return moved
    if part.kind is ActionKind.YAW_DELTA:
        delta = np.array([0.0, 0.0, delta[0]])
    turn = quat_from_rotvec(delta)
    turned = quat_multiply(turn, quat_wxyz) if part.frame is Frame.BASE else quat_multiply(quat_wxyz, turn)
    moved[3:] = quat_normalize(turned)
    return moved


def _difference(part: ActionPart, target: Vector, reference: Vector) -> Vector:
    """Return the delta (m or rad) of the part between two set-points: the inverse of `_apply`."""
    if part.kind is ActionKind.JOINT_DELTA:
        return target - reference
    inverse = quat_conjugate(reference[3:])
    if part.kind is ActionKind.TRANSLATION_DELTA:
        delta = target[:3] - reference[:3]
        return delta if part.frame is Frame.BASE else quat_rotate(inverse, delta)
    if part.frame is Frame.TOOL:
        return rotvec_from_quat(quat_multiply(inverse, target[3:]))
    turn = quat_multiply(target[3:], inverse)
    if part.kind is ActionKind.YAW_DELTA:
        angle = 2.0 * math.atan2(turn[3], turn[0])
        return np.array([math.remainder(angle, 2.0 * math.pi)])
    return rotvec_from_quat(turn)


def _check_part(part: ActionPart, robot: RobotSpec) -> None:
    where = f"action part '{part.name}'"
    size = len(robot.joint_names) if part.kind is ActionKind.JOINT_DELTA else _SIZES[part.kind]
    if part.size != size:
        raise ConfigError(where, expected=f"size {size}", got=part.size)
    if not 0.0 < part.scale < math.inf:
        raise ConfigError(where, expected="a finite scale above 0", got=part.scale)
    if part.kind is ActionKind.GRIPPER and (robot.gripper_max_m is None or part.scale != 1.0):
        raise ConfigError(where, expected="an arm with a gripper, and scale 1", got=f"{robot.name}, {part.scale}")
    if part.kind is ActionKind.YAW_DELTA and part.frame is not Frame.BASE:
        raise ConfigError(where, expected="frame base (yaw turns about the base's z axis)", got=part.frame)


def _mode_of(kinds: set[ActionKind], robot: RobotSpec) -> CommandMode:
    where = f"action of arm '{robot.name}'"
    cartesian = kinds & _CARTESIAN
    if {ActionKind.ROTATION_DELTA, ActionKind.YAW_DELTA} <= kinds or (cartesian and ActionKind.JOINT_DELTA in kinds):
        raise ConfigError(where, expected="parts that do not command the same motion twice", got=sorted(kinds))
    if not cartesian and ActionKind.JOINT_DELTA not in kinds:
        mode = CommandMode.POSE if CommandMode.POSE in robot.modes else CommandMode.JOINT_POSITION
    else:
        mode = CommandMode.POSE if cartesian else CommandMode.JOINT_POSITION
    if mode not in robot.modes or (mode is CommandMode.POSE and "pose_tool_in_base" not in robot.senses):
        raise ConfigError(
            where,
            expected=f"an arm that takes {mode} and senses what it needs",
            got=f"modes {[str(mode) for mode in robot.modes]}, senses {list(robot.senses)}",
            fix="command it by joint deltas (env.action=joints or joints_gripper)" if cartesian else "",
        )
    return mode
