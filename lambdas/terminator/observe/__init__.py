"""What a run asks AWS and the instances."""
