"""Run the command line as `python -m kdpipe.cli`."""

from kdpipe.cli import main

if __name__ == "__main__":
    main()
