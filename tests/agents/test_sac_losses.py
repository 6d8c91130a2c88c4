import math

import numpy as np
import pytest
import torch
from sac_toys import fill_replay, make_spec, small_sac

from robolearn.agents.sac.agent import SacAgent
from robolearn.agents.sac.config import ActorConfig, BcConfig, CriticConfig, TemperatureConfig
from robolearn.agents.sac.learner import demonstrated, demonstrated_or_won
from robolearn.agents.sac.losses import (
    actor_loss,
    clone_loss,
    critic_loss,
    hard_value,
    soft_value,
    temperature_loss,
)
from robolearn.core.learning import Progress
from robolearn.core.types import INTENDED

Q = torch.tensor([[1.0, 4.0], [3.0, 2.0]])
LOG_PROB = torch.tensor([-1.0, 2.0])
ALPHA = torch.tensor(0.5)


def test_critic_loss_by_hand():
    assert float(critic_loss(Q, torch.tensor([0.0, 2.0]))) == pytest.approx((1 + 4 + 9 + 0) / 4)


def test_values_by_hand():
    assert soft_value(Q, LOG_PROB, ALPHA).tolist() == [1.0 + 0.5, 2.0 - 1.0]
    assert hard_value(Q, LOG_PROB, ALPHA).tolist() == [1.0, 2.0]


def test_actor_loss_by_hand():
    assert float(actor_loss(Q, LOG_PROB, ALPHA)) == pytest.approx(((-0.5 - 2.0) + (1.0 - 3.0)) / 2)


def test_temperature_falls_where_entropy_is_above_its_target():
    alpha = torch.tensor(0.5, requires_grad=True)
    loss = temperature_loss(alpha, LOG_PROB, target_entropy=-1.0)
    assert float(loss.detach()) == pytest.approx(0.5 * (-0.5 + 1.0))
    loss.backward()
    assert alpha.grad is not None
    assert float(alpha.grad) > 0


def test_clone_loss_counts_demonstrations_only():
    mode, action = torch.tensor([[0.0, 1.0], [9.0, 9.0]]), torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    assert float(clone_loss(mode, action, torch.tensor([1.0, 0.0]))) == pytest.approx(0.5)
    assert float(clone_loss(mode, action, torch.zeros(2))) == 0.0


def targets_of(agent, tensors):
    return agent.learner.target_values(agent.learner.observe_next(tensors), tensors)


def learner_of(**changes):
    agent = SacAgent(small_sac(**changes), make_spec(images=False), seed=0)
    replay = fill_replay(agent.spec)
    plan = agent.plan(Progress(env_steps=9, rows={"any": 1}))
    assert plan.batch is not None
    return agent, replay.sample(plan.batch, np.random.default_rng(0))


def test_targets_bootstrap_through_time_limits_and_not_beyond_terminals():
    agent, batch = learner_of()
    batch["discount"][:8] = 0.0
    batch["discount"][8:] = 0.9
    target = targets_of(agent, agent.learner.tensors(batch))
    assert torch.equal(target[:8], torch.from_numpy(batch["reward"][:8]))
    assert not torch.isclose(target[8:], torch.from_numpy(batch["reward"][8:])).any()


def test_entropy_backup_changes_the_target_by_the_entropy():
    plain, batch = learner_of()
    soft, _ = learner_of(temperature=TemperatureConfig(start=0.3, backup=True))
    tensors = plain.learner.tensors(batch)
    x = plain.policy.join(None, plain.layout.vector(tensors, "next_obs/"))
    state = plain._generator.get_state()
    _, log_prob = plain.policy.actor(x).sample(plain.learner._noise(len(x)))
    plain._generator.set_state(state)
    difference = targets_of(soft, tensors) - targets_of(plain, tensors)
    torch.testing.assert_close(difference, tensors["discount"] * -0.3 * log_prob, rtol=1e-4, atol=1e-5)


def test_a_subset_of_targets_is_no_lower_than_all_of_them():
    small, batch = learner_of(critic=CriticConfig(ensemble=8, subset=1))
    full, _ = learner_of(critic=CriticConfig(ensemble=8, subset=8))
    tensors = small.learner.tensors(batch)
    draws = torch.stack([targets_of(small, tensors) for _ in range(20)])
    assert (draws.mean(0) > targets_of(full, tensors) - 0.02).all()
    assert float(draws.std(0).max()) > 0


def test_the_target_critics_follow_by_tau():
    agent, batch = learner_of(critic=CriticConfig(tau=0.25))
    before = [w.clone() for w in agent.target.weights]
    agent.update(batch)
    for old, new, online in zip(before, agent.target.weights, agent.critics.weights, strict=True):
        torch.testing.assert_close(new, old + 0.25 * (online.detach() - old))


def test_actor_updates_leave_the_critics_alone_and_come_at_their_turn():
    agent, batch = learner_of()
    names = [set(agent.update(batch)) for _ in range(4)]
    assert [("actor_loss" in n) for n in names] == [False, True, False, True]
    tensors = agent.learner.tensors(batch)
    x, _ = agent.learner.update_critics(tensors)
    critics = [p.clone() for p in agent.critics.parameters()]
    actor = [p.clone() for p in agent.policy.actor.parameters()]
    agent.learner.update_actor(x, tensors, clone_weight=0.0)
    assert all(torch.equal(a, b) for a, b in zip(critics, agent.critics.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(actor, agent.policy.actor.parameters(), strict=True))


def test_the_clone_term_pulls_the_actor_to_the_demonstrations():
    agent, batch = learner_of()
    tensors = agent.learner.tensors(batch)
    tensors["is_demo"][:] = 1.0
    tensors[INTENDED] = torch.full_like(tensors["action"], -0.5)
    x, _ = agent.learner.update_critics(tensors)
    losses = [float(agent.learner.update_actor(x, tensors, clone_weight=10.0)["bc_loss"]) for _ in range(200)]
    assert losses[-1] < 0.2 * losses[0]
    torch.testing.assert_close(agent.policy.actor(x).mode.mean(0), torch.full((2,), -0.5), atol=0.2, rtol=0.0)


def test_the_actor_waits_for_the_critics():
    agent, batch = learner_of(actor=ActorConfig(wait=3))
    names = [set(agent.update(batch)) for _ in range(6)]
    assert [("actor_loss" in n) for n in names] == [False, False, False, True, False, True]


def test_own_successes_are_cloned_like_demonstrations_unless_told_otherwise():
    tensors = {"is_demo": torch.tensor([1.0, 0.0, 0.0]), "won": torch.tensor([0.0, 1.0, 0.0])}
    assert demonstrated_or_won(tensors).tolist() == [1.0, 1.0, 0.0]
    assert demonstrated(tensors).tolist() == [1.0, 0.0, 0.0]


def test_the_cloning_term_fades_to_its_end():
    agent, batch = learner_of(bc=BcConfig(updates=0, weight=3.0, weight_end=1.0, decay=4))
    weights = []
    for _ in range(6):
        weights.append(agent._reinforcement.clone_weight())
        agent.update(batch)
    assert weights == [3.0, 2.5, 2.0, 1.5, 1.0, 1.0]


def test_default_target_entropy_is_minus_the_action_size():
    agent, _ = learner_of()
    assert agent.learner._target_entropy == -2.0
    assert math.isclose(float(agent.learner.temperature().detach()), 3e-4, rel_tol=1e-5)
