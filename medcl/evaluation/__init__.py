"""Probes, metrics and confidence intervals."""
