"""What a simulated arm is made of, and how arms and a scene become one MuJoCo model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from robolearn.core.robot import RobotSpec
from robolearn.envs.sim.scene import SceneBuilder


@dataclass(kw_only=True, slots=True, frozen=True)
class ArmModel:
    """An MJCF file of an arm with a parallel gripper, and which of its elements play which part."""

    path: Path
    spec: RobotSpec
    joints: tuple[str, ...]
    actuators: tuple[str, ...]
    """Position servos, one a joint, in the order of `joints`."""
    base_body: str
    tool_site: str
    """Its pose is the tool pose; its body and the gripper's are `tool_bodies`, whose contacts are the wrench."""
    tool_bodies: tuple[str, ...]
    gripper_actuator: str
    """Position servo of one finger."""
    gripper_joints: tuple[str, ...]
    """Slides, 0 closed; together they travel `spec.gripper_max_m`."""
    gripper_speed: float
    """m/s of the opening."""


@dataclass(kw_only=True, slots=True, frozen=True)
class Placement:
    """Where the base of an arm stands in the world."""

    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    quat_wxyz: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)


Scene = Callable[[SceneBuilder], None]
"""Adds what surrounds the arms: floor, lights, objects, cameras."""


def compile_world(
    arms: Mapping[str, ArmModel], placements: Mapping[str, Placement], scene: Scene, timestep_s: float
) -> mujoco.MjModel:
    """Return one model of a scene and its arms; the elements of an arm are named `<arm>/<element>`."""
    spec = mujoco.MjSpec()
    spec.option.timestep = timestep_s
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL  # the elliptic cone with a high impratio ejects grasped objects
    spec.option.impratio = 6.0  # against creeping out of a grasp
    spec.visual.headlight.active = 0
    spec.visual.map.znear = 0.01
    scene(SceneBuilder(spec))
    for name, arm in arms.items():
        place = placements.get(name, Placement())
        frame = spec.worldbody.add_frame(pos=list(place.position), quat=list(place.quat_wxyz))
        spec.attach(mujoco.MjSpec.from_file(str(arm.path)), prefix=f"{name}/", frame=frame)
    return spec.compile()


def as_index(addresses: Sequence[int]) -> slice | NDArray[np.intp]:
    """Return an index for array entries, the fast kind where they lie side by side.

    >>> as_index([3, 4, 5])
    slice(3, 6, None)
    """
    first = addresses[0]
    if list(addresses) == list(range(first, first + len(addresses))):
        return slice(first, first + len(addresses))
    return np.array(addresses, np.intp)
