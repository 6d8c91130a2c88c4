"""The task of a twin, seen from its client."""

from collections.abc import Mapping, Sequence

import numpy as np

from robolearn.core.errors import ConfigError
from robolearn.core.protocols import Event, Outcome, RobotDriver, StepContext, Task
from robolearn.core.rng import next_seed
from robolearn.core.types import Array
from robolearn.hardware.bridge.client import BridgeClient, RemoteRobot
from robolearn.wire.messages import Begin


class RemoteScene(Task):
    """The task of a twin: its server sets the scene up, and judges it.

    Args:
        client: Of the twin.
    """

    def __init__(self, client: BridgeClient) -> None:
        if not client.welcome.has_scene:
            raise ConfigError("task", expected="a twin, which has a scene", got="a robot", fix="HandScene")
        self._client = client

    def reset(self, arms: Mapping[str, RobotDriver], rng: np.random.Generator, options: Mapping[str, object]) -> None:
        """Have the server set an episode up: just after seeding, the one that a simulation has of that seed. One that was restarted is greeted anew.

        Raises:
            DriverError: If it cannot.
        """
        del options
        client, seed = self._client, next_seed(rng)
        client.make_up()
        for arm in arms.values():
            if isinstance(arm, RemoteRobot):
                arm.hold()
        before, session = client.wait_for_states().episode, client.welcome.session
        client.request(lambda n: Begin(id=n, session=session, seed=seed), client.cfg.reset_s)
        client.wait_for_states(lambda states: states.episode > before)

    def evaluate(self, ctx: StepContext, events: Sequence[Event]) -> Outcome:
        """Return the server's verdict; what a person signals counts as well: `success`, `failure`, or `stop`, which ends the episode without one."""
        del ctx
        signals = {event.name for event in events}
        states = self._client.states()
        success = "success" in signals or (states is not None and states.success)
        failure = "failure" in signals and not success
        ended = success or failure
        stopped = "stop" in signals and not ended
        return Outcome(reward=float(success), success=success, failure=failure, terminated=ended, truncated=stopped)

    def state(self) -> Mapping[str, Array]:
        """Return nothing: a robot knows no more than it senses."""
        return {}
