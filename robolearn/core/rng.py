"""Seeds: who may use which, and independent generators that can be saved."""

from collections.abc import Mapping
from typing import cast

import numpy as np

TRAIN_SEEDS = range(0, 10_000)
CHECK_SEEDS = range(10_000, 20_000)
EVAL_SEEDS = range(20_000, 1_000_000)
"""Episodes that training never sees: stop checks use `CHECK_SEEDS`, the final evaluation `EVAL_SEEDS`."""
SEEDS = 2**62
"""A drawn seed is below this."""


def spawn(seed: int, *path: int) -> np.random.Generator:
    """Return the generator of one purpose; equal arguments give equal streams, others are independent."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=path)))


def train_seed(run_seed: int, stream: int, episode: int) -> int:
    """Return the env seed of a training episode, in `TRAIN_SEEDS`."""
    word = np.random.SeedSequence([run_seed, stream, episode]).generate_state(1)[0]
    return TRAIN_SEEDS[int(word) % len(TRAIN_SEEDS)]


def next_seed(rng: np.random.Generator) -> int:
    """Return the seed that a generator was made with if nothing was drawn from it yet, else one drawn now; either way `rng` moves on.

    Whoever sets an episode up elsewhere from this seed draws what `rng` would have given here.
    """
    source = rng.bit_generator.seed_seq
    made_with = source.entropy if isinstance(source, np.random.SeedSequence) else None
    state, drawn = rng.bit_generator.state, int(rng.integers(SEEDS))
    if isinstance(made_with, int) and made_with < SEEDS and state == np.random.PCG64(made_with).state:
        return made_with
    return drawn


def rng_state(rng: np.random.Generator) -> dict[str, int]:
    """Return the state of a PCG64 generator as plain integers."""
    state = cast("Mapping[str, Mapping[str, int]]", rng.bit_generator.state)
    flat = cast("Mapping[str, int]", rng.bit_generator.state)
    return {
        "state": state["state"]["state"],
        "inc": state["state"]["inc"],
        "has_uint32": flat["has_uint32"],
        "uinteger": flat["uinteger"],
    }


def set_rng_state(rng: np.random.Generator, state: Mapping[str, int]) -> None:
    """Put back what `rng_state` returned, in place."""
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": state["state"], "inc": state["inc"]},
        "has_uint32": state["has_uint32"],
        "uinteger": state["uinteger"],
    }
