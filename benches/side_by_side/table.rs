//! What is printed: machine, settings and a Markdown table that can go into the README as it is.

use std::fmt::Write as _;

use crate::Arguments;
use crate::measure::{Pair, Run, median};
use crate::server::Server;
use crate::work::Work;

/// Returns machine, server and settings.
pub(crate) fn machine(server: &Server, arguments: &Arguments) -> anyhow::Result<String> {
    let mut text = String::new();
    let cores = std::thread::available_parallelism()?;
    let proc_line = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let memory = proc_line("/proc/meminfo", "MemTotal");
    writeln!(
        text,
        "Machine: {cores} cores, {}, {memory}",
        proc_line("/proc/cpuinfo", "model name")
    )?;
    writeln!(text, "Server: {}", server.psql("postgres", "select version()")?.trim())?;
    writeln!(text, "Settings: {}", server.settings()?)?;
    writeln!(
        text,
        "Scale {}, medians of {} pairs, whole commands, programs in turn",
        arguments.scale,
        arguments.pairs.max(1)
    )?;
    Ok(text)
}

/// Returns the head of the table.
pub(crate) fn heading() -> String {
    "| work | stock | pgark | ratio | at most | size | client core-s, stock : pgark | server core-s, stock : pgark | |\n\
     |---|---|---|---|---|---|---|---|---|"
        .to_owned()
}

/// Returns the row of work that was measured.
pub(crate) fn line(work: &Work, pair: &Pair) -> String {
    let figure =
        |figure: fn(&Run) -> f64| (median(&pair.stock, figure), median(&pair.pgark, figure));
    let (stock, pgark) = figure(|run| run.seconds);
    let (stock_client, pgark_client) = figure(|run| run.client_core_seconds);
    let (stock_server, pgark_server) = figure(|run| run.server_core_seconds);
    let size = size_ratio(pair).map(|ratio| format!("{ratio:.3}")).unwrap_or_default();
    format!(
        "| {} | {stock:.2} s | {pgark:.2} s | {:.2} | {:.2} | {size} | {stock_client:.1} : {pgark_client:.1} \
         | {stock_server:.1} : {pgark_server:.1} | {} |",
        work.name,
        pgark / stock,
        work.at_most,
        if is_within(work, pair) { "within" } else { "**over**" },
    )
}

/// Tells whether time and size are within their targets.
pub(crate) fn is_within(work: &Work, pair: &Pair) -> bool {
    let ratio = median(&pair.pgark, |run| run.seconds) / median(&pair.stock, |run| run.seconds);
    let size_holds = match (work.size_at_most, size_ratio(pair)) {
        (Some(most), Some(size)) => size <= most,
        _ => true,
    };
    ratio <= work.at_most && size_holds
}

fn size_ratio(pair: &Pair) -> Option<f64> {
    let (stock, pgark) =
        (median(&pair.stock, |run| run.bytes as f64), median(&pair.pgark, |run| run.bytes as f64));
    (stock > 0.0).then(|| pgark / stock)
}
