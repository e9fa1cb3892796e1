//! One comparison: the same work for each arm, from the same copy of a database, in rounds.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::address::Address;
use super::arm::{Arm, Task};
use super::check::{Shape, is_at_head};
use super::cluster::{Cluster, schema};
use super::common::postgres;
use super::cost::{Cost, run_all};
use super::far::Far;
use super::files::Files;
use super::history::{History, LENGTH};
use super::summary::Summary;

#[derive(Debug)]
pub(crate) struct Scenario<'a> {
    pub(crate) title: String,
    pub(crate) history: History,
    pub(crate) tenants: usize,
    /// The number of migrations that each tenant already has.
    pub(crate) applied: usize,
    pub(crate) arms: Vec<Arm>,
    /// For arms that start a process for each tenant.
    pub(crate) peer_tenants: usize,
    pub(crate) runs: usize,
    pub(crate) jobs: usize,
    /// The proxy between the arms and the server.
    pub(crate) far: Option<&'a Far>,
}

/// The result.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) heading: String,
    pub(crate) summaries: Vec<Summary>,
}

impl Scenario<'_> {
    pub(crate) async fn run(&self, cluster: &mut Cluster) -> Result<Compared> {
        let files = Files::write(self.history)?;
        let mut costs = vec![Vec::new(); self.arms.len()];
        let mut shape = None;
        for run in 0..self.runs {
            for index in 0..self.arms.len() {
                // The first arm changes in each round.
                let index = (index + run) % self.arms.len();
                let arm = self.arms[index];
                let measured = self.measure(cluster, &files, arm, &mut shape).await;
                let cost = measured.with_context(|| format!("{}: {arm:?}", self.title))?;
                let wall = cost.wall.as_secs_f64();
                super::say(&format!("{}, run {}: {arm:?} {wall:.2} s", self.title, run + 1));
                costs[index].push(cost);
            }
        }
        let summary =
            |(arm, costs): (&Arm, &Vec<Cost>)| Summary::of(*arm, self.worked_on(*arm), costs);
        let (items, _) = shape.context("no runs")?;
        Ok(Compared {
            heading: self.heading(items),
            summaries: self.arms.iter().zip(&costs).map(summary).collect(),
        })
    }

    /// The number of tenants that an arm processes.
    fn worked_on(&self, arm: Arm) -> usize {
        if arm.is_peer() { self.peer_tenants.min(self.tenants) } else { self.tenants }
    }

    async fn measure(
        &self,
        cluster: &mut Cluster,
        files: &Files,
        arm: Arm,
        shape: &mut Option<Shape>,
    ) -> Result<Cost> {
        let start = (self.history, self.tenants, self.applied);
        let has_work = self.applied < LENGTH;
        let database =
            if has_work { cluster.copy(start).await? } else { cluster.template(start).await? };
        let schemas: Vec<String> = (1..=self.worked_on(arm)).map(schema).collect();
        let address = match self.far {
            Some(far) => Address::through(far.port, &database),
            None => Address::socket(&database)?,
        };
        let task = Task { files, address, schemas: &schemas, jobs: self.jobs };
        let (commands, concurrency) = arm.commands(&task)?;
        self.far.map(Far::take);
        let before = cluster.cpu()?;
        let mut cost = run_all(commands, concurrency)?;
        // A session's process ends shortly after the session.
        std::thread::sleep(Duration::from_millis(100));
        cost.server = cluster.cpu()? - before;
        (cost.round_trips, cost.sessions) = self.far.map(Far::take).unwrap_or_default();
        let url = postgres().url(&database);
        let found = is_at_head(&url, self.history, arm.ledger(), &schemas).await?;
        let first = shape.get_or_insert_with(|| found.clone());
        ensure!(*first == found, "the tenants' shape is {found:?}, and another arm's {first:?}");
        if has_work {
            cluster.drop(&database).await?;
        }
        Ok(cost)
    }

    /// Its heading, and the common facts of all of its arms.
    fn heading(&self, items: i64) -> String {
        let pending = match LENGTH - self.applied {
            0 => "nothing to do".to_owned(),
            1 => format!("one new migration after {}", self.applied),
            pending => format!("{pending} migrations each"),
        };
        format!(
            "### {}\n\n{} tenants, {}, of {} ({items} catalog items); {} connections; runs of each: {}.\n",
            self.title,
            self.tenants,
            pending,
            self.history.words(),
            self.jobs,
            self.runs
        )
    }
}
