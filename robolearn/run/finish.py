"""What a run leaves behind: a final evaluation, films, result.json and the report."""

from collections.abc import Mapping
from typing import Any, cast

import gymnasium as gym

from robolearn.core.protocols import Policy
from robolearn.core.rng import EVAL_SEEDS
from robolearn.log.report import write_report
from robolearn.log.sinks import read_metrics
from robolearn.log.video import tile, write_video
from robolearn.run.directory import RunDirectory, write_json
from robolearn.run.evaluate import film
from robolearn.run.train import LEARN, Trainer


def finish(trainer: Trainer, stopped: str, film_env: gym.Env[Any, Any], choices: Mapping[str, str]) -> dict[str, Any]:
    """Evaluate, film, and write result.json and report.html; an interrupted run gets the report only.

    Args:
        trainer: A trainer whose `train` returned.
        stopped: What it returned.
        film_env: A single env with `render_mode="rgb_array"`.
        choices: Names of the env and the agent, for the headline.

    Returns:
        The content of result.json.
    """
    cfg = trainer.cfg.evaluation
    result = timings(trainer) | {"stopped": stopped, "seed": trainer.cfg.seed, **choices}
    for name, summary in trainer.milestones.items():
        result |= {f"{name}_{key}": value for key, value in summary.items()}
    if stopped != "interrupted":
        if cfg.episodes:
            result |= trainer.evaluate_final().summary()
        film_episodes(trainer.agent, film_env, trainer.run_dir, cfg.videos)
    result["eval_s"] = trainer.watch.total("checks", "evaluation")
    result["curve"] = learning_curve(trainer.run_dir)
    write_json(trainer.run_dir.result, result)
    write_report(trainer.run_dir.path)
    return result


def timings(trainer: Trainer) -> dict[str, Any]:
    """Return where the time went, and how much data was used."""
    return {
        "train_s": trainer.train_s,
        "demo_s": trainer.watch.total("demos"),
        "bc_s": trainer.watch.total("bc"),
        "rl_s": trainer.watch.total(LEARN),
        "env_steps": trainer.env_steps,
        "updates": trainer.updates,
        "demos": trainer.cfg.demos.count,
    }


def learning_curve(run: RunDirectory) -> list[tuple[int, float, float, float]]:
    """Return the checks of a run: env steps, seconds of training so far, the share of successes, and the mean return."""
    rows = [row for row in read_metrics(run.metrics) if "check/success" in row]
    return [(int(row["step"]), round(row["time_s"], 2), row["check/success"], row["check/return"]) for row in rows]


def film_episodes(policy: Policy[Any], env: gym.Env[Any, Any], run: RunDirectory, count: int) -> None:
    """Film the first `count` held-out episodes side by side into `videos/policy.mp4`."""
    if count < 1:
        return
    films = [film(policy, env, seed) for seed in EVAL_SEEDS[:count]]
    frames = tile([f.frames for f in films], [f.success for f in films])
    run.videos.mkdir(exist_ok=True)
    write_video(run.videos / "policy.mp4", frames, fps=cast("float", env.metadata.get("render_fps", 10)))
