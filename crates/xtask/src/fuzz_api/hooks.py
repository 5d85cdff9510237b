"""What Schemathesis cannot know of the API: who signs in, and what is there."""

import re
import zlib

import field
import schemathesis

KNOWN, TOKENS, DOOMED = field.make()
# Nothing is left to break once these are done, so they have a show of their own.
ENDS_ALL = ("/shows/{show}/cancel", "/shows/{show}/layout")


@schemathesis.auth(refresh_interval=240)
class SignIn:
    """A real sign-in; access tokens end after ten minutes."""

    def get(self, case, context):
        return field.sign_in()

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


def pick(known, made_up):
    """One of those that there are, or now and then what was made up: the same in every run."""
    at = zlib.crc32(repr(made_up).encode()) % (3 * len(known) + 1)
    return known[at // 3] if at < 3 * len(known) else made_up


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Leads to what there is; every other id is made up, and so is found nowhere."""
    for name, made_up in (path_parameters or {}).items():
        if name == "venue":
            path_parameters[name] = KNOWN["venue"][0]
        elif name == "show" and context.operation.path.endswith(ENDS_ALL):
            path_parameters[name] = DOOMED
        elif name == "kind" and "/bills/" in context.operation.path:
            path_parameters[name] = "booking"
        elif name in KNOWN:
            path_parameters[name] = pick(KNOWN[name], made_up)
    return path_parameters


UUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
# What a field is called that has the id of another thing, or the name of a seat or of a table.
ALIASES = {"with": "guest", "to": "guest"}


def fill(name, value, names):
    """The same body with ids, seats and tables that there are."""
    if isinstance(value, dict):
        return {key: fill(key, part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [fill(name, part, names) for part in value]
    if not isinstance(value, str):
        return value
    base = re.sub(r"(Ids?|s)$", "", name)
    base = ALIASES.get(base, base)
    if base in names:
        return pick(names[base], value)
    if base in KNOWN and UUID.match(value):
        return pick(KNOWN[base], value)
    return value


@schemathesis.hook
def map_body(context, body):
    """Speaks of what there is: hardly any made-up id would be found."""
    names = {"seat": field.SEATS}
    if "/gala/" in context.operation.path:
        names["table"] = field.TABLES
    return fill("", body, names) if isinstance(body, (dict, list)) else body


@schemathesis.hook
def map_headers(context, headers):
    """Brings the secrets of what there is."""
    for name, made_up in (headers or {}).items():
        if name in TOKENS:
            headers[name] = pick([TOKENS[name]], made_up)
    return headers
