"""What tests of several rooms share. Those that ``tests/conftest.py`` names are plugins."""
