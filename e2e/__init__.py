"""A real deployment to a local AWS, driven from upload to convergence."""
