"""The one env class: simulation, twin and real arms differ only in the drivers and the clock that it is given."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Protocol, cast, runtime_checkable

import gymnasium as gym
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from typing_extensions import override

from robolearn.core.errors import CommandTimeoutError, ConfigError, DriverError, SpecError, StaleFrameError, nearest
from robolearn.core.protocols import CameraDriver, Clock, Event, Remembering, RobotDriver, Snapshot, StepContext, Task
from robolearn.core.robot import CommandMode, Frame, RobotCommand, RobotState
from robolearn.core.specs import ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import (
    CLIPPED,
    EXECUTED,
    INTERVENED,
    LATE,
    PIXELS,
    PROPRIO,
    REWARD_TERMS,
    STATE,
    SUCCESS,
    Action,
    Obs,
)
from robolearn.envs.action import ActionCodec, SetPoint
from robolearn.envs.proprio import Proprioception
from robolearn.envs.snapshot import Arrays, Saved, Snapshotted, load_rng, load_setpoints, save_rng, save_setpoints

Info = dict[str, Any]
FAULTS = "faults"
LIMITS = "limits"
STALE = "stale"
STALE_FRAMES = ("stop", "truncate", "hold")
_OUTER_FAULTS = (".driver:", ".asked")
"""What a device reports by itself, and a stop that somebody asked for, are not the policy's doing: they truncate. Any other ends the episode for good."""
LOOK_SHARE = 0.3
"""Share of a period for which a command that was sent late is looked for in what an arm tells."""
_RANGE_SLACK = 1e-6
_ARM, _PART = "arm/", "part/"


@runtime_checkable
class Distant(Protocol):
    """An arm whose state tells of a command only a while after that was sent."""

    def wait_for_command(self, seq: int, wait_s: float) -> object:
        """Return once the state tells of the command of this number, or why it never will; CommandTimeoutError if that takes longer."""
        ...


class RobotEnv(Snapshotted, gym.Env[Obs, Action]):
    """Gymnasium env over arms and cameras: a step is *command, wait for the clock, observe, judge*.

    Actions are clipped to [-1, 1]. A latched fault of any arm stops all arms and ends the episode; it is named in
    `info["faults"]`. It terminates if the motion led to it (force, tracking, joint limits): nothing that the policy could
    do would go on from there, and a value bootstrapped beyond it would reward collisions. It truncates if a device failed,
    or somebody else asked for a stop.

    `info` holds: `executed_action` (the accepted set-points as an action relative to the previous accepted ones),
    `executed_clipped` (its exact value lies outside of [-1, 1], or a command was refused), `intervened`, `success`,
    `reward_terms`, `limits` (names of the safety limits that changed a set-point), `faults`, `age/<source>_s` for every
    arm and camera on the env's own clock, and `late_s`.

    Args:
        arms: Supervised drivers by name; entered here, exited by `close`.
        cameras: Drivers by name; entered here, exited by `close`.
        task: Sets scenes up and judges steps.
        action: What actions mean.
        clock: Paces the steps.
        max_steps: Steps after which an episode is truncated.
        proprio: Names of `robolearn.envs.proprio.FEATURES` to observe of every arm.
        max_frame_age_s: Older frames are stale.
        stale_frames: What a stale frame leads to: `stop` stops the arms and raises `StaleFrameError`; `truncate` ends the episode with the last
            good frame; `hold` goes on with it. The last two name the camera in `info["stale"]`.
        command_valid_s: After this long without a new command an arm stops by itself; None for five periods.
        snapshots: Further parts whose state belongs to the env (a simulated world), by name.
        renderer: Returns an image (H, W, 3) for people; without one `render` shows the first camera.
        clear_faults: Clear latched faults at `reset`; for simulation only, where nobody has to look first.
        align: Observe arms that know where they were as they were when the oldest picture was taken.

    Raises:
        ConfigError: If names clash or the action or proprioception does not fit the arms.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012  gymnasium declares it so

    def __init__(
        self,
        *,
        arms: Mapping[str, RobotDriver],
        cameras: Mapping[str, CameraDriver],
        task: Task,
        action: ActionSpec,
        clock: Clock,
        max_steps: int,
        proprio: Sequence[str] = ("position", "yaw", "gripper"),
        max_frame_age_s: float = 0.5,
        stale_frames: str = "stop",
        command_valid_s: float | None = None,
        snapshots: Mapping[str, Snapshot[Arrays]] | None = None,
        renderer: Callable[[], NDArray[np.uint8]] | None = None,
        clear_faults: bool = False,
        align: bool = False,
    ) -> None:
        if arms.keys() & cameras.keys():
            raise ConfigError("arms and cameras", expected="different names", got=sorted(arms.keys() & cameras.keys()))
        if max_steps < 1:
            raise ConfigError("max_steps", expected="1 or more", got=max_steps)
        self.arms, self.cameras, self.task, self.clock = dict(arms), dict(cameras), task, clock
        self._codec = ActionCodec(action, {name: arm.spec for name, arm in arms.items()})
        self._proprio = {
            name: Proprioception(proprio, arm.spec, self._codec.modes.get(name)) for name, arm in arms.items()
        }
        if stale_frames not in STALE_FRAMES:
            fix = nearest(stale_frames, STALE_FRAMES)
            raise ConfigError("stale_frames", expected="a known policy", got=f"'{stale_frames}'", fix=fix)
        self._max_frame_age_s, self._stale_frames = max_frame_age_s, stale_frames
        self._frames: dict[str, Frame] = {}
        self._valid_s = 5.0 * clock.period_s if command_valid_s is None else command_valid_s
        self._snapshots = dict(snapshots or {})
        self._renderer = renderer
        self._clear_faults, self._align = clear_faults, align
        self._events: list[Event] = []
        self._states: Mapping[str, RobotState] = {}
        self._setpoints: dict[str, SetPoint] = {}
        self._start: dict[str, SetPoint] = {}
        self._step = 0
        self._seq = 0
        self._distant = {name: arm for name, arm in arms.items() if isinstance(arm, Distant)}
        rate_hz = 1.0 / clock.period_s
        with ExitStack() as entered:
            for driver in (*arms.values(), *cameras.values()):
                entered.enter_context(driver)
            self.env_spec = EnvSpec(obs=self._obs_specs(), action=action, rate_hz=rate_hz, max_steps=max_steps)
            self._drivers = entered.pop_all()
        self.action_space = cast("gym.Space[Action]", action.space())
        self.observation_space = cast(
            "gym.Space[Obs]", gym.spaces.Dict({key: spec.space() for key, spec in self.env_spec.obs.items()})
        )
        self.metadata = {**self.metadata, "render_fps": round(self.env_spec.rate_hz)}
        self.render_mode = "rgb_array" if renderer is not None or cameras else None

    def _obs_specs(self) -> dict[str, ArraySpec]:
        specs = {
            PIXELS + name: ArraySpec(
                shape=(camera.spec.height, camera.spec.width, 3), dtype="uint8", low=0.0, high=255.0
            )
            for name, camera in self.cameras.items()
        }
        for arm, proprio in self._proprio.items():
            specs |= {f"{PROPRIO}{arm}.{name}": spec for name, spec in proprio.specs.items()}
        for key, value in self.task.state().items():
            if not key.startswith(STATE):
                raise SpecError(f"state of the task, key '{key}'", expected=f"'{STATE}<name>'", got=f"'{key}'")
            specs[key] = ArraySpec(shape=value.shape, dtype="float32")
        return specs

    @property
    def setpoints(self) -> Mapping[str, SetPoint]:
        """Return the set-point of each arm that the next action is relative to.

        Raises:
            SpecError: Before the first `reset`.
        """
        if not self._setpoints:
            raise SpecError("step", expected="a reset first", got="none")
        return self._setpoints

    @property
    def states(self) -> Mapping[str, RobotState]:
        """Return the state of each arm at the last observation."""
        return self._states

    @property
    def start(self) -> Mapping[str, SetPoint]:
        """Return the measured set-point of each arm at the start of the episode."""
        return self._start

    @override
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, Info]:
        """Begin an episode; equal seeds give equal episodes in simulation.

        Raises:
            DriverError: If an arm has a latched fault, which only `reset_faults` on that arm clears.
        """
        super().reset(seed=seed)
        if self._clear_faults:
            for arm in self.arms.values():
                clear = getattr(arm, "reset_faults", None)
                if callable(clear):
                    clear()
        self.clock.reset()
        self.task.reset(self.arms, self.np_random, options or {})
        self.clock.reset()
        self._step = 0
        self._events.clear()
        states = {name: arm.state() for name, arm in self.arms.items()}
        self._start = {name: self._measured(name, state) for name, state in states.items()}
        self._setpoints = dict(self._start)
        info: Info = {SUCCESS: False, INTERVENED: False}
        return self._observe(states, info), info

    @override
    def step(self, action: Action) -> tuple[Obs, float, bool, bool, Info]:
        """Execute an action (A,) for one period of the clock.

        Raises:
            SpecError: If the action has another shape or a value is not finite.
            StaleFrameError: If a camera has no frame that is fresh enough.
            DriverError: If an arm refuses a command for another reason than a latched fault.
        """
        action = np.asarray(action)
        self._codec.spec.validate(action)
        clipped = np.minimum(np.maximum(action, -1.0), 1.0).astype(np.float32)
        wanted = self._codec.decode(clipped, self.setpoints)
        self._command(wanted)
        late_s = self.clock.wait()
        for name in self._distant.keys() & wanted.keys():  # of a step that was late, the command was sent only now
            with suppress(CommandTimeoutError):
                self._distant[name].wait_for_command(self._seq, LOOK_SHARE * self.clock.period_s)
        self._step += 1
        states = {name: arm.state() for name, arm in self.arms.items()}
        info: Info = {INTERVENED: False, LATE: late_s}
        executed = self._account(clipped, wanted, states, info)
        obs = self._observe(states, info)
        context = StepContext(states=states, obs=obs, action=clipped, executed=executed, step=self._step)
        outcome = self.task.evaluate(context, tuple(self._events))
        self._events.clear()
        info[SUCCESS] = outcome.success
        info[REWARD_TERMS] = dict(outcome.terms)
        terminated = outcome.terminated or any(all(x not in fault for x in _OUTER_FAULTS) for fault in info[FAULTS])
        blind = bool(info[STALE]) and self._stale_frames == "truncate"
        if blind:
            self._stop()
        cut = outcome.truncated or self._step >= self.env_spec.max_steps or bool(info[FAULTS]) or blind
        truncated = cut and not terminated
        return obs, float(outcome.reward), terminated, truncated, info

    def _command(self, wanted: Mapping[str, SetPoint]) -> None:
        self._seq += 1
        for name, setpoint in wanted.items():
            arm = self.arms[name]
            command = RobotCommand(
                mode=setpoint.mode,
                target=setpoint.target,
                gripper=setpoint.gripper,
                valid_for_s=self._valid_s,
                seq=self._seq,
            )
            try:
                arm.command(command)
            except DriverError:
                if not arm.state().faults:
                    raise

    def _account(
        self, action: Action, wanted: Mapping[str, SetPoint], states: Mapping[str, RobotState], info: Info
    ) -> Action:
        """Work out what was executed, note it in `info`, and make it the reference of the next action."""
        before, executed, outside, refused = self._setpoints, action, False, False
        accepted, following = dict(before), dict(before)
        for name in wanted:
            applied = states[name].applied
            if applied is None or applied.mode is not wanted[name].mode:
                refused = True
                following[name] = replace(self._measured(name, states[name]), gripper=before[name].gripper)
            else:
                following[name] = SetPoint(mode=applied.mode, target=applied.target, gripper=applied.gripper)
                if applied.seq < self._seq:
                    refused = True
                else:
                    accepted[name] = following[name]
        if refused or any(not accepted[name].same_as(asked) for name, asked in wanted.items()):
            raw = self._codec.encode(accepted, before)
            executed = np.minimum(np.maximum(raw, -1.0), 1.0).astype(np.float32)
            outside = bool((np.abs(raw) > 1.0 + _RANGE_SLACK).any())
        self._setpoints = following
        info[EXECUTED] = executed
        info[CLIPPED] = outside or refused
        info[LIMITS] = tuple(f"{n}.{x}" for n, state in states.items() if state.applied for x in state.applied.clipped)
        info[FAULTS] = tuple(f"{n}.{fault}" for n, state in states.items() for fault in state.faults)
        if info[FAULTS]:
            self._stop()
        return executed

    def _stop(self) -> None:
        for arm in self.arms.values():
            arm.stop()

    def observe(self) -> Obs:
        """Return a fresh observation without stepping, as after `restore`."""
        return self._observe({name: arm.state() for name, arm in self.arms.items()}, {})

    def _observe(self, states: Mapping[str, RobotState], info: Info) -> Obs:
        self._states = states
        obs: Obs = {}
        now_ns, clock_id = self.clock.now_ns(), self.clock.clock_id
        info[STALE] = ()
        for name in self.cameras:
            frame = self._look(name, info)
            obs[PIXELS + name] = frame.pixels
            if frame.clock_id == clock_id:
                info[f"age/{name}_s"] = (now_ns - frame.stamp_ns) * 1e-9
        if self._align and self._frames:
            states = self._aligned(states, min(self._frames[name].stamp_ns for name in self.cameras))
        for name, state in states.items():
            for key, value in self._proprio[name].read(state, self._setpoints[name]).items():
                obs[f"{PROPRIO}{name}.{key}"] = value
            if state.clock_id == clock_id:
                info[f"age/{name}_s"] = (now_ns - state.stamp_ns) * 1e-9
        for key, value in self.task.state().items():
            obs[key] = np.asarray(value, np.float32)
        return obs

    def _aligned(self, states: Mapping[str, RobotState], seen_ns: int) -> Mapping[str, RobotState]:
        """Return the states of when the oldest picture was taken, of arms that know where they were."""
        past = {name: arm.state_at(seen_ns) for name, arm in self.arms.items() if isinstance(arm, Remembering)}
        return {**states, **past}

    def _look(self, name: str, info: Info) -> Frame:
        """Return what a camera sees, or saw last, as the policy for stale frames has it."""
        try:
            self._frames[name] = self.cameras[name].latest(self._max_frame_age_s)
        except StaleFrameError:
            if self._stale_frames == "stop" or name not in self._frames:
                self._stop()
                raise
            info[STALE] += (name,)
            return replace(self._frames[name], pixels=self._frames[name].pixels.copy())
        return self._frames[name]

    def _measured(self, name: str, state: RobotState) -> SetPoint:
        """Return the set-point that keeps an arm where it is."""
        mode = self._codec.modes.get(name, CommandMode.JOINT_POSITION)
        if mode is CommandMode.POSE:
            if state.pose_tool_in_base is None:
                raise SpecError(f"state of arm '{name}'", expected="pose_tool_in_base, as its spec says", got="None")
            return SetPoint(mode=mode, target=state.pose_tool_in_base.to_array(), gripper=state.gripper)
        return SetPoint(mode=mode, target=state.q.copy(), gripper=state.gripper)

    def post_events(self, events: Sequence[Event]) -> None:
        """Hand over what a human or device signalled; the task sees it at the end of the current step."""
        self._events.extend(events)

    @override
    def render(self) -> NDArray[np.uint8] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return an image (H, W, 3) for people, or None without renderer and camera."""
        if self._renderer is not None:
            return self._renderer()
        for camera in self.cameras.values():
            return camera.latest(self._max_frame_age_s).pixels
        return None

    def save(self) -> Saved:
        """Return the whole state of the env as plain arrays by part: arms, snapshots, clock, counters, randomness.

        In simulation an env that restores it continues bit for bit.
        """
        saved: Saved = {_ARM + name: arm.save() for name, arm in self.arms.items() if isinstance(arm, Snapshot)}
        saved |= {_PART + name: part.save() for name, part in self._snapshots.items()}
        saved["counters"] = {"step": np.array(self._step), "seq": np.array(self._seq)}
        saved["clock"] = {"now_ns": np.array(self.clock.now_ns(), np.int64)}
        saved["rng"] = save_rng(self.np_random)
        saved["setpoints"], saved["start"] = save_setpoints(self._setpoints), save_setpoints(self._start)
        return saved

    def restore(self, saved: Mapping[str, Mapping[str, NDArray[np.generic]]]) -> None:
        """Put back what `save` returned; `observe` then gives the observation.

        Raises:
            SpecError: If a part is missing.
        """
        parts = {_ARM + name: arm for name, arm in self.arms.items() if isinstance(arm, Snapshot)}
        parts |= {_PART + name: part for name, part in self._snapshots.items()}
        for name in (*parts, "counters", "clock", "rng", "setpoints", "start"):
            if name not in saved:
                raise SpecError(
                    f"env snapshot, part '{name}'", expected="present", got="missing", fix=nearest(name, saved)
                )
        self.clock.reset(int(saved["clock"]["now_ns"]))
        for name, part in reversed(parts.items()):
            part.restore(dict(saved[name]))
        self._step, self._seq = int(saved["counters"]["step"]), int(saved["counters"]["seq"])
        self._setpoints, self._start = load_setpoints(saved["setpoints"]), load_setpoints(saved["start"])
        load_rng(self.np_random, saved["rng"])
        self._events.clear()

    @override
    def close(self) -> None:
        """Stop and release all drivers; may be called twice."""
        self._drivers.close()
