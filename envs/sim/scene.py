"""What surrounds the arms: a table with lights and cameras, and the objects that tasks put on it."""

from collections.abc import Sequence

import mujoco
import numpy as np

_LOOSE = {"contype": 2, "conaffinity": 3}
"""Collision bits of a loose object: it meets hands (1), the table and other objects (2)."""
_FIXED = {"contype": 0, "conaffinity": 3}
_QUIET = {"contype": 0, "conaffinity": 0}
_BOX, _PLANE, _SPHERE = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_PLANE, mujoco.mjtGeom.mjGEOM_SPHERE


class SceneBuilder:
    """Adds things to a world that is not compiled yet; lengths in m, colours (r, g, b) in [0, 1]."""

    def __init__(self, spec: mujoco.MjSpec) -> None:
        self.spec = spec

    def tabletop(self) -> None:
        """Add a table with its top at z = 0, a floor, lights, a sky, and the cameras `front` and `film`."""
        self._sky()
        world = self.spec.worldbody
        world.add_geom(name="table", type=_PLANE, size=[0.8, 0.8, 0.1], group=3, **_FIXED)
        self._decor(_BOX, (0.35, 0.0, -0.02), (0.55, 0.6, 0.02), (0.42, 0.5, 0.56), group=1)
        self._decor(_PLANE, (0.0, 0.0, -0.75), (4.0, 4.0, 0.1), (0.8, 0.79, 0.76))
        for x in (-0.1, 0.8):
            for y in (-0.5, 0.5):
                self._decor(_BOX, (x, y, -0.395), (0.03, 0.03, 0.355), (0.3, 0.32, 0.35))
        self._light("key", (-0.35, -0.5, -0.9), diffuse=0.5, ambient=0.0, shadow=True)
        self._light("fill", (-0.5, 0.6, -0.6), diffuse=0.3, ambient=0.38, shadow=False)
        self.spec.stat.center, self.spec.stat.extent = [0.3, 0.0, 0.3], 0.8
        self.camera("front", position=(0.98, 0.0, 0.56), target=(0.485, 0.0, 0.095), fovy=35.0)
        self.camera("film", position=(1.35, -0.95, 0.75), target=(0.27, 0.0, 0.27), fovy=40.0)

    def loose_box(
        self, name: str, half: Sequence[float], *, mass: float, colour: Sequence[float], position: Sequence[float]
    ) -> None:
        """Add a body with one geom of its name that can be grasped; `half` are its half edges."""
        body = self.spec.worldbody.add_body(name=name, pos=list(position))
        body.add_freejoint()
        body.add_geom(
            name=name,
            type=_BOX,
            size=list(half),
            mass=mass,
            rgba=[*colour, 1.0],
            group=1,
            friction=[1.0, 0.01, 1e-4],
            **_LOOSE,
        )

    def marker(self, name: str, radius: float, *, colour: Sequence[float], position: Sequence[float]) -> None:
        """Add a ball that nothing touches and that only `World.place` moves."""
        body = self.spec.worldbody.add_body(name=name, pos=list(position), mocap=True)
        body.add_geom(type=_SPHERE, size=[radius, 0.0, 0.0], rgba=[*colour, 1.0], group=1, **_QUIET)

    def camera(self, name: str, *, position: Sequence[float], target: Sequence[float], fovy: float) -> None:
        """Add a camera that looks at `target`, upright; `fovy`, the vertical field of view, in degrees."""
        backwards = np.array(position) - np.array(target)
        right = np.cross([0.0, 0.0, 1.0], backwards)
        axes = [axis / np.linalg.norm(axis) for axis in (right, np.cross(backwards, right), backwards)]
        quat_wxyz = np.zeros(4)
        mujoco.mju_mat2Quat(quat_wxyz, np.stack(axes, axis=1).ravel())
        self.spec.worldbody.add_camera(name=name, pos=list(position), quat=quat_wxyz.tolist(), fovy=fovy)

    def _sky(self) -> None:
        sky = self.spec.add_texture(name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, width=64, height=384)
        sky.builtin = mujoco.mjtBuiltin.mjBUILTIN_GRADIENT
        sky.rgb1, sky.rgb2 = [0.86, 0.9, 0.95], [0.55, 0.63, 0.75]

    def _decor(
        self,
        kind: mujoco.mjtGeom,
        position: Sequence[float],
        size: Sequence[float],
        colour: Sequence[float],
        group: int = 2,
    ) -> None:
        self.spec.worldbody.add_geom(
            type=kind, pos=list(position), size=list(size), rgba=[*colour, 1.0], group=group, **_QUIET
        )

    def _light(self, name: str, direction: Sequence[float], *, diffuse: float, ambient: float, shadow: bool) -> None:
        towards = np.array(direction)
        self.spec.worldbody.add_light(
            name=name,
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            pos=(np.array([0.3, 0.0, 0.3]) - 1.5 * towards).tolist(),
            dir=list(direction),
            castshadow=shadow,
            diffuse=[diffuse] * 3,
            ambient=[ambient] * 3,
            specular=[0.2 if shadow else 0.0] * 3,
        )
