//! What an archive says about itself before its first entry.

use chrono::{DateTime, Datelike, Local, NaiveDate, NaiveDateTime, Timelike};

use super::ArchiveVersion;
use crate::codec::{Algorithm, Compression};
use crate::error::{Error, ErrorKind, Result};

/// The beginning of the dumper's version in archives that have a manifest.
pub(super) const DUMPER: &str = "pgark ";

/// The container of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchiveFormat {
    /// An SQL script, which has neither header nor table of contents.
    Plain,
    /// One file, random access.
    Custom,
    /// A directory with one file for each table.
    Directory,
    /// A tar file.
    Tar,
}

impl ArchiveFormat {
    /// Returns the name that listings print.
    pub fn name(self) -> &'static str {
        match self {
            ArchiveFormat::Plain => "PLAIN",
            ArchiveFormat::Custom => "CUSTOM",
            ArchiveFormat::Directory => "DIRECTORY",
            ArchiveFormat::Tar => "TAR",
        }
    }

    /// Returns the name in messages and in manifests, as `--format` takes it.
    pub fn word(self) -> &'static str {
        match self {
            ArchiveFormat::Plain => "plain",
            ArchiveFormat::Custom => "custom",
            ArchiveFormat::Directory => "directory",
            ArchiveFormat::Tar => "tar",
        }
    }

    /// Returns what the names of such files end with, with its dot; a directory's with nothing.
    pub fn suffix(self) -> &'static str {
        match self {
            ArchiveFormat::Plain => ".sql",
            ArchiveFormat::Custom => ".dump",
            ArchiveFormat::Directory => "",
            ArchiveFormat::Tar => ".tar",
        }
    }

    /// Refuses a compression that the format does not have.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for any compression of a tar file.
    pub fn check_compression(self, compression: Compression) -> Result<()> {
        if self == ArchiveFormat::Tar && compression.algorithm != Algorithm::None {
            let message = "compression is not supported by tar archive format";
            return Err(Error::new(ErrorKind::Usage, message)
                .with_hint("leave --compress out, or use --format custom"));
        }
        Ok(())
    }

    /// Returns the byte in the header; a directory calls itself tar, and a script's never occurs in a file.
    pub(super) fn header_byte(self) -> u8 {
        match self {
            ArchiveFormat::Plain => 4,
            ArchiveFormat::Custom => 1,
            ArchiveFormat::Directory | ArchiveFormat::Tar => 3,
        }
    }
}

/// The head of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveHeader {
    /// The layout's version.
    pub version: ArchiveVersion,
    /// Bytes of an integer's magnitude, 4 in every real file.
    pub int_size: u8,
    /// Bytes of a file offset, 8 in every modern file.
    pub offset_size: u8,
    /// The container.
    pub format: ArchiveFormat,
    /// How the data are compressed; before 1.15 the header knows only "not" and "somehow", which is gzip.
    pub algorithm: Algorithm,
    /// When the dump was started.
    pub created: ArchiveTime,
    /// The dumped database.
    pub database: String,
    /// The source server's version as it prints it.
    pub server_version: String,
    /// The dumping program's version: `18.6` for pg_dump, `pgark 0.1.0` for pgark.
    pub dumper_version: String,
}

impl ArchiveHeader {
    /// Makes the head of a directory archive of the newest version.
    pub fn directory(algorithm: Algorithm, created: ArchiveTime) -> Self {
        ArchiveHeader {
            version: ArchiveVersion::NEWEST,
            int_size: 4,
            offset_size: 8,
            format: ArchiveFormat::Directory,
            algorithm,
            created,
            database: String::new(),
            server_version: String::new(),
            dumper_version: String::new(),
        }
    }

    /// Tells whether pgark made the archive under its own name, so that there must be a manifest.
    pub fn is_by_pgark(&self) -> bool {
        self.dumper_version.starts_with(DUMPER)
    }
}

/// Returns what goes into [`ArchiveHeader::dumper_version`] for an archive with a manifest.
pub fn own_dumper_version() -> String {
    format!("{DUMPER}{}", env!("CARGO_PKG_VERSION"))
}

/// Returns what goes into [`ArchiveHeader::dumper_version`] for an archive of our own without one.
pub fn own_dumper_version_without_manifest() -> String {
    format!("pgark-{} without manifest", env!("CARGO_PKG_VERSION"))
}

/// A local time in parts, as C's `struct tm`; the zone is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveTime {
    /// 0 to 60.
    pub second: i32,
    /// 0 to 59.
    pub minute: i32,
    /// 0 to 23.
    pub hour: i32,
    /// 1 to 31.
    pub day: i32,
    /// 0 to 11.
    pub month: i32,
    /// Years since 1900.
    pub year: i32,
    /// Positive in summer time, 0 in winter time, negative when not known.
    pub is_dst: i32,
}

impl ArchiveTime {
    /// Takes a local time apart; `is_dst` is set when the zone is ahead of its winter time.
    pub fn from_local(time: DateTime<Local>) -> Self {
        let offset = |month| {
            NaiveDate::from_ymd_opt(time.year(), month, 1)
                .and_then(|day| day.and_hms_opt(12, 0, 0))
                .and_then(|noon| noon.and_local_timezone(Local).earliest())
                .map(|noon| noon.offset().local_minus_utc())
        };
        // Zones north and south of the equator: winter time is the smaller of both offsets.
        let winter = offset(1).min(offset(7));
        let is_dst = winter.is_some_and(|winter| time.offset().local_minus_utc() > winter);
        ArchiveTime { is_dst: i32::from(is_dst), ..Self::from_naive(time.naive_local()) }
    }

    /// Takes a time apart whose zone is not known to have summer time.
    pub fn from_naive(time: NaiveDateTime) -> Self {
        ArchiveTime {
            second: time.second() as i32,
            minute: time.minute() as i32,
            hour: time.hour() as i32,
            day: time.day() as i32,
            month: time.month0() as i32,
            year: time.year() - 1900,
            is_dst: 0,
        }
    }

    /// Returns the time, or `None` when the parts are not one.
    pub fn to_naive(self) -> Option<NaiveDateTime> {
        let part = |value: i32| u32::try_from(value).ok();
        NaiveDate::from_ymd_opt(
            self.year.checked_add(1900)?,
            part(self.month.checked_add(1)?)?,
            part(self.day)?,
        )?
        .and_hms_opt(part(self.hour)?, part(self.minute)?, part(self.second)?.min(59))
    }
}
