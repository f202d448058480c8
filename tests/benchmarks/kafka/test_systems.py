from pathlib import Path

import orjson

from benchmarks.kafka.systems import Material


def test_records_have_numbers_of_their_own_and_the_texts_of_their_place(tmp_path: Path):
    given = Material(tmp_path, {"a": ["x"], "b": ["y"]}, {"a": 1.0, "b": 2.0}, ["first", "second"], threads=1)
    assert orjson.loads(given.value(17, 3)) == {"id": 17, "tenant": "b", "text": "second"}
