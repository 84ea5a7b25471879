"""Nets as modules of PyTorch: written by the layers' `to_torch`, and read back."""
