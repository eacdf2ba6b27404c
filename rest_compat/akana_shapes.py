"""What the Akana-compatible door takes and answers, described for the OpenAPI document (akana.md sections 4 and 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rest_compat.akana_faults import OFFERED, TEXT
from rest_compat.operations import Answer
from rest_compat.questions import with_example
from rest_compat.shapes import Count, OpenShape, Shape, always, maybe, ours, ours_maybe

_ABBREVIATIONS = {"csrf", "fdn", "id", "idp", "rp", "url"}
_MEANINGS: Mapping[int, str] = {
    400: "The request, the package or its version is not good.",
    401: "No session, or not of this tenant; or the CSRF token is missing where it is demanded.",
    403: "The user's power does not reach so far.",
    404: "Not there; or nothing of `Accept` can be answered.",
    413: "Too large, or too many artifacts.",
    415: "Another media type was sent.",
    429: "Too often: wait.",
    500: "Something went wrong on the server, or in an import on its way.",
    503: "The server cannot do this now: wait.",
}
_ALWAYS_POSSIBLE = (500, 503)
_ASK_AGAIN = (429, 503)


def _spelt(word: str) -> str:
    return word.upper() if word in _ABBREVIATIONS else word.capitalize()


def _in_pascal(name: str) -> str:
    return "".join(map(_spelt, name.split("_")))


def _in_camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(_spelt, others))


class CamelShape(Shape):
    """An object whose abbreviations are written large: `userFDN`."""

    model_config = ConfigDict(alias_generator=_in_camel)


class PascalShape(Shape):
    """The same, beginning with a capital: `FedmemberID`."""

    model_config = ConfigDict(alias_generator=_in_pascal)


class FaultRow(OpenShape):
    """One thing that is wrong."""

    code: str = always("The finest code.")
    message: str = always("A sentence to show.")
    field: str = maybe("Where, in the request or the package.")
    artifact_id: str = maybe("Which artifact of the package.")


class Fault(OpenShape):
    """Every refusal. As XML the root is `Fault`; a browser gets it as plain text."""

    faultcode: Literal["client", "server"] = always("Whose mistake it is.")
    faultstring: str = always("A sentence to show.")
    code: str = ours("The code that answers for everything in `errors`. Act on this.")
    import_id: str = ours_maybe("The import that ended so.")
    scan_report_url: str = ours_maybe("What the scan found, where it refused; for the bearer of a token.")
    errors: list[FaultRow] = ours("Every problem at once, at most a hundred.")


class LoginRequest(Shape):
    """Who wants to sign in."""

    model_config = with_example({"email": "anna@acme.example", "password": "correct horse battery"})

    email: Annotated[str, StringConstraints(min_length=1)] = always("The user's e-mail address.")
    password: Annotated[str, StringConstraints(min_length=1)] = always("The user's password.")


class LoginResponse(CamelShape):
    """Who is signed in. The token itself is in the cookie."""

    status: Literal["Success"] = always("Always this word.")
    user_name: str = always("The user's e-mail address.")
    user_fdn: str = always("The user's id, with the tenant's.")
    login_domain_id: str = always("Where the user is known: `siteusers.` and the tenant.")
    avatar_url: str = always("Always empty.")
    pending_notifications: Count = always("Always 0.")
    pending_tasks: list[str] = always("What has to be done before the login is complete: nothing.")
    auth_token_valid_until: Count = always("When the session ends unless it is renewed, in milliseconds since 1970.")


class LogoutResponse(PascalShape):
    """Where else to sign out: nowhere."""

    idp_logout_info: list[str] = always("Always empty.")
    rp_logout_info: list[str] = always("Always empty.")


class TenantProperties(PascalShape):
    """A tenant, in the documented words."""

    tenant_id: str = always("The tenant's id.")
    fedmember_id: str = always("The same: what paths and cookies name.")
    tenant_name: str = always("The same.")
    tenant_business_id: str = always("Its business: `tenantbusiness.` and the tenant.")
    console_address: str = always("How people reach this server; empty when nobody said.")


Switch = Literal["com.soa.feature.enabled", "com.soa.feature.disabled"]


class SecuritySettings(PascalShape):
    """Of which requests the business demands the CSRF token. What is not named stays as it is."""

    model_config = with_example({"ReadRequestCSRFSupport": "com.soa.feature.disabled"})

    read_request_csrf_support: Switch = maybe("Of `GET`; off unless somebody said otherwise.")
    write_request_csrf_support: Switch = maybe("Of `POST`, `PUT` and `DELETE`; on unless somebody said otherwise.")
    auth_token_cookie_same_site: Literal["Lax"] = maybe("Always this; taken and not used.")


class ImportForm(PascalShape):
    """What is brought over. The names of the parts are written exactly so."""

    package: Annotated[str, Field(json_schema_extra={"contentMediaType": "application/zip"})] = always("The ZIP.")
    mapping_properties: str = maybe("What stands here for the endpoint addresses of the source, as Java properties.")


def answers_of(
    gives: type[BaseModel] | None, *faults: int, headers: tuple[str, ...] = (), text: str = "Done."
) -> Mapping[int, Answer]:
    """Every answer of an operation: 200 with an object, or with nothing, and faults of these statuses."""
    body = dict.fromkeys(OFFERED, gives) if gives else {}
    return {200: Answer(text, body, headers)} | {
        status: Answer(
            _MEANINGS[status],
            {**dict.fromkeys(OFFERED, Fault), TEXT: bytes},
            ("Retry-After",) if status in _ASK_AGAIN else (),
        )
        for status in (*faults, *_ALWAYS_POSSIBLE)
    }
