"""What robots, cameras, actors and learners say to each other, and the sockets over which they say it."""
