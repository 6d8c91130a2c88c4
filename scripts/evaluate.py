"""Evaluate a trained policy greedily on held-out seeds: `robolearn evaluate run=runs/... episodes=100`."""

import json
from collections.abc import Sequence

from robolearn import config
from robolearn.assembly import judging
from robolearn.log.progress import progress_bar
from robolearn.run.config import EvaluateConfig


def main(argv: Sequence[str]) -> int:
    """Evaluate and print the summary as one JSON object on the last line."""
    cfg: EvaluateConfig = config.compose("evaluate", argv)
    with progress_bar("evaluate", cfg.episodes) as advance:
        evaluation = judging.evaluate_run(cfg, lambda _: advance())
    summary = evaluation.summary()
    low, high = summary["wilson_low"], summary["wilson_high"]
    figures = f"success {summary['success']:.3f} [{low:.3f}, {high:.3f}], return {summary['return']:.4g}"
    print(f"{figures} over {evaluation.episodes} episodes")
    if cfg.subgoal_steps:
        with progress_bar("subgoals", cfg.episodes) as advance:
            subgoals = judging.subgoals_of_run(cfg, advance)
        print(f"subgoals: {subgoals['score']:.3f} reached alone, {subgoals['complete']:.3f} of episodes whole")
        summary |= {f"subgoals/{name}": value for name, value in subgoals.items()}
    if cfg.critic_states:
        with progress_bar("critic", cfg.critic_states) as advance:
            critic = judging.critic_of_run(cfg, advance)
        bias = f"{critic['bias']:+.3f} [{critic['bias_low']:+.3f}, {critic['bias_high']:+.3f}]"
        print(f"critic: bias {bias}, correlation {critic['correlation']:.2f} over {critic['states']:.0f} states")
        summary |= {f"critic/{name}": value for name, value in critic.items()}
    print(json.dumps(summary))
    return 0
