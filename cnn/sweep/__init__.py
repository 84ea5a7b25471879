"""`cnn sweep`: settings of trainings that Optuna chooses, and a process for each training that tries them."""
