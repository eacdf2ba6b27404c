"""What callers may send about plans, described for the OpenAPI document (see ``questions``)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from rest_compat.applying import ApproveBody
from rest_compat.questions import with_example
from rest_compat.shapes import Digest, Shape, ours


class ApproveRequest(Shape):
    """What is agreed to."""

    model_config = with_example({"hash": "sha256:" + "4f" * 32})

    hash: Digest = ours("The `planHash` of the plan that was looked at.")


PLAN_DESCRIBED: Mapping[type[BaseModel], type[BaseModel]] = {ApproveBody: ApproveRequest}
