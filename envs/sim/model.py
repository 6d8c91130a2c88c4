"""What a simulated arm is made of, and how arms and a scene become one MuJoCo model."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from robolearn.core.robot import RobotSpec
from robolearn.envs.sim.scene import SceneBuilder


@dataclass(kw_only=True, slots=True, frozen=True)
class Placement:
    """Where the base of an arm stands in the world."""

    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    quat_wxyz: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)


@dataclass(kw_only=True, slots=True, frozen=True)
class Gripper:
    """Fingers on slides, or a jaw on a hinge, that one servo opens and closes."""

    actuator: str
    """Position servo of the first joint."""
    joints: tuple[str, ...]
    """Alike, and coupled where there are several."""
    closed: float
    """Position of each joint at opening 0, m or rad; in between it is linear in the opening."""
    open: float
    """Position of each joint at opening 1."""
    speed: float
    """Of each joint, m/s or rad/s."""
    jaw_m: float | None = None
    """From the hinge to the tip of a jaw, m; None for slides."""

    def at(self, width_m: float) -> float:
        """Return the position of each joint, m or rad, that leaves `width_m` between the fingers."""
        if self.jaw_m is None:
            return self.closed + width_m / len(self.joints)
        return self.closed + 2.0 * math.asin(min(0.5 * width_m / self.jaw_m, 1.0))


@dataclass(kw_only=True, slots=True, frozen=True)
class ArmModel:
    """An MJCF file of an arm with a gripper, and which of its elements play which part.

    What every such file has under the same name, for tasks: the body `hand`, which carries the tool, the geoms `left_pad`
    and `right_pad`, between which things are held, and the camera `wrist`. The tool's z axis points out of the hand, its
    x axis the way the gripper opens, its origin lies between the pads, 15 mm from their tips.
    """

    path: Path
    spec: RobotSpec
    joints: tuple[str, ...]
    actuators: tuple[str, ...]
    """Position servos, one a joint, in the order of `joints`."""
    base_body: str
    tool_site: str
    """Its pose is the tool pose; its body and the gripper's are `tool_bodies`, whose contacts are the wrench."""
    tool_bodies: tuple[str, ...]
    gripper: Gripper
    stand: Placement = Placement()
    """Where the base stands as seen from where a task puts an arm: there the middle of the table is in its reach."""
    proprio: tuple[str, ...]
    """What is observed of the arm where a config does not say: keys of `robolearn.envs.proprio.FEATURES`."""


_ARM_BIT = 4
"""Collision bit of the first arm; 1 and 2 are those of hands and of loose objects."""

Scene = Callable[[SceneBuilder], None]
"""Adds what surrounds the arms: floor, lights, objects, cameras."""


def compile_world(
    arms: Mapping[str, ArmModel], placements: Mapping[str, Placement], scene: Scene, timestep_s: float
) -> mujoco.MjModel:
    """Return one model of a scene and its arms; the elements of an arm are named `<arm>/<element>`."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = timestep_s
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL  # the elliptic cone with a high impratio ejects grasped objects
    spec.option.impratio = 6.0  # against creeping out of a grasp
    spec.visual.headlight.active = 0
    spec.visual.map.znear = 0.01
    scene(SceneBuilder(spec))
    for number, (name, arm) in enumerate(arms.items()):
        place, stand = placements.get(name, Placement()), arm.stand
        frame = spec.worldbody.add_frame(pos=list(place.position), quat=list(place.quat_wxyz))
        frame = spec.worldbody.add_frame(frame, pos=list(stand.position), quat=list(stand.quat_wxyz))
        parts = mujoco.MjSpec.from_file(str(arm.path))
        _meet_other_arms(parts, number, len(arms))
        spec.attach(parts, prefix=f"{name}/", frame=frame)
    return spec.compile()


def _meet_other_arms(parts: mujoco.MjSpec, number: int, arms: int) -> None:
    """Give what is solid of an arm a collision bit of its own, and let it meet those of the other arms."""
    for geom in parts.geoms:
        if geom.contype:
            geom.contype |= _ARM_BIT << number
            geom.conaffinity |= sum(_ARM_BIT << other for other in range(arms) if other != number)


def as_index(addresses: Sequence[int]) -> slice | NDArray[np.intp]:
    """Return an index for array entries, the fast kind where they lie side by side.

    >>> as_index([3, 4, 5])
    slice(3, 6, None)
    """
    first = addresses[0]
    if list(addresses) == list(range(first, first + len(addresses))):
        return slice(first, first + len(addresses))
    return np.array(addresses, np.intp)
