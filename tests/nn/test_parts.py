import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from robolearn.core.errors import CheckpointError
from robolearn.nn.distributions import TanhGaussian, bounded_log_std, raw_log_std
from robolearn.nn.dual import Temperature
from robolearn.nn.ensembles import CriticEnsemble
from robolearn.nn.mlp import Mlp, seeded
from robolearn.nn.normalise import RunningNorm
from robolearn.nn.state import arrays_of, fill, fill_optimiser, optimiser_state
from robolearn.nn.targets import polyak_, subset_choice, td_target


@pytest.mark.parametrize("layer_norm", [True, False])
def test_an_ensemble_equals_a_loop_of_networks(layer_norm):
    critics = CriticEnsemble(6, [16, 8], ensemble=3, activation="relu", layer_norm=layer_norm)
    for bias in critics.biases:
        nn.init.normal_(bias)
    x = torch.randn(5, 6)
    rows = []
    for member in range(3):
        h = x
        for layer, (kernel, bias) in enumerate(zip(critics.kernels, critics.biases, strict=True)):
            if layer:
                h = functional.relu(functional.layer_norm(h, h.shape[-1:]) if layer_norm else h)
            h = h @ kernel[member] + bias[member]
        rows.append(h[:, 0])
    torch.testing.assert_close(critics(x), torch.stack(rows))


def test_frozen_critics_pass_gradients_to_their_input_only():
    critics = CriticEnsemble(4, [8], ensemble=2, activation="relu")
    x = torch.randn(3, 4, requires_grad=True)
    critics(x, critics.frozen()).sum().backward()
    assert x.grad is not None
    assert all(p.grad is None for p in critics.parameters())


def test_a_subset_of_the_ensemble_is_that_subset():
    critics = CriticEnsemble(4, [8], ensemble=5, activation="relu")
    x, index = torch.randn(3, 4), torch.tensor([4, 1])
    torch.testing.assert_close(critics(x, [w[index] for w in critics.weights]), critics(x)[index])


def test_subset_choice_draws_distinct_members_evenly():
    generator = torch.Generator().manual_seed(0)
    choose = subset_choice(5, 2)
    draws = torch.stack([choose(generator) for _ in range(1000)])
    assert (draws[:, 0] != draws[:, 1]).all()
    assert torch.bincount(draws.flatten()).min() > 300
    assert subset_choice(5, 5)(generator) is None


def test_tanh_gaussian_by_hand():
    policy = TanhGaussian(torch.tensor([[0.5, 0.0]]), torch.tensor([[math.log(0.2), 0.0]]))
    action, log_prob = policy.sample(torch.tensor([[1.0, -1.0]]))
    np.testing.assert_allclose(action.numpy(), [[math.tanh(0.7), math.tanh(-1.0)]], rtol=1e-6)
    gaussian = sum(-0.5 - math.log(s) - 0.5 * math.log(2 * math.pi) for s in (0.2, 1.0))
    squash = math.log(1 - math.tanh(0.7) ** 2) + math.log(1 - math.tanh(-1.0) ** 2)
    assert float(log_prob) == pytest.approx(gaussian - squash, rel=1e-5)
    np.testing.assert_allclose(policy.mode.numpy(), [[math.tanh(0.5), 0.0]], rtol=1e-6)


def test_log_prob_stays_finite_where_tanh_saturates():
    policy = TanhGaussian(torch.tensor([[40.0]]), torch.tensor([[0.0]]))
    assert policy.sample(torch.zeros(1, 1))[1].isfinite().all()


def test_the_density_of_actions_integrates_to_one():
    policy = TanhGaussian(torch.full((4001, 1), 0.3), torch.full((4001, 1), -0.4))
    noise = torch.linspace(-8, 8, 4001)[:, None]
    action, log_prob = policy.sample(noise)
    assert float(torch.trapezoid(log_prob.exp(), action[:, 0])) == pytest.approx(1.0, abs=1e-3)


def test_log_std_is_bounded_and_starts_where_asked():
    raw = raw_log_std(-1.5, -5.0, 0.5)
    assert float(bounded_log_std(torch.tensor(raw), -5.0, 0.5)) == pytest.approx(-1.5, abs=1e-5)
    ends = bounded_log_std(torch.tensor([-1e3, 1e3]), -5.0, 0.5)
    assert ends.tolist() == [-5.0, 0.5]


def test_td_target_bootstraps_unless_terminal():
    target = td_target(torch.tensor([1.0, 1.0]), torch.tensor([0.9, 0.0]), torch.tensor([2.0, 2.0]))
    assert target.tolist() == pytest.approx([2.8, 1.0])


def test_polyak_moves_by_tau():
    target, online = [torch.zeros(2)], [torch.tensor([1.0, -2.0])]
    polyak_(target, online, 0.1)
    polyak_(target, online, 0.1)
    assert target[0].tolist() == pytest.approx([0.19, -0.38])


def test_temperature_is_the_exponential_of_its_parameter():
    temperature = Temperature(0.05)
    assert float(temperature().detach()) == pytest.approx(0.05)


def test_running_norm_has_the_moments_of_all_rows():
    rows = torch.randn(100, 3) * torch.tensor([2.0, 0.5, 1e-5]) + torch.tensor([5.0, 0.0, 1.0])
    norm = RunningNorm(3, floor=0.01)
    for part in rows.split([10, 1, 60, 29]):
        norm.absorb(part)
    torch.testing.assert_close(norm.mean, rows.mean(0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(norm.variance, rows.var(0, correction=0), rtol=1e-4, atol=1e-8)
    out = norm(rows)
    assert out[:, :2].std(0).tolist() == pytest.approx([1.0, 1.0], abs=0.05)
    assert float(out[:, 2].abs().max()) < 0.01


def test_seeded_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    with seeded(3):
        first = Mlp(3, [4], 2, "relu")
    assert torch.equal(torch.random.get_rng_state(), before)
    with seeded(3):
        again = Mlp(3, [4], 2, "relu")
    x = torch.randn(2, 3)
    assert torch.equal(first(x), again(x))


def test_fill_is_in_place_and_all_or_nothing():
    source, target = Mlp(3, [4], 2, "relu"), Mlp(3, [4], 2, "relu")
    pointer, before = target.head.weight.data_ptr(), target.head.weight.clone()
    state = arrays_of(source)
    broken = {**state, "layers.0.bias": np.zeros(5, np.float32)}
    with pytest.raises(CheckpointError, match=r"layers.0.bias.*\(4,\).*\(5,\)"):
        fill(target, broken, "policy")
    assert torch.equal(target.head.weight, before)
    with pytest.raises(CheckpointError, match=r"head\.bia"):
        fill(target, {**state, "head.bia": state["head.bias"]}, "policy")
    fill(target, state, "policy")
    assert target.head.weight.data_ptr() == pointer
    assert torch.equal(target.head.weight, source.head.weight)
    state["head.weight"][:] = 0.0
    assert not torch.equal(source.head.weight, torch.zeros_like(source.head.weight))


def test_an_optimiser_goes_on_as_if_it_had_not_stopped():
    def train(net, optimiser, steps):
        for _ in range(steps):
            optimiser.zero_grad()
            net(torch.ones(2, 3)).square().sum().backward()
            optimiser.step()

    with seeded(0):
        first = Mlp(3, [4], 2, "relu")
    adam = torch.optim.Adam(first.parameters(), lr=0.1, fused=True)
    train(first, adam, 3)
    second = Mlp(3, [4], 2, "relu")
    other = torch.optim.Adam(second.parameters(), lr=0.1, fused=True)
    fill(second, arrays_of(first), "net")
    fill_optimiser(other, optimiser_state(adam), "net")
    train(first, adam, 3)
    train(second, other, 3)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    wrong = torch.optim.Adam(Mlp(2, [4], 2, "relu").parameters())
    with pytest.raises(CheckpointError, match="parameter 0"):
        fill_optimiser(wrong, optimiser_state(adam), "net")
