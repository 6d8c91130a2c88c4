"""The seams of robolearn: what the loops know of agents, envs, devices and transports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, SupportsFloat, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from robolearn.core.learning import Plan, Progress
from robolearn.core.robot import CameraSpec, Frame, RobotCommand, RobotSpec, RobotState
from robolearn.core.types import Action, Array, Batch, CarryT, Decision, Mode, Obs, Previous, Step

Metrics = Mapping[str, SupportsFloat]
StateT = TypeVar("StateT")


class Clock(Protocol):
    """Paces a control loop; see `SimClock` and `WallClock`."""

    period_s: float
    clock_id: str

    def now_ns(self) -> int:
        """Return the time of this clock in ns."""
        ...

    def wait(self) -> float:
        """Return at the next tick, with the lateness in s."""
        ...

    def reset(self, now_ns: int = 0) -> None:
        """Start a new schedule."""
        ...


class RobotDriver(Protocol):
    """Owns one arm. Commands never block; limits are the supervisor's task, not the driver's."""

    @property
    def spec(self) -> RobotSpec:
        """Return what the arm is; works unconnected."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def command(self, command: RobotCommand) -> None:
        """Take a new set-point; returns at once.

        Raises:
            DriverError: If the arm does not support the mode.
        """
        ...

    def state(self) -> RobotState:
        """Return the newest state; returns at once."""
        ...

    def stop(self) -> None:
        """Come to rest and hold; returns at once, may be called at any time and repeatedly."""
        ...

    def reset(self, q: NDArray[np.float64] | None = None) -> None:
        """Go to a joint configuration (n,) rad, home if None, and clear the set-point; blocks until there.

        Raises:
            DriverError: If it cannot be reached.
        """
        ...


class CameraDriver(Protocol):
    """Owns one camera."""

    @property
    def spec(self) -> CameraSpec:
        """Return what the camera delivers; works unconnected."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def latest(self, max_age_s: float) -> Frame:
        """Return the newest frame; the caller owns its array.

        Raises:
            StaleFrameError: If it is older than `max_age_s`.
        """
        ...


@runtime_checkable
class Remembering(Protocol):
    """An arm that knows where it was."""

    def state_at(self, stamp_ns: int) -> RobotState:
        """Return the newest state, but joints, pose and gripper as they were then, on its clock; the oldest known if that is longer ago."""
        ...


@runtime_checkable
class Snapshot(Protocol[StateT]):
    """Something whose whole state can be saved and put back, bit-exact in simulation."""

    def save(self) -> StateT:
        """Return the state; later changes do not touch it."""
        ...

    def restore(self, state: StateT) -> None:
        """Put a saved state back."""
        ...


@dataclass(kw_only=True, slots=True, frozen=True)
class StepContext:
    """What a task sees after a control step."""

    states: Mapping[str, RobotState]
    """By arm."""
    obs: Obs
    action: Action
    executed: Action
    step: int
    """Steps since reset, 1 after the first."""


@dataclass(kw_only=True, slots=True, frozen=True)
class Event:
    """Something a human or device signalled: success, failure, rerecord, stop."""

    name: str
    stamp_ns: int
    device: str


@dataclass(kw_only=True, slots=True, frozen=True)
class Outcome:
    """A task's verdict on one step."""

    reward: float
    success: bool = False
    failure: bool = False
    terminated: bool = False
    truncated: bool = False
    """Cut off by something that is not of the task; the env's own time limit is not counted here."""
    terms: Mapping[str, float] = field(default_factory=dict[str, float])
    """The named parts of a dense reward, before weighting."""


class Task(Protocol):
    """What is to be done: sets a scene up and judges each step."""

    def reset(self, arms: Mapping[str, RobotDriver], rng: np.random.Generator, options: Mapping[str, object]) -> None:
        """Randomise the scene and bring the (supervised) arms to their start."""
        ...

    def evaluate(self, ctx: StepContext, events: Sequence[Event]) -> Outcome:
        """Judge the step that just ended."""
        ...

    def state(self) -> Mapping[str, Array]:
        """Return privileged observations as `state/<name>` float32; empty where nothing is known."""
        ...


class Policy(Protocol[CarryT]):
    """A pure step function: all memory lives in `carry`, so one policy can serve many episodes."""

    def initial(self, batch_size: int) -> CarryT:
        """Return the carry for the first step of `batch_size` fresh episodes."""
        ...

    def act(self, obs: Obs, carry: CarryT, prev: Previous, mode: Mode, rng: np.random.Generator) -> Decision[CarryT]:
        """Choose actions for one control step.

        Args:
            obs: Batched observation; every leaf has leading dim B.
            carry: As returned by `initial` or by the previous call.
            prev: What was executed last, (B, A), and which rows start or were just handed back.
            mode: Sample, or take the mode of the distribution.
            rng: The only source of randomness.

        Returns:
            Actions (B, A) float32 in [-1, 1], the next carry, and extras to store beside the step.

        Raises:
            SpecError: If a key or shape of `obs` differs from the spec the policy was built with.
        """
        ...


class Agent(Policy[CarryT], Protocol[CarryT]):
    """A policy that learns; says itself what it needs next, so that loops need no branch for it."""

    def plan(self, progress: Progress) -> Plan:
        """Return what to collect and how often to update next; called after the last plan is carried out."""
        ...

    def update(self, batch: Batch) -> Metrics:
        """Take one optimiser step on a batch of the planned spec; metrics may be 0-dim tensors."""
        ...

    def policy_state(self) -> Mapping[str, Array]:
        """Return the weights that acting needs, by name."""
        ...

    def load_policy_state(self, state: Mapping[str, Array]) -> None:
        """Put back what `policy_state` returned, in place.

        Raises:
            CheckpointError: If names or shapes differ.
        """
        ...

    def state_dict(self) -> dict[str, object]:
        """Return all that learning needs to go on exactly: weights, optimisers, phase, random generators."""
        ...

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Put back what `state_dict` returned, in place.

        Raises:
            CheckpointError: If names or shapes differ.
        """
        ...


@runtime_checkable
class ActionValues(Protocol):
    """Says what an action is worth."""

    discount: float
    """Per step."""

    def action_values(self, obs: Obs, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the expected discounted sum of rewards (B,) of actions (B, A) at batched observations."""
        ...


@dataclass(kw_only=True, slots=True, frozen=True)
class Intervention:
    """A human's command for this step."""

    action: Action
    """(A,) in the coordinates of the outermost env."""
    mask: NDArray[np.bool_]
    """(A,): which entries replace the policy's."""
    stamp_ns: int
    device: str


class InterventionSource(Protocol):
    """A device through which a human takes over; silence or unplugging means no intervention."""

    def poll(self, obs: Obs) -> Intervention | None:
        """Return the newest command, or None; never blocks."""
        ...

    def events(self) -> list[Event]:
        """Return and forget the events since the last call; never blocks."""
        ...


class RewardModel(Protocol):
    """A learned or computed reward over stored steps; thresholds live in the task."""

    needs: str
    """`step`, `pair` or `episode`: what one score looks at."""
    version: int

    def score(self, steps: Batch) -> NDArray[np.float32]:
        """Return (B,) rewards."""
        ...


class StepSink(Protocol):
    """Where an actor's steps go: replay in-process, a socket, or a Ray actor."""

    def put(self, steps: Sequence[Step], stream: int) -> None:
        """Take consecutive steps of one stream (one actor's env row), in order."""
        ...


class WeightSource(Protocol):
    """Where an actor's weights come from."""

    def latest(self) -> tuple[int, Mapping[str, Array]] | None:
        """Return the newest (version, weights) not yet returned, or None; never blocks."""
        ...


class Recorder(Protocol):
    """Watches a run and writes something down: a video, a demonstration file, a table."""

    def on_step(self, step: Step, frame: Mapping[str, NDArray[np.uint8]] | None) -> None:
        """Take one step of the watched env row, with frames (H, W, 3) by camera if there are any."""
        ...

    def on_episode(self, success: bool, length: int) -> None:
        """Take the end of an episode."""
        ...

    def close(self) -> None:
        """Flush and release; may be called twice."""
        ...
