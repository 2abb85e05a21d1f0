"""The command line: none of it runs in Lambda."""
