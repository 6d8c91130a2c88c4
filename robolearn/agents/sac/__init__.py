"""Soft actor-critic with demonstrations."""
