"""The model that the settings name, or the starter."""

import structlog

from model.scorer import Scorer
from model.starter import checkpoint_or_starter
from schemas.settings import ModelSettings

log = structlog.get_logger(__name__)


def load_model(settings: ModelSettings) -> Scorer:
    """Load the checkpoint that the settings name. Raises ModelError."""
    return Scorer.load(
        checkpoint_path(settings),
        device=settings.device,
        dtype=settings.dtype,
        threads=settings.threads,
        max_tokens=settings.max_tokens,
        revision=settings.revision,
        deviation_limit=settings.deviation_limit,
    )


def checkpoint_path(settings: ModelSettings) -> str:
    """Folder or hub id; where the settings name none, the starter's folder, built first. Raises ModelError."""
    return checkpoint_or_starter(settings.path, log.info)
