"""Own a robot and let clients command it: `robolearn robot_server robot=twin env=pick_cube`."""

import logging
from collections.abc import Sequence

from robolearn import config
from robolearn.assembly import robot
from robolearn.hardware.config import RobotServerConfig
from robolearn.run.stop import StopSignals


def main(argv: Sequence[str]) -> int:
    """Serve until interrupted."""
    cfg: RobotServerConfig = config.compose("robot_server", argv)
    with StopSignals() as signals, robot.make_robot_server(cfg) as server:
        commands, states = server.endpoints
        logging.info("commands %s, states %s, session %d", commands, states, server.session)
        print(f"{commands} {states}", flush=True)
        server.run(lambda: signals.received is not None)
    return 0
