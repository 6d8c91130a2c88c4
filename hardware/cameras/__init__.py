"""Cameras: what takes pictures, and the process that publishes them."""
