"""From stored volumes to batches: pair tasks, curriculum, augmentation, reading ahead."""
