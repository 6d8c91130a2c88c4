"""The errors of robolearn: each is built from facts and says what to do."""

import difflib
from collections.abc import Iterable


class RobolearnError(Exception):
    """Base of every deliberate error: where it happened, what was expected, what came, what to do.

    >>> str(SpecError("obs 'pixels/wrist'", expected="uint8 (84, 84, 3)", got="float32 (3, 84, 84)"))
    "obs 'pixels/wrist': expected uint8 (84, 84, 3), got float32 (3, 84, 84)"
    """

    def __init__(self, where: str, *, expected: object, got: object, fix: str = "") -> None:
        self.where = where
        self.expected = expected
        self.got = got
        self.fix = fix
        hint = f"; {fix}" if fix else ""
        super().__init__(f"{where}: expected {expected}, got {got}{hint}")


class SpecError(RobolearnError):
    """Data does not have the shape, dtype, range or names that its spec promises."""


class ConfigError(RobolearnError):
    """A configuration value is unknown, out of range, or contradicts another."""


class DataError(RobolearnError):
    """A dataset or replay file is damaged, foreign or incomplete."""


class CheckpointError(RobolearnError):
    """A checkpoint or policy bundle is damaged, incomplete or made for another spec."""


class WireError(RobolearnError):
    """A message cannot be decoded, is too large, or breaks the protocol."""


class DriverError(RobolearnError):
    """A device is missing, refuses a command or reports a fault."""


class StaleFrameError(DriverError):
    """The newest camera frame is older than the caller allows."""


class CommandTimeoutError(DriverError):
    """A device did not answer in time."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that lists `known` names, the one most like `name` first.

    >>> nearest("pick_cub", ["reach", "pick_cube"])
    'did you mean pick_cube? known: pick_cube, reach'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=len(names) or 1, cutoff=0.0)
    ordered = close + [n for n in names if n not in close]
    if not ordered:
        return "none are known"
    return f"did you mean {ordered[0]}? known: {', '.join(ordered)}"
