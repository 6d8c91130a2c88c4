"""Messages between an actor, which collects steps, and a learner, which learns from them; and steps as bytes.

An actor numbers its steps from 0 and keeps each in its log before it sends it. The learner says up to which number all are safe with it; after
any interruption the actor goes on from there. So every step arrives exactly once, whichever side died.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated

import msgspec
import numpy as np

from robolearn.core.errors import WireError
from robolearn.core.specs import EnvSpec
from robolearn.core.types import Array, Source, Step
from robolearn.wire.codec import Decoder, pack
from robolearn.wire.messages import Message, Name, Seq

TRAINING = 1
"""Version of everything here; peers of another version are refused by name."""
Last = Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)]
Text = Annotated[str, msgspec.Meta(max_length=4096)]
_OBS, _EXTRA, _ACTION = "obs/", "extra/", "action"


class Inquire(Message, frozen=True, kw_only=True, tag="inquire"):
    """Asks for the configuration of a run, to build env and agent from it."""

    version: int


class Join(Message, frozen=True, kw_only=True, tag="join"):
    """Says what an actor has built, before its first step and again whenever it has lost touch."""

    version: int
    actor: Name
    """Unique among the actors of a learner."""
    log: Name
    """Of which log the numbers are: a new log starts from 0."""
    config: Name
    """Fingerprint of the configuration that it was told."""
    spec: EnvSpec


class Deliver(Message, frozen=True, kw_only=True, tag="deliver"):
    """Steps, one a frame behind this one, as `encode_step` gives them."""

    session: Seq
    """Of the learner, as it answered to `Join`."""
    first: Seq
    """Number of the first of them."""


class Want(Message, frozen=True, kw_only=True, tag="want"):
    """Asks for weights to be published, by one who has none."""

    session: Seq


class Leave(Message, frozen=True, kw_only=True, tag="leave"):
    """Answers `Over`: this actor knows."""

    session: Seq


class Configured(Message, frozen=True, kw_only=True, tag="configured"):
    """Answers `Inquire`."""

    config: str
    """YAML of the run."""


class Joined(Message, frozen=True, kw_only=True, tag="joined"):
    """Answers `Join`."""

    session: Seq
    """New at every start of the learner."""
    last: Last
    """Number of the last step that is safe with the learner; -1 for none."""


class Safe(Message, frozen=True, kw_only=True, tag="safe"):
    """Says up to which number all steps are where a killed learner does not lose them."""

    session: Seq
    last: Last


class Rejoin(Message, frozen=True, kw_only=True, tag="rejoin"):
    """Asks an actor to join anew: this learner does not know it, or has missed steps."""

    reason: Text


class Unwelcome(Message, frozen=True, kw_only=True, tag="unwelcome"):
    """Refuses an actor for good."""

    reason: Text


class Over(Message, frozen=True, kw_only=True, tag="over"):
    """The learner has finished."""


class Weights(Message, frozen=True, kw_only=True, tag="weights"):
    """What the learner publishes beside the arrays of a policy."""

    session: Seq
    version: Seq
    """Updates behind them."""


class StepHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a step but its arrays."""

    rewards: dict[str, float]
    is_first: bool
    is_last: bool
    is_terminal: bool
    is_truncated: bool
    intervened: bool
    success: bool
    source: Source
    policy_version: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    stamp_ns: Last


FromActor = Inquire | Join | Deliver | Want | Leave
FromLearner = Configured | Joined | Safe | Rejoin | Unwelcome | Over
_step_decoder: Decoder[StepHeader] = Decoder(StepHeader, "step")


def fingerprint(config: str) -> str:
    """Return what two configurations are compared by."""
    return hashlib.sha256(config.encode()).hexdigest()[:32]


def encode_step(step: Step) -> bytes:
    """Return a step as one frame."""
    header = StepHeader(
        rewards=dict(step.rewards),
        is_first=step.is_first,
        is_last=step.is_last,
        is_terminal=step.is_terminal,
        is_truncated=step.is_truncated,
        intervened=step.intervened,
        success=step.success,
        source=step.source,
        policy_version=step.policy_version,
        stamp_ns=step.stamp_ns,
    )
    arrays: dict[str, Array] = {f"{_OBS}{key}": value for key, value in step.obs.items()}
    arrays[_ACTION] = step.action
    arrays |= {f"{_EXTRA}{name}": np.asarray(value) for name, value in step.extra.items()}
    return pack(header, arrays)


def decode_step(frame: bytes) -> Step:
    """Return the step that `encode_step` turned into bytes.

    Raises:
        WireError: If the bytes are damaged or say something else.
    """
    header, arrays = _step_decoder.with_arrays(frame)
    if _ACTION not in arrays:
        raise WireError("step", expected="an action", got=f"only {sorted(arrays)}")
    return Step(
        obs=_part(arrays, _OBS),
        action=arrays[_ACTION].astype(np.float32),
        rewards=header.rewards,
        is_first=header.is_first,
        is_last=header.is_last,
        is_terminal=header.is_terminal,
        is_truncated=header.is_truncated,
        intervened=header.intervened,
        success=header.success,
        source=header.source,
        policy_version=header.policy_version,
        stamp_ns=header.stamp_ns,
        extra=_part(arrays, _EXTRA),
    )


def _part(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
