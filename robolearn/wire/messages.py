"""Messages between a robot's clients and its server; SI units, poses of the tool in the arm's base, quaternions with w first.

Every number is checked where it arrives: `msgspec` refuses wrong types and lengths here, the server refuses what is stale or foreign, and the
supervisor what is not finite, out of reach or too fast.
"""

from typing import Annotated

import msgspec

from robolearn.core.robot import CommandMode, RobotSpec

PROTOCOL = 3
"""Version of everything here; peers of another version are refused by name."""
Numbers = Annotated[list[float], msgspec.Meta(max_length=64)]
"""A short vector."""
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Names = Annotated[list[Annotated[str, msgspec.Meta(max_length=128)]], msgspec.Meta(max_length=64)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=60.0)]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """Anything that is sent."""


class Request(Message, frozen=True, kw_only=True):
    """Something that a client asks of a server; `id` comes back in the answer."""

    id: Seq


class Hello(Request, frozen=True, kw_only=True, tag="hello"):
    """The first thing that a client says."""

    protocol: int
    client: Name
    """Who it is, for people and logs."""


class Ping(Request, frozen=True, kw_only=True, tag="ping"):
    """Asks for the server's clock."""


class Acquire(Request, frozen=True, kw_only=True, tag="acquire"):
    """Asks to be the one client that commands an arm."""

    session: Seq
    arm: Name


class Release(Request, frozen=True, kw_only=True, tag="release"):
    """Gives an arm back; it comes to rest."""

    session: Seq
    arm: Name
    lease: Seq


class Reset(Request, frozen=True, kw_only=True, tag="reset"):
    """Sends an arm to a joint configuration, home without one; answered when it is there."""

    session: Seq
    arm: Name
    lease: Seq
    q: Numbers | None = None
    """(n,) rad."""


class ClearFaults(Request, frozen=True, kw_only=True, tag="clear_faults"):
    """Clears latched faults, after a person has looked."""

    session: Seq
    arm: Name
    lease: Seq


class Stop(Request, frozen=True, kw_only=True, tag="stop"):
    """Brings an arm to rest; anybody may, at any time, without lease or session. From anybody but its holder it latches, as `asked`."""

    arm: Name


class Begin(Request, frozen=True, kw_only=True, tag="begin"):
    """Asks a server with a scene of its own, a twin, to begin an episode; answered when it has."""

    session: Seq
    seed: Seq


class Command(Message, frozen=True, kw_only=True, tag="command"):
    """A set-point; never answered, the state echoes it."""

    session: Seq
    """Of the server, as welcomed: what was meant for an earlier server moves nothing."""
    arm: Name
    lease: Seq
    seq: Seq
    """Counts up; what does not is refused."""
    sent_ns: int
    """On the server's clock, as far as the sender knows it."""
    deadline_s: Seconds
    """Refused where it arrives later than this after it was sent."""
    mode: CommandMode
    target: Numbers
    gripper: float | None = None
    valid_for_s: Seconds


class CameraAddress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the pictures of a camera come from, and how they are."""

    endpoint: Annotated[str, msgspec.Meta(max_length=256)]
    height: Annotated[int, msgspec.Meta(ge=1, le=8192)]
    width: Annotated[int, msgspec.Meta(ge=1, le=8192)]
    rate_hz: float


class Welcome(Message, frozen=True, kw_only=True, tag="welcome"):
    """Answers `Hello`."""

    id: Seq
    protocol: int
    session: Seq
    """New at every start of the server."""
    period_s: float
    """Control period for which the limits are set, and at which commands are to come."""
    arms: dict[str, RobotSpec]
    cameras: dict[str, CameraAddress]
    """As the server sees them; a client may have to go by another host name, see `reached`."""
    has_scene: bool
    """Whether `Begin` is understood."""


class Pong(Message, frozen=True, kw_only=True, tag="pong"):
    """Answers `Ping`."""

    id: Seq
    now_ns: int
    """On the server's clock."""
    session: Seq
    """Of the server that answers; another one than was welcomed has been restarted."""


class Granted(Message, frozen=True, kw_only=True, tag="granted"):
    """Answers `Acquire`."""

    id: Seq
    lease: Seq


class Done(Message, frozen=True, kw_only=True, tag="done"):
    """Answers a request that has been carried out."""

    id: Seq


class Refused(Message, frozen=True, kw_only=True, tag="refused"):
    """Answers a request that has not been carried out."""

    id: Seq
    reason: Name
    """One word, such as `taken`, `session`, `fault`."""
    detail: str
    """What was expected and what came, for people."""


class AppliedSetPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The set-point that the supervisor accepted; see `robolearn.core.robot.Applied`."""

    seq: Seq
    mode: CommandMode
    target: Numbers
    gripper: float | None
    valid_for_s: float
    clipped: Names


class Past(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where an arm was."""

    stamp_ns: int
    q: Numbers
    pose: Numbers | None
    gripper: float | None


class ArmState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One arm; see `robolearn.core.robot.RobotState`."""

    stamp_ns: int
    q: Numbers
    dq: Numbers
    pose: Numbers | None
    """(7,) of the tool in base: m, quat_wxyz."""
    twist: Numbers | None
    wrench: Numbers | None
    gripper: float | None
    gripper_speed: float | None
    faults: Names
    applied: AppliedSetPoint | None
    holder: str
    """Who may command; empty for nobody."""
    lease: Seq | None
    """By which they do, so that who had another one learns of it; of no use to anybody else, since commands count from its client only."""
    stopped_by: str
    """What brought the arm to rest, such as `watchdog`; empty while it follows commands."""
    command_seq: int
    """Of the last command of the holder that the supervisor accepted; -1 for none."""
    command_age_s: float
    """How long ago that was; infinite for never."""
    accepted: Seq
    """How many commands were since the server started."""
    rejected: dict[str, int]
    """How many were not, by reason."""
    past: Annotated[list[Past], msgspec.Meta(max_length=256)]
    """Where it was lately, the oldest first."""


class States(Message, frozen=True, kw_only=True, tag="states"):
    """What a server publishes: all of its arms at one instant, so that only the newest message ever counts."""

    session: Seq
    seq: Seq
    clock_id: Name
    arms: dict[str, ArmState]
    episode: Seq
    """Counts the `Begin`s that were carried out: what has a higher number was seen after that."""
    success: bool
    """Whether the task of the scene is solved now; always false without one."""
    missed: Seq
    """Ticks of the server that came late."""
    damaged: Seq
    """Messages that came and were none of this protocol."""


class FrameInfo(Message, frozen=True, kw_only=True, tag="frame"):
    """What a camera publishes beside the pixels (H, W, 3) RGB of one picture, which are the array `pixels`."""

    camera: Name
    seq: Seq
    """Counts up with every picture that was taken."""
    stamp_ns: int
    """When it was taken, on the clock named by `clock_id`."""
    clock_id: Name
    faults: Names
    """What its server finds wrong: `frozen`, `slow`."""


FromClient = Hello | Ping | Acquire | Release | Reset | ClearFaults | Stop | Begin | Command
FromServer = Welcome | Pong | Granted | Done | Refused
