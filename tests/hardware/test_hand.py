"""A robot that is no twin: a person sets the scene up and judges."""

import time

import numpy as np
import pytest
from served import ServerThread

from robolearn.core.errors import DriverError
from robolearn.core.protocols import Event
from robolearn.hardware.bridge.client import RemoteRobot
from robolearn.hardware.bridge.hand import HandScene


def test_arms_go_home_and_a_person_gets_time():
    server, waits = ServerThread(), []
    client = server.client()
    with RemoteRobot(client, "arm") as arm:
        arm.reset(np.array([0.45, 0.1, 0.4]))
        HandScene(3.0, waits.append).reset({"arm": arm}, np.random.default_rng(0), {})
        assert arm.state().q == pytest.approx(arm.spec.q_home, abs=0.01)
    assert sum(waits) == 3.0
    client.close()
    server.stop()


def test_nobody_takes_an_arm_while_a_person_sets_the_scene_up():
    server = ServerThread(scene=False)
    client, other = server.client(name="alice"), server.client(name="bob")
    stranger, refused = RemoteRobot(other, "arm"), []

    def pass_time(seconds):
        time.sleep(seconds)
        with pytest.raises(DriverError, match="alice") as error:
            stranger.hold()
        refused.append(error)

    with RemoteRobot(client, "arm") as arm:
        HandScene(2.9, pass_time).reset({"arm": arm}, np.random.default_rng(0), {})
        assert arm.state().faults == ()
    assert len(refused) == 6
    client.close()
    other.close()
    server.stop()


def test_after_a_stop_a_person_gets_time_before_the_arms_move(caplog):
    server, places = ServerThread(), []
    client = server.client()
    with RemoteRobot(client, "arm") as arm:
        arm.reset(np.array([0.3, 0.1, 0.4]))
        scene = HandScene(1.0, lambda _: places.append(arm.state().q))
        assert scene.evaluate(None, [Event(name="stop", stamp_ns=0, device="keyboard")]).truncated
        for _ in range(2):
            scene.reset({"arm": arm}, np.random.default_rng(0), {})
        np.testing.assert_allclose(places[:2], [[0.3, 0.1, 0.4]] * 2, atol=0.01)
        np.testing.assert_allclose(places[2:], [arm.spec.q_home] * 4, atol=0.01)
    said = [record.getMessage() for record in caplog.records if "hand" in record.name]
    assert [line.split(":")[0] for line in said] == ["stopped", "set the scene up", "set the scene up"]
    client.close()
    server.stop()


@pytest.mark.parametrize(
    ("signals", "success", "failure", "terminated", "truncated"),
    [
        ([], False, False, False, False),
        (["success"], True, False, True, False),
        (["failure"], False, True, True, False),
        (["failure", "success"], True, False, True, False),
        (["stop"], False, False, False, True),
    ],
)
def test_what_a_person_signals_is_the_verdict(signals, success, failure, terminated, truncated):
    events = [Event(name=name, stamp_ns=0, device="keyboard") for name in signals]
    outcome = HandScene(0.0).evaluate(None, events)
    found = outcome.success, outcome.failure, outcome.terminated, outcome.truncated
    assert found == (success, failure, terminated, truncated)
    assert outcome.reward == float(success)
