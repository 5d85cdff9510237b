//! An evening as data, played again over the API with a clock that is moved: what parties were
//! promised at the door against what came of it.
//!
//! `data/evening.csv` is composed; `ROWLOCK_EVENING` names the file of a venue's own evening.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{Bed, Person};

use crate::floor_room::Room;
use crate::sale::{at, text};

const COMPOSED: &str = include_str!("data/evening.csv");
const README: &str = include_str!("../../../floor/README.md");
/// How long a table is made, in minutes.
const MADE_MINUTES: i64 = 5;
/// A worker looks at its clock far more often.
const LOOK: Duration = Duration::from_millis(25);
const MINUTE_MICROS: i64 = 60_000_000;
/// Of a hundred parties so many may find their table later than they did: the server may have
/// chosen another one for those before them.
const LATE_OF_100: usize = 10;

/// A line of the file.
struct Came {
    minute: i64,
    party: i64,
    seated: Option<i64>,
    left: Option<i64>,
    gave_up: Option<i64>,
}

/// The tables of the house and who came, in the order of the minutes.
fn read(text: &str) -> Result<(Vec<i32>, Vec<Came>)> {
    let (mut tables, mut all) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(seats) = line.strip_prefix("# tables:") {
            for seats in seats.split_whitespace() {
                tables.push(seats.parse().with_context(|| line.to_owned())?);
            }
        }
        if line.starts_with('#') || line.starts_with("came,") {
            continue;
        }
        let fields: Vec<Option<i64>> = line
            .split(',')
            .map(|field| Some(field).filter(|it| !it.is_empty()).map(str::parse).transpose())
            .collect::<Result<_, _>>()
            .with_context(|| line.to_owned())?;
        let [Some(came), Some(party), seated, left, gave_up] = fields[..] else {
            anyhow::bail!("five columns, not {line}");
        };
        let one = seated.is_some() != gave_up.is_some() && seated.is_some() == left.is_some();
        ensure!(one, "seated and left, or gave_up: {line}");
        all.push(Came { minute: came, party, seated, left, gave_up });
    }
    ensure!(!tables.is_empty(), "a line `# tables: 2 2 4 …` says how many seats each has");
    all.sort_by_key(|it| it.minute);
    Ok((tables, all))
}

/// A party in the house.
struct Played {
    id: String,
    promised: (i64, i64),
    seated: Option<i64>,
    /// It has left, or has given up.
    gone: bool,
}

/// The house, its host, and the file by which its rules' clock is moved.
struct Evening {
    room: Room,
    host: Person,
    clock: PathBuf,
    begun: Instant,
    /// Tables that were left, and when they are made.
    making: Vec<(i64, String)>,
    late: usize,
}

impl Evening {
    /// So many minutes after it began, however fast this goes.
    async fn at(&self, minute: i64) -> Result<()> {
        let passed = i64::try_from(self.begun.elapsed().as_micros())?;
        // Whole or not at all: somebody is reading it.
        let new = self.clock.with_extension("new");
        std::fs::write(&new, (minute * MINUTE_MICROS - passed).max(0).to_string())?;
        std::fs::rename(new, &self.clock)?;
        tokio::time::sleep(LOOK).await;
        Ok(())
    }

    async fn step(&self, guest: &str, step: &str) -> Result<Value> {
        self.room.step(&self.host, guest, step).settled().await?.expect(200)
    }

    /// Told how long it will take, and put into the line.
    async fn comes(&self, size: i64) -> Result<Played> {
        let path = self.room.path(&format!("/waitlist/quote?partySize={size}"));
        let quote = self.host.get(path).settled().await?.expect(200)?;
        ensure!(*at(&quote, "/possible") == true, "no table is large enough for {size}");
        let minutes = |name: &str| at(&quote, name).as_i64().with_context(|| quote.to_string());
        let promised = (minutes("/fromMinutes")?, minutes("/toMinutes")?);
        let id = self.room.receive(&self.host, "Party", i32::try_from(size)?).await?;
        Ok(Played { id, promised, seated: None, gone: false })
    }

    /// At a table that the server chooses; the host tries again where there is none.
    async fn sits(&self, guest: &str) -> Result<bool> {
        let answer = self.room.seat_anywhere(&self.host, guest).settled().await?;
        if answer.status == 200 {
            return Ok(true);
        }
        answer.refused(409, "floor.no_table")?;
        Ok(false)
    }

    /// Its time is over: it gets up, or it has given up.
    async fn ends(&mut self, played: &mut Played, now: i64) -> Result<()> {
        played.gone = true;
        if played.seated.is_none() {
            return self.step(&played.id, "cancel").await.map(drop);
        }
        let done = self.step(&played.id, "complete").await?;
        for table in at(&done, "/tables").as_array().context("no tables")? {
            self.making.push((now + MADE_MINUTES, text(table, "/id")?));
        }
        Ok(())
    }

    async fn make_tables(&mut self, now: i64) -> Result<()> {
        for (_, table) in self.making.extract_if(.., |(at, _)| *at <= now) {
            let path = self.room.path(&format!("/tables/{table}"));
            let made = json!({"status": "available"});
            self.host.patch(path, made).settled().await?.expect(200)?;
        }
        Ok(())
    }

    /// All of it, minute by minute: who leaves, then who comes, and who sits down.
    async fn play(&mut self, all: &[Came]) -> Result<Vec<Played>> {
        let mut played: Vec<Played> = Vec::new();
        let last = all.iter().filter_map(|it| it.left.max(it.gave_up)).max().unwrap_or(0);
        for now in 0..=last {
            let happens =
                |it: &Came| [Some(it.minute), it.seated, it.left, it.gave_up].contains(&Some(now));
            let owed = |(it, played): (&Came, &Played)| {
                it.seated.is_some_and(|at| at < now) && played.seated.is_none() && !played.gone
            };
            let made = self.making.iter().any(|(at, _)| *at <= now);
            if !made && !all.iter().any(happens) && !all.iter().zip(&played).any(owed) {
                continue;
            }
            self.at(now).await?;
            for (it, played) in all.iter().zip(&mut played) {
                if it.left.or(it.gave_up) == Some(now) {
                    self.ends(played, now).await?;
                }
            }
            self.make_tables(now).await?;
            for (n, it) in all.iter().enumerate().take_while(|(_, it)| it.minute <= now) {
                if n == played.len() {
                    played.push(self.comes(it.party).await?);
                    // Looked at the line and went on.
                    if it.gave_up == Some(now) {
                        self.ends(&mut played[n], now).await?;
                    }
                }
                let free = played[n].seated.is_none() && !played[n].gone;
                if free && it.seated.is_some_and(|at| at <= now) {
                    let sits = self.sits(&played[n].id).await?;
                    played[n].seated = sits.then_some(now);
                    self.late += usize::from(!sits && it.seated == Some(now));
                }
            }
        }
        Ok(played)
    }
}

fn percentile(mut numbers: Vec<i64>, percent: usize) -> i64 {
    numbers.sort_unstable();
    numbers.get(numbers.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0)
}

/// What was promised and what came of it, in minutes; how far it was outside at p50 and p90.
fn compare(all: &[Came], played: &[Played]) -> (i64, i64, i64) {
    let mut columns: [Vec<i64>; 3] = Default::default();
    for (came, played) in all.iter().zip(played) {
        // Nobody knows how long those would have waited who gave up.
        let Some(seated) = came.seated else { continue };
        let (real, (from, to)) = (seated - came.minute, played.promised);
        for (column, value) in
            columns.iter_mut().zip([to, real, (from - real).max(real - to).max(0)])
        {
            column.push(value);
        }
    }
    let [promised, real, off] = columns.map(|all| [50, 90].map(|p| percentile(all.clone(), p)));
    let gave_up = all.iter().filter(|it| it.gave_up.is_some()).count();
    println!("{} parties, {gave_up} of them gave up; minutes at p50 and p90:", all.len());
    println!("promised at most  {:>3} {:>3}", promised[0], promised[1]);
    println!("really waited     {:>3} {:>3}", real[0], real[1]);
    println!("outside by        {:>3} {:>3}", off[0], off[1]);
    (real[1], off[0], off[1])
}

/// What the README tells a venue to ask its database gives the evening back.
async fn exports(bed: &Bed, room: &Room, (all, played): (&[Came], &[Played])) -> Result<()> {
    let (_, told) = README.split_once("```sql\n").context("no statement in the README")?;
    let (statement, _) = told.split_once("```").context("the statement has no end")?;
    let mut statement = statement.to_owned();
    let venue = room.house.venue();
    for (name, value) in [("venue", venue), ("from", "2000-01-01"), ("to", "2100-01-01")] {
        statement = statement.replace(&format!(":'{name}'"), &format!("'{value}'"));
    }
    let minutes = format!(
        "select coalesce(came::text, '') || ',' || party || ',' || coalesce(seated::text, '')
             || ',' || coalesce(gave_up::text, '') from ({statement}) evening"
    );
    let mut told: Vec<String> = bed.sql().await?.column(&minutes, &[]).await?;
    let first = all.first().context("nobody came")?.minute;
    let word = |minute: Option<i64>| minute.map_or_else(String::new, |at| (at - first).to_string());
    let mut wanted: Vec<String> = (all.iter().zip(played))
        .filter(|(_, played)| played.gone)
        .map(|(it, played)| {
            let gave_up = it.gave_up.filter(|_| played.seated.is_none());
            format!("{},{},{},{}", it.minute - first, it.party, word(played.seated), word(gave_up))
        })
        .collect();
    told.sort_unstable();
    wanted.sort_unstable();
    ensure!(told == wanted, "{told:?} should be {wanted:?}");
    Ok(())
}

async fn evening(clock: &Path) -> Result<()> {
    let own = std::env::var("ROWLOCK_EVENING").ok();
    let file = own.as_ref().map(std::fs::read_to_string).transpose()?;
    let (tables, all) = read(file.as_deref().unwrap_or(COMPOSED))?;
    let ahead = clock.to_str().context("no text")?;
    let bed = Bed::with().env("RULES_AHEAD", ahead).start().await?;
    let room = Room::with(&bed, &tables).await?;
    let host = room.house.member("host").await?;
    let (clock, begun) = (clock.to_owned(), Instant::now());
    let mut evening = Evening { room, host, clock, begun, making: Vec::new(), late: 0 };
    let played = evening.play(&all).await?;
    let (real, half, most) = compare(&all, &played);
    println!("{} had to wait for a table that others had taken", evening.late);
    exports(&bed, &evening.room, (&all, &played)).await?;
    if own.is_some() {
        // What a venue's own evening shows is for its people to judge.
        return Ok(());
    }
    ensure!(evening.late * 100 <= all.len() * LATE_OF_100, "{} sat late", evening.late);
    ensure!(real >= 20, "an evening without a line proves nothing");
    ensure!(half <= 5, "half of the promises were kept or nearly so, not off by {half}");
    // A quarter of the parties gives up on the way, and no quote knows of that beforehand.
    ensure!(most <= 45, "nine of ten were not far off, not {most}");
    Ok(())
}

#[tokio::test]
async fn what_was_promised_at_the_door_is_near_what_came_of_it() -> Result<()> {
    let name = format!("rowlock-evening-{}", uuid::Uuid::new_v4());
    let clock = std::env::temp_dir().join(name);
    std::fs::write(&clock, "0")?;
    let done = evening(&clock).await;
    std::fs::remove_file(clock)?;
    done
}

#[test]
fn a_line_of_an_evening_says_what_it_has() {
    let (tables, all) =
        read("# tables: 2 4\ncame,party,seated,left,gave_up\n3,2,8,70,\n1,4,,,9\n").unwrap();
    assert_eq!((tables, all.len(), all[0].gave_up), (vec![2, 4], 2, Some(9)));
    for wrong in ["1,2,3", "1,2,3,4,5", "1,2,,,", "x,2,3,4,"] {
        assert!(read(&format!("# tables: 2\n{wrong}\n")).is_err(), "{wrong}");
    }
    assert!(read("1,2,3,4,\n").is_err(), "without tables");
}
