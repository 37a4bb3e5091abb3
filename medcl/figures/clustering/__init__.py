"""The page of `medcl cluster train` and `apply`: clusters on maps, as pictures, and beside the clinical variables."""
