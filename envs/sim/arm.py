"""A simulated arm: the driver that turns set-points into servo targets of a MuJoCo world."""

import math
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, DriverError, SpecError, nearest
from robolearn.core.geometry import Pose, Vector, quat_conjugate, quat_rotate
from robolearn.core.robot import CommandMode, RobotCommand, RobotSpec, RobotState
from robolearn.envs.sim.kinematics import Kinematics
from robolearn.envs.sim.model import as_index
from robolearn.envs.sim.motion import TAPS, Motion
from robolearn.envs.sim.world import World

SLACK = 0.1
"""rad by which servo targets may lead the measured joints when the arm is told to hold."""

PRESSING_N = 10.0
"""From this force on an arm presses; what it carries is lighter."""


class SimArm:
    """One arm of a world; a `RobotDriver` and a `Snapshot`.

    See `Motion` for what a set-point does over time. The servos get position targets with speed and acceleration fed
    forward, so that they follow without lag as far as their torque limits allow.
    """

    def __init__(self, world: World, name: str) -> None:
        if name not in world.arms:
            raise ConfigError("arm", expected="an arm of the world", got=name, fix=nearest(name, world.arms))
        arm, model, data = world.arms[name], world.model, world.data
        self.kinematics = Kinematics(arm)
        self._world = world
        self._spec = arm.spec
        self._data = data
        joints = [model.joint(f"{name}/{joint}") for joint in arm.joints]
        fingers = [model.joint(f"{name}/{joint}") for joint in arm.gripper.joints]
        self._size = len(joints)
        self._q = as_index([int(j.qposadr[0]) for j in joints])
        self._dof = as_index([int(j.dofadr[0]) for j in joints])
        self._finger_count = len(fingers)
        self._fingers = as_index([int(j.qposadr[0]) for j in fingers])
        self._fingers_dof = as_index([int(j.dofadr[0]) for j in fingers])
        self._servos = as_index([model.actuator(f"{name}/{servo}").id for servo in arm.actuators])
        stiffness, damping = -model.actuator_biasprm[self._servos, 1], -model.actuator_biasprm[self._servos, 2]
        dt, same = world.tick_s, np.eye(self._size)
        speed = np.diag(damping / stiffness - 0.5 * dt) / (2.0 * dt)
        self._even = np.hstack([0.5 * same + speed, 0.5 * same, -speed, 0.0 * same])
        self._second_difference = np.hstack([same, -same, -same, same]) / (2.0 * dt * dt)
        self._softness = 1.0 / stiffness[:, None]
        self._filter = self._filter_at(np.array(arm.spec.q_home))
        self._grip = model.actuator(f"{name}/{arm.gripper.actuator}").id
        self._bodies = np.array([model.body(f"{name}/{body}").id for body in arm.tool_bodies])
        self._root = int(model.body_rootid[self._bodies[0]])
        base = model.body(f"{name}/{arm.base_body}").id
        self._base = Pose(data.xpos[base].copy(), data.xquat[base].copy())
        self._gripper = arm.gripper
        self._grip_at = self._grip_target = arm.gripper.open
        self._motion = Motion(self.kinematics, world.clock.period_s)
        self._cached: tuple[int, RobotState] | None = None
        self._pose = self.kinematics.pose(np.array(arm.spec.q_home))
        self.reset()
        world.every_tick(self._tick)

    @property
    def spec(self) -> RobotSpec:
        """Return what the arm is."""
        return self._spec

    @property
    def base_in_world(self) -> Pose:
        """Return where the base stands."""
        return self._base

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def command(self, command: RobotCommand) -> None:
        """Take a new set-point, to be reached within one control period.

        Raises:
            DriverError: If the arm does not support the mode.
            SpecError: If the target does not have the mode's shape or is not finite.
        """
        mode = command.mode
        if mode not in self._spec.modes:
            raise DriverError(f"arm '{self._spec.name}'", expected=f"a mode of {self._spec.modes}", got=mode)
        size = _SIZES.get(mode, self._size)
        if command.target.shape != (size,) or not np.isfinite(command.target).all():
            raise SpecError(f"{mode} target", expected=f"{size} finite numbers", got=command.target.tolist())
        self._motion.start(mode, command.target, command.valid_for_s)
        self._filter = self._filter_at(self._motion.q)
        if command.gripper is not None:
            grip = self._gripper
            self._grip_target = grip.closed + min(max(command.gripper, 0.0), 1.0) * (grip.open - grip.closed)

    def state(self) -> RobotState:
        """Return the state at this simulated instant."""
        if self._cached is not None and self._cached[0] == self._world.version:
            return self._cached[1]
        data = self._data
        q, dq = data.qpos[self._q].copy(), data.qvel[self._dof].copy()
        pose, twist = self.kinematics.motion(q, dq)
        senses = self._spec.senses
        state = RobotState(
            stamp_ns=self._world.clock.now_ns(),
            clock_id=self._world.clock.clock_id,
            q=q,
            dq=dq,
            pose_tool_in_base=pose if "pose_tool_in_base" in senses else None,
            twist=twist if "twist" in senses else None,
            wrench=self._wrench(pose) if "wrench" in senses else None,
            gripper=self.opening() if "gripper" in senses else None,
            gripper_speed=self.opening_speed() if "gripper_speed" in senses else None,
        )
        self._pose = pose
        self._cached = (self._world.version, state)
        return state

    def tool(self) -> Pose:
        """Return where the tool really is in the world, whatever the arm senses."""
        self.state()
        return self._base @ self._pose

    def opening(self) -> float:
        """Return how far the gripper is really open, in [0, 1]."""
        grip = self._gripper
        at = float(self._data.qpos[self._fingers].sum()) / self._finger_count
        return min(max((at - grip.closed) / (grip.open - grip.closed), 0.0), 1.0)

    def opening_speed(self) -> float:
        """Return how fast the gripper opens, 1/s."""
        grip = self._gripper
        speed = float(self._data.qvel[self._fingers_dof].sum()) / self._finger_count
        return speed / (grip.open - grip.closed)

    def opening_at(self, width_m: float) -> float:
        """Return the opening, in [0, 1], that leaves `width_m` between the fingers."""
        grip = self._gripper
        return min((grip.at(width_m) - grip.closed) / (grip.open - grip.closed), 1.0)

    def solve(self, tool: Pose) -> Vector:
        """Return joint angles (n,) rad that bring the tool to a pose in the world; see `Kinematics.solve`.

        Raises:
            DriverError: If it is out of reach.
        """
        return self.kinematics.solve(self._base.inverse() @ tool)

    def grip(self, width_m: float, target_m: float = 0.0) -> None:
        """Put the fingers `width_m` apart at once, and close (or open) them to `target_m` from then on."""
        self._grip_at, self._grip_target = self._gripper.at(width_m), self._gripper.at(target_m)
        self._data.qpos[self._fingers] = self._grip_at
        self._data.qvel[self._fingers_dof] = 0.0
        self._data.ctrl[self._grip] = self._grip_at
        self._world.refresh()

    def stop(self) -> None:
        """Hold the joints where they are commanded to be, at most `SLACK` from where they are; joint speeds are braked first.

        An arm that was last seen to press on something holds where it is, and so presses no more.
        """
        q, seen = self._data.qpos[self._q], None if self._cached is None else self._cached[1].wrench
        slack = 0.0 if seen is not None and math.hypot(*seen[:3].tolist()) > PRESSING_N else SLACK
        self._motion.stop(np.clip(self._motion.q, q - slack, q + slack), self._data.qvel[self._dof])
        self._grip_target = self._grip_at

    def reset(self, q: NDArray[np.float64] | None = None) -> None:
        """Teleport to joint angles (n,) rad, home if None, at rest with an open gripper, and clear the set-point.

        Raises:
            DriverError: If the angles are not (n,) numbers within the joint limits.
        """
        wanted = np.array(self._spec.q_home if q is None else q, np.float64)
        inside = wanted.shape == (self._size,) and bool(
            ((wanted >= self._spec.q_min) & (wanted <= self._spec.q_max)).all()
        )
        if not inside:
            raise DriverError(f"reset of arm '{self._spec.name}'", expected="angles within limits", got=wanted.tolist())
        self._motion.stand(wanted)
        self._grip_at = self._grip_target = self._gripper.open
        data = self._data
        data.qpos[self._q] = wanted
        data.qpos[self._fingers] = self._grip_at
        data.qvel[self._dof] = 0.0
        data.qvel[self._fingers_dof] = 0.0
        self._drive(np.tile(wanted, TAPS))
        self._world.refresh()

    def save(self) -> dict[str, NDArray[np.generic]]:
        """Return the set-point and how far it is approached; what moves is saved by the world."""
        own = {"grip": np.array([self._grip_at, self._grip_target]), "filter": self._filter.copy()}
        return {**own, **{_MOTION + name: value for name, value in self._motion.save().items()}}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Put back what `save` returned."""
        start = len(_MOTION)
        self._motion.restore({name[start:]: value for name, value in state.items() if name.startswith(_MOTION)})
        self._grip_at, self._grip_target = np.array(state["grip"], np.float64).tolist()
        self._filter = np.array(state["filter"], np.float64)
        self._cached = None

    def _tick(self, dt: float) -> None:
        reach = self._gripper.speed * dt
        self._grip_at += min(max(self._grip_target - self._grip_at, -reach), reach)
        self._drive(self._motion.tick(dt, self._data.qvel[self._dof]))

    def _drive(self, recent: Vector) -> None:
        self._data.ctrl[self._servos] = self._filter @ recent
        self._data.ctrl[self._grip] = self._grip_at

    def _filter_at(self, q: Vector) -> Vector:
        """Return the matrix (n, TAPS * n) that turns wanted joint angles, newest tick first, into servo targets.

        A target is the mean of two ticks, so that speeds change gradually, plus what lets soft servos follow without
        lag: the commanded speed times kv / kp, less the half tick by which targets are early, and the torque that the
        commanded acceleration needs around `q`, as an offset of the target, M ddq / kp.
        """
        return self._even + (self.kinematics.inertia(q) * self._softness) @ self._second_difference

    def _wrench(self, pose_tool_in_base: Pose) -> Vector:
        """Return what the world exerts on the hand (6,), at the tool, in base: N and N m."""
        total = self._world.contact_forces()[self._bodies].sum(axis=0)
        if not any(total.tolist()):
            return np.zeros(6)
        to_base = quat_conjugate(self._base.quat_wxyz)
        force, torque = quat_rotate(to_base, total[3:]), quat_rotate(to_base, total[:3])
        centre = quat_rotate(to_base, self._data.subtree_com[self._root] - self._base.position)
        return np.concatenate([force, torque + np.cross(centre - pose_tool_in_base.position, force)])


_MOTION = "motion/"
_SIZES = {CommandMode.POSE: 7, CommandMode.TWIST: 6}
