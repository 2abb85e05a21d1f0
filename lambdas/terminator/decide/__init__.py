"""The decision: pure functions of what was observed, the policy and the time."""
