"""What `robolearn actor` takes on its command line."""

from dataclasses import dataclass, field
from typing import Any

from robolearn.core.errors import ConfigError
from robolearn.hardware.bridge.client import ClientConfig
from robolearn.run.actor import PaceConfig
from robolearn.run.link import LinkConfig


@dataclass(kw_only=True, slots=True)
class ActorConfig:
    """One that acts for a learner elsewhere; env and agent are those of its run."""

    name: str = "actor"
    """Unique among the actors of a learner."""
    root: str = "actors"
    """Folder of the log, `<root>/<name>/<id of the run>/steps.log`, which a restarted actor goes on with."""
    learner: LinkConfig = field(default_factory=LinkConfig)
    pace: PaceConfig = field(default_factory=PaceConfig)
    change: list[str] = field(default_factory=list[str])
    """Keys of the run's config that are to be otherwise here."""
    remote: bool = False
    """Act with the arms and cameras behind the robot server that `client` names, instead of simulated ones."""
    client: ClientConfig = field(default_factory=lambda: ClientConfig(name="actor"))
    human: Any = None
    """How a person may take over on a robot: `spacemouse` or `keyboard`; None for not at all."""
    pause_s: float = 5.0
    """Which a person has to set the scene of a robot up, before each episode; a twin does that by itself."""
    threads: int = 1
    """Of torch."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ConfigError("threads", expected="1 or more", got=self.threads)
        if self.human is not None and not self.remote:
            raise ConfigError("human", expected="remote=true", got="simulated envs, in which time does not wait")
        if not 1 <= len(self.name) <= 64 or "/" in self.name:
            raise ConfigError("name", expected="a plain name of 1 to 64 characters", got=f"'{self.name}'")
