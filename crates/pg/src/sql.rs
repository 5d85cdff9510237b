//! A statement and its parameters.

use postgres_types::ToSql;

/// A parameter that can wait until the commit is sent.
pub type Param = Box<dyn ToSql + Sync + Send>;

/// A statement with borrowed parameters, for one packet of a pipeline.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    pub(crate) sql: &'static str,
    pub(crate) params: &'a [&'a (dyn ToSql + Sync)],
}

impl<'a> Query<'a> {
    /// `sql` is a constant of a store: its text never varies, so each connection prepares it once.
    #[must_use]
    pub fn new(sql: &'static str, params: &'a [&'a (dyn ToSql + Sync)]) -> Self {
        Self { sql, params }
    }
}

/// A statement that is sent with the commit.
pub(crate) struct Change {
    pub(crate) sql: &'static str,
    pub(crate) params: Vec<Param>,
}

/// The statements of a store: constants, and `ALL`, which one test per slice prepares on the
/// migrated schema, because nothing else checks them before they run. A text is a literal, or
/// `concat!` of literals where statements share a part.
#[macro_export]
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* const $name: &str = $text;)*

        /// Every statement of this store with its name, for the test that prepares them all.
        pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $name),)*];
    };
}

/// Parameters that can wait: `params![show, &seats, now]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        vec![$(Box::new($value) as $crate::Param,)*]
    };
}
