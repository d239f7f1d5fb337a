"""What training asks of a prediction: matching, mask and class losses, temporal contrast. No files, no network."""
