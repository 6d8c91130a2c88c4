"""The proprioceptive observations of an arm, by name; float32, SI units, base frame."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, SpecError, nearest
from robolearn.core.geometry import Pose, Vector
from robolearn.core.robot import CommandMode, RobotSpec, RobotState
from robolearn.core.specs import ArraySpec
from robolearn.envs.action import SetPoint

Read = Callable[[RobotState, SetPoint], Sequence[float]]
_POSE = "pose_tool_in_base"


@dataclass(slots=True, frozen=True)
class Feature:
    """How one observation is read from a state and the accepted set-point."""

    read: Read
    size: int | None
    """None for one entry per joint."""
    sense: str | None = None
    """The optional `RobotState` field that it needs."""
    low: float = -math.inf
    high: float = math.inf


class Proprioception:
    """Reads the named features of one arm.

    Args:
        names: Keys of `FEATURES`.
        robot: The arm.
        mode: How the arm is commanded; None if it is not.

    Raises:
        ConfigError: If a name is unknown, or the arm does not sense what it needs.
    """

    def __init__(self, names: Sequence[str], robot: RobotSpec, mode: CommandMode | None) -> None:
        self._features: dict[str, Feature] = {}
        self.specs: dict[str, ArraySpec] = {}
        for name in names:
            where = f"proprio '{name}' of arm '{robot.name}'"
            if name not in FEATURES:
                raise ConfigError(where, expected="a known name", got=f"'{name}'", fix=nearest(name, FEATURES))
            feature = FEATURES[name]
            if feature.sense is not None and feature.sense not in robot.senses:
                sensed = [key for key, other in FEATURES.items() if other.sense in (None, *robot.senses)]
                raise ConfigError(
                    where,
                    expected=f"an arm that senses {feature.sense}",
                    got=list(robot.senses),
                    fix=f"this one has {', '.join(sensed)}",
                )
            if name == "setpoint_error" and mode is not CommandMode.POSE:
                raise ConfigError(where, expected="an arm commanded by pose", got=mode)
            self._features[name] = feature
            size = len(robot.joint_names) if feature.size is None else feature.size
            self.specs[name] = ArraySpec(shape=(size,), dtype="float32", low=feature.low, high=feature.high)

    def read(self, state: RobotState, setpoint: SetPoint) -> dict[str, NDArray[np.float32]]:
        """Return the features by name.

        Raises:
            SpecError: If the state lacks a field that its spec promises.
        """
        features: dict[str, NDArray[np.float32]] = {}
        for name, feature in self._features.items():
            if feature.sense is not None and getattr(state, feature.sense) is None:
                raise SpecError(f"state field '{feature.sense}'", expected="a value, as the spec says", got="None")
            values = feature.read(state, setpoint)
            if feature.high < math.inf:
                values = [min(max(value, feature.low), feature.high) for value in values]
            features[name] = np.array(values, np.float32)
        return features


def _yaw(state: RobotState, setpoint: SetPoint) -> Sequence[float]:
    """Return (sin, cos) of the heading of the tool's x axis; (0, 1) where it points straight up or down."""
    del setpoint
    w, x, y, z = _pose(state).quat_wxyz.tolist()
    east, north = 1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z)
    norm = math.hypot(east, north)
    return (north / norm, east / norm) if norm > 1e-6 else (0.0, 1.0)


def _rotation_6d(state: RobotState, setpoint: SetPoint) -> Sequence[float]:
    """Return the first two columns of the rotation matrix (Zhou et al., 2019, arXiv:1812.07035)."""
    del setpoint
    w, x, y, z = _pose(state).quat_wxyz.tolist()
    return (
        1.0 - 2.0 * (y * y + z * z),
        2.0 * (x * y + w * z),
        2.0 * (x * z - w * y),
        2.0 * (x * y - w * z),
        1.0 - 2.0 * (x * x + z * z),
        2.0 * (y * z + w * x),
    )


def _pose(state: RobotState) -> Pose:
    assert state.pose_tool_in_base is not None
    return state.pose_tool_in_base


def _values(vector: Vector | None) -> Sequence[float]:
    assert vector is not None
    return vector.tolist()


FEATURES: Mapping[str, Feature] = {
    "q": Feature(lambda state, _: state.q.tolist(), None),
    "dq": Feature(lambda state, _: state.dq.tolist(), None),
    "position": Feature(lambda state, _: _pose(state).position.tolist(), 3, _POSE),
    "quat_wxyz": Feature(lambda state, _: _pose(state).quat_wxyz.tolist(), 4, _POSE, -1.0, 1.0),
    "rotation_6d": Feature(_rotation_6d, 6, _POSE, -1.0, 1.0),
    "yaw": Feature(_yaw, 2, _POSE, -1.0, 1.0),
    "twist": Feature(lambda state, _: _values(state.twist), 6, "twist"),
    "wrench": Feature(lambda state, _: _values(state.wrench), 6, "wrench"),
    "gripper": Feature(lambda state, _: (state.gripper or 0.0,), 1, "gripper", 0.0, 1.0),
    "gripper_speed": Feature(lambda state, _: (state.gripper_speed or 0.0,), 1, "gripper_speed"),
    "setpoint_error": Feature(lambda state, setpoint: (setpoint.target[:3] - _pose(state).position).tolist(), 3, _POSE),
}
