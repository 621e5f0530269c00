"""`python -m taskgate`: the command line, for where no `taskgate` is on the path."""

from taskgate.cli import main

if __name__ == "__main__":
    main()
