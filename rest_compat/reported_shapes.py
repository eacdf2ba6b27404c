"""What other installations send to a hub and are answered, described (installhub.md sections 10.2 and 10.4)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from rest_compat.catalogue_shapes import ReviewStateWord, Stars
from rest_compat.questions import with_example
from rest_compat.shapes import Count, Shape, Time, always, maybe

Key = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_TENANT, _PERSON = "ab" * 32, "cd" * 32
_SOMEBODY = {"tenant": _TENANT, "person": _PERSON, "author": "Ina"}


class InstallReportRequest(Shape):
    """An install in another installation."""

    model_config = with_example({"tenant": _TENANT, "packageId": "mkt-pkg-1", "version": "1.0.0"})

    tenant: Key = always("What the installation calls the tenant: always the same for the same.")
    package_id: str = always("What was installed, `mkt-pkg-…`.")
    version: str = always("In which version.")


class SomebodyRequest(Shape):
    """A person of another installation."""

    model_config = with_example(_SOMEBODY)

    tenant: Key = always("What the installation calls their tenant.")
    person: Key = always("What the installation calls the person: always the same for the same.")
    author: Annotated[str, StringConstraints(min_length=1, max_length=100)] = always("The name that readers see.")


class ReviewReportRequest(SomebodyRequest):
    """What somebody of another installation says of a package."""

    model_config = with_example(
        {**_SOMEBODY, "packageId": "mkt-pkg-1", "rating": 5, "title": "Saves us a day", "body": "It works."}
    )

    package_id: str = always("The package.")
    rating: Stars = always("1 to 5 stars.")
    title: Annotated[str, StringConstraints(min_length=1, max_length=100)] = always("In a line.")
    body: Annotated[str, StringConstraints(min_length=1, max_length=5000)] = always("In full.")


class FlagReportRequest(SomebodyRequest):
    """Why moderators should look again."""

    model_config = with_example({**_SOMEBODY, "reason": "This is an advertisement."})

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)] = always("What is wrong with it.")


class CountedInstall(Shape):
    """An install that this hub knows of."""

    package_id: str = always("The package.")
    version: str = always("The version that was installed.")
    counted: Literal[True] = always("Always true.")


class ReviewElsewhere(Shape):
    """A review as it is told to the installation of its author, or of who said something of it."""

    review_id: str = always("Its id, `rev-…`.")
    package_id: str = always("The package.")
    status: ReviewStateWord = always("Whether others can read it.")
    rating: Stars = always("Stars.")
    title: str = always("In a line.")
    body: str = always("In full.")
    author: str = always("Who says so: a name, no address.")
    version: str = always("The version that the author's tenant had installed.")
    created_at: Time = always("When it was written.")
    published_at: Time = maybe("Since when others read it.")
    helpful_count: Count = always("How many people it helped.")
