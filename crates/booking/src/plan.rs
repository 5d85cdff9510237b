//! How a show is laid out: categories with prices, blocks of seats. Pure.

use std::collections::HashSet;

use edge::body::Errors;
use edge::limits::SEATS_PER_SHOW_MAX;
use kernel::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Categories of one show.
const CATEGORIES_MAX: usize = 50;
/// Blocks of one show.
const BLOCKS_MAX: usize = 2_000;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// Seats side by side.
    Row,
    /// Seats around a table.
    Table,
    /// An area without seats; its places are numbered all the same.
    Standing,
}

/// How a block is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockMode {
    /// Each seat by itself.
    BySeat,
    /// Any seat of the block, as many as are wanted.
    AnySeat,
    /// All seats of the block together, or none.
    Whole,
}

/// A class of seats with one price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Category {
    /// Short name, unique in the show.
    #[schema(min_length = 1, max_length = 40, example = "standard")]
    pub code: String,
    /// What people read.
    #[schema(min_length = 1, max_length = 120, example = "Stalls")]
    pub name: String,
    /// The price of one seat, in the show's currency.
    pub price: Money,
}

/// A row, a table or a standing area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Block {
    /// Short name, unique in the show. Its seats are called `{name}-1`, `{name}-2` …
    #[schema(min_length = 1, max_length = 30, example = "A")]
    pub name: String,
    /// What it is.
    pub kind: BlockKind,
    /// How it is sold.
    pub mode: BlockMode,
    /// The category of its seats.
    #[schema(example = "standard")]
    pub category: String,
    /// How many seats it has.
    #[schema(minimum = 1, maximum = 5000, example = 20)]
    pub seats: u16,
    /// Numbers of the seats that a wheelchair reaches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accessible: Vec<u16>,
}

/// Where one sees best.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Focus {
    /// The best block. The others are the better the nearer they stand to it in the plan.
    #[schema(example = "F")]
    pub block: String,
    /// The number of the best seat of each row; its middle unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 5000)]
    pub seat: Option<u16>,
}

/// A whole layout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// Classes of seats.
    pub categories: Vec<Category>,
    /// Blocks, best first, unless `focus` names the best.
    pub blocks: Vec<Block>,
    /// Where one sees best; the first block and the middle of each row unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub focus: Option<Focus>,
}

/// A seat as the plan makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedSeat<'a> {
    pub(crate) label: String,
    pub(crate) block: &'a str,
    pub(crate) category: &'a str,
    pub(crate) price: i64,
    pub(crate) accessible: bool,
    /// How many seats its block has, where the block is sold as one.
    pub(crate) whole: Option<i32>,
    /// The best block has the lowest.
    pub(crate) block_rank: i32,
    /// Its number in the block.
    pub(crate) place: i32,
    /// Twice its distance from the best seat of the row.
    pub(crate) off_focus: i32,
    /// Any seat of the block is as good.
    pub(crate) loose: bool,
}

impl Block {
    /// Twice the distance of a seat from where one sees best in this block.
    fn off_focus(&self, number: u16, focus: Option<u16>) -> i32 {
        if self.kind != BlockKind::Row || self.mode == BlockMode::AnySeat {
            return 0;
        }
        let best = focus.map_or(i32::from(self.seats) + 1, |seat| 2 * i32::from(seat));
        (2 * i32::from(number) - best).abs()
    }
}

impl Plan {
    /// The rank of each block, in the order of the blocks.
    fn block_ranks(&self) -> Vec<i32> {
        let focus = self.focus.as_ref();
        let best = focus.and_then(|focus| self.blocks.iter().position(|b| b.name == focus.block));
        let mut order: Vec<usize> = (0..self.blocks.len()).collect();
        order.sort_by_key(|at| at.abs_diff(best.unwrap_or(0)));
        let mut ranks = vec![0; self.blocks.len()];
        for (rank, at) in (1..).zip(order) {
            if let Some(slot) = ranks.get_mut(at) {
                *slot = rank;
            }
        }
        ranks
    }

    /// Its seats, in the order of the plan.
    pub(crate) fn seats(&self) -> impl Iterator<Item = PlannedSeat<'_>> {
        let focus = self.focus.as_ref().and_then(|focus| focus.seat);
        self.blocks.iter().zip(self.block_ranks()).flat_map(move |(block, block_rank)| {
            let category = self.categories.iter().find(|c| c.code == block.category);
            let price = category.map_or(0, |category| category.price.amount);
            let whole = (block.mode == BlockMode::Whole).then(|| i32::from(block.seats));
            (1..=block.seats).map(move |number| PlannedSeat {
                label: format!("{}-{number}", block.name),
                block: &block.name,
                category: &block.category,
                price,
                accessible: block.accessible.contains(&number),
                whole,
                block_rank,
                place: i32::from(number),
                off_focus: block.off_focus(number, focus),
                loose: block.mode == BlockMode::AnySeat,
            })
        })
    }

    /// The rules of a plan; `at` is where it stands in the body.
    pub(crate) fn check(&self, at: &str, errors: &mut Errors) {
        let count: usize = self.blocks.iter().map(|block| usize::from(block.seats)).sum();
        errors.require(
            (1..=SEATS_PER_SHOW_MAX).contains(&count),
            format!("{at}/blocks"),
            "seat_count",
            format!("A show has 1 to {SEATS_PER_SHOW_MAX} seats; this plan has {count}."),
        );
        errors.require(
            (1..=BLOCKS_MAX).contains(&self.blocks.len()),
            format!("{at}/blocks"),
            "block_count",
            format!("A plan has 1 to {BLOCKS_MAX} blocks."),
        );
        errors.require(
            (1..=CATEGORIES_MAX).contains(&self.categories.len()),
            format!("{at}/categories"),
            "category_count",
            format!("A plan has 1 to {CATEGORIES_MAX} categories."),
        );
        if let Some(focus) = &self.focus {
            errors.require(
                self.blocks.iter().any(|block| block.name == focus.block),
                format!("{at}/focus/block"),
                "unknown",
                format!("The plan has no block {}.", focus.block),
            );
        }
        self.check_categories(at, errors);
        self.check_blocks(at, errors);
    }

    fn check_categories(&self, at: &str, errors: &mut Errors) {
        let mut seen = HashSet::new();
        for (n, category) in self.categories.iter().enumerate() {
            let here = format!("{at}/categories/{n}");
            errors.text(&category.code, &format!("{here}/code"), (1, 40));
            errors.text(&category.name, &format!("{here}/name"), (1, 120));
            errors.require(
                category.price.amount >= 0,
                format!("{here}/price/amount"),
                "negative",
                "A price is 0 or more, in minor units.",
            );
            errors.require(
                seen.insert(category.code.as_str()),
                format!("{here}/code"),
                "twice",
                format!("The category {} stands twice.", category.code),
            );
        }
    }

    fn check_blocks(&self, at: &str, errors: &mut Errors) {
        let mut seen = HashSet::new();
        for (n, block) in self.blocks.iter().enumerate() {
            let here = format!("{at}/blocks/{n}");
            errors.text(&block.name, &format!("{here}/name"), (1, 30));
            errors.require(
                (1..=5000).contains(&block.seats),
                format!("{here}/seats"),
                "seat_count",
                "A block has 1 to 5000 seats.",
            );
            errors.require(
                seen.insert(block.name.as_str()),
                format!("{here}/name"),
                "twice",
                format!("The block {} stands twice.", block.name),
            );
            errors.require(
                self.categories.iter().any(|category| category.code == block.category),
                format!("{here}/category"),
                "unknown",
                format!("The plan has no category {}.", block.category),
            );
            errors.require(
                block.accessible.iter().all(|number| (1..=block.seats).contains(number)),
                format!("{here}/accessible"),
                "unknown",
                format!("The block has the seats 1 to {}.", block.seats),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gala() -> Plan {
        let price = Money { amount: 12_000, currency: "EUR".parse().unwrap() };
        Plan {
            categories: vec![Category { code: "gala".into(), name: "Gala".into(), price }],
            blocks: (1..=25)
                .map(|n| Block {
                    name: format!("T{n}"),
                    kind: BlockKind::Table,
                    mode: BlockMode::AnySeat,
                    category: "gala".into(),
                    seats: 10,
                    accessible: vec![1],
                })
                .collect(),
            focus: None,
        }
    }

    #[test]
    fn the_focus_names_the_best_block_and_the_best_seat_of_a_row() {
        let mut plan = gala();
        assert_eq!(plan.block_ranks()[..3], [1, 2, 3]);
        plan.focus = Some(Focus { block: "T3".into(), seat: Some(4) });
        assert_eq!(plan.block_ranks()[..6], [4, 2, 1, 3, 5, 6]);
        plan.blocks[0].kind = BlockKind::Row;
        plan.blocks[0].mode = BlockMode::BySeat;
        let off: Vec<_> = plan.seats().take(5).map(|seat| seat.off_focus).collect();
        assert_eq!(off, [6, 4, 2, 0, 2]);
        plan.focus = None;
        let middle: Vec<_> = plan.seats().skip(3).take(4).map(|seat| seat.off_focus).collect();
        assert_eq!(middle, [3, 1, 1, 3]);
    }

    #[test]
    fn twenty_five_tables_of_ten_are_two_hundred_and_fifty_seats() {
        let plan = gala();
        let seats: Vec<_> = plan.seats().collect();
        assert_eq!(seats.len(), 250);
        assert_eq!(seats[0].label, "T1-1");
        assert!(seats[0].accessible && !seats[1].accessible);
        assert_eq!(seats[249].label, "T25-10");
        let mut errors = Errors::default();
        plan.check("/plan", &mut errors);
        assert!(errors.is_empty());
    }

    #[test]
    fn a_plan_with_a_stranger_category_or_a_double_block_is_refused() {
        let mut plan = gala();
        plan.blocks[1].name = "T1".into();
        plan.blocks[2].category = "royal".into();
        let mut errors = Errors::default();
        plan.check("/plan", &mut errors);
        let found: Vec<_> = errors.iter().map(|e| (e.pointer.as_str(), e.code)).collect();
        assert_eq!(
            found,
            [("/plan/blocks/1/name", "twice"), ("/plan/blocks/2/category", "unknown")]
        );
    }
}
