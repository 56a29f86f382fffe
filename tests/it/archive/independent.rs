//! The crate `libpgdump` as a second reader of what is written here: it was made by other people from
//! other sources.

use pgark::archive::open;
use pgark::model::{Section, TocEntry};

use super::{FIXTURES, fixture};

fn section_name(section: Section) -> &'static str {
    match section {
        Section::None => "None",
        Section::PreData => "PreData",
        Section::Data => "Data",
        Section::PostData => "PostData",
    }
}

fn assert_same(ours: &TocEntry, theirs: &libpgdump::Entry) {
    let id = ours.dump_id;
    assert_eq!(theirs.dump_id, ours.dump_id.0);
    assert_eq!(theirs.desc.as_str(), ours.desc, "{id}");
    assert_eq!(theirs.tag.as_deref().unwrap_or(""), ours.tag, "{id}");
    assert_eq!(theirs.defn.as_deref().unwrap_or(""), ours.definition, "{id}");
    assert_eq!(theirs.drop_stmt, ours.drop_statement, "{id}");
    assert_eq!(theirs.copy_stmt, ours.copy_statement, "{id}");
    assert_eq!(theirs.namespace, ours.namespace, "{id}");
    assert_eq!(theirs.tablespace, ours.tablespace, "{id}");
    assert_eq!(theirs.tableam, ours.table_access_method, "{id}");
    assert_eq!(theirs.owner, ours.owner, "{id}");
    assert_eq!(theirs.oid, ours.catalog_id.oid.to_string(), "{id}");
    assert_eq!(theirs.table_oid, ours.catalog_id.class.to_string(), "{id}");
    assert_eq!(format!("{:?}", theirs.section), section_name(ours.section), "{id}");
    assert_eq!(theirs.had_dumper, ours.has_data, "{id}");
    let dependencies: Vec<i32> = ours.dependencies.iter().map(|id| id.0).collect();
    assert_eq!(theirs.dependencies, dependencies, "{id}");
}

#[test]
fn libpgdump_reads_the_same_entries() {
    for name in FIXTURES {
        let ours = open(fixture(name)).expect("opens");
        // Written again here, in the newest version.
        let folder = tempfile::tempdir().expect("temp");
        let copy = folder.path().join(name);
        std::fs::create_dir(&copy).expect("creates");
        for item in std::fs::read_dir(fixture(name)).expect("lists") {
            let item = item.expect("item");
            std::fs::copy(item.path(), copy.join(item.file_name())).expect("copies");
        }
        let mut toc = Vec::new();
        pgark::archive::toc::write(&mut toc, ours.header(), ours.entries()).expect("writes");
        std::fs::write(copy.join("toc.dat"), toc).expect("writes");
        let theirs = libpgdump::load(&copy).expect("reads");
        assert_eq!(theirs.entries().len(), ours.entries().len(), "{name}");
        for (ours, theirs) in ours.entries().iter().zip(theirs.entries()) {
            assert_same(ours, theirs);
        }
    }
}
