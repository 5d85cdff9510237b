use serde_json::json;

use super::*;
use crate::model::tests::at;

fn euro() -> Currency {
    "EUR".parse().unwrap()
}

fn good_rows() -> Vec<Value> {
    let price = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    vec![
        json!({"category": "Massage", "service": "Thai", "skills": ["thai"], "roomNeeds": ["bed"],
            "variant": "60 minutes", "price": price(5000), "minutes": 60}),
        json!({"category": "Massage", "service": "Thai", "variant": "90 minutes",
            "price": price(7000), "minutes": 90, "afterMinutes": 10}),
        json!({"category": "Massage", "service": "Feet", "description": "Feet alone"}),
        json!({"category": "Baths", "categoryVisible": false}),
    ]
}

fn plan(stock: Stock, rows: &[Value]) -> (Plan, Vec<RowError>) {
    let (good, errors) = read_rows(rows, euro());
    let mut plan = Plan::of(stock, at("2027-01-01T10:00:00Z"));
    for row in &good {
        plan.take(row, euro());
    }
    (plan, errors)
}

#[test]
fn what_is_exported_can_be_imported_and_is_the_same() {
    let (made, errors) = plan(Stock::default(), &good_rows());
    assert!(errors.is_empty(), "{errors:?}");
    let exported = rows(&made.stock);
    assert_eq!(exported.len(), 4);
    let as_json: Vec<Value> =
        exported.iter().map(|row| serde_json::to_value(row).unwrap()).collect();
    let (again, errors) = plan(Stock::default(), &as_json);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(rows(&again.stock), exported);
    let (same, _) = plan(made.stock.clone(), &as_json);
    let report = same.report(Vec::new());
    // Everything still has version 0 here, as nothing was saved.
    assert_eq!((report.changed, report.created), (0, 6));
}

#[test]
fn names_tell_what_is_there_and_what_no_row_names_stays() {
    let (made, _) = plan(Stock::default(), &good_rows());
    let mut stock = made.stock;
    stock.categories.iter_mut().for_each(|it| it.version = 1);
    stock.services.iter_mut().for_each(|it| it.version = 1);
    stock.variants.iter_mut().for_each(|it| it.version = 1);
    let dearer = json!({"category": "Massage", "service": "Thai", "variant": "60 minutes",
        "price": {"amount": 5500, "currency": "EUR"}, "minutes": 60});
    let new = json!({"category": "Massage", "service": "Back"});
    let (changed, _) = plan(stock, &[dearer, new]);
    let report = changed.report(Vec::new());
    assert_eq!((report.created, report.changed, report.unchanged), (1, 1, 5));
    assert_eq!(changed.stock.services[0].skills, ["thai"], "what a row leaves out stays");
}

#[test]
fn every_wrong_row_is_told_with_its_place() {
    let rows = vec![
        json!({"category": "Massage", "price": "cheap"}),
        json!({"category": ""}),
        json!({"category": "A", "service": "B", "variant": "C", "minutes": 2,
            "price": {"amount": 1, "currency": "USD"}}),
        json!({"category": "A", "variant": "C"}),
        json!({"category": "A", "imageUrl": "http://a.org"}),
        json!({"category": "Fine"}),
        json!({"category": "Fine"}),
        json!(7),
    ];
    let (good, errors) = read_rows(&rows, euro());
    assert_eq!(good.len(), 1);
    let places: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
    let expected = [
        "/rows/0",
        "/rows/1/category",
        "/rows/2/minutes",
        "/rows/2/price/currency",
        "/rows/3/variant",
        "/rows/3/service",
        "/rows/4/imageUrl",
        "/rows/6",
        "/rows/7",
    ];
    assert_eq!(places, expected);
}
