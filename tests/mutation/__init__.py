"""Mutation testing of the decision: `make mutants`."""
