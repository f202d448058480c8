"""The terminal of the commands: text of labels, tenants and files is shown as it is written."""

from rich.console import Console


def terminal(*, stderr: bool = False) -> Console:
    """A console to which no string is markup, an emoji's code or something to highlight; style what is ours."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)
