"""Actor and learner as processes of their own, through the command line, either of which is killed on the way."""

import pytest

from robolearn.bench.actors import LEARNING, Split

STEPS = 160
KILLED = ("left", "learner")
ACTOR = ("learner.retry_s=0.1", "pace.ahead_steps=20")
TASK = ("env=reach", "env.observation=state", "env.max_steps=30")
WORDS = (
    *TASK,
    *LEARNING,
    f"max_env_steps={STEPS}",
    "evaluation.episodes=2",
    "evaluation.envs=2",
    "evaluation.videos=1",
)


@pytest.mark.slow
def test_what_is_learned_from_is_what_was_done_whoever_was_killed(tmp_path):
    with Split(tmp_path, WORDS, {"left": ACTOR}) as split:
        for who in split.names:
            split.start(who)
        for number, who in enumerate(KILLED, 1):
            split.wait_for_log("left", number * 12_000)
            split.kill(who)
            split.start(who)
        split.wait()
        stored, result = split.stored("left"), split.result()
        assert split.exactly_once("left")
        assert sum(not step.is_last for step in stored) >= STEPS
        assert result["env_steps"] >= STEPS
        assert result["updates"] > 20
        assert len({step.policy_version for step in stored}) > 1
        assert split.summary("left")["joins"] >= 1 + (KILLED[-1] == "learner")
