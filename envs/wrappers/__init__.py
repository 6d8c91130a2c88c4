"""Env wrappers: other coordinates for actions, other views for observations, and human intervention."""

from robolearn.envs.wrappers.action import ActionTransform, RelativeFrame
from robolearn.envs.wrappers.intervention import InterventionWrapper, ScriptedSource
from robolearn.envs.wrappers.observation import History, ObsTransform, Reframe, Select

__all__ = [
    "ActionTransform",
    "History",
    "InterventionWrapper",
    "ObsTransform",
    "Reframe",
    "RelativeFrame",
    "ScriptedSource",
    "Select",
]
