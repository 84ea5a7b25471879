"""The command line `cnn`."""
