"""The model that the settings name, or the starter."""

import structlog

from model.scorer import Scorer
from schemas.settings import ModelSettings

log = structlog.get_logger(__name__)


def load_model(settings: ModelSettings) -> Scorer:
    """Load the checkpoint of `settings.path`; None stands for the starter, which is built first. Raises ModelError."""
    path = settings.path
    if path is None:
        from model.starter import build_starter  # its extra, `demo`, is not needed with a checkpoint of one's own

        path = str(build_starter(on_progress=log.info))
    return Scorer.load(
        path,
        device=settings.device,
        dtype=settings.dtype,
        threads=settings.threads,
        max_tokens=settings.max_tokens,
        revision=settings.revision,
    )
