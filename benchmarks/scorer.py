"""How much faster the scorer is than the `gliclass` pipeline, on the same texts in one process.

    python -m benchmarks.scorer --json FILE --plot FILE

Wall-clock seconds of tokenising and scoring. Ratios are medians over interleaved rounds, with the lowest and highest.
Needs the extra `bench`.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.report import command_line, plot_bars, write_report
from benchmarks.scorer_engines import BATCH_SIZES, Engine, pipeline_engine, scorer_engine
from benchmarks.scorer_models import FAMILIES, write_checkpoint
from benchmarks.scorer_workload import Workload, encoder_operations
from benchmarks.timing import interleaved, matrix_peak, paired_ratio
from model import EncodedText, Scorer
from model.precision import has_native_bf16

MODULE = "benchmarks.scorer"
LABEL_CURVE = (1, 2, 4, 8, 16, 32, 64, 128)
BI_ENCODER_LABELS = (20,)
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; exit status 0."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print(_peak_mib(options.memory_of, Path(options.checkpoint), options.texts))
        return 0
    formats = [name for name in DTYPES if name == "fp32" or has_native_bf16(torch.device("cpu"))]
    figures: dict[str, Any] = {"threads": options.threads, "texts": options.texts}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {family: write_checkpoint(Path(scratch) / family, family) for family in options.families}
        for family, folder in folders.items():
            figures |= _ratios(family, folder, formats, options)
        if "bert" in folders:
            figures |= _shares(folders["bert"], formats, options)
            figures |= _label_cost(folders["bert"], formats[-1], options)
            figures |= _memory(folders["bert"], formats, options)
    command = command_line(MODULE, arguments)
    if options.json:
        write_report(options.json, figures, command)
    if options.plot:
        bars = {name.removesuffix("_ratio"): figures[name] for name in figures if name.endswith("_ratio")}
        plot_bars(options.plot, "Speed against the gliclass pipeline", bars, x_label="times as fast")
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--texts", type=int, default=64, help="texts in the workload")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds of each comparison")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES), help="encoders to compare")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--plot", type=Path, help="draw the ratios here")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--checkpoint", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _ratios(family: str, folder: Path, formats: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """The scorer in each format against the pipeline at its best batch size, in order of arrival and sorted."""
    workload = Workload.draw(options.texts, BI_ENCODER_LABELS if family == "biencoder" else (4, 8, 12, 20))
    engines = {
        "pipeline": pipeline_engine(folder, _best_batch_size(folder, workload, by_length=False)),
        "pipeline sorted": pipeline_engine(folder, _best_batch_size(folder, workload, by_length=True), by_length=True),
        **{name: scorer_engine(folder, DTYPES[name]) for name in formats},
    }
    seconds = interleaved(_tasks(engines, workload), options.rounds)
    tokens = sum(one.token_count for one in _encoded(folder, workload))
    figures: dict[str, Any] = {}
    for name in formats:
        ratio = paired_ratio(seconds["pipeline"], seconds[name])
        against_sorted = paired_ratio(seconds["pipeline sorted"], seconds[name])
        per_second = tokens / statistics.median(seconds[name])
        print(f"{family:10} {name}: {ratio} x the pipeline, {against_sorted} x sorted, {per_second:,.0f} tokens/s")
        figures |= {
            f"{family}_{name}_ratio": ratio.median,
            f"{family}_{name}_ratio_lowest": ratio.lowest,
            f"{family}_{name}_ratio_highest": ratio.highest,
            f"{family}_{name}_sorted_ratio": against_sorted.median,
            f"{family}_{name}_tokens_per_second": per_second,
        }
    return figures


def _best_batch_size(folder: Path, workload: Workload, *, by_length: bool) -> int:
    engines = {str(size): pipeline_engine(folder, size, by_length=by_length) for size in BATCH_SIZES}
    seconds = interleaved(_tasks(engines, workload), 1)
    return int(min(seconds, key=lambda size: seconds[size][0]))


def _tasks(engines: Mapping[str, Engine], workload: Workload) -> dict[str, Callable[[], object]]:
    return {name: partial(engine, workload) for name, engine in engines.items()}


def _encoded(folder: Path, workload: Workload) -> list[EncodedText]:
    scorer = Scorer.load(folder, device="cpu", dtype="float32")
    pairs = zip(workload.texts, workload.label_sets, strict=True)
    return [scorer.encode(text, [scorer.prepare(label_set)]) for text, label_set in pairs]


def _shares(folder: Path, formats: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """End to end, the share of the best matrix product of the same round; the BERT case."""
    workload = Workload.draw(options.texts)
    operations = encoder_operations(_encoded(folder, workload))
    figures: dict[str, Any] = {}
    peaks: dict[str, list[float]] = {name: [] for name in formats}
    for name in formats:
        engine = scorer_engine(folder, DTYPES[name])
        shares = []
        for _ in range(options.rounds):
            peak = matrix_peak(getattr(torch, DTYPES[name]))
            seconds = interleaved({name: partial(engine, workload)}, 1)[name][0]
            peaks[name].append(peak)
            shares.append(operations / seconds / peak)
        figures[f"{name}_gemm_share"] = statistics.median(shares)
        figures[f"{name}_gemm_gflops"] = max(peaks[name]) / 1e9
        print(
            f"share of the {name} matrix peak: {statistics.median(shares):.2f} "
            f"({min(shares):.2f}-{max(shares):.2f}) of {max(peaks[name]) / 1e9:.0f} GFLOP/s"
        )
    if "bf16" in formats:
        figures["bf16_to_fp32_gemm"] = max(peaks["bf16"]) / max(peaks["fp32"])
        print(f"bf16 to fp32 matrix peak: {figures['bf16_to_fp32_gemm']:.2f}")
    return figures


def _label_cost(folder: Path, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds a token over label sets of 1 to 128 labels: a label costs what its tokens cost."""
    engine = scorer_engine(folder, DTYPES[name])
    workloads = {count: Workload.draw(options.texts, (count,)) for count in LABEL_CURVE}
    tasks: dict[str, Callable[[], object]] = {str(count): partial(engine, item) for count, item in workloads.items()}
    seconds = interleaved(tasks, options.rounds)
    figures: dict[str, Any] = {}
    for count, workload in workloads.items():
        tokens = sum(one.token_count for one in _encoded(folder, workload))
        median = statistics.median(seconds[str(count)])
        figures[f"labels_{count}_ms_per_text"] = 1000 * median / options.texts
        figures[f"labels_{count}_us_per_token"] = 1e6 * median / tokens
        print(
            f"{count:4} labels: {1000 * median / options.texts:.2f} ms a text, {1e6 * median / tokens:.1f} µs a token"
        )
    return figures


def _memory(folder: Path, formats: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """Peak resident memory of a process that loads the checkpoint with one engine and scores the workload."""
    figures: dict[str, Any] = {}
    for name in ("nothing", "pipeline", *formats):
        command = [sys.executable, "-m", MODULE, "--memory-of", name, "--checkpoint", str(folder)]
        command += ["--texts", str(options.texts), "--threads", str(options.threads)]
        finished = subprocess.run(command, capture_output=True, text=True, check=True)
        figures[f"peak_mib_{name}"] = int(finished.stdout.split()[-1])
        print(f"peak memory, {name}: {figures[f'peak_mib_{name}']} MiB")
    return figures


def _peak_mib(name: str, folder: Path, texts: int) -> int:
    """Run one engine and return the largest resident size of this process; "nothing" only imports."""
    if name == "pipeline":
        pipeline_engine(folder, 16)(Workload.draw(texts))
    elif name != "nothing":
        scorer_engine(folder, DTYPES[name])(Workload.draw(texts))
    # Not ru_maxrss: a child process inherits the peak of the parent that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    sys.exit(main())
