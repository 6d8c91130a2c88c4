"""Greedy evaluation runs each seed once; the stop rule and the stopwatch count what they should."""

import os
import signal

import pytest
from toy import NoisePolicy, count_envs

from robolearn.run.evaluate import evaluate
from robolearn.run.stop import StopRule, StopSignals
from robolearn.run.stopwatch import Stopwatch


@pytest.mark.parametrize("size", [1, 3, 8])
def test_every_seed_is_run_exactly_once(size):
    evaluation = evaluate(NoisePolicy(), count_envs(size), range(20_000, 20_005))
    assert [end.seed for end in evaluation.ends] == list(range(20_000, 20_005))
    assert [end.success for end in evaluation.ends] == [True, False, True, False, True]
    summary = evaluation.summary()
    assert summary["success"] == pytest.approx(0.6)
    assert summary["wilson_low"] == pytest.approx(0.2307, abs=1e-3)  # Wilson (1927) for 3 of 5, z = 1.96
    assert summary["wilson_high"] == pytest.approx(0.8824, abs=1e-3)


def test_stop_rule_wants_consecutive_checks():
    rule = StopRule(threshold=0.95, consecutive=2)
    for success, solved in [(1.0, False), (0.9, False), (0.96, False), (0.95, True)]:
        rule.add(success, total=success)
        assert rule.solved is solved


def test_the_best_check_is_that_of_most_success_then_of_most_return():
    rule = StopRule(threshold=1.0, consecutive=2)
    for check, best in [((0.0, 30.0), True), ((0.0, 20.0), False), ((0.0, 40.0), True), ((0.2, 9.0), True), ((0.0, 99.0), False), ((0.2, 9.0), True)]:  # fmt: skip
        rule.add(*check)
        assert rule.best is best


def test_signals_are_noted_and_handlers_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == "SIGTERM"
    assert signal.getsignal(signal.SIGTERM) is before


def test_second_interrupt_is_not_swallowed():
    with StopSignals():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_stopwatch_moves_time_between_names():
    watch = Stopwatch()
    watch.load({"rl": 2.0, "bc": 1.0})
    watch.rename("rl", "bc")
    assert watch.total("bc", "rl") == 3.0
    with watch.running("rl"):
        pass
    assert 0.0 <= watch.total("rl") < 0.1
