"""Actor and learner as processes of their own, through the command line, either of which is killed on the way."""

import json

import pytest

from robolearn.bench.actors import LEARNER, Pair, exactly_once

STEPS = 160
KILLED = ("actor", "learner")
ACTOR = ("learner.retry_s=0.1", "pace.ahead_steps=20")
TASK = ("env=reach", "env.observation=state", "env.max_steps=30")
WORDS = (*TASK, *LEARNER, f"max_env_steps={STEPS}", "evaluation.episodes=2", "evaluation.envs=2", "evaluation.videos=1")


@pytest.mark.slow
def test_what_is_learned_from_is_what_was_done_whoever_was_killed(tmp_path):
    with Pair(tmp_path, WORDS, ACTOR) as pair:
        for who in ("learner", "actor"):
            pair.start(who)
        for number, who in enumerate(KILLED, 1):
            pair.wait_for_log(number * 12_000)
            pair.kill(who)
            pair.start(who)
        pair.wait()
        stored, result = pair.stored(), pair.result()
        assert exactly_once(stored, pair.logged())
        assert sum(not step.is_last for step in stored) >= STEPS
        assert result["env_steps"] >= STEPS
        assert result["updates"] > 20
        assert len({step.policy_version for step in stored}) > 1
        summary = json.loads(pair.said_by("actor").splitlines()[-1])
        assert summary["joins"] >= 1 + (KILLED[-1] == "learner")
