//! Addresses of servers as URLs.

use std::path::Path;

/// A folder as the host part of a PostgreSQL URL: the slashes are escaped.
pub(crate) fn socket_host(folder: &Path) -> String {
    folder.display().to_string().replace('%', "%25").replace('/', "%2F").replace(' ', "%20")
}

/// The same server's URL with another database.
pub(crate) fn with_database(url: &str, database: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(a, q)| (a, Some(q)));
    let authority = address.find("://").map_or(0, |at| at + 3);
    let end = address.get(authority..).and_then(|rest| rest.find('/')).map(|at| authority + at);
    let server = end.and_then(|end| address.get(..end)).unwrap_or(address);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{server}/{database}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_replaced_and_the_rest_is_kept() {
        let socket = "postgres://rowlock@%2Fdev%2Fshm%2Fx/postgres";
        assert_eq!(with_database(socket, "t1"), "postgres://rowlock@%2Fdev%2Fshm%2Fx/t1");
        assert_eq!(with_database("postgres://u:p@h:5432", "t1"), "postgres://u:p@h:5432/t1");
        let query = "postgres://u@h/a?sslmode=require";
        assert_eq!(with_database(query, "b"), "postgres://u@h/b?sslmode=require");
    }
}
