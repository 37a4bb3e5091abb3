"""Simulated studies with known truth."""
