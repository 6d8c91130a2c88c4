"""Cameras over loopback: newest pictures with their time, and a name for everything that can go wrong with one."""

import sys
import time

import cv2
import fake_lerobot
import fake_realsense
import numpy as np
import pytest
from fake_cameras import RobotWithCamera, Scripted, Served

from robolearn.bench.processes import VERBS, Process
from robolearn.core.errors import ConfigError, DriverError, StaleFrameError, WireError
from robolearn.hardware.bridge.client import BridgeClient, ClientConfig
from robolearn.hardware.cameras.client import RemoteCamera, RemoteCameraConfig
from robolearn.hardware.cameras.lerobot import LeRobotCamera, LeRobotCameraConfig
from robolearn.hardware.cameras.opencv import OpenCVCamera, OpenCVConfig
from robolearn.hardware.cameras.realsense import RealSenseCamera, RealSenseConfig
from robolearn.hardware.cameras.server import FROZEN, SLOW, CameraServerConfig, PictureWatch, cut
from robolearn.hardware.cameras.synthetic import SyntheticCamera, SyntheticConfig


@pytest.fixture
def serve():
    running = []

    def start(source, **fields):
        running.append(Served(source, **fields))
        return running[-1]

    yield start
    for served in running:
        served.stop()


def test_the_newest_picture_comes_with_its_time_and_an_old_one_is_refused(serve):
    served = serve(Scripted())
    with RemoteCamera(served.client_cfg) as camera:
        first = camera.latest(1.0)
        assert (first.pixels.shape, first.clock_id) == ((24, 32, 3), "monotonic")
        time.sleep(0.3)
        later = camera.latest(0.15)
        assert later.seq - first.seq > 10
        assert later.pixels[0, 0, 0] == later.seq + 1
        served.source.gone = True
        time.sleep(0.3)
        with pytest.raises(StaleFrameError, match=r"front.*picture of the last 0\.15 s"):
            camera.latest(0.15)
        served.source.gone = False
        time.sleep(0.3)
        assert camera.latest(0.15).seq > later.seq
        mine = camera.latest(1.0)
        mine.pixels[:] = 7
        assert camera.latest(1.0).pixels[0, 0, 0] != 7 or camera.latest(1.0).seq != mine.seq


def test_a_picture_from_the_future_is_not_fresh_for_ever(serve):
    served = serve(Scripted())
    served.source.ahead_s = 0.02
    with RemoteCamera(served.client_cfg) as camera:
        camera.latest(1.0)
        served.source.ahead_s = 5.0
        time.sleep(0.2)
        with pytest.raises(StaleFrameError, match=r"ahead; the clocks of both machines disagree"):
            camera.latest(1.0)


def test_a_camera_of_a_server_that_was_restarted_is_followed_to_its_new_address_and_clock(serve):
    first, second = serve(Scripted()), serve(Scripted(ahead_s=5.0))
    robot = RobotWithCamera(first.client_cfg)
    commands, states = robot.endpoints
    client = BridgeClient(ClientConfig(commands=commands, states=states))
    try:
        with RemoteCamera.of(client, "front") as camera:
            camera.latest(0.5)
            robot.stop()
            first.stop()
            robot = RobotWithCamera(second.client_cfg, 5.0, commands, states)
            client.hello()
            time.sleep(0.5)
            frame = camera.latest(0.5)
            assert frame.stamp_ns == pytest.approx(time.monotonic_ns(), abs=2e8)
    finally:
        client.close()
        robot.stop()


def test_a_frozen_camera_is_named_unless_that_is_tolerated(serve):
    served = serve(Scripted(), frozen_after=5)
    with RemoteCamera(served.client_cfg) as camera:
        camera.latest(1.0)
        served.source.frozen = True
        time.sleep(0.3)
        with pytest.raises(StaleFrameError, match=FROZEN):
            camera.latest(1.0)
    served.client_cfg.tolerate = [FROZEN]
    with RemoteCamera(served.client_cfg) as camera:
        camera.latest(1.0)


def test_a_slow_camera_is_one_that_delivers_less_than_half_of_its_rate():
    watch = PictureWatch(30.0, CameraServerConfig())
    rng = np.random.default_rng(0)

    def found(rate_hz, pictures):
        for _ in range(pictures):
            found.now += round(1e9 / rate_hz)
            faults = watch.faults(rng.integers(0, 255, (4, 4, 3), np.uint8), found.now)
        return faults

    found.now = 0
    assert found(30.0, 30) == []
    assert found(20.0, 60) == []
    assert found(10.0, 60) == [SLOW]
    assert found(30.0, 60) == []


def test_pictures_are_cut_and_shrunk_before_they_are_sent(serve):
    picture = np.arange(24 * 32 * 3, dtype=np.uint8).reshape(24, 32, 3)
    cfg = CameraServerConfig(crop=(0.25, 0.5, 0.5, 0.25), endpoint="tcp://127.0.0.1:*")
    np.testing.assert_array_equal(cut(picture, cfg), picture[6:18, 16:24])
    served = serve(Scripted(), height=12, width=16)
    with RemoteCamera(served.client_cfg) as camera:
        assert camera.latest(1.0).pixels.shape == (12, 16, 3)
    with pytest.raises(ConfigError, match="crop"):
        CameraServerConfig(crop=(0.5, 0.0, 0.6, 1.0))


def test_another_size_or_another_camera_is_refused_by_name(serve):
    served = serve(Scripted())
    for changes in ({"height": 30}, {"name": "wrist"}):
        cfg = RemoteCameraConfig(**{"name": "front", "endpoint": served.endpoint, "height": 24, "width": 32, **changes})
        with RemoteCamera(cfg) as camera, pytest.raises(WireError, match="set height and width"):
            camera.latest(1.0)


def test_a_server_that_is_not_there_is_said_so():
    cfg = RemoteCameraConfig(endpoint="tcp://127.0.0.1:9", first_s=0.2)
    with RemoteCamera(cfg) as camera, pytest.raises(StaleFrameError, match="is its server running"):
        camera.latest(1.0)


def test_a_video_file_plays_at_its_rate_over_and_over_in_rgb(tmp_path):
    path = tmp_path / "clip.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (64, 48))
    for _ in range(4):
        video.write(np.full((48, 64, 3), (0, 0, 200), np.uint8))  # red, as OpenCV has it
    video.release()
    camera = OpenCVCamera(OpenCVConfig(device=str(path), rate_hz=50.0, latency_s=0.02))
    start = time.monotonic()
    for _ in range(10):
        picture, stamp_ns = camera.read()
        assert picture.shape == (48, 64, 3)
        assert picture[..., 0].mean() > 150 > 50 > picture[..., 2].mean()
        assert 0.019 < (time.monotonic_ns() - stamp_ns) * 1e-9 < 0.2
    assert time.monotonic() - start > 0.18
    camera.close()
    for device in (str(tmp_path / "none.mp4"), "97"):
        with pytest.raises(DriverError, match="nothing there"):
            OpenCVCamera(OpenCVConfig(device=device)).open()


def test_synthetic_pictures_count_themselves():
    camera = SyntheticCamera(SyntheticConfig(height=24, width=64, rate_hz=500.0))
    for number in range(5):
        picture, _ = camera.read()
        assert sum((picture[0, bit, 0] > 0) << bit for bit in range(32)) == number


@pytest.fixture
def realsense(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrealsense2", fake_realsense.module())
    monkeypatch.setattr(fake_realsense.Pipeline, "domain", "global_time")
    return fake_realsense.Pipeline


def test_a_realsense_picture_is_as_old_as_its_exposure(realsense, monkeypatch):
    camera = RealSenseCamera(RealSenseConfig(height=24, width=32, rate_hz=60.0, serial=fake_realsense.SERIAL))
    picture, stamp_ns = camera.read()
    assert picture.shape == (24, 32, 3)
    assert (time.monotonic_ns() - stamp_ns) * 1e-9 == pytest.approx(0.03, abs=0.01)
    monkeypatch.setattr(realsense, "domain", "system_time")
    _, stamp_ns = camera.read()
    assert (time.monotonic_ns() - stamp_ns) * 1e-9 < 0.01
    realsense.made[-1].dead = True
    with pytest.raises(DriverError, match="Frame didn't arrive"):
        camera.read()
    camera.close()
    camera.close()
    assert not realsense.made[-1].running


def test_a_realsense_that_is_not_there_or_cannot_do_that_is_named(realsense, monkeypatch):
    with pytest.raises(DriverError, match=r"'other'.*No device connected"):
        RealSenseCamera(RealSenseConfig(serial="other")).open()
    with pytest.raises(DriverError, match=r"640x480 at 300 Hz"):
        RealSenseCamera(RealSenseConfig(rate_hz=300.0)).open()
    monkeypatch.setitem(sys.modules, "pyrealsense2", None)
    with pytest.raises(ConfigError, match=r"robolearn\[realsense\]"):
        RealSenseCamera(RealSenseConfig()).open()


LEROBOT = {"camera": "fake_lerobot:Camera", "config": "fake_lerobot:CameraConfig"}


def test_any_camera_of_lerobot_is_read_and_its_silence_is_an_error():
    camera = LeRobotCamera(LeRobotCameraConfig(height=24, width=32, rate_hz=60.0, latency_s=0.02, **LEROBOT))
    for number in (1, 2):
        picture, stamp_ns = camera.read()
        assert (picture.shape, picture[0, 0, 0]) == ((24, 32, 3), number)
        assert (time.monotonic_ns() - stamp_ns) * 1e-9 == pytest.approx(0.02, abs=0.01)
    fake_lerobot.Camera.made[-1].dead = True
    with pytest.raises(DriverError, match="Timed out"):
        camera.read()
    camera.close()
    assert not fake_lerobot.Camera.made[-1].is_connected
    with pytest.raises(DriverError, match="lerobot-find-cameras"):
        LeRobotCamera(LeRobotCameraConfig(kwargs={"index_or_path": 99}, **LEROBOT)).open()


def test_the_camera_server_verb_publishes_what_its_source_takes():
    words = (
        "camera=synthetic",
        "camera.name=front",
        "camera.height=24",
        "camera.width=64",
        "server.endpoint=tcp://127.0.0.1:*",
    )
    with Process((*VERBS, "camera_server", *words)) as server:
        cfg = RemoteCameraConfig(name="front", endpoint=server.address, height=24, width=64)
        with RemoteCamera(cfg) as camera:
            first = camera.latest(1.0)
            time.sleep(0.2)
            assert camera.latest(1.0).seq > first.seq
