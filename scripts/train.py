"""Train a policy: `robolearn train env=pick_cube agent=sac seed=3`, or go on with `robolearn train resume=runs/...`."""

import json
from collections.abc import Sequence

from robolearn import config
from robolearn.assembly import training
from robolearn.log.progress import TrainDisplay
from robolearn.run.config import TrainConfig


def main(argv: Sequence[str]) -> int:
    """Train, show progress, and print the result as one JSON object on the last line."""
    cfg: TrainConfig = config.compose("train", argv)
    if cfg.resume is not None:
        cfg = training.resumed_config(cfg, argv)
    with TrainDisplay(cfg.max_env_steps) as display:
        result = training.train(cfg, display.update)
    print(f"\nreport: {result['run']}/report.html")
    if result["stopped"] == "interrupted":
        print(f"interrupted; go on with: robolearn train resume={result['run']}")
    print(json.dumps(result))
    return 0
