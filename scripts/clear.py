"""Clear the latched faults of a robot's arms: `robolearn clear client.commands=tcp://10.0.0.7:5650 client.states=tcp://10.0.0.7:5651`."""

import sys
from collections.abc import Mapping, Sequence

from robolearn import config
from robolearn.core.errors import ConfigError
from robolearn.hardware import doctor
from robolearn.hardware.config import ClearConfig


def main(argv: Sequence[str]) -> int:
    """Show the faults, ask, clear them and say what is left; return 1 if there is anything."""
    cfg: ClearConfig = config.compose("clear", argv)

    def agreed(found: Mapping[str, Sequence[str]]) -> bool:
        _say("found", found)
        return cfg.yes or _asked()

    left = doctor.clear(cfg.client, agreed)
    _say("left", left)
    return int(any(left.values()))


def _asked() -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("clear", expected="a terminal to ask at", got="none", fix="yes=true does not ask")
    print("Has somebody looked at the robot, and may it move again? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say(what: str, faults: Mapping[str, Sequence[str]]) -> None:
    for arm, names in faults.items():
        print(f"{what}: arm '{arm}': {', '.join(names) or 'no faults'}")
