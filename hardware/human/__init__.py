"""Devices by which a person takes over from a policy."""
