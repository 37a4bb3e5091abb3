"""How steps become a run: loop, schedules, checkpoints, health, logs."""
