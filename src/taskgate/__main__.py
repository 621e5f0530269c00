"""`python -m taskgate`: the command line, for where no `taskgate` is on the path.

Nothing is decided here: `taskgate up` starts its gateway and workers this way, with the interpreter it runs in itself,
so they are of the same installation whatever the path says.
"""

from taskgate.cli import main

if __name__ == "__main__":
    main()
