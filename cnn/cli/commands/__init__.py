"""The commands, a file each. They load data, call the library and show the result; a program can do all of it."""
