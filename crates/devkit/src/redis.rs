//! One Redis server: its folder, its settings, its start.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::postgres::{Durability, is_at_home};
use crate::process::tail;
use crate::secret::write_secret;
use crate::{Account, Running, Signal};

const START_PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
/// After this a silent node of a cluster counts as gone.
const NODE_TIMEOUT_MS: u32 = 1_000;
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// A server's place and settings; it need not be running.
#[derive(Debug, Clone)]
pub(crate) struct Redis {
    pub(crate) program: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) account: Account,
    pub(crate) port: u16,
    pub(crate) password: String,
    pub(crate) durability: Durability,
    /// Where it talks to the other nodes of a Redis Cluster; none: it is alone.
    pub(crate) cluster_port: Option<u16>,
}

impl Redis {
    /// The address over loopback.
    pub(crate) fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}", self.password, self.port)
    }

    /// The address of the Unix socket.
    pub(crate) fn socket_url(&self) -> String {
        let socket = self.folder.join("redis.sock");
        format!("redis+unix://{}?pass={}", socket.display(), self.password)
    }

    /// Beside the folder, which belongs to the server: we write nothing where it could lay us a link.
    fn log(&self) -> PathBuf {
        self.folder.with_extension("log")
    }

    /// Writes its folder and settings; the password stays out of the process list.
    fn create(&self, socket: bool) -> Result<PathBuf> {
        fs::create_dir_all(&self.folder)?;
        self.account.own(&self.folder)?;
        let mut settings = format!(
            "bind 127.0.0.1\nport {}\nrequirepass {}\ndir \"{}\"\npidfile \"{}\"\n",
            self.port,
            self.password,
            self.folder.display(),
            self.folder.join("redis.pid").display(),
        );
        if let Some(port) = self.cluster_port {
            writeln!(
                settings,
                "cluster-enabled yes\ncluster-port {port}\nmasterauth {}",
                self.password
            )?;
            writeln!(settings, "cluster-node-timeout {NODE_TIMEOUT_MS}")?;
        }
        if socket {
            let path = self.folder.join("redis.sock");
            writeln!(settings, "unixsocket \"{}\"\nunixsocketperm 700", path.display())?;
        }
        settings += match self.durability {
            Durability::Fast => "save \"\"\nappendonly no\n",
            Durability::Durable => "appendonly yes\n",
        };
        let file = self.folder.with_extension("conf");
        write_secret(&file, &settings, &self.account)?;
        Ok(file)
    }

    /// Starts it as a child of this process and waits until it answers.
    pub(crate) fn start(&self) -> Result<Running> {
        let settings = self.create(false)?;
        let mut command = self.account.command(&self.program);
        command.arg(settings);
        let mut running = Running::start("redis", command, &self.log(), Signal::Terminate)?;
        running.wait_ready(START_PATIENCE, || self.answers())?;
        Ok(running)
    }

    /// Starts it with no parent; whoever starts it this way has to see to its end.
    pub(crate) fn start_detached(&self) -> Result<u32> {
        let settings = self.create(true)?;
        // The server opens this log itself.
        let log = self.folder.join("redis.log");
        let mut command = self.account.command(&self.program);
        command.arg(settings).args(["--daemonize", "yes", "--logfile"]).arg(&log);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status().context("the Redis server can't be run")?.success() {
            bail!("Redis did not start:\n{}", tail(&log));
        }
        let tries = START_PATIENCE.as_millis() / POLL.as_millis();
        for _ in 0..tries {
            if let Some(pid) = self.running_pid().filter(|_| self.answers()) {
                return Ok(pid);
            }
            std::thread::sleep(POLL);
        }
        bail!("Redis does not answer:\n{}", tail(&log))
    }

    /// Its id if this very server is running.
    pub(crate) fn running_pid(&self) -> Option<u32> {
        let pid = fs::read_to_string(self.folder.join("redis.pid")).ok()?.trim().parse().ok()?;
        is_at_home(pid, &self.folder).then_some(pid)
    }

    /// Asks one thing; an error is an error here, too. Answers that are lists are not read.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        let mut request = String::new();
        for command in [&["AUTH", self.password.as_str()][..], words] {
            write!(request, "*{}\r\n", command.len())?;
            for word in command {
                write!(request, "${}\r\n{word}\r\n", word.len())?;
            }
        }
        stream.write_all(request.as_bytes())?;
        let mut answers = BufReader::new(stream);
        answer(&mut answers)?;
        answer(&mut answers).with_context(|| words.join(" "))
    }

    /// Whether the server at our port knows our password: another one's would not.
    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(format!("AUTH {}\r\n", self.password).as_bytes())?;
            let mut answer = [0; 3];
            stream.read_exact(&mut answer)?;
            Ok(&answer == b"+OK")
        };
        ask().unwrap_or(false)
    }
}

/// One answer: a line, or a text of the length that stands before it.
fn answer(from: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line.trim_end();
    let Some((kind, rest)) = line.split_at_checked(1) else { bail!("Redis hung up") };
    match kind {
        "+" | ":" => Ok(rest.to_owned()),
        "$" => {
            let mut text = vec![0; rest.parse::<usize>().context("no text")? + 2];
            from.read_exact(&mut text)?;
            text.truncate(text.len() - 2);
            Ok(String::from_utf8(text)?)
        }
        _ => bail!("Redis answered {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole() {
        let mut said = "+OK\r\n$7\r\na\r\nb\r\nc\r\n:12\r\n-ERR no\r\n".as_bytes();
        assert_eq!(answer(&mut said).unwrap(), "OK");
        assert_eq!(answer(&mut said).unwrap(), "a\r\nb\r\nc");
        assert_eq!(answer(&mut said).unwrap(), "12");
        assert!(answer(&mut said).unwrap_err().to_string().contains("ERR no"));
        assert!(answer(&mut said).is_err(), "the end");
    }
}
