"""`python -m model.training.starter --data DIR --out DIR`: train the starter's label tower again.

DIR/<name>/{meta.json, data.jsonl.gz} are the training sets. OUT/checkpoint is the trained starter;
OUT/space.safetensors, what was trained, takes the place of model/starter/space.safetensors to ship it.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer

from model.errors import ModelError
from model.starter.build import write_checkpoint
from model.starter.space import Space
from model.starter.towers import fetch_tower
from model.training.starter.export import trained_space, write_space
from model.training.starter.recipe import base_model, build_calibrator, build_tower, read_material, train


def main() -> None:
    """Read, train, calibrate, write; what was done already is taken from OUT."""
    parser = argparse.ArgumentParser(prog="python -m model.training.starter", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of training sets")
    parser.add_argument("--out", type=Path, default=Path("starter-run"), help="of the run; the same one resumes it")
    parser.add_argument("--seed", type=int, default=2, help="of everything random; 2 is that of the shipped file")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; results differ in rounding between counts")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        _run(options.data, options.out, options.seed)
    except ModelError as error:
        sys.exit(str(error))


def _run(data: Path, out: Path, seed: int) -> None:
    def report(line: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)

    source = fetch_tower(report)
    tokenizer = Tokenizer.from_buffer(source.tokenizer)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    base = base_model(source)
    material = read_material(data, out / "vectors", base, tokenizer, report)
    tower, anchor = build_tower(material, base, tokenizer, seed)
    train(tower, anchor, material, seed=seed, out=out, report=report)
    report("fitting the calibrator")
    space = trained_space(tower, build_calibrator(tower, material, seed=seed))
    write_space(out / "space.safetensors", space)
    write_checkpoint(out / "checkpoint", source, Space.read(out / "space.safetensors"))
    report(
        f"{out / 'checkpoint'}: measure it with python -m benchmarks.zero_shot --data DIR --model {out / 'checkpoint'}"
    )
    report(f"{out / 'space.safetensors'}: copy it to model/starter/space.safetensors to ship it")


if __name__ == "__main__":
    main()
