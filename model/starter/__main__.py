"""`python -m model.starter`: build the starter checkpoint and print its folder."""

import sys

from model.errors import ModelError
from model.starter import build_starter


def main() -> int:
    """Exit status 0 with the folder on standard output; 1 with the reason on standard error."""
    try:
        folder = build_starter(on_progress=lambda line: print(line, file=sys.stderr, flush=True))
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
