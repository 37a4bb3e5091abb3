"""The page of `medcl segment evaluate`: every case beside its truth, the worst first."""
