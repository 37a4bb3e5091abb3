"""The page of `medcl evaluate`: scores with intervals beside baselines, and predictions against the truth."""
