"""Identity: which query of this clip continues which object of the last."""
