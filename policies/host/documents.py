"""Requests and verdicts as JSON, for cases in files and for policies outside of the process."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, get_args, get_type_hints
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from policies.contract import AccessRequest, Verdict
from policies.host.facts import freeze_mapping

ADAPTERS: dict[type[object], TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (AccessRequest, Verdict)
}
"""Built once: that takes longer than to use it."""


class UnfitDocumentError(ValueError):
    """A document that is no request or verdict; the message names the field."""


def dump(value: object) -> Any:
    """Facts as JSON: instants as RFC 3339, durations in seconds, absent facts as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: dump(getattr(value, one.name))
            for one in fields(value)
            if one.name != "settings"
        }
    if isinstance(value, Mapping):
        return {str(key): dump(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [dump(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return value


def load_request(document: object, defaults: AccessRequest) -> AccessRequest:
    """The request that `defaults` becomes with these facts. Raises `UnfitDocumentError`."""
    given = dump(defaults)
    if not isinstance(document, Mapping):
        raise UnfitDocumentError("the facts are not an object")
    for name, value in document.items():
        if name == "attributes":
            given["organization"]["attributes"] = value
        elif name == "organization" and isinstance(value, Mapping):
            given["organization"] |= value
        else:
            given[name] = value
    check_names(given, AccessRequest)
    request: AccessRequest = load(given, AccessRequest)
    organization = request.organization
    object.__setattr__(organization, "attributes", freeze_mapping(organization.attributes))
    return request


def load_verdict(document: object) -> Verdict:
    """A verdict. Raises `UnfitDocumentError`."""
    check_names(document, Verdict)
    verdict: Verdict = load(document, Verdict)
    return verdict


def load(document: object, kind: type[object]) -> Any:
    """The document as a dataclass of the contract. Raises `UnfitDocumentError`."""
    try:
        return ADAPTERS[kind].validate_python(document)
    except ValidationError as exc:
        fault = exc.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"]) or "all"
        raise UnfitDocumentError(f"{place}: {fault['msg']}") from None


def check_names(document: object, kind: type[object]) -> None:
    """Raise `UnfitDocumentError` for a field that does not exist: misspelt, it would have no effect."""
    if not isinstance(document, Mapping):
        raise UnfitDocumentError("it is not an object")
    unknown = sorted(list_unknown(document, kind))
    if unknown:
        raise UnfitDocumentError(f"{', '.join(unknown)}: no such field")


def list_unknown(
    document: Mapping[Any, object], kind: type[object], place: str = ""
) -> Iterator[str]:
    """The fields that do not exist, nested ones with their place."""
    known = fields_of(kind)
    for name, value in document.items():
        if name not in known:
            yield f"{place}{name}"
        elif (nested := known[name]) is not None and isinstance(value, Mapping):
            yield from list_unknown(value, nested, f"{place}{name}.")


def fields_of(kind: type[object]) -> dict[str, type[object] | None]:
    """The fields of a dataclass of the contract, and the dataclass that one holds, if any."""
    found: dict[str, type[object] | None] = {}
    for name, hint in get_type_hints(kind).items():
        kinds = (one for one in (hint, *get_args(hint)) if isinstance(one, type))
        found[name] = next(filter(is_dataclass, kinds), None)
    return found
