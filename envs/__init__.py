"""Gymnasium envs: one robot env class, its simulation, tasks and wrappers.

Importing this package registers the simulated tasks with Gymnasium; their configs' fields are the keyword arguments:

>>> import gymnasium
>>> env = gymnasium.make("robolearn.envs:robolearn/PickCube-v0", yaw=0.4, observation="state")
>>> env.action_space.shape
(5,)
"""

import gymnasium

for _task in (
    "Reach",
    "PickCube",
    "Lever",
    "Drawer",
    "Peg",
    "Place",
    "Stack",
    "Stow",
    "Push",
    "Slide",
    "Lift",
    "Handover",
):
    gymnasium.register(id=f"robolearn/{_task}-v0", entry_point="robolearn.envs.build:make", kwargs={"task": _task})
