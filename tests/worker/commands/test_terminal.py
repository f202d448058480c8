import pytest
from rich.table import Table

from worker.commands.terminal import terminal


@pytest.mark.parametrize("label", ["[billing]", "[/delivery]", ":fire:", "[bold red]x[/]", "[link=http://x]y[/link]"])
def test_a_label_is_shown_as_it_is_written(label: str, capsys: pytest.CaptureFixture[str]) -> None:
    console = terminal()
    table = Table("label", title=label)
    table.add_row(label)
    console.print(table)
    console.print(label)
    assert capsys.readouterr().out.count(label) == 3
