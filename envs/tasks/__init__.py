"""Tasks: what is to be done, each a small file."""
