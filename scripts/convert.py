"""Convert demonstrations: `robolearn convert source=demos/pick_cube.hdf5 out=demos/pick_cube_lerobot`."""

from collections.abc import Sequence
from pathlib import Path

from robolearn import config
from robolearn.data import convert, open_demos
from robolearn.log.progress import progress_bar
from robolearn.run.config import ConvertConfig


def main(argv: Sequence[str]) -> int:
    """Stream the episodes from one form into another."""
    cfg: ConvertConfig = config.compose("convert", argv)
    source = open_demos(Path(cfg.source), mask=cfg.mask)
    with progress_bar("convert", source.count) as advance:
        written = convert(source, Path(cfg.out), task=cfg.task, progress=lambda _: advance())
    print(f"wrote {source.count} episodes of {cfg.source} ({source.kind}) to {written}")
    return 0
