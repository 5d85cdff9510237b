"""What there is to break: a few of each thing that paths and headers name, made as the owner."""

import base64
import datetime
import os
import uuid

import requests

BASE = os.environ["ROWLOCK_URL"]
VENUE = f"/api/v1/venues/{os.environ['ROWLOCK_VENUE']}"
TIMEOUT_SECS = 10
EURO = {"amount": 10_000, "currency": "EUR"}
# Of every show here: the first two tables are for what is made, these are for whoever comes.
TABLES = ["T3", "T4"]
SEATS = [f"{table}-{seat}" for table in TABLES for seat in range(1, 9)]
# The base point of the curve is as good a public key as any: nobody signs with it.
PUBLIC_KEY = base64.b64encode(bytes([0x58] + [0x66] * 31)).decode()


def sign_in():
    body = {"email": os.environ["ROWLOCK_EMAIL"], "password": os.environ["ROWLOCK_PASSWORD"]}
    answer = requests.post(f"{BASE}/api/v1/auth/login", json=body, timeout=TIMEOUT_SECS)
    answer.raise_for_status()
    return answer.json()["accessToken"]


class Owner:
    """Asks as the owner; whatever is refused ends the run, for then the field is not what it was."""

    def __init__(self):
        self.token = sign_in()

    def ask(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": str(uuid.uuid4())}
        answer = requests.request(
            method, f"{BASE}{path}", json=body, headers=headers, timeout=TIMEOUT_SECS
        )
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def get(self, path):
        return self.ask("GET", VENUE + path)

    def post(self, path, body):
        return self.ask("POST", VENUE + path, body)

    def put(self, path, body):
        return self.ask("PUT", VENUE + path, body)


def soon(days):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return at.strftime("%Y-%m-%dT20:00:00.000000Z")


def show(owner, more):
    """A show on sale with tables of ten."""
    new = {"name": "Spring Gala", "startsAt": soon(90), "currency": "EUR"}
    made = owner.post("/shows", new)["id"]
    blocks = [
        {"name": f"T{n}", "kind": "table", "mode": "any_seat", "category": "gala", "seats": 10}
        for n in range(1, 5)
    ]
    plan = {"categories": [{"code": "gala", "name": "Gala", "price": EURO}], "blocks": blocks}
    owner.put(f"/shows/{made}/layout", {"plan": plan})
    owner.ask("PATCH", f"{VENUE}/shows/{made}", {"status": "on_sale", **more})
    return made, plan


def seats(owner, known, tokens):
    """Holds, a bundle, bookings that are paid and not, and money that goes back."""
    due, _ = show(owner, {"payment": "required", "paySecs": 86_400})
    # Three of four look at the one where everything is.
    known["show"] = 3 * known["show"] + [due]
    paid = owner.post(f"/shows/{due}/bookings", book(["T1-1"]))
    money = {"method": "cash", "tendered": EURO}
    payment = owner.post(f"/bookings/{paid['id']}/payments", money)["payment"]["id"]
    back = {"amount": {"amount": 100, "currency": "EUR"}, "reason": "Cold water"}
    known["payment"] = [payment]
    known["refund"] = [owner.post(f"/payments/{payment}/refund", back)["id"]]
    unpaid = owner.post(f"/shows/{due}/bookings", book(["T1-2"]))
    tokens["Bill-Token"] = unpaid["billToken"]
    known["id"] = [unpaid["id"], paid["id"]]
    # The demo's show has the holds: its path is the one that is asked for most.
    mine = known["show"][0]
    known["booking"] = [
        owner.post(f"/shows/{mine}/bookings", book([seat]))["id"] for seat in ("T1-3", "T1-4")
    ] + [unpaid["id"]]
    hold = owner.post(f"/shows/{mine}/holds", {"seats": ["T1-5"]})
    known["hold"], tokens["Hold-Token"] = [hold["id"]], hold["token"]
    parts = [{"show": mine, "seats": ["T2-1"]}, {"show": due, "seats": ["T2-1"]}]
    known["bundle"] = [owner.post("/bundles", {"shows": parts})["id"]]


def book(labels):
    return {"seats": labels, "customer": {"name": "Ana Lopes", "email": "ana@example.org"}}


def floor(owner, known, tokens):
    guests = [
        owner.post("/guests", {"guestName": f"Party {n}", "partySize": 2})["id"] for n in range(6)
    ]
    tables = [table["id"] for table in owner.get("/tables")["items"]]
    owner.post(f"/guests/{guests[0]}/seat", {"tables": tables[:1]})
    tokens["Waitlist-Token"] = owner.post(f"/guests/{guests[1]}/link", {})["token"]
    reserve = {"startsAt": soon(30), "partySize": 2, "guestName": "Ana Lopes"}
    known["reservation"] = [owner.post("/reservations", reserve)["id"] for _ in range(3)]
    known["guest"], known["table"] = guests, tables
    known["level"] = [owner.post("/levels", {"name": "Gallery"})["id"]]
    known["section"] = [owner.post("/sections", {"name": "Balcony"})["id"]]
    known["layout"] = [owner.post("/floor/layouts", {"name": "Base"})["id"]]


def spa(owner, known, tokens):
    catalogue = owner.get("/catalogue?all=true")
    for plural, name in (("categories", "category"), ("services", "service"), ("variants", "variant")):
        known[name] = [it["id"] for it in catalogue[plural]]
    variant = catalogue["variants"][0]
    cart = {"items": [{"variant": variant["id"], "price": variant["price"]}]}
    placed = [owner.post("/orders", cart) for _ in range(3)]
    known["order"] = [it["order"]["id"] for it in placed]
    known["item"] = [it["order"]["items"][0]["id"] for it in placed]
    tokens["Order-Token"] = placed[0]["token"]
    known["room"] = [it["id"] for it in owner.get("/rooms")["items"]]
    known["therapist"] = [it["id"] for it in owner.get("/therapists")["items"]]
    drawer = {"name": "Front desk", "float": EURO}
    known["drawer"] = [owner.post("/drawers", drawer)["id"]]


def doors(owner, known, tokens):
    """Tickets, rules, a scan; and a gala whose guests have those tickets."""
    at = f"/shows/{known['show'][0]}"
    open_for_years = {"opensAt": "2020-01-01T00:00:00Z", "closesAt": "2099-01-01T00:00:00Z"}
    owner.put(f"{at}/doors", {"name": "Winter Gala", **open_for_years})
    known["kind"] = [owner.post(f"{at}/ticket-types", {"name": "Standard"})["id"]]
    known["list"] = [owner.post(f"{at}/lists", {"name": "Main"})["id"]]
    known["zone"] = [owner.post(f"{at}/zones", {"name": "Hall"})["id"]]
    known["question"] = [owner.post(f"{at}/questions", {"text": "Of age?", "class": 1})["id"]]
    wanted = [{"class": 1, "name": "Ana Lopes", "number": f"G-{n}"} for n in range(6)]
    tickets = owner.post(f"{at}/tickets", {"tickets": wanted})["tickets"]
    known["ticket"] = [ticket["id"] for ticket in tickets]
    link = owner.post(f"/tickets/{known['ticket'][0]}/link", {})
    tokens["Ticket-Secret"] = link["secret"]
    scan = {"nonce": str(uuid.uuid4()), "list": known["list"][0], "gate": "North"}
    owner.post("/scans", {**scan, "ticket": known["ticket"][0]})
    known["nonce"] = [scan["nonce"]]
    owner.put(f"{at}/gala", {})
    guest = [{"number": "G-1", "name": "Ana Lopes"}]
    tokens["Guest-Token"] = owner.post(f"{at}/gala/session", {"tickets": guest})["token"]
    tokens["Captain-Token"] = owner.post(f"{at}/gala/captains", {"table": "T5"})["token"]
    owner.put(f"{at}/allocations/sponsors", {"seats": ["T6-1"], "code": "GOLDEN-1"})
    known["name"] = ["sponsors"]


def people(owner, known, _):
    invite = {"email": "nobody@example.org", "role": "host"}
    known["invitation"] = [owner.post("/members", invite)["id"]]
    me = owner.ask("GET", "/api/v1/auth/me")["user"]["id"]
    others = [it for it in owner.get("/members")["items"] if it["userId"] != me]
    known["member"] = [it["id"] for it in others]
    code = owner.post("/devices/pairings", {"profile": "scanner"})["code"]
    pair = {"code": code, "publicKey": PUBLIC_KEY, "name": "Ana's phone"}
    known["device"] = [owner.ask("POST", "/api/v1/devices/pair", pair)["device"]["id"]]


def make():
    """The ids by the names that paths have for them, and the secrets by their headers."""
    owner, tokens = Owner(), {}
    known = {"venue": [os.environ["ROWLOCK_VENUE"]], "show": [os.environ["ROWLOCK_SHOW"]]}
    for part in (seats, floor, spa, doors, people):
        part(owner, known, tokens)
    doomed, _ = show(owner, {})
    return known, tokens, doomed
