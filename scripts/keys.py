"""Make keys for a secure bridge: `robolearn keys name=server folder=keys`."""

from collections.abc import Sequence

from robolearn import config
from robolearn.assembly import robot
from robolearn.hardware.config import KeysConfig


def main(argv: Sequence[str]) -> int:
    """Write a pair of key files and say where each belongs."""
    cfg: KeysConfig = config.compose("keys", argv)
    public, secret = robot.write_keys(cfg)
    print(f"secret, stays on this machine, readable by its owner only: {secret}")
    print(f"public, to be copied: {public}")
    print("  of a server: to every client, as client.security.server_key")
    print("  of a client: into the server's folder server.security.allow")
    return 0
