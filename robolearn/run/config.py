"""What the loops need to know, beside the env and the agent."""

from dataclasses import dataclass, field
from typing import Any

from robolearn.core.errors import ConfigError, nearest
from robolearn.run.inbox import InboxConfig

RESUME_MODES = ("exact", "keep")


@dataclass(kw_only=True, slots=True)
class DemosConfig:
    """Where demonstrations come from."""

    count: int = 5
    """How many successful episodes to use; 0 for none."""
    path: str | None = None
    """A demonstration file of ours or of robomimic, or a LeRobot dataset; None records them from the task's scripted expert."""
    nudge: float | None = None
    """Chance, at each step, that the expert is nudged off its way for a few steps, its intention being what is cloned; None for what suits
    the task. Demonstrations from a file are as disturbed as they were recorded."""

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ConfigError("demos.count", expected="0 or more", got=self.count)
        _check_chance("demos.nudge", self.nudge)


@dataclass(kw_only=True, slots=True)
class EvaluationConfig:
    """When to look at the greedy policy, and when that is good enough to stop."""

    check_every: int = 400
    """Env steps between stop checks; 0 for none."""
    check_episodes: int = 100
    threshold: float = 0.95
    """Success rate of a check that counts as solved."""
    consecutive: int = 2
    """Checks in a row that must reach `threshold`: 20-episode single checks are known to lie."""
    episodes: int = 100
    """Final evaluation, on seeds that training and checks never use; 0 for none."""
    envs: int = 5
    """Envs stepped side by side; the policy acts on all of them in one batch."""
    videos: int = 6
    """Episodes of the final evaluation that are filmed."""

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise ConfigError("evaluation.threshold", expected="a rate in (0, 1]", got=self.threshold)
        if min(self.check_episodes, self.consecutive, self.envs) < 1 or self.check_every < 0:
            raise ConfigError("evaluation", expected="counts of at least 1", got=self)


@dataclass(kw_only=True, slots=True)
class TrainConfig:
    """A training run."""

    env: Any = None
    agent: Any = None
    seed: int = 0
    name: str = ""
    """Directory under `root`, by default `<env>_<agent>_<seed>`; a number is appended if it is taken."""
    root: str = "runs"
    resume: str | None = None
    """A run directory to go on with; its own config is used, with the other overrides of the command line on top."""
    resume_mode: str = "exact"
    """`exact` rolls back to the checkpoint and recomputes; `keep` keeps every finished episode (robot)."""
    demos: DemosConfig = field(default_factory=DemosConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    mirror: bool = True
    """Also learn from the mirror image of every episode, demonstrations too, where `env.symmetric` says that it could have
    happened."""
    envs: int = 1
    """Training envs stepped side by side."""
    processes: bool = False
    """Run the training envs in worker processes."""
    max_env_steps: int = 20_000
    capacity: int = 100_000
    """Online steps that replay holds."""
    checkpoint_every: int = 1_000
    """Env steps between checkpoints; 0 for none but the last."""
    checkpoint_keep: int = 2
    log_every: int = 50
    """Updates between logged losses."""
    threads: int = 2
    """Threads of torch; 1 where other busy processes share the machine."""

    def __post_init__(self) -> None:
        if self.resume_mode not in RESUME_MODES:
            fix = nearest(self.resume_mode, RESUME_MODES)
            raise ConfigError("resume_mode", expected=f"one of {RESUME_MODES}", got=self.resume_mode, fix=fix)
        if min(self.envs, self.max_env_steps, self.capacity, self.log_every, self.threads) < 1:
            raise ConfigError("train", expected="counts of at least 1", got=self)


@dataclass(kw_only=True, slots=True)
class LearnerConfig(TrainConfig):
    """A training run whose steps come from actors; checks and evaluations are made in simulation, unless they are turned off.

    `envs` and `processes` mean nothing here.
    """

    resume_mode: str = "keep"
    listen: InboxConfig = field(default_factory=InboxConfig)

    def __post_init__(self) -> None:
        TrainConfig.__post_init__(self)
        if self.resume_mode != "keep":
            raise ConfigError(
                "resume_mode", expected="keep: steps of a robot cannot be taken back", got=self.resume_mode
            )


@dataclass(kw_only=True, slots=True)
class EvaluateConfig:
    """A greedy evaluation of a trained policy."""

    run: str = ""
    """The run directory."""
    episodes: int = 100
    first_seed: int = 20_000
    envs: int = 5
    videos: int = 6
    change: list[str] = field(default_factory=list[str])
    """Keys of the run's config that are to be otherwise, such as `env.wrappers.visual.backdrop.split=test`."""
    subgoal_steps: int = 0
    """Steps for each subgoal of a long task, which is then evaluated subgoal by subgoal; 0 for whole episodes only."""
    critic_states: int = 0
    """States in which the critics of the last checkpoint are held against Monte-Carlo returns; 0 for none."""
    threads: int = 2

    def __post_init__(self) -> None:
        self.change = list(self.change)
        if min(self.episodes, self.envs, self.threads) < 1:
            raise ConfigError("evaluate", expected="1 episode, env and thread or more", got=self)


@dataclass(kw_only=True, slots=True)
class RecordConfig:
    """Demonstrations of a task, from its scripted expert."""

    env: Any = None
    episodes: int = 20
    seed: int = 0
    nudge: float | None = None
    """As `demos.nudge` of a training run."""
    out: str = ""
    """File to write, by default `demos/<env>.hdf5`; never overwritten."""

    def __post_init__(self) -> None:
        _check_chance("nudge", self.nudge)


@dataclass(kw_only=True, slots=True)
class ConvertConfig:
    """Demonstrations in another form."""

    env: Any = None
    """An env whose cameras draw the pictures anew, from the states of an HDF5 file; None keeps what was recorded."""
    source: str = ""
    """A demonstration file of ours or of robomimic, or a LeRobot dataset."""
    out: str = ""
    """`*.hdf5`, or the name of a folder for a LeRobot dataset; never overwritten."""
    mask: str | None = None
    """Only the episodes under this filter key of an HDF5 file."""
    task: str = "task"
    """What is done, in words; LeRobot datasets say it."""

    def __post_init__(self) -> None:
        for name in ("source", "out"):
            if not getattr(self, name):
                raise ConfigError(name, expected="a path", got="nothing", fix="robolearn convert source=... out=...")


def _check_chance(name: str, chance: float | None) -> None:
    if chance is not None and not 0.0 <= chance <= 1.0:
        raise ConfigError(name, expected="a chance in [0, 1]", got=chance)
