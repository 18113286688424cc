"""The command line; heavy imports wait until a command needs them."""

from goodfit.cli.app import app, main

__all__ = ["app", "main"]
