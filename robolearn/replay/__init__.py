"""One store of steps and three views of it.

Keys of a batch, with B rows, T steps, H actions, A action size:

- every view: `index` int64 (a number that a row keeps for ever, counted over all streams), `is_demo`, `intervened`,
  `success` float32 (0 or 1, of the drawn row), `won` float32 (1 if its episode has ended in success), and, per draw from `DerivedColumn`s, `derived/<name>`: one of its copies.
- `transitions`: `obs/<key>`, `next_obs/<key>` (B, ...); `action` (B, A); `reward`, `reward/<name>` (B,), the sum of
  discount^i r_i over k steps; `discount` (B,), discount^k, or 0 where the k-th observation is terminal (a time limit is
  not: it bootstraps); `next_derived/<name>`, its copy drawn on its own; `extra/<name>` of the start. k is n_step, or
  less (at least 1) where the episode, a gap or the newest row ends the steps there are.
- `sequences`: all of `obs/<key>`, `action`, `reward` (of the action in the same row), `extra/<name>`, `is_first`,
  `is_last`, `is_terminal`, `is_truncated` as (B, T, ...), `mask` float32 (B, T). Starts are uniform among those with T
  rows; an episode with fewer is drawn from its first row on, its last row repeated under mask 0. A derived column shows
  the same copy number all along a sequence.
- `chunks`: `obs/<key>` (B, ...) at the start; `action` (B, H, A); `mask` float32 (B, H), 0 where the episode has no
  more actions and the last one repeats; `extra/<name>` of the start.

Rows of one source group lie side by side, groups in the order of `BatchSpec.mix`.
"""

from robolearn.replay.store import Replay

__all__ = ["Replay"]
