"""Configuration of soft actor-critic from images, vectors or both."""

from dataclasses import dataclass, field

from robolearn.agents.config import AgentConfig
from robolearn.core.errors import ConfigError, nearest

OBSERVE = ("auto", "images", "state", "both")
ENCODERS = ("patch", "conv", "vit", "pretrained")
FREEZE = ("none", "trunk", "all")
PRECISIONS = ("auto", "float32", "bfloat16")
ACTIVATIONS = ("relu", "silu", "gelu", "tanh")


@dataclass(kw_only=True, slots=True)
class EncoderConfig:
    """From images to a short vector: a trunk (to a map of features), then a linear bottleneck.

    The defaults are those that learned fastest on two CPU cores; `docs/` and `benchmarks/` hold the evidence.
    """

    kind: str = "patch"
    """`patch`: disjoint patches, then stride-2 convolutions; cheapest. `conv`: the same with an overlapping stem (kernel
    twice the stride). `vit`: the conv trunk's map as tokens of one transformer layer. `pretrained`: a TorchScript
    module from `weights`, applied to each camera."""
    patch: int = 8
    """Stride of the stem, pixels; also its kernel for `patch`."""
    channels: list[int] = field(default_factory=lambda: [32, 64])
    """Of the stem and of each stride-2 convolution after it."""
    bottleneck: int = 256
    """Length of the vector that actor and critics see; LayerNorm and tanh bound it."""
    weights: str | None = None
    """File to start from. For `pretrained` a TorchScript archive whose forward maps (N, 3, H, W) float32 RGB in [0, 1]
    to (N, ...). Else a safetensors file with this encoder's tensors, such as a run's `policy.safetensors`."""
    freeze: str = "all"
    """What RL keeps fixed and replay caches: `none` (end to end), `trunk` (the bottleneck still learns) or `all`.
    Anything but `none` needs a BC warm start or `weights`."""
    refresh_at: list[int] = field(default_factory=lambda: [300, 600, 1200, 2400])
    """Env steps at which a frozen encoder is trained again: cloning, together with the actor, of demonstrations and of
    the agent's own successes so far. A handful of demonstrations shows an encoder too little of the world."""
    refresh_updates: int = 150
    """Of each such training."""
    precision: str = "auto"
    """Of convolutions and matrix products: `float32`, `bfloat16`, or `auto`, which is bfloat16 where the hardware has
    instructions for it. Weights and gradients are float32."""
    copies: int = 4
    """Randomly shifted variants of each frame that the cache keeps."""
    shift: int = 4
    """Largest random shift of the images in pixels, edges repeated (DrQ, arXiv:2004.13649); 0 for none."""

    def __post_init__(self) -> None:
        _check_name("encoder.kind", self.kind, ENCODERS)
        _check_name("encoder.freeze", self.freeze, FREEZE)
        _check_name("encoder.precision", self.precision, PRECISIONS)
        self.channels, self.refresh_at = list(self.channels), sorted(self.refresh_at)
        if min((self.patch, self.bottleneck, self.copies, *self.channels)) < 1 or not self.channels:
            raise ConfigError("agent.encoder", expected="patch, channels, bottleneck, copies of at least 1", got=self)
        if self.refresh_updates < 0:
            raise ConfigError("agent.encoder.refresh_updates", expected="0 or more", got=self.refresh_updates)
        if self.shift < 0:
            raise ConfigError("agent.encoder.shift", expected="0 or more pixels", got=self.shift)
        if self.kind == "pretrained" and self.weights is None:
            raise ConfigError("agent.encoder.weights", expected="a TorchScript file for kind=pretrained", got=None)


@dataclass(kw_only=True, slots=True)
class BcConfig:
    """Behaviour cloning of the demonstrations: a warm start of the actor, then a term of its loss that fades."""

    updates: int = 250
    """Of the warm start, on demonstrations only; 0 for none. Skipped where there are no demonstrations."""
    batch: int = 128
    lr: float = 1e-3
    cooldown: float = 0.5
    """Last share of the updates of the warm start, and of each refresh of the encoder, over which `lr` falls linearly to 0: where
    the actor stops must not depend on the last few batches."""
    weight: float = 2.0
    """Of the cloning term in the actor's loss at the first RL update."""
    own: bool = True
    """Also clone the agent's own successful episodes (self-imitation, arXiv:1806.05635): their steps share the
    demonstrations' part of each batch by number, and count as demonstrated."""
    decay: int = 4_000
    """RL updates over which that weight falls linearly to `weight_end`; 0 starts there."""
    weight_end: float = 0.5
    """Of the cloning term from then on."""

    def __post_init__(self) -> None:
        if min(self.updates, self.decay, self.weight, self.weight_end) < 0 or self.batch < 1 or self.lr <= 0:
            raise ConfigError("agent.bc", expected="counts and weights that are not negative, lr above 0", got=self)
        if not 0.0 <= self.cooldown <= 1.0:
            raise ConfigError("agent.bc.cooldown", expected="a share in [0, 1]", got=self.cooldown)


@dataclass(kw_only=True, slots=True)
class CriticConfig:
    """An ensemble of Q functions with LayerNorm (RLPD, arXiv:2302.02948)."""

    ensemble: int = 2
    subset: int = 2
    """How many random target critics the minimum in the target is over (REDQ, arXiv:2101.05982)."""
    hidden: list[int] = field(default_factory=lambda: [256, 256])
    activation: str = "relu"
    layer_norm: bool = True
    lr: float = 1e-3
    tau: float = 0.02
    """Polyak coefficient: the target moves this fraction towards the critic at every update."""
    warmup: int = 0
    """Critic updates on demonstrations before RL starts."""

    def __post_init__(self) -> None:
        _check_name("critic.activation", self.activation, ACTIVATIONS)
        self.hidden = list(self.hidden)
        if not 2 <= self.ensemble <= 10:
            raise ConfigError("agent.critic.ensemble", expected="2 to 10", got=self.ensemble)
        if not 1 <= self.subset <= self.ensemble:
            raise ConfigError("agent.critic.subset", expected=f"1 to ensemble = {self.ensemble}", got=self.subset)
        if not 0.0 < self.tau <= 1.0:
            raise ConfigError("agent.critic.tau", expected="a fraction in (0, 1]", got=self.tau)
        if min((*self.hidden, 1)) < 1 or self.lr <= 0 or self.warmup < 0:
            raise ConfigError("agent.critic", expected="positive sizes and lr, warmup not negative", got=self)


@dataclass(kw_only=True, slots=True)
class ActorConfig:
    """A tanh-squashed Gaussian."""

    hidden: list[int] = field(default_factory=lambda: [256, 256])
    activation: str = "relu"
    lr: float = 1e-3
    log_std_min: float = -5.0
    log_std_max: float = -1.0
    log_std_start: float = -2.0
    """Where the log standard deviation starts, before squashing, in every state: how much a cloned actor explores."""
    every: int = 2
    """Critic updates per actor update."""
    tau: float = 0.01
    """Polyak coefficient of the average actor, which exploits while the actor explores: it moves this fraction towards the
    actor at each of the actor's updates; 1 for no average."""
    wait: int = 200
    """RL updates after cloning, and after each refresh of the encoder, in which only the critics learn: critics that do
    not know the features would undo what the actor has cloned."""

    def __post_init__(self) -> None:
        _check_name("actor.activation", self.activation, ACTIVATIONS)
        self.hidden = list(self.hidden)
        if not self.log_std_min < self.log_std_start < self.log_std_max:
            bounds = f"between log_std_min {self.log_std_min} and log_std_max {self.log_std_max}"
            raise ConfigError("agent.actor.log_std_start", expected=bounds, got=self.log_std_start)
        if not 0.0 < self.tau <= 1.0:
            raise ConfigError("agent.actor.tau", expected="a fraction in (0, 1]", got=self.tau)
        if min((*self.hidden, 1)) < 1 or self.lr <= 0 or self.every < 1 or self.wait < 0:
            raise ConfigError("agent.actor", expected="positive sizes, lr and every, wait not negative", got=self)


@dataclass(kw_only=True, slots=True)
class TemperatureConfig:
    """The weight of the entropy in the actor's objective, adapted to hold a target entropy."""

    start: float = 3e-4
    lr: float = 3e-4
    target_entropy: float | None = None
    """Of the squashed action, in nats; None takes -A. (RLPD's -A/2 asks for more noise on the other axes than a grasp
    bears, once the gripper is sure of itself.)"""
    backup: bool = False
    """Whether the entropy of the next action is part of the critics' target."""

    def __post_init__(self) -> None:
        if self.start <= 0 or self.lr < 0:
            raise ConfigError("agent.temperature", expected="start above 0, lr not negative", got=self)


@dataclass(kw_only=True, slots=True)
class SacConfig(AgentConfig):
    """Soft actor-critic (arXiv:1801.01290) with demonstrations (RLPD), BC warm start and cached image features.

    The defaults learn from a handful of demonstrations. Without any, set `encoder.freeze=none`.
    """

    name: str = "sac"
    observe: str = "auto"
    """`images`: images and proprioception; `state`: proprioception and privileged state; `both`: all;
    `auto`: `images` where the env has any, else `state`."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    bc: BcConfig = field(default_factory=BcConfig)
    actor: ActorConfig = field(default_factory=ActorConfig)
    critic: CriticConfig = field(default_factory=CriticConfig)
    temperature: TemperatureConfig = field(default_factory=TemperatureConfig)
    vector_floor: float = 0.5
    """Smallest standard deviation by which vector observations are divided, in their own units (m, rad). A cloned actor
    reads a position that varies by centimetres off a handful of demonstrations by heart; this keeps it looking at
    the images. Pick-cube (easy) cloned from 5 demonstrations, mean of 3 sets with 40 episodes each: 0.01 gives 53 %,
    0.5 gives 74 %."""
    n_step: int = 3
    discount: float = 0.96
    batch: int = 128
    demo_share: float = 0.5
    """Share of each batch that is drawn from demonstrations, where there are any."""
    updates_per_step: float = 1.0
    """Gradient steps per environment step; below 1 the learner skips steps."""
    warmup_steps: int = 50
    """Env steps before the first update; actions are uniform meanwhile unless the actor was cloned."""

    def __post_init__(self) -> None:
        AgentConfig.__post_init__(self)
        _check_name("observe", self.observe, OBSERVE)
        if not 0.0 < self.discount <= 1.0:
            raise ConfigError("agent.discount", expected="a factor in (0, 1]", got=self.discount)
        if not 0.0 <= self.demo_share <= 1.0:
            raise ConfigError("agent.demo_share", expected="a share in [0, 1]", got=self.demo_share)
        if self.vector_floor <= 0.0:
            raise ConfigError("agent.vector_floor", expected="above 0", got=self.vector_floor)
        if min(self.n_step, self.batch, self.warmup_steps) < 1 or self.updates_per_step <= 0:
            raise ConfigError("agent", expected="n_step, batch, warmup_steps and updates_per_step above 0", got=self)


def _check_name(field_name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"agent.{field_name}", expected=f"one of {known}", got=value, fix=nearest(value, known))
