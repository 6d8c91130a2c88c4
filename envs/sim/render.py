"""Off-screen pictures of a MuJoCo model, fast or pretty: render flags and tessellation decide what a frame costs."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import DriverError
from robolearn.envs.sim import gl
from robolearn.envs.sim.stage import Stage


@dataclass(kw_only=True, slots=True, frozen=True)
class RenderProfile:
    """How much work goes into a frame; None leaves a setting as the model has it."""

    effects: bool | None = None
    """Shadows, reflections, sky and haze."""
    samples: int | None = None
    """Samples per pixel against jagged edges; 0 for none."""
    slices: int | None = None
    """Faces around a cylinder or sphere; the largest single cost with software OpenGL."""
    stacks: int | None = None
    """Faces along it."""
    quads: int | None = None
    """Faces along the edge of a box or plane."""
    groups: tuple[int, ...] | None = None
    """Geom groups that are drawn; of ours, 1 is everything, 2 what only looks nice."""
    sites: bool = False
    """Whether marks that are no part of the world are drawn."""
    shadow_size: int | None = None


CHEAP = RenderProfile(effects=False, samples=0, slices=10, stacks=6, quads=1, groups=(0, 1), shadow_size=0)
PRETTY = RenderProfile(effects=True, samples=4, slices=48, stacks=24, quads=4, groups=(0, 1, 2), shadow_size=2048)
PROFILES = {"cheap": CHEAP, "pretty": PRETTY}
SPARE_GEOMS = 1_000
"""Room in a scene for what is drawn and is neither geom nor site, such as tendons."""
_EFFECTS = ("SHADOW", "REFLECTION", "SKYBOX", "HAZE")


class Renderer:
    """Draws one stage in one profile; must be used by the thread that made it."""

    def __init__(self, stage: Stage, profile: RenderProfile, height: int, width: int) -> None:
        self.height = height
        self.width = width
        self._stage = stage
        self._model = model = stage.model
        self._shared = gl.context()
        self._thread = threading.get_ident()
        context = _make_context(model, profile, height, width)
        context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._context: mujoco.MjrContext | None = context
        self._shared.active = None
        self._shared.users.add(self)
        self._uploaded = dict(stage.textures)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + model.nsite + SPARE_GEOMS)
        if profile.effects is not None:
            for name in _EFFECTS:
                self._scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{name}")] = profile.effects
        self._option = mujoco.MjvOption()
        if profile.groups is not None:
            self._option.geomgroup[:] = 0
            self._option.geomgroup[list(profile.groups)] = 1
        if not profile.sites:
            self._option.sitegroup[:] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = 0
        self._views: dict[tuple[int, int], _View] = {}

    def update(self, data: mujoco.MjData, camera_id: int = 0) -> None:
        """Take over where everything is; needed once per simulated instant, for any number of cameras.

        In a scene with a headlight, which shines from the camera, needed before each picture, with its camera.
        """
        self._camera.fixedcamid = camera_id
        category = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, data, self._option, None, self._camera, category, self._scene)
        for prop in self._stage.props:
            prop.add_to(self._scene)

    def draw(self, data: mujoco.MjData, camera_id: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return a picture (H, W, 3) RGB, owned by the caller, of what `update` has seen, with the stage's backdrop.

        Raises:
            DriverError: If the renderer is closed, or called from another thread than the one that made it.
        """
        backdrop = self._stage.backdrop
        if backdrop is None:
            return self._render(data, camera_id, height, width, {}, depth=False).pixels[::-1].copy()
        view = self._render(data, camera_id, height, width, {"SKYBOX": 0}, depth=True)  # a sky would be something drawn
        return backdrop(camera_id, view.pixels[::-1].copy(), view.depth[::-1] == 0.0)

    def drawn(self, data: mujoco.MjData, camera_id: int, height: int, width: int) -> NDArray[np.bool_]:
        """Return where (H, W) anything is drawn, by MuJoCo's segmentation: what the mask of a backdrop is checked against.

        Raises:
            DriverError: As `draw`.
        """
        flags = {"SKYBOX": 0, "SEGMENT": 1, "IDCOLOR": 1}
        view = self._render(data, camera_id, height, width, flags, depth=False)
        return np.any(view.pixels[::-1] != 0, axis=2)

    def _render(
        self, data: mujoco.MjData, camera_id: int, height: int, width: int, flags: Mapping[str, int], *, depth: bool
    ) -> "_View":
        """Draw with some flags of the scene set otherwise, and return what came out, valid until the next call."""
        if self._context is None or threading.get_ident() != self._thread:
            state = "a closed renderer" if self._context is None else "a call from another thread"
            raise DriverError("rendering", expected="the thread that first rendered this world", got=state)
        if self._shared.active is not self:
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
            self._shared.active = self
        self._upload(self._context)
        view, usual = self._view(height, width), self._scene.flags.copy()
        self._camera.fixedcamid = camera_id
        mujoco.mjv_updateCamera(self._model, data, self._camera, self._scene)
        for name, value in flags.items():
            self._scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{name}")] = value
        mujoco.mjr_render(view.area, self._scene, self._context)
        self._scene.flags[:] = usual
        mujoco.mjr_readPixels(view.pixels, view.depth if depth else None, view.area, self._context)
        return view

    def close(self) -> None:
        """Free the framebuffer; may be called twice."""
        if self._context is not None:
            self._context.free()
            self._context = None
            self._shared.active = None

    def _upload(self, context: mujoco.MjrContext) -> None:
        """Take over the textures that have been repainted."""
        for texture, version in self._stage.textures.items():
            if self._uploaded.get(texture) != version:
                mujoco.mjr_uploadTexture(self._model, context, texture)
                self._uploaded[texture] = version

    def _view(self, height: int, width: int) -> "_View":
        found = self._views.get((height, width))
        if found is None:
            area = mujoco.MjrRect(0, 0, width, height)
            found = _View(area, np.empty((height, width, 3), np.uint8), np.empty((height, width), np.float32))
            self._views[height, width] = found
        return found


@dataclass(slots=True, frozen=True)
class _View:
    """Where a picture of one size is drawn, and what it is read into; bottom row first."""

    area: mujoco.MjrRect
    pixels: NDArray[np.uint8]
    depth: NDArray[np.float32]


def _make_context(model: mujoco.MjModel, profile: RenderProfile, height: int, width: int) -> mujoco.MjrContext:
    """Upload the model to the GPU; MuJoCo reads size and tessellation from the model, at this moment only."""
    quality, screen = model.vis.quality, model.vis.global_
    wanted = {
        "offsamples": profile.samples,
        "shadowsize": profile.shadow_size,
        "numslices": profile.slices,
        "numstacks": profile.stacks,
        "numquads": profile.quads,
    }
    for name, value in wanted.items():
        if value is not None:
            setattr(quality, name, value)
    screen.offheight, screen.offwidth = height, width
    return mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
