"""The quality page of a volume store: every image at a glance, the cohort's outliers first."""
