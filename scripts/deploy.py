"""Run a trained policy on a robot: `robolearn deploy run=runs/pick_cube_sac_3 episodes=10`."""

import json
from collections.abc import Sequence

from robolearn import config
from robolearn.assembly import deploying
from robolearn.hardware.config import DeployConfig
from robolearn.log.progress import progress_bar


def main(argv: Sequence[str]) -> int:
    """Run the episodes and print success and timing as one JSON object on the last line; return 1 if a reset was refused."""
    cfg: DeployConfig = config.compose("deploy", argv)
    with progress_bar("deploy", cfg.episodes) as advance:
        summary = deploying.deploy_run(cfg, lambda _: advance())
    low, high = summary["wilson_low"], summary["wilson_high"]
    print(f"success {summary['success']:.3f} [{low:.3f}, {high:.3f}] over {summary['episodes']:.0f} episodes")
    print(
        f"{summary['late']:.0f} of {summary['steps']:.0f} steps late, a policy takes {summary['act_p95_ms']:.1f} ms (p95)"
    )
    print(json.dumps(summary))
    return int(summary["refused"] > 0.0)
