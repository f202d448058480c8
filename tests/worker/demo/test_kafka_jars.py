import hashlib
import sys
from pathlib import Path

import pytest

from worker.demo.kafka_jars import LocalKafkaError, LockedJar, import_demo_package, kafka_class_path, locked_jars

JAR_PATH = "org/example/tool/1.2/tool-1.2.jar"


def test_the_shipped_list_names_the_whole_class_path_of_kafka() -> None:
    jars = locked_jars()
    coordinates = [jar.coordinates for jar in jars]
    assert len(jars) == len(set(coordinates)) == 45
    assert coordinates[0] == ("org.apache.kafka", "kafka_2.13", "4.4.0")
    assert ("org.slf4j", "slf4j-simple", "1.7.36") in coordinates
    assert all(len(jar.sha256) == 64 for jar in jars)


def test_a_jar_with_the_expected_checksum_is_taken(tmp_path: Path) -> None:
    jar = _locked_jar(tmp_path, b"content")
    reported: list[str] = []
    assert kafka_class_path(reported.append, repository=tmp_path, jars=(jar,)) == [tmp_path / JAR_PATH]
    assert reported == []


def test_a_changed_jar_is_refused_with_its_name_and_what_to_do(tmp_path: Path) -> None:
    jar = _locked_jar(tmp_path, b"content")
    (tmp_path / JAR_PATH).write_bytes(b"contenT")
    with pytest.raises(LocalKafkaError, match=rf"{JAR_PATH} is not the jar .* delete that file and run again"):
        kafka_class_path(print, repository=tmp_path, jars=(jar,))


def test_a_failed_download_leaves_no_half_jar_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jgo.maven import Artifact

    def broken_off(artifact: Artifact) -> Path:
        (tmp_path / JAR_PATH).parent.mkdir(parents=True)
        (tmp_path / JAR_PATH).write_bytes(b"con")
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(Artifact, "resolve", broken_off)
    reported: list[str] = []
    with pytest.raises(LocalKafkaError, match=r"cannot fetch .*reset by peer.*check the connection"):
        kafka_class_path(reported.append, repository=tmp_path, jars=(LockedJar(JAR_PATH, "0" * 64),))
    assert not (tmp_path / JAR_PATH).exists()
    assert reported == ["fetching Apache Kafka from Maven Central: 1/1 tool 1.2"]


def test_a_missing_package_is_named_together_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jgo", None)
    with pytest.raises(LocalKafkaError, match=r"'jgo'.*extra `demo`.*--bootstrap-servers"):
        import_demo_package("jgo")


def _locked_jar(repository: Path, content: bytes) -> LockedJar:
    path = repository / JAR_PATH
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return LockedJar(JAR_PATH, hashlib.sha256(content).hexdigest())
