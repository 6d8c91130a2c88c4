"""Files damaged at random: each gives one clear error, or episodes that keep to their spec; nothing else, and no end of waiting."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from episodes import SPEC, episode, robomimic_file

from robolearn.core.errors import DataError, SpecError
from robolearn.data import open_demos, write_demos
from robolearn.data.lerobot_writer import write_lerobot

ROUNDS = 60
"""Damaged copies of each kind."""
FORMS: dict[str, Callable[[Path], Path]] = {
    "robolearn": lambda at: write_demos(at / "ours.hdf5", SPEC, [episode(i, 4) for i in range(3)]),
    "robomimic": lambda at: robomimic_file(at / "theirs.hdf5"),
    "lerobot": lambda at: write_lerobot(at / "set", SPEC, [episode(i, 4) for i in range(3)], task="lift"),
}


def flip(data: bytearray, rng: np.random.Generator) -> None:
    for offset in rng.integers(0, len(data), int(rng.integers(1, 9))):
        data[offset] ^= int(rng.integers(1, 256))


def cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(0, len(data))) :]


def blank(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(0, len(data)))
    data[start : start + 64] = bytes(len(data[start : start + 64]))


def swap(data: bytearray, rng: np.random.Generator) -> None:
    first, second = (int(offset) for offset in rng.integers(0, max(len(data) - 64, 1), 2))
    data[first : first + 32], data[second : second + 32] = data[second : second + 32], data[first : first + 32]


@pytest.mark.parametrize("damage", [flip, cut, blank, swap], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("form", sorted(FORMS))
def test_damage_anywhere_is_one_clear_error_or_harmless(tmp_path, form, damage):
    whole = FORMS[form](tmp_path)
    errors: list[str] = []
    for seed in range(ROUNDS):
        rng = np.random.default_rng(seed)
        path = tmp_path / f"damaged{whole.suffix}"
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, path)
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        victim = files[int(rng.integers(len(files)))]
        data = bytearray(victim.read_bytes())
        damage(data, rng)
        victim.write_bytes(data)
        try:
            source = open_demos(path)
            for steps in source.episodes:
                for step in steps:
                    source.spec.validate_obs(step.obs)
                    source.spec.action.validate(step.action)
        except (DataError, SpecError) as error:
            errors.append(str(error))
        (shutil.rmtree if path.is_dir() else Path.unlink)(path)
    assert all(str(tmp_path) in error for error in errors)
    assert len(errors) >= (ROUNDS // 10 if damage is not swap else 1)
