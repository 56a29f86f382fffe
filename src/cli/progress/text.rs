//! Numbers, times and names for a line of at most 80 columns; pure.

use std::time::Duration;

use bytesize::ByteSize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Returns a number of bytes, such as `12.3 MiB`.
pub(in crate::cli) fn bytes(count: u64) -> String {
    ByteSize(count).display().iec().to_string()
}

/// Returns a number with its thousands apart.
pub(in crate::cli) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a number in few characters, such as `1.2M`.
pub(super) fn short_count(number: u64) -> String {
    match number {
        0..10_000 => count(number),
        10_000..1_000_000 => format!("{}k", number / 1000),
        1_000_000..1_000_000_000 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{:.1}G", number as f64 / 1e9),
    }
}

/// Returns a time as a clock would show it: `0:07`, `12:34`, `3:00:00`.
pub(super) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Returns a name with its control characters shown, not sent.
pub(in crate::cli) fn visible(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Returns a name that fills exactly `width` columns: cut in the middle when it is longer, because the
/// beginning names the schema and the end the partition.
pub(in crate::cli) fn fitted(name: &str, width: usize) -> String {
    let shown = visible(name);
    let mut text = if shown.width() <= width { shown } else { cut(&shown, width) };
    let missing = width.saturating_sub(text.width());
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

fn cut(text: &str, width: usize) -> String {
    let room = width.saturating_sub(1);
    let (front_room, back_room) = (room - room / 2, room / 2);
    let front = leading(text.chars(), front_room);
    let back: String = leading(text.chars().rev(), back_room).chars().rev().collect();
    format!("{front}…{back}")
}

fn leading(characters: impl Iterator<Item = char>, room: usize) -> String {
    let mut used = 0;
    characters
        .take_while(|character| {
            used += character.width().unwrap_or(0);
            used <= room
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(short_count(1_234_567), "1.2M");
        assert_eq!(short_count(12_345), "12k");
        assert_eq!(clock(Duration::from_secs(3725)), "1:02:05");
        assert_eq!(bytes(1536), "1.5 KiB");
    }

    #[test]
    fn names_fill_their_columns_whatever_they_are() {
        assert_eq!(fitted("public.t", 10), "public.t  ");
        assert_eq!(fitted("telemetry.readings_2024_h1", 12), "teleme…24_h1");
        assert_eq!(fitted("a.new\nline", 12), "a.new\\nline ");
        for name in ["Odd Names.船舶🚢船舶🚢船舶🚢", "ééééééééééééééééééé"]
        {
            assert_eq!(fitted(name, 11).width(), 11, "{name}");
        }
    }
}
