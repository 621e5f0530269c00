"""The certificates that doors show and trust: read, judged, watched, swapped while they serve."""
