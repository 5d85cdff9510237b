use super::*;

const DUMP: &str = "\
head,v,4
event,v,1,10,1,show_created,created,s
event,v,2,20,0,seats_updated,held,s
event,v,3,30,0,seats_updated,booked,s
event,v,4,30,2,booking_created,booked,b1
hold,v,h1,booked
booking,v,b1,confirmed,key-1
";

fn pos(seq: i64, at: i64) -> Pos {
    Pos { seq, at }
}

fn write(act: Act, key: &str, outcome: Outcome) -> Write {
    Write {
        venue: "v".into(),
        act,
        key: key.into(),
        target: None,
        outcome,
        attempts: 1,
        invoked_ms: 0,
        ended_ms: 1,
    }
}

fn record() -> Record {
    let ok = |id: &str| Outcome::Ok(id.to_owned());
    let span = Span {
        listener: 1,
        connection: 1,
        venue: "v".into(),
        topics: vec!["seats".into()],
        from: pos(1, 10),
        to: pos(4, 30),
        seen: vec![pos(2, 20), pos(3, 30)],
    };
    let writes = vec![write(Act::Hold, "key-0", ok("h1")), write(Act::Book, "key-1", ok("b1"))];
    Record { writes, spans: vec![span], ..Record::default() }
}

fn found(record: &Record, dump: &str) -> String {
    check(record, &Truth::parse(dump).unwrap()).join("\n")
}

#[test]
fn what_is_right_is_not_complained_about() {
    assert_eq!(found(&record(), DUMP), "");
}

#[test]
fn a_lost_write_is_found() {
    let dump = DUMP.replace("booking,v,b1,confirmed,key-1\n", "");
    assert!(found(&record(), &dump).contains("acknowledged but not there: Book b1"));
}

#[test]
fn what_was_refused_may_not_be_there() {
    let mut record = record();
    record.writes[1].outcome = Outcome::Fail(409, "booking.seats_taken".into());
    assert!(found(&record, DUMP).contains("refused but done"));
}

#[test]
fn an_unknown_write_happens_at_most_once() {
    let mut record = record();
    record.writes[1].outcome = Outcome::Unknown;
    assert_eq!(found(&record, DUMP), "");
    let twice = format!("{DUMP}booking,v,b2,confirmed,key-1\n");
    assert!(found(&record, &twice).contains("done twice"));
}

#[test]
fn a_hole_in_the_log_is_found() {
    let dump = DUMP.replace("event,v,2,20,0,seats_updated,held,s\n", "");
    assert!(found(&record(), &dump).contains("without a hole"));
}

#[test]
fn a_missed_event_is_found() {
    let mut record = record();
    record.spans[0].seen.remove(0);
    assert!(found(&record, DUMP).contains("it missed [2]"));
}

#[test]
fn an_event_that_was_never_committed_is_found() {
    let mut record = record();
    record.spans[0].seen[1].at = 31;
    assert!(found(&record, DUMP).contains("which the log does not have"));
}

#[test]
fn an_event_of_a_foreign_topic_is_found() {
    let mut record = record();
    record.spans[0].seen.push(pos(4, 30));
    assert!(found(&record, DUMP).contains("heard [4] that was not for it"));
}

#[test]
fn two_owners_are_found() {
    let dump = format!("{DUMP}double,v,s,7,2\n");
    assert!(found(&record(), &dump).contains("double"));
}
