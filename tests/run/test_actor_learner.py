"""Actor and learner as processes of their own, through the command line, either of which is killed on the way."""

import json

import pytest

from robolearn import config
from robolearn.assembly.training import trained_config
from robolearn.bench.actors import LEARNING, STEP_BYTES, TASK, Split, promised_updates
from robolearn.cli.main import main
from robolearn.run.config import LearnerConfig, TrainConfig
from robolearn.run.directory import RunDirectory

STEPS = 160
KILLED = ("left", "learner")
ACTOR = ("learner.retry_s=0.1", "pace.ahead_steps=20")
WORDS = (
    *TASK,
    *LEARNING,
    f"max_env_steps={STEPS}",
    "evaluation.episodes=2",
    "evaluation.envs=2",
    "evaluation.videos=1",
)


@pytest.mark.slow
def test_what_is_learned_from_is_what_was_done_whoever_was_killed(tmp_path, capsys):
    with Split(tmp_path, WORDS, {"left": ACTOR}) as split:
        for who in split.names:
            split.start(who)
        for number, who in enumerate(KILLED, 1):
            split.wait_for_log("left", number * 30 * STEP_BYTES)
            split.kill(who)
            split.start(who)
        split.wait()
        stored, result = split.stored("left"), split.result()
        assert split.exactly_once("left")
        assert sum(not step.is_last for step in stored) >= STEPS
        assert result["env_steps"] >= STEPS
        assert result["updates"] == promised_updates(int(result["env_steps"]))
        assert split.mirrored("left")
        assert len({step.policy_version for step in stored}) > 1
        assert split.summary("left")["joins"] >= 1 + (KILLED[-1] == "learner")
    assert main(["evaluate", f"run={split.run}", "episodes=2", "envs=2", "videos=0", "critic_states=5"]) == 0
    judged = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert judged["success"] == result["success"]
    assert judged["critic/states"] == 5


@pytest.mark.parametrize(("verb", "config_class"), [("train", TrainConfig), ("learner", LearnerConfig)])
def test_the_config_of_any_run_can_be_read_and_changed(verb, config_class, tmp_path):
    cfg = config.compose(verb, ["env=reach", "seed=3"])
    run = RunDirectory(tmp_path)
    config.save(cfg, run.config)
    assert trained_config(run) == cfg
    changed = trained_config(run, ["env.max_steps=7"])
    assert type(changed) is config_class
    assert (changed.env.max_steps, changed.seed) == (7, 3)
