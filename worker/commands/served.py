"""Which tenant's policy on which model a command tries out: chosen alike by all commands, as the worker would."""

from dataclasses import dataclass
from pathlib import Path

import typer
from pydantic import ValidationError

from schemas.errors import error_lines, unknown_name
from schemas.policy import PolicyFile, TenantPolicy
from schemas.settings import InputSettings, ModelSettings, Settings
from worker.config import load_policies, load_settings
from worker.errors import ConfigurationError
from worker.policies.compiled import DEFAULT_TENANT

MAX_TEXT_BYTES: int = InputSettings.model_fields["max_text_bytes"].default


@dataclass(frozen=True, slots=True)
class Served:
    """One tenant of a policy file, and how the worker would run it.

    Attributes:
        source: the policy file.
        is_default: the tenant has no policy of its own: the default one serves it.
    """

    source: Path
    file: PolicyFile
    tenant: str
    policy: TenantPolicy
    is_default: bool
    model: ModelSettings
    max_text_bytes: int

    def patch(self, tasks: dict[str, object]) -> dict[str, object]:
        """A part of the policy file that changes these tasks of this policy."""
        return {"default": {"tasks": tasks}} if self.is_default else {"tenants": {self.tenant: {"tasks": tasks}}}


def served(
    policy: Path | None, tenant: str | None, config: Path | None, model: str | None, max_tokens: int | None
) -> Served:
    """What the options name; what they leave open is as the settings at `config` say, or as their defaults are.

    Raises:
        ConfigurationError: a file that is wrong or not named, a tenant that is not known, or one of several not chosen.
    """
    settings = load_settings(config) if config is not None else None
    source = policy or (settings.policies.file if settings else None)
    if source is None:
        raise ConfigurationError("--policy", ["name the file with the tenants' policies"])
    source = source.expanduser()
    file = load_policies(source)
    name, chosen, is_default = choose_tenant(file, tenant, str(source))
    if is_default and name != DEFAULT_TENANT:
        typer.echo(f"tenant {name!r} has no policy of its own in {source}: the default policy serves it", err=True)
    max_text_bytes = settings.input.max_text_bytes if settings else MAX_TEXT_BYTES
    return Served(source, file, name, chosen, is_default, model_settings(settings, model, max_tokens), max_text_bytes)


def choose_tenant(file: PolicyFile, tenant: str | None, source: str) -> tuple[str, TenantPolicy, bool]:
    """The tenant's name and policy, and whether that is the default one; without a name, the only policy there is.

    Raises ConfigurationError for a tenant that the worker would not know, and where there are several to choose from.
    """
    names = [*file.tenants, *([DEFAULT_TENANT] if file.default else [])]
    if tenant is None:
        if len(names) > 1:
            raise ConfigurationError(source, [f"has several policies: choose one with --tenant ({', '.join(names)})"])
        tenant = names[0]
    if tenant in file.tenants:
        return tenant, file.tenants[tenant], False
    if file.default is None:
        raise ConfigurationError(source, [unknown_name("tenant", tenant, file.tenants)])
    return tenant, file.default, True


def model_settings(settings: Settings | None, model: str | None, max_tokens: int | None) -> ModelSettings:
    """The settings' model, or the defaults, with what was typed in place of theirs. Raises ConfigurationError."""
    base = settings.model if settings else ModelSettings()
    typed: dict[str, object] = {}
    if model is not None:
        typed |= {"path": model, "revision": None}
    if max_tokens is not None:
        typed["max_tokens"] = max_tokens
    try:
        return ModelSettings.model_validate(base.model_dump() | typed)
    except ValidationError as error:
        raise ConfigurationError("model", error_lines(error, ModelSettings)) from None
