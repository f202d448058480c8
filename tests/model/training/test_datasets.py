import gzip
import json
from pathlib import Path

import pytest

from model.training.datasets import LabelledText, find_datasets, read_dataset, read_json_lines, shuffled
from model.training.errors import DataError


def _set(folder: Path, meta: object, rows: list[object]) -> Path:
    folder.mkdir()
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    with gzip.open(folder / "data.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(json.dumps(row) for row in rows))
    return folder


def test_a_set_is_read_with_its_splits(tmp_path: Path) -> None:
    rows: list[object] = [{"text": "t", "labels": ["a"]}, {"text": "u", "labels": [], "split": "test"}]
    dataset = read_dataset(_set(tmp_path / "one", {"labels": ["a", "b"], "task": "multi-label"}, rows))
    assert dataset.multi_label
    assert dataset.train == (LabelledText("t", ("a",)),)
    assert dataset.test == (LabelledText("u", ()),)


def test_sets_are_found_by_name_and_a_set_finds_itself(tmp_path: Path) -> None:
    for name in ("b", "a"):
        _set(tmp_path / name, {"labels": ["x"]}, [])
    assert [path.name for path in find_datasets(tmp_path)] == ["a", "b"]
    assert find_datasets(tmp_path / "a") == [tmp_path / "a"]


def test_a_folder_without_sets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no set found"):
        find_datasets(tmp_path)


@pytest.mark.parametrize(
    ("meta", "rows", "message"),
    [
        ({"labels": []}, [], "field 'labels'"),
        ({"labels": ["a"]}, [{"text": 3, "labels": []}], r"data\.jsonl\.gz:1: field 'text'"),
        ({"labels": ["a"]}, [{"text": "t", "labels": "a"}], r"data\.jsonl\.gz:1: field 'labels'"),
        ({"labels": ["a"]}, [{"text": "t", "labels": [], "split": "dev"}], "field 'split'"),
        ({"labels": ["a"]}, [[1]], "expected an object"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, meta: object, rows: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_dataset(_set(tmp_path / "one", meta, rows))


def test_a_broken_gzip_file_is_named(tmp_path: Path) -> None:
    folder = _set(tmp_path / "one", {"labels": ["a"]}, [{"text": "t" * 5000, "labels": []}])
    content = (folder / "data.jsonl.gz").read_bytes()
    (folder / "data.jsonl.gz").write_bytes(content[:-12])
    with pytest.raises(DataError, match="broken gzip"):
        read_dataset(folder)


def test_shuffling_is_the_same_every_time() -> None:
    rows = tuple(LabelledText(str(number), ()) for number in range(20))
    assert shuffled(rows, 5) == shuffled(rows, 5)
    assert sorted(shuffled(rows, None), key=lambda row: int(row.text)) == list(rows)


def test_a_file_that_begins_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "t"}\r\n{"text": "u"}\r\n')
    assert [row["text"] for _, row in read_json_lines(tmp_path / "rows.jsonl")] == ["t", "u"]


def test_a_file_below_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "rows.jsonl").write_text('{"text": "t"}')
    assert list(read_json_lines(Path("~/rows.jsonl"))) == [(1, {"text": "t"})]
