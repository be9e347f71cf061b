"""`python -m kit` is `kit`, for the Python at hand."""

from kit.cli import main

if __name__ == "__main__":
    main(prog_name="kit")
