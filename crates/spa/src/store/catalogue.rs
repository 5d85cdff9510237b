//! Categories, services, variants.

use kernel::ids::{CategoryId, ServiceId, VariantId};
use kernel::money::{Currency, Money};
use pg::{Columns, DbError, Query, Reader, Row, ToSql, Tx, params};

use crate::catalogue::{Category, Service, Variant};

pg::statements! {
    LIST_CATEGORIES = "select id, name, position, visible, version from spa.category
        where venue_id = $1 order by position, name";
    LIST_SERVICES = "select id, category_id, name, description, image_url, skills, needs, position,
            visible, version
        from spa.service where venue_id = $1 order by position, name";
    LIST_VARIANTS = "select id, service_id, name, price, minutes, before_minutes, after_minutes,
            position, visible, version
        from spa.variant where venue_id = $1 order by position, name";
    LOCK_CATEGORY = "select id, name, position, visible, version from spa.category
        where venue_id = $1 and id = $2 for update";
    LOCK_SERVICE = "select id, category_id, name, description, image_url, skills, needs, position,
            visible, version
        from spa.service where venue_id = $1 and id = $2 for update";
    LOCK_VARIANT = "select id, service_id, name, price, minutes, before_minutes, after_minutes,
            position, visible, version
        from spa.variant where venue_id = $1 and id = $2 for update";
    SAVE_CATEGORY = "insert into spa.category (venue_id, id, name, position, visible, version)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (venue_id, id) do update set name = excluded.name,
            position = excluded.position, visible = excluded.visible, version = excluded.version";
    SAVE_SERVICE = "insert into spa.service (venue_id, id, category_id, name, description,
            image_url, skills, needs, position, visible, version)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        on conflict (venue_id, id) do update set category_id = excluded.category_id,
            name = excluded.name, description = excluded.description,
            image_url = excluded.image_url, skills = excluded.skills, needs = excluded.needs,
            position = excluded.position, visible = excluded.visible, version = excluded.version";
    SAVE_VARIANT = "insert into spa.variant (venue_id, id, service_id, name, price, minutes,
            before_minutes, after_minutes, position, visible, version)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        on conflict (venue_id, id) do update set name = excluded.name, price = excluded.price,
            minutes = excluded.minutes, before_minutes = excluded.before_minutes,
            after_minutes = excluded.after_minutes, position = excluded.position,
            visible = excluded.visible, version = excluded.version";
    DELETE_CATEGORY = "delete from spa.category where venue_id = $1 and id = $2";
    DELETE_SERVICE = "delete from spa.service where venue_id = $1 and id = $2";
    DELETE_VARIANT = "delete from spa.variant where venue_id = $1 and id = $2";
    // Two imports at once take turns, and whoever makes a row waits for one.
    LOCK_CATALOGUE = "select pg_advisory_xact_lock(hashtextextended('spa.catalogue', 0)
        # hashtextextended($1::uuid::text, 0))";
    // What a cart names, with what its services need. What is hidden is not sold. `for share`: a
    // price that is being changed is waited for, and then the new one counts.
    SHARE_SOLD = "select v.id, s.name as service, v.name as variant, s.skills, s.needs, v.price,
            v.minutes, v.before_minutes, v.after_minutes
        from spa.variant v
        join spa.service s on s.venue_id = v.venue_id and s.id = v.service_id
        join spa.category c on c.venue_id = s.venue_id and c.id = s.category_id
        where v.venue_id = $1 and v.id = any($2) and v.visible and s.visible and c.visible
        order by v.id for share of v";
}

/// All there is to sell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stock {
    pub(crate) categories: Vec<Category>,
    pub(crate) services: Vec<Service>,
    pub(crate) variants: Vec<Variant>,
}

pub(crate) fn category(row: &Row) -> Result<Category, DbError> {
    Ok(Category {
        id: row.col("id")?,
        name: row.col("name")?,
        position: row.col("position")?,
        visible: row.col("visible")?,
        version: row.col("version")?,
    })
}

pub(crate) fn service(row: &Row) -> Result<Service, DbError> {
    Ok(Service {
        id: row.col("id")?,
        category_id: row.col("category_id")?,
        name: row.col("name")?,
        description: row.col("description")?,
        image_url: row.col("image_url")?,
        skills: row.col("skills")?,
        room_needs: row.col("needs")?,
        position: row.col("position")?,
        visible: row.col("visible")?,
        version: row.col("version")?,
    })
}

pub(crate) fn variant(row: &Row, currency: Currency) -> Result<Variant, DbError> {
    Ok(Variant {
        id: row.col("id")?,
        service_id: row.col("service_id")?,
        name: row.col("name")?,
        price: Money { amount: row.col("price")?, currency },
        minutes: row.col("minutes")?,
        before_minutes: row.col("before_minutes")?,
        after_minutes: row.col("after_minutes")?,
        position: row.col("position")?,
        visible: row.col("visible")?,
        version: row.col("version")?,
    })
}

fn stock([a, b, c]: [Vec<Row>; 3], currency: Currency) -> Result<Stock, DbError> {
    Ok(Stock {
        categories: a.iter().map(category).collect::<Result<_, _>>()?,
        services: b.iter().map(service).collect::<Result<_, _>>()?,
        variants: c.iter().map(|row| variant(row, currency)).collect::<Result<_, _>>()?,
    })
}

/// Everything, hidden or not, in its order.
pub(crate) async fn find_stock(q: &mut Reader, currency: Currency) -> Result<Stock, DbError> {
    let venue = q.venue()?;
    let rows = q
        .pipeline([
            Query::new(LIST_CATEGORIES, &[&venue]),
            Query::new(LIST_SERVICES, &[&venue]),
            Query::new(LIST_VARIANTS, &[&venue]),
        ])
        .await?;
    stock(rows, currency)
}

/// The statement that lets one at a time make rows of the catalogue, for a packet.
pub(crate) fn lock_query<'a>(venue: &'a [&'a (dyn ToSql + Sync); 1]) -> Query<'a> {
    Query::new(LOCK_CATALOGUE, venue)
}

/// Locks the catalogue against others who make rows, and looks at all of it.
pub(crate) async fn lock_stock(tx: &mut Tx, currency: Currency) -> Result<Stock, DbError> {
    let venue = tx.venue()?;
    let [_, a, b, c] = tx
        .pipeline([
            lock_query(&[&venue]),
            Query::new(LIST_CATEGORIES, &[&venue]),
            Query::new(LIST_SERVICES, &[&venue]),
            Query::new(LIST_VARIANTS, &[&venue]),
        ])
        .await?;
    stock([a, b, c], currency)
}

pub(crate) async fn lock_category(
    tx: &mut Tx,
    id: CategoryId,
) -> Result<Option<Category>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_CATEGORY, &[&venue, &id]).await?.first().map(category).transpose()
}

pub(crate) async fn lock_service(tx: &mut Tx, id: ServiceId) -> Result<Option<Service>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_SERVICE, &[&venue, &id]).await?.first().map(service).transpose()
}

pub(crate) async fn lock_variant(
    tx: &mut Tx,
    id: VariantId,
    currency: Currency,
) -> Result<Option<Variant>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(LOCK_VARIANT, &[&venue, &id]).await?;
    rows.first().map(|row| variant(row, currency)).transpose()
}

pub(crate) fn save_category(tx: &mut Tx, it: &Category) -> Result<(), DbError> {
    let row = params![tx.venue()?, it.id, it.name.clone(), it.position, it.visible, it.version];
    tx.change(SAVE_CATEGORY, row);
    Ok(())
}

pub(crate) fn save_service(tx: &mut Tx, it: &Service) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        it.id,
        it.category_id,
        it.name.clone(),
        it.description.clone(),
        it.image_url.clone(),
        it.skills.clone(),
        it.room_needs.clone(),
        it.position,
        it.visible,
        it.version,
    ];
    tx.change(SAVE_SERVICE, row);
    Ok(())
}

pub(crate) fn save_variant(tx: &mut Tx, it: &Variant) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        it.id,
        it.service_id,
        it.name.clone(),
        it.price.amount,
        it.minutes,
        it.before_minutes,
        it.after_minutes,
        it.position,
        it.visible,
        it.version,
    ];
    tx.change(SAVE_VARIANT, row);
    Ok(())
}

/// One that has services stays: `service_category` refuses.
pub(crate) fn delete_category(tx: &mut Tx, id: CategoryId) -> Result<(), DbError> {
    let row = params![tx.venue()?, id];
    tx.change(DELETE_CATEGORY, row);
    Ok(())
}

/// One that has variants stays: `variant_service` refuses.
pub(crate) fn delete_service(tx: &mut Tx, id: ServiceId) -> Result<(), DbError> {
    let row = params![tx.venue()?, id];
    tx.change(DELETE_SERVICE, row);
    Ok(())
}

pub(crate) fn delete_variant(tx: &mut Tx, id: VariantId) -> Result<(), DbError> {
    let row = params![tx.venue()?, id];
    tx.change(DELETE_VARIANT, row);
    Ok(())
}

/// A variant as a cart finds it.
#[derive(Clone, Debug)]
pub(crate) struct Sold {
    pub(crate) id: VariantId,
    pub(crate) service: String,
    pub(crate) variant: String,
    pub(crate) skills: Vec<String>,
    pub(crate) needs: Vec<String>,
    pub(crate) price: i64,
    pub(crate) minutes: i32,
    pub(crate) before: i32,
    pub(crate) after: i32,
}

/// The statement that finds what a cart names, for a slice's packet: venue and the variants.
pub(crate) fn sold_query<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(SHARE_SOLD, params)
}

pub(crate) fn sold(row: &Row) -> Result<Sold, DbError> {
    Ok(Sold {
        id: row.col("id")?,
        service: row.col("service")?,
        variant: row.col("variant")?,
        skills: row.col("skills")?,
        needs: row.col("needs")?,
        price: row.col("price")?,
        minutes: row.col("minutes")?,
        before: row.col("before_minutes")?,
        after: row.col("after_minutes")?,
    })
}
