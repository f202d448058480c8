import pytest
import typer
from typer.testing import CliRunner

from model.errors import CheckpointError
from worker.commands.ending import Commands
from worker.errors import ConfigurationError, DeadLetterToolError


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigurationError("config.yaml", ["kafka: is required"]), 2),
        (DeadLetterToolError("dead-letters: no such topic"), 1),
        (CheckpointError("config.json is missing"), 1),
    ],
)
def test_what_people_can_mend_is_one_line_and_the_errors_own_status(error: Exception, status: int):
    app = typer.Typer(cls=Commands)

    @app.command()
    def fails() -> None:
        raise error

    @app.command()
    def works() -> None: ...

    result = CliRunner().invoke(app, ["fails"])
    assert (result.exit_code, result.stderr) == (status, f"{error}\n")
    assert CliRunner().invoke(app, ["works"]).exit_code == 0


def test_what_nobody_foresaw_keeps_its_stack():
    app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @app.command()
    def fails() -> None:
        raise ZeroDivisionError

    @app.command()
    def works() -> None: ...

    assert isinstance(CliRunner().invoke(app, ["fails"]).exception, ZeroDivisionError)
