"""MJCF models of arms and grippers."""
