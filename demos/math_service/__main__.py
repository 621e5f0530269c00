"""Serves the math service."""

from taskgate.cli.tour.math.__main__ import main

main()
