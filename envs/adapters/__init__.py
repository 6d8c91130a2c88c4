"""Simulations that are not ours, as envs of ours."""
