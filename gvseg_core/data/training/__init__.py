"""Training data: clips of any set, drawn, augmented and labelled, the same on any number of processes."""
