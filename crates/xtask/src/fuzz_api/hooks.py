"""What Schemathesis cannot know of the API: who signs in, and what is there."""

import os

import requests
import schemathesis

BASE = os.environ["ROWLOCK_URL"]
# What exists; every other id is made up, and so is found nowhere.
KNOWN = {"venue": os.environ["ROWLOCK_VENUE"], "show": os.environ["ROWLOCK_SHOW"]}


@schemathesis.auth(refresh_interval=240)
class SignIn:
    """A real sign-in; access tokens end after ten minutes."""

    def get(self, case, context):
        sign_in = {"email": os.environ["ROWLOCK_EMAIL"], "password": os.environ["ROWLOCK_PASSWORD"]}
        answer = requests.post(f"{BASE}/api/v1/auth/login", json=sign_in, timeout=10)
        answer.raise_for_status()
        return answer.json()["accessToken"]

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Leads into the venue, where there is something to break."""
    if path_parameters:
        for name, value in KNOWN.items():
            if name in path_parameters:
                path_parameters[name] = value
    return path_parameters
