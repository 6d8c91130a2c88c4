"""Peg: put the square peg that the hand holds into the hole of a block that lies anywhere on the table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import mujoco
import numpy as np
from typing_extensions import override

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose, Vector, quat_rotate
from robolearn.envs.config import TaskConfig, require_range
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.scene import SceneBuilder
from robolearn.envs.tasks.base import ARM, TOOL_DOWN, SimTask, yaw_of
from robolearn.envs.tasks.expert import CartesianExpert, Goal
from robolearn.envs.tasks.layout import flat, symmetric_yaw
from robolearn.envs.tasks.walls import add_walls
from robolearn.safety import SafetyLimits

CENTRE = (0.5, 0.0)
"""Middle of the square in which the block stands, m."""
PEG_HALF = (0.01, 0.01, 0.035)
"""Half edges of the peg, m."""
TIP = Pose(np.array([0.0, 0.0, -PEG_HALF[2]]), np.array([1.0, 0.0, 0.0, 0.0]))
"""Of the peg, in its frame."""
GRIP = Pose(np.array([0.0, 0.0, 0.02]), TOOL_DOWN)
"""The tool in the peg's frame: the tip is 55 mm below the tool, 40 mm below the fingertips."""
BLOCK_HALF = 0.04
"""Half an edge of the block, m."""
BLOCK_HEIGHT = 0.04
FLOOR = 0.01
"""Height of the hole's floor above the table, m."""
RIM = 0.007
"""Width of the ring painted around the hole, m."""
PAINT = 0.0003
"""Its thickness, m."""
RED, BLUE, CREAM, DARK = (0.85, 0.16, 0.12), (0.15, 0.3, 0.7), (0.95, 0.92, 0.82), (0.05, 0.05, 0.08)
SLACK = 0.001
"""What a tip may be further off than the hole allows and still be inside it, m: contacts give."""
TURNING = ("xyz_yaw", "xyz_rotation")
SLIPPERY = 0.2
"""Friction of peg and block."""


def workspace() -> SafetyLimits:
    """Return the limits of work with the peg in the hand: its tip, 55 mm below the tool, stays 10 mm off the table.

    A set-point that leads by 20 mm presses with 100 N. What hits the block at full speed meets more for an instant.
    """
    low, high = (0.3, -0.25, 0.065), (0.7, 0.25, 0.4)
    return SafetyLimits(workspace_low=low, workspace_high=high, position_error=0.02, wrench_max=(300.0, 30.0))


@dataclass(kw_only=True, slots=True)
class PegConfig(TaskConfig):
    """Insert a peg with a square cross-section of 20 mm."""

    symmetric: bool = True
    action: str = "xyz_yaw"
    translation_scale: float = 0.015
    """m per step at |action| = 1."""
    rotation_scale: float = 0.1
    """rad per step at |action| = 1."""
    image_size: int = 96
    """Pixels; a millimetre is half a pixel of the wrist's view then, at the tip."""
    max_steps: int = 80
    proprio: list[str] | None = field(default_factory=lambda: ["position", "yaw", "wrench", "setpoint_error"])
    clearance: float = 0.002
    """Edge of the hole less that of the peg, m."""
    block_range: float = 0.16
    """Edge of the square in which the block's middle lies, m."""
    block_yaw: float = 0.5
    """The block is turned by up to this in either direction, rad."""
    depth: float = 0.02
    """How far below the block's top the peg's tip must be, m."""
    safety: SafetyLimits = field(default_factory=workspace)

    def __post_init__(self) -> None:
        TaskConfig.__post_init__(self)
        require_range("clearance", self.clearance, 0.0005, 0.01, "m")
        require_range("block_range", self.block_range, 0.0, 0.2, "m")
        require_range("block_yaw", self.block_yaw, 0.0, math.pi / 4, "rad")
        require_range("depth", self.depth, 0.005, 0.025, "m")
        if self.action not in TURNING:
            raise ConfigError("env.action", expected=f"one that turns and keeps the grip, {TURNING}", got=self.action)


class Peg(SimTask):
    """The peg's tip must be `depth` below the block's top, and inside the hole."""

    weights: ClassVar[Mapping[str, float]] = {"reach": 0.2, "align": 0.2, "insert": 0.4}

    def __init__(self, cfg: PegConfig) -> None:
        super().__init__(cfg)
        self.depth = cfg.depth
        self._range, self._yaw = cfg.block_range, cfg.block_yaw
        self.play = 0.5 * cfg.clearance
        """How far the peg can be off the middle of the hole, m."""

    @override
    def scene(self, scene: SceneBuilder) -> None:
        scene.tabletop()
        self._add_block(scene)
        peg = scene.loose("peg", (*CENTRE, 0.3))
        peg.shape(PEG_HALF, name="peg", mass=0.2, colour=RED, friction=SLIPPERY)
        scene.spec.body("peg").add_site(name="grip", pos=GRIP.position.tolist(), quat=GRIP.quat_wxyz.tolist())
        # Fingers hold such a peg against 20 N only: every press beside the hole would push it up or tilt it, for good.
        weld = scene.spec.add_equality(type=mujoco.mjtEq.mjEQ_WELD, objtype=mujoco.mjtObj.mjOBJ_SITE)
        weld.name1, weld.name2 = f"{ARM}/tool", "grip"
        weld.solref, weld.solimp = [0.01, 1.0], [0.99, 0.999, 0.001, 0.5, 2.0]

    def _add_block(self, scene: SceneBuilder) -> None:
        hole = PEG_HALF[0] + self.play
        block = scene.fixture("block", (*CENTRE, 0.0))
        add_walls(block, (hole, BLOCK_HALF), (0.0, BLOCK_HEIGHT), colour=BLUE, friction=SLIPPERY)
        add_walls(block, (hole, hole + RIM), (BLOCK_HEIGHT, BLOCK_HEIGHT + PAINT), colour=CREAM, solid=False)
        block.shape((hole, hole, 0.5 * FLOOR), (0.0, 0.0, 0.5 * FLOOR), colour=DARK, friction=SLIPPERY)

    @override
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        x, y = np.array(CENTRE) + rng.uniform(-0.5, 0.5, 2) * self._range
        self.world.place("block", flat(x, y, 0.0, rng.uniform(-self._yaw, self._yaw)))

    @override
    def begin(self) -> None:
        self.world.place("peg", self.arm.tool() @ GRIP.inverse())
        self.arm.grip(2.0 * PEG_HALF[1])

    @override
    def judge(self) -> tuple[bool, dict[str, float]]:
        x, y, depth = self.tip_in_hole().tolist()
        distance = math.hypot(x, y, min(depth, 0.0))
        inside = max(abs(x), abs(y)) < self.play + SLACK and depth > 0.0
        terms = {
            "reach": 1.0 - math.tanh(5.0 * distance),
            "align": math.exp(-abs(self.turn()) / 0.2),
            "insert": min(max(depth / self.depth, 0.0), 1.0) if inside else 0.0,
        }
        return inside and depth >= self.depth, terms

    @override
    def privileged(self) -> dict[str, Sequence[float]]:
        block = self.world.pose("block")
        return {
            "hole_position": [*block.position[:2].tolist(), BLOCK_HEIGHT],
            "hole_symmetric_yaw": symmetric_yaw(block),
            "tip_in_hole": self.tip_in_hole().tolist(),
            "turn": [self.turn()],
        }

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "PegExpert":
        return PegExpert(env, self, rng)

    def tip_in_hole(self) -> Vector:
        """Return where the tip is (3,), m: off the middle of the hole along its sides, and below the block's top."""
        x, y, z = (self.world.pose("block").inverse() @ self.world.pose("peg") @ TIP).position.tolist()
        return np.array([x, y, BLOCK_HEIGHT - z])

    def turn(self) -> float:
        """Return the shorter turn that lines the peg up with the hole, rad."""
        block, peg = self.world.pose("block"), self.world.pose("peg")
        return math.remainder(yaw_of(block.quat_wxyz) - yaw_of(peg.quat_wxyz), 0.5 * math.pi)


class PegExpert(CartesianExpert):
    """Comes down along a funnel above the hole, presses lightly around its middle, and follows the hole down."""

    CLOSE = 0.008
    """A tip lower than this above the block, m, comes down slowly."""
    PRESS = 0.002
    """How far below the block's top the tip is sent to be drawn into the hole, m."""
    RUB = 2.0
    """A tip that presses is sent further across than it is off the middle, by this factor: friction holds it back."""

    def __init__(self, env: RobotEnv, task: Peg, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task
        self._down = task.depth + 0.004

    @override
    def goals(self) -> Mapping[str, Goal]:
        tip, turn = self._task.tip_in_hole(), self._task.turn()
        off, depth = float(np.linalg.norm(tip[:2])), float(tip[2])
        across, speed = 1.0, 1.0
        if depth > 0.001 and off < self._task.play + SLACK:
            wanted = self._down
        elif off < 0.001 + self._task.play and abs(turn) < 0.03:
            wanted, speed = self.PRESS, 0.2 if depth > -self.CLOSE else 1.0
            across = self.RUB if depth > -0.0005 else 1.0
        else:
            wanted = -min(0.002 + 2.0 * off + 0.1 * abs(turn), 0.06)
        way = np.array([-across * tip[0], -across * tip[1], depth - wanted])
        way = quat_rotate(self._task.world.pose("block").quat_wxyz, way)
        return {ARM: Goal(self._task.arm.tool().position + way, turn, speed=speed)}
