"""What an attacker can and cannot do, by the one right that each has got hold of."""
