"""Publish a camera: `robolearn camera_server camera=opencv camera.device=/dev/video0 camera.name=wrist`."""

from collections.abc import Sequence

from robolearn import config
from robolearn.assembly import robot
from robolearn.core.memory import keep_freed_memory, spare_what_stays
from robolearn.hardware.config import CameraProcessConfig
from robolearn.run.stop import StopSignals


def main(argv: Sequence[str]) -> int:
    """Publish until interrupted."""
    cfg: CameraProcessConfig = config.compose("camera_server", argv)
    keep_freed_memory()
    with StopSignals() as signals, robot.make_camera_server(cfg) as server:
        print(server.endpoint, flush=True)
        spare_what_stays()
        server.run(lambda: signals.received is not None)
    return 0
