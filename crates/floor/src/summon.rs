//! Tell a party that its table is ready, where it can be reached.

use notify::{Mail, Push};
use pg::Tx;
use serde_json::json;

use crate::FloorError;
use crate::floor::{Floor, Key};

/// Queues what the parties hear that this write has called.
pub(crate) fn summon(tx: &mut Tx, floor: &Floor) -> Result<(), FloorError> {
    for told in floor.told.iter().filter(|told| told.action == "notified") {
        let Key::Guest(id) = told.key else { continue };
        let guest = &floor.guest(id)?.guest;
        if let Some(to) = &guest.email {
            let text = format!(
                "Hello {},\n\nyour table for {} is ready. Please come to the host.\n",
                guest.guest_name, guest.party_size
            );
            let subject = "Your table is ready".to_owned();
            let mail = Mail {
                to: to.clone(),
                subject,
                text,
                html: None,
                attachments: Vec::new(),
                kind: "table_ready",
            };
            notify::queue_mail(tx, mail)?;
        }
        let body = json!({"guestId": id, "guestName": guest.guest_name, "phone": guest.phone,
            "partySize": guest.party_size});
        notify::queue_push(tx, Push { kind: "table_ready", body })?;
    }
    Ok(())
}
