"""Taking over by the keys of the terminal."""

import os
import select
import sys
import termios
import time
import tty
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import override

from robolearn.core.errors import ConfigError
from robolearn.core.specs import ActionSpec
from robolearn.hardware.human.source import HumanConfig, HumanSource, Wish

MOVES = {
    "w": (0, 1.0),
    "s": (0, -1.0),
    "a": (1, 1.0),
    "d": (1, -1.0),
    "r": (2, 1.0),
    "f": (2, -1.0),
    "q": (5, 1.0),
    "e": (5, -1.0),
}
"""Axis and direction: forward, left, up, and turned to the left, each with its opposite."""
OPEN, CLOSE, HOLD = "o", "c", " "
EVENTS = {"y": "success", "n": "failure", "x": "stop"}
PRESSED_S = 0.15
"""A key counts as held for so long: a terminal repeats those that are, about 30 times a second."""


@dataclass(kw_only=True, slots=True)
class KeyboardConfig(HumanConfig):
    """`w s` `a d` `r f` move, `q e` turn, `o c` open and close, space holds; `y n x` say success, failure, stop."""


class Keyboard(HumanSource):
    """The terminal that the program runs in; its keys are not echoed meanwhile.

    Args:
        cfg: How.
        action: What is commanded.
    """

    device = "keyboard"

    def __init__(self, cfg: KeyboardConfig, action: ActionSpec) -> None:
        super().__init__(cfg, action)
        self._file, self._before = -1, list[Any]()
        self._pressed: dict[str, float] = {}

    @override
    def open(self) -> None:
        if not sys.stdin.isatty():
            raise ConfigError("human=keyboard", expected="a terminal", got="none", fix="run it in one, or human=null")
        self._file = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._file)
        tty.setcbreak(self._file)

    @override
    def close(self) -> None:
        if self._file >= 0:
            termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)
            self._file = -1

    @override
    def _read(self) -> Wish:
        now_s, keys = time.monotonic(), self._typed()
        self._pressed |= dict.fromkeys((key for key in keys if key in MOVES), now_s)
        axes = np.zeros(6)
        for key, then_s in self._pressed.items():
            if now_s - then_s < PRESSED_S:
                axis, way = MOVES[key]
                axes[axis] += way
        grips = [1.0 if key == OPEN else -1.0 for key in keys if key in (OPEN, CLOSE)]
        events = tuple(EVENTS[key] for key in keys if key in EVENTS)
        return Wish(axes=axes, gripper=grips[-1] if grips else None, hold=HOLD in keys, events=events)

    def _typed(self) -> str:
        if self._file < 0 or not select.select([self._file], [], [], 0.0)[0]:
            return ""
        return os.read(self._file, 1024).decode(errors="ignore").lower()
