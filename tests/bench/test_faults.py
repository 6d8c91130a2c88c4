"""The fault campaigns, a sample of each; `robolearn bench faults|signals|fuzz` runs all of them."""

import numpy as np
import pytest

from robolearn.bench import fuzz
from robolearn.bench.faults import FAULTS, run_schedules
from robolearn.bench.signals import LEAST, Bench
from robolearn.bench.watch import Limits, Watch
from robolearn.core import arms
from robolearn.core.robot import CommandMode
from robolearn.safety import SafetyLimits
from robolearn.wire.messages import AppliedSetPoint, ArmState


def test_whatever_goes_wrong_the_twin_stays_within_its_limits_stops_in_time_and_says_why():
    outcomes = run_schedules(range(3 * len(FAULTS)))
    assert [(o.seed, o.fault, o.watch.seen) for o in outcomes if o.watch.broken] == []
    assert [(o.seed, o.fault) for o in outcomes if not o.named] == []
    worst = Watch.worst([o.watch for o in outcomes])
    assert worst["joint_speed"] > 0.5, "an arm that hardly moves breaks no limit"
    assert worst["stop_s"] > 0.0


def test_nothing_is_named_where_nothing_has_gone_wrong():
    outcomes = run_schedules(range(len(FAULTS)), harm=False)
    assert [(o.seed, o.fault) for o in outcomes if o.named] == []


@pytest.mark.slow
def test_signals_and_bad_messages_among_real_processes_end_in_rest_and_a_name():
    with Bench() as bench:
        rounds = [bench.play(fault, 1) for fault in ("client_killed", "nan")]
    assert [(r.fault, r.watch.seen) for r in rounds if r.watch.broken] == []
    assert [(r.fault, r.said) for r in rounds if not r.named] == []


@pytest.mark.slow
def test_an_arm_is_watched_while_somebody_else_tries_to_command_it():
    with Bench() as bench:
        played = bench.play("second_client", 1)
    assert played.named, played.logged
    assert played.watch.broken == set(), played.watch.seen
    assert played.watch.judged > LEAST


def test_nonsense_crashes_nothing_and_moves_nothing():
    result = fuzz.bench_fuzz(messages=1_500)
    assert result["passed"], result
    assert min(result["clients"].values()) > 500
    assert result["messages"] == 10 * 1_500


def state(at_s, q, dq, x=0.5, stopped_by="", age_s=0.0):
    pose = [x, 0.0, 0.4, 0.0, 1.0, 0.0, 0.0]
    applied = AppliedSetPoint(
        seq=1, mode=CommandMode.JOINT_VELOCITY, target=[0.0] * 7, gripper=None, valid_for_s=1.0, clipped=[]
    )
    names = dict.fromkeys(("twist", "wrench", "gripper", "gripper_speed"))
    return ArmState(
        stamp_ns=round(at_s * 1e9),
        q=[q, *[0.0] * 6],
        dq=[dq, *[0.0] * 6],
        pose=pose,
        faults=[],
        applied=None if stopped_by else applied,
        holder="",
        lease=None,
        stopped_by=stopped_by,
        command_seq=1,
        command_age_s=age_s,
        accepted=1,
        past=[],
        rejected={},
        **names,
    )


def watched(mode=CommandMode.JOINT_VELOCITY):
    return Watch(Limits.of(arms.PANDA, SafetyLimits()), mode)


def test_a_watch_sees_speed_acceleration_and_the_box():
    watch = watched()
    for tick in range(40):
        at_s = 0.01 * tick
        watch.look(state(at_s, q=2.0 * at_s**2, dq=4.0 * at_s, x=0.85))
    assert watch.seen["joint_speed"] == pytest.approx(4.0 * 0.39 / arms.PANDA.dq_max[0])
    assert watch.seen["joint_acceleration"] == pytest.approx(4.0 / arms.PANDA.ddq_max[0])
    assert watch.seen["outside_m"] == pytest.approx(0.03)
    assert watch.broken == {"outside_m"}


@pytest.mark.parametrize(("stopped_by", "age_s"), [("watchdog", 0.0), ("", 2.0)])
def test_a_watch_measures_how_long_an_arm_takes_to_stop(stopped_by, age_s):
    watch = watched()
    watch.look(state(0.0, 0.0, 1.0))
    for tick in range(1, 70):
        speed = 1.0 if tick < 56 else 0.0
        watch.look(state(0.01 * tick, 0.0, speed, stopped_by=stopped_by, age_s=age_s))
    assert watch.seen["stop_s"] == pytest.approx(0.54)
    assert watch.broken == {"stop_s"}
    assert np.isclose(Watch.worst([watch, watched()])["stop_s"], 0.54)
