"""A robot-learning toolkit for real and simulated manipulation."""
