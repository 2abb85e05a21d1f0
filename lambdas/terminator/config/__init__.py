"""Settings: of the deployment, of a group, and how their text is read."""
