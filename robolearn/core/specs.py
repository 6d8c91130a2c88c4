"""Specs: shapes, dtypes, ranges and rates of envs and devices, readable before anything is connected."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property

import gymnasium as gym
import msgspec
import numpy as np

from robolearn.core.errors import SpecError, nearest
from robolearn.core.types import PIXELS, PROPRIO, STATE, Array


class ArraySpec(msgspec.Struct, frozen=True):
    """Shape, dtype and inclusive range of one array."""

    shape: tuple[int, ...]
    dtype: str
    low: float = -np.inf
    high: float = np.inf

    def space(self) -> gym.spaces.Box:
        """Return the Gymnasium space of this array."""
        return gym.spaces.Box(self.low, self.high, self.shape, np.dtype(self.dtype).type)

    def validate(self, name: str, value: Array) -> None:
        """Check shape (trailing dims: a leading batch is allowed) and dtype.

        Raises:
            SpecError: If either differs.
        """
        if value.dtype != self.dtype or value.shape[-len(self.shape) :] != self.shape:
            raise SpecError(
                name,
                expected=f"{self.dtype} {self.shape}",
                got=f"{value.dtype} {value.shape}",
                fix="is a resize, cast or channel-first wrapper missing or superfluous?",
            )


class ActionKind(StrEnum):
    """What a part of an action means; deltas are relative to the last accepted set-point."""

    TRANSLATION_DELTA = "translation_delta"
    """(3,) m per step."""
    ROTATION_DELTA = "rotation_delta"
    """(3,) rotation vector, rad per step."""
    YAW_DELTA = "yaw_delta"
    """(1,) rotation about the z axis of the base, rad per step."""
    JOINT_DELTA = "joint_delta"
    """(n,) rad per step."""
    GRIPPER = "gripper"
    """(1,) absolute opening: -1 closed, +1 fully open."""
    NATIVE = "native"
    """(n,) what a simulation that is not ours takes, from its lowest value (-1) to its highest (+1)."""


class Frame(StrEnum):
    """The frame in which a delta is expressed."""

    BASE = "base"
    TOOL = "tool"


class ActionPart(msgspec.Struct, frozen=True, kw_only=True):
    """A named slice of the action vector that drives one arm in one way."""

    arm: str
    kind: ActionKind
    size: int
    frame: Frame = Frame.BASE
    scale: float = 1.0
    """m or rad per step at |action| = 1; 1 for grippers."""

    @property
    def name(self) -> str:
        """Return `<arm>.<kind>`."""
        return f"{self.arm}.{self.kind}"


class ActionSpec(msgspec.Struct, frozen=True, dict=True):
    """The meaning of a flat action (A,) in [-1, 1]: an ordered list of named parts."""

    parts: tuple[ActionPart, ...]

    @cached_property
    def size(self) -> int:
        """Return A."""
        return sum(part.size for part in self.parts)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Return the slice of every part, by name, in order."""
        slices: dict[str, slice] = {}
        start = 0
        for part in self.parts:
            slices[part.name] = slice(start, start + part.size)
            start += part.size
        return slices

    def space(self) -> gym.spaces.Box:
        """Return Box(-1, 1, (A,), float32)."""
        return gym.spaces.Box(-1.0, 1.0, (self.size,), np.float32)

    def validate(self, action: Array) -> None:
        """Check that `action` is a finite (A,) vector.

        Raises:
            SpecError: If shape differs or a value is not finite; values beyond [-1, 1] are the env's to clip.
        """
        if action.shape != (self.size,):
            raise SpecError("action", expected=f"shape ({self.size},) = {self.describe()}", got=f"{action.shape}")
        if not np.isfinite(action).all():  # type: ignore[arg-type]
            raise SpecError("action", expected="finite numbers", got=action.tolist())

    def describe(self) -> str:
        """Return the parts with their slices on one line."""
        return ", ".join(f"{name}[{s.start}:{s.stop}]" for name, s in self.slices.items())


class EnvSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All that a policy must know about an env; stored in every policy bundle and compared before deployment."""

    obs: dict[str, ArraySpec]
    action: ActionSpec
    rate_hz: float
    max_steps: int

    @property
    def pixel_keys(self) -> tuple[str, ...]:
        """Return the image keys, sorted."""
        return tuple(sorted(k for k in self.obs if k.startswith(PIXELS)))

    @property
    def vector_keys(self) -> tuple[str, ...]:
        """Return the proprioception and state keys, sorted."""
        return tuple(sorted(k for k in self.obs if k.startswith((PROPRIO, STATE))))

    @property
    def vector_size(self) -> int:
        """Return the length of all vector observations side by side."""
        return sum(int(np.prod(self.obs[k].shape)) for k in self.vector_keys)

    def to_plain(self) -> dict[str, object]:
        """Return the spec as JSON values; unbounded limits are left out, since JSON has no infinity."""
        plain = msgspec.to_builtins(self)
        for array in plain["obs"].values():
            for limit in ("low", "high"):
                if not np.isfinite(array[limit]):
                    del array[limit]
        return plain

    @classmethod
    def from_plain(cls, plain: object, where: str) -> "EnvSpec":
        """Rebuild what `to_plain` returned; other keys are ignored.

        Raises:
            SpecError: Naming the first field that is missing or has the wrong type.
        """
        try:
            return msgspec.convert(plain, cls)
        except msgspec.ValidationError as error:
            raise SpecError(where, expected="an env spec (obs, action, rate_hz, max_steps)", got=str(error)) from error

    def validate_obs(self, obs: Mapping[str, Array]) -> None:
        """Check keys, shapes and dtypes of an observation; a leading batch dim is allowed.

        Raises:
            SpecError: Naming the first key that is missing or differs.
        """
        for key, spec in self.obs.items():
            if key not in obs:
                raise SpecError(f"obs key '{key}'", expected="present", got="missing", fix=nearest(key, obs))
            spec.validate(f"obs key '{key}'", obs[key])

    def require_same(self, live: "EnvSpec", where: str) -> None:
        """Check that `live` is what this spec was written for.

        Raises:
            SpecError: Naming the first field that differs.
        """
        for key in sorted(self.obs.keys() | live.obs.keys()):
            mine, other = self.obs.get(key), live.obs.get(key)
            if mine != other:
                raise SpecError(f"{where}, obs '{key}'", expected=mine or "absent", got=other or "absent")
        if self.action != live.action:
            raise SpecError(f"{where}, action", expected=self.action.parts, got=live.action.parts)
        if self.rate_hz != live.rate_hz:
            raise SpecError(f"{where}, rate", expected=f"{self.rate_hz} Hz", got=f"{live.rate_hz} Hz")
