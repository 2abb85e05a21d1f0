"""`terminator doctor`: whether a deployment can work, and what would mend it."""
