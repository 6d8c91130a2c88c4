"""The phases of training: clone the demonstrations, warm the critics up, then reinforce."""

from typing import Protocol

import torch

from robolearn.agents.sac.config import SacConfig
from robolearn.agents.sac.encoding import Encoding
from robolearn.agents.sac.learner import Cloner, SacLearner
from robolearn.core.clock import Ratio
from robolearn.core.errors import ConfigError
from robolearn.core.learning import BatchSpec, Plan, Progress
from robolearn.core.protocols import Metrics
from robolearn.core.types import Batch

CHUNK = 25
"""Updates per plan of a phase that does not collect, so that the loop can look around in between."""


class Phase(Protocol):
    """A part of training with its own plans and its own update."""

    updates: int
    """Made so far."""
    milestone: str | None
    """The name under which the policy should be evaluated when the phase has ended."""

    def plan(self, progress: Progress) -> Plan | None:
        """Return what to do next, or None when the phase is over."""
        ...

    def update(self, batch: Batch) -> Metrics:
        """Take one optimiser step."""
        ...


def has_demos(progress: Progress) -> bool:
    """Return whether there is anything to clone."""
    return progress.rows.get("demo", 0) > 0


class Cloning:
    """Clone demonstrations, without collecting; over at once where there are none."""

    milestone: str | None = "bc"

    def __init__(self, cfg: SacConfig, cloner: Cloner, columns: tuple[str, ...]) -> None:
        self.updates = 0
        self._limit = cfg.bc.updates
        self._cloner = cloner
        self._batch = BatchSpec(size=cfg.bc.batch, mix={"demo": 1.0}, columns=columns)

    def plan(self, progress: Progress) -> Plan | None:
        """Return the next updates on demonstrations."""
        left = self._limit - self.updates
        if left <= 0 or not has_demos(progress):
            return None
        return Plan(collect=0, updates=min(CHUNK, left), batch=self._batch)

    def update(self, batch: Batch) -> Metrics:
        """Take one step of cloning."""
        left = 1.0 - self.updates / self._limit
        self.updates += 1
        return self._cloner.update(batch, left)


class Refresh:
    """Train the encoder and the actor again on demonstrations and successes, at certain env steps; then settle."""

    milestone: str | None = None

    def __init__(self, cfg: SacConfig, cloner: Cloner, columns: tuple[str, ...]) -> None:
        self.updates = 0
        self._cfg = cfg
        self._cloner = cloner
        self._columns = columns

    def due(self, progress: Progress) -> bool:
        """Return whether the collected steps call for a refresh that has not been finished."""
        encoder = self._cfg.encoder
        passed = sum(progress.env_steps >= at for at in encoder.refresh_at)
        return self.updates < passed * encoder.refresh_updates and bool(self._mix(progress))

    def plan(self, progress: Progress) -> Plan | None:
        """Return the next updates, or None when as many are done as the steps so far call for."""
        if not self.due(progress):
            return None
        batch = BatchSpec(size=self._cfg.bc.batch, mix=self._mix(progress), columns=self._columns)
        return Plan(collect=0, updates=min(CHUNK, self._left()), batch=batch)

    def update(self, batch: Batch) -> Metrics:
        """Take one step of cloning."""
        left = self._left() / self._cfg.encoder.refresh_updates
        self.updates += 1
        return self._cloner.update(batch, left)

    def _left(self) -> int:
        """Return how many updates the present refresh still takes."""
        whole = self._cfg.encoder.refresh_updates
        return whole - self.updates % whole

    def _mix(self, progress: Progress) -> dict[str, float]:
        return expert_mix(progress, own=self._cfg.bc.own, share=1.0)


def expert_mix(progress: Progress, *, own: bool, share: float) -> dict[str, float]:
    """Split `share` of a batch between demonstrations and own successes by their number; empty without either."""
    rows = {"demo": progress.rows.get("demo", 0), "success": progress.rows.get("success", 0) if own else 0}
    total = sum(rows.values())
    return {group: share * count / total for group, count in rows.items() if count}


class CriticWarmup:
    """Let the critics learn from demonstrations alone before the actor follows them."""

    milestone: str | None = None

    def __init__(self, cfg: SacConfig, learner: SacLearner) -> None:
        self.updates = 0
        self._cfg = cfg
        self._learner = learner

    def plan(self, progress: Progress) -> Plan | None:
        """Return the next updates on demonstrations."""
        left = self._cfg.critic.warmup - self.updates
        if left <= 0 or not has_demos(progress):
            return None
        batch = transitions(self._cfg, self._learner.encoding, {"demo": 1.0})
        return Plan(collect=0, updates=min(CHUNK, left), batch=batch)

    def update(self, batch: Batch) -> Metrics:
        """Take one critic step."""
        self.updates += 1
        _, metrics = self._learner.update_critics(self._learner.tensors(batch))
        return metrics


class Reinforcement:
    """Collect and update for good: critics at every update, the actor at some."""

    milestone: str | None = None

    def __init__(self, cfg: SacConfig, learner: SacLearner) -> None:
        self.updates = 0
        self.settled = 0
        """Updates since the encoder was last trained otherwise."""
        self.ratio = Ratio(cfg.updates_per_step)
        self._cfg = cfg
        self._learner = learner

    def plan(self, progress: Progress) -> Plan:
        """Return one env step and the updates that are due after it."""
        steps = progress.env_steps - self._cfg.warmup_steps
        if steps < 0:
            return Plan(collect=1, updates=0)
        share = self._cfg.demo_share
        expert = expert_mix(progress, own=self._cfg.bc.own, share=share)
        mix = {**expert, "online": 1.0 - share} if expert else {"any": 1.0}
        batch = transitions(self._cfg, self._learner.encoding, mix)
        return Plan(collect=1, updates=self.ratio(steps), batch=batch)

    def clone_weight(self) -> float:
        """Return the present weight of the cloning term."""
        bc = self._cfg.bc
        left = max(0.0, 1.0 - self.updates / bc.decay) if bc.decay else 0.0
        return bc.weight_end + (bc.weight - bc.weight_end) * left

    def update(self, batch: Batch) -> Metrics:
        """Take one step of the critics and, when it is due, of actor and temperature."""
        tensors = self._learner.tensors(batch)
        x, metrics = self._learner.update_critics(tensors)
        self.updates += 1
        self.settled += 1
        actor = self._cfg.actor
        if self.settled > actor.wait and self.updates % actor.every == 0:
            metrics |= self._learner.update_actor(x, tensors, self.clone_weight())
        return metrics


def transitions(cfg: SacConfig, encoding: Encoding, mix: dict[str, float]) -> BatchSpec:
    """Return the batch of an RL update."""
    return BatchSpec(
        size=cfg.batch,
        n_step=cfg.n_step,
        discount=cfg.discount,
        mix={group: share for group, share in mix.items() if share > 0.0},
        columns=encoding.observed,
        derived=encoding.derived(),
    )


def require_trained_encoder(cfg: SacConfig, *, cloned: bool) -> None:
    """Check that what is about to be frozen has learned something.

    Raises:
        ConfigError: If the encoder is to be frozen with random weights.
    """
    if cfg.encoder.freeze != "none" and cfg.encoder.weights is None and not cloned:
        raise ConfigError(
            "agent.encoder.freeze",
            expected="'none', or an encoder that was trained: by agent.bc.updates on demonstrations, or from weights",
            got=f"'{cfg.encoder.freeze}' with a random encoder",
            fix="give demonstrations or set agent.encoder.freeze=none",
        )


def mark_uniform(flag: torch.Tensor, progress: Progress, cfg: SacConfig, *, cloned: bool) -> None:
    """Set whether exploring means uniform actions: during warm-up, unless the actor has been cloned."""
    flag.fill_(not cloned and progress.env_steps < cfg.warmup_steps)
