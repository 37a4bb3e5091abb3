"""A door per command: flags to options, one call, one printed summary."""
