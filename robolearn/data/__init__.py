"""Demonstrations: reading, writing, converting, showing."""

from robolearn.data.convert import DemoSource, convert, open_demos
from robolearn.data.layout import DemoInfo, EpisodeInfo
from robolearn.data.reader import inspect_demos, read_demos
from robolearn.data.rerender import rerender
from robolearn.data.sheet import contact_sheet, describe_demos
from robolearn.data.writer import DemoWriter, write_demos

__all__ = [
    "DemoInfo",
    "DemoSource",
    "DemoWriter",
    "EpisodeInfo",
    "contact_sheet",
    "convert",
    "describe_demos",
    "inspect_demos",
    "open_demos",
    "read_demos",
    "rerender",
    "write_demos",
]
