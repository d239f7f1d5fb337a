"""Networks on their way out: what is exported, how, and the proof that it answers as the network it was made of."""
