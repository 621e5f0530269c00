"""Adapters of the ports that the rooms below own, one folder per engine.

A backend never imports another one; which of them is used is decided in the assembly alone.
"""
