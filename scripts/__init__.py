"""Helpers of the Makefile and of the tests."""
