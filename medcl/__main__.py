"""`python -m medcl` is the same as `medcl`."""

from medcl.cli.app import main

main()
