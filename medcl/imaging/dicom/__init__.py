"""From a scanner's files to volumes: what lies in a tree, which slices belong together, what is wrong with them."""
