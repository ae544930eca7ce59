"""The paper's theorems as numbers: bounds, decomposition, rates, exponents."""
