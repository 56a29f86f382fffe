//! Whether a script of pg_dump or pg_dumpall is there to its last line.
//!
//! A file that was cut off between two statements looks like any other script; only the closing comment
//! of the program that wrote it is missing.

/// The banner stands in the first lines, behind nothing but a mark of the encoding.
const HEAD_BYTES: usize = 256;

/// Behind the closing comment comes at most a line of `\unrestrict` with its key, and what an editor adds.
const TAIL_BYTES: usize = 1024;

const DATABASE: &str = "PostgreSQL database dump";
const CLUSTER: &str = "PostgreSQL database cluster dump";

/// Sees a script pass and remembers how it begins and ends.
#[derive(Debug, Default)]
pub struct Ending {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Ending {
    /// Takes the next bytes.
    pub fn see(&mut self, bytes: &[u8]) {
        let missing = HEAD_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        let excess = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..excess);
    }

    /// Tells, at the end, whether the script has the banner of a dump and not its closing comment.
    pub fn is_missing(&self) -> bool {
        let head = String::from_utf8_lossy(&self.head);
        let tail = String::from_utf8_lossy(&self.tail);
        let begins =
            |banner: &str| head.lines().any(|line| line.trim_end() == format!("-- {banner}"));
        let ends = |banner: &str| tail.contains(&format!("-- {banner} complete"));
        (begins(DATABASE) && !ends(DATABASE)) || (begins(CLUSTER) && !ends(CLUSTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_missing(script: &str, step: usize) -> bool {
        let mut ending = Ending::default();
        script.as_bytes().chunks(step).for_each(|chunk| ending.see(chunk));
        ending.is_missing()
    }

    #[test]
    fn the_closing_comment_is_missed_only_where_it_belongs() {
        let rows = "1\n".repeat(3000);
        let dump = format!(
            "--\r\n-- PostgreSQL database dump\n--\n\\restrict k\n{rows}--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict k\n\n"
        );
        let cluster = format!(
            "--\n-- PostgreSQL database cluster dump\n--\n\n{dump}--\n-- PostgreSQL database cluster dump complete\n--\n"
        );
        for step in [1, 100, 100_000] {
            for script in [&dump, &cluster] {
                assert!(!is_missing(script, step));
                assert!(is_missing(&script[..script.len() - 2000], step));
            }
            // The last database of a cluster is complete, and the cluster is not.
            assert!(is_missing(
                cluster.split("-- PostgreSQL database cluster dump complete").next().expect("text"),
                step
            ));
            assert!(!is_missing("SELECT 1;\n", step));
        }
    }
}
