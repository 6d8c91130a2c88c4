"""Actor and learner over real sockets: every step arrives exactly once, whichever side dies and when."""

import json
import shutil
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from episodes import SPEC, episode

from robolearn.bench.actors import same_step
from robolearn.core.errors import ConfigError
from robolearn.core.specs import ArraySpec
from robolearn.replay import Replay
from robolearn.run.inbox import COLUMNS, NUMBER, Inbox, InboxConfig, complete_mirror
from robolearn.run.link import LearnerLink, LinkConfig, inquire
from robolearn.run.steplog import StepLog
from robolearn.wire.training import TRAINING, Join, decode_step, encode_step, fingerprint

CONFIG = "agent: sac\n"
ANY = "tcp://127.0.0.1:*"
CAPACITY = 5_000
QUICK = {"publish_s": 0.0, "idle_s": 0.002, "quiet_s": 0.05, "farewell_s": 0.05}


class Learner:
    """An inbox with the replay that it fills, as a training loop fills it."""

    def __init__(self, folder, endpoints=(ANY, ANY), capacity=CAPACITY, **fields) -> None:
        self.folder, self.capacity, self.fields = folder, capacity, fields
        if (folder / "replay").exists():
            self.replay = Replay.open(folder / "replay", SPEC, capacity, extra=COLUMNS)
        else:
            self.replay = Replay(SPEC, capacity, extra=COLUMNS, directory=folder / "replay")
        steps, weights = endpoints
        cfg = InboxConfig(**{"steps": steps, "weights": weights, **QUICK, **fields})
        self.weights = {"w": np.zeros(3, np.float32)}
        self.inbox = Inbox(cfg, CONFIG, SPEC, self.replay, lambda: self.weights, folder / "actors.json")
        self.ended = []

    def step(self, version=0) -> None:
        tick = self.inbox.step(version)
        for stream, steps in tick.steps.items():
            self.replay.put(steps, stream)
        self.ended += tick.ended

    def killed(self, copies) -> "Learner":
        """Return a learner that starts from what is on disk now, as after `kill -9`."""
        copy = copies / f"learner{time.monotonic_ns()}"
        shutil.copytree(self.folder, copy)
        endpoints = self.inbox.endpoints
        self.inbox._sockets.close()
        self.replay.close()
        return Learner(copy, endpoints, self.capacity, **self.fields)


class Actor:
    """A link with its log."""

    def __init__(self, path, endpoints, name="left", spec=SPEC, config=CONFIG, **fields) -> None:
        self.log = StepLog(path)
        steps, weights = endpoints
        self.cfg = LinkConfig(**{"steps": steps, "weights": weights, "retry_s": 0.03, **fields})
        hello = Join(version=TRAINING, actor=name, log=self.log.id, config=fingerprint(config), spec=spec)
        self.link = LearnerLink(self.cfg, self.log, hello)

    def close(self) -> None:
        self.link.close()
        self.log.close()


def settled(actors, learner, seconds=10.0) -> None:
    deadline = time.monotonic() + seconds
    while any(actor.link.unsafe for actor in actors):
        assert time.monotonic() < deadline, [actor.link.unsafe for actor in actors]
        for actor in actors:
            actor.link.pump()
        learner.step()


def talk(actor, learner) -> None:
    for _ in range(500):
        actor.link.pump()
        learner.step()


def assert_equal_to_log(learner, actor, stream=0) -> None:
    stored = list(learner.replay.of_stream(stream))
    logged = [decode_step(actor.log[number]) for number in range(len(actor.log))]
    assert [int(step.extra[NUMBER]) for step in stored] == list(range(len(logged)))
    assert all(same_step(*pair) for pair in zip(stored, logged, strict=True))


@pytest.fixture
def learner(tmp_path):
    (tmp_path / "run").mkdir()
    learner = Learner(tmp_path / "run")
    yield learner
    learner.inbox.close()
    learner.replay.close()


def online(seed, length):
    return [replace(step, source="online", intervened=False) for step in episode(seed, length)]


def test_a_step_is_the_same_after_the_wire():
    for step in episode(3, 4):
        assert same_step(step, decode_step(encode_step(step)))


def test_steps_arrive_in_order_and_are_confirmed(learner, tmp_path):
    actor = Actor(tmp_path / "left.log", learner.inbox.endpoints)
    for seed in range(3):
        actor.link.put(online(seed, 40))
    settled([actor], learner)
    assert_equal_to_log(learner, actor)
    assert [end.length for end in learner.ended] == [40, 40, 40]
    assert [end.success for end in learner.ended] == [True] * 3
    assert [end.total for end in learner.ended] == [1.0] * 3
    actor.close()


def test_without_a_learner_steps_wait_and_nothing_blocks(tmp_path):
    actor = Actor(tmp_path / "left.log", ("tcp://127.0.0.1:9", "tcp://127.0.0.1:9"))
    start = time.monotonic()
    for seed in range(5):
        actor.link.put(online(seed, 40))
    assert time.monotonic() - start < 2.0
    assert actor.link.unsafe == len(actor.log) == 5 * 41
    actor.close()


def test_two_actors_keep_apart(learner, tmp_path):
    left = Actor(tmp_path / "left.log", learner.inbox.endpoints, "left")
    right = Actor(tmp_path / "right.log", learner.inbox.endpoints, "right")
    for seed in range(3):
        for step, other in zip(online(seed, 9), online(seed + 10, 9), strict=True):
            left.link.put([step])
            right.link.put([other])
    settled([left, right], learner)
    assert len(learner.replay.streams()) == 2
    known = json.loads((learner.folder / "actors.json").read_text())
    for actor, name in ((left, "left"), (right, "right")):
        assert_equal_to_log(learner, actor, known[f"{name}/{actor.log.id}"]["stream"])
    left.close()
    right.close()


def test_one_step_is_handed_on_at_a_time_and_what_waits_is_not_confirmed(learner, tmp_path):
    actor = Actor(tmp_path / "left.log", learner.inbox.endpoints)
    actor.link.put(online(0, 20))
    while not learner.replay.rows().get("online"):
        actor.link.pump()
        learner.step()
    before = len(learner.replay)
    learner.step()
    assert len(learner.replay) == before + 1
    actor.link.pump()
    assert actor.link.unsafe > 0
    settled([actor], learner)
    assert_equal_to_log(learner, actor)
    actor.close()


def test_an_actor_whose_steps_made_room_for_others_is_still_known_after_a_restart(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "copies").mkdir()
    learner = Learner(tmp_path / "run", capacity=60, remember_s=0.0)
    left = Actor(tmp_path / "left.log", learner.inbox.endpoints, "left")
    left.link.put(online(0, 20))
    settled([left], learner)
    right = Actor(tmp_path / "right.log", learner.inbox.endpoints, "right")
    for seed in range(1, 8):
        right.link.put(online(seed, 20))
    settled([left, right], learner)
    assert not list(learner.replay.of_stream(0))
    learner = learner.killed(tmp_path / "copies")
    time.sleep(0.1)
    left.link.put(online(9, 5))
    settled([left, right], learner)
    assert [int(step.extra[NUMBER]) for step in learner.replay.of_stream(0)] == list(range(21, 27))
    for end in (left, right, learner.inbox, learner.replay):
        end.close()


def test_a_demonstration_is_no_step_of_an_actor(learner, tmp_path):
    actor = Actor(tmp_path / "left.log", learner.inbox.endpoints)
    actor.link.put([replace(step, source="demo") for step in online(0, 3)])
    with pytest.raises(ConfigError, match="a demonstration"):
        talk(actor, learner)
    actor.close()


@pytest.mark.parametrize("seed", range(6))
def test_whoever_is_killed_and_when_replay_equals_the_log(seed, learner, tmp_path):
    rng = np.random.default_rng(seed)
    path, current = tmp_path / "left.log", learner
    actor = Actor(path, current.inbox.endpoints, window=16)
    copies = tmp_path / "copies"
    copies.mkdir()
    todo = [step for number in range(12) for step in online(number, int(rng.integers(1, 25)))]
    deaths = {"actor": 0, "learner": 0}
    while todo:
        what = rng.choice(["put", "learn", "actor", "learner"], p=[0.55, 0.4, 0.025, 0.025])
        if what == "put":
            actor.link.put([todo.pop(0)])
        elif what == "learn":
            current.step()
        elif what == "actor":
            actor.close()
            actor = Actor(path, current.inbox.endpoints, window=16)
        else:
            current = current.killed(copies)
        if what in deaths:
            deaths[what] += 1
    settled([actor], current)
    assert_equal_to_log(current, actor)
    assert min(deaths.values()) > 0
    actor.close()
    current.inbox.close()
    current.replay.close()


def test_weights_come_versioned_and_only_once(learner, tmp_path):
    actor = Actor(tmp_path / "left.log", learner.inbox.endpoints)
    learner.weights = {"w": np.arange(3, dtype=np.float32)}
    found = None
    deadline = time.monotonic() + 5.0
    while found is None and time.monotonic() < deadline:
        actor.link.pump()
        learner.step(7)
        found = actor.link.latest()
    assert found is not None
    assert found[0] == actor.link.version == 7
    assert np.array_equal(found[1]["w"], learner.weights["w"])
    for _ in range(20):
        learner.step(7)
        actor.link.pump()
        assert actor.link.latest() is None
    actor.close()


@pytest.fixture
def patient(tmp_path):
    """Yield a learner that waits for its actors in the end."""
    (tmp_path / "run").mkdir()
    learner = Learner(tmp_path / "run", farewell_s=20.0)
    yield learner
    learner.inbox.close()
    learner.replay.close()


@pytest.mark.parametrize("busy_s", [0.0, 2.0])
def test_the_end_is_told_also_to_an_actor_that_is_busy_with_its_robot(busy_s, patient, tmp_path):
    actor = Actor(tmp_path / "left.log", patient.inbox.endpoints)
    actor.link.put(online(0, 5))
    settled([actor], patient)
    patient.inbox.finish()
    end = threading.Thread(target=patient.inbox.close)
    end.start()
    time.sleep(busy_s)
    while not actor.link.over and end.is_alive():
        actor.link.pump()
        time.sleep(0.01)
    end.join()
    assert actor.link.over
    actor.close()


def test_in_the_end_nobody_waits_for_an_actor_that_has_gone(patient, tmp_path):
    actor = Actor(tmp_path / "left.log", patient.inbox.endpoints)
    actor.link.put(online(0, 5))
    settled([actor], patient)
    actor.close()
    begun = time.monotonic()
    patient.inbox.finish()
    patient.inbox.close()
    assert time.monotonic() - begun < 5.0


def test_an_interrupted_learner_is_waited_for_as_one_that_was_killed(learner, tmp_path):
    actor = Actor(tmp_path / "left.log", learner.inbox.endpoints)
    actor.link.put(online(0, 5))
    settled([actor], learner)
    learner.inbox.close()
    for _ in range(50):
        actor.link.pump()
        time.sleep(0.002)
    assert not actor.link.over
    actor.close()


@pytest.mark.parametrize("wrong", ["version", "config", "spec"])
def test_an_actor_that_does_not_fit_is_told_why(wrong, learner, tmp_path):
    spec = replace_spec(SPEC) if wrong == "spec" else SPEC
    actor = Actor(
        tmp_path / "left.log", learner.inbox.endpoints, spec=spec, config="x" if wrong == "config" else CONFIG
    )
    if wrong == "version":
        actor.link._hello = Join(version=99, actor="left", log=actor.log.id, config=fingerprint(CONFIG), spec=spec)
    named = {"version": "version 1", "config": "configuration", "spec": "pixels/front"}[wrong]
    with pytest.raises(ConfigError, match=named):
        talk(actor, learner)
    actor.close()


def replace_spec(spec):
    import msgspec

    return msgspec.structs.replace(spec, obs={**spec.obs, "pixels/front": ArraySpec((8, 8, 3), "uint8", 0, 255)})


def test_a_log_that_was_put_back_is_refused(learner, tmp_path):
    path = tmp_path / "left.log"
    actor = Actor(path, learner.inbox.endpoints)
    actor.link.put(online(0, 5))
    early = path.read_bytes()
    actor.link.put(online(1, 5))
    settled([actor], learner)
    actor.close()
    path.write_bytes(early)
    time.sleep(0.1)
    actor = Actor(path, learner.inbox.endpoints)
    with pytest.raises(ConfigError, match="put back"):
        talk(actor, learner)
    actor.close()


def test_random_messages_harm_nobody(learner, tmp_path):
    import zmq

    rng = np.random.default_rng(0)
    actor = Actor(tmp_path / "left.log", learner.inbox.endpoints)
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.setsockopt(zmq.LINGER, 0)
        stranger.connect(learner.inbox.endpoints[0])
        for number in range(300):
            frames = [rng.bytes(int(rng.integers(0, 60))) for _ in range(int(rng.integers(1, 4)))]
            stranger.send_multipart(frames)
            if number % 50 == 0:
                actor.link.put(online(number, 3))
            learner.step()
        settled([actor], learner)
    assert_equal_to_log(learner, actor)
    actor.close()


def test_the_configuration_of_a_run_can_be_asked_for(learner):
    told = []
    cfg = LinkConfig(steps=learner.inbox.endpoints[0], retry_s=0.05)
    thread = threading.Thread(target=lambda: told.append(inquire(cfg, lambda: False)))
    thread.start()
    deadline = time.monotonic() + 5.0
    while thread.is_alive() and time.monotonic() < deadline:
        learner.step()
    thread.join(1.0)
    assert told == [CONFIG]


class Flip:
    """A mirror of a world in which left is right."""

    def steps(self, steps):
        return [replace(step, action=-step.action) for step in steps]


def test_mirror_images_that_a_kill_left_out_are_made_up(learner, tmp_path):
    actor = Actor(tmp_path / "left.log", learner.inbox.endpoints)
    actor.link.put(online(0, 6))
    settled([actor], learner)
    steps = list(learner.replay.of_stream(0))
    learner.replay.put(Flip().steps(steps[:4]), 500)
    complete_mirror(learner.replay, Flip(), 500)
    images = list(learner.replay.of_stream(500))
    assert [int(step.extra[NUMBER]) for step in images] == list(range(7))
    assert all(np.array_equal(image.action, -step.action) for image, step in zip(images, steps, strict=True))
    actor.close()
