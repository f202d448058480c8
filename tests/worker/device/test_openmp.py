import os
import subprocess
import sys

import pytest

from worker.device.openmp import SPINS, WAITING, settle_openmp, settled
from worker.device.processors import Processors

WHOLE, QUOTA = Processors(2, 2), Processors(64, 64, 2.5)


def test_threads_sleep_soon_where_nobody_chose() -> None:
    environment = {"HOME": "/root"}
    settle_openmp(environment, WHOLE)
    assert environment == {"HOME": "/root", "GOMP_SPINCOUNT": SPINS, "KMP_BLOCKTIME": "0"}
    assert settled(environment) == "GOMP_SPINCOUNT=2000, KMP_BLOCKTIME=0"


@pytest.mark.parametrize("name", WAITING)
def test_how_people_let_them_wait_stays(name: str) -> None:
    environment = {name: "ACTIVE"}
    settle_openmp(environment, WHOLE)
    assert environment == {name: "ACTIVE"}


def test_a_quota_bounds_the_threads() -> None:
    environment: dict[str, str] = {}
    settle_openmp(environment, QUOTA)
    assert environment["OMP_NUM_THREADS"] == "2"


def test_a_number_that_people_chose_stays() -> None:
    environment = {"OMP_NUM_THREADS": "7"}
    settle_openmp(environment, QUOTA)
    assert environment["OMP_NUM_THREADS"] == "7"


def test_torch_reads_what_was_settled_in_the_same_process() -> None:
    program = (
        "import os; from worker.device.openmp import settle_openmp; from worker.device.processors import Processors; "
        "settle_openmp(os.environ, Processors(64, 64, 1.2)); import torch; print(torch.get_num_threads())"
    )
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", *WAITING)}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=clean | {"OMP_DISPLAY_ENV": "VERBOSE"}, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "1"
    assert f"GOMP_SPINCOUNT = '{SPINS}'" in ended.stderr
