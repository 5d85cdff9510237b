//! Every statement of the slices, on the migrated schema.

use anyhow::Result;

#[tokio::test]
async fn every_statement_of_booking_can_be_prepared() -> Result<()> {
    testkit::prepare_all(&booking::store::all()).await
}

#[tokio::test]
async fn every_statement_of_floor_can_be_prepared() -> Result<()> {
    testkit::prepare_all(&::floor::store::all()).await
}

#[tokio::test]
async fn every_statement_of_tickets_can_be_prepared() -> Result<()> {
    testkit::prepare_all(&tickets::store::all()).await
}

#[tokio::test]
async fn every_statement_of_payments_can_be_prepared() -> Result<()> {
    testkit::prepare_all(&::payments::store::all()).await?;
    testkit::prepare_all(pg::check::ALL).await
}

#[tokio::test]
async fn every_statement_of_gala_can_be_prepared() -> Result<()> {
    testkit::prepare_all(&::gala::store::all()).await
}

#[tokio::test]
async fn every_statement_of_identity_can_be_prepared() -> Result<()> {
    testkit::prepare_all(&::identity::store::all()).await
}

#[tokio::test]
async fn every_statement_of_spa_can_be_prepared() -> Result<()> {
    testkit::prepare_all(&::spa::store::all()).await
}

#[tokio::test]
async fn a_statement_that_is_wrong_is_named() -> Result<()> {
    let wrong =
        [("GOOD", "select id from booking.show"), ("BAD", "select colour from booking.show")];
    let told = testkit::prepare_all(&wrong).await.unwrap_err().to_string();
    assert!(told.contains("BAD") && told.contains("colour") && !told.contains("GOOD"), "{told}");
    let forbidden = [("DROP", "delete from log.audit")];
    assert!(testkit::prepare_all(&forbidden).await.is_err(), "no worker may delete the audit");
    Ok(())
}
