"""The command line. `main` is the entry point; each command's file is imported when the command is used."""


def main() -> None:
    """Run the command line of this process and exit with its code: 0 done, 1 refused or failed, 2 wrong usage."""
    from taskgate.cli.root import root

    root.main(prog_name="taskgate")
