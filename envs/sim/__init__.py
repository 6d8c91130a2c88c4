"""The MuJoCo world and the drivers that look into it."""
