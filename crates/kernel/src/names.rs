//! Enums whose cases have one name each, the same in rows, in JSON and in the document.

/// Makes enums with `ALL`, `as_str` and `from_name`, and serde and utoipa as the names say.
///
/// The crate that uses it needs both. A name is taken as a token, not as a `literal`: derives
/// see a `literal` in a group, and that of utoipa does not look into groups.
///
/// ```
/// kernel::names! {
///     /// How a door is.
///     Door {
///         /// Anybody may pass.
///         WideOpen = "wide_open",
///         /// Nobody may.
///         Shut = "shut",
///     }
/// }
/// assert_eq!(Door::WideOpen.as_str(), "wide_open");
/// assert_eq!(Door::ALL, [Door::WideOpen, Door::Shut]);
/// assert_eq!(Door::from_name("shut"), Some(Door::Shut));
/// assert_eq!(serde_json::to_string(&Door::WideOpen).unwrap(), "\"wide_open\"");
/// ```
#[macro_export]
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $text:tt,)* })*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, ::serde::Serialize, ::serde::Deserialize,
            ::utoipa::ToSchema,
        )]
        pub enum $name { $($(#[$case_doc])* #[serde(rename = $text)] $case,)* }

        impl $name {
            /// All of them, in their order.
            pub const ALL: &[Self] = &[$(Self::$case,)*];

            /// As the database writes it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$case => $text,)* }
            }

            /// The one of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$case),)* _ => None }
            }
        }
    )*};
}
