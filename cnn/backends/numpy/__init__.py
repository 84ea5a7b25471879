"""A plan run by NumPy: the specification of the compiled kernels."""
