"""A fleet on loopback: a local AWS, and a real `/version` server for every instance."""
