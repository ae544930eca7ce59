"""Reference problems and their answers, reached by ways that the package does not take."""
