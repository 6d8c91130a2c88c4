"""What every replay must do, kept in memory, written to disk, or read back from there."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from robolearn.core.learning import BatchSpec, DerivedColumn, View
from robolearn.core.protocols import StepSink
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import Source, Step, last_step
from robolearn.replay import Replay

SPEC = EnvSpec(
    obs={
        "pixels/front": ArraySpec((12, 16, 3), "uint8"),
        "pixels/wrist": ArraySpec((8, 8, 3), "uint8"),
        "proprio/arm.q": ArraySpec((7,), "float32"),
        "state/cube": ArraySpec((3,), "float32"),
    },
    action=ActionSpec((ActionPart(arm="arm", kind=ActionKind.JOINT_DELTA, size=7),)),
    rate_hz=10.0,
    max_steps=20,
)
EXTRA = {"log_prob": ArraySpec((), "float32")}
Fill = Callable[[Sequence[tuple[int, Sequence[Step]]]], Replay]


def episode(seed: int, actions: int, *, terminated: bool, source: Source = Source.ONLINE) -> list[Step]:
    rng = np.random.default_rng(seed)

    def observation():
        return {
            key: rng.integers(0, 256, s.shape).astype(s.dtype)
            if s.dtype == "uint8"
            else rng.normal(size=s.shape).astype(np.float32)
            for key, s in SPEC.obs.items()
        }

    steps = [
        Step(
            obs=observation(),
            action=rng.uniform(-1, 1, 7).astype(np.float32),
            rewards={"task": float(rng.normal()), "bonus": 1.0},
            is_first=t == 0,
            intervened=bool(rng.random() < 0.3),
            success=terminated and t == actions - 1,
            source=source,
            extra={"log_prob": np.array(rng.normal(), np.float32)},
        )
        for t in range(actions)
    ]
    return [*steps, last_step(steps[-1], observation(), terminated)]


EPISODES = [
    (0, episode(0, 9, terminated=True, source=Source.DEMO)),
    (1, episode(1, 20, terminated=False)),
    (2, episode(2, 1, terminated=False)),
    (1, episode(3, 13, terminated=True)),
]


@pytest.fixture(params=["memory", "disk", "read back", "rolled back"])
def fill(request, tmp_path) -> Fill:
    def build(episodes):
        columns = {"rewards": ("task", "bonus"), "extra": EXTRA}
        replay = Replay(SPEC, 200, **columns, directory=None if request.param == "memory" else tmp_path / "r")
        for stream, steps in episodes:
            replay.put(steps, stream)
        if request.param == "memory" or request.param == "disk":
            return replay
        mark = replay.mark()
        if request.param == "rolled back":
            replay.put(episode(99, 17, terminated=True), 1)
        replay.close()
        replay = Replay.open(tmp_path / "r", SPEC, 200, **columns)
        if request.param == "rolled back":
            replay.rollback(mark)
        return replay

    return build


SPECS = [
    BatchSpec(size=32, n_step=3, mix={"demo": 0.5, "online": 0.5}),
    BatchSpec(view=View.SEQUENCES, size=8, length=6),
    BatchSpec(view=View.CHUNKS, size=16, horizon=5, mix={"intervention": 1.0}),
]


def test_it_is_a_step_sink(fill):
    sink: StepSink = fill([])
    sink.put(EPISODES[0][1], 3)


def test_rows_count_the_steps_that_can_be_drawn(fill):
    replay = fill(EPISODES)
    intervened = sum(s.intervened for _, steps in EPISODES for s in steps[:-1])
    won = sum(len(s) - 1 for _, s in EPISODES if s[-1].success and s[-1].source is not Source.DEMO)
    expected = {"any": 43, "demo": 9, "online": 34, "intervention": intervened, "success": won}
    assert won > 0
    assert replay.rows() == expected


def test_successes_are_drawn_from_won_online_episodes_alone(fill):
    replay = fill(EPISODES)
    batch = replay.sample(BatchSpec(size=64, mix={"success": 0.5, "any": 0.5}), np.random.default_rng(0))
    assert (batch["won"][:32] == 1.0).all()
    assert (batch["is_demo"][:32] == 0.0).all()
    assert 0.0 < batch["won"][32:].mean() < 1.0


def test_shapes_and_dtypes(fill):
    replay = fill(EPISODES)
    leads = {View.TRANSITIONS: (32,), View.SEQUENCES: (8, 6), View.CHUNKS: (16,)}
    for spec in SPECS:
        lead, batch = leads[spec.view], replay.sample(spec, np.random.default_rng(0))
        for key, array in SPEC.obs.items():
            sides = ("obs", "next_obs") if spec.view is View.TRANSITIONS else ("obs",)
            for side in sides:
                assert batch[f"{side}/{key}"].shape == (*lead, *array.shape)
                assert batch[f"{side}/{key}"].dtype == array.dtype
        actions = (16, 5, 7) if spec.view is View.CHUNKS else (*lead, 7)
        assert batch["action"].shape == actions
        assert batch["extra/log_prob"].shape == lead
        for key in ("is_demo", "intervened", "success"):
            assert (batch[key].shape, batch[key].dtype) == (lead, np.float32)
        assert all(value.flags.c_contiguous for value in batch.values())


def test_equal_seeds_give_equal_batches_and_others_do_not(fill):
    replay = fill(EPISODES)
    for spec in SPECS:
        one, two, other = (replay.sample(spec, np.random.default_rng(seed)) for seed in (4, 4, 5))
        assert all(np.array_equal(one[key], two[key]) for key in one)
        assert not np.array_equal(one["index"], other["index"])


def test_contents_alone_decide_what_is_drawn(fill):
    plain = Replay(SPEC, 200, rewards=("task", "bonus"), extra=EXTRA)
    for stream, steps in EPISODES:
        for step in steps:
            plain.add(step, stream)
    replay = fill(EPISODES)
    for spec in SPECS:
        one, two = (r.sample(spec, np.random.default_rng(1)) for r in (plain, replay))
        assert one.keys() == two.keys()
        assert all(np.array_equal(one[key], two[key]) for key in one)


def test_a_one_step_time_limit_is_not_an_end(fill):
    replay = fill([(0, episode(7, 1, terminated=False))])
    batch = replay.sample(BatchSpec(size=4, n_step=5, discount=0.9), np.random.default_rng(0))
    assert batch["discount"] == pytest.approx(np.full(4, 0.9))
    replay = Replay(SPEC, 200, rewards=("task", "bonus"))
    replay.put(episode(7, 1, terminated=True), 0)
    assert (replay.sample(BatchSpec(size=4), np.random.default_rng(0))["discount"] == 0).all()


def test_neither_side_shares_memory_with_the_store(fill):
    steps = episode(5, 3, terminated=True)
    replay = fill([(0, steps)])
    before = replay.sample(SPECS[1], np.random.default_rng(0))["obs/pixels/front"].copy()
    for step in steps:
        step.obs["pixels/front"][...] = 0
    batch = replay.sample(SPECS[1], np.random.default_rng(0))
    assert (batch["obs/pixels/front"] == before).all()
    for value in batch.values():
        value[...] = 0
    assert (replay.sample(SPECS[1], np.random.default_rng(0))["obs/pixels/front"] == before).all()


def test_derived_columns_are_those_of_their_rows(fill):
    replay = fill(EPISODES)
    column = DerivedColumn(
        name="mean",
        fn=lambda inputs: inputs["obs/pixels/wrist"].mean(axis=(1, 2), dtype=np.float32)[:, None],
        inputs=("obs/pixels/wrist",),
        shape=(3,),
        version=0,
    )
    batch = replay.sample(BatchSpec(size=64, derived=(column,)), np.random.default_rng(0))
    for side in ("", "next_"):
        mean = batch[f"{side}obs/pixels/wrist"].mean(axis=(1, 2), dtype=np.float32)
        assert batch[f"{side}derived/mean"] == pytest.approx(mean)
