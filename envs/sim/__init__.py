"""The MuJoCo world, and the drivers that look into it; the only package of ours that imports mujoco."""
