"""Formatting that every page shares: `formats` (pure) and its filters."""
