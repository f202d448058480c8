"""The page on architecture draws the house as it stands."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted(each.parent.name for each in (ROOT / "worker").glob("*/__init__.py"))
MOST_LINES = 400
MOST_FILES_AT_THE_DOOR = 8


def row_of(page: str, room: str) -> str:
    start = page.index(f"\n| `{room}/` |") + 1
    return page[start : page.index("\n", start)]


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_of_a_room_stands_in_its_row(room: str, pages: dict[str, str]):
    row = row_of(pages["docs/architecture.md"], room)
    files = [file.stem for file in (ROOT / "worker" / room).glob("*.py") if file.stem != "__init__"]
    assert [file for file in files if f"`{file}`" not in row] == []


def test_the_layers_on_the_page_are_those_of_the_contract(pages: dict[str, str]):
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (rooms,) = [contract for contract in contracts if contract.get("containers") == ["worker"]]
    page = pages["docs/architecture.md"]
    drawn = page[page.index("```\ncli\n") :].split("```")[1]
    assert [line.strip(" └") for line in drawn.strip().splitlines()] == rooms["layers"]


def test_no_file_holds_more_than_one_idea_can_take():
    files = [
        file for room in ("worker", "model", "schemas", "benchmarks", "tests") for file in (ROOT / room).rglob("*.py")
    ]
    long = {
        str(file.relative_to(ROOT)): lines for file in files if (lines := file.read_text().count("\n")) > MOST_LINES
    }
    assert long == {}


def test_few_files_stand_at_the_door_of_the_worker():
    assert len(list((ROOT / "worker").glob("*.py"))) <= MOST_FILES_AT_THE_DOOR
