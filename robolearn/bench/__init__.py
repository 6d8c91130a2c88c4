"""What `robolearn bench` measures."""

from robolearn.bench.results import print_table, read_result, write_result

__all__ = ["print_table", "read_result", "write_result"]
