"""Training: the set-up, the exact gradient flow, its limits, and SGD and Adam for comparison."""
