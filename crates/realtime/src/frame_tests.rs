use proptest::prelude::*;

use super::*;

/// A client's frame.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let plain = unmasked(first & 0x0F, payload);
    let head = plain.len() - payload.len();
    let mut out = plain[..head].to_vec();
    out[0] = first;
    out[1] |= MASKED;
    let mask = [1, 2, 3, 4];
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

fn read(bytes: &[u8]) -> Result<Option<Inbound>, BadFrame> {
    let mut reader = Reader::default();
    reader.feed(bytes);
    reader.next()
}

#[test]
fn a_declared_length_of_2_to_the_40_is_refused_by_its_header() {
    let mut bytes = vec![FINAL | TEXT, MASKED | LEN_U64];
    bytes.extend_from_slice(&(1_u64 << 40).to_be_bytes());
    assert_eq!(read(&bytes), Err(BadFrame::TooLong));
    let mut most = vec![FINAL | TEXT, MASKED | LEN_U64];
    most.extend_from_slice(&u64::MAX.to_be_bytes());
    assert_eq!(read(&most), Err(BadFrame::TooLong));
}

#[test]
fn what_no_client_of_ours_sends_is_refused() {
    assert_eq!(read(&text(b"{}")), Err(BadFrame::Unmasked));
    assert_eq!(read(&masked(FINAL | 0x40 | TEXT, b"{}")), Err(BadFrame::Reserved));
    assert_eq!(read(&masked(TEXT, b"{}")), Err(BadFrame::Fragment));
    assert_eq!(read(&masked(FINAL, b"{}")), Err(BadFrame::Fragment));
    assert_eq!(read(&masked(FINAL | BINARY, b"{}")), Err(BadFrame::Opcode));
    assert_eq!(read(&masked(FINAL | 0x3, b"{}")), Err(BadFrame::Opcode));
    assert_eq!(read(&masked(FINAL | PING, &[0; 126])), Err(BadFrame::Control));
}

#[test]
fn frames_grow_only_after_the_greeting() {
    let long = vec![b'x'; 5_000];
    assert_eq!(read(&masked(FINAL | TEXT, &long)), Err(BadFrame::TooLong));
    let mut reader = Reader::default();
    reader.allow(crate::limits::FRAME_IN_MAX_BYTES);
    reader.feed(&masked(FINAL | TEXT, &long));
    assert!(matches!(reader.next(), Ok(Some(Inbound::Text(read))) if read[..] == long[..]));
}

#[test]
fn a_close_frame_keeps_its_reason_short() {
    let frame = close(4001, &"ü".repeat(100));
    assert!(frame.len() <= 2 + 125);
    assert_eq!(frame[2..4], 4001_u16.to_be_bytes());
    assert!(std::str::from_utf8(&frame[4..]).is_ok());
}

proptest! {
    #[test]
    fn frames_survive_any_cut(
        texts in proptest::collection::vec("[a-z]{0,300}", 1..6),
        cut in 1..50_usize,
    ) {
        let bytes: Vec<u8> =
            texts.iter().flat_map(|t| masked(FINAL | TEXT, t.as_bytes())).collect();
        let mut reader = Reader::default();
        let mut read = Vec::new();
        for piece in bytes.chunks(cut) {
            reader.feed(piece);
            while let Some(frame) = reader.next().unwrap() {
                let Inbound::Text(text) = frame else { panic!("{frame:?}") };
                read.push(String::from_utf8(text.to_vec()).unwrap());
            }
        }
        prop_assert_eq!(read, texts);
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut reader = Reader::default();
        reader.feed(&bytes);
        while let Ok(Some(_)) = reader.next() {}
    }

    #[test]
    fn every_length_has_a_header(len in 0..70_000_usize) {
        let frame = text(&vec![b'x'; len]);
        let head = match len { 0..126 => 2, 126..65_536 => 4, _ => 10 };
        prop_assert_eq!(frame.len(), len + head);
    }
}
