"""What Terminator costs, each figure beside its floor: `make bench`."""
