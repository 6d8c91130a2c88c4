"""What `robolearn bench` measures."""
