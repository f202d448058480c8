"""Settings and policies from their files: safe YAML, the environment, mistakes told line by line."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from schemas.errors import error_lines, model_at, unknown_name
from schemas.policy import PolicyFile
from schemas.settings import ENVIRONMENT_PREFIX, NESTED_DELIMITER, Settings
from worker.errors import ConfigurationError

CONFIG_VARIABLE = "GLICLASS_CONFIG"
"""Names the settings file itself, so it is no setting."""

_SafeLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C where PyYAML has it: a large policy file takes a third of the time."""
MOST_DEPTH = 100

_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$")
_SERVICE_LINK_PORT = re.compile(r"(tcp|udp|sctp)://")


def load_settings(path: Path | None) -> Settings:
    """Settings from the YAML file at `path`, the environment's `GLICLASS_GROUP__NAME` before it.

    Raises ConfigurationError for whatever is wrong in either, unknown names included.
    """
    source = str(path) if path is not None else "environment"
    written = parse_yaml(read_file(path), source) if path is not None else {}
    unknown = list(_unknown_variables(os.environ))
    if unknown:
        raise ConfigurationError("environment", unknown)
    if not isinstance(written, dict):
        raise ConfigurationError(source, ["must be a mapping of keys to values"])
    not_names = [f"key {key!r} is not a string: put it in quotes" for key in written if not isinstance(key, str)]
    if not_names:
        raise ConfigurationError(source, not_names)
    try:
        return Settings(**written)
    except ValidationError as error:
        lines = [line + _variable_hint(line) for line in error_lines(error, Settings)]
        if path is None and any(line.partition(": ")[2].startswith("is required") for line in lines):
            lines.append(
                f"no config file was named: use --config FILE or {CONFIG_VARIABLE} (`gliclass-worker init` writes one)"
            )
        raise ConfigurationError(source, lines) from None
    except SettingsError as error:
        raise ConfigurationError("environment", [f"{error}: write JSON"]) from None


def parse_policies(content: bytes, source: str) -> PolicyFile:
    """The policies in a YAML document; raises ConfigurationError."""
    written = parse_yaml(content, source)
    try:
        return PolicyFile.model_validate(written)
    except ValidationError as error:
        raise ConfigurationError(source, error_lines(error, PolicyFile)) from None


def load_policies(path: Path) -> PolicyFile:
    """The policies in the YAML file at `path`; raises ConfigurationError."""
    return parse_policies(read_file(path), str(path))


def read_file(path: Path) -> bytes:
    """The file's content; raises ConfigurationError where it cannot be read."""
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise ConfigurationError(str(path), [f"cannot be read: {error.strerror}"]) from None
    except RuntimeError as error:  # of a ~ without a home folder
        raise ConfigurationError(str(path), [f"cannot be read: {error} Write the whole path"]) from None


def parse_yaml(content: bytes, source: str) -> Any:
    """One YAML document of plain values; raises ConfigurationError, also for a key that stands twice in a mapping."""
    try:
        # The loader in C would end the process where one in Python raises RecursionError.
        if _is_deep(content):
            raise ConfigurationError(source, [f"is nested too deeply: more than {MOST_DEPTH} levels"])
        return yaml.load(content, Loader=_UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigurationError(source, [f"{place}{error.problem or error.context}"]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(source, [f"is not YAML in UTF-8: {error}"]) from None


def _is_deep(content: bytes) -> bool:
    depth = 0
    for event in yaml.parse(content, Loader=_SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            return True
    return False


class _UniqueKeyLoader(_SafeLoader):
    """PyYAML keeps the last of two equal keys without a word: a label or a tenant would vanish."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge" or not isinstance(key_node, yaml.ScalarNode):
                continue
            key = (key_node.tag, key_node.value)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key_node.value!r} stands twice in one mapping: remove one", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    known = _known_paths(Settings, ())
    variables = sorted(_variable(path) for path in known)
    for name, value in environment.items():
        upper = name.upper()
        if not upper.startswith(ENVIRONMENT_PREFIX) or upper == CONFIG_VARIABLE or _is_service_link(upper, value):
            continue
        path = upper.removeprefix(ENVIRONMENT_PREFIX).lower().split(NESTED_DELIMITER)
        if tuple(path) not in known:
            yield unknown_name("variable", upper, variables)


def _variable(path: tuple[str, ...]) -> str:
    return ENVIRONMENT_PREFIX + NESTED_DELIMITER.join(path).upper()


def _variable_hint(line: str) -> str:
    path, _, message = line.partition(": ")
    if message != "is required":
        return ""
    location = tuple(path.split("."))
    group = model_at(Settings, location)
    if group is None:
        return f"; set it here or as {_variable(location)}"
    return " with " + ", ".join(name for name, field in group.model_fields.items() if field.is_required())


def _is_service_link(name: str, value: str) -> bool:
    """Kubernetes gives every container the addresses of services: one called gliclass-worker gives these."""
    if NESTED_DELIMITER in name:
        return False
    return bool(_SERVICE_LINK.search(name)) or (name.endswith("_PORT") and bool(_SERVICE_LINK_PORT.match(value)))


def _known_paths(model: type[BaseModel], above: tuple[str, ...]) -> set[tuple[str, ...]]:
    paths: set[tuple[str, ...]] = set()
    for name in model.model_fields:
        path = (*above, name)
        below = model_at(model, (name,))
        paths |= {path} | (_known_paths(below, path) if below else set())
    return paths
