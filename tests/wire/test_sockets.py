"""Sockets: newest only, nothing queued for the absent, and nobody without the right keys; over real loopback."""

import time

import pytest
import zmq

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
