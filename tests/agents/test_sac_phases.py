import dataclasses

import numpy as np
import pytest
import torch
from sac_toys import fill_replay, make_spec, random_obs, small_sac, step_agent

from robolearn.agents.sac.agent import SacAgent
from robolearn.agents.sac.config import ActorConfig, BcConfig, CriticConfig, EncoderConfig
from robolearn.core.errors import ConfigError, SpecError
from robolearn.core.learning import Progress
from robolearn.core.types import Mode, Previous

FROZEN = EncoderConfig(patch=4, channels=[8, 8], bottleneck=8, shift=2, copies=3)
DEMOS = {"any": 50, "demo": 30, "online": 20}


def make(seed=0, **changes) -> SacAgent:
    return SacAgent(small_sac(**changes), make_spec(), seed)


def test_phases_follow_each_other_and_cloning_is_a_milestone():
    agent = make(encoder=FROZEN, bc=BcConfig(updates=30, batch=8), critic=CriticConfig(warmup=10), warmup_steps=5)
    replay, rng = fill_replay(agent.spec), np.random.default_rng(0)
    plans = []
    for env_steps in [0, 0, 0, 0, 2, 5, 6, 7]:
        plan = agent.plan(Progress(env_steps=env_steps, rows=replay.rows()))
        plans.append((plan.collect, plan.updates, plan.milestone, dict(plan.batch.mix) if plan.batch else None))
        for _ in range(plan.updates):
            agent.update(replay.sample(plan.batch, rng))
    both = {"demo": 0.5, "online": 0.5}
    assert plans == [
        (0, 25, None, {"demo": 1.0}),
        (0, 5, None, {"demo": 1.0}),
        (0, 0, "bc", None),
        (0, 10, None, {"demo": 1.0}),
        (1, 0, None, None),
        (1, 0, None, both),
        (1, 1, None, both),
        (1, 1, None, both),
    ]


def test_without_demonstrations_cloning_is_skipped_and_the_first_actions_are_uniform():
    agent = make(bc=BcConfig(updates=30), warmup_steps=10)
    plan = agent.plan(Progress(env_steps=0, rows={"any": 0}))
    assert (plan.collect, plan.updates, plan.milestone) == (1, 0, None)
    obs = random_obs(agent.spec, 16, np.random.default_rng(0))

    def act(mode, rng):
        return agent.act(obs, None, Previous.start(16, 2), mode, rng).action

    expected = np.random.default_rng(5).uniform(-1, 1, (16, 2)).astype(np.float32)
    np.testing.assert_array_equal(act(Mode.EXPLORE, np.random.default_rng(5)), expected)
    assert np.abs(act(Mode.EXPLOIT, np.random.default_rng(5))).max() < 0.5
    copy = make(seed=1, warmup_steps=10)
    copy.load_policy_state(agent.policy_state())
    assert bool(copy.policy.actor.uniform)
    agent.plan(Progress(env_steps=10, rows={"any": 10}))
    assert act(Mode.EXPLORE, np.random.default_rng(5)).std() < 0.5


def test_the_average_is_the_cloned_actor_then_trails_the_reinforced_one_and_is_what_exploits():
    actor = ActorConfig(wait=0, every=1, tau=0.25)
    agent = make(bc=BcConfig(updates=5, batch=8), actor=actor, warmup_steps=1)
    replay, rng = fill_replay(agent.spec), np.random.default_rng(0)

    def weights(network):
        return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])

    step_agent(agent, replay, rng, 5, env_steps=0)
    assert torch.equal(weights(agent.policy.average), weights(agent.policy.actor))
    before = weights(agent.policy.average)
    step_agent(agent, replay, rng, 1)
    expected = 0.75 * before + 0.25 * weights(agent.policy.actor)
    torch.testing.assert_close(weights(agent.policy.average), expected)
    assert not torch.equal(weights(agent.policy.average), weights(agent.policy.actor))
    obs = random_obs(agent.spec, 4, rng)
    greedy = agent.act(obs, None, Previous.start(4, 2), Mode.EXPLOIT, rng).action
    with torch.no_grad():
        for parameter in agent.policy.actor.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(agent.act(obs, None, Previous.start(4, 2), Mode.EXPLOIT, rng).action, greedy)


def test_updates_keep_the_ratio():
    agent = make(updates_per_step=0.5, warmup_steps=10)
    updates = [agent.plan(Progress(env_steps=n, rows={"any": n})).updates for n in range(1, 21)]
    assert sum(updates) == 5
    assert max(updates) == 1


def test_cloning_needs_fewer_columns_and_its_loss_falls():
    agent = make(encoder=FROZEN, bc=BcConfig(updates=60, batch=36, lr=3e-3))
    metrics = step_agent(agent, fill_replay(agent.spec, online=0), np.random.default_rng(0), 60, env_steps=0)
    losses = [m["bc_loss"] for m in metrics]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


@pytest.mark.parametrize("freeze", ["all", "trunk"])
def test_rl_on_a_frozen_encoder_moves_only_what_is_behind_the_cache(freeze):
    encoder = EncoderConfig(patch=4, channels=[8, 8], bottleneck=8, shift=2, copies=3, freeze=freeze)
    agent = make(encoder=encoder, bc=BcConfig(updates=5))
    replay, rng = fill_replay(agent.spec), np.random.default_rng(0)
    step_agent(agent, replay, rng, 5, env_steps=0)
    agent.plan(Progress(rows=replay.rows()))
    trunk = [p.clone() for p in agent.policy.encoder.trunk.parameters()]
    bottleneck = agent.policy.encoder.bottleneck.linear.weight.clone()
    step_agent(agent, replay, rng, 10)
    assert all(torch.equal(a, b) for a, b in zip(trunk, agent.policy.encoder.trunk.parameters(), strict=True))
    assert torch.equal(bottleneck, agent.policy.encoder.bottleneck.linear.weight) == (freeze == "all")


def test_end_to_end_rl_trains_the_encoder():
    agent = make(bc=BcConfig(updates=0))
    before = [p.clone() for p in agent.policy.encoder.parameters()]
    step_agent(agent, fill_replay(agent.spec), np.random.default_rng(0), 2)
    assert not any(torch.equal(a, b) for a, b in zip(before, agent.policy.encoder.parameters(), strict=True))


def column_of(agent):
    plan = agent.plan(Progress(env_steps=50, rows=DEMOS))
    while plan.batch is None or not plan.batch.derived:
        plan = agent.plan(Progress(env_steps=50, rows=DEMOS))
    return plan.batch


def cloned_agent(seed=0, **changes) -> SacAgent:
    agent = make(seed, encoder=EncoderConfig(patch=4, channels=[8, 8], bottleneck=8, copies=3, **changes))
    agent._phases[0].updates = agent.cfg.bc.updates
    return agent


def test_cached_features_without_shift_are_what_the_encoder_gives():
    agent = cloned_agent(shift=0)
    batch = fill_replay(agent.spec).sample(column_of(agent), np.random.default_rng(0))
    full = fill_replay(agent.spec).sample(_live_batch(agent), np.random.default_rng(0))
    np.testing.assert_array_equal(batch["index"], full["index"])
    frames = [torch.from_numpy(full[f"obs/pixels/{camera}"]) for camera in ("front", "wrist")]
    with torch.no_grad():
        expected = agent.policy.encoder(frames).numpy()
    np.testing.assert_allclose(batch["derived/features"], expected, atol=1e-5)
    assert not any(key.startswith("obs/pixels") for key in batch)


def _live_batch(agent):
    return dataclasses.replace(column_of(agent), columns=None)


def test_cached_features_depend_on_the_row_alone():
    agent = cloned_agent(shift=2)
    column = column_of(agent).derived[0]
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (37, 16, 16, 3), dtype=np.uint8) for name in column.inputs}
    once = column.fn(images)
    assert once.shape == (37, 3, 8)
    order = rng.permutation(37)
    np.testing.assert_array_equal(column.fn({k: v[order] for k, v in images.items()}), once[order])
    np.testing.assert_array_equal(column.fn({k: v[5:6] for k, v in images.items()}), once[5:6])
    assert len(np.unique(once[0], axis=0)) > 1
    other = column_of(cloned_agent(seed=1, shift=2)).derived[0]
    assert other.version != column.version


def test_the_version_of_the_cache_changes_with_the_weights():
    agent = make(encoder=FROZEN, bc=BcConfig(updates=5))
    before = agent.encoding.version
    replay = fill_replay(agent.spec)
    step_agent(agent, replay, np.random.default_rng(0), 5, env_steps=0)
    agent.plan(Progress(rows=replay.rows()))
    frozen = agent.encoding.version
    assert frozen != before
    step_agent(agent, replay, np.random.default_rng(0), 4)
    assert column_of(agent).derived[0].version == frozen
    agent.load_policy_state(make(seed=9, encoder=FROZEN).policy_state())
    assert column_of(agent).derived[0].version != frozen


def test_a_random_encoder_is_not_frozen():
    agent = make(encoder=FROZEN)
    with pytest.raises(ConfigError, match="demonstrations"):
        agent.plan(Progress(rows={"any": 0}))


def test_a_batch_without_a_needed_column_is_refused():
    agent = make()
    plan = agent.plan(Progress(env_steps=9, rows={"any": 9}))
    batch = fill_replay(agent.spec).sample(plan.batch, np.random.default_rng(0))
    del batch["next_obs/pixels/wrist"]
    with pytest.raises(SpecError, match="next_obs/pixels/wrist"):
        agent.update(batch)


def test_cloning_follows_what_was_intended_not_the_noise_on_top_of_it():
    agent = make(encoder=FROZEN, bc=BcConfig(updates=60, batch=36, lr=3e-3))
    batch = fill_replay(agent.spec, online=0).sample(agent.plan(Progress(rows=DEMOS)).batch, np.random.default_rng(0))
    intended = np.full_like(batch["action"], 0.5)
    losses = [float(agent.update(batch | {"extra/intended": intended})["bc_loss"]) for _ in range(60)]
    assert losses[-1] < 0.01
    obs = {key.removeprefix("obs/"): value for key, value in batch.items() if key.startswith("obs/")}
    greedy = agent.act(obs, None, Previous.start(36, 2), Mode.EXPLOIT, np.random.default_rng(0)).action
    np.testing.assert_allclose(greedy, 0.5, atol=0.2)


def test_the_learning_rate_of_cloning_falls_to_nothing_and_starts_anew_with_each_refresh():
    encoder = dataclasses.replace(FROZEN, refresh_at=[1], refresh_updates=4)
    agent = make(encoder=encoder, bc=BcConfig(updates=8, batch=8, lr=1e-3, cooldown=0.5))
    replay, rng = fill_replay(agent.spec), np.random.default_rng(0)

    def rates(env_steps: int, updates: int) -> list[float]:
        plan = agent.plan(Progress(env_steps=env_steps, rows=replay.rows()))
        assert plan.updates == updates
        found = []
        for _ in range(updates):
            agent.update(replay.sample(plan.batch, rng))
            found.append(agent._cloner.optimiser.param_groups[0]["lr"])
        return found

    assert rates(0, 8) == pytest.approx([1e-3] * 5 + [7.5e-4, 5e-4, 2.5e-4])
    assert agent.plan(Progress(env_steps=0, rows=replay.rows())).milestone == "bc"
    assert rates(1, 4) == pytest.approx([1e-3] * 3 + [5e-4])
