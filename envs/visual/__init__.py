"""Other looks for an env: randomised appearance, real-camera faults, and moving pictures behind the scene."""
