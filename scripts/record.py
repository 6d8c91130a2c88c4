"""Record demonstrations from a task's scripted expert: `robolearn record env=pick_cube episodes=20`."""

from collections.abc import Sequence
from pathlib import Path

from robolearn import config
from robolearn.assembly import demos
from robolearn.log.progress import progress_bar
from robolearn.run.config import RecordConfig


def main(argv: Sequence[str]) -> int:
    """Record the episodes and write them to one HDF5 file."""
    cfg: RecordConfig = config.compose("record", argv)
    out = Path(cfg.out or f"demos/{config.choices(cfg)['env']}.hdf5")
    with progress_bar("record", cfg.episodes) as advance:
        demos.record_file(cfg, out, lambda success, _: advance() if success else None)
    print(f"wrote {cfg.episodes} episodes to {out}; look at them with: robolearn show {out}")
    return 0
