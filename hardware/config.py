"""What `robolearn robot_server` takes on its command line."""

from dataclasses import dataclass, field
from typing import Any

from robolearn.core.errors import ConfigError
from robolearn.hardware.bridge.client import ClientConfig
from robolearn.hardware.bridge.server import CameraAddressConfig, ServerConfig
from robolearn.hardware.cameras.server import CameraServerConfig
from robolearn.safety import SafetyLimits


@dataclass(kw_only=True, slots=True)
class TwinConfig:
    """A simulated robot PC, in real time: the arms, the cameras and the scene of the task `env`."""

    camera_hz: float = 30.0
    """Of its cameras."""

    def __post_init__(self) -> None:
        if not 1.0 <= self.camera_hz <= 120.0:
            raise ConfigError("robot.camera_hz", expected="1 to 120 Hz", got=self.camera_hz)


@dataclass(kw_only=True, slots=True)
class RobotServerConfig:
    """A robot server."""

    robot: Any = None
    """What it owns: `twin`, `franka`, `ur`, `lerobot` or `mock`."""
    env: Any = None
    """The task of a twin."""
    rate_hz: float = 10.0
    """Of the commands that a real arm is to expect; a twin has that of its task."""
    safety: SafetyLimits = field(default_factory=SafetyLimits)
    """Of a real arm; a twin has those of its task."""
    cameras: dict[str, CameraAddressConfig] = field(default_factory=dict[str, CameraAddressConfig])
    """What camera servers show of a real arm, by name: clients are told where they are. A twin has those of its task."""
    server: ServerConfig = field(default_factory=ServerConfig)

    def __post_init__(self) -> None:
        if not 1.0 <= self.rate_hz <= 100.0:
            raise ConfigError("rate_hz", expected="1 to 100 Hz", got=self.rate_hz)


@dataclass(kw_only=True, slots=True)
class CameraProcessConfig:
    """A camera server."""

    camera: Any = None
    """What takes the pictures: `opencv` (a device or a video file), `realsense`, `lerobot` or `synthetic`."""
    server: CameraServerConfig = field(default_factory=CameraServerConfig)


@dataclass(kw_only=True, slots=True)
class DeployConfig:
    """A trained policy on a robot."""

    run: str = ""
    """The run directory."""
    client: ClientConfig = field(default_factory=lambda: ClientConfig(name="deploy"))
    human: Any = None
    """How a person may take over: `spacemouse` or `keyboard`; None for not at all."""
    pause_s: float = 5.0
    """Which a person has to set the scene of a robot up, before each episode; a twin does that by itself."""
    episodes: int = 10
    minutes: float = 0.0
    """After these the episode that is under way is the last one; 0 for no limit."""
    first_seed: int = 20_000
    """Of a twin's episodes."""
    out: str = ""
    """HDF5 file for what happens; empty for none."""
    threads: int = 1
    """Of torch."""

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ConfigError("episodes", expected="1 or more", got=self.episodes)
        if min(self.minutes, self.pause_s) < 0.0:
            raise ConfigError("deploy", expected="minutes and pause_s of 0 or more", got=self)


@dataclass(kw_only=True, slots=True)
class ClearConfig:
    """Clearing faults."""

    client: ClientConfig = field(default_factory=lambda: ClientConfig(name="clear"))
    yes: bool = False
    """Clear without asking: somebody has looked at the robot."""


@dataclass(kw_only=True, slots=True)
class KeysConfig:
    """A new pair of keys."""

    name: str = ""
    """Of whoever is to have them, such as `server` or `workstation`."""
    folder: str = "keys"

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise ConfigError("name", expected="a plain name", got=f"'{self.name}'", fix="robolearn keys name=server")
