//! Archives that are not whole.

use std::path::Path;

use super::findings;
use crate::support::{World, damage, newest_server};

const SCHEMA: &str = "create table numbers (n int primary key, t text); \
    insert into numbers select g, md5(g::text) from generate_series(1, 5000) g; \
    create table words (w text); insert into words values ('one'), (null), ('')";

/// Makes a sound archive in a world of its own.
fn world_with_archive(compression: &str) -> World {
    let source = newest_server().database("damaged");
    source.execute(SCHEMA);
    let world = World::new();
    let _ = world
        .pgark(&[
            "dump",
            "-d",
            source.uri(),
            "-f",
            "sound",
            "-Z",
            compression,
            "--progress",
            "none",
        ])
        .success();
    world
}

/// Returns the data file of the larger table.
fn largest(archive: &Path) -> std::path::PathBuf {
    let size = |file: &std::path::PathBuf| std::fs::metadata(file).expect("a file").len();
    let is_data = |file: &std::path::PathBuf| file.to_string_lossy().contains(".dat.");
    damage::files(archive).into_iter().filter(is_data).max_by_key(size).expect("a data file")
}

/// What is done to an archive.
struct Case {
    name: &'static str,
    damage: fn(&Path),
}

const CASES: &[Case] = &[
    Case {
        name: "a flipped bit in a data file",
        damage: |archive| damage::flip(&largest(archive), 1000),
    },
    Case {
        name: "a data file cut off",
        damage: |archive| damage::truncate(&largest(archive), 1000),
    },
    Case { name: "an empty data file", damage: |archive| damage::truncate(&largest(archive), 0) },
    Case { name: "a missing data file", damage: |archive| damage::remove(&largest(archive)) },
    Case {
        name: "a file that is not of the archive",
        damage: |archive| std::fs::write(archive.join("9999.dat.gz"), "x").expect("written"),
    },
    Case { name: "no manifest", damage: |archive| damage::remove(&archive.join("manifest.json")) },
    Case {
        name: "a flipped bit in the manifest",
        damage: |archive| damage::flip(&archive.join("manifest.json"), 300),
    },
    Case {
        name: "a manifest cut off",
        damage: |archive| damage::truncate(&archive.join("manifest.json"), 300),
    },
    Case {
        name: "no checksum file",
        damage: |archive| damage::remove(&archive.join("SHA256SUMS")),
    },
    Case {
        name: "a flipped bit in the checksum file",
        damage: |archive| damage::flip(&archive.join("SHA256SUMS"), 3),
    },
    Case {
        name: "a flipped bit in a name of the table of contents",
        damage: |archive| {
            let toc = archive.join("toc.dat");
            let bytes = std::fs::read(&toc).expect("a table of contents");
            let at = bytes.windows(7).position(|part| part == b"numbers").expect("the name");
            damage::flip(&toc, at);
        },
    },
    Case {
        name: "a table of contents cut off",
        damage: |archive| damage::truncate(&archive.join("toc.dat"), 500),
    },
    Case {
        name: "no table of contents",
        damage: |archive| damage::remove(&archive.join("toc.dat")),
    },
];

#[test]
fn every_kind_of_damage_is_named_and_ends_with_9() {
    let world = world_with_archive("gzip");
    let sound = world.path("sound");
    assert_eq!(findings(&world, &["sound"]), (0, String::new()));
    assert_eq!(findings(&world, &["sound", "--quick"]), (0, String::new()));
    let mut text = String::new();
    for case in CASES {
        let damaged = damage::copy(&sound, "damaged");
        (case.damage)(&damaged);
        let (code, found) = findings(&world, &["damaged"]);
        assert_eq!(code, 9, "{}: {found}", case.name);
        let (code, quick) = findings(&world, &["damaged", "--quick"]);
        assert_eq!(code, 9, "quick, {}: {quick}", case.name);
        text += &format!("## {}\n{found}\n", case.name);
        std::fs::remove_dir_all(&damaged).expect("removed");
    }
    insta::with_settings!({filters => vec![(r"\d+\.dat", "N.dat"), (r"[0-9a-f]{64}", "[SHA256]"), (r"\d{3,} bytes", "N bytes"), (r"offset \d+|entry number \d+|toc entry \d+", "[PLACE]")]}, {
        insta::assert_snapshot!(text, @r#"
    ## a flipped bit in a data file
    file N.dat.gz (table public.numbers): the SHA-256 differs
    file N.dat.gz (table public.numbers): corrupt gzip stream does not have a matching checksum

    ## a data file cut off
    file N.dat.gz (table public.numbers): it should have N bytes and has 1000
    file N.dat.gz (table public.numbers): the SHA-256 differs
    file N.dat.gz (table public.numbers): incomplete deflate stream
    file N.dat.gz (table public.numbers): the end marker is missing or damaged

    ## an empty data file
    file N.dat.gz (table public.numbers): it should have N bytes and has 0
    file N.dat.gz (table public.numbers): the SHA-256 differs
    file N.dat.gz (table public.numbers): the block should have 188893 decompressed bytes and has 0
    file N.dat.gz (table public.numbers): the end marker is missing or damaged

    ## a missing data file
    file N.dat.gz (table public.numbers): it is missing

    ## a file that is not of the archive
    file N.dat.gz: it does not belong to the archive

    ## no manifest
    error: the manifest of archive "damaged" is gone

    ## a flipped bit in the manifest
    error: the manifest of archive "damaged" cannot be used: the manifest is damaged: its checksum is wrong

    ## a manifest cut off
    error: the manifest of archive "damaged" cannot be used: the manifest is damaged: it does not end with its checksum

    ## no checksum file
    file SHA256SUMS: it is missing

    ## a flipped bit in the checksum file
    file SHA256SUMS: it does not list what the manifest lists

    ## a flipped bit in a name of the table of contents
    error: the manifest of archive "damaged" cannot be used: the manifest does not fit the table of contents: it has another SHA-256

    ## a table of contents cut off
    error: archive "damaged" is damaged: could not read "damaged/toc.dat" at [PLACE] in [PLACE] ([PLACE]): the file ends inside the definition

    ## no table of contents
    error: archive "damaged" is damaged: directory "damaged" does not appear to be a valid archive ("toc.dat" does not exist)
    "#);
    });
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    for compression in ["none", "gzip", "lz4", "zstd"] {
        let world = world_with_archive(compression);
        let sound = world.path("sound");
        for file in damage::files(&sound) {
            let length = std::fs::metadata(&file).expect("a file").len() as usize;
            // Every file at its ends and at places that move with the codec; all offsets would take hours.
            for offset in [0, length / 3, length / 2 + 1, length - 1] {
                let bytes = std::fs::read(&file).expect("a file");
                damage::flip(&file, offset);
                let (code, _) = findings(&world, &["sound", "--quick"]);
                assert_eq!(code, 9, "{compression}: {} at {offset}", file.display());
                std::fs::write(&file, bytes).expect("mended");
            }
        }
        assert_eq!(findings(&world, &["sound"]).0, 0);
    }
}

#[test]
fn an_archive_by_pg_dump_is_checked_as_far_as_the_format_tells() {
    let Some(stock) = crate::support::oracle::record() else { return };
    let source = newest_server().database("stock_archive");
    source.execute(SCHEMA);
    let world = World::new();
    let archive = world.path("stock");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    assert_eq!(findings(&world, &["stock"]), (0, String::new()));
    damage::flip(&largest(&archive), 2000);
    assert_eq!(findings(&world, &["stock"]).0, 9);
}
