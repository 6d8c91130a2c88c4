"""Soft actor-critic with demonstrations, from images, vectors or both."""

import copy
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from robolearn.agents.sac.config import SacConfig
from robolearn.agents.sac.encoding import Blind, Encoding, EndToEnd, Frozen
from robolearn.agents.sac.layout import Layout, to_tensors
from robolearn.agents.sac.learner import Cloner, SacLearner
from robolearn.agents.sac.networks import ImageEncoder, SacPolicy, make_critics
from robolearn.agents.sac.phases import (
    Cloning,
    CriticWarmup,
    Phase,
    Refresh,
    Reinforcement,
    mark_uniform,
    require_trained_encoder,
)
from robolearn.core.errors import CheckpointError
from robolearn.core.learning import Plan, Progress
from robolearn.core.protocols import Agent, Metrics
from robolearn.core.specs import EnvSpec
from robolearn.core.types import Array, Batch, Decision, Mode, Obs, Previous
from robolearn.nn.mlp import seeded
from robolearn.nn.state import arrays_of, fill, fill_optimiser, optimiser_state, tensors_of


class SacAgent(Agent[None]):
    """SAC in three phases: clone the demonstrations, warm the critics up, reinforce.

    What the phases are and where encoded images come from is decided here, once; no update asks for it.
    """

    def __init__(self, cfg: SacConfig, spec: EnvSpec, seed: int) -> None:
        """Build networks and optimisers; equal arguments give equal agents.

        Raises:
            ConfigError: If the env lacks what `cfg` wants to observe, or CUDA is asked for and absent.
            CheckpointError: If the encoder's weights file does not fit.
        """
        self.cfg = cfg
        self.discount = cfg.discount
        self.spec = spec
        self.layout = Layout.choose(spec, cfg.observe)
        self.device = torch.device("cuda" if cfg.device == "auto" and torch.cuda.is_available() else _named(cfg.device))
        self._generator = torch.Generator(self.device).manual_seed(seed)
        with seeded(seed):
            self.policy = SacPolicy(cfg, self.layout).to(self.device)
            self.critics = make_critics(cfg, self.policy, self.layout).to(self.device)
        self.target = copy.deepcopy(self.critics).requires_grad_(requires_grad=False)
        live, self.encoding = self._encodings()
        self.learner = SacLearner(
            cfg, self.policy, self.critics, self.target, self.encoding, self.layout, self._generator
        )
        self._cloner = Cloner(cfg.bc, self.policy, live, self.layout)
        self._reinforcement = Reinforcement(cfg, self.learner)
        self._refresh = Refresh(cfg, self._cloner, live.observed)
        self._phases: tuple[Phase, ...] = (
            Cloning(cfg, self._cloner, live.observed),
            CriticWarmup(cfg, self.learner),
            self._refresh,
            self._reinforcement,
        )
        self._index = 0

    def _encodings(self) -> tuple[Encoding, Encoding]:
        """Return how cloning and how RL encode images."""
        encoder = self.policy.encoder
        if not isinstance(encoder, ImageEncoder):
            blind = Blind(self.layout)
            return blind, blind
        live = EndToEnd(encoder, self.layout, self.cfg.encoder.shift, self._generator)
        if self.cfg.encoder.freeze == "none":
            return live, live
        return live, Frozen(encoder, self.layout, self.cfg.encoder)

    @property
    def cloned(self) -> bool:
        """Return whether the actor has learned from demonstrations before RL."""
        return self._phases[0].updates > 0

    @override
    def initial(self, batch_size: int) -> None:
        """Return None: this policy has no memory."""

    @override
    @torch.inference_mode()
    def act(self, obs: Obs, carry: None, prev: Previous, mode: Mode, rng: np.random.Generator) -> Decision[None]:
        del carry, prev
        self.layout.validate(obs)
        keys = self.layout.keys
        tensors = to_tensors(obs, keys, self.device)
        x = self.policy(self.layout.frames(tensors, ""), self.layout.vector(tensors, ""))
        shape = (x.shape[0], self.layout.action_size)
        if mode is Mode.EXPLOIT:
            action = self.policy.average(x).mode.cpu().numpy()
        elif bool(self.policy.actor.uniform):
            action = rng.uniform(-1.0, 1.0, shape).astype(np.float32)
        else:
            noise = rng.standard_normal(shape, np.float32)
            action = self.policy.actor(x).transform(torch.from_numpy(noise).to(self.device)).cpu().numpy()
        return Decision(action=action, carry=None)

    @torch.inference_mode()
    def action_values(self, obs: Obs, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the critics expect of actions (B, A) on average over the ensemble (B,)."""
        self.layout.validate(obs)
        tensors = to_tensors(obs, self.layout.keys, self.device)
        x = self.policy(self.layout.frames(tensors, ""), self.layout.vector(tensors, ""))
        chosen = torch.from_numpy(action).to(self.device)
        return self.critics(torch.cat([x, chosen], dim=1)).mean(dim=0).cpu().numpy()

    @override
    def plan(self, progress: Progress) -> Plan:
        """Return the next plan; raises ConfigError where a random encoder would be frozen."""
        frozen = isinstance(self.encoding, Frozen)
        if frozen and self._phases[self._index] is self._reinforcement and self._refresh.due(progress):
            self._index -= 1
            self._reinforcement.settled = 0
        while (plan := self._phases[self._index].plan(progress)) is None:
            ended = self._phases[self._index]
            self._index += 1
            if frozen and self._index == 1:
                require_trained_encoder(self.cfg, cloned=self.cloned)
            self.encoding.settle()
            if ended.updates and ended.milestone is not None:
                return Plan(collect=0, updates=0, milestone=ended.milestone)
        mark_uniform(self.policy.actor.uniform, progress, self.cfg, cloned=self.cloned)
        return plan

    @override
    def update(self, batch: Batch) -> Metrics:
        return self._phases[self._index].update(batch)

    @override
    def policy_state(self) -> Mapping[str, Array]:
        return arrays_of(self.policy)

    @override
    def load_policy_state(self, state: Mapping[str, Array]) -> None:
        fill(self.policy, state, "policy")
        self.encoding.settle()

    @override
    def state_dict(self) -> dict[str, object]:
        return {
            "policy": tensors_of(self.policy),
            "critics": tensors_of(self.critics),
            "target": tensors_of(self.target),
            "temperature": tensors_of(self.learner.temperature),
            "optimisers": {name: optimiser_state(optimiser) for name, optimiser in self._optimisers().items()},
            "generator": self._generator.get_state(),
            "phase": self._index,
            "updates": [phase.updates for phase in self._phases],
            "ratio_done": self._reinforcement.ratio.done,
            "settled": self._reinforcement.settled,
        }

    @override
    def load_state_dict(self, state: Mapping[str, object]) -> None:
        parts = {name: state.get(name) for name in ("policy", "critics", "target", "temperature", "optimisers")}
        for name, part in parts.items():
            if not isinstance(part, Mapping):
                raise CheckpointError(f"agent state '{name}'", expected="a mapping", got=type(part).__name__)
        modules = {"policy": self.policy, "critics": self.critics, "target": self.target}
        for name, module in {**modules, "temperature": self.learner.temperature}.items():
            fill(module, cast("Mapping[str, object]", parts[name]), f"agent state, {name}")
        optimisers = cast("Mapping[str, Mapping[str, object]]", parts["optimisers"])
        for name, optimiser in self._optimisers().items():
            fill_optimiser(optimiser, optimisers.get(name, {}), f"agent state, optimiser {name}")
        self._generator.set_state(cast("Tensor", state["generator"]))
        self._index = cast("int", state["phase"])
        for phase, updates in zip(self._phases, cast("list[int]", state["updates"]), strict=True):
            phase.updates = updates
        self._reinforcement.ratio.done = cast("int", state["ratio_done"])
        self._reinforcement.settled = cast("int", state["settled"])
        self.encoding.settle()

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {
            "clone": self._cloner.optimiser,
            "critic": self.learner.critic_optimiser,
            "actor": self.learner.actor_optimiser,
            "temperature": self.learner.temperature_optimiser,
        }


def _named(device: str) -> str:
    return "cpu" if device == "auto" else device
