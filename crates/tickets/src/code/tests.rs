use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::KeyPair as _;
use proptest::prelude::*;

use super::*;

struct Keys {
    signer: Signer,
    public: Vec<u8>,
}

fn keys(kid: u8) -> Keys {
    let pair = Ed25519KeyPair::generate().unwrap();
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let signer = Signer::new(kid, pkcs8.as_ref(), &[7; 32]).unwrap();
    Keys { signer, public: pair.public_key().as_ref().to_vec() }
}

fn said(serial: u32) -> Said {
    Said {
        kid: 3,
        venue: VenueId(Uuid::from_u128(1)),
        show: ShowId(Uuid::from_u128(2)),
        ticket: TicketId(Uuid::from_u128(3)),
        serial,
        not_before: 1_800_000_000,
        not_after: 1_800_086_400,
        class: 9,
        sealed_name: Vec::new(),
    }
}

proptest! {
    #[test]
    fn what_is_signed_is_read_back(
        ids in any::<[u128; 3]>(), serial in any::<u32>(), times in any::<(u32, u32)>(),
        class in any::<u8>(), name in proptest::option::of("\\PC{1,80}"),
    ) {
        let Keys { signer, public } = keys(3);
        let [venue, show, ticket] = ids.map(Uuid::from_u128);
        let wanted = Said {
            venue: VenueId(venue), show: ShowId(show), ticket: TicketId(ticket), serial,
            not_before: times.0, not_after: times.1, class, ..said(1)
        };
        let code = signer.code(wanted.clone(), name.as_deref()).unwrap();
        prop_assert!(code.len() <= CODE_MAX_CHARS);
        let read = parse(&code).unwrap().verify(&public).unwrap();
        let opened = NameKey::new(&[7; 32]).unwrap().open(&read);
        prop_assert_eq!(opened.as_deref(), name.as_deref().map(cut));
        prop_assert_eq!(Said { sealed_name: Vec::new(), ..read }, wanted);
    }

    #[test]
    fn no_text_breaks_the_parser(text in "(RL1)?[0-9A-Z $%*+./:a-zé-]{0,400}") {
        if let Ok(code) = parse(&text) {
            prop_assert_eq!(code.verify(&[1; 32]), Err(NotACode::BadSignature));
        }
    }
}

#[test]
fn a_code_without_a_name_fits_a_small_qr_code() {
    let Keys { signer, .. } = keys(1);
    // Version 8 with error correction M holds 221 characters.
    assert_eq!(signer.code(said(1), None).unwrap().len(), 194);
}

#[test]
fn only_the_key_the_domain_and_the_show_of_the_code_verify_it() {
    let (mine, other) = (keys(3), keys(3));
    let code = mine.signer.code(said(1), Some("Ana Lopes")).unwrap();
    let read = parse(&code).unwrap();
    assert_eq!(read.claims().kid, 3);
    assert!(read.clone().verify(&other.public).is_err());
    assert!(read.clone().verify(&[]).is_err());
    // The same bytes signed for another purpose are no code.
    let loose = mine.signer.sign(b"rowlock-bundle-v1\0", &read.signed);
    let moved = Unverified { signature: *loose.first_chunk().unwrap(), ..read.clone() };
    assert!(moved.verify(&mine.public).is_err());
    let said = read.verify(&mine.public).unwrap();
    assert!(NameKey::new(&[8; 32]).unwrap().open(&said).is_none());
    // A name belongs to its ticket.
    let stolen = Said { ticket: TicketId(Uuid::from_u128(4)), ..said };
    assert!(NameKey::new(&[7; 32]).unwrap().open(&stolen).is_none());
}

/// A die that falls the same way in every run.
struct Die(u64);

impl Die {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// How many codes are mutated, by several threads.
const MUTATIONS: usize = 1_000_000;
const THREADS: u64 = 4;

#[test]
fn of_a_million_mutated_codes_none_is_accepted() {
    let Keys { signer, public } = keys(3);
    let codes: Vec<String> = (0..8)
        .map(|n| signer.code(said(n), (n % 2 == 0).then_some("Ana Lopes")).unwrap())
        .collect();
    let (codes, public) = (codes.as_slice(), public.as_slice());
    let read: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|seed| scope.spawn(move || mutate(codes, public, Die(seed))))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(read > MUTATIONS / 10, "only {read} came as far as the signature");
}

/// A thread's part of the mutations. How many were read and had to be refused by their signature.
fn mutate(codes: &[String], public: &[u8], mut die: Die) -> usize {
    let letters = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
    let mut read = 0;
    for round in 0..MUTATIONS / usize::try_from(THREADS).unwrap() {
        let code = &codes[round % codes.len()];
        let mut bytes = code.as_bytes().to_vec();
        for _ in 0..=die.below(3) {
            if bytes.len() < 2 {
                break;
            }
            let at = die.below(bytes.len());
            let letter = letters[die.below(letters.len())];
            match die.below(8) {
                0 => bytes.insert(at, letter),
                1 => drop(bytes.remove(at)),
                2 => bytes.truncate(at.max(1)),
                3 => {
                    let other = (at + 1) % bytes.len();
                    bytes.swap(at, other);
                }
                _ => bytes[at] = letter,
            }
        }
        let mutated = String::from_utf8(bytes).unwrap();
        if mutated == *code {
            continue;
        }
        if let Ok(parsed) = parse(&mutated) {
            read += 1;
            assert!(parsed.verify(public).is_err(), "round {round}: {mutated}");
        }
    }
    read
}
