"""Forward and inverse kinematics of one arm by itself; all poses are of the tool in the arm's base."""

import math
from collections.abc import Sequence

import mujoco
import numpy as np

from robolearn.core.errors import DriverError
from robolearn.core.geometry import Pose, Vector, rotation_error
from robolearn.core.robot import CommandMode
from robolearn.envs.sim.model import ArmModel, as_index

DAMPING = 1e-4
"""Added to the eigenvalues of J J^T (m^2, rad^2): what keeps steps finite at singular configurations."""
TURN_DAMPING = 0.1
"""The same for orientations that only come second (rad^2); so large because most of them are out of reach."""
POSTURE_RATE = 1.0
"""1/s at which free motion returns to the home posture."""
MARGIN = 0.01
"""rad that solutions stay inside the joint limits."""
SETPOINT_MARGIN = 0.06
"""The same for an arm that takes no poses, whose joint set-points a supervisor keeps inside: `SafetyLimits.joint_margin`
and what rounding takes."""


class Kinematics:
    """Where the tool is at given joint angles, and which joint angles bring it somewhere.

    An arm with fewer than six joints cannot have every pose: it brings the tool to the position, and as near to the
    orientation as that allows.
    """

    def __init__(self, arm: ArmModel) -> None:
        self.spec = arm.spec
        self._model = mujoco.MjModel.from_xml_path(str(arm.path))
        self._data = mujoco.MjData(self._model)
        joints = [self._model.joint(name) for name in arm.joints]
        self._q = as_index([int(j.qposadr[0]) for j in joints])
        self._dof = as_index([int(j.dofadr[0]) for j in joints])
        self._site = self._model.site(arm.tool_site).id
        self._site_position = self._data.site_xpos[self._site]
        self._site_matrix = self._data.site_xmat[self._site]
        self._jacobian = np.zeros((6, self._model.nv))
        self._units = np.eye(self._model.nv)[self._dof]
        self._quat = np.zeros(4)
        self._solution = np.zeros(6)
        margin = MARGIN if CommandMode.POSE in arm.spec.modes else SETPOINT_MARGIN
        self._low = np.array(arm.spec.q_min) + margin
        self._high = np.array(arm.spec.q_max) - margin
        self._bounds = list(zip(self._low.tolist(), self._high.tolist(), strict=True))
        self._dq_max = arm.spec.dq_max
        self._error = np.zeros(6)
        self._home = np.array(arm.spec.q_home)
        self._damping = DAMPING * np.eye(6)
        self._position_first = len(joints) < 6

    def pose(self, q: Vector) -> Pose:
        """Return the tool pose at joint angles (n,) rad."""
        self._data.qpos[self._q] = q
        mujoco.mj_kinematics(self._model, self._data)
        return self._site_pose()

    def jacobian(self, q: Vector) -> Vector:
        """Return J (6, n): tool twist in base (m/s, rad/s) = J dq."""
        self.pose(q)
        return self._site_jacobian()

    def motion(self, q: Vector, dq: Vector) -> tuple[Pose, Vector]:
        """Return the tool pose and its twist (6,) in base."""
        pose = self.pose(q)
        return pose, self._site_jacobian() @ dq

    def inertia(self, q: Vector) -> Vector:
        """Return the joint inertia matrix (n, n) kg m^2 at joint angles (n,), with the motors' and an empty gripper's."""
        self._data.qpos[self._q] = q
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_makeM(self._model, self._data)
        matrix = np.zeros((len(self._units), self._model.nv))
        for row, unit in zip(matrix, self._units, strict=True):
            mujoco.mj_mulM(self._model, self._data, row, unit)
        return matrix[:, self._dof]

    def follow(
        self,
        q: Vector,
        target: Pose,
        dt: float,
        posture_rate: float = POSTURE_RATE,
        slowest: Sequence[float] | None = None,
        fastest: Sequence[float] | None = None,
        most_m: float = math.inf,
    ) -> Vector:
        """Return joint angles (n,) one small step of `dt` s nearer to `target`.

        Damped least squares with a pull towards the home posture in the null space; respects joint limits, and joint speeds, by
        slowing all joints alike. Source: Buss, "Introduction to Inverse Kinematics", 2004, sec. 5-6.

        Args:
            q: Joint angles (n,) rad.
            target: Of the tool.
            dt: s.
            posture_rate: 1/s at which free motion returns to the home posture.
            slowest: Lower bounds of joint speeds (n,) rad/s, not positive; `fastest` the other way where None.
            fastest: Upper bounds, not negative; those of the spec where None.
            most_m: By which the tool moves at most.
        """
        pose = self.pose(q)
        jacobian = self._site_jacobian()
        error = self._error
        error[:3] = target.position - pose.position
        far_m = math.hypot(*error[:3].tolist()) if most_m < math.inf else 0.0
        if far_m > most_m:
            error[:3] *= most_m / far_m
        error[3:] = rotation_error(target.quat_wxyz, pose.quat_wxyz)
        if self._position_first:
            step = self._in_turn(q, jacobian, error)
        else:
            step = self._at_once(q, jacobian, error, min(posture_rate * dt, 1.0) * (self._home - q))
        fastest = self._dq_max if fastest is None else fastest
        slowest = [-top for top in fastest] if slowest is None else slowest
        bounds = zip(step.tolist(), slowest, fastest, strict=True)
        share = max(by / (high if by > 0.0 else low) for by, low, high in bounds) / dt
        return q + (step / share if share > 1.0 else step)

    def solve(
        self, target: Pose, q_start: Vector | None = None, tolerance: float = 1e-5, iterations: int = 200
    ) -> Vector:
        """Return joint angles (n,) that bring the tool to `target` within `tolerance` (m and rad).

        With fewer than six joints only the position is within `tolerance`; the orientation is near to what it can be.

        Raises:
            DriverError: If none are found near `q_start`, home if None.
        """
        q = self._home.copy() if q_start is None else np.array(q_start, np.float64)
        pose, before = self.pose(q), q
        for iteration in range(iterations):
            pose = self.pose(q)
            turn = rotation_error(target.quat_wxyz, pose.quat_wxyz)
            settled = self._position_first and iteration > 0 and np.abs(q - before).max() < tolerance
            there = float(np.abs(target.position - pose.position).max()) < tolerance
            if there and (settled or np.abs(turn).max() < tolerance):
                return q
            before, q = q, self.follow(q, target, dt=0.1, posture_rate=POSTURE_RATE * 0.9**iteration)
        raise DriverError(
            f"inverse kinematics of arm '{self.spec.name}'",
            expected=f"a reachable pose, got within {tolerance} m and rad",
            got=f"position {target.position.round(3).tolist()}, nearest {pose.position.round(3).tolist()}",
            fix="move the pose into the arm's reach, away from joint limits",
        )

    def _outside(self, q: Vector) -> list[int]:
        """Return the joints beyond their limits."""
        limited = enumerate(zip(q.tolist(), self._bounds, strict=True))
        return [joint for joint, (angle, (low, high)) in limited if angle < low or angle > high]

    def _at_once(self, q: Vector, jacobian: Vector, error: Vector, posture: Vector) -> Vector:
        """Return the step that takes `error` (6,) away, as near to the `posture` step as that allows."""
        step = self._solve(jacobian, error, posture)
        blocked = self._outside(q + step)
        if blocked:
            to_limit = np.clip(q + step, self._low, self._high)[blocked] - q[blocked]
            free = jacobian.copy()
            free[:, blocked] = 0.0
            step = self._solve(free, error - jacobian[:, blocked] @ to_limit, posture)
            step[blocked] = to_limit
            step = np.clip(q + step, self._low, self._high) - q
        return step

    def _in_turn(self, q: Vector, jacobian: Vector, error: Vector) -> Vector:
        """Return the step to the position, then to the orientation with what that and the joint limits leave free.

        Source: Siciliano and Slotine, "A general framework for managing multiple tasks in highly redundant robotic
        systems", ICAR 1991.
        """
        linear, angular = jacobian[:3], jacobian[3:]
        step = _damped(linear, error[:3])
        blocked = self._outside(q + step)
        if blocked:
            to_limit = np.clip(q + step, self._low, self._high)[blocked] - q[blocked]
            free = linear.copy()
            free[:, blocked] = 0.0
            step = _damped(free, error[:3] - linear[:, blocked] @ to_limit)
            step[blocked] = to_limit
        left = error[3:] - angular @ step
        turn = _turn(angular, left, linear)
        blocked = self._outside(q + step + turn)
        if blocked:
            turn = _turn(angular, left, np.vstack([linear, np.eye(len(q))[blocked]]))
        return np.clip(q + step + turn, self._low, self._high) - q

    def _solve(self, jacobian: Vector, error: Vector, posture: Vector) -> Vector:
        gram = jacobian @ jacobian.T + self._damping
        mujoco.mju_cholFactor(gram, 0.0)
        mujoco.mju_cholSolve(self._solution, gram, error - jacobian @ posture)
        return posture + jacobian.T @ self._solution

    def _site_pose(self) -> Pose:
        mujoco.mju_mat2Quat(self._quat, self._site_matrix)
        return Pose(self._site_position.copy(), self._quat.copy())

    def _site_jacobian(self) -> Vector:
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_jacSite(self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._site)
        return self._jacobian[:, self._dof]


def _damped(jacobian: Vector, error: Vector) -> Vector:
    """Return the smallest step (n,) that takes `error` (m,) away, as far as damping lets it."""
    gram = jacobian @ jacobian.T + DAMPING * np.eye(len(error))
    return jacobian.T @ np.linalg.solve(gram, error)


def _turn(angular: Vector, error: Vector, kept: Vector) -> Vector:
    """Return a step (n,) that takes an orientation error (3,) away as well as one can for which `kept @ step` is zero."""
    free = np.linalg.svd(kept)[2][len(kept) :]
    jacobian = angular @ free.T
    gram = jacobian.T @ jacobian + TURN_DAMPING * np.eye(len(free))
    step: Vector = np.linalg.solve(gram, jacobian.T @ error).astype(np.float64)
    return free.T @ step
