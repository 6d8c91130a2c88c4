"""What every agent must do, whatever it observes and however it learns."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sac_toys import fill_replay, make_spec, random_obs, small_sac, step_agent

from robolearn.agents.sac.agent import SacAgent
from robolearn.agents.sac.config import BcConfig, CriticConfig, EncoderConfig
from robolearn.core.errors import CheckpointError, SpecError
from robolearn.core.learning import Progress
from robolearn.core.types import Mode, Previous

SMALL = {"patch": 4, "channels": [8, 8], "bottleneck": 8, "shift": 2}
CLONE = BcConfig(updates=6, batch=8)


def sac(spec, **changes) -> Callable[[int], SacAgent]:
    return lambda seed: SacAgent(small_sac(**changes), spec, seed)


BOTH = make_spec()
AGENTS = {
    "sac-images": sac(BOTH, bc=CLONE),
    "sac-state": sac(make_spec(images=False), bc=CLONE, critic=CriticConfig(ensemble=4, subset=2)),
    "sac-both": sac(BOTH, bc=BcConfig(updates=0), observe="both"),
    "sac-pixels-only": sac(make_spec(vectors=False), bc=CLONE),
    "sac-conv": sac(BOTH, encoder=EncoderConfig(kind="conv", freeze="none", **SMALL), bc=CLONE),
    "sac-vit": sac(BOTH, encoder=EncoderConfig(kind="vit", freeze="none", **SMALL), bc=CLONE),
    "sac-frozen": sac(BOTH, encoder=EncoderConfig(freeze="all", copies=2, **SMALL), bc=CLONE),
    "sac-frozen-trunk": sac(BOTH, encoder=EncoderConfig(freeze="trunk", copies=2, **SMALL), bc=CLONE),
}


@pytest.fixture(params=AGENTS)
def make(request):
    torch.set_num_threads(1)
    return AGENTS[request.param]


def act(agent, obs, mode=Mode.EXPLOIT, seed=0):
    rows = len(next(iter(obs.values())))
    prev = Previous.start(rows, agent.spec.action.size)
    return agent.act(obs, agent.initial(rows), prev, mode, np.random.default_rng(seed)).action


def obs_of(agent, rows=5):
    return random_obs(agent.spec, rows, np.random.default_rng(1))


def learn(agent, updates=12, seed=0):
    return step_agent(agent, fill_replay(agent.spec), np.random.default_rng(seed), updates)


def equal(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.parametrize("mode", list(Mode))
def test_actions_are_bounded_float32_rows(make, mode):
    agent = make(0)
    for rows in (1, 5):
        action = act(agent, obs_of(agent, rows), mode)
        assert action.dtype == np.float32
        assert action.shape == (rows, 2)
        assert np.abs(action).max() <= 1.0


def test_all_randomness_of_acting_comes_from_the_generator_given(make):
    agent = make(0)
    obs = obs_of(agent)
    first = act(agent, obs, Mode.EXPLORE, seed=3)
    torch.manual_seed(99)
    np.testing.assert_array_equal(act(agent, obs, Mode.EXPLORE, seed=3), first)
    assert not np.array_equal(act(agent, obs, Mode.EXPLORE, seed=4), first)
    np.testing.assert_array_equal(act(agent, obs, seed=3), act(agent, obs, seed=4))


def test_acting_changes_neither_observation_nor_agent(make):
    agent = make(0)
    obs = obs_of(agent)
    before, state = {k: v.copy() for k, v in obs.items()}, agent.state_dict()
    act(agent, obs, Mode.EXPLORE)
    assert all(np.array_equal(before[k], obs[k]) for k in obs)
    assert equal(agent.state_dict(), state)


@pytest.mark.parametrize("fault", ["missing", "shape", "dtype", "no batch"])
def test_a_wrong_observation_is_refused_by_name(make, fault):
    agent = make(0)
    obs = obs_of(agent)
    key = agent.layout.keys[-1]
    match fault:
        case "missing":
            del obs[key]
        case "shape":
            obs[key] = obs[key][:, :-1]
        case "dtype":
            obs[key] = obs[key].astype(np.float64)
        case "no batch":
            obs[key] = obs[key][0]
    with pytest.raises(SpecError, match=key):
        act(agent, obs)


def test_equal_seeds_give_equal_agents_and_others_do_not(make):
    first, second, other = make(3), make(3), make(4)
    assert learn(first) == learn(second)
    assert equal(first.state_dict(), second.state_dict())
    assert not equal(first.state_dict()["policy"], other.state_dict()["policy"])


def test_updates_leave_batch_and_global_generators_alone(make):
    agent = make(0)
    replay = fill_replay(agent.spec)
    plan = agent.plan(Progress(env_steps=50, rows=replay.rows()))
    batch = replay.sample(plan.batch, np.random.default_rng(0))
    before = {k: v.copy() for k, v in batch.items()}
    state = torch.random.get_rng_state()
    metrics = agent.update(batch)
    assert all(np.array_equal(before[k], batch[k]) for k in batch)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(np.isfinite(float(v)) for v in metrics.values())


@pytest.mark.parametrize("stop", [4, 9])
def test_training_goes_on_after_a_restore_as_if_it_had_not_stopped(make, stop):
    straight, rng = make(0), np.random.default_rng(0)
    replay = fill_replay(straight.spec)
    step_agent(straight, replay, rng, stop)
    file = io.BytesIO()
    torch.save(straight.state_dict(), file)
    draws = rng.bit_generator.state
    expected = step_agent(straight, replay, rng, 8)

    resumed = make(77)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))  # noqa: TID251
    rng.bit_generator.state = draws
    assert step_agent(resumed, fill_replay(resumed.spec), rng, 8) == expected
    assert equal(resumed.state_dict(), straight.state_dict())


def test_a_policy_that_travels_acts_the_same(make):
    agent, copy = make(0), make(5)
    learn(agent)
    obs = obs_of(agent)
    pointers = [p.data_ptr() for p in copy.policy.parameters()]
    copy.load_policy_state({name: array.copy() for name, array in agent.policy_state().items()})
    np.testing.assert_array_equal(act(agent, obs), act(copy, obs))
    np.testing.assert_array_equal(act(agent, obs, Mode.EXPLORE), act(copy, obs, Mode.EXPLORE))
    assert [p.data_ptr() for p in copy.policy.parameters()] == pointers


def test_what_a_policy_gave_away_does_not_change_by_learning(make):
    agent = make(0)
    given = agent.policy_state()
    kept = {name: array.copy() for name, array in given.items()}
    learn(agent)
    assert all(np.array_equal(given[name], kept[name]) for name in given)
    assert any(not np.array_equal(given[name], array) for name, array in agent.policy_state().items())


def test_foreign_states_are_refused_and_change_nothing(make):
    agent = make(0)
    state, before = dict(agent.policy_state()), agent.state_dict()
    name = next(iter(state))
    with pytest.raises(CheckpointError, match="missing"):
        agent.load_policy_state({k: v for k, v in state.items() if k != name})
    with pytest.raises(CheckpointError):
        agent.load_policy_state({**state, name: np.zeros((1, 2, 3), np.float32)})
    with pytest.raises(CheckpointError):
        agent.load_state_dict({})
    assert equal(agent.state_dict(), before)
