//! A business day in figures: by method, by cashier.

use edge::answer::Versioned;
use jiff::civil::Date;
use kernel::ids::UserId;
use kernel::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::Method;

/// What came in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MethodSum {
    /// Which way.
    pub method: Method,
    /// In so many payments.
    pub payments: i64,
    /// For bills.
    pub amount: Money,
    /// On top.
    pub tip: Money,
}

/// What one person took and gave back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CashierSum {
    /// Who; absent for customers who paid for themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cashier: Option<UserId>,
    /// In so many payments.
    pub payments: i64,
    /// For bills.
    pub amount: Money,
    /// On top.
    pub tip: Money,
}

/// What went back in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundSum {
    /// Which way.
    pub method: Method,
    /// So many times.
    pub refunds: i64,
    /// With tips.
    pub sum: Money,
}

/// A business day of the venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DayReport {
    /// Which, by the venue's clock.
    #[schema(value_type = String, format = Date)]
    pub day: Date,
    /// What came in, by method.
    pub methods: Vec<MethodSum>,
    /// And by whoever took it.
    pub cashiers: Vec<CashierSum>,
    /// What went back, by method.
    pub refunds: Vec<RefundSum>,
    /// What banks sent back of it, also of earlier days, by method.
    pub bounced: Vec<RefundSum>,
    /// Taken with tips, less what went back and did not bounce.
    pub net: Money,
    /// The first receipt of the day; absent on a day without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub first_receipt: Option<i64>,
    /// And the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_receipt: Option<i64>,
}

impl Versioned for DayReport {}
