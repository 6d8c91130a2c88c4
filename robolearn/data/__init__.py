"""Demonstration files: reading, writing, showing."""

from robolearn.data.layout import DemoInfo, EpisodeInfo
from robolearn.data.reader import inspect_demos, read_demos
from robolearn.data.writer import DemoWriter, write_demos

__all__ = ["DemoInfo", "DemoWriter", "EpisodeInfo", "inspect_demos", "read_demos", "write_demos"]
