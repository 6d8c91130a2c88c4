"""Env wrappers: other coordinates for actions, and human intervention."""

from robolearn.envs.wrappers.action import ActionTransform, RelativeFrame
from robolearn.envs.wrappers.intervention import InterventionWrapper, ScriptedSource

__all__ = ["ActionTransform", "InterventionWrapper", "RelativeFrame", "ScriptedSource"]
