"""Decisions as they were recorded."""
