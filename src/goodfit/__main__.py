"""`python -m goodfit`: the command line."""

from goodfit.cli import main

main()
