"""Soft actor-critic with demonstrations (RLPD) from images, state or both."""
