"""Robots, cameras and input devices, and the bridge over which they are reached; needs neither torch nor MuJoCo."""
