"""The model that the settings name, or the starter."""

import structlog

from model.errors import ModelError
from model.scorer import Scorer
from model.starter import checkpoint_or_starter, default_cache_dir
from schemas.settings import ModelSettings

log = structlog.get_logger(__name__)


def load_model(settings: ModelSettings) -> Scorer:
    """Load the checkpoint that the settings name; label vectors are kept in the cache. Raises ModelError."""
    model = Scorer.load(
        checkpoint_path(settings),
        device=settings.device,
        dtype=settings.dtype,
        threads=settings.threads,
        max_tokens=settings.max_tokens,
        revision=settings.revision,
        deviation_limit=settings.deviation_limit,
    )
    try:
        model.keep_vectors_in(default_cache_dir() / "label-vectors")
    except (ModelError, OSError) as error:
        log.warning("label vectors are not kept on disk", reason=str(error))
    return model


def checkpoint_path(settings: ModelSettings) -> str:
    """Folder or hub id; where the settings name none, the starter's folder, built first. Raises ModelError."""
    return checkpoint_or_starter(settings.path, log.info)
