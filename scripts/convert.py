"""Convert demonstrations: `robolearn convert source=demos/pick_cube.hdf5 out=demos/pick_cube_lerobot`.

With an env, its cameras draw the pictures anew: `... out=demos/large.hdf5 env=pick_cube env.image_size=128`.
"""

from collections.abc import Sequence
from pathlib import Path

from robolearn import config
from robolearn.assembly import demos
from robolearn.data import convert
from robolearn.log.progress import progress_bar
from robolearn.run.config import ConvertConfig


def main(argv: Sequence[str]) -> int:
    """Stream the episodes from one form into another."""
    cfg: ConvertConfig = config.compose("convert", argv)
    with demos.demos_to_convert(cfg) as source, progress_bar("convert", source.count) as advance:
        written = convert(source, Path(cfg.out), task=cfg.task, progress=lambda _: advance())
    print(f"wrote {source.count} episodes of {cfg.source} ({source.kind}) to {written}")
    return 0
