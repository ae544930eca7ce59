"""Independent references for every number of the package that has an error: high precision.

Nothing here calls a quadrature, an eigendecomposition or an assembly of the package; its draws
(features, data, noise) are taken as given, since they are the problem and not its solution.
"""
