"""The example fleet: its stack, what its instances run, and its releases."""
