"""`train_exact` and what it returns: one trained model at every training time."""
