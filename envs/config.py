"""What is the same for every env, and for every simulated task of ours: cameras, actions, rate, observations, reward."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import ClassVar

from robolearn.core.errors import ConfigError, nearest
from robolearn.core.specs import ActionKind, Frame
from robolearn.envs.visual.config import VisualConfig
from robolearn.safety import SafetyLimits

ACTIONS = {
    "xyz": (ActionKind.TRANSLATION_DELTA,),
    "xyz_yaw": (ActionKind.TRANSLATION_DELTA, ActionKind.YAW_DELTA),
    "xyz_rotation": (ActionKind.TRANSLATION_DELTA, ActionKind.ROTATION_DELTA),
    "xyz_gripper": (ActionKind.TRANSLATION_DELTA, ActionKind.GRIPPER),
    "xyz_yaw_gripper": (ActionKind.TRANSLATION_DELTA, ActionKind.YAW_DELTA, ActionKind.GRIPPER),
    "xyz_rotation_gripper": (ActionKind.TRANSLATION_DELTA, ActionKind.ROTATION_DELTA, ActionKind.GRIPPER),
    "joints": (ActionKind.JOINT_DELTA,),
    "joints_gripper": (ActionKind.JOINT_DELTA, ActionKind.GRIPPER),
}
OBSERVATIONS = ("images", "state", "both")
REWARDS = ("sparse", "dense")
IMAGE_SIZES = range(16, 513)


@dataclass(kw_only=True, slots=True)
class DisturbanceConfig:
    """How often, and how far, things are moved."""

    chance: float = 0.0
    """Of a disturbance, at each step."""
    shift: float = 0.05
    """Largest distance along x and along y, m."""
    turn: float = 0.5
    """Largest turn about the vertical, rad."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.chance <= 1.0:
            raise ConfigError("env.wrappers.disturbance.chance", expected="a chance in [0, 1]", got=self.chance)
        if not (0.0 <= self.shift <= 0.5 and self.turn >= 0.0):
            raise ConfigError("env.wrappers.disturbance", expected="a shift up to 0.5 m, a turn", got=self)


@dataclass(kw_only=True, slots=True)
class WrappersConfig:
    """What is put around an env, from the inside outwards."""

    visual: VisualConfig = field(default_factory=VisualConfig)
    """How it is made to look."""
    disturbance: DisturbanceConfig = field(default_factory=DisturbanceConfig)
    """What is moved in the middle of episodes."""
    crop: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """Camera -> the part of its pictures that is seen, as shares (top, left, height, width), at the size of the whole."""
    relative_frame: bool = False
    """Act and see in the frame of the tool; see `robolearn.envs.wrappers.RelativeFrame`."""
    keys: list[str] | None = None
    """Observe these only, such as `proprio/arm.position`; None for all."""
    frames: int = 1
    """Moments of every picture that are seen at once, side by side along the channels."""
    history: int = 1
    """Moments of all proprioception that are seen at once."""

    def __post_init__(self) -> None:
        self.keys = None if self.keys is None else list(self.keys)
        self.crop = {camera: list(part) for camera, part in self.crop.items()}
        for camera, part in self.crop.items():
            if len(part) != 4:
                raise ConfigError(f"env.wrappers.crop.{camera}", expected="[top, left, height, width]", got=part)
        if min(self.frames, self.history) < 1:
            raise ConfigError("env.wrappers", expected="1 moment or more", got=(self.frames, self.history))


@dataclass(kw_only=True, slots=True)
class EnvConfig:
    """Any env, of ours or of others."""

    nudge: ClassVar[float] = 0.3
    """Chance, at each step, of a nudge while its scripted expert demonstrates, where nothing else is said: as many as it gets over."""

    cameras: list[str] = field(default_factory=lambda: ["front", "wrist"])
    image_size: int = 64
    """Pixels a side."""
    max_steps: int = 50
    reward: str = "sparse"
    """`sparse`: 1 at success. `dense`: the weighted terms of `info["reward_terms"]` as well."""
    observation: str = "images"
    """`images`, `state` (what only a simulation knows) or `both`; proprioception is always there."""
    symmetric: bool = False
    """Whether the scene, the cameras and the task are their own mirror image, left for right: an episode's mirror image could
    then have happened as well, and `mirror` of a training run learns from both."""
    wrappers: WrappersConfig = field(default_factory=WrappersConfig)

    def __post_init__(self) -> None:
        self.cameras = list(self.cameras)
        if len(set(self.cameras)) != len(self.cameras):
            raise ConfigError("env.cameras", expected="different cameras", got=self.cameras)
        one_of("reward", self.reward, REWARDS)
        one_of("observation", self.observation, OBSERVATIONS)
        if self.image_size not in IMAGE_SIZES:
            limits = f"{IMAGE_SIZES.start} to {IMAGE_SIZES.stop - 1} pixels"
            raise ConfigError("env.image_size", expected=limits, got=self.image_size)
        if self.observation != "state" and not self.cameras:
            raise ConfigError("env.cameras", expected="a camera for image observations", got="none")
        if self.max_steps < 1:
            raise ConfigError("env.max_steps", expected="1 or more", got=self.max_steps)


@dataclass(kw_only=True, slots=True)
class TaskConfig(EnvConfig):
    """A simulated task of ours. Subclasses add what the task randomises."""

    robot: str = "panda"
    """One of `robolearn.envs.build.ROBOTS`; the arm, or each of the arms."""
    known_cameras: ClassVar[tuple[str, ...]] = ("front", "wrist")
    """The cameras of the scene that observations may come from."""
    action: str = "xyz_yaw_gripper"
    """One of `ACTIONS`; translations, turns and joint angles are deltas of the set-point, the gripper is an absolute
    opening. Only `joints...` suit an arm that does not sense its pose."""
    frame: str = "base"
    """`base` or `tool`: the axes of translations and rotations; a yaw is always about the base's z axis."""
    translation_scale: float = 0.04
    """m per step at |action| = 1."""
    rotation_scale: float = 0.2
    """rad per step at |action| = 1."""
    joint_scale: float = 0.1
    """rad per step of each joint at |action| = 1."""
    rate_hz: float = 10.0
    proprio: list[str] | None = None
    """Keys of `robolearn.envs.proprio.FEATURES`; None for what suits the robot."""
    safety: SafetyLimits = field(default_factory=SafetyLimits)

    def __post_init__(self) -> None:
        EnvConfig.__post_init__(self)
        self.proprio = None if self.proprio is None else list(self.proprio)
        for camera in self.cameras:
            one_of("cameras", camera, self.known_cameras)
        one_of("action", self.action, ACTIONS)
        one_of("frame", self.frame, tuple(Frame))
        for name in ("translation_scale", "rotation_scale", "joint_scale"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(f"env.{name}", expected="above 0 and below 1 a step", got=getattr(self, name))
        require_range("rate_hz", self.rate_hz, 1.0, 200.0, "Hz")


def require_range(name: str, value: float, low: float, high: float, unit: str) -> None:
    """Check that a config value lies in [low, high].

    Raises:
        ConfigError: If it does not.
    """
    if not low <= value <= high:
        raise ConfigError(f"env.{name}", expected=f"{low} to {high} {unit}", got=value)


def one_of(name: str, value: str, known: Collection[str]) -> None:
    """Check that a config value is one of `known`.

    Raises:
        ConfigError: If it is not.
    """
    if value not in known:
        raise ConfigError(f"env.{name}", expected="a known name", got=f"'{value}'", fix=nearest(value, known))
