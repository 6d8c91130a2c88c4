"""Learn from what actors do: `robolearn learner env=pick_cube agent=sac`; go on with `robolearn learner resume=runs/...`."""

import json
from collections.abc import Sequence

from robolearn import config
from robolearn.assembly import training
from robolearn.log.progress import TrainDisplay
from robolearn.run.config import LearnerConfig


def main(argv: Sequence[str]) -> int:
    """Learn, show progress, and print the result as one JSON object on the last line."""
    cfg: LearnerConfig = config.compose("learner", argv)
    if cfg.resume is not None:
        cfg = training.resumed_config(cfg, argv)
    with TrainDisplay(cfg.max_env_steps) as display:
        result = training.train(cfg, display.update)
    print(f"\nreport: {result['run']}/report.html")
    if result["stopped"] == "interrupted":
        print(f"interrupted; go on with: robolearn learner resume={result['run']}")
    print(json.dumps(result))
    return 0
