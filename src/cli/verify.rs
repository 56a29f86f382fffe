//! `pgark verify`: from what was typed to [`VerifyOptions`], and the run.

use super::arguments::VerifyArguments;
use super::connection;
use super::input::Input;
use super::output;
use super::progress::Display;
use super::report;
use super::vault;
use super::world::World;
use crate::archive::cluster::ClusterManifest;
use crate::connect::ConnectParams;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};
use crate::store::Location;
use crate::verify::{self, Depth, VerifyOptions, VerifyReport};

pub(super) async fn run(
    arguments: &VerifyArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    if vault::verify::is_meant(arguments) {
        return vault::verify::run(arguments, world, interrupt).await;
    }
    let options = VerifyOptions {
        depth: if arguments.quick { Depth::Quick } else { Depth::Full },
        jobs: world.jobs(arguments.jobs),
        owners: !arguments.no_owner,
        privileges: !arguments.no_privileges,
        ..VerifyOptions::new(&arguments.archive)
    };
    let mut display = Display::start(world, &arguments.output);
    let progress = display.handle();
    let input = match ClusterManifest::is_at(&arguments.archive) {
        true => None,
        false => Some(Input::open(&arguments.archive, world, interrupt).await?),
    };
    let options = match &input {
        Some(Input::Script(_, path)) => VerifyOptions { archive: path.into(), ..options },
        Some(Input::Archive(archive)) => {
            VerifyOptions { archive: archive.location.clone(), ..options }
        }
        None => options,
    };
    let report = match (&arguments.against, input) {
        // A script may come through a pipe, and then it can be read once.
        (against, Some(Input::Script(source, _)))
            if against.is_none() || source.proof().manifest.is_none() =>
        {
            let against = against.as_ref().map(|text| connection::params_of(world, text));
            let options = VerifyOptions { against: against.transpose()?, ..options };
            verify::plan_script(options, source, progress)?.run(interrupt).await?
        }
        (None, _input) => check(options, progress, interrupt).await?,
        (Some(text), _input) => {
            let params = connection::params_of(world, text)?;
            let check = |params: ConnectParams| {
                let options = VerifyOptions { against: Some(params), ..options.clone() };
                check(options, progress.clone(), interrupt)
            };
            connection::with_password(world, arguments.prompt, params, &display, check).await?
        }
    };
    display.close();
    let compared = arguments.against.is_some();
    output::result(&report, arguments.output.json, |found| report::verified(found, compared))?;
    verdict(&report, arguments)
}

/// Plans and runs a verification.
pub(super) async fn check(
    options: VerifyOptions,
    progress: ProgressHandle,
    interrupt: &Interrupt,
) -> Result<VerifyReport> {
    let archive = options.archive.clone();
    if archive.path().is_some_and(ClusterManifest::is_at) {
        return verify::verify_cluster(&options, &progress, interrupt).await;
    }
    match verify::plan(options, progress) {
        Ok(plan) => plan.run(interrupt).await,
        Err(error) => Err(broken(error, &archive)),
    }
}

/// Makes an archive of ours that cannot even be read what it is to who asked: not whole.
fn broken(error: Error, archive: &Location) -> Error {
    let has = |name| archive.path().is_some_and(|path| path.join(name).exists());
    let is_ours = has("manifest.json") || has("SHA256SUMS");
    if error.kind() != ErrorKind::Archive || !is_ours {
        return error;
    }
    let what = format!("archive \"{archive}\" is damaged");
    Error::new(ErrorKind::Integrity, what).with_source(error)
}

/// Turns findings into the failure that they are.
fn verdict(report: &VerifyReport, arguments: &VerifyArguments) -> Result<()> {
    if report.is_sound() {
        return Ok(());
    }
    let archive = arguments.archive.display();
    let count = report.findings.len();
    let what = if arguments.against.is_some() {
        format!("archive \"{archive}\" and the database differ")
    } else {
        format!("archive \"{archive}\" is damaged")
    };
    let findings = if count == 1 { "one finding".to_owned() } else { format!("{count} findings") };
    Err(Error::new(ErrorKind::Integrity, format!("{what}: {findings}")))
}
