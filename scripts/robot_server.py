"""Own a robot and let clients command it: `robolearn robot_server robot=twin env=pick_cube`."""

import logging
from collections.abc import Sequence

from robolearn import config
from robolearn.assembly import robot
from robolearn.core.memory import keep_freed_memory, spare_what_stays
from robolearn.hardware.config import RobotServerConfig
from robolearn.run.stop import StopSignals


def main(argv: Sequence[str]) -> int:
    """Serve until interrupted."""
    cfg: RobotServerConfig = config.compose("robot_server", argv)
    keep_freed_memory()
    with StopSignals() as signals, robot.make_robot_server(cfg) as server:
        commands, states = server.endpoints
        logging.info("commands %s, states %s, session %d", commands, states, server.session)
        print(f"{commands} {states}", flush=True)
        spare_what_stays()
        server.run(lambda: signals.received is not None)
    return 0
