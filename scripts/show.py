"""Look at a demonstration file: `robolearn show demos/pick_cube.hdf5`."""

from collections.abc import Sequence
from pathlib import Path

from robolearn.core.errors import ConfigError
from robolearn.data import contact_sheet, describe_demos, inspect_demos


def main(argv: Sequence[str]) -> int:
    """Print episodes, lengths, success and specs, and write a contact sheet of frames beside the file."""
    if len(argv) != 1:
        raise ConfigError("robolearn show", expected="one demonstration file", got=list(argv))
    path = Path(argv[0])
    print(describe_demos(inspect_demos(path)))
    sheet = contact_sheet(path, path.with_suffix(".png"))
    print(f"frames: {sheet}")
    return 0
