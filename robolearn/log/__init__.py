"""Metric sinks, recorders and the run report."""
