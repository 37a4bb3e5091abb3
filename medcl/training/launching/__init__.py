"""Starting several processes, on one machine or many, and joining those that others started."""
