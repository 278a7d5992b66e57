"""Bundled sample data and its readers; what came from where is in SOURCE.md beside this file."""
