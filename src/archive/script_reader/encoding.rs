//! How many bytes a character takes in a client encoding, as far as cutting a script needs it.
//!
//! In six encodings that exist only on the client's side the later bytes of a character can look like a
//! backslash, a semicolon or a letter. Quotes, `$`, `*`, `/` and `-` never appear there, so only text
//! outside of plain literals has to be walked by character. Authority: `src/common/wchar.c`.

/// An encoding of scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientEncoding {
    /// Every byte is a character: `LATIN1`, `SQL_ASCII` and what is not known here.
    Single,
    /// `UTF8`.
    #[default]
    Utf8,
    /// `EUC_JP`, `EUC_CN`, `EUC_KR`, `EUC_JIS_2004`, `EUC_TW`.
    Euc,
    /// `JOHAB`, built as EUC is, with later bytes of any kind.
    Johab,
    /// `SJIS`, `SHIFT_JIS_2004`.
    ShiftJis,
    /// `BIG5`, `GBK`, `UHC`.
    DoubleByte,
    /// `GB18030`.
    Gb18030,
}

impl ClientEncoding {
    /// Returns the encoding of a name as the server reports `client_encoding`.
    pub fn from_name(name: &str) -> ClientEncoding {
        match name.to_ascii_uppercase().as_str() {
            "UTF8" => ClientEncoding::Utf8,
            "EUC_JP" | "EUC_CN" | "EUC_KR" | "EUC_TW" | "EUC_JIS_2004" => ClientEncoding::Euc,
            "JOHAB" => ClientEncoding::Johab,
            "SJIS" | "SHIFT_JIS_2004" => ClientEncoding::ShiftJis,
            "BIG5" | "GBK" | "UHC" => ClientEncoding::DoubleByte,
            "GB18030" => ClientEncoding::Gb18030,
            _ => ClientEncoding::Single,
        }
    }

    /// Tells whether the later bytes of a character can look like ASCII.
    pub(super) fn hides_ascii(self) -> bool {
        !matches!(self, ClientEncoding::Single | ClientEncoding::Utf8 | ClientEncoding::Euc)
    }

    /// Returns the length of the character at the start of `text`; `None` when more bytes must be seen.
    ///
    /// The length may reach beyond the end of `text`; it is 0 only for an empty one.
    pub fn width(self, text: &[u8]) -> Option<usize> {
        const SINGLE_SHIFT_2: u8 = 0x8e;
        const SINGLE_SHIFT_3: u8 = 0x8f;
        let Some(&first) = text.first() else { return Some(0) };
        if first < 0x80 {
            return Some(1);
        }
        Some(match self {
            ClientEncoding::Single => 1,
            ClientEncoding::Utf8 => match first {
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf7 => 4,
                _ => 1,
            },
            ClientEncoding::Euc | ClientEncoding::Johab if first == SINGLE_SHIFT_3 => 3,
            ClientEncoding::Euc if first == SINGLE_SHIFT_2 => 2,
            ClientEncoding::ShiftJis if (0xa1..=0xdf).contains(&first) => 1,
            ClientEncoding::Gb18030 => match text.get(1) {
                None => return None,
                Some(b'0'..=b'9') => 4,
                Some(_) => 2,
            },
            _ => 2,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_have_the_width_of_their_encoding() {
        let cases: &[(&str, &[u8], usize)] = &[
            ("UTF8", "ö".as_bytes(), 2),
            ("UTF8", "€".as_bytes(), 3),
            ("LATIN1", b"\xf6x", 1),
            ("SJIS", b"\x83\x5c", 2),
            ("SJIS", b"\xb1x", 1),
            ("BIG5", b"\xa5\x5c", 2),
            ("EUC_JP", b"\x8f\xa1\xa1", 3),
            ("GB18030", b"\x81\x30\x81\x30", 4),
            ("GB18030", b"\x81\x40", 2),
        ];
        for (name, text, width) in cases {
            assert_eq!(ClientEncoding::from_name(name).width(text), Some(*width), "{name}");
        }
        assert_eq!(ClientEncoding::Gb18030.width(b"\x81"), None);
    }
}
