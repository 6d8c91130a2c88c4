"""Fakes that stand in for devices: a kinematic arm, a camera that sees it, a task, and a clock that tests move."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from robolearn.core.clock import SimClock
from robolearn.core.errors import DriverError, StaleFrameError
from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, quat_multiply, quat_slerp
from robolearn.core.protocols import Clock, Event, Outcome, RobotDriver, StepContext
from robolearn.core.robot import CameraSpec, CommandMode, Frame, RobotCommand, RobotSpec, RobotState
from robolearn.core.types import Array

DOWN = np.array([0.0, 1.0, 0.0, 0.0])
"""quat_wxyz of a tool that points straight down, its x axis along the base's."""


class ManualClock:
    """A clock that a test moves; `wait` advances it by one period and moves every part by the same time."""

    def __init__(self, period_s: float = 0.1, *parts: Callable[[float], None]) -> None:
        self.period_s = period_s
        self.clock_id = "manual"
        self.parts = list(parts)
        self.late_s = 0.0
        self._now_ns = 0

    def now_ns(self) -> int:
        return self._now_ns

    def wait(self) -> float:
        self.advance(self.period_s)
        return self.late_s

    def reset(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def advance(self, seconds: float) -> None:
        self._now_ns += round(seconds * 1e9)
        for part in self.parts:
            part(seconds)


class FakeArm:
    """A tool on three prismatic joints (x, y, z in m) that closes `gain` of the gap to its set-point per `advance`."""

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "arm",
        gain: float = 1.0,
        modes: tuple[CommandMode, ...] = tuple(CommandMode),
        senses: tuple[str, ...] = ("pose_tool_in_base", "twist", "wrench", "gripper", "gripper_speed"),
    ) -> None:
        self._clock = clock
        self._spec = RobotSpec(
            name=name,
            joint_names=("x", "y", "z"),
            q_min=(-2.0, -2.0, -2.0),
            q_max=(2.0, 2.0, 2.0),
            dq_max=(2.0, 2.0, 2.0),
            ddq_max=(10.0, 10.0, 10.0),
            tau_max=(50.0, 50.0, 50.0),
            q_home=(0.5, 0.0, 0.4),
            modes=modes,
            senses=senses,
            gripper_max_m=0.08,
        )
        self.gain = gain
        self.q = np.array(self._spec.q_home)
        self.dq = np.zeros(3)
        self.quat_wxyz = DOWN.copy()
        self.wrench = np.zeros(6)
        self.opening = 1.0
        self.opening_speed = 0.0
        self.faults: tuple[str, ...] = ()
        self.delay_s = 0.0
        """How old the states are that it reports."""
        self.reset_fails = False
        self.commands: list[RobotCommand] = []
        self.stops = 0
        self.entered = 0
        self._age_s = 0.0

    @property
    def spec(self) -> RobotSpec:
        return self._spec

    def __enter__(self) -> Self:
        self.entered += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.entered -= 1

    def command(self, command: RobotCommand) -> None:
        if command.mode not in self._spec.modes:
            raise DriverError(f"arm '{self._spec.name}'", expected=self._spec.modes, got=command.mode)
        self.commands.append(command)
        self._age_s = 0.0

    def state(self) -> RobotState:
        senses = self._spec.senses
        return RobotState(
            stamp_ns=self._clock.now_ns() - round(self.delay_s * 1e9),
            clock_id=self._clock.clock_id,
            q=self.q.copy(),
            dq=self.dq.copy(),
            pose_tool_in_base=Pose(self.q.copy(), self.quat_wxyz.copy()) if "pose_tool_in_base" in senses else None,
            twist=np.concatenate([self.dq, np.zeros(3)]) if "twist" in senses else None,
            wrench=self.wrench.copy() if "wrench" in senses else None,
            gripper=self.opening if "gripper" in senses else None,
            gripper_speed=self.opening_speed if "gripper_speed" in senses else None,
            faults=self.faults,
        )

    def stop(self) -> None:
        self.stops += 1
        self.commands.clear()
        self.dq = np.zeros(3)

    def reset(self, q: NDArray[np.float64] | None = None) -> None:
        if self.reset_fails:
            raise DriverError(f"reset of arm '{self._spec.name}'", expected="to arrive", got="blocked")
        self.q = np.array(self._spec.q_home if q is None else q, np.float64)
        self.quat_wxyz, self.opening, self.opening_speed = DOWN.copy(), 1.0, 0.0
        self.dq = np.zeros(3)
        self.commands.clear()

    def advance(self, seconds: float) -> None:
        self._age_s += seconds
        if not self.commands or self._age_s > self.commands[-1].valid_for_s:
            self.dq, self.opening_speed = np.zeros(3), 0.0
            return
        command, before, opening = self.commands[-1], self.q.copy(), self.opening
        if command.gripper is not None:
            self.opening += self.gain * (command.gripper - self.opening)
        match command.mode:
            case CommandMode.POSE:
                self.q = self.q + self.gain * (command.target[:3] - self.q)
                self.quat_wxyz = quat_slerp(self.quat_wxyz, command.target[3:], self.gain)
            case CommandMode.TWIST:
                self.q = self.q + seconds * command.target[:3]
                self.quat_wxyz = quat_multiply(quat_from_rotvec(seconds * command.target[3:]), self.quat_wxyz)
            case CommandMode.JOINT_POSITION:
                self.q = self.q + self.gain * (command.target - self.q)
            case CommandMode.JOINT_VELOCITY:
                self.q = self.q + seconds * command.target
        self.dq = (self.q - before) / seconds if seconds > 0.0 else np.zeros(3)
        self.opening_speed = (self.opening - opening) / seconds if seconds > 0.0 else 0.0

    def save(self) -> dict[str, NDArray[np.generic]]:
        saved: dict[str, NDArray[np.generic]] = {
            "q": self.q.copy(),
            "dq": self.dq.copy(),
            "quat_wxyz": self.quat_wxyz.copy(),
            "scalars": np.array([self.opening, self.opening_speed, self._age_s]),
        }
        if self.commands:
            last = self.commands[-1]
            gripper = np.nan if last.gripper is None else last.gripper
            saved["target"] = last.target.copy()
            saved["command"] = np.array([list(CommandMode).index(last.mode), gripper, last.valid_for_s, last.seq])
        return saved

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        self.q, self.dq = np.array(state["q"], float), np.array(state["dq"], float)
        self.quat_wxyz = np.array(state["quat_wxyz"], float)
        self.opening, self.opening_speed, self._age_s = (float(x) for x in state["scalars"])
        self.commands = []
        if "target" in state:
            mode, gripper, valid, seq = (float(x) for x in state["command"])
            self.commands = [
                RobotCommand(
                    mode=list(CommandMode)[int(mode)],
                    target=np.array(state["target"], float),
                    gripper=None if np.isnan(gripper) else gripper,
                    valid_for_s=valid,
                    seq=int(seq),
                )
            ]


class FakeCamera:
    """Paints the arm's position into the upper left pixel; `freeze` makes its frames go stale."""

    def __init__(self, clock: Clock, arm: FakeArm | None = None, *, name: str = "front", size: int = 8) -> None:
        self._clock = clock
        self._arm = arm
        self._spec = CameraSpec(name=name, height=size, width=size, rate_hz=30.0)
        self._frozen_ns: int | None = None
        self._seq = 0
        self.entered = 0

    @property
    def spec(self) -> CameraSpec:
        return self._spec

    def __enter__(self) -> Self:
        self.entered += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.entered -= 1

    def freeze(self) -> None:
        self._frozen_ns = self._clock.now_ns()

    def latest(self, max_age_s: float) -> Frame:
        now_ns = self._clock.now_ns()
        stamp_ns = now_ns if self._frozen_ns is None else self._frozen_ns
        if (now_ns - stamp_ns) * 1e-9 > max_age_s:
            raise StaleFrameError(
                f"camera '{self._spec.name}'",
                expected=f"a frame at most {max_age_s} s old",
                got=f"{(now_ns - stamp_ns) * 1e-9:.3f} s",
            )
        self._seq += 1
        pixels = np.zeros((self._spec.height, self._spec.width, 3), np.uint8)
        if self._arm is not None:
            pixels[0, 0] = np.clip(100.0 * self._arm.q + 100.0, 0, 255).astype(np.uint8)
        return Frame(pixels=pixels, stamp_ns=stamp_ns, clock_id=self._clock.clock_id, seq=self._seq)


class FakeTask:
    """Reach a random point near home; solved within 2 cm. Events named success and failure end the episode."""

    def __init__(self) -> None:
        self.goal: Vector = np.zeros(3)
        self.contexts: list[StepContext] = []
        self.events: list[Event] = []
        self.options: Mapping[str, object] = {}

    def reset(self, arms: Mapping[str, RobotDriver], rng: np.random.Generator, options: Mapping[str, object]) -> None:
        self.options = dict(options)
        for arm in arms.values():
            arm.reset()
        self.goal = np.array([0.5, 0.0, 0.4]) + rng.uniform(-0.1, 0.1, 3)
        self.contexts.clear()

    def evaluate(self, ctx: StepContext, events: Sequence[Event]) -> Outcome:
        self.contexts.append(ctx)
        self.events.extend(events)
        signalled = {event.name for event in events}
        state = next(iter(ctx.states.values()))
        distance = float(np.linalg.norm(state.q - self.goal))
        success = distance < 0.02 or "success" in signalled
        failure = "failure" in signalled
        return Outcome(
            reward=float(success),
            success=success,
            failure=failure,
            terminated=success or failure,
            terms={"distance": -distance},
        )

    def state(self) -> Mapping[str, Array]:
        return {"state/goal": self.goal.astype(np.float32)}

    def save(self) -> dict[str, NDArray[np.generic]]:
        return {"goal": self.goal.copy()}

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        self.goal = np.array(state["goal"], float)


def sim_clock(period_s: float, *arms: FakeArm) -> SimClock:
    """Return a SimClock that moves fake arms."""

    def advance(seconds: float) -> None:
        for arm in arms:
            arm.advance(seconds)

    return SimClock(period_s, advance)
