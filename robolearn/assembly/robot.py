"""The robot server; needs neither torch nor, for a real arm, MuJoCo."""

from robolearn.core.errors import ConfigError
from robolearn.hardware.bridge.server import RobotServer
from robolearn.hardware.config import RobotServerConfig, TwinConfig


def make_robot_server(cfg: RobotServerConfig) -> RobotServer:
    """Build the server of the robot that `cfg` describes.

    Raises:
        ConfigError: If nothing is known for the class of `cfg.robot`, or an address cannot be bound to.
    """
    match cfg.robot:
        case TwinConfig():
            from robolearn.envs.remote import make_twin  # MuJoCo loads only where there is a twin

            twin = make_twin(cfg.env, cfg.robot.camera_hz)
            return RobotServer(twin.arms, twin.clock, cfg.server, twin.scene, twin.cameras)
        case _:
            raise ConfigError("robot", expected="twin", got=type(cfg.robot).__name__)
