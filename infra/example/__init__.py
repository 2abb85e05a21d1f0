"""What the instances of the example fleet run."""
