"""`gliclass-worker schema`: what may be written, for editors and readers."""

from enum import StrEnum
from typing import Annotated

import typer


class SchemaName(StrEnum):
    POLICY = "policy"
    CONFIG = "config"
    OUTPUT = "output"
    DEAD_LETTER = "dead-letter"
    TRAIN = "train"
    FEEDBACK = "feedback"


def schema(name: Annotated[SchemaName, typer.Argument(help="Which one.")]) -> None:
    """Print a JSON Schema: of the policy file, the settings, the output records, or the headers of dead letters; of a
    row of labelled texts (train, evaluate, calibrate), or of feedback.

    Editors complete and check YAML with it: `# yaml-language-server: $schema=policy.schema.json`.
    """
    import orjson

    from schemas.policy import PolicyFile
    from schemas.records import DeadLetterHeaders, EnrichedRecord
    from schemas.rows import FeedbackRow, TrainingRow
    from schemas.settings import Settings

    models = {
        SchemaName.POLICY: PolicyFile,
        SchemaName.CONFIG: Settings,
        SchemaName.OUTPUT: EnrichedRecord,
        SchemaName.DEAD_LETTER: DeadLetterHeaders,
        SchemaName.TRAIN: TrainingRow,
        SchemaName.FEEDBACK: FeedbackRow,
    }
    typer.echo(orjson.dumps(models[name].model_json_schema(), option=orjson.OPT_INDENT_2))
