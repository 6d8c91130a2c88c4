"""What goes to and comes from a robot arm and a camera: commands, states, frames and their specs, all in SI units."""

from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from robolearn.core.geometry import Pose, Vector


class CommandMode(StrEnum):
    """What the target of a command is."""

    POSE = "pose"
    """(7,) tool pose in base: position (m), quat_wxyz."""
    TWIST = "twist"
    """(6,) tool twist in base: linear (m/s), angular (rad/s)."""
    JOINT_POSITION = "joint_position"
    """(n,) rad."""
    JOINT_VELOCITY = "joint_velocity"
    """(n,) rad/s."""


class RobotCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A set-point for one arm."""

    mode: CommandMode
    target: Vector
    gripper: float | None = None
    """Wanted opening in [0, 1], 1 = open; None leaves the gripper alone."""
    valid_for_s: float = 0.5
    """After this long without a newer command the arm must stop by itself."""
    seq: int = 0
    """Counts up with every command of one sender; the state echoes the last accepted one."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """The set-point that the supervisor accepted, which may differ from the one that was asked for."""

    seq: int
    mode: CommandMode
    target: Vector
    gripper: float | None
    valid_for_s: float
    clipped: tuple[str, ...] = ()
    """Names of the limits that changed the target, in the order in which they were applied."""


class RobotState(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of one arm. Fields that its `RobotSpec` does not list under `senses` may be None."""

    stamp_ns: int
    """Capture time on the clock named by `clock_id`."""
    clock_id: str
    q: Vector
    """(n,) rad."""
    dq: Vector
    """(n,) rad/s."""
    pose_tool_in_base: Pose | None = None
    twist: Vector | None = None
    """(6,) of the tool in base: linear m/s, angular rad/s."""
    wrench: Vector | None = None
    """(6,) external wrench at the tool in base: force N, torque N m."""
    gripper: float | None = None
    """Measured opening in [0, 1]."""
    gripper_speed: float | None = None
    """Of the opening, 1/s; negative while it closes, 0 once the fingers hold something."""
    faults: tuple[str, ...] = ()
    """Names of latched faults; empty means that motion is allowed."""
    applied: Applied | None = None
    """None until the first command is accepted, and again after `stop` and `reset`."""


class RobotSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What an arm is and can do; readable without a connection."""

    name: str
    joint_names: tuple[str, ...]
    q_min: tuple[float, ...]
    q_max: tuple[float, ...]
    dq_max: tuple[float, ...]
    """rad/s."""
    ddq_max: tuple[float, ...]
    """rad/s^2."""
    tau_max: tuple[float, ...]
    """N m."""
    q_home: tuple[float, ...]
    modes: tuple[CommandMode, ...]
    senses: tuple[str, ...]
    """Names of the optional `RobotState` fields that are always there."""
    gripper_max_m: float | None = None
    """Opening in m at 1.0; None without a gripper."""
    links: tuple[tuple[float, float, float], ...] = ()
    """Of each joint (a, alpha, d): m, rad, m, modified Denavit-Hartenberg (Craig); empty where they are not known."""
    tool_m: float = 0.0
    """From the last joint's frame to the tool, along its z axis."""
    reset_tolerance: float = 0.005
    """rad; a reset is over once every joint is as near as this to where it should be, and at rest."""


class CameraSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a camera delivers."""

    name: str
    height: int
    width: int
    rate_hz: float


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One image with the time it was taken."""

    pixels: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    stamp_ns: int
    clock_id: str
    seq: int = 0
