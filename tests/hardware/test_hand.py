"""A robot that is no twin: a person sets the scene up and judges."""

import numpy as np
import pytest
from served import ServerThread

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
    assert waits == [3.0]
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
