"""Configurations of simulations that are not ours; importing this needs none of them."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from robolearn.core.errors import ConfigError
from robolearn.envs.config import EnvConfig, one_of

PROFILES = ("stock", "fast", "fastest")
CONTROLLERS = ("osc_pose", "osc_position", "joint_position", "joint_velocity")


@dataclass(kw_only=True, slots=True)
class AdapterConfig(EnvConfig):
    """Any simulation that is not ours."""

    action_repeat: int = 1
    """How often each action is carried out; rewards are added up."""

    def __post_init__(self) -> None:
        EnvConfig.__post_init__(self)
        if self.action_repeat < 1:
            raise ConfigError("env.action_repeat", expected="1 or more", got=self.action_repeat)


@dataclass(kw_only=True, slots=True)
class LibraryConfig(AdapterConfig):
    """A task of a library on MuJoCo, drawn by us."""

    task: str = ""
    """Its name in the library."""
    profile: str = "fast"
    """`stock`: pixel for pixel as the library draws. `fast`: the same shapes without shadows, reflections, sky and
    multisampling. `fastest`: coarse shapes; of robosuite, collision shapes in the colours of what they stand for."""

    def __post_init__(self) -> None:
        AdapterConfig.__post_init__(self)
        one_of("profile", self.profile, PROFILES)


@dataclass(kw_only=True, slots=True)
class RobosuiteConfig(LibraryConfig):
    """A task of robosuite 1.5 (Zhu et al., arXiv:2009.12293)."""

    nudge: ClassVar[float] = 0.03
    """An action is worth up to 5 cm and half a radian, so that nudges lead far off."""

    task: str = "Lift"
    robots: list[str] = field(default_factory=list)
    """One robot per arm; none for Pandas."""
    arrangement: str = "default"
    """Of two arms, as robosuite's `env_configuration`: `parallel`, `opposed` or `default`."""
    controller: str = "osc_pose"
    """`osc_pose`, `osc_position`, `joint_position` or `joint_velocity`; deltas start from where the arm is, not from a set-point."""
    cameras: list[str] = field(default_factory=lambda: ["agentview", "robot0_eye_in_hand"])
    image_size: int = 84
    rate_hz: float = 20.0
    max_steps: int = 200
    proprio: list[str] = field(default_factory=lambda: ["position", "quat_wxyz", "gripper_q"])
    """Of each arm: `position` and `quat_wxyz` of the hand in the world, `gripper_q`, `q`, `dq`."""
    recompile: bool = False
    """Compile the model at every reset, as robosuite does by default: slow, but sizes of objects are drawn too."""

    def __post_init__(self) -> None:
        LibraryConfig.__post_init__(self)
        self.robots, self.proprio = list(self.robots), list(self.proprio)
        one_of("controller", self.controller, CONTROLLERS)


@dataclass(kw_only=True, slots=True)
class DmControlConfig(LibraryConfig):
    """A task of dm_control (Tunyasuvunakool et al., arXiv:2006.12983)."""

    task: str = "walker-walk"
    """`<domain>-<task>` of the suite, or `manipulation-<task>` such as `manipulation-reach_site`."""
    cameras: list[str] = field(default_factory=lambda: ["0"])
    """Names or numbers."""
    image_size: int = 84
    reward: str = "dense"
    max_steps: int = 1_000
    """In steps of the agent; the library's own limit counts as well."""
    success_reward: float | None = None
    """A step counts as a success from this reward on; None for tasks that only have returns."""


@dataclass(kw_only=True, slots=True)
class GymnasiumConfig(AdapterConfig):
    """Any Gymnasium env with Box or Dict observations and a bounded Box of actions."""

    id: str = ""
    """As `gymnasium.make` takes it: `[module:]name`."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Further arguments of `gymnasium.make`."""
    cameras: list[str] = field(default_factory=lambda: ["render"])
    """Images to observe: keys of the env's own observation (`pixels.front` is called `front`), or `render` for its `render()`."""
    proprio: list[str] = field(default_factory=list)
    """Keys of the observation that a robot could sense itself; the others are privileged."""
    image_size: int = 84
    reward: str = "dense"
    max_steps: int = 1_000

    def __post_init__(self) -> None:
        AdapterConfig.__post_init__(self)
        self.proprio = list(self.proprio)
        if not self.id:
            raise ConfigError(
                "env.id", expected="the id of a Gymnasium env", got="nothing", fix="such as env.id=CartPole-v1"
            )
