//! One run of a command, and what it cost client and server.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

use crate::server::Server;

/// Linux counts processor time in `/proc` in hundredths of a second, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) seconds: f64,
    pub(crate) client_core_seconds: f64,
    pub(crate) server_core_seconds: f64,
    /// The bytes of what it wrote; 0 for a restore.
    pub(crate) bytes: u64,
}

/// The runs of both programs.
#[derive(Debug, Default)]
pub(crate) struct Pair {
    pub(crate) stock: Vec<Run>,
    pub(crate) pgark: Vec<Run>,
}

/// Returns the median of one figure of some runs.
pub(crate) fn median(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Runs a command to its end and measures it; `output` is what it wrote, if it writes.
pub(crate) fn measured(
    command: &mut Command,
    server: &Server,
    output: Option<&Path>,
) -> anyhow::Result<Run> {
    // What earlier work left dirty would be written during this run.
    server.psql("postgres", "checkpoint")?;
    let (client, spent) = (children_ticks()?, server.ticks()?);
    let start = Instant::now();
    let result = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if !result.status.success() {
        bail!("{command:?}: {}\n{}", result.status, String::from_utf8_lossy(&result.stderr));
    }
    Ok(Run {
        seconds,
        client_core_seconds: (children_ticks()? - client) as f64 / TICKS_PER_SECOND,
        server_core_seconds: (server.ticks()? - spent) as f64 / TICKS_PER_SECOND,
        bytes: output.map_or(Ok(result.stdout.len() as u64), size)?,
    })
}

fn size(path: &Path) -> anyhow::Result<u64> {
    if path.is_dir() {
        let mut sum = 0;
        for entry in std::fs::read_dir(path)? {
            sum += entry?.metadata()?.len();
        }
        return Ok(sum);
    }
    Ok(std::fs::metadata(path)?.len())
}

/// Returns how many bytes this process and its children that have ended have read, of files that is nearly all.
pub(crate) fn bytes_read() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    Ok(line.context("no count of bytes read")?.trim().parse()?)
}

/// Returns the processor time of this process's children that have ended.
fn children_ticks() -> anyhow::Result<u64> {
    let [_, _, user, system] = ticks_of("self")?;
    Ok(user + system)
}

/// Returns own user and system time of a process, and those of its ended children.
pub(crate) fn ticks_of(process: &str) -> anyhow::Result<[u64; 4]> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold spaces; utime is the 14th field, and the 12th after the name.
    let (_, fields) = text.rsplit_once(") ").context("a process has a name")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u64>);
    let mut next = || -> anyhow::Result<u64> { Ok(times.next().context("a short line")??) };
    Ok([next()?, next()?, next()?, next()?])
}
