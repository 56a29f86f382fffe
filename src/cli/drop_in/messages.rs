//! Messages in the form of PostgreSQL's tools: `TOOL: error: ...`, `TOOL: warning: ...`, `TOOL: hint: ...`.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use super::getopt::Misuse;
use super::server_message::server_message;
use crate::connect::server_error;
use crate::dump::BrokenCopy;
use crate::error::{Error, ErrorKind};
use crate::progress::Progress;
use crate::select::PatternError;
use crate::sql::text;

/// Who speaks.
#[derive(Debug)]
pub(in crate::cli) struct Speaker {
    tool: &'static str,
    verbose: AtomicBool,
}

impl Speaker {
    /// Makes the voice of a tool, which tells warnings and errors.
    pub(in crate::cli) const fn new(tool: &'static str) -> Self {
        Speaker { tool, verbose: AtomicBool::new(false) }
    }

    /// Makes it tell also what it does (`-v`).
    pub(in crate::cli) fn be_verbose(&self) {
        self.verbose.store(true, Ordering::Relaxed);
    }

    /// Says something on standard error.
    pub(in crate::cli) fn say(&self, message: &str) {
        complain(&format!("{}: {message}\n", self.tool));
    }

    /// Prints what was asked for on standard output and ends.
    #[expect(clippy::print_stdout, reason = "what was asked for")]
    pub(in crate::cli) fn tell(&self, text: &str) -> ExitCode {
        print!("{text}");
        ExitCode::SUCCESS
    }

    /// Complains about an argument in the words of the C library, which begin with the name that the tool
    /// was called by.
    pub(super) fn refuse_as(&self, program: &str, misuse: &Misuse) -> ExitCode {
        complain(&format!("{program}: {}\n", misuse.0));
        self.point_to_help()
    }

    /// Points to the help.
    pub(super) fn point_to_help(&self) -> ExitCode {
        self.say(&format!("hint: {}", self.try_help()));
        ExitCode::FAILURE
    }

    /// Makes an error about how the tool was called, with the pointer to its help.
    pub(in crate::cli) fn misused(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage, message.into()).with_hint(self.try_help())
    }

    /// Tells an error with its causes and hints; the stock tools know one code for all failures.
    pub(in crate::cli) fn fail(&self, error: &Error) -> ExitCode {
        if let Some(broken) = BrokenCopy::of(error) {
            self.fail_copy(broken);
            return ExitCode::FAILURE;
        }
        if let Some(words) = error.stock_words() {
            self.say(&format!("error: {words}"));
            return ExitCode::FAILURE;
        }
        match stock_words(error) {
            Some(text) => self.say(&format!("error: {text}")),
            None => {
                let mut text = format!("error: {error}");
                let mut source = std::error::Error::source(error);
                while let Some(cause) = source {
                    text.push_str(": ");
                    text.push_str(&cause_text(cause));
                    source = cause.source();
                }
                self.say(&text);
            }
        }
        if own_words(error).is_some() {
            return ExitCode::FAILURE;
        }
        if error.kind() == ErrorKind::Server
            && let Some(refusal) = server_error(error)
        {
            match &refusal.statement {
                Some(statement) => self.say(&format!("detail: Query was: {statement}")),
                None => self.say(&format!("detail: {error}")),
            }
        }
        for hint in error.hints() {
            self.say(&format!("hint: {hint}"));
        }
        ExitCode::FAILURE
    }

    /// Tells of a COPY that the server broke off.
    fn fail_copy(&self, broken: &BrokenCopy) {
        let said = server_message(&broken.server, &broken.statement);
        self.say(&format!(
            "error: Dumping the contents of table \"{}\" failed: PQgetResult() failed.",
            broken.table
        ));
        self.say(&format!(
            "detail: Error message from server: {}",
            said.strip_suffix('\n').unwrap_or(&said)
        ));
        self.say(&format!("detail: Command was: {}", broken.statement));
    }

    /// Returns the words that point to the help.
    pub(super) fn try_help(&self) -> String {
        format!("Try \"{} --help\" for more information.", self.tool)
    }
}

/// Returns the words in which pg_restore says what it could not do instead of the query that failed.
fn own_words(error: &Error) -> Option<String> {
    const WORDS: [&str; 2] = ["could not set session user to ", "could not open large object"];
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if WORDS.iter().any(|words| text.starts_with(words)) {
            return Some(text);
        }
        next = error.source();
    }
    None
}

/// Writes to standard error, names as their bytes; when it is gone there is nobody left to tell.
fn complain(words: &str) {
    let _ = std::io::stderr().lock().write_all(&text::encode(words));
}

/// Returns the words of the stock tools for the failures that people and scripts look for by them.
fn stock_words(error: &Error) -> Option<String> {
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        if let Some(pattern) = found.downcast_ref::<PatternError>() {
            return Some(pattern.to_string());
        }
        cause = found.source();
    }
    if error.message().starts_with("invalid client encoding ") {
        // Which query was refused is nothing to them.
        return Some(error.message().to_owned());
    }
    let refusal = server_error(error)?;
    match error.kind() {
        ErrorKind::Server => {
            let words = own_words(error);
            let statement = refusal.statement.as_deref().filter(|_| words.is_none());
            let said = server_message(refusal, statement.unwrap_or_default());
            let words = words.as_deref().unwrap_or("query failed");
            Some(format!("{words}: {}", said.trim_end_matches('\n')))
        }
        _ => None,
    }
}

/// Returns the words of a cause; the C library says what the system refused without its number.
fn cause_text(cause: &(dyn std::error::Error + 'static)) -> String {
    let text = cause.to_string();
    let number = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    match number.and_then(|number| text.strip_suffix(&format!(" (os error {number})"))) {
        Some(words) => words.to_owned(),
        None => text,
    }
}

impl Progress for Speaker {
    /// Details and hints are lines of their own, each with the tool's name before it.
    fn warning(&self, message: &str) {
        let told = format!("warning: {message}");
        let lines = told.replace("\ndetail: ", &format!("\n{}: detail: ", self.tool));
        self.say(&lines.replace("\nhint: ", &format!("\n{}: hint: ", self.tool)));
    }

    fn info(&self, message: &str) {
        if self.verbose.load(Ordering::Relaxed) {
            self.say(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Context;
    use crate::select::{Pattern, PatternShape};

    #[test]
    fn patterns_are_refused_in_the_words_of_the_stock_tools() {
        let refused = Pattern::parse("a.b.c", PatternShape::Schema)
            .context(ErrorKind::Usage, || "could not understand a name pattern".to_owned())
            .expect_err("three parts");
        assert_eq!(
            stock_words(&refused).as_deref(),
            Some("improper qualified name (too many dotted names): a.b.c")
        );
        assert_eq!(stock_words(&Error::new(ErrorKind::Usage, "other")), None);
    }
}
