//! What says where a list or a log goes on: never a panic, and what is read is written the same.
#![no_main]

use edge::page::{Items, Page};
use kernel::event::Pos;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Option<u16>, &str)| {
    let (limit, text) = input;
    let page = Page { limit, cursor: Some(text.to_owned()) };
    if let Ok((limit, after)) = page.bounds() {
        assert!((1..=200).contains(&limit));
        let next = Items::of(vec![after, after], 1, |id| *id).next_cursor;
        let again = Page { limit: None, cursor: next }.bounds();
        assert_eq!(again.ok().map(|(_, after)| after), Some(after));
    }
    if let Ok(pos) = text.parse::<Pos>() {
        assert_eq!(pos.to_string().parse::<Pos>().ok(), Some(pos));
    }
});
