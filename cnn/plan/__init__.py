"""From a net's layers to the operations and the memory that the kernels run on."""
