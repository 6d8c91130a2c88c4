"""Demonstration files: reading, writing, showing."""
