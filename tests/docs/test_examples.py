"""Every example is read as the worker would read it. The words behind a block's language say what it is.

`yaml config` and `yaml policy` are whole files; `yaml config part` and `yaml policy part` are laid over the README's.
"""

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from support.tiny_checkpoint import write_tiny_checkpoint

from model.training.data import parse_example
from model.training.datasets import read_json_lines
from model.training.feedback import parse_feedback
from schemas.policy import PolicyFile
from schemas.records import EnrichedRecord
from worker.config import load_settings, parse_policies
from worker.policies.compiled import policy_version

BLOCK = re.compile(r"^```(\w+)( [\w ]+)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KINDS = {
    "json output",
    "jsonl feedback",
    "jsonl training",
    "python",
    "yaml config",
    "yaml config part",
    "yaml policy",
    "yaml policy part",
}


class Block(NamedTuple):
    kind: str
    place: str
    text: str


@pytest.fixture(scope="module")
def blocks(pages: dict[str, str]) -> list[Block]:
    """Every block that names a language, in the order of the pages; the README comes first."""
    return [
        Block(found[1] + (found[2] or ""), f"{page}:{text[: found.start()].count(chr(10)) + 1}", found[3])
        for page, text in pages.items()
        for found in BLOCK.finditer(text)
    ]


def of_kind(blocks: list[Block], kind: str) -> list[Block]:
    chosen = [block for block in blocks if block.kind == kind]
    assert chosen, f"no page has a block of {kind}"
    return chosen


def wholes(blocks: list[Block], kind: str, *, depth: int) -> list[Block]:
    """The blocks of a kind, each part of one laid over the README's: from `depth` keys down it takes their place."""
    whole = of_kind(blocks, kind)
    base = yaml.safe_load(whole[0].text)
    parts = of_kind(blocks, f"{kind} part")
    laid = [part._replace(text=yaml.safe_dump(laid_over(base, yaml.safe_load(part.text), depth))) for part in parts]
    return whole + laid


def laid_over(base: Any, part: Any, depth: int) -> Any:
    if not depth or not isinstance(base, dict) or not isinstance(part, dict):
        return part
    return base | {key: laid_over(base.get(key), value, depth - 1) for key, value in part.items()}


def policies_of(block: Block) -> PolicyFile:
    return parse_policies(block.text.encode(), block.place)


def test_every_block_with_a_language_says_what_it_is(blocks: list[Block]) -> None:
    assert [block.place for block in blocks if block.kind not in KINDS] == []


def test_every_configuration_is_valid(blocks: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    for block in wholes(blocks, "yaml config", depth=2):
        file = tmp_path / block.place.replace("/", "-")
        file.write_text(block.text, "utf-8")
        load_settings(file)


def test_every_policy_is_valid(blocks: list[Block]) -> None:
    for block in wholes(blocks, "yaml policy", depth=5):
        policies_of(block)


def test_a_part_that_is_wrong_is_found_out(blocks: list[Block]) -> None:
    wrong = Block("yaml policy part", "here", "tenants: {shop: {tasks: {abuse: {thresholds: {thread: 0.4}}}}}")
    laid = wholes([*of_kind(blocks, "yaml policy"), wrong], "yaml policy", depth=5)[-1]
    with pytest.raises(Exception, match="unknown label 'thread'; did you mean 'threat'"):
        policies_of(laid)


def test_the_enriched_record_is_one_that_the_policy_beside_it_gives(blocks: list[Block]) -> None:
    (block,) = of_kind(blocks, "json output")
    record = EnrichedRecord.model_validate_json(block.text)
    policy = next(
        policies_of(each) for each in of_kind(blocks, "yaml policy") if each.place.startswith("docs/policies.md")
    ).tenants[record.tenant]
    assert record.policy_version == policy_version(policy)
    assert {name: task.mode for name, task in record.tasks.items()} == {
        name: task.mode for name, task in policy.tasks.items()
    }


def test_rows_of_training_data_and_of_feedback_can_be_read(blocks: list[Block], tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    for block in of_kind(blocks, "jsonl training"):
        rows.write_text(block.text, "utf-8")
        for line, row in read_json_lines(rows):
            parse_example(row, f"{block.place}, row {line}", ["billing", "delivery"])
    for block in of_kind(blocks, "jsonl feedback"):
        rows.write_text(block.text, "utf-8")
        for line, row in read_json_lines(rows):
            parse_feedback(row, f"{block.place}, row {line}")


def test_the_model_on_its_own_runs_as_it_is_shown(blocks: list[Block], tmp_path: Path) -> None:
    (block,) = of_kind(blocks, "python")
    checkpoint = write_tiny_checkpoint(tmp_path)
    assert "path/to/checkpoint" in block.text
    names: dict[str, Any] = {}
    exec(block.text.replace("path/to/checkpoint", str(checkpoint)), names)
    assert names["logits"].shape == (3,)
