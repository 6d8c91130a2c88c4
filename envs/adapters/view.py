"""Pictures of MuJoCo models that are not ours, in a render profile."""

from collections.abc import Mapping
from dataclasses import replace

import mujoco
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, nearest
from robolearn.core.types import PIXELS, Obs
from robolearn.envs.sim.render import Renderer, RenderProfile
from robolearn.envs.sim.stage import Stage

STOCK = RenderProfile(sites=True)
"""As the simulation itself would draw it, to the pixel."""
FAST = replace(STOCK, effects=False, samples=0, shadow_size=0)
"""The same shapes, marks included (some targets are only marks), without shadows, reflections, sky, haze and multisampling."""
FASTEST = replace(FAST, slices=10, stacks=6, quads=1)
"""Coarse round shapes as well."""
FILM = 320
"""Pixels a side of pictures for people."""
COLLISION_GROUP, VISUAL_GROUP = 0, 1
"""Geom groups by the convention that robosuite and many others follow."""


class ModelView:
    """Draws one stage from several cameras; follows when the simulation compiles its model anew.

    Args:
        stage: What to draw.
        profile: How much work goes into a frame.
        size: Pixels a side.
    """

    def __init__(self, stage: Stage, profile: RenderProfile, size: int) -> None:
        self._stage, self._profile, self._size = stage, profile, size
        self._renderer: Renderer | None = None
        self._model: mujoco.MjModel | None = None

    def frames(self, cameras: Mapping[str, int]) -> Obs:
        """Return `pixels/<camera>` (H, W, 3) of this instant for cameras by name and number; the caller owns the arrays."""
        if self._renderer is None or self._model is not self._stage.model:
            self.close()
            self._renderer = Renderer(self._stage, self._profile, self._size, self._size)
            self._model = self._stage.model
        found: Obs = {}
        for name, number in cameras.items():
            self._renderer.update(self._stage.data, number)
            found[PIXELS + name] = self._renderer.draw(self._stage.data, number, self._size, self._size)
        return found

    def close(self) -> None:
        """Free what rendering holds; may be called twice."""
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = self._model = None


def camera_numbers(model: mujoco.MjModel, wanted: "list[str]") -> dict[str, int]:
    """Return the number of each wanted camera; a camera without a name is called by its number.

    Raises:
        ConfigError: If there is none of that name.
    """
    names = [model.camera(number).name or str(number) for number in range(model.ncam)]
    for name in wanted:
        if name not in names:
            raise ConfigError(
                "env.cameras", expected="a camera of the model", got=f"'{name}'", fix=nearest(name, names)
            )
    return {name: names.index(name) for name in wanted}


def paint_collision_geoms(model: mujoco.MjModel) -> None:
    """Give every collision geom the mean colour of what is seen of its body, so that bodies can be told apart without their skins."""
    seen: dict[int, list[NDArray[np.float64]]] = {}
    for geom in range(model.ngeom):
        if model.geom_group[geom] == VISUAL_GROUP:
            seen.setdefault(int(model.geom_bodyid[geom]), []).append(_colour(model, geom))
    for geom in range(model.ngeom):
        colours = seen.get(int(model.geom_bodyid[geom]))
        if model.geom_group[geom] == COLLISION_GROUP and colours:
            model.geom_matid[geom] = -1
            model.geom_rgba[geom] = [*np.mean(colours, axis=0), 1.0]


def _colour(model: mujoco.MjModel, geom: int) -> NDArray[np.float64]:
    """Return the (r, g, b) in [0, 1] of a geom: its own, its material's, or the mean of its texture."""
    material = int(model.geom_matid[geom])
    if material < 0:
        return np.array(model.geom_rgba[geom, :3], np.float64)
    colour = np.array(model.mat_rgba[material, :3], np.float64)
    texture = int(model.mat_texid[material, mujoco.mjtTextureRole.mjTEXROLE_RGB])
    if texture < 0:
        return colour
    start, channels = int(model.tex_adr[texture]), int(model.tex_nchannel[texture])
    count = int(model.tex_height[texture]) * int(model.tex_width[texture])
    texels = model.tex_data[start : start + count * channels].reshape(count, channels)
    return colour * texels[:, :3].mean(axis=0) / 255.0
