"""The CDK stacks: wiring and grants, no logic."""
