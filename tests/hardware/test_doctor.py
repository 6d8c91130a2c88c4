"""The doctor finds what is there, names what is not, and says what to do."""

import io
import os

import pytest
from fake_cameras import RobotWithCamera, Scripted, Served
from served import ServerThread

from robolearn.cli.main import main
from robolearn.core.errors import DriverError
from robolearn.hardware import doctor
from robolearn.hardware.bridge.client import BridgeClient, ClientConfig, RemoteRobot
from robolearn.hardware.doctor import OK, PROBLEM, Finding


def by_name(findings) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings}


def test_versions_are_said():
    found = by_name(doctor.machine())
    assert found["Python"].state == OK
    assert found["numpy"].found.startswith("2.")


def test_a_machine_without_devices_is_well(tmp_path):
    assert {finding.state for finding in doctor.devices(tmp_path, tmp_path)} == {OK}


@pytest.mark.skipif(os.getuid() == 0, reason="root may open everything")
def test_devices_that_this_user_may_not_open_get_their_rule(tmp_path):
    nodes(tmp_path, mode=0o000)
    found = list(doctor.devices(tmp_path / "dev", tmp_path / "sys"))
    assert [finding.state for finding in found] == [PROBLEM, PROBLEM]
    assert "usermod -aG video" in found[0].fix
    assert 'ATTRS{idVendor}=="256f"' in found[1].fix


def test_a_space_mouse_is_known_by_its_vendor(tmp_path):
    nodes(tmp_path, mode=0o600)
    found = list(doctor.devices(tmp_path / "dev", tmp_path / "sys"))
    assert [finding.state for finding in found] == [OK, OK]
    assert found[0].what.endswith("video0")
    assert found[1].what.startswith("3Dconnexion mouse")
    assert 'ATTRS{idVendor}=="256f"' in doctor.UDEV.format(vendor="256f")


@pytest.mark.parametrize(
    ("identity", "known"),
    [
        ("0003:0000046D:0000C626", True),
        ("0003:0000046d:0000c62b", True),
        ("0003:0000046D:0000C52B", False),
        ("0003:0000046D:0000B034", False),
        ("0003:0000256F:0000A123", True),
        ("nonsense", False),
    ],
)
def test_a_mouse_of_two_axes_is_no_space_mouse(tmp_path, identity, known):
    nodes(tmp_path, 0o600, [("hidraw0", identity)])
    found = [finding.what for finding in doctor.devices(tmp_path / "dev", tmp_path / "sys")]
    assert any(what.endswith("hidraw0") for what in found) == known


def nodes(folder, mode, mice=(("hidraw0", "0003:0000256F:0000C635"), ("hidraw1", "0003:000005AC:00000250"))) -> None:
    for name, identity in mice:
        (folder / "sys" / name / "device").mkdir(parents=True)
        (folder / "sys" / name / "device" / "uevent").write_text(f"DRIVER=hid\nHID_ID={identity}\n")
    (folder / "dev").mkdir()
    for name in ("hidraw0", "hidraw1", "video0"):
        (folder / "dev" / name).touch(mode)


def test_a_server_that_works_is_described_from_here():
    served = ServerThread()
    commands, states = served.endpoints
    found = by_name(doctor.server(ClientConfig(commands=commands, states=states)))
    served.stop()
    assert {"round trip", "clocks", "states", "arm 'arm'"} <= set(found)
    assert found["arm 'arm'"].found == "commanded by nobody; no faults"
    assert found["round trip"].found.startswith("p50 ")
    assert doctor.worst([finding for finding in found.values() if finding.what != "round trip"]) != PROBLEM


def test_a_server_that_falls_silent_while_it_is_looked_at_is_a_finding(monkeypatch):
    served = ServerThread()
    commands, states = served.endpoints
    ping, pings = BridgeClient.ping_s, []

    def ping_and_stop(client):
        pings.append(ping(client))
        served.stop()
        return pings[-1]

    monkeypatch.setattr(BridgeClient, "ping_s", ping_and_stop)
    found = list(doctor.server(ClientConfig(commands=commands, states=states, answer_s=0.2)))
    assert pings
    assert found[0].state == OK
    assert found[-1].state == PROBLEM
    assert "is the robot server running" in found[-1].found


@pytest.fixture
def stopped():
    """Yield a server whose arm a bystander has stopped."""
    served = ServerThread(arms=("arm", "other"), scene=False)
    client = served.client()
    RemoteRobot(client, "arm").stop()
    client.wait_for_states(lambda states: states.arms["arm"].faults == ["asked"])
    yield served
    client.close()
    served.stop()


def test_faults_are_shown_and_cleared_once_that_is_agreed_to(stopped):
    commands, states = stopped.endpoints
    cfg, shown = ClientConfig(commands=commands, states=states), []
    assert doctor.clear(cfg, lambda found: bool(shown.append(found))) == {"arm": ["asked"], "other": []}
    assert shown == [{"arm": ["asked"], "other": []}]
    assert doctor.clear(cfg, lambda _: True) == {"arm": [], "other": []}
    assert doctor.clear(cfg, lambda _: pytest.fail("there is nothing to ask")) == {"arm": [], "other": []}


def test_the_verb_that_clears_faults_asks_first_and_says_what_is_left(stopped, capsys, monkeypatch):
    at = [f"client.{name}={value}" for name, value in zip(("commands", "states"), stopped.endpoints, strict=True)]
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["clear", *at]) == 2
    assert "yes=true" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    assert main(["clear", *at]) == 1
    assert "left: arm 'arm': asked" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert main(["clear", *at]) == 0
    assert "found: arm 'arm': asked\nfound: arm 'other': no faults\n" in (said := capsys.readouterr().out)
    assert said.endswith("left: arm 'arm': no faults\nleft: arm 'other': no faults\n")


def test_a_cause_that_persists_is_left_and_an_arm_of_another_is_left_alone(stopped, capsys):
    at = [f"client.{name}={value}" for name, value in zip(("commands", "states"), stopped.endpoints, strict=True)]
    stopped.arm.faults = ("lost_connection",)
    assert main(["clear", *at, "yes=true"]) == 1
    assert "left: arm 'arm': driver:lost_connection\n" in capsys.readouterr().out
    client = stopped.client(name="alice")
    with RemoteRobot(client, "arm"), pytest.raises(DriverError, match="alice"):
        doctor.clear(ClientConfig(commands=client.cfg.commands, states=client.cfg.states), lambda _: True)
    client.close()


class Terminal(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


def test_a_camera_is_as_old_as_it_is_whatever_its_clock_says():
    camera = Served(Scripted(ahead_s=-5.0))
    robot = RobotWithCamera(camera.client_cfg, ahead_s=-5.0)
    commands, states = robot.endpoints
    found = by_name(doctor.server(ClientConfig(commands=commands, states=states)))["camera 'front'"]
    robot.stop()
    camera.stop()
    assert 0.0 <= float(found.found.split("p95 ")[1].removesuffix(" ms")) < 500.0


def test_a_server_that_is_not_there_is_a_problem_with_a_fix():
    cfg = ClientConfig(commands="tcp://127.0.0.1:9", states="tcp://127.0.0.1:9", answer_s=0.2)
    (finding,) = doctor.server(cfg)
    assert finding.state == PROBLEM
    assert "is the robot server running" in finding.found
