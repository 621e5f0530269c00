"""Other people's queues: work that is asked for elsewhere becomes runs, and their ends go back there."""
