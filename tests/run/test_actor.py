"""The actor's loop: what it has seen is in its log before it begins anything that takes long or may fail."""

import threading

import numpy as np
import pytest
from toy import SPEC, CountEnv, NoisePolicy

from robolearn.core.errors import DriverError
from robolearn.core.rng import spawn
from robolearn.core.types import Mode
from robolearn.envs.dress import vectorised
from robolearn.replay import Replay
from robolearn.run.actor import PaceConfig, act
from robolearn.run.inbox import COLUMNS, Inbox, InboxConfig
from robolearn.run.link import LearnerLink, LinkConfig
from robolearn.run.rollout import Rollout
from robolearn.run.steplog import StepLog
from robolearn.wire.training import TRAINING, Join, decode_step, fingerprint

CONFIG = "agent: noise\n"
ANY = "tcp://127.0.0.1:*"
LENGTHS = (3, 7, 5)
"""Steps of the first episodes, on seeds 0, 1, 2."""


class HomingEnv(CountEnv):
    """Tells of each reset before it begins."""

    def __init__(self, on_reset) -> None:
        super().__init__()
        self.on_reset, self.resets = on_reset, 0

    def reset(self, **words):
        self.resets += 1
        self.on_reset(self.resets)
        return super().reset(**words)


class Noise(NoisePolicy):
    def load_policy_state(self, state) -> None:
        """Learn nothing."""


@pytest.fixture
def learner(tmp_path):
    """Yield the inbox of a learner at work, and what lets it finish."""
    replay = Replay(SPEC, 1_000, extra=COLUMNS, directory=tmp_path / "replay")
    cfg = InboxConfig(steps=ANY, weights=ANY, publish_s=0.0, idle_s=0.002, farewell_s=0.1)
    inbox = Inbox(cfg, CONFIG, SPEC, replay, lambda: {"w": np.zeros(1, np.float32)}, tmp_path / "actors.json")
    finish, ended = threading.Event(), threading.Event()

    def work() -> None:
        while not ended.is_set():
            for stream, rows in inbox.step(1).steps.items():
                replay.put(rows, stream)
            if finish.is_set():
                inbox.finish()

    thread = threading.Thread(target=work)
    thread.start()
    yield inbox, finish
    ended.set()
    thread.join()
    inbox.close()
    replay.close()


@pytest.fixture
def actor(learner, tmp_path):
    """Yield a link to the learner, its log, and what acts in an env."""
    steps, weights = learner[0].endpoints
    with StepLog(tmp_path / "steps.log") as log:
        hello = Join(version=TRAINING, actor="left", log=log.id, config=fingerprint(CONFIG), spec=SPEC)
        with LearnerLink(LinkConfig(steps=steps, weights=weights, retry_s=0.05), log, hello) as link:

            def run(env, stop=lambda: False, on_episode=lambda _: None, **pace):
                policy = Noise()
                words = {"mode": Mode.EXPLORE, "rng": spawn(0), "seed_of": lambda _, episode: episode}
                rollout = Rollout(vectorised(env), policy, **words)
                return act(rollout, policy, link, PaceConfig(**pace), stop, on_episode)

            yield link, log, run


def test_the_end_of_an_episode_is_in_the_log_when_the_next_reset_begins(actor):
    _, log, run = actor
    logged = []

    def fail_late(number):
        logged.append(len(log))
        if number == 3:
            raise DriverError("arm", expected="a way home", got="none")

    with pytest.raises(DriverError, match="a way home"):
        run(HomingEnv(fail_late))
    assert logged == [0, LENGTHS[0] + 1, sum(LENGTHS[:2]) + 2]
    steps = [decode_step(log[number]) for number in range(len(log))]
    assert [number for number, step in enumerate(steps) if step.is_last] == [3, 11]
    assert steps[2].rewards["task"] == 1.0


def test_a_stop_at_the_end_of_an_episode_drives_no_reset(actor):
    _, log, run = actor
    ended, env = [], HomingEnv(lambda _: None)
    assert run(env, lambda: len(ended) == 2, ended.append) == 2
    assert env.resets == 2
    assert len(log) == sum(LENGTHS[:2]) + 2


def test_a_learner_that_finishes_at_the_end_of_an_episode_drives_no_reset(actor, learner):
    link, log, run = actor
    env = HomingEnv(lambda _: None)

    def wait_until_over(_):
        learner[1].set()
        while not link.over:
            link.pump()

    assert run(env, on_episode=wait_until_over) == 1
    assert env.resets == 1
    assert len(log) == LENGTHS[0] + 1


def test_nothing_is_done_after_a_reset_in_which_a_stop_came(actor):
    _, log, run = actor
    resets = []
    assert run(HomingEnv(resets.append), lambda: len(resets) == 2) == 1
    assert len(log) == LENGTHS[0] + 1


def test_an_actor_that_has_waited_for_its_learner_resets_once(actor):
    link, _, run = actor
    ended, unsafe = [], []
    env = HomingEnv(lambda _: unsafe.append(link.unsafe))
    assert run(env, lambda: len(ended) == 5, ended.append, ahead=0) == 5
    assert env.resets == 5
    assert unsafe == [0] * 5
