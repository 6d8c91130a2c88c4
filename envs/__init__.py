"""Gymnasium envs: one robot env class, its simulation, tasks and wrappers.

Importing this package registers the simulated tasks with Gymnasium; their configs' fields are the keyword arguments:

>>> import gymnasium
>>> env = gymnasium.make("robolearn.envs:robolearn/PickCube-v0", yaw=0.4, observation="state")
>>> env.action_space.shape
(5,)
"""

import gymnasium

gymnasium.register(id="robolearn/Reach-v0", entry_point="robolearn.envs.build:make_reach")
gymnasium.register(id="robolearn/PickCube-v0", entry_point="robolearn.envs.build:make_pick_cube")
