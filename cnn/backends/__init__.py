"""How a net is run: the plan's operations by compiled kernels or by NumPy, and what both are given."""
