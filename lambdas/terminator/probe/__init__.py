"""The probe: asks instances for their version."""
