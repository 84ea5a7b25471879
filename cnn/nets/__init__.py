"""Nets, as users hold them."""
