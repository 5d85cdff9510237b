//! Row-level security: the wall behind the statements' own `where`.

use anyhow::Result;
use testkit::{Bed, Sql};

use crate::sale::{Sale, blocks, text};

/// Tables of the venues that a worker's session may read at all.
async fn tables(sql: &Sql) -> Result<Vec<String>> {
    let tables = "select c.oid::regclass::text from pg_attribute a
        join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
        where a.attname = 'venue_id' and not a.attisdropped and c.relkind in ('r', 'p')
          and not c.relispartition and has_table_privilege('rowlock_app', c.oid, 'select')
          and n.nspname not in ('pg_catalog', 'information_schema', 'public') order by 1";
    sql.column(tables, &[]).await
}

/// Takes the role of a worker's session, and a venue's scope where one is given.
async fn enter(sql: &Sql, venue: &str) -> Result<()> {
    sql.run(&format!("set role rowlock_app; select set_config('app.venue_id', '{venue}', false)"))
        .await
}

async fn count(sql: &Sql, table: &str) -> Result<i64> {
    sql.value(&format!("select count(*) from {table}"), &[]).await
}

/// A venue with something in every table of the slices.
async fn busy_house(bed: &Bed) -> Result<Sale> {
    let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
    let owner = sale.house.owner();
    let plan = serde_json::json!({"categories": [{"code": "a", "name": "A",
        "price": {"amount": 1, "currency": "EUR"}}], "blocks": [{"name": "A", "kind": "row",
        "mode": "by_seat", "category": "a", "seats": 2}]});
    let layout = serde_json::json!({"name": "Small", "plan": plan});
    owner.post(sale.house.path("/layouts"), layout).await?.expect(201)?;
    sale.hold(owner, &["T1-1"]).await?.expect(201)?;
    // Somebody else's booking: cancelling it is a privileged act, which the audit keeps.
    let booking = sale.book(bed.person().await?.client(), &["T1-2"]).await?.expect(201)?;
    let cancel = sale.house.path(&format!("/bookings/{}/cancel", text(&booking, "/id")?));
    owner.post(cancel, serde_json::json!({})).await?.expect(200)?;
    crate::devices::paired(bed, &sale.house).await?;
    let guest = serde_json::json!({"email": "nobody@example.org", "role": "host"});
    owner.post(sale.house.path("/members"), guest).await?.expect(202)?;
    crate::floor_room::fill(bed, &sale.house).await?;
    crate::gala_hall::busy(bed, &sale).await?;
    crate::invariants::money(bed, &sale.house).await?;
    crate::spa_house::busy(bed, &sale.house).await?;
    Ok(sale)
}

#[tokio::test]
async fn a_query_that_forgets_the_venue_sees_nothing_of_another_one() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (one, other) = (busy_house(&bed).await?, bed.house().await?);
    let (past_rules, inside) = (bed.sql().await?, bed.sql().await?);
    let tables = tables(&past_rules).await?;
    let mut proved = 0;
    for table in &tables {
        let mine = format!("{table} where venue_id = '{}'", one.house.venue());
        let guarded = "select relrowsecurity and relforcerowsecurity from pg_class
            where oid = $1::text::regclass";
        assert!(past_rules.value::<bool>(guarded, &[table]).await?, "{table} has no second wall");
        let all = count(&past_rules, &mine).await?;
        proved += usize::from(all > 0);
        enter(&inside, one.house.venue()).await?;
        assert_eq!(count(&inside, table).await?, all, "{table}: one's own rows are seen");
        for stranger in [other.venue(), ""] {
            enter(&inside, stranger).await?;
            assert_eq!(count(&inside, &mine).await?, 0, "{table}: seen from scope '{stranger}'");
        }
    }
    println!("{proved} of {} tables had rows to hide", tables.len());
    assert!(proved >= 40, "only {proved} tables had rows to hide: {tables:?}");
    Ok(())
}

#[tokio::test]
async fn a_row_for_another_venue_is_not_written() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (one, other) = (busy_house(&bed).await?, bed.house().await?);
    let inside = bed.sql().await?;
    enter(&inside, other.venue()).await?;
    let theft = format!("update booking.show set name = 'mine' where id = '{}'", one.show);
    assert_eq!(inside.execute(&theft, &[]).await?, 0);
    let smuggled = format!(
        "insert into booking.layout (venue_id, id, name, plan, created_at)
         values ('{}', gen_random_uuid(), 'x', '{{}}', now())",
        one.house.venue()
    );
    let refused = inside.run(&smuggled).await.unwrap_err();
    let words = format!("{:?}", refused.root_cause());
    assert!(words.contains("row-level security"), "{words}");
    let forbidden = [
        "delete from log.audit",
        "update log.audit set action = 'x'",
        "delete from booking.booking",
        "truncate booking.claim",
    ];
    for statement in forbidden {
        assert!(inside.run(statement).await.is_err(), "{statement} must be refused");
    }
    Ok(())
}
