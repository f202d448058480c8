"""How much faster the scorer is than the `gliclass` pipeline, on the same texts in one process.

    python -m benchmarks.scorer --json FILE --plot FILE

Wall-clock seconds of tokenising and scoring. Ratios are medians over interleaved rounds, with the lowest and highest.
Needs the extra `bench`.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.engines.memory import measure_apart
from benchmarks.engines.models import FAMILIES, write_checkpoint
from benchmarks.engines.profile import time_shares
from benchmarks.engines.scorer import BATCH_SIZES, SCORER_BATCH_TEXTS, Engine, pipeline_engine, scorer_engine
from benchmarks.engines.timing import interleaved, matrix_peak, paired_ratio
from benchmarks.engines.workload import Workload, encoder_operations
from benchmarks.report import command_line, plot_bars, write_report
from model import EncodedText, Scorer
from model.precision import has_native_bf16

MODULE = "benchmarks.scorer"
LABEL_CURVE = (1, 2, 4, 8, 16, 32, 64, 128)
LABEL_CURVE_ROUNDS = 3
BI_ENCODER_LABELS = (20,)
BARS = ("fp32_ratio", "bf16_ratio")
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; exit status 0."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    formats = [name for name in DTYPES if name == "fp32" or has_native_bf16(torch.device("cpu"))]
    figures: dict[str, Any] = {"threads": options.threads, "texts": options.texts}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {family: write_checkpoint(Path(scratch) / family, family) for family in options.families}
        for family, folder in folders.items():
            figures |= _ratios(family, folder, formats, options)
        if "bert" in folders:
            figures |= _shares(folders["bert"], formats, options)
            figures |= _label_cost(folders["bert"], formats[-1], options)
            figures |= _memory(folders["bert"], formats, figures["bert_pipeline_batch_size"], options)
    command = command_line(MODULE, arguments)
    if options.json:
        write_report(options.json, figures, command)
    if options.plot:
        bars = {name.removesuffix("_ratio"): figures[name] for name in figures if name.endswith(BARS)}
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
    return parser.parse_args(arguments)


def _ratios(family: str, folder: Path, formats: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """The scorer in each format against the pipeline at its best batch size, in order of arrival and sorted."""
    workload = Workload.draw(options.texts, BI_ENCODER_LABELS if family == "biencoder" else (4, 8, 12, 20))
    arrival, by_length = (_best_batch_size(folder, workload, by_length=sort) for sort in (False, True))
    engines = {
        "pipeline": pipeline_engine(folder, arrival),
        "pipeline sorted": pipeline_engine(folder, by_length, by_length=True),
        **{name: scorer_engine(folder, DTYPES[name]) for name in formats},
    }
    seconds = interleaved(_tasks(engines, workload), options.rounds)
    tokens = sum(one.token_count for one in _encoded(folder, workload))
    print(f"{family:10} the pipeline's fastest batch sizes: {arrival} in order of arrival, {by_length} by length")
    figures: dict[str, Any] = {f"{family}_pipeline_batch_size": arrival}
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
    seconds = interleaved(_tasks(engines, workload), 2)
    return int(min(seconds, key=lambda size: min(seconds[size])))


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
        parts = time_shares(partial(engine, workload))
        figures |= {f"{name}_time_share_{kind}": share for kind, share in parts.items()}
        print(
            f"share of the {name} matrix peak: {statistics.median(shares):.2f} "
            f"({min(shares):.2f}-{max(shares):.2f}) of {max(peaks[name]) / 1e9:.0f} GFLOP/s; "
            f"time: {', '.join(f'{kind} {share:.0%}' for kind, share in parts.items())}"
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
    seconds = interleaved(tasks, min(options.rounds, LABEL_CURVE_ROUNDS))
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


def _memory(folder: Path, formats: Sequence[str], fastest: int, options: argparse.Namespace) -> dict[str, Any]:
    """MiB of the loaded model and of scoring: ours, and the pipeline at its fastest and at our batch size."""
    engines = {
        f"pipeline_batch_{fastest}": ("pipeline", fastest),
        f"pipeline_batch_{SCORER_BATCH_TEXTS}": ("pipeline", SCORER_BATCH_TEXTS),
        **{name: (DTYPES[name], SCORER_BATCH_TEXTS) for name in formats},
    }
    figures: dict[str, Any] = {}
    for name, (engine, size) in engines.items():
        memory = measure_apart(engine, folder, texts=options.texts, threads=options.threads, batch_size=size)
        figures |= {f"loaded_mib_{name}": memory.loaded, f"scoring_mib_{name}": memory.scoring}
        print(f"memory, {name}: {memory.loaded:.0f} MiB loaded, {memory.scoring:.0f} MiB more to score")
    return figures


if __name__ == "__main__":
    sys.exit(main())
