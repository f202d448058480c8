"""The model that the settings name, or the starter."""

import structlog

from model.scorer import Scorer
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
    if settings.path is not None:
        return settings.path
    from model.starter import build_starter  # its extra, `demo`, is not needed with a checkpoint of one's own

    return str(build_starter(on_progress=log.info))
