"""Publish a camera: `robolearn camera_server camera=opencv camera.device=/dev/video0 camera.name=wrist`."""

from collections.abc import Sequence

from robolearn import config
from robolearn.assembly import robot
from robolearn.hardware.config import CameraProcessConfig
from robolearn.run.stop import StopSignals


def main(argv: Sequence[str]) -> int:
    """Publish until interrupted."""
    cfg: CameraProcessConfig = config.compose("camera_server", argv)
    with StopSignals() as signals, robot.make_camera_server(cfg) as server:
        print(server.endpoint, flush=True)
        server.run(lambda: signals.received is not None)
    return 0
