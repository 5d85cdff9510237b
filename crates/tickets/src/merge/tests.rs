use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn pass(second: i64, scanner: u128, kind: Kind, online: bool) -> Pass {
    Pass {
        scanner: Uuid::from_u128(scanner),
        nonce: Uuid::from_u128(u128::try_from(second).unwrap() * 100 + scanner),
        at: at(second),
        kind,
        online,
        zone: None,
        reentry: Reentry::Never,
    }
}

fn settled(mut passes: Vec<Pass>) -> (Vec<Standing>, Whereabouts) {
    settle(&mut passes)
}

use Kind::{Entry, Exit};
use Standing::{Counts, Idle, Second};

#[test]
fn of_two_offline_entries_the_earlier_counts() {
    let (standings, now) = settled(vec![pass(20, 1, Entry, false), pass(10, 2, Entry, false)]);
    assert_eq!(standings, [Counts, Second(0)]);
    assert_eq!((now.inside, now.entries), (true, 1));
}

#[test]
fn at_the_same_time_the_lower_scanner_counts() {
    let mut passes = vec![pass(10, 7, Entry, false), pass(10, 3, Entry, false)];
    assert_eq!(settle(&mut passes).0, [Counts, Second(0)]);
    assert_eq!(passes[0].scanner, Uuid::from_u128(3));
}

#[test]
fn whoever_the_house_let_in_counts_against_an_earlier_offline_entry() {
    let passes =
        vec![pass(10, 1, Entry, false), pass(15, 2, Entry, false), pass(20, 3, Entry, true)];
    let (standings, now) = settled(passes);
    assert_eq!(standings, [Second(2), Second(2), Counts]);
    assert_eq!(now.entries, 1);
}

#[test]
fn after_an_exit_a_list_that_allows_it_lets_in_again() {
    let again = |mut pass: Pass| {
        pass.reentry = Reentry::AfterExit;
        pass
    };
    let passes = vec![
        again(pass(10, 1, Entry, false)),
        again(pass(20, 1, Exit, false)),
        again(pass(30, 2, Entry, false)),
        again(pass(40, 3, Entry, false)),
    ];
    let (standings, now) = settled(passes.clone());
    assert_eq!(standings, [Counts, Counts, Counts, Second(2)]);
    assert_eq!(now.entries, 2);
    // Without the exit the third is a second person.
    let (standings, _) = settled(vec![passes[0], passes[2]]);
    assert_eq!(standings, [Counts, Second(0)]);
}

#[test]
fn a_list_that_lets_in_once_does_so_even_after_an_exit() {
    let passes =
        vec![pass(10, 1, Entry, false), pass(20, 1, Exit, false), pass(30, 2, Entry, false)];
    assert_eq!(settled(passes).0, [Counts, Counts, Second(0)]);
    assert_eq!(settled(vec![pass(5, 1, Exit, false)]).0, [Idle]);
}

#[test]
fn a_door_to_another_zone_is_no_second_entry() {
    let zone = |n| Some(ZoneId(Uuid::from_u128(n)));
    let hall = Pass { zone: zone(1), ..pass(10, 1, Entry, false) };
    let lounge = Pass { zone: zone(2), ..pass(20, 2, Entry, false) };
    let (standings, now) = settled(vec![hall, lounge]);
    assert_eq!((standings, now.zone), (vec![Counts, Counts], zone(2)));
}

fn any_pass() -> impl Strategy<Value = Pass> {
    (0..40_i64, 0..6_u128, any::<bool>(), 0..4_u8, 0..3_u8, 0..3_u128).prop_map(
        |(second, scanner, exit, online, reentry, zone)| {
            let kind = if exit { Exit } else { Entry };
            let reentry = match reentry {
                0 => Reentry::AfterExit,
                1 => Reentry::Always,
                _ => Reentry::Never,
            };
            let zone = (zone > 0).then(|| ZoneId(Uuid::from_u128(zone)));
            Pass { zone, reentry, ..pass(second, scanner, kind, online == 0) }
        },
    )
}

fn by_name(passes: &[Pass], standings: &[Standing]) -> Vec<(Uuid, Uuid, bool, bool)> {
    let mut all: Vec<_> = passes
        .iter()
        .zip(standings)
        .map(|(pass, standing)| {
            (pass.scanner, pass.nonce, *standing == Counts, matches!(standing, Second(_)))
        })
        .collect();
    all.sort_unstable();
    all
}

/// Different scans, in an order that is not theirs.
fn scans() -> impl Strategy<Value = (Vec<Pass>, Vec<Pass>)> {
    proptest::collection::vec(any_pass(), 0..12)
        .prop_map(|mut passes| {
            passes.sort_by_key(|pass| (pass.scanner, pass.nonce));
            passes.dedup_by_key(|pass| (pass.scanner, pass.nonce));
            passes
        })
        .prop_flat_map(|passes| (Just(passes.clone()), Just(passes).prop_shuffle()))
}

proptest! {
    #[test]
    fn the_order_in_which_scans_become_known_changes_nothing((mut one, mut other) in scans()) {
        let (first, second) = (settle(&mut one), settle(&mut other));
        prop_assert_eq!(first.1, second.1);
        prop_assert_eq!(by_name(&one, &first.0), by_name(&other, &second.0));
    }

    #[test]
    fn what_the_house_allowed_always_counts((mut passes, _) in scans()) {
        let (standings, _) = settle(&mut passes);
        for (pass, standing) in passes.iter().zip(standings) {
            prop_assert!(!pass.online || standing == Counts);
        }
    }

    #[test]
    fn offline_a_ticket_that_lets_in_once_has_one_entry_and_every_other_is_flagged(
        (mut passes, _) in scans()
    ) {
        for pass in &mut passes {
            (pass.reentry, pass.online, pass.zone) = (Reentry::Never, false, None);
        }
        let (standings, now) = settle(&mut passes);
        let entries: Vec<_> = passes
            .iter()
            .zip(&standings)
            .filter(|(pass, _)| pass.kind == Entry)
            .map(|(_, standing)| *standing)
            .collect();
        prop_assert_eq!(now.entries, i32::from(!entries.is_empty()));
        let flagged = entries.iter().filter(|standing| matches!(standing, Second(_))).count();
        prop_assert_eq!(flagged, entries.len().saturating_sub(1));
    }
}
