"""How a simulation looks, as far as that can be changed without changing what happens in it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import mujoco
import numpy as np
from numpy.typing import NDArray

from robolearn.core.geometry import Pose

Backdrop = Callable[[int, NDArray[np.uint8], NDArray[np.bool_]], NDArray[np.uint8]]
"""(camera number, picture (H, W, 3), where nothing is drawn (H, W)) -> the picture with something behind it."""
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

    def follow(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Draw these from now on; a simulation may compile its model anew for an episode."""
        if model is not self.model or data is not self.data:
            self.model, self.data = model, data
            self.textures.clear()
            self.version += 1
