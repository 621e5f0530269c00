"""The fleet: who is connected, with how many free slots, and who can do what."""
