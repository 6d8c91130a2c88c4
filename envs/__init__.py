"""Gymnasium envs: one robot env class, its simulation, tasks and wrappers."""
