//! Where a dump may be written: devices, pipes, symbolic links, mount points; by both verbs.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::database::Database;
use crate::support::{World, newest_server, oracle};

/// The verbs, with the exit code that each has for a refusal and for a disk that is full.
const VERBS: [(&str, i32, i32); 2] = [("dump", 4, 8), ("pg_dump", 1, 1)];

/// The formats that are a single file, and how each begins.
const FILES: [(&str, &[u8]); 3] = [("-Fc", b"PGDMP"), ("-Ft", b"toc.dat\0"), ("-Fp", b"--\n-- P")];

fn source(name: &str) -> Database {
    let database = newest_server().database(name);
    database.execute("create table t(a int, b text); insert into t select i, md5(i::text) from generate_series(1, 20000) i");
    database
}

fn name(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn arguments<'a>(
    verb: &'a str,
    format: &'a str,
    database: &'a Database,
    path: &'a Path,
) -> Vec<&'a str> {
    vec![verb, format, "-d", database.uri(), "-f", name(path)]
}

fn fifo(world: &World) -> PathBuf {
    let path = world.path("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
    path
}

#[test]
fn devices_are_written_to_and_stay_devices() {
    let database = source("outputs_devices");
    for (verb, _, full) in VERBS {
        for (format, _) in FILES {
            let world = World::new();
            let device = Path::new("/dev/null");
            let run = world.pgark(&arguments(verb, format, &database, device));
            assert_eq!(run.code, Some(0), "{verb} {format}: {}", run.stderr);
            assert!(fs::metadata(device).expect("is there").file_type().is_char_device());
            let run = world.pgark(&arguments(verb, format, &database, Path::new("/dev/full")));
            assert_eq!(run.code, Some(full), "{verb} {format}: {}", run.stderr);
            assert!(run.stderr.contains("No space left"), "{verb} {format}: {}", run.stderr);
            assert!(world.leftovers().is_empty(), "{verb} {format}");
        }
    }
}

#[test]
fn whoever_reads_a_pipe_gets_all_of_it() {
    let Some(stock) = oracle::record() else { return };
    let database = source("outputs_fifo");
    for (verb, ..) in VERBS {
        for (format, magic) in FILES {
            let world = World::new();
            let fifo = fifo(&world);
            let from = fifo.clone();
            let reading = std::thread::spawn(move || fs::read(from).expect("reads"));
            let run = world.pgark(&arguments(verb, format, &database, &fifo));
            assert_eq!(run.code, Some(0), "{verb} {format}: {}", run.stderr);
            let bytes = reading.join().expect("ends");
            assert!(bytes.starts_with(magic), "{verb} {format}");
            assert!(fs::metadata(&fifo).expect("is there").file_type().is_fifo());
            let copy = world.path("copy");
            fs::write(&copy, bytes).expect("writes");
            if format != "-Fp" {
                let target = newest_server().database("outputs_fifo_copy");
                let listed = stock.pg_restore(&["-l"], &copy).success().stdout;
                assert!(listed.contains(" TABLE DATA public t "), "{listed}");
                let restored = world.pgark(&["restore", "-d", target.uri(), name(&copy)]);
                assert_eq!(restored.code, Some(0), "{verb} {format}: {}", restored.stderr);
                assert_eq!(target.query("select count(*) from t").trim(), "20000");
            }
            let names = fs::read_dir(world.path(".")).expect("lists").count();
            assert_eq!(names, 2, "{verb} {format}: nothing beside the pipe");
        }
    }
}

#[test]
fn waiting_for_a_reader_can_be_interrupted() {
    let database = source("outputs_wait");
    for format in ["-Fc", "-Fp"] {
        let world = World::new();
        let fifo = fifo(&world);
        let mut command = world.command();
        command.args(arguments("dump", format, &database, &fifo));
        let mut child = command.stderr(Stdio::piped()).spawn().expect("starts");
        let locked = "select count(*) from pg_locks where relation = 't'::regclass";
        while database.query(locked).trim() == "0" {
            assert!(child.try_wait().expect("waits").is_none(), "it waits for a reader");
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
        assert_eq!(child.wait().expect("ends").code(), Some(130), "{format}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_dump() {
    let database = newest_server().database("outputs_gone");
    database.execute("create table t(b text); insert into t select repeat(md5(i::text), 40) from generate_series(1, 5000) i");
    for (verb, _, code) in VERBS {
        for format in ["-Fc", "-Fp", "-Ft"] {
            let world = World::new();
            let fifo = fifo(&world);
            let from = fifo.clone();
            let reading = std::thread::spawn(move || {
                use std::io::Read;
                let mut head = [0; 5];
                fs::File::open(from).expect("opens").read_exact(&mut head).expect("reads");
            });
            let arguments =
                [arguments(verb, format, &database, &fifo), vec!["-Z", "none"]].concat();
            let run = world.pgark(&arguments);
            reading.join().expect("ends");
            assert_eq!(run.code, Some(code), "{verb} {format}: {}", run.stderr);
            assert!(run.stderr.contains("Broken pipe"), "{verb} {format}: {}", run.stderr);
        }
    }
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_written() {
    let database = source("outputs_links");
    for (verb, refused, _) in VERBS {
        for (format, magic) in FILES {
            let world = World::new();
            fs::create_dir(world.path("disk")).expect("creates");
            let (link, real) = (world.path("link"), world.path("disk/real"));
            symlink("disk/real", &link).expect("links");
            let run = world.pgark(&arguments(verb, format, &database, &link));
            assert_eq!(run.code, Some(0), "{verb} {format}: {}", run.stderr);
            assert!(fs::symlink_metadata(&link).expect("is there").is_symlink());
            assert!(fs::read(&real).expect("reads").starts_with(magic), "{verb} {format}");
            if verb == "dump" {
                assert!(world.path("disk/real.manifest.json").exists(), "beside the file");
                let report = world.pgark(&["verify", name(&link)]).success().stdout;
                assert!(report.starts_with("the archive is whole"), "{report}");
            }
            // Now the link leads to a file.
            fs::write(&real, "precious").expect("writes");
            let run = world.pgark(&arguments(verb, format, &database, &link));
            match verb {
                "dump" => {
                    assert_eq!(run.code, Some(refused), "{format}: {}", run.stderr);
                    assert_eq!(fs::read(&real).expect("reads"), b"precious");
                }
                _ => assert!(fs::read(&real).expect("reads").starts_with(magic), "{format}"),
            }
            assert!(fs::symlink_metadata(&link).expect("is there").is_symlink());
            // And in the end to itself.
            let circle = world.path("circle");
            symlink("circle", &circle).expect("links");
            let run = world.pgark(&arguments(verb, format, &database, &circle));
            assert_ne!(run.code, Some(0), "{verb} {format}");
            assert!(run.stderr.contains("symbolic links"), "{verb} {format}: {}", run.stderr);
        }
        let world = World::new();
        fs::create_dir(world.path("disk")).expect("creates");
        let link = world.path("link");
        symlink("disk", &link).expect("links");
        let run = world.pgark(&arguments(verb, "-Fd", &database, &link));
        assert_eq!(run.code, Some(0), "{verb}: {}", run.stderr);
        assert!(world.path("disk/toc.dat").exists() && link.is_symlink());
    }
}

#[test]
fn a_directory_is_no_file_and_a_file_no_directory() {
    let database = source("outputs_kinds");
    for (verb, refused, _) in VERBS {
        for (format, _) in FILES {
            let world = World::new();
            let folder = world.path("folder");
            fs::create_dir(&folder).expect("creates");
            let run = world.pgark(&arguments(verb, format, &database, &folder));
            assert_eq!(run.code, Some(refused), "{verb} {format}: {}", run.stderr);
            assert!(run.stderr.contains("is a directory"), "{verb} {format}: {}", run.stderr);
            assert_eq!(fs::read_dir(&folder).expect("lists").count(), 0);
            let nowhere = world.path("no/such/folder/x");
            let run = world.pgark(&arguments(verb, format, &database, &nowhere));
            assert_ne!(run.code, Some(0), "{verb} {format}");
            assert!(run.stderr.contains("no/such/folder"), "{verb} {format}: {}", run.stderr);
        }
        let world = World::new();
        let file = world.path("file");
        fs::write(&file, "precious").expect("writes");
        for path in [file.as_path(), Path::new("/dev/null"), &fifo(&world)] {
            let run = world.pgark(&arguments(verb, "-Fd", &database, path));
            assert_eq!(run.code, Some(refused), "{verb} {}: {}", path.display(), run.stderr);
        }
        assert_eq!(fs::read(&file).expect("reads"), b"precious");
        let run = world.pgark(&["dump", "-Fd", "-f", "-", "-d", database.uri()]).fails_with(2);
        assert!(run.stderr.contains("cannot be written to standard output"), "{}", run.stderr);
    }
}

#[test]
fn an_empty_directory_that_is_a_mount_point_is_filled() {
    let database = source("outputs_mount");
    for (verb, ..) in VERBS {
        let world = World::new();
        let folder = world.path("disk");
        fs::create_dir(&folder).expect("creates");
        // A mount that only this command sees.
        let script = "mount -t tmpfs none \"$0\" && \"$@\" && ls \"$0\"";
        let program = env!("CARGO_BIN_EXE_pgark");
        let arguments = arguments(verb, "-Fd", &database, &folder);
        let run = |namespace: &[&str]| {
            let mut command = Command::new("unshare");
            command.args(namespace).args(["sh", "-c", script, name(&folder), program]);
            command.args(&arguments).env("PGARK_MOUNTED", "1").output()
        };
        let allowed = |namespace: &[&str]| {
            let probe = ["sh", "-c", "mount -t tmpfs none \"$0\"", name(&folder)];
            let status = Command::new("unshare").args(namespace).args(probe).output();
            status.is_ok_and(|output| output.status.success())
        };
        let namespaces: [&[&str]; 2] = [&["-m"], &["-rm"]];
        let Some(namespace) = namespaces.into_iter().find(|namespace| allowed(namespace)) else {
            let _ = writeln!(
                std::io::stderr(),
                "\n!!! NOT TESTED: nobody may mount here, so no mount point was dumped into\n"
            );
            return;
        };
        let output = run(namespace).expect("unshare runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{verb}: {stderr}");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(stdout.lines().any(|line| line == "toc.dat"), "{verb}: {stdout}");
        assert_eq!(fs::read_dir(&folder).expect("lists").count(), 0, "it was on the mount");
    }
}
