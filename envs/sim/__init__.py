"""The MuJoCo world, and the drivers that look into it; the only package of ours that imports mujoco."""

from robolearn.envs.sim.gl import import_mujoco

import_mujoco()
