"""`python -m cnn`: the command line without its script on the path."""

from .cli.app import main

main()
