//! The account that servers run as: the caller's own, or an unprivileged one when the caller is root.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::os;

/// An unprivileged user and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    uid: u32,
    gid: u32,
    /// False when we already are this account.
    switch: bool,
}

impl Account {
    /// The account for servers: `postgres`, else `nobody`, when root; else the caller itself.
    pub fn for_servers() -> Result<Self> {
        let uid = os::effective_uid();
        if uid != 0 {
            return Ok(Self { uid, gid: 0, switch: false });
        }
        let passwd = fs::read_to_string("/etc/passwd").context("/etc/passwd can't be read")?;
        let (uid, gid) = unprivileged(&passwd).context(
            "root may not run the servers, and neither `postgres` nor `nobody` is an account here: \
             run this as an ordinary user",
        )?;
        Ok(Self { uid, gid, switch: true })
    }

    /// Whether the caller is root, and so may install packages.
    #[must_use]
    pub fn caller_is_root() -> bool {
        os::effective_uid() == 0
    }

    /// A command that runs as this account, from `/`, with plain messages.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env("LC_ALL", "C");
        if self.switch {
            // std drops the supplementary groups along with the user id.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Makes the account the owner of a file or folder.
    pub fn own(&self, path: &Path) -> Result<()> {
        if self.switch {
            chown(path, Some(self.uid), Some(self.gid)).with_context(|| {
                format!("can't give {} to the servers' account", path.display())
            })?;
        }
        Ok(())
    }

    /// Lets the account's group pass through a folder of ours, and nobody else.
    pub(crate) fn admit(&self, folder: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = if self.switch { 0o710 } else { 0o700 };
        if self.switch {
            chown(folder, None, Some(self.gid))?;
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(mode))
            .with_context(|| format!("can't set the permissions of {}", folder.display()))
    }

    /// Whether the account may pass through every folder above `path` (those that exist).
    #[must_use]
    pub fn reaches(&self, path: &Path) -> bool {
        !self.switch
            || path.ancestors().skip(1).filter_map(|folder| fs::metadata(folder).ok()).all(
                |folder| {
                    may_pass(folder.mode(), folder.uid() == self.uid, folder.gid() == self.gid)
                },
            )
    }
}

fn may_pass(mode: u32, is_owner: bool, is_group: bool) -> bool {
    let needed = match (is_owner, is_group) {
        (true, _) => 0o100,
        (false, true) => 0o010,
        (false, false) => 0o001,
    };
    mode & needed != 0
}

fn unprivileged(passwd: &str) -> Option<(u32, u32)> {
    ["postgres", "nobody"].iter().find_map(|name| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        let uid = fields.next()?.parse().ok().filter(|uid| *uid != 0)?;
        Some((uid, fields.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_is_preferred_to_nobody_and_root_is_never_taken() {
        let both =
            "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/x\npostgres:x:101:104::/:/x\n";
        assert_eq!(unprivileged(both), Some((101, 104)));
        assert_eq!(unprivileged("nobody:x:65534:65533::/:/x"), Some((65534, 65533)));
        assert_eq!(unprivileged("postgres:x:0:0::/:/x"), None);
    }

    #[test]
    fn the_home_of_root_stops_other_accounts() {
        assert!(!may_pass(0o700, false, false));
        assert!(may_pass(0o755, false, false));
        assert!(may_pass(0o710, false, true));
        assert!(!may_pass(0o710, false, false));
    }
}
