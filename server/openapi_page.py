"""The OpenAPI document as one page: no script, nothing fetched, readable on a phone and on paper."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1, h2, h3, h4 { line-height: 1.2; margin: 1.5em 0 .4em; }
h2 { border-bottom: 1px solid var(--line); }
h4 { font-size: 1rem; }
section { border-top: 1px solid var(--line); margin-top: 2rem; }
code, pre { font: .9em/1.45 ui-monospace, monospace; background: var(--soft); border-radius: .2em; }
code { padding: .05em .25em; }
pre { padding: .7em; overflow-x: auto; overflow-wrap: normal; }
pre code { padding: 0; background: none; }
nav ul { list-style: none; padding: 0; }
nav li { margin: .35em 0; }
nav .subjects li { display: inline-block; margin-right: 1em; }
dl { margin: .3em 0; }
dt { margin-top: .6em; }
dd { margin: 0 0 0 1rem; }
small { opacity: .75; }
a { color: LinkText; }
"""
#: what is written where the document is silent about a type
_ANYTHING = "anything"
_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "default": "{} if not given",
}


def rendered(document: Mapping[str, Any], address: str) -> str:
    """The page; ``address`` is where the document itself is."""
    info = document["info"]
    operations = list(_operations(document))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(info['title'])}: REST</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{escape(info['title'])} over REST</h1>\n{_paragraphs(info['description'])}\n"
        f'<p>The same for programs: <a href="{address}">{address}</a> (OpenAPI {escape(document["openapi"])}).'
        " In the examples <code>HUB</code> is this server's address and <code>TOKEN</code> a token.</p>\n</header>\n"
        f'<nav>\n<h2>Operations</h2>\n<ul class="subjects">\n{"".join(_subjects(document))}</ul>\n'
        f"{''.join(_contents(document, operations))}</nav>\n<main>\n"
        f"{''.join(_told(document, operations))}"
        f'<h2 id="bodies">Bodies</h2>\n{"".join(_bodies(document))}</main>\n</body>\n</html>\n'
    )


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Method, path and operation, tag by tag."""
    for tag in document["tags"]:
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if operation["tags"] == [tag["name"]]:
                    yield method.upper(), path, operation


def _subjects(document: Mapping[str, Any]) -> Iterator[str]:
    for tag in document["tags"]:
        yield f'<li><a href="#{_anchor(tag)}">{escape(tag["name"])}</a></li>\n'
    yield '<li><a href="#bodies">Bodies</a></li>\n'


def _anchor(tag: Mapping[str, Any]) -> str:
    return "about-" + escape(tag["name"].lower().replace(" ", "-"))


def _told(document: Mapping[str, Any], operations: Sequence[tuple[str, str, Mapping[str, Any]]]) -> Iterator[str]:
    """Every operation in full, subject by subject."""
    for tag in document["tags"]:
        yield f'<h2 id="{_anchor(tag)}">{escape(tag["name"])}</h2>\n'
        yield from (_operation(document, *one) for one in operations if one[2]["tags"] == [tag["name"]])


def _contents(document: Mapping[str, Any], operations: Sequence[tuple[str, str, Mapping[str, Any]]]) -> Iterator[str]:
    for tag in document["tags"]:
        lines = [
            f'<li><a href="#{operation["operationId"]}"><code>{method} {escape(path)}</code></a><br>'
            f"{_line(operation['summary'])}</li>\n"
            for method, path, operation in operations
            if operation["tags"] == [tag["name"]]
        ]
        text = _line(tag["description"])
        yield f"<h3>{escape(tag['name'])}</h3>\n<p>{text}</p>\n<ul>\n{''.join(lines)}</ul>\n"


def _operation(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [
        f'<section id="{operation["operationId"]}">\n<h3>{_line(operation["summary"])}</h3>\n',
        f"<p><code>{method} {escape(path)}</code></p>\n",
        _paragraphs(operation.get("description", "")),
        f"<p>{_who(operation)}</p>\n",
        _listed("Parameters", (_parameter(document, one) for one in operation.get("parameters", ()))),
        _listed("Request", (_form(*one) for one in operation.get("requestBody", {}).get("content", {}).items())),
        _listed("Answers", (_answer(document, *one) for one in operation["responses"].items())),
        "<h4>Example</h4>\n",
        *(f"<pre><code>{escape(text)}</code></pre>\n" for text in examples(document, method, path, operation)),
        "</section>\n",
    ]
    return "".join(parts)


def _who(operation: Mapping[str, Any]) -> str:
    """Which permissions are enough, and whether an address can stand for a token."""
    scopes = [f"<code>{escape(scope)}</code>" for one in operation["security"] for scope in one.get("token", ())]
    signed = any("signedAddress" in one for one in operation["security"])
    texts = [f"Needs a token with {' or '.join(scopes)}"] if scopes else []
    texts += ["a signed address"] if signed else []
    texts += ["Needs a session's cookie"] if {"session": []} in operation["security"] else []
    if texts:
        return f"{', or '.join(texts)}."
    if operation["security"] == [{}]:
        return "Open to everybody."
    if {} not in operation["security"]:
        return "Needs a token, with whatever permissions."
    return "Open to everybody; where the marketplace is not public, to every good token."


def _listed(title: str, rows: Iterator[str]) -> str:
    found = "".join(rows)
    return f"<h4>{title}</h4>\n<dl>\n{found}</dl>\n" if found else ""


def _parameter(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> str:
    found = _resolved(document, parameter)
    place = "header" if found["in"] == "header" else f"in the {found['in']}"
    return (
        f"<dt><code>{escape(found['name'])}</code> <small>{place}, {_kind(found['schema'])}</small></dt>\n"
        f"<dd>{_line(found['description'])}</dd>\n"
    )


def _form(media: str, content: Mapping[str, Any]) -> str:
    schema = content.get("schema", {})
    parts = "<br>".join(
        f"part <code>{escape(name)}</code>: {_kind(part) if '$ref' in part else _line(part['description'])}"
        for name, part in schema.get("properties", {}).items()
    )
    kind = "" if parts or not schema else _kind(schema)
    return f"<dt><code>{escape(media)}</code></dt>\n<dd>{kind}{parts}</dd>\n"


def _answer(document: Mapping[str, Any], status: str, response: Mapping[str, Any]) -> str:
    found = _resolved(document, response)
    forms = "".join(
        f"<br><small><code>{escape(media)}</code> {_kind(content['schema']) if 'schema' in content else ''}</small>"
        for media, content in found.get("content", {}).items()
    )
    headers = [f"<code>{escape(name)}</code>" for name in found.get("headers", {}) if name != "X-Request-Id"]
    said = f"<br><small>Headers: {', '.join(headers)}</small>" if headers else ""
    return f"<dt><code>{status}</code></dt>\n<dd>{_line(found['description'])}{forms}{said}</dd>\n"


def _bodies(document: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        needed = schema.get("required", ())
        members = "".join(
            f"<dt><code>{escape(member)}</code> <small>{_kind(kind)}{'' if member in needed else ', optional'}</small>"
            f"</dt>\n<dd>{_line(kind.get('description', ''))}</dd>\n"
            for member, kind in schema.get("properties", {}).items()
        )
        what = f"<dl>\n{members}</dl>" if members else f"<p>{_kind(schema)}</p>"
        text = _paragraphs(schema.get("description", ""))
        yield f'<section id="body-{escape(name)}">\n<h3>{escape(name)}</h3>\n{text}{what}\n</section>\n'


def _kind(schema: Mapping[str, Any]) -> str:
    """A type in a few words, with links to the bodies."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#body-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if words := schema.get("enum") or [schema[name] for name in ("const",) if name in schema]:
        return " | ".join(f"<code>{escape(json.dumps(word))}</code>" for word in words)
    kind = schema.get("type", _ANYTHING)
    if kind == "array":
        kind = f"list of {_kind(schema.get('items', {}))}"
    elif kind == "object" and schema.get("additionalProperties"):
        values = schema["additionalProperties"]
        kind = f"object of {_ANYTHING if values is True else _kind(values)}"
    bounds = [text.format(json.dumps(schema[name])) for name, text in _BOUNDS.items() if name in schema]
    return ", ".join([str(kind), *bounds])


def examples(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    """The operation on a command line, once for each form of its request."""
    place = re.sub(r"\{(\w+)\}", lambda found: "$" + _shouted(found[1]), path)
    needed = [_resolved(document, one) for one in operation.get("parameters", ())]
    query = "&".join(
        f"{one['name']}=${_shouted(one['name'])}" for one in needed if one["in"] == "query" and one.get("required")
    )
    address = f"$HUB{place}{'?' if query else ''}{query}"
    begin = f'curl -sS{_switches(operation)} "{address}" \\\n  {_shown(method, operation)}'
    forms = operation.get("requestBody", {}).get("content", {})
    if not forms:
        yield begin if method == "GET" else f"{begin} -X {method}"
    for media, content in forms.items():
        yield f"{begin} \\\n  {_sent(document, media, content.get('schema', {}))}"


def _shown(method: str, operation: Mapping[str, Any]) -> str:
    """What tells who asks: a token, or the cookies of a session, which a login puts into the jar."""
    if any("token" in one for one in operation["security"]):
        return '-H "Authorization: Bearer $TOKEN"'
    is_echoed = method != "GET" and {"session": []} in operation["security"]
    return "-c jar -b jar" + (' -H "X-Csrf-Token_$TENANT: $CSRF"' if is_echoed else "")


def _switches(operation: Mapping[str, Any]) -> str:
    """Streams are shown as they come, files are saved."""
    media = {
        media for status, said in operation["responses"].items() for media in said.get("content", ()) if status == "200"
    }
    if media & {"application/x-ndjson", "text/event-stream"}:
        return "N"
    return " -o bundle.zip" if "application/zip" in media else ""


def _sent(document: Mapping[str, Any], media: str, schema: Mapping[str, Any]) -> str:
    if media == "multipart/form-data":
        form = _resolved(document, schema)
        parts = ["-F 'package=@bundle.zip;type=application/zip'"]
        if "options" in form["properties"]:
            body = _example(document, form["properties"]["options"])
            parts.append(f"-F 'options={body};type=application/json'")
        parts += [f"-F '{name}={text}'" for name, text in form.get("examples", [{}])[0].items()]
        return " \\\n  ".join(parts)
    if media == "application/json":
        return f"-H \"Content-Type: {media}\" \\\n  -d '{_example(document, schema)}'"
    return f'-H "Content-Type: {media}" \\\n  --data-binary @bundle.zip'


def _example(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    found = _resolved(document, schema)
    return json.dumps(found.get("examples", [{}])[0], ensure_ascii=False)


def _shouted(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def _resolved(document: Mapping[str, Any], thing: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference into the document names."""
    if "$ref" not in thing:
        return thing
    found: Any = document
    for step in thing["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_line(part)}</p>\n" for part in text.split("\n\n") if part)


def _line(text: str) -> str:
    """Plain text with code in backticks and emphasis in stars."""
    found = re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))
    return re.sub(r"\*([^*<>]+)\*", r"<em>\1</em>", found)
