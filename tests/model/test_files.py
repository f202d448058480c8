import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.files import write_safetensors


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_weights_have_the_rights_that_the_umask_gives(tmp_path: Path, umask: int, expected: int) -> None:
    path, earlier = tmp_path / "model.safetensors", os.umask(umask)
    try:
        write_safetensors(path, {"weight": torch.ones(3)}, {"format": "pt"})
    finally:
        os.umask(earlier)
    assert stat.S_IMODE(path.stat().st_mode) == expected


def test_a_file_that_is_replaced_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.touch()
    path.chmod(0o640)
    write_safetensors(path, {"weight": torch.arange(6).reshape(2, 3).T})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert torch.equal(load_file(path)["weight"], torch.arange(6).reshape(2, 3).T)
