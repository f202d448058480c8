from pathlib import Path

import pytest

from worker.commands.outputs import output_file, output_folder, output_picture, require_extra, write_text
from worker.errors import ConfigurationError, OutputError


def test_missing_folders_of_a_file_are_made_and_nothing_is_left_in_them(tmp_path: Path) -> None:
    path = output_file("--report", tmp_path / "new" / "deep" / "report.json")
    assert path == tmp_path / "new" / "deep" / "report.json"
    assert list((tmp_path / "new" / "deep").iterdir()) == []


def test_a_file_that_is_there_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("earlier")
    assert output_file("--report", path) == path
    assert path.read_text() == "earlier"


def test_the_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert output_file("--report", Path("~/report.json")) == tmp_path / "report.json"


@pytest.mark.parametrize("place", ["file/below/report.json", "folder", "/dev/full/report.json", "/proc/report.json"])
def test_what_cannot_be_written_is_refused_naming_the_option_and_the_path(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match=r"^--report: .*(is a folder|cannot be written)"):
        output_file("--report", tmp_path / place)


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"--out: .*file/run cannot be written: Not a directory"):
        output_folder("--out", tmp_path / "file" / "run")


def test_no_option_is_no_file() -> None:
    assert output_file("--report", None) is None
    assert output_folder("--out", None) is None
    assert output_picture("--picture", None) is None


def test_a_missing_extra_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(ConfigurationError, match=r"needs no_such_module: pip install 'gliclass-worker\[train\]'"):
        require_extra("--picture", "no_such_module", "train")


def test_a_result_that_cannot_be_written_is_printed_instead(tmp_path: Path) -> None:
    printed: list[str] = []
    with pytest.raises(OutputError, match=r"No such file or directory; what belongs there was printed instead"):
        write_text(tmp_path / "gone" / "report.json", "figures", printed.append)
    assert printed == ["figures"]
