"""Training, in parts: what a step asks, how weights move, what is saved, how processes keep together."""
