"""The bridge: one process owns a robot, and lets one client at a time command it."""
