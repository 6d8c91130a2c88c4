"""ZeroMQ sockets with the options that robots need, set before they connect; each belongs to the thread that uses it.

Measured on libzmq 4.3.5 and easy to get wrong: CONFLATE has no effect once a socket is connected, and keeps only the last
frame of a message; a poll takes a message out of it, which then is what the next `recv` gets, however old; a socket that
queues delivers everything as soon as an absent peer appears; a high-water mark of 1 is not "newest only".
"""

import ipaddress
import secrets
import select
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import zmq
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils.monitor import recv_monitor_message

from robolearn.core.errors import ConfigError, WireError
from robolearn.wire.codec import MAX_ARRAYS, MAX_MESSAGE
from robolearn.wire.keys import KeyPair, load_public, load_secret

QUEUE = 64
"""Messages that wait to be sent on a reliable socket; beyond them `sent` says no."""
UNLIMITED = 0
"""Messages that wait to be received. Beyond a limit libzmq 4.3.5 stops reading a connection, and if its other end then goes, a heartbeat fails an
assertion that ends this process (libzmq issues 4364, 4841). Clients of ours have little on its way: some commands, or a `LinkConfig.window` of steps."""
BACKLOG = 16
"""Messages that a publisher keeps for a listener whose machine is stuck; beyond them it drops the newest."""
BEAT_MS, SILENCE_MS = 500, 2_000
"""Between two heartbeats, and after which silence a connection is given up and made anew: a peer whose power is cut says
no goodbye, and who only listens would wait for it for ever."""
LARGE = 64 * 1024
"""Bytes from which a message is handed over rather than copied."""
CUT_OFF = 16 * MAX_MESSAGE
"""Bytes at which a client is cut off; fewer that are still too many are for decoders to refuse by name."""
Socket = zmq.Socket[bytes]
"""What `Sockets` gives out."""
_REFUSED = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_BROKEN_OFF = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
"""Said of a server that does not like a key, and of one that died meanwhile."""
_MET = zmq.EVENT_HANDSHAKE_SUCCEEDED
_READABLE = int(zmq.POLLIN)
"""A plain number: the operators of flags are written in Python."""
PATIENCE = 3
"""Handshakes in a row that are broken off before that is called a refusal."""


@dataclass(kw_only=True, slots=True)
class SecurityConfig:
    """Who may talk to whom; keys are made by `robolearn keys`."""

    server_key: str | None = None
    """Of a server: file with its secret key. Of a client: file with the server's public key."""
    client_key: str | None = None
    """Of a client: file with its secret key."""
    allow: str | None = None
    """Of a server: folder with the public keys of the clients that it talks to."""
    insecure: bool = False
    """Bind where others can reach it without any keys."""

    def __post_init__(self) -> None:
        for name in ("client_key", "allow"):
            if self.server_key is None and getattr(self, name) is not None:
                fix = "without it nothing is encrypted, and anybody may connect"
                raise ConfigError("security", expected=f"a server_key beside {name}", got="none", fix=fix)


@dataclass(slots=True, weakref_slot=True)
class Sockets:
    """Makes sockets of one process, and closes them all, also when it is forgotten in a circle of references.

    There, a context would wait for ever for sockets that it no longer knows.

    Args:
        security: Keys, if any.
    """

    security: SecurityConfig = field(default_factory=SecurityConfig)
    context: "zmq.Context[zmq.Socket[bytes]]" = field(default_factory=zmq.Context)
    _authenticator: ThreadAuthenticator | None = None
    _open: list[Socket] = field(default_factory=list)
    """Kept, since a socket that nobody refers to closes itself."""

    def __post_init__(self) -> None:
        weakref.finalize(self, _destroy, self.context, self._open).atexit = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def answer(self, endpoint: str, largest: int = CUT_OFF) -> Socket:
        """Bind a socket that hears every client and can answer each; see `bound_to` for the port that was taken.

        A client that sends a frame of more bytes than `largest` is cut off; one that comes back after its connection broke
        is the same one.

        Raises:
            ConfigError: If others could reach it and it has no keys, or the address is taken; all of these sockets are closed then.
        """
        return self._bind(zmq.ROUTER, endpoint, largest)

    def publish(self, endpoint: str) -> Socket:
        """Bind a socket whose messages everybody gets who listens, and that waits for nobody.

        Raises:
            ConfigError: As `answer`.
        """
        return self._bind(zmq.PUB, endpoint, MAX_ARRAYS)

    def ask(self, endpoint: str, largest: int = MAX_MESSAGE) -> Socket:
        """Connect a socket that talks to one server; what is said while there is none is refused, never queued.

        A server that sends a frame of more bytes than `largest` is cut off.
        """
        socket = self._socket(zmq.DEALER, largest)
        socket.setsockopt(zmq.IMMEDIATE, 1)
        socket.setsockopt(zmq.ROUTING_ID, b"client" + secrets.token_bytes(16))
        return self._connect(socket, endpoint)

    def newest(self, endpoint: str) -> Socket:
        """Connect a socket that only ever holds the newest message of a publisher; `take_newest` takes it out."""
        socket = self._socket(zmq.SUB, MAX_ARRAYS)
        socket.setsockopt(zmq.CONFLATE, 1)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        return self._connect(socket, endpoint)

    def close(self) -> None:
        """Close every socket at once, whatever they still hold; may be called twice."""
        if self._authenticator is not None:
            self._authenticator.stop()
            self._authenticator = None
        _destroy(self.context, self._open)

    def _socket(self, kind: int, largest: int) -> Socket:
        socket = self.context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, largest)
        socket.setsockopt(zmq.HEARTBEAT_IVL, BEAT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENCE_MS)
        socket.setsockopt(zmq.HEARTBEAT_TTL, SILENCE_MS)
        if kind == zmq.ROUTER:
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
            socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # `sent` says that a client has gone
        socket.setsockopt(zmq.RCVHWM, UNLIMITED)
        if kind in (zmq.ROUTER, zmq.DEALER):
            socket.setsockopt(zmq.SNDHWM, QUEUE)
        elif kind == zmq.PUB:
            socket.setsockopt(zmq.SNDHWM, BACKLOG)
        self._open[:] = [*(other for other in self._open if not other.closed), socket]
        return socket

    def _bind(self, kind: int, endpoint: str, largest: int) -> Socket:
        try:
            return self._bound(self._socket(kind, largest), endpoint)
        except ConfigError:
            self.close()
            raise

    def _bound(self, socket: Socket, endpoint: str) -> Socket:
        secure = self.security.server_key is not None
        if not (secure or self.security.insecure or is_local(endpoint)):
            raise ConfigError(
                f"bind to {endpoint}",
                expected="keys, since others can reach it",
                got="none",
                fix="`robolearn keys` makes them; security.insecure=true goes without",
            )
        if self.security.server_key is not None:
            pair = load_secret(Path(self.security.server_key))
            self._authenticate()
            socket.curve_secretkey, socket.curve_publickey, socket.curve_server = pair.secret, pair.public, True
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as error:
            fix = "is another server running?" if error.errno == zmq.EADDRINUSE else ""
            raise ConfigError(f"bind to {endpoint}", expected="a free address", got=str(error), fix=fix) from error
        return socket

    def _connect(self, socket: Socket, endpoint: str) -> Socket:
        if self.security.server_key is not None:
            pair = KeyPair.make() if self.security.client_key is None else load_secret(Path(self.security.client_key))
            socket.curve_serverkey = load_public(Path(self.security.server_key))
            socket.curve_secretkey, socket.curve_publickey = pair.secret, pair.public
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as error:
            raise ConfigError(f"connect to {endpoint}", expected="tcp://host:port", got=str(error)) from error
        return socket

    def _authenticate(self) -> None:
        """Refuse every client that is not listed; keys alone would only prove who the server is."""
        if self._authenticator is not None:
            return
        if self.security.allow is None or not Path(self.security.allow).is_dir():
            expected = "security.allow, a folder with the public keys of its clients"
            raise ConfigError("a server with keys", expected=expected, got=self.security.allow)
        self._authenticator = ThreadAuthenticator(self.context)
        self._authenticator.start()
        self._authenticator.configure_curve(domain="*", location=self.security.allow)


def _destroy(context: "zmq.Context[zmq.Socket[bytes]]", kept: list[Socket]) -> None:
    """Close monitors and whatever else is open as well; `term` would wait for them for ever."""
    context.destroy(linger=0)
    kept.clear()


class HandshakeWatch:
    """Says why a connection does not come about: libzmq itself keeps silent and tries again."""

    def __init__(self, socket: Socket, endpoint: str) -> None:
        self._monitor = socket.get_monitor_socket(_REFUSED | _BROKEN_OFF | _MET)
        self._endpoint = endpoint
        self._broken_off = 0

    def check(self) -> None:
        """Look at what has happened since the last call; never blocks.

        Raises:
            WireError: If the other side refused this one's keys, or has others.
        """
        while self._monitor.poll(0):
            event = int(recv_monitor_message(self._monitor)["event"])
            self._broken_off = 0 if event & _MET else self._broken_off + 1
            if event & _REFUSED or self._broken_off >= PATIENCE:
                raise WireError(
                    f"connection to {self._endpoint}",
                    expected="keys that both sides accept",
                    got="a refused handshake",
                    fix="is this client's public key in the server's allow folder, and the server's key the right one?",
                )


def received(socket: Socket) -> list[bytes] | None:
    """Return the frames of the next message, or None if there is none; never blocks."""
    return socket.recv_multipart(zmq.NOBLOCK) if _has_message(socket) else None


def viewed(socket: Socket) -> list[memoryview] | None:
    """Return views of the frames of the next message, or None if there is none; copies nothing, never blocks."""
    if not _has_message(socket):
        return None
    return [frame.buffer for frame in socket.recv_multipart(zmq.NOBLOCK, copy=False)]


def sent(socket: Socket, *frames: bytes) -> bool:
    """Send one message if it can be sent at once; return whether it was. Large frames are not copied."""
    try:
        socket.send_multipart(frames, zmq.NOBLOCK, copy=sum(map(len, frames)) < LARGE)
    except zmq.ZMQError as error:
        if error.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
            raise
        return False
    return True


def wait_for_any(sockets: Sequence[Socket], wait_s: float) -> None:
    """Wait until one of some sockets has a message, or the time is over, to the us; ZMQ's own waits are in whole ms."""
    end_s = time.monotonic() + wait_s
    while not any(map(_has_message, sockets)):
        left_s = end_s - time.monotonic()
        if left_s <= 0.0:
            return
        select.select([_option(socket, zmq.FD) for socket in sockets], [], [], left_s)


def _has_message(socket: Socket) -> bool:
    return bool(_option(socket, zmq.EVENTS) & _READABLE)


def _option(socket: Socket, option: int) -> int:
    value = socket.getsockopt(option)
    assert isinstance(value, int)
    return value


def take_newest(socket: Socket) -> memoryview | None:
    """Return a view of the newest message of a publisher, or None if none came since the last call; never blocks."""
    newest: memoryview | None = None
    while (frames := viewed(socket)) is not None:  # beside the newest, libzmq may hold one that it has looked at
        newest = frames[-1]
    return newest


def bound_to(socket: Socket) -> str:
    """Return the address of a bound socket, with the port that it was given if it asked for any (`:*`)."""
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def reached(endpoint: str, server: str) -> str:
    """Return how a client of `server` reaches an address that this named: its wildcards and its loopback are not the client's.

    >>> [reached(f"tcp://{host}:5670", "tcp://robot:5650") for host in ("0.0.0.0", "127.0.0.1", "camera")]
    ['tcp://robot:5670', 'tcp://robot:5670', 'tcp://camera:5670']
    """
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    foreign = host in ("*", "0.0.0.0", "[::]") or (is_local(endpoint) and not is_local(server))  # noqa: S104
    if not foreign or not (endpoint.startswith("tcp://") and server.startswith("tcp://")):
        return endpoint
    return f"{server.rpartition(':')[0]}:{port}"


def is_local(endpoint: str) -> bool:
    """Return whether only processes of this machine can reach an address.

    >>> [is_local(e) for e in ("tcp://127.0.0.1:5555", "ipc:///tmp/x", "tcp://*:5555", "tcp://192.168.0.2:5555")]
    [True, True, False, False]
    """
    if endpoint.startswith(("ipc://", "inproc://")):
        return True
    host = urlsplit(endpoint).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
