"""Stand between clients and a robot server as a bad network: `robolearn chaos to_server.drop=0.1 to_client.delay_s=0.05`."""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict

from robolearn import config
from robolearn.hardware.bridge.chaos import ChaosProxy, ProxyConfig
from robolearn.run.stop import StopSignals


def main(argv: Sequence[str]) -> int:
    """Pass messages on until interrupted; print where clients are to turn to, and in the end what was done to them."""
    cfg: ProxyConfig = config.compose("chaos", argv)
    with StopSignals() as signals, ChaosProxy(cfg, time.monotonic_ns) as proxy:
        commands, states = proxy.endpoints
        logging.info("clients: client.commands=%s client.states=%s", commands, states)
        print(f"{commands} {states}", flush=True)
        proxy.run(lambda: signals.received is not None)
        print(json.dumps({name: asdict(tally) for name, tally in proxy.tallies().items()}))
    return 0
