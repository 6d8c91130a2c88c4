"""The doctor finds what is there, names what is not, and says what to do."""

import os

import pytest
from fake_cameras import RobotWithCamera, Scripted, Served
from served import ServerThread

from robolearn.hardware import doctor
from robolearn.hardware.bridge.client import ClientConfig
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


def nodes(folder, mode) -> None:
    for name, identity in (("hidraw0", "0003:0000256F:0000C635"), ("hidraw1", "0003:000005AC:00000250")):
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
