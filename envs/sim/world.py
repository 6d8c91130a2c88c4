"""One MuJoCo world: physics in fixed steps, pictures, and snapshots; arms and cameras are views of it."""

import math
from collections.abc import Callable, Mapping, Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from robolearn.core.clock import SimClock
from robolearn.core.errors import ConfigError, DriverError, SpecError, nearest
from robolearn.core.geometry import Pose, Vector
from robolearn.core.protocols import Clock
from robolearn.envs.sim.model import ArmModel, Placement, Scene, compile_world
from robolearn.envs.sim.render import PROFILES, Renderer
from robolearn.envs.sim.stage import Stage

TICK_S = 0.02
"""Longest time between two updates of the arms' servo targets; a control period is a whole number of ticks."""
SUBSTEPS = 4
"""Physics steps in a tick; 5 ms or less each."""
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION
_DIVERGED = [int(getattr(mujoco.mjtWarning, f"mjWARN_BAD{name}")) for name in ("QPOS", "QVEL", "QACC")]


class World:
    """A scene with arms in it, advanced by its `clock`.

    Args:
        arms: Arm models by name.
        scene: Adds what surrounds the arms.
        period_s: Control period; what one `clock.wait()` simulates.
        placements: Where the bases stand; the origin where not named.
        clock: Of a twin, which runs in real time; by default one that simulates whenever it is waited for.
    """

    def __init__(
        self,
        arms: Mapping[str, ArmModel],
        scene: Scene,
        *,
        period_s: float,
        placements: Mapping[str, Placement] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.arms = dict(arms)
        self.ticks = math.ceil(period_s / TICK_S - 1e-6)
        """Ticks in a control period."""
        self.tick_s = period_s / self.ticks
        self._timestep_s = self.tick_s / SUBSTEPS
        self.model = compile_world(arms, placements or {}, scene, self._timestep_s)
        self.data = mujoco.MjData(self.model)
        self.stage = Stage(model=self.model, data=self.data)
        """How it looks."""
        self.clock: Clock = SimClock(period_s, self.advance) if clock is None else clock
        self.cameras = self._camera_ids()
        self._bodies = {self.model.body(i).name: i for i in range(self.model.nbody)}
        self._geoms = {self.model.geom(i).name: i for i in range(self.model.ngeom) if self.model.geom(i).name}
        joints = [self.model.joint(i) for i in range(self.model.njnt)]
        self._joints = {joint.name: int(joint.qposadr[0]) for joint in joints if joint.name}
        self.version = 0
        """Changes whenever anything in the world may have changed."""
        self._tickers: list[Callable[[float], None]] = []
        self._debt_s = 0.0
        self._steps = 0
        self._renderers: dict[str, Renderer] = {}
        self._drawn: dict[str, tuple[int, int]] = {}
        self._touched: set[tuple[int, int]] = set()
        self._forces_version = self._touched_version = -1
        self.refresh()

    def every_tick(self, ticker: Callable[[float], None]) -> None:
        """Have `ticker(dt)` called at the start of every tick, to set what the servos follow."""
        self._tickers.append(ticker)

    def advance(self, seconds: float) -> None:
        """Simulate; what is not a whole number of physics steps is carried over to the next call.

        Raises:
            DriverError: If the simulation has diverged; `reset` makes it usable again.
        """
        self._debt_s += seconds
        steps = int(self._debt_s / self._timestep_s + 1e-6)
        self._debt_s -= steps * self._timestep_s
        while steps > 0:
            since_tick = self._steps % SUBSTEPS
            if since_tick == 0:
                for ticker in self._tickers:
                    ticker(self.tick_s)
            count = min(SUBSTEPS - since_tick, steps)
            mujoco.mj_step(self.model, self.data, nstep=count)
            self._steps += count
            steps -= count
        self.refresh()
        if self.data.warning.number[_DIVERGED].any():  # MuJoCo has started over with the compiled state
            raise DriverError("physics", expected="finite accelerations", got="a diverged simulation", fix="reset")

    def refresh(self) -> None:
        """Recompute where everything is, after `qpos` has changed."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        self.version += 1

    def reset(self) -> None:
        """Put everything back to where the model was compiled; arms are reset by their drivers."""
        mujoco.mj_resetData(self.model, self.data)
        self._debt_s, self._steps = 0.0, 0
        self.refresh()

    def place(self, body: str, pose: Pose) -> None:
        """Put a loose body or a fixture somewhere, at rest; seen everywhere after the next `refresh`.

        Raises:
            SpecError: If there is no such body or it is fixed.
        """
        mocap, joint = int(self.model.body_mocapid[self._body_id(body)]), self._free_joint(body)
        if mocap >= 0:
            self.data.mocap_pos[mocap], self.data.mocap_quat[mocap] = pose.position, pose.quat_wxyz
        elif joint is not None:
            start, speed = int(self.model.jnt_qposadr[joint]), int(self.model.jnt_dofadr[joint])
            self.data.qpos[start : start + 7] = pose.to_array()
            self.data.qvel[speed : speed + 6] = 0.0
        else:
            raise SpecError(f"body '{body}'", expected="a loose body or a fixture", got="another")

    def pose(self, body: str) -> Pose:
        """Return the pose of a body in the world."""
        index = self._body_id(body)
        return Pose(self.data.xpos[index].copy(), self.data.xquat[index].copy())

    def loose(self) -> list[str]:
        """Return the bodies that lie about."""
        return [name for name in self._bodies if self._free_joint(name) is not None]

    def overlap(self, body: str) -> float:
        """Return how deep a body is in what it touches where everything is now, m; 0 if it touches nothing."""
        mujoco.mj_collision(self.model, self.data)
        index, contact = self._body_id(body), self.data.contact
        own = (self.model.geom_bodyid[contact.geom] == index).any(axis=1)
        return max(0.0, -float(contact.dist[own].min())) if own.any() else 0.0

    def handled(self, body: str) -> bool:
        """Return whether an arm touches a body."""
        index = self._body_id(body)
        bodies = {(self._owner(first), self._owner(second)) for first, second in self._contacts()}
        others = {second if first == index else first for first, second in bodies if index in (first, second)}
        return any(self.model.body(other).name.split("/")[0] in self.arms for other in others)

    def speed(self, body: str) -> float:
        """Return how fast a loose body moves, m/s.

        Raises:
            SpecError: If there is no such body or it is not loose.
        """
        start = self._free_joint(body)
        if start is None:
            raise SpecError(f"body '{body}'", expected="a loose body", got="another")
        speed = int(self.model.jnt_dofadr[start])
        return math.hypot(*self.data.qvel[speed : speed + 3].tolist())

    def joint(self, joint: str) -> float:
        """Return how far a sliding (m) or hinged (rad) part of a fixture has moved.

        Raises:
            SpecError: If there is no such part.
        """
        return float(self.data.qpos[self._joint_address(joint)])

    def set_joint(self, joint: str, position: float) -> None:
        """Move a sliding (m) or hinged (rad) part of a fixture; seen everywhere after the next `refresh`.

        Raises:
            SpecError: If there is no such part.
        """
        self.data.qpos[self._joint_address(joint)] = position

    def touching(self, geom: str, other: str) -> bool:
        """Return whether two named geoms are in contact.

        Raises:
            SpecError: If either is unknown.
        """
        for name in (geom, other):
            if name not in self._geoms:
                raise SpecError("geom", expected="a geom of the scene", got=name, fix=nearest(name, self._geoms))
        first, second = sorted((self._geoms[geom], self._geoms[other]))
        return (first, second) in self._contacts()

    def contact_forces(self) -> Vector:
        """Return what touches each body (nbody, 6): torque, then force, about the centre of mass of its kinematic tree."""
        if self._forces_version != self.version:
            mujoco.mj_rnePostConstraint(self.model, self.data)
            self._forces_version = self.version
        return self.data.cfrc_ext

    def render(self, camera: str, height: int, width: int, profile: str = "cheap") -> NDArray[np.uint8]:
        """Return a picture (H, W, 3) RGB of this instant, owned by the caller.

        Raises:
            ConfigError: If the camera or profile is unknown.
            DriverError: If no OpenGL backend works, or another thread has rendered this world before.
        """
        camera_id = self.camera_id(camera)
        renderer = self._renderer(profile, height, width)
        instant = self.version, self.stage.version
        if self._drawn.get(profile) != instant:
            renderer.update(self.data)
            self._drawn[profile] = instant
        return renderer.draw(self.data, camera_id, height, width)

    def camera_id(self, camera: str) -> int:
        """Return the model's number of a camera.

        Raises:
            ConfigError: If it is unknown.
        """
        found = self.cameras.get(camera)
        if found is None:
            raise ConfigError("camera", expected="a camera of the scene", got=camera, fix=nearest(camera, self.cameras))
        return found

    def save(self) -> dict[str, NDArray[np.generic]]:
        """Return the physics state; the set-points of the arms are saved by their drivers."""
        physics = np.empty(mujoco.mj_stateSize(self.model, _STATE))
        mujoco.mj_getState(self.model, self.data, physics, _STATE)
        return {
            "physics": physics,
            "debt": np.array(self._debt_s),
            "steps": np.array(self._steps),
            "forces": self.contact_forces().copy(),
            "contacts": np.array(sorted(self._contacts()), np.int64).reshape(-1, 2),
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Put back what `save` returned.

        Raises:
            SpecError: If it was saved from another model.
        """
        physics = np.array(state["physics"], np.float64)
        if physics.size != mujoco.mj_stateSize(self.model, _STATE):
            expected = f"{mujoco.mj_stateSize(self.model, _STATE)} numbers"
            raise SpecError("world snapshot", expected=expected, got=f"{physics.size}", fix="was it saved elsewhere?")
        mujoco.mj_setState(self.model, self.data, physics, _STATE)
        self._debt_s, self._steps = float(state["debt"]), int(state["steps"])
        self.refresh()
        self.data.cfrc_ext[:] = state["forces"]
        self._touched = {(int(first), int(second)) for first, second in state["contacts"]}
        self._forces_version = self._touched_version = self.version

    def close(self) -> None:
        """Free what rendering holds; may be called twice, and rendering again takes it anew."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def _contacts(self) -> set[tuple[int, int]]:
        """Return the pairs of geoms that touched in the last physics step, the lower number first."""
        if self._touched_version != self.version:
            self._touched = {(min(pair), max(pair)) for pair in self.data.contact.geom.tolist()}
            self._touched_version = self.version
        return self._touched

    def _renderer(self, profile: str, height: int, width: int) -> Renderer:
        found = self._renderers.get(profile)
        if found is not None and found.height >= height and found.width >= width:
            return found
        if profile not in PROFILES:
            raise ConfigError("render profile", expected="a profile", got=profile, fix=nearest(profile, PROFILES))
        if found is not None:
            found.close()
            height, width = max(height, found.height), max(width, found.width)
        self._drawn.pop(profile, None)
        self._renderers[profile] = Renderer(self.stage, PROFILES[profile], height, width)
        return self._renderers[profile]

    def _camera_ids(self) -> dict[str, int]:
        """Return public camera names: an arm's camera keeps its own name where there is one arm only."""
        names: Sequence[str] = [self.model.camera(i).name for i in range(self.model.ncam)]
        alone = len(self.arms) == 1
        return {(n.rsplit("/", 1)[-1] if alone else n.replace("/", "_")): i for i, n in enumerate(names)}

    def _owner(self, geom: int) -> int:
        return int(self.model.geom_bodyid[geom])

    def _joint_address(self, joint: str) -> int:
        found = self._joints.get(joint)
        if found is None:
            raise SpecError("joint", expected="a joint of the scene", got=joint, fix=nearest(joint, self._joints))
        return found

    def _free_joint(self, body: str) -> int | None:
        joint = int(self.model.body_jntadr[self._body_id(body)])
        return joint if joint >= 0 and self.model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE else None

    def _body_id(self, body: str) -> int:
        found = self._bodies.get(body)
        if found is None:
            raise SpecError("body", expected="a body of the scene", got=body, fix=nearest(body, self._bodies))
        return found
