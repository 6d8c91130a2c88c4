"""Act for a learner: `robolearn actor name=left learner.steps=tcp://10.0.0.5:5660`."""

import json
import logging
from collections.abc import Sequence

from robolearn import config
from robolearn.assembly import acting
from robolearn.assembly.config import ActorConfig
from robolearn.run.rollout import EpisodeEnd
from robolearn.run.stop import StopSignals


def main(argv: Sequence[str]) -> int:
    """Act until the learner has finished, and print what was done as one JSON object on the last line."""
    cfg: ActorConfig = config.compose("actor", argv)
    with StopSignals() as signals:
        summary = acting.act_for(cfg, lambda: signals.received is not None, _tell)
    print(json.dumps(summary))
    return 0


def _tell(end: EpisodeEnd) -> None:
    logging.info("episode %d: %s after %d steps", end.episode, "success" if end.success else "no success", end.length)
