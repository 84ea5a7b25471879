"""`python -m cnn`: the command line without its script on the path."""

from cnn_command import main

main()
