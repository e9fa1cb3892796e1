//! The starting state of a unit: `prepare` files, its sample, and the version of the sample.

use camino::Utf8Path;

use super::at;
use super::context::UnitContext;
use super::database_gate::Reach;
use super::migrate::{ensure_ledger, migrate, migrate_in};
use crate::model::{Failure, Migration, Phase, Sample, SampleLoad, TrackKind, UnitEnd, UnitRecord};
use crate::postgres::Session;
use crate::replay::plan::{TrackPlan, applied_in_sample};
use crate::samples::{SampleFile, SampleTarget, file_failure, load_sample, run_file};

/// Runs the tenant's `prepare` files.
pub(super) async fn run_prepare(context: &UnitContext<'_>) -> Result<(), Failure> {
    if context.unit.track == TrackKind::Shared || context.database.tenant_prepare.is_empty() {
        return Ok(());
    }
    // A file for each tenant may create an object of the whole database or server, such as an extension or a membership in a
    // role.
    let _alone = context.scratch.acquire(Reach::WHOLE_SERVER).await;
    let mut session = context.admin_session().await?;
    for path in &context.database.tenant_prepare {
        run_file(&mut session, context.replay.files, path).await?;
    }
    session.close().await;
    Ok(())
}

/// Brings a sample to the base. If the sample does not contain its version, the configuration may name it; otherwise the sample
/// is at the base.
pub(super) async fn start_from(
    context: &UnitContext<'_>,
    record: &mut UnitRecord,
    sample: &Sample,
) -> Result<(), UnitEnd> {
    record.sample = Some(SampleLoad { path: sample.path.clone(), ..SampleLoad::default() });
    let file = SampleFile::read(context.replay.files, &sample.path).map_err(at(Phase::Prepare))?;
    let applied_in_sample = applied_in_sample(sample, context.track);
    let track = context.track;
    let mut opened = None;
    let mut is_there = track.base.is_empty();
    if file.is_whole() {
        load(context, record, &file).await.map_err(at(Phase::Prepare))?;
        let versioned =
            read_or_write_version(context, record, &file, sample, applied_in_sample).await;
        opened = Some(versioned.map_err(at(Phase::Prepare))?);
    } else {
        let upto = stands_after_rows(context, &file, sample, applied_in_sample).await;
        let upto = upto.map_err(at(Phase::Prepare))?;
        migrate(context, record, Phase::Base, upto).await?;
        load(context, record, &file).await.map_err(at(Phase::Prepare))?;
        note_version(record, upto.last().map(|migration| migration.version.clone()));
        is_there |= upto.len() == track.base.len();
    }
    is_there |= is_ahead_of_base(track, record);
    match opened {
        Some(session) if is_there => session.close().await,
        // A program opens its own connections.
        Some(session) if track.alembic.is_some() => {
            session.close().await;
            migrate(context, record, Phase::Base, &track.base).await?;
        }
        // The session has only read the ledger.
        Some(session) => {
            context.enter(Phase::Base);
            migrate_in(context, record, session, Phase::Base, &track.base).await?;
        }
        None if is_there => {}
        None => migrate(context, record, Phase::Base, &track.base).await?,
    }
    Ok(())
}

async fn load(
    context: &UnitContext<'_>,
    record: &mut UnitRecord,
    file: &SampleFile,
) -> Result<(), Failure> {
    let (schema, ledger) = (context.own().schema, &context.unit.ledger);
    // An extension belongs to the whole database, and two samples may contain the same one.
    let reach = Reach::of(file.effects_beyond(schema), context.own());
    let _turn = context.scratch.acquire_if_needed(reach).await;
    let mut session = context.admin_session().await?;
    let target = SampleTarget { role: context.replay.server.role_name(), schema, ledger };
    record.sample = Some(load_sample(&mut session, file, target).await?);
    session.close().await;
    Ok(())
}

/// The version of a sample without a schema: from its ledger rows, if it has any (`pg_dump --data-only` writes them).
async fn stands_after_rows<'t>(
    context: &UnitContext<'t>,
    file: &SampleFile,
    sample: &Sample,
    otherwise: Option<&'t [Migration]>,
) -> Result<&'t [Migration], Failure> {
    let mut version = None;
    if file.has_ledger_rows(&context.unit.ledger, context.own().schema) {
        let (format, ledger) = (context.track.detected.format, &context.unit.ledger);
        let mut session = context.owner_session().await?;
        version = file.ledger_version(&mut session, format, ledger, context.own().schema).await?;
        session.close().await;
    }
    let Some(version) = version else {
        return otherwise.ok_or_else(|| unknown_version(&sample.path));
    };
    let at_version = Sample { version: Some(version.clone()), ..sample.clone() };
    applied_in_sample(&at_version, context.track)
        .ok_or_else(|| no_such_version(&sample.path, &version))
}

/// Reads the version of a sample with a schema from its ledger; if it has none, writes a ledger with the configured version.
/// Returns the session.
async fn read_or_write_version(
    context: &UnitContext<'_>,
    record: &mut UnitRecord,
    file: &SampleFile,
    sample: &Sample,
    applied_in_sample: Option<&[Migration]>,
) -> Result<Session, Failure> {
    let format = context.track.detected.format;
    let ledger = &context.unit.ledger;
    let mut session = context.owner_session().await?;
    let rows = session.ledger(ledger, &format.ledger_rows(ledger)).await?.unwrap_or_default();
    let version = if let Some(row) = rows.last() {
        Some(row.version.clone())
    } else {
        let assumed = sample.version.is_none();
        if let Some(failure) = file.other_ledger(ledger).filter(|_| assumed) {
            return Err(failure);
        }
        record.sample.get_or_insert_with(SampleLoad::default).assumed = assumed;
        let applied = applied_in_sample.ok_or_else(|| unknown_version(&sample.path))?;
        ensure_ledger(context, &mut session).await?;
        let applied: Vec<&Migration> = applied.iter().collect();
        session.execute(format.stamp(&applied, ledger)).await?;
        applied.last().map(|migration| migration.version.clone())
    };
    note_version(record, version);
    Ok(session)
}

fn note_version(record: &mut UnitRecord, version: Option<String>) {
    record.sample.get_or_insert_with(SampleLoad::default).version = version;
}

/// Whether the sample is from a branch that is ahead of the base.
fn is_ahead_of_base(track: &TrackPlan, record: &UnitRecord) -> bool {
    let Some(version) = record.sample.as_ref().and_then(|load| load.version.as_ref()) else {
        return false;
    };
    let has = |list: &[Migration]| list.iter().any(|migration| migration.version == *version);
    has(&track.head) && !has(&track.base)
}

fn no_such_version(path: &Utf8Path, version: &str) -> Failure {
    Failure {
        hint: Some(
            "the sample may belong to other migrations or to an unmerged branch. Remove the rows of that \
             table and set `version = \"…\"` in the configuration: the sample is then loaded after the \
             migrations up to that version"
                .to_owned(),
        ),
        ..file_failure(
            path,
            format!("the sample's version table contains {version}, and no migration has that version"),
        )
    }
}

fn unknown_version(path: &Utf8Path) -> Failure {
    Failure {
        hint: Some(
            "set `version = \"…\"` in the configuration, or compare with a base (`--base REV`): by default \
             a sample has the version of the base's newest migration, and there is no base"
                .to_owned(),
        ),
        ..file_failure(path, "the version of this sample is unknown")
    }
}
