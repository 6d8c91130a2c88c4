"""Look at a demonstration file, or at a task: `robolearn show demos/pick_cube.hdf5`, `robolearn show env=push`."""

from collections.abc import Sequence
from pathlib import Path

from robolearn import config
from robolearn.bench.config import ShowConfig
from robolearn.core.errors import ConfigError
from robolearn.data import contact_sheet, describe_demos, inspect_demos


def main(argv: Sequence[str]) -> int:
    """Print episodes, lengths, success and specs of a file, or the card of a task, and write a sheet of frames."""
    if any("=" in word for word in argv):
        return _show_task(argv)
    if len(argv) != 1:
        raise ConfigError("robolearn show", expected="one demonstration file, or env=<task>", got=list(argv))
    path = Path(argv[0])
    info = inspect_demos(path)
    print(describe_demos(info))
    if info.spec.pixel_keys:
        print(f"frames: {contact_sheet(path, path.with_suffix('.png'))}")
    return 0


def _show_task(argv: Sequence[str]) -> int:
    from robolearn.bench.card import task_card, task_sheet

    cfg: ShowConfig = config.compose("show", argv)
    print(task_card(cfg.env, cfg.episodes, Path(cfg.results)))
    name = config.choices(cfg)["env"].replace("/", "_")
    print(f"frames: {task_sheet(cfg.env, Path(cfg.out) / f'{name}.png')}")
    return 0
