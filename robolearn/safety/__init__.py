"""The one safety supervisor, used in simulation, on the twin and on hardware."""
