"""Sockets: newest only, nothing queued for the absent, and nobody without the right keys; over real loopback."""

import contextlib
import gc
import os
import select
import socket
import subprocess
import sys
import threading
import time
import weakref
from urllib.parse import urlsplit

import pytest
import zmq
import zmq.auth

from robolearn.core.errors import ConfigError, WireError
from robolearn.wire.keys import load_public, load_secret, make_keys
from robolearn.wire.sockets import HandshakeWatch, SecurityConfig, Sockets, bound_to, is_local, take_newest

ANY = "tcp://127.0.0.1:*"


def wait(condition, seconds=2.0):
    end, found = time.monotonic() + seconds, condition()
    while not found and time.monotonic() < end:
        time.sleep(0.01)
        found = condition()
    return found


def test_a_slow_listener_only_ever_gets_the_newest_message():
    with Sockets() as sockets:
        tell = sockets.publish(ANY)
        listen = sockets.newest(bound_to(tell))
        assert wait(lambda: tell.send(b"first") or listen.poll(10))
        for number in range(200):
            tell.send(b"%d" % number)
            time.sleep(0.001)
        time.sleep(0.1)
        assert listen.poll(0)
        assert take_newest(listen) == b"199"
        assert take_newest(listen) is None


class DeadLine:
    """A line between two sockets that, once it is cut, neither carries anything nor says so; new lines work."""

    def __init__(self, address) -> None:
        self._to = urlsplit(address)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._door.getsockname()[1]}"
        self.lines, self._dead, self._ended = [], set(), False
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        self._dead = {end for line in self.lines for end in line}
        time.sleep(0.2)  # what is on its way arrives

    def close(self) -> None:
        self._ended = True
        self._thread.join(2.0)
        for end in (self._door, *(end for line in self.lines for end in line)):
            end.close()

    def _carry(self) -> None:
        while not self._ended:
            others = {end: other for a, b in self.lines for end, other in ((a, b), (b, a)) if end not in self._dead}
            for end in select.select([self._door, *others], [], [], 0.05)[0]:
                if end is self._door:
                    there = socket.create_connection((self._to.hostname, self._to.port))
                    self.lines.append((self._door.accept()[0], there))
                    continue
                with contextlib.suppress(OSError):
                    data = end.recv(65536)
                    others[end].sendall(data)
                    self._dead |= set() if data else {end}


def test_a_listener_whose_line_went_dead_in_silence_connects_anew():
    with Sockets() as sockets:
        tell = sockets.publish(ANY)
        line = DeadLine(bound_to(tell))
        listen = sockets.newest(line.address)
        assert wait(lambda: tell.send(b"before") or listen.poll(10))
        line.cut()
        take_newest(listen)
        assert wait(lambda: tell.send(b"after") or (listen.poll(10) and take_newest(listen) == b"after"), 6.0)
        assert len(line.lines) == 2
        line.close()


BUSY = """
import sys
from robolearn.wire.sockets import Sockets, bound_to
with Sockets() as sockets:
    hear = sockets.answer("tcp://127.0.0.1:*")
    print(bound_to(hear), flush=True)
    sys.stdin.readline()
    print(hear.poll(0))
"""
"""Binds a socket, and does not look at it until it is told to."""


def test_who_floods_a_busy_server_and_goes_away_does_it_no_harm():
    with (
        subprocess.Popen(
            [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as busy,
        zmq.Context() as context,
    ):
        flood = context.socket(zmq.DEALER)
        flood.linger = flood.sndhwm = 0
        flood.connect(busy.stdout.readline().strip())
        for _ in range(20_000):
            flood.send(bytes(1_000))
        time.sleep(0.5)
        flood.close()
        time.sleep(1.5)  # some heartbeats
        assert busy.communicate("\n") == ("1\n", None)
        assert busy.returncode == 0


def test_sockets_that_were_closed_are_forgotten():
    with Sockets() as sockets:
        address = bound_to(sockets.answer(ANY))
        closed = sockets.ask(address)
        closed.close()
        gone = weakref.ref(closed)
        del closed
        sockets.ask(address)
        gc.collect()
        assert gone() is None


@pytest.mark.timeout(20)
def test_sockets_that_are_forgotten_in_a_circle_do_not_hang():
    for _ in range(10):
        sockets = Sockets()
        circle = [sockets, sockets.answer(ANY), sockets.newest("tcp://127.0.0.1:9")]
        circle.append(circle)
        del sockets, circle
        gc.collect()


def test_nothing_is_kept_for_a_server_that_is_not_there():
    with Sockets() as sockets:
        with Sockets() as others:
            address = bound_to(others.answer(ANY))
        ask = sockets.ask(address)
        for _ in range(5):
            with pytest.raises(zmq.Again):
                ask.send(b"stale", zmq.NOBLOCK)
        late = sockets.answer(address)
        assert wait(lambda: ask.poll(0, zmq.POLLOUT))
        ask.send(b"fresh")
        assert late.recv_multipart()[1] == b"fresh"


def test_an_address_that_others_can_reach_needs_keys_or_a_decision():
    with Sockets() as sockets, pytest.raises(ConfigError, match="robolearn keys"):
        sockets.answer("tcp://*:*")
    with Sockets(SecurityConfig(insecure=True)) as sockets:
        assert bound_to(sockets.answer("tcp://*:*"))
    assert not is_local("tcp://0.0.0.0:1")


def test_a_taken_address_is_named():
    with Sockets() as sockets:
        address = bound_to(sockets.answer(ANY))
        with pytest.raises(ConfigError, match="another server running"):
            sockets.answer(address)


@pytest.fixture
def keys(tmp_path):
    make_keys(tmp_path, "server")
    for name in ("friend", "stranger"):
        make_keys(tmp_path, name)
    make_keys(tmp_path / "other", "server")
    allow = tmp_path / "allow"
    allow.mkdir()
    (allow / "friend.key").write_bytes((tmp_path / "friend.key").read_bytes())
    return tmp_path


def server(keys):
    return Sockets(SecurityConfig(server_key=str(keys / "server.key_secret"), allow=str(keys / "allow")))


def client(keys, **fields):
    known = {"server_key": str(keys / "server.key"), "client_key": str(keys / "friend.key_secret")}
    return Sockets(SecurityConfig(**(known | fields)))


def test_a_listed_client_gets_through(keys):
    with server(keys) as ours, client(keys) as theirs:
        hear = ours.answer(ANY)
        ask = theirs.ask(bound_to(hear))
        assert wait(lambda: ask.poll(0, zmq.POLLOUT))
        ask.send(b"hello")
        assert hear.recv_multipart()[1] == b"hello"


def test_a_client_that_only_waits_is_not_cut_off(keys):
    with server(keys) as ours, client(keys) as theirs, Sockets() as sockets:
        pairs = (ours, theirs), (sockets, sockets)
        waiting = [asking.ask(bound_to(answering.answer(ANY))) for answering, asking in pairs]
        watches = [ask.get_monitor_socket(zmq.EVENT_DISCONNECTED) for ask in waiting]
        time.sleep(3.0)
        assert not any(watch.poll(0) for watch in watches)
        assert all(ask.poll(0, zmq.POLLOUT) for ask in waiting)


@pytest.mark.parametrize("who", ["unlisted", "wrong server key", "no key of its own", "no keys at all"])
def test_anybody_else_is_refused_and_told_so(keys, who):
    fields = {
        "unlisted": {"client_key": str(keys / "stranger.key_secret")},
        "wrong server key": {"server_key": str(keys / "other" / "server.key")},
        "no key of its own": {"client_key": None},
        "no keys at all": {"client_key": None, "server_key": None},
    }[who]
    with server(keys) as ours, client(keys, **fields) as theirs:
        hear = ours.answer(ANY)
        ask = theirs.ask(bound_to(hear))
        watch = HandshakeWatch(ask, "the server")

        def refused():
            try:
                watch.check()
            except WireError as error:
                return str(error)
            return ""

        assert "keys that both sides accept" in wait(refused, 3.0)
        assert not hear.poll(50)


def test_key_files_are_private_never_overwritten_and_named_when_damaged(tmp_path):
    public, secret = make_keys(tmp_path, "mine")
    assert secret.stat().st_mode & 0o077 == 0
    assert load_secret(secret).public == load_public(public)
    with pytest.raises(ConfigError, match="existing key"):
        make_keys(tmp_path, "mine")
    with pytest.raises(ConfigError, match="secret key"):
        load_secret(public)
    for name, content in (("broken.key", "nothing"), ("missing.key", None)):
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(ConfigError, match=name):
            load_public(tmp_path / name)


def test_a_server_with_keys_needs_a_list_of_its_clients(keys):
    cfg = SecurityConfig(server_key=str(keys / "server.key_secret"))
    with Sockets(cfg) as sockets, pytest.raises(ConfigError, match="allow"):
        sockets.answer(ANY)


def test_a_secret_key_is_never_for_others_to_read_not_even_while_it_is_written(tmp_path, monkeypatch):
    modes, write = [], zmq.auth.create_certificates

    def watched(*args):
        write(*args)
        modes.append((tmp_path / "mine.key_secret").stat().st_mode & 0o777)

    monkeypatch.setattr(zmq.auth, "create_certificates", watched)
    before = os.umask(0)
    try:
        make_keys(tmp_path, "mine")
    finally:
        os.umask(before)
    assert modes == [0o600]


@pytest.mark.parametrize("key", ["short", "~" * 40, "0" * 45, "#" * 40])
def test_a_key_that_is_none_is_named_before_it_is_used(keys, key):
    path = keys / "server.key"
    path.write_text(f'curve\n    public-key = "{key}"\n')
    with client(keys) as theirs, pytest.raises(ConfigError, match=r"server\.key.*40 Z85 characters"):
        theirs.ask("tcp://127.0.0.1:9")


@pytest.mark.parametrize("name", ["allow", "client_key"])
def test_half_a_set_of_keys_is_not_taken_for_none(name):
    with pytest.raises(ConfigError, match=f"a server_key beside {name}"):
        SecurityConfig(**{name: "keys"})
