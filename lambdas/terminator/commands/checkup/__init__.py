"""What `terminator doctor` checks: a module a kind, each pure but for the one that looks."""
