"""Learned densities p_{t,θ} by three definitions: score integral, probability flow, reverse SDE."""
