"""One paper a file: what one training step computes."""
