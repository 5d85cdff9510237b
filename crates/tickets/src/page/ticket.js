// Shows the ticket whose link was opened. The secret stands behind the # and travels in a header.
"use strict";

const at = (id) => document.getElementById(id);

const WORDS = {
  admitted: "You are inside with this ticket.",
  left: "You were inside with this ticket and left.",
  revoked: "This ticket counts no more. Ask the house.",
};

function fact(name, value) {
  if (!value) return;
  const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
  dt.textContent = name;
  dd.textContent = value;
  at("facts").append(dt, dd);
}

async function load() {
  const [venue, ticket, secret] = location.hash.slice(1).split(".");
  if (!secret) {
    at("status").textContent = "This link is not complete. Open it from your mail.";
    return;
  }
  const url = `/api/v1/venues/${encodeURIComponent(venue)}/tickets/${encodeURIComponent(ticket)}/holder`;
  const headers = { "Ticket-Secret": secret };
  const answer = await fetch(url, { headers, cache: "no-store" });
  if (!answer.ok) {
    at("status").textContent = answer.status === 404
      ? "This link counts no more. A newer mail may have a newer one."
      : "The ticket cannot be shown now. Try again in a moment.";
    return;
  }
  const held = await answer.json();
  document.title = `Ticket: ${held.show}`;
  at("show").textContent = held.show;
  at("venue").textContent = held.venue;
  fact("Doors open", held.opensLocally);
  fact("Ticket", `${held.number} ${held.kind}`);
  fact("Name", held.name);
  fact("Seat", held.seat);
  at("status").textContent = WORDS[held.status] ?? "Show this code at the door.";
  if (!held.code) return;
  const picture = await fetch(`${url}/qr?format=svg`, { headers, cache: "no-store" });
  if (picture.ok) {
    at("code").src = URL.createObjectURL(await picture.blob());
    at("code").hidden = false;
  }
}

load().catch(() => { at("status").textContent = "There is no connection. Try again in a moment."; });
addEventListener("hashchange", () => location.reload());
