"""The verbs of the robolearn command."""
