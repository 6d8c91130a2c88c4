"""What surrounds the arms: a table with lights and cameras, and the objects that tasks put on it."""

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

_LOOSE = {"contype": 2, "conaffinity": 3}
"""Collision bits of a loose object: it meets hands (1), fixtures and other objects (2)."""
_FIXED = {"contype": 0, "conaffinity": 3}
"""Of fixtures: they meet hands and loose objects, not each other."""
_QUIET = {"contype": 0, "conaffinity": 0}
_BOX, _PLANE, _SPHERE = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_PLANE, mujoco.mjtGeom.mjGEOM_SPHERE
_CYLINDER = mujoco.mjtGeom.mjGEOM_CYLINDER
_CONTACT = {"solref": [0.01, 1.0], "solimp": [0.85, 0.93, 0.001, 0.5, 2.0]}
"""As of the pads of a hand. The time constant is the shortest that physics steps of 5 ms allow; a higher impedance makes
what two hands hold rattle, and sink deeper (2.6 mm in the lift task, against 0.8 mm)."""
_KINDS = {1: _SPHERE, 2: _CYLINDER, 3: _BOX}
"""By how many numbers give the size of a shape."""


class Body:
    """A body of the scene that shapes and moving parts are added to; positions are in its frame."""

    def __init__(self, body: "mujoco.MjsBody", bits: Mapping[str, int]) -> None:
        self._body = body
        self._bits = bits

    def shape(
        self,
        size: Sequence[float],
        position: Sequence[float] = (0.0, 0.0, 0.0),
        *,
        colour: Sequence[float],
        name: str = "",
        quat_wxyz: Sequence[float] = (1.0, 0.0, 0.0, 0.0),
        mass: float = 0.0,
        friction: float = 1.0,
        slick: bool = False,
        solid: bool = True,
    ) -> "Body":
        """Add a box (half edges x, y, z), an upright cylinder (radius, half height) or a ball (radius).

        Args:
            size: 3, 2 or 1 lengths.
            position: Of its centre.
            colour: (r, g, b) in [0, 1].
            name: By which contacts are asked for.
            quat_wxyz: Its orientation in the body.
            mass: kg; only of bodies that move.
            friction: Sliding; the larger of two touching shapes counts. Contacts with 0 have no friction cone: a thin one is
                so badly conditioned that a graze can kick.
            slick: Whether its own friction counts whatever it touches, as of something polished.
            solid: Whether anything can touch it.

        Returns:
            The body, to add more.
        """
        self._body.add_geom(
            name=name,
            type=_KINDS[len(size)],
            size=[*size, *[0.0] * (3 - len(size))],
            pos=list(position),
            quat=list(quat_wxyz),
            mass=mass,
            rgba=[*colour, 1.0],
            group=1,
            friction=[friction, 0.01, 1e-4],
            condim=3 if friction > 0.0 else 1,
            priority=int(slick),
            **_CONTACT,
            **(self._bits if solid else _QUIET),
        )
        return self

    def sliding(
        self, name: str, position: Sequence[float], axis: Sequence[float], reach: Sequence[float], **resistance: float
    ) -> "Body":
        """Add a part on a rail, with a joint of its name; `reach` (low, high) in m, resistance as of `hinged`."""
        return self._moving(name, position, axis, reach, mujoco.mjtJoint.mjJNT_SLIDE, **resistance)

    def hinged(
        self, name: str, position: Sequence[float], axis: Sequence[float], reach: Sequence[float], **resistance: float
    ) -> "Body":
        """Add a part that turns about `axis` through `position`, with a joint of its name.

        Args:
            name: Of the part and its joint.
            position: Of the part's origin.
            axis: Of the joint.
            reach: Lowest and highest angle, rad.
            resistance: Of the joint: `damping` (N s/m or N m s/rad), `frictionloss` (N or N m), `stiffness` towards 0.
        """
        return self._moving(name, position, axis, reach, mujoco.mjtJoint.mjJNT_HINGE, **resistance)

    def _moving(
        self,
        name: str,
        position: Sequence[float],
        axis: Sequence[float],
        reach: Sequence[float],
        kind: mujoco.mjtJoint,
        **resistance: float,
    ) -> "Body":
        part = self._body.add_body(name=name, pos=list(position), gravcomp=1.0)
        part.add_joint(name=name, type=kind, axis=list(axis), range=list(reach), limited=True, **resistance)
        return Body(part, self._bits)


class SceneBuilder:
    """Adds things to a world that is not compiled yet; lengths in m, colours (r, g, b) in [0, 1]."""

    def __init__(self, spec: mujoco.MjSpec) -> None:
        self.spec = spec

    def tabletop(self, fovy: float = 35.0) -> None:
        """Add a table with its top at z = 0, a floor, lights, a sky, and the cameras `front` and `film`.

        Args:
            fovy: Vertical field of view of `front`, degrees; the default just holds a square of 0.2 m at (0.5, 0).
        """
        self._sky()
        world = self.spec.worldbody
        world.add_geom(name="table", type=_PLANE, size=[0.8, 0.8, 0.1], group=3, **_CONTACT, **_FIXED)
        self._decor(_BOX, (0.35, 0.0, -0.02), (0.55, 0.6, 0.02), (0.42, 0.5, 0.56), group=1)
        self._decor(_PLANE, (0.0, 0.0, -0.75), (4.0, 4.0, 0.1), (0.8, 0.79, 0.76))
        for x in (-0.1, 0.8):
            for y in (-0.5, 0.5):
                self._decor(_BOX, (x, y, -0.395), (0.03, 0.03, 0.355), (0.3, 0.32, 0.35))
        self._light("key", (-0.35, -0.5, -0.9), diffuse=0.5, ambient=0.0, shadow=True)
        self._light("fill", (-0.5, 0.6, -0.6), diffuse=0.3, ambient=0.38, shadow=False)
        self.spec.stat.center, self.spec.stat.extent = [0.3, 0.0, 0.3], 0.8
        self.camera("front", position=(0.98, 0.0, 0.56), target=(0.485, 0.0, 0.095), fovy=fovy)
        self.camera("film", position=(1.35, -0.95, 0.75), target=(0.27, 0.0, 0.27), fovy=40.0)

    def loose(self, name: str, position: Sequence[float], drag: float = 0.0) -> Body:
        """Add a body that lies where it is put and can be pushed and grasped; `drag` in N s/m slows what glides."""
        body = self.spec.worldbody.add_body(name=name, pos=list(position))
        body.add_joint(type=mujoco.mjtJoint.mjJNT_FREE, damping=drag)
        return Body(body, _LOOSE)

    def fixture(self, name: str, position: Sequence[float]) -> Body:
        """Add a body that stands fast and that only `World.place` moves."""
        return Body(self.spec.worldbody.add_body(name=name, pos=list(position), mocap=True), _FIXED)

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
