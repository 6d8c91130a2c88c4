"""What is wrong with a robot PC or its connections, and what to do about it."""

import importlib.metadata
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from robolearn.core.errors import RobolearnError
from robolearn.hardware.bridge.client import BridgeClient, ClientConfig, RemoteRobot
from robolearn.hardware.cameras.client import RemoteCamera
from robolearn.wire.messages import States

OK, WARNING, PROBLEM = "ok", "warning", "problem"
PACKAGES = ("numpy", "gymnasium", "msgspec", "pyzmq", "opencv-python", "mujoco", "torch", "h5py")
"""Whose versions are said; only the first five are needed everywhere."""
NEEDED = PACKAGES[:5]
SPACE_MICE = {"256F": "3Dconnexion", "046D": "Logitech"}
"""Vendors of six-axis mice, by USB id; the second made the old ones, whose product ids begin with `OLD`, and makes mice of two axes."""
OLD = "C6"
UDEV = 'SUBSYSTEM=="hidraw", ATTRS{{idVendor}}=="{vendor}", MODE="0660", GROUP="input", TAG+="uaccess"'
PINGS = 200
LISTEN_S = 1.0
SLOW_MS = 5.0
"""A round trip (p99) above this eats into a control period."""
SKEW_MS = 5.0
"""An uncertainty of the clocks above this spoils ages of observations."""


@dataclass(kw_only=True, slots=True, frozen=True)
class Finding:
    """Something that was looked at."""

    what: str
    state: str
    """`ok`, `warning` or `problem`."""
    found: str
    fix: str = ""
    """What to do; empty where nothing is to be done."""


@dataclass(kw_only=True, slots=True)
class DoctorConfig:
    """What to look at."""

    server: bool = False
    """Also connect to the robot server that `client` names."""
    client: ClientConfig = field(default_factory=lambda: ClientConfig(name="doctor"))


def machine() -> Iterator[Finding]:
    """Look at Python and the packages."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    old = sys.version_info < (3, 11)
    yield Finding(
        what="Python", state=PROBLEM if old else OK, found=version, fix="install Python 3.11 or newer" if old else ""
    )
    for name in PACKAGES:
        try:
            yield Finding(what=name, state=OK, found=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            if name in NEEDED:
                yield Finding(what=name, state=PROBLEM, found="not installed", fix=f"pip install {name}")
            else:
                yield Finding(what=name, state=OK, found="not installed; only training and simulation need it")


def devices(dev: Path = Path("/dev"), hidraw: Path = Path("/sys/class/hidraw")) -> Iterator[Finding]:
    """Look at cameras and six-axis mice, and whether this user may use them."""
    cameras = sorted(dev.glob("video*"))
    for camera in cameras:
        yield _permission(f"camera {camera}", camera, f"sudo usermod -aG video {_user()}, then log in again")
    if not cameras:
        yield Finding(what="cameras", state=OK, found="none on this machine")
    mice = [(node, vendor) for node in sorted(hidraw.glob("hidraw*")) if (vendor := _mouse(node))]
    for node, vendor in mice:
        rule = UDEV.format(vendor=vendor.lower())
        fix = f"put this into /etc/udev/rules.d/70-spacemouse.rules and plug the device in again:\n{rule}"
        yield _permission(f"{SPACE_MICE[vendor]} mouse {dev / node.name}", dev / node.name, fix)
    if not mice:
        yield Finding(what="six-axis mouse", state=OK, found="none on this machine")


def server(cfg: ClientConfig) -> Iterator[Finding]:
    """Look at a robot server, from here: round trip, clocks, states, arms, cameras."""
    try:
        client = BridgeClient(cfg)
    except RobolearnError as error:
        yield Finding(what=f"server {cfg.commands}", state=PROBLEM, found=str(error))
        return
    try:
        yield from _connection(client)
        for name in client.welcome.cameras:
            yield _camera(client, name)
    except RobolearnError as error:
        yield Finding(what=f"server {cfg.commands}", state=PROBLEM, found=str(error))
    finally:
        client.close()


def clear(cfg: ClientConfig, agreed: Callable[[Mapping[str, Sequence[str]]], bool]) -> Mapping[str, Sequence[str]]:
    """Clear the latched faults of all arms of a robot server, if that is agreed to; return those that are left, by arm.

    Args:
        cfg: Where the server is.
        agreed: Is shown the faults by arm, and says whether to clear them; not asked where there are none.

    Raises:
        DriverError: If the server does not answer, or somebody else commands such an arm.
    """
    client = BridgeClient(cfg)
    try:
        found = _faults(client.wait_for_states())
        if not any(found.values()) or not agreed(found):
            return found
        for name in (name for name, faults in found.items() if faults):
            with RemoteRobot(client, name) as arm:
                arm.reset_faults()
        seq = client.wait_for_states().seq
        return _faults(client.wait_for_states(lambda states: states.seq > seq + 1))
    finally:
        client.close()


def _faults(states: States) -> dict[str, list[str]]:
    return {name: list(arm.faults) for name, arm in states.arms.items()}


def outcome(what: str, look: Callable[[], str]) -> Finding:
    """Return what `look` finds, or why it cannot."""
    try:
        return Finding(what=what, state=OK, found=look())
    except RobolearnError as error:
        return Finding(what=what, state=PROBLEM, found=str(error))


def worst(findings: Sequence[Finding]) -> str:
    """Return the worst state of all.

    >>> worst([Finding(what="a", state=OK, found=""), Finding(what="b", state=WARNING, found="")])
    'warning'
    """
    states = [OK, WARNING, PROBLEM]
    return states[max((states.index(finding.state) for finding in findings), default=0)]


def _connection(client: BridgeClient) -> Iterator[Finding]:
    welcome = client.welcome
    yield Finding(what=f"server {client.cfg.commands}", state=OK, found=f"session {welcome.session}")
    trips = np.array([client.ping_s() for _ in range(PINGS)]) * 1e3
    p50, p99 = np.percentile(trips, [50, 99])
    slow = p99 > SLOW_MS
    yield Finding(
        what="round trip",
        state=WARNING if slow else OK,
        found=f"p50 {p50:.2f} ms, p99 {p99:.2f} ms over {PINGS} pings",
        fix="use a wired network, and look for processes that take the server's time" if slow else "",
    )
    skew_ms = 0.5e3 * client.round_trip_s
    yield Finding(
        what="clocks",
        state=WARNING if skew_ms > SKEW_MS else OK,
        found=f"the server is {client.offset_ns * 1e-6:.2f} ms ahead, known to {skew_ms:.2f} ms",
        fix="ages of observations will be as wrong as that; see round trip" if skew_ms > SKEW_MS else "",
    )
    try:
        yield _rate(client)
    except RobolearnError as error:
        yield Finding(what="states", state=PROBLEM, found=str(error))
        return
    states = client.wait_for_states()
    for name, arm in states.arms.items():
        holder = f"commanded by '{arm.holder}'" if arm.holder else "commanded by nobody"
        faults = ", ".join(arm.faults)
        yield Finding(
            what=f"arm '{name}'",
            state=PROBLEM if faults else OK,
            found=f"{holder}; {faults or 'no faults'}",
            fix="look at the robot, then `robolearn clear`" if faults else "",
        )


def _rate(client: BridgeClient) -> Finding:
    first = client.wait_for_states()
    start = time.monotonic()
    gaps, heard, seq = list[float](), start, first.seq
    while time.monotonic() - start < LISTEN_S:
        states = client.states()
        if states is not None and states.seq != seq:
            now = time.monotonic()
            gaps.append(now - heard)
            heard, seq = now, states.seq
        time.sleep(5e-4)
    if not gaps:
        return Finding(what="states", state=PROBLEM, found=f"none in {LISTEN_S} s", fix="is the server's loop stuck?")
    rate, longest = (seq - first.seq) / (heard - start), 1e3 * max(gaps)
    late = states.missed - first.missed if states is not None else 0
    return Finding(
        what="states",
        state=WARNING if late else OK,
        found=f"{rate:.0f} Hz, longest gap {longest:.1f} ms, {late} ticks late",
        fix="the server's machine is too busy: give its process a core of its own" if late else "",
    )


def _camera(client: BridgeClient, name: str) -> Finding:
    what = f"camera '{name}'"
    try:
        with RemoteCamera.of(client, name) as camera:
            ages = list[float]()
            start, seq, first = time.monotonic(), -1, None
            while time.monotonic() - start < LISTEN_S:
                frame = camera.latest(60.0)
                ages.append((time.monotonic_ns() - frame.stamp_ns) * 1e-6)
                first = frame.seq if first is None else first
                seq = frame.seq
                time.sleep(5e-3)
    except RobolearnError as error:
        return Finding(what=what, state=PROBLEM, found=str(error))
    taken = seq - (first or 0)
    wanted = client.welcome.cameras[name].rate_hz * LISTEN_S
    slow = taken < 0.8 * wanted
    return Finding(
        what=what,
        state=WARNING if slow else OK,
        found=f"{taken / LISTEN_S:.0f} Hz of {wanted / LISTEN_S:.0f}, age p95 {np.percentile(ages, 95):.0f} ms",
        fix="more light (exposure limits the rate), a port of its own, or a lower resolution" if slow else "",
    )


def _permission(what: str, node: Path, fix: str) -> Finding:
    if os.access(node, os.R_OK | os.W_OK):
        return Finding(what=what, state=OK, found="may be used")
    return Finding(what=what, state=PROBLEM, found=f"'{_user()}' may not open it", fix=fix)


def _mouse(node: Path) -> str:
    """Return the USB vendor of a hidraw device, four hex digits, if it is a six-axis mouse; else nothing."""
    try:
        lines = (node / "device" / "uevent").read_text().splitlines()
    except OSError:
        return ""
    ids = [line.removeprefix("HID_ID=").split(":") for line in lines if line.startswith("HID_ID=")]
    vendor, product = (part[-4:].upper() for part in ids[0][1:]) if ids and len(ids[0]) == 3 else ("", "")
    return vendor if vendor in SPACE_MICE and (vendor != "046D" or product.startswith(OLD)) else ""


def _user() -> str:
    return os.environ.get("USER") or str(os.getuid())
