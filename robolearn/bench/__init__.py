"""What `robolearn bench` measures."""

from robolearn.bench.results import print_table, write_result

__all__ = ["print_table", "write_result"]
