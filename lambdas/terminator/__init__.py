"""Terminator keeps EC2 Auto Scaling groups on the release they should be running."""
