"""Layers made of what the graphs of other programs compute, one operation after the other."""
