//! Local times with the name of their zone, as C's `strftime` writes them with `%Z`.
//!
//! chrono knows the offset of a place and not what people call it. The names are in the file of the zone
//! (RFC 9636), which is read here for them alone; where there is none, the offset stands for the name.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Local};

use crate::sql::text;

/// A file of a zone has a few kilobytes.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Returns a time as `2026-01-31 12:00:00 CET`.
pub(super) fn time_text(time: DateTime<Local>, zone: Option<&str>) -> String {
    let offset = time.offset().local_minus_utc();
    let name = read_zone(zone).and_then(|file| zone_name(&file, time.timestamp(), offset));
    let name = name.unwrap_or_else(|| match offset {
        0 => "UTC".to_owned(),
        _ => time.format("%:z").to_string(),
    });
    format!("{} {name}", time.format("%Y-%m-%d %H:%M:%S"))
}

/// Reads the file of the zone that `TZ` names, or of this place.
fn read_zone(zone: Option<&str>) -> Option<Vec<u8>> {
    let path = match zone.map(|zone| zone.trim_start_matches(':')) {
        None => PathBuf::from("/etc/localtime"),
        Some("") => return None,
        Some(zone) if zone.starts_with('/') => text::path(zone),
        Some(zone) => Path::new("/usr/share/zoneinfo").join(zone),
    };
    let metadata = std::fs::metadata(&path).ok()?;
    if !metadata.is_file() || metadata.len() > LARGEST_FILE {
        return None;
    }
    std::fs::read(path).ok()
}

/// The counts at the head of a block of a zone's file.
struct Counts {
    utc: usize,
    standard: usize,
    leaps: usize,
    times: usize,
    types: usize,
    letters: usize,
}

fn counts(block: &[u8]) -> Option<Counts> {
    let number = |index: usize| {
        let start = 20 + index * 4;
        let bytes = block.get(start..start + 4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok().filter(|&number| number < 1 << 20)
    };
    block.starts_with(b"TZif").then_some(())?;
    Some(Counts {
        utc: number(0)?,
        standard: number(1)?,
        leaps: number(2)?,
        times: number(3)?,
        types: number(4)?,
        letters: number(5)?,
    })
}

/// Returns the name that a zone has at a time with an offset.
///
/// The last type of local time before the moment that has the offset is the one; behind the last change in
/// the file rules go on that use the same names.
fn zone_name(file: &[u8], moment: i64, offset: i32) -> Option<String> {
    const HEAD: usize = 44;
    let first = counts(file)?;
    let skipped = HEAD
        + first.times * 5
        + first.types * 6
        + first.letters
        + first.leaps * 8
        + first.standard
        + first.utc;
    let block = file.get(skipped..)?;
    // Files of the first version are older than the programs that are in use.
    let Counts { times, types, letters, .. } = counts(block)?;
    let changes = block.get(HEAD..HEAD + times * 8)?;
    let kinds = block.get(HEAD + times * 8..HEAD + times * 9)?;
    let start = HEAD + times * 9;
    let local_types = block.get(start..start + types * 6)?;
    let names = block.get(start + types * 6..start + types * 6 + letters)?;
    let local_type = |kind: usize| {
        let entry = local_types.get(kind * 6..kind * 6 + 6)?;
        let seconds = i32::from_be_bytes(entry[..4].try_into().ok()?);
        let name = names.get(usize::from(entry[5])..)?.split(|&byte| byte == 0).next()?;
        (seconds == offset).then(|| String::from_utf8_lossy(name).into_owned())
    };
    let past = changes.chunks_exact(8).take_while(|change| {
        change.first_chunk::<8>().is_some_and(|bytes| i64::from_be_bytes(*bytes) <= moment)
    });
    let past = past.count();
    kinds[..past]
        .iter()
        .rev()
        .find_map(|&kind| local_type(usize::from(kind)))
        .or_else(|| (0..types).find_map(local_type))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zones_have_names_by_season() {
        let Some(berlin) = read_zone(Some("Europe/Berlin")) else { return };
        // 2026-01-31 and 2026-07-31, and a summer behind every table.
        assert_eq!(zone_name(&berlin, 1_769_860_800, 3_600).as_deref(), Some("CET"));
        assert_eq!(zone_name(&berlin, 1_785_499_200, 7_200).as_deref(), Some("CEST"));
        assert_eq!(zone_name(&berlin, 4_120_000_000, 7_200).as_deref(), Some("CEST"));
        assert_eq!(zone_name(&berlin, 0, 1), None);
    }

    proptest! {
        #[test]
        fn noise_never_panics(
            noise in prop::collection::vec(any::<u8>(), 0..300),
            moment: i64,
            offset: i32,
        ) {
            let _ = zone_name(&noise, moment, offset);
            let _ = zone_name(&[b"TZif2".as_slice(), &noise].concat(), moment, offset);
        }
    }
}
