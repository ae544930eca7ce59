"""The law of the probability-flow ODE [4]."""
