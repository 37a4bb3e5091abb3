"""From scanner files to model-ready volumes: NIfTI, region of interest, intensity, volume store, simulation."""
