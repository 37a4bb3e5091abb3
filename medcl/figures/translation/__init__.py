"""Pictures and the page of `medcl translate train`: what becomes of source slices while the networks learn."""
