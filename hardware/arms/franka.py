"""Franka arms over FCI, by franky-control 2.0: impedance control whose targets are streamed."""

import logging
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace
from typing_extensions import override

from robolearn.core.clock import WallClock
from robolearn.core.errors import ConfigError, DriverError
from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, quat_multiply, quat_normalize, rotation_error
from robolearn.core.protocols import Clock
from robolearn.core.robot import CommandMode, RobotSpec, RobotState
from robolearn.hardware.arms.path import Reference
from robolearn.hardware.arms.servo import ServoArm

EXTRA = "pip install 'robolearn[franka]'"
CARTESIAN = (CommandMode.POSE, CommandMode.TWIST)
GRIPPER_HZ = 20.0
GRASP_TOLERANCE_M = 0.08
"""Whatever is between the fingers counts as grasped."""
GRASP_BELOW, SAME = 0.15, 0.03
"""Openings: from the first one down the hand grasps; one that is nearer to the last one than the second is no new one."""
RESET_TOLERANCE = 0.02
"""rad; an arm that is held by springs gives way to its friction."""

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class FrankaConfig:
    """A Franka Research 3 or Panda with its hand."""

    host: str = ""
    """Address of the arm's control box."""
    rate_hz: float = 100.0
    """Of targets; the controller behind them runs at 1 kHz."""
    translational_stiffness: float = 2000.0
    """N/m."""
    rotational_stiffness: float = 100.0
    """N m/rad."""
    joint_stiffness: float = 300.0
    """N m/rad of every joint, in joint modes."""
    contact_torque: float = 20.0
    """N m at which the arm stops by a reflex of its own."""
    contact_force: float = 30.0
    """N at which it does."""
    lead_m: float = 0.03
    """By which the springs' end is at most ahead of the tool while a twist is followed: an obstacle winds up no more."""
    lead_rad: float = 0.15
    """The same for the tool's orientation."""
    lead_joint_rad: float = 0.1
    """The same for each joint while joint velocities are followed."""
    grip_speed: float = 0.1
    """m/s."""
    grip_force: float = 20.0
    """N."""
    realtime: bool = True
    """Whether to insist on a real-time kernel, without which the arm stops by itself now and then."""

    def __post_init__(self) -> None:
        if not 10.0 <= self.rate_hz <= 1_000.0:
            raise ConfigError("robot.rate_hz", expected="10 to 1000 Hz", got=self.rate_hz)
        positive = self.translational_stiffness, self.rotational_stiffness, self.joint_stiffness, self.contact_torque
        leads = self.lead_m, self.lead_rad, self.lead_joint_rad
        if min(*positive, *leads, self.contact_force, self.grip_speed, self.grip_force) <= 0.0:
            raise ConfigError("robot", expected="stiffness, contact, leads and grip above 0", got=self)


class FrankaArm(ServoArm):
    """One arm; poses and twists are those of the end effector that is set in the arm's Desk, in its base.

    The hand finishes one motion before it begins the next: it moves to openings, and grasps what is there below
    `GRASP_BELOW`. Between poses and joint angles the arm comes to rest.

    Args:
        cfg: Where it is, and how stiff.
        clock: Stamps states; its period is that of a client's commands.
        spec: What it is.
    """

    def __init__(self, cfg: FrankaConfig, clock: Clock, spec: RobotSpec) -> None:
        super().__init__(replace(spec, reset_tolerance=RESET_TOLERANCE), clock, cfg.rate_hz)
        self._cfg = cfg
        self._franky: Any = None
        self._robot: Any = None
        self._model: Any = None
        self._tracker: Any = None
        self._cartesian = False
        self._aim = Pose(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
        self._joints = np.zeros(len(spec.joint_names))
        self._sent_s: float | None = None
        self._hand: _Hand | None = None

    @override
    def _connect(self) -> None:
        if not self._cfg.host:
            raise ConfigError("robot.host", expected="the address of the arm's control box", got="nothing")
        try:
            import franky
        except ModuleNotFoundError as error:
            raise ConfigError("robot=franka", expected="franky-control", got="not installed", fix=EXTRA) from error
        self._franky = franky
        realtime = franky.RealtimeConfig.Enforce if self._cfg.realtime else franky.RealtimeConfig.Ignore
        try:
            self._robot = franky.Robot(self._cfg.host, realtime_config=realtime)
            self._robot.recover_from_errors()
            self._robot.set_collision_behavior(self._cfg.contact_torque, self._cfg.contact_force)
            self._model = self._robot.model
            if self._spec.gripper_max_m is not None:
                self._hand = _Hand(franky.Gripper(self._cfg.host), self._cfg, self._spec.gripper_max_m)
        except franky.Exception as error:
            fix = "is FCI activated in Desk, are the brakes open, and does the firmware match franky's libfranka?"
            raise DriverError(self._name, expected=f"an arm at {self._cfg.host}", got=str(error), fix=fix) from error

    @override
    def _disconnect(self) -> None:
        hand, tracker = self._hand, self._tracker
        self._robot = self._model = self._tracker = self._hand = None
        if hand is not None:
            hand.close()
        if tracker is not None and tracker.is_running:
            tracker.stop()

    @override
    def _read(self) -> RobotState:
        stamp_ns, state = self._clock.now_ns(), self._robot.state
        effector, dq, hand = state.O_T_EE, np.array(state.dq), self._hand
        x, y, z, w = effector.quaternion
        faults = (("reflex",) if self._robot.has_errors else ()) + (
            () if hand is None or not hand.fault else (hand.fault,)
        )
        return RobotState(
            stamp_ns=stamp_ns,
            clock_id=self._clock.clock_id,
            q=np.array(state.q),
            dq=dq,
            pose_tool_in_base=Pose(np.array(effector.translation), np.array([w, x, y, z])),
            twist=self._model.zero_jacobian(self._franky.Frame.EndEffector, state) @ dq,
            wrench=np.array(state.O_F_ext_hat_K),
            gripper=None if hand is None else hand.opening,
            gripper_speed=None if hand is None else hand.speed,
            faults=faults,
        )

    @override
    def _send(self, reference: Reference, grip: float | None) -> None:
        cartesian = reference.mode in CARTESIAN
        if self._tracker is None or self._cartesian is not cartesian:
            self._begin(cartesian)
            return  # that took a while: the next tick knows what is due by then
        self._require_running()
        now_s, aim, joints = self._now_s(), self._aim, self._joints
        passed_s = 0.0 if self._sent_s is None else now_s - self._sent_s
        self._advance(reference, passed_s)
        # Springs that are not told how fast their end moves lag behind. A tick may come late; the first has no speed.
        per_s = 0.0 if self._sent_s is None else 1.0 / max(passed_s, 0.5 / self._rate_hz)
        if cartesian:
            turn = rotation_error(self._aim.quat_wxyz, aim.quat_wxyz)
            twist = self._franky.Twist((self._aim.position - aim.position) * per_s, turn * per_s)
            self._tracker.set_target(self._affine(), twist)
        else:
            self._tracker.set_target(self._joints, (self._joints - joints) * per_s)
        self._sent_s = now_s
        if grip is not None and self._hand is not None:
            self._hand.wanted = grip

    def _advance(self, reference: Reference, passed_s: float) -> None:
        """Move what the arm is to follow, as it is to move in so many s; speeds lead the measured arm by a bit at most."""
        target, cfg, measured = reference.target, self._cfg, self._checked()
        match reference.mode:
            case CommandMode.POSE:
                self._aim = Pose(target[:3], target[3:])
            case CommandMode.TWIST:
                here = measured.pose_tool_in_base
                assert here is not None
                turned = quat_multiply(quat_from_rotvec(passed_s * target[3:]), self._aim.quat_wxyz)
                lead_m = _shortened(self._aim.position + passed_s * target[:3] - here.position, cfg.lead_m)
                lead = _shortened(rotation_error(quat_normalize(turned), here.quat_wxyz), cfg.lead_rad)
                quat_wxyz = quat_normalize(quat_multiply(quat_from_rotvec(lead), here.quat_wxyz))
                self._aim = Pose(here.position + lead_m, quat_wxyz)
            case CommandMode.JOINT_POSITION:
                self._joints = target
            case CommandMode.JOINT_VELOCITY:
                lead = np.clip(self._joints + passed_s * target - measured.q, -cfg.lead_joint_rad, cfg.lead_joint_rad)
                self._joints = measured.q + lead

    @override
    def _rest(self) -> None:
        """Hold where the arm is, with the springs at ease; they stay on."""
        if self._tracker is None:
            return
        self._require_running()
        self._hold()
        if self._cartesian:
            self._tracker.set_target(self._affine())
        else:
            self._tracker.set_target(self._joints)

    def _hold(self) -> None:
        """Let the arm follow where it is now; what was read last may be from before it was stopped."""
        self._newest = state = self._read()
        assert state.pose_tool_in_base is not None
        self._aim, self._joints, self._sent_s = state.pose_tool_in_base, state.q, None

    def _require_running(self) -> None:
        """Raise what has ended the controller, such as a reflex, if it has."""
        if not self._tracker.is_running:
            self._tracker.stop()
            raise DriverError(self._name, expected="a controller that runs", got="one that has ended by itself")

    @override
    def _keep_alive(self) -> None:
        """Do nothing: the library's own loop talks to the arm."""

    def _begin(self, cartesian: bool) -> None:
        """Start the controller that follows poses or joint angles, from where the arm is."""
        if self._tracker is not None:
            self._tracker.stop()
        self._hold()
        cfg, self._cartesian = self._cfg, cartesian
        if cartesian:
            self._tracker = self._franky.CartesianImpedanceTracker(
                self._robot,
                translational_stiffness=cfg.translational_stiffness,
                rotational_stiffness=cfg.rotational_stiffness,
            )
        else:
            self._tracker = self._franky.JointImpedanceTracker(
                self._robot, stiffness=np.full(self._joints.size, cfg.joint_stiffness)
            )

    def _affine(self) -> Any:  # noqa: ANN401
        w, x, y, z = self._aim.quat_wxyz
        return self._franky.Affine(self._aim.position, np.array([x, y, z, w]))


def _shortened(vector: Vector, longest: float) -> Vector:
    return vector * min(1.0, longest / max(float(np.linalg.norm(vector)), 1e-9))


class _Hand:
    """The hand, in a thread of its own: asking it how wide it is takes longer than a tick of the arm."""

    def __init__(self, gripper: Any, cfg: FrankaConfig, width_m: float) -> None:  # noqa: ANN401
        self._gripper, self._cfg, self._width_m = gripper, cfg, width_m
        self.wanted: float | None = None
        """Opening in [0, 1] that it is told to have."""
        self.fault = ""
        self.opening, self.speed = self._measured(), 0.0
        self._told: float | None = None
        self._moving: Any = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="hand", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; the hand keeps what it holds."""
        self._ended.set()
        self._thread.join(2.0)

    def _measured(self) -> float:
        return min(max(float(self._gripper.width) / self._width_m, 0.0), 1.0)

    def _serve(self) -> None:
        pace = WallClock(1.0 / GRIPPER_HZ)
        try:
            while not self._ended.is_set():
                before, self.opening = self.opening, self._measured()
                self.speed = (self.opening - before) * GRIPPER_HZ
                self._act()
                pace.wait()
        except Exception as error:  # noqa: BLE001  (the vendor has errors of its own)
            _log.error("hand: %s: %s", type(error).__name__, error)
            self.fault = f"hand: {type(error).__name__}"

    def _act(self) -> None:
        wanted, cfg, reach = self.wanted, self._cfg, GRASP_TOLERANCE_M
        busy = self._moving is not None and not self._moving.wait(0.0)
        if wanted is None or busy or (self._told is not None and abs(wanted - self._told) < SAME):
            return
        self._told = wanted
        if wanted < GRASP_BELOW:
            self._moving = self._gripper.grasp_async(0.0, cfg.grip_speed, cfg.grip_force, reach, reach)
        else:
            self._moving = self._gripper.move_async(wanted * self._width_m, cfg.grip_speed)
