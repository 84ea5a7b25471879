"""A net as one C header: a flat list of operations, folded and fused, in float32 or in 8-bit integers."""
