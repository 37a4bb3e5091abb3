"""One file per command: its options model and the function that does the work; what notebooks import."""
