"""What lies on disk: study folder, cohort table, patient splits, runs. Knows no torch."""
