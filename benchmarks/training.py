"""How much faster training is than with the `gliclass` package's padded batches, on the same texts in one process.

    python -m benchmarks.training --json FILE --plot FILE

Seconds of one epoch: tokenising, forward, backward, clipping, AdamW. Ratios are medians over interleaved rounds, with
the lowest and highest; "grouped" is the padded trainer at its best, with neighbours in length in one batch. Needs the
extras `bench` and `train`.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.engines.models import FAMILIES, write_checkpoint
from benchmarks.engines.timing import interleaved, paired_ratio
from benchmarks.engines.training import batches_of, packed_engine, padded_engine
from benchmarks.engines.workload import Workload
from benchmarks.report import command_line, plot_bars, write_report
from model.precision import has_native_bf16

MODULE = "benchmarks.training"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; exit status 0."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--texts", type=int, default=64, help="texts of an epoch")
    parser.add_argument("--batch-size", type=int, default=16, help="texts of an update")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=["bert", "biencoder"])
    parser.add_argument(
        "--formats", nargs="+", choices=list(DTYPES), default=_native_formats(), help="for both trainers"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--plot", type=Path, help="draw the ratios here")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    figures: dict[str, Any] = {"threads": options.threads, "texts": options.texts, "batch_size": options.batch_size}
    with tempfile.TemporaryDirectory() as scratch:
        for family in options.families:
            folder = write_checkpoint(Path(scratch) / family, family)
            for name in options.formats:
                figures |= _compare(family, name, folder, options)
    if options.json:
        write_report(options.json, figures, command_line(MODULE, arguments))
    if options.plot:
        bars = {name.removesuffix("_ratio"): figures[name] for name in figures if name.endswith("_ratio")}
        plot_bars(options.plot, "Training against padded batches", bars, x_label="times as fast")
    return 0


def _native_formats() -> list[str]:
    return [name for name in DTYPES if name == "fp32" or has_native_bf16(torch.device("cpu"))]


def _compare(family: str, name: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    workload = Workload.draw(options.texts)
    batches = batches_of(workload, options.batch_size)
    grouped = batches_of(workload, options.batch_size, by_length=True)
    dtype = DTYPES[name]
    tasks: dict[str, Callable[[], object]] = {
        "padded": padded_engine(folder, batches, dtype=dtype),
        "grouped": padded_engine(folder, grouped, dtype=dtype),
        "packed": packed_engine(folder, batches, dtype=dtype),
    }
    seconds = interleaved(tasks, options.rounds)
    ratio = paired_ratio(seconds["padded"], seconds["packed"])
    against_grouped = paired_ratio(seconds["grouped"], seconds["packed"])
    per_second = options.texts / median(seconds["packed"])
    print(
        f"{family:10} {name}: {ratio} x padded, {against_grouped} x grouped by length, {per_second:.1f} texts/s",
        flush=True,
    )
    return {
        f"{family}_{name}_ratio": ratio.median,
        f"{family}_{name}_ratio_lowest": ratio.lowest,
        f"{family}_{name}_ratio_highest": ratio.highest,
        f"{family}_{name}_grouped_ratio": against_grouped.median,
        f"{family}_{name}_texts_per_second": per_second,
    }


if __name__ == "__main__":
    sys.exit(main())
