"""What every agent's configuration has."""

from dataclasses import dataclass

from robolearn.core.errors import ConfigError, nearest

DEVICES = ("auto", "cpu", "cuda")


@dataclass(kw_only=True, slots=True)
class AgentConfig:
    """Base of the agents' configurations; the class of the instance selects the agent."""

    name: str
    """Short name, used in the names of run directories."""
    device: str = "auto"
    """`auto` takes CUDA where there is one."""

    def __post_init__(self) -> None:
        if self.device.split(":", maxsplit=1)[0] not in DEVICES:
            fix = nearest(self.device, DEVICES)
            raise ConfigError("agent.device", expected=f"one of {DEVICES} or cuda:<n>", got=self.device, fix=fix)
