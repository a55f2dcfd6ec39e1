"""The whole of hlmon.toml as one JSON Schema, from which editors complete it: the core's tables and every plugin's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from hlmon.contract import Factory
from hlmon.errors import ConfigError
from hlmon.plugins import Catalogue
from hlmon.routing import NotifierPolicy
from hlmon.secret import Secret
from hlmon.sections import SECTIONS, FileConfig

DIALECT: Final = "http://json-schema.org/draft-07/schema#"
"""The newest that the TOML language servers know."""

JsonSchema = dict[str, Any]

_NULL: Final[JsonSchema] = {"type": "null"}
_OWN_TYPES: Final[dict[type, JsonSchema]] = {
    Path: {"type": "string"},
    Secret: {
        "type": "string",
        "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$",
        "description": "A reference to the secret: env:NAME or file:/path",
    },
}


def schema_of(catalogue: Catalogue) -> JsonSchema:
    """The schema of a config that may name everything in the catalogue."""
    definitions: dict[str, JsonSchema] = {}
    document = struct_schema(FileConfig, "hlmon", definitions)
    policy = struct_schema(NotifierPolicy, "notifier", definitions)["properties"]
    for section in SECTIONS:
        names = []
        for factory in _factories(catalogue, section):
            name = f"{section}.{factory.name}"
            definitions[name] = _part_schema(factory, name, definitions, policy if section == "notifier" else {})
            names.append(factory.name)
        document["properties"][section]["additionalProperties"] = _any_part(section, names) if names else False
    return {"$schema": DIALECT, **document, "title": "hlmon.toml", "definitions": definitions}


def _factories(catalogue: Catalogue, section: str) -> Iterator[Factory[Any, Any]]:
    """What a table of this section may name as its type; a name that two plugins claim cannot be named."""
    look_up: dict[str, Callable[[str], Factory[Any, Any]]] = {
        "source": catalogue.source,
        "sink": catalogue.sink,
        "notifier": catalogue.notifier,
        "rule": catalogue.rule,
    }
    for name in catalogue.names("deriver" if section == "rule" else section):
        try:
            yield look_up[section](name)
        except ConfigError:
            continue


def _any_part(section: str, names: Sequence[str]) -> JsonSchema:
    """A table whose type decides which fields it has, so that a fault is told in terms of that type alone."""
    fields = {name: {"$ref": f"#/definitions/{section}.{name}"} for name in names}
    return {
        "type": "object",
        "properties": {"type": {"enum": list(names)}},
        "required": ["type"],
        "additionalProperties": True,
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": of}
            for name, of in fields.items()
        ],
        "anyOf": [*fields.values(), {}],  # where editors look for what they may offer; it refuses nothing
    }


def _part_schema(
    factory: Factory[Any, Any], name: str, definitions: dict[str, JsonSchema], of_the_core: JsonSchema
) -> JsonSchema:
    try:
        schema = struct_schema(factory.config, name, definitions)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with a plugin's config, the others have a schema
        schema = {"type": "object", "description": f"no schema: {error}", "properties": {}}
    schema["properties"] = {"type": {"enum": [factory.name]}} | schema["properties"] | of_the_core
    schema["required"] = ["type", *schema.get("required", ())]
    return schema


def struct_schema(struct: type[msgspec.Struct], name: str, definitions: dict[str, JsonSchema]) -> JsonSchema:
    """The schema of one struct, whole; what it refers to goes into `definitions` under names that begin with `name`."""
    twin = _with_plain_defaults(struct)
    _, components = msgspec.json.schema_components(
        [twin], schema_hook=_own_schema, ref_template=f"#/definitions/{name}.{{name}}"
    )
    schema: JsonSchema = _for_toml(components.pop(twin.__name__))
    definitions |= {f"{name}.{inner}": _for_toml(component) for inner, component in components.items()}
    return schema


def _with_plain_defaults(struct: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The same fields, with defaults such as paths written as text: a schema can hold no others."""
    fields = [(each.encode_name, each.type, _plain_default(each)) for each in msgspec.structs.fields(struct)]
    strict = struct.__struct_config__.forbid_unknown_fields
    names = {"__doc__": inspect.getdoc(struct), "__module__": struct.__module__}
    return msgspec.defstruct(
        struct.__name__, fields, namespace=names, kw_only=True, frozen=True, forbid_unknown_fields=strict
    )


def _plain_default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    if field.default is msgspec.NODEFAULT:
        return msgspec.field()
    plain = msgspec.to_builtins(field.default, str_keys=True, enc_hook=_as_written)
    return msgspec.field(default_factory=lambda: plain) if isinstance(plain, list | dict) else plain


def _as_written(value: object) -> str:
    return value.reference if isinstance(value, Secret) else str(value)


def _own_schema(type_: type) -> JsonSchema:
    if type_ not in _OWN_TYPES:
        raise TypeError(f"{type_.__name__} is no type of a config")
    return dict(_OWN_TYPES[type_])


def _for_toml(schema: Any) -> Any:
    """Decimals may be written as numbers in TOML, and nothing can be null."""
    if isinstance(schema, list):
        return [_for_toml(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if _NULL in schema.get("anyOf", ()):
        return _for_toml(_without_null(schema))
    if schema.get("format") == "decimal":
        return {key: value for key, value in schema.items() if key != "format"} | {"type": ["number", "string"]}
    return {key: _for_toml(value) for key, value in schema.items() if not (key == "default" and value is None)}


def _without_null(schema: JsonSchema) -> JsonSchema:
    others = [each for each in schema["anyOf"] if each != _NULL]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return others[0] | rest if len(others) == 1 else rest | {"anyOf": others}
