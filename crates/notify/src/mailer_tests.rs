//! Mails through a real socket, and into a folder.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::*;

fn due(to: &str) -> Due {
    Due {
        venue: Uuid::nil(),
        id: Uuid::from_u128(7),
        kind: "test".to_owned(),
        to: to.to_owned(),
        subject: "Güten Tag\r\nBcc: all@example.org".to_owned(),
        text: "Otters fly low.".to_owned(),
        html: Some("<p>Otters fly low.</p>".to_owned()),
        attachments: Vec::new(),
        tries: 1,
    }
}

/// A mail server that takes one mail and answers `RCPT TO` with `answer`.
async fn server(answer: &'static str) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(String::new()));
    let keep = Arc::clone(&heard);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 here\r\n").await.unwrap();
        let mut in_text = false;
        while let Ok(Some(line)) = lines.next_line().await {
            keep.lock().unwrap().extend([line.as_str(), "\n"]);
            let verb = line.get(..4).unwrap_or_default().to_uppercase();
            let say = match (in_text, verb.as_str()) {
                (true, _) if line == "." => {
                    in_text = false;
                    "250 taken"
                }
                (true, _) => continue,
                (false, "DATA") => {
                    in_text = true;
                    "354 go on"
                }
                (false, "RCPT") => answer,
                (false, "QUIT") => "221 bye",
                _ => "250 ok",
            };
            if write.write_all(format!("{say}\r\n").as_bytes()).await.is_err() {
                return;
            }
        }
    });
    (url, heard)
}

#[tokio::test]
async fn a_mail_reaches_a_mail_server() {
    let (url, heard) = server("250 ok").await;
    let mailer = Mailer::smtp(&url, "Rowlock <tickets@example.org>").unwrap();
    assert_eq!(mailer.way(), Way::Smtp);
    mailer.send(&due("ana@example.org")).await.unwrap();
    let heard = heard.lock().unwrap().clone();
    for wanted in [
        "MAIL FROM:<tickets@example.org>",
        "RCPT TO:<ana@example.org>",
        "Otters fly low.",
        "<p>Otters fly low.</p>",
        "Message-ID: <00000000-0000-0000-0000-000000000007@example.org>",
    ] {
        assert!(heard.contains(wanted), "{wanted} in {heard}");
    }
    // A line end in a subject starts no header.
    assert!(!heard.contains("\nBcc:"), "{heard}");
}

#[tokio::test]
async fn what_a_server_refuses_for_good_is_not_tried_again() {
    let (url, _) = server("550 no such person").await;
    let mailer = Mailer::smtp(&url, "tickets@example.org").unwrap();
    let refused = mailer.send(&due("ana@example.org")).await.unwrap_err();
    assert_eq!(refused, MailError::Refused("550".to_owned()));
    let (url, _) = server("451 later").await;
    let mailer = Mailer::smtp(&url, "tickets@example.org").unwrap();
    let later = mailer.send(&due("ana@example.org")).await.unwrap_err();
    assert_eq!(later, MailError::Later("451".to_owned()));
    let away = Mailer::smtp("smtp://127.0.0.1:1", "tickets@example.org").unwrap();
    assert!(matches!(away.send(&due("ana@example.org")).await, Err(MailError::Later(_))));
    assert!(matches!(away.send(&due("not an address")).await, Err(MailError::Refused(_))));
}

#[tokio::test]
async fn a_mail_becomes_a_file() {
    let folder = std::env::temp_dir().join(format!("notify-{}", Uuid::new_v4()));
    let mailer = Mailer::outbox(&folder, None).unwrap();
    mailer.send(&due("ana@example.org")).await.unwrap();
    let names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, ["00000000-0000-0000-0000-000000000007.eml"]);
    let file = std::fs::read_to_string(folder.join(&names[0])).unwrap();
    assert!(file.contains("To: ana@example.org"), "{file}");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(
        Mailer::nobody().unwrap().send(&due("ana@example.org")).await,
        Err(MailError::NoWay)
    );
}

#[tokio::test]
async fn mails_do_not_leave_the_machine_in_the_clear() {
    for clear in ["smtp://mail.example.org", "smtp://u:p@10.0.0.1:25?tls=opportunistic"] {
        assert!(Mailer::smtp(clear, "a@example.org").is_err(), "{clear}");
    }
    for good in [
        "smtps://u:p@mail.example.org",
        "smtp://mail.example.org:587?tls=required",
        "smtp://localhost:2525",
        "smtp://127.0.0.1",
    ] {
        assert!(Mailer::smtp(good, "a@example.org").is_ok(), "{good}");
    }
    assert!(Mailer::smtp("smtps://mail.example.org", "nobody").is_err());
    assert!(Mailer::smtp("http://mail.example.org", "a@example.org").is_err());
}

#[tokio::test]
async fn pictures_are_shown_and_files_come_along() {
    let (url, heard) = server("250 ok").await;
    let mailer = Mailer::smtp(&url, "Rowlock <tickets@example.org>").unwrap();
    let file = |name: &str, kind: &str, id: Option<&str>| Attachment {
        name: name.to_owned(),
        content_type: kind.to_owned(),
        base64: STANDARD.encode(name),
        content_id: id.map(str::to_owned),
    };
    let mut mail = due("ana@example.org");
    mail.html = Some("<img src=\"cid:qr\">".to_owned());
    mail.attachments =
        vec![file("qr.png", "image/png", Some("qr")), file("gala.ics", "text/calendar", None)];
    mailer.send(&mail).await.unwrap();
    let heard = heard.lock().unwrap().clone();
    for wanted in [
        "multipart/mixed",
        "multipart/related",
        "Content-ID: <qr>",
        "image/png",
        "filename=\"gala.ics\"",
        "Otters fly low.",
    ] {
        assert!(heard.contains(wanted), "{wanted} in {heard}");
    }
    mail.attachments = vec![Attachment { base64: "§".to_owned(), ..file("x", "image/png", None) }];
    assert!(matches!(mailer.send(&mail).await, Err(MailError::Refused(_))), "never tried again");
}
