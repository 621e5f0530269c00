"""The gateway's end of worker links, whatever carries them."""
