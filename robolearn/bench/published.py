"""What others have published of runs of their own, to hold ours against."""

from collections.abc import Mapping

FRAMES_PER_STEP = 2
"""Of their agents, and of ours on the same tasks."""
DRQV2: Mapping[str, Mapping[int, tuple[int, ...]]] = {
    "cartpole_swingup": {
        40_000: (295, 75, 355, 122, 166, 74, 422, 200, 237, 87),
        60_000: (506, 75, 665, 192, 209, 200, 608, 334, 404, 66),
    },
    "reacher_easy": {
        40_000: (99, 43, 226, 102, 196, 1, 35, 102, 58, 196),
        60_000: (242, 33, 192, 132, 111, 34, 98, 2, 68, 229),
    },
}
"""Setting -> frames -> returns of DrQ-v2 (arXiv:2107.09645), one a seed, each a mean of 10 episodes.

Source: curves/dmc_<task>.csv of github.com/facebookresearch/drqv2, rounded."""
