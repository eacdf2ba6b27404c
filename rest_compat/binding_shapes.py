"""What the REST door says of bindings, described (R22, decisions section 9.3)."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, RootModel

from rest_compat.list_shapes import CountedPage
from rest_compat.shapes import Shape, Time, always


class SlotUser(Shape):
    """An artifact of the package that needs the value."""

    type: str = always("Its kind.")
    artifact_id: str = always("Its id in the package.")
    name: str = always("Its name.")


class PlanBindingRow(Shape):
    """A place that needs a value of the tenant; the value itself is never shown."""

    key: str = always("The artifact's id in the package and the JSON pointer in it: the key to supply a value by.")
    kind: str = always("What stands there, such as `credential`.")
    label: str = always("A sentence for people.")
    used_by: list[SlotUser] = always("Who needs it.")
    is_resolved: bool = always("Whether there is a value.")
    source: Literal["Supplied", "Active", "Remembered"] | None = always("Where the value comes from.")


class SuggestedBinding(PlanBindingRow):
    """The same with what could stand there."""

    suggestions: list[str] = always(
        "What the tenant's artifacts of that kind have there: names as they are, secrets masked."
    )


class BindingsPage(CountedPage):
    """A plan's bindings, in install order."""

    items: list[SuggestedBinding] = always("This page's bindings.")


class RememberedRow(Shape):
    """A remembered value."""

    key: str = always("Its key.")
    kept_at: Time = always("Since when.")
    kept_by: str = always("Who sent it.")


class BindingFileAnswer(Shape):
    """What a tenant remembers for the packages of another one."""

    source_tenant_id: str = always("Where the packages come from.")
    target_tenant_id: str = always("The tenant that remembers.")
    bindings: dict[str, str] = always("Values by key; what may be a secret is masked. Can be sent back as it is.")
    remembered: list[RememberedRow] = always("Who sent which, and when.")


class BindingFile(RootModel[dict[str, str]]):
    """Values by key. A value that is the mask stays as it is; a key that is left out, or has no value, is forgotten."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"agent-7/llmConfig/credentialId": "cred-openai-prod"}]})
