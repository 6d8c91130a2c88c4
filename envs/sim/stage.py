"""How a simulation looks, as far as that can be changed without changing what happens in it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import mujoco
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import SpecError
from robolearn.core.geometry import Pose, Vector

Backdrop = Callable[[int, NDArray[np.uint8], NDArray[np.bool_]], NDArray[np.uint8]]
"""(camera number, picture (H, W, 3), where nothing is drawn (H, W)) -> the picture with something behind it."""
STATE = (
    mujoco.mjtState.mjSTATE_TIME
    | mujoco.mjtState.mjSTATE_QPOS
    | mujoco.mjtState.mjSTATE_QVEL
    | mujoco.mjtState.mjSTATE_MOCAP_POS
    | mujoco.mjtState.mjSTATE_MOCAP_QUAT
)
"""Time, positions and velocities, in robomimic's order, then what is moved by hand."""
SHAPES = {
    "ball": mujoco.mjtGeom.mjGEOM_SPHERE,
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
}


@dataclass(kw_only=True, slots=True, frozen=True)
class Prop:
    """A shape that is seen, and that nothing can touch."""

    shape: str
    """One of `SHAPES`."""
    size: tuple[float, float, float]
    """Half lengths, m."""
    pose: Pose
    """In the world."""
    colour: tuple[float, float, float]
    """(r, g, b) in [0, 1]."""

    def add_to(self, scene: mujoco.MjvScene) -> None:
        """Put the shape among what is drawn, if there is room."""
        if scene.ngeom >= scene.maxgeom:
            return
        turn = np.empty(9)
        mujoco.mju_quat2Mat(turn, self.pose.quat_wxyz)
        rgba = np.array([*self.colour, 1.0], np.float32)
        geom = scene.geoms[scene.ngeom]
        mujoco.mjv_initGeom(geom, SHAPES[self.shape], np.array(self.size), self.pose.position, turn, rgba)
        scene.ngeom += 1


@dataclass(kw_only=True, slots=True)
class Stage:
    """What is drawn of one simulation, by however many renderers."""

    model: mujoco.MjModel
    data: mujoco.MjData
    backdrop: Backdrop | None = None
    """Instead of the sky."""
    props: tuple[Prop, ...] = ()
    version: int = 0
    """Goes up whenever something that is drawn may have changed."""
    textures: dict[int, int] = field(default_factory=dict[int, int])
    """Texture -> how often it was repainted."""

    def changed(self, *textures: int) -> None:
        """Have everything drawn anew, with cameras and lights where the model has them now, and these textures."""
        mujoco.mj_camlight(self.model, self.data)
        self.version += 1
        for texture in textures:
            self.textures[texture] = self.textures.get(texture, 0) + 1

    def state(self) -> Vector:
        """Return what decides where everything is seen (D,); `STATE` says what."""
        state = np.empty(mujoco.mj_stateSize(self.model, STATE))
        mujoco.mj_getState(self.model, self.data, state, STATE)
        return state

    def recall(self, state: Vector) -> None:
        """Show what `state` returned, or its first part, as robomimic records it.

        What happens next is another matter, since contacts and servos are not in it.

        Raises:
            SpecError: If it is of another model.
        """
        whole = self.state()
        moving = 1 + self.model.nq + self.model.nv
        if state.shape not in {(whole.size,), (moving,)}:
            raise SpecError(
                "state", expected=f"{whole.size} or {moving} numbers", got=state.shape, fix="was it recorded elsewhere?"
            )
        whole[: state.size] = state
        mujoco.mj_setState(self.model, self.data, whole, STATE)
        mujoco.mj_forward(self.model, self.data)
        self.version += 1

    def follow(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Draw these from now on; a simulation may compile its model anew for an episode."""
        if model is not self.model or data is not self.data:
            self.model, self.data = model, data
            self.textures.clear()
            self.version += 1
