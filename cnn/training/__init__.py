"""A fit: its optimisers, augmentation, callbacks, checkpoints and progress."""
