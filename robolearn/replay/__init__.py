"""One store of steps and its views."""
