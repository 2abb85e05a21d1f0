"""The commands of the command line, a module a group of them; none of it runs in Lambda."""
