//! Devices and the codes that pair them.

use jiff::Timestamp;
use kernel::ids::{DeviceId, UserId, VenueId};
use kernel::role::Profile;
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::devices::{Device, DeviceStatus};

pg::statements! {
    INSERT_PAIRING = "insert into identity.device_pairing
            (venue_id, code_hash, profile, name, expires_at) values ($1, $2, $3, $4, $5)";
    // Whoever knows the code may see its row, in whatever venue it is.
    SHOW_CODE = "select set_config('app.pairing', encode($1::bytea, 'hex'), true)";
    FIND_PAIRING = "select venue_id from identity.device_pairing where code_hash = $1";
    LOCK_PAIRING = "select profile, name, expires_at, used_at from identity.device_pairing
        where venue_id = $1 and code_hash = $2 for update";
    USE_PAIRING = "update identity.device_pairing set used_at = $3
        where venue_id = $1 and code_hash = $2";
    INSERT_DEVICE = "insert into identity.device
            (venue_id, id, name, model, profile, public_key, status, created_at)
        values ($1, $2, $3, $4, $5, $6, 'pending', $7)";
    LIST_DEVICES = "select id, name, model, profile, public_key, status, vouched_by, answered_at,
            seen_at, online, app_version, battery, queue_length, version, created_at
        from identity.device where venue_id = $1 and id > $2 order by id limit $3";
    // Whoever changes a device takes its row first.
    LOCK_DEVICE = "select id, name, model, profile, public_key, status, vouched_by, answered_at,
            seen_at, online, app_version, battery, queue_length, version, created_at
        from identity.device where venue_id = $1 and id = $2 for update";
    UPDATE_DEVICE = "update identity.device set name = $3, status = $4, vouched_by = $5,
            seen_at = $6, app_version = $7, battery = $8, queue_length = $9, version = $10, online = $11
        where venue_id = $1 and id = $2";
    SET_ANSWERED = "update identity.device set answered_at = $3, seen_at = $4
        where venue_id = $1 and id = $2";
    // Whether whoever vouched for it still may.
    FIND_VOUCHER = "select m.role from identity.member m join identity.user u on u.id = m.user_id
        where m.venue_id = $1 and m.user_id = $2 and m.active and u.active
          and m.role in ('owner', 'manager')";
    // A device that shows that it is itself, and is not to be let in: for ten minutes after it was
    // paired it may ask whether somebody has approved it.
    NOTE_REFUSED = "update identity.device
        set refused_at = clock_timestamp() + $3::bigint * interval '1 microsecond'
        where venue_id = $1 and id = $2
          and (status = 'revoked' or status = 'pending' and created_at
               < clock_timestamp() + $3::bigint * interval '1 microsecond' - interval '10 minutes')";
    SILENT_VENUES = "select distinct venue_id from identity.device
        where online and seen_at < clock_timestamp() + $1::bigint * interval '1 microsecond'
                                   - $2::bigint * interval '1 second' limit $3";
    // Another worker has those that are skipped.
    CLAIM_SILENT = "select id, name, model, profile, public_key, status, vouched_by, answered_at,
            seen_at, online, app_version, battery, queue_length, version, created_at
        from identity.device
        where venue_id = $1 and online
          and seen_at < clock_timestamp() + $2::bigint * interval '1 microsecond'
                        - $3::bigint * interval '1 second'
        order by id limit $4 for update skip locked";
    FORGET_PAIRINGS = "delete from identity.device_pairing
        where expires_at < now() - interval '1 day'";
}

/// The statement that notes a refused device, for `edge`, which hears of it first.
pub const NOTE_REFUSED_SQL: &str = NOTE_REFUSED;

/// A code under its lock.
pub(crate) struct Pairing {
    pub(crate) profile: Profile,
    pub(crate) name: Option<String>,
    pub(crate) expires_at: Timestamp,
    pub(crate) used: bool,
}

/// A device with what only the server knows of it.
pub(crate) struct Known {
    pub(crate) device: Device,
    pub(crate) public_key: Vec<u8>,
    pub(crate) vouched_by: Option<UserId>,
    pub(crate) answered_at: Option<Timestamp>,
}

fn profile(row: &Row) -> Result<Profile, DbError> {
    // The table allows only known names; one of a newer version may do least here.
    Ok(Profile::from_name(row.col("profile")?).unwrap_or(Profile::Monitor))
}

fn known(row: &Row) -> Result<Known, DbError> {
    let public_key: Vec<u8> = row.col("public_key")?;
    let device = Device {
        id: row.col("id")?,
        name: row.col("name")?,
        model: row.col("model")?,
        profile: profile(row)?,
        status: DeviceStatus::from_name(row.col("status")?),
        fingerprint: crate::devices::fingerprint(&public_key),
        seen_at: row.col("seen_at")?,
        online: row.col("online")?,
        app_version: row.col("app_version")?,
        battery: row.col("battery")?,
        queue_length: row.col("queue_length")?,
        version: row.col("version")?,
        created_at: row.col("created_at")?,
    };
    let (vouched_by, answered_at) = (row.col("vouched_by")?, row.col("answered_at")?);
    Ok(Known { device, public_key, vouched_by, answered_at })
}

pub(crate) fn insert_pairing(
    tx: &mut Tx,
    code_hash: Vec<u8>,
    profile: Profile,
    name: Option<String>,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    let venue = tx.venue()?;
    tx.change(INSERT_PAIRING, params![venue, code_hash, profile.as_str(), name, expires_at]);
    Ok(())
}

/// The venue that a code was made in.
pub(crate) async fn find_pairing(
    q: &mut Reader,
    code_hash: &[u8],
) -> Result<Option<VenueId>, DbError> {
    let params: [&(dyn pg::ToSql + Sync); 1] = [&code_hash];
    let [_, rows] =
        q.pipeline([Query::new(SHOW_CODE, &params), Query::new(FIND_PAIRING, &params)]).await?;
    rows.first().map(|row| row.col("venue_id")).transpose()
}

pub(crate) async fn lock_pairing(
    tx: &mut Tx,
    code_hash: &[u8],
) -> Result<Option<Pairing>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(LOCK_PAIRING, &[&venue, &code_hash]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Pairing {
        profile: profile(row)?,
        name: row.col("name")?,
        expires_at: row.col("expires_at")?,
        used: row.col::<Option<Timestamp>>("used_at")?.is_some(),
    }))
}

/// The code is used up, the device is there.
pub(crate) fn insert_device(
    tx: &mut Tx,
    code_hash: Vec<u8>,
    device: &Device,
    public_key: Vec<u8>,
) -> Result<(), DbError> {
    let Device { id, name, model, profile, created_at, .. } = device.clone();
    let venue = tx.venue()?;
    tx.change(USE_PAIRING, params![venue, code_hash, created_at]);
    let profile = profile.as_str();
    tx.change(INSERT_DEVICE, params![venue, id, name, model, profile, public_key, created_at]);
    Ok(())
}

pub(crate) async fn list_devices(
    q: &mut Reader,
    (limit, after): (i64, Uuid),
) -> Result<Vec<Device>, DbError> {
    let (venue, more) = (q.venue()?, limit + 1);
    let rows = q.query(LIST_DEVICES, &[&venue, &after, &more]).await?;
    rows.iter().map(|row| known(row).map(|known| known.device)).collect()
}

pub(crate) async fn lock_device(tx: &mut Tx, id: DeviceId) -> Result<Option<Known>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_DEVICE, &[&venue, &id]).await?.first().map(known).transpose()
}

pub(crate) fn update_device(
    tx: &mut Tx,
    device: &Device,
    vouched_by: Option<UserId>,
) -> Result<(), DbError> {
    let venue = tx.venue()?;
    let Device {
        id,
        name,
        status,
        seen_at,
        online,
        app_version,
        battery,
        queue_length,
        version,
        ..
    } = device.clone();
    tx.change(
        UPDATE_DEVICE,
        params![
            venue,
            id,
            name,
            status.as_str(),
            vouched_by,
            seen_at,
            app_version,
            battery,
            queue_length,
            version,
            online
        ],
    );
    Ok(())
}

pub(crate) fn set_answered(
    tx: &mut Tx,
    id: DeviceId,
    challenge: Timestamp,
    now: Timestamp,
) -> Result<(), DbError> {
    let venue = tx.venue()?;
    tx.change(SET_ANSWERED, params![venue, id, challenge, now]);
    Ok(())
}

/// Venues with devices that were online and were not heard of for so long.
pub(crate) async fn silent_venues(
    q: &mut Reader,
    (offset_micros, secs): (i64, i64),
    most: i64,
) -> Result<Vec<VenueId>, DbError> {
    let rows = q.query(SILENT_VENUES, &[&offset_micros, &secs, &most]).await?;
    rows.iter().map(|row| row.col("venue_id")).collect()
}

/// Those devices of the venue, locked.
pub(crate) async fn claim_silent(tx: &mut Tx, secs: i64, most: i64) -> Result<Vec<Known>, DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    tx.query(CLAIM_SILENT, &[&venue, &offset, &secs, &most]).await?.iter().map(known).collect()
}

/// Whether this user is an active owner or manager of the venue.
pub(crate) async fn may_vouch(tx: &mut Tx, user: UserId) -> Result<bool, DbError> {
    let venue = tx.venue()?;
    Ok(!tx.query(FIND_VOUCHER, &[&venue, &user]).await?.is_empty())
}

pub(crate) fn forget_pairings(tx: &mut Tx) {
    tx.change(FORGET_PAIRINGS, params![]);
}
