"""Holds helpers that tests of several rooms share. ``tests/conftest.py`` loads some as plugins."""
