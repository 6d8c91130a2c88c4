"""The updates of soft actor-critic: what happens to networks and optimisers on one batch."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from robolearn.agents.sac.config import BcConfig, SacConfig
from robolearn.agents.sac.encoding import Encoding
from robolearn.agents.sac.layout import Layout, Tensors, to_tensors
from robolearn.agents.sac.losses import actor_loss, clone_loss, critic_loss, hard_value, soft_value, temperature_loss
from robolearn.agents.sac.networks import SacPolicy
from robolearn.core.protocols import Metrics
from robolearn.core.types import INTENDED, Batch
from robolearn.nn.dual import Temperature
from robolearn.nn.ensembles import CriticEnsemble
from robolearn.nn.targets import polyak_, subset_choice, td_target

Scalars = dict[str, Tensor]


def make_adam(parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Adam:
    """Return Adam whose step is one fused kernel."""
    return torch.optim.Adam(list(parameters), lr=lr, fused=True)


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step down `loss`."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def demonstrated(tensors: Tensors) -> Tensor:
    """Return (B,) 1 for steps of demonstrations."""
    return tensors["is_demo"]


def demonstrated_or_won(tensors: Tensors) -> Tensor:
    """Return (B,) 1 for steps of demonstrations and of the agent's own successful episodes."""
    return torch.maximum(tensors["is_demo"], tensors["won"])


def cloned_tensors(batch: Batch, names: tuple[str, ...], device: torch.device) -> Tensors:
    """Return the named columns, and as `INTENDED` the actions to clone (B, A): those executed, where no others are known.

    Raises:
        SpecError: If a column is missing.
    """
    known = f"extra/{INTENDED}"
    column = known if known in batch else "action"
    tensors = to_tensors(batch, (*names, column), device)
    return tensors | {INTENDED: tensors[column]}


class Cloner:
    """Behaviour cloning of actor and encoder, end to end."""

    def __init__(self, cfg: BcConfig, policy: SacPolicy, encoding: Encoding, layout: Layout) -> None:
        self._policy = policy
        self._encoding = encoding
        self._layout = layout
        self._names = tuple(f"obs/{key}" for key in layout.keys)
        self._cfg = cfg
        self.optimiser = make_adam([*encoding.learned(), *policy.actor.parameters()], cfg.lr)

    def update(self, batch: Batch, left: float) -> Metrics:
        """Take one step on a batch of demonstrations (B rows).

        Args:
            batch: Rows to clone.
            left: Share in (0, 1] of this warm start or refresh that is still to be made, with this step; sets the learning rate.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self._cfg.lr * min(1.0, left / max(self._cfg.cooldown, 1e-9))
        tensors = cloned_tensors(batch, self._names, self._policy.norm.mean.device)
        vector = self._layout.vector(tensors, "obs/")
        self._policy.norm.absorb(vector)
        mode = self._policy.actor(self._policy.join(self._encoding.now(tensors), vector)).mode
        loss = clone_loss(mode, tensors[INTENDED], torch.ones_like(mode[:, 0]))
        descend(self.optimiser, loss)
        self._policy.average.follow(self._policy.actor, 1.0)
        return {"bc_loss": loss.detach()}


class SacLearner:
    """Critic, actor and temperature updates on batches of transitions."""

    def __init__(
        self,
        cfg: SacConfig,
        policy: SacPolicy,
        critics: CriticEnsemble,
        target: CriticEnsemble,
        encoding: Encoding,
        layout: Layout,
        generator: torch.Generator,
    ) -> None:
        """Take the networks; they are updated in place, and `generator` is the only source of randomness."""
        self.policy, self.critics, self.target, self.encoding = policy, critics, target, encoding
        self.temperature = Temperature(cfg.temperature.start).to(generator.device)
        self.critic_optimiser = make_adam([*critics.parameters(), *encoding.learned()], cfg.critic.lr)
        self.actor_optimiser = make_adam(policy.actor.parameters(), cfg.actor.lr)
        self.temperature_optimiser = make_adam(self.temperature.parameters(), cfg.temperature.lr)
        self.actor_updates = 0
        self._layout = layout
        self._generator = generator
        self._tau = cfg.critic.tau
        self._actor_tau = cfg.actor.tau
        self._choose = subset_choice(cfg.critic.ensemble, cfg.critic.subset)
        self._value: Callable[[Tensor, Tensor, Tensor], Tensor] = soft_value if cfg.temperature.backup else hard_value
        wanted = cfg.temperature.target_entropy
        self._target_entropy = -float(layout.action_size) if wanted is None else wanted
        self._demonstrated: Callable[[Tensors], Tensor] = demonstrated_or_won if cfg.bc.own else demonstrated
        self._names = (
            *("action", "reward", "discount", "is_demo", "won"),
            *(f"{prefix}{key}" for prefix in ("obs/", "next_obs/") for key in encoding.observed),
            *encoding.names(),
        )

    def tensors(self, batch: Batch) -> Tensors:
        """Return the columns of `batch` that an update reads, on the device.

        Raises:
            SpecError: If one is missing.
        """
        return cloned_tensors(batch, self._names, self._generator.device)

    def update_critics(self, tensors: Tensors) -> tuple[Tensor, Scalars]:
        """Move the critics (and a learning encoder) towards the target, and the target after them.

        Returns:
            The observations (B, size) without gradients, and metrics.
        """
        x = self.observe(tensors)
        target = self.target_values(self.observe_next(tensors), tensors)
        return x.detach(), self.fit_critics(x, tensors["action"], target)

    def observe(self, tensors: Tensors) -> Tensor:
        """Return the observations (B, size), with gradients to what is learned of the encoder."""
        vector = self._layout.vector(tensors, "obs/")
        self.policy.norm.absorb(vector)
        return self.policy.join(self.encoding.now(tensors), vector)

    @torch.no_grad()
    def observe_next(self, tensors: Tensors) -> Tensor:
        """Return the next observations (B, size)."""
        return self.policy.join(self.encoding.later(tensors), self._layout.vector(tensors, "next_obs/"))

    def fit_critics(self, x: Tensor, action: Tensor, target: Tensor) -> Scalars:
        """Take one step of the critics towards `target` (B,), and one of the target critics after them."""
        q = self.critics(torch.cat([x, action], dim=1))
        loss = critic_loss(q, target)
        descend(self.critic_optimiser, loss)
        polyak_(self.target.weights, self.critics.weights, self._tau)
        return {"critic_loss": loss.detach(), "q": q.detach().mean(), "target": target.mean()}

    @torch.no_grad()
    def target_values(self, x: Tensor, tensors: Tensors) -> Tensor:
        """Return the TD targets (B,) of the critics, given the next observations (B, size)."""
        action, log_prob = self.policy.actor(x).sample(self._noise(x.shape[0]))
        index = self._choose(self._generator)
        weights = self.target.weights if index is None else [weight[index] for weight in self.target.weights]
        q = self.target(torch.cat([x, action], dim=1), weights)
        return td_target(tensors["reward"], tensors["discount"], self._value(q, log_prob, self.temperature()))

    def update_actor(self, x: Tensor, tensors: Tensors, clone_weight: float) -> Scalars:
        """Move the actor up the critics (and towards demonstrated actions), the temperature to its entropy.

        Args:
            x: (B, size), without gradients.
            tensors: The batch.
            clone_weight: Of the cloning loss.
        """
        distribution = self.policy.actor(x)
        action, log_prob = distribution.sample(self._noise(x.shape[0]))
        q = self.critics(torch.cat([x, action], dim=1), self.critics.frozen())
        temperature = self.temperature()
        loss = actor_loss(q, log_prob, temperature)
        clone = clone_loss(distribution.mode, tensors[INTENDED], self._demonstrated(tensors))
        descend(self.actor_optimiser, loss + clone_weight * clone)
        self.policy.average.follow(self.policy.actor, self._actor_tau)
        descend(self.temperature_optimiser, temperature_loss(temperature, log_prob, self._target_entropy))
        self.actor_updates += 1
        metrics = {"actor_loss": loss.detach(), "bc_loss": clone.detach(), "temperature": temperature.detach()}
        return metrics | {"entropy": -log_prob.detach().mean(), "std": distribution.log_std.detach().exp().mean()}

    def _noise(self, rows: int) -> Tensor:
        device = self._generator.device
        return torch.randn(rows, self._layout.action_size, generator=self._generator, device=device)
